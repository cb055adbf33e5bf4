# shellcheck shell=sh
# What is asked of others over TCP, always bounded. Needs lib.sh, and bash and ip on the host.
#
# TIMEOUT_S   one connection, a whole number

# connect ADDRESS PORT: the words of what came of it.
connect() {
    # shellcheck disable=SC2016  # for that bash
    timeout -k 1 "$TIMEOUT_S" bash -c 'exec 3<>"/dev/tcp/$1/$2"' - "$1" "$2" 2>&1 </dev/null
}

# is_mine ADDRESS: whether it is an address of this host.
is_mine() {
    case $(ip -o route get "$1" 2>/dev/null) in
    'local '*) return 0 ;;
    esac
    return 1
}
