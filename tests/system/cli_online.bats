#!/usr/bin/env bats
# tccpctl with a running member (tcd on a software TPM): bootstrap, users, changes; what the client refuses to believe.

# One member for all tests of the file: starting it takes longer than asking it.
setup_file() {
    local top=$TOP_SRCDIR key

    folder=$(mktemp -d /tmp/tccp.XXXXXX)
    export folder HOME=$folder XDG_STATE_HOME=$folder/state XDG_CONFIG_HOME=$folder/config
    tccpctl=$TOP_BUILDDIR/cli/tccpctl
    # shellcheck source=tests/support/swtpm.sh
    . "$top/tests/support/swtpm.sh"
    run=$folder/run
    # shellcheck source=tests/support/processes.sh
    . "$top/tests/support/processes.sh"
    cd "$folder"
    swtpm_create "$folder/tpm" "$folder/ca"
    swtpm_start "$folder/tpm"
    read -r api raft <<<"$(free_ports 2 | tr '\n' ' ')"
    export api raft
    "$tccpctl" -q ete init --name test --no-passphrase ete >/dev/null
    id=$("$tccpctl" ete show ete -o name)
    export id
    "$tccpctl" -q user new alice --no-passphrase >/dev/null
    manifest 1 >ete/manifest-1.txt
    for key in 1 2; do
        "$tccpctl" -q ete sign ete/manifest-1.txt --key ete/key-$key.pem --yes >/dev/null
    done
    "$tccpctl" -q perimeter bundle bundle --manifest ete/manifest-1.signed >/dev/null
    cat >tcd.conf <<END
member = "tc1"
perimeter = "$id"
bundle = "$folder/bundle"
state-directory = "$folder/tcd"
admin-socket = "$folder/sock"
tcti = "$(swtpm_tcti "$folder/tpm")"
development = true
END
    process_start tcd "$TOP_BUILDDIR/tcd/tcd" --config "$folder/tcd.conf"
    wait_until 10 test -S sock
    "$tccpctl" -q cluster bootstrap --addr "unix:$folder/sock" --out ete/request >/dev/null
    for key in 1 3; do
        "$tccpctl" -q ete endorse ete/request --manifest ete/manifest-1.signed --key ete/key-$key.pem --yes >/dev/null
    done
    "$tccpctl" -q cluster bootstrap --addr "unix:$folder/sock" --endorsement ete/request.endorsement >/dev/null
    "$tccpctl" -q user enroll --addr "127.0.0.1:$api" --perimeter "$id" --identity config/tccp/alice.key --wait >/dev/null
}

teardown_file() {
    cd /
    run=$folder/run
    . "$TOP_SRCDIR/tests/support/processes.sh"
    . "$TOP_SRCDIR/tests/support/swtpm.sh"
    processes_end
    swtpm_stop "$folder/tpm"
    rm -rf "$folder"
}

setup() {
    cd "$folder"
    tccpctl=$TOP_BUILDDIR/cli/tccpctl
    run=$folder/run
    . "$TOP_SRCDIR/tests/support/processes.sh"
    export TCCP_ADDR=127.0.0.1:$api TCCP_PERIMETER=$id TCCP_IDENTITY=$folder/config/tccp/alice.key
}

# The text of a manifest of version $1.
manifest() {
    cat <<END
manifest {
    perimeter = $id
    version = $1
    epoch = 1
    not_before = 2020-01-01
    not_after = 2090-01-01
    member_policy = members
    development = yes
}
operator alice {
    role = operator
    key = $(cat config/tccp/alice.key.pub)
}
policy members {
    pcr 7 = $(printf '0%.0s' {1..64})
}
END
    "$TOP_BUILDDIR/tcd/tcd" --show-identity --tcti "$(swtpm_tcti "$folder/tpm")" |
        sed "s/NAME/tc1/; s/HOST:7440/127.0.0.1:$api/; s/HOST:7441/127.0.0.1:$raft/"
}

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

error_code() {
    sed -n '/^{/,$p' "$folder/errors" | jq -r .error.code
}

json() {
    printf '%s' "$output" | jq -r "$1"
}

@test "status says what is in force, and that it is a development perimeter" {
    t status -o json
    expect 0
    [ "$(json '.perimeter')" = "$id" ]
    [ "$(json '.leader')" = tc1 ]
    [ "$(json '.members')" = 1 ]
    [ "$(json '.failures_tolerated')" = 0 ]
    [[ $(json '.attention[0]') == *"development perimeter"* ]]
    t cluster members -o name
    [ "$output" = tc1 ]
    t perimeter show -o json --out shown
    expect 0
    [ "$(json '.endorsed')" = true ]
    t perimeter verify shown
    expect 0
}

@test "a coordinator of another perimeter is not trusted" {
    t ete init --name other --no-passphrase other
    t ete show other -o name
    t status --perimeter "$output" -o json
    expect 3
    [ "$(error_code)" = wrong-perimeter ]
}

@test "a coordinator that shows an older epoch, succession or manifest is not trusted" {
    cp "state/tccp/$id.seen" kept
    printf '0 2 1\n' >"state/tccp/$id.seen"
    t status -o json
    expect 3
    [ "$(error_code)" = old-epoch ]
    printf '1 1 1\n' >"state/tccp/$id.seen"
    t status -o json
    expect 3
    [ "$(error_code)" = old-succession ]
    printf '0 1 7\n' >"state/tccp/$id.seen"
    t perimeter show -o json
    expect 3
    [ "$(error_code)" = old-version ]
    cp kept "state/tccp/$id.seen"
    t status
    expect 0
}

@test "a key without a certificate, and one that nobody named, is refused" {
    t user new mallory --no-passphrase
    expect 0
    t status --identity config/tccp/mallory.key
    expect 5
    t user enroll --identity config/tccp/mallory.key -o json
    [ "$code" != 0 ]
    [ ! -e config/tccp/mallory.key.crt ]
    # A certificate of one's own making opens nothing either.
    cp config/tccp/alice.key.crt config/tccp/mallory.key.crt
    t status --identity config/tccp/mallory.key
    [ "$code" != 0 ]
}

@test "users are added by an operator, and can do what their role says" {
    t user new bob --no-passphrase
    t user add bob --role customer --public-key config/tccp/bob.key.pub
    expect 0
    t user add bob --role customer --public-key config/tccp/bob.key.pub -o json
    expect 1
    [ "$(error_code)" = already-exists ]
    t user enroll --identity config/tccp/bob.key -o json
    expect 0
    [ "$(json '.role')" = customer ]
    t node list --identity config/tccp/bob.key -o json
    expect 5
    [ "$(error_code)" = not-authorized ]
    t user remove bob
    expect 0
    t status --identity config/tccp/bob.key
    expect 5
    t user remove bob
    expect 4
}

@test "a change is in the audit log once" {
    t status -o json
    before=$(json '.audit_size')
    t audit note "a note"
    expect 0
    t status -o json
    [ "$(json '.audit_size')" = $((before + 1)) ]
}

@test "nodes that do not exist are not found" {
    t node list -o json
    expect 0
    t node get n9
    expect 4
    t node cordon n9
    expect 4
    t node revoke n9
    expect 64
    t node revoke n9 --yes
    expect 4
}

@test "a manifest is applied once it is newer and signed by enough keys" {
    t perimeter apply ete/manifest-1.signed -o json
    expect 3
    [ "$(error_code)" = old-version ]
    . "$TOP_SRCDIR/tests/support/swtpm.sh"
    # The TPM is tcd's at the moment: the text of version 1 has its names.
    sed 's/version = 1/version = 2/' ete/manifest-1.txt >ete/manifest-2.txt
    t ete sign ete/manifest-2.txt --key ete/key-1.pem --yes
    expect 0
    t perimeter apply ete/manifest-2.signed -o json
    expect 3
    [ "$(error_code)" = too-few-signatures ]
    t ete sign ete/manifest-2.signed --key ete/key-3.pem --yes
    expect 0
    t perimeter apply ete/manifest-2.signed
    expect 0
    t perimeter show -o json
    [ "$(json '.version')" = 2 ]
    # From now on nobody can show this client version 1.
    t perimeter verify bundle --allow-unendorsed -o json
    expect 3
    [ "$(error_code)" = old-version ]
}

@test "the local socket shows, and changes nothing" {
    export TCCP_ADDR=unix:$folder/sock
    t cluster status -o json
    expect 0
    t audit note "who?" -o json
    expect 5
    [ "$(error_code)" = not-authorized ]
}

@test "a member that does not answer, or is not there, is reported in time" {
    process_signal tcd -STOP
    t status --timeout 1s
    process_signal tcd -CONT
    expect 6
    t status --addr 127.0.0.1:1
    expect 2
    t status --addr "unix:$folder/nowhere"
    expect 2
    t status --addr nonsense
    expect 64
}

@test "with --wait a change is made when the member is back" {
    t status -o json
    before=$(json '.audit_size')
    process_signal tcd -KILL
    process_end tcd
    "$tccpctl" audit note "patient" --wait >/dev/null 2>errors </dev/null 3>&- &
    waiting=$!
    sleep 0.5
    process_start tcd "$TOP_BUILDDIR/tcd/tcd" --config "$folder/tcd.conf"
    wait $waiting
    t status -o json
    expect 0
    [ "$(json '.audit_size')" -ge $((before + 1)) ]
}


# A policy of $2 files into the file $1; other files with every name.
policy() {
    awk -v name="$1" -v count="$2" 'BEGIN {
        printf "policy %s {\n    files = listed\n", name
        for (i = 1; i <= count; i++) printf "    file %s%032d%028d = /usr/lib/%s-%d\n", "abcd", i, i, name, i
        print "}"
    }' >"$1.policy"
    "$tccpctl" -q policy compile "$1.policy" --out "$1" >/dev/null 2>&1
}

@test "a manifest that names a reference set waits for it; the set comes back as it went" {
    policy set-1 17000
    policy set-2 3
    d1=$(sha256sum set-1 | cut -d' ' -f1)
    d2=$(sha256sum set-2 | cut -d' ' -f1)
    sed 's/version = 1/version = 3/' ete/manifest-1.txt >ete/manifest-3.txt
    printf 'policy compute {\n    reference %s = enforced\n    reference %s = staged\n}\n' "$d1" "$d2" >>ete/manifest-3.txt
    for key in 1 2; do
        t ete sign "ete/manifest-3.$([ $key = 1 ] && printf txt || printf signed)" --key ete/key-$key.pem --yes
        expect 0
    done
    t perimeter apply ete/manifest-3.signed -o json
    expect 1
    [ "$(error_code)" = reference-missing ]
    grep -q "policy compute names" errors
    grep -q "policy upload" errors
    head -c 300 /dev/urandom >noise
    t policy upload noise -o json
    expect 1
    t policy upload set-1 -o json
    expect 0
    [ "$(json '.[0].digest')" = "$d1" ]
    [ "$(json '.[0].result')" = uploaded ]
    t policy upload set-1 -o json
    expect 0
    [ "$(json '.[0].result')" = already-there ]
    t perimeter apply ete/manifest-3.signed -o json
    [ "$(error_code)" = reference-missing ]
    grep -q "$d2" errors
    t perimeter apply ete/manifest-3.signed --with set-2.policy
    expect 0
    wait_until 10 grep -q "reference-opened digest=${d1:0:16}" run/tcd.log
    wait_until 10 grep -q "reference-opened digest=${d2:0:16}" run/tcd.log
    t perimeter show -o json
    [ "$(json '.references | length')" = 2 ]
    [ "$(json ".references[] | select(.digest == \"$d2\") | .enforced")" = false ]
    t policy list -o json
    expect 0
    [ "$(json ".[] | select(.digest == \"$d1\") | .state + \" \" + .policies.compute")" = "complete enforced" ]
    [ "$(json ".[] | select(.digest == \"$d2\") | .policies.compute")" = staged ]
    t policy download "$d1" --out back
    expect 0
    cmp set-1 back
    t policy download "$(printf '0%.0s' {1..64})" --out nothing
    expect 4
    [ ! -e nothing ]
    t policy download 00 --out nothing
    expect 64
}

@test "an upload that was interrupted goes on" {
    policy big 150000
    size=$(stat -c %s big)
    "$tccpctl" -q policy upload big >/dev/null 2>&1 </dev/null 3>&- &
    upload=$!
    received() {
        t policy list -o json
        json ".[] | select(.size == $size) | .received"
    }
    some_received() { [ -n "$(received)" ]; }
    # It goes on for a moment at a time, until some of it is there.
    for ((i = 0; i < 500; i++)); do
        kill -STOP $upload
        ! some_received || break
        kill -CONT $upload
        sleep 0.02
    done
    some_received
    kill -KILL $upload
    wait $upload || true
    [ "$(received)" -gt 0 ]
    [ "$(received)" -lt "$size" ]
    t policy upload big -o json
    expect 0
    t policy download "$(sha256sum big | cut -d' ' -f1)" --out back
    expect 0
    cmp big back
}

@test "whoever is no operator reads reference sets, and uploads none" {
    t user new carol --no-passphrase
    t user add carol --role customer --public-key config/tccp/carol.key.pub
    expect 0
    t user enroll --identity config/tccp/carol.key
    expect 0
    export TCCP_IDENTITY=config/tccp/carol.key
    policy set-3 4
    t policy upload set-3 -o json
    expect 5
    [ "$(error_code)" = not-authorized ]
    t policy list -o name
    expect 0
    t policy download "${output%%$'\n'*}" --out carols
    expect 0
}

@test "reference sets are there after the member started again" {
    t policy list -o name
    kept=$output
    [ -n "$kept" ]
    process_signal tcd -KILL
    process_end tcd
    process_start tcd "$TOP_BUILDDIR/tcd/tcd" --config "$folder/tcd.conf"
    t policy list -o name --wait
    expect 0
    [ "$output" = "$kept" ]
    t policy download "${kept%%$'\n'*}" --out again
    expect 0
}
