# t/man-example.awk - the complete programs of a page's EXAMPLES, and what they print.
#   awk -v to=PREFIX -f man-example.awk PAGE
# Writes PREFIX1.c, PREFIX2.c ... (.cc if it includes a header of C++) and, if the page says "It prints:" behind
# a program, PREFIX1.out; prints how many programs there are.
# SPDX-License-Identifier: MIT

function end_block() {
    if (prints && programs > 0)
        file = to programs ".out"
    else if (block ~ /int\nmain\(/) {
        programs++
        file = to programs (block ~ /#include <[a-z]*>/ ? ".cc" : ".c")
    } else
        file = ""
    if (file != "") {
        printf "%s", block > file
        close(file)
    }
    prints = 0
}

$1 == ".Sh" { examples = $2 == "EXAMPLES" }
!examples { next }
/^\.Bd -literal/ {
    literal = 1
    block = ""
    next
}
/^\.Ed/ {
    literal = 0
    end_block()
    next
}
literal {
    gsub(/\\&/, "")
    gsub(/\\-/, "-")
    gsub(/\\e/, "\\")
    block = block $0 "\n"
    next
}
$0 == "It prints:" { prints = 1 }
END { print programs + 0 }
