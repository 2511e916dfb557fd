# bench/programs/csource.py - writes a large C file: tables, structures, and functions with loops and switches.
# SPDX-License-Identifier: MIT
import random
import sys


def expression(rng, names, depth):
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(names) if rng.random() < 0.7 else str(rng.randrange(1, 1000))
    operator = rng.choice(["+", "-", "*", "^", "&", "|"])
    return "(%s %s %s)" % (expression(rng, names, depth - 1), operator, expression(rng, names, depth - 1))


def function(rng, number):
    names = ["a", "b", "s->x", "s->y", "r"]
    lines = ["static unsigned f%d(struct s%d *s, unsigned a, unsigned b)" % (number, number % 40), "{",
             "    unsigned r = %d;" % rng.randrange(1000),
             "    for (unsigned i = 0; i < (a & 31); i++) {",
             "        r += s->v[i & 7] * (%s);" % expression(rng, names + ["i"], 3),
             "        if (r > %s)" % expression(rng, names, 2),
             "            s->y ^= %s;" % expression(rng, names + ["i"], 2),
             "    }", "    switch (r & 7) {"]
    for case in range(rng.randrange(3, 7)):
        lines.append("    case %d: r = %s; break;" % (case, expression(rng, names, 3)))
    lines.append("    default: s->x = %s; break;" % expression(rng, names, 2))
    lines.append("    }")
    if number >= 40:
        callee = number - 40 * rng.randrange(1, number // 40 + 1)
        lines.append("    r += f%d(s, %s, b);" % (callee, expression(rng, names, 1)))
    return "\n".join(lines + ["    return r;", "}", ""])


def main():
    count = max(40, 420 * int(sys.argv[1]) // 100)
    rng = random.Random(3)
    for number in range(40):
        print("struct s%d { unsigned x, y, v[8]; char name[%d]; };" % (number, 8 + number))
    for number in range(count):
        print(function(rng, number))
    for number in range(40):
        last = max(n for n in range(count) if n % 40 == number)
        print("unsigned g%d(struct s%d *s, unsigned a) { return f%d(s, a, a); }" % (number, number, last))


main()
