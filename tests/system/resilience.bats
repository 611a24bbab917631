#!/usr/bin/env bats
# What a member does when others end, hang or flood it in the middle of something: it goes on, and ends in order.
# The tests of this file build on each other: one perimeter lives through all of them.

load_support() {
    # shellcheck source=tests/system/support.bash
    . "$TOP_SRCDIR/tests/system/support.bash"
}

setup_file() {
    load_support
    perimeter_begin
    perimeter_make 1 2
    perimeter_start_watched
    perimeter_bootstrap
    perimeter_enroll
    perimeter_start n1
}

teardown_file() {
    load_support
    perimeter_finish
}

setup() {
    load_support
}

# The member, under a shell that writes down how it ended.
perimeter_start_watched() {
    rm -f "$perimeter/status" "$perimeter/tcd.pid"
    # shellcheck disable=SC2016 # the inner shell's
    process_start tc1 bash -c '"$1/tcd/tcd" --config="$2/tc1/tcd.conf" & echo $! >"$2/tcd.pid"; wait $!
        echo $? >"$2/status"' watch "$programs" "$perimeter"
    wait_until 20 test -S "$perimeter/tc1/sock"
}

member_signal() {
    kill "$1" "$(cat "$perimeter/tcd.pid")"
}

tpm_signal() {
    kill "$2" "$(cat "$perimeter/tpm/$1/pid")"
}

member_ends_in_order() {
    member_signal -TERM
    eventually 10 tc1 -- test -s "$perimeter/status"
    echo "status $(cat "$perimeter/status")"
    logs tc1
    [ "$(cat "$perimeter/status")" = 0 ]
}

node_is() {
    [ "$(perimeter_json .state node get "$1")" = "$2" ]
}

# Whether the member still serves a user, over TLS.
serves() {
    perimeter_ctl status --timeout 5s >/dev/null 2>&1
}

# As the user eve, with the certificate of her enrolment.
as_eve() {
    perimeter_tool "$@" --addr "127.0.0.1:$(perimeter_port tc1 3)" --perimeter "$(cat "$perimeter/id")" \
        --identity "$perimeter/eve.key" --timeout 5s
}

@test "who was removed, or came back in another role, has no rights by an older certificate" {
    perimeter_tool ete new-key "$perimeter/eve.key" --no-passphrase
    perimeter_ctl user add eve --role operator --public-key "$perimeter/eve.key.pub"
    as_eve user enroll
    as_eve node list
    perimeter_ctl user remove eve
    run as_eve node list
    [ "$status" != 0 ]
    perimeter_ctl user add eve --role customer --public-key "$perimeter/eve.key.pub"
    run as_eve node list
    echo "$output"
    [ "$status" != 0 ]
    grep -q "not enrolled" <<<"$output"
    as_eve user enroll
    as_eve status
}

@test "a host that goes while the member's TPM quotes for it leaves nothing behind" {
    eventually 15 n1 tc1 -- node_is n1 live
    tpm_signal tc1 -STOP
    perimeter_start n2
    sleep 1
    process_signal n2 -KILL
    process_end n2
    tpm_signal tc1 -CONT
    serves
    member_ends_in_order
}

@test "a member that is ended while a host waits for its quote ends in order" {
    perimeter_start_watched
    eventually 20 tc1 -- serves
    tpm_signal tc1 -STOP
    perimeter_start n2
    sleep 1
    member_signal -TERM
    sleep 0.3
    tpm_signal tc1 -CONT
    eventually 10 tc1 -- test -s "$perimeter/status"
    [ "$(cat "$perimeter/status")" = 0 ]
    process_end n2
}

@test "a member that is ended with a renewal on its way ends in order" {
    perimeter_start_watched
    eventually 20 n1 tc1 -- node_is n1 live
    # The challenge goes out, the answer waits for the node's TPM, then in the frozen member's socket.
    tpm_signal n1 -STOP
    sleep 2.2
    member_signal -STOP
    tpm_signal n1 -CONT
    sleep 0.7
    member_signal -TERM
    member_signal -CONT
    eventually 10 tc1 -- test -s "$perimeter/status"
    logs tc1
    [ "$(cat "$perimeter/status")" = 0 ]
}

@test "garbage, half-open handshakes and silence cost their connections only" {
    local port i pids=()

    perimeter_start_watched
    eventually 20 tc1 -- serves
    port=$(perimeter_port tc1 3)
    for ((i = 0; i < 40; i++)); do
        # Bytes that are no TLS; a connection without a word; TLS with a protocol and then frames of noise.
        { head -c 300 /dev/urandom >"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || true
        exec {fd}<>"/dev/tcp/127.0.0.1/$port"
        pids+=("$fd")
    done
    for alpn in tccp-node/1 tccp-admin/1; do
        for ((i = 0; i < 5; i++)); do
            { printf '\0\0\1\0'; head -c 256 /dev/urandom; } | timeout 5 openssl s_client -quiet -tls1_3 \
                -alpn "$alpn" -connect "127.0.0.1:$port" >/dev/null 2>&1 || true
            # A frame that announces more than anybody may send before it is known.
            { printf '\0\100\0\0'; sleep 0.1; } | timeout 5 openssl s_client -quiet -tls1_3 \
                -alpn "$alpn" -connect "127.0.0.1:$port" >/dev/null 2>&1 || true
        done
    done
    serves
    [ ! -s "$perimeter/status" ]
    for i in "${pids[@]}"; do
        exec {i}>&-
    done
    eventually 15 n1 tc1 -- node_is n1 live
    member_ends_in_order
}

@test "a port that is taken is refused with one line, and nothing is left half-started" {
    local port listener status=0 printed

    # The server that takes the port ends with its first client.
    process_end n1
    port=$(perimeter_port tc1 3)
    openssl s_server -nocert -accept "127.0.0.1:$port" >/dev/null 2>&1 3>&- &
    listener=$!
    # shellcheck disable=SC2329 # called by wait_until
    taken() { ss -Htln "sport = :$port" | grep -q .; }
    wait_until 5 taken
    printed=$(timeout 20 "$programs/tcd/tcd" --config="$perimeter/tc1/tcd.conf" 2>&1 </dev/null) || status=$?
    kill "$listener"
    wait "$listener" 2>/dev/null || true
    echo "status $status: $printed"
    [ "$status" = 1 ]
    grep -q "^tcd: .*$port" <<<"$printed"
    perimeter_start_watched
    eventually 20 tc1 -- serves
    member_ends_in_order
}

@test "a member whose file cannot be written is refused" {
    local status=0 printed

    mkdir "$perimeter/tc1/state/member.d"
    mv "$perimeter/tc1/state/member" "$perimeter/member"
    mkdir "$perimeter/tc1/state/member"
    printed=$(timeout 20 "$programs/tcd/tcd" --config="$perimeter/tc1/tcd.conf" 2>&1 </dev/null) || status=$?
    rmdir "$perimeter/tc1/state/member" "$perimeter/tc1/state/member.d"
    mv "$perimeter/member" "$perimeter/tc1/state/member"
    echo "status $status: $printed"
    [ "$status" = 1 ]
    grep -q "^tcd: .*state/member" <<<"$printed"
}

@test "a seed that does not open is refused, and says what to do" {
    local status=0 printed seed=$perimeter/tc1/state/seed

    [ -f "$seed" ] || seed=$(ls "$perimeter"/tc1/state/seed*)
    cp "$seed" "$perimeter/seed.kept"
    head -c 40 /dev/urandom | dd of="$seed" bs=1 seek=60 conv=notrunc 2>/dev/null
    printed=$(timeout 20 "$programs/tcd/tcd" --config="$perimeter/tc1/tcd.conf" 2>&1 </dev/null) || status=$?
    cp "$perimeter/seed.kept" "$seed"
    echo "status $status: $printed"
    [ "$status" = 1 ]
    grep -q "seed does not open.*join again" <<<"$printed"
}
