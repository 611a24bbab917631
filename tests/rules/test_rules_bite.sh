#!/bin/bash
# A rule that nothing can break proves nothing: each is broken here once, in a small tree made for it.
set -uo pipefail

# shellcheck source=tests/rules/rules.sh
. "${TOP_SRCDIR:?}/tests/rules/rules.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
top=$scratch/tree
built=$scratch/tree/build
count=0

# A tree in which every rule holds.
fresh_tree()
{
    rm -rf "$top"
    mkdir -p "$top"/{lib/base,lib/net,tcd/core,nodeagent,fuzz/corpus/fuzz_good,tests} "$built/lib/base"
    printf 'include %s/local.mk\n' lib/base lib/net tcd nodeagent >"$top/Makefile.am"
    cp "$TOP_SRCDIR/.clang-format" "$top/"
    printf '/* What it is. */\n#ifndef TCCP_BASE_GOOD_H\n#define TCCP_BASE_GOOD_H\n\n/* Parses. */\nint good_parse(int value);\n\n#endif\n' \
        >"$top/lib/base/good.h"
    printf '#include "lib/base/good.h"\n\n#include <string.h>\n\nint good_parse(int value)\n{\n    return value;\n}\n' \
        >"$top/lib/base/good.c"
    printf '#include "lib/base/good.h"\n\nint main(void)\n{\n    return good_parse(0);\n}\n' >"$top/fuzz/fuzz_good.c"
    printf 'FUZZ_TARGETS += fuzz/fuzz_good\n' >"$top/fuzz/local.mk"
    printf 'x' >"$top/fuzz/corpus/fuzz_good/one"
    printf 'list-tests:\n\t@echo tests/test_listed.sh\n' >"$built/Makefile"
    printf '#!/bin/sh\nexit 0\n' >"$top/tests/test_listed.sh"
    export TCCP_CPPFLAGS="-I$top"
    archive lib/base/good.c
}

# Compiles one source into the library of lib/base.
archive()
{
    rm -f "$built/lib/base/libbase.a"
    gcc -w -std=gnu11 -D_GNU_SOURCE -I"$top" -c "$top/$1" -o "$built/lib/base/lib_base_libbase_a-${1##*/}.o" &&
        mv "$built/lib/base/lib_base_libbase_a-${1##*/}.o" "$built/lib/base/lib_base_libbase_a-$(basename "$1" .c).o" &&
        ar cr "$built/lib/base/libbase.a" "$built"/lib/base/*.o
}

put()
{
    mkdir -p "$(dirname "$top/$1")"
    printf '%b' "$2" >"$top/$1"
}

result()
{
    count=$((count + 1))
    printf '%s %d - %s\n' "$1" $count "$2"
    [ "$1" = ok ] || printf '%s\n' "$3" | sed 's/^/#   /'
}

# bites RULE CLAIM EXPECTED: the tree as it was just changed must break RULE, with EXPECTED in what it prints.
bites()
{
    local printed

    printed=$("rule_$1")
    if grep -qE "$3" <<<"$printed"; then
        result ok "$2"
    else
        result 'not ok' "$2" "$1 printed: $printed"
    fi
    fresh_tree
}

fresh_tree
for rule in $(declare -F | awk '{print $3}' | grep '^rule_'); do
    printed=$($rule)
    if [ -z "$printed" ]; then
        result ok "${rule#rule_}_accepts_a_tree_that_keeps_it"
    else
        result 'not ok' "${rule#rule_}_accepts_a_tree_that_keeps_it" "$printed"
    fi
done

put lib/base/bad.c '#include "lib/net/tls.h"\n'
bites includes_point_downwards a_library_may_not_include_what_stands_below_it 'lib/base/bad.c:1: .*below'
put tcd/core/bad.c '#include "tcd/replica.h"\n'
bites includes_point_downwards the_core_may_not_include_its_shell 'tcd/core/bad.c:1: .*below'
put nodeagent/bad.c '#include "tcd/core/registry.h"\n'
bites includes_point_downwards programs_may_not_include_each_other 'nodeagent/bad.c:1: the program'
put lib/base/bad.c '#include "good.h"\n'
bites includes_point_downwards an_include_is_a_path_of_the_tree 'lib/base/bad.c:1: .*not a path'

put tcd/effects.c '#include <raft.h>\n'
bites one_door_per_library raft_has_one_door 'tcd/effects.c:1'
put nodeagent/bad.c '#include <tss2/tss2_esys.h>\n'
bites one_door_per_library the_tpm_has_one_door 'nodeagent/bad.c:1'
put tcd/bad.c '#include <jansson.h>\n'
bites one_door_per_library json_has_one_door 'tcd/bad.c:1'
put tcd/bad.c '#include <confuse.h>\n'
bites one_door_per_library configuration_has_one_door 'tcd/bad.c:1'
put lib/base/bad.c '#include <uv.h>\n'
bites one_door_per_library the_event_loop_stays_out_of_the_pure_libraries 'lib/base/bad.c:1'
put tcd/bad.c '#include <archive.h>\n'
bites one_door_per_library archives_have_one_door 'tcd/bad.c:1'
put tcd/bad.c '#include <openssl/evp.h>\n'
bites one_door_per_library cryptography_has_one_door 'tcd/bad.c:1'

put lib/base/bad.h '/* x */\n#ifndef TCCP_BASE_BAD_H\n#define TCCP_BASE_BAD_H\n#endif\n'
put lib/base/bad.c '#include <string.h>\n#include "lib/base/bad.h"\n'
bites own_header_first a_file_includes_its_own_header_first 'lib/base/bad.c'

put lib/base/bad.c '#include <unistd.h>\nint bad(void) { return (int)getpid(); }\n'
archive lib/base/bad.c
bites pure_libraries_import_next_to_nothing a_pure_library_may_not_ask_the_system 'libbase.a:bad.o: imports getpid'
put lib/base/bad.c '#include <time.h>\nlong bad(void) { return (long)time(0); }\n'
archive lib/base/bad.c
bites sans_io_libraries_have_no_io a_sans_io_library_may_not_read_a_clock 'libbase.a:bad.o: imports time'
put lib/base/bad.c '#include <sys/socket.h>\nint bad(void) { return socket(1, 1, 0); }\n'
archive lib/base/bad.c
bites sans_io_libraries_have_no_io a_sans_io_library_may_not_open_a_socket 'libbase.a:bad.o: imports socket'
put lib/base/bad.c '#include <stdlib.h>\nint bad(void) { return rand(); }\n'
archive lib/base/bad.c
bites sans_io_libraries_have_no_io a_sans_io_library_may_not_draw_randomness 'libbase.a:bad.o: imports rand'
put lib/base/bad.c '#include <sys/socket.h>\nint bad(int s) { return connect(s, 0, 0); }\n'
archive lib/base/bad.c
mkdir -p "$built/nodeagent/launcher"
mv "$built/lib/base/libbase.a" "$built/nodeagent/launcher/liblauncher.a"
bites the_launcher_has_no_keys_and_no_network the_launcher_may_not_connect 'liblauncher.a:bad.o: imports connect'
put lib/base/bad.c 'void secret_new(void);\nvoid bad(void) { secret_new(); }\n'
archive lib/base/bad.c
mkdir -p "$built/nodeagent/launcher"
mv "$built/lib/base/libbase.a" "$built/nodeagent/launcher/liblauncher.a"
bites the_launcher_has_no_keys_and_no_network the_launcher_may_not_hold_secrets 'liblauncher.a:bad.o: imports secret_new'
put lib/base/bad.c 'int bad_count;\nint bad(void) { return ++bad_count; }\n'
archive lib/base/bad.c
bites no_globals a_library_keeps_no_global 'libbase.a:bad.o: writable data bad_count'
put lib/base/bad.c 'int bad(void) { static int calls; return ++calls; }\n'
archive lib/base/bad.c
bites no_globals a_library_keeps_no_static_state 'libbase.a:bad.o: writable data calls'

put lib/base/bad.c 'int bad(int v)\n{\n    switch (v) {\n    default:\n        return 1;\n    }\n}\n'
bites no_default_over_an_enum a_default_needs_a_reason 'lib/base/bad.c:4'
put lib/base/bad.c 'int   bad( int v ){return v;}\n'
bites clang_format code_is_formatted 'lib/base/bad.c:1'
put docs/x.md 'one\nTODO: two\n'
bites no_unfinished_work no_note_of_unfinished_work 'docs/x.md:2'
put lib/base/bad.c '/* stub */\n'
bites no_unfinished_work no_stub 'lib/base/bad.c:1'
put docs/x.md 'see /home/someone/src\n'
bites no_paths_of_a_developer no_path_of_a_developer 'docs/x.md:1'

put docs/x.md 'see `lib/base/good.h`, `lib/base/*.c`, lib/base/good and lib/base/gone.h.\n'
bites documents_name_what_exists a_document_names_no_file_that_is_gone 'docs/x.md:1: names lib/base/gone.h,'

put fuzz/fuzz_bad.c 'int x;\n'
bites every_fuzz_target_is_built_and_has_a_corpus a_fuzz_target_is_built 'fuzz/fuzz_bad.c: not in'
rm "$top/fuzz/corpus/fuzz_good/one"
bites every_fuzz_target_is_built_and_has_a_corpus a_fuzz_target_has_a_corpus 'fuzz/corpus/fuzz_good: no corpus'
put fuzz/corpus/fuzz_other/x 'x'
bites every_fuzz_target_is_built_and_has_a_corpus a_corpus_has_a_target 'fuzz/corpus/fuzz_other/: a corpus without'
head -c 70000 /dev/zero >"$top/fuzz/corpus/fuzz_good/large"
bites every_fuzz_target_is_built_and_has_a_corpus a_corpus_file_is_small 'fuzz_good/large: larger'
put lib/base/bad.h 'WARN_UNUSED enum status bad_parse(int x);\n'
bites every_parser_is_fuzzed every_parser_is_fuzzed 'lib/base/bad.h: bad_parse'

put lib/base/bad.h '/* x */\n#ifndef TCCP_BASE_BAD_H\n#define TCCP_BASE_BAD_H\n\nint bad_first(void);\n\nint bad(void);\n\n#endif\n'
bites headers_document_their_functions a_public_function_is_documented 'lib/base/bad.h:7'
put lib/base/bad.h '#ifndef TCCP_BASE_BAD_H\n#endif\n'
bites headers_document_their_functions a_header_says_what_it_is_for 'lib/base/bad.h:1'
put lib/base/bad.h '/* x */\n#ifndef TCCP_OTHER_H\n#endif\n'
bites headers_document_their_functions a_header_is_guarded_by_its_path 'lib/base/bad.h: its guard'
put lib/base/bad.h '/* x */\nuint8_t bad;\n'
bites headers_compile_alone a_header_includes_what_it_uses 'lib/base/bad.h: does not compile'
put tests/test_forgotten.c 'int x;\n'
bites every_test_runs a_test_that_nobody_runs_is_found 'tests/test_forgotten: in no TESTS'
put bad.sh '#!/bin/sh\nfor i in $(ls *.txt); do [ $i == x ]; done\nread unused <x\n'
bites scripts_pass_shellcheck scripts_are_checked 'bad.sh:'

printf '1..%d\n' $count
