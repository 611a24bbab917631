#!/usr/bin/env bats
# What a program cannot start with: one clear line, a non-zero status, nothing half-started.

load_support() {
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
}

setup_file() {
    load_support
    perimeter_begin
    perimeter_make 1 1
}

teardown_file() {
    load_support
    perimeter_finish
}

setup() {
    load_support
    member=$perimeter/tc1
    conf=$BATS_TEST_TMPDIR/changed.conf
}

# refused PROGRAM TEXT: it ends by itself within the time, with a failure, and its last words are one line with TEXT.
refused() {
    local program=$1 text=$2 printed status=0

    printed=$(timeout 20 "$programs/$program" --config="$conf" 2>&1 </dev/null) || status=$?
    echo "status $status: $printed"
    [ "$status" != 0 ] && [ "$status" != 124 ] && [ "$status" -lt 128 ] || return 1
    # Events of the log begin with their time; besides them there is one line.
    printed=$(grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T' <<<"$printed")
    [ "$(wc -l <<<"$printed")" = 1 ] || return 1
    grep -qF -- "$text" <<<"$printed"
}

# changed FILE SED-SCRIPT: a configuration like FILE, but for one thing, and with a state folder of its own.
changed() {
    sed "s|^state-directory = .*|state-directory = \"$BATS_TEST_TMPDIR/state\"|; $2" "$1" >"$conf"
}

@test "a configuration that is not there is refused" {
    conf=$BATS_TEST_TMPDIR/none.conf
    refused tcd/tcd "none.conf"
    refused nodeagent/nodeagent "none.conf"
}

@test "an unknown key in a configuration is refused, with its line" {
    changed "$member/tcd.conf" '1i colour = "red"'
    refused tcd/tcd "changed.conf:1: "
    changed "$perimeter/n1/nodeagent.conf" '1i colour = "red"'
    refused nodeagent/nodeagent "changed.conf:1: "
}

@test "a wrong value in a configuration is refused, with its line" {
    changed "$member/tcd.conf" 's|^log-level.*|log-level = "loud"|'
    refused tcd/tcd "log-level"
    changed "$perimeter/n1/nodeagent.conf" 's|^perimeter.*|perimeter = "tccp1-short"|'
    refused nodeagent/nodeagent "perimeter"
}

@test "a machine without its TPM is refused" {
    changed "$member/tcd.conf" 's|^tcti.*|tcti = "swtpm:path=/nowhere/sock"|'
    refused tcd/tcd "TPM"
    changed "$perimeter/n1/nodeagent.conf" 's|^tcti.*|tcti = "swtpm:path=/nowhere/sock"|'
    refused nodeagent/nodeagent "TPM"
}

@test "a member without its bundle is refused" {
    changed "$member/tcd.conf" 's|^bundle.*|bundle = "/nowhere/bundle"|'
    refused tcd/tcd "/nowhere/bundle"
}

@test "a damaged bundle is refused" {
    head -c 500 "$perimeter/bundle" >"$BATS_TEST_TMPDIR/bundle"
    changed "$member/tcd.conf" "s|^bundle.*|bundle = \"$BATS_TEST_TMPDIR/bundle\"|"
    refused tcd/tcd "bundle"
}

@test "a bundle of another perimeter than the pinned one is refused" {
    changed "$member/tcd.conf" "s|^perimeter.*|perimeter = \"tccp1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"|"
    refused tcd/tcd "pinned"
}

@test "a state folder that cannot be made is refused" {
    sed 's|^state-directory = .*|state-directory = "/proc/nowhere/state"|' "$member/tcd.conf" >"$conf"
    refused tcd/tcd "/proc/nowhere/state"
}

@test "a program says its version and its help" {
    "$programs/tcd/tcd" --version | grep -q '^tcd [0-9]'
    "$programs/nodeagent/nodeagent" --version | grep -q '^nodeagent [0-9]'
    "$programs/cli/tccpctl" version | grep -q '[0-9]'
    "$programs/tcd/tcd" --help | grep -q -- --config
}

# The end of a program, as its shell tells it, when it is sent a signal while it runs. In a folder of its own, where a
# core of any size would go: crash SIGNAL LOGGED COMMAND...
crash() {
    local signal=$1 logged=$2 folder=$BATS_TEST_TMPDIR/crash

    shift 2
    rm -rf "$folder"
    mkdir -m 700 "$folder"
    # shellcheck disable=SC2016 # the inner shell's
    bash -c 'cd "$1" && ulimit -c unlimited && shift || exit; "$@" 2>>log >&2 3>&- & echo $! >pid; wait $!' crash \
        "$folder" "$@" >"$folder/end" 2>&1 3>&- &
    wait_until 20 grep -qs "$logged" "$folder/log"
    kill -"$signal" "$(cat "$folder/pid")"
    wait $! || true
    cat "$folder/end"
    find "$folder" -name 'core*'
    # An agent goes with its launcher.
    wait_until 10 refute pgrep -f "$BATS_TEST_TMPDIR/changed.conf"
}

@test "what crashes leaves no core" {
    local signal

    # Here this may be another file, or none, but the shell tells what the kernel did.
    grep -q "core dumped" <<<"$(crash SEGV begun sh -c 'echo begun; exec sleep 600')" ||
        skip "the kernel dumps nobody's core here"
    for signal in SEGV ABRT; do
        changed "$member/tcd.conf" ''
        crash "$signal" started "$programs/tcd/tcd" --config="$conf" >"$BATS_TEST_TMPDIR/end"
        grep -qE "Segmentation fault|Aborted" "$BATS_TEST_TMPDIR/end"
        refute grep core "$BATS_TEST_TMPDIR/end"
        changed "$perimeter/n1/nodeagent.conf" ''
        crash "$signal" coordinator-connection-lost "$programs/nodeagent/nodeagent" --config="$conf" \
            >"$BATS_TEST_TMPDIR/end"
        grep -qE "Segmentation fault|Aborted" "$BATS_TEST_TMPDIR/end"
        refute grep core "$BATS_TEST_TMPDIR/end"
    done
    [ "$(id -u)" = 0 ] || return 0
    perimeter_launcher n1
    # The agent has no argument of its own to be found by.
    ln -s "$(realpath "$programs")/nodeagent/nodeagent" "$BATS_TEST_TMPDIR/changed.conf.agent"
    sed "s|^agent-config.*|agent-config = \"$conf\"|; s|^agent = .*|agent = {\"$BATS_TEST_TMPDIR/changed.conf.agent\"}|" \
        "$perimeter/n1/launcher.conf" >"$BATS_TEST_TMPDIR/launcher.conf"
    crash SEGV coordinator-connection-lost "$programs/nodeagent/launcher/tccp-launcher" \
        --config="$BATS_TEST_TMPDIR/launcher.conf" >"$BATS_TEST_TMPDIR/end"
    grep -q "Segmentation fault" "$BATS_TEST_TMPDIR/end"
    refute grep core "$BATS_TEST_TMPDIR/end"
}
