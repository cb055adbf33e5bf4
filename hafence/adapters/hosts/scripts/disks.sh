# shellcheck shell=sh
# The disks of VMs on this host: by libvirt's definitions, and by what a process has open. Needs lib.sh, processes.sh and
# identity.sh.
#
# DISKS   "UUID PATH" a line: those that hafence itself knows of
#
# A disk is known by what it is and not by its path, which may be one of several: a file by its device and inode, a
# block device by its number. Disks behind a network protocol (RBD, NBD, iSCSI in qemu) have no path and are not seen
# here. A disk that may be shared by its definition (shareable, readonly, a CD-ROM) is nobody's alone and not counted.

# Opened for writing, without O_APPEND (02000), with which programs open logs and nobody opens a disk.
WRITTEN_IN_PLACE='^flags:[[:space:]]*([0-7]*[0145][0-7]{2}|[0-7]{0,2})[123]$'

# ---------------------------------------------------------------- which disks

# The first <uuid> of each file, as "PATH:<uuid>…</uuid>". What stands further down (metadata) may name other VMs.
first_uuids() {
    for first_file; do
        if [ -e "$first_file" ]; then break; fi
    done
    [ -e "$first_file" ] || return 0
    grep -asHom1 '<uuid>[^<]*</uuid>' -- "$@" 2>/dev/null
}

# split_uuid_line LINE: UUID_FILE and UUID of a line of first_uuids. 1: the VM is none of ours.
split_uuid_line() {
    UUID_FILE=${1%:<uuid>*}
    uuid_text=${1##*<uuid>}
    normalise_uuid "${uuid_text%</uuid>}" && wanted "$UUID"
}

# find_definitions: DEFINITIONS, "UUID:FILE" a line: libvirt's definitions of VMS on this host, running or not.
find_definitions() {
    DEFINITIONS=''
    IFS=$NL
    # shellcheck disable=SC2046  # one argument a line
    set -- $(set +f && first_uuids "$LIBVIRT_RUN"/*.xml "$LIBVIRT_RUN"/.*.xml \
        "$ROOT"/etc/libvirt/qemu/*.xml "$ROOT"/etc/libvirt/qemu/.*.xml)
    unset IFS
    for definition; do
        if split_uuid_line "$definition"; then DEFINITIONS="$DEFINITIONS$UUID:$UUID_FILE$NL"; fi
    done
}

# find_disks VM…: DISK_PATHS, "UUID:PATH" a line: what DISKS and the definitions name; SHARED_PATHS, likewise, what these
# VMs may share.
find_disks() {
    DISK_PATHS='' SHARED_PATHS=''
    disks_of=" $* "
    set --
    IFS=$NL
    for disk_line in $DISKS; do
        case $disks_of in
        *" ${disk_line%% *} "*) add_disk "${disk_line%% *}" "${disk_line#* }" ;;
        esac
    done
    for disk_line in $DEFINITIONS; do
        case $disks_of in
        *" ${disk_line%%:*} "*) set -- "$@" "$disk_line" ;;
        esac
    done
    unset IFS
    [ $# -eq 0 ] || read_definitions "$@"
}

add_disk() {
    case $NL$DISK_PATHS in
    *"$NL$1:$2$NL"*) ;;
    *) DISK_PATHS="$DISK_PATHS$1:$2$NL" ;;
    esac
}

# read_definitions UUID:FILE…: the sources of their disks. libvirt writes an element a line. Backing files are only read.
read_definitions() {
    definition_files=''
    for definition; do definition_files="$definition_files${definition#*:}$NL"; done
    disk_source='' disk_depth=0 disk_shared=''
    IFS=$NL
    # shellcheck disable=SC2086  # one argument a line
    definition_lines=$(grep -aHE '<(/?disk|source|readonly|shareable|/?backingStore|/?mirror)[ />]' -- $definition_files \
        2>/dev/null)
    for definition_line in $definition_lines; do
        while [ "${definition_line#"${1#*:}":}" = "$definition_line" ]; do
            shift
            [ $# -gt 0 ] || break 2
        done
        definition_line=${definition_line#"${1#*:}":}
        case $definition_line in
        *'<disk '*)
            disk_source='' disk_depth=0 disk_shared=''
            case $definition_line in
            *device=?cdrom*) disk_shared=yes ;;
            esac
            ;;
        *'<backingStore'*'/>' | *'<mirror'*'/>') ;;
        *'<backingStore'* | *'<mirror'*) disk_depth=$((disk_depth + 1)) ;;
        *'</backingStore'* | *'</mirror'*) disk_depth=$((disk_depth - 1)) ;;
        *'<source '*)
            if [ "$disk_depth" -eq 0 ] && read_source "$definition_line"; then disk_source=$SOURCE; fi
            ;;
        *'<readonly'* | *'<shareable'*) disk_shared=yes ;;
        *'</disk>'*) end_disk "${1%%:*}" ;;
        esac
    done
    unset IFS
}

end_disk() {
    if [ -z "$disk_source" ]; then
        return
    elif [ -n "$disk_shared" ]; then
        SHARED_PATHS="$SHARED_PATHS$1:$disk_source$NL"
    else
        add_disk "$1" "$disk_source"
    fi
}

# read_source LINE: SOURCE, the path in <source file='…'> or <source dev='…'>. 1: there is none.
read_source() {
    case $1 in
    *" file='/"* | *" dev='/"*) source_end=\' ;;
    *' file="/'* | *' dev="/'*) source_end='"' ;;
    *) return 1 ;;
    esac
    SOURCE=${1#*" file=$source_end"}
    [ "$SOURCE" != "$1" ] || SOURCE=${1#*" dev=$source_end"}
    SOURCE=${SOURCE%%"$source_end"*}
    case $SOURCE in
    *'&'*) unescape "$SOURCE" ;;
    esac
}

# unescape TEXT of XML: SOURCE.
unescape() {
    SOURCE=''
    escaped=$1
    while :; do
        SOURCE=$SOURCE${escaped%%'&'*}
        case $escaped in
        *'&'*) escaped=${escaped#*'&'} ;;
        *) return 0 ;;
        esac
        case $escaped in
        'amp;'*) SOURCE="$SOURCE&" ;;
        'lt;'*) SOURCE="$SOURCE<" ;;
        'gt;'*) SOURCE="$SOURCE>" ;;
        'quot;'*) SOURCE="$SOURCE\"" ;;
        'apos;'*) SOURCE="$SOURCE'" ;;
        *)
            SOURCE="$SOURCE&"
            continue
            ;;
        esac
        escaped=${escaped#*;}
    done
}

# find_open_disks UUID:PID:START…: to DISK_PATHS, and OPEN_PATHS in the same form, the files that these processes write to in
# place; OPEN_SOCKETS, "UUID:FOLDER:INODE" of their sockets (FOLDER in $PROC); RINGS, the VMs that use io_uring; OPEN_VMS, those
# of which anything is known to be open.
find_open_disks() {
    OPEN_PATHS='' OPEN_SOCKETS='' RINGS='' OPEN_VMS=''
    open_known=" $* "
    for open_process; do
        shift
        open_process=${open_process#*:}
        set -- "$@" "${open_process%:*}"
    done
    open_fds "$@"
    IFS=$NL
    for open_line in $OPEN_FDS; do
        unset IFS
        open_folder=${open_line%%' -> '*}
        open_folder=${open_folder##*"$PROC/"}
        open_folder=${open_folder%/fd/*}
        open_vm=${open_known%%":${open_folder%%/*}:"*}
        open_vm=${open_vm##* }
        case "$OPEN_VMS " in
        *" $open_vm "*) ;;
        *) OPEN_VMS="$OPEN_VMS $open_vm" ;;
        esac
        case $open_line in
        *' -> /memfd:'* | *' -> /dev/shm/'* | *' -> /dev/hugepages/'* | *' -> /run/'* | *' (deleted)') continue ;;
        *' -> /var/log/'* | *' -> /var/lib/libvirt/qemu/'* | *' -> /proc/'* | *' -> /sys/'*) continue ;;
        *' -> /'*)
            add_disk "$open_vm" "${open_line#*' -> '}"
            OPEN_PATHS="$OPEN_PATHS$open_vm:${open_line#*' -> '}$NL"
            ;;
        *' -> socket:['*)
            open_line=${open_line##*'['}
            OPEN_SOCKETS="$OPEN_SOCKETS $open_vm:$open_folder:${open_line%']'}"
            ;;
        *' -> anon_inode:'*io_uring*) RINGS="$RINGS $open_vm" ;;
        esac
    done
    unset IFS
}

# open_fds PID…: OPEN_FDS, "… $PROC/PID/…/fd/N -> TARGET" a line, of what they write to in place. A zombie leader has
# nothing open any more; its living threads have.
open_fds() {
    OPEN_FDS=''
    open_folders=''
    for open_pid; do
        set +f
        for open_folder in "$PROC/$open_pid" "$PROC/$open_pid/task"/[0-9]*; do
            set -- "$open_folder/fd"/[0-9]*
            if [ -h "$1" ]; then break; fi
        done
        set -f
        open_folders="$open_folders$open_folder/fdinfo$NL"
    done
    [ -n "$open_folders" ] || return 0
    IFS=$NL
    # shellcheck disable=SC2086  # one argument a line
    open_files=$(grep -rlsE "$WRITTEN_IN_PLACE" -- $open_folders 2>/dev/null)
    set --
    for open_file in $open_files; do
        case $open_file in
        */fdinfo/[012]) ;; # what it says, and no disk
        *) set -- "$@" "${open_file%/fdinfo/*}/fd/${open_file##*/}" ;;
        esac
    done
    unset IFS
    [ $# -eq 0 ] || OPEN_FDS=$(ls -ln -- "$@" 2>/dev/null)
}

# ---------------------------------------------------------------- what they are

# key_disks: KEYS, "KEY UUID" a line, for DISK_PATHS without SHARED_PATHS. KEY is f-DEVICE-INODE or b-MAJOR:MINOR. 1: one
# is there and could not be looked at.
key_disks() {
    KEYS=''
    [ -n "$DISK_PATHS" ] || return 0
    IFS=$NL
    # shellcheck disable=SC2086  # one argument a line
    key_paths $SHARED_PATHS
    shared_keys=$KEYS
    IFS=$NL
    # shellcheck disable=SC2086
    key_paths $DISK_PATHS || return 1
    [ -n "$shared_keys" ] || return 0
    own_keys=''
    IFS=$NL
    for key_line in $KEYS; do
        case $NL$shared_keys in
        *"$NL$key_line$NL"*) ;;
        *) own_keys="$own_keys$key_line$NL" ;;
        esac
    done
    unset IFS
    KEYS=$own_keys
}

# key_paths UUID:PATH…
key_paths() {
    KEYS='' key_names=''
    for key_line; do key_names="$key_names${key_line#*:}$NL"; done
    IFS=$NL
    # shellcheck disable=SC2086
    key_said=$([ $# -eq 0 ] || timeout -k 1 3 stat -L -c '%f %d %i %t:%T %n' -- $key_names 2>/dev/null)
    for key_line in $key_said; do
        while [ $# -gt 0 ] && [ "${key_line#* * * * }" != "${1#*:}" ]; do
            if [ -e "${1#*:}" ]; then unset IFS && return 1; fi
            shift
        done
        if [ $# -eq 0 ]; then unset IFS && return 1; fi
        if key_of_line "$key_line"; then KEYS="$KEYS$DISK_KEY ${1%%:*}$NL"; fi
        IFS=$NL
        shift
    done
    unset IFS
    for key_line; do
        if [ -e "${key_line#*:}" ]; then return 1; fi
    done
    return 0
}

# key_of_line LINE of stat: DISK_KEY. 1: it is neither a file nor a block device.
key_of_line() {
    unset IFS
    # shellcheck disable=SC2086
    set -- $1
    case $1 in
    8???) DISK_KEY=f-$2-$3 ;;
    6???) DISK_KEY=b-$4 ;;
    *) return 1 ;;
    esac
}

# is_key KEY: whether it is one of KEYS.
is_key() {
    case $NL$KEYS in
    *"$NL$1 "*) return 0 ;;
    esac
    return 1
}

# writes_disk_of PID UUID: whether a process has a disk of a VM open for writing.
writes_disk_of() {
    find_disks "$2"
    key_disks || return 1
    open_fds "$1"
    IFS=$NL
    for writes_line in $OPEN_FDS; do
        unset IFS
        writes_line=${writes_line%%' -> '*}
        writes_line=$(timeout -k 1 3 stat -L -c '%f %d %i %t:%T %n' -- "$PROC/${writes_line##*"$PROC/"}" 2>/dev/null)
        if [ -n "$writes_line" ] && key_of_line "$writes_line" && is_key "$DISK_KEY"; then return 0; fi
    done
    unset IFS
    return 1
}
