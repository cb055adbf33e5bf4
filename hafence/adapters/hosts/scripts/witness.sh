# shellcheck shell=sh
# Looks for signs of life of a host, from here, all looks at once. Needs lib.sh and tcp.sh. Changes nothing but one
# entry of the neighbour table, which is asked to be confirmed now: as it lies there it says "reachable" for half a
# minute after a host lost its power, and nothing about a host that drops all packets but still answers ARP.
#
# ADDRESS, PORT  the suspect's SSH
# PEERS          other hosts of the cluster, "ADDRESS/PORT" apart by blanks
# TIMEOUT_S      one connection, a whole number
#
#   sign syn-ack,rst,ping,icmp-error,neighbour
#   blind WHY      (a look that could not be made: this witness does not count as having seen nothing)
#   peers asked=N reached=M
#   end
#
# A sign may be seen too often (a firewall that resets for others), never too seldom.

NEIGHBOUR_TRIES=45 # of 0.1 s: an unanswered probe is given up after about 3 s

look_tcp() {
    tcp_words=$(connect "$ADDRESS" "$PORT")
    case $?:$tcp_words in
    0:*) echo 'sign syn-ack' ;;
    124:* | 137:* | *'Connection timed out'*) echo 'nothing tcp' ;;
    *'Connection refused'* | *'Connection reset'*) echo 'sign rst' ;;
    *'No route to host'*) echo 'nothing tcp' ;;
    *'Network is unreachable'*) echo 'blind no-route-of-its-own' ;;
    *) echo 'blind tcp-failed' ;;
    esac
}

look_ping() {
    if ! command -v ping >/dev/null 2>&1; then
        echo 'blind lacks-ping'
        return
    fi
    ping_words=$(timeout -k 1 $((TIMEOUT_S + 2)) ping -n -c 2 -i 0.5 -W "$TIMEOUT_S" -- "$ADDRESS" 2>&1 </dev/null)
    ping_status=$?
    case $ping_words in
    *"bytes from $ADDRESS:"*) echo 'sign ping' ;;
    *"From $ADDRESS "* | *"From $ADDRESS:"*)
        # One's own address here would be this witness speaking, not the suspect.
        if is_mine "$ADDRESS"; then echo 'blind address-is-its-own'; else echo 'sign icmp-error'; fi
        ;;
    *'not permitted'* | *'ermission denied'*) echo 'blind ping-not-permitted' ;;
    *'etwork is unreachable'*) echo 'blind no-route-of-its-own' ;;
    *)
        case $ping_status in
        1 | 124) echo 'nothing ping' ;; # sent, and no answer
        *) echo 'blind ping-failed' ;;
        esac
        ;;
    esac
}

look_neighbour() {
    if ! command -v ip >/dev/null 2>&1; then
        echo 'blind lacks-ip'
        return
    fi
    if ! route=$(ip -o route get "$ADDRESS" 2>/dev/null); then
        echo 'blind no-route-of-its-own'
        return
    fi
    case $route in
    'local '*) echo 'blind address-is-its-own' ;;
    *' via '*) echo 'nothing neighbour' ;; # another segment: no such sign to be had
    *' dev '*)
        device=${route#* dev }
        probe_neighbour "${device%% *}"
        ;;
    *) echo 'blind route-not-understood' ;;
    esac
}

# An entry counts only after the kernel was seen to ask, or was told to: what lay there before may be half a minute old.
probe_neighbour() {
    device=$1
    asked='' neighbour_try=0
    while [ "$neighbour_try" -lt "$NEIGHBOUR_TRIES" ]; do
        neighbour_try=$((neighbour_try + 1))
        # shellcheck disable=SC2046
        set -- $(ip -o neigh show to "$ADDRESS" dev "$device" 2>/dev/null)
        case "$asked $* " in
        *' NOARP '*) echo 'nothing neighbour' && return ;;
        *' PERMANENT '*) echo 'blind neighbour-is-permanent' && return ;;
        'yes '*' REACHABLE '*) echo 'sign neighbour' && return ;;
        'yes '*' FAILED '*) echo 'nothing neighbour' && return ;;
        *' INCOMPLETE '*) asked=yes ;;
        'yes '*) ;;
        *' REACHABLE '* | *' STALE '* | *' DELAY '* | *' PROBE '*)
            if ip neigh change "$ADDRESS" dev "$device" nud probe 2>/dev/null; then asked=yes; fi
            ;;
        *) if ip neigh replace "$ADDRESS" dev "$device" use 2>/dev/null; then asked=yes; fi ;;
        esac
        sleep 0.1
    done
    case "$asked $* " in
    'yes '*' INCOMPLETE '*) echo 'nothing neighbour' ;; # asked again by other traffic, and still not answered
    yes*) echo 'blind neighbour-undecided' ;;
    *) echo 'blind neighbour-not-permitted' ;;
    esac
}

look_peer() {
    peer_words=$(connect "${1%/*}" "${1##*/}")
    case $?:$peer_words in
    0:* | *'Connection refused'* | *'Connection reset'*) echo 'peer reached' ;;
    *) echo 'peer silent' ;;
    esac
}

# Each look says one line, short enough to be written whole.
look_everywhere() {
    look_tcp &
    look_ping &
    look_neighbour &
    for peer in $PEERS; do look_peer "$peer" & done
    wait
}

say_blind() {
    say "blind $1"
    say 'peers asked=0 reached=0'
    say end
    exit 0
}

# The looks below compare addresses, not names.
find_address() {
    case $ADDRESS in
    *:* | *.*.*.*) case $ADDRESS in *[!0-9A-Fa-f.:]*) ;; *) return 0 ;; esac ;;
    esac
    # shellcheck disable=SC2046
    set -- $(timeout -k 1 "$TIMEOUT_S" getent ahosts "$ADDRESS" 2>/dev/null)
    ADDRESS=${1:-}
    [ -n "$ADDRESS" ]
}

main() {
    prepare
    say_hello
    witness_lacks=$(lacking timeout sleep bash)
    if [ -n "$witness_lacks" ]; then say_blind "lacks-${witness_lacks%%"$NL"*}"; fi
    find_address || say_blind name-unknown
    asked=0 reached=0 looks=0
    looks_said=$(look_everywhere)
    IFS=$NL
    for seen in $looks_said; do
        case $seen in
        'peer reached') asked=$((asked + 1)) reached=$((reached + 1)) ;;
        'peer silent') asked=$((asked + 1)) ;;
        'nothing '*) looks=$((looks + 1)) ;;
        'sign '* | 'blind '*) looks=$((looks + 1)) && say "$seen" ;;
        *) looks=0 ;;
        esac
    done
    unset IFS
    [ "$looks" -eq 3 ] || say 'blind a-look-was-lost'
    say "peers asked=$asked reached=$reached"
    say end
    exit 0
}

main
