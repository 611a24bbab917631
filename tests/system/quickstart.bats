#!/usr/bin/env bats
# ./quickstart does what it says, and `stop` leaves no process behind.

setup_file() {
    TCCP_DEV=$(mktemp -d /tmp/tccp-quick-XXXXXX)/dev
    TCCP_BUILD=$TOP_BUILDDIR
    export TCCP_DEV TCCP_BUILD
}

teardown_file() {
    "$TOP_SRCDIR/quickstart" stop
    rm -rf "${TCCP_DEV%/dev}"
}

# Processes that name the folder in their arguments; nothing of ours goes without.
left_over() {
    local path

    for path in /proc/[0-9]*; do
        if tr '\0' ' ' 2>/dev/null <"$path/cmdline" | grep -qF "$TCCP_DEV/"; then
            printf '%s\n' "${path#/proc/}"
        fi
    done
}

@test "nothing runs before it was started" {
    run "$TOP_SRCDIR/quickstart" status
    [ "$status" = 1 ]
}

@test "a perimeter is made, refuses what it must, survives its leader, and goes on running" {
    run "$TOP_SRCDIR/quickstart" run
    echo "$output"
    [ "$status" = 0 ]
    [ "$(grep -c '^ok ' <<<"$output")" -ge 8 ]
    grep -q "refused: the TPM's endorsement key is not in the manifest" <<<"$output"
    grep -q "refused: a PCR has a value that the policy does not allow (PCR 7" <<<"$output"
    grep -q "its PCRs protect nothing" <<<"$output"
    if [ "$(id -u)" = 0 ]; then
        grep -q "^ok the VM web runs on an attested node" <<<"$output"
        grep -q "^ok the proof verifies again, offline" <<<"$output"
        grep -q "^ok web moved from n1 to n2" <<<"$output"
        grep -q "^ok web moved from n2 to n1" <<<"$output"
        grep -q "^ok an image with one changed byte does not run: .*image-digest" <<<"$output"
    fi
    run "$TOP_SRCDIR/quickstart" status
    [ "$status" = 0 ]
    [ -n "$(left_over)" ]
}

@test "the commands that it names work" {
    cd /
    # shellcheck disable=SC1091  # made by quickstart
    . "$TCCP_DEV/env"
    tccpctl status -o json | jq -e '.development and .members == 3 and .nodes_live == 2'
    if [ "$(id -u)" = 0 ]; then
        tccpctl status -o json | jq -e '.vms_running == 1 and .vms_lost == 1 and .vms_changing == 0'
        tccpctl vm list -o wide | grep -q '^web .*running'
        tccpctl vm migrate web --wait --timeout 60s
        [ "$(tccpctl vm get web -o json | jq -r .node)" = n2 ]
        tccpctl vm migrate web --wait --timeout 60s
    fi
    tccpctl node revoke n2 --reason "just to see" --yes
    [ "$(tccpctl node get n2 -o json | jq -r .state)" = revoked ]
}

@test "stop leaves no process behind" {
    "$TOP_SRCDIR/quickstart" stop
    [ -z "$(left_over)" ]
}

@test "an unknown word is wrong usage" {
    run "$TOP_SRCDIR/quickstart" dance
    [ "$status" = 64 ]
}
