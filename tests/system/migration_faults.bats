#!/usr/bin/env bats
# Processes that are killed or frozen while a VM moves: whatever happens, it runs once, or is gone and reported so.
#
# A test is a moment of the migration; in it, every process that takes part is hit in turn. What holds a moment still
# is a process that is stopped: coordinators that do not follow commit nothing, an agent that sleeps takes no decision.
# With TCCP_CHECK_LEVEL=all each process is also frozen and woken, and not only killed.

load_support() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    perimeter_lease=8s
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

teardown() {
    local name

    for name in $(perimeter_names member) $(perimeter_names node); do
        process_signal "$name" -CONT 2>/dev/null || true
        pkill -CONT -P "$(process_pid "$name")" 2>/dev/null || true
    done
    rm -f "$perimeter/watching"
}

# --- who is hit ---

source_node=n1
destination_node=n2

agent_of() {
    pgrep -P "$(process_pid "$1")" -x nodeagent
}

# The pid of a role in the migration; for members the leader of now.
victim_pid() {
    case $1 in
    leader) process_pid "$(leader)" ;;
    source-agent) agent_of $source_node ;;
    source-launcher) process_pid $source_node ;;
    source-qemu) perimeter_qemus $source_node | head -n 1 ;;
    destination-agent) agent_of $destination_node ;;
    destination-launcher) process_pid $destination_node ;;
    destination-qemu) perimeter_qemus $destination_node | head -n 1 ;;
    esac
}

# What a supervisor would start again is started again.
restart_dead() {
    local name

    for name in $(perimeter_names member) $(perimeter_names node); do
        process_alive "$name" || {
            process_end "$name"
            perimeter_start "$name"
        }
    done
}

# hit VICTIM: kills it, or freezes it for a while.
hit() {
    local pid

    pid=$(victim_pid "$1") && [ -n "$pid" ] || return 0
    if [ "$how" = kill ]; then
        kill -KILL "$pid"
    else
        kill -STOP "$pid"
        sleep 2 # How long it is frozen is the fault itself.
        kill -CONT "$pid"
    fi
}

# --- what must hold ---

# Copies whose guests count on, now and a moment later: where one hands over to the other in between, neither does both.
# A guest that runs counts five times a second, on an idle machine.
running_copies() {
    local moment node number count=0
    local -A counted=() grew=()

    for moment in 0 1 2; do
        [ "$moment" = 0 ] || sleep 0.6 # Time in which a guest that runs counts.
        for node in n1 n2; do
            number=$(perimeter_guest_count "$node") && [ -n "$number" ] || number=0
            [ "${counted[$node]:-0}" = 0 ] || [ "$number" -le "${counted[$node]}" ] ||
                grew[$node]=$((${grew[$node]:-0} + 1))
            counted[$node]=$number
        done
    done
    for node in n1 n2; do
        [ "${grew[$node]:-0}" -lt 2 ] || count=$((count + 1))
    done
    printf '%d' "$count"
}

# Looks all the time whether two copies run at once.
watch_copies() {
    : >"$perimeter/watching"
    : >"$perimeter/watch.log"
    while [ -e "$perimeter/watching" ]; do
        running_copies >>"$perimeter/watch.log" 2>/dev/null
    done
}

never_two() {
    refute grep -q 2 "$perimeter/watch.log"
}

runs_once() {
    vm_is "$vm" running && [ "$(running_copies)" = 1 ] &&
        [ "$(($(perimeter_qemus n1 | grep -c .) + $(perimeter_qemus n2 | grep -c .)))" = 1 ]
}

is_gone() {
    [[ $(perimeter_json .state vm get "$vm") == @(lost|stopped) ]] && [ "$(running_copies)" = 0 ]
}

settled() {
    restart_dead
    runs_once || is_gone
}

# --- a VM on the source, and a migration that has come so far ---

vm_number=0

source_has_vm() {
    local node

    if [ -f "$perimeter/vm" ]; then
        vm=$(cat "$perimeter/vm")
        if vm_is "$vm" running; then
            node=$(perimeter_json .node vm get "$vm")
            source_node=$node
            destination_node=n1
            [ "$node" = n2 ] || destination_node=n2
            eventually 20 n1 n2 -- node_is "$destination_node" live
            return 0
        fi
    fi
    source_node=n1
    destination_node=n2
    eventually 30 n1 -- node_is n1 live
    eventually 30 n2 -- node_is n2 live
    vm=vm-$RANDOM$RANDOM
    customer vm launch "$perimeter/image" --name "$vm" --node n1 --may-migrate --wait --timeout 60s >/dev/null 2>&1
    printf '%s' "$vm" >"$perimeter/vm"
    eventually 60 n1 -- counts_above n1 2
}

log_has() {
    tail -c "+$(($(cat "$perimeter/mark.$1") + 1))" "$run/$1.log" | grep -q -- "$2"
}

begin() {
    local node

    for node in n1 n2; do
        stat -c %s "$run/$node.log" >"$perimeter/mark.$node"
    done
    # What an earlier one left is to be destroyed first.
    eventually 20 tc1 tc2 tc3 n1 n2 -- migration_begun
}

migration_begun() {
    perimeter_ctl vm migrate "$vm" --node "$destination_node" --timeout 20s >/dev/null 2>&1
}

followers_signal() {
    local name leading=$1

    for name in $(perimeter_names member); do
        [ "$name" = "$leading" ] || process_signal "$name" "$2"
    done
}

# at MOMENT VICTIM: hits it then.
at() {
    local moment=$1 victim=$2 leading agent

    case $moment in
    ticket)
        begin
        eventually 10 n1 n2 -- log_has $source_node migration-ticket
        hit "$victim"
        ;;
    transfer)
        begin
        eventually 20 n1 n2 -- log_has $source_node migration-begins
        hit "$victim"
        ;;
    frozen)
        # Both sides are complete, and the decision cannot be made.
        leading=$(leader)
        begin
        eventually 20 n1 n2 -- log_has $source_node migration-begins
        followers_signal "$leading" -STOP
        eventually 20 n1 n2 -- log_has $source_node migration-complete
        eventually 20 n1 n2 -- log_has $destination_node migration-complete
        [ "$victim" != leader ] || victim_leader=$leading
        if [ "$victim" = leader ]; then
            kill "-$([ "$how" = kill ] && echo KILL || echo STOP)" "$(process_pid "$leading")"
        else
            hit "$victim"
        fi
        followers_signal "$leading" -CONT
        [ "$how" = kill ] || process_signal "$leading" -CONT || true
        ;;
    decided)
        # It was given to the destination, whose agent does not hear it.
        begin
        eventually 20 n1 n2 -- log_has $destination_node migration-complete
        agent=$(agent_of $destination_node)
        kill -STOP "$agent"
        eventually 10 n1 n2 -- log_has $source_node migration-complete
        hit "$victim"
        kill -CONT "$agent" 2>/dev/null || true
        ;;
    esac
}

victims=(leader source-agent source-launcher source-qemu destination-agent destination-launcher destination-qemu)

# every_victim MOMENT HOW
every_victim() {
    local victim watcher

    how=$2
    for victim in "${victims[@]}"; do
        echo "== $1: $how $victim"
        source_has_vm
        watch_copies 3>&- &
        watcher=$!
        at "$1" "$victim"
        eventually 60 tc1 tc2 tc3 n1 n2 -- settled || {
            perimeter_ctl vm get "$vm" -o json
            echo "copies that run: $(running_copies); QEMUs: n1 $(perimeter_qemus n1 | xargs), n2 $(perimeter_qemus n2 | xargs)"
            return 1
        }
        rm -f "$perimeter/watching"
        wait "$watcher" || true
        never_two
        # Who holds the only copy may take it along; nobody else may.
        if is_gone; then
            [[ $victim == *-qemu || $victim == *-launcher ]]
            rm -f "$perimeter/vm"
        fi
        echo "   $(perimeter_json '"\(.state) on \(.node): \(.detail)"' vm get "$vm")"
    done
}

@test "killed when the ticket came" {
    every_victim ticket kill
}

@test "killed while the memory goes over" {
    every_victim transfer kill
}

@test "killed when both sides are frozen and nothing is decided" {
    every_victim frozen kill
}

@test "killed when the VM was given to the destination, before it knows" {
    every_victim decided kill
}

@test "frozen and woken at each of these moments" {
    [ "${TCCP_CHECK_LEVEL:-}" = all ] || victims=(leader source-agent destination-agent)
    every_victim transfer freeze
    every_victim frozen freeze
    [ "${TCCP_CHECK_LEVEL:-}" = all ] || return 0
    every_victim ticket freeze
    every_victim decided freeze
}
