# tools/check-links.awk - does every reference between object files point down?
#   nm -A -P src/*/*.o | awk -f c-lines.awk -f check-links.awk src/README.md -
# What the includes cannot show: a function of an upper layer that is declared by hand.
# SPDX-License-Identifier: MIT

FILENAME ~ /README\.md$/ {
    if (match($0, /^- `[a-z0-9_]+\/`/)) rank[substr($0, 4, RLENGTH - 5)] = ++n_layers
    next
}

# "path/layer/file.o: name T 0 0"
{
    path = $1
    sub(/:$/, "", path)
    if ($3 ~ /^[Uw]$/) {
        n_wanted++
        wanted[n_wanted] = $2
        wanted_by[n_wanted] = path
    } else if ($3 ~ /^[A-TVWu]$/) {
        home[$2] = path
        n_defined++
    }
}

END {
    for (i = 1; i <= n_wanted; i++) {
        if (!(wanted[i] in home)) continue
        from = layer_of(wanted_by[i])
        to = layer_of(home[wanted[i]])
        if (rank[to] > rank[from]) {
            print wanted_by[i] ": " from "/ refers to " wanted[i] " of " to "/, which is above it"
            faults++
        }
    }
    if (n_layers == 0 || n_defined == 0) { print "nothing to look at"; faults++ }
    exit faults > 0
}
