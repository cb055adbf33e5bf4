# shellcheck shell=sh
# Tells the definition of a VM that runs here, as libvirt has it now; changes nothing. Needs lib.sh and libvirt.sh with
# what that needs.
#
# VMS     the one UUID
# MOST    bytes that a definition may have
#
#   capture UUID live | capture UUID not-live | capture UUID failed why=…
#   xml BASE64                  (a line of the document each, in order)
#   end lines=N                 (how many of these)
#
# What libvirt keeps of a VM that does not run is no capture: it may be of any day. So it is asked before and after
# whether the VM runs. "--migratable" gives passwords, too: who reads this takes them out before anything is kept.

# is_live: 0 where libvirt says that it runs the VM, 1 where it says that it does not, 2 where it says neither.
is_live() {
    live_state=$(libvirt "$LIBVIRT_S" domstate "$VMS" </dev/null 2>/dev/null) || return 2
    case ${live_state%%"$NL"*} in
    running | paused | idle | 'in shutdown' | pmsuspended) return 0 ;;
    'shut off' | crashed) return 1 ;;
    esac
    return 2
}

tell_and_end() {
    say "capture $VMS $*"
    say "end lines=0"
    exit 0
}

see_that_it_lives() {
    is_live
    case $? in
    0) ;;
    1) tell_and_end not-live ;;
    *) tell_and_end failed why=libvirt-does-not-answer ;;
    esac
}

main() {
    prepare
    say_hello
    normalise_uuid "$VMS" || exit 11
    capture_lacks=$(lacking virsh base64 head timeout)
    [ -z "$capture_lacks" ] || tell_and_end failed "why=lacks-${capture_lacks%%"$NL"*}"
    see_that_it_lives
    # The status goes behind the document: of a pipe only the last program's is known, and one that is cut has none.
    capture_xml=$({
        libvirt "$LIBVIRT_S" dumpxml --migratable "$VMS" </dev/null 2>/dev/null
        echo "status $?"
    } | head -c "$MOST")
    case $capture_xml in
    *"${NL}status 0") ;;
    *"status "[0-9]*) tell_and_end failed why=libvirt-gives-no-definition ;;
    *) tell_and_end failed why=definition-too-long ;;
    esac
    see_that_it_lives
    say "capture $VMS live"
    # shellcheck disable=SC2046  # one argument a line
    set -- $(printf '%s\n' "${capture_xml%"${NL}status 0"}" | base64)
    for capture_line; do say "xml $capture_line"; done
    say "end lines=$#"
    exit 0
}

main
