#!/bin/bash
# The tools behind ./check and ./quickstart: what counts as a failure, and where backports are taken from.
set -uo pipefail

top=${TOP_SRCDIR:?}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=0

# is CLAIM ACTUAL EXPECTED
is()
{
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        printf 'ok %d - %s\n' $count "$1"
    else
        printf 'not ok %d - %s\n' $count "$1"
        printf '%s\n' "expected:" "$3" "got:" "$2" | sed 's/^/#   /'
    fi
}

# --- counting ---

# results NAME VERDICT...: what automake would have left behind for a test program.
results()
{
    local name=$1

    shift
    printf ':test-result: %s\n' "$@" >"$scratch/$name.trs"
    printf '%s: '"$name"' 1 - x\n' "$@" >"$scratch/$name.log"
}

counted()
{
    (cd "$scratch" && printf '%s\n' "$@" | awk -f "$top/build-aux/count-results" | head -n 1)
}

results good PASS PASS
results bad PASS FAIL
results crashed PASS ERROR
results surprised XPASS
results skipped SKIP
results partly PASS SKIP
: >"$scratch/empty.trs"
is cases_that_passed_are_counted "$(counted good)" "2 0 0"
is a_case_that_failed_is_counted "$(counted good bad)" "3 1 0"
is a_crash_is_a_failure "$(counted crashed)" "1 1 0"
is an_unexpected_success_is_a_failure "$(counted surprised)" "0 1 0"
is a_program_that_ran_nothing_is_a_failure "$(counted skipped)" "0 1 1"
is a_skipped_case_among_others_is_neither "$(counted partly)" "1 0 1"
is a_program_without_results_is_a_failure "$(counted good absent)" "2 1 0"
is an_empty_result_file_is_a_failure "$(counted empty)" "0 1 0"
is extensions_are_left_out_of_result_names "$(cp "$scratch/good.trs" "$scratch/s.trs"; counted s.sh)" "2 0 0"

# --- backports ---

sources()
{
    rm -rf "$scratch/root"
    mkdir -p "$scratch/root/etc/apt/sources.list.d"
    printf 'VERSION_CODENAME=bookworm\n' >"$scratch/root/etc/os-release"
    printf '%b' "$2" >"$scratch/root/etc/apt/$1"
    TCCP_APT_ROOT=$scratch/root "$top/build-aux/install-packages" --source-entry 2>&1
}

is a_one_line_source_gives_its_mirror_and_options \
    "$(sources sources.list 'deb-src http://a/debian bookworm main\n# deb http://b/debian bookworm main\ndeb [ arch=amd64 signed-by=/k.gpg ] http://m/debian bookworm main contrib # us\n')" \
    "list
deb [ arch=amd64 signed-by=/k.gpg ] http://m/debian bookworm-backports main"
is a_one_line_source_needs_no_options \
    "$(sources sources.list.d/x.list 'deb http://m/debian\tbookworm   main\n')" \
    "list
deb http://m/debian bookworm-backports main"
is a_deb822_source_gives_its_mirror_and_key \
    "$(sources sources.list.d/debian.sources 'Types: deb\nURIs: http://s/debian-security\nSuites: bookworm-security\nComponents: main\n\nTypes: deb deb-src\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main non-free-firmware\nSigned-By: /k.gpg\n')" \
    "sources
Types: deb
URIs: http://m/debian
Signed-By: /k.gpg
Suites: bookworm-backports
Components: main"
is a_key_inside_a_deb822_source_is_kept_whole \
    "$(sources sources.list.d/debian.sources 'Types: deb\nURIs: http://m/debian\nSigned-By:\n -----BEGIN PGP\n .\n abc\nSuites: bookworm\nComponents: main\n')" \
    "sources
Types: deb
URIs: http://m/debian
Signed-By:
 -----BEGIN PGP
 .
 abc
Suites: bookworm-backports
Components: main"
is a_disabled_source_is_not_used \
    "$(sources sources.list.d/debian.sources 'Enabled: no\nTypes: deb\nURIs: http://m/debian\nSuites: bookworm\nComponents: main\n')" \
    "install-packages: found no Debian source entry for this release"
is a_machine_without_a_debian_source_is_told_so \
    "$(sources sources.list 'deb http://other/repository stable main\n')" \
    "install-packages: found no Debian source entry for this release"
is an_unknown_kind_is_refused \
    "$("$top/build-aux/install-packages" nonsense 2>&1)" \
    "install-packages: unknown kind of packages 'nonsense' (build, run, test)"

printf '1..%d\n' $count
