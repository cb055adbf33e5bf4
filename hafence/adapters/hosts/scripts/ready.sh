# shellcheck shell=sh
# Waits until a VM that runs here serves: its guest agent answers, or one of its addresses takes a TCP connection.
# Changes nothing. Needs lib.sh, libvirt.sh and tcp.sh.
#
# VM          its UUID
# PORT        the TCP port; '' where its guest agent has to answer
# WITHIN_MS   how long that is waited for; it is asked once at least
# TIMEOUT_S   one connection, a whole number of seconds
#
#   ready by=guest-agent | ready by=tcp address=A       (exit 0)
#   waiting why=WHY                                     (exit 10)
#   end
#
# An address that libvirt tells is text from inside the VM. It is tried only where it is an IP address and nothing else,
# and where this host would send to somebody else by it: the VM's own 127.0.0.1, say, would be this host's sshd.

MOST_ADDRESSES=16

# is_ipv4 TEXT, is_ipv6 TEXT: whether it is such an address, and one that a service may be reached at from elsewhere.
is_ipv4() {
    case $1 in
    *[!0-9.]* | .* | *. | *..* | *.*.*.*.*) return 1 ;;
    0.* | 127.* | 169.254.* | 22[4-9].* | 23?.* | 24?.* | 25?.*) return 1 ;;
    *.*.*.*) ;;
    *) return 1 ;;
    esac
    ipv4_rest=$1.
    while [ -n "$ipv4_rest" ]; do
        ipv4_part=${ipv4_rest%%.*}
        ipv4_rest=${ipv4_rest#*.}
        case $ipv4_part in
        ????* | 0?*) return 1 ;;
        esac
        [ "$ipv4_part" -le 255 ] || return 1
    done
}

is_ipv6() {
    case $1 in
    *[!0-9A-Fa-f:]* | *:::* | *::*::* | :: | ::1 | [Ff][Ff]* | [Ff][Ee][89ABab]*) return 1 ;;
    *:*:*) [ ${#1} -le 39 ] ;;
    *) return 1 ;;
    esac
}

# find_addresses: ADDRESSES, each once, in the order of their sources; 1 where libvirt does not answer.
find_addresses() {
    ADDRESSES=' ' addresses_left=$MOST_ADDRESSES
    for address_source in agent lease arp; do
        address_said=$(libvirt "$LIBVIRT_S" domifaddr "$VM" --source "$address_source" </dev/null 2>/dev/null)
        # An agent that does not answer is no libvirt that does not.
        case $address_source:$? in
        lease:124 | lease:137 | arp:124 | arp:137) return 1 ;;
        esac
        IFS=$NL
        for address_line in $address_said; do
            unset IFS
            add_address "${address_line##*[ 	]}"
        done
        unset IFS
    done
}

# add_address ADDRESS/PREFIX, the last word of a line: the others may be any, an interface's name among them.
add_address() {
    case $1 in
    */*/* | */ | */*[!0-9]*) return ;;
    */*) ;;
    *) return ;;
    esac
    case $ADDRESSES in
    *" ${1%/*} "*) return ;;
    esac
    if [ "$addresses_left" -gt 0 ] && { is_ipv4 "${1%/*}" || is_ipv6 "${1%/*}"; } && ! is_mine "${1%/*}"; then
        ADDRESSES="$ADDRESSES${1%/*} "
        addresses_left=$((addresses_left - 1))
    fi
}

# All at once: those that drop packets would else delay the one that answers.
connect_to_all() {
    for connect_one; do
        { connect "$connect_one" "$PORT" >/dev/null && printf '%s\n' "$connect_one"; } &
    done
    wait
}

takes_connections() {
    if ! find_addresses; then
        WHY=libvirt-there-does-not-answer
    elif [ "$ADDRESSES" = ' ' ]; then
        WHY=libvirt-there-tells-no-address-of-it
    else
        # shellcheck disable=SC2086
        connected=$(connect_to_all $ADDRESSES)
        SERVES="by=tcp address=${connected%%"$NL"*}"
        [ -z "$connected" ] || return 0
        WHY=no-address-of-it-takes-a-connection
    fi
    return 1
}

# virsh is told a shorter time than it is given, so that libvirt is the first to give up, and says why.
agent_answers() {
    agent_s=$((LIBVIRT_S > 1 ? LIBVIRT_S - 1 : 1))
    agent_said=$(libvirt "$LIBVIRT_S" qemu-agent-command "$VM" '{"execute":"guest-ping"}' \
        --timeout "$agent_s" </dev/null 2>&1)
    case $?:$agent_said in
    0:'{"return":{}}') SERVES=by=guest-agent && return 0 ;;
    *' is not configured'*) WHY=its-definition-has-no-channel-for-a-guest-agent ;;
    124:* | 137:* | *'failed to connect to the hypervisor'*) WHY=libvirt-there-does-not-answer ;;
    *'domain is not running'* | *'failed to get domain'*) WHY=libvirt-there-does-not-run-it ;;
    *) WHY=its-guest-agent-does-not-answer ;;
    esac
    return 1
}

serves() {
    if [ -n "$PORT" ]; then takes_connections; else agent_answers; fi
}

finish_waiting() {
    say "waiting why=$1"
    say end
    exit 10
}

main() {
    prepare
    say_hello
    WHY='' SERVES=''
    # shellcheck disable=SC2086
    ready_lacks=$(lacking virsh timeout sleep ${PORT:+bash ip})
    [ -z "$ready_lacks" ] || finish_waiting "lacks-${ready_lacks%%"$NL"*}"
    read_uptime || finish_waiting no-clock
    ready_end_ms=$((UP_MS + WITHIN_MS))
    while ! serves; do
        if ! read_uptime || [ "$UP_MS" -ge "$ready_end_ms" ]; then finish_waiting "$WHY"; fi
        sleep 1
    done
    say "ready $SERVES"
    say end
    exit 0
}

main
