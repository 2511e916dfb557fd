# tools/man-include.awk - a manual page with its generated parts.
#   awk -v options=FILE -v presets=FILE -f man-include.awk PAGE.in
# The files stand where the page says @OPTIONS@ and @PRESETS@.  Their lines of text are broken to 80
# columns, which mandoc asks for.
# SPDX-License-Identifier: MIT

function put(line,    at) {
    while (length(line) > 79 && line !~ /^[.]/) {
        at = 79
        while (at > 40 && substr(line, at, 1) != " ") at--
        print substr(line, 1, at - 1)
        line = substr(line, at + 1)
    }
    print line
}

function include(file,    line) {
    while ((getline line < file) > 0) put(line)
    close(file)
}

$0 == "@OPTIONS@" { include(options); next }
$0 == "@PRESETS@" { include(presets); next }
{ print }
