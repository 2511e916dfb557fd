# completions/jsmalloc.bash - completes the arguments of `jsmalloc` in bash: its commands, the options' names
# and words, then programs and what they take.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash

# Each option's name, type, and the words that it takes.
_jsmalloc_words() {
    cat << 'END'
@WORDS@
END
}

# _jsmalloc_reply START WORD...: those of the words that, behind START, begin like the text before the cursor, $cur.
_jsmalloc_reply() {
    mapfile -t COMPREPLY < <(compgen -P "$1" -W "${*:2}" -- "${cur#"$1"}")
}

# _jsmalloc_setting START: completes NAME=VALUE, or the last of several with commas between, behind START.
_jsmalloc_setting() {
    local start=$1 item=${cur#"$1"} name kind words
    start+=${item%"${item##*,}"}
    item=${item##*,}
    if [[ $item != *=* ]]; then
        _jsmalloc_reply "$start" "$(_jsmalloc_words | sed 's/ .*/=/')"
        compopt -o nospace 2> /dev/null
        return
    fi
    read -r name kind words < <(_jsmalloc_words | grep "^${item%%=*} ")
    start+=$name=
    if [[ $kind == text ]]; then
        mapfile -t COMPREPLY < <(compgen -P "$start" -f -- "${cur#"$start"}")
    elif [[ $name ]]; then
        _jsmalloc_reply "$start" "$words"
    fi
}

# _jsmalloc_run: completes word number `last`, the text before the cursor, of `jsmalloc run ...`.
_jsmalloc_run() {
    local i
    for ((i = 1; i < last; i++)); do
        case ${words[i]} in
            -o)
                if ((++i == last)); then
                    _jsmalloc_setting ''
                    return
                fi
                ;;
            -?*) [[ ${words[i]} != -- ]] || break ;;
            *)
                _jsmalloc_program "$i"
                return
                ;;
        esac
    done
    if ((i < last)); then # behind --
        _jsmalloc_program $((i + 1))
        return
    fi
    case $cur in
        -o*) _jsmalloc_setting -o ;;
        --stats=*) _jsmalloc_reply --stats= "$(_jsmalloc_words | sed -n 's/^stats_format choice//p')" ;;
        -*) _jsmalloc_reply '' -o --stats --stats= -- ;;
        *) _jsmalloc_program "$last" ;;
    esac
}

# _jsmalloc_program N: the program is word N; completes its name or, as its own completion does, its arguments.
_jsmalloc_program() {
    if declare -F _command_offset > /dev/null; then
        _command_offset "${at[$1]}"
    else
        compopt -o filenames 2> /dev/null
        if (($1 == last)); then
            mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        fi
    fi
}

_jsmalloc() {
    local cur i last words=() at=()
    COMPREPLY=()
    # Words that bash has split at "=" become one again; at[n] is where word n begins.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        if ((i > 2)) && [[ ${COMP_WORDS[i]} == = || ${COMP_WORDS[i - 1]} == = ]]; then
            words[${#words[@]} - 1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
            at+=("$i")
        fi
    done
    last=$((${#words[@]} - 1))
    cur=${words[last]}
    if ((last == 0)); then
        _jsmalloc_reply '' run options --version --help
    elif [[ ${words[0]} == run ]]; then
        _jsmalloc_run
    fi
    # Of a word that it has split bash replaces the last part alone.
    if [[ $cur == *=* && $COMP_WORDBREAKS == *=* && ${at[last]} -lt $COMP_CWORD ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*=}"}"}")
    fi
}

complete -F _jsmalloc jsmalloc
