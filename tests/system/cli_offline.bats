#!/usr/bin/env bats
# tccpctl without a coordinator: the ETE's folder, signing, endorsing, succession, verification; what it refuses, with
# which exit code, and what it says in JSON.

setup() {
    folder=$(mktemp -d)
    cd "$folder"
    export HOME=$folder XDG_STATE_HOME=$folder/state XDG_CONFIG_HOME=$folder/config
    unset TCCP_ADDR TCCP_PERIMETER TCCP_IDENTITY TCCP_CONTEXT TCCP_FORMAT
    tccpctl=$TOP_BUILDDIR/cli/tccpctl
    request=$TOP_BUILDDIR/tests/support/request
}

teardown() {
    cd /
    rm -rf "$folder"
}

# Runs tccpctl; its standard output is in $output, its messages in $errors, its exit code in $code.
t() {
    code=0
    output=$("$tccpctl" "$@" 2>"$folder/errors" </dev/null) || code=$?
    errors=$(cat "$folder/errors")
}

expect() {
    [ "$code" = "$1" ] || {
        printf 'exit code %s, expected %s\n%s\n%s\n' "$code" "$1" "$output" "$errors"
        return 1
    }
}

contains() {
    [[ $1 == *"$2"* ]] || {
        printf '%s\nlacks: %s\n' "$1" "$2"
        return 1
    }
}

# The code of the error, from JSON on standard error (messages may stand before it).
error_code() {
    sed -n '/^{/,$p' "$folder/errors" | jq -r .error.code
}

json() {
    printf '%s' "$output" | jq -r "$1"
}

digest() {
    printf '%s' "$1" | sha256sum | cut -d' ' -f1
}

# A perimeter in ete/, and a manifest of version $1 and epoch $2 in manifest-$1.txt.
perimeter_make() {
    t ete init --name test --no-passphrase ete
    expect 0
    t ete show ete -o name
    id=$output
    [ -e ak ] || ak=$("$request" ak ak)
}

manifest_make() {
    local pcr

    {
        cat <<END
manifest {
    perimeter = $id
    version = $1
    epoch = $2
    not_before = 2020-01-01
    not_after = 2090-01-01
    member_policy = members
    development = yes
}
member tc1 {
    ek = 000b$(digest ek)
    ak = $ak
    address = 127.0.0.1:7001
    raft_address = 127.0.0.1:7002
}
policy members {
END
        for pcr in 0 1 2 3 4 5 6 7; do
            # shellcheck disable=SC2059
            printf '    pcr %d = %s\n' $pcr "$(printf "\\x0$pcr" | sha256sum | cut -d' ' -f1)"
        done
        printf '}\n'
    } >"ete/manifest-$1.txt"
}

# A signed manifest of version 1, epoch 1 in ete/manifest-1.signed.
perimeter_signed() {
    perimeter_make
    manifest_make 1 1
    t ete sign ete/manifest-1.txt --key ete/key-1.pem --yes
    expect 0
    t ete sign ete/manifest-1.signed --key ete/key-2.pem --yes
    expect 0
}

@test "a wrong command line ends with 64 and says what is wrong" {
    t
    expect 64
    t nonsense
    expect 64
    contains "$errors" "unknown command nonsense"
    t ete nonsense -o json
    expect 64
    [ "$(error_code)" = usage ]
    t ete sign
    expect 64
    t ete sign a b --key k
    expect 64
    t ete sign a --colour red
    expect 64
    t ete init --name
    expect 64
    t version --yes=1
    expect 64
    t version -o xml
    expect 64
    t version --timeout soon
    expect 64
    [ -z "$output" ]
}

@test "help, man page and completion come from the table of commands" {
    t help
    expect 0
    contains "$output" "ete sign MANIFEST"
    t help ete sign
    contains "$output" "--previous FILE"
    t ete --help
    contains "$output" "ete endorse REQUEST"
    t help nonsense
    expect 4
    t help --man
    expect 0
    printf '%s\n' "$output" >page.1
    [ -z "$(man --warnings -l page.1 2>&1 >/dev/null)" ] || ! command -v man
    t completion bash
    printf '%s\n' "$output" | bash -n
    contains "$output" "perimeter"
    t completion zsh
    expect 0
    t completion fish
    expect 0
    t completion tcsh
    expect 64
}

@test "keys are written for their owner only, and nothing is overwritten" {
    t ete init --keys 4 --threshold 3 --name test --no-passphrase ete
    expect 0
    contains "$errors" "not encrypted"
    [ "$(stat -c %a ete/key-4.pem)" = 600 ]
    [ "$(stat -c %a ete)" = 700 ]
    before=$(sha256sum ete/*)
    t ete init --name test --no-passphrase ete
    expect 1
    [ "$before" = "$(sha256sum ete/*)" ]
    t ete show ete -o json
    [ "$(json '.threshold')" = 3 ]
    [ "$(json '.keys|length')" = 4 ]
}

@test "ete init refuses impossible numbers and names" {
    t ete init --no-passphrase ete
    expect 64
    t ete init --name x --keys 2 --threshold 3 --no-passphrase ete
    expect 64
    t ete init --name x --keys 17 --no-passphrase ete
    expect 64
    t ete init --name x --keys 0 --no-passphrase ete
    expect 64
    t ete init --name x --algorithm rsa --no-passphrase ete
    expect 64
    t ete init --name "$(printf 'a\nb')" --no-passphrase ete
    expect 64
    [ ! -e ete/perimeter.root ]
}

@test "an encrypted key needs its passphrase" {
    printf 'correct horse\n' >passphrase
    printf 'wrong horse\n' >wrong
    printf 'short\n' >short
    t ete init --name test --passphrase-file short other
    expect 1
    t ete init --name test --passphrase-file passphrase ete
    expect 0
    grep -q 'BEGIN ENCRYPTED PRIVATE KEY' ete/key-1.pem
    t ete show ete -o name
    id=$output
    ak=$("$request" ak ak)
    manifest_make 1 1
    t ete sign ete/manifest-1.txt --key ete/key-1.pem --yes --passphrase-file wrong
    expect 5
    # Nobody to ask, and no file.
    code=0
    setsid "$tccpctl" ete sign ete/manifest-1.txt --key ete/key-1.pem --yes </dev/null 2>errors || code=$?
    expect 64
    t ete sign ete/manifest-1.txt --key ete/key-1.pem --yes --passphrase-file passphrase
    expect 0
}

@test "a manifest is signed by one key after the other" {
    perimeter_make
    manifest_make 1 1
    t ete sign ete/manifest-1.txt --key ete/key-1.pem
    expect 64
    contains "$errors" "--yes"
    [ ! -e ete/manifest-1.signed ]
    t ete sign ete/manifest-1.txt --key ete/key-1.pem --yes -o json
    expect 0
    [ "$(json '.complete')" = false ]
    contains "$errors" "development = yes"
    contains "$errors" "+ member tc1"
    t ete sign ete/manifest-1.signed --key ete/key-1.pem --yes -o json
    expect 3
    [ "$(error_code)" = duplicate-signer ]
    # From the text again: the file that is there gains a signature.
    t ete sign ete/manifest-1.txt --key ete/key-3.pem --yes -o json
    expect 0
    [ "$(json '.complete')" = true ]
    [ "$(json '.signatures')" = 2 ]
}

@test "ete sign shows what changes, and refuses to go back" {
    perimeter_signed
    manifest_make 2 1
    sed -i 's/127.0.0.1:7001/127.0.0.1:7009/' ete/manifest-2.txt
    t ete sign ete/manifest-2.txt --previous ete/manifest-1.signed --key ete/key-1.pem --yes
    expect 0
    contains "$errors" "~ member tc1"
    contains "$errors" "+ address = 127.0.0.1:7009"
    t ete sign ete/manifest-1.txt --previous ete/manifest-2.signed --key ete/key-3.pem --yes -o json
    expect 3
    [ "$(error_code)" = old-version ]
}

@test "a key signs only one manifest of a version" {
    perimeter_signed
    sed 's/7001/7003/' ete/manifest-1.txt >ete/other.txt
    t ete sign ete/other.txt --key ete/key-1.pem --yes -o json
    expect 3
    [ "$(error_code)" = version-signed ]
    [ ! -e ete/other.signed ]
    # Another file of the same name is not overwritten either.
    t ete sign ete/other.txt --out ete/manifest-1.signed --key ete/key-3.pem --yes
    expect 1
    contains "$errors" "holds another manifest"
}

@test "a wrong manifest is refused with line and column" {
    perimeter_make
    manifest_make 1 1
    sed -i '3s/version/versoin/' ete/manifest-1.txt
    t ete sign ete/manifest-1.txt --key ete/key-1.pem --yes
    expect 1
    contains "$errors" "ete/manifest-1.txt:3:5: a manifest section has no such key"
    t ete sign ete/missing.txt --key ete/key-1.pem --yes
    expect 4
    head -c 1000 /dev/urandom >ete/noise
    t ete sign ete/noise --key ete/key-1.pem --yes
    expect 1
}

@test "foreign keys and foreign perimeters are refused" {
    perimeter_make
    manifest_make 1 1
    t ete init --name other --no-passphrase other
    t ete sign ete/manifest-1.txt --root ete/perimeter.root --key other/key-1.pem --yes -o json
    expect 3
    [ "$(error_code)" = unknown-signer ]
    t ete sign ete/manifest-1.txt --key other/key-1.pem --yes -o json
    expect 3
    [ "$(error_code)" = wrong-perimeter ]
}

@test "a signed file with a changed bit is refused" {
    perimeter_signed
    size=$(stat -c %s ete/manifest-1.signed)
    byte=$(tail -c 5 ete/manifest-1.signed | head -c 1 | od -An -tu1)
    # shellcheck disable=SC2059
    printf "\\x$(printf %02x $((byte ^ 1)))" |
        dd of=ete/manifest-1.signed bs=1 seek=$((size - 5)) conv=notrunc status=none
    t ete sign ete/manifest-1.signed --key ete/key-3.pem --yes -o json
    expect 3
    [ "$(error_code)" = bad-signature ]
}

@test "a bundle is verified against the pinned id" {
    perimeter_signed
    t perimeter bundle bundle --manifest ete/manifest-1.signed
    expect 0
    t perimeter verify bundle --perimeter "$id" -o json
    expect 3
    [ "$(error_code)" = endorsement-missing ]
    t perimeter verify bundle
    expect 64
    t perimeter verify bundle --perimeter tccp1-nonsense
    expect 64
    t perimeter verify bundle --perimeter "$id" --allow-unendorsed -o json
    expect 0
    [ "$(json '.version')" = 1 ]
    TCCP_PERIMETER=$id t perimeter verify bundle --allow-unendorsed --text
    expect 0
    printf '%s\n' "$output" >again.txt
    t perimeter diff ete/manifest-1.txt again.txt
    expect 0
    [ -z "$output" ]
    t ete init --name other --no-passphrase other
    t ete show other -o name
    t perimeter verify bundle --perimeter "$output" --allow-unendorsed -o json
    expect 3
    [ "$(error_code)" = wrong-perimeter ]
}

@test "a bundle of a manifest with too few signatures is refused" {
    perimeter_make
    manifest_make 1 1
    t ete sign ete/manifest-1.txt --key ete/key-1.pem --yes
    t perimeter bundle bundle --manifest ete/manifest-1.signed -o json
    expect 3
    [ "$(error_code)" = too-few-signatures ]
    [ ! -e bundle ]
}

@test "what was seen is remembered, and nothing older is accepted" {
    perimeter_signed
    t perimeter bundle old --manifest ete/manifest-1.signed
    manifest_make 2 1
    for key in 1 2; do
        t ete sign ete/manifest-2.txt --key ete/key-$key.pem --yes
        expect 0
    done
    t perimeter bundle new --manifest ete/manifest-2.signed
    expect 0
    export TCCP_PERIMETER=$id
    t perimeter verify old --allow-unendorsed
    expect 0
    t perimeter verify new --allow-unendorsed
    expect 0
    t perimeter verify old --allow-unendorsed -o json
    expect 3
    [ "$(error_code)" = old-version ]
    # A damaged memory is not taken for none.
    printf 'x' >"$XDG_STATE_HOME/tccp/$id.seen"
    t perimeter verify new --allow-unendorsed
    expect 1
}

@test "a seed is endorsed after its quote was appraised" {
    perimeter_signed
    "$request" make ak ete/manifest-1.signed tc1 1 seed-a ete/request
    t ete endorse ete/request --key ete/key-1.pem --yes
    expect 64
    t ete endorse ete/request --manifest ete/manifest-1.signed --key ete/key-1.pem --yes -o json
    expect 0
    [ "$(json '.member')" = tc1 ]
    [ "$(json '.complete')" = false ]
    t ete endorse ete/request --manifest ete/manifest-1.signed --key ete/key-3.pem --yes -o json
    expect 0
    [ "$(json '.complete')" = true ]
    t perimeter bundle bundle --manifest ete/manifest-1.signed --endorsement ete/request.endorsement
    expect 0
    t perimeter verify bundle --perimeter "$id" -o json
    expect 0
    [ "$(json '.endorsed')" = true ]
}

@test "a second seed for one epoch is refused" {
    perimeter_signed
    "$request" make ak ete/manifest-1.signed tc1 1 seed-a ete/request-a
    "$request" make ak ete/manifest-1.signed tc1 1 seed-b ete/request-b
    t ete endorse ete/request-a --manifest ete/manifest-1.signed --key ete/key-1.pem --yes
    expect 0
    t ete endorse ete/request-b --manifest ete/manifest-1.signed --key ete/key-1.pem --yes -o json
    expect 3
    [ "$(error_code)" = epoch-endorsed ]
    [ ! -e ete/request-b.endorsement ]
    # The same seed may be endorsed again: that is how an endorsement is renewed.
    t ete endorse ete/request-a --manifest ete/manifest-1.signed --key ete/key-1.pem --yes --out ete/renewed
    expect 0
}

@test "requests that do not hold are refused" {
    perimeter_signed
    m="--manifest ete/manifest-1.signed --key ete/key-1.pem --yes -o json"
    "$request" make ak ete/manifest-1.signed tc1 2 seed ete/request
    # shellcheck disable=SC2086
    t ete endorse ete/request $m
    expect 3
    [ "$(error_code)" = epoch-mismatch ]
    "$request" make ak ete/manifest-1.signed tc1 +1 seed ete/request
    # shellcheck disable=SC2086
    t ete endorse ete/request $m
    expect 3
    [ "$(error_code)" = quote-binding ]
    "$request" ak other-ak >/dev/null
    "$request" make other-ak ete/manifest-1.signed tc1 1 seed ete/request
    # shellcheck disable=SC2086
    t ete endorse ete/request $m
    expect 3
    [ "$(error_code)" = ak-name ]
    # A PCR that the policy does not allow.
    manifest_make 2 1
    sed -i 's/pcr 4 = ......../pcr 4 = 00000000/' ete/manifest-2.txt
    for key in 1 2; do
        t ete sign ete/manifest-2.txt --key ete/key-$key.pem --yes
    done
    "$request" make ak ete/manifest-2.signed tc1 1 seed ete/request
    t ete endorse ete/request --manifest ete/manifest-2.signed --key ete/key-1.pem --yes -o json
    expect 3
    [ "$(error_code)" = pcr-not-allowed ]
    # A manifest that nobody signed, or too few.
    t ete endorse ete/request --manifest ete/manifest-2.txt --key ete/key-1.pem --yes
    expect 3
    manifest_make 3 1
    t ete sign ete/manifest-3.txt --key ete/key-1.pem --yes
    expect 0
    "$request" make ak ete/manifest-3.signed tc1 1 seed ete/request
    t ete endorse ete/request --manifest ete/manifest-3.signed --key ete/key-1.pem --yes -o json
    expect 3
    [ "$(error_code)" = too-few-signatures ]
    printf 'noise' >ete/request
    # shellcheck disable=SC2086
    t ete endorse ete/request $m
    expect 1
    [ "$(error_code)" = malformed ]
    [ ! -e ete/request.endorsement ]
}

@test "keys are replaced without a new id" {
    perimeter_signed
    t ete new-key --no-passphrase ete/key-4.pem -o json
    expect 0
    new=$(json '.key_id')
    t ete show ete -o json
    first=$(json '.keys[0]')
    t ete succeed --key ete/key-1.pem --yes
    expect 64
    t ete succeed --key ete/key-2.pem --add ete/key-4.pem.pub --remove "${first:0:8}" --yes
    expect 0
    contains "$errors" "+ $new"
    # Not in force yet.
    t ete show ete -o json
    [ "$(json '.succession')" = 0 ]
    t ete succeed --key ete/key-4.pem --yes -o json
    expect 3
    [ "$(error_code)" = unknown-signer ]
    t ete succeed --key ete/key-3.pem --threshold 1 --yes
    expect 64
    t ete succeed --key ete/key-3.pem --yes
    expect 0
    t ete show ete -o json
    [ "$(json '.succession')" = 1 ]
    [ "$(json '.perimeter')" = "$id" ]
    # The old manifest counts no more, the key that left signs no more, the new one does.
    t perimeter bundle bundle --manifest ete/manifest-1.signed -o json
    expect 3
    [ "$(error_code)" = unknown-signer ]
    manifest_make 2 1
    t ete sign ete/manifest-2.txt --key ete/key-1.pem --yes -o json
    expect 3
    [ "$(error_code)" = unknown-signer ]
    for key in 2 4; do
        t ete sign ete/manifest-2.txt --key ete/key-$key.pem --yes
        expect 0
    done
    t perimeter bundle bundle --manifest ete/manifest-2.signed
    expect 0
    t perimeter verify bundle --perimeter "$id" --allow-unendorsed
    expect 0
}

@test "settings come from option, environment, context, default, in this order" {
    t config -o json
    expect 0
    [ "$(json '.addresses[0]')" = unix:/run/tccp/tcd.sock ]
    mkdir -p config/tccp
    printf 'addr = {"a:1", "b:2"}\nformat = "json"\n' >config/tccp/config
    t config
    [ "$(json '.addresses[1]')" = b:2 ]
    TCCP_ADDR=c:3,d:4 t config
    [ "$(json '.addresses[0]')" = c:3 ]
    TCCP_ADDR=c:3 t config --addr e:5 --addr f:6
    [ "$(json '.addresses[1]')" = f:6 ]
    t config --context nowhere
    expect 4
    printf 'colour = "red"\n' >config/tccp/config
    t config
    expect 1
    contains "$errors" "config/tccp/config"
}

@test "a full standard output is a failure" {
    [ -e /dev/full ] || skip "no /dev/full"
    code=0
    "$tccpctl" version >/dev/full 2>errors || code=$?
    expect 1
}
