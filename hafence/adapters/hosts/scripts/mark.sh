# shellcheck shell=sh
# Whose run was last at a VM on this host: where admin nodes meet that have a store of their own each, so that no lease
# keeps two runs from acting at once. Needs lib.sh and LOCKS.
#
# STORE, RUN  the store and the run of this order; without RUN nobody's mark is read or left
# YOUNG_S     for how many seconds the mark of another store bars
#
# A mark is a file, "STORE RUN UPTIME_S". The time is this host's uptime: it never goes back, nor stands still in a sleep,
# and one that is in the future is of an earlier boot. Marks are read and left under a lock that is held for a moment, and
# not under the VM's, which a start has for as long as libvirt takes.

# read_mark UUID: MARK_STORE, MARK_RUN and MARK_AGE in seconds, empty where there is none. 1: there is one, and it can't
# be read. UP_MS is now.
read_mark() {
    MARK_STORE='' MARK_RUN='' MARK_AGE='' mark_up='' mark_rest=''
    [ -e "$LOCKS/$1.mark" ] || return 0
    { read -r MARK_STORE MARK_RUN mark_up mark_rest <"$LOCKS/$1.mark"; } 2>/dev/null
    case $MARK_STORE in
    *[!0-9a-f]*) return 1 ;;
    ????????????????) ;;
    *) return 1 ;;
    esac
    case $MARK_RUN in
    '' | *[!A-Za-z0-9._-]*) return 1 ;;
    esac
    case $mark_up:$mark_rest in
    *[!0-9]*:* | :* | 0?*:* | ??????????*:* | *:?*) return 1 ;;
    esac
    MARK_AGE=$((UP_MS / 1000 - mark_up))
    if [ "$MARK_AGE" -lt 0 ]; then MARK_STORE='' MARK_RUN='' MARK_AGE=''; fi
}

# check_mark UUID: BARRED, why nothing may be done with the VM here, in one word, or empty; and MARK, what another store's
# mark says, in words for the reply, however old it is.
check_mark() {
    BARRED='' MARK=''
    if ! read_mark "$1"; then
        BARRED=mark-unreadable
    elif [ -n "$MARK_STORE" ] && [ "$MARK_STORE" != "$STORE" ]; then
        MARK="store=$MARK_STORE run=$MARK_RUN age=$MARK_AGE"
        [ "$MARK_AGE" -ge "$YOUNG_S" ] || BARRED=another-store-is-at-it
    fi
}

# take_mark UUID: as check_mark, and leaves this run's mark where nothing bars.
take_mark() {
    check_mark "$1"
    [ -z "$BARRED" ] || return 0
    if ! (printf '%s %s %s\n' "$STORE" "$RUN" $((UP_MS / 1000)) >"$LOCKS/$1.mark.new") 2>/dev/null ||
        ! mv -f -- "$LOCKS/$1.mark.new" "$LOCKS/$1.mark" 2>/dev/null; then
        BARRED=mark-not-left
    fi
}

# lock_marks: 1, with WHY, where marks can't be left. Without flock no script starts a VM here, and marks go without a lock.
lock_marks() {
    WHY=no-lock-folder
    [ -d "$LOCKS" ] || mkdir -p -- "$LOCKS" 2>/dev/null
    (: >>"$LOCKS/marks.lock") 2>/dev/null || return 1 # a redirection that fails in "exec" would end the shell
    exec 8>>"$LOCKS/marks.lock"
    WHY=marks-are-locked
    [ -n "$(lacking flock)" ] || flock -w 2 8 || return 1
    WHY=no-clock
    read_uptime || return 1
    WHY=''
}

unlock_marks() {
    exec 8>&-
}

# take_one: the mark of the one VM in VMS. 1: barred; WHY and MARK say by what.
take_one() {
    # shellcheck disable=SC2034  # locked.sh reads it
    MARK=''
    [ -n "$RUN" ] || return 0
    lock_marks || return 1
    take_mark "$VMS"
    unlock_marks
    WHY=$BARRED
    [ -z "$WHY" ]
}
