# The rules of the architecture (docs/ARCHITECTURE.md, "Rules"), each a function that prints what breaks it, one line
# a violation, and nothing where the rule holds. Sourced by test_rules.sh, which applies them to the source tree ($top)
# and the build tree ($built), and by test_rules_bite.sh, which breaks them one by one.
# shellcheck shell=bash disable=SC2154  # top and built are the caller's

# Where the programs that share the order of one folder lie. A folder uses only itself and what stands above it;
# Makefile.am has the order of the others.
SUBFOLDERS="tcd/core:before:tcd"
PROGRAMS="tcd nodeagent cli"

# One door per library: header (a prefix), files or folders that may include it.
DOORS='
raft.h        tcd/replica tcd/raft_transport.c tests/ bench/
raft/         tcd/replica tcd/raft_transport.c tests/ bench/
tss2/         lib/tpm/ tests/
jansson.h     nodeagent/qmp cli/ tests/
confuse.h     lib/daemon/
libsmartcols/ cli/
archive.h     cli/
archive_entry.h cli/
seccomp.h     lib/daemon/ nodeagent/launcher/ tests/
curl/         nodeagent/fetch/
uv.h          lib/net/ lib/daemon/ tcd/ nodeagent/ cli/ tests/ bench/
openssl/ssl.h lib/net/ tests/ fuzz/ bench/
openssl/      lib/base/ lib/crypto/ lib/attest/ lib/predict/ lib/net/ tests/ fuzz/ bench/
argp.h        tcd/main.c nodeagent/ cli/ bench/ tests/
'

# Pure libraries may import nothing but what is named here, or defined by themselves, the schemas and libprotobuf-c's
# message functions.
PURE_LIBRARIES="lib/base/libbase.a tcd/core/libcore.a lib/health/libhealth.a"
PURE_IMPORTS='
abort calloc free malloc realloc reallocarray
memchr memcmp memcpy memmove memset strchr strcmp strcpy strdup strlen strncmp strndup strnlen strrchr strspn strcspn
strcasecmp strncasecmp strstr strtok_r strtoul strtoull strtol stpcpy explicit_bzero __ctype_b_loc __ctype_tolower_loc
qsort bsearch snprintf vsnprintf __snprintf_chk __vsnprintf_chk __memcpy_chk __memmove_chk __memset_chk __strcpy_chk
__strncpy_chk __explicit_bzero_chk __stack_chk_fail _GLOBAL_OFFSET_TABLE_ __popcountdi2
SHA256 SHA256_Init SHA256_Update SHA256_Final CRYPTO_memcmp OPENSSL_cleanse
CRYPTO_secure_malloc CRYPTO_secure_zalloc CRYPTO_secure_free CRYPTO_secure_clear_free CRYPTO_secure_malloc_init
CRYPTO_secure_malloc_initialized CRYPTO_secure_malloc_done CRYPTO_malloc CRYPTO_zalloc CRYPTO_free CRYPTO_clear_free
'
# object: what it may import besides. The log's sink and a failed assertion write to standard error, then abort.
PURE_EXCEPTIONS='
libbase.a:status.o fprintf __fprintf_chk stderr
libbase.a:log.o fprintf fputs fputc fwrite __fprintf_chk vfprintf __vfprintf_chk stderr
'

# Sans-I/O libraries get time and entropy as arguments, and touch neither files nor sockets nor threads.
SANS_IO_LIBRARIES="lib/base/libbase.a lib/crypto/libcrypto.a lib/attest/libattest.a lib/predict/libpredict.a
lib/policy/libpolicy.a lib/perimeter/libperimeter.a lib/health/libhealth.a lib/protocol/libprotocol.a tcd/core/libcore.a"
SANS_IO_FORBIDDEN='
socket connect bind listen accept accept4 send sendto sendmsg recv recvfrom recvmsg getaddrinfo poll ppoll select epoll_.*
open open64 openat openat64 __open_2 __open64_2 creat fopen fopen64 fdopen freopen popen opendir read write pread.* pwrite.*
unlink rename mkdir mkstemp.* tmpfile.* stat stat64 fstat.* lstat.*
time gettimeofday clock_gettime clock clock_nanosleep nanosleep sleep usleep localtime.* gmtime ftime timer_.*
rand rand_r random srand.* drand48 getrandom getentropy arc4random.* RAND_.*
fork vfork execv.* execl.* system posix_spawn.* clone pthread_create thrd_create uv_.* raft_.* Esys_.* Tss2_.*
BIO_new_file BIO_new_fp BIO_new_connect BIO_new_socket BIO_new_dgram getenv secure_getenv signal sigaction printf puts
__printf_chk putchar
'
# The door to randomness is for the shells that hand entropy in.
SANS_IO_EXCEPTIONS='
libcrypto.a:entropy.o RAND_.*
'

# The launcher is privileged: it stays small, and holds no key and no connection.
LAUNCHER_LIBRARY=nodeagent/launcher/liblauncher.a
LAUNCHER_FORBIDDEN='
connect bind listen accept accept4 getaddrinfo SSL_.* BIO_.* uv_.* tls_.* connection_.*
secret_.* private_key_.* hpke_.* sign_message aead_.* tpm_.* Esys_.* EVP_.* RAND_.* entropy_fill
system popen
'

# Writable data that outlives a call: nowhere but in the log's sink.
GLOBAL_EXCEPTIONS='libbase.a:log.o'

# Our own C, without what is generated or built.
sources()
{
    find "$top" \( -path "$top/build*" -o -path '*/.*' -o -path "$top/tccp-dev" \) -prune -o \
        -type f \( -name '*.c' -o -name '*.h' \) -printf '%P\n' | grep -E "^(lib|tcd|nodeagent|cli|web|tests|fuzz|bench)/" |
        LC_ALL=C sort
}

# Everything of ours that is text, scripts and documentation included.
texts()
{
    find "$top" \( -path "$top/build" -o -path "$top/build-*" -a -not -path "$top/build-aux" -o -path "$top/.git" \
        -o -path '*/autom4te.cache' -o -path "$top/tccp-dev" -o -path '*/fuzz/corpus' -o -path '*/tests/vectors' \) -prune -o \
        -type f -printf '%P\n' |
        grep -vE '(^|/)(Makefile\.in|aclocal\.m4|configure~?|config\.h\.in~?|LICENSE)$' |
        grep -vE '^build-aux/(ar-lib|compile|depcomp|install-sh|missing|tap-driver\.sh|test-driver|config\..*|ltmain.sh)$' |
        LC_ALL=C sort
}

scripts()
{
    local file

    texts | while read -r file; do
        case $file in
        *.sh) printf '%s\n' "$file" ;;
        *) [ "$(head -c 2 "$top/$file" | tr -d '\0')" != '#!' ] ||
            ! head -n 1 "$top/$file" | grep -qE '[/ ](ba|da)?sh( |$)' || printf '%s\n' "$file" ;;
        esac
    done
}

# The folders in the order of dependence.
folder_order()
{
    local folder rule

    sed -n 's|^include \(.*\)/local\.mk$|\1|p' "$top/Makefile.am" | while read -r folder; do
        for rule in $SUBFOLDERS; do
            [ "${rule##*:}" != "$folder" ] || printf '%s\n' "${rule%%:*}"
        done
        printf '%s\n' "$folder"
    done
}

# FILE LINE KIND(quote or angle) HEADER, of every #include.
includes()
{
    (cd "$top" && sources | xargs -d '\n' awk '
        /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
            header = $0
            sub(/^[^<"]*/, "", header)
            kind = substr(header, 1, 1) == "<" ? "angle" : "quote"
            header = substr(header, 2)
            sub(/[>"].*/, "", header)
            print FILENAME, FNR, kind, header
        }')
}

rule_includes_point_downwards()
{
    { folder_order | sed 's/^/ORDER /'; includes; } | awk -v programs="$PROGRAMS" '
        function unit(path,    best, i) {
            best = ""
            for (i in rank) if (index(path, i "/") == 1 && length(i) > length(best)) best = i
            return best
        }
        BEGIN { n = split(programs, p); for (i = 1; i <= n; i++) program[p[i]] = 1 }
        $1 == "ORDER" { rank[$2] = ++count; next }
        $3 == "quote" {
            from = unit($1); to = unit($4)
            if (from == "" || from ~ /^(tests|fuzz|bench)/) next
            if (to == "") { if ($4 !~ /^config\.h$/) print $1 ":" $2 ": includes \"" $4 "\", which is not a path of this tree"; next }
            if (rank[to] > rank[from]) print $1 ":" $2 ": " from " includes \"" $4 "\", which stands below it"
            topfrom = from; sub(/\/.*/, "", topfrom); topto = to; sub(/\/.*/, "", topto)
            if (topfrom in program && topto in program && topfrom != topto)
                print $1 ":" $2 ": the program " topfrom " includes \"" $4 "\" of the program " topto
        }'
}

rule_one_door_per_library()
{
    { printf '%s\n' "$DOORS" | sed '/^$/d; s/^/DOOR /'; includes; } | awk '
        $1 == "DOOR" { order[++count] = $2; for (i = 3; i <= NF; i++) doors[$2] = doors[$2] " " $i; next }
        $3 == "angle" {
            for (i = 1; i <= count; i++) {
                if (index($4, order[i]) != 1) continue
                n = split(doors[order[i]], allowed, " "); ok = 0
                for (j = 1; j <= n; j++) if (index($1, allowed[j]) == 1) ok = 1
                if (!ok) print $1 ":" $2 ": <" $4 "> is not to be included here, only in" doors[order[i]]
                break
            }
        }'
}

# A file's own header is its first include, so that every header is known to stand alone.
rule_own_header_first()
{
    includes | awk '
        FNR == 1 { }
        $1 ~ /\.c$/ && !($1 in first) { first[$1] = $4 }
        { seen[$1 " " $4] = $2 }
        END {
            for (file in first) {
                own = file; sub(/\.c$/, ".h", own)
                if ((file " " own) in seen && first[file] != own)
                    print file ": its own header is not the first include"
            }
        }'
}

# Undefined symbols of each object of an archive: "ARCHIVE:OBJECT SYMBOL"; objects are named without automake's prefix.
archive_imports()
{
    nm -A -u "$built/$1" 2>/dev/null | awk -v archive="${1##*/}" '
        NF >= 2 { object = $1; sub(/:$/, "", object); sub(/.*:/, "", object); sub(/^[a-z_]*_a-/, "", object)
                  print archive ":" object, $NF }'
}

archive_definitions()
{
    nm --defined-only "$built/$1" 2>/dev/null | awk 'NF == 3 { print $3 }'
}

built_libraries()
{
    local library

    for library in $1; do
        [ ! -f "$built/$library" ] || printf '%s\n' "$library"
    done
}

rule_pure_libraries_import_next_to_nothing()
{
    local library

    for library in $(built_libraries "$PURE_LIBRARIES"); do
        {
            printf '%s\n' "$PURE_IMPORTS" | tr ' ' '\n' | sed '/^$/d; s/^/ALLOW /'
            printf '%s\n' "$PURE_EXCEPTIONS" | sed '/^$/d; s/^/EXCEPT /'
            # Of itself and of what stands above it.
            for above in lib/base/libbase.a proto/libproto.a "$library"; do
                [ ! -f "$built/$above" ] || archive_definitions "$above" | sed 's/^/ALLOW /'
            done
            archive_imports "$library"
        } | awk '
            $1 == "ALLOW" { allowed[$2] = 1; next }
            $1 == "EXCEPT" { for (i = 3; i <= NF; i++) excepted[$2 " " $i] = 1; next }
            $2 ~ /^(__asan_|__ubsan_|__sanitizer_|__gcov|__sancov_|protobuf_c_message_|protobuf_c_empty_string$)/ { next }
            !($2 in allowed) && !(($1 " " $2) in excepted) { print $1 ": imports " $2 }'
    done
}

rule_sans_io_libraries_have_no_io()
{
    local library

    for library in $(built_libraries "$SANS_IO_LIBRARIES"); do
        {
            printf '%s\n' "$SANS_IO_FORBIDDEN" | tr ' ' '\n' | sed '/^$/d; s/^/FORBID /'
            printf '%s\n' "$SANS_IO_EXCEPTIONS" | sed '/^$/d; s/^/EXCEPT /'
            archive_imports "$library"
        } | awk '
            $1 == "FORBID" { forbidden = forbidden (forbidden == "" ? "" : "|") $2; next }
            $1 == "EXCEPT" { for (i = 3; i <= NF; i++) excepted[$2] = excepted[$2] "|" $i; next }
            $2 ~ ("^(" forbidden ")$") && !(($1 in excepted) && $2 ~ ("^(" substr(excepted[$1], 2) ")$")) {
                print $1 ": imports " $2
            }'
    done
}

rule_the_launcher_has_no_keys_and_no_network()
{
    [ -f "$built/$LAUNCHER_LIBRARY" ] || return 0
    {
        printf '%s\n' "$LAUNCHER_FORBIDDEN" | tr ' ' '\n' | sed '/^$/d; s/^/FORBID /'
        archive_imports "$LAUNCHER_LIBRARY"
    } | awk '
        $1 == "FORBID" { forbidden = forbidden (forbidden == "" ? "" : "|") $2; next }
        $2 ~ ("^(" forbidden ")$") { print $1 ": imports " $2 }'
}

rule_no_globals()
{
    local library

    for library in $(built_libraries "$SANS_IO_LIBRARIES"); do
        objdump -t "$built/$library" 2>/dev/null | awk -v archive="${library##*/}" -v excepted=" $GLOBAL_EXCEPTIONS " '
            / file format / { object = $1; sub(/:$/, "", object); sub(/^[a-z_]*_a-/, "", object); next }
            # Constant tables with pointers lie in .data.rel.ro and are no globals.
            match($0, / O (\.data|\.bss|\*COM\*|\.data\.[a-zA-Z0-9_]+|\.bss\.[a-zA-Z0-9_]+|\.data\.rel\.local)[ \t]/) {
                name = $NF
                if (name ~ /^(__gcov|__asan|__odr_asan|\.L)/ || $0 ~ /\.data\.rel\.ro/) next
                if (index(excepted, " " archive ":" object " ") == 0) print archive ":" object ": writable data " name
            }'
    done
}

# The compiler names a forgotten value of an enum only where there is no `default:`. Where the value switched over is
# not an enum but a number from outside, a comment on that line says so.
rule_no_default_over_an_enum()
{
    (cd "$top" && sources | grep -vE '^(tests|fuzz|bench)/' | xargs -r -d '\n' awk '
        /^[ \t]*default:/ && !/\/\*.*\*\/|\/\// { print FILENAME ":" FNR ": default: in a switch; say in a comment on the line why it is not over an enum" }')
}

rule_clang_format()
{
    (cd "$top" && sources | xargs -r -d '\n' clang-format --dry-run 2>&1 |
        sed -n 's/^\([^ ]*:[0-9]*:[0-9]*\): .*clang-format.*/\1: not formatted/p' | sort -t: -k1,1 -u)
}

rule_no_unfinished_work()
{
    (cd "$top" && texts | grep -v '^tests/rules/' |
        xargs -r -d '\n' grep -nIHE '\b(TODO|FIXME|XXX|HACK)\b' | sed 's/:\([0-9]*\):.*/:\1: a note of unfinished work/')
    # What tests pretend to be is their business.
    (cd "$top" && sources | grep -v '^tests/' |
        xargs -r -d '\n' grep -nIHiE '\bstub\b' | grep -viE 'systemd-stub|EFI stub|\bnot a stub\b' |
        sed 's/:\([0-9]*\):.*/:\1: a stub/')
}

rule_no_paths_of_a_developer()
{
    (cd "$top" && texts | grep -v '^tests/rules/' |
        xargs -r -d '\n' grep -nIHE '(^|[^a-zA-Z0-9_.])/(home/[a-z]+|work|root|Users)/[a-zA-Z]|/tmp/tccp/' |
        sed 's/:\([0-9]*\):.*/:\1: an absolute path of a developer/')
}

fuzz_targets()
{
    (cd "$top" && sources | sed -n 's|^fuzz/\(fuzz_[a-z0-9_]*\)\.c$|\1|p')
}

CORPUS_FILE_SIZE_MAX=65536

rule_every_fuzz_target_is_built_and_has_a_corpus()
{
    local target folder

    fuzz_targets | while read -r target; do
        grep -qE "^FUZZ_TARGETS \+=.*fuzz/$target( |\$)|^[[:space:]]+fuzz/$target( |\$)" "$top/fuzz/local.mk" ||
            printf 'fuzz/%s.c: not in FUZZ_TARGETS\n' "$target"
        [ -n "$(find "$top/fuzz/corpus/$target" -type f -size +0 2>/dev/null | head -n 1)" ] ||
            printf 'fuzz/corpus/%s: no corpus\n' "$target"
    done
    for folder in "$top"/fuzz/corpus/*/; do
        [ -d "$folder" ] || continue
        [ -f "$top/fuzz/$(basename "$folder").c" ] || printf '%s: a corpus without a target\n' "${folder#"$top"/}"
    done
    find "$top/fuzz/corpus" -type f -size +${CORPUS_FILE_SIZE_MAX}c -printf 'fuzz/corpus/%P: larger than a corpus file should be\n' 2>/dev/null
}

# The names of functions that read bytes from outside end in _parse, _parse_..., _decode or _unpack.
rule_every_parser_is_fuzzed()
{
    (cd "$top" && sources | grep -E '^(lib|tcd|nodeagent)/.*\.h$' | xargs -r -d '\n' awk '
        /^[a-zA-Z]/ && match($0, /[a-z0-9_]+_(parse|decode|unpack)(_[a-z0-9_]+)?\(/) {
            print FILENAME, substr($0, RSTART, RLENGTH - 1) }') | while read -r file function; do
        grep -qsE "\b$function\b" "$top"/fuzz/*.c || printf '%s: %s is reached by no fuzz target\n' "$file" "$function"
    done
}

# Each header says first what it is for, and is guarded by its name. In lib/, whose headers are for others, each block
# of prototypes (between blank lines), or the block before it, has a comment; the header's own does for its first
# function, and makers and enders of a type need no words.
rule_headers_document_their_functions()
{
    (cd "$top" && sources | grep -E '^(lib|tcd|nodeagent|cli)/.*\.h$' | while read -r header; do
        awk '
            FNR == 1 && !/^\/[*\/]/ { print FILENAME ":1: does not say first what it is for" }
            FILENAME !~ /^lib\// { next }
            /^[ \t]*$/ { if (commented > 0 && !blank) commented--; blank = 1; next }
            { blank = 0 }
            /\/\*|\/\// { commented = 2 }
            # A prototype at the left margin, not a macro use, an inline body or a cleanup definition.
            /^[a-zA-Z_].*[a-z0-9_]+\(/ && !first++ { next }
            /_(new|free|open|close|next)\(/ { next }
            /^[a-zA-Z_].*[a-z0-9_]+\(/ && !/^(static|typedef|DEFINE_|extern "C"|#|_Static_assert)/ && !commented {
                print FILENAME ":" FNR ": a function without a word of documentation"
                commented = 2
            }' "$header"
        guard=$(basename "$header" .h | tr 'a-z-' 'A-Z_')_H
        grep -qE "^#ifndef TCCP_([A-Z0-9]+_)*$guard\$" "$header" ||
            printf '%s: its guard is not TCCP_..._%s\n' "$header" "$guard"
    done)
}

rule_headers_compile_alone()
{
    (cd "$built" && sources | grep -E '^(lib|tcd|nodeagent|cli)/.*\.h$' | while read -r header; do
        # shellcheck disable=SC2086  # a list of flags
        ${TCCP_CC:-gcc} -std=gnu11 $TCCP_CPPFLAGS -fsyntax-only -x c "$top/$header" >/dev/null 2>&1 ||
            printf '%s: does not compile on its own\n' "$header"
    done)
}

rule_every_test_runs()
{
    local listed

    # Without what an outer make was told, such as a TESTS of its own.
    listed=$(env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL make -C "$built" -s list-tests 2>/dev/null)
    (cd "$top" && find tests -type f \( -name 'test_*.c' -o -name 'test_*.sh' -o -name '*.bats' \) | sed 's/\.c$//' |
        LC_ALL=C sort) | while read -r test; do
        case $'\n'$listed$'\n' in
        *$'\n'"$test"$'\n'*) ;;
        *) printf '%s: in no TESTS, so it never runs\n' "$test" ;;
        esac
    done
}

# A path of this tree that a document names: a file, a folder, a file without its extension, or a pattern.
rule_documents_name_what_exists()
{
    (cd "$top" && texts | grep -E '\.md$' | while read -r document; do
        grep -noE '(^|[^A-Za-z0-9_./-])(docs|lib|tcd|nodeagent|cli|proto|tests|fuzz|bench|build-aux|packaging|ansible|formal)/[A-Za-z0-9_./*-]*[A-Za-z0-9_*]' "$document" |
            sed -E 's|^([0-9]+):[^a-z]?|\1 |' | grep -v NAME | while read -r line path; do
            compgen -G "$path" >/dev/null || compgen -G "$path.*" >/dev/null ||
                printf '%s:%s: names %s, which is not there\n' "$document" "$line" "$path"
        done
    done)
}

rule_scripts_pass_shellcheck()
{
    local file

    scripts | while read -r file; do
        (cd "$top" && shellcheck -x -S warning -f gcc "$file")
    done
}
