# What every system test loads: a perimeter of its own, in a folder of its own, ended whatever happens.
# shellcheck shell=bash

programs=${TOP_BUILDDIR:?}

# shellcheck source=tests/support/processes.sh
. "${TOP_SRCDIR:?}/tests/support/processes.sh"
# shellcheck source=tests/support/swtpm.sh
. "$TOP_SRCDIR/tests/support/swtpm.sh"
# shellcheck source=tests/support/perimeter.sh
. "$TOP_SRCDIR/tests/support/perimeter.sh"

# bats runs each test in a process of its own: they find the folder by this file.
perimeter_place=${BATS_FILE_TMPDIR:-/nonexistent}/perimeter-folder
if [ -f "$perimeter_place" ]; then
    perimeter=$(cat "$perimeter_place")
    run=$perimeter/run
fi

# Sockets lie in it, and their paths are short: not in bats' own folder.
perimeter_begin()
{
    perimeter=$(mktemp -d "${TCCP_TEST_TMP:-/tmp}/tccp-test-XXXXXX")
    run=$perimeter/run
    printf '%s\n' "$perimeter" >"$perimeter_place"
}

# What a failed test leaves for the log, then an end to everything.
perimeter_finish()
{
    perimeter_end
    if [ -n "${TCCP_KEEP:-}" ]; then
        printf '# kept: %s\n' "$perimeter" >&3
    else
        rm -rf "$perimeter"
    fi
}

# bats does not notice `! command` unless it comes last.
refute()
{
    if "$@"; then
        return 1
    fi
}

# The last lines of hosts' logs, for a test that fails (bats shows what a test prints).
logs()
{
    local name

    for name in "$@"; do
        printf '== %s\n' "$name"
        tail -n 15 "$run/$name.log" 2>/dev/null
    done
}

# eventually SECONDS HOSTS... -- COMMAND...: waits; shows the hosts' logs when it was in vain.
eventually()
{
    local seconds=$1 hosts=()

    shift
    while [ "$1" != -- ]; do
        hosts+=("$1")
        shift
    done
    shift
    wait_until "$seconds" "$@" || {
        printf 'never: %s\n' "$*"
        logs "${hosts[@]}"
        return 1
    }
}

# --- what a cluster of three is asked ---

# One that is frozen would answer nobody.
leader()
{
    local name pid

    for name in $(perimeter_names member); do
        if pid=$(process_pid "$name") && [ "$(process_field "$pid" 1)" != T ] &&
            [ "$(perimeter_local_json "$name" .leader cluster status)" = "$name" ]; then
            printf '%s' "$name"
            return 0
        fi
    done
    return 1
}

# Of the members named, or all: voters, and one of those that live leads and serves.
cluster_is_whole()
{
    [ "$(perimeter_json '[.[] | select(.role == "voter")] | length' cluster members)" = 3 ] && leader >/dev/null
}

node_is()
{
    [ "$(perimeter_json .state node get "$1")" = "$2" ]
}

node_renewed_after()
{
    local renewal

    renewal=$(perimeter_json .renewal node get "$1")
    [ -n "$renewal" ] && [ "$renewal" -gt "$2" ]
}

digests_agree()
{
    local name digest first=''

    for name in $(perimeter_names member); do
        digest=$(perimeter_local_json "$name" '"\(.revision) \(.state_digest)"' cluster status)
        [ -n "$digest" ] && [ "$digest" = "${first:=$digest}" ] || return 1
    done
}

# A member that follows.
follower()
{
    local leading name

    leading=$(leader) || return 1
    for name in $(perimeter_names member); do
        [ "$name" = "$leading" ] || {
            printf '%s' "$name"
            return 0
        }
    done
}

others_lead()
{
    local leading

    leading=$(leader) && [ "$leading" != "$1" ]
}

# Any member may be asked, and one that follows may be a moment behind.
version_is()
{
    [ "$(perimeter_json .manifest_version status)" = "$1" ]
}

# --- VMs of a customer ---

# Three members, two nodes with launchers, whose VMs have users from the number on and 1,000 above it.
cluster_with_launchers()
{
    local name

    perimeter_begin && perimeter_make 3 2 || return 1
    perimeter_vm_uid=$1 perimeter_launcher n1
    perimeter_vm_uid=$(($1 + 1000)) perimeter_launcher n2
    for name in $(perimeter_names member); do
        perimeter_start "$name"
    done
    perimeter_bootstrap && perimeter_enroll || return 1
    perimeter_start n1
    perimeter_start n2
    eventually 20 tc1 tc2 tc3 -- cluster_is_whole &&
        eventually 20 n1 tc1 -- node_is n1 live &&
        eventually 20 n2 tc1 -- node_is n2 live
}

customer_user_make()
{
    perimeter_step perimeter_tool user new carol --no-passphrase --out "$perimeter/carol.key" &&
        perimeter_step perimeter_ctl user add carol --role customer --public-key "$perimeter/carol.key.pub" &&
        perimeter_step customer user enroll --wait
}

# The customer carol, and an image of the demo guest.
customer_make()
{
    local demo=$TOP_BUILDDIR/guest/demo

    "$TOP_SRCDIR/guest/build-guest" "$demo" >&2 && customer_user_make &&
        perimeter_step customer image seal "$demo/disk.raw" --out "$perimeter/image" --kernel "$demo/kernel" \
            --initrd "$demo/initrd" --append "$(cat "$demo/cmdline")" --memory 96M --vcpu 1
}

# tccpctl as the customer.
customer()
{
    local addresses

    mapfile -t addresses < <(perimeter_addresses)
    perimeter_tool "$@" "${addresses[@]}" --perimeter "$(cat "$perimeter/id")" --identity "$perimeter/carol.key"
}

vm_is()
{
    [ "$(perimeter_json .state vm get "$1")" = "$2" ]
}

vm_id()
{
    perimeter_json .vm vm get "$1"
}

qemu_count()
{
    [ "$(perimeter_qemus "$1" | grep -c .)" = "$2" ]
}

counts_above()
{
    local count

    count=$(perimeter_guest_count "$1") && [ -n "$count" ] && [ "$count" -gt "$2" ]
}

# Every process of the perimeter, by pid: members, launchers, agents and QEMUs with their helpers, TPMs.
perimeter_pids()
{
    local name launcher

    for name in $(processes); do
        process_session "$name"
        launcher=$(process_pid "$name") && pgrep -P "$launcher"
    done
    # Without a newline at their ends.
    awk 1 "$perimeter"/tpm/*/pid
}
