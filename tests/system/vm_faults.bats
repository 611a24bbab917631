#!/usr/bin/env bats
# Leader, agent, launcher and QEMU that are killed or frozen while a VM is launched: it runs exactly once, or it does not
# run and that is said; nothing that was answered is lost. Three members, two nodes with launchers, real QEMU.
# The tests of this file build on each other: one perimeter lives through all of them.
#
# What holds a moment still: the disk that the image lies on waits while a file is there (an order was taken, its image
# is fetched); a QEMU that is stopped as soon as it is seen has not been granted anything; followers that are stopped
# commit nothing.

load_support() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    perimeter_lease=8s
    perimeter_accelerator=tcg
    perimeter_vm_memory_mib=4096
}

setup_file() {
    load_support
    [ "$(id -u)" = 0 ] || return 0
    cluster_with_launchers 745000
    customer_user_make
    truncate -s 1M "$perimeter/raw"
    perimeter_step customer image seal "$perimeter/raw" --out "$perimeter/image" --vcpu 1 --memory 32M
    perimeter_slow_images
}

teardown_file() {
    load_support
    [ ! -f "$perimeter_place" ] || perimeter_finish
}

setup() {
    load_support
    [ "$(id -u)" = 0 ] || skip "the launcher needs root"
    rm -f "$perimeter/doubled"
}

# A test that failed leaves nothing frozen, held or dead.
teardown() {
    local name

    [ -d "${perimeter:-}" ] || return 0
    rm -f "$perimeter/hold"
    for name in $(perimeter_names member) $(perimeter_names node); do
        process_signal "$name" -CONT 2>/dev/null || true
        children "$name" nodeagent | xargs -r kill -CONT
        process_alive "$name" || {
            process_end "$name"
            perimeter_start "$name"
        }
    done
    [ ! -e "$perimeter/doubled" ] || {
        cat "$perimeter/doubled"
        return 1
    }
}

# --- perimeter ---

# The disk on which the image lies, for the nodes: it waits as long as $perimeter/hold is there.
perimeter_slow_images() {
    process_start slow-disk "$TOP_BUILDDIR/tests/support/slow_folder" "$perimeter/image" nodeagent "$perimeter/hold"
}

# launch NAME NODE: asks for a VM there; it is answered once that is committed.
launch() {
    customer vm launch "$perimeter/image" --name "$1" --require "zone=$2" -o json --timeout 20s 3>&- | jq -r .vm \
        >"$perimeter/$1.id"
    [ -s "$perimeter/$1.id" ]
}

# --- what is seen of a VM ---

# A field of its record; empty when nobody answered.
vm() {
    customer vm get "$1" -o json --timeout 2s 2>/dev/null 3>&- | jq -r ".$2" 2>/dev/null
}

# Children of a launcher by the name of their program.
children() {
    local pid

    pid=$(process_pid "$1") || return 0
    pgrep -P "$pid" -x "$2" || true
}

agent_signal() {
    kill "$2" "$(children "$1" nodeagent)"
}

# All copies of a VM, on whatever node; that there are never two is checked at each look.
copies() {
    local found

    found=$(pgrep -f -- "-name tccp-$(cut -c 1-8 "$perimeter/$1.id") " || true)
    [ "$(grep -c . <<<"$found")" -le 1 ] || printf '%s had two copies: %s\n' "$1" "$found" >>"$perimeter/doubled"
    printf '%s' "$found"
}

copy_exists() {
    [ -n "$(copies "$1")" ]
}

runs_once() {
    vm_is "$1" running && [ "$(copies "$1" | grep -c .)" = 1 ]
}

# Not at all, and reported so.
is_lost() {
    vm_is "$1" lost && [ -n "$(vm "$1" detail)" ] && ! copy_exists "$1"
}

readopted() {
    runs_once "$1" && [ "$(vm "$1" generation)" -gt "$2" ]
}

# The node has taken an order, and fetches the image.
is_ordered() {
    grep -q "vm-ordered vm=$(cut -c 1-8 "$perimeter/$2.id")" "$run/$1.log"
}

no_overlay() {
    [ -z "$(ls -A "$perimeter/$1/state/vms")" ]
}

# hold NAME NODE: launches it, and holds it where its image is fetched.
hold() {
    : >"$perimeter/hold"
    launch "$1" "$2"
    eventually 10 tc1 tc2 tc3 "$2" -- is_ordered "$2" "$1"
    vm_is "$1" launching
}

release() {
    rm -f "$perimeter/hold"
}

# seize NAME NODE: launches it, and stops its QEMU as soon as it is there.
seize() {
    local log line='' tail

    hold "$1" "$2"
    # Its log says so within a moment; looking for the process would take longer than it takes to be granted.
    exec {log}< <(exec tail -n 0 -f "$run/$2.log" 3>&-)
    tail=$!
    release
    while read -r -t 20 -u "$log" line && [[ $line != *" vm-started "* ]]; do :; done
    kill -STOP "${line##*pid=}"
    exec {log}<&-
    kill "$tail"
    printf '%s' "${line##*pid=}"
}

# It ends as its customer asks, wherever it is by now; so the next one has the nodes for itself.
clear() {
    if ! vm_is "$1" lost; then
        eventually 15 tc1 tc2 tc3 -- customer vm stop "$1" --wait --timeout 10s
        eventually 15 tc1 tc2 tc3 n1 n2 -- vm_is "$1" stopped
    fi
    eventually 5 -- refute copy_exists "$1"
    customer vm delete "$1" --yes --wait --timeout 10s
}

come_back() {
    process_end "$1"
    perimeter_start "$1"
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
    eventually 10 tc1 tc2 tc3 -- digests_agree
}

# A launcher that was killed took its agent and its QEMUs along.
node_comes_back() {
    local before

    before=$(perimeter_json .registration node get "$1")
    eventually 5 -- session_is_empty "$1"
    process_end "$1"
    perimeter_start "$1"
    registered_after() {
        local now

        now=$(perimeter_json .registration node get "$1")
        [ -n "$now" ] && [ "$now" -gt "$2" ] && node_is "$1" live
    }
    eventually 20 "$1" tc1 tc2 tc3 -- registered_after "$1" "$before"
}

session_is_empty() {
    [ -z "$(process_session "$1")" ]
}

# --- while the image is fetched ---

@test "the leader is killed while the image is fetched: the next one has the VM run once" {
    local old

    hold a1 n1
    old=$(leader)
    process_signal "$old" -KILL
    eventually 15 tc1 tc2 tc3 -- others_lead "$old"
    release
    eventually 20 tc1 tc2 tc3 n1 -- runs_once a1
    come_back "$old"
    runs_once a1
    clear a1
}

@test "the leader is frozen while the image is fetched, and wakes: the VM runs once" {
    local old

    hold a2 n1
    old=$(leader)
    process_signal "$old" -STOP
    eventually 15 tc1 tc2 tc3 -- others_lead "$old"
    release
    eventually 20 tc1 tc2 tc3 n1 -- runs_once a2
    process_signal "$old" -CONT
    eventually 10 tc1 tc2 tc3 -- digests_agree
    runs_once a2
    clear a2
}

@test "an agent is killed while it fetches the image: the VM never runs, that is said, and nothing is left" {
    hold a3 n1
    agent_signal n1 -KILL
    eventually 20 n1 tc1 tc2 tc3 -- is_lost a3
    release
    no_overlay n1
    clear a3
}

@test "an agent is frozen while it fetches the image, and wakes: the VM runs once" {
    hold a4 n1
    agent_signal n1 -STOP
    release
    refute copy_exists a4
    agent_signal n1 -CONT
    eventually 20 n1 tc1 tc2 tc3 -- runs_once a4
    clear a4
}

@test "a launcher is frozen while the image is fetched, and wakes: the VM runs once" {
    hold a5 n1
    process_signal n1 -STOP
    release
    vm_is a5 launching
    refute copy_exists a5
    process_signal n1 -CONT
    eventually 20 n1 tc1 tc2 tc3 -- runs_once a5
    clear a5
}

@test "a launcher is killed while the image is fetched: the VM never runs, and that is said" {
    hold a6 n1
    process_signal n1 -KILL
    release
    node_comes_back n1
    eventually 10 n1 tc1 tc2 tc3 -- is_lost a6
    no_overlay n1
    clear a6
}

# --- between QEMU's start and its grant ---

@test "QEMU is killed before its guest runs: the VM does not run, and that is said" {
    local qemu

    qemu=$(seize b1 n1)
    kill -KILL "$qemu"
    eventually 15 n1 tc1 tc2 tc3 -- is_lost b1
    clear b1
}

@test "QEMU is frozen before its guest runs, and wakes: the VM runs once" {
    local qemu

    qemu=$(seize b2 n1)
    refute vm_is b2 lost
    kill -CONT "$qemu"
    eventually 20 n1 tc1 tc2 tc3 -- runs_once b2
    [ "$(copies b2)" = "$qemu" ]
    clear b2
}

@test "an agent is killed when QEMU has just started: half a VM does not survive it" {
    local qemu

    qemu=$(seize b3 n1)
    agent_signal n1 -KILL
    # Where its grant was there before us, it had begun to run, and goes on.
    decided() {
        is_lost b3 || { grep -q "vm-granted vm=$(cut -c 1-8 "$perimeter/b3.id")" "$run/n1.log" &&
            kill -CONT "$qemu" && runs_once b3; }
    }
    eventually 20 n1 tc1 tc2 tc3 -- decided
    clear b3
    refute pid_alive "$qemu"
}

@test "a launcher is killed when QEMU has just started: QEMU goes with it, and that is said" {
    local qemu

    qemu=$(seize b4 n1)
    process_signal n1 -KILL
    # Stopped before it became QEMU, and before it asked to end with its launcher: it sees that as soon as it runs.
    if [[ $(readlink "/proc/$qemu/exe") == */tccp-launcher ]]; then
        kill -CONT "$qemu"
    fi
    eventually 5 -- refute pid_alive "$qemu"
    node_comes_back n1
    eventually 10 n1 tc1 tc2 tc3 -- is_lost b4
    clear b4
}

@test "the leader is killed when QEMU has just started: the VM runs once under the next one" {
    local old qemu

    qemu=$(seize b5 n1)
    old=$(leader)
    process_signal "$old" -KILL
    eventually 15 tc1 tc2 tc3 -- others_lead "$old"
    kill -CONT "$qemu"
    eventually 20 n1 tc1 tc2 tc3 -- runs_once b5
    [ "$(copies b5)" = "$qemu" ]
    come_back "$old"
    clear b5
}

# --- while it runs ---

@test "a VM that runs outlives the leader, its agent and a frozen launcher, and not its QEMU" {
    local old qemu generation

    launch c1 n2
    eventually 20 n2 tc1 tc2 tc3 -- runs_once c1
    qemu=$(copies c1)

    old=$(leader)
    process_signal "$old" -KILL
    eventually 15 tc1 tc2 tc3 -- others_lead "$old"
    come_back "$old"
    eventually 10 n2 tc1 tc2 tc3 -- runs_once c1

    generation=$(vm c1 generation)
    agent_signal n2 -KILL
    eventually 20 n2 tc1 tc2 tc3 -- readopted c1 "$generation"

    # Frozen beyond its lease: it registers anew, and finds its VM again.
    generation=$(vm c1 generation)
    agent_signal n2 -STOP
    eventually 20 n2 tc1 tc2 tc3 -- node_is n2 expired
    agent_signal n2 -CONT
    eventually 20 n2 tc1 tc2 tc3 -- readopted c1 "$generation"

    process_signal n2 -STOP
    eventually 10 n2 tc1 tc2 tc3 -- node_renewed_after n2 "$(perimeter_json .renewal node get n2)"
    process_signal n2 -CONT
    runs_once c1
    [ "$(copies c1)" = "$qemu" ]

    kill -STOP "$qemu"
    kill -CONT "$qemu"
    runs_once c1
    kill -KILL "$qemu"
    eventually 10 n2 tc1 tc2 tc3 -- is_lost c1
    clear c1
}

@test "a launcher is killed under a running VM: it is gone at once, and that is said" {
    local qemu

    launch c2 n2
    eventually 20 n2 tc1 tc2 tc3 -- runs_once c2
    qemu=$(copies c2)
    process_signal n2 -KILL
    eventually 5 -- refute pid_alive "$qemu"
    node_comes_back n2
    eventually 10 n2 tc1 tc2 tc3 -- is_lost c2
    clear c2
}

# --- requests on their way ---

@test "leader after leader is killed while VMs are launched: no answered launch is lost, each VM runs once" {
    local old name list i j

    : >"$perimeter/answered"
    # Somebody of those who ask has reached the leader, or was answered before we saw it.
    asked() {
        ss -Htnp state established "dport = :$(perimeter_port "$1" 3)" | grep -q '"tccpctl"' ||
            [ "$(wc -l <"$perimeter/answered")" -gt "$2" ]
    }
    answers() { [ "$(jobs -r | grep -c .)" = 0 ]; }
    for ((i = 1; i <= 3; i++)); do
        old=$(leader)
        for ((j = 1; j <= 2; j++)); do
            { launch "d$i$j" "n$j" 2>>"$perimeter/launches.errors" && echo "d$i$j" >>"$perimeter/answered"; } 3>&- &
        done
        eventually 10 tc1 tc2 tc3 -- asked "$old" $((2 * i - 2))
        process_signal "$old" -KILL
        eventually 30 tc1 tc2 tc3 -- answers
        wait
        come_back "$old"
    done
    list=$(customer vm list -o json --timeout 10s | jq -r '.[].name')
    echo "answered: $(xargs <"$perimeter/answered"); there are: $(xargs <<<"$list")"
    # With a new leader within their patience, all of them are answered.
    [ "$(wc -l <"$perimeter/answered")" = 6 ]
    [ "$(sort "$perimeter/answered")" = "$(sort <<<"$list")" ]
    for name in $list; do
        eventually 30 n1 n2 tc1 tc2 tc3 -- runs_once "$name"
    done
    # Nor does any run that there is no record of.
    [ "$({ children n1 qemu-system-x86; children n2 qemu-system-x86; } | grep -c .)" = 6 ]
    for name in $list; do
        customer vm stop "$name" --wait --timeout 10s
    done
    for name in $list; do
        eventually 20 n1 n2 tc1 tc2 tc3 -- vm_is "$name" stopped
        refute copy_exists "$name"
    done
}

@test "a leader that was frozen with a launch before it wakes after the node's revocation: it releases no key" {
    local old ordered

    # Its answer is outstanding: whoever leads has it pending.
    hold e1 n2
    old=$(leader)
    process_signal "$old" -STOP
    eventually 15 tc1 tc2 tc3 -- others_lead "$old"
    perimeter_ctl node revoke n2 --reason "while the leader sleeps" --yes --wait --timeout 15s
    ordered=$(grep -c vm-ordered "$run/n2.log")
    process_signal "$old" -CONT
    eventually 10 tc1 tc2 tc3 -- digests_agree
    eventually 10 n2 -- perimeter_logged n2 node-revoked
    release
    [ "$(grep -c vm-ordered "$run/n2.log")" = "$ordered" ]
    eventually 10 n2 -- refute copy_exists e1
    refute vm_is e1 running
}
