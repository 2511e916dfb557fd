# tools/man-names.awk - what pages of section 3 say in mdoc(7).
#   awk -f man-names.awk PAGE...                   "page name" for each name of NAME but the page's own
#   awk -v form=prototypes -f man-names.awk PAGE...   the prototypes of SYNOPSIS, as in a header
# SPDX-License-Identifier: MIT

function argument(text) {
    gsub(/"/, "", text)
    return text
}

# The quoted words of a line from the n-th field on, with commas between.
function arguments(line,    n, i, part, list) {
    sub(/^\.Fn +[a-z0-9_]+ */, "", line)
    n = split(line, part, "\"")
    if (n == 1) return line
    for (i = 2; i <= n; i += 2) list = list (list == "" ? "" : ", ") part[i]
    return list
}

function emit(name, list) {
    if (form == "prototypes") print type (type ~ /\*$/ ? "" : " ") name "(" list ")"
}

FNR == 1 {
    page = FILENAME
    sub(/^.*\//, "", page)
    sub(/\.3$/, "", page)
}
$1 == ".Sh" { section = $2 }
section == "NAME" && $1 == ".Nm" && $2 != page && form == "" { print page, $2 }
section != "SYNOPSIS" { next }
$1 == ".Ft" {
    type = $0
    sub(/^\.Ft +/, "", type)
    type = argument(type)
}
$1 == ".Fn" { emit($2, arguments($0)) }
$1 == ".Fo" {
    name = $2
    list = ""
}
$1 == ".Fa" {
    sub(/^\.Fa +/, "")
    list = list (list == "" ? "" : ", ") argument($0)
}
$1 == ".Fc" { emit(name, list) }
