# shellcheck shell=sh
# Whose process a process is: the one rule, for the fence, the look, the settling and the start. Needs lib.sh,
# processes.sh and disks.sh.
#
# VMS       UUIDs apart by blanks; empty: every VM
# NAMES     "UUID=NAME" apart by blanks: names of VMS, of letters, digits, ".", "_" and "-"
# ANY_NAME  yes: whatever name a process without a UUID has is told, for whoever knows the VMs' names
#
# A process says whose it is by its arguments, and the first of these that it has decides:
#
#   1. -uuid U                        qemu's own word; libvirt always gives it
#   2. -smbios type=1,…,uuid=U        so do Proxmox VE and others
#   3. libvirt's pid file, where the arguments name no UUID
#   4. -name NAME, -name guest=NAME   where nothing names a UUID: somebody started it by hand
#
# They are exact arguments, never a pattern over a command line: qemu-img, an editor, "tail", or another VM whose disk
# path holds the UUID are none. A process that says so is the VM's if its program is qemu, if libvirt's pid file names
# that very process for that VM, or if it runs a machine (/dev/kvm) or writes to the VM's disk. Well-known programs that
# run no machine are nobody's. Of any other that bears a VM's exact UUID nobody can say what it is: a doubt, never
# killed. Where the search cannot look it says so: nothing that it could not read counts as gone.

LIBVIRT_RUN=$ROOT/run/libvirt/qemu

is_qemu() {
    qemu_name=${1##*/}
    case ${qemu_name%' (deleted)'} in
    qemu-system-* | .qemu-system-* | qemu-kvm* | .qemu-kvm* | qemu | kvm | kvm-spice) return 0 ;;
    esac
    return 1
}

# Programs that may well bear a VM's UUID as an argument and run none: qemu's own tools, editors, readers, searchers,
# shells, what starts another program and waits for it, and viewers.
is_bystander() {
    bystander_name=${1##*/}
    case ${bystander_name%' (deleted)'} in
    qemu-img | qemu-io | qemu-nbd | qemu-storage-daemon | qemu-ga | qemu-pr-helper | nbdkit | nbd-client) ;;
    vi | vim | vim.* | nvim | view | nano | pico | emacs | emacs-* | ed | ex | joe | jed | mcedit | micro | kak | hx) ;;
    cat | tac | head | tail | less | more | most | tee | watch | journalctl | multitail) ;;
    grep | egrep | fgrep | rg | ag | sed | awk | gawk | mawk | find | xargs | locate | diff | sort | wc | jq | xmllint) ;;
    sh | dash | bash | rbash | ash | ksh | ksh93 | mksh | lksh | zsh | zsh5 | fish | busybox | toybox | coreutils) ;;
    sudo | su | doas | ssh | sshd | sshd-session | timeout | strace | ltrace | gdb | screen | tmux | script) ;;
    ps | top | htop | pgrep | pkill | lsof | fuser) ;;
    virsh | virt-admin | virt-viewer | remote-viewer) ;;
    *) return 1 ;;
    esac
}

# ---------------------------------------------------------------- UUIDs

# normalise_uuid TEXT: UUID, dashed, lower case. 1: it is none.
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
    *[!0-9A-Fa-f-]* | *-*-*-*-*-*) return 1 ;;
    *[A-F]*) lower_uuid ;;
    esac
}

lower_uuid() {
    for lower_pair in Aa Bb Cc Dd Ee Ff; do
        while :; do
            case $UUID in
            *"${lower_pair%?}"*) UUID=${UUID%%"${lower_pair%?}"*}${lower_pair#?}${UUID#*"${lower_pair%?}"} ;;
            *) break ;;
            esac
        done
    done
}

wanted() {
    case " ${VMS:-$1} " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

# ---------------------------------------------------------------- arguments

# grep_tasks FILE…: every -uuid, -smbios and -name of every task, as "PID/task/TID/cmdline:-uuid" and
# "PID/task/TID/cmdline-VALUE". Tasks and not processes: the command line of a zombie leader reads as empty, that of its
# living threads does not. The pattern is written so that it does not match this very grep. The last file is a mark
# that must come out at the end: a grep that was killed, has no -z or got too many arguments is told from one that
# found nothing.
grep_tasks() {
    printf '%s\0' -uuid "$NONCE" | grep -azsxHEA1 -e '--?(uuid|smbios|name)' -- "$@" - 2>/dev/null |
        tr '\n\t \0' ';;;\n'
}

came_to_its_end() {
    case $1 in
    *"(standard;input):-uuid$NL(standard;input)-$NONCE") return 0 ;;
    esac
    return 1
}

# find_arguments: TASKS, what grep_tasks finds in all of them.
find_arguments() {
    TASKS=$(set +f && grep_tasks [0-9]*/task/[0-9]*/cmdline)
    came_to_its_end "$TASKS" && return 0
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
    share_said=$(grep_tasks $share)
    came_to_its_end "$share_said" || return 1
    TASKS=$TASKS$NL$share_said
}

# From TASKS: PAIRS, "PID:UUID:HOW" each; TAKEN, the PIDs whose arguments name any UUID; GUESTS, "PID/task/TID:NAME" of
# the others. HOW is "uuid", or "second" where the process has another UUID by -uuid.
read_arguments() {
    PAIRS=' ' TAKEN=' ' GUESTS='' args_pid='' args_task='' args_here=''
    args_uuids='' args_smbios='' args_guest=''
    for args_line in $TASKS; do
        args_line=${args_line#--;}
        case $args_line in
        */cmdline:-uuid | */cmdline:--uuid) args_option=uuid ;;
        */cmdline:-smbios | */cmdline:--smbios) args_option=smbios ;;
        */cmdline:-name | */cmdline:--name) args_option=name ;;
        *)
            args_value=${args_line#"$args_here-"}
            if [ "$args_here" = "$args_task" ] && [ "$args_value" != "$args_line" ]; then take_argument; fi
            continue
            ;;
        esac
        args_here=${args_line%:*}
        if [ "${args_here%%/*}" != "$args_pid" ]; then
            end_arguments
            args_pid=${args_here%%/*} args_task=$args_here # the tasks of a process have the same arguments
        fi
    done
    end_arguments
}

take_argument() {
    case $args_option in
    uuid) if normalise_uuid "$args_value"; then args_uuids="$args_uuids $UUID"; fi ;;
    smbios) if read_smbios "$args_value"; then args_smbios="$args_smbios $UUID"; fi ;;
    name)
        read_guest "$args_value"
        args_guest="$args_guest $GUEST"
        ;;
    esac
}

# End of one process' arguments.
end_arguments() {
    if [ -n "$args_uuids" ]; then
        add_pairs uuid "$args_uuids"
        add_pairs second "$args_smbios"
    elif [ -n "$args_smbios" ]; then
        add_pairs uuid "$args_smbios"
    else
        for args_name in $args_guest; do GUESTS="$GUESTS ${args_task%/cmdline}:$args_name"; done
    fi
    args_uuids='' args_smbios='' args_guest=''
}

add_pairs() {
    for pair_vm in $2; do
        if [ "$1" = uuid ]; then TAKEN="$TAKEN$args_pid "; fi
        if wanted "$pair_vm"; then add_pair "$args_pid:$pair_vm" "$1"; fi
    done
}

# add_pair PID:UUID HOW. The first word on a process and a VM stands.
add_pair() {
    case $PAIRS in
    *" $1:"*) ;;
    *) PAIRS="$PAIRS$1:$2 " ;;
    esac
}

# read_smbios VALUE: UUID in "type=1,…,uuid=U,…", in any order. 1: it has none. qemu wants a comma in a value doubled.
read_smbios() {
    smbios_left=$1
    smbios_text=''
    while :; do
        case $smbios_left in
        *,,*)
            smbios_text=$smbios_text${smbios_left%%,,*}';'
            smbios_left=${smbios_left#*,,}
            ;;
        *) break ;;
        esac
    done
    smbios_type='' smbios_uuid=''
    IFS=,
    for smbios_part in $smbios_text$smbios_left; do
        case $smbios_part in
        type=*) smbios_type=${smbios_part#*=} ;;
        uuid=*) smbios_uuid=${smbios_part#*=} ;;
        esac
    done
    unset IFS
    case $smbios_type in
    1 | 01 | 0x1 | 0x01 | 0X1 | 0X01) normalise_uuid "$smbios_uuid" ;;
    *) return 1 ;;
    esac
}

# read_guest VALUE of "-name": GUEST, the name in "NAME", "NAME,…", "guest=NAME,…" or "…,guest=NAME,…". Empty if it
# holds anything but letters, digits, ".", "_" and "-": a VM with such a name is known by its UUID alone.
read_guest() {
    GUEST=${1#guest=}
    case $1 in
    *[!,],guest=*) GUEST=${1##*[!,],guest=} ;;
    esac
    case ${GUEST#"${GUEST%%,*}"} in
    ,,*) GUEST='' ;;
    *) GUEST=${GUEST%%,*} ;;
    esac
    case $GUEST in
    *[!A-Za-z0-9._-]*) GUEST='' ;;
    esac
}

# ---------------------------------------------------------------- libvirt's pid files, and names

# To PID_FILES: "UUID:PID" of VMS; to PAIRS, the processes whose arguments name no UUID. A pid file is a memory: the PID
# may be another program's by now, or another VM's, whose arguments say so.
read_pid_files() {
    PID_FILES=' '
    IFS=$NL
    # shellcheck disable=SC2046  # one argument a line
    set -- $(set +f && first_uuids "$LIBVIRT_RUN"/*.xml "$LIBVIRT_RUN"/.*.xml)
    unset IFS
    for pid_line; do
        split_uuid_line "$pid_line" || continue
        pid_number=''
        { read -r pid_number <"${UUID_FILE%.xml}.pid"; } 2>/dev/null
        case $pid_number in
        '' | 0* | *[!0-9]*) continue ;;
        esac
        PID_FILES="$PID_FILES$UUID:$pid_number "
        case $TAKEN in
        *" $pid_number "*) continue ;;
        esac
        TAKEN="$TAKEN$pid_number "
        add_pair "$pid_number:$UUID" pid-file
    done
}

# To PAIRS: processes of GUESTS that bear the name of a VM of NAMES; with ANY_NAME all of them, "=NAME" for the UUID.
# Many programs have a "-name" (find). The task's own link is asked: that of a zombie leader cannot be read.
read_names() {
    for names_guest in $GUESTS; do
        names_task=${names_guest%%:*}
        GUEST=${names_guest#*:}
        case $TAKEN in
        *" ${names_task%%/*} "*) continue ;;
        esac
        find_named || continue
        names_program=$(program_of "$names_task")
        if [ -z "$names_program" ] || is_qemu "$names_program" || opens_kvm "${names_task%%/*}"; then
            TAKEN="$TAKEN${names_task%%/*} "
            add_pair "${names_task%%/*}:$UUID" name
        fi
    done
}

# find_named: UUID of the VM that is called GUEST. 1: there is none.
find_named() {
    UUID="=$GUEST"
    [ -z "$ANY_NAME" ] || return 0
    for named_vm in $NAMES; do
        if [ "${named_vm#*=}" = "$GUEST" ]; then
            UUID=${named_vm%%=*}
            return 0
        fi
    done
    return 1
}
