# shellcheck shell=sh
# Fence: makes sure that no qemu of VMS can write again, and proves it. Needs lib.sh, scan.sh, libvirt.sh and facts.sh.
#
# VMS        UUIDs apart by blanks
# NAMES      their names, as far as they are known (see scan.sh)
# SETTLE_S   between the two scans that must both find nothing; SETTLE_MS the same in milliseconds
# DESTROY_S  how long libvirt may take before SIGKILL is sent anyway
# REHEARSE   1: look only
#
# The reply is specified in hafence/core/replies.py. Facts of a VM: found (living processes at first), killed (those
# of them that are gone), zombie, destroy (what came of virsh destroy; none: not asked), autostart, state, why.

MOST_JOBS=16

# ---------------------------------------------------------------- what is there

# KNOWN: "UUID:PID:START" of every process that lived at first.
first_look() {
    first_scan=$(scan_qemu) || { WHY=$first_scan && return 1; }
    take_scan "$first_scan"
    KNOWN=$FRESH
    for first_seen in $KNOWN; do count_fact "${first_seen%%:*}" FOUND; done
    for first_seen in $DEAD; do count_fact "$first_seen" ZOMBIE; done
}

# take_scan LINES: ALIVE, the VMs of the living; FRESH, those processes that are not in KNOWN; DEAD, the VMs of zombies;
# NAMELESS, how many live of which nobody can say whose they are.
take_scan() {
    ALIVE='' FRESH='' DEAD='' NAMELESS=0
    IFS=$NL
    # shellcheck disable=SC2086
    set -- $1
    unset IFS
    for scan_line; do
        case $scan_line in
        '- '*) NAMELESS=$((NAMELESS + 1)) && continue ;;
        *' Z') DEAD="$DEAD ${scan_line%% *}" && continue ;;
        esac
        scan_known=${scan_line% *}
        scan_vm=${scan_known%% *}
        scan_known=$scan_vm:${scan_known#* }
        scan_known=${scan_known% *}:${scan_known##* }
        ALIVE="$ALIVE $scan_vm"
        case " $KNOWN " in
        *" $scan_known "*) ;;
        *) FRESH="$FRESH $scan_known" ;;
        esac
    done
}

look_again() {
    again_scan=$(scan_qemu) || { WHY=$again_scan && return 1; }
    take_scan "$again_scan"
    for again_seen in $ALIVE; do set_fact "$again_seen" SEEN 1; done
    for again_seen in $FRESH; do set_fact "${again_seen%%:*}" RESPAWNED 1; done
}

known_lives() {
    known_process=${1#*:}
    lives "${known_process%:*}" "${known_process#*:}"
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

still_living() {
    LIVING=''
    for living_one in $1; do
        if known_lives "$living_one"; then LIVING="$LIVING $living_one"; fi
    done
}

# ---------------------------------------------------------------- the kill

# Who is to be destroyed through libvirt: VMs of which a process lives, and those that libvirt sees although /proc
# shows none (asked only if there is one of which nothing was found).
plan_destroys() {
    QUEUE='' DONE=' '
    all_found || ask_active 2
    for plan_vm in $VMS; do
        get_fact "$plan_vm" FOUND
        if is_active "$plan_vm"; then set_fact "$plan_vm" ACTIVE yes; fi
        if [ -n "$HAS_VIRSH" ] && { [ "$FACT" -gt 0 ] || is_active "$plan_vm"; }; then QUEUE="$QUEUE $plan_vm"; fi
    done
    # libvirt never gets more than half of what is left: SIGKILL needs its share of a short budget.
    read_uptime
    GIVE_UP_MS=$((END_UP_MS - SETTLE_MS - 500))
    DESTROY_END_MS=$((UP_MS + DESTROY_S * 1000))
    if [ "$DESTROY_END_MS" -gt $(((UP_MS + GIVE_UP_MS) / 2)) ]; then DESTROY_END_MS=$(((UP_MS + GIVE_UP_MS) / 2)); fi
}

run_destroys() {
    running_jobs='' job_count=0
    for job in $JOBS; do
        if job_runs "${job#*:}"; then
            running_jobs="$running_jobs $job"
            job_count=$((job_count + 1))
        else
            end_destroy "$job"
        fi
    done
    JOBS=$running_jobs
    while [ "$job_count" -lt "$MOST_JOBS" ] && [ -n "$QUEUE" ]; do
        # shellcheck disable=SC2086
        set -- $QUEUE
        in_time || return 0
        timeout -k 1 "$DESTROY_S" virsh -q -c qemu:///system destroy "$1" </dev/null >/dev/null 2>&1 &
        JOBS="$JOBS $1:$!"
        job_count=$((job_count + 1))
        shift
        QUEUE=$*
    done
}

end_destroy() {
    wait "${1#*:}"
    case $? in
    0) set_fact "${1%%:*}" DESTROY ok ;;
    124 | 137) set_fact "${1%%:*}" DESTROY timeout ;;
    *) set_fact "${1%%:*}" DESTROY failed ;;
    esac
    DONE="$DONE${1%%:*} "
}

# Nothing of ours goes on after the reply. virsh is given a moment, since it looks only five times a second whether the
# process is gone.
end_jobs() {
    for job in $JOBS; do
        end_tries=0
        while job_runs "${job#*:}" && [ "$end_tries" -lt 10 ]; do
            end_tries=$((end_tries + 1))
            sleep 0.05
        done
        if job_runs "${job#*:}"; then
            kill "${job#*:}" 2>/dev/null
            set_fact "${job%%:*}" DESTROY timeout
        else
            end_destroy "$job"
        fi
    done
}

# kill_overdue UUID:PID:START: SIGKILL once libvirt is through with the VM, or had its time, or is not there.
kill_overdue() {
    case $SENT in
    *" $1 "*) return 0 ;;
    esac
    case $DONE in
    *" ${1%%:*} "*) ;;
    *) [ -z "$HAS_VIRSH" ] || [ "$UP_MS" -ge "$DESTROY_END_MS" ] || return 0 ;;
    esac
    # In this order: the clock is asked by a program that takes a while, the process is looked at last.
    if in_time && known_lives "$1"; then
        kill_process=${1#*:}
        if kill -9 "${kill_process%:*}" 2>/dev/null; then SENT="$SENT$1 "; fi
    fi
}

# Until all are gone, or no time is left for the two scans.
kill_all() {
    SENT=' '
    plan_destroys
    LIVING=$KNOWN
    while :; do
        run_destroys
        still_living "$LIVING"
        read_uptime || return 0
        for overdue in $LIVING; do kill_overdue "$overdue"; done
        if [ -z "$LIVING" ] && ! waits_for_libvirt; then return 0; fi
        [ "$UP_MS" -lt "$GIVE_UP_MS" ] || return 0
        sleep 0.05
    done
}

# Only for a VM that libvirt alone sees: for the others the processes tell.
waits_for_libvirt() {
    for waits_vm in $VMS; do
        get_fact "$waits_vm" FOUND
        if [ "$FACT" -gt 0 ] || ! is_active "$waits_vm"; then continue; fi
        case $DONE in
        *" $waits_vm "*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}

# ---------------------------------------------------------------- the proof

# Twice, SETTLE_S apart: a manager that starts the VM again shows in between. libvirt is asked meanwhile.
prove() {
    look_again || return
    read_uptime && settled_ms=$((UP_MS + SETTLE_MS)) || return
    ACTIVE=$(
        sleep "$SETTLE_S" &
        if all_found; then ACTIVE=''; else ask_active 2; fi
        printf %s "$ACTIVE"
        wait
    )
    # To the hundredth of a second, as this clock counts.
    if ! read_uptime || [ "$UP_MS" -lt $((settled_ms - 10)) ]; then
        WHY=did-not-settle
        return
    fi
    look_again
}

all_found() {
    for found_vm in $VMS; do
        get_fact "$found_vm" FOUND
        [ "$FACT" -gt 0 ] || return 1
    done
}

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

# is_starting UUID: whether a start script, or a virsh that it left behind, holds the VM's lock (see locked.sh).
is_starting() {
    [ -e "$ROOT/run/hafence/$1.lock" ] || return 1
    flock -n "$ROOT/run/hafence/$1.lock" true 2>/dev/null
    [ $? -eq 1 ]
}

# judge UUID: STATE and WHY of a VM, from what was counted.
judge() {
    get_fact "$1" FOUND && vm_found=$FACT
    get_fact "$1" STATE && vm_life=$FACT
    get_fact "$1" SEEN && vm_seen=$FACT
    get_fact "$1" ACTIVE && vm_active=$FACT
    get_fact "$1" MAYCOME && vm_may_come=$FACT
    if is_active "$1"; then vm_active=yes; fi
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
    elif [ "$vm_found" -eq 0 ] && [ "$vm_active" = yes ]; then
        VERDICT=unknown VM_WHY=libvirt-sees-what-proc-does-not
    elif [ "$vm_found" -eq 0 ] && [ "$NAMELESS" -gt 0 ]; then
        VERDICT=unknown VM_WHY=a-qemu-that-exits-shows-no-name
    elif [ "$vm_found" -eq 0 ] && [ "$vm_may_come" = yes ]; then
        VERDICT=unknown VM_WHY=libvirt-may-be-about-to-start-it
    elif is_starting "$1"; then
        VERDICT=unknown VM_WHY=a-start-is-under-way
    else
        VERDICT=dead VM_WHY=''
    fi
}

rehearsal() {
    get_fact "$1" FOUND
    if [ -z "$ROOT" ] && ! kill -0 1 2>/dev/null; then
        VERDICT=unknown VM_WHY=not-root
    elif [ -n "$WHY" ]; then
        VERDICT=unknown VM_WHY=$WHY
    elif [ "$FACT" -gt 0 ]; then
        VERDICT=alive VM_WHY=rehearsal
    else
        VERDICT=dead VM_WHY=''
    fi
}

report() {
    report_count=0
    report_status=0
    for report_vm in $VMS; do
        if [ "$REHEARSE" = 1 ]; then rehearsal "$report_vm"; else judge "$report_vm"; fi
        report_line="vm $report_vm $VERDICT"
        for report_fact in found:FOUND killed:KILLED zombie:ZOMBIE destroy:DESTROY autostart:AUTOSTART state:STATE; do
            get_fact "$report_vm" "${report_fact#*:}"
            report_line="$report_line ${report_fact%:*}=$FACT"
        done
        say "$report_line why=$VM_WHY"
        report_count=$((report_count + 1))
        case $VERDICT in
        alive) [ "$report_status" -gt 10 ] || report_status=10 ;;
        unknown) report_status=11 ;;
        esac
    done
    say "end vms=$report_count"
    exit "$report_status"
}

fence() {
    check_self || return
    first_look || return
    find_autostart
    note_autostart on
    if [ "$REHEARSE" = 1 ]; then
        note_states
        return 0
    fi
    if ! in_time; then
        WHY=deadline-passed
        return
    fi
    begin_autostart "$DESTROY_S"
    kill_all
    end_autostart
    note_autostart disabled
    for stuck_vm in $STUCK; do set_fact "$stuck_vm" AUTOSTART failed; done
    for open_vm in $STUCK $AUTOSTART_OPEN; do set_fact "$open_vm" MAYCOME yes; done
    prove
}

main() {
    prepare
    say_hello
    wait_go
    WHY='' SENT=' ' ACTIVE='' KNOWN='' JOBS='' NAMELESS=0
    find_virsh
    begin_facts
    fence
    if [ "$REHEARSE" != 1 ]; then count_ends; fi
    end_jobs
    report
}

main
