# shellcheck shell=sh
# The search for qemu processes. Needs lib.sh, VMS (UUIDs apart by blanks; empty: every VM) and NAMES ("UUID=NAME" apart
# by blanks: names of VMS, of letters, digits, ".", "_" and "-"; empty: no VM is known by its name).
#
# A process is known by (PID, start time), since PIDs come again. It lives while one of its tasks does: the
# leader may be a zombie whose threads write on. It belongs to a VM by its exact "-uuid" argument, or by libvirt's
# pid file, or, if its arguments name no UUID, by its exact "-name" argument; and by its executable; never by a
# pattern over its command line. Where the search cannot look it says so: nothing that it could not read
# counts as gone.

PROC=$ROOT/proc
LIBVIRT_RUN=$ROOT/run/libvirt/qemu

# read_stat FOLDER: STAT_STATE, STAT_FLAGS and STAT_START of a process or a task. 1: it is gone. 2: it is there and
# cannot be read. A name may hold blanks, brackets and line ends: the fields begin after the last bracket.
read_stat() {
    stat_folder=$1
    stat_text=
    { while IFS= read -r stat_piece; do stat_text=$stat_text$stat_piece; done <"$1/stat"; } 2>/dev/null
    # shellcheck disable=SC2086  # fields, split on purpose; they hold no pattern characters
    set -- ${stat_text##*') '}
    if [ $# -ge 20 ]; then
        STAT_STATE=$1 STAT_FLAGS=$7 STAT_START=${20}
        case $STAT_FLAGS$STAT_START in
        *[!0-9]*) return 2 ;;
        *) return 0 ;;
        esac
    fi
    [ -e "$stat_folder/stat" ] || return 1
    return 2
}

# lives PID START: whether that very process has a task that can still run. LIFE is that task's state, Z if only
# zombies are left, empty if there is none. What cannot be read lives.
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
        LIFE=unreadable
        return 0
    fi
    return 1
}

is_qemu() {
    qemu_name=${1##*/}
    case ${qemu_name%' (deleted)'} in
    qemu-system-* | .qemu-system-* | qemu-kvm* | qemu | kvm | kvm-spice) return 0 ;;
    esac
    return 1
}

is_kernel_thread() {
    [ $((STAT_FLAGS & 0x200000)) -ne 0 ]
}

# normalise_uuid TEXT (lower case by now): UUID, dashed. 1: it is none.
normalise_uuid() {
    case $1 in
    ????????-????-????-????-????????????) UUID=$1 ;;
    ????????????????????????????????)
        uuid_rest=$1
        UUID=
        for uuid_part in ???????? ???? ???? ????; do
            # shellcheck disable=SC2295  # patterns on purpose
            uuid_tail=${uuid_rest#$uuid_part}
            UUID=$UUID${uuid_rest%"$uuid_tail"}-
            uuid_rest=$uuid_tail
        done
        UUID=$UUID$uuid_rest
        ;;
    *) return 1 ;;
    esac
    case $UUID in
    *[!0-9a-f-]* | *-*-*-*-*-*) return 1 ;;
    esac
}

wanted() {
    case " ${VMS:-$1} " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

# grep_tasks uuid|name FILE…: every "-uuid" or "-name" argument of every task, as "PID/task/TID/cmdline:-uuid" and
# "PID/task/TID/cmdline-VALUE". Tasks and not processes: the command line of a zombie leader reads as empty, that
# of its living threads does not. The pattern is written so that it does not match this very grep. The last
# file is a mark that must come out at the end: a grep that was killed, has no -z or got too many arguments is
# told from one that found nothing. UUIDs come in lower case; names differ by their case.
grep_tasks() {
    grep_what=$1 grep_upper='' grep_lower=''
    shift
    if [ "$grep_what" = uuid ]; then grep_upper=A-F grep_lower=a-f; fi
    printf '%s\0' "-$grep_what" "$NONCE" | grep -azsxHA1 -e "--\{0,1\}$grep_what" -- "$@" - 2>/dev/null |
        tr "\n\t \0$grep_upper" ";;;\n$grep_lower"
}

came_to_its_end() {
    case $2 in
    *"(standard;input):-$1$NL(standard;input)-$NONCE") return 0 ;;
    esac
    return 1
}

# task_arguments uuid|name: TASKS, what grep_tasks finds in all of them.
task_arguments() {
    share_what=$1
    TASKS=$(set +f && grep_tasks "$1" [0-9]*/task/[0-9]*/cmdline)
    came_to_its_end "$1" "$TASKS" && return 0
    # Perhaps there are more tasks than an argument list may hold: once more in parts.
    TASKS='' share='' share_size=0
    set +f
    set -- [0-9]*/task/[0-9]*/cmdline
    set -f
    for task_file; do
        share="$share $task_file"
        share_size=$((share_size + 1))
        if [ "$share_size" -eq 500 ]; then
            read_share || return 1
            share='' share_size=0
        fi
    done
    read_share
}

read_share() {
    # shellcheck disable=SC2086  # file names without blanks
    share_said=$(grep_tasks "$share_what" $share)
    came_to_its_end "$share_what" "$share_said" || return 1
    TASKS=$TASKS$NL$share_said
}

# From TASKS: PAIRS, "PID:UUID" each; NAMED, all PIDs whose arguments name any UUID.
read_arguments() {
    PAIRS=' ' NAMED=' '
    arguments_task='' arguments_seen=''
    for arguments_line in $TASKS; do
        arguments_line=${arguments_line#--;}
        case $arguments_line in
        */cmdline:-uuid | */cmdline:--uuid)
            arguments_task=${arguments_line%:*}
            continue
            ;;
        esac
        arguments_value=${arguments_line#"$arguments_task-"}
        arguments_pair=${arguments_task%%/*}:$arguments_value
        if [ "$arguments_value" = "$arguments_line" ] || [ "$arguments_pair" = "$arguments_seen" ]; then continue; fi
        arguments_seen=$arguments_pair
        normalise_uuid "$arguments_value" || continue
        NAMED="$NAMED${arguments_task%%/*} "
        if wanted "$UUID"; then add_pair "${arguments_task%%/*}:$UUID"; fi
    done
}

add_pair() {
    case $PAIRS in
    *" $1 "*) ;;
    *) PAIRS="$PAIRS$1 " ;;
    esac
}

# The first <uuid> of each file, as "PATH:<uuid>…</uuid>". What stands further down (metadata) may name other VMs.
first_uuids() {
    [ -e "$1" ] || return 0
    grep -asHom1 '<uuid>[^<]*</uuid>' -- "$@" 2>/dev/null
}

# split_uuid_line LINE: UUID_FILE and UUID of a line of first_uuids. 1: the VM is none of ours.
split_uuid_line() {
    UUID_FILE=${1%:<uuid>*}
    uuid_text=${1##*<uuid>}
    uuid_text=${uuid_text%</uuid>}
    case $uuid_text in
    *[A-F]*) uuid_text=$(printf %s "$uuid_text" | tr 'A-F' 'a-f') ;;
    esac
    normalise_uuid "$uuid_text" && wanted "$UUID"
}

# To PAIRS: processes that libvirt's pid files name and whose arguments name no UUID. A pid file is a memory: the
# PID may be another program's by now, or another VM's, whose arguments say so.
read_pid_files() {
    IFS=$NL
    # shellcheck disable=SC2046  # one argument a line
    set -- $(set +f && first_uuids "$LIBVIRT_RUN"/*.xml)
    unset IFS
    for pid_line; do
        split_uuid_line "$pid_line" || continue
        pid_number=''
        { read -r pid_number <"${UUID_FILE%.xml}.pid"; } 2>/dev/null
        case $pid_number in
        '' | 0* | *[!0-9]*) continue ;;
        esac
        case $NAMED in
        *" $pid_number "*) continue ;;
        esac
        NAMED="$NAMED$pid_number "
        add_pair "$pid_number:$UUID"
    done
}

# To PAIRS, from NAME_TASKS: qemus that bear the name of a VM of NAMES and whose arguments name no UUID: somebody
# started them by hand. One with another UUID is another VM, whatever its name.
read_names() {
    names_task='' names_done=''
    for names_line in $NAME_TASKS; do
        names_line=${names_line#--;}
        names_process=${names_line%%/*}
        if [ "$names_process" = "$names_done" ]; then continue; fi
        case $NAMED in
        *" $names_process "*) names_done=$names_process && continue ;;
        esac
        case $names_line in
        */cmdline:-name | */cmdline:--name)
            names_task=${names_line%:*}
            continue
            ;;
        esac
        read_guest "${names_line#"$names_task-"}"
        if find_named; then
            names_done=$names_process
            add_named
        fi
    done
}

# Many programs have a "-name" (find). The task's own link is asked: that of a zombie leader cannot be read.
add_named() {
    named_program=$(program_of "${names_task%/cmdline}")
    if [ -n "$named_program" ]; then
        is_qemu "$named_program" || return 0
    fi
    NAMED="$NAMED$names_process "
    add_pair "$names_process:$UUID"
}

# read_guest VALUE of "-name": GUEST, the name in "NAME", "NAME,…", "guest=NAME,…" or "…,guest=NAME,…". Empty if it
# holds a comma, which qemu wants doubled: no VM of NAMES has such a name.
read_guest() {
    GUEST=${1#guest=}
    case $1 in
    *[!,],guest=*) GUEST=${1##*[!,],guest=} ;;
    esac
    case ${GUEST#"${GUEST%%,*}"} in
    ,,*) GUEST='' ;;
    *) GUEST=${GUEST%%,*} ;;
    esac
}

# find_named: UUID of the VM of NAMES that is called GUEST. 1: there is none.
find_named() {
    for named_vm in $NAMES; do
        if [ "${named_vm#*=}" = "$GUEST" ]; then
            UUID=${named_vm%%=*}
            return 0
        fi
    done
    return 1
}

# print_process PID UUID PROGRAM: "UUID PID START STATE" if it is a qemu. A program that cannot be read does not clear
# a process whose arguments, or libvirt, name the VM: a qemu that hangs while it exits looks so.
print_process() {
    if [ -n "$3" ]; then
        is_qemu "$3" || return 0
    fi
    read_stat "$PROC/$1"
    case $? in
    1) return 0 ;;
    2) process_start=0 ;;
    *)
        if is_kernel_thread; then return 0; fi
        process_start=$STAT_START # of the process: "lives" goes on to read its tasks
        ;;
    esac
    if lives "$1" "$process_start" || [ "$LIFE" = Z ]; then
        printf '%s %s %s %s\n' "$2" "$1" "$process_start" "$LIFE"
    fi
}

program_of() {
    readlink -- "$1/exe" 2>/dev/null
}

# One readlink for all. One that went away leaves no line: then each is asked alone.
print_processes() {
    scan_links=''
    for scan_pair in $PAIRS; do scan_links="$scan_links ${scan_pair%%:*}/exe"; done
    # shellcheck disable=SC2086  # PIDs
    scan_programs=$(readlink -- $scan_links 2>/dev/null)
    # shellcheck disable=SC2086
    set -- $PAIRS
    scan_wants=$#
    IFS=$NL
    # shellcheck disable=SC2086
    set -- $scan_programs
    unset IFS
    scan_has=$#
    for scan_pair in $PAIRS; do
        if [ "$scan_has" -eq "$scan_wants" ]; then
            print_process "${scan_pair%%:*}" "${scan_pair#*:}" "$1"
            shift
        else
            print_process "${scan_pair%%:*}" "${scan_pair#*:}" "$(program_of "${scan_pair%%:*}")"
        fi
    done
}

# "- PID START STATE": a qemu that has given up its memory and not yet its files (an exit that hangs in a flush).
# Its arguments and its program read as empty, so nobody can say whose it is.
print_nameless() {
    for nameless in $(set +f && grep -aslE '^[0-9]+ \((\.?qemu-(system|kvm)|qemu\)|kvm)' -- [0-9]*/stat 2>/dev/null); do
        nameless=${nameless%%/*}
        case $NAMED in
        *" $nameless "*) continue ;;
        esac
        if [ -n "$(program_of "$nameless")" ] || ! read_stat "$PROC/$nameless" || is_kernel_thread; then continue; fi
        process_start=$STAT_START
        if lives "$nameless" "$process_start"; then
            printf -- '- %s %s %s\n' "$nameless" "$process_start" "$LIFE"
        fi
    done
}

# scan_qemu: one line "UUID PID START STATE" for each qemu of VMS; STATE is that of a living task, Z where only zombies
# are left. Where it could not look it fails, and prints why in one word.
scan_qemu() (
    cd "$PROC" 2>/dev/null || { echo no-proc && return 1; }
    if ! read_stat 1 || [ ! -r 1/cmdline ]; then
        echo proc-hides-processes
        return 1
    fi
    NAME_TASKS=''
    if [ -n "$NAMES" ]; then
        # Before the UUIDs: whoever has a name here shows his UUID there, if he has one.
        task_arguments name || { echo lacks-grep-z && return 1; }
        NAME_TASKS=$TASKS
    fi
    task_arguments uuid || { echo lacks-grep-z && return 1; }
    read_arguments
    read_pid_files
    read_names
    if [ "$PAIRS" != ' ' ]; then print_processes; fi
    print_nameless
    return 0
)

# What every verdict stands on. WHY is the first thing that is wrong, in one word, or empty.
check_self() {
    WHY=$(lacking grep tr date sleep readlink timeout)
    WHY=${WHY:+lacks-${WHY%%"$NL"*}}
    [ -z "$WHY" ] || return 1
    if ! sleep 0.01 2>/dev/null; then
        WHY=sleeps-whole-seconds-only
    elif [ -z "$ROOT" ]; then
        # A /proc of other process numbers (a container's view) would send SIGKILL to strangers.
        check_pid=''
        { read -r check_pid _ </proc/self/stat; } 2>/dev/null
        [ "$check_pid" = "$$" ] || WHY=foreign-proc
    fi
    [ -z "$WHY" ]
}
