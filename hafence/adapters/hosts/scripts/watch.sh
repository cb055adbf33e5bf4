# shellcheck shell=sh
# The watch after a fence: while the VM is being started elsewhere, whatever another manager starts here anew is ended.
# Needs kill.sh, scan.sh and definitions.sh.
#
# It kills only while it has leave to, some seconds at a time: a hafence that is gone, suspended or cut off gives none, and
# a lease that is over is leave no more. The conversation is specified in hafence/adapters/hosts/watch.py.

watch() {
    SENT=' ' LIVING=''
    while :; do
        read_clock || exit 11
        say "watch ${CLOCK_MS%???}.${CLOCK_MS#"${CLOCK_MS%???}"}"
        watch_word='' watch_nonce='' watch_deadline='' watch_rest=''
        read -r watch_word watch_nonce watch_deadline watch_rest || exit 11 # the session is over
        case "$watch_word $watch_nonce $watch_rest" in
        "on $NONCE ")
            set_deadline "$watch_deadline" || exit 11
            end_what_came
            ;;
        "done $NONCE ")
            end_what_came
            tell_what_lives
            say watched
            exit 0
            ;;
        "aside $NONCE ")
            set_deadline "$watch_deadline" || exit 11
            end_what_came
            # shellcheck disable=SC2086
            forget_vms $VMS
            for watch_vm in $VMS; do
                get_fact "$watch_vm" DEFINITION
                [ -z "$FACT" ] || say "definition $watch_vm $FACT"
            done
            tell_what_lives
            say watched
            exit 0
            ;;
        *) exit 11 ;;
        esac
    done
}

# A scan that fails has seen nothing; the next one may.
end_what_came() {
    came_scan=$(scan) || return 0
    read_scan "$came_scan"
    for came_one in $COPIES; do
        case $SENT in
        *" $came_one "*) continue ;;
        esac
        came_process=${came_one#*:}
        # In this order: the clock is asked by a program that takes a while, the process is looked at last.
        if in_time && known_lives "$came_one" && kill -9 "${came_process%:*}" 2>/dev/null; then
            SENT="$SENT$came_one "
            say "came ${came_one%%:*}"
        fi
    done
}

# What was sent SIGKILL a moment ago is given one to end.
tell_what_lives() {
    lives_tries=0
    still_living "$COPIES"
    while [ -n "$LIVING" ] && [ "$lives_tries" -lt 10 ]; do
        lives_tries=$((lives_tries + 1))
        sleep 0.05
        still_living "$LIVING"
    done
    for lives_one in $LIVING; do say "lives ${lives_one%%:*}"; done
}
