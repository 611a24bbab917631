#!/usr/bin/env bats
# Three members and two nodes: founding, joining, crashes, frozen processes, changes of the manifest, refusals.
# The tests of this file build on each other: one perimeter lives through all of them.

load_support() {
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
}

setup_file() {
    load_support
    perimeter_begin
    perimeter_make 3 2
    # The others wait while the first one founds the cluster: that is the hard way.
    perimeter_start tc1
    perimeter_start tc2
    perimeter_start tc3
    perimeter_bootstrap
    perimeter_enroll
    perimeter_start n1
    perimeter_start n2
}

teardown_file() {
    load_support
    perimeter_finish
}

setup() {
    load_support
}

@test "members that waited while the first founded the cluster join it, each with an id of its own" {
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
    [ "$(perimeter_json '[.[].raft_id] | sort | map(tostring) | join(" ")' cluster members)" = "1 2 3" ]
}

@test "a second founding is refused" {
    run perimeter_local tc1 cluster bootstrap --out "$BATS_TEST_TMPDIR/request"
    [ "$status" != 0 ]
    [ ! -e "$BATS_TEST_TMPDIR/request" ]
    grep -q "already" <<<"$output"
}

@test "nodes that the manifest names register, and renew their leases" {
    eventually 15 n1 tc1 -- node_is n1 live
    eventually 15 n2 tc1 -- node_is n2 live
    eventually 15 n1 tc1 -- node_renewed_after n1 1
}

@test "a node that the manifest does not name is refused, and told why" {
    perimeter_stranger
    perimeter_start stranger
    eventually 15 stranger -- perimeter_logged stranger "ek-not-in-manifest"
    process_end stranger
    [ "$(perimeter_json '[.[].name] | sort | join(" ")' node list)" = "n1 n2" ]
}

@test "a node with a PCR that the policy does not allow is refused, and told which" {
    process_end n2
    swtpm_reset "$perimeter/tpm/n2"
    perimeter_extend n2 7
    : >"$run/n2.log"
    perimeter_start n2
    eventually 15 n2 -- perimeter_logged n2 "pcr-not-allowed"
    refute perimeter_logged n2 "notice registered"
    process_end n2
}

@test "a lease that is not renewed expires" {
    eventually 20 tc1 tc2 tc3 -- node_is n2 expired
}

@test "after a reboot with allowed PCRs the node registers again, under a new registration" {
    local before

    before=$(perimeter_json .registration node get n2)
    swtpm_reset "$perimeter/tpm/n2"
    perimeter_start n2
    eventually 15 n2 tc1 -- node_is n2 live
    [ "$(perimeter_json .registration node get n2)" -gt "$before" ]
}

@test "an agent that was killed registers again, with new keys" {
    local before

    before=$(perimeter_json .registration node get n1)
    process_signal n1 -KILL
    process_end n1
    perimeter_start n1
    eventually 15 n1 tc1 -- node_is n1 live
    [ "$(perimeter_json .registration node get n1)" -gt "$before" ]
}

@test "a TPM that is reset under a running agent costs it its lease until it registers again" {
    local before

    before=$(perimeter_json .registration node get n1)
    swtpm_reset "$perimeter/tpm/n1"
    newer() { [ "$(perimeter_json .registration node get n1)" -gt "$before" ] && node_is n1 live; }
    eventually 30 n1 tc1 -- newer
}

@test "the leader is killed: another one leads, no answered change is lost, no node loses its lease" {
    local old size registration

    perimeter_ctl audit note "before the crash" --wait
    eventually 5 -- digests_agree
    size=$(perimeter_json .audit_size status)
    registration=$(perimeter_json .registration node get n1)
    old=$(leader)
    process_signal "$old" -KILL
    eventually 15 tc1 tc2 tc3 -- others_lead "$old"
    perimeter_ctl audit note "after the crash" --wait
    grown() { [ "$(perimeter_json .audit_size status)" -gt "$size" ]; }
    eventually 5 -- grown
    eventually 15 n1 -- node_renewed_after n1 "$(perimeter_json .renewal node get n1)"
    [ "$(perimeter_json .registration node get n1)" = "$registration" ]
    process_end "$old"
    perimeter_start "$old"
    eventually 20 "$old" -- perimeter_local "$old" cluster status
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
    eventually 20 tc1 tc2 tc3 -- digests_agree
}

@test "a frozen leader is replaced, and follows when it wakes up" {
    local old

    old=$(leader)
    process_signal "$old" -STOP
    perimeter_ctl audit note "while the leader sleeps" --wait
    process_signal "$old" -CONT
    eventually 20 tc1 tc2 tc3 -- digests_agree
    [ "$(leader)" != "$old" ]
}

@test "two members of three down: nothing is decided, and one that comes back mends it" {
    local first second

    first=$(follower)
    second=$(leader)
    process_signal "$first" -KILL
    process_signal "$second" -KILL
    run perimeter_ctl audit note "without a majority" --timeout 3s
    [ "$status" != 0 ]
    process_end "$first"
    process_end "$second"
    perimeter_start "$first"
    eventually 20 "$first" -- perimeter_ctl audit note "with a majority" --timeout 5s
    perimeter_start "$second"
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
    eventually 20 tc1 tc2 tc3 -- digests_agree
}

@test "the leader steps down when it is asked to" {
    local old

    old=$(leader)
    perimeter_ctl cluster step-down --wait
    eventually 15 tc1 tc2 tc3 -- others_lead "$old"
}

@test "a member whose disk was lost joins again by attestation, under a new id" {
    local lost

    lost=$(follower)
    process_end "$lost"
    rm -rf "$perimeter/$lost/state"
    perimeter_start "$lost"
    rejoined() {
        [ "$(perimeter_json "[.[] | select(.name == \"$lost\" and .role == \"voter\" and .raft_id > 3)] | length" \
            cluster members)" = 1 ] && cluster_is_whole && digests_agree
    }
    eventually 30 tc1 tc2 tc3 -- rejoined
}

@test "a newer manifest is applied, an older one and an unsigned one are not" {
    cp "$perimeter/manifest.signed" "$perimeter/manifest-1.signed"
    printf 'node n3\n' >>"$perimeter/hosts"
    perimeter_host node n3
    perimeter_configure_node n3
    perimeter_manifest 2
    perimeter_step perimeter_tool ete sign "$perimeter/manifest" --root "$perimeter/ete/perimeter.root" \
        --key "$perimeter/ete/key-3.pem" --out "$perimeter/manifest-half.signed" --yes
    run perimeter_ctl perimeter apply "$perimeter/manifest-half.signed" --wait
    [ "$status" != 0 ]
    perimeter_sign
    perimeter_ctl perimeter apply "$perimeter/manifest.signed" --wait
    eventually 5 -- version_is 2
    run perimeter_ctl perimeter apply "$perimeter/manifest-1.signed" --wait
    [ "$status" != 0 ]
    eventually 5 -- version_is 2
    perimeter_start n3
    eventually 15 n3 tc1 -- node_is n3 live
}

@test "a revoked node loses its lease at once, and does not come back" {
    perimeter_ctl node revoke n2 --reason "test" --yes --wait
    node_is n2 revoked
    process_end n2
    : >"$run/n2.log"
    perimeter_start n2
    eventually 15 n2 -- perimeter_logged n2 "node-revoked"
    node_is n2 revoked
}

@test "the seed and the agents' keys are in no file and in no log" {
    refute grep -rlE 'BEGIN (EC |ENCRYPTED )?PRIVATE KEY' "$perimeter"/tc? "$perimeter"/n? "$run"
}

@test "a text with a line end in it is refused, and no member halts over it" {
    run perimeter_ctl audit note $'one\ntwo' --wait --timeout 10s
    [ "$status" != 0 ]
    eventually 10 tc1 tc2 tc3 -- cluster_is_whole
    perimeter_step perimeter_ctl audit note "one, two" --wait --timeout 10s
    eventually 10 tc1 tc2 tc3 -- digests_agree
}

@test "members and agents end when they are asked to, in time" {
    local name

    for name in $(perimeter_names member) n1 n3; do
        process_signal "$name" -TERM
        eventually 5 "$name" -- refute process_alive "$name"
    done
}

@test "all members restart with their seeds, without anybody's help" {
    local name

    for name in $(perimeter_names member); do
        process_end "$name"
        perimeter_start "$name"
    done
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
    eventually 5 -- version_is 2
}
