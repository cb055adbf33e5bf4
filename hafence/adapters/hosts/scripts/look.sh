# shellcheck shell=sh
# One look into a host, read-only: its clock, its room, and every VM that is here, in the eyes of /proc and of libvirt.
# Needs absence.sh and what that needs, mark.sh, aside.sh and needs.sh, which says what "lacks" means.
#
# ASKED   UUIDs apart by blanks: VMs of which libvirt is asked one by one, whatever becomes of its lists
#
#   boot ID | libvirt ok,busy,hung,failed,down,absent | memory total=KIB free=KIB
#   copy UUID N (living processes) | named NAME N (of these, those that bear no UUID) | doubt UUID PROGRAM (see scan.sh)
#   halted UUID STATE REASON (of ASKED those that are active and do not run)
#   active UUID | defined UUID (libvirt's lists) | asked UUID off,active,busy (see libvirt.sh)
#   autostart UUID | saved UUID (a managed save image) | listed UUID (by libvirt-guests, for the next boot) | aside UUID (its definition was set aside) | missing PROGRAM | blind WHY (processes could not be looked at)
#   held UUID STORE RUN AGE_S (whose run was last at one of ASKED, see mark.sh)
#   mark STORE RUN AGE_S N (of each store that has marks here: how many, and the youngest of them)
#   end lines=N
#
# Processes first, then libvirt: a VM whose start begins in between is active there before its process is seen.
# "busy" is a libvirt that answers, but not when its lists are asked for, which wait for each VM's lock.

LISTS='list --uuid; echo defined; list --uuid --all --persistent; echo memory; nodememstats'

tell() {
    say "$*"
    TOLD=$((TOLD + 1))
}

tell_boot() {
    if read_boot_id; then tell "boot $BOOT_ID"; fi
}

tell_missing() {
    for missing_program in $(lacking grep tr date sleep readlink timeout stat ls flock setsid virsh ip ping bash); do
        tell "missing $missing_program"
    done
}

# ---------------------------------------------------------------- processes

tell_copies() {
    if ! check_self; then
        tell "blind $WHY"
        return
    fi
    if ! copies_scan=$(scan); then
        tell "blind $copies_scan"
        return
    fi
    read_scan "$copies_scan"
    told_copies=' '
    for copy_vm in $COPIES; do tell_copy "${copy_vm%%:*}"; done
    for copy_vm in $DOUBTS; do
        case $told_copies in
        *" ?${copy_vm%%:*} "*) ;;
        *) tell "doubt ${copy_vm%%:*} ${copy_vm##*:}" ;;
        esac
        told_copies="$told_copies?${copy_vm%%:*} "
    done
}

# tell_copy UUID or =NAME
tell_copy() {
    case $told_copies in
    *" $1 "*) return ;;
    esac
    told_copies="$told_copies$1 "
    copy_count=0
    for copy_one in $COPIES; do
        if [ "${copy_one%%:*}" = "$1" ]; then copy_count=$((copy_count + 1)); fi
    done
    case $1 in
    =*) tell "named ${1#=} $copy_count" ;;
    *) tell "copy $1 $copy_count" ;;
    esac
}

# ---------------------------------------------------------------- libvirt

tell_libvirt() {
    STATES='' libvirt_is=failed
    [ -z "$HAS_VIRSH" ] || ask_lists
    if [ "$libvirt_is" = failed ] && ! daemon_lives && ! socket_listens; then
        libvirt_is=down
        [ -n "$HAS_VIRSH" ] || libvirt_is=absent
    fi
    tell "libvirt $libvirt_is"
    case $libvirt_is in
    ok) tell_lists ;;
    busy) tell_memory_alone ;;
    esac
    IFS=$NL
    for asked_state in $STATES; do
        unset IFS
        tell "asked $asked_state"
    done
    unset IFS
    [ -z "$STATES" ] || tell_halted
}

# In letters that a reply may hold: "paused (I/O error)" is "paused i-o-error".
tell_halted() {
    IFS=$NL
    for halted_line in $HALTED; do
        unset IFS
        halted_what=$(printf %s "${halted_line#* }" | tr 'A-Z /' 'a-z--' | tr -cd 'a-z()-')
        halted_why=${halted_what#*-(}
        [ "$halted_why" != "$halted_what" ] || halted_why=
        halted_why=${halted_why%)}
        tell "halted ${halted_line%% *} ${halted_what%%-(*} ${halted_why:-unknown}"
    done
    unset IFS
}

# ask_lists: libvirt_is, ok, busy, hung or failed. virsh goes on after a command that failed and ends with the status of
# the last one, so its talk is looked at, too. Not with -q: it takes "echo" its line end.
ask_lists() {
    lists_commands=$LISTS ask_part=end ask_good=yes
    if [ -n "$ASKED" ]; then
        # shellcheck disable=SC2086
        begin_asking $ASKED
        lists_commands="$ASK_COMMANDS; $LISTS"
    fi
    # shellcheck disable=SC2086  # an option or nothing
    answer=$(timeout -k 1 "$LIBVIRT_S" virsh $READ_ONLY -c qemu:///system "$lists_commands" 2>&1 </dev/null)
    lists_status=$?
    lists_part=active
    IFS=$NL
    for answer_line in $answer; do
        if [ "$ask_part" != end ]; then
            read_ask_line "$answer_line"
            continue
        fi
        case $lists_part:$answer_line in
        active:defined | defined:memory) lists_part=$answer_line ;;
        *:error:*) ask_good='' ;;
        esac
    done
    unset IFS
    case $lists_status:$ask_part:$lists_part:$ask_good in
    0:end:memory:yes) libvirt_is=ok ;;
    124:* | 137:*) ask_after_hang ;;
    *) libvirt_is=failed STATES='' ;;
    esac
}

# The lists did not come. Which VM keeps libvirt from it, and what of the others?
ask_after_hang() {
    libvirt_is=busy
    case $ask_part:$ask_good in
    begin:*) libvirt_is=hung ;;
    *:'') libvirt_is=failed STATES='' ;;
    vm:*)
        STATES="$STATES$ASK_VM busy$NL"
        hang_states=$STATES hang_left=${ASKED#*"$ASK_VM"}
        if [ -n "$hang_left" ]; then
            # shellcheck disable=SC2086
            ask_states 2 $hang_left
            STATES=$hang_states$STATES
        fi
        ;;
    *)
        if [ -z "$ASKED" ]; then
            ask_states 2
            [ "$ANSWERS" = yes ] || libvirt_is=hung
        fi
        ;;
    esac
}

# The lines of the lists, once it is known that they are whole.
tell_lists() {
    answer_kind=active memory_total='' memory_free=0
    if [ -n "$ASKED" ]; then answer=${answer#*"${NL}ask end$NL"}; fi
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

# Beside a VM that libvirt is at: what waits for no VM's lock is told all the same.
tell_memory_alone() {
    # shellcheck disable=SC2086  # an option or nothing
    answer=$(timeout -k 1 2 virsh $READ_ONLY -q -c qemu:///system nodememstats 2>/dev/null </dev/null) || return 0
    answer_kind=memory memory_total='' memory_free=0
    IFS=$NL
    for answer_line in $answer; do
        unset IFS
        tell_answer "$answer_line"
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

# Each once: a name that was used again may have left two images of a VM.
tell_aside() {
    find_saved
    find_listed
    aside_told=' '
    IFS=$NL
    for aside_line in $SAVED; do
        unset IFS
        tell_once saved "${aside_line%%:*}"
    done
    unset IFS
    for aside_vm in $LISTED; do tell_once listed "$aside_vm"; done
    find_aside
    for aside_vm in $ASIDE; do tell_once aside "$aside_vm"; done
}

tell_once() {
    case $aside_told in
    *" $1:$2 "*) return ;;
    esac
    aside_told="$aside_told$1:$2 "
    tell "$1 $2"
}

# tell_marks: of the VMs in ASKED, and of each store, of eight at most.
tell_marks() {
    read_uptime || return 0
    for marks_vm in $ASKED; do
        if read_mark "$marks_vm" && [ -n "$MARK_STORE" ]; then
            tell "held $marks_vm $MARK_STORE $MARK_RUN $MARK_AGE"
        fi
    done
    marks_stores=''
    set +f
    set -- "$LOCKS"/*.mark
    set -f
    for marks_file; do
        marks_file=${marks_file##*/}
        if ! read_mark "${marks_file%.mark}" || [ -z "$MARK_STORE" ]; then continue; fi
        case " $marks_stores " in
        *" $MARK_STORE "*) eval "marks_count=\$marks_count_$MARK_STORE marks_age=\${marks_said_$MARK_STORE#* }" ;;
        *)
            # shellcheck disable=SC2034  # eval reads it
            marks_stores="$marks_stores $MARK_STORE" marks_count=0 marks_age=$MARK_AGE
            ;;
        esac
        eval "marks_count_$MARK_STORE=\$((marks_count + 1))"
        if [ "$MARK_AGE" -le "$marks_age" ]; then eval "marks_said_$MARK_STORE='$MARK_RUN $MARK_AGE'"; fi
    done
    marks_left=8
    for marks_store in $marks_stores; do
        [ "$marks_left" -gt 0 ] || return 0
        marks_left=$((marks_left - 1))
        eval "tell \"mark $marks_store \$marks_said_$marks_store \$marks_count_$marks_store\""
    done
}

main() {
    prepare
    say_hello
    # shellcheck disable=SC2034  # identity.sh reads them
    VMS='' NAMES='' ANY_NAME=yes
    TOLD=0
    find_virsh
    # shellcheck disable=SC2034  # libvirt.sh reads it
    ASK_REASON=yes HALTED=''
    tell_boot
    tell_missing
    tell_copies
    tell_libvirt
    tell_autostart
    tell_aside
    tell_marks
    tell_lacking
    say "end lines=$TOLD"
    exit 0
}

main
