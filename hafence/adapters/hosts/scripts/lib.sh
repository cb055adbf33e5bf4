# shellcheck shell=sh
# What every script on a host shares: the protocol, the deadline, bounded calls.
#
# hafence sends to "sh -s", on one stdin: assignments (NONCE, ROOT and those that the script names), this file,
# scan.sh where it is needed, and one of the others. All is in functions and the last line of all is "main",
# so a program that arrives in part does nothing. POSIX sh; dash and bash are tested.
#
# ROOT is empty on a real host. In the demo, whose hosts share one machine, it is a folder that stands for
# "/" where processes, locks and libvirt's files are looked up; $ROOT/bin comes first in PATH there.

# shellcheck disable=SC2034  # the other files use it
NL='
'

prepare() {
    set -uf # no pattern of a stranger's text is ever expanded; where a pattern is meant, "set +f" says so
    unset IFS CDPATH GREP_OPTIONS GREP_COLOR GREP_COLORS LIBVIRT_DEFAULT_URI VIRSH_DEFAULT_CONNECT_URI LIBVIRT_DEBUG
    umask 077
    LC_ALL=C
    PATH=${ROOT:+$ROOT/bin:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    export LC_ALL PATH
    cd / || exit 11
}

# ---------------------------------------------------------------- the protocol

say() {
    printf 'hafence/1 %s %s\n' "$NONCE" "$*"
}

# "hello" carries this host's clock: hafence answers with a deadline in this very clock.
say_hello() {
    echo # a login shell's own talk may lack its line end
    hello_clock=$(date +%s.%N)
    case $hello_clock in
    *[!0-9.]* | *.) hello_clock=$(date +%s) ;; # a date without %N
    esac
    [ -n "$hello_clock" ] || exit 11
    hello_machine=
    hello_host=
    { IFS= read -r hello_machine <"$ROOT/etc/machine-id"; } 2>/dev/null
    case $hello_machine in
    *[!0-9a-f]*) hello_machine=- ;;
    esac
    [ ${#hello_machine} -eq 32 ] || hello_machine=-
    if [ -n "$ROOT" ]; then
        { IFS= read -r hello_host <"$ROOT/etc/hostname"; } 2>/dev/null
    else
        { IFS= read -r hello_host </proc/sys/kernel/hostname; } 2>/dev/null
    fi
    case $hello_host in
    '' | *[!A-Za-z0-9._-]*) hello_host=- ;;
    esac
    read_boot_id || BOOT_ID=-
    say "hello clock=$hello_clock machine=$hello_machine host=$hello_host boot=$BOOT_ID"
}

# The one name that two machines never share, clones of one image included: it is made at each boot. The demo's hosts
# share one machine, and have boots of their own.
read_boot_id() {
    BOOT_ID=''
    { read -r BOOT_ID <"$ROOT/proc/sys/kernel/random/boot_id"; } 2>/dev/null
    case $BOOT_ID in
    '' | *[!0-9a-f-]*) return 1 ;;
    esac
}

# Nothing that changes this host begins before hafence, having seen hello, has said until when it may. A
# connection that is lost by then reads as end of file here, and the script ends; so it does when hafence, having seen
# that this is another machine than the one it means, says no.
wait_go() {
    go_word='' go_nonce='' go_deadline='' go_rest=''
    read -r go_word go_nonce go_deadline go_rest || exit 11
    [ "$go_word $go_nonce $go_rest" = "go $NONCE " ] || exit 11
    set_deadline "$go_deadline" || exit 11
}

# set_deadline SECONDS: until when anything may be changed, by this host's clock, with or without a fraction.
set_deadline() {
    case $1 in
    '' | .* | *. | *[!0-9.]* | *.*.*) return 1 ;;
    *.*)
        deadline_part=${1#*.}000
        DEADLINE_MS=${1%.*}${deadline_part%"${deadline_part#???}"}
        ;;
    *) DEADLINE_MS=${1}000 ;;
    esac
    read_clock && read_uptime || return 1
    END_UP_MS=$((UP_MS + DEADLINE_MS - CLOCK_MS))
}

# ---------------------------------------------------------------- time

read_clock() {
    CLOCK_MS=$(date +%s%N)
    case $CLOCK_MS in
    *[!0-9]*) CLOCK_MS=$(date +%s)000 ;;
    *) CLOCK_MS=${CLOCK_MS%??????} ;;
    esac
    [ ${#CLOCK_MS} -ge 12 ]
}

# Not $PROC: the demo's hosts share the machine's time.
read_uptime() {
    { read -r uptime_text _ </proc/uptime; } 2>/dev/null || return 1
    case $uptime_text in
    *.??) UP_MS=${uptime_text%.*}${uptime_text#*.}0 ;;
    *) return 1 ;;
    esac
}

# To be asked right before every step that changes something: a host that froze and wakes up an hour later
# must not go on. Both clocks count: the wall clock jumps forward after a sleep, and may be set back.
in_time() {
    read_uptime && [ "$UP_MS" -lt "$END_UP_MS" ] && read_clock && [ "$CLOCK_MS" -lt "$DEADLINE_MS" ]
}

# ---------------------------------------------------------------- other programs

# lacking PROGRAM…: those that are not there.
lacking() {
    for lacking_program; do
        command -v "$lacking_program" >/dev/null 2>&1 || printf '%s\n' "$lacking_program"
    done
}

# A child of this shell; /proc is the real one whatever ROOT is.
job_runs() {
    job_line=''
    { read -r job_line <"/proc/$1/stat"; } 2>/dev/null
    case $job_line in
    '' | *') Z '* | *') X '*) return 1 ;;
    esac
}
