# Images that compute nodes boot from in whole-boot tests: Debian's cloud kernel and an initrd with the agent and its
# launcher, as one unified kernel image, signed for Secure Boot, on an EFI system partition. Same input, same bytes (but
# for the signature, which no PCR holds). Sourced by bash.
#
# Set $programs, the build folder. Nothing here needs root.
#
#   host_files                            kernel, modules and Secure Boot keys, made once; prints their folder
#   host_root ROOT                        the tree of the initrd, without a configuration
#   host_configure ROOT ID ADDRESS...     the configuration: perimeter and coordinators, as the host reaches them
#   host_image ROOT IMAGE [CMDLINE [SIGNER]]   the image of a tree; SIGNER is snakeoil, which the firmware's variables
#                                         know (and the default), stranger, or none. Leaves IMAGE.efi as well, the
#                                         kernel image that lies on it
#   host_change_byte PROGRAM              one letter of a message of the agent
#
# All return non-zero and say why on standard error.
# shellcheck shell=bash disable=SC2154  # programs is the caller's

host_source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
host_modules=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk failover
    net_failover virtio_net)
# Without a file system of its own nothing in an initrd would be measured: tcb leaves out tmpfs.
host_cmdline='console=ttyS0 quiet loglevel=3 panic=-1 rootfstype=ramfs ima_policy=tcb ima_hash=sha256'
host_stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
host_node_user=990
host_tpm_group=991

host_fail()
{
    printf 'image.sh: %s\n' "$*" >&2
    return 1
}

host_need()
{
    local tool

    for tool in "$@"; do
        PATH=$PATH:/sbin:/usr/sbin command -v "$tool" >/dev/null || {
            host_fail "$tool is missing: build-aux/install-packages"
            return 1
        }
    done
}

# A step that prints only where it fails.
host_step()
{
    local printed

    printed=$("$@" 2>&1) || host_fail "$1: $(tail -n 3 <<<"$printed")"
}

# A key and certificate that no firmware knows.
host_stranger()
{
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj '/CN=another signer' -keyout "$1/stranger.key" \
        -out "$1/stranger.pem"
}

host_files()
{
    local files=$programs/tests/hosts/files ovmf=/usr/share/ovmf/PkKek-1-snakeoil

    host_need objcopy sbsign mformat cpio busybox openssl virt-fw-vars && mkdir -p "$files" || return 1
    (
        flock 9
        [ -s "$files/kernel" ] || "$host_source/../../guest/fetch-kernel" "$files" "${host_modules[@]}" || exit 1
        # Debian's test key: the snakeoil variables have it as PK, KEK and db. Its passphrase is public.
        [ -s "$files/snakeoil.pem" ] || {
            host_step openssl rsa -in "$ovmf.key" -passin pass:snakeoil -out "$files/snakeoil.key" &&
                cp "$ovmf.pem" "$files/snakeoil.pem"
        } || exit 1
        [ -s "$files/stranger.pem" ] || host_step host_stranger "$files"
    ) 9>"$files/.lock" || return 1
    printf '%s' "$files"
}

# The libraries that a program is linked with, the loader among them.
host_libraries()
{
    ldd "$@" | sed -nE 's/.*(=> )(\/[^ ]+) .*/\2/p; s/^\s+(\/[^ ]+) \(.*/\1/p' | sort -u
}

host_root()
{
    local root=$1 files program library
    local -A from=(
        [/usr/sbin/nodeagent]=nodeagent/nodeagent
        [/usr/sbin/tccp-launcher]=nodeagent/launcher/tccp-launcher
        [/usr/bin/collect_evidence]=tests/hosts/collect_evidence
    )

    files=$(host_files) || return 1
    mkdir -p "$root"/{bin,dev,etc/tccp,lib64,modules,proc,run,sys,tmp,usr/bin,usr/sbin,var/lib/tccp} || return 1
    install -m 755 "$(command -v busybox)" "$root/bin/busybox" || return 1
    install -m 755 "$host_source/init" "$root/init" || return 1
    cp "$files"/modules/*.ko "$root/modules/" || return 1
    for program in "${!from[@]}"; do
        install -m 755 "$programs/${from[$program]}" "$root$program" || return 1
    done
    # Which way to the TPM is taken is the configuration's: no program is linked with it.
    for library in $(host_libraries "${from[@]/#/$programs/}" /usr/lib/*/libtss2-tcti-device.so.0) \
        /usr/lib/*/libtss2-tcti-device.so.0; do
        install -D -m 755 "$(realpath "$library")" "$root$library" || return 1
    done
    printf '%s\n' root:x:0:0:root:/:/bin/sh "tccp:x:$host_node_user:$host_node_user:TCCP:/var/lib/tccp:/bin/false" \
        >"$root/etc/passwd"
    printf '%s\n' root:x:0: "tccp:x:$host_node_user:" "tss:x:$host_tpm_group:tccp" >"$root/etc/group"
    # What the test machine calls itself is, for a host on QEMU's user network, the gateway.
    printf '10.0.2.2 localhost\n' >"$root/etc/hosts"
}

host_configure()
{
    local root=$1 id=$2 address coordinators=''

    shift 2
    for address in "$@"; do
        coordinators+="${coordinators:+, }\"$address\""
    done
    cat >"$root/etc/tccp/nodeagent.conf" <<END
perimeter = "$id"
coordinators = {$coordinators}
log-level = "info"
END
    cat >"$root/etc/tccp/launcher.conf" <<END
perimeter = "$id"
agent = {"/usr/sbin/nodeagent"}
agent-config = "/etc/tccp/nodeagent.conf"
agent-user = "tccp"
memory-mib-max = 128
log-level = "info"
END
}

host_initrd()
{
    local root=$1

    find "$root" -exec touch -h -d @0 {} + &&
        (cd "$root" && find . -print0 | LC_ALL=C sort -z |
            cpio --null --create --format=newc --owner=0:0 --reproducible --quiet) | gzip -n -1
}

# The sections lie one after the other in the address space of the stub, with room for a kernel of 16 MiB.
host_uki()
{
    local files=$1 work=$2

    # Otherwise it would write the time of day into the header.
    objcopy --preserve-dates --add-section ".osrel=$work/osrel" --change-section-vma .osrel=0x20000 \
        --add-section ".cmdline=$work/cmdline" --change-section-vma .cmdline=0x30000 \
        --add-section ".linux=$files/kernel" --change-section-vma .linux=0x2000000 \
        --add-section ".initrd=$work/initrd" --change-section-vma .initrd=0x3000000 "$host_stub" "$work/uki"
}

host_sign()
{
    local files=$1 work=$2 signer=$3

    if [ "$signer" = none ]; then
        cp "$work/uki" "$work/signed"
    else
        host_step sbsign --key "$files/$signer.key" --cert "$files/$signer.pem" --output "$work/signed" "$work/uki"
    fi
}

host_esp()
{
    local work=$1 image=$2

    rm -f "$image" && truncate -s 64M "$image" && host_step mformat -i "$image" -F -N 12345678 :: &&
        mmd -i "$image" ::/EFI ::/EFI/BOOT && mcopy -i "$image" "$work/signed" ::/EFI/BOOT/BOOTX64.EFI
}

host_image()
{
    local root=$1 image=$2 cmdline=${3:-$host_cmdline} signer=${4:-snakeoil} files work status

    files=$(host_files) && work=$(mktemp -d "$image.XXXXXX") || return 1
    printf '%s' "$cmdline" >"$work/cmdline"
    printf 'ID=tccp-test\nVERSION_ID=1\n' >"$work/osrel"
    host_initrd "$root" >"$work/initrd" && host_step host_uki "$files" "$work" && host_sign "$files" "$work" "$signer" &&
        host_esp "$work" "$image" && mv "$work/signed" "$image.efi"
    status=$?
    rm -rf "$work"
    return $status
}

host_change_byte()
{
    local offset

    offset=$(grep -abom 1 'registered: node' "$1" | cut -d: -f1) && [ -n "$offset" ] &&
        printf R | dd of="$1" bs=1 seek="$offset" conv=notrunc status=none
}
