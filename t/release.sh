# t/release.sh - tools/release refuses what is not ready: tried in a small project of its own, whose builds
# and tests take no time.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/tap.sh"
[ -e "$top_srcdir/tools/release" ] || skip_all "no tools/release: not a checkout"
git --version > /dev/null 2>&1 || skip_all "no git"
scratch
project=$scratch/project
GIT_CONFIG_GLOBAL=/dev/null
GIT_CONFIG_SYSTEM=/dev/null
GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
unset GIT_DIR GIT_WORK_TREE

# program FILE LINE...: a shell script that leaves its name in $scratch/done.
program() {
    program=$1
    shift
    printf '%s\n' '#!/bin/sh' "echo ${program##*/} \"\$@\" >> '$scratch/done'" "$@" > "$program"
    chmod +x "$program"
}

commit() {
    git -C "$project" add -A && git -C "$project" commit -qm "$1"
}

# A project that is ready for the release of 1.2.3.  In place of configure and make there are what they end in.
begin() {
    rm -rf "$project" "$scratch/done" "$scratch/bin"
    mkdir -p "$project/tools" "$project/include" "$project/debian" "$project/doc/abi" "$project/.ci" "$scratch/bin"
    cp "$top_srcdir/tools/release" "$project/tools/release"
    echo 'AC_INIT([jsmalloc], [1.2.3])' > "$project/configure.ac"
    printf '#define JSM_VERSION_%s\n' 'MAJOR  1' 'MINOR  2' 'PATCH  3' 'STRING "1.2.3"' > "$project/include/jsmalloc.h"
    printf '%s\n' 'What is new' '' 'Version 1.2.3 (2026-11-21)' '' '* All of it.' '' 'Version 1.2.2 (2026-11-20)' > "$project/NEWS"
    printf '%s\n' 'jsmalloc (1.2.3-0jsm1) unstable; urgency=medium' '' '  * New.' '' \
        ' -- a <a@example.org>  Sat, 21 Nov 2026 23:00:00 +0000' > "$project/debian/changelog"
    echo '/_*' > "$project/.gitignore"
    : > "$project/doc/abi/1.2.3-x86_64.abi"
    program "$project/.ci/run"
    program "$project/.ci/platforms"
    program "$project/bootstrap" 'mkdir -p "${0%/*}/_deb/packages"' 'echo x > "${0%/*}/_deb/packages/jsmalloc_1.2.3.orig.tar.xz"'
    program "$project/configure" 'touch config.status'
    program "$scratch/bin/autoreconf"
    program "$scratch/bin/make" 'mkdir -p "$2/t"' ': > "$2/t/abi.log"'
    git -C "$scratch" init -q project && commit "all"
}

release() {
    # The make of the test is not that of the project.
    (cd "$project" && env -u MAKEFLAGS -u MFLAGS PATH="$scratch/bin:$PATH" tools/release "$@") 2>&1
}

# refuses WHAT PATTERN COMMAND [DIRTY]: after the command, whose result is committed unless DIRTY is given, there is
# no release, and the reason is given in these words.
refuses() {
    begin
    if ! (cd "$project" && eval "$3") || { [ $# -eq 3 ] && [ -n "$(git -C "$project" status --porcelain)" ] && ! commit "a fault"; }; then
        fail "refuses $1"
        diag "it could not be tried"
    elif problem=$(release); then
        fail "refuses $1"
        diag "it was released"
    elif ! echo "$problem" | grep -q -e "$2" || [ -e "$project/_release/SHA256SUMS" ]; then
        fail "refuses $1"
        diag "$problem"
    else
        pass "refuses $1"
    fi
}

begin
if said=$(release); then
    pass "what is ready is released"
else
    fail "what is ready is released"
    diag "$said"
    tap_done
fi
is "$(cd "$project/_release" && sha256sum -c SHA256SUMS)" "jsmalloc-1.2.3.tar.xz: OK" "the tarball and its checksum are there"
is "$(echo "$said" | tail -n 1)" "git tag -a v1.2.3 -m 'libjsmalloc 1.2.3' $(git -C "$project" rev-parse HEAD)" \
    "the last line says how to tag"
is "$(sed "s|$project/_release/|.../|g" "$scratch/done")" "autoreconf -fi
configure -q
make -C .../build -s check TESTS=t/abi.sh
run
platforms
make -C .../build -s distcheck
bootstrap deb
bootstrap reproducible _deb/packages" "every check was made, each once"
release > "$scratch/again"
is "$(grep -c . "$scratch/done")" 8 "a check that has passed is not made again for the same commit"
release --only platforms > "$scratch/again"
is "$(tail -n 1 "$scratch/done")" "platforms" "unless it is asked for"
is "$(release --dry-run | sed -n 's/:.* (has passed)$//p' | xargs)" \
    "tree version abi ci platforms distcheck deb reproducible finish" "--dry-run tells what has passed"
echo >> "$project/NEWS"
commit "one more"
is "$(release --dry-run | grep -c 'has passed')" 0 "which is nothing for another commit"
check "the step finish alone does not stand for the others" eval '! release --only finish'
is "$(release --only nonsense)" \
    "release: there is no step 'nonsense'; there are: tree version abi ci platforms distcheck deb reproducible finish" \
    "a step that there is not"

refuses "a change that is not committed" "not clean.*" "echo >> NEWS" dirty
refuses "a file that lies about" "?? left-over" ": > left-over" dirty
refuses "a version that is tagged" "v1.2.3 is tagged already" "git tag v1.2.3"
refuses "a version that is not in NEWS" "NEWS: 'Version 1.2.2 (2026-11-20)' should be 'Version 1.2.3 (" "sed -i '/^Version 1.2.3/d' NEWS"
refuses "a version without a date" "should be 'Version 1.2.3 (YEAR-MONTH-DAY)'" "sed -i 's/ (2026-11-21)//' NEWS"
refuses "a date that there is not" "should be 'Version 1.2.3 (" "sed -i 's/2026-11-21/2026-11-31/' NEWS"
refuses "another version in debian/changelog" "debian/changelog says 1.2.2-0jsm1, configure.ac 1.2.3" \
    "sed -i 's/1\.2\.3/1.2.2/' debian/changelog"
refuses "another date in debian/changelog" "debian/changelog dates 1.2.3-0jsm1 2026-11-22, NEWS 2026-11-21" \
    "sed -i 's/Sat, 21/Sun, 22/' debian/changelog"
refuses "an entry of the changelog that is not finished" "is UNRELEASED" "sed -i 's/unstable/UNRELEASED/' debian/changelog"
refuses "another version in the header" "include/jsmalloc.h says 1.2.4 and 1.2.3" "sed -i 's/\"1.2.3\"/\"1.2.4\"/' include/jsmalloc.h"
refuses "another number in the header" "include/jsmalloc.h says 1.2.3 and 1.2.4" "sed -i 's/PATCH  3/PATCH  4/' include/jsmalloc.h"
refuses "a version that is no number" "is not like 1.2.3" "sed -i 's/1\.2\.3/1.2.3rc1/' configure.ac"
refuses "a version whose ABI is not recorded" "doc/abi has no record of 1.2.3" "git mv doc/abi/1.2.3-x86_64.abi doc/abi/1.2.2-x86_64.abi"
refuses "a test of the ABI that was skipped" "t/abi.sh was skipped" \
    "program '$scratch/bin/make' 'mkdir -p \"\$2/t\"' 'echo SKIP: t/abi.sh > \"\$2/t/abi.log\"'"
refuses "tests that fail" "the step ci failed" "echo 'exit 1' >> .ci/run"
refuses "a platform that fails" "the step platforms failed" "echo 'exit 1' >> .ci/platforms"
refuses "platforms that are not tried" "there is no .ci/platforms" "git rm -q .ci/platforms"
refuses "a tarball that does not pass its tests" "the step distcheck failed" \
    "program '$scratch/bin/make' 'mkdir -p \"\$2/t\" && : > \"\$2/t/abi.log\"' 'case \$* in *distcheck*) exit 2 ;; esac'"
refuses "packages that fail" "the step deb failed" "echo '[ \$1 != deb ]' >> bootstrap"
refuses "packages that are not made" "there are no packages" "program bootstrap"
refuses "packages that are not reproducible" "the step reproducible failed" "echo '[ \$1 != reproducible ]' >> bootstrap"
tap_done
