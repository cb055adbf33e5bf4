# shellcheck shell=sh
# Whether what a process writes to is what a start elsewhere would go on from. After a blockcopy with pivot, an external
# snapshot or a hot-plug the running VM has other disks than its definition in the inventory names: who kills it then, and
# starts it from the definition, starts it from an older disk. Needs disks.sh, facts.sh.
#
# NAMED  "UUID PATH" a line: every path in the definition of a VM that a start elsewhere would use; none: not compared

# spare_vms: takes the VMs of which a process writes to a file or block device that their definition does not name out of
# VMS and KNOWN: nothing of them is touched. Their fact BARRED is disks-differ, and DIFFERS the file's name.
spare_vms() {
    spare_left=''
    for spare_vm in $VMS; do
        if names_paths "$spare_vm" && find_unnamed "$spare_vm"; then
            set_fact "$spare_vm" BARRED disks-differ
            name_program "$UNNAMED"
            set_fact "$spare_vm" DIFFERS "$PROGRAM"
        else
            spare_left="$spare_left $spare_vm"
        fi
    done
    VMS=$spare_left spare_known=''
    for spare_one in $KNOWN; do
        case "$VMS " in
        *" ${spare_one%%:*} "*) spare_known="$spare_known $spare_one" ;;
        esac
    done
    KNOWN=$spare_known
}

names_paths() {
    case $NL$NAMED in
    *"$NL$1 "*) return 0 ;;
    esac
    return 1
}

# find_unnamed UUID: UNNAMED, the first file or block device that is none of those in NAMED, by its path or by what it is.
# One that can't be looked at in 3 s, and has none of their paths, counts as another.
find_unnamed() {
    named_paths=$NL named_keys=''
    IFS=$NL
    for named_line in $NAMED; do
        if [ "${named_line%% *}" = "$1" ]; then named_paths="$named_paths$1:${named_line#* }$NL"; fi
    done
    for open_line in $OPEN_PATHS; do
        [ "${open_line%%:*}" = "$1" ] || continue
        case $named_paths in
        *"$NL$open_line$NL"*) continue ;;
        esac
        case ${open_line#*:} in
        /dev/kvm | /dev/vhost-* | /dev/net/* | /dev/pt[ms]* | /dev/vfio/* | /dev/null) continue ;; # what no disk is
        esac
        unset IFS
        UNNAMED=${open_line#*:}
        is_named_otherwise "$UNNAMED" || return 0
        IFS=$NL
    done
    unset IFS
    return 1
}

# is_named_otherwise PATH: whether it is one of named_paths under another path, or is no disk at all: a character device.
is_named_otherwise() {
    otherwise_line=$(timeout -k 1 3 stat -L -c '%f %d %i %t:%T %n' -- "$1" 2>/dev/null) || return 1
    key_of_line "$otherwise_line" || return 0
    otherwise_key=$DISK_KEY
    [ -n "$named_keys" ] || key_named
    case $named_keys in
    *"$NL$otherwise_key$NL"*) return 0 ;;
    esac
    return 1
}

# key_named: named_keys, what the paths in named_paths are, a line each.
key_named() {
    set --
    IFS=$NL
    for named_line in $named_paths; do set -- "$@" "${named_line#*:}"; done
    # shellcheck disable=SC2046  # one argument a line
    set -- $(timeout -k 1 3 stat -L -c '%f %d %i %t:%T %n' -- "$@" 2>/dev/null)
    named_keys=$NL
    for named_line; do
        if key_of_line "$named_line"; then named_keys="$named_keys$DISK_KEY$NL"; fi
    done
    unset IFS
}
