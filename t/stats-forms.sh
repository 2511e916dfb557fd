# t/stats-forms.sh - statistics in all formats are what readers of the formats can read.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ -n "$JSM_LIB" ] || skip_all "built without override, or without the shared library"
[ "$JSM_CROSS" = no ] || skip_all "programs of this machine cannot be preloaded with it"
scratch

# check_with MODULE DESCRIPTION FORMAT ARG...: a Python of one's own seldom has the modules of the system.
check_with() {
    tap_module=$1 tap_about=$2
    shift 2
    for tap_python in python3 /usr/bin/python3; do
        if $tap_python -c "import $tap_module" 2> /dev/null; then
            check "$tap_about" "$tap_python" "$top_srcdir/t/stats-forms.py" "$@"
            return
        fi
    done
    skip "$tap_about" "no python3 with $tap_module"
}

cat > "$scratch/program.c" << 'END'
#include <dlfcn.h>
#include <jsmalloc.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *
work(void *arg)
{
    for (size_t i = 1; i < 3000; i++) {
        void *p = malloc(i * i % 9000), *q = aligned_alloc(64, 64 * (i % 50 + 1));
        memset(p, 1, 1);
        free(i % 3 ? p : q);
    }
    return arg;
}
/* A heap with a name that no format can have as it is, and two with the same. */
static void
make_heaps(void)
{
    jsm_heap *(*new)(const struct jsm_heap_config *);
    void *(*get)(jsm_heap *, size_t);
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    *(void **)&new = dlsym(RTLD_DEFAULT, "jsm_heap_new");
    *(void **)&get = dlsym(RTLD_DEFAULT, "jsm_heap_malloc");
    if (new == NULL || get == NULL)
        return;
    config.name = "a name \"<&\\";
    config.limit_bytes = 1 << 20;
    if (get(new(&config), 100) == NULL || new(NULL) == NULL || new(NULL) == NULL)
        abort();
}
int
main(int argc, char **argv)
{
    pthread_t t;
    make_heaps();
    void *large = malloc(300000), *huge = malloc(100 << 20);
    if (pthread_create(&t, NULL, work, NULL) != 0 || pthread_join(t, NULL) != 0)
        return 1;
    work(NULL);
    malloc_trim(0);
    if (argc > 1 && strcmp(argv[1], "info") == 0)
        return malloc_info(0, stdout);
    if (argc > 1)
        malloc_stats();
    return large == NULL || huge == NULL;
}
END
# CC is a command with arguments.
# shellcheck disable=SC2086
$CC -D_GNU_SOURCE -I"$top_srcdir/include" -fno-builtin "$scratch/program.c" -o "$scratch/program" -lpthread -ldl || {
    fail "a program can be built"
    tap_done
}

for format in text json xml openmetrics; do
    check "the program prints $format at exit" env LD_PRELOAD="$JSM_LIB" \
        JSMALLOC_OPTIONS="stats=exit,stats_format=$format,stats_file=$scratch/%p-$format" "$scratch/program"
    mv "$scratch"/[0-9]*-$format "$scratch/$format"
done
"$scratch/program" info > "$scratch/glibc.xml"

check_with json "the text has every figure, and they add up" text "$scratch/text"
check_with jsonschema "the JSON is what its schema says, and adds up" json "$scratch/json" \
    "$top_srcdir/doc/statistics.schema.json"
check_with xml.etree "the XML has all elements of glibc's" xml "$scratch/xml" "$scratch/glibc.xml"
check_with prometheus_client.openmetrics.parser "the OpenMetrics are read by Prometheus' own parser" \
    openmetrics "$scratch/openmetrics"

env LD_PRELOAD="$JSM_LIB" "$scratch/program" info > "$scratch/info.xml"
check_with xml.etree "malloc_info() writes the same XML" xml "$scratch/info.xml" "$scratch/glibc.xml"

# malloc_stats(): glibc's lines, word for word, then ours.
"$scratch/program" stats 2>&1 | sed 's/[0-9][0-9]*/N/g; s/  *N/ N/; /^Arena N/,/^in use/d' > "$scratch/glibc"
env LD_PRELOAD="$JSM_LIB" "$scratch/program" stats 2> "$scratch/stats"
sed -n '1,/^max mmap bytes/p' "$scratch/stats" | sed 's/[0-9][0-9]*/N/g; s/  *N/ N/; /^Arena N/,/^in use/d' > "$scratch/ours"
is "$(cat "$scratch/ours")" "$(cat "$scratch/glibc")" "malloc_stats() begins as glibc's does"
sed -n '/^jsmalloc.*statistics$/,$p' "$scratch/stats" > "$scratch/rest"
check_with json "and goes on with all figures and tables" text "$scratch/rest"
tap_done
