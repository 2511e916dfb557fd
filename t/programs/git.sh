# t/programs/git.sh - a repository made, packed, checked and cloned.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need git
"$(command -v git)" --version >/dev/null
plan 4

# Nothing of the user's settings, and dates that do not depend on the clock.
export HOME="$in" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'

cat >"$in/history.sh" <<'END'
set -e
git init -q -b main repository
cd repository
i=0
while [ $i -lt "$1" ]; do
    i=$((i + 1))
    mkdir -p "d$((i % 13))"
    seq $i $((i * 7 + 300)) >"d$((i % 13))/f$((i % 71))"
    git add -A
    git commit -q -m "commit $i"
    if [ $((i % 25)) = 0 ]; then
        git checkout -q -b "side$i" HEAD~3
        echo "$i" >"side$i"
        git add -A
        git commit -q -m "side $i"
        git checkout -q main
        git merge -q -m "merge $i" "side$i"
    fi
done
git log --stat --graph --all
git rev-parse main
END

# Objects may be delta-compressed in another order by several threads; one thread makes
# the packs comparable, the clone below uses all of them.
cat >"$in/pack.sh" <<'END'
set -e
git -c pack.threads=1 gc -q --aggressive --prune=now
git fsck --full --strict
git count-objects
git blame d1/f1 | tail -n 3
git grep -c 77 | sort | tail -n 20
END

plain sh -c 'cd "$1" && sh history.sh "$2" >log' sh "$in" "$(amount 200)" || :

uses git git -C "$in/repository" log -p --all -n 20
same 'a history of many commits and merges' sh -c 'sh "$1" "$2" && rm -rf repository' sh "$in/history.sh" "$(amount 60)"
same 'gc, fsck, blame and grep' sh -c 'cp -R "$1" r && cd r && sh "$2" && cd .. && rm -rf r' sh "$in/repository" "$in/pack.sh"
same 'a clone through pack-objects and index-pack with threads' sh -c '
    git clone -q --no-local --bare "$1" copy.git &&
    git -C copy.git fsck --full && git -C copy.git for-each-ref && git -C copy.git rev-list --all --objects | sort &&
    rm -rf copy.git' sh "$in/repository"
