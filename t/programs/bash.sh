# t/programs/bash.sh - arrays, strings, substitutions and subshells of bash.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need bash
plan 2

cat >"$in/work.bash" <<'END'
declare -A table
declare -a list
for ((i = 0; i < $1; i++)); do
    k="key$((i * 7919 % 4001))"
    table[$k]+="$i,"
    list+=("${k/key/value} ${#table[$k]}")
    if ((i % 500 == 0)); then
        text=$(printf '%s\n' "${list[@]: -100}" | { read -r first; echo "$first"; })
        sub=$(echo "$(echo "$(echo "${text^^}")")")
        out+=" ${sub//[0-9]/#}"
        unset "table[$k]"
    fi
    if [[ $k =~ ^key([0-9])([0-9]*)$ ]]; then s=$((s + BASH_REMATCH[1])); fi
done
echo "$s ${#list[@]} ${#table[@]} ${#out}"
printf '%s\n' "${!table[@]}" | sort | tail -n 3
f() { local a="$1$1" n=$2; if ((n)); then f "$a" $((n - 1)); else echo ${#a}; fi; }
f xyz 14
END

# Debian's bash is built without an allocator of its own.
uses bash bash -c 'a=(); for ((i = 0; i < 1000; i++)); do a+=("$i"); done; echo ${#a[@]}'
same 'arrays, substitutions, regular expressions, subshells' bash "$in/work.bash" "$(amount 15000)"
