#!/bin/bash
# Software TPMs with endorsement key certificates of a private CA, for tests and for development perimeters.
#
# Source it and call the functions, or run it: `swtpm.sh create STATE CA p256 rsa`. Everything lies under the
# directories that the caller names; no other state, CA or user of swtpm's is touched. Nothing here needs root.
#
#   swtpm_ca CA                      makes a CA: CA/root.pem, CA/issuer.pem (and .der), once
#   swtpm_create STATE CA [KIND...]  makes a TPM whose certificates say its folder's name; KIND is p256 (the default),
#                                    or rsa, which makes RSA-2048 and P-384. p256 takes 0.2 s, rsa 0.7 s more
#   swtpm_start STATE                starts it in the background: STATE/sock, STATE/sock.ctrl, STATE/pid, STATE/log
#   swtpm_exec STATE                 starts it in the place of this shell
#   swtpm_stop STATE                 ends it, orderly, and waits
#   swtpm_reset STATE                what a reboot does: PCRs zero, resetCount + 1; whoever opens it next starts it
#   swtpm_tcti STATE                 prints its name for tss2
#   swtpm_running STATE              whether it runs
#
# All return non-zero and print one line on failure.

swtpm_fail() {
    echo "swtpm.sh: $*" >&2
    return 1
}

swtpm_need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { swtpm_fail "$tool is missing"; return 1; }
    done
}

# The path of a socket fits into 107 characters, or bind() fails with a riddle.
swtpm_check_path() {
    [[ $1 = /* ]] || { swtpm_fail "$1: an absolute path is needed"; return 1; }
    ((${#1} <= 90)) || { swtpm_fail "$1: too long for a socket's path"; return 1; }
}

swtpm_ca() {
    local ca=$1 name
    swtpm_check_path "$ca" && swtpm_need openssl swtpm_localca || return 1
    [[ -e $ca/issuer.der ]] && return 0
    (umask 077 && mkdir -p "$ca") || return 1
    {
        openssl ecparam -name prime256v1 -genkey -noout -out "$ca/root.key" &&
        openssl ecparam -name prime256v1 -genkey -noout -out "$ca/issuer.key" &&
        openssl req -x509 -new -key "$ca/root.key" -sha256 -days 3650 -subj "/CN=TCCP development TPM root" \
            -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
            -out "$ca/root.pem" &&
        openssl req -new -key "$ca/issuer.key" -subj "/CN=TCCP development TPM issuer" -out "$ca/issuer.csr" &&
        openssl x509 -req -in "$ca/issuer.csr" -CA "$ca/root.pem" -CAkey "$ca/root.key" -sha256 -days 3650 \
            -set_serial 2 -out "$ca/issuer.pem" -extfile <(printf '%s\n' \
                "basicConstraints=critical,CA:TRUE,pathlen:0" "keyUsage=critical,keyCertSign,cRLSign" \
                "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid")
    } 2>"$ca/log" || { swtpm_fail "$ca: $(tail -1 "$ca/log")"; return 1; }
    cat >"$ca/localca.conf" <<END
statedir = $ca
signingkey = $ca/issuer.key
issuercert = $ca/issuer.pem
certserial = $ca/serial
END
    cat >"$ca/localca.options" <<END
--platform-manufacturer TCCP
--platform-version 1.0
--platform-model development
END
    cat >"$ca/setup.conf" <<END
create_certs_tool = $(command -v swtpm_localca)
create_certs_tool_config = $ca/localca.conf
create_certs_tool_options = $ca/localca.options
active_pcr_banks = sha256
END
    for name in root issuer; do
        openssl x509 -in "$ca/$name.pem" -outform DER -out "$ca/$name.der" || return 1
    done
}

# swtpm_setup makes no P-256 certificate: make the key from its template (L-2), have it certified, and store the
# certificate where the TCG EK Credential Profile wants it.
swtpm_add_p256() {
    local state=$1 ca=$2 work=$1/work point index=0x1c0000a
    local attributes="ppwrite|writedefine|ppread|ownerread|authread|no_da|platformcreate"
    local -x TPM2TOOLS_TCTI TSS2_LOG=all+none
    TPM2TOOLS_TCTI=$(swtpm_tcti "$state")
    mkdir -p "$work" && swtpm_start "$state" || return 1
    {
        tpm2_createek -Q -c "$work/ek.ctx" -G ecc -f pem -u "$work/ek.pem" &&
        tpm2_flushcontext -Q -t &&
        point=$(openssl ec -pubin -in "$work/ek.pem" -outform DER 2>/dev/null | tail -c 64 | od -An -v -tx1 | tr -d ' \n') &&
        swtpm_localca --type ek --ek "x=${point:0:64},y=${point:64:64},id=secp256r1" --dir "$work" \
            --vmid "${state##*/}" --tpm-spec-family 2.0 --tpm-spec-level 0 --tpm-spec-revision 164 \
            --tpm-manufacturer id:00001014 --tpm-model swtpm --tpm-version id:20191023 --tpm2 \
            --configfile "$ca/localca.conf" --optsfile "$ca/localca.options" >>"$state/log" &&
        tpm2_nvdefine -Q -C p -s "$(stat -c %s "$work/ek.cert")" -a "$attributes" $index &&
        tpm2_nvwrite -Q -C p -i "$work/ek.cert" $index &&
        tpm2_nvwritelock -Q -C p $index
    } 2>>"$state/log" || { swtpm_stop "$state"; swtpm_fail "$state: $(tail -1 "$state/log")"; return 1; }
    swtpm_stop "$state" && rm -r "$work"
}

swtpm_create() {
    local state=$1 ca=$2 kind
    shift 2
    swtpm_check_path "$state" && swtpm_need swtpm swtpm_setup swtpm_localca swtpm_ioctl tpm2_createek &&
        swtpm_ca "$ca" || return 1
    [[ ! -e $state ]] || { swtpm_fail "$state: exists already"; return 1; }
    (umask 077 && mkdir -p "$state") || return 1
    # swtpm_setup begins a state anew: it comes before what is done by hand.
    if [[ " $* " = *" rsa "* ]]; then
        swtpm_setup --tpm2 --tpmstate "$state" --createek --create-ek-cert --vmid "${state##*/}" \
            --config "$ca/setup.conf" --overwrite >>"$state/log" 2>&1 ||
            { swtpm_fail "$state: $(tail -1 "$state/log")"; return 1; }
    fi
    for kind in "${@:-p256}"; do
        case $kind in
        rsa) ;;
        p256) swtpm_add_p256 "$state" "$ca" || return 1 ;;
        *) swtpm_fail "$kind: no such kind of endorsement key"; return 1 ;;
        esac
    done
}

swtpm_tcti() {
    echo "swtpm:path=$1/sock"
}

# Only a process that is ours: a pid of an old file may be anybody's by now.
swtpm_running() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && [[ -n $pid ]] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null |
        grep -qF -- "dir=$1 "
}

swtpm_command() {
    # shellcheck disable=SC2054  # the commas belong to swtpm's options
    swtpm_arguments=(swtpm socket --tpm2 --tpmstate "dir=$1" --server "type=unixio,path=$1/sock,mode=0600"
        --ctrl "type=unixio,path=$1/sock.ctrl,mode=0600" --flags not-need-init,startup-clear
        --log "file=$1/log,level=1" --pid "file=$1/pid")
}

swtpm_exec() {
    local swtpm_arguments
    swtpm_check_path "$1" && swtpm_command "$1" && rm -f "$1/sock" "$1/sock.ctrl" && exec "${swtpm_arguments[@]}"
}

swtpm_start() {
    local swtpm_arguments state=$1
    swtpm_check_path "$state" && swtpm_command "$state" || return 1
    [[ -d $state ]] || { swtpm_fail "$state: no such TPM"; return 1; }
    swtpm_running "$state" && { swtpm_fail "$state: runs already"; return 1; }
    rm -f "$state/sock" "$state/sock.ctrl" "$state/pid"
    # It returns when the sockets are there.
    "${swtpm_arguments[@]}" --daemon </dev/null >>"$state/log" 2>&1 ||
        { swtpm_fail "$state: $(tail -1 "$state/log")"; return 1; }
    swtpm_running "$state" || swtpm_fail "$state: did not start"
}

swtpm_stop() {
    local state=$1 pid try
    swtpm_running "$state" || { rm -f "$state/pid" "$state/sock" "$state/sock.ctrl"; return 0; }
    pid=$(cat "$state/pid")
    timeout 5 swtpm_ioctl --unix "$state/sock.ctrl" -s 2>/dev/null || kill "$pid" 2>/dev/null
    for ((try = 0; try < 500; try++)); do
        # A child of ours that nobody has waited for is as good as gone.
        if [[ ! -e /proc/$pid ]] || grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; then
            rm -f "$state/pid" "$state/sock" "$state/sock.ctrl"
            return 0
        fi
        ((try != 400)) || kill -KILL "$pid" 2>/dev/null
        sleep 0.01
    done
    swtpm_fail "$state: process $pid does not end"
}

swtpm_reset() {
    timeout 5 swtpm_ioctl --unix "$1/sock.ctrl" -i || swtpm_fail "$1: cannot be reset"
}

if [[ ${BASH_SOURCE[0]} = "$0" ]]; then
    set -u
    case ${1:-} in
    ca | create | start | exec | stop | reset | tcti | running)
        verb=$1
        shift
        "swtpm_$verb" "$@"
        ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
        exit 64
        ;;
    esac
fi
