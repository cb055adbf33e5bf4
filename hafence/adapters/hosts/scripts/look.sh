# shellcheck shell=sh
# One look into a host, read-only: its clock, its room, and every VM that is here, in the eyes of /proc and of libvirt.
# Needs lib.sh, scan.sh and libvirt.sh.
#
#   boot ID | libvirt ok,hung,failed,absent | memory total=KIB free=KIB | copy UUID N (living qemus)
#   active UUID | defined UUID | autostart UUID | missing PROGRAM | blind WHY (processes could not be looked at)
#   end lines=N
#
# Processes first, then libvirt: a VM whose start begins in between is active there before its process is seen.

LIBVIRT_S=3
LOOK_COMMANDS='list --uuid; echo defined; list --uuid --all --persistent; echo memory; nodememstats'

tell() {
    say "$*"
    TOLD=$((TOLD + 1))
}

tell_boot() {
    read_boot
    if [ -n "$BOOT_NOW" ]; then tell "boot $BOOT_NOW"; fi
}

tell_missing() {
    for missing_program in $(lacking grep tr date sleep readlink timeout flock setsid virsh ip ping bash); do
        tell "missing $missing_program"
    done
}

tell_copies() {
    if ! check_self; then
        tell "blind $WHY"
        return
    fi
    if ! copies=$(scan_qemu); then
        tell "blind $copies"
        return
    fi
    copies=$(printf '%s\n' "$copies" | sort) # equal ones together
    copy_vm='' copy_count=0
    IFS=$NL
    for copy_line in $copies; do
        unset IFS
        case $copy_line in
        '- '* | *' Z') continue ;;
        esac
        if [ "${copy_line%% *}" != "$copy_vm" ]; then
            tell_copy
            copy_vm=${copy_line%% *} copy_count=0
        fi
        copy_count=$((copy_count + 1))
    done
    unset IFS
    tell_copy
}

tell_copy() {
    if [ "$copy_count" -gt 0 ]; then tell "copy $copy_vm $copy_count"; fi
}

# virsh goes on after a command that failed and ends with the status of the last one, so its talk is looked at too.
tell_libvirt() {
    if [ -z "$HAS_VIRSH" ]; then
        tell 'libvirt absent'
        return
    fi
    answer=$(timeout -k 1 "$LIBVIRT_S" virsh -c qemu:///system "$LOOK_COMMANDS" 2>&1 </dev/null)
    case $?:$answer in
    124:* | 137:*) tell 'libvirt hung' && return ;;
    *:error:* | *"${NL}error:"*) tell 'libvirt failed' && return ;;
    0:*defined*memory*) ;;
    *) tell 'libvirt failed' && return ;;
    esac
    tell 'libvirt ok'
    answer_kind=active memory_total='' memory_free=0
    IFS=$NL
    for answer_line in $answer; do
        unset IFS
        case $answer_line in
        defined | memory) answer_kind=$answer_line ;;
        *) tell_answer "$answer_line" ;;
        esac
    done
    unset IFS
    if [ -n "$memory_total" ]; then tell "memory total=$memory_total free=$memory_free"; fi
}

tell_answer() {
    [ ${#1} -le 200 ] || return 0 # no UUID and no number; to take such a line apart costs the square of its length
    if [ "$answer_kind" != memory ]; then
        if normalise_uuid "$1"; then tell "$answer_kind $UUID"; fi
        return
    fi
    # shellcheck disable=SC2086
    set -- ${1#*:}
    case ${1:-} in
    '' | *[!0-9]*) return ;;
    esac
    case $answer_line in
    total*) memory_total=$1 ;;
    free* | buffers* | cached*) memory_free=$((memory_free + $1)) ;;
    esac
}

tell_autostart() {
    find_autostart
    IFS=$NL
    for autostart_line in $LINKS; do
        unset IFS
        tell "autostart ${autostart_line%%:*}"
    done
    unset IFS
}

main() {
    prepare
    say_hello
    # shellcheck disable=SC2034  # scan.sh reads it
    VMS='' NAMES=''
    TOLD=0
    find_virsh
    tell_boot
    tell_missing
    tell_copies
    tell_libvirt
    tell_autostart
    say "end lines=$TOLD"
    exit 0
}

main
