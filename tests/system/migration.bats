#!/usr/bin/env bats
# A VM that moves between two nodes, through all programs: three members, two nodes with launchers, real QEMU, a guest
# that counts. The tests of this file build on each other: one perimeter, and one VM, live through all of them.

load_support() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    # Longer than a test needs, so that a busy machine loses no lease.
    perimeter_lease=20s
    perimeter_accelerator=tcg
}

setup_file() {
    load_support
    [ "$(id -u)" = 0 ] || return 0
    cluster_with_launchers 741000
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

has_registered() {
    local now

    now=$(perimeter_json .registration node get "$1") && [ -n "$now" ] && [ "$now" -gt "$2" ] && node_is "$1" live
}

@test "a VM whose policy does not allow it is not migrated" {
    customer vm launch "$perimeter/image" --name stays --node n1 --wait --timeout 60s
    run -1 customer vm migrate stays
    [[ $output == *"policy forbids migration"* ]]
    customer vm stop stays --wait
    eventually 20 n1 -- vm_is stays stopped
    qemu_count n1 0
}

@test "a VM moves to the other node while it counts, and nothing of it is left behind" {
    local counted

    customer vm launch "$perimeter/image" --name web --node n1 --may-migrate --wait --timeout 60s
    eventually 60 n1 -- counts_above n1 3
    [ -e "$perimeter/shared/$(vm_id web).1" ]
    counted=$(perimeter_guest_count n1)
    run -0 perimeter_ctl vm migrate web --node n2 --wait --timeout 60s
    echo "$output"
    [[ $output == *n2* ]]
    vm_is web running
    [ "$(perimeter_json .node vm get web)" = n2 ]
    eventually 20 n1 n2 -- counts_above n2 "$counted"
    qemu_count n2 1
    eventually 20 n1 n2 -- qemu_count n1 0
    # It was not booted: its state came.
    grep -qz incoming "/proc/$(perimeter_qemus n2)/cmdline"
    [ "$(ls "$perimeter/shared")" = "$(vm_id web).1" ]
}

@test "it moves back, to the node that the coordinator picks, as its customer asks" {
    local counted

    counted=$(perimeter_guest_count n2)
    run -0 customer vm migrate web --wait --timeout 60s
    # The customer sees no names of nodes.
    [[ $output != *n1* ]]
    vm_is web running
    [ "$(perimeter_json .node vm get web)" = n1 ]
    eventually 20 n1 n2 -- counts_above n1 "$counted"
    eventually 20 n1 n2 -- qemu_count n2 0
    qemu_count n1 1
}

@test "no key of the VM, of a node or of the cluster is in a file, log, argument or environment of either node" {
    local name pid pids places=("$perimeter")

    for pid in $(perimeter_pids); do
        places+=("/proc/$pid/cmdline" "/proc/$pid/environ")
    done
    pids=$(process_pid tc1),$(process_pid tc2),$(process_pid tc3)
    for name in n1 n2; do
        pids+=,$(pgrep -P "$(process_pid "$name")" -x nodeagent)
    done
    run -0 "$TOP_BUILDDIR/tests/support/secret_scan" -k "$perimeter/image/vm.key" -v "$(vm_id web):1" -x vm.key "$pids" \
        "${places[@]}"
    echo "$output"
}

# The proof that the coordinator gives speaks of the node that runs the VM now.
proved_where_it_is()
{
    customer vm proof get "$perimeter/image/web.launch" --wait --timeout 30s -o json |
        jq -e --argjson vm "$(customer vm get web -o json)" \
            '.pseudonym == $vm.pseudonym and .generation == $vm.generation'
    perimeter_tool vm proof verify "$perimeter/image/web.proof" --perimeter "$(cat "$perimeter/id")"
    vm_is web running
}

@test "the proof of its launch still verifies, wherever it runs" {
    perimeter_tool vm proof verify "$perimeter/image/web.proof" --perimeter "$(cat "$perimeter/id")"
}

@test "the node that it came to proves that it runs it, and again to a leader who was not there" {
    local old

    proved_where_it_is
    old=$(leader)
    perimeter_ctl cluster step-down
    eventually 20 tc1 tc2 tc3 -- others_lead "$old"
    proved_where_it_is
}

@test "it is not migrated to where it is, to a node that is cordoned, or to one without a lease" {
    run ! perimeter_ctl vm migrate web --node n1
    [[ $output == *"there already"* ]]
    perimeter_ctl node cordon n2
    run ! perimeter_ctl vm migrate web --wait
    echo "$output"
    [[ $output == *"no other live node"* ]]
    perimeter_ctl node uncordon n2
    process_end n2
    eventually 60 n2 tc1 -- node_is n2 expired
    run ! perimeter_ctl vm migrate web --node n2
    echo "$output"
    [[ $output == *lease* ]]
    vm_is web running
    perimeter_start n2
    eventually 20 n2 tc1 -- node_is n2 live
}

@test "a node whose disks are not shared says so, and the VM runs on where it is" {
    local before

    before=$(perimeter_json .registration node get n2)
    sed -i '/^shared-directory/d' "$perimeter/n2/nodeagent.conf"
    process_end n2
    perimeter_start n2
    eventually 30 n2 tc1 -- has_registered n2 "$before"
    run ! perimeter_ctl vm migrate web --node n2 --wait --timeout 60s
    echo "$output"
    [[ $output == *shared-directory* ]]
    eventually 20 n1 n2 -- vm_is web running
    eventually 20 n1 n2 -- counts_above n1 "$(perimeter_guest_count n1)"
    eventually 20 n1 n2 -- qemu_count n2 0
    perimeter_configure_node n2
    before=$(perimeter_json .registration node get n2)
    process_end n2
    perimeter_start n2
    eventually 30 n2 tc1 -- has_registered n2 "$before"
    run -0 perimeter_ctl vm migrate web --node n2 --wait --timeout 60s
    eventually 20 n1 n2 -- qemu_count n1 0
}

@test "a VM that is stopped after a migration takes its disk with it" {
    customer vm stop web --wait
    eventually 20 n2 -- vm_is web stopped
    qemu_count n2 0
    [ -z "$(ls "$perimeter/shared")" ]
}
