# t/size.sh - budgets that keep files readable, and what must not be left behind in them.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
cd "$top_srcdir" || exit 1

sources=$(find src include t tools bench -name '*.[ch]' -o -name '*.cc' -o -name '*.sh' -o -name '*.awk' -o -name '*.py' | sort)
c_sources=$(find src include t bench -name '*.[ch]' | sort)

none() {
    if [ -z "$2" ]; then pass "$1"; else fail "$1"; diag "$2"; fi
}

# The lists are file names without blanks.
# shellcheck disable=SC2086
{
    none "files have 800 lines at most" \
        "$(wc -l $sources | $AWK '$2 != "total" && $1 > 800 { print $2 ": " $1 }')"
    none "lines have 120 columns at most" \
        "$($AWK '{ gsub(/[\200-\277]/, "") } length($0) > 120 { print FILENAME ":" FNR ": " length($0) }' $c_sources)"
    none "lines of the documents have 512 bytes at most, or lintian says so" \
        "$(LC_ALL=C $AWK 'length($0) > 512 { print FILENAME ":" FNR ": " length($0) }' ./*.md doc/*.md doc/*/*.md src/*.md bench/*.md)"
    none "no line ends in a blank" "$(grep -nE '[ 	]+$' $sources | cut -c -100)"
    none "C is indented by blanks" "$(grep -n '	' $c_sources | cut -c -100)"
    none "every file has its licence" "$(grep -L 'SPDX-License-Identifier: MIT' $sources)"
    # The words are put together here, so that this file does not have them.
    none "nothing is marked as to be done" "$(grep -nwE "TO""DO|FIX""ME|X""XX" $sources)"
    if ctags --version 2>/dev/null | grep -q 'Universal Ctags'; then
        none "functions have 60 lines at most" \
            "$(ctags -x --kinds-C=f --_xformat='%F:%n %N %{end}' $c_sources |
                $AWK '{ split($1, at, ":"); n = $3 - at[2] + 1; if (n > 60) print $1 ": " $2 "(): " n }')"
    else
        skip "functions have 60 lines at most" "no universal-ctags"
    fi
}
tap_done
