# shellcheck shell=sh
# What would bring a VM back on a host that has been fenced, beside autostart (libvirt.sh): its managed save image, from
# which libvirt resumes it whoever starts it, and its entry in the list of libvirt-guests, which starts what it had stopped
# when the host boots. Needs facts.sh, identity.sh and disks.sh. libvirt is not asked: it looks for the files themselves, and
# one that hangs keeps nobody from moving them.
#
# An image is the memory of a VM and may be all that is left of it: it is set aside beside the others, where a rename
# neither copies it nor makes room for it, and never removed.

SAVES=$ROOT/var/lib/libvirt/qemu/save
GUESTS=$ROOT/var/lib/libvirt/libvirt-guests
ASIDES=$ROOT/var/lib/libvirt/hafence # definitions of VMs, a folder each, see definitions.sh

# ---------------------------------------------------------------- what is there

# find_saved: SAVED, "UUID:PATH" a line: managed save images of VMS. An image is whose it says in its head that it is, as
# for libvirt: names are used again. Where the images can't be read in 3 s, SAVED_BLIND=yes.
find_saved() {
    SAVED='' SAVED_BLIND=''
    IFS=$NL
    set +f
    set -- "$SAVES"/*.save "$SAVES"/.*.save
    set -f
    # shellcheck disable=SC2046  # one argument a line
    set -- $(
        for saved_file; do
            if [ -f "$saved_file" ]; then printf '%s\n' "$saved_file"; fi
        done
    )
    [ $# -eq 0 ] || saved_lines=$(read_heads "$@") || SAVED_BLIND=yes
    [ $# -gt 0 ] || saved_lines=''
    for saved_line in $saved_lines; do
        if split_uuid_line "$saved_line"; then SAVED="$SAVED$UUID:$UUID_FILE$NL"; fi
    done
    unset IFS
}

# read_heads FILE…: as first_uuids, of the first 64 KiB: behind them is the memory of a VM.
read_heads() {
    # shellcheck disable=SC2016  # the inner shell expands it
    timeout -k 1 3 sh -c 'for file; do
        uuid=$(head -c 65536 -- "$file" 2>/dev/null | tr -d "\000" | grep -aom1 "<uuid>[^<]*</uuid>")
        printf "%s:%s\n" "$file" "$uuid"
    done' sh "$@"
}

# find_listed: LISTED, the VMs in the list of libvirt-guests, those of VMS. The list is "URI UUID…" a line.
find_listed() {
    LISTED=''
    [ -f "$GUESTS" ] || return 0
    listed_words=$(timeout -k 1 3 head -c 1048576 -- "$GUESTS" 2>/dev/null)
    # shellcheck disable=SC2086
    for listed_word in $listed_words; do
        if normalise_uuid "$listed_word" && wanted "$UUID"; then LISTED="$LISTED $UUID"; fi
    done
}

# find_aside: ASIDE, those of VMS whose definition was set aside here.
find_aside() {
    ASIDE=''
    set +f
    set -- "$ASIDES"/*
    set -f
    for aside_one; do
        if normalise_uuid "${aside_one##*/}" && wanted "$UUID"; then ASIDE="$ASIDE $UUID"; fi
    done
}

# has_saved UUID, is_listed UUID
has_saved() {
    case $NL$SAVED in
    *"$NL$1:"*) return 0 ;;
    esac
    return 1
}

is_listed() {
    case "$LISTED " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

# guests_run: whether libvirt-guests is at it. It goes on by the list that it has opened, whatever becomes of the file. The
# pattern does not match itself, in the arguments of grep.
guests_run() {
    set +f
    guests_at_it=$(grep -als 'libvirt-[g]uests' -- "$PROC"/[0-9]*/cmdline 2>/dev/null)
    set -f
    [ -n "$guests_at_it" ]
}

# ---------------------------------------------------------------- and is taken away

# set_saved_aside UUID: 1: an image is still there. It keeps its name, in a folder of this moment, which nobody else has.
set_saved_aside() {
    aside_left=''
    IFS=$NL
    for aside_line in $SAVED; do
        unset IFS
        [ "${aside_line%%:*}" = "$1" ] || continue
        move_aside "${aside_line#*:}" "$1" || aside_left=yes
    done
    unset IFS
    [ -z "$aside_left" ]
}

# move_aside FILE UUID
move_aside() {
    [ -f "$1" ] || return 0 # whoever started the VM has taken it
    read_clock || return 1
    aside_folder=$SAVES/hafence/$2/$CLOCK_MS
    mkdir -p -- "$aside_folder" 2>/dev/null && in_time || return 1
    mv -f -- "$1" "$aside_folder/" 2>/dev/null
    [ ! -e "$1" ]
}

# take_off_list UUID: 1: it is still there. All others stay, in their order; the list is replaced whole.
take_off_list() {
    off_lines=''
    { off_text=$(cat -- "$GUESTS"); } 2>/dev/null || return 1
    IFS=$NL
    for off_line in $off_text; do
        unset IFS
        off_kept=''
        for off_word in $off_line; do
            if normalise_uuid "$off_word" && [ "$UUID" = "$1" ]; then continue; fi
            off_kept="$off_kept${off_kept:+ }$off_word"
        done
        off_lines="$off_lines$off_kept$NL"
    done
    unset IFS
    in_time || return 1
    # libvirt-guests ends by removing its list: where it has, none may be made anew.
    [ -f "$GUESTS" ] || return 0
    (printf '%s' "$off_lines" >"$GUESTS.hafence") 2>/dev/null && mv -f -- "$GUESTS.hafence" "$GUESTS" 2>/dev/null
}

# note_aside: of each VM the facts SAVE and LIST, "on" where there is one, and whether libvirt-guests may be about to start it.
note_aside() {
    find_saved
    find_listed
    for note_vm in $VMS; do
        if has_saved "$note_vm"; then set_fact "$note_vm" SAVE on; fi
        if ! is_listed "$note_vm"; then continue; fi
        set_fact "$note_vm" LIST on
        if guests_run; then set_fact "$note_vm" MAYCOME yes; fi
    done
}

# clear_way UUID: of a VM whose death is proven a moment ago. A save that was under way then may have left its image since.
clear_way() {
    if [ -n "$SAVED_BLIND" ]; then set_fact "$1" SAVE failed; fi
    if has_saved "$1"; then
        set_fact "$1" SAVE failed
        if in_time && set_saved_aside "$1"; then set_fact "$1" SAVE aside; fi
    fi
    is_listed "$1" || return 0
    set_fact "$1" LIST failed
    if in_time && take_off_list "$1"; then set_fact "$1" LIST "out"; fi
}

# report_aside UUID: to report_line, where there is something to say.
report_aside() {
    for aside_fact in saved:SAVE guests:LIST definition:DEFINITION; do
        get_fact "$1" "${aside_fact#*:}"
        [ -z "$FACT" ] || report_line="$report_line ${aside_fact%:*}=$FACT"
    done
}
