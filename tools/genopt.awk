# tools/genopt.awk - what src/rt/options.tbl, which it validates, says: in C, for people, in manuals.
#   awk [-v form=FORM] -f genopt.awk options.tbl
#
#   table    rows JSM_OPTION(...), then JSM_PRESET(...) where that is defined; for rt/ (the default)
#   header   constants JSM_M_..., a part of <jsmalloc.h>: `make update-header`
#   text     name, default, range and meaning of each, in columns
#   mdoc     items of a list `.Bl -tag`, an option each
#   presets  the same, a preset each
#   words    name, type and the words that it takes, a line each; for the command and its completion
# POSIX awk.
# SPDX-License-Identifier: MIT

function die(message) {
    print FILENAME ":" FNR ": " message > "/dev/stderr"
    failed = 1
    exit 1
}

function c_number(word) {
    if (word == "auto") return "JSM_OPT_AUTO"
    if (word == "unlimited") return "JSM_OPT_UNLIMITED"
    if (word == "off") return "INT64_C(0)"
    if (word !~ /^-?[0-9]+$/) die("not a number: " word)
    return "INT64_C(" word ")"
}

# As in C: toupper() follows the locale, and the Turkish capital of i has a dot.
function capitals(word,    i, at, letter, result) {
    for (i = 1; i <= length(word); i++) {
        letter = substr(word, i, 1)
        at = index("abcdefghijklmnopqrstuvwxyz", letter)
        result = result (at > 0 ? substr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", at, 1) : letter)
    }
    return result
}

# 1 if the words of `list` have `word`, at the place that `at` becomes.
function has(list, word,    i, n, w) {
    n = split(list, w, " ")
    for (i = 1; i <= n; i++) {
        if (w[i] == word) {
            at = i
            return 1
        }
    }
    return 0
}

# The n-th word.
function word_of(list, n,    w) {
    split(list, w, " ")
    return w[n]
}

# A stanza is complete: an option, or a preset.
function flush_stanza(    i, n, need) {
    if (name == "") return
    n = split(is_preset ? "summary set" : "type default range number summary", need, " ")
    for (i = 1; i <= n; i++) if (!((name, need[i]) in field)) die("option " name " lacks " need[i])
    if (is_preset) {
        preset[++n_presets] = name
        presets = presets (n_presets > 1 ? " " : "") word_of(name, 2)
    } else {
        option[++n_options] = name
    }
    name = ""
}

function check_option(o,    number, type) {
    number = field[o, "number"]
    if (number != 0 && number in taken) die("number " number " twice")
    taken[number] = 1
    if (field[o, "type"] == "preset") field[o, "type"] = "choice " presets
    type = word_of(field[o, "type"], 1)
    if (type !~ /^(bytes|ms|count|choice|text)$/) die("unknown type " type)
    kind[o] = type
    choices[o] = field[o, "type"]
    if (!sub(/^choice /, "", choices[o])) choices[o] = ""
    if (type == "choice" && !has(choices[o], field[o, "default"])) die("default of " o " is none of its choices")
}

# A preset sets options that there are; their values are checked by t/option.t.
function check_preset(p,    i, n, pair, o) {
    n = split(field[p, "set"], pair, " ")
    for (i = 1; i <= n && field[p, "set"] != "-"; i++) {
        o = pair[i]
        sub(/=.*/, "", o)
        if (!((o, "type") in field) || pair[i] !~ /=./) die("preset " p " cannot set " pair[i])
    }
}

# ---- form=table ----

function print_row(o,    type, range, def, greatest) {
    type = kind[o]
    range = field[o, "range"]
    def = field[o, "default"]
    if (type == "choice") {
        has(choices[o], def)
        def = at - 1
        range = "0 " split(choices[o], w, " ") - 1
    } else if (type == "text") {
        def = n_texts++ # where its characters are kept
        range = "0 " def
    }
    greatest = word_of(range, 2)
    printf "JSM_OPTION(%s, \"%s\", %s, %s, %s, %s, %s, %s, %s, %s, \"%s\")\n", capitals(o), o, "JSM_TYPE_" capitals(type),
        c_number(def), c_number(word_of(range, 1)), c_number(greatest), has(range, "auto") ? "true" : "false",
        has(range, "unlimited") ? "true" : "false", has(range, "off") ? "true" : "false", field[o, "number"], choices[o]
}

function print_table(    i, set) {
    for (i = 1; i <= n_options; i++) print_row(option[i])
    print "#ifdef JSM_PRESET"
    for (i = 1; i <= n_presets; i++) {
        set = field[preset[i], "set"]
        gsub(/ +/, ",", set)
        printf "JSM_PRESET(\"%s\")\n", set == "-" ? "" : set
    }
    print "#endif"
}

# ---- form=header ----

function print_header(    i, number) {
    print "/* Options by number, for jsm_mallopt().  From src/rt/options.tbl, by `make update-header`. */"
    for (i = 1; i <= n_options; i++) {
        number = field[option[i], "number"]
        if (number != 0)
            printf "#define %-24s %s\n", "JSM_M_" capitals(option[i]), number < 0 ? "(" number ")" : number
    }
    print "/* End of the options by number. */"
}

# ---- For people ----

# A number in the largest unit that it is a multiple of.
function human(number, type) {
    if (number !~ /^[0-9]+$/ || number == 0) return number
    if (type == "bytes") {
        if (number % 1073741824 == 0) return sprintf("%d", number / 1073741824) "G"
        if (number % 1048576 == 0) return sprintf("%d", number / 1048576) "M"
        if (number % 1024 == 0) return sprintf("%d", number / 1024) "K"
    } else if (type == "ms") {
        if (number % 60000 == 0) return number / 60000 "m"
        if (number % 1000 == 0) return number / 1000 "s"
        return number "ms"
    }
    return number
}

function default_of(o) {
    return field[o, "default"] == "-" ? "" : human(field[o, "default"], kind[o])
}

# What it may be, with words between the values.
function values_of(o, before, comma, or, to,    i, n, w, text) {
    if (kind[o] == "text") return "text"
    n = split(kind[o] == "choice" ? choices[o] : field[o, "range"], w, " ")
    text = before human(w[1], kind[o])
    for (i = 2; i <= n; i++)
        text = text (i == 2 && kind[o] != "choice" ? to : i < n ? comma : or) before human(w[i], kind[o])
    return text
}

function print_text(    i, o, format) {
    format = "%-16s %-10s %-34s %s\n"
    printf format, "NAME", "DEFAULT", "VALUES", "MEANING"
    for (i = 1; i <= n_options; i++) {
        o = option[i]
        printf format, o, default_of(o) == "" ? "-" : default_of(o), values_of(o, "", ", ", " or ", " to "), field[o, "summary"]
    }
    print ""
    format = "%-16s %s\n"
    printf format, "PRESET", "MEANING"
    for (i = 1; i <= n_presets; i++) {
        o = preset[i]
        printf format, word_of(o, 2), field[o, "summary"]
        if (field[o, "set"] != "-") printf format, "", field[o, "set"]
    }
}

# ---- form=words ----

function print_words(    i, o, words) {
    for (i = 1; i <= n_options; i++) {
        o = option[i]
        words = choices[o]
        if (has(field[o, "range"], "auto")) words = words (words == "" ? "" : " ") "auto"
        if (has(field[o, "range"], "unlimited")) words = words (words == "" ? "" : " ") "unlimited"
        if (has(field[o, "range"], "off")) words = words (words == "" ? "" : " ") "off"
        print o, kind[o] (words == "" ? "" : " ") words
    }
}

# ---- form=mdoc, form=presets ----

function print_mdoc(    i, o, argument) {
    for (i = 1; i <= n_options; i++) {
        o = option[i]
        argument = kind[o] == "choice" ? "word" : kind[o] == "ms" ? "time" : kind[o]
        print ".It Cm " o " Ns = Ns Ar " argument
        print field[o, "summary"]
        if (default_of(o) == "")
            print "By default empty."
        else
            print "By default\n.Cm " default_of(o) " ;\n" values_of(o, ".Cm ", " ,\n", "\nor\n", "\nto\n") " ."
        if (field[o, "number"] != 0) print "Number\n.Dv JSM_M_" capitals(o) " ."
    }
}

function print_presets(    i, j, n, pair, o) {
    for (i = 1; i <= n_presets; i++) {
        o = preset[i]
        print ".It Cm preset Ns = Ns Cm " word_of(o, 2)
        print field[o, "summary"]
        n = field[o, "set"] == "-" ? 0 : split(field[o, "set"], pair, " ")
        if (n > 0) print "Sets"
        for (j = 1; j <= n; j++) print ".Cm " pair[j] (j < n ? " ," : " .")
    }
}

# ---- The table ----

BEGIN { if (form == "") form = "table" }
/^#/ { next }
/^[ \t]*$/ { flush_stanza(); next }
$1 == "option" || $1 == "preset" {
    flush_stanza()
    is_preset = $1 == "preset"
    name = is_preset ? "preset " $2 : $2
    if (name in seen) die("option " name " twice")
    seen[name] = 1
    next
}
name == "" { die("field outside an option: " $0) }
$1 !~ /^(type|default|range|number|summary|set)$/ { die("unknown field " $1) }
{
    value = $0
    sub(/^[^ \t]+[ \t]+/, "", value)
    field[name, $1] = value
}
END {
    if (failed) exit 1
    flush_stanza()
    for (i = 1; i <= n_options; i++) check_option(option[i])
    for (i = 1; i <= n_presets; i++) check_preset(preset[i])
    if (form == "table") print_table()
    else if (form == "header") print_header()
    else if (form == "text") print_text()
    else if (form == "mdoc") print_mdoc()
    else if (form == "presets") print_presets()
    else if (form == "words") print_words()
    else die("no such form: " form)
}
