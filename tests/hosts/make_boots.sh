#!/bin/bash
# make_boots.sh FOLDER: boots hosts in QEMU and saves what they show, a folder each: tests/vectors/boots was made so, and
# its README says what each is. Needs a build (TOP_BUILDDIR, `make check TESTS=`) and takes five minutes.
set -euo pipefail

[ $# = 1 ] || { echo "usage: make_boots.sh FOLDER" >&2; exit 64; }
mkdir -p "$1"
boots=$(cd "$1" && pwd)
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs=${TOP_BUILDDIR:-$top/build}
# Sockets lie in it.
perimeter=$(mktemp -d /tmp/boots.XXXXXX)
run=$perimeter/run
mkdir "$run"

# shellcheck source=tests/support/processes.sh
. "$top/tests/support/processes.sh"
# shellcheck source=tests/support/swtpm.sh
. "$top/tests/support/swtpm.sh"
# shellcheck source=tests/hosts/image.sh
. "$top/tests/hosts/image.sh"
# shellcheck source=tests/hosts/boot.sh
. "$top/tests/hosts/boot.sh"
trap 'processes_end; rm -rf "$perimeter"' EXIT

# save NAME: what the host shows now. Without what the quote does not cover, nobody would miss it.
save()
{
    local folder=$boots/$1

    rm -rf "$folder"
    host_evidence node "$folder" "$(printf 'boot %s' "$1" | sha256sum | cut -d' ' -f1)"
    rm -rf "$folder/pcr-sha256" "$folder/ima.txt"
    printf '%s: %d bytes of events, %d of measurements\n' "$1" "$(stat -c %s "$folder/eventlog.bin")" \
        "$(stat -c %s "$folder/ima.bin")"
}

# Then the launcher, the agent and all that they are made of have been measured: it looks for its coordinators.
wait_for_agent()
{
    host_ready node
    wait_until 30 host_shows node coordinator-connection-lost
}

# boot NAME IMAGE [OPTION...]: one boot of the machine that knows the good image, with the variables of $variables.
boot()
{
    local name=$1

    shift
    cp "$variables" "$perimeter/node/vars.fd"
    host_boot node "$@"
    wait_for_agent
    save "$name"
    host_off node
}

# changed NAME: a copy of the good tree, for a change.
changed()
{
    cp -a "$perimeter/root" "$perimeter/$1"
}

swtpm_create "$perimeter/tpm/node" "$perimeter/ca" rsa
mkdir -p "$boots/ca"
cp "$perimeter/ca"/{root,issuer}.der "$boots/ca/"
files=$(host_files)
openssl x509 -in "$files/snakeoil.pem" -outform DER -out "$boots/ca/db-snakeoil.der"
host_root "$perimeter/root"
host_configure "$perimeter/root" "tccp1-$(printf 'a%.0s' {1..52})" localhost:1
host_image "$perimeter/root" "$perimeter/good.img"

# The firmware finds its disks, and writes down what it shall boot.
host_boot node "$perimeter/good.img"
wait_for_agent
save baseline
host_reboot node
wait_for_agent
save baseline-reboot
host_off node
variables=$perimeter/settled.fd
cp "$perimeter/node/vars.fd" "$variables"

# An agent of another day, put over the one that the signed image holds.
mkdir -p "$perimeter/software/usr/sbin"
cp "$perimeter/root/usr/sbin/nodeagent" "$perimeter/software/usr/sbin/"
host_change_byte "$perimeter/software/usr/sbin/nodeagent"
host_software node "$perimeter/software"
boot changed-file "$perimeter/good.img"

# A program that nobody has shown.
mkdir -p "$perimeter/more/etc"
printf '#!/bin/sh\necho here I am\n' >"$perimeter/more/etc/rc.local"
chmod 755 "$perimeter/more/etc/rc.local"
host_software node "$perimeter/more"
boot added-file "$perimeter/good.img"
host_software node

changed initrd
echo 'A message of the day.' >"$perimeter/initrd/etc/motd"
host_image "$perimeter/initrd" "$perimeter/initrd.img"
boot other-initrd "$perimeter/initrd.img"

host_image "$perimeter/root" "$perimeter/options.img" "$host_cmdline lockdown=none"
boot other-load-options "$perimeter/options.img"

# The machine's owner turns Secure Boot off.
variables=$perimeter/unsecured.fd
virt-fw-vars --input "$perimeter/settled.fd" --output "$variables" --set-false SecureBootEnable
boot secure-boot-off "$perimeter/good.img"

# Or lets another signer in.
variables=$perimeter/stranger.fd
virt-fw-vars --input "$perimeter/settled.fd" --output "$variables" \
    --add-db a0baa8a3-041d-48a8-bc87-c36d121b5e3d "$files/stranger.pem"
host_image "$perimeter/root" "$perimeter/stranger.img" "" stranger
boot other-signer "$perimeter/stranger.img"
# The kernel that it was before, where another could have been.
boot larger-db "$perimeter/good.img"
variables=$perimeter/settled.fd

host_firmware=/usr/share/OVMF/OVMF_CODE_4M.fd
boot firmware-without-secure-boot "$perimeter/good.img"
# The same version, built again: Debian's security archive has the build before this one.
mkdir "$perimeter/ovmf"
(cd "$perimeter/ovmf" && apt-get download -q ovmf=2022.11-6+deb12u1 >/dev/null 2>&1 && dpkg-deb -x ovmf_*.deb .)
host_firmware=$perimeter/ovmf/usr/share/OVMF/OVMF_CODE_4M.secboot.fd
boot other-firmware "$perimeter/good.img"
host_firmware=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd

# A card with a ROM of its own, which the firmware measures, whether it runs it or not.
boot option-rom "$perimeter/good.img" -device virtio-net-pci,addr=0x14

# What stands first in the firmware's list is refused by Secure Boot; the good image is what it falls back to.
host_image "$perimeter/root" "$perimeter/unsigned.img" "" none
boot second-option "$perimeter/good.img" -drive "if=none,id=first,format=raw,readonly=on,file=$perimeter/unsigned.img" \
    -device virtio-blk-pci,drive=first,bootindex=0,addr=0x15
