# tools/man-include.awk - a manual page with its generated parts.
#   awk -v options=FILE -v presets=FILE -v conf=PATH -f man-include.awk PAGE.in
# The files stand where the page says @OPTIONS@ and @PRESETS@, the path in place of each @CONF@.  The files'
# lines of text are broken behind sentences and to 80 columns, which mandoc asks for.
# SPDX-License-Identifier: MIT

function put(line,    at) {
    while (line !~ /^[.]/ && (match(line, /[.] /) || length(line) > 79)) {
        at = RSTART > 0 && RSTART < 79 ? RSTART + 1 : 79
        while (substr(line, at, 1) != " ") at--
        print substr(line, 1, at - 1)
        line = substr(line, at + 1)
    }
    print line
}

function include(file,    line) {
    while ((getline line < file) > 0) put(line)
    close(file)
}

# A long path may be broken behind a slash.
BEGIN {
    n = split(conf, part, "/")
    breakable = part[1]
    for (i = 2; i <= n; i++) breakable = breakable "/\\:" part[i]
}

$0 == "@OPTIONS@" { include(options); next }
$0 == "@PRESETS@" { include(presets); next }
{
    gsub(/@CONF@/, breakable)
    print
}
