# shellcheck shell=sh
# Whether this host has what a VM's definition names: a start that lacks something fails, and by then the VM is dead where
# it was. Read-only. Needs lib.sh, libvirt.sh and look.sh's `tell`.
#
# NEEDS   a line each, checked before they were sent:
#         write PATH | read PATH | file PATH | folder PATH | state PATH | run PATH | device PATH | usb VENDOR PRODUCT
#         hugepages KIB MIB | bridge NAME | interface NAME
#         network NAME | volume POOL NAME | secret UUID | name NAME | machine TYPE   (of these libvirt is asked)
#
#   lacks N missing,read-only,silent,taken     the N-th of NEEDS, from 1
#   backing N file SYSTEM ID INODE             what lies under the path to which the VM writes: stat(1)'s word for the
#   backing N device IDENTITY,- BYTES          kind of file system, its id, and the inode number; or what device it is

tell_lacking() {
    need_number=0 need_commands='' need_hangs=''
    IFS=$NL
    for need_line in $NEEDS; do
        unset IFS
        need_number=$((need_number + 1)) need_what=${need_line#* }
        case ${need_line%% *} in
        state | file | folder) check_path read "$need_what" ;;
        write | read | run) is_mapped_later "$need_what" || check_path "${need_line%% *}" "$need_what" ;;
        device) [ -e "$need_what" ] || tell "lacks $need_number missing" ;;
        usb) has_usb "${need_what% *}" "${need_what#* }" || tell "lacks $need_number missing" ;;
        bridge | interface) [ -e "/sys/class/net/$need_what" ] || tell "lacks $need_number missing" ;;
        hugepages) has_hugepages "${need_what% *}" "${need_what#* }" || tell "lacks $need_number missing" ;;
        network) ask_need "net-info $need_what" ;;
        volume) ask_need "vol-path --pool $need_what" ;;
        secret) ask_need "secret-dumpxml $need_what" ;;
        name) ask_need "domuuid $need_what" ;;
        machine) ask_need capabilities ;;
        esac
    done
    unset IFS
    # shellcheck disable=SC2154  # look.sh sets it
    case $libvirt_is:$need_commands in
    ok:?* | busy:?*) tell_what_libvirt_lacks ;; # none of these waits for a VM, but the name of the very one it is at
    esac
}

ask_need() {
    need_commands="${need_commands}echo need $need_number; $1; "
}

# is_mapped_later PATH: whether it is a device that is not here yet and that a hook of libvirt's may map before the start, as
# some clusters have it (libvirt, hooks: `prepare` comes before any use of the storage).
is_mapped_later() {
    case $1 in
    /dev/*) [ ! -e "$1" ] || return 1 ;;
    *) return 1 ;;
    esac
    [ ! -x /etc/libvirt/hooks/qemu ] || return 0
    later_hook=''
    set +f
    for later_file in /etc/libvirt/hooks/qemu.d/*; do
        case ${later_file##*/} in
        hafence-guard) ;; # maps nothing
        *) if [ -x "$later_file" ]; then later_hook=yes; fi ;;
        esac
    done
    set -f
    [ -n "$later_hook" ]
}

# What check_path's own process says of "$2": a file, or a device (sysfs: a partition's identity is its disk's, with its
# number; a loop device is its file). Of what it can't say something whole it says nothing: nobody then compares it.
# shellcheck disable=SC2016  # the inner shell's
TELL_BACKING='
    path=$2 identity=
    if [ -b "$path" ]; then
        number=$(stat -L -c %t:%T -- "$path")
        device=/sys/dev/block/$((0x${number%:*})):$((0x${number#*:}))
        if [ -r "$device/loop/backing_file" ]; then
            read -r path <"$device/loop/backing_file"
        else
            part= disk=$device
            if [ -r "$device/partition" ]; then
                read -r part <"$device/partition"
                disk=$device/.. part=.$part
            fi
            for file in "$disk/dm/uuid" "$disk/wwid" "$disk/device/wwid"; do
                [ -n "$identity" ] || ! [ -r "$file" ] || read -r identity <"$file" 2>/dev/null || :
            done
            [ -z "$identity" ] || identity=$(printf %s "$identity$part" | tr -c "A-Za-z0-9._:-" "-")
            [ ${#identity} -le 200 ] || identity=
            if read -r size <"$device/size"; then echo "device ${identity:--} $((size * 512))"; fi
        fi
    fi
    if [ -f "$path" ]; then
        system=$(stat -f -c "%T %i" -- "$path") && inode=$(stat -L -c %i -- "$path") && case $system in
        *[!a-z0-9/_\ -]*) ;;
        *) echo "file $system $inode" ;;
        esac
    fi'

# check_path write,read,run,backing PATH. In a process of its own: the storage may hang. What another host keeps (NFS)
# may forbid root what it grants to qemu, so there no lack of a right is told.
check_path() {
    [ -z "$need_hangs" ] || return 0 # one that hangs has cost its time, and bars the host
    # shellcheck disable=SC2016  # the inner shell's
    check_said=$(timeout -k 1 2 sh -c '
        if [ -e "$2" ]; then
            case $1 in
            run) [ -x "$2" ] || echo missing ;;
            write)
                if ! [ -w "$2" ]; then
                    case $(stat -f -c %T "$2" 2>/dev/null) in
                    "" | nfs* | fuse* | smb* | cifs* | ceph* | gpfs* | UNKNOWN*) ;;
                    *) echo read-only ;;
                    esac
                fi
                '"$TELL_BACKING"'
                ;;
            backing) '"$TELL_BACKING"' ;;
            esac
        else
            dir=$2
            while dir=${dir%/*} && [ -n "$dir" ] && ! [ -d "$dir" ]; do :; done
            if [ -z "$dir" ] || [ -x "$dir" ]; then echo missing; fi
        fi
        echo done' sh "$1" "$2" 2>/dev/null </dev/null)
    case $check_said in
    *done) ;;
    *)
        need_hangs=yes
        tell "lacks $need_number silent"
        return
        ;;
    esac
    IFS=$NL
    for check_line in ${check_said%done}; do
        unset IFS
        case $check_line in
        missing | read-only) tell "lacks $need_number $check_line" ;;
        *) tell "backing $need_number $check_line" ;;
        esac
    done
    unset IFS
}

# has_hugepages KIB MIB: enough of that size are free; KIB 0 is the default size.
has_hugepages() {
    pages_kib=$1
    if [ "$pages_kib" = 0 ]; then
        while read -r pages_key pages_value _; do
            [ "$pages_key" != Hugepagesize: ] || pages_kib=$pages_value
        done </proc/meminfo
    fi
    [ -r "/sys/kernel/mm/hugepages/hugepages-${pages_kib}kB/free_hugepages" ] || return 1
    read -r pages_free <"/sys/kernel/mm/hugepages/hugepages-${pages_kib}kB/free_hugepages" || return 1
    [ $((pages_free * pages_kib)) -ge $(($2 * 1024)) ]
}

has_usb() {
    set +f
    for usb_file in /sys/bus/usb/devices/*/idVendor; do
        if read -r usb_vendor <"$usb_file" && read -r usb_product <"${usb_file%Vendor}Product" &&
            [ "$usb_vendor $usb_product" = "$1 $2" ]; then
            set -f
            return 0
        fi
    done 2>/dev/null
    set -f
    return 1
}

# One virsh asks for all. An answer that did not come whole says nothing: a start has its own time for it.
tell_what_libvirt_lacks() {
    # shellcheck disable=SC2086  # an option or nothing
    need_answer=$(timeout -k 1 "$LIBVIRT_S" virsh $READ_ONLY -c qemu:///system "${need_commands}echo need end" 2>&1 </dev/null)
    case $need_answer in
    *"need end"*) ;;
    *) return 0 ;;
    esac
    need_number='' need_told='' need_machine=''
    IFS=$NL
    for need_line in $need_answer; do
        unset IFS
        case $need_line in
        'need '*)
            end_need
            need_number=${need_line#need } need_told='' need_machine=''
            find_need "$need_number"
            ;;
        *) [ -n "$need_told" ] || read_need_line ;;
        esac
    done
    unset IFS
}

# end_need: of a machine type every line must have been read: libvirt lists those that each qemu of the host offers.
end_need() {
    if [ "$need_machine" = others ] && [ -z "$need_told" ]; then tell "lacks $need_number missing"; fi
}

# read_need_line: what is said of the thing whose number came last. That a name is unknown is as it should be.
read_need_line() {
    need_lack=''
    case $need_kind:$need_line in
    machine:*">$need_what</machine>"*) need_told=yes ;;
    machine:*"</machine>"*) need_machine=others ;;
    machine:*) ;;
    name:*)
        if [ ${#need_line} -le 40 ] && normalise_uuid "$need_line" && [ "$UUID" != "$ASKED" ]; then need_lack=taken; fi
        ;;
    volume:/*) check_path backing "$need_line" ;;
    *:error:* | network:Active:*no) need_lack=missing ;;
    esac
    if [ -n "$need_lack" ]; then
        tell "lacks $need_number $need_lack"
        need_told=yes
    fi
}

# find_need N: need_kind and need_what of the N-th of NEEDS.
find_need() {
    nth=0 need_kind='' need_what=''
    IFS=$NL
    for nth_line in $NEEDS; do
        nth=$((nth + 1))
        if [ "$nth" = "$1" ]; then need_kind=${nth_line%% *} need_what=${nth_line#* }; fi
    done
    unset IFS
}
