# t/fuzz/fuzz.mk - fuzz targets: as tests here, by clang and AFL++ in t/fuzz.sh and `make check-fuzz`.
# SPDX-License-Identifier: MIT
jsm_fuzz_tests = \
	%D%/api.t \
	%D%/options.t \
	%D%/osmem.t \
	%D%/stats.t
check_PROGRAMS += $(jsm_fuzz_tests)
TESTS += $(jsm_fuzz_tests)

jsm_fuzz_common = %D%/fuzz.c %D%/fuzz.h t/unit.h t/blackbox.h t/tap.h
jsm_fuzz_cppflags = $(AM_CPPFLAGS) -I$(srcdir)/t
%C%_api_t_SOURCES = %D%/api.c %D%/api.h %D%/api-blocks.c %D%/api-heaps.c %D%/api-world.c t/model.h $(jsm_fuzz_common)
%C%_api_t_CPPFLAGS = $(jsm_fuzz_cppflags)
%C%_options_t_SOURCES = %D%/options.c $(jsm_fuzz_common)
%C%_options_t_CPPFLAGS = $(jsm_fuzz_cppflags)
%C%_osmem_t_SOURCES = %D%/osmem.c t/osmem-model.h $(jsm_fuzz_common)
%C%_osmem_t_CPPFLAGS = $(jsm_fuzz_cppflags)
%C%_stats_t_SOURCES = %D%/stats.c %D%/stats-formats.c %D%/formats.h $(jsm_fuzz_common)
%C%_stats_t_CPPFLAGS = $(jsm_fuzz_cppflags)

dist_check_SCRIPTS += t/fuzz.sh
TESTS += t/fuzz.sh
EXTRA_DIST += %D%/build %D%/long %D%/corpus

# Every target for FUZZ_SECONDS, under libFuzzer and under AFL++.
check-fuzz: $(jsm_fuzz_tests)
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' '$(srcdir)/%D%/long'
.PHONY: check-fuzz
