# t/completion.sh - bash completes the arguments of `jsmalloc`.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
bash -c '((BASH_VERSINFO[0] >= 4))' 2> /dev/null || skip_all "no bash 4"
scratch

# It calls the function as bash does, with the words of a line as bash splits them: at "=" and blanks.
cat > "$scratch/drive" << 'END'
source "$1"
[[ $2 == offset ]] && _command_offset() { COMPREPLY=("offset $1 of ${COMP_WORDS[*]}"); }
COMP_LINE=$3 COMP_POINT=${#3}
COMP_WORDBREAKS=${4-$' \t\n"\'><=;|&(:'}
if [[ $COMP_WORDBREAKS == *=* ]]; then spaced=${3//=/ = }; else spaced=$3; fi
read -ra COMP_WORDS <<< "$spaced"
[[ $3 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
[[ $(complete -p jsmalloc) == *'-F _jsmalloc'* ]] || exit 1
_jsmalloc jsmalloc "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}" | sort -u
END
completed() {
    bash --norc --noprofile "$scratch/drive" "$top_builddir/completions/jsmalloc" "$@" 2>&1
}

# to LINE WORDS DESCRIPTION: what the last word of the line becomes.
to() {
    is "$(completed plain "$1" | tr '\n' ' ')" "${2:+$2 }" "$3"
}
to 'jsmalloc ' '--help --version options run' "the commands"
to 'jsmalloc r' 'run' "one of them"
to 'jsmalloc options ' '' "\`options\` takes nothing"
to 'jsmalloc run --s' '--stats --stats=' "the arguments of run"
to 'jsmalloc run --stats=' 'json openmetrics text xml' "formats"
to 'jsmalloc run --stats=o' 'openmetrics' "one of them"
names=$(sed -n 's/^option  *//p' "$top_srcdir/src/rt/options.tbl" | sort)
to 'jsmalloc run -o ' "$(for name in $names; do echo "$name="; done | tr '\n' ' ' | sed 's/ $//')" "every option's name"
to 'jsmalloc run -o zero' 'zero_size=' "one of them"
to 'jsmalloc run -ozero' '-ozero_size=' "without a blank"
to 'jsmalloc run -o zero_size=' 'null unique' "the words of an option"
to 'jsmalloc run -o zero_size=u' 'unique' "one of them"
to 'jsmalloc run -ozero_size=u' 'unique' "without a blank"
to 'jsmalloc run -o purge_delay=u' 'unlimited' "a word beside numbers"
to 'jsmalloc run -o zero_size=null,zero' 'null,zero_size=' "the second of two options"
to 'jsmalloc run -o zero_size=null,thp=d' 'default' "and its word"
to 'jsmalloc run -o nosuch=' '' "an option that there is not"
is "$(completed plain 'jsmalloc run -o zero_size=u' ' ')" zero_size=unique "where bash does not split at = the reply is whole"
to 'jsmalloc run --stats=json -o zero' 'zero_size=' "after another argument"
to 'jsmalloc run mkdi' 'mkdir' "programs"
to 'jsmalloc run -o zero_size=null --stats mkdi' 'mkdir' "programs after options"
to 'jsmalloc run -- mkdi' 'mkdir' "programs after --"
: > "$scratch/a-file"
to "jsmalloc run ls -o $scratch/a-" "$scratch/a-file" "the program's arguments are files"
to "jsmalloc run -o stats_file=$scratch/a-" "$scratch/a-file" "so is an option's value that is one"
line='jsmalloc run -o zero_size=null -- git com'
is "$(completed offset "$line")" "offset 7 of $(echo "$line" | sed 's/=/ = /')" "where bash-completion is, it is asked"
if command -v shellcheck > /dev/null; then
    check "shellcheck finds nothing wrong" shellcheck "$top_builddir/completions/jsmalloc"
else
    skip "shellcheck finds nothing wrong" "no shellcheck"
fi
tap_done
