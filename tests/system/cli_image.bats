#!/usr/bin/env bats
# A customer's sealed images, without a coordinator: what is made, what is found when anything of it was changed.

setup() {
    folder=$(mktemp -d)
    cd "$folder"
    export HOME=$folder XDG_STATE_HOME=$folder/state XDG_CONFIG_HOME=$folder/config
    unset TCCP_ADDR TCCP_CONTEXT TCCP_FORMAT
    tccpctl=$TOP_BUILDDIR/cli/tccpctl
    "$tccpctl" -q user new carol --no-passphrase --out carol.key >/dev/null
    "$tccpctl" -q ete init --name test --no-passphrase ete >/dev/null
    TCCP_PERIMETER=$("$tccpctl" ete show ete -o name)
    TCCP_IDENTITY=$folder/carol.key
    export TCCP_PERIMETER TCCP_IDENTITY
    printf 'the content of the disk, in the clear' >raw
    truncate -s 1M raw
    printf 'a kernel' >kernel
    printf 'an initrd' >initrd
}

teardown() {
    cd /
    rm -rf "$folder"
}

t() {
    code=0
    output=$(PATH=${tools:-$PATH} "$tccpctl" "$@" 2>"$folder/errors" </dev/null) || code=$?
    errors=$(cat "$folder/errors")
}

# bats does not notice `! command` unless it comes last.
refute() {
    if "$@"; then
        return 1
    fi
}

expect() {
    [ "$code" = "$1" ] || {
        printf 'exit code %s, expected %s\n%s\n%s\n' "$code" "$1" "$output" "$errors"
        return 1
    }
}

# It failed with this exit code, and one line says this.
complains() {
    expect "$1"
    [ "$(grep -c '^tccpctl: ' errors)" = 1 ]
    grep '^tccpctl: ' errors | grep -qF -- "$2" || {
        printf '%s\nlacks: %s\n' "$errors" "$2"
        return 1
    }
}

json() {
    printf '%s' "$output" | jq -r "$1"
}

seal() {
    t image seal raw --out image --kernel kernel --initrd initrd --append "console=ttyS0" --vcpu 2 --memory 512M \
        -o json "$@"
}

@test "a sealed image is encrypted, named by its digests, and verifies" {
    seal
    expect 0
    [ "$(json .vcpu_count)" = 2 ]
    [ "$(json .memory_size)" = $((512 * 1024 * 1024)) ]
    [ "$(json .command_line)" = "console=ttyS0" ]
    [ "$(json .image)" = "$(sha256sum <image/manifest | cut -d' ' -f1)" ]
    for blob in disk kernel initrd; do
        [ "$(sha256sum <"image/$(json ".$blob")" | cut -d' ' -f1)" = "$(json ".$blob")" ]
    done
    refute grep -rqa 'in the clear' image
    [ "$(stat -c %a image/vm.key)" = 600 ]
    [ "$(stat -c %s image/vm.key)" = 32 ]
    # Nothing else lies there.
    [ "$(find image -type f | wc -l)" = 6 ]
    [ "$(find . -name '*.new' | wc -l)" = 0 ]
    t image verify image -o json
    expect 0
    [ "$(json .verified)" = true ]
    t image inspect image
    expect 0
}

@test "the disk opens with the passphrase that is derived from the VM's key" {
    seal
    expect 0
    disk=image/$(json .disk)
    # HKDF-SHA256 without salt, info "tccp-image-key", as hexadecimal text.
    openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt "hexkey:$(od -An -v -tx1 image/vm.key | tr -d ' \n')" \
        -kdfopt info:tccp-image-key HKDF | tr -d ':\n' | tr A-F a-f >passphrase
    qemu-img convert --object secret,id=key,file=passphrase --image-opts \
        "driver=qcow2,encrypt.key-secret=key,file.filename=$disk" -O raw opened
    cmp raw opened
}

@test "each image has a key of its own, and it may lie elsewhere" {
    seal --key-file mine.key
    expect 0
    [ ! -e image/vm.key ]
    [ "$(stat -c %a mine.key)" = 600 ]
    t image seal raw --out other --vcpu 1 --memory 64M
    expect 0
    ! cmp -s mine.key other/vm.key
}

@test "an image whose files or signature were changed is not trusted" {
    seal
    expect 0
    disk=image/$(json .disk)
    printf x | dd of="$disk" bs=1 seek=200000 conv=notrunc status=none
    t image verify image
    complains 3 "disk"
    seal --out again
    expect 0
    disk=$(json .disk) kernel=$(json .kernel) initrd=$(json .initrd)
    cp -r again longer
    printf x >>"longer/$disk"
    t image verify longer
    complains 3 "disk"
    cp -r again changed
    printf 'A kernel' >"changed/$kernel"
    t image verify changed
    complains 3 "kernel"
    cp -r again lacking
    rm "lacking/$initrd"
    t image verify lacking
    complains 4 "initrd"
    cp image/manifest.sig again/manifest.sig
    t image verify again
    complains 3 "signature"
    cp image/manifest again/manifest
    printf x >>again/manifest
    t image verify again
    complains 1 "manifest"
}

@test "an image of another customer or perimeter is not trusted" {
    seal
    expect 0
    t user new mallory --no-passphrase --out mallory.key
    t image verify image --public-key mallory.key.pub
    complains 3 "signature"
    t ete init --name other --no-passphrase other
    t ete show other -o name
    t image verify image --perimeter "$output"
    complains 3 "signature"
}

@test "what cannot be sealed leaves nothing behind" {
    t image seal nowhere --out image --vcpu 1 --memory 64M
    complains 4 "nowhere"
    t image seal raw --out image --vcpu 1 --memory 64M --kernel nowhere --key-file mine.key
    complains 4 "nowhere"
    t image seal raw --out missing/image --vcpu 1 --memory 64M
    complains 4 "missing"
    tools=/nonexistent t image seal raw --out image --vcpu 1 --memory 64M --key-file mine.key
    complains 4 "qemu-img"
    t image seal raw --out image --vcpu 1 --memory 64M --identity nowhere.key
    complains 4 "nowhere.key"
    t image seal raw --out image --vcpu 1 --memory 64M --key-file missing/key
    complains 4 "missing/key"
    [ ! -e image ]
    [ ! -e mine.key ]
    [ "$(find . -name '*.new' | wc -l)" = 0 ]
}

@test "what is there already is not written over" {
    seal
    expect 0
    before=$(sha256sum image/*)
    seal
    complains_json=$(sed -n '/^{/,$p' errors | jq -r .error.message)
    expect 1
    [[ $complains_json == *"image exists already"* ]]
    t image seal raw --out other --vcpu 1 --memory 64M --key-file image/vm.key
    complains 1 "exists already"
    [ "$(sha256sum image/*)" = "$before" ]
    [ ! -e other ]
}

@test "wrong usage of image verbs is said" {
    t image seal raw --out image --vcpu 1
    complains 64 "--memory"
    t image seal raw --out image --vcpu 0 --memory 64M
    complains 64 "--vcpu"
    t image seal raw --out image --vcpu 1 --memory 100K
    complains 64 "--memory"
    t image seal raw --out image --vcpu 1 --memory 64M --append x
    complains 64 "--kernel"
    t image verify nowhere
    complains 4 "nowhere"
    mkdir empty
    t image inspect empty
    complains 4 "manifest"
}
