#!/bin/bash
# The rules of the architecture, applied to this tree (rules.sh has them).
set -uo pipefail

top=${TOP_SRCDIR:?}
built=${TOP_BUILDDIR:?}
# shellcheck source=tests/rules/rules.sh
. "$top/tests/rules/rules.sh"

count=0
for rule in $(declare -F | awk '{print $3}' | grep '^rule_'); do
    count=$((count + 1))
    violations=$($rule)
    if [ -z "$violations" ]; then
        printf 'ok %d - %s\n' $count "${rule#rule_}"
    else
        printf 'not ok %d - %s\n' $count "${rule#rule_}"
        printf '%s\n' "$violations" | head -n 40 | sed 's/^/#   /'
    fi
done
printf '1..%d\n' $count
