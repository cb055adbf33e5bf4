# shellcheck shell=sh
# Lets libvirt know VMs again whose definitions a fence had set aside here (definitions.sh), with the metadata of their
# snapshots and checkpoints. Needs lib.sh, disks.sh, libvirt.sh, aside.sh and what these need.
#
# VMS  UUIDs apart by blanks
#
#   back UUID (libvirt knows it) | left UUID (it does not, and all is kept) | end

MOST_ROUNDS=64 # a snapshot can be defined only once its parent is

# give_back UUID: 1: libvirt does not know it.
give_back() {
    back_folder=$(newest_aside "$1")
    [ -n "$back_folder" ] && in_time || return 1
    if ! libvirt "$LIBVIRT_S" domuuid "$1" </dev/null >/dev/null 2>&1; then
        libvirt "$LIBVIRT_S" define "$back_folder/domain.xml" </dev/null >/dev/null 2>&1 || return 1
    fi
    give_back_points "$1" snapshot || return 1
    give_back_points "$1" checkpoint || return 1
    # What was set aside earlier still is older than this.
    rm -rf -- "${ASIDES:?}/$1"
}

newest_aside() {
    set +f
    set -- "$ASIDES/$1"/*/domain.xml
    set -f
    shift $(($# - 1))
    [ ! -f "$1" ] || printf '%s\n' "${1%/domain.xml}"
}

# give_back_points UUID snapshot|checkpoint
give_back_points() {
    points_left=$MOST_ROUNDS
    while [ "$points_left" -gt 0 ]; do
        points_left=$((points_left - 1))
        points_done='' points_open=''
        set +f
        for point in "$back_folder/$2"/*.xml; do
            set -f
            [ -f "$point" ] || continue
            if in_time && libvirt "$LIBVIRT_S" "$2-create" "$1" "$point" --redefine </dev/null >/dev/null 2>&1; then
                mv -f -- "$point" "$point.back" && points_done=yes
            else
                points_open=yes
            fi
        done
        set -f
        [ -n "$points_open" ] || return 0
        [ -n "$points_done" ] || return 1
    done
    return 1
}

main() {
    prepare
    say_hello
    wait_go
    for back_vm in $VMS; do
        normalise_uuid "$back_vm" || exit 11
        if give_back "$back_vm"; then say "back $back_vm"; else say "left $back_vm"; fi
    done
    say end
    exit 0
}

main
