# shellcheck shell=sh
# The proof that a fence has worked: two scans, the holders of the disks, libvirt's word, and that none of its writes is on
# its way. Needs absence.sh, holders.sh, owners.sh, writes.sh, facts.sh and fence.sh's take_scan.

# look_again TRIES: a scan, and so many more while a qemu that exits shows no name: most have ended a moment later.
look_again() {
    again_tries=$1
    while :; do
        again_scan=$(scan) || { WHY=$again_scan && return 1; }
        take_scan "$again_scan"
        for again_seen in $COPIES; do set_fact "${again_seen%%:*}" SEEN 1; done
        for again_seen in $FRESH; do set_fact "${again_seen%%:*}" RESPAWNED 1; done
        [ "$NAMELESS" -gt 0 ] && [ "$again_tries" -gt 0 ] || return 0
        again_tries=$((again_tries - 1))
        sleep 0.1
    done
}

# Twice, SETTLE_S apart: a manager that starts the VM again shows in between. Meanwhile whoever holds its disks is looked
# for, and libvirt is asked, late: a start that begins after the first scan is in its hands before it is a process.
prove() {
    look_again 0 || return
    begin_flushes
    # shellcheck disable=SC2034  # fence.sh reads it
    read_uptime || { WHY=no-clock && return 1; }
    settled_ms=$((UP_MS + SETTLE_MS))
    prove_s=$(bounded "$LIBVIRT_S")
    prove_ms=$((settled_ms - 300))
    # One that has not ended a destruction by now has shown that it does not answer.
    if [ -n "$JOBS" ] && [ "$UP_MS" -ge "$DESTROY_END_MS" ]; then
        prove_s=$(bounded 2)
        prove_ms=$UP_MS
    fi
    proof=$(
        sleep "$SETTLE_S" &
        tell_disks
        tell_units
        sleep_until "$prove_ms"
        tell_libvirt "$prove_s"
        wait
    )
    read_proof "$proof"
    settle_writes
    # To the hundredth of a second, as this clock counts.
    if ! read_uptime || [ "$UP_MS" -lt $((settled_ms - 10)) ]; then
        # shellcheck disable=SC2034  # fence.sh reads it
        WHY=did-not-settle
        return
    fi
    look_again 5
}

sleep_until() {
    read_uptime
    sleep_ms=$(($1 - UP_MS))
    if [ "$sleep_ms" -gt 0 ]; then sleep "$((sleep_ms / 1000)).$(printf %03d $((sleep_ms % 1000)))"; fi
}

# What tell_holders says, or that the disks could not be looked at.
tell_disks() {
    if key_disks; then
        # shellcheck disable=SC2086
        tell_holders $KNOWN
        tell_blocks
    else
        echo blind its-disks-cannot-be-looked-at
    fi
}

# tell_blocks: "block UUID MAJOR:MINOR", of KEYS.
tell_blocks() {
    IFS=$NL
    for block_line in $KEYS; do
        unset IFS
        case $block_line in
        b-*)
            block_number=${block_line%% *}
            block_number=${block_number#b-}
            echo "block ${block_line#* } $((0x${block_number%:*})):$((0x${block_number#*:}))"
            ;;
        esac
    done
    unset IFS
}

# "libvirt WORD", and "state UUID WORD" for each VM.
tell_libvirt() {
    # shellcheck disable=SC2086
    ask_libvirt "$1" $VMS
    told_tries=0
    # libvirt notices a death a moment after it, and calls the VM active until then.
    while [ "$REHEARSE" != 1 ] && [ "$told_tries" -lt 5 ] && some_active; do
        told_tries=$((told_tries + 1))
        sleep 0.2
        # shellcheck disable=SC2086
        ask_libvirt "$1" $VMS
    done
    echo "libvirt $LIBVIRT"
    IFS=$NL
    for told_state in $STATES; do echo "state $told_state"; done
    unset IFS
}

some_active() {
    for active_vm in $VMS; do
        if is_active "$active_vm"; then return 0; fi
    done
    return 1
}

# read_proof LINES: LIBVIRT, STATES, HELD ("UUID:PID:FD:PROGRAM"), BLOCKS (see writes.sh) and BLIND, why holders could not be
# looked for.
read_proof() {
    LIBVIRT=silent STATES='' HELD='' BLIND='' BLOCKS=''
    IFS=$NL
    # shellcheck disable=SC2086
    set -- $1
    unset IFS
    for proof_line; do
        # shellcheck disable=SC2086
        read_proof_line $proof_line
    done
}

read_proof_line() {
    case $1 in
    libvirt) LIBVIRT=$2 ;;
    state) STATES="$STATES$2 $3$NL" ;;
    held) HELD="$HELD $2:$3:$4:$5" ;;
    block) BLOCKS="$BLOCKS$2 $3$NL" ;;
    blind) BLIND=$2 ;;
    unit) read_unit_word "$2" "$3" ;;
    esac
}

# is_held UUID: whether somebody can still write to a disk of the VM. VM_WHY and WHO say who.
is_held() {
    for held_one in $HELD; do
        [ "${held_one%%:*}" = "$1" ] || continue
        held_one=${held_one#*:}
        held_pid=${held_one%%:*}
        held_one=${held_one#*:}
        WHO=$held_pid:${held_one#*:}
        if [ "$held_pid" = - ]; then
            VM_WHY=the-kernel-holds-its-disk
            return 0
        elif [ -h "$PROC/$held_pid/fd/${held_one%%:*}" ]; then
            VM_WHY=another-program-writes-to-its-disk
            return 0
        fi
    done
    # shellcheck disable=SC2034  # fence.sh reads it
    WHO=''
    case $NL$DISK_PATHS in
    *"$NL$1:"*) VM_WHY=$BLIND ;;
    esac
    [ -n "$VM_WHY" ]
}
