# shellcheck shell=sh
# The search for the processes of VMs. Needs identity.sh and what that needs; see there for the rule and the variables.

# scan: a line for each, and where it could not look it fails and prints why in one word:
#
#   copy UUID PID START STATE    a process of the VM; STATE is that of a living task, Z where only zombies are left.
#                                With ANY_NAME, "=NAME" stands for the UUID of one that has none.
#   doubt UUID PID PROGRAM       it bears the VM's UUID, and nobody can say what it is
#   nameless PID                 a qemu that has given up its memory and not yet its files (an exit that hangs in a
#                                flush): its arguments and its program read as empty, so nobody can say whose it is
#   file UUID PID                libvirt's pid file of the VM names this process, there or not
scan() (
    cd "$PROC" 2>/dev/null || { echo no-proc && return 1; }
    if ! read_stat 1 || [ ! -r 1/cmdline ]; then
        echo proc-hides-processes
        return 1
    fi
    find_arguments || { echo lacks-grep-z && return 1; }
    read_arguments
    read_pid_files
    read_names
    for scan_file in $PID_FILES; do echo "file ${scan_file%:*} ${scan_file#*:}"; done
    if [ "$PAIRS" != ' ' ]; then print_processes; fi
    print_nameless
    return 0
)

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
        scan_how=${scan_pair##*:}
        scan_pair=${scan_pair%:*}
        if [ "$scan_has" -eq "$scan_wants" ]; then
            print_process "${scan_pair%%:*}" "${scan_pair#*:}" "$scan_how" "$1"
            shift
        else
            print_process "${scan_pair%%:*}" "${scan_pair#*:}" "$scan_how" "$(program_of "${scan_pair%%:*}")"
        fi
    done
}

# print_process PID UUID HOW PROGRAM: its line, if it has one. A program that cannot be read does not clear a process
# whose arguments, or libvirt, name the VM: a qemu that hangs while it exits looks so.
print_process() {
    is_whose=copy
    if [ -n "$4" ]; then judge_program "$1" "$2" "$3" "$4"; fi
    [ "$is_whose" != nobody ] || return 0
    read_stat "$PROC/$1"
    case $? in
    1) return 0 ;;
    2) process_start=0 ;;
    *)
        if is_kernel_thread; then return 0; fi
        process_start=$STAT_START # of the process: "lives" goes on to read its tasks
        ;;
    esac
    lives "$1" "$process_start" || [ "$LIFE" = Z ] || return 0
    if [ "$is_whose" = copy ]; then
        echo "copy $2 $1 $process_start $LIFE"
    elif [ "$LIFE" != Z ]; then
        name_program "$4"
        echo "doubt $2 $1 ${PROGRAM:--}"
    fi
}

# judge_program PID UUID HOW PROGRAM: is_whose, "copy", "doubt" or "nobody".
judge_program() {
    case $3 in
    name) return ;; # read_names has looked
    second) if is_bystander "$4"; then is_whose=nobody; else is_whose=doubt; fi ;;
    pid-file) if ! is_qemu "$4" && ! runs_or_writes "$1" "$2"; then is_whose=nobody; fi ;;
    *)
        if is_qemu "$4" || has_pid_file "$2:$1"; then
            return
        elif is_bystander "$4"; then
            is_whose=nobody
        elif ! runs_or_writes "$1" "$2"; then
            is_whose=doubt
        fi
        ;;
    esac
}

# runs_or_writes PID UUID: whether it runs a machine, or writes to the VM's disk.
runs_or_writes() {
    opens_kvm "$1" && return 0
    find_definitions
    writes_disk_of "$1" "$2"
}

has_pid_file() {
    case $PID_FILES in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

print_nameless() {
    for nameless in $(set +f && grep -aslE '^[0-9]+ \((\.?qemu-(system|kvm)|qemu\)|kvm)' -- [0-9]*/stat 2>/dev/null); do
        nameless=${nameless%%/*}
        case $TAKEN in
        *" $nameless "*) continue ;;
        esac
        if [ -n "$(program_of "$nameless")" ] || ! read_stat "$PROC/$nameless" || is_kernel_thread; then continue; fi
        if lives "$nameless" "$STAT_START"; then echo "nameless $nameless"; fi
    done
}

# read_scan LINES: COPIES, "UUID:PID:START" of the living; DEAD, the VMs of zombies; DOUBTS, "UUID:PID:PROGRAM";
# FILES, "UUID:PID"; NAMELESS, how many. (No here-document: a full disk would make it empty in some shells.)
read_scan() {
    COPIES='' DEAD='' DOUBTS='' FILES=' ' NAMELESS=0
    IFS=$NL
    # shellcheck disable=SC2086
    set -- $1
    unset IFS
    for scan_line; do
        # shellcheck disable=SC2086
        read_scan_line $scan_line
    done
}

read_scan_line() {
    case $1:${5:-} in
    copy:Z) DEAD="$DEAD $2" ;;
    copy:*) COPIES="$COPIES $2:$3:$4" ;;
    doubt:*) DOUBTS="$DOUBTS $2:$3:$4" ;;
    file:*) FILES="$FILES$2:$3 " ;;
    nameless:*) NAMELESS=$((NAMELESS + 1)) ;;
    esac
}
