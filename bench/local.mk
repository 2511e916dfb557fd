# bench/local.mk - programs that measure; nothing here is built, run or installed unless asked for.
#
#   make bench          every workload under every allocator: tables of time and memory
#   make bench-figures  the figures that the library has to reach
#
# BENCH_FLAGS are given to the script (--quick, --only=REGEX, ...; see bench/README.md), PEERS=/a.so:/b.so adds
# libraries.  SPDX-License-Identifier: MIT
bench_scripts = %D%/run %D%/figures
EXTRA_DIST += $(bench_scripts) %D%/harness.py %D%/report.py %D%/workloads.py %D%/README.md %D%/packages \
	%D%/programs/csource.py %D%/programs/json-work.py %D%/programs/objects-work.py \
	%D%/programs/pages.ps %D%/programs/problem.py %D%/programs/queries.py \
	%D%/programs/records-work.pl %D%/programs/tables-work.lua

bench_programs = \
	%D%/align %D%/batch %D%/burst %D%/churn %D%/exchange %D%/grow \
	%D%/handoff %D%/idle %D%/large %D%/launch %D%/pair %D%/replace %D%/rhythm \
	%D%/spawn %D%/steps %D%/text %D%/tree %D%/zero
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)

# A compiler that knows malloc deletes blocks that nobody reads.  No library of ours is linked in: the allocator comes
# by LD_PRELOAD, or is libc's.  No sanitizer either, whatever the tree is built with.
bench_cflags = -O2 -fno-builtin -pthread $(JSM_WARN_CFLAGS)
bench_align_SOURCES = %D%/align.c %D%/bench.h
bench_align_CFLAGS = $(bench_cflags)
bench_align_LDADD =
bench_batch_SOURCES = %D%/batch.c %D%/bench.h
bench_batch_CFLAGS = $(bench_cflags)
bench_batch_LDADD =
bench_burst_SOURCES = %D%/burst.c %D%/bench.h
bench_burst_CFLAGS = $(bench_cflags)
bench_burst_LDADD =
bench_churn_SOURCES = %D%/churn.c %D%/bench.h
bench_churn_CFLAGS = $(bench_cflags)
bench_churn_LDADD =
bench_exchange_SOURCES = %D%/exchange.c %D%/bench.h
bench_exchange_CFLAGS = $(bench_cflags)
bench_exchange_LDADD =
bench_grow_SOURCES = %D%/grow.c %D%/bench.h
bench_grow_CFLAGS = $(bench_cflags)
bench_grow_LDADD =
bench_handoff_SOURCES = %D%/handoff.c %D%/bench.h
bench_handoff_CFLAGS = $(bench_cflags)
bench_handoff_LDADD =
bench_rhythm_SOURCES = %D%/rhythm.c %D%/bench.h
bench_rhythm_CFLAGS = $(bench_cflags)
bench_rhythm_LDADD =
bench_idle_SOURCES = %D%/idle.c %D%/bench.h
bench_idle_CFLAGS = $(bench_cflags)
bench_idle_LDADD =
bench_large_SOURCES = %D%/large.c %D%/bench.h
bench_large_CFLAGS = $(bench_cflags)
bench_large_LDADD =
bench_launch_SOURCES = %D%/launch.c %D%/bench.h
bench_launch_CFLAGS = $(bench_cflags)
bench_launch_LDADD =
bench_pair_SOURCES = %D%/pair.c %D%/bench.h
bench_pair_CFLAGS = $(bench_cflags)
bench_pair_LDADD =
bench_replace_SOURCES = %D%/replace.c %D%/bench.h
bench_replace_CFLAGS = $(bench_cflags)
bench_replace_LDADD =
bench_spawn_SOURCES = %D%/spawn.c %D%/bench.h
bench_spawn_CFLAGS = $(bench_cflags)
bench_spawn_LDADD =
bench_steps_SOURCES = %D%/steps.c %D%/bench.h
bench_steps_CFLAGS = $(bench_cflags)
bench_steps_LDADD =
bench_text_SOURCES = %D%/text.c %D%/bench.h
bench_text_CFLAGS = $(bench_cflags)
bench_text_LDADD =
bench_tree_SOURCES = %D%/tree.c %D%/bench.h
bench_tree_CFLAGS = $(bench_cflags)
bench_tree_LDADD =
bench_zero_SOURCES = %D%/zero.c %D%/bench.h
bench_zero_CFLAGS = $(bench_cflags)
bench_zero_LDADD =

PYTHON3 = python3
BENCH_FLAGS =
bench_library = $(abs_builddir)/.libs/libjsmalloc.so.1
bench_run = JSM_LIB='$(bench_library)'; test -e "$$JSM_LIB" || JSM_LIB=; export JSM_LIB; \
	$(PYTHON3) $(srcdir)/%D%
if WITH_OVERRIDE
bench_needs = libjsmalloc.la
else
bench_needs =
endif

bench: $(bench_programs) $(bench_needs)
	$(AM_V_at)$(bench_run)/run --programs %D% $(BENCH_FLAGS)
bench-figures: $(bench_programs) $(bench_needs)
	$(AM_V_at)$(bench_run)/figures --programs %D% $(BENCH_FLAGS)
.PHONY: bench bench-figures
