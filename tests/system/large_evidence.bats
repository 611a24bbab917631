#!/usr/bin/env bats
# Logs of a host that has been up for long: a hundred thousand files, twenty megabytes, in one registration and in a
# renewal, beside a node that has nothing to show; and one log that is too long.
# The tests of this file build on each other: one perimeter with one member and two nodes lives through all of them.

load_support() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    boot_log=$TOP_BUILDDIR/tests/support/boot_log
}

file_count=100000
ima_log_size_max=$((32 << 20))

setup_file() {
    load_support
    perimeter_begin
    perimeter_make 1 2
    policy_of_n1 needs_ima_log = yes
    perimeter_manifest 2
    perimeter_sign
    host_measures_much
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

policy_of_n1() {
    {
        printf 'policy n1 {\n    pcr 0 = %s\n    pcr 7 = %s\n    needs_event_log = no\n' "$perimeter_pcr_zero" \
            "$perimeter_pcr_zero"
        printf '    %s\n' "$*"
        printf '}\n'
    } >"$perimeter/n1/policy"
}

# The log first, then its entries in the TPM, as many at a time as a command line has room for.
host_measures_much() {
    local log=$perimeter/n1/ima
    local -x TPM2TOOLS_TCTI TSS2_LOG=all+none

    "$boot_log" make "$file_count" >"$log"
    TPM2TOOLS_TCTI=$(swtpm_tcti "$perimeter/tpm/n1")
    swtpm_reset "$perimeter/tpm/n1"
    tpm2_startup -c 2>/dev/null || true
    "$boot_log" ima "$log" 0 | xargs -n 1000 tpm2_pcrextend
    sed -i "s|^ima-log = .*|ima-log = \"$log\"|" "$perimeter/n1/nodeagent.conf"
}

# How often its agent was told that it is registered.
registrations() {
    grep -c ' registered ' "$run/$1.log" || true
}

registered_more_than() {
    node_is "$1" live && [ "$(registrations "$1")" -gt "$2" ]
}

appraised_anew() {
    [ "$(perimeter_json .appraised_by node get "$1")" = current ]
}

@test "a host with a log of a hundred thousand files registers, and another one's renewals do not wait for it" {
    [ "$(stat -c %s "$perimeter/n1/ima")" -gt $((15 << 20)) ]
    perimeter_start n2
    eventually 20 n2 tc1 -- node_is n2 live
    eventually 20 n2 tc1 -- node_renewed_after n2 1
    perimeter_start n1
    eventually 30 n1 tc1 -- node_is n1 live
    [ "$(perimeter_json .verdict node get n1)" = good ]
    # It was sent once: what came before is not sent again.
    eventually 20 n1 tc1 -- node_renewed_after n1 1
    refute grep -q registration-lost "$run/n1.log" "$run/n2.log"
    refute grep -q refused-by-coordinator "$run/n1.log" "$run/n2.log"
}

@test "after a change of policy it shows all of it again, within its lease" {
    policy_of_n1 needs_ima_log = yes
    sed -i '/^}/i\    pcr 4 = '"$perimeter_pcr_zero" "$perimeter/n1/policy"
    perimeter_manifest 3
    perimeter_sign
    perimeter_step perimeter_ctl perimeter apply "$perimeter/manifest.signed"
    eventually 20 n1 tc1 -- appraised_anew n1
    [ "$(perimeter_json .verdict node get n1)" = good ]
    refute grep -q registration-lost "$run/n1.log" "$run/n2.log"
}

@test "a log that is longer than any may be is not sent, and the agent says why" {
    local before

    process_end n1
    truncate -s $((ima_log_size_max + 1)) "$perimeter/n1/ima"
    perimeter_start n1
    eventually 20 n1 tc1 -- perimeter_logged n1 'the IMA log or the event log of this boot is larger than a coordinator takes'
    # One byte less, all of it behind what was quoted, is read and sent.
    process_end n1
    before=$(registrations n1)
    truncate -s "$ima_log_size_max" "$perimeter/n1/ima"
    perimeter_start n1
    eventually 30 n1 tc1 -- registered_more_than n1 "$before"
}
