# shellcheck shell=sh
# What Ceph says of images and of its blocklist, and, if BLOCK or LIFT is given, entries added or removed before that.
# Needs lib.sh. Runs on a sibling, or on the admin node.
#
# CONF USER KEYRING   of the ceph and rbd command lines (KEYRING may be empty)
# IMAGES              POOL/IMAGE, a line each
# BLOCK LIFT          client addresses, a line each
# EXPIRE_S            how long an added entry lasts
# CALL_S              how long one call may take
#
#   status N EXIT JSON | locks N EXIT JSON (of the image in line N) | changed EXIT | blocklist EXIT JSON | end
#
# All images are asked at once, and all entries go through one ceph process: each ceph call costs an
# interpreter and a login. Nothing is added or removed after the deadline.

ceph_call() {
    timeout -k 1 "$CALL_S" "$@" --conf "$CONF" --id "$USER" ${KEYRING:+--keyring "$KEYRING"} 2>/dev/null
}

# answer KIND…: what a call printed, as one line, behind its exit status.
answer() {
    answer_text=$(cat)
    answer_status=${answer_text##*"$NL"}
    answer_text=${answer_text%"$NL"*}
    say "$* $answer_status $(printf '%s' "$answer_text" | tr -d '\n\r')"
}

ask() {
    ask_kind=$1
    shift
    {
        ceph_call "$@" </dev/null
        printf '\n%s' $?
    } | answer "$ask_kind"
}

change() {
    [ -n "$BLOCK$LIFT" ] || return 0
    in_time || exit 11
    {
        for change_client in $BLOCK; do printf 'osd blocklist add %s %s\n' "$change_client" "$EXPIRE_S"; done
        for change_client in $LIFT; do printf 'osd blocklist rm %s\n' "$change_client"; done
    } | ceph_call ceph >/dev/null
    say "changed $?"
}

main() {
    prepare
    say_hello
    wait_go
    for needed in ceph rbd timeout; do
        command -v "$needed" >/dev/null 2>&1 || { say "lacks $needed" && exit 11; }
    done
    change
    number=0
    for image in $IMAGES; do
        number=$((number + 1))
        ask "status $number" rbd status --format json "$image" &
        ask "locks $number" rbd lock ls --format json "$image" &
    done
    # Long lines of several writers would run into each other: this one is kept until the others have ended.
    blocklist=$(ask blocklist ceph osd blocklist ls --format json)
    wait
    printf '%s\n' "$blocklist"
    say end
    exit 0
}

main
