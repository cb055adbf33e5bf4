# shellcheck shell=sh
# Why a start has failed, by libvirt's own words, and whether it is worth another try: a dead client's lock on an image
# may last for seconds, and so may what else libvirt is at. Needs locked.sh and what that needs.

AGAIN_MS=500
LEAST_MS=3000 # what another try should have left of the start's time

# find_cause: CAUSE, the word for it; PASSING, not empty where it may pass by itself.
find_cause() {
    # shellcheck disable=SC2034  # start.sh reads CAUSE
    CAUSE=virsh-failed PASSING=''
    if grep -qsE 'Failed to get (shared )?"[a-z ]+" lock|Is another process using the image' "$VIRSH_TALK"; then
        CAUSE=image-is-locked PASSING=yes
    elif grep -qs 'cannot acquire state change lock' "$VIRSH_TALK"; then
        CAUSE=libvirt-was-busy-with-it PASSING=yes
    elif grep -qs 'imed out during operation' "$VIRSH_TALK"; then
        # shellcheck disable=SC2034
        CAUSE=libvirt-timed-out PASSING=yes
    fi
}

# may_try_again: 0 once nothing of the start that failed is here any more, and there is time for another.
may_try_again() {
    [ "$START_STATUS" -ne 0 ] || return 1
    find_cause
    [ -n "$PASSING" ] || return 1
    await_rest "$END_UP_MS"
    [ -z "$PID" ] && nothing_here "$VMS" 0 || return 1
    again_text=$((AGAIN_MS / 1000)).$((AGAIN_MS % 1000))
    sleep "$again_text"
    in_time && [ $((END_UP_MS - UP_MS)) -ge "$LEAST_MS" ]
}
