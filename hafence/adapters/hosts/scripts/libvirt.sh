# shellcheck shell=sh
# What is asked of libvirt, always bounded: a libvirtd that hangs must not hang us. Needs lib.sh, processes.sh and
# disks.sh.
#
# LIBVIRT_S   how long libvirt may take for an answer before it counts as none, in whole seconds
#
# virsh is called as "virsh -q -c qemu:///system COMMAND…" (who only asks adds -r), its answer is believed only if it ends well, and its exit
# status alone never is: 1 means "not running", "no such domain" and "cannot connect" alike.
#
# Every "virsh list" waits for the lock of each VM, and libvirt holds a VM's for as long as it starts it ("prepare" in
# its hook, slow storage): seen with libvirt 9.0. So lists are good to look around, and a VM that matters is asked for
# by its UUID ("virsh domstate"), which waits for that VM alone.

AUTOSTART=$ROOT/etc/libvirt/qemu/autostart

find_virsh() {
    HAS_VIRSH=$(command -v virsh)
    ASK_INFO='' ASK_REASON=''
    find_read_only
}

# READ_ONLY: "-r" where libvirt has a socket for those who only ask. Whoever waits there can't have asked for a start, so
# one who looks is in nobody's way (see nobody_asks).
find_read_only() {
    READ_ONLY=''
    for read_only in "$ROOT/run/libvirt/libvirt-sock" "$ROOT/run/libvirt/virtqemud-sock"; do
        if [ -S "$read_only-ro" ]; then
            READ_ONLY=-r
        elif [ -S "$read_only" ]; then # virsh would find this one, and not be let in
            READ_ONLY=''
            return
        fi
    done
}

# libvirt SECONDS ARGUMENT…
libvirt() {
    libvirt_bound=$1
    shift
    timeout -k 1 "$libvirt_bound" virsh -q -c qemu:///system "$@"
}

# ask_states SECONDS VM…: ANSWERS, "yes" if libvirt answers, "no" if it does not, "failed" if it does and not well; and
# of each VM STATES, "UUID WORD" a line:
#
#   off     libvirt does not run it, or does not know it
#   active  libvirt says that it runs it (or pauses it, or shuts it down)
#   busy    libvirt answers, and not for this VM: it is at something with it, a start perhaps
#
# One virsh asks for all. Where it stays, the next one goes on behind that VM.
ask_states() {
    ANSWERS='' STATES=''
    read_uptime || { ANSWERS=no && return; }
    ask_end_ms=$((UP_MS + $1 * 1000))
    shift
    while :; do
        ask_ms=0
        if read_uptime; then ask_ms=$((ask_end_ms - UP_MS)); fi
        # One that has waited in vain for a VM has shown that libvirt answers: the others get a short try each.
        [ "$ask_ms" -gt -5000 ] || return 0
        if [ "$ask_ms" -lt 1000 ]; then ask_ms=1000; fi
        ask_once $((ask_ms / 1000)) "$@"
        [ -n "$ASK_LEFT" ] || return 0
        # shellcheck disable=SC2086
        set -- $ASK_LEFT
    done
}

# ask_once SECONDS VM…: one virsh. ASK_LEFT, the VMs behind one for which it waited in vain.
ask_once() {
    ASK_LEFT=''
    ask_seconds=$1
    shift
    begin_asking "$@"
    # The last one shows that the connection held: virsh says "failed to get domain" where it broke, too.
    # shellcheck disable=SC2086  # an option or nothing
    ask_said=$(timeout -k 1 "$ask_seconds" virsh $READ_ONLY -c qemu:///system \
        "$ASK_COMMANDS; nodememstats; echo ask" </dev/null 2>&1)
    ask_status=$?
    IFS=$NL
    for ask_line in $ask_said; do
        unset IFS
        read_ask_line "$ask_line"
    done
    unset IFS
    case $ask_status:$ask_part in
    0:finished) [ "$ANSWERS" = failed ] || ANSWERS=yes ;;
    124:vm | 137:vm)
        [ "$ANSWERS" = failed ] || ANSWERS=yes
        STATES="$STATES$ASK_VM busy$NL"
        while [ $# -gt 0 ] && [ "$1" != "$ASK_VM" ]; do shift; done
        [ $# -eq 0 ] || shift
        ASK_LEFT=$*
        ;;
    124:* | 137:*) [ -n "$ANSWERS" ] || ANSWERS=no ;;
    *) ANSWERS=failed ;;
    esac
    if [ -z "$ask_good" ]; then ANSWERS=failed ASK_LEFT=''; fi
}

# begin_asking VM…: ASK_COMMANDS, whose lines are for read_ask_line. With ASK_INFO=yes also whether libvirt keeps a
# definition of the VMs: KEPT, their UUIDs. With ASK_REASON=yes also why one that is active does not run: HALTED, "UUID STATE
# (REASON)" a line.
begin_asking() {
    ASK_COMMANDS='nodememstats; echo ask'
    for asking_vm; do
        ASK_COMMANDS="$ASK_COMMANDS; echo ask $asking_vm; domstate ${ASK_REASON:+--reason }$asking_vm"
        [ -z "$ASK_INFO" ] || ASK_COMMANDS="$ASK_COMMANDS; dominfo $asking_vm"
    done
    ASK_COMMANDS="$ASK_COMMANDS; echo ask end"
    ASK_VM='' ask_part=begin ask_good=yes KEPT=' ' HALTED=''
}

# read_ask_line LINE: ask_part, where virsh has come to (begin, asked, vm, told, end, finished), and what it says of
# ASK_VM.
read_ask_line() {
    ask_whole=$1
    case $ask_part:$1 in
    vm:error:*) ;;
    vm:*' ('*')') set -- "${1%% (*}" ;;
    esac
    case $ask_part:$1 in
    *:'') ;;
    begin:ask) ask_part=asked ;;
    asked:'ask end' | told:'ask end') ask_part=end ;;
    asked:'ask '* | told:'ask '*) ASK_VM=${1#ask } ask_part=vm ;;
    end:ask) ask_part=finished ;;
    vm:'shut off' | vm:crashed | vm:"error: failed to get domain '$ASK_VM'" | \
        vm:"error: Domain not found: no domain with matching uuid '$ASK_VM'"*) # gone while it was asked for
        ask_part=told
        STATES="$STATES$ASK_VM off$NL"
        ;;
    vm:running | vm:paused | vm:idle | vm:'in shutdown' | vm:pmsuspended | vm:'no state')
        ask_part=told
        STATES="$STATES$ASK_VM active$NL"
        case $1 in
        running | idle) ;;
        *) HALTED="$HALTED$ASK_VM $ask_whole$NL" ;;
        esac
        ;;
    told:'error: Domain not found: '*) ;; # what older ones add
    told:"error: failed to get domain '$ASK_VM'") [ -n "$ASK_INFO" ] || ask_good='' ;;
    told:Persistent:*yes) KEPT="$KEPT$ASK_VM " ;;
    told:[A-Z]*:*) [ -n "$ASK_INFO" ] || ask_good='' ;;
    *error:* | vm:* | told:*) ask_good='' ;;
    esac
}

# state_of UUID: VM_STATE, as above; empty where it is not known.
state_of() {
    case $NL$STATES in
    *"$NL$1 "*)
        VM_STATE=${STATES#*"$1 "}
        VM_STATE=${VM_STATE%%"$NL"*}
        ;;
    *) VM_STATE='' ;;
    esac
}

# is_kept UUID: whether libvirt keeps a definition of the VM, by the last answer with ASK_INFO.
is_kept() {
    case $KEPT in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

# ---------------------------------------------------------------- autostart

# LINKS: autostart links of VMS, "UUID:PATH" a line, those for one boot alone ("autostart --once") too. A VM that comes up
# with its old host's next boot runs twice.
find_autostart() {
    LINKS=''
    IFS=$NL
    # shellcheck disable=SC2046
    set -- $(set +f && first_uuids "$AUTOSTART"/*.xml "$AUTOSTART"/.*.xml \
        "$AUTOSTART"/*.xml.once "$AUTOSTART"/.*.xml.once "$AUTOSTART"-once/*.xml)
    unset IFS
    for link_line; do
        if split_uuid_line "$link_line"; then LINKS="$LINKS$UUID:$UUID_FILE$NL"; fi
    done
}

begin_autostart() {
    AUTOSTART_JOB=''
    if [ -z "$LINKS" ] || [ -z "$HAS_VIRSH" ] || ! in_time; then return; fi
    autostart_commands=''
    IFS=$NL
    for link_line in $LINKS; do autostart_commands="$autostart_commands autostart --disable ${link_line%%:*};"; done
    unset IFS
    timeout -k 1 "$1" virsh -q -c qemu:///system "$autostart_commands" </dev/null >/dev/null 2>&1 &
    AUTOSTART_JOB=$!
}

# Whatever libvirt did, the link is what counts at its next start. STUCK: the VMs whose link is still there.
# AUTOSTART_OPEN: those that a libvirtd may still start that has just come up itself, has read the link and hangs.
end_autostart() {
    STUCK='' AUTOSTART_OPEN=''
    if [ -n "$AUTOSTART_JOB" ]; then
        while job_runs "$AUTOSTART_JOB" && in_time; do sleep 0.05; done
        autostart_status=124
        if ! job_runs "$AUTOSTART_JOB"; then
            wait "$AUTOSTART_JOB"
            autostart_status=$?
        fi
        case $autostart_status in
        124 | 137) autostart_hung=yes ;;
        *) autostart_hung='' ;;
        esac
    fi
    IFS=$NL
    for link_line in $LINKS; do
        unset IFS
        if [ -n "${autostart_hung:-}" ]; then AUTOSTART_OPEN="$AUTOSTART_OPEN ${link_line%%:*}"; fi
        if [ -L "${link_line#*:}" ] && in_time; then rm -f -- "${link_line#*:}"; fi
        if [ -e "${link_line#*:}" ] || [ -L "${link_line#*:}" ]; then STUCK="$STUCK ${link_line%%:*}"; fi
    done
    unset IFS
}
