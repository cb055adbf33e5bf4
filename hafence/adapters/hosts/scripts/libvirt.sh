# shellcheck shell=sh
# What is asked of libvirt, always bounded: a libvirtd that hangs must not hang us. Needs lib.sh and scan.sh.
#
# virsh is called as "virsh -q -c qemu:///system COMMAND…", its answer is believed only if it ends well, and its exit
# status alone never is: 1 means "not running", "no such domain" and "cannot connect" alike.

AUTOSTART=$ROOT/etc/libvirt/qemu/autostart

find_virsh() {
    HAS_VIRSH=$(command -v virsh)
}

# libvirt SECONDS ARGUMENT…
libvirt() {
    libvirt_bound=$1
    shift
    timeout -k 1 "$libvirt_bound" virsh -q -c qemu:///system "$@"
}

# ACTIVE: the VMs that libvirt calls active, one a line. 1: it did not answer well.
ask_active() {
    ACTIVE=''
    [ -n "$HAS_VIRSH" ] || return 1
    active_answer=$(libvirt "$1" list --uuid </dev/null 2>/dev/null) || return 1
    ACTIVE=$active_answer
}

# As ask_active, and DEFINED: the VMs with a persistent definition, by the same virsh. It goes on after a command that
# failed and ends with the status of the last one, so its talk is looked at too. Not with -q: it takes "echo" its line end.
ask_known() {
    ACTIVE='' DEFINED=''
    [ -n "$HAS_VIRSH" ] || return 1
    known_ask='list --uuid; echo defined; list --uuid --all --persistent; echo end'
    known_answer=$(timeout -k 1 "$1" virsh -c qemu:///system "$known_ask" </dev/null 2>&1) || return 1
    case $NL$known_answer in
    *error:*) return 1 ;;
    *"${NL}defined$NL"*end) ;;
    *) return 1 ;;
    esac
    ACTIVE=${known_answer%%defined"$NL"*}
    DEFINED=${known_answer#*defined"$NL"}
}

is_active() {
    case "$NL$ACTIVE$NL" in
    *"$NL$1$NL"*) return 0 ;;
    esac
    return 1
}

is_defined() {
    case "$NL$DEFINED$NL" in
    *"$NL$1$NL"*) return 0 ;;
    esac
    return 1
}

# LINKS: autostart links of VMS, "UUID:PATH" a line. A VM that comes up with its old host's next boot runs twice.
find_autostart() {
    LINKS=''
    IFS=$NL
    # shellcheck disable=SC2046
    set -- $(set +f && first_uuids "$AUTOSTART"/*.xml)
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
