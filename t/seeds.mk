# t/seeds.mk - the documents that the library grew from: a test for each.
# SPDX-License-Identifier: MIT
jsm_seed_tests = \
	%D%/seed-lecture.t \
	%D%/seed-dlmalloc.t \
	%D%/seed-jsmalloc.t \
	%D%/seed-tinyalloc.t
check_PROGRAMS += $(jsm_seed_tests)
TESTS += $(jsm_seed_tests)

jsm_seed_headers = %D%/tap.h %D%/blackbox.h %D%/unit.h %D%/seed.h
%C%_seed_lecture_t_SOURCES = %D%/seed-lecture.c $(jsm_seed_headers)
%C%_seed_dlmalloc_t_SOURCES = %D%/seed-dlmalloc.c $(jsm_seed_headers)
%C%_seed_jsmalloc_t_SOURCES = %D%/seed-jsmalloc.c $(jsm_seed_headers)
%C%_seed_tinyalloc_t_SOURCES = %D%/seed-tinyalloc.c %D%/unit-heap.h $(jsm_seed_headers)
