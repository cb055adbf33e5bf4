# shellcheck shell=sh
# Who else can write to the disks of VMs. Needs lib.sh, processes.sh and disks.sh.

SYS=/sys
OPENED_FOR_WRITING='^flags:[[:space:]]*[0-7]*[123]$'

# tell_holders UUID:PID:START…: a line for each that could write to a disk of KEYS, the processes that are given left out:
#
#   held UUID PID FD PROGRAM    a process has it open for writing
#   held UUID - - WHAT          the kernel has: a loop device, a device mapping, a mount
#   blind WHY                   it could not be looked for
tell_holders() {
    [ -n "$KEYS" ] || return 0
    holders_not=" $$ "
    for holder_not; do
        holder_not=${holder_not#*:}
        holders_not="$holders_not${holder_not%:*} "
    done
    tell_kernel_holders
    cd "$PROC" 2>/dev/null || { echo 'blind no-proc' && return; }
    open_candidates || { echo 'blind lacks-grep-r' && return; }
    tell_writers
}

# open_candidates: CANDIDATES, "PID/fdinfo/N" a line. Files by the inode that fdinfo tells (Linux 5.14 and later), which
# asks no file system: one that hangs must not hold us up. Block devices, and files on an older kernel, by their links.
open_candidates() {
    CANDIDATES='' candidate_inodes='' candidate_links=''
    IFS=$NL
    for candidate_key in $KEYS; do
        unset IFS
        candidate_key=${candidate_key%% *}
        case $candidate_key in
        f-*) candidate_inodes="$candidate_inodes|${candidate_key##*-}" ;;
        b-*) candidate_links=/dev/ ;;
        esac
    done
    unset IFS
    if [ -n "$candidate_inodes" ]; then
        if tells_inodes; then
            candidate_said=$(
                set +f
                printf 'ino:\t%s\n' "${candidate_inodes##*|}" |
                    grep -rlsE "^ino:[[:space:]]*(${candidate_inodes#|})\$" -- [0-9]*/fdinfo - 2>/dev/null
            )
            drop_mark "$candidate_said" || return 1
            CANDIDATES=$MARKED
        else
            candidate_links=/
        fi
    fi
    [ -z "$candidate_links" ] || link_candidates
}

# tells_inodes: whether this kernel's fdinfo has "ino:".
tells_inodes() {
    while read -r inode_key _; do
        [ "$inode_key" != ino: ] || return 0
    done <"/proc/$$/fdinfo/0"
    return 1
}

# drop_mark LINES: MARKED, without the mark that shows that grep came to its end. 1: it did not.
drop_mark() {
    case $NL$1 in
    *"$NL(standard input)") MARKED=${1%'(standard input)'} ;;
    *) return 1 ;;
    esac
}

# To CANDIDATES: whatever is open under a path that begins with candidate_links. "ls" comes to its own folder last.
link_candidates() {
    # shellcheck disable=SC2010  # the links, with their targets, are what is asked for
    link_said=$(set +f && ls -ln -- [0-9]*/fd self/fd 2>/dev/null |
        grep -aE "^[0-9a-z]+/fd:\$| -> $candidate_links")
    case $link_said in
    *self/fd:*) ;;
    *) return 1 ;;
    esac
    link_pid=''
    IFS=$NL
    for link_line in $link_said; do
        unset IFS
        case $link_line in
        self/fd:) break ;;
        */fd:) link_pid=${link_line%/fd:} ;;
        *)
            link_line=${link_line%%' -> '*}
            CANDIDATES="$CANDIDATES$link_pid/fdinfo/${link_line##* }$NL"
            ;;
        esac
    done
    unset IFS
}

tell_writers() {
    [ -n "$CANDIDATES" ] || return 0
    IFS=$NL
    # shellcheck disable=SC2086
    writers_said=$(printf 'flags:\t01\n' | grep -lsE "$OPENED_FOR_WRITING" -- $CANDIDATES - 2>/dev/null)
    unset IFS
    drop_mark "$writers_said" || { echo 'blind lacks-grep-r' && return; }
    set --
    IFS=$NL
    for writer in $MARKED; do
        case $holders_not in
        *" ${writer%%/*} "*) ;;
        *) set -- "$@" "${writer%%/*}/fd/${writer##*/}" ;;
        esac
    done
    unset IFS
    [ $# -gt 0 ] || return 0
    writers_said=$(timeout -k 1 3 stat -L -c '%f %d %i %t:%T %n' -- "$@" 2>/dev/null)
    case $? in
    124 | 137) echo 'blind a-file-system-that-hangs' && return ;;
    esac
    IFS=$NL
    for writer in $writers_said; do
        unset IFS
        if key_of_line "$writer"; then tell_writer "${writer#* * * * }"; fi
    done
    unset IFS
}

# tell_writer PID/fd/N, which has DISK_KEY open. virtlockd opens disks to lock them and never writes.
tell_writer() {
    is_key "$DISK_KEY" || return 0
    name_program "$(program_of "${1%%/*}")"
    case $PROGRAM in
    virtlockd | sanlock) return 0 ;;
    esac
    tell_held "$DISK_KEY" "${1%%/*} ${1##*/} ${PROGRAM:--}"
}

# tell_held KEY WORDS: "held UUID WORDS" for every VM whose disk it is.
tell_held() {
    IFS=$NL
    for held_line in $KEYS; do
        unset IFS
        if [ "${held_line%% *}" = "$1" ]; then echo "held ${held_line#* } $2"; fi
    done
    unset IFS
}

# ---------------------------------------------------------------- the kernel itself

# A loop device over a file; on a block device a mount, and what is stacked on it. The devices of the stack come to KEYS,
# so that whoever has one of those open is found, too.
tell_kernel_holders() {
    tell_loops
    KERNEL_QUEUE=''
    IFS=$NL
    for kernel_line in $KEYS; do
        case $kernel_line in
        b-*) KERNEL_QUEUE="$KERNEL_QUEUE$kernel_line$NL" ;;
        esac
    done
    unset IFS
    kernel_left=200 # devices; a stack has no circles, but nothing here may go on for ever
    while [ -n "$KERNEL_QUEUE" ] && [ "$kernel_left" -gt 0 ]; do
        kernel_left=$((kernel_left - 1))
        kernel_line=${KERNEL_QUEUE%%"$NL"*}
        KERNEL_QUEUE=${KERNEL_QUEUE#*"$NL"}
        kernel_device=${kernel_line%% *}
        kernel_device=${kernel_device#b-}
        tell_device "$((0x${kernel_device%:*})):$((0x${kernel_device#*:}))" "${kernel_line#* }"
    done
}

tell_loops() {
    set +f
    set -- "$SYS"/block/loop*/loop/backing_file
    set -f
    for loop_file; do
        loop_path='' loop_read_only=''
        { IFS= read -r loop_path <"$loop_file"; } 2>/dev/null || continue
        loop_folder=${loop_file%/loop/backing_file}
        { read -r loop_read_only <"$loop_folder/ro"; } 2>/dev/null
        [ "$loop_read_only" != 1 ] || continue
        loop_line=$(timeout -k 1 3 stat -L -c '%f %d %i %t:%T %n' -- "${loop_path%' (deleted)'}" 2>/dev/null)
        if [ -n "$loop_line" ] && key_of_line "$loop_line"; then tell_held "$DISK_KEY" "- - ${loop_folder##*/}"; fi
    done
}

# tell_device MAJOR:MINOR UUID: its mounts; to KEYS and KERNEL_QUEUE, its partitions and what stands on it.
tell_device() {
    tell_mount "$1" "$2"
    set +f
    set -- "$2" "$SYS/dev/block/$1"/*/partition "$SYS/dev/block/$1"/holders/*
    set -f
    device_vm=$1
    shift
    for device_place; do
        device_number=''
        { read -r device_number <"${device_place%/partition}/dev"; } 2>/dev/null || continue
        case $device_place in
        */holders/*) tell_stacked "$device_number" "${device_place##*/}" "$device_vm" ;;
        esac
        device_line="b-$(printf '%x:%x' "${device_number%:*}" "${device_number#*:}") $device_vm$NL"
        KEYS=$KEYS$device_line
        KERNEL_QUEUE=$KERNEL_QUEUE$device_line
    done
}

# tell_stacked MAJOR:MINOR NAME UUID. A device mapping that nobody has open, as LVM makes them of a guest's own volumes,
# writes nothing.
tell_stacked() {
    case $2 in
    dm-*)
        stacked_open=$(dmsetup info -c --noheadings -o open -j "${1%:*}" -m "${1#*:}" 2>/dev/null)
        [ "$stacked_open" != 0 ] || return 0
        ;;
    esac
    name_program "$2"
    echo "held $3 - - $PROGRAM"
}

# tell_mount MAJOR:MINOR UUID. Only those that init sees: a container's own are another matter.
tell_mount() {
    while read -r _ _ mount_device _ mount_point mount_rest; do
        [ "$mount_device" = "$1" ] || continue
        case " ${mount_rest##* }," in
        *' ro,'*) ;;
        *)
            name_program "$mount_point"
            echo "held $2 - - mount:$PROGRAM"
            ;;
        esac
    done <"$PROC/1/mountinfo"
}
