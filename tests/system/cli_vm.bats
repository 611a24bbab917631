#!/usr/bin/env bats
# A customer's VMs: what is asked of a coordinator with one node, what it refuses, and who sees what.
# The tests of this file build on each other: one perimeter lives through all of them.

load_support() {
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
    perimeter_lease=20s
    perimeter_accelerator=tcg
}

setup_file() {
    local user

    load_support
    perimeter_begin
    perimeter_make 1 2
    perimeter_launcher n2
    perimeter_start tc1
    perimeter_bootstrap
    perimeter_enroll
    cd "$perimeter" || return 1
    for user in carol dave; do
        perimeter_tool -q user new "$user" --no-passphrase --out "$perimeter/$user.key" >/dev/null
        perimeter_ctl -q user add "$user" --role customer --public-key "$perimeter/$user.key.pub" >/dev/null
        ctl "$user" -q user enroll >/dev/null
        truncate -s 1M "raw-$user"
        seal "$user" "image-$user"
    done
}

teardown_file() {
    load_support
    perimeter_finish
}

setup() {
    load_support
    cd "$perimeter" || return 1
}

# tccpctl as a customer, or the operator.
ctl() {
    local user=$1 addresses

    shift
    mapfile -t addresses < <(perimeter_addresses)
    perimeter_tool "$@" "${addresses[@]}" --perimeter "${pinned:-$(cat "$perimeter/id")}" \
        --identity "$perimeter/$user.key"
}

seal() {
    ctl "$1" -q image seal "raw-$1" --out "$2" --vcpu 1 --memory 64M >/dev/null
}

t() {
    code=0
    output=$(ctl "$@" 2>"$perimeter/errors" </dev/null) || code=$?
    errors=$(cat "$perimeter/errors")
}

expect() {
    [ "$code" = "$1" ] || {
        printf 'exit code %s, expected %s\n%s\n%s\n' "$code" "$1" "$output" "$errors"
        return 1
    }
}

# It was refused with this exit code, for this reason.
refused() {
    expect "$1"
    [ "$(error .code)" = "$2" ] || {
        printf '%s\nis not: %s\n' "$errors" "$2"
        return 1
    }
}

error() {
    sed -n '/^{/,$p' "$perimeter/errors" | jq -r ".error$1"
}

json() {
    printf '%s' "$output" | jq -r "$1"
}

node_is_live() {
    [ "$(perimeter_json .state node get "$1")" = live ]
}

@test "without a node that satisfies the policy nothing is launched, and nothing is left" {
    t carol vm launch image-carol --name web -o json
    refused 1 no-placement
    [ -n "$(error .hint)" ]
    [ ! -e image-carol/web.launch ]
    t carol vm list -o json
    expect 0
    [ "$(json length)" = 0 ]
}

@test "what is wrong with a launch shows before anybody is asked" {
    t carol vm launch nowhere --name web
    expect 4
    t carol vm launch image-carol
    expect 64
    t carol vm launch image-carol --name a/b
    expect 64
    t carol vm launch image-carol --name web --require zone
    expect 64
    t carol vm launch image-carol --name web --on-lost-lease sleep
    expect 64
    t carol vm launch image-carol --name web --after 8d
    expect 64
    t carol vm launch image-carol --name web --location relative
    expect 64
    printf 'on-lost-lease = "stop"\nnonsense = 1\n' >policy
    t carol vm launch image-carol --name web --policy policy
    expect 1
    cp -r image-carol readable
    chmod 644 readable/vm.key
    t carol vm launch readable --name web
    expect 5
    chmod 600 readable/vm.key
    printf x >>"readable/$(ctl carol image inspect readable -o json 2>/dev/null | jq -r .disk)"
    t carol vm launch readable --name web -o json
    refused 3 image-digest
    [ ! -e readable/web.launch ]
}

@test "the key is sealed to nobody but the pinned perimeter's coordinator" {
    perimeter_tool -q ete init other --name other --no-passphrase >/dev/null
    pinned=$(perimeter_tool ete show other -o name)
    t carol vm launch image-carol --name web -o json
    refused 3 wrong-perimeter
    # An image that was signed for another perimeter, or by another customer.
    seal carol image-other
    unset pinned
    t carol vm launch image-other --name web -o json
    refused 3 bad-signature
    t dave vm launch image-carol --name web -o json
    refused 3 bad-signature
    [ ! -e image-carol/web.launch ]
}

@test "a VM is launched once, and asking again is refused" {
    perimeter_start n1
    eventually 20 n1 tc1 -- node_is_live n1
    t carol vm launch image-carol --name far --require zone=elsewhere -o json
    refused 1 no-placement
    t carol vm launch image-carol --name far --needs-host-profile -o json
    refused 1 no-placement
    printf 'require = {"zone=elsewhere"}\n' >policy
    t carol vm launch image-carol --name far --policy policy -o json
    refused 1 no-placement
    t carol vm launch image-carol --name far --node n9 -o json
    refused 4 not-found
    t carol vm launch image-carol --name web --require zone=n1,n3 -o json
    expect 0
    vm=$(json .vm)
    [ ${#vm} = 64 ]
    [ "$(stat -c %a image-carol/web.launch)" = 600 ]
    # The key is in none of the files but its own.
    key=$(od -An -v -tx1 image-carol/vm.key | tr -d ' \n')
    refute sh -c "od -An -v -tx1 image-carol/web.launch | tr -d ' \n' | grep -q $key"
    # From this folder the name is taken; the very same request is answered by what became of it.
    t carol vm launch image-carol --name web -o json
    expect 1
    [[ $(error .message) == *"launched from here before"* ]]
    t carol vm launch image-carol --name web --again -o json
    refused 1 already-exists
    [ -e image-carol/web.launch ]
    t carol vm list -o json
    [ "$(json length)" = 1 ]
    [ "$(json '.[0].vm')" = "$vm" ]
    # Nor is it free from another folder.
    seal carol image-again
    t carol vm launch image-again --name web -o json
    refused 1 already-exists
    [ ! -e image-again/web.launch ]
}

@test "a request that was tampered with, or is another customer's, is refused" {
    cp -r image-carol tampered
    at=$(($(grep -abo file:// tampered/web.launch | tail -1 | cut -d: -f1) - 10))
    byte=$(dd if=tampered/web.launch bs=1 skip=$at count=1 status=none | od -An -tu1)
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 1)))" | dd of=tampered/web.launch bs=1 seek=$at conv=notrunc status=none
    t carol vm launch tampered --name web --again -o json
    refused 3 ticket
    # Dave shows Carol's request as his own.
    seal dave image-mixed
    cp image-carol/web.launch image-mixed/web.launch
    t dave vm launch image-mixed --name web --again -o json
    refused 5 not-authorized
}

@test "a customer sees its own VMs only" {
    t dave vm list -o json
    expect 0
    [ "$(json length)" = 0 ]
    t dave vm get web
    expect 4
    t dave vm stop web
    expect 4
    t carol vm get web -o json
    expect 0
    vm=$(json .vm)
    [ "$(json .node)" = null ]
    t dave vm get "$vm"
    expect 4
    cp image-carol/web.launch image-dave/stolen.launch
    t dave vm proof get image-dave/stolen.launch -o json
    refused 4 not-found
    # The same name is free for another customer; who runs the cloud sees both, and where.
    t dave vm launch image-dave --name web -o json
    expect 0
    t operator vm list -o json
    [ "$(json length)" = 2 ]
    [ "$(json '.[0].node')" = n1 ]
    t operator vm get web
    expect 64
    t operator vm get "${vm:0:12}" -o name
    expect 0
    [ "$output" = web ]
}

@test "a file that is no proof is not trusted" {
    printf 'no proof' >image-carol/web.proof
    t carol vm proof verify image-carol/web.proof -o json
    expect 3
    rm image-carol/web.proof
    t carol vm proof verify image-carol/web.proof
    expect 4
    t carol vm proof verify image-carol/web
    expect 64
    t carol vm proof nonsense image-carol/web.proof
    expect 64
}

@test "a launch whose node runs no VMs fails with the reason" {
    t carol vm launch image-carol --name futile --require zone=n1 --wait -o json
    expect 1
    [[ $(error .message) == *"futile is lost"*"tccp-launcher"* ]]
    t carol vm delete futile --yes
    expect 0
    t carol vm get futile -o json
    [ "$(json .state)" = deleted ]
    t carol vm list -o name
    [[ $output != *futile* ]]
}

@test "a launched VM is proved, and the proof verifies offline and nowhere else" {
    [ "$(id -u)" = 0 ] || skip "the launcher needs root"
    perimeter_start n2
    eventually 20 n2 tc1 -- node_is_live n2
    t carol vm launch image-carol --name real --require zone=n2 --wait -o json
    expect 0
    [ "$(json .generation)" -ge 1 ]
    [ "$(json .image)" = "$(sha256sum <image-carol/manifest | cut -d' ' -f1)" ]
    [ "$(json .development)" = true ]
    [ "$(json .host_profile)" = false ]
    [ "$(json .tree_size)" -gt "$(json .audit_leaf)" ]
    [[ $errors == *DEVELOPMENT* ]]
    vm=$(json .vm)
    t carol vm get real -o json
    [ "$(json .vm)" = "$vm" ]
    [ "$(json .state)" = running ]
    # Nobody is asked.
    t carol vm proof verify image-carol/real.proof -o json --addr 127.0.0.1:1
    expect 0
    [ "$(json '.[0].vm')" = "$vm" ]
    t carol vm proof get image-carol/real.proof -o json
    expect 0
    # Not with another key, for another perimeter, or changed.
    cp -r image-carol copied
    cp image-dave/vm.key copied/vm.key
    t carol vm proof verify copied/real.proof -o json
    refused 3 proof
    pinned=$(perimeter_tool ete show other -o name)
    t carol vm proof verify image-carol/real.proof -o json
    refused 3 wrong-perimeter
    unset pinned
    cp image-carol/web.launch copied/other.launch
    cp image-carol/real.proof copied/other.proof
    cp image-carol/vm.key copied/vm.key
    t carol vm proof verify copied/real.proof copied/other.proof -o json
    refused 3 proof
    [ "$(json length)" = 1 ]
    printf x >>copied/real.proof
    t carol vm proof verify copied/real.proof
    expect 3
    t carol vm stop real
    expect 0
}
