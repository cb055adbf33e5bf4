# shellcheck shell=sh
# What "nothing of the VM is here, and nothing is on its way" needs: the one rule, for the fence, the settling, the start
# and the look. Needs lib.sh, identity.sh, scan.sh, libvirt.sh and what these need.
#
# PID_NAMESPACE  initial: only the machine's own list of processes proves anything; any: whichever there is
# HOLDS_LOCK     yes: this script holds the VM's lock itself
#
# Nothing found is no proof. It becomes one when
#
#   - the processes that were searched are the machine's (check_self),
#   - none of them is in doubt (scan.sh),
#   - no start script of ours is under way (the VM's lock, see locked.sh),
#   - and libvirt says for this very VM that it does not run it, or is known to be down or not to be there.
#
# Where libvirt does not answer, a copy may come once it goes on: a start may be in its hands, or wait at its socket. Then
# only this clears a VM whose process was found and is dead: libvirt's own pid file named that process, so that libvirt
# took the VM for running and had no start of it under way; and nobody is connected to libvirt who could ask for one.

LOCKS=$ROOT/run/hafence
HOLDS_LOCK=''
INITIAL_PID_NAMESPACE='pid:[4026531836]' # PROC_PID_INIT_INO in Linux' include/linux/proc_ns.h, since 3.8

# ---------------------------------------------------------------- the ground that all stands on

# check_self: what every verdict stands on. WHY is the first thing that is wrong, in one word, or empty.
check_self() {
    WHY=$(lacking grep tr date sleep readlink timeout stat ls)
    WHY=${WHY:+lacks-${WHY%%"$NL"*}}
    [ -z "$WHY" ] || return 1
    if ! sleep 0.01 2>/dev/null; then
        WHY=sleeps-whole-seconds-only
    elif [ -z "$ROOT" ]; then
        check_proc
    fi
    [ -z "$WHY" ]
}

check_proc() {
    # A /proc of other process numbers (a container's view) would send SIGKILL to strangers.
    check_pid=''
    { read -r check_pid _ </proc/self/stat; } 2>/dev/null
    if [ "$check_pid" != "$$" ]; then
        WHY=foreign-proc
    elif ! may_see_all && hides_processes; then
        WHY=proc-hides-processes
    elif [ "$PID_NAMESPACE" != any ] && [ "$(readlink "/proc/$$/ns/pid" 2>/dev/null)" != "$INITIAL_PID_NAMESPACE" ]; then
        WHY=not-initial-pid-namespace
    fi
}

# may_see_all: whether this user sees what "hidepid" hides from others: CAP_SYS_PTRACE, bit 19.
may_see_all() {
    while read -r see_key see_value; do
        if [ "$see_key" = CapEff: ]; then
            [ $((0x$see_value >> 19 & 1)) -eq 1 ]
            return
        fi
    done </proc/self/status
    return 1
}

hides_processes() {
    while read -r _ _ _ _ hides_point hides_rest; do
        case $hides_point:$hides_rest, in
        /proc:*hidepid=0, | /proc:*hidepid=off,) ;;
        /proc:*hidepid=*) return 0 ;;
        esac
    done </proc/self/mountinfo
    return 1
}

# ---------------------------------------------------------------- libvirt

# ask_libvirt SECONDS VM…: LIBVIRT, and STATES (see libvirt.sh).
#
#   answers  it does
#   silent   it does not, or not well, or virsh is missing and a libvirt daemon is there
#   down     virsh can't reach it: no daemon of it lives, and nobody listens at its socket
#   absent   no virsh, and as "down"
ask_libvirt() {
    if [ -z "$HAS_VIRSH" ]; then
        # shellcheck disable=SC2034  # fence.sh reads it, too
        ANSWERS=no STATES=''
        LIBVIRT=absent
    else
        ask_states "$@"
        LIBVIRT=down
    fi
    if [ "$ANSWERS" = yes ]; then
        LIBVIRT=answers
    elif daemon_lives || socket_listens; then
        LIBVIRT=silent
    fi
}

# daemon_lives: whether a daemon that can start VMs lives on this machine. One in another PID namespace is another
# machine's: a container's.
daemon_lives() {
    daemon_here=$(readlink "/proc/$$/ns/pid" 2>/dev/null)
    for daemon_stat in $(set +f && cd "$PROC" && grep -aslE '^[0-9]+ \((lt-)?(libvirtd|virtqemud)' -- [0-9]*/stat 2>/dev/null); do
        daemon_pid=${daemon_stat%/stat}
        read_stat "$PROC/$daemon_pid"
        case $? in
        1) continue ;;
        2) return 0 ;;
        esac
        daemon_start=$STAT_START
        lives "$daemon_pid" "$daemon_start" || continue
        daemon_space=$(readlink "$PROC/$daemon_pid/ns/pid" 2>/dev/null)
        case $daemon_space in
        '') if lives "$daemon_pid" "$daemon_start"; then return 0; fi ;; # unless it has just ended
        "$daemon_here") return 0 ;;
        esac
    done
    return 1
}

# socket_listens: whether somebody listens at a socket of libvirt at which VMs are started; with systemd's the daemon
# comes when it is called.
socket_listens() {
    grep -qsE ' 00010000 .*/(libvirt|virtqemud)-sock$' /proc/net/unix
}

# nobody_asks: whether provably nobody is connected to libvirt, or waits to be, who could have asked for a start. Whoever
# has hung up before libvirt took the connection (peer 0) has asked for nothing: virsh says first who it is, and waits.
nobody_asks() {
    [ -z "$ROOT" ] || return 1
    asks_said=$(ss -Hxae 2>/dev/null) || return 1
    asks_listens=''
    IFS=$NL
    for asks_line in $asks_said; do
        unset IFS
        case $asks_line in
        *'/libvirt-sock '* | *'/virtqemud-sock '*) ;;
        *) continue ;;
        esac
        # shellcheck disable=SC2086
        nobody_waits $asks_line || return 1
        asks_listens=yes
    done
    unset IFS
    [ -n "$asks_listens" ] && nobody_asks_from_afar
}

# nobody_waits WORDS of a line of ss: u_str LISTEN WAITING … peers: INODE… of a listening socket.
nobody_waits() {
    [ "$2" = LISTEN ] || return 1
    waits_count=$3
    while [ $# -gt 0 ] && [ "$1" != peers: ]; do shift; done
    [ $# -gt 0 ] || return 1
    shift
    [ $# -eq "$waits_count" ] || return 1
    for waits_peer; do
        [ "$waits_peer" = 0 ] || return 1
    done
}

# By TCP: whatever a daemon of libvirt has there but a socket at which nobody waits.
nobody_asks_from_afar() {
    afar_said=$(ss -Htanp 2>/dev/null) || return 1
    IFS=$NL
    for afar_line in $afar_said; do
        unset IFS
        case $afar_line in
        *'"libvirtd"'* | *'"virtqemud"'* | *'"virtproxyd"'*) ;;
        *) continue ;;
        esac
        # shellcheck disable=SC2086
        set -- $afar_line
        [ "$1:$2" = LISTEN:0 ] || return 1
    done
    unset IFS
}

# names_the_dead FILES UUID: whether one of these pid files of libvirt names a process of the VM that was found: KNOWN.
names_the_dead() {
    for named_dead in $KNOWN; do
        if [ "${named_dead%%:*}" = "$2" ]; then
            case $1 in
            *" ${named_dead%:*} "*) return 0 ;;
            esac
        fi
    done
    return 1
}

# libvirt_clears UUID: whether libvirt brings no copy. VM_WHY says why not.
#
# OLD_FILES  libvirt's pid files when KNOWN was found
libvirt_clears() {
    state_of "$1"
    VM_WHY=''
    case $LIBVIRT:$VM_STATE in
    down:* | absent:* | answers:off) return 0 ;;
    answers:active) VM_WHY=being-started ;;
    answers:busy) VM_WHY=libvirt-is-busy-with-it ;;
    *)
        VM_WHY=libvirt-does-not-answer
        if [ -z "$HAS_VIRSH" ]; then VM_WHY=libvirt-cannot-be-asked; fi
        ;;
    esac
    case $LIBVIRT:$VM_STATE in
    # It has not noticed the death yet where its file still names the dead; else this is a new start.
    answers:?*) names_the_dead "$FILES" "$1" || return 1 ;;
    *) names_the_dead "$OLD_FILES" "$1" || return 1 ;;
    esac
    if nobody_asks; then
        VM_WHY=''
        return 0
    fi
    if [ -n "$HAS_VIRSH" ]; then VM_WHY=libvirt-may-still-start-it; fi
    return 1
}

# ---------------------------------------------------------------- all of it

# is_starting UUID: whether a start script, or a virsh that it left behind, holds the VM's lock (see locked.sh).
is_starting() {
    [ -e "$LOCKS/$1.lock" ] || return 1
    flock -n "$LOCKS/$1.lock" true 2>/dev/null
    [ $? -eq 1 ]
}

# find_doubt UUID: WHO, "PID:PROGRAM" of the first process that may be the VM's. 1: there is none.
find_doubt() {
    WHO=''
    for doubt_one in $DOUBTS; do
        if [ "${doubt_one%%:*}" = "$1" ]; then
            WHO=${doubt_one#*:}
            return 0
        fi
    done
    return 1
}

# nothing_here UUID FOUND: whether a VM of which no process lives any more is gone from here for good. VM_WHY says why not,
# and WHO, "PID:PROGRAM", who is in the way. FOUND is how many there were.
nothing_here() {
    # shellcheck disable=SC2034  # fence.sh reads it
    VM_WHY='' WHO=''
    if [ "$2" -eq 0 ] && [ "$NAMELESS" -gt 0 ]; then
        VM_WHY=a-qemu-that-exits-shows-no-name
    elif find_doubt "$1"; then
        VM_WHY=a-program-bears-its-uuid
    elif [ -z "$HOLDS_LOCK" ] && is_starting "$1"; then
        VM_WHY=a-start-is-under-way
    else
        libvirt_clears "$1"
    fi
    [ -z "$VM_WHY" ]
}
