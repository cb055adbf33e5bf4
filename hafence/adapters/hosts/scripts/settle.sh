# shellcheck shell=sh
# Finds out what became of an earlier start of a VM on this host, and sees to it that nothing more comes of it. Needs
# locked.sh and what that needs; see there for the variables and the answer.

settle() {
    if ! take_one || ! take_lock; then finish unknown "why=$WHY"; fi
    take_ticket settle
    await_rest "$END_UP_MS"
    if [ -n "$PID" ]; then finish running "pid=$PID"; fi
    finish_unless_clear
    finish clean why=no-copy
}

main() {
    begin_locked
    settle
    exit 11
}

main
