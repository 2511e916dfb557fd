# t/programs.mk - real programs with the library preloaded.  SPDX-License-Identifier: MIT
#
# Each is skipped where its program is not installed; t/packages has what they need from
# Debian.  The longest come first, so that `make -j` has short ones left to fill up with.

program_tests = \
	%D%/programs/python-fork.sh \
	%D%/programs/python.sh \
	%D%/programs/redis.sh \
	%D%/programs/gcc.sh \
	%D%/programs/g++.sh \
	%D%/programs/postgres.sh \
	%D%/programs/stress-ng.sh \
	%D%/programs/git.sh \
	%D%/programs/perl.sh \
	%D%/programs/lua.sh \
	%D%/programs/c++.sh \
	%D%/programs/sqlite3.sh \
	%D%/programs/sort.sh \
	%D%/programs/xz.sh \
	%D%/programs/gs.sh \
	%D%/programs/node.sh \
	%D%/programs/ruby.sh \
	%D%/programs/bash.sh \
	%D%/programs/awk.sh \
	%D%/programs/tar.sh \
	%D%/programs/z3.sh \
	%D%/programs/openssl.sh \
	%D%/programs/find.sh

dist_check_SCRIPTS += $(program_tests)
TESTS += $(program_tests)
EXTRA_DIST += %D%/programs/common.sh

# Only these, as they are what a change of the fast paths breaks first.
check-programs: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(program_tests)'
.PHONY: check-programs
