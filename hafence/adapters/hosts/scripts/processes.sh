# shellcheck shell=sh
# One process in /proc: whether it lives, what program it is, what it has open. Needs lib.sh.
#
# A process is known by (PID, start time), since PIDs come again. It lives while one of its tasks does: the leader may
# be a zombie whose threads write on. What cannot be read lives.

PROC=$ROOT/proc

# read_stat FOLDER: STAT_STATE, STAT_PARENT, STAT_FLAGS and STAT_START of a process or a task. 1: it is gone. 2: it is there and
# cannot be read. A name may hold blanks, brackets and line ends: the fields begin after the last bracket.
read_stat() {
    stat_folder=$1
    stat_text=
    { while IFS= read -r stat_piece; do stat_text=$stat_text$stat_piece; done <"$1/stat"; } 2>/dev/null
    # shellcheck disable=SC2086  # fields, split on purpose; they hold no pattern characters
    set -- ${stat_text##*') '}
    if [ $# -ge 20 ]; then
        # shellcheck disable=SC2034  # owners.sh reads STAT_PARENT
        STAT_STATE=$1 STAT_PARENT=$2 STAT_FLAGS=$7 STAT_START=${20}
        case $STAT_PARENT$STAT_FLAGS$STAT_START in
        *[!0-9]*) return 2 ;;
        *) return 0 ;;
        esac
    fi
    [ -e "$stat_folder/stat" ] || return 1
    return 2
}

# lives PID START: whether that very process has a task that can still run. LIFE is that task's state, Z if only
# zombies are left, empty if there is none.
lives() {
    LIFE=''
    read_stat "$PROC/$1"
    case $? in
    1) return 1 ;;
    2) LIFE=unreadable && return 0 ;;
    esac
    [ "$STAT_START" = "$2" ] || return 1
    case $STAT_STATE in
    [ZXx]) ;;
    *) LIFE=$STAT_STATE && return 0 ;;
    esac
    tasks_live "$PROC/$1"
}

# The tasks of a zombie leader. Its own is among them for as long as it is there: a list without any is not believed.
tasks_live() {
    tasks_read=0
    set +f
    set -- "$1" "$1/task"/[0-9]*
    set -f
    tasks_folder=$1
    shift
    for tasks_task; do
        read_stat "$tasks_task"
        case $?$STAT_STATE in
        1*) ;;
        0[ZXx]) tasks_read=$((tasks_read + 1)) ;;
        2*) LIFE=unreadable && return 0 ;;
        *) LIFE=$STAT_STATE && return 0 ;;
        esac
    done
    if [ "$tasks_read" -gt 0 ]; then
        LIFE=Z
    elif [ -e "$tasks_folder/stat" ]; then
        # shellcheck disable=SC2034  # fence.sh reads it
        LIFE=unreadable
        return 0
    fi
    return 1
}

is_kernel_thread() {
    [ $((STAT_FLAGS & 0x200000)) -ne 0 ]
}

program_of() {
    readlink -- "$1/exe" 2>/dev/null
}

# name_program PATH: PROGRAM, the last part of a program's path as a reply may hold it.
name_program() {
    PROGRAM=${1##*/}
    PROGRAM=${PROGRAM%' (deleted)'}
    case $PROGRAM in
    *[!A-Za-z0-9._,:-]*) PROGRAM=$(printf %s "$PROGRAM" | tr -c 'A-Za-z0-9._,:-' -) ;;
    esac
    while [ ${#PROGRAM} -gt 60 ]; do PROGRAM=${PROGRAM%?}; done
}

# opens_kvm PID: whether it runs a virtual machine in the kernel's hands.
opens_kvm() {
    kvm_links=$(set +f && readlink -- "$PROC/$1/fd"/[0-9]* 2>/dev/null)
    case $NL$kvm_links$NL in
    *"$NL/dev/kvm$NL"* | *"${NL}anon_inode:kvm-v"*) return 0 ;;
    esac
    return 1
}
