# shellcheck shell=sh
# What Ceph says of images, or its blocklist, with entries removed or added before that. Needs lib.sh. Runs on a
# sibling, or on the admin node.
#
# CONF CEPH_USER KEYRING  of the ceph and rbd command lines (KEYRING may be empty)
# IMAGES                  POOL/IMAGE, a line each; without any the blocklist is the subject
# SERVERS                 with IMAGES: the monitors that definitions name, as HOST or HOST:PORT, a line each
# BLOCK LIFT              client addresses, a line each
# NOBODY                  a rehearsal: the address of a client that nobody is
# EXPIRE_S                how long an added entry lasts
# CALL_S                  how long one call may take
#
#   status N EXIT JSON | locks N EXIT JSON (of the image in line N) | from IP
#   may EXIT (of the removal of NOBODY's entry, which is not there) | breaks true|false|- (rbd_blocklist_on_break_lock)
#   server N own|other|unknown (whether SERVERS' line N is a monitor of this Ceph) | blocklist EXIT JSON | lacks PROGRAM | end
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
    say_servers
    wait
}

# Two Cephs may have an image of one name. Which monitors are this one's the Ceph itself says.
say_servers() {
    [ -n "$SERVERS" ] || return 0
    servers_map=$(ceph_call ceph mon dump --format json | tr ',{}' '[\n*]' | sed -n 's/^ *"addr": *"\([^"]*\)"$/\1/p')
    servers_known=' '
    for servers_word in $servers_map; do
        if read_monitor "$servers_word"; then servers_known="$servers_known$MONITOR "; fi
    done
    servers_number=0
    for server in $SERVERS; do
        servers_number=$((servers_number + 1))
        servers_are=other
        if read_monitor "$server"; then
            for server_address in $(addresses_of "$MONITOR"); do
                case $servers_known in
                *" $server_address "*) servers_are=own ;;
                esac
            done
        fi
        [ "$servers_known" != ' ' ] || servers_are=unknown
        say "server $servers_number $servers_are"
    done
}

# From which address this host reaches Ceph: the suspect, a host of the same cluster, uses its own likewise.
say_source() {
    source_ip=
    for source_mon in $(monitors); do
        for source_address in $(addresses_of "$source_mon"); do
            source_ip=$(ip -o route get "$source_address" 2>/dev/null |
                sed -n 's/.* src \([0-9a-fA-F.:]*\).*/\1/p')
            [ -z "$source_ip" ] || break 2
        done
    done
    say "from ${source_ip:--}"
}

MOST_MONITORS=5 # each may be a name, and each name may take its time

# The monitors' addresses and names that the configuration holds, a line each. ceph-conf reads it as Ceph does:
# comments, continued lines, "mon host" in any case and with blanks, the sections of this client.
monitors() {
    monitors_text=$(conf_says "client.$CEPH_USER" mon_host)
    if [ -z "$monitors_text" ]; then
        for monitors_section in $(timeout -k 1 2 ceph-conf --conf "$CONF" --list-sections mon. 2>/dev/null); do
            monitors_text="$monitors_text $(conf_says "$monitors_section" mon_addr)"
        done
    fi
    # shellcheck disable=SC2046
    set -- $(printf '%s' "$monitors_text" | tr ',;\t\n' '    ')
    monitors_count=0
    for monitors_word; do
        read_monitor "$monitors_word" || continue
        printf '%s\n' "$MONITOR"
        monitors_count=$((monitors_count + 1))
        [ "$monitors_count" -lt "$MOST_MONITORS" ] || break
    done
}

conf_says() {
    timeout -k 1 2 ceph-conf --conf "$CONF" --name "$1" --lookup "$2" 2>/dev/null
}

# read_monitor WORD: MONITOR, the address or the name alone, of "mon1", "mon1:6789", "10.0.0.1:6789/0", "2001:db8::1",
# "[2001:db8::1]:6789", and of the parts of "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]". 1: it is none.
read_monitor() {
    MONITOR=$1
    case $MONITOR in
    \[v[12]:* | \[any:*) MONITOR=${MONITOR#?} ;;
    esac
    case $MONITOR in
    v[12]:* | any:*) MONITOR=${MONITOR#*:} ;;
    esac
    case $MONITOR in
    '['*)
        MONITOR=${MONITOR#?}
        MONITOR=${MONITOR%%]*}
        ;;
    *)
        MONITOR=${MONITOR%%]*}
        MONITOR=${MONITOR%%/*}
        case $MONITOR in
        *:*:*) ;; # an IPv6 address without a port
        *) MONITOR=${MONITOR%%:*} ;;
        esac
        ;;
    esac
    case $MONITOR in
    '' | [!A-Za-z0-9:]* | *[!A-Za-z0-9.:_-]*) return 1 ;;
    esac
}

# addresses_of MONITOR: itself, or what its name resolves to here.
addresses_of() {
    case $1 in
    *:*) printf '%s\n' "$1" ;;
    *[!0-9.]*) timeout -k 1 2 getent ahosts "$1" 2>/dev/null | sed -n 's/^\([0-9a-fA-F.:]*\) .*STREAM.*/\1/p' ;;
    *) printf '%s\n' "$1" ;;
    esac
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

# Whether entries could be made: by a removal that removes nothing, for which the same right is needed.
rehearse() {
    in_time || exit 11
    ceph_call ceph osd blocklist rm "$NOBODY" >/dev/null
    say "may $?"
    breaks=$(timeout -k 1 2 ceph-conf --conf "$CONF" --name "client.$CEPH_USER" \
        --show-config-value rbd_blocklist_on_break_lock 2>/dev/null)
    case $breaks in
    true | false) ;;
    *) breaks=- ;;
    esac
    say "breaks $breaks"
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
    elif [ -n "$NOBODY" ]; then
        rehearse
    else
        change_and_list
    fi
    say end
    exit 0
}

main
