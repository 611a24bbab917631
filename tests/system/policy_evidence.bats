#!/usr/bin/env bats
# What live nodes show, kept in folders and appraised offline: three members, and two nodes whose software TPMs were
# given real boots, one of which the policy in force refuses.
# The tests of this file build on each other: one perimeter lives through all of them.

load_support() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    # shellcheck source=tests/support/boots.sh
    . "$TOP_SRCDIR/tests/support/boots.sh"
}

setup_file() {
    load_support
    perimeter_begin
    # A tenth of it is long enough to be seen.
    export perimeter_lease=20s
    perimeter_make 3 2
    evidence_folder good
    host_boots n1 good
    host_boots n2 cmdline
    perimeter_start tc1
    perimeter_start tc2
    perimeter_start tc3
    perimeter_bootstrap
    perimeter_enroll
    customer_user_make
    perimeter_tool policy learn --from "$perimeter/evidence/good" --name good --out "$perimeter/good.policy"
    perimeter_tool -q policy compile "$perimeter/good.policy" --out "$perimeter/good.set"
    perimeter_ctl policy upload "$perimeter/good.set"
    manifest 2 "reference $(digest "$perimeter/good.set") = enforced"
    apply
}

teardown_file() {
    load_support
    [ ! -f "$perimeter_place" ] || perimeter_finish
}

setup() {
    load_support
}

save() {
    perimeter_ctl node get "$1" --save-evidence "$perimeter/$2" "${@:3}"
}

try() {
    perimeter_tool policy try "$@"
}

# So often somebody asked for a node's evidence.
asked_for() {
    [ "$(cat "$run"/tc?.log | grep -c "evidence-asked node=$1 ")" -ge "$2" ]
}

node_is_refused() {
    [ "$(perimeter_json .verdict node get "$1")" = refused ]
}

@test "customers see no node's logs, nor does the local socket, where nobody has a name" {
    run -5 customer node get n1 --save-evidence "$perimeter/denied"
    run -5 perimeter_local tc1 node get n1 --save-evidence "$perimeter/denied"
    [ ! -e "$perimeter/denied" ]
}

@test "a node that nobody knows, or that has no connection, shows nothing" {
    run -4 save n9 unknown
    [ ! -e "$perimeter/unknown" ]
    run -2 save n1 absent
    [[ $output == *"hint: start its agent"* ]]
    [ ! -e "$perimeter/absent" ]
}

@test "a folder that is not empty is left alone, before the node is asked" {
    mkdir "$perimeter/taken"
    printf 'mine\n' >"$perimeter/taken/eventlog.bin"
    run -1 save n1 taken
    [[ $output == *"is not empty"* ]]
    [ "$(ls "$perimeter/taken")" = eventlog.bin ]
    [ "$(cat "$perimeter/taken/eventlog.bin")" = mine ]
    run -1 save n1 good.policy
    [ -f "$perimeter/good.policy" ]
}

@test "a live node's evidence is whole, holds offline, and costs it nothing" {
    local before file

    perimeter_start n1
    perimeter_start n2
    eventually 20 n1 tc1 tc2 tc3 -- node_is n1 live
    before=$(perimeter_json .registration node get n1)
    [ "$(perimeter_json .verdict node get n1 --save-evidence "$perimeter/n1.evidence")" = accepted ]
    for file in quote.attest quote.sig ak.tpmt qualifying.bin pcrs_quoted.bin; do
        [ -s "$perimeter/n1.evidence/quote/$file" ]
    done
    cmp "$perimeter/n1.evidence/eventlog.bin" "$perimeter/n1/logs/events"
    cmp "$perimeter/n1.evidence/ima.bin" "$perimeter/n1/logs/ima"
    [ "$(stat -c %a "$perimeter/n1.evidence/ima.bin")" = 600 ]
    try "$perimeter/good.policy" "$perimeter/n1.evidence"
    try "$perimeter/good.set" "$perimeter/n1.evidence"
    [ "$(perimeter_json .registration node get n1)" = "$before" ]
    node_is n1 live
}

@test "a changed byte of what was kept is noticed" {
    cp -r "$perimeter/n1.evidence" "$perimeter/forged"
    printf '\377' | dd of="$perimeter/forged/ima.bin" bs=1 seek=40 conv=notrunc status=none
    run -3 try "$perimeter/good.policy" "$perimeter/forged"
}

@test "a node that is refused shows its next attempt, with its keys, and the reason holds offline" {
    eventually 20 n2 tc1 tc2 tc3 -- node_is_refused n2
    run -0 save n2 n2.evidence --timeout 40s -o json
    [ "$(jq -r .verdict <<<"$output")" = refused ]
    [ "$(jq -r .reason <<<"$output")" = event-unexpected ]
    [ -s "$perimeter/n2.evidence/quote/ek.tpmt" ]
    [ -s "$perimeter/n2.evidence/quote/ek.crt" ]
    run -3 try "$perimeter/good.policy" "$perimeter/n2.evidence" --ca "$perimeter/ca/issuer.der"
    [[ $output == *event-unexpected* ]]
}

@test "a node is not made to quote again and again: between two times lies a tenth of its lease" {
    local begun ended

    save n1 first
    begun=$(date +%s%N)
    save n1 second
    ended=$(date +%s%N)
    refute cmp "$perimeter/first/quote/quote.attest" "$perimeter/second/quote/quote.attest"
    # Of two seconds some went by since the first was asked for.
    [ $(((ended - begun) / 1000000)) -gt 1000 ]
}

@test "who asks at once for the same node gets the same evidence, and no renewal that shows less" {
    # By then a renewal is under way that shows only what is new.
    process_signal n1 -STOP
    sleep 8
    save n1 one &
    save n1 other &
    eventually 10 tc1 tc2 tc3 -- asked_for n1 5
    process_signal n1 -CONT
    wait
    cmp "$perimeter/one/quote/quote.attest" "$perimeter/other/quote/quote.attest"
    cmp "$perimeter/one/eventlog.bin" "$perimeter/n1/logs/events"
    cmp "$perimeter/one/ima.bin" "$perimeter/n1/logs/ima"
}

@test "a policy is learned from a live node as from the folder that was kept of it, and fits it" {
    perimeter_tool policy learn --from "$perimeter/n1.evidence" --name live --out "$perimeter/kept.policy"
    perimeter_ctl policy learn --from n1 --name live --out "$perimeter/live.policy"
    cmp "$perimeter/kept.policy" "$perimeter/live.policy"
    try "$perimeter/live.policy" "$perimeter/n1.evidence"
    run -3 try "$perimeter/live.policy" "$perimeter/n2.evidence"
}

@test "who learns from a node that is refused is told so, and without a coordinator a name is a folder" {
    run -0 perimeter_ctl policy learn --from n2 --out "$perimeter/other.policy" --timeout 40s
    [[ $output == *"n2 is refused by the coordinator (event-unexpected)"* ]]
    run -0 try "$perimeter/other.policy" "$perimeter/n2.evidence"
    run -4 perimeter_tool policy learn --from n1
    run -4 perimeter_ctl policy learn --from n9
}

# change_of NAME FILTER: of `policy diff -o json` in $output.
change_of() {
    jq -r --arg name "$1" ".hosts[] | select(.evidence | endswith(\$name)) | $2" <<<"$output"
}

@test "what another policy changes is said of kept evidence: newly accepted, newly refused and why, unchanged" {
    run -0 --separate-stderr perimeter_tool policy diff "$perimeter/good.policy" "$perimeter/other.policy" -o json \
        --evidence "$perimeter/n1.evidence" --evidence "$perimeter/n2.evidence"
    [ "$(jq .same <<<"$output")" = false ]
    [ "$(jq '[.differences[] | .added + .removed + .changed] | add > 0' <<<"$output")" = true ]
    [ "$(change_of n1.evidence .change)" = newly-refused ]
    [ "$(change_of n1.evidence .reason)" = event-unexpected ]
    [[ $(change_of n1.evidence .subject) == *"PCR 9"* ]]
    [ "$(change_of n2.evidence .change)" = newly-accepted ]
    run -0 --separate-stderr perimeter_tool policy diff "$perimeter/good.policy" "$perimeter/good.set" -o json \
        --evidence "$perimeter/n1.evidence" --evidence "$perimeter/n2.evidence"
    [ "$(jq .same <<<"$output")" = true ]
    [ "$(change_of n1.evidence '.change + " " + .new')" = "unchanged accepted" ]
    [ "$(change_of n2.evidence '.change + " " + .new')" = "unchanged refused" ]
}

@test "evidence that does not show what a policy judges is no verdict" {
    printf 'policy wide {\n    pcr 15 = %064d\n}\n' 0 >"$perimeter/wide.policy"
    run -0 --separate-stderr perimeter_tool policy diff "$perimeter/good.policy" "$perimeter/wide.policy" -o json \
        --evidence "$perimeter/n1.evidence"
    [ "$(change_of n1.evidence .change)" = unknown ]
    [ "$(change_of n1.evidence .new)" = unknown ]
    cp -r "$perimeter/n1.evidence" "$perimeter/no-ima"
    rm "$perimeter/no-ima/ima.bin"
    run -0 --separate-stderr perimeter_tool policy diff "$perimeter/wide.policy" "$perimeter/good.policy" -o json \
        --evidence "$perimeter/no-ima"
    [ "$(change_of no-ima .new)" = unknown ]
}

@test "the same is asked of live nodes, and what differs is shown line by line" {
    run -0 perimeter_ctl policy diff "$perimeter/good.policy" "$perimeter/other.policy" --nodes -v
    [[ $output == *"1 nodes are not live"* ]]
    [[ $output == *"+ event 9 "* ]]
    [[ $output == *"n1"*"newly-refused"*"event-unexpected"* ]]
    run -5 customer policy diff "$perimeter/good.policy" "$perimeter/other.policy" --nodes
}

@test "a node that shows nothing in time is unknown, and the diff has not done what it was asked for" {
    process_signal n1 -STOP
    run -6 --separate-stderr perimeter_ctl policy diff "$perimeter/good.policy" "$perimeter/other.policy" --nodes \
        -o json --timeout 4s
    process_signal n1 -CONT
    [ "$(change_of n1 .change)" = unknown ]
}

@test "a node that is silent is waited for until the time is up" {
    # What came too late for the question before is read first.
    save n1 late
    process_signal n1 -STOP
    run -6 save n1 silent --timeout 4s
    process_signal n1 -CONT
    [[ $output == *"n1 showed nothing within 4 s"* ]]
    [ ! -e "$perimeter/silent" ]
}
