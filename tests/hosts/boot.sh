# Boots compute nodes in QEMU, each with a software TPM that keeps its state and with OVMF's variables of its own, and
# asks them for evidence. Sourced by bash, after processes.sh, swtpm.sh and image.sh.
#
# Set $perimeter and $run (see perimeter.sh). A host is NAME: its TPM lies in tpm/NAME, as swtpm_create() made it, and
# the rest in NAME/: vars.fd, software (a tar file that it unpacks over its initrd when it starts; empty unless a test
# puts something there), answers. What its console showed since its last start or reboot is its log, $run/NAME.log.
#
#   host_boot NAME IMAGE [QEMU OPTION...]   switches it on; $host_firmware and $host_variables say another firmware
#   host_ready NAME                       waits until its agent was started
#   host_reboot NAME                      as `reboot` there would, and waits until it is ready again
#   host_off NAME                         switches it off
#   host_software NAME [FOLDER]           what it unpacks over its initrd from its next start on; without FOLDER, nothing
#   host_shows NAME PATTERN               whether a line on its console matches
#   host_evidence NAME FOLDER QUALIFYING [PCRS]   a folder as tests/vectors/boots/README.md describes it
#
# The processes are NAME-qemu and NAME-tpm: processes_end() ends them whatever happens.
# shellcheck shell=bash disable=SC2154  # perimeter and run are the caller's

host_firmware=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd
host_variables=/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd
# Emulated, it takes about 20 s.
host_boot_s=180
# Firmware, kernel, stub: whatever the machine extends but the running system.
host_pcrs=7fff

host_shows()
{
    grep -aqE -- "$2" "$run/$1.log"
}

host_is_off()
{
    ! process_alive "$1-qemu"
}

host_has_ended_or_shows()
{
    host_shows "$@" || host_is_off "$1"
}

host_ready()
{
    wait_until "$host_boot_s" host_has_ended_or_shows "$1" '^host: ready' && host_shows "$1" '^host: ready' || {
        printf '%s does not boot\n' "$1" >&2
        tail -n 5 "$run/$1.log" "$run/$1-qemu.log" >&2
        return 1
    }
}

host_tpm()
{
    local name=$1 socket=$perimeter/$1/tpm.sock

    rm -f "$socket"
    process_start "$name-tpm" swtpm socket --tpm2 --tpmstate "dir=$perimeter/tpm/$name" \
        --ctrl "type=unixio,path=$socket,mode=0600" --log "file=$perimeter/$name/tpm.log,level=1" || return 1
    wait_until 5 [ -S "$socket" ]
}

host_software()
{
    local content=(-T /dev/null)

    [ $# = 1 ] || content=(-C "$2" .)
    # A disk has a size of its own.
    tar -cf "$perimeter/$1/software" "${content[@]}" && truncate -s 16M "$perimeter/$1/software"
}

host_boot()
{
    local name=$1 image=$2 folder=$perimeter/$1

    shift 2
    swtpm_stop "$perimeter/tpm/$name" && mkdir -p "$folder" || return 1
    [ -e "$folder/vars.fd" ] || cp "$host_variables" "$folder/vars.fd" || return 1
    [ -p "$folder/control.in" ] || mkfifo "$folder/control.in" "$folder/control.out" || return 1
    : >"$run/$name.log"
    [ -e "$folder/software" ] || host_software "$name" || return 1
    rm -f "$folder/answers" && truncate -s 8M "$folder/answers" &&
        host_tpm "$name" || return 1
    process_start "$name-qemu" qemu-system-x86_64 -machine q35,smm=on -accel tcg -cpu max -smp 1 -m 512 -nodefaults \
        -display none -monitor none -global driver=cfi.pflash01,property=secure,value=on -global ICH9-LPC.disable_s3=1 \
        -drive "if=pflash,format=raw,unit=0,readonly=on,file=$host_firmware" \
        -drive "if=pflash,format=raw,unit=1,file=$folder/vars.fd" \
        -chardev "socket,id=tpm,path=$folder/tpm.sock" -tpmdev emulator,id=tpm,chardev=tpm -device tpm-crb,tpmdev=tpm \
        -chardev "file,id=console,path=$run/$name.log,append=on" -serial chardev:console \
        -chardev "pipe,id=control,path=$folder/control" -serial chardev:control \
        -drive "if=none,id=answers,format=raw,file=$folder/answers" -device virtio-blk-pci,drive=answers,addr=0x10 \
        -drive "if=none,id=esp,format=raw,readonly=on,file=$image" \
        -device virtio-blk-pci,drive=esp,bootindex=1,addr=0x11 \
        -drive "if=none,id=software,format=raw,readonly=on,file=$folder/software" \
        -device virtio-blk-pci,drive=software,addr=0x12 \
        -netdev user,id=net -device virtio-net-pci,netdev=net,romfile=,addr=0x13 "$@"
}

# It reads a line at a time; nobody does when it is off.
host_say()
{
    process_alive "$1-qemu" || return 1
    printf '%s\n' "$2" >"$perimeter/$1/control.in"
}

host_reboot()
{
    : >"$run/$1.log"
    host_say "$1" reboot && host_ready "$1"
}

host_off()
{
    host_say "$1" poweroff || true
    wait_until 20 host_is_off "$1" || true
    process_end "$1-qemu" && process_end "$1-tpm"
}

host_evidence()
{
    local name=$1 folder=$2 qualifying=$3 pcrs=${4:-$host_pcrs} lines

    lines=$(grep -ac '^host: ' "$run/$name.log")
    host_say "$name" "evidence $qualifying $pcrs" && wait_until 60 host_has_said "$name" "$lines" || return 1
    grep -a '^host: ' "$run/$name.log" | tail -n 1 | grep -q 'evidence written' && mkdir -p "$folder" &&
        tar -xmf "$perimeter/$name/answers" -C "$folder" --no-same-owner
}

# More than so many lines.
host_has_said()
{
    [ "$(grep -ac '^host: ' "$run/$1.log")" -gt "$2" ]
}
