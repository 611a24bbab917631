#!/bin/bash
# Runs spin over ownership.pml: with all rules every claim holds; without any one of them, one is broken.
# TCCP_CHECK_LEVEL=all explores larger bounds (8 million states, 1 GB of memory).
set -uo pipefail

model=${TOP_SRCDIR:?}/formal/ownership.pml
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=0

# verify NAME [-D...]: prints what spin's verifier says.
verify()
{
    local folder=$scratch/$1

    shift
    mkdir -p "$folder" && cd "$folder" && spin -a "$@" "$model" 2>&1 &&
        gcc -w -O2 -DSAFETY -DCOLLAPSE -o pan pan.c 2>&1 && ./pan -m200000 2>&1
}

result()
{
    count=$((count + 1))
    printf '%s %d - %s\n' "$1" $count "$2"
    [ "$1" = ok ] || printf '%s\n' "$3" | tail -n 20 | sed 's/^/#   /'
}

holds()
{
    local claim=$1 printed

    shift
    printed=$(verify "$@")
    if grep -q 'errors: 0' <<<"$printed" && ! grep -qE 'max search depth too small|out of memory' <<<"$printed"; then
        result ok "$claim"
    else
        result 'not ok' "$claim" "$printed"
    fi
}

# A model in which something never happens proves nothing about it.
reaches_everything()
{
    local printed

    printed=$(verify "$@")
    if grep -qE '\(0 of [0-9]+ states\)' <<<"$printed"; then
        result ok every_step_of_the_model_happens
    else
        result 'not ok' every_step_of_the_model_happens "$printed"
    fi
}

breaks()
{
    local claim=$1 violated=$2 printed

    shift 2
    printed=$(verify "$@")
    if grep -q 'errors: 1' <<<"$printed" && grep 'assertion violated' <<<"$printed" | grep -qF "$violated"; then
        result ok "$claim"
    else
        result 'not ok' "$claim" "$printed"
    fi
}

two_run='(copy[0]==3)&&(copy[1]==3)'
vm_lost='(copy[0]>=2)||(copy[1]>=2)'

if [ "${TCCP_CHECK_LEVEL:-normal}" = all ]; then
    migrations=(-DWITHDRAWALS_MAX=0) withdrawals=(-DRESTARTS_MAX=1)
else
    migrations=(-DRESTARTS_MAX=1 -DWITHDRAWALS_MAX=0) withdrawals=(-DRESTARTS_MAX=1 -DMIGRATIONS_MAX=1)
fi
holds the_vm_runs_exactly_once all "${migrations[@]}"
holds a_withdrawn_grant_serves_no_more withdrawn "${withdrawals[@]}"
reaches_everything reach "${withdrawals[@]}"
breaks without_generations_two_copies_run "$two_run" a -DWITHOUT_A
breaks a_source_that_resumes_by_itself_makes_two_copies "$two_run" b -DWITHOUT_B
breaks a_losing_copy_destroyed_too_early_loses_the_vm "$vm_lost" c -DWITHOUT_C
breaks a_renewal_that_revives_an_expired_lease_makes_two_copies "$two_run" d -DWITHOUT_D
breaks a_withdrawal_without_a_new_generation_is_undone_by_an_old_grant '(paused&&heeded)' w -DWITHOUT_W
breaks without_deadlines_in_the_launcher_two_copies_run "$two_run" e -DWITHOUT_E
printf '1..%d\n' $count
