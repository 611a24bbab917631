#!/usr/bin/env bats
# The ground that quickstart and the system tests stand on: what is started is found again and ended.

setup() {
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    run=$(mktemp -d)
}

teardown() {
    processes_end
    rm -rf "$run"
}

@test "a process is started, found and ended" {
    process_start sleeper sleep 600
    process_alive sleeper
    process_end sleeper
    refute process_alive sleeper
    [ -z "$(processes)" ]
}

@test "a process that ignores TERM is killed" {
    process_start stubborn bash -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
    wait_until 5 grep -q ready "$run/stubborn.log"
    process_end stubborn 1
    refute process_alive stubborn
}

@test "a process that was stopped is ended" {
    process_start frozen sleep 600
    process_signal frozen -STOP
    process_end frozen
    refute process_alive frozen
}

@test "children are ended with their parent" {
    process_start parent bash -c 'trap "" TERM; sleep 600 & echo "$!"; wait; wait'
    wait_until 5 test -s "$run/parent.log"
    child=$(cat "$run/parent.log")
    pid_alive "$child"
    process_end parent 1
    refute pid_alive "$child"
}

@test "children are ended after their parent was killed" {
    process_start parent bash -c 'sleep 600 & echo "$!"; wait'
    wait_until 5 test -s "$run/parent.log"
    child=$(cat "$run/parent.log")
    process_signal parent -KILL
    wait_until 5 refute process_alive parent
    process_end parent 1
    refute pid_alive "$child"
}

@test "a pid that belongs to somebody else by now is left alone" {
    sleep 600 3>&- &
    other=$!
    echo "$other 1" >"$run/gone.pid"
    refute process_alive gone
    process_end gone
    kill -0 "$other"
    kill "$other"
}

@test "a name that runs is not started twice" {
    process_start sleeper sleep 600
    refute process_start sleeper sleep 600
}

@test "waiting ends when the time is up" {
    refute wait_until 1 false
}

@test "free ports differ and nobody listens on them" {
    ports=$(free_ports 20)
    [ "$(sort -u <<<"$ports" | wc -l)" = 20 ]
}
