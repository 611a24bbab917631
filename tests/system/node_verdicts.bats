#!/usr/bin/env bats
# What the coordinator says of a node, why it is not trusted, what would make it so; and new hardware under an old name.
# The tests of this file build on each other: one perimeter with one member and two nodes lives through all of them.

load_support() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
}

setup_file() {
    load_support
    perimeter_begin
    perimeter_make 1 2
    perimeter_start tc1
    perimeter_bootstrap
    perimeter_enroll
}

teardown_file() {
    load_support
    [ ! -f "$perimeter_place" ] || perimeter_finish
}

setup() {
    load_support
}

explains() {
    [ "$(perimeter_json "$2" node explain "$1")" = "$3" ]
}

applies() {
    perimeter_sign && perimeter_step perimeter_ctl perimeter apply "$perimeter/manifest.signed"
}

@test "a node that nobody has seen is not trusted, and one that does not exist is not found" {
    run -3 perimeter_ctl node explain n1
    [[ $output == *never-seen* ]]
    [[ $output == *"start its agent"* ]]
    run -4 perimeter_ctl node explain n9
    run -4 perimeter_ctl node get n9
    [ "$(perimeter_json .verdict node get n1)" = never-seen ]
    [ "$(perimeter_json .appraised_by node get n1)" = null ]
}

@test "a good node is explained in one word, with what is left of its lease and the policy that it met" {
    perimeter_start n2
    eventually 20 n2 tc1 -- node_is n2 live
    run -0 perimeter_ctl node explain n2
    [[ $output == *good* ]]
    [ "$(perimeter_json .verdict node get n2)" = good ]
    [ "$(perimeter_json .appraised_by node get n2)" = current ]
    [ "$(perimeter_json .policy node get n2)" = any ]
    left=$(perimeter_json .lease_left node get n2)
    [ "$left" -ge 1 ] && [ "$left" -le 5 ]
    eventually 20 n2 tc1 -- node_renewed_after n2 1
    [ "$(perimeter_json '[.[] | select(.name == "n2")][0].verdict' node list)" = good ]
}

@test "a node that is refused again and again: the last refusal, what was seen, and the line that would accept it" {
    perimeter_extend n1 7
    perimeter_start n1
    eventually 20 n1 tc1 -- explains n1 .reason pcr-not-allowed
    run -3 perimeter_ctl node explain n1
    echo "$output"
    [ "$(perimeter_json .verdict node get n1)" = refused ]
    [ "$(perimeter_json .last_refusal.reason node get n1)" = pcr-not-allowed ]
    [ "$(perimeter_json .last_refusal.proven node get n1)" = true ]
    [ "$(perimeter_json .last_refusal.subject node get n1)" = "PCR 7" ]
    explains n1 .subject "PCR 7"
    explains n1 .expected "$perimeter_pcr_zero"
    explains n1 .trusted false
    [[ $(perimeter_json .accept node explain n1) == "pcr 7 = "$(perimeter_json .seen node explain n1) ]]
    [[ $(perimeter_json .next node explain n1) == *"policy any"* ]]
    perimeter_ctl node explain n1 -o json 2>/dev/null | jq -e '.check and .policy == "any"'
}

@test "the line that it names is the one that accepts it" {
    local line

    line=$(perimeter_json .accept node explain n1)
    sed -i "s/^    pcr 7 = .*/&\n    $line/; s/version = 1$/version = 2/" "$perimeter/manifest"
    applies
    eventually 40 n1 tc1 -- node_is n1 live
    run -0 perimeter_ctl node explain n1
    [ "$(perimeter_json .last_refusal node get n1)" = null ]
    # The other one is appraised by the new policy as well.
    eventually 20 n2 tc1 -- explains n2 .appraised_by current
}

@test "a PCR that is extended under a lease: the node is in quarantine, and says which" {
    eventually 10 n2 -- perimeter_extend n2 0
    eventually 20 n2 tc1 -- node_is n2 quarantined
    run -3 perimeter_ctl node explain n2
    explains n2 .subject "PCR 0"
    [ "$(perimeter_json .finding.subject node get n2)" = "PCR 0" ]
    [ "$(perimeter_json .standing_since node get n2)" != null ]
    swtpm_reset "$perimeter/tpm/n2"
    eventually 40 n2 tc1 -- node_is n2 live
    run -0 perimeter_ctl node explain n2
    [ "$(perimeter_json .finding node get n2)" = null ]
}

@test "new hardware under an old name is neither signed nor applied unless the manifest says so" {
    local old new

    perimeter_stranger
    old=$(perimeter_identity n1 ek)
    new=$(perimeter_identity stranger ek)
    cp "$perimeter/manifest" "$perimeter/before"
    sed -i "s/$old/$new/; s/version = 2$/version = 3/" "$perimeter/manifest"
    run -1 perimeter_tool ete sign "$perimeter/manifest" --root "$perimeter/ete/perimeter.root" \
        --key "$perimeter/ete/key-1.pem" --yes --previous "$perimeter/before" --out "$perimeter/never.signed" -o json
    [[ $output == *undeclared-replacement* ]]
    # Signers who did not look are not enough.
    perimeter_sign
    run -1 perimeter_ctl perimeter apply "$perimeter/manifest.signed" -o json
    [[ $output == *undeclared-replacement* ]]
    [[ $output == *"node replace"* ]]
    node_is n1 live
    cp "$perimeter/before" "$perimeter/manifest"
}

@test "node replace writes it into the text, for its signers to see; the old host is out with that commit" {
    local old new

    old=$(perimeter_identity n1 ek)
    new=$(perimeter_identity stranger ek)
    sed -i 's/version = 2$/version = 3/' "$perimeter/manifest" # 3 was signed, and is not to be signed twice
    run -4 perimeter_tool node replace n9 --ek "$new" --manifest "$perimeter/manifest"
    run -64 perimeter_tool node replace n1 --ek nonsense --manifest "$perimeter/manifest"
    run -0 perimeter_tool node replace n1 --ek "$new" --manifest "$perimeter/manifest"
    [[ $output == *"ete sign"* ]]
    [ "$(grep -c "replaces = $old" "$perimeter/manifest")" = 1 ]
    grep -q 'version = 4$' "$perimeter/manifest"
    run -0 perimeter_tool ete sign "$perimeter/manifest" --root "$perimeter/ete/perimeter.root" \
        --key "$perimeter/ete/key-1.pem" --yes --previous "$perimeter/before" --out "$perimeter/look.signed"
    [[ $output == *"~ node n1    REPLACED"* ]]
    [[ $output == *"warning: node n1 is REPLACED"* ]]
    applies
    eventually 20 n1 tc1 -- perimeter_logged n1 "reason=ek-not-in-manifest"
    [ "$(perimeter_json .verdict node get n1)" = never-seen ]
    perimeter_start stranger
    eventually 20 stranger tc1 -- node_is n1 live
    [ "$(perimeter_json .ek_name node get n1)" = "$new" ]
    process_end n1
}
