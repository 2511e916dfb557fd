# t/scripts.mk - tests of the tree and of what is installed, written in shell.
# SPDX-License-Identifier: MIT
jsm_script_tests = \
	%D%/layers.sh \
	%D%/layout.sh \
	%D%/size.sh \
	%D%/headers.sh \
	%D%/symbols.sh \
	%D%/abi.sh \
	%D%/option-forms.sh \
	%D%/option-program.sh \
	%D%/profile-program.sh \
	%D%/guard-program.sh \
	%D%/man.sh \
	%D%/man-examples.sh \
	%D%/install.sh \
	%D%/static.sh \
	%D%/cxx.sh \
	%D%/command.sh \
	%D%/completion.sh \
	%D%/preload.sh \
	%D%/harden-programs.sh \
	%D%/release.sh \
	%D%/harness.sh \
	%D%/stats-forms.sh \
	%D%/protocols.sh \
	%D%/tools.sh
dist_check_SCRIPTS += $(jsm_script_tests)
TESTS += $(jsm_script_tests)
EXTRA_DIST += %D%/harden/origins.cc %D%/stats-forms.py %D%/tap.sh %D%/symbols.list %D%/manifest %D%/cxx.cc %D%/family.c %D%/ours.c %D%/ours.cc %D%/man-example.awk
