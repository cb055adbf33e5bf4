# shellcheck shell=sh
# What fence.sh knows of each VM. Needs identity.sh, VMS and HAS_VIRSH.
#
# Facts are kept in shell variables whose names end in the UUID's 32 digits.

key_of() {
    IFS=-
    # shellcheck disable=SC2086
    set -- $1
    unset IFS
    KEY=$1$2$3$4$5
}

set_fact() {
    key_of "$1"
    eval "${2}_$KEY=\$3"
}

get_fact() {
    key_of "$1"
    eval "FACT=\$${2}_$KEY"
}

count_fact() {
    get_fact "$1" "$2"
    set_fact "$1" "$2" $((FACT + 1))
}

begin_facts() {
    for fact_vm in $VMS; do
        normalise_uuid "$fact_vm" || exit 11 # nothing else may become part of a variable's name
        for fact_name in FOUND KILLED ZOMBIE SEEN RESPAWNED RESET; do set_fact "$fact_vm" $fact_name 0; done
        for fact_name in STATE BARRED MARK BY UNIT PARENT STOP SERVICE FOLDER MANAGER SAVE LIST FLUSHED WAITED DIFFERS DEFINITION ASIDE; do set_fact "$fact_vm" $fact_name ''; done
        set_fact "$fact_vm" MAYCOME no
        set_fact "$fact_vm" WRITES did-not-settle # until settle_writes has looked
        set_fact "$fact_vm" AUTOSTART off
        if [ -n "$HAS_VIRSH" ]; then set_fact "$fact_vm" DESTROY none; else set_fact "$fact_vm" DESTROY absent; fi
    done
}
