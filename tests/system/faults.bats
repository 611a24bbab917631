#!/usr/bin/env bats
# Processes that are killed, frozen and woken at the worst moment, TPMs that are reset under a lease, a manifest that
# changes while everything runs. The tests of this file build on each other: one perimeter lives through all of them.
#
# What holds a moment still is a process that is stopped: a coordinator whose TPM does not answer makes no challenge, a
# node whose TPM does not answer sends no evidence, a leader whose followers do not answer commits nothing.

load_support() {
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
}

setup_file() {
    load_support
    perimeter_begin
    perimeter_lease=5s perimeter_make 3 3
    perimeter_start tc1
    perimeter_start tc2
    perimeter_start tc3
    perimeter_bootstrap
    perimeter_enroll
    perimeter_start n1
    perimeter_start n2
    perimeter_start n3
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
    eventually 15 n1 tc1 -- node_is n1 live
    eventually 15 n2 tc1 -- node_is n2 live
    eventually 15 n3 tc1 -- node_is n3 live
}

teardown_file() {
    load_support
    perimeter_finish
}

setup() {
    load_support
}

# A test that failed leaves nothing frozen, and nobody writing.
teardown() {
    local name

    rm -f "$perimeter/notes.go"
    for name in $(perimeter_names member) $(perimeter_names node); do
        process_signal "$name" -CONT 2>/dev/null || true
        tpm_signal "$name" -CONT 2>/dev/null || true
    done
}

tpm_signal() {
    swtpm_running "$perimeter/tpm/$1" && kill "$2" "$(cat "$perimeter/tpm/$1/pid")"
}

registration_of() {
    perimeter_json .registration node get "$1"
}

# Bytes that an agent received from a member, on the connection that it has now; empty where it has none.
received() {
    local pid

    pid=$(process_pid "$1") || return 1
    ss -HtnpiO state established "dport = :$(perimeter_port "$2" 3)" | grep "pid=$pid," |
        sed -n 's/.* bytes_received:\([0-9]*\).*/\1/p'
}

# It said what it had to say, and waits for the other side.
waits_for() {
    local before

    before=$(received "$1" "$2") && [ -n "$before" ] || return 1
    sleep 0.2
    [ "$(received "$1" "$2")" = "$before" ]
}

# Bytes that a member has of an agent's, on that connection.
sent() {
    local pid

    pid=$(process_pid "$1") || return 1
    ss -HtnpiO state established "dport = :$(perimeter_port "$2" 3)" | grep "pid=$pid," |
        sed -n 's/.* bytes_acked:\([0-9]*\).*/\1/p'
}

sent_more() {
    local bytes

    bytes=$(sent "$1" "$2") && [ -n "$bytes" ] && [ "$bytes" -gt "$3" ]
}

received_more() {
    local bytes

    bytes=$(received "$1" "$2") && [ -n "$bytes" ] && [ "$bytes" -gt "$3" ]
}

lives_anew() {
    local registration

    registration=$(registration_of "$1")
    [ -n "$registration" ] && [ "$registration" -gt "$2" ] && node_is "$1" live
}

# kill -9, and forgotten: perimeter_start starts it again.
crash() {
    process_signal "$1" -KILL
    process_end "$1"
}

come_back() {
    perimeter_start "$1"
    eventually 15 tc1 tc2 tc3 -- cluster_is_whole
    eventually 10 tc1 tc2 tc3 -- digests_agree
}

followers_signal() {
    local name

    for name in $(perimeter_names member); do
        [ "$name" = "$1" ] || process_signal "$name" "$2"
    done
}

# To one member only, as the operator.
ask_member() {
    local name=$1

    shift
    perimeter_tool "$@" --addr "127.0.0.1:$(perimeter_port "$name" 3)" --perimeter "$(cat "$perimeter/id")" \
        --identity "$perimeter/operator.key"
}

@test "the leader is killed before it challenges a node that registers: the node registers with the next one" {
    local old before

    old=$(leader)
    before=$(registration_of n1)
    tpm_signal "$old" -STOP
    process_end n1
    perimeter_start n1
    eventually 10 n1 -- waits_for n1 "$old"
    crash "$old"
    tpm_signal "$old" -CONT
    eventually 15 n1 tc1 tc2 tc3 -- lives_anew n1 "$before"
    come_back "$old"
}

@test "the leader is killed while a node makes its evidence: the node registers with the next one" {
    local old before bytes

    old=$(leader)
    before=$(registration_of n1)
    tpm_signal "$old" -STOP
    process_end n1
    perimeter_start n1
    eventually 10 n1 -- waits_for n1 "$old"
    tpm_signal n1 -STOP
    bytes=$(received n1 "$old")
    tpm_signal "$old" -CONT
    eventually 10 n1 "$old" -- received_more n1 "$old" "$bytes"
    crash "$old"
    tpm_signal n1 -CONT
    eventually 15 n1 tc1 tc2 tc3 -- lives_anew n1 "$before"
    come_back "$old"
}

@test "the leader is killed before a registration is committed: the node was told nothing, and registers with the next one" {
    local old before bytes

    old=$(leader)
    before=$(registration_of n1)
    process_end n1
    : >"$run/n1.log"
    tpm_signal "$old" -STOP
    perimeter_start n1
    eventually 10 n1 -- waits_for n1 "$old"
    tpm_signal n1 -STOP
    bytes=$(received n1 "$old")
    tpm_signal "$old" -CONT
    eventually 10 n1 "$old" -- received_more n1 "$old" "$bytes"
    # A leader that hears of no follower leads no more within a second: only the node's quote is left to be made.
    bytes=$(sent n1 "$old")
    followers_signal "$old" -STOP
    tpm_signal n1 -CONT
    eventually 5 n1 "$old" -- sent_more n1 "$old" "$bytes"
    refute perimeter_logged n1 " registered "
    crash "$old"
    followers_signal "$old" -CONT
    # What the dead leader proposed may still be committed by the next one: the node knows nothing of that.
    eventually 15 n1 tc1 tc2 tc3 -- perimeter_logged n1 " registered "
    eventually 15 n1 tc1 tc2 tc3 -- lives_anew n1 "$before"
    come_back "$old"
}

@test "the leader is killed while a node renews: the lease goes on with the next one, under the same registration" {
    local old before bytes renewal

    old=$(leader)
    before=$(registration_of n1)
    renewal=$(perimeter_json .renewal node get n1)
    eventually 5 n1 -- waits_for n1 "$old"
    tpm_signal n1 -STOP
    bytes=$(received n1 "$old")
    eventually 5 n1 "$old" -- received_more n1 "$old" "$bytes"
    crash "$old"
    tpm_signal n1 -CONT
    eventually 15 n1 tc1 tc2 tc3 -- node_renewed_after n1 "$((renewal + 1))"
    [ "$(registration_of n1)" = "$before" ]
    node_is n1 live
    node_is n2 live
    node_is n3 live
    come_back "$old"
}

@test "every member in turn is killed while changes are made: no answered one is lost, none is made twice" {
    local before after name writer attempted answered

    before=$(perimeter_json .audit_size status)
    : >"$perimeter/notes.answered"
    : >"$perimeter/notes.go"
    (
        for ((i = 1; ; i++)); do
            [ -e "$perimeter/notes.go" ] || break
            printf '%s\n' "$i" >"$perimeter/notes.attempted"
            leaf=$(perimeter_ctl audit note "note-$i-" -o json --wait --timeout 10s 2>/dev/null | jq -r .audit_leaf) &&
                [ -n "$leaf" ] && printf '%s %s\n' "$i" "$leaf" >>"$perimeter/notes.answered"
        done
    ) 3>&- &
    writer=$!
    more_answered() { [ "$(wc -l <"$perimeter/notes.answered")" -gt "$1" ]; }
    for name in $(perimeter_names member); do
        answered=$(wc -l <"$perimeter/notes.answered")
        eventually 10 tc1 tc2 tc3 -- more_answered $((answered + 5))
        crash "$name"
        answered=$(wc -l <"$perimeter/notes.answered")
        eventually 10 tc1 tc2 tc3 -- more_answered $((answered + 2))
        perimeter_start "$name"
        eventually 15 tc1 tc2 tc3 -- cluster_is_whole
    done
    rm "$perimeter/notes.go"
    wait "$writer" || true
    eventually 10 tc1 tc2 tc3 -- digests_agree
    after=$(perimeter_json .audit_size status)
    attempted=$(cat "$perimeter/notes.attempted")
    answered=$(wc -l <"$perimeter/notes.answered")
    echo "$attempted attempted, $answered answered, $before to $after leaves"
    # Each answer named a leaf of its own, and those grow with the requests.
    awk -v last=-1 -v size="$after" '$2 <= last || $2 >= size { exit 1 } { last = $2 }' "$perimeter/notes.answered"
    [ $((after - before)) -ge "$answered" ]
    [ $((after - before)) -le "$attempted" ]
    for name in $(perimeter_names member); do
        # Nothing is missing of what was answered, on any disk.
        [ -z "$(comm -23 <(cut -d' ' -f1 "$perimeter/notes.answered" | sort) \
            <(grep -rahoE 'note-[0-9]+-' "$perimeter/$name/state" | cut -d- -f2 | sort -u))" ]
    done
}

@test "a leader that was frozen over a revocation wakes: it shows and renews nothing that is revoked" {
    local old renewal state i

    old=$(leader)
    : >"$run/n3.log"
    renewal=$(perimeter_json .renewal node get n3)
    process_signal "$old" -STOP
    perimeter_ctl node revoke n3 --reason "while the leader sleeps" --yes --wait --timeout 15s
    # A question may have gone to the member that sleeps: then there is none. The first answer has to be the truth.
    for ((i = 0; i < 5; i++)); do
        state=$(perimeter_json .state node get n3)
        [ -z "$state" ] || break
    done
    [ "$state" = revoked ]
    # Questions and changes that lie before it when it wakes, and those of the first moments after.
    for ((i = 0; i < 8; i++)); do
        [ "$i" != 4 ] || process_signal "$old" -CONT
        ask_member "$old" node get n3 -o json --timeout 5s >"$BATS_TEST_TMPDIR/read.$i" 2>&1 3>&- &
        ask_member "$old" node cordon n3 -o json --timeout 5s >"$BATS_TEST_TMPDIR/change.$i" 2>&1 3>&- &
    done
    wait
    # Told to ask another, or the truth: never that it lives.
    for ((i = 0; i < 8; i++)); do
        grep -qE '"state": "revoked"|"code": ' "$BATS_TEST_TMPDIR/read.$i"
        refute grep -q '"state": "live"' "$BATS_TEST_TMPDIR/read.$i"
    done
    eventually 10 n3 -- perimeter_logged n3 "node-revoked"
    eventually 10 tc1 tc2 tc3 -- digests_agree
    node_is n3 revoked
    # What was answered as done is done with the one that leads, not lost with the one that did.
    if grep -q '"revision": ' "$BATS_TEST_TMPDIR"/change.*; then
        [ "$(perimeter_json .cordoned node get n3)" = true ]
    fi
    # One renewal may have been under way when the leader froze; none came after.
    [ "$(perimeter_json .renewal node get n3)" -le $((renewal + 1)) ]
    [ "$(leader)" != "$old" ]
    process_end n3
}

@test "an agent that was frozen beyond its lease wakes: its lease is gone, and it registers anew" {
    local before

    before=$(registration_of n2)
    : >"$run/n2.log"
    process_signal n2 -STOP
    eventually 15 n2 tc1 tc2 tc3 -- node_is n2 expired
    process_signal n2 -CONT
    eventually 15 n2 tc1 tc2 tc3 -- lives_anew n2 "$before"
    # What it held opened nothing: it gave it up by its own clock, or was told so.
    grep -q "registration-lost registration=$before " "$run/n2.log"
}

@test "a TPM that is reset under a lease: the agent gives its registration up, nothing renews it, and it registers anew" {
    local old before

    # Without the leader's TPM nobody registers, and what becomes of the old registration can be looked at.
    old=$(leader)
    before=$(registration_of n1)
    : >"$run/n1.log"
    tpm_signal "$old" -STOP
    swtpm_reset "$perimeter/tpm/n1"
    eventually 10 n1 -- perimeter_logged n1 "registration-lost registration=$before "
    eventually 15 n1 "$old" -- node_is n1 expired
    [ "$(registration_of n1)" = "$before" ]
    tpm_signal "$old" -CONT
    eventually 20 n1 "$old" -- lives_anew n1 "$before"
    [ "$(perimeter_json .reason node get n1)" = null ]
}

@test "an agent that is restarted after a reset of its TPM has to register again, and the old registration ends" {
    local before

    before=$(registration_of n2)
    process_end n2
    swtpm_reset "$perimeter/tpm/n2"
    perimeter_start n2
    eventually 15 n2 tc1 tc2 tc3 -- lives_anew n2 "$before"
}

@test "a PCR that is extended while its node is registered: the next registration is refused, and names it" {
    local before

    before=$(registration_of n2)
    process_end n2
    perimeter_extend n2 7
    : >"$run/n2.log"
    perimeter_start n2
    eventually 10 n2 -- perimeter_logged n2 "reason=pcr-not-allowed .*detail=\"[^\"]*PCR 7"
    refute perimeter_logged n2 " registered "
    [ "$(registration_of n2)" = "$before" ]
    eventually 15 n2 tc1 tc2 tc3 -- node_is n2 expired
    process_end n2
    swtpm_reset "$perimeter/tpm/n2"
    perimeter_start n2
    eventually 15 n2 tc1 tc2 tc3 -- lives_anew n2 "$before"
}

@test "two members of three frozen: changes are answered in time, and go on when one wakes" {
    local old one

    old=$(leader)
    one=$(follower)
    process_signal "$old" -STOP
    process_signal "$one" -STOP
    run perimeter_ctl audit note "without a majority" -o json --timeout 3s
    echo "$status $output"
    # No leader is known, or no answer came.
    [ "$status" = 2 ] || [ "$status" = 6 ]
    process_signal "$one" -CONT
    perimeter_step perimeter_ctl audit note "with a majority" --wait --timeout 15s
    process_signal "$old" -CONT
    eventually 15 tc1 tc2 tc3 -- cluster_is_whole
    eventually 10 tc1 tc2 tc3 -- digests_agree
}

@test "the seed and the private keys are in no file, log, argument or environment" {
    local name pid

    for name in $(perimeter_names member) n1 n2; do
        pid=$(process_pid "$name")
        # Neither its own user nor a dump gets at its memory.
        [ "$(stat -c %u "/proc/$pid/mem")" = 0 ]
        grep -qE '^Max core file size +0 +0 ' "/proc/$pid/limits"
        run "$TOP_BUILDDIR/tests/support/secret_scan" "$pid" "$perimeter" "/proc/$pid/cmdline" "/proc/$pid/environ"
        echo "$name: $output"
        if [ "$status" = 2 ] && ! head -c 0 "/proc/$pid/smaps" 2>/dev/null; then
            skip "looking into a process's memory takes CAP_SYS_PTRACE"
        fi
        [ "$status" = 0 ]
    done
}

@test "a manifest of fewer signatures, and an older one, change nothing while everything runs" {
    cp "$perimeter/manifest.signed" "$perimeter/manifest-1.signed"
    # Without n2; with n4.
    sed -i '/^node n2 /d' "$perimeter/hosts"
    printf 'node n4\n' >>"$perimeter/hosts"
    perimeter_host node n4
    perimeter_configure_node n4
    perimeter_manifest 2
    perimeter_step perimeter_tool ete sign "$perimeter/manifest" --root "$perimeter/ete/perimeter.root" \
        --key "$perimeter/ete/key-3.pem" --out "$perimeter/manifest-half.signed" --yes
    run perimeter_ctl perimeter apply "$perimeter/manifest-half.signed" -o json --timeout 10s
    [ "$status" = 3 ]
    grep -q too-few-signatures <<<"$output"
    version_is 1
    node_is n2 live
    perimeter_start n4
    eventually 10 n4 -- perimeter_logged n4 "ek-not-in-manifest"
}

@test "a node that the next manifest leaves out is revoked by that very commit; one that it adds can register" {
    local registration

    : >"$run/n2.log"
    registration=$(registration_of n1)
    perimeter_sign
    perimeter_step perimeter_ctl perimeter apply "$perimeter/manifest.signed" --wait --timeout 10s
    # No waiting: it was the commit that was just answered.
    [ "$(perimeter_json '.[] | select(.name == "n2") | .state' node list)" = revoked ]
    eventually 3 n2 tc1 tc2 tc3 -- perimeter_logged n2 "registration-lost"
    eventually 10 n2 -- perimeter_logged n2 "ek-not-in-manifest"
    eventually 15 n4 tc1 tc2 tc3 -- node_is n4 live
    # Nobody else noticed.
    [ "$(registration_of n1)" = "$registration" ]
    node_is n1 live
    run perimeter_ctl perimeter apply "$perimeter/manifest-1.signed" -o json --timeout 10s
    [ "$status" = 3 ]
    grep -q old-version <<<"$output"
    eventually 5 -- version_is 2
    eventually 10 tc1 tc2 tc3 -- digests_agree
}
