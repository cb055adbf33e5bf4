# shellcheck shell=sh
# Fence: makes sure that no process of VMS can write again, and proves it. Needs kill.sh, owners.sh, proof.sh, watch.sh,
# facts.sh, aside.sh, definitions.sh, sockets.sh, writes.sh, newest.sh, mark.sh and what these need.
#
# VMS        UUIDs apart by blanks
# NAMES      their names, as far as they are known (see identity.sh)
# SETTLE_S   between the two scans that must both find nothing; SETTLE_MS the same in milliseconds
# DESTROY_S  how long libvirt may take before SIGKILL is sent anyway
# REHEARSE   1: look only
# WATCH      1: where every VM is dead, stay and end what is started anew (watch.sh)
# SET_ASIDE  1: set the definitions of those that are dead aside, unless the watch does
#
# The reply is specified in hafence/core/replies.py. Facts of a VM: found (living processes at first), killed (those
# of them that are gone), zombie, destroy (what came of virsh destroy; none: not asked), autostart, state, why; where one
# is in the way, program and pid; where another store's run was at it, store, run and age (see mark.sh); and where a
# process was found who runs it: by, and of anything but libvirt unit, parent and stop (owners.sh); where there is one, what
# became of its managed save image, saved (on: a rehearsal, or no proof; aside, failed), and of its entry in the list of
# libvirt-guests, guests (on, out, failed); what became of its definition (aside, kept); where it was waited for its last writes, flush (ms), and where connections of it
# still held bytes, reset (how many were); where it writes to what its definition does not name, differs (its name).

# ---------------------------------------------------------------- whose it is

# bar_vms: leaves this run's mark on each VM, and takes those out of VMS with which another store's run may be at it: they
# are not even looked for. A rehearsal leaves none. 1, with WHY: no marks can be left.
bar_vms() {
    [ -n "$RUN" ] || return 0
    if [ "$REHEARSE" = 1 ]; then
        bar_by=check_mark WHY=no-clock
        read_uptime || return 1
        WHY=''
    else
        in_time || return 0 # nothing will be done
        bar_by=take_mark
        lock_marks || return 1
    fi
    VMS=''
    for bar_vm in $ALL_VMS; do
        $bar_by "$bar_vm"
        set_fact "$bar_vm" BARRED "$BARRED"
        set_fact "$bar_vm" MARK "$MARK"
        if [ -z "$BARRED" ]; then VMS="$VMS $bar_vm"; else set_fact "$bar_vm" FOUND ''; fi
    done
    [ "$REHEARSE" = 1 ] || unlock_marks
}

# ---------------------------------------------------------------- what is there

# KNOWN: "UUID:PID:START" of every process that lived at first.
first_look() {
    first_scan=$(scan) || { WHY=$first_scan && return 1; }
    take_scan "$first_scan"
    KNOWN=$FRESH OLD_FILES=$FILES
    for first_seen in $KNOWN; do count_fact "${first_seen%%:*}" FOUND; done
    for first_seen in $DEAD; do count_fact "$first_seen" ZOMBIE; done
}

# take_scan LINES: as read_scan, and FRESH, the living that are not in KNOWN.
take_scan() {
    read_scan "$1"
    FRESH=''
    for scan_copy in $COPIES; do
        case " $KNOWN " in
        *" $scan_copy "*) ;;
        *) FRESH="$FRESH $scan_copy" ;;
        esac
    done
}

# note_disks: DISK_PATHS and SHARED_PATHS. Before the kill: what is open closes with it.
note_disks() {
    find_definitions
    # shellcheck disable=SC2086
    find_disks $VMS
    # shellcheck disable=SC2086
    find_open_disks $KNOWN
}

# For a rehearsal. Any process is in D for a moment now and then; one that stays in it is one that SIGKILL would not end.
note_states() {
    states_tries=0
    for states_one in $KNOWN; do
        known_lives "$states_one" || continue
        while [ "$LIFE" = D ] && [ "$states_tries" -lt 5 ]; do
            states_tries=$((states_tries + 1))
            sleep 0.1
            known_lives "$states_one" || break
        done
        get_fact "${states_one%%:*}" STATE
        [ "$FACT" = D ] || set_fact "${states_one%%:*}" STATE "$LIFE"
    done
}

note_autostart() {
    IFS=$NL
    for note_link in $LINKS; do
        unset IFS
        set_fact "${note_link%%:*}" AUTOSTART "$1"
    done
    unset IFS
}

# ---------------------------------------------------------------- the verdicts

count_ends() {
    for ends_one in $KNOWN; do
        ends_vm=${ends_one%%:*}
        if known_lives "$ends_one"; then
            set_fact "$ends_vm" STATE "$LIFE"
        else
            count_fact "$ends_vm" KILLED
            if [ "$LIFE" = Z ]; then count_fact "$ends_vm" ZOMBIE; fi
        fi
    done
}

# judge UUID: VERDICT, VM_WHY and WHO of a VM, from what was counted.
judge() {
    VM_WHY='' WHO=''
    get_fact "$1" FOUND && vm_found=$FACT
    get_fact "$1" STATE && vm_life=$FACT
    get_fact "$1" SEEN && vm_seen=$FACT
    get_fact "$1" MAYCOME && vm_may_come=$FACT
    get_fact "$1" RESPAWNED
    if [ "$FACT" = 1 ]; then
        VERDICT=alive VM_WHY=respawned
    elif [ -n "$vm_life" ] || [ "$vm_seen" = 1 ]; then
        VERDICT=alive VM_WHY=survived-sigkill
        case " $SENT" in
        *" $1:"*) ;;
        *) VM_WHY=not-killed ;;
        esac
    elif [ -n "$WHY" ]; then
        VERDICT=unknown VM_WHY=$WHY
    elif [ "$vm_found" -eq 0 ] && [ "$vm_may_come" = yes ]; then
        VERDICT=unknown VM_WHY=libvirt-may-be-about-to-start-it
    elif nothing_here "$1" "$vm_found" && ! is_held "$1" && ! has_writes "$1"; then
        VERDICT=dead
    else
        VERDICT=unknown
    fi
}

rehearsal() {
    VM_WHY='' WHO=''
    get_fact "$1" FOUND
    VERDICT=unknown
    if [ -z "$ROOT" ] && ! kill -0 1 2>/dev/null; then
        VM_WHY=not-root
    elif [ -n "$WHY" ]; then
        VM_WHY=$WHY
    elif [ "$FACT" -eq 0 ]; then
        if nothing_here "$1" 0 && ! is_held "$1"; then VERDICT=dead; fi
    elif [ "$LIBVIRT" = silent ] && ! libvirt_clears "$1"; then
        return # as it would be after the kill
    elif ! is_held "$1"; then
        VERDICT=alive VM_WHY=rehearsal
    fi
}

# Takes away what would bring the dead back. Their definitions come last, when no image hangs on them; and they are left to
# the watch, where one follows, which waits until the VM is up elsewhere.
clear_ways() {
    [ "$REHEARSE" != 1 ] || return 0
    set --
    for clear_vm in $ALL_VMS; do
        get_fact "$clear_vm" BARRED
        [ -z "$FACT" ] || continue
        judge "$clear_vm"
        [ "$VERDICT" = dead ] || continue
        clear_way "$clear_vm"
        set -- "$@" "$clear_vm"
    done
    if [ $# -gt 0 ] && [ "$SET_ASIDE" = 1 ] && [ "$WATCH" != 1 ]; then forget_vms "$@"; fi
}

report() {
    clear_ways
    report_count=0
    report_status=0
    for report_vm in $ALL_VMS; do
        get_fact "$report_vm" BARRED
        if [ -n "$FACT" ]; then
            VERDICT=unknown VM_WHY=$FACT WHO=''
            [ "$FACT" != disks-differ ] || VERDICT=alive
        elif [ "$REHEARSE" = 1 ]; then
            rehearsal "$report_vm"
        else
            judge "$report_vm"
        fi
        report_line="vm $report_vm $VERDICT"
        for report_fact in found:FOUND killed:KILLED zombie:ZOMBIE destroy:DESTROY autostart:AUTOSTART state:STATE; do
            get_fact "$report_vm" "${report_fact#*:}"
            report_line="$report_line ${report_fact%:*}=$FACT"
        done
        report_line="$report_line why=$VM_WHY"
        [ -z "$WHO" ] || report_line="$report_line program=${WHO#*:} pid=${WHO%%:*}"
        report_aside "$report_vm"
        report_writes "$report_vm"
        get_fact "$report_vm" DIFFERS
        report_line="$report_line${FACT:+ differs=$FACT}"
        report_owner "$report_vm"
        get_fact "$report_vm" MARK
        say "$report_line${FACT:+ $FACT}"
        report_count=$((report_count + 1))
        case $VERDICT in
        alive) [ "$report_status" -gt 10 ] || report_status=10 ;;
        unknown) report_status=11 ;;
        esac
    done
    if [ "$WATCH" = 1 ] && [ "$report_status" -eq 0 ]; then
        say "end vms=$report_count status=0"
        watch
    fi
    say "end vms=$report_count"
    exit "$report_status"
}

# To report_line: who runs the VM.
report_owner() {
    get_fact "$1" BY
    [ -n "$FACT" ] || return 0
    report_line="$report_line by=$FACT"
    [ "$FACT" != libvirt ] || return 0
    for report_fact in unit:UNIT parent:PARENT stop:STOP; do
        get_fact "$1" "${report_fact#*:}"
        [ "$FACT" != plan ] || FACT=failed # it did not come to that
        report_line="$report_line ${report_fact%:*}=$FACT"
    done
}

fence() {
    check_self || return
    bar_vms || return
    [ -n "$VMS" ] || return
    first_look || return
    note_disks
    spare_vms
    [ -n "$VMS" ] || return
    find_autostart
    note_autostart on
    note_aside
    note_owners
    if [ "$REHEARSE" = 1 ]; then
        note_states
        read_proof "$(tell_disks; tell_units; tell_libvirt "$(bounded "$LIBVIRT_S")")"
        return 0
    fi
    if ! in_time; then
        WHY=deadline-passed
        return
    fi
    note_writes
    begin_autostart "$DESTROY_S"
    kill_all
    end_autostart
    note_autostart disabled
    for stuck_vm in $STUCK; do set_fact "$stuck_vm" AUTOSTART failed; done
    for open_vm in $STUCK $AUTOSTART_OPEN; do set_fact "$open_vm" MAYCOME yes; done
    prove || return
    find_saved
    find_listed
}

main() {
    prepare
    say_hello
    wait_go
    # shellcheck disable=SC2034  # the other files use them
    WHY='' SENT=' ' KNOWN='' OLD_FILES=' ' JOBS='' STOPS='' UNITS='' STATES='' DISK_PATHS='' ALL_VMS=$VMS
    read_scan ''
    read_proof ''
    # shellcheck disable=SC2034  # aside.sh reads them
    SAVED='' SAVED_BLIND='' LISTED=''
    find_virsh
    begin_facts
    fence
    if [ "$REHEARSE" != 1 ]; then count_ends; fi
    end_jobs
    report
}

main
