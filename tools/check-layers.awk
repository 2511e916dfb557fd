# tools/check-layers.awk - does every #include in src/ point down, to a facade?
#   awk -f c-lines.awk -f check-layers.awk src/README.md src/*/*.[ch]
# The layers, bottom first, are the items "- `name/` ..." of the README.  Prints each fault;
# fails if there is one, or if there were no layers or no files to look at.
# SPDX-License-Identifier: MIT

FNR == 1 {
    in_comment = 0
    n_includes = 0
    layer = layer_of(FILENAME)
}

FILENAME ~ /README\.md$/ {
    if (match($0, /^- `[a-z0-9_]+\/`/)) rank[substr($0, 4, RLENGTH - 5)] = ++n_layers
    next
}

FNR == 1 {
    n_files++
    if (!(layer in rank)) fault("layer " layer "/ is not in the list of layers")
}

function check_include(code,    angled, target, part, n) {
    n_includes++
    angled = code ~ /</
    target = code
    sub(/^[^"<]*["<]/, "", target)
    sub(/[">].*$/, "", target)
    if (FILENAME ~ /\.c$/ && n_includes == 1 && target != "config.h") fault("<config.h> must be included first")
    if (target ~ /\.c$/) fault("a source file is included: " target)
    if (target == "stdatomic.h" && FILENAME !~ /(^|\/)base\/atomic\.h$/) fault("<stdatomic.h> is for base/atomic.h alone")
    if (angled) return
    n = split(target, part, "/")
    if (n != 2) {
        fault("an include of ours names layer and file, \"layer/file.h\": " target)
    } else if (!(part[1] in rank)) {
        fault("unknown layer: " target)
    } else if (rank[part[1]] > rank[layer]) {
        fault(layer "/ may not include " target ", which is above it")
    } else if (part[1] != layer && target != part[1] "/" part[1] ".h") {
        fault("only the facade " part[1] "/" part[1] ".h may be included from outside, not " target)
    }
}

!in_comment && /^[ \t]*#[ \t]*include/ {
    check_include(code_of($0, 1))
    next
}

{
    code = code_of($0, 0)
    if (FILENAME !~ /(^|\/)base\/atomic\.h$/ &&
        code ~ /(^|[^A-Za-z0-9_])(atomic_[a-z_]+[ \t]*\(|memory_order_|__atomic_|__sync_)/)
        fault("atomic operations only through base/atomic.h")
    if (FILENAME ~ /\.c$/ && code ~ /^[ \t]*extern[ \t].*jsm_/)
        fault("what several files share is declared in a header, not by extern in one of them")
}

END {
    if (n_layers == 0) { print "no list of layers was found"; faults++ }
    if (n_files == 0) { print "no source files were given"; faults++ }
    exit faults > 0
}
