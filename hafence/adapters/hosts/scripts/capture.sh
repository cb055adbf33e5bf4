# shellcheck shell=sh
# Tells the definitions of VMs that run here, as libvirt has them now; changes nothing. Needs lib.sh and libvirt.sh with
# what that needs.
#
# ASKED   UUIDs apart by blanks
# MOST    bytes that a definition may have
#
#   capture UUID live | capture UUID not-live | capture UUID failed why=…
#   xml BASE64                  (behind "live": a line of the document each, in order)
#   end lines=N                 (how many lines that is)
#
# What libvirt keeps of a VM that does not run is no capture: it may be of any day. So it is asked before and after
# whether the VM runs. "--migratable" gives passwords, too: who reads this takes them out before anything is kept.

tell() {
    say "$*"
    TOLD=$((TOLD + 1))
}

# is_live UUID: 0 where libvirt says that it runs the VM; else 1, with NOT_LIVE, which is to be told of it.
is_live() {
    live_state=$(libvirt "$LIBVIRT_S" domstate "$1" </dev/null 2>/dev/null)
    case $?:${live_state%%"$NL"*} in
    0:running | 0:paused | 0:idle | 0:'in shutdown' | 0:pmsuspended) return 0 ;;
    0:'shut off' | 0:crashed) NOT_LIVE=not-live ;;
    124:* | 137:*) NOT_LIVE='failed why=libvirt-does-not-answer' HUNG=yes ;;
    *) NOT_LIVE='failed why=libvirt-tells-no-state' ;;
    esac
    return 1
}

# read_definition UUID: CAPTURED, or 1 with NOT_LIVE. The status goes behind the document: of a pipe only the last
# program's is known, and a document that is cut has none.
read_definition() {
    CAPTURED=$({
        libvirt "$LIBVIRT_S" dumpxml --migratable "$1" </dev/null 2>/dev/null
        echo "status $?"
    } | head -c "$MOST")
    case $CAPTURED in
    *"${NL}status 0") CAPTURED=${CAPTURED%"${NL}status 0"} && return 0 ;;
    *'status '[0-9]*) NOT_LIVE='failed why=libvirt-gives-no-definition' ;;
    *) NOT_LIVE='failed why=definition-too-long' ;;
    esac
    return 1
}

tell_definition() {
    if [ -n "$HUNG" ]; then
        tell "capture $1 failed why=libvirt-does-not-answer"
    elif is_live "$1" && read_definition "$1" && is_live "$1"; then
        tell "capture $1 live"
        # shellcheck disable=SC2046  # one argument a line
        set -- $(printf '%s\n' "$CAPTURED" | base64)
        for capture_line; do tell "xml $capture_line"; done
    else
        tell "capture $1 $NOT_LIVE"
    fi
}

main() {
    prepare
    say_hello
    TOLD=0 HUNG='' NOT_LIVE=''
    capture_lacks=$(lacking virsh base64 head timeout)
    for capture_vm in $ASKED; do
        normalise_uuid "$capture_vm" || exit 11
        if [ -n "$capture_lacks" ]; then
            tell "capture $capture_vm failed why=lacks-${capture_lacks%%"$NL"*}"
        else
            tell_definition "$capture_vm"
        fi
    done
    say "end lines=$TOLD"
    exit 0
}

main
