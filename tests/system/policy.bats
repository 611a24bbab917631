#!/usr/bin/env bats
# Appraisal by a policy, through all programs: three members, and two nodes whose software TPMs were given real boots.
# A reference set is learned, uploaded, named by the manifest; logs grow; policies change; leaders die.
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
    perimeter_make 3 2
    evidence_folder good
    host_boots n1 good
    host_boots n2 cmdline
    perimeter_start tc1
    perimeter_start tc2
    perimeter_start tc3
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

version_is() {
    [ "$(perimeter_json .version perimeter show)" = "$1" ]
}

registration() {
    perimeter_json .registration node get "$1"
}

refused() {
    perimeter_logged "$1" "reason=$2"
}

@test "a manifest that names a set that nobody has uploaded does not take effect" {
    "$TOP_BUILDDIR/cli/tccpctl" policy learn --from "$perimeter/evidence/good" --name good --out "$perimeter/good.policy"
    "$TOP_BUILDDIR/cli/tccpctl" -q policy compile "$perimeter/good.policy" --out "$perimeter/good.set"
    manifest 2 "reference $(digest "$perimeter/good.set") = enforced"
    run perimeter_ctl perimeter apply "$perimeter/manifest.signed"
    [ "$status" != 0 ]
    [[ $output == *"policy upload"* ]]
    [ "$(perimeter_json .version perimeter show)" = 1 ]
}

@test "a set that was uploaded is on all members, and the manifest takes effect" {
    perimeter_ctl policy upload "$perimeter/good.set"
    apply
    eventually 10 tc1 tc2 tc3 -- version_is 2
    eventually 10 tc1 tc2 tc3 -- digests_agree
    perimeter_ctl policy download "$(digest "$perimeter/good.set")" --out "$perimeter/again.set"
    cmp "$perimeter/good.set" "$perimeter/again.set"
}

@test "a good boot is registered, and another command line is refused with the event named" {
    perimeter_start n1
    perimeter_start n2
    eventually 20 n1 tc1 tc2 tc3 -- node_is n1 live
    eventually 20 n2 tc1 tc2 tc3 -- refused n2 event-unexpected
    grep -q 'PCR 9' "$run/n2.log"
    refute node_is n2 live
    process_end n2
}

@test "renewals look only at what is new: they need no event log" {
    local renewal before

    before=$(registration n1)
    mv "$perimeter/n1/logs/events" "$perimeter/n1/logs/events.away"
    renewal=$(perimeter_json .renewal node get n1)
    eventually 20 n1 tc1 tc2 tc3 -- node_renewed_after n1 $((renewal + 1))
    [ "$(registration n1)" = "$before" ]
}

@test "a file that the policy knows is measured, and the node goes on" {
    local renewal before

    before=$(registration n1)
    host_measures n1 5
    renewal=$(perimeter_json .renewal node get n1)
    eventually 20 n1 tc1 tc2 tc3 -- node_renewed_after n1 $((renewal + 1))
    [ "$(registration n1)" = "$before" ]
}

@test "a change of leader asks for nothing that was shown before" {
    local old before renewal

    before=$(registration n1)
    old=$(leader)
    process_signal "$old" -KILL
    eventually 15 tc1 tc2 tc3 -- others_lead "$old"
    renewal=$(perimeter_json .renewal node get n1)
    eventually 20 n1 tc1 tc2 tc3 -- node_renewed_after n1 "$renewal"
    [ "$(registration n1)" = "$before" ]
    process_end "$old"
    perimeter_start "$old"
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
}

@test "a file that the policy does not know ends it: quarantine, and the file is named" {
    # Whoever registers shows everything again.
    mv "$perimeter/n1/logs/events.away" "$perimeter/n1/logs/events"
    host_measures n1 "$quoted_entries"
    eventually 20 n1 tc1 tc2 tc3 -- node_is n1 quarantined
    [ "$(perimeter_json .reason node get n1)" = file-not-allowed ]
    [[ $(perimeter_json .finding.subject node get n1) == /* ]]
    run -3 perimeter_ctl node explain n1
    [[ $output == *"file "*" = /"* ]]
}

staged_says() {
    [ "$(perimeter_json ".staged[] | select(.set == \"$2\") | .verdict" node get "$1")" = "$3" ]
}

@test "a staged set says who would be let in and who shut out, and changes nothing" {
    local path digest next cmdline

    path=$(perimeter_json .finding.subject node get n1)
    digest=$(perimeter_json .finding.seen node get n1)
    sed "s|^}|    file $digest = $path\n}|" "$perimeter/good.policy" >"$perimeter/next.policy"
    evidence_folder cmdline
    "$TOP_BUILDDIR/cli/tccpctl" policy learn --from "$perimeter/evidence/cmdline" --name cmdline --out "$perimeter/cmdline.policy"
    perimeter_ctl policy upload "$perimeter/next.policy" "$perimeter/cmdline.policy"
    "$TOP_BUILDDIR/cli/tccpctl" -q policy compile "$perimeter/next.policy" --out "$perimeter/next.set"
    "$TOP_BUILDDIR/cli/tccpctl" -q policy compile "$perimeter/cmdline.policy" --out "$perimeter/cmdline.set"
    next=$(digest "$perimeter/next.set")
    cmdline=$(digest "$perimeter/cmdline.set")
    manifest 3 "reference $(digest "$perimeter/good.set") = enforced" "reference $next = staged" "reference $cmdline = staged"
    apply
    perimeter_start n2
    # What it would be let in for, and the one file that the other does not know.
    eventually 30 n1 tc1 tc2 tc3 -- staged_says n1 "$next" accepted
    eventually 30 n1 tc1 tc2 tc3 -- staged_says n1 "$cmdline" refused
    eventually 30 n2 tc1 tc2 tc3 -- staged_says n2 "$cmdline" accepted
    eventually 30 n2 tc1 tc2 tc3 -- staged_says n2 "$next" refused
    [ "$(perimeter_json ".[] | select(.digest == \"$next\") | \"\(.staged_accepts) \(.staged_refuses)\"" policy list)" = "1 1" ]
    process_end n2
    refute node_is n1 live
    refute node_is n2 live
}

@test "a policy that knows the file is put beside the old one, and the node comes back by itself" {
    manifest 4 "reference $(digest "$perimeter/good.set") = enforced" "reference $(digest "$perimeter/next.set") = enforced"
    apply
    eventually 60 n1 tc1 tc2 tc3 -- node_is n1 live
}

@test "a node under a policy that changes is appraised again, whole, and keeps its registration" {
    local before renewal

    before=$(registration n1)
    manifest 5 "reference $(digest "$perimeter/next.set") = enforced"
    apply
    renewal=$(perimeter_json .renewal node get n1)
    eventually 20 n1 tc1 tc2 tc3 -- node_renewed_after n1 $((renewal + 1))
    [ "$(registration n1)" = "$before" ]
}

@test "rollback: under the old policy again the node is out" {
    manifest 6 "reference $(digest "$perimeter/good.set") = enforced"
    apply
    eventually 20 n1 tc1 tc2 tc3 -- node_is n1 quarantined
    [ "$(perimeter_json .reason node get n1)" = file-not-allowed ]
}

@test "a set that has ended accepts nobody, and that is said" {
    manifest 7 "reference $(digest "$perimeter/good.set") = 2026-01-01T00:00:00Z"
    apply
    process_end n1
    : >"$run/n1.log"
    perimeter_start n1
    eventually 20 n1 tc1 tc2 tc3 -- refused n1 policy-missing
    grep -q 'has ended' "$run/n1.log"
    run -3 perimeter_ctl node explain n1
}
