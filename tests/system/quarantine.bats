#!/usr/bin/env bats
# What becomes of VMs whose node is found bad, through all programs: three members, two nodes with launchers, real QEMU, a
# guest that counts. A PCR that is extended under a running agent is what the next renewal finds; a TPM that was reset
# and a new registration make the node good again. The tests build on each other: one perimeter lives through all of
# them.

load_support() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    # Long enough for a migration in what is left of it; a renewal comes after a third.
    perimeter_lease=${lease:=18}s
    perimeter_accelerator=tcg
}

setup_file() {
    load_support
    [ "$(id -u)" = 0 ] || return 0
    cluster_with_launchers 743000
    customer_make
}

teardown_file() {
    load_support
    [ ! -f "$perimeter_place" ] || perimeter_finish
}

setup() {
    load_support
    [ "$(id -u)" = 0 ] || skip "the launcher needs root"
}

# Launches a VM on n1, or on $node, and waits until its guest counts.
launched() {
    local name=$1 on=${node:-n1}

    shift
    customer vm launch "$perimeter/image" --name "$name" --node "$on" "$@" --wait --timeout 60s
    eventually 60 "$on" -- counts_above "$on" 3
}

# Ends it, and makes room for the next of this image.
over() {
    perimeter_ctl vm stop "$(vm_id "$1")" --wait --timeout 30s || true
    eventually 20 n1 n2 -- qemu_count n1 0
    eventually 20 n1 n2 -- qemu_count n2 0
    rm -f "$perimeter/image/$1.launch" "$perimeter/image/$1.proof"
}

goes_bad() {
    # The agent may just be using the TPM.
    eventually 10 n1 -- perimeter_extend n1 7
    eventually 20 n1 tc1 -- node_is n1 quarantined
    [ "$(perimeter_json .reason node get n1)" = pcr-not-allowed ]
}

comes_back() {
    swtpm_reset "$perimeter/tpm/n1"
    eventually 60 n1 tc1 -- node_is n1 live
    [ "$(perimeter_json .reason node get n1)" = null ]
}

qemu_is_frozen() {
    local pid

    pid=$(perimeter_qemus "$1") && [ -n "$pid" ] && [ "$(process_field "$pid" 1)" = T ]
}

runs_on() {
    [ "$(perimeter_json '"\(.state) \(.node)"' vm get "$1")" = "running $2" ]
}

says_why() {
    [[ $(perimeter_json .detail vm get "$1") == "quarantine of node "*": pcr-not-allowed" ]]
}

@test "a policy that would move what may not migrate is none" {
    run -64 customer vm launch "$perimeter/image" --name odd --on-quarantine migrate
    [[ $output == *may-migrate* ]]
    run -64 customer vm launch "$perimeter/image" --name odd --on-quarantine hope
}

@test "pause: the VM is frozen at once and says why, and goes on when its node is good again" {
    local counted pseudonym

    launched rests --on-quarantine pause
    goes_bad
    eventually 8 n1 tc1 -- vm_is rests paused
    eventually 8 n1 tc1 -- qemu_is_frozen n1
    says_why rests
    # The customer reads it, and knows nodes by what the VM's proof calls them.
    pseudonym=$(customer vm get rests -o json | jq -r .pseudonym)
    [ "$(customer vm get rests -o json | jq -r .detail)" = "quarantine of node $pseudonym: pcr-not-allowed" ]
    counted=$(perimeter_guest_count n1)
    run ! perimeter_ctl vm migrate rests --node n2
    [ "$(perimeter_guest_count n1)" = "$counted" ]
    comes_back
    eventually 30 n1 tc1 -- vm_is rests running
    eventually 20 n1 tc1 -- counts_above n1 "$counted"
    # It was not booted.
    [ "$(perimeter_json .detail vm get rests)" = null ]
    over rests
}

@test "stop: the VM is ended at once and says why" {
    launched ends --on-quarantine stop
    goes_bad
    eventually 10 n1 tc1 -- vm_is ends stopped
    eventually 10 n1 -- qemu_count n1 0
    says_why ends
    comes_back
}

@test "migrate: the VM goes to the other node within the lease, while it counts, and says why" {
    local counted

    launched leaves --on-quarantine migrate --may-migrate
    counted=$(perimeter_guest_count n1)
    goes_bad
    # It runs where it was until that is decided.
    eventually 18 n1 n2 tc1 -- runs_on leaves n2
    says_why leaves
    eventually 20 n1 n2 -- counts_above n2 "$counted"
    eventually 20 n1 n2 -- qemu_count n1 0
    comes_back
    over leaves
}

@test "migrate with nowhere to go is a pause" {
    launched stays --on-quarantine migrate --may-migrate
    perimeter_ctl node cordon n2
    goes_bad
    eventually 8 n1 tc1 -- vm_is stays paused
    eventually 8 n1 tc1 -- qemu_is_frozen n1
    perimeter_ctl node uncordon n2
    comes_back
    eventually 30 n1 tc1 -- vm_is stays running
    over stays
}

@test "a revocation bites within lease and D, though no message reaches the node" {
    local agent revoked

    launched doomed --after 2s
    agent=$(pgrep -P "$(process_pid n1)" -x nodeagent)
    kill -STOP "$agent"
    perimeter_ctl node revoke n1 --reason "stolen" --yes --wait
    revoked=$SECONDS
    refute qemu_is_frozen n1
    wait_until $((lease + 2)) qemu_is_frozen n1
    [ $((SECONDS - revoked)) -le $((lease + 2)) ]
    kill -CONT "$agent"
    # It comes back for nothing: what it held is lost, and no key goes there any more.
    eventually 20 n1 -- perimeter_logged n1 "refused-by-coordinator .*reason=node-revoked"
    qemu_is_frozen n1
    node_is n1 revoked
}

@test "a bad node that comes to another leader, over another connection, still hears that its VM is paused" {
    local old agent

    node=n2 launched waits --on-quarantine pause
    agent=$(pgrep -P "$(process_pid n2)" -x nodeagent)
    old=$(leader)
    kill -STOP "$agent"
    perimeter_ctl cluster step-down
    eventually 10 tc1 tc2 tc3 -- others_lead "$old"
    # Whoever leads now has no connection to it.
    perimeter_ctl node revoke n2 --reason "stolen as well" --yes --wait
    eventually 10 tc1 tc2 tc3 -- vm_is waits paused
    refute qemu_is_frozen n2
    kill -CONT "$agent"
    eventually 10 n2 tc1 tc2 tc3 -- qemu_is_frozen n2
    [[ $(perimeter_json .detail vm get waits) == "revocation of node "*": node-revoked" ]]
}
