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
    perimeter=$(mktemp -d /tmp/tccp-test-XXXXXX)
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
