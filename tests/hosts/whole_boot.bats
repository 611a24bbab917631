#!/usr/bin/env bats
# A compute node from its firmware up: OVMF with Secure Boot, a signed unified kernel image, IMA, a TPM, and in it the
# launcher and the agent as they are; three coordinators outside. What it booted decides whether it is let in.
# The tests of this file build on each other: one perimeter, and one machine, live through all of them.

load_support() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    # shellcheck source=tests/hosts/image.sh
    . "$TOP_SRCDIR/tests/hosts/image.sh"
    # shellcheck source=tests/hosts/boot.sh
    . "$TOP_SRCDIR/tests/hosts/boot.sh"
    # Emulated machines are slow.
    perimeter_lease=30s
    # Members name each other to a node by it: the machine here and the machine in QEMU resolve it each in their way.
    perimeter_address=localhost
    level=${TCCP_CHECK_LEVEL:-normal}
}

# The policy under which the machine is let in, as text of the manifest. It was predicted from the image: what the firmware
# measures is taken from a boot of another one.
host_policy() {
    perimeter_step perimeter_tool policy predict --image "$perimeter/good.img.efi" --like "$perimeter/yesterday" \
        --name host --out "$perimeter/predicted" &&
        perimeter_step perimeter_tool policy compile "$perimeter/predicted" --out "$perimeter/predicted.set" &&
        printf 'policy host {\n    reference %s = enforced\n}\n' \
            "$(sha256sum <"$perimeter/predicted.set" | cut -d' ' -f1)"
}

random_digest() {
    head -c 32 /dev/urandom | xxd -p -c 32
}

setup_file() {
    local name coordinators=()

    load_support
    [ "$level" != fast ] || return 0
    perimeter_begin
    perimeter_make 3 0
    printf 'node host\n' >>"$perimeter/hosts"
    perimeter_host node host
    for name in $(perimeter_names member); do
        coordinators+=("localhost:$(perimeter_port "$name" 3)")
    done
    host_root "$perimeter/root"
    host_configure "$perimeter/root" "$(cat "$perimeter/id")" "${coordinators[@]}"
    host_image "$perimeter/root" "$perimeter/yesterday.img" "$host_cmdline yesterday"
    host_boot host "$perimeter/yesterday.img"
    host_ready host
    host_evidence host "$perimeter/yesterday" "$(random_digest)"
    host_off host
    # With what the firmware wrote down of the disks that it found.
    cp "$perimeter/host/vars.fd" "$perimeter/settled.fd"
    host_image "$perimeter/root" "$perimeter/good.img"
    host_policy >"$perimeter/host/policy"
    # The first one named no such machine.
    perimeter_manifest 2
    perimeter_sign
    for name in $(perimeter_names member); do
        perimeter_start "$name"
    done
    perimeter_bootstrap
    perimeter_enroll
    perimeter_step perimeter_ctl policy upload "$perimeter/predicted.set"
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole
}

teardown_file() {
    load_support
    [ ! -f "$perimeter_place" ] || perimeter_finish
}

setup() {
    load_support
    [ "$level" != fast ] || skip "a machine is emulated at other levels only"
}

# Each takes a boot of its own, and what every day's refusals are made of is seen without them.
needs_all() {
    [ "$level" = all ] || skip "with --all"
}

# What its console says of itself: host_field EVENT FIELD.
host_field() {
    sed -n "s/.* $1 .*\b$2=\([^ ]*\).*/\1/p" "$run/host.log" | tail -n 1
}

# resetCount of the quote in an evidence folder. TPMS_ATTEST (TPM 2.0 part 2, 10.12.8): magic, type, two of a size and
# so many bytes, then the clock, 64 bits, and it.
reset_count() {
    local hex at=12 i

    hex=$(xxd -p "$1/quote/quote.attest" | tr -d '\n')
    for i in 1 2; do
        at=$((at + 4 + 2 * 0x${hex:at:4}))
    done
    printf '%d' "0x${hex:at+16:8}"
}

# boots IMAGE: the machine is switched on with it.
boots() {
    host_off host
    host_boot host "$1" && host_ready host
}

# What the policy says of the machine as it is now, offline: the verdict, and a line for each reason.
host_tried() {
    rm -rf "$perimeter/shown"
    host_evidence host "$perimeter/shown" "$(random_digest)" &&
        perimeter_tool policy try "$perimeter/predicted" "$perimeter/shown" --ca "$perimeter/ca/root.der" \
            --ca "$perimeter/ca/issuer.der" -o json | jq -r '.verdict, (.reasons[] | "\(.reason): \(.subject)")'
}

# is_refused REASON SUBJECT [REASON: SUBJECT...]: the coordinators refuse the machine, with these words for it and for
# whoever asks them; and there are these reasons, whoever appraises what it shows.
is_refused() {
    local reason=$1 subject=$2 line tried explained

    eventually 90 host tc1 tc2 tc3 -- host_shows host " refused-by-coordinator .*reason=$reason .*$subject"
    refute host_shows host ' registered '
    explained=$(perimeter_ctl node explain host || [ $? = 3 ])
    printf '%s\n' "$explained"
    grep -qE "$reason" <<<"$explained"
    grep -qE "$subject" <<<"$explained"
    tried=$(host_tried)
    printf '%s\n' "$tried"
    shift 2
    for line in refused "$reason: .*$subject" "$@"; do
        grep -qE "^$line" <<<"$tried"
    done
}

# variables OPTION...: what the machine's owner does to the firmware's variables.
variables() {
    virt-fw-vars --input "$perimeter/settled.fd" --output "$perimeter/host/vars.fd" "$@"
}

# A copy of the good tree, for a change.
changed_root() {
    rm -rf "$perimeter/changed"
    cp -a "$perimeter/root" "$perimeter/changed"
}

@test "a machine that boots the image for which its policy was made is let in by coordinators outside it" {
    boots "$perimeter/good.img"
    eventually 90 host tc1 tc2 tc3 -- node_is host live
    [ "$(perimeter_json .registration node get host)" = "$(host_field registered registration)" ]
    perimeter_ctl node list | grep -E '^host +good'
    [ "$(host_tried)" = accepted ]
}

@test "its lease is renewed while IMA measures on" {
    local renewal

    renewal=$(perimeter_json .renewal node get host)
    # Files that have not been opened before: the log grows.
    host_evidence host "$perimeter/later" "$(random_digest)"
    eventually 60 host tc1 tc2 tc3 -- node_renewed_after host "$((renewal + 1))"
    node_is host live
}

@test "after a reboot it is another registration of another key, and its TPM counted one reset more" {
    local registration key

    host_evidence host "$perimeter/before" "$(random_digest)"
    registration=$(host_field registered registration)
    key=$(host_field registered key)
    [ -n "$key" ]
    host_reboot host
    eventually 90 host tc1 tc2 tc3 -- host_shows host ' registered '
    [ "$(host_field registered registration)" -gt "$registration" ]
    [ "$(host_field registered key)" != "$key" ]
    eventually 20 host tc1 tc2 tc3 -- node_is host live
    host_evidence host "$perimeter/rebooted" "$(random_digest)"
    [ "$(reset_count "$perimeter/rebooted")" = $(($(reset_count "$perimeter/before") + 1)) ]
}

@test "one changed byte of the agent, in an image signed as it should be: refused" {
    changed_root
    host_change_byte "$perimeter/changed/usr/sbin/nodeagent"
    host_image "$perimeter/changed" "$perimeter/changed.img"
    boots "$perimeter/changed.img"
    is_refused event-unexpected 'PCR 4' 'event-unexpected: .*PCR 9' 'event-unexpected: .*PCR 11' \
        'file-not-allowed: /usr/sbin/nodeagent$'
}

@test "one changed byte of the agent, put over the one of the good image: refused, and only that is named" {
    mkdir -p "$perimeter/software/usr/sbin"
    cp "$perimeter/root/usr/sbin/nodeagent" "$perimeter/software/usr/sbin/"
    host_change_byte "$perimeter/software/usr/sbin/nodeagent"
    host_software host "$perimeter/software"
    boots "$perimeter/good.img"
    is_refused file-not-allowed /usr/sbin/nodeagent
    # Firmware and kernel are as they were.
    refute grep -q event-unexpected <<<"$(host_tried)"
    host_off host
    host_software host
}

@test "another initrd around the same programs: refused" {
    needs_all
    changed_root
    echo 'A message of the day.' >"$perimeter/changed/etc/motd"
    host_image "$perimeter/changed" "$perimeter/changed.img"
    boots "$perimeter/changed.img"
    is_refused event-unexpected 'PCR 4' 'event-unexpected: .*PCR 9' 'event-unexpected: .*PCR 11'
}

@test "another kernel command line: refused" {
    needs_all
    host_image "$perimeter/root" "$perimeter/changed.img" "$host_cmdline lockdown=none"
    boots "$perimeter/changed.img"
    is_refused event-unexpected 'PCR 4' 'event-unexpected: .*PCR 9' 'event-unexpected: .*PCR 11'
}

@test "the same image, signed by somebody whose key the machine's owner put into db: refused" {
    host_image "$perimeter/root" "$perimeter/stranger.img" "" stranger
    host_off host
    variables --add-db a0baa8a3-041d-48a8-bc87-c36d121b5e3d "$(host_files)/stranger.pem"
    boots "$perimeter/stranger.img"
    is_refused secure-boot db 'event-unexpected: .*PCR 7'
}

@test "the good image with Secure Boot turned off: refused" {
    host_off host
    variables --set-false SecureBootEnable
    boots "$perimeter/good.img"
    # The stub then has the firmware load the kernel, which measures it as well.
    is_refused secure-boot 'Secure ?Boot' 'event-unexpected: .*PCR 4' 'event-unexpected: .*PCR 7'
}

@test "the machine as it was is let in again" {
    host_off host
    cp "$perimeter/settled.fd" "$perimeter/host/vars.fd"
    boots "$perimeter/good.img"
    eventually 90 host tc1 tc2 tc3 -- node_is host live
}
