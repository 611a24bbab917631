#!/bin/bash
# The units for the service manager: well formed, and as closed as they were meant to be.
set -uo pipefail

built=${TOP_BUILDDIR:?}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=0

# systemd-analyze's scale of exposure, 0.0 to 10.0; ours times ten.
exposure_max=20

result()
{
    count=$((count + 1))
    printf '%s %d - %s\n' "$1" $count "$2"
    [ "$1" = ok ] || printf '%s\n' "$3" | sed 's/^/#   /'
}

for unit in "$built"/packaging/systemd/*.service; do
    name=$(basename "$unit")
    # The programs need not be installed for this.
    sed -E 's/^(ExecStart=)[^ ]+/\1\/bin\/true/; /^Documentation=/d' "$unit" >"$scratch/$name"
    problems=$(systemd-analyze verify --man=no "$scratch/$name" 2>&1 | grep -F "$name")
    if [ -z "$problems" ]; then
        result ok "${name}_is_well_formed"
    else
        result 'not ok' "${name}_is_well_formed" "$problems"
    fi
    if grep -q '@[a-z]*@' "$unit"; then
        result 'not ok' "${name}_is_filled_in" "$(grep '@[a-z]*@' "$unit")"
    else
        result ok "${name}_is_filled_in"
    fi
    case $name in
    # It starts QEMU under other users and in other namespaces: it is the privileged one.
    tccp-launcher.service) continue ;;
    esac
    exposure=$(systemd-analyze security --offline=true "$scratch/$name" 2>/dev/null |
        sed -n 's/.*Overall exposure level for [^:]*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
    if [ -n "$exposure" ] && [ "$((10#$exposure))" -le $exposure_max ]; then
        result ok "${name}_is_closed"
    else
        result 'not ok' "${name}_is_closed" "exposure times ten: ${exposure:-unknown}, at most $exposure_max wanted"
    fi
done
printf '1..%d\n' $count
