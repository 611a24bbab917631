#!/usr/bin/env bats
# nodeagent as an administrator meets it: its errors are one clear line, and it ends as it should.

setup() {
    bats_require_minimum_version 1.5.0
    source "$TOP_SRCDIR/tests/support/swtpm.sh"
    work=$(mktemp -d /tmp/tccp.XXXXXX)
    agent=$TOP_BUILDDIR/nodeagent/nodeagent
    cat >"$work/conf" <<END
perimeter = "tccp1-$(printf 'a%.0s' {1..51})a"
coordinators = {"127.0.0.1:1"}
state-directory = "$work/state"
tcti = "$(swtpm_tcti "$work/tpm")"
development = true
END
}

teardown() {
    [ -z "${run:-}" ] || [ ! -d "$work/run" ] || processes_end
    swtpm_stop "$work/tpm"
    rm -rf "$work"
}

# One line, and it names what is wrong.
complains() {
    # shellcheck disable=SC2154  # bats sets it
    [ "$(printf '%s\n' "$stderr" | grep -c '^nodeagent: ')" -eq 1 ]
    [[ $stderr == *"$1"* ]]
}

@test "a missing configuration is named" {
    run -1 --separate-stderr "$agent" -c "$work/none"
    complains "$work/none"
}

@test "a wrong option is wrong usage" {
    run -64 --separate-stderr "$agent" --no-such-option
    run -64 --separate-stderr "$agent" argument
}

@test "what is wrong in the configuration is named with its line" {
    sed -i 's/^coordinators.*/coordinators = {"nowhere"}/' "$work/conf"
    run -1 --separate-stderr "$agent" -c "$work/conf"
    complains "conf:2"
    complains "nowhere"
    sed -i 's/^perimeter.*/perimeter = "tccp1-x"/; s/"nowhere"/"a:1"/' "$work/conf"
    run -1 --separate-stderr "$agent" -c "$work/conf"
    complains "conf:1"
    echo 'unknown = 1' >>"$work/conf"
    run -1 --separate-stderr "$agent" -c "$work/conf"
    complains "unknown"
}

@test "what is no TPM is not opened as one: neither a file, nor a command, nor a library" {
    local tcti
    cp "$work/conf" "$work/file"
    for tcti in "device:$work/file" "cmd:touch $work/ran" "$work/evil.so" "device:/dev/tpm0"; do
        sed -i "s|^tcti.*|tcti = \"$tcti\"|" "$work/conf"
        run -1 --separate-stderr "$agent" -c "$work/conf"
        complains "conf:4"
        complains "device:/dev/tpmrm0"
        run -1 --separate-stderr "$agent" --show-identity --tcti "$tcti"
        complains "device:/dev/tpmrm0"
    done
    [ ! -e "$work/ran" ]
    cmp "$work/file" <(sed "s|^tcti.*|tcti = \"$(swtpm_tcti "$work/tpm")\"|" "$work/conf")
}

@test "a machine without the device of a TPM is told so in one line" {
    sed -i 's|^tcti.*|tcti = "device:/dev/tpmrm9999"|' "$work/conf"
    run -1 --separate-stderr "$agent" -c "$work/conf"
    complains "there is no device /dev/tpmrm9999"
    [ "$(printf '%s\n' "$stderr" | wc -l)" = 1 ]
}

@test "a machine without a TPM is told so" {
    run -1 --separate-stderr "$agent" -c "$work/conf"
    complains "TPM"
    run -1 --separate-stderr "$agent" --show-identity -c "$work/conf"
    complains "TPM"
}

@test "a coordinator that cannot be reached ends --try with its own exit code" {
    swtpm_create "$work/tpm" "$work/ca" p256
    swtpm_start "$work/tpm"
    run -2 --separate-stderr timeout 20 "$agent" --try -c "$work/conf"
    complains "127.0.0.1:1"
}

@test "a state directory that cannot be made is named" {
    swtpm_create "$work/tpm" "$work/ca" p256
    swtpm_start "$work/tpm"
    sed -i 's/^state-directory.*/state-directory = "\/proc\/none"/' "$work/conf"
    run -1 --separate-stderr "$agent" -c "$work/conf"
    complains "/proc/none"
}

@test "a damaged memory of the perimeter is named" {
    swtpm_create "$work/tpm" "$work/ca" p256
    swtpm_start "$work/tpm"
    mkdir "$work/state"
    echo rubbish >"$work/state/perimeter-memory"
    run -1 --separate-stderr "$agent" -c "$work/conf"
    complains "perimeter-memory"
}

@test "the identity is an entry of a manifest" {
    swtpm_create "$work/tpm" "$work/ca" p256
    swtpm_start "$work/tpm"
    run -0 --separate-stderr "$agent" --show-identity -c "$work/conf"
    [[ ${lines[0]} == "node NAME {" ]]
    [[ ${lines[1]} =~ ^\ +ek\ =\ 000b[0-9a-f]{64}$ ]]
    by_config=$output
    run -0 --separate-stderr "$agent" --show-identity --tcti "$(swtpm_tcti "$work/tpm")"
    [ "$output" = "$by_config" ]
}

@test "it runs without a coordinator, keeps its memory to itself, and ends when asked" {
    swtpm_create "$work/tpm" "$work/ca" p256
    swtpm_start "$work/tpm"
    "$agent" -c "$work/conf" 2>"$work/log" 3>&- &
    pid=$!
    for _ in {1..100}; do
        grep -qs coordinator-connection-lost "$work/log" && break
        sleep 0.05
    done
    grep -q coordinator-connection-lost "$work/log"
    # Not even its own user may trace or dump it.
    [ "$(stat -c %U "/proc/$pid/environ")" = root ]
    [ "$(awk '/^Max core file size/ {print $5}' "/proc/$pid/limits")" = 0 ]
    grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
    kill "$pid"
    # Not by `run`: its subshell is not the parent. A status other than 0 fails the test.
    wait "$pid"
}

# --- under its launcher ---

launcher_begin() {
    [ "$(id -u)" = 0 ] || skip "the launcher needs root"
    run=$work/run
    # shellcheck source=tests/support/processes.sh
    source "$TOP_SRCDIR/tests/support/processes.sh"
    cat >"$work/launcher.conf" <<END
perimeter = "tccp1-$(printf 'a%.0s' {1..51})a"
agent = {"$(realpath "$agent")"}
agent-config = "$work/conf"
agent-user = "${1:-root}"
memory-mib-max = 64
END
}

refute() {
    if "$@"; then
        return 1
    fi
}

launcher_start() {
    process_start launcher "$TOP_BUILDDIR/nodeagent/launcher/tccp-launcher" --config="$work/launcher.conf"
}

agent_pid() {
    pgrep -P "$(process_pid launcher)" -x nodeagent
}

@test "an agent of a launcher is given its configuration, and opens no other" {
    launcher_begin
    run -1 --separate-stderr env TCCP_LAUNCHER_FD= TCCP_CONFIG_FD=3 "$agent" -c "$work/none"
    complains "$work/none"
    sed -i "s|^agent = .*|agent = {\"$(realpath "$agent")\", \"--config=$work/conf\"}|" "$work/launcher.conf"
    run -1 --separate-stderr "$TOP_BUILDDIR/nodeagent/launcher/tccp-launcher" --config="$work/launcher.conf"
    [[ $stderr == *launcher.conf:2*agent-config* ]]
}

@test "the bytes that the launcher read count: neither the agent's rights nor a later change of the file" {
    launcher_begin
    swtpm_create "$work/tpm" "$work/ca" p256
    swtpm_start "$work/tpm"
    launcher_start
    wait_until 10 grep -qs coordinator-connection-lost "$work/run/launcher.log"
    before=$(agent_pid)
    [ -d "$work/state" ]
    # The file is not what it was: the agent that runs is not concerned, the next one is.
    sed -i 's/^coordinators.*/coordinators = {"nowhere"}/' "$work/conf"
    sleep 1
    [ "$(agent_pid)" = "$before" ]
    refute grep -q "nowhere" "$work/run/launcher.log"
    kill -KILL "$before"
    wait_until 10 grep -q "nodeagent: $work/conf:2: .*nowhere" "$work/run/launcher.log"
    # And one that is gone is said to be, by the launcher, until it is there again.
    mv "$work/conf" "$work/away"
    wait_until 15 grep -q "agent-not-started step=\"$work/conf\" error=\"No such file" "$work/run/launcher.log"
    sed 's/^coordinators.*/coordinators = {"127.0.0.1:1"}/' "$work/away" >"$work/conf"
    : >"$work/run/launcher.log"
    wait_until 25 grep -qs coordinator-connection-lost "$work/run/launcher.log"
    process_end launcher
}

@test "an agent whose user may not read the file is given it by the launcher" {
    launcher_begin nobody
    chmod 600 "$work/conf"
    launcher_start
    # It knows its folder, which stands nowhere else, and says that it may not make it.
    wait_until 10 grep -qs "nodeagent: $work/state: Permission denied" "$work/run/launcher.log"
    process_end launcher
}
