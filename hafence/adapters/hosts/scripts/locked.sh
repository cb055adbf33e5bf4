# shellcheck shell=sh
# What start.sh and settle.sh share: the VM's lock and ticket on this host, and the answer. Needs absence.sh and what that
# needs, and mark.sh.
#
# VMS     the one UUID
# NAMES   its name, if it is known (see identity.sh)
# TICKET  a whole number; a script that finds a higher one, or an equal one of a settle, does nothing
#
#   start UUID started pid=P | running pid=P | clean why=… | refused why=superseded | barred why=… | unknown why=…
#   end
#
# Exit status: 0 for started and running, 10 for clean, 11 otherwise. clean: no copy is here, and nothing is under way
# that could still bring one. barred: this start has done nothing, since another store's run may be at it (mark.sh). With
# another store's mark, store=, run= and age=. The lock is a file that stays; virsh inherits it, so it is held for as long as
# a start is under way, even if this shell and the connection are gone.

finish() {
    finish_word=$1
    shift
    if [ "$finish_word" != started ] && [ -s "$VIRSH_TALK" ]; then
        set -- "$@" "err_len=$(($(wc -c <"$VIRSH_TALK")))"
        finish_sum=$(sha256sum <"$VIRSH_TALK" 2>/dev/null)
        [ -z "$finish_sum" ] || set -- "$@" "err_sha=${finish_sum%"${finish_sum#????????}"}"
        printf '%s\n' '--- virsh' >&2
        cat -- "$VIRSH_TALK" >&2
        printf '%s\n' '--- end' >&2
    fi
    case $VIRSH_TALK in
    /dev/null) ;;
    *) [ -n "$VIRSH_RUNS" ] || rm -f -- "$VIRSH_TALK" ;;
    esac
    say "start $VMS $finish_word${*:+ $*}${MARK:+ $MARK}"
    say end
    case $finish_word in
    started | running) exit 0 ;;
    clean) exit 10 ;;
    esac
    exit 11
}

begin_locked() {
    prepare
    # shellcheck disable=SC2034  # absence.sh reads KNOWN: nothing is killed here
    VIRSH_TALK=/dev/null VIRSH_RUNS='' KNOWN='' OLD_FILES=' ' MARK=''
    normalise_uuid "$VMS" || exit 11
    say_hello
    wait_go
    find_virsh
    check_self || finish unknown "why=$WHY"
}

# take_lock: 1, with WHY, where there can be no lock; ends with "unknown" while another holds it: a start is under way.
take_lock() {
    WHY=$(lacking flock)
    if [ -n "$WHY" ]; then
        WHY=lacks-flock
        return 1
    fi
    WHY=no-lock-folder
    [ -d "$LOCKS" ] || mkdir -p -- "$LOCKS" 2>/dev/null
    # A redirection that fails in "exec" would end the shell.
    (: >>"$LOCKS/$VMS.lock") 2>/dev/null || return 1
    exec 9>>"$LOCKS/$VMS.lock"
    read_uptime || return 1
    lock_ms=$((END_UP_MS - UP_MS))
    [ "$lock_ms" -gt 0 ] || lock_ms=0
    flock -w "$((lock_ms / 1000)).$((lock_ms % 1000 / 100))" 9 || finish unknown why=lock-held
    # shellcheck disable=SC2034  # absence.sh reads it
    HOLDS_LOCK=yes
    WHY=''
}

# take_ticket start|settle
take_ticket() {
    seen_ticket=0 seen_kind=''
    if [ -e "$LOCKS/$VMS.ticket" ]; then
        { read -r seen_ticket seen_kind <"$LOCKS/$VMS.ticket"; } 2>/dev/null
        case $seen_ticket:$seen_kind in
        *[!0-9]*:* | :* | ????????????????????*:*) finish unknown why=ticket-unreadable ;;
        *:start | *:settle) ;;
        *) finish unknown why=ticket-unreadable ;;
        esac
    fi
    if [ "$seen_ticket" -gt "$TICKET" ]; then finish refused why=superseded; fi
    if [ "$seen_ticket$seen_kind$1" = "${TICKET}settlestart" ]; then finish refused why=superseded; fi
    if ! (printf '%s %s\n' "$TICKET" "$1" >"$LOCKS/$VMS.ticket.new") 2>/dev/null ||
        ! mv -f -- "$LOCKS/$VMS.ticket.new" "$LOCKS/$VMS.ticket" 2>/dev/null; then
        finish unknown why=ticket-not-written
    fi
}

# find_copy: PID of a living process of the VM, or empty.
find_copy() {
    copy_scan=$(scan) || finish unknown "why=$copy_scan"
    read_scan "$copy_scan"
    PID=${COPIES#*:}
    PID=${PID%%:*}
}

# await_rest MILLISECONDS (of the uptime): until libvirt is at nothing with the VM, and then no process of it is seen.
# PID is one that was; whether that is all, nothing_here says.
await_rest() {
    while :; do
        ask_libvirt "$LIBVIRT_S" "$VMS"
        find_copy
        [ -z "$PID" ] || return 0
        state_of "$VMS"
        case $VM_STATE in
        active | busy) ;;
        *) return 0 ;;
        esac
        if ! read_uptime || [ "$UP_MS" -ge "$1" ]; then return 0; fi
        sleep 0.1
    done
}

# finish_unless_clear: ends with "unknown" where something of the VM may be here, or on its way.
finish_unless_clear() {
    nothing_here "$VMS" 0 && return 0
    set -- "why=$VM_WHY"
    [ -z "$WHO" ] || set -- "$@" "program=${WHO#*:}" "pid=${WHO%%:*}"
    finish unknown "$@"
}
