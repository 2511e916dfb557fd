# tools/check-order.awk - does every atomic operation say why its order is enough?
#   awk -f c-lines.awk -f check-order.awk src/*/*.[ch]
#
# An operation is a call of jsm_VERB..._ORDER, say jsm_cas_weak_acq_rel(...).  In the same
# function, at most eight lines above the statement that the call is in, or inside that
# statement, a comment says "ORDER: ..." or "ORDER R1: ..." and names the order that the
# operation has.  A name such as R1 has a row in a table in some file's head comment:
#   R1 push    CAS    release    what it publishes or sees
# SPDX-License-Identifier: MIT

FNR == 1 {
    in_comment = depth = parens = 0
    n_orders = 0
    text = ""
    statement = 0
    previous = ""
    exempt = FILENAME ~ /(^|\/)base\/atomic\.h$/
}

# Comments are complete when the line after them has none, so a comment of several lines or
# several // lines is one text, which ends where its last line is.
function collect_comment() {
    if (comment == "" && !in_comment) {
        text = ""
        return
    }
    if (comment ~ /^[ \t*]*[A-Z]+[0-9]+ +[a-z]/) {
        split(comment, word, /[ \t*]+/)
        tabled[word[1] != "" ? word[1] : word[2]] = 1
    }
    if (text != "" && n_orders > 0 && order_is_text) {
        order_text[n_orders] = order_text[n_orders] " " comment
        order_end[n_orders] = FNR
    } else if (match(comment, /(^|[^A-Za-z])ORDER([^A-Za-z]|$)/)) {
        n_orders++
        order_text[n_orders] = substr(comment, RSTART)
        order_end[n_orders] = FNR
        order_is_text = 1
        note_name(substr(comment, RSTART))
    } else {
        order_is_text = 0
    }
    text = text " " comment
    if (!in_comment && $0 !~ /\/\//) {
        text = ""
        order_is_text = 0
    }
}

function note_name(said) {
    if (match(said, /ORDER +[A-Z]+[0-9]+/)) {
        said = substr(said, RSTART, RLENGTH)
        sub(/ORDER +/, "", said)
        if (!(said in named_at)) named_at[said] = FILENAME ":" FNR
    }
}

function names_order(said, order) {
    if (order == "acq_rel") return said ~ /acq_rel/ || (said ~ /acquire/ && said ~ /release/)
    return index(said, order) > 0
}

function check_operation(name,    order, i, near) {
    order = name
    if (order ~ /_acq_rel$/) order = "acq_rel"
    else sub(/^.*_/, "", order)
    for (i = n_orders; i > 0; i--) {
        if (order_end[i] < statement - 8) break
        near = 1
        if (names_order(order_text[i], order)) return
    }
    if (near) fault(name "() is " order ", which the ORDER comment does not say")
    else fault(name "() has no ORDER comment")
}

function scan(code,    token) {
    while (match(code, /[;{}()]|[A-Za-z_][A-Za-z0-9_]*|[^ \t;{}()A-Za-z_]+/)) {
        token = substr(code, RSTART, RLENGTH)
        code = substr(code, RSTART + RLENGTH)
        if (statement == 0) statement = FNR
        if (token == "(") {
            parens++
            if (previous ~ /^jsm_(load|store|exchange|cas|fetch|fence|test|clear|add|sub|or|and)_?[a-z_]*_(relaxed|acquire|release|acq_rel|seq_cst)$/)
                check_operation(previous)
        }
        else if (token == ")") parens--
        else if (token == "{") { depth++; parens = 0; statement = 0 }
        else if (token == "}") {
            depth--
            statement = 0
            if (depth == 0) n_orders = 0
        } else if (token == ";" && parens == 0) statement = 0
        previous = token
    }
}

{
    code = code_of($0, 0)
    collect_comment()
    if (!exempt && code !~ /^[ \t]*#/) scan(code)
    n_lines++
}

END {
    for (name in named_at) {
        if (!(name in tabled)) {
            print named_at[name] ": ORDER " name " has no row in a table"
            faults++
        }
    }
    if (n_lines == 0) { print "no source files were given"; faults++ }
    exit faults > 0
}
