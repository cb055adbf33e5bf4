# shellcheck shell=sh
# Starts a VM here, at most once. Needs locked.sh, again.sh and what these need; see locked.sh for the answer.
#
# XML     the domain, whose UUID was read and found to be the VM's before it was sent
# DOMAIN  its name
# HOW     persistent: define and start; transient: create
# BOOT    the boot in which this host was looked into: the tickets that it has seen since are gone with another one
#
# A start that fails for a reason that passes (again.sh) is tried again, as long as there is time for it.
#
# What counts at the end is what is seen, not what virsh said. A definition is taken back if the start failed and it was
# not here before, and with it NVRAM and the state of a TPM that this start has made; nothing else is ever removed.

virsh_feed() {
    # By a pipe: a domain may hold passwords, which have no business in a file that a killed script leaves behind.
    printf '%s\n' "$XML" | libvirt "$@"
}

could_not_begin() {
    find_copy
    if [ -n "$PID" ]; then finish running "pid=$PID" already=1; fi
    finish clean "why=$1"
}

# hafence has read the UUID in XML, and libvirt reads it with another parser. Had it read another one, a VM that nobody
# looks for would run now, and "ended at once" would be said of this one: the next target would start it once more.
runs_another() {
    [ "$HOW" = transient ] || return 1
    another_said=$(libvirt "$LIBVIRT_S" domuuid -- "$DOMAIN" </dev/null 2>/dev/null)
    case $? in
    0) [ "${another_said%%"$NL"*}" != "$VMS" ] ;;
    124 | 137) return 0 ;; # nobody knows
    *) return 1 ;;
    esac
}

define() {
    if is_kept "$VMS"; then DEFINED_BEFORE=yes; fi
    in_time || could_not_begin deadline-passed
    virsh_feed $((LIBVIRT_S + 2)) define /dev/stdin >/dev/null 2>"$VIRSH_TALK" || could_not_begin define-failed
    if [ -z "$DEFINED_BEFORE" ]; then note_state; fi
}

# note_state: BACK, how to undefine the VM without a loss: what of its state is here already stays; '' where virsh can't.
note_state() {
    BACK=--keep-nvram
    case $XML in
    *'<nvram'* | *firmware=*) if is_without_nvram; then BACK=--nvram; fi ;;
    esac
    case $XML in
    *'<tpm'*)
        if [ -e "/var/lib/libvirt/swtpm/$VMS" ]; then
            # One that does not know the option removes the state.
            if virsh help undefine 2>/dev/null | grep -q -- --keep-tpm; then BACK="$BACK --keep-tpm"; else BACK=''; fi
        fi
        ;;
    esac
}

# is_without_nvram: whether nothing lies where libvirt, which chooses the path where the definition names none, will lay
# the VM's NVRAM. A path that may be written otherwise in XML is not judged: what it may hold stays.
is_without_nvram() {
    nvram_path=''
    IFS=$NL
    for nvram_line in $(libvirt "$LIBVIRT_S" dumpxml --inactive "$VMS" </dev/null 2>/dev/null); do
        case $nvram_line in
        *'<nvram'*'>'*'</nvram>'*)
            nvram_path=${nvram_line#*'<nvram'} nvram_path=${nvram_path#*>}
            nvram_path=${nvram_path%%<*}
            ;;
        esac
    done
    unset IFS
    case $nvram_path in
    *'&'* | '') return 1 ;;
    /*) [ ! -e "$nvram_path" ] ;;
    *) return 1 ;;
    esac
}

take_back() {
    if [ "$HOW" = persistent ] && [ -z "$DEFINED_BEFORE" ] && [ -n "$BACK" ] && in_time; then
        # shellcheck disable=SC2086  # one option or two
        libvirt "$LIBVIRT_S" undefine $BACK "$VMS" </dev/null >/dev/null 2>&1
    fi
}

# In a session of its own: "timeout" ends this shell's process group, and the lock must be held for as long as virsh is
# at it. Its output goes to a file, since the connection may be gone before it ends.
begin_start() {
    if [ "$HOW" = persistent ]; then
        setsid virsh -q -c qemu:///system start "$VMS" </dev/null >"$VIRSH_TALK" 2>&1 &
    else
        printf '%s\n' "$XML" | setsid virsh -q -c qemu:///system create /dev/stdin >"$VIRSH_TALK" 2>&1 &
    fi
    START_JOB=$!
    VIRSH_RUNS=yes
}

await_start() {
    while job_runs "$START_JOB"; do
        read_uptime || return 1
        [ "$UP_MS" -lt "$END_UP_MS" ] || return 1
        sleep 0.02
    done
    # shellcheck disable=SC2034  # locked.sh reads it
    VIRSH_RUNS=''
    wait "$START_JOB"
    START_STATUS=$?
}

start() {
    start_lacks=$(lacking flock setsid virsh)
    if [ -n "$start_lacks" ]; then could_not_begin "lacks-${start_lacks%%"$NL"*}"; fi
    in_time || could_not_begin deadline-passed
    take_one || finish barred "why=$WHY"
    take_lock || could_not_begin "$WHY"
    if ! read_boot_id || [ "$BOOT" != "$BOOT_ID" ]; then could_not_begin rebooted; fi
    take_ticket start
    read_uptime || finish unknown why=no-clock
    # shellcheck disable=SC2034  # libvirt.sh reads it
    ASK_INFO=yes
    await_rest $((UP_MS + 3000))
    if [ -n "$PID" ]; then finish running "pid=$PID" already=1; fi
    [ "$LIBVIRT" = answers ] || could_not_begin libvirt-does-not-answer
    finish_unless_clear
    DEFINED_BEFORE=''
    VIRSH_TALK=$LOCKS/$VMS.talk
    if [ "$HOW" = persistent ]; then define; fi
    if ! in_time; then
        take_back
        could_not_begin deadline-passed
    fi
    while :; do
        begin_start
        await_start || finish unknown why=still-starting
        may_try_again || break
    done
    conclude
}

conclude() {
    find_copy
    if [ -n "$PID" ] && [ "$START_STATUS" -eq 0 ]; then finish started "pid=$PID"; fi
    # libvirt may still be clearing up after a start that failed.
    while [ -n "$PID" ]; do
        if ! read_uptime || [ "$UP_MS" -ge "$END_UP_MS" ]; then finish unknown why=virsh-failed-and-a-copy-runs "pid=$PID"; fi
        sleep 0.1
        find_copy
    done
    await_rest "$END_UP_MS"
    if [ -n "$PID" ]; then finish unknown why=virsh-failed-and-a-copy-runs "pid=$PID"; fi
    finish_unless_clear
    take_back
    if [ "$START_STATUS" -eq 0 ]; then
        if runs_another; then finish unknown why=libvirt-runs-another-uuid; fi
        finish clean why=ended-at-once
    fi
    find_cause
    finish clean "why=$CAUSE"
}

main() {
    begin_locked
    start
    exit 11
}

main
