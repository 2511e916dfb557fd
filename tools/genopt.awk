# tools/genopt.awk - the C table of src/rt/options.tbl, which it validates.  POSIX awk.
#   awk -f genopt.awk options.tbl
# SPDX-License-Identifier: MIT

function die(message) {
    print FILENAME ":" FNR ": " message > "/dev/stderr"
    failed = 1
    exit 1
}

function c_number(word) {
    if (word == "auto") return "JSM_OPT_AUTO"
    if (word == "unlimited") return "JSM_OPT_UNLIMITED"
    if (word !~ /^-?[0-9]+$/) die("not a number: " word)
    return "INT64_C(" word ")"
}

# Whether the range names `auto` or `unlimited`.
function names(word,    i, n, r) {
    n = split(field["range"], r, " ")
    for (i = 1; i <= n; i++) if (r[i] == word) return "true"
    return "false"
}

# The least number of the range, and the greatest: the second word, if it is one.
function least(    r) {
    split(field["range"], r, " ")
    return c_number(r[1])
}

function greatest(    r) {
    split(field["range"], r, " ")
    return r[2] == "unlimited" ? "JSM_OPT_UNLIMITED" : c_number(r[2])
}

function flush_option(    i, n, k, words, type, choices, def, need) {
    if (name == "") return
    n = split("type default range number summary", need, " ")
    for (i = 1; i <= n; i++) if (!(need[i] in field)) die("option " name " lacks " need[i])
    if (field["number"] != 0) {
        if (field["number"] in taken) die("number " field["number"] " twice")
        taken[field["number"]] = 1
    }
    n = split(field["type"], words, " ")
    type = toupper(words[1])
    if (type !~ /^(BYTES|MS|COUNT|CHOICE|TEXT)$/) die("unknown type " words[1])
    choices = ""
    def = field["default"]
    if (type == "CHOICE") {
        k = -1
        for (i = 2; i <= n; i++) {
            choices = choices (i > 2 ? " " : "") words[i]
            if (words[i] == def) k = i - 2
        }
        if (k < 0) die("default " def " is no choice of " name)
        def = k
    }
    if (type == "TEXT") def = 0
    printf "JSM_OPTION(%s, \"%s\", %s, %s, %s, %s, %s, %s, %s, \"%s\")\n", toupper(name), name, "JSM_TYPE_" type,
        c_number(def), least(), greatest(), names("auto"), names("unlimited"), field["number"], choices
    name = ""
    split("", field)
}

/^#/ { next }
/^[ \t]*$/ { flush_option(); next }
$1 == "option" {
    flush_option()
    name = $2
    if (name in seen) die("option " name " twice")
    seen[name] = 1
    next
}
name == "" { die("field outside an option: " $0) }
$1 !~ /^(type|default|range|number|summary)$/ { die("unknown field " $1) }
{
    value = $0
    sub(/^[^ \t]+[ \t]+/, "", value)
    field[$1] = value
}
END {
    if (!failed) flush_option()
}
