# tools/declared.awk - the names that a public header declares, from the preprocessor's output.
#   cc -E include/jsmalloc.h | awk -v folder=include/ [-v form=prototypes] -f declared.awk
# One name a line, or the prototype of one function, without attributes.  What comes from headers outside `folder` is not looked at, nor are types
# and inline functions.
# SPDX-License-Identifier: MIT

# An attribute may hold parentheses, and stand before or after the name.
function without_attributes(text,    head, depth, i, c) {
    gsub(/__extension__/, "", text)
    while (match(text, /__attribute__[ ]*/)) {
        head = substr(text, 1, RSTART - 1)
        text = substr(text, RSTART + RLENGTH)
        depth = 0
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            if (c == "(") depth++
            if (c == ")" && --depth == 0) break
        }
        text = head substr(text, i + 1)
    }
    return text
}

function prototype(text) {
    gsub(/[ \t]+/, " ", text)
    gsub(/^ | $/, "", text)
    return text
}

function emit(text,    name) {
    text = without_attributes(text)
    if (text ~ /(^|[^A-Za-z0-9_])(typedef|static)[^A-Za-z0-9_]/) return
    if (match(text, /[A-Za-z_][A-Za-z0-9_]*[ ]*\(/)) {
        name = substr(text, RSTART, RLENGTH - 1)
        sub(/ +$/, "", name)
        print form == "prototypes" ? prototype(text) : name
    } else if (text ~ /^[ ]*extern[ ]/) {
        sub(/\[.*$/, "", text)
        sub(/ +$/, "", text)
        sub(/^.*[ *]/, "", text)
        print text
    }
}

/^# [0-9]+ "/ {
    split($0, quoted, "\"")
    wanted = index(quoted[2], folder) == 1
    next
}
/^#/ || !wanted { next }

{
    gsub(/[{};]/, " & ")
    n = split($0, word, /[ \t]+/)
    for (i = 1; i <= n; i++) {
        if (word[i] == "{") depth++
        else if (word[i] == "}") { if (--depth == 0) declaration = declaration " {}" }
        else if (depth > 0) continue
        else if (word[i] == ";") {
            emit(declaration)
            declaration = ""
        } else declaration = declaration " " word[i]
    }
}
