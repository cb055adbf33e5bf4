# shellcheck shell=sh
# The last writes of the dead. A process' death ends what it does, and not what it has done: pages that it wrote wait in the
# cache while somebody else has the device open, a request of io_uring goes on without it, a socket's queue is sent. What
# lands after another copy has begun destroys that copy's disk. Needs lib.sh, disks.sh, sockets.sh, facts.sh, kill.sh.
#
# Each is brought to its end, or seen not to have come to it: flushed (fsync(2)), done, or reset. It is never waited for
# beyond the deadline: who flushes to a path that hangs can't be ended.
#
# FLUSHES  "UUID:JOB" of those that flush
# BLOCKS   "UUID MAJOR:MINOR" a line: block devices that nobody else may write to

# note_writes: before the kill: what is open closes with it.
note_writes() {
    note_peers
    note_storage
}

# begin_flushes: the disks of each VM of which no process lives, by paths: what it had open, and what its definition names.
# Where a path of its own does not exist out here (it had a /dev of its own), everything is flushed.
begin_flushes() {
    FLUSHES=''
    for flush_vm in $VMS; do
        case " $LIVING" in
        *" $flush_vm:"*) continue ;;
        esac
        set --
        IFS=$NL
        for flush_line in $DISK_PATHS; do
            [ "${flush_line%%:*}" = "$flush_vm" ] || continue
            flush_line=${flush_line#*:}
            case $NL$OPEN_PATHS in
            *"$NL$flush_vm:$flush_line$NL"*) set -- "$@" "+$flush_line" ;;
            *) set -- "$@" "-$flush_line" ;;
            esac
        done
        unset IFS
        [ $# -gt 0 ] || continue
        begin_flush "$@"
        FLUSHES="$FLUSHES $flush_vm:$!"
        set_fact "$flush_vm" FLUSHED pending
    done
}

# begin_flush +PATH|-PATH…: in the background.
begin_flush() {
    # shellcheck disable=SC2016  # the inner shell expands it
    timeout -k 1 "$(((END_UP_MS - UP_MS) / 1000 + 1))" sh -c '
        for path; do
            shift
            if [ -f "${path#?}" ] || [ -b "${path#?}" ]; then
                set -- "$@" "${path#?}"
            elif [ "${path%"${path#?}"}" = + ] && [ ! -e "${path#?}" ]; then
                exec sync
            fi
        done
        [ $# -eq 0 ] || exec sync -- "$@"' sh "$@" </dev/null >/dev/null 2>&1 &
}

# look_at_flushes: FLUSHES, those under way; the fact FLUSHED of the others.
look_at_flushes() {
    flushes_left=''
    for flush_one in $FLUSHES; do
        if job_runs "${flush_one#*:}"; then
            flushes_left="$flushes_left $flush_one"
        elif wait "${flush_one#*:}"; then
            set_fact "${flush_one%%:*}" FLUSHED ok
        else
            set_fact "${flush_one%%:*}" FLUSHED failed
        fi
    done
    FLUSHES=$flushes_left
}

# some_in_flight: whether some device of BLOCKS has a write under way. IN_FLIGHT: the VMs of those.
some_in_flight() {
    IN_FLIGHT=''
    IFS=$NL
    for flight_line in $BLOCKS; do
        unset IFS
        if is_in_flight "${flight_line#* }"; then IN_FLIGHT="$IN_FLIGHT ${flight_line%% *}"; fi
    done
    unset IFS
    [ -n "$IN_FLIGHT" ]
}

# is_in_flight MAJOR:MINOR: Documentation/ABI/stable/sysfs-block: reads and writes that are not completed.
is_in_flight() {
    flight_writes=''
    { read -r _ flight_writes <"$SYS/dev/block/$1/inflight"; } 2>/dev/null
    case $flight_writes in
    '' | *[!0-9]*) return 1 ;;
    esac
    [ "$flight_writes" -gt 0 ]
}

# counts_flights MAJOR:MINOR: whether that device's requests are counted: an admin may have turned it off.
counts_flights() {
    for counts_file in "$SYS/dev/block/$1/queue/iostats" "$SYS/dev/block/$1/../queue/iostats"; do
        counts_word=''
        { read -r counts_word <"$counts_file"; } 2>/dev/null || continue
        [ "$counts_word" = 1 ]
        return
    done
    return 1
}

# settle_writes: until nothing of the dead is on its way, or there is no time left for the last scan.
settle_writes() {
    BLIND_ORPHANS=''
    read_uptime
    writes_began=$UP_MS writes_waited=''
    while :; do
        find_orphans || BLIND_ORPHANS=yes
        if [ -n "$ORPHANS" ]; then
            writes_before=$ORPHANS
            reset_orphans
            find_orphans || BLIND_ORPHANS=yes
            count_resets "$writes_before"
        fi
        look_at_flushes
        some_in_flight
        read_uptime
        if [ -z "$ORPHANS$FLUSHES$IN_FLIGHT" ] || [ "$UP_MS" -ge $((END_UP_MS - 700)) ]; then break; fi
        writes_waited=yes
        sleep 0.05
    done
    for writes_vm in $VMS; do note_writes_of "$writes_vm"; done
    end_flushes
}

# The fact WRITES of a VM: why something of it may still land, or nothing. WAITED: ms that it was waited for all of them.
note_writes_of() {
    set_fact "$1" WRITES ''
    [ -z "$writes_waited" ] || set_fact "$1" WAITED $((UP_MS - writes_began))
    get_fact "$1" FLUSHED
    case $FACT in
    pending) set_fact "$1" WRITES its-writes-are-still-being-flushed ;;
    failed) set_fact "$1" WRITES its-writes-cannot-be-flushed ;;
    esac
    case "$IN_FLIGHT " in
    *" $1 "*) set_fact "$1" WRITES its-writes-are-in-flight ;;
    esac
    if is_ring_blind "$1"; then set_fact "$1" WRITES its-writes-in-flight-cannot-be-seen; fi
    if has_orphan "$1"; then
        set_fact "$1" WRITES bytes-of-it-are-on-their-way
        if ! command -v ss >/dev/null 2>&1; then set_fact "$1" WRITES lacks-ss-for-bytes-on-their-way; fi
    fi
    case "$BLIND_ORPHANS$BLIND_SOCKETS " in
    yes* | *" $1 "*) set_fact "$1" WRITES its-sockets-cannot-be-looked-at ;;
    esac
}

# is_ring_blind UUID: its requests outlive it (io_uring), and the kernel does not count them on a disk of it.
is_ring_blind() {
    case "$RINGS " in
    *" $1 "*) ;;
    *) return 1 ;;
    esac
    IFS=$NL
    for ring_line in $BLOCKS; do
        unset IFS
        if [ "${ring_line%% *}" = "$1" ] && ! counts_flights "${ring_line#* }"; then return 0; fi
    done
    unset IFS
    return 1
}

has_orphan() {
    IFS=$NL
    for has_line in $ORPHANS; do
        unset IFS
        if is_orphan_of "$1" "${has_line##* }"; then return 0; fi
    done
    unset IFS
    return 1
}

# has_writes UUID: whether something of it may still land. VM_WHY says what.
has_writes() {
    get_fact "$1" WRITES
    # shellcheck disable=SC2034  # fence.sh reads it
    VM_WHY=$FACT
    [ -n "$VM_WHY" ]
}

# end_flushes: those that can be ended. Not waited for: one that hangs in the kernel's hands ends when its path returns.
end_flushes() {
    for flush_one in $FLUSHES; do kill "${flush_one#*:}" 2>/dev/null; done
}

# report_writes UUID: to report_line.
report_writes() {
    for writes_fact in flush:WAITED reset:RESET; do
        get_fact "$1" "${writes_fact#*:}"
        case $FACT in
        '' | 0) ;;
        *) report_line="$report_line ${writes_fact%:*}=$FACT" ;;
        esac
    done
}
