# Hosts of a perimeter (perimeter.sh) whose software TPMs were given captured boots, with their logs, and policies for
# them. Sourced by system tests, after support.bash.
# shellcheck shell=bash disable=SC2154  # perimeter and run are the caller's

vectors=$TOP_SRCDIR/tests/vectors/evidence
boot_log=$TOP_BUILDDIR/tests/support/boot_log

# A captured boot as a folder of evidence.
evidence_folder()
{
    local folder=$perimeter/evidence/$1 file

    mkdir -p "$folder/quote"
    cp "$vectors/$1/eventlog.bin" "$vectors/$1/ima.bin" "$folder"
    for file in quote.attest quote.sig ak.tpmt qualifying.bin pcrs_quoted.bin; do
        cp "$vectors/$1/$file" "$folder/quote"
    done
}

# The captures have one entry of IMA's log more than was quoted.
quoted_entries=21

extend()
{
    local -x TPM2TOOLS_TCTI TSS2_LOG=all+none

    TPM2TOOLS_TCTI=$(swtpm_tcti "$perimeter/tpm/$1")
    shift
    tpm2_pcrextend "$@"
}

# Gives a host's TPM the PCRs of a captured boot, and the agent its logs.
host_boots()
{
    local name=$1 vector=$vectors/$2 logs=$perimeter/$1/logs specs
    local -x TPM2TOOLS_TCTI TSS2_LOG=all+none

    mkdir -p "$logs"
    cp "$vector/eventlog.bin" "$logs/events"
    "$boot_log" cut "$vector/ima.bin" 0 "$quoted_entries" >"$logs/ima"
    swtpm_reset "$perimeter/tpm/$name"
    TPM2TOOLS_TCTI=$(swtpm_tcti "$perimeter/tpm/$name")
    tpm2_startup -c 2>/dev/null || true
    mapfile -t specs < <("$boot_log" events "$logs/events" && "$boot_log" ima "$logs/ima" 0)
    [ "${#specs[@]}" -gt "$quoted_entries" ]
    extend "$name" "${specs[@]}"
    sed -i -e "s|^event-log = .*|event-log = \"$logs/events\"|" -e "s|^ima-log = .*|ima-log = \"$logs/ima\"|" \
        "$perimeter/$name/nodeagent.conf"
}

# The running host measures one more file: this entry of the capture. The log first, as the kernel does.
host_measures()
{
    local name=$1 number=$2 logs=$perimeter/$1/logs count specs

    count=$("$boot_log" ima "$logs/ima" 0 | wc -l)
    "$boot_log" cut "$vectors/good/ima.bin" "$number" 1 >>"$logs/ima"
    mapfile -t specs < <("$boot_log" ima "$logs/ima" "$count")
    # The agent may just be using the TPM.
    eventually 10 "$name" -- extend "$name" "${specs[@]}"
}

# manifest VERSION LINES...: nodes are appraised by these lines of their policy.
manifest()
{
    local version=$1

    shift
    perimeter_manifest "$version"
    sed -i '/^node /,/^}/s/policy = any/policy = compute/' "$perimeter/manifest"
    {
        printf 'policy compute {\n'
        printf '    %s\n' "$@"
        printf '}\n'
    } >>"$perimeter/manifest"
    perimeter_sign
}

apply()
{
    perimeter_ctl perimeter apply "$perimeter/manifest.signed" --wait --timeout 15s
}

digest()
{
    sha256sum "$1" | cut -d ' ' -f 1
}
