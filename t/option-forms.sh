# t/option-forms.sh - the table of options in all its forms: each option is in each, the header is up to
# date, and a table with a fault is refused.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
scratch
table=$top_srcdir/src/rt/options.tbl

form() {
    $AWK -v form="$1" -f "$top_srcdir/tools/genopt.awk" "${2-$table}"
}

names=$(sed -n 's/^option  *//p' "$table")
missing_in() {
    form "$1" > "$scratch/$1"
    for name in $names; do
        # shellcheck disable=SC2059
        grep -q -e "$(printf "$2" "$name")" "$scratch/$1" || echo "$name"
    done
}
is "$(missing_in table '"%s"')" "" "the C table has each option"
is "$(missing_in text '^%s ')" "" "so has the list for people"
is "$(missing_in mdoc '^[.]It Cm %s ')" "" "and that for the manual"

sed -n '/^\/\* Options by number/,/^\/\* End of the options by number/p' "$top_srcdir/include/jsmalloc.h" > "$scratch/block"
is "$(cat "$scratch/block")" "$(form header)" "<jsmalloc.h> has the constants of the table (else: make update-header)"
is "$(grep -c '^#define JSM_M_' "$scratch/block")" "$(grep '^number' "$table" | grep -vc '^number  *0$')" \
    "one for each option that has a number"

# The capital of i is another letter there, and tap.sh has set the locale to C.
if turkish=$(locale -a 2> /dev/null | grep -m 1 -i '^tr_TR\.utf-\?8$'); then
    is "$(LC_ALL=$turkish form table; LC_ALL=$turkish form header)" "$(form table; form header)" \
        "they are the same in a Turkish locale"
else
    skip "they are the same in a Turkish locale" "there is no tr_TR.UTF-8"
fi

if [ -n "$MANDOC" ]; then
    {
        printf '.Dd January 1, 2026\n.Dt X 7\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh OPTIONS\n'
        for list in mdoc presets; do
            printf '.Bl -tag -width Ds\n'
            form "$list"
            printf '.El\n'
        done
    } > "$scratch/x.7"
    check "mandoc finds nothing wrong with it" "$MANDOC" -T lint -W warning "$scratch/x.7"
else
    skip "mandoc finds nothing wrong with it" "no mandoc"
fi

# refused DESCRIPTION SED-SCRIPT MESSAGE: the table, changed so, is refused with these words.
refused() {
    sed "$2" "$table" > "$scratch/bad.tbl"
    if form table "$scratch/bad.tbl" > /dev/null 2> "$scratch/said"; then
        fail "$1 is refused"
    else
        case $(cat "$scratch/said") in
            *"$3"*) pass "$1 is refused" ;;
            *) fail "$1 is refused"; diag "$(cat "$scratch/said")" ;;
        esac
    fi
}
refused "a field too few" '/^summary/{s/.*/# gone/;}' 'trim_threshold lacks summary'
refused "a field that there is not" 's/^default /deflaut /' 'unknown field deflaut'
refused "a number that two have" 's/^number   -2$/number   -1/' 'number -1 twice'
refused "a name that two have" 's/^option   prealloc$/option   trim_threshold/' 'option trim_threshold twice'
refused "a type that there is not" 's/^type     ms$/type     hours/' 'unknown type hours'
refused "a default that is no choice" 's/^default  unique$/default  uniq/' 'default of zero_size is none of its choices'
refused "a default that is no number" 's/^default  1048576$/default  1M/' 'not a number: 1M'

sed 's/^option   stats_format$/option   second/;s/^type     choice text json xml openmetrics$/type     text/;s/^default  text$/default  -/' \
    "$table" > "$scratch/two.tbl"
is "$(form table "$scratch/two.tbl" | sed -n 's/.*JSM_TYPE_TEXT, \([^,]*\),.*/\1/p' | tr '\n' ' ')" \
    "INT64_C(0) INT64_C(1) INT64_C(2) " "each text has a place of its own"
tap_done
