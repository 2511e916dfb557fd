# t/unit.mk - one test program for each module of src/, by its name.
# SPDX-License-Identifier: MIT
#
# They are linked to libcore.la and look into its structures.  The longest come first, so that
# `make -j` has short ones left to fill up with.
jsm_unit_tests = \
	%D%/purge.t \
	%D%/span.t \
	%D%/remote.t \
	%D%/check.t \
	%D%/check-live.t \
	%D%/check-spans.t \
	%D%/stats.t \
	%D%/profile.t \
	%D%/guard.t \
	%D%/guard-threads.t \
	%D%/theap.t \
	%D%/thread-key.t \
	%D%/fork-first.t \
	%D%/fork-loader.t \
	%D%/harden.t \
	%D%/cache.t \
	%D%/shared.t \
	%D%/block.t \
	%D%/lock.t \
	%D%/orders.t \
	%D%/huge.t \
	%D%/slab.t \
	%D%/os.t \
	%D%/unwind.t \
	%D%/arena.t \
	%D%/meta.t \
	%D%/pagemap.t \
	%D%/class.t \
	%D%/option.t \
	%D%/option-effect.t \
	%D%/option-source.t \
	%D%/text.t \
	%D%/stderr.t \
	%D%/base.t
check_PROGRAMS += $(jsm_unit_tests)
TESTS += $(jsm_unit_tests)

jsm_unit_headers = %D%/tap.h %D%/blackbox.h %D%/unit.h %D%/unit-heap.h
%C%_purge_t_SOURCES = %D%/purge.c $(jsm_unit_headers)
%C%_span_t_SOURCES = %D%/span.c $(jsm_unit_headers)
%C%_remote_t_SOURCES = %D%/remote.c $(jsm_unit_headers)
%C%_stats_t_SOURCES = %D%/stats.c $(jsm_unit_headers)
%C%_check_t_SOURCES = %D%/check.c %D%/check.h $(jsm_unit_headers)
%C%_check_live_t_SOURCES = %D%/check-live.c $(jsm_unit_headers)
%C%_check_spans_t_SOURCES = %D%/check-spans.c %D%/check.h $(jsm_unit_headers)
%C%_cache_t_SOURCES = %D%/cache.c $(jsm_unit_headers)
%C%_theap_t_SOURCES = %D%/theap.c $(jsm_unit_headers)
%C%_fork_first_t_SOURCES = %D%/fork-first.c $(jsm_unit_headers)
%C%_fork_loader_t_SOURCES = %D%/fork-loader.c $(jsm_unit_headers)
%C%_thread_key_t_SOURCES = %D%/thread-key.c $(jsm_unit_headers)
%C%_harden_t_SOURCES = %D%/harden.c %D%/harden.h $(jsm_unit_headers)
%C%_shared_t_SOURCES = %D%/shared.c $(jsm_unit_headers)
%C%_block_t_SOURCES = %D%/block.c $(jsm_unit_headers)
%C%_lock_t_SOURCES = %D%/lock.c $(jsm_unit_headers)
%C%_orders_t_SOURCES = %D%/orders.c $(jsm_unit_headers)
%C%_huge_t_SOURCES = %D%/huge.c $(jsm_unit_headers)
%C%_slab_t_SOURCES = %D%/slab.c $(jsm_unit_headers)
%C%_os_t_SOURCES = %D%/os.c $(jsm_unit_headers)
%C%_unwind_t_SOURCES = %D%/unwind.c $(jsm_unit_headers)
%C%_unwind_t_CFLAGS = $(AM_CFLAGS) -O2 -fomit-frame-pointer -fno-optimize-sibling-calls
%C%_arena_t_SOURCES = %D%/arena.c $(jsm_unit_headers)
%C%_meta_t_SOURCES = %D%/meta.c $(jsm_unit_headers)
%C%_pagemap_t_SOURCES = %D%/pagemap.c $(jsm_unit_headers)
%C%_class_t_SOURCES = %D%/class.c $(jsm_unit_headers)
%C%_option_t_SOURCES = %D%/option.c $(jsm_unit_headers)
%C%_option_effect_t_SOURCES = %D%/option-effect.c $(jsm_unit_headers)
%C%_option_source_t_SOURCES = %D%/option-source.c $(jsm_unit_headers)
%C%_text_t_SOURCES = %D%/text.c $(jsm_unit_headers)
%C%_stderr_t_SOURCES = %D%/stderr.c $(jsm_unit_headers)
%C%_guard_t_SOURCES = %D%/guard.c %D%/guard.h $(jsm_unit_headers)
%C%_guard_threads_t_SOURCES = %D%/guard-threads.c %D%/guard.h $(jsm_unit_headers)
%C%_profile_t_SOURCES = %D%/profile.c $(jsm_unit_headers)
%C%_profile_t_LDADD = libcore.la -lm
%C%_base_t_SOURCES = %D%/base.c $(jsm_unit_headers)
