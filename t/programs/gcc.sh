# t/programs/gcc.sh - a large C file, compiled and linked: are assembler text and program the same?
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need gcc "${AWK:-awk}"
plan 5

"${AWK:-awk}" -v n="$(amount 350)" 'BEGIN {
    print "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>"
    for (i = 0; i < n; i++) {
        printf "struct s%d { int a[%d]; double b; struct s%d *next; const char *name; };\n", i, i % 17 + 1, i
        printf "static int f%d(struct s%d *s, int x)\n{\n    int r = x;\n", i, i
        printf "    for (int i = 0; i < %d; i++) {\n        s->a[i] = r * %d + i;\n", i % 17 + 1, i + 3
        printf "        switch (s->a[i] & 7) {\n"
        for (c = 0; c < 8; c++)
            printf "        case %d: r %s= %d + i; s->b += r * %d.5; break;\n", c, c % 2 ? "^" : "+", i * c + 1, c
        printf "        }\n    }\n    s->name = \"record %d\";\n", i
        printf "    return r + (s->next ? f%d(s->next, r - 1) : %s);\n}\n", i, i ? "f" (i - 1) "((struct s" (i - 1) "[1]){ 0 }, r & 15)" : "0"
    }
    printf "int main(void)\n{\n    struct s%d s = { .b = 1 };\n    printf(\"%%d\\n\", f%d(&s, 3));\n}\n", n - 1, n - 1
}' >"$in/large.c"

uses cc1 gcc -O1 -S -o small.s -x c /dev/null
uses as gcc -c -o small.o -x c /dev/null
same 'gcc -O2 -g on a large file: the assembler text' gcc -O2 -g -S -o large.s "$in/large.c"
same 'gcc -O1: the object file' gcc -O1 -c -o large.o "$in/large.c"
cat >"$in/link.sh" <<'END'
gcc -O0 -flto -o program "$1" && ./program
END
same 'gcc -flto: the program and what it prints' sh "$in/link.sh" "$in/large.c"
