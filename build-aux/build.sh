# Shared by quickstart and check; sourced by bash. Expects $top, the root of the source tree.
# shellcheck shell=bash

# The compiler, through ccache where there is one.
build_compiler()
{
    if command -v ccache >/dev/null 2>&1; then
        printf 'ccache gcc'
    else
        printf 'gcc'
    fi
}

# Makes ./configure where it is missing or older than what it is made from.
build_autotools()
{
    local source

    for source in "$top"/configure.ac "$top"/Makefile.am $(find "$top" -name local.mk -not -path '*/build/*'); do
        if [ ! -x "$top/configure" ] || [ ! -f "$top/Makefile.in" ] || [ "$source" -nt "$top/Makefile.in" ]; then
            (cd "$top" && autoreconf --install) || return
            # automake leaves an unchanged Makefile.in as it was; we compare its time.
            touch "$top/Makefile.in"
            return
        fi
    done
}

# build_configure FOLDER CFLAGS [option of configure...]: configures FOLDER, unless it is configured so already.
# Objects made with other options are thrown away.
build_configure()
{
    local folder=$1 flags=$2 wanted

    shift 2
    wanted="CC=$(build_compiler) CFLAGS=$flags $*"
    mkdir -p "$folder" || return
    if [ -f "$folder/config.status" ] && [ "$(cat "$folder/.configured" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    if [ -f "$folder/Makefile" ]; then
        make -C "$folder" -s clean >/dev/null 2>&1 || true
    fi
    (cd "$folder" && "$top/configure" -q CC="$(build_compiler)" CFLAGS="$flags" "$@") || return
    printf '%s\n' "$wanted" >"$folder/.configured"
}

# Whether sudo lets this user become root; asks for a password only on a terminal.
may_become_root()
{
    local ask=(-n)

    [ ! -t 0 ] || ask=()
    [ "$(id -u)" != 0 ] && command -v sudo >/dev/null && sudo "${ask[@]}" -- true 2>/dev/null
}
