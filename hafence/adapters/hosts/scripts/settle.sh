# shellcheck shell=sh
# Finds out what became of an earlier start of a VM on this host, and sees to it that nothing more comes of it. Needs
# lib.sh, scan.sh, libvirt.sh and locked.sh; see the latter for the variables and the answer.

settle() {
    if ! take_lock; then finish unknown "why=$WHY"; fi
    take_ticket settle
    if [ -z "$HAS_VIRSH" ]; then
        # Without virsh no start of ours can be under way.
        find_copy
    elif ! await_rest "$END_UP_MS"; then
        finish unknown why=libvirt-does-not-answer
    elif [ -n "$STAYS" ]; then
        finish unknown why=libvirt-active
    fi
    if [ -n "$PID" ]; then finish running "pid=$PID"; fi
    finish clean why=no-copy
}

main() {
    begin_locked
    settle
    exit 11
}

main
