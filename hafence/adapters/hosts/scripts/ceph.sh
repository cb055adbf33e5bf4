# shellcheck shell=sh
# What Ceph says of images, or its blocklist, with entries removed or added before that. Needs lib.sh. Runs on a
# sibling, or on the admin node.
#
# CONF CEPH_USER KEYRING  of the ceph and rbd command lines (KEYRING may be empty)
# IMAGES                  POOL/IMAGE, a line each; without any the blocklist is the subject
# BLOCK LIFT              client addresses, a line each
# EXPIRE_S                how long an added entry lasts
# CALL_S                  how long one call may take
#
#   status N EXIT JSON | locks N EXIT JSON (of the image in line N) | from IP | blocklist EXIT JSON | lacks PROGRAM | end
#
# Calls run at once, so that ten volumes cost little more than one. Nothing is added or removed after the deadline.

MOST_AT_ONCE=16
MOST_CHARACTERS=3500 # a line that a pipe takes whole: those of several writers must not run into each other

ceph_call() {
    timeout -k 1 "$CALL_S" "$@" --conf "$CONF" --id "$CEPH_USER" ${KEYRING:+--keyring "$KEYRING"} </dev/null 2>/dev/null
}

# ask KIND PROGRAM…: what a call printed, as one line, behind its exit status.
ask() {
    ask_kind=$1
    shift
    ask_text=$(ceph_call "$@")
    ask_status=$?
    ask_text=$(printf '%s' "$ask_text" | tr -d '\n\r')
    if [ ${#ask_text} -gt $MOST_CHARACTERS ] && [ "$ask_kind" != blocklist ]; then
        ask_status=99
        ask_text=
    fi
    say "$ask_kind $ask_status $ask_text"
}

look_at_images() {
    image_number=0
    for image in $IMAGES; do
        image_number=$((image_number + 1))
        ask "status $image_number" rbd status --format json "$image" &
        ask "locks $image_number" rbd lock ls --format json "$image" &
        [ $((image_number * 2 % MOST_AT_ONCE)) -ne 0 ] || wait
    done
    say_source
    wait
}

# From which address this host reaches Ceph: the suspect, a host of the same cluster, uses its own likewise.
say_source() {
    source_mon=$(timeout -k 1 5 ceph-conf --conf "$CONF" --name "client.$CEPH_USER" --lookup mon_host 2>/dev/null |
        grep -oE '[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|\[[0-9a-fA-F]*:[0-9a-fA-F:]*\]' | head -n 1 | tr -d '[]')
    source_ip=
    if [ -n "$source_mon" ]; then
        source_ip=$(ip -o route get "$source_mon" 2>/dev/null | sed -n 's/.* src \([0-9a-fA-F.:]*\).*/\1/p')
    fi
    say "from ${source_ip:--}"
}

# All changes at once and the list after them, in one process and one session with the monitors: ten ceph processes would
# cost ten interpreters, and one takes a change after the other, each of which waits for the monitors' next map. What
# a change came to is not asked: the list tells. The module is the one that the ceph command line itself stands on.
AT_ONCE='
import json, sys, threading
import rados

conf, user, keyring, call_s, expire_s, lift, block = sys.argv[1:]
options = {"client_mount_timeout": call_s, "rados_mon_op_timeout": call_s}
if keyring:
    options["keyring"] = keyring
with rados.Rados(conffile=conf, rados_id=user, conf=options) as cluster:
    def change(**more):
        cluster.mon_command(json.dumps({"prefix": "osd blocklist", **more}), b"")

    lifts = [{"blocklistop": "rm", "addr": client} for client in lift.split()]
    blocks = [{"blocklistop": "add", "addr": client, "expire": float(expire_s)} for client in block.split()]
    for changes in (lifts, blocks):
        threads = [threading.Thread(target=change, kwargs=each) for each in changes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    status, listed, _ = cluster.mon_command(json.dumps({"prefix": "osd blocklist ls", "format": "json"}), b"")
    sys.stdout.write(listed.decode())
    sys.exit(1 if status else 0)
'

change_at_once() {
    command -v python3 >/dev/null 2>&1 || return 1
    in_time || exit 11
    list_text=$(timeout -k 1 "$CALL_S" python3 -c "$AT_ONCE" \
        "$CONF" "$CEPH_USER" "$KEYRING" "$CALL_S" "$EXPIRE_S" "$LIFT" "$BLOCK" </dev/null 2>/dev/null) || return 1
    say "blocklist 0 $(printf '%s' "$list_text" | tr -d '\n\r')"
}

# The same with the command line, where Python does not find the module.
change() {
    change_number=0
    for change_client in $3; do
        in_time || exit 11
        # shellcheck disable=SC2086  # $2 is nothing, or one word
        ceph_call ceph osd blocklist "$1" "$change_client" $2 >/dev/null &
        change_number=$((change_number + 1))
        [ $((change_number % MOST_AT_ONCE)) -ne 0 ] || wait
    done
    wait
}

change_and_list() {
    if [ -n "$LIFT$BLOCK" ] && change_at_once; then
        return
    fi
    change rm '' "$LIFT"
    change add "$EXPIRE_S" "$BLOCK"
    ask blocklist ceph osd blocklist ls --format json
}

main() {
    prepare
    say_hello
    wait_go
    for needed in ceph rbd timeout; do
        command -v "$needed" >/dev/null 2>&1 || {
            say "lacks $needed"
            say end
            exit 11
        }
    done
    if [ -n "$IMAGES" ]; then
        look_at_images
    else
        change_and_list
    fi
    say end
    exit 0
}

main
