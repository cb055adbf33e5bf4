"""A real KVM cluster on one machine, with nothing that is not in Debian or on PyPI. For tests and for people.

For a test: take the fixture `lab` (see fixtures.py).

    def test_x(lab):
        vm = lab.start_vm("kvm-01", "web-01")             # libvirt's, running
        with faults.firewall(lab, "kvm-01"):              # every fault: faults.py; reset heals what was left
            run_hafence("start-vm", "web-01", inventory=lab.inventory(fencing={"unreachable": "prove"}))
        assert lab.copies(vm.uuid) == 1                   # by the kernel's word, on whichever host

For people: `python -m tests.lab up` (see __main__.py).

cluster.py     Lab: up, reset, down, VMs, who runs where, the inventory
host.py        LabHost: power, commands inside and in its network namespace, its daemons
faults.py      everything that can go wrong, each a `Fault`
ceph.py bmc.py a Ceph cluster; BMCs for the real fence agents
look.py        what one machine sees of another
require.py     what is missing here, by name: a skip on a desk, a failure on CI
"""
