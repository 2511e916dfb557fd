# tools/c-lines.awk - tells code from comments in C, a line at a time.  For the check-*.awk:
#   awk -f c-lines.awk -f check-order.awk FILE...
# SPDX-License-Identifier: MIT

# Returns the code of `line`, each comment being a blank, string and character constants being
# empty unless `keep_strings`.  Sets `comment` to the text of the comments, and `in_comment`
# when the last of them goes on in the next line.  Reset `in_comment` at the start of a file.
function code_of(line, keep_strings,    code, token, at) {
    code = comment = ""
    while (line != "") {
        if (in_comment) {
            at = index(line, "*/")
            if (at == 0) {
                comment = comment line
                break
            }
            comment = comment substr(line, 1, at - 1)
            line = substr(line, at + 2)
            in_comment = 0
            code = code " "
            continue
        }
        if (!match(line, /\/\*|\/\/|"|'/)) {
            code = code line
            break
        }
        code = code substr(line, 1, RSTART - 1)
        token = substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
        if (token == "/*") {
            in_comment = 1
        } else if (token == "//") {
            comment = comment line
            break
        } else {
            at = end_of_constant(line, token)
            code = code token (keep_strings ? substr(line, 1, at - 1) : "") token
            line = substr(line, at + 1)
        }
    }
    return code
}

# Where in `line`, which begins inside a constant, its closing quote is.
function end_of_constant(line, quote,    i, n, c) {
    n = length(line)
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        if (c == "\\") i++
        else if (c == quote) return i
    }
    return n + 1
}

# `src/heap/free.c` -> `heap`.
function layer_of(path,    part, n) {
    n = split(path, part, "/")
    return part[n - 1]
}

function fault(text) {
    print FILENAME ":" FNR ": " text
    faults++
}
