#!/bin/sh
# The inside of a lab host, run as the first process of its namespaces: makes it a machine of its own, starts its
# daemons, says "ready" on its output, and becomes an init that reaps (without one a killed qemu stays a zombie,
# and libvirt takes a minute to believe it).
# usage: host.sh NAME FOLDER DAEMON…    DAEMON is sshd or libvirtd
set -eu
name=$1 folder=$2
shift 2

hostname "$name"
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0700 tmpfs /root # or bash would read this machine's own .bashrc for every ssh command
mkdir -p /run/sshd /run/lock /run/lab /run/home/fencer
chown 61234:61234 /run/home/fencer
cat /proc/sys/kernel/random/uuid >/run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id # one kernel, but each host boots for itself

for pair in etc:/etc lib:/var/lib/libvirt log:/var/log cache:/var/cache/libvirt; do
    mount --bind "$folder/${pair%%:*}" "${pair#*:}"
done

for daemon in "$@"; do
    case $daemon in
    sshd) /usr/sbin/sshd -E /var/log/sshd.log >/dev/null 2>&1 ;;
    libvirtd) /usr/sbin/libvirtd -d </dev/null >/dev/null 2>&1 ;;
    esac
done
for daemon in "$@"; do
    [ "$daemon" = libvirtd ] || continue
    until LC_ALL=C virsh -c qemu:///system version >/dev/null 2>&1; do sleep 0.02; done
done
echo ready
exec >/dev/null 2>&1
exec tini -s -g -- sleep 36500d
