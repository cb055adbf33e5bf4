# shellcheck shell=sh
# Libvirt's definitions of VMs that are dead here: set aside, so that nobody starts these VMs here through libvirt. Needs
# facts.sh, disks.sh and aside.sh.
#
# libvirt's own file is kept, with the metadata of snapshots and checkpoints, and libvirt is told to forget the VM. NVRAM and
# the state of a TPM stay where they are: a start of the VM here, by hafence, finds them.

LIBVIRT_KEPT=$ROOT/etc/libvirt/qemu
LIBVIRT_META=$ROOT/var/lib/libvirt/qemu

# forget_vms VM…: of each VM that libvirt has a definition of here the fact DEFINITION: aside; or kept, where it is still
# there. One virsh forgets them all.
forget_vms() {
    forget_wanted=" $* " forget_commands=''
    find_definitions
    find_saved
    each_definition copy_aside
    if [ -n "$forget_commands" ] && in_time; then
        timeout -k 1 "$LIBVIRT_S" virsh -q -c qemu:///system "$forget_commands" </dev/null >/dev/null 2>&1
    fi
    # What counts is what libvirt would find, not what virsh said.
    each_definition see_forgotten
}

# each_definition COMMAND: "COMMAND VM FILE" for each of the VMs that is defined here.
each_definition() {
    IFS=$NL
    for each_line in $DEFINITIONS; do
        unset IFS
        case $forget_wanted:${each_line#*:} in
        *" ${each_line%%:*} "*:"$LIBVIRT_KEPT"/*) $1 "${each_line%%:*}" "${each_line#*:}" ;;
        esac
    done
    unset IFS
}

# copy_aside VM FILE: adds to forget_commands what makes libvirt forget the VM, once all that it forgets is kept.
copy_aside() {
    set_fact "$1" DEFINITION kept
    if [ -z "$HAS_VIRSH" ] || [ "$LIBVIRT" = silent ] || ! in_time; then return; fi
    # libvirt remembers an image that was set aside, and wants to be told to remove it: one that is there is not risked.
    if [ -n "$SAVED_BLIND" ] || has_saved "$1"; then return 0; fi
    copy_options='--keep-nvram --managed-save --snapshots-metadata --checkpoints-metadata'
    if grep -qs '<tpm' -- "$2"; then
        # One that does not know the option removes the state.
        virsh help undefine 2>/dev/null | grep -q -- --keep-tpm || return 0
        copy_options="$copy_options --keep-tpm"
    fi
    copy_folder=$ASIDES/$1/$CLOCK_MS
    copy_name=${2##*/}
    copy_name=${copy_name%.xml}
    mkdir -p -- "$copy_folder" 2>/dev/null && cp -p -- "$2" "$copy_folder/domain.xml" 2>/dev/null || return 0
    for copy_what in snapshot checkpoint; do
        [ -d "$LIBVIRT_META/$copy_what/$copy_name" ] || continue
        cp -rp -- "$LIBVIRT_META/$copy_what/$copy_name" "$copy_folder/$copy_what" 2>/dev/null || return 0
    done
    set_fact "$1" ASIDE "$copy_folder"
    forget_commands="$forget_commands undefine $copy_options $1;"
}

# see_forgotten VM FILE
see_forgotten() {
    get_fact "$1" ASIDE
    [ -n "$FACT" ] || return 0
    if [ ! -e "$2" ]; then
        set_fact "$1" DEFINITION aside
    else
        rm -rf -- "$FACT" # there is nothing to give back
    fi
}
