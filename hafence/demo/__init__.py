"""The demo: a whole small cluster on loopback, without root and without any other service.

What is real: SSH (asyncssh serves, hafence's own client connects), the tunnel through a sibling, the host
keys, the scripts that hafence sends, the processes they find and kill, the store. What stands in for
something else: a shell that writes heartbeats for qemu, a small `virsh` for libvirt, `ping` and `ip`
for a network that loopback does not have. This is the only room that knows asyncssh.
"""
