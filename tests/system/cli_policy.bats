#!/usr/bin/env bats
# tccpctl policy, offline: policies learned from captured boots, compiled, looked at, and tried on every other boot. With
# which exit code, for which reason, and what it says in JSON.

setup_file() {
    evidence=$BATS_FILE_TMPDIR/evidence
    export evidence
    for folder in "$TOP_SRCDIR"/tests/vectors/evidence/*/; do
        name=$(basename "$folder")
        mkdir -p "$evidence/$name/quote"
        if [ "$name" = ca ]; then
            cp "$folder"/* "$evidence/$name"
            continue
        fi
        cp "$folder"/eventlog.bin "$folder"/ima.bin "$evidence/$name"
        (cd "$folder" && cp quote.attest quote.sig ak.tpmt qualifying.bin pcrs_quoted.bin ek_rsa.tpmt ek_rsa.crt \
            "$evidence/$name/quote")
    done
}

setup() {
    folder=$(mktemp -d "${TCCP_TEST_TMP:-/tmp}/tccp-test-XXXXXX")
    cd "$folder" || return
    export HOME=$folder XDG_STATE_HOME=$folder/state XDG_CONFIG_HOME=$folder/config
    unset TCCP_ADDR TCCP_PERIMETER TCCP_IDENTITY TCCP_CONTEXT TCCP_FORMAT
    tccpctl=$TOP_BUILDDIR/cli/tccpctl
}

teardown() {
    cd /
    rm -rf "$folder"
}

# Runs tccpctl; its standard output is in $output, its messages in $errors, its exit code in $code.
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

contains() {
    [[ $1 == *"$2"* ]] || {
        printf '%s\nlacks: %s\n' "$1" "$2"
        return 1
    }
}

json() {
    printf '%s' "$output" | jq -r "$1"
}

is() {
    [ "$1" = "$2" ] || {
        printf '%s\nexpected: %s\n' "$1" "$2"
        return 1
    }
}

# A policy of this name, learned from a folder.
learn() {
    t policy learn --name "$1" --from "$evidence/$1" --out "$1.policy" "${@:2}"
    expect 0
}

# tried POLICY FOLDER CODE VERDICT REASONS: the reasons are joined by blanks.
tried() {
    t policy try "$1" "$evidence/$2" -o json
    expect "$3"
    is "$(json .verdict)" "$4"
    is "$(json '[.reasons[].reason] | join(" ")')" "$5"
}

@test "every captured boot gets its verdict, with every reason" {
    learn good
    tried good.policy good 0 accepted ""
    tried good.policy good-reboot 0 accepted ""
    tried good.policy other-node 0 accepted ""
    tried good.policy cmdline 3 refused event-unexpected
    contains "$(json '.reasons[0].subject')" "PCR 9"
    tried good.policy tampered 3 refused file-not-allowed
    is "$(json '.reasons[0].subject')" /payload/agent
    tried good.policy violation 3 refused "file-not-allowed ima-violation file-not-allowed ima-violation"
    is "$(json '.reasons[1].subject')" /payload/conf
    is "$(json '.reasons[1].would_accept')" "except_violation = /payload/conf"
    tried good.policy secureboot 3 refused "event-unexpected event-unexpected event-unexpected event-unexpected"
    tried good.policy uki-sb 3 refused \
        "event-unexpected event-unexpected event-unexpected event-unexpected event-unexpected file-not-allowed"
}

@test "the kernel that was started past Secure Boot is neither accepted nor learned" {
    learn uki-sb
    tried uki-sb.policy uki-sb 0 accepted ""
    # Its quote covers fewer PCRs than the policy judges: that comes first.
    tried uki-sb.policy secureboot 3 refused quote-selection
    sed -E 's/events = .*/events = 0-7,9/; /event 1[0-9] /d' uki-sb.policy >fewer.policy
    t policy try fewer.policy "$evidence/secureboot" -o json
    expect 3
    is "$(json '.reasons[0].reason')" secure-boot
    contains "$(json '.reasons[0].detail')" "no image was verified"
    t policy learn --from "$evidence/secureboot"
    expect 1
    contains "$errors" "cannot learn from $evidence/secureboot: "
    contains "$errors" "kernel"
}

@test "a violation is accepted where the policy excepts its path, and nowhere else" {
    t policy learn --name v --from "$evidence/violation" --out v.policy
    expect 0
    contains "$errors" "2 files were written while they were measured"
    tried v.policy violation 3 refused "ima-violation ima-violation"
    sed '$d' v.policy >excepted.policy
    printf '    except_violation = /payload/conf\n}\n' >>excepted.policy
    tried excepted.policy violation 0 accepted ""
    sed '$d' v.policy >other.policy
    printf '    except_violation = /payload/con\n}\n' >>other.policy
    tried other.policy violation 3 refused "ima-violation ima-violation"
}

@test "what is refused is accepted once the line that is shown is in the policy" {
    learn good
    t policy try good.policy "$evidence/tampered" -o json
    sed '$d' good.policy >mended.policy
    printf '    %s\n}\n' "$(json '.reasons[0].would_accept')" >>mended.policy
    tried mended.policy tampered 0 accepted ""
    tried mended.policy good 0 accepted ""
    t policy try good.policy "$evidence/cmdline" -o json
    sed "/$(json '.reasons[0].expected')/a $(json '.reasons[0].would_accept')" good.policy >mended.policy
    tried mended.policy cmdline 0 accepted ""
    tried mended.policy tampered 3 refused file-not-allowed
}

@test "for people each reason is a line, and the verdict a message" {
    learn good
    t policy try good.policy "$evidence/good"
    expect 0
    is "$output" ""
    contains "$errors" "accepted by policy good"
    contains "$errors" "without --ca nothing is said of whose TPM it is"
    t policy try good.policy "$evidence/tampered"
    expect 3
    contains "$output" "file-not-allowed /payload/agent"
    contains "$errors" "refused by policy good"
}

@test "with --ca the endorsement key is appraised too" {
    learn good
    t policy try good.policy "$evidence/good" --ca "$evidence/ca/rootca.der" --ca "$evidence/ca/issuercert.der"
    expect 0
    [[ $errors != *"without --ca"* ]]
    t policy try good.policy "$evidence/good" --ca "$evidence/ca/sb-snakeoil.der" -o json
    expect 3
    is "$(json '[.reasons[].reason] | join(" ")')" ek-chain
    # The root alone is not who issued it.
    t policy try good.policy "$evidence/good" --ca "$evidence/ca/rootca.der" -o json
    expect 3
    is "$(json '.reasons[0].reason')" ek-chain
    cp -r "$evidence/good" no-ek
    rm no-ek/quote/ek_rsa.*
    t policy try good.policy no-ek
    expect 0
    t policy try good.policy no-ek --ca "$evidence/ca/issuercert.der"
    expect 3
    cp -r "$evidence/good" their-ek
    cp "$evidence/other-node/quote/ek_rsa.tpmt" their-ek/quote/
    t policy try good.policy their-ek --ca "$evidence/ca/rootca.der" --ca "$evidence/ca/issuercert.der" -o json
    expect 3
    is "$(json '.reasons[0].reason')" ek-mismatch
}

@test "evidence that was worked on is refused, and accuses nobody of what the quote does not cover" {
    learn good
    cp -r "$evidence/good" worked
    cp "$evidence/tampered/ima.bin" worked/
    t policy try good.policy worked -o json
    expect 3
    is "$(json '[.reasons[].reason] | join(" ")')" ima-log
    cp "$evidence/good/ima.bin" worked/
    cp "$evidence/cmdline/eventlog.bin" worked/
    t policy try good.policy worked -o json
    expect 3
    is "$(json '[.reasons[].reason] | join(" ")')" quote-digest
    rm worked/eventlog.bin
    t policy try good.policy worked -o json
    expect 3
    is "$(json '[.reasons[].reason] | join(" ")')" event-log
    cp "$evidence/good/eventlog.bin" worked/
    printf 'another nonce' >worked/quote/qualifying.bin
    t policy try good.policy worked -o json
    expect 3
    is "$(json '[.reasons[].reason] | join(" ")')" quote-binding
    cp "$evidence/good/quote/qualifying.bin" worked/quote/
    cp "$evidence/good-reboot/quote/quote.sig" worked/quote/
    t policy try good.policy worked -o json
    expect 3
    is "$(json '[.reasons[].reason] | join(" ")')" quote-signature
    # Nor is anything learned from it.
    t policy learn --from worked
    expect 3
}

@test "what cannot be read ends with 1, and never looks like a verdict" {
    learn good
    for part in quote/quote.attest quote/quote.sig quote/ak.tpmt quote/qualifying.bin quote/pcrs_quoted.bin; do
        cp -r "$evidence/good" broken
        rm "broken/$part"
        t policy try good.policy broken
        expect 1
        contains "$errors" "$part"
        rm -r broken
    done
    cp -r "$evidence/good" broken
    printf 'no quote' >broken/quote/quote.attest
    t policy try good.policy broken
    expect 1
    contains "$errors" "no quote of a TPM"
    t policy try good.policy missing
    expect 1
    t policy try good.policy good.policy
    expect 1
    t policy try missing.policy "$evidence/good"
    expect 1
    t policy try good.policy "$evidence/good" --ca missing.der
    expect 1
    printf 'policy p {\n    colour = red\n}\n' >wrong.policy
    t policy try wrong.policy "$evidence/good"
    expect 1
    t policy compile good.policy
    printf 'x' >>good.policy.set
    t policy try good.policy.set "$evidence/good"
    expect 1
    is "$output" ""
    contains "$errors" "cannot read good.policy.set: "
    # Too large to be what it says it is.
    rm -r broken
    cp -r "$evidence/good" broken
    truncate -s 1048577 broken/eventlog.bin
    t policy try good.policy broken
    expect 1
    contains "$errors" "larger than 1048576 bytes"
    t policy try good.policy
    expect 64
}

@test "an error in a text is told with its line and column" {
    while IFS='|' read -r text line column message; do
        printf '%b' "$text" >wrong.policy
        for command in compile lint; do
            t policy "$command" wrong.policy
            expect 1
            contains "$errors" "wrong.policy, line $line, column $column: "
            contains "$errors" "$message"
        done
        t policy compile wrong.policy -o json
        expect 1
        is "$(sed -n '/^{/,$p' errors | jq -r .error.code)" failed
    done <<'TEXTS'
policy p {\n    colour = red\n}\n|2|5|unknown key
policy p {\n    pcr 0 =\n}\n|2|12|a value is missing
policy p {\n    files = listed\n    file 12 = /x\n}\n|3|10|64 are expected
policy p {\n|1|1|is not closed
TEXTS
    : >wrong.policy
    t policy compile wrong.policy
    expect 1
    contains "$errors" "there is no section"
    [ ! -e wrong.policy.set ]
}

@test "a policy that is compiled twice gives the same bytes, and its set the same verdicts" {
    learn good
    t policy compile good.policy --out first.set -o json
    expect 0
    is "$(json .digest)" "$(sha256sum first.set | cut -d' ' -f1)"
    is "$(json .policy)" good
    is "$(json .pcrs)" 0,1,2,3,4,5,6,7,9,10
    is "$(json .secure_boot)" false
    is "$(json .size)" "$(stat -c %s first.set)"
    is "$(json '[.open[].code] | join(" ")')" "no-secure-boot any-firmware"
    # Files in another order, some of them twice.
    { grep -v '^    file \|^}' good.policy; grep '^    file ' good.policy | tac; grep -m 3 '^    file ' good.policy; echo '}'; } >second.policy
    t policy compile second.policy --out second.set
    expect 0
    cmp first.set second.set
    t policy compile first.set --out third.set
    expect 0
    cmp first.set third.set
    tried first.set good 0 accepted ""
    tried first.set tampered 3 refused file-not-allowed
    t policy compile good.policy
    expect 0
    cmp first.set good.policy.set
}

@test "what a policy leaves open is listed" {
    learn good
    t policy lint good.policy -o json
    expect 0
    is "$(json '[.[].code] | join(" ")')" "no-secure-boot any-firmware"
    t policy lint good.policy
    expect 0
    contains "$output" "no-secure-boot"
    contains "$output" "Secure Boot is not required"
    learn uki-sb --firmware
    t policy lint uki-sb.policy -o json
    expect 0
    is "$(json '[.[].code] | join(" ")')" ""
    sed -i '$d' uki-sb.policy
    printf '    except_file = /usr/\n    except_violation = /var/log/\n    pcr 14 = none\n}\n' >>uki-sb.policy
    t policy lint uki-sb.policy -o json
    is "$(json '[.[].code] | join(" ")')" "accepts-nothing excepted-executables excepted-violations"
}

@test "files are learned from several boots, the firmware of the TPM where it is asked for" {
    t policy learn --from "$evidence/good" --from "$evidence/tampered" --out two.policy
    expect 0
    tried two.policy good 0 accepted ""
    tried two.policy tampered 0 accepted ""
    tried two.policy cmdline 3 refused event-unexpected
    # Events are the first one's.
    t policy learn --from "$evidence/good" --from "$evidence/cmdline" --out two.policy
    expect 0
    tried two.policy good 0 accepted ""
    tried two.policy cmdline 3 refused event-unexpected
    learn good --firmware
    tried good.policy good 0 accepted ""
    sed -i 's/firmware = .*/firmware = 0000000000000001/' good.policy
    tried good.policy good 3 refused firmware
    t policy learn --from "$evidence/good"
    expect 0
    contains "$output" "policy learned {"
    t policy learn
    expect 64
    t policy learn --from missing
    [ "$code" != 0 ]
    t policy learn --name "a b" --from "$evidence/good"
    expect 64
}

# The verdict that the boots' own account names for a folder: "accepted", or the reason of the refusal.
named_verdict() {
    sed -nE "s/^\| \`$1\` \|.*\| (accepted|refused: [a-z-]+).*\|$/\1/p" "$boots/README.md" | sed 's/^refused: //'
}

@test "boots of a machine in ways that its policy has never seen get the verdict of their account" {
    local boots=$TOP_SRCDIR/tests/vectors/boots name reason subjects count=0

    t policy learn --name baseline --from "$boots/baseline" --out baseline.policy
    expect 0
    t policy compile baseline.policy
    expect 0
    while IFS='|' read -r name reason subjects; do
        is "$(named_verdict "$name")" "$reason"
        t policy try baseline.policy.set "$boots/$name" --ca "$boots/ca/root.der" --ca "$boots/ca/issuer.der" -o json
        count=$((count + 1))
        if [ "$reason" = accepted ]; then
            expect 0
            is "$(json .verdict)" accepted
            continue
        fi
        expect 3
        is "$(json .verdict)" refused
        is "$(json '.reasons[0].reason')" "$reason"
        is "$(json '[.reasons[].subject | sub("^event [0-9]+, "; "") | sub("(?<pcr>PCR [0-9]+), .*"; .pcr)] | join(" ")')" \
            "$subjects"
    done <<'BOOTS'
baseline|accepted|
baseline-reboot|accepted|
changed-file|file-not-allowed|/usr/sbin/nodeagent
added-file|file-not-allowed|/etc/rc.local
other-initrd|event-unexpected|PCR 4 PCR 9 PCR 11
other-load-options|event-unexpected|PCR 4 PCR 9 PCR 11
other-signer|secure-boot|db what an image was verified with PCR 7
larger-db|secure-boot|db PCR 7
secure-boot-off|secure-boot|SecureBoot PCR 4 PCR 7
other-firmware|event-unexpected|PCR 0
firmware-without-secure-boot|secure-boot|SecureBoot PCR 0 PCR 1 PCR 4 PCR 7
option-rom|event-unexpected|PCR 2
second-option|event-unexpected|PCR 1 PCR 4
BOOTS
    # None was left out.
    is "$count" "$(find "$boots" -mindepth 1 -maxdepth 1 -type d ! -name ca | wc -l)"
}

@test "the document's example compiles, and every statement and finding stands in it" {
    local document=$TOP_SRCDIR/docs/POLICY.md keys findings name

    awk '/^...$/ { inside = 0 } inside; /^...policy$/ { inside = 1 }' "$document" >example.policy
    t policy compile example.policy -o json
    expect 0
    is "$(json .policy)" compute
    is "$(json .files)" 1
    mapfile -t keys < <(sed -n '/^} keys\[\] = {/,/^};/s/^    {"\([a-z_]*\)".*/\1/p' \
        "$TOP_SRCDIR/lib/policy/policy_text.c")
    mapfile -t findings < <(sed -n 's/^    X(.*, "\([a-z-]*\)").*/\1/p' "$TOP_SRCDIR/lib/policy/policy_lint.h")
    [ "${#keys[@]}" -gt 10 ]
    [ "${#findings[@]}" -gt 10 ]
    for name in "${keys[@]}"; do
        grep -qE "^\|.*[\`]${name}[ \`]" "$document" || {
            printf 'no statement %s\n' "$name"
            return 1
        }
    done
    for name in "${findings[@]}"; do
        grep -q "^| $name |" "$document" || {
            printf 'no finding %s\n' "$name"
            return 1
        }
    done
}
