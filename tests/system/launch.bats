#!/usr/bin/env bats
# A VM from a customer's request to its end, through all programs: one member, one node with a launcher, real QEMU.
# The tests of this file build on each other: one perimeter, and one VM, live through all of them.

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
    "$TOP_SRCDIR/guest/build-guest" "$TOP_BUILDDIR/guest/demo" >&2
    perimeter_begin
    perimeter_make 1 2
    perimeter_launcher n1
    # Disks that can be filled.
    mkdir -m 700 "$perimeter/n1/state" "$perimeter/n2/state"
    mount -t tmpfs -o size=64m,mode=700 none "$perimeter/n1/state"
    mount -t tmpfs -o size=64k,mode=700 none "$perimeter/n2/state"
    perimeter_start tc1
    perimeter_bootstrap
    perimeter_enroll
    perimeter_start n1
    perimeter_step perimeter_tool user new carol --no-passphrase --out "$perimeter/carol.key"
    perimeter_step perimeter_ctl user add carol --role customer --public-key "$perimeter/carol.key.pub"
    mapfile -t address < <(perimeter_addresses)
    perimeter_step perimeter_tool user enroll --wait "${address[@]}" --perimeter "$(cat "$perimeter/id")" \
        --identity "$perimeter/carol.key"
    # In the launcher's reach, and the agent's.
    perimeter_step perimeter_tool image seal "$TOP_BUILDDIR/guest/demo/disk.raw" --out "$perimeter/image" \
        --kernel "$TOP_BUILDDIR/guest/demo/kernel" --initrd "$TOP_BUILDDIR/guest/demo/initrd" \
        --append "$(cat "$TOP_BUILDDIR/guest/demo/cmdline")" --memory 96M --vcpu 1 \
        --perimeter "$(cat "$perimeter/id")" --identity "$perimeter/carol.key"
    eventually 20 tc1 n1 -- perimeter_logged n1 registered
}

teardown_file() {
    load_support
    [ -f "$perimeter_place" ] || return 0
    perimeter_end
    umount "$perimeter/n1/state" "$perimeter/n2/state" || true
    perimeter_finish
}

setup() {
    load_support
    [ "$(id -u)" = 0 ] || skip "the launcher needs root"
}

vm_customer() {
    env "HOME=$perimeter" "$TOP_BUILDDIR/tests/support/vm_customer" \
        "127.0.0.1:$(perimeter_port tc1 3)" "$(cat "$perimeter/id")" "$perimeter/carol.key" "$@"
}

vm_shows() {
    [[ $(vm_customer state "$1") == "$2"* ]]
}

# Children of the launcher by the name of their program.
children() {
    pgrep -P "$(process_pid n1)" -x "$1" || true
}

@test "an image with one wrong byte is refused, and nothing is left of its start" {
    local disk

    cp -r "$perimeter/image" "$perimeter/wrong"
    disk=$(perimeter_tool image inspect "$perimeter/image" -o json | jq -r .disk)
    printf x | dd of="$perimeter/wrong/$disk" bs=1 seek=100000 conv=notrunc status=none
    vm_customer launch "$perimeter/image" wrong "$perimeter/wrong"
    eventually 20 tc1 n1 -- vm_shows wrong lost
    [[ $(vm_customer state wrong) == *image-digest* ]]
    qemu_count n1 0
    [ -z "$(ls -A "$perimeter/n1/state/vms")" ]
    # No descriptor of it either.
    refute grep -q deleted <<<"$(readlink /proc/"$(children nodeagent)"/fd/* | grep "$perimeter")"
}

@test "a location that is no folder is refused with the reason" {
    vm_customer launch "$perimeter/image" nowhere "https://example.org/"
    eventually 20 tc1 n1 -- vm_shows nowhere lost
    [[ $(vm_customer state nowhere) == *location* ]]
}

@test "a VM is launched, its guest counts, and the proof verifies" {
    vm_customer launch "$perimeter/image" web "file://$perimeter/image" >"$perimeter/web.id"
    eventually 30 tc1 n1 -- vm_shows web running
    [ "$(vm_customer proof "$perimeter/image" "$(cat "$perimeter/web.id")")" = "proved 1" ]
    eventually 60 tc1 n1 -- counts_above n1 0
    eventually 20 tc1 n1 -- counts_above n1 "$(perimeter_guest_count n1)"
    # What was made on the way has no name.
    [ -z "$(ls -A "$perimeter/n1/state/vms")" ]
}

@test "a killed agent's VM runs on, is found again, and is not doubled" {
    local qemu agent generation counted

    qemu=$(children qemu-system-x86)
    agent=$(children nodeagent)
    generation=$(vm_customer state web | cut -d' ' -f2)
    counted=$(perimeter_guest_count n1)
    kill -KILL "$agent"
    readopted() {
        read -r state now _ <<<"$(vm_customer state web)"
        [ "$state" = running ] && [ "$now" -gt "$generation" ]
    }
    eventually 30 tc1 n1 -- readopted
    granted() {
        [ "$(grep -c '"\?vm-runs' "$run/n1.log")" -ge 2 ]
    }
    eventually 20 tc1 n1 -- granted
    [ "$(children nodeagent)" != "$agent" ]
    [ "$(children qemu-system-x86)" = "$qemu" ]
    eventually 20 tc1 n1 -- counts_above n1 "$counted"
}

@test "a coordinator that is started again grants again what it had granted" {
    local qemu runs

    qemu=$(children qemu-system-x86)
    runs=$(grep -c vm-runs "$run/n1.log")
    process_signal tc1 -KILL
    process_end tc1
    perimeter_start tc1
    ran_again() {
        [ "$(grep -c vm-runs "$run/n1.log")" -gt "$runs" ]
    }
    eventually 30 tc1 n1 -- ran_again
    eventually 10 tc1 n1 -- vm_shows web running
    [ "$(children qemu-system-x86)" = "$qemu" ]
    [ "$(grep -c 'registered node=n1' "$run/n1.log")" = 2 ]
}

@test "a node whose disk is full starts no VM and says why, keeps those that run, and goes on when there is room" {
    local qemu

    qemu=$(children qemu-system-x86)
    refute dd if=/dev/zero of="$perimeter/n1/state/filler" bs=64K status=none 2>/dev/null
    vm_customer launch "$perimeter/image" full "$perimeter/image" >"$perimeter/full.id"
    eventually 20 tc1 n1 -- vm_shows full lost
    vm_customer state full
    [[ $(vm_customer state full) == *"No space left on device"* ]]
    [ "$(children qemu-system-x86)" = "$qemu" ]
    vm_shows web running
    # A new agent finds no room either, and what runs all the same.
    kill -KILL "$(children nodeagent)"
    readopted() {
        [ "$(vm_customer state web | cut -d' ' -f2)" -gt "$1" ] && vm_shows web running
    }
    eventually 30 tc1 n1 -- readopted "$(vm_customer state web | cut -d' ' -f2)"
    [ "$(children qemu-system-x86)" = "$qemu" ]
    rm "$perimeter/n1/state/filler"
    vm_customer launch "$perimeter/image" room "$perimeter/image" >"$perimeter/room.id"
    eventually 30 tc1 n1 -- vm_shows room running
    vm_customer stop "$(cat "$perimeter/room.id")"
    eventually 20 tc1 n1 -- vm_shows room stopped
    [ -z "$(ls -A "$perimeter/n1/state/vms")" ]
}

secret_scan() {
    "$TOP_BUILDDIR/tests/support/secret_scan" "$@"
}

@test "a search for secrets finds them however they are written" {
    local key=$perimeter/image/vm.key places=$BATS_TEST_TMPDIR/places

    run secret_scan -k "$key" - "$perimeter/image"
    [ "$status" = 1 ]
    secret_scan -k "$key" -x vm.key - "$perimeter/image"
    mkdir "$places"
    { printf 'key='; od -An -v -tx1 "$key" | tr -d ' \n'; } >"$places/hex"
    tr a-f A-F <"$places/hex" >"$places/HEX"
    for prefix in '' x xy; do
        { printf '%s' "$prefix"; cat "$key"; } | base64 -w 0 >"$places/base64-$prefix"
    done
    run secret_scan -k "$key" - "$places"
    echo "$output"
    [ "$status" = 1 ]
    [ "$(grep -c '^found in' <<<"$output")" = 5 ]
}

@test "the VM's key, its passphrases, the trusted key and the seed are in no file, log, argument or environment" {
    local agent generation=1 pid places=() keys=(-k "$perimeter/image/vm.key") highest

    head -c 0 "/proc/$(process_pid tc1)/smaps" 2>/dev/null ||
        skip "looking into a process's memory takes CAP_SYS_PTRACE"
    agent=$(children nodeagent)
    read -r _ highest _ <<<"$(vm_customer state web)"
    [ "$highest" -ge 1 ]
    for ((generation = 1; generation <= highest; generation++)); do
        keys+=(-v "$(cat "$perimeter/web.id"):$generation")
    done
    for pid in $(perimeter_pids); do
        places+=("/proc/$pid/cmdline" "/proc/$pid/environ")
    done
    # QEMU among them, which was given what it needs.
    [[ " ${places[*]} " == *" /proc/$(children qemu-system-x86)/cmdline "* ]]
    # The raft log has the customer's request, with the ticket.
    grep -rqa "$(basename "$perimeter")/image" "$perimeter/tc1/state"
    # The customer's own copy of the key, and the one beside the image with the wrong byte.
    run secret_scan "${keys[@]}" -x vm.key "$(process_pid tc1),$agent" "$perimeter" "${places[@]}"
    echo "$output"
    [ "$status" = 0 ]
}

@test "a VM is stopped as its customer asks" {
    vm_customer stop "$(cat "$perimeter/web.id")"
    eventually 20 tc1 n1 -- vm_shows web stopped
    qemu_count n1 0
}

@test "an agent that has no room to remember what it saw does not register, and says why" {
    refute dd if=/dev/zero of="$perimeter/n2/state/filler" bs=4K status=none 2>/dev/null
    perimeter_start n2
    eventually 20 tc1 n2 -- perimeter_logged n2 "perimeter-memory.*No space left on device"
    refute perimeter_logged n2 " registered "
    rm "$perimeter/n2/state/filler"
    eventually 20 tc1 n2 -- perimeter_logged n2 " registered "
}

@test "a node whose agent no launcher started says that it runs no VMs" {
    process_end n1
    perimeter_logged n2 no-launcher
    eventually 40 tc1 n2 -- node_is_lost n1
    vm_customer launch "$perimeter/image" none "$perimeter/image"
    eventually 20 tc1 n2 -- vm_shows none lost
    [[ $(vm_customer state none) == *tccp-launcher* ]]
}

node_is_lost() {
    [ "$(perimeter_json .state node get "$1")" != live ]
}
