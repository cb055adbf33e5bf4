# shellcheck shell=sh
# The kill: what libvirt destroys, what systemd stops, and SIGKILL for the rest. Needs lib.sh, processes.sh, libvirt.sh,
# owners.sh and facts.sh.
#
# KNOWN  "UUID:PID:START" of every process that is to die

MOST_JOBS=16

known_lives() {
    known_process=${1#*:}
    lives "${known_process%:*}" "${known_process#*:}"
}

still_living() {
    LIVING=''
    for living_one in $1; do
        if known_lives "$living_one"; then LIVING="$LIVING $living_one"; fi
    done
}

# Who is to be destroyed through libvirt: VMs of which a process lives, and those that libvirt runs although /proc
# shows none (asked only if there is one of which nothing was found, and not for long: the others are to die).
plan_destroys() {
    QUEUE='' DONE=' '
    # shellcheck disable=SC2046
    [ -z "$HAS_VIRSH" ] || all_found || ask_states "$(bounded 2)" $(not_found)
    for plan_vm in $VMS; do
        get_fact "$plan_vm" FOUND
        if [ -n "$HAS_VIRSH" ] && { [ "$FACT" -gt 0 ] || is_active "$plan_vm"; }; then QUEUE="$QUEUE $plan_vm"; fi
    done
    # libvirt never gets more than half of what is left: SIGKILL needs its share of a short budget.
    read_uptime
    GIVE_UP_MS=$((END_UP_MS - SETTLE_MS - 500))
    DESTROY_END_MS=$((UP_MS + DESTROY_S * 1000))
    if [ "$DESTROY_END_MS" -gt $(((UP_MS + GIVE_UP_MS) / 2)) ]; then DESTROY_END_MS=$(((UP_MS + GIVE_UP_MS) / 2)); fi
}

is_active() {
    state_of "$1"
    [ "$VM_STATE" = active ]
}

# bounded MOST: how many seconds libvirt gets for an answer now: a third of what is left at most.
bounded() {
    read_uptime
    bounded_s=$(((END_UP_MS - UP_MS) / 3000))
    [ "$bounded_s" -le "$1" ] || bounded_s=$1
    [ "$bounded_s" -ge 1 ] || bounded_s=1
    echo "$bounded_s"
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
        timeout -k 1 $((DESTROY_S + LIBVIRT_S)) virsh -q -c qemu:///system destroy "$1" </dev/null >/dev/null 2>&1 &
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

# Nothing of ours goes on after the reply, or waits at libvirt's socket when it is looked who does. virsh is given a
# moment, since it looks only five times a second whether the process is gone.
end_jobs() {
    for job in $JOBS; do
        end_tries=0
        while job_runs "${job#*:}" && [ "$end_tries" -lt 10 ]; do
            end_tries=$((end_tries + 1))
            sleep 0.05
        done
        if job_runs "${job#*:}"; then
            kill "${job#*:}" 2>/dev/null
            wait "${job#*:}" # "timeout" sees to it that this takes a second at most
            set_fact "${job%%:*}" DESTROY timeout
        else
            end_destroy "$job"
        fi
    done
    for job in $STOPS; do
        if job_runs "${job#*:}"; then kill "${job#*:}" 2>/dev/null; fi
        wait "${job#*:}" # bounded as above
    done
}

# kill_overdue UUID:PID:START: SIGKILL once libvirt, and systemd, are through with the VM, or had their time, or are not
# there.
kill_overdue() {
    case $SENT in
    *" $1 "*) return 0 ;;
    esac
    if [ "$UP_MS" -lt "$DESTROY_END_MS" ] && is_stopping "${1%%:*}"; then return 0; fi
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
    begin_stops "$(bounded "$DESTROY_S")"
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
    [ "$UP_MS" -lt "$DESTROY_END_MS" ] || return 1
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

all_found() {
    for found_vm in $VMS; do
        get_fact "$found_vm" FOUND
        [ "$FACT" -gt 0 ] || return 1
    done
}

not_found() {
    for found_vm in $VMS; do
        get_fact "$found_vm" FOUND
        [ "$FACT" -gt 0 ] || echo "$found_vm"
    done
}
