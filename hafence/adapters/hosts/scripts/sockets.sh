# shellcheck shell=sh
# What the kernel still sends for a process that is dead. A socket outlives its process: what is in its send queue is sent
# again and again for minutes (tcp_orphan_retries in tcp(7)), and lands once the network heals, over whatever another copy
# has written since. Needs lib.sh, processes.sh, disks.sh and facts.sh.
#
# A socket whose process is gone has no inode any more. While it holds bytes, or its FIN, for its peer it is in one of
# three states (Documentation/networking/proc_net_tcp.rst, include/net/tcp_states.h): FIN_WAIT1, LAST_ACK, CLOSING.
#
# PEERS    "UUID ADDRESS:PORT" a line, in hex as in /proc/net/tcp: whom the leftovers talked to
# PORTS    "UUID PORT" or "UUID bricks" a line: where the storage of each listens by hafence's definition of it
# ORPHANS  "LOCAL-PORT REMOTE-ADDRESS:PORT" a line: sockets without owner that hold bytes for one of those, or for a storage

ORPHAN='^ *[0-9]+: [^ ]+ [^ ]+ (04|09|0B) [^ ]+ [^ ]+ [^ ]+ +[0-9]+ +[0-9]+ 0 '

# note_peers: PEERS, by OPEN_SOCKETS. Before the kill. BLIND_SOCKETS: VMs whose sockets are in another network namespace, which
# goes with them.
note_peers() {
    PEERS='' BLIND_SOCKETS=''
    peers_here=$(readlink -- "/proc/$$/ns/net" 2>/dev/null)
    # shellcheck disable=SC2086
    set -- $OPEN_SOCKETS
    while [ $# -gt 0 ]; do
        peers_vm=${1%%:*} peers_folder=${1#*:} peers_inodes=''
        peers_folder=${peers_folder%:*}
        while [ $# -gt 0 ] && [ "${1%:*}" = "$peers_vm:$peers_folder" ]; do
            peers_inodes="$peers_inodes|${1##*:}"
            shift
        done
        add_peers "$peers_vm" "$PROC/$peers_folder" "${peers_inodes#|}"
    done
}

# add_peers UUID FOLDER INODE|INODE…: of a process' sockets; not those by which others call it: its console, and no disk.
add_peers() {
    peers_said=$(timeout -k 1 3 grep -hsE " ($3) [0-9]+ [^ ]+ " -- "$2/net/tcp" "$2/net/tcp6")
    [ -n "$peers_said" ] || return 0
    peers_listen=' ' peers_before=$PEERS
    each_peer listen "$1"
    each_peer add "$1"
    [ "$PEERS" != "$peers_before" ] || return 0
    if [ "$(readlink -- "$2/ns/net" 2>/dev/null)" != "$peers_here" ]; then BLIND_SOCKETS="$BLIND_SOCKETS $1"; fi
}

each_peer() {
    IFS=$NL
    for peer_line in $peers_said; do
        unset IFS
        # shellcheck disable=SC2086
        "${1}_peer" "$2" $peer_line
    done
    unset IFS
}

# listen_peer UUID SL LOCAL REMOTE STATE …
listen_peer() {
    if [ "$5" = 0A ]; then peers_listen="$peers_listen${3##*:} "; fi
}

add_peer() {
    case $5:$peers_listen in
    0A:* | *" ${3##*:} "*) ;;
    *) PEERS="$PEERS$1 $4$NL" ;;
    esac
}

# note_storage: NETWORKED, the VMs of which no process could say what it has open (OPEN_VMS), and whose disks may be behind a
# network, by their definition or because they have none here; and STORAGE_PORTS, in hex, apart by "|", that these name, or
# that their protocols have. BRICKS: yes where one is on Gluster.
note_storage() {
    STORAGE_PORTS='' NETWORKED='' BRICKS=no
    for storage_vm in $VMS; do
        case "$OPEN_VMS " in
        *" $storage_vm "*) continue ;;
        esac
        storage_files='' storage_said=''
        IFS=$NL
        for storage_line in $DEFINITIONS; do
            if [ "${storage_line%%:*}" = "$storage_vm" ]; then storage_files="$storage_files${storage_line#*:}$NL"; fi
        done
        # shellcheck disable=SC2086
        [ -z "$storage_files" ] || storage_said=$(grep -ahsE '<source protocol=|<host .*port=' -- $storage_files)
        unset IFS
        storage_behind=no
        case $storage_files:$storage_said in
        :*) storage_behind=yes ;;
        *'<source protocol='*)
            storage_behind=yes
            add_storage_ports "$storage_said"
            ;;
        esac
        add_given_ports
        [ "$storage_behind" = no ] || NETWORKED="$NETWORKED $storage_vm"
    done
}

# add_given_ports: what hafence's own definition of storage_vm names. The host's may be gone, or have been another.
add_given_ports() {
    IFS=$NL
    for storage_line in $PORTS; do
        case $storage_line in
        "$storage_vm bricks") BRICKS=yes storage_behind=yes ;;
        "$storage_vm "*)
            STORAGE_PORTS="$STORAGE_PORTS|$(printf %04X "${storage_line#* }")" storage_behind=yes
            ;;
        esac
    done
    unset IFS
}

add_storage_ports() {
    IFS=$NL
    for storage_line in $1; do
        case $storage_line in
        *protocol=?gluster*) STORAGE_PORTS="$STORAGE_PORTS|5DC7" BRICKS=yes ;;
        *protocol=?nfs*) STORAGE_PORTS="$STORAGE_PORTS|0801" ;;
        *protocol=?sheepdog*) STORAGE_PORTS="$STORAGE_PORTS|1B58" ;;
        *protocol=?ssh*) STORAGE_PORTS="$STORAGE_PORTS|0016" ;;
        esac
        storage_line=${storage_line#*port=?}
        storage_line=${storage_line%%[!0-9]*}
        case $storage_line in
        '' | ??????*) ;;
        *) STORAGE_PORTS="$STORAGE_PORTS|$(printf %04X "$storage_line")" ;;
        esac
    done
    unset IFS
}

# is_storage PORT in hex: one of STORAGE_PORTS, NBD's (10809), iSCSI's (3260), or Ceph's: 3300 and 6789 of monitors, 6800 to
# 7568 of OSDs. Gluster's daemon (24007) names to its clients the ports of its bricks, 49152 to 60999 (base-port and max-port
# in glusterd.vol).
is_storage() {
    [ -n "$NETWORKED" ] || return 1
    case "|$STORAGE_PORTS|2A39|0CBC|0CE4|1A85|" in
    *"|$1|"*) return 0 ;;
    esac
    if [ "$BRICKS" = yes ] && [ $((0x$1)) -ge 49152 ] && [ $((0x$1)) -le 60999 ]; then return 0; fi
    [ $((0x$1)) -ge 6800 ] && [ $((0x$1)) -le 7568 ]
}

# find_orphans: 1: the sockets can't be seen.
find_orphans() {
    ORPHANS=''
    [ -n "$PEERS$NETWORKED" ] || return 0
    if [ -n "$ROOT" ] && [ ! -e "$PROC/net/tcp" ]; then return 0; fi # the demo's hosts have no sockets
    set -- "$PROC/net/tcp"
    if [ -e "$PROC/net/tcp6" ]; then set -- "$@" "$PROC/net/tcp6"; fi
    # The head of each table shows that it was read.
    orphans_said=$(timeout -k 1 3 grep -hE "^ +sl |$ORPHAN" -- "$@" 2>/dev/null) || return 1
    IFS=$NL
    for orphan_line in $orphans_said; do
        unset IFS
        # shellcheck disable=SC2086
        add_orphan $orphan_line
    done
    unset IFS
}

# add_orphan SL LOCAL REMOTE STATE TX:RX … The FIN counts as a byte of the queue.
add_orphan() {
    [ "$1" != sl ] || return 0
    [ $((0x${5%%:*})) -gt 1 ] || return 0
    case $PEERS in
    *" $3$NL"*) ;;
    *) is_storage "${3##*:}" || return 0 ;;
    esac
    ORPHANS="$ORPHANS${2##*:} $3$NL"
}

# is_orphan_of UUID ADDRESS:PORT: of a VM without a list every orphan that counts is.
is_orphan_of() {
    case "$NETWORKED " in
    *" $1 "*) return 0 ;;
    esac
    case $NL$PEERS in
    *"$NL$1 $2$NL"*) return 0 ;;
    esac
    return 1
}

# reset_orphans: the queue is gone at once, the peer is told (RST), and nothing of it ever arrives. By their ports: in these
# states no living process' connection is. A kernel without CONFIG_INET_DIAG_DESTROY passes over it.
reset_orphans() {
    [ -z "$ROOT" ] || return 0
    reset_which=''
    IFS=$NL
    for reset_line in $ORPHANS; do
        reset_which="$reset_which${reset_which:+ or }( sport = :$((0x${reset_line%% *})) and dport = :$((0x${reset_line##*:})) )"
    done
    unset IFS
    in_time || return 0
    timeout -k 1 3 ss -K -Htn state fin-wait-1 state last-ack state closing "$reset_which" </dev/null >/dev/null 2>&1
}

# count_resets BEFORE: to the fact RESET of each VM, those of BEFORE that are no orphans any more.
count_resets() {
    IFS=$NL
    for reset_line in $1; do
        unset IFS
        case $NL$ORPHANS in
        *"$NL$reset_line$NL"*) continue ;;
        esac
        for reset_vm in $VMS; do
            if is_orphan_of "$reset_vm" "${reset_line##* }"; then count_fact "$reset_vm" RESET; fi
        done
    done
    unset IFS
}
