# shellcheck shell=sh
# Who runs a VM: libvirt, a systemd unit, or another manager, which may start it again when it is dead. Needs lib.sh,
# processes.sh, identity.sh and facts.sh.
#
# By the cgroup and the parent of each process, before the kill: afterwards nothing shows it. Facts of a VM:
#
#   BY       libvirt  its pid file names the process, or the process lies in a scope of libvirt's, or is a child of it
#            unit     a service of systemd
#            other    anything else
#   UNIT     the service or scope in which the process lies, as a reply may hold it; empty without one
#   PARENT   the program that is its parent; empty for the first process of the machine
#   STOP     of a unit: plan (it is to be stopped), never (it is not ours to stop), shared (others run in it, or that
#            could not be seen); after the kill see read_unit_word
#   SERVICE, FOLDER, MANAGER   of a unit that is to be stopped: its name, its cgroup's folder, and "system" or a user's UID
#
# Of several processes of a VM the one tells that is furthest from libvirt.

CGROUPS=$ROOT/sys/fs/cgroup

note_owners() {
    for owner_one in $KNOWN; do note_owner "${owner_one%%:*}" "${owner_one#*:}"; done
    UNITS=''
    for owner_vm in $VMS; do
        get_fact "$owner_vm" STOP
        [ "$FACT" != plan ] || check_unit "$owner_vm"
    done
}

# note_owner UUID PID:START
note_owner() {
    owner_pid=${2%%:*}
    OWNER=other CGROUP='' UNIT='' SERVICE='' FOLDER='' MANAGER='' PARENT='' STOP=''
    read_parent "$owner_pid"
    find_cgroup "$owner_pid"
    case $PARENT in
    libvirtd | virtqemud | lt-libvirtd | lt-virtqemud) OWNER=libvirt ;;
    esac
    case $OLD_FILES in
    *" $1:$owner_pid "*) OWNER=libvirt ;;
    esac
    if [ "$OWNER" != libvirt ]; then read_cgroup; fi
    keep_owner "$1"
}

# keep_owner UUID: what was seen of one process, unless another one of the VM says worse.
keep_owner() {
    get_fact "$1" BY
    case $FACT:$OWNER in
    :* | libvirt:* | unit:other) ;;
    unit:unit)
        get_fact "$1" FOLDER
        [ "$FACT" != "$FOLDER" ] || return 0
        STOP=shared # it runs in two of them: which of them is meant nobody can say
        ;;
    *) return 0 ;;
    esac
    set_fact "$1" BY "$OWNER"
    set_fact "$1" UNIT "$UNIT"
    set_fact "$1" PARENT "$PARENT"
    set_fact "$1" STOP "$STOP"
    set_fact "$1" SERVICE "$SERVICE"
    set_fact "$1" FOLDER "$FOLDER"
    set_fact "$1" MANAGER "$MANAGER"
}

# read_parent PID: PARENT. Orphans are children of the first process, whoever had started them.
read_parent() {
    read_stat "$PROC/$1" || return 0
    [ "$STAT_PARENT" -gt 1 ] || return 0
    parent_name=''
    { IFS= read -r parent_name <"$PROC/$STAT_PARENT/comm"; } 2>/dev/null
    name_program "$parent_name"
    PARENT=$PROGRAM
}

# find_cgroup PID: CGROUP, its path by systemd's own hierarchy; empty if it can't be read.
find_cgroup() {
    CGROUP=''
    { while IFS=: read -r _ cgroup_kind cgroup_path; do
        case $cgroup_kind in
        name=systemd) [ "$cgroup_path" = / ] || CGROUP=$cgroup_path ;;
        '') [ -n "$CGROUP" ] || CGROUP=$cgroup_path ;;
        esac
    done <"$PROC/$1/cgroup"; } 2>/dev/null
}

# read_cgroup: OWNER, and what else CGROUP says. From the root there are slices alone down to the unit that counts; what
# lies deeper in a unit and is one itself belongs to a container.
read_cgroup() {
    cgroup_walked='' cgroup_user='' cgroup_inner=''
    IFS=/
    for cgroup_part in $CGROUP; do
        unset IFS
        case $cgroup_part in
        '') ;;
        user@*.service) cgroup_user=${cgroup_part#user@} SERVICE=$cgroup_part ;;
        *.service | *.scope)
            [ -z "$SERVICE" ] || [ "$SERVICE" = "user@$cgroup_user" ] || cgroup_inner=yes
            SERVICE=$cgroup_part
            ;;
        *.slice) [ -z "$SERVICE" ] || [ "$SERVICE" = "user@$cgroup_user" ] || cgroup_inner=yes ;;
        *.libvirt-qemu) if [ -z "$SERVICE" ]; then OWNER=libvirt; fi ;; # where libvirt makes its cgroups itself
        *) [ -n "$SERVICE" ] || cgroup_inner=yes ;;                     # another one than systemd has made it
        esac
        # The folder of the last unit, not of what it has made below itself.
        cgroup_walked=$cgroup_walked${cgroup_part:+/$cgroup_part}
        case $cgroup_part in
        *.service | *.scope) FOLDER=$cgroup_walked ;;
        esac
    done
    unset IFS
    [ "$OWNER" != libvirt ] || return 0
    case $SERVICE:$cgroup_inner in
    machine-qemu*.scope:) OWNER=libvirt ;;
    *.service:*) OWNER=unit && judge_unit ;;
    esac
    name_unit
}

# judge_unit: STOP, and MANAGER, for the unit SERVICE. Its name is an argument later: nothing but letters is in it.
judge_unit() {
    STOP=plan MANAGER=system
    case $SERVICE in
    [!A-Za-z0-9]* | *[!A-Za-z0-9:._@\\-]*) STOP=never ;;
    ssh*.service | user@*.service | systemd-*.service | dbus*.service | init.service) STOP=never ;;
    libvirt*.service | virt*d.service | docker*.service | containerd*.service | podman*.service) STOP=never ;;
    crio*.service | kubelet*.service | lxc*.service | machine*.service | cron*.service | atd.service) STOP=never ;;
    esac
    case $cgroup_inner$FOLDER in
    yes* | *[!A-Za-z0-9:._@\\/-]* | */../*) STOP=never ;;
    esac
    [ -n "$cgroup_user" ] || return 0
    MANAGER=${cgroup_user%.service}
    case $MANAGER in
    '' | *[!0-9]*) STOP=never ;;
    esac
}

# name_unit: UNIT, what a reply may hold of SERVICE.
name_unit() {
    UNIT=$SERVICE
    case $UNIT in
    *[!A-Za-z0-9:._@-]*) UNIT=$(printf %s "$UNIT" | tr -c 'A-Za-z0-9:._@-' -) ;;
    esac
    while [ ${#UNIT} -gt 80 ]; do UNIT=${UNIT%?}; done
}

# ---------------------------------------------------------------- the unit that is to be stopped

# check_unit UUID: only a unit that holds this VM's processes and nothing else is stopped.
check_unit() {
    find_folder "$1"
    unit_word=shared
    if [ -n "$UNIT_FOLDER" ] && unit_said=$(processes_in "$UNIT_FOLDER") && [ -n "$unit_said" ]; then
        unit_word=plan
        for unit_pid in $unit_said; do
            case " $KNOWN" in
            *" $1:$unit_pid:"*) ;;
            *) unit_word=shared ;;
            esac
        done
    fi
    set_fact "$1" STOP $unit_word
    if [ $unit_word = plan ]; then UNITS="$UNITS $1"; fi
}

# find_folder UUID: UNIT_FOLDER, where the cgroup of its unit is mounted; empty if nowhere.
find_folder() {
    get_fact "$1" FOLDER
    UNIT_FOLDER=''
    for folder_root in "$CGROUPS/systemd" "$CGROUPS/unified" "$CGROUPS"; do
        if [ -d "$folder_root$FACT" ]; then
            UNIT_FOLDER=$folder_root$FACT
            return 0
        fi
    done
}

# processes_in FOLDER: the PIDs in a cgroup and in those below it. Fails where one of them can't be read.
processes_in() {
    find "$1" -name cgroup.procs -exec cat -- '{}' + 2>/dev/null
}

# ask_systemd UUID SECONDS ARGUMENT…: systemctl, of the manager that runs the VM's unit, in place of this (sub)shell.
ask_systemd() {
    get_fact "$1" MANAGER
    systemd_bound=$2
    shift 2
    case $FACT in
    system) exec timeout -k 1 "$systemd_bound" systemctl "$@" </dev/null 2>/dev/null ;;
    *)
        exec timeout -k 1 "$systemd_bound" setpriv --reuid "$FACT" --clear-groups \
            env "XDG_RUNTIME_DIR=/run/user/$FACT" systemctl --user "$@" </dev/null 2>/dev/null
        ;;
    esac
}

# begin_stops SECONDS: systemd is asked to stop the units, which "Restart=" does not undo. Before SIGKILL: to a process
# that dies of that it answers with a start. STOPS, "UUID:JOB".
begin_stops() {
    STOPS=''
    for stop_vm in $UNITS; do
        in_time || return 0
        get_fact "$stop_vm" SERVICE
        ask_systemd "$stop_vm" "$1" stop -- "$FACT" >/dev/null &
        STOPS="$STOPS $stop_vm:$!"
    done
}

# is_stopping UUID: whether systemd is still at it.
is_stopping() {
    for stopping_one in $STOPS; do
        if [ "${stopping_one%%:*}" = "$1" ] && job_runs "${stopping_one#*:}"; then return 0; fi
    done
    return 1
}

# tell_units: "unit UUID WORD" for each unit that was to be stopped, or would be:
#
#   stopped       systemd says that it is not active, its cgroup is empty, and nothing is seen that would start it again
#   starts-again  the same, but it is enabled, or another unit starts it
#   failed        it is not stopped
#   foretold      a rehearsal: nothing was stopped, and nothing would start it again
tell_units() {
    for units_vm in $UNITS; do
        units_tries=0
        while :; do
            units_tries=$((units_tries + 1))
            tell_unit "$units_vm"
            case $unit_word:$REHEARSE:$units_tries in
            failed:0:[1-4]) ;;
            *) break ;;
            esac
            sleep 0.1
        done
        echo "unit $units_vm $unit_word"
    done
}

tell_unit() {
    unit_word=failed
    get_fact "$1" SERVICE
    unit_said=$(ask_systemd "$1" 2 show -p ActiveState -p UnitFileState -p WantedBy -p RequiredBy -p UpheldBy \
        -p TriggeredBy -- "$FACT") || return 0
    unit_active='' unit_again=''
    IFS=$NL
    for unit_line in $unit_said; do
        case $unit_line in
        ActiveState=*) unit_active=${unit_line#*=} ;;
        UnitFileState=enabled* | UnitFileState=generated) unit_again=yes ;;
        WantedBy=?* | RequiredBy=?* | UpheldBy=?* | TriggeredBy=?*) unit_again=yes ;;
        esac
    done
    unset IFS
    case $REHEARSE:$unit_active in
    1:?*) unit_word=foretold ;;
    0:inactive | 0:failed)
        find_folder "$1"
        if [ -n "$UNIT_FOLDER" ]; then
            unit_left=$(processes_in "$UNIT_FOLDER") || [ ! -d "$UNIT_FOLDER" ] || return 0
            [ -z "$unit_left" ] || return 0
        fi
        unit_word=stopped
        ;;
    *) return 0 ;;
    esac
    if [ -n "$unit_again" ]; then unit_word=starts-again; fi
}

# read_unit_word UUID WORD
read_unit_word() {
    case $2 in
    stopped | starts-again | failed | foretold) set_fact "$1" STOP "$2" ;;
    esac
}
