# A whole perimeter on loopback, with a software TPM for each host: for quickstart and for the system tests. Sourced by
# bash, after processes.sh and swtpm.sh.
#
# Set $perimeter, an absolute folder of a short name (sockets lie in it), $run (see processes.sh), $programs, the build
# folder. It becomes:
#
#   ca/           the TPMs' manufacturer            tpm/NAME/     their state
#   ete/          root, keys (without passphrases)  manifest      its text; manifest.signed
#   shared/       disks of VMs that may migrate
#   NAME/         a host's configuration and state  bundle        root and signed manifest: what hosts are given
#   NAME/policy   a policy for this node alone, as text of the manifest; without it, one that accepts any
#   operator.key  the first operator's key          stranger/     a host that no manifest names (perimeter_stranger)
#   nodes         more nodes for the manifest, as text, if the caller puts that file there; the certificate of their TPMs'
#                 manufacturer goes to ca/NAME.der
#
#   perimeter_make MEMBERS NODES     everything up to the signed manifest; starts the TPMs
#   perimeter_manifest VERSION       writes the manifest's text from the hosts there are
#   perimeter_sign                   signs it with two of three keys, and makes the bundle
#   perimeter_host KIND NAME         a TPM for a host, and its identity
#   perimeter_start NAME             starts the program of a host
#   perimeter_launcher NAME          has a node run VMs: its agent is started by a launcher, which needs root
#   perimeter_bootstrap              makes the first member found the cluster
#   perimeter_ctl ARGUMENTS...       tccpctl as the operator
#   perimeter_local NAME ARGUMENTS...   tccpctl over that member's local socket
#   perimeter_qemus NAME             the QEMUs of a node with a launcher
#   perimeter_guest_count NAME       the number up to which the demo guest there has counted
#
# All return non-zero and say why on standard error.
# shellcheck shell=bash disable=SC2154  # perimeter, run, programs are the caller's

perimeter_pcr_zero=$(printf '0%.0s' {1..64})
tccpctl=(env -u TCCP_ADDR -u TCCP_PERIMETER -u TCCP_IDENTITY -u TCCP_CONTEXT)

perimeter_tool()
{
    "${tccpctl[@]}" "HOME=$perimeter" "${tool:-$programs/cli/tccpctl}" "$@"
}

perimeter_names()
{
    sed -n "s/^$1 \(.*\)/\1/p" "$perimeter/hosts" | cut -d' ' -f1
}

# hosts: "member NAME PORT RAFT-PORT" or "node NAME MIGRATION-PORT", a line each.
perimeter_port()
{
    awk -v name="$1" -v field="$2" '$2 == name { print $field }' "$perimeter/hosts"
}

perimeter_host()
{
    local kind=$1 name=$2 program

    program=$programs/tcd/tcd
    [ "$kind" = member ] || program=$programs/nodeagent/nodeagent
    mkdir -p "$perimeter/tpm" "$perimeter/$name"
    swtpm_create "$perimeter/tpm/$name" "$perimeter/ca" p256 && swtpm_start "$perimeter/tpm/$name" &&
        "$program" --show-identity --tcti="$(swtpm_tcti "$perimeter/tpm/$name")" >"$perimeter/$name/identity"
}

perimeter_identity()
{
    sed -n "s/^ *$2 = //p" "$perimeter/$1/identity"
}

# A node's policy has the node's name, where it has one of its own.
perimeter_policy()
{
    if [ -f "$perimeter/$1/policy" ]; then
        printf '%s' "$1"
    else
        printf any
    fi
}

perimeter_manifest()
{
    local version=$1 name

    {
        printf 'manifest {\n    perimeter = %s\n    version = %s\n    epoch = 1\n' "$(cat "$perimeter/id")" "$version"
        printf '    not_before = %s\n    not_after = %s\n' "$(date -u -d '-1 day' +%FT00:00:00Z)" \
            "$(date -u -d '+1 year' +%FT00:00:00Z)"
        printf '    lease = %s\n    member_policy = any\n    development = yes\n' "${perimeter_lease:-5s}"
        for name in "$perimeter"/ca/*.der; do
            printf '    manufacturer_ca = %s\n' "$(base64 -w0 "$name")"
        done
        printf '}\n'
        for name in $(perimeter_names member); do
            printf 'member %s {\n    ek = %s\n    ak = %s\n' "$name" "$(perimeter_identity "$name" ek)" \
                "$(perimeter_identity "$name" ak)"
            printf '    address = %s:%s\n    raft_address = 127.0.0.1:%s\n}\n' "${perimeter_address:-127.0.0.1}" \
                "$(perimeter_port "$name" 3)" "$(perimeter_port "$name" 4)"
        done
        for name in $(perimeter_names node); do
            printf 'node %s {\n    ek = %s\n    policy = %s\n    attribute zone = %s\n}\n' "$name" \
                "$(perimeter_identity "$name" ek)" "$(perimeter_policy "$name")" "$name"
        done
        [ ! -e "$perimeter/nodes" ] || cat "$perimeter/nodes"
        printf 'operator operator {\n    role = operator\n    key = %s\n}\n' "$(sed '/^-----/d' "$perimeter/operator.key.pub" | tr -d '\n')"
        # Software TPMs of a process measure nothing: the values are what nobody has extended.
        printf 'policy any {\n    pcr 0 = %s\n    pcr 7 = %s\n    needs_event_log = no\n    needs_ima_log = no\n}\n' \
            "$perimeter_pcr_zero" "$perimeter_pcr_zero"
        for name in $(perimeter_names node); do
            [ ! -f "$perimeter/$name/policy" ] || cat "$perimeter/$name/policy"
        done
    } >"$perimeter/manifest"
}

# A quiet step: what it printed is shown only where it failed.
perimeter_step()
{
    local printed

    printed=$("$@" 2>&1) || {
        printf '%s\n' "$printed" | tail -n 5 >&2
        return 1
    }
}

# The two keys sign one after the other, as two people would.
perimeter_sign()
{
    local bundle=$perimeter/bundle root=(--root "$perimeter/ete/perimeter.root")

    rm -f "$perimeter/manifest.signed"
    perimeter_step perimeter_tool ete sign "$perimeter/manifest" "${root[@]}" --key "$perimeter/ete/key-1.pem" --yes &&
        perimeter_step perimeter_tool ete sign "$perimeter/manifest.signed" "${root[@]}" \
            --key "$perimeter/ete/key-2.pem" --yes &&
        perimeter_step perimeter_tool perimeter bundle "$bundle.new" "${root[@]}" \
            --manifest "$perimeter/manifest.signed" && mv "$bundle.new" "$bundle"
}

perimeter_configure_member()
{
    local name=$1

    cat >"$perimeter/$name/tcd.conf" <<END
member = "$name"
perimeter = "$(cat "$perimeter/id")"
bundle = "$perimeter/bundle"
state-directory = "$perimeter/$name/state"
admin-socket = "$perimeter/$name/sock"
tcti = "$(swtpm_tcti "$perimeter/tpm/$name")"
event-log = ""
ima-log = ""
development = true
log-level = "${perimeter_log_level:-info}"
END
}

perimeter_configure_node()
{
    local name=$1 member port coordinators=''

    for member in $(perimeter_names member); do
        coordinators+="${coordinators:+, }\"127.0.0.1:$(perimeter_port "$member" 3)\""
    done
    cat >"$perimeter/$name/nodeagent.conf" <<END
perimeter = "$(cat "$perimeter/id")"
coordinators = {$coordinators}
state-directory = "$perimeter/$name/state"
tcti = "$(swtpm_tcti "$perimeter/tpm/$name")"
event-log = ""
ima-log = ""
development = true
log-level = "${perimeter_log_level:-info}"
END
    # One that a test adds to the hosts by hand takes no migrations.
    port=$(perimeter_port "$name" 3)
    [ -z "$port" ] || printf 'shared-directory = "%s/shared"\nmigration-address = "127.0.0.1:%s"\n' "$perimeter" "$port" \
        >>"$perimeter/$name/nodeagent.conf"
}

perimeter_make()
{
    local members=$1 nodes=$2 ports i

    mkdir -p "$perimeter/shared" "$run" && chmod 700 "$perimeter" || return 1
    mapfile -t ports < <(free_ports $((2 * members + nodes + 1)))
    [ ${#ports[@]} = $((2 * members + nodes + 1)) ] || return 1
    : >"$perimeter/hosts"
    for ((i = 1; i <= members; i++)); do
        printf 'member tc%d %d %d\n' "$i" "${ports[2 * i - 2]}" "${ports[2 * i - 1]}" >>"$perimeter/hosts"
        perimeter_host member "tc$i" || return 1
    done
    for ((i = 1; i <= nodes; i++)); do
        printf 'node n%d %d\n' "$i" "${ports[2 * members + i - 1]}" >>"$perimeter/hosts"
        perimeter_host node "n$i" || return 1
    done
    perimeter_step perimeter_tool ete init "$perimeter/ete" --name development --keys 3 --threshold 2 --no-passphrase &&
        perimeter_tool ete show "$perimeter/ete" -o json | jq -r .perimeter >"$perimeter/id" &&
        perimeter_step perimeter_tool ete new-key "$perimeter/operator.key" --no-passphrase &&
        perimeter_manifest 1 && perimeter_sign || return 1
    for i in $(perimeter_names member); do
        perimeter_configure_member "$i"
    done
    for i in $(perimeter_names node); do
        perimeter_configure_node "$i"
    done
    printf '%d\n' "${ports[-1]}" >"$perimeter/stranger-port"
}

# A host with a TPM of the same manufacturer that no manifest names.
perimeter_stranger()
{
    printf 'stranger stranger %d\n' "$(cat "$perimeter/stranger-port")" >>"$perimeter/hosts"
    perimeter_host node stranger && perimeter_configure_node stranger
}

perimeter_launcher()
{
    local name=$1

    cat >"$perimeter/$name/launcher.conf" <<END
perimeter = "$(cat "$perimeter/id")"
agent = {"$(realpath "$programs")/nodeagent/nodeagent"}
agent-config = "$perimeter/$name/nodeagent.conf"
agent-user = "root"
accelerator = "${perimeter_accelerator:-auto}"
vm-uid-first = ${perimeter_vm_uid:-740000}
memory-mib-max = ${perimeter_vm_memory_mib:-512}
log-level = "${perimeter_log_level:-info}"
END
}

perimeter_start()
{
    local name=$1

    if [ -f "$perimeter/$name/launcher.conf" ]; then
        process_start "$name" "$programs/nodeagent/launcher/tccp-launcher" --config="$perimeter/$name/launcher.conf"
    elif [ -f "$perimeter/$name/tcd.conf" ]; then
        process_start "$name" "$programs/tcd/tcd" --config="$perimeter/$name/tcd.conf"
    else
        process_start "$name" "$programs/nodeagent/nodeagent" --config="$perimeter/$name/nodeagent.conf"
    fi
}

perimeter_qemus()
{
    pgrep -P "$(process_pid "$1")" -x qemu-system-x86 || true
}

# The guest's own memory says so, which nobody but root can read, and only where PCRs protect nothing.
perimeter_guest_count()
{
    local pid fd

    pid=$(perimeter_qemus "$1" | head -n 1)
    [ -n "$pid" ] || return 1
    for fd in /proc/"$pid"/fd/*; do
        if [[ $(readlink "$fd") == /memfd:* ]] && [ "$(stat -Lc %s "$fd")" = $((96 << 20)) ]; then
            grep -aoE 'count [0-9]+' "$fd" | sort -k2n | tail -n 1 | cut -d' ' -f2
            return 0
        fi
    done
    return 1
}

# A host's software TPM is not one of our processes: it daemonises, with a pid file of its own.
perimeter_end()
{
    local state

    processes_end
    for state in "$perimeter"/tpm/*/; do
        [ ! -d "$state" ] || swtpm_stop "${state%/}"
    done
}

perimeter_addresses()
{
    local name

    for name in $(perimeter_names member); do
        printf -- '--addr\n127.0.0.1:%s\n' "$(perimeter_port "$name" 3)"
    done
}

perimeter_ctl()
{
    local addresses

    mapfile -t addresses < <(perimeter_addresses)
    perimeter_tool "$@" "${addresses[@]}" --perimeter "$(cat "$perimeter/id")" --identity "$perimeter/operator.key"
}

perimeter_local()
{
    local name=$1

    shift
    perimeter_tool "$@" --addr "unix:$perimeter/$name/sock" --perimeter "$(cat "$perimeter/id")"
}

# True when the log of a host has an event, e.g. `perimeter_logged n1 registered`.
perimeter_logged()
{
    grep -q -- "$2" "$run/$1.log"
}

# The first member makes the seed, two people of the ETE endorse it, it founds the cluster; the operator enrolls.
perimeter_bootstrap()
{
    local first root=(--root "$perimeter/ete/perimeter.root") key

    first=$(perimeter_names member | head -n 1)
    perimeter_step perimeter_local "$first" cluster bootstrap --out "$perimeter/request" --wait || return 1
    for key in 2 3; do
        perimeter_step perimeter_tool ete endorse "$perimeter/request" "${root[@]}" --yes \
            --manifest "$perimeter/manifest.signed" --key "$perimeter/ete/key-$key.pem" || return 1
    done
    perimeter_step perimeter_local "$first" cluster bootstrap --endorsement "$perimeter/request.endorsement" --wait
}

perimeter_enroll()
{
    perimeter_step perimeter_ctl user enroll --wait
}

# A field of `tccpctl ... -o json`: perimeter_json FILTER ARGUMENTS...; empty when the question was not answered.
perimeter_json()
{
    local filter=$1

    shift
    perimeter_ctl "$@" -o json --timeout 5s 2>/dev/null | jq -r "$filter" 2>/dev/null
}

# The same of one member, over its local socket: perimeter_local_json NAME FILTER ARGUMENTS...
perimeter_local_json()
{
    local name=$1 filter=$2

    shift 2
    perimeter_local "$name" "$@" -o json --timeout 5s 2>/dev/null | jq -r "$filter" 2>/dev/null
}

# Extends a PCR of a host's TPM, as software that was not meant to run there would.
perimeter_extend()
{
    local name=$1 pcr=$2
    local -x TPM2TOOLS_TCTI TSS2_LOG=all+none

    TPM2TOOLS_TCTI=$(swtpm_tcti "$perimeter/tpm/$name")
    # Nobody has started it since its reset.
    tpm2_startup -c 2>/dev/null || true
    tpm2_pcrextend "$pcr:sha256=$(printf 'f%.0s' {1..64})"
}
