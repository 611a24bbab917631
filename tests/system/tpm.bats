#!/usr/bin/env bats
# A TPM that hangs, vanishes or is reset under a running agent, with a real coordinator: nobody is told more than a late
# renewal, the log says once what is wrong, and once that it works again. One perimeter lives through all of it.

load_support() {
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
}

setup_file() {
    load_support
    perimeter_begin
    perimeter_lease=9s
    perimeter_make 1 2
    perimeter_start tc1
    perimeter_bootstrap
    perimeter_enroll
    perimeter_start n1
    perimeter_start n2
    eventually 20 n1 tc1 -- node_is n1 live
    eventually 20 n2 tc1 -- node_is n2 live
}

teardown_file() {
    load_support
    perimeter_finish
}

setup() {
    load_support
    : >"$run/n1.log"
}

tpm_pid() {
    cat "$perimeter/tpm/n1/pid"
}

registration() {
    perimeter_json .registration node get n1
}

renewal() {
    perimeter_json .renewal node get n1
}

# So many lines of the agent's log have the event.
logged() {
    [ "$(grep -c -- " $1 " "$run/n1.log")" = "$2" ]
}

registered_after() {
    [ "$(registration)" -gt "$1" ] && node_is n1 live
}

# In the log of the member since it was so long: nothing that says a node was refused or quarantined.
tc1_is_content_since() {
    refute grep -qE 'node-refused|quarantine' <(tail -c "+$(($1 + 1))" "$run/tc1.log")
}

tc1_log_size() {
    stat -c %s "$run/tc1.log"
}

@test "a TPM that hangs for a moment costs a late renewal and nothing else" {
    local before size
    before=$(registration)
    size=$(tc1_log_size)
    kill -STOP "$(tpm_pid)"
    # Longer than until the next challenge, which comes at a third of the lease.
    sleep 5
    kill -CONT "$(tpm_pid)"
    eventually 10 n1 tc1 -- node_renewed_after n1 "$(renewal)"
    [ "$(registration)" = "$before" ]
    refute grep -qE 'coordinator-connection-lost|registration-lost|tpm-' "$run/n1.log"
    tc1_is_content_since "$size"
}

@test "a TPM that hangs for longer than the lease is reported once, and the node comes back by itself" {
    local before hellos
    before=$(registration)
    kill -STOP "$(tpm_pid)"
    eventually 20 n1 tc1 -- node_is n1 expired
    eventually 5 n1 -- logged tpm-unavailable 1
    grep -q 'tpm-unavailable.*reason=".*does not answer.*hint="' "$run/n1.log"
    # Its agent lives, does not spin, and leaves the coordinator alone.
    process_alive n1
    hellos=$(grep -c coordinator-connection-lost "$run/n1.log")
    sleep 3
    [ "$(grep -c coordinator-connection-lost "$run/n1.log")" = "$hellos" ]
    logged tpm-unavailable 1
    kill -CONT "$(tpm_pid)"
    eventually 20 n1 tc1 -- registered_after "$before"
    logged tpm-unavailable 1
    logged tpm-available 1
}

@test "an agent whose TPM hangs ends when it is told to" {
    kill -STOP "$(tpm_pid)"
    # Until it waits for the TPM.
    eventually 15 n1 -- logged tpm-unavailable 1
    process_signal n1 -TERM
    gone() { refute process_alive n1; }
    wait_until 8 gone
    kill -CONT "$(tpm_pid)"
    process_end n1
    perimeter_start n1
    eventually 20 n1 tc1 -- node_is n1 live
}

@test "a TPM that vanishes and comes back within the lease: told once, then a new registration, for it was reset" {
    local before size cpu
    before=$(registration)
    size=$(tc1_log_size)
    kill -KILL "$(tpm_pid)"
    eventually 10 n1 -- logged tpm-unavailable 1
    grep -q 'tpm-unavailable.*reason=".*hint="' "$run/n1.log"
    cpu=$(($(process_field "$(process_pid n1)" 12) + $(process_field "$(process_pid n1)" 13)))
    sleep 2
    logged tpm-unavailable 1
    # Clock ticks, a hundred a second: it waits, and does not spin.
    [ $(($(process_field "$(process_pid n1)" 12) + $(process_field "$(process_pid n1)" 13) - cpu)) -lt 60 ]
    swtpm_start "$perimeter/tpm/n1"
    eventually 20 n1 tc1 -- registered_after "$before"
    logged tpm-available 1
    logged registration-lost 1
    grep -q 'registration-lost.*reason="the TPM was reset"' "$run/n1.log"
    tc1_is_content_since "$size"
}

@test "a TPM that is gone for longer than the lease is waited for without a registration" {
    local before
    before=$(registration)
    kill -KILL "$(tpm_pid)"
    eventually 25 n1 tc1 -- node_is n1 expired
    logged tpm-unavailable 1
    swtpm_start "$perimeter/tpm/n1"
    eventually 20 n1 tc1 -- registered_after "$before"
    logged tpm-unavailable 1
    logged tpm-available 1
}

@test "a TPM that is reset has its node registered again with a new key, and nobody is refused" {
    local before size
    before=$(registration)
    size=$(tc1_log_size)
    swtpm_reset "$perimeter/tpm/n1"
    eventually 15 n1 tc1 -- registered_after "$before"
    grep -q 'registration-lost.*reason="the TPM was reset"' "$run/n1.log"
    refute grep -q 'tpm-unavailable' "$run/n1.log"
    tc1_is_content_since "$size"
}

@test "the other node noticed none of it" {
    [ "$(perimeter_json .registration node get n2)" = "$(sed -n 's/.* registered .*registration=\([0-9]*\).*/\1/p' "$run/n2.log")" ]
    refute grep -qE 'coordinator-connection-lost|registration-lost|tpm-' "$run/n2.log"
}
