# t/blackbox.mk - tests of what users see: promises of the functions, threads, misuse, limits.
# SPDX-License-Identifier: MIT

# Each of these is about the jsm_ functions, beside libc's malloc ...
jsm_blackbox_tests = \
	%D%/api.t \
	%D%/errno.t \
	%D%/aligned.t \
	%D%/realloc.t \
	%D%/calloc.t \
	%D%/usable.t \
	%D%/model.t \
	%D%/soak.t \
	%D%/threads.t \
	%D%/exit.t \
	%D%/fork.t \
	%D%/processes.t \
	%D%/info.t \
	%D%/oom.t \
	%D%/faults.t \
	%D%/exhaustion.t \
	%D%/syscalls.t \
	%D%/heaps.t \
	%D%/misuse-matrix.t \
	%D%/misuse-report.t \
	%D%/conceal.t \
	%D%/heaps-end.t \
	%D%/dlopen-self.t
check_PROGRAMS += $(jsm_blackbox_tests)
TESTS += $(jsm_blackbox_tests)

jsm_blackbox_headers = %D%/tap.h %D%/blackbox.h %D%/queue.h

%C%_api_t_SOURCES = %D%/api.c $(jsm_blackbox_headers)
%C%_errno_t_SOURCES = %D%/errno.c $(jsm_blackbox_headers)
%C%_aligned_t_SOURCES = %D%/aligned.c $(jsm_blackbox_headers)
%C%_realloc_t_SOURCES = %D%/realloc.c $(jsm_blackbox_headers)
%C%_calloc_t_SOURCES = %D%/calloc.c $(jsm_blackbox_headers)
%C%_usable_t_SOURCES = %D%/usable.c $(jsm_blackbox_headers)
%C%_model_t_SOURCES = %D%/model.c %D%/model.h $(jsm_blackbox_headers)
%C%_soak_t_SOURCES = %D%/soak.c %D%/model.h $(jsm_blackbox_headers)
%C%_threads_t_SOURCES = %D%/threads.c $(jsm_blackbox_headers)
%C%_exit_t_SOURCES = %D%/exit.c $(jsm_blackbox_headers)
%C%_fork_t_SOURCES = %D%/fork.c $(jsm_blackbox_headers)
%C%_processes_t_SOURCES = %D%/processes.c $(jsm_blackbox_headers)
%C%_info_t_SOURCES = %D%/info.c $(jsm_blackbox_headers)
%C%_oom_t_SOURCES = %D%/oom.c %D%/scenario.h $(jsm_blackbox_headers)
%C%_syscalls_t_SOURCES = %D%/syscalls.c %D%/scenario.h %D%/traps.h $(jsm_blackbox_headers)
%C%_exhaustion_t_SOURCES = %D%/exhaustion.c %D%/scenario.h $(jsm_blackbox_headers)
%C%_faults_t_SOURCES = %D%/faults.c %D%/scenario.h %D%/traps.h $(jsm_blackbox_headers)
%C%_heaps_t_SOURCES = %D%/heaps.c $(jsm_blackbox_headers)
%C%_misuse_matrix_t_SOURCES = %D%/misuse-matrix.c $(jsm_blackbox_headers)
%C%_misuse_report_t_SOURCES = %D%/misuse-report.c $(jsm_blackbox_headers)
%C%_conceal_t_SOURCES = %D%/conceal.c $(jsm_blackbox_headers)
%C%_heaps_end_t_SOURCES = %D%/heaps-end.c $(jsm_blackbox_headers)
%C%_dlopen_self_t_SOURCES = %D%/dlopen-self.c $(jsm_blackbox_headers)
# This one opens the library at run time.
%C%_dlopen_self_t_LDADD =

# ... and again, where there is an override, about the standard names.
if WITH_OVERRIDE
jsm_standard_tests = \
	%D%/api-std.t \
	%D%/errno-std.t \
	%D%/aligned-std.t \
	%D%/realloc-std.t \
	%D%/calloc-std.t \
	%D%/usable-std.t \
	%D%/model-std.t \
	%D%/threads-std.t \
	%D%/exit-std.t \
	%D%/fork-std.t \
	%D%/misuse-matrix-std.t
check_PROGRAMS += $(jsm_standard_tests)
TESTS += $(jsm_standard_tests)
# A static program has the operators of C++ from the C++ library or not at all.
if WITH_SHARED
jsm_operators_cppflags = -DJSM_TEST_OPERATORS
endif
# A compiler that knows what malloc is leaves out pairs of malloc and free.
jsm_blackbox_cflags = $(AM_CFLAGS) -fno-builtin
jsm_standard_cppflags = $(AM_CPPFLAGS) -DJSM_TEST_STANDARD

%C%_api_std_t_SOURCES = %D%/api.c $(jsm_blackbox_headers)
%C%_api_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_api_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_api_std_t_LDADD = libjsmalloc.la
%C%_errno_std_t_SOURCES = %D%/errno.c $(jsm_blackbox_headers)
%C%_errno_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_errno_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_errno_std_t_LDADD = libjsmalloc.la
%C%_aligned_std_t_SOURCES = %D%/aligned.c $(jsm_blackbox_headers)
%C%_aligned_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_aligned_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_aligned_std_t_LDADD = libjsmalloc.la
%C%_realloc_std_t_SOURCES = %D%/realloc.c $(jsm_blackbox_headers)
%C%_realloc_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_realloc_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_realloc_std_t_LDADD = libjsmalloc.la
%C%_calloc_std_t_SOURCES = %D%/calloc.c $(jsm_blackbox_headers)
%C%_calloc_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_calloc_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_calloc_std_t_LDADD = libjsmalloc.la
%C%_usable_std_t_SOURCES = %D%/usable.c $(jsm_blackbox_headers)
%C%_usable_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_usable_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_usable_std_t_LDADD = libjsmalloc.la
%C%_model_std_t_SOURCES = %D%/model.c %D%/model.h $(jsm_blackbox_headers)
%C%_model_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_model_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_model_std_t_LDADD = libjsmalloc.la
%C%_threads_std_t_SOURCES = %D%/threads.c $(jsm_blackbox_headers)
%C%_threads_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_threads_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_threads_std_t_LDADD = libjsmalloc.la
%C%_exit_std_t_SOURCES = %D%/exit.c $(jsm_blackbox_headers)
%C%_exit_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_exit_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_exit_std_t_LDADD = libjsmalloc.la
%C%_fork_std_t_SOURCES = %D%/fork.c $(jsm_blackbox_headers)
%C%_fork_std_t_CPPFLAGS = $(jsm_standard_cppflags)
%C%_fork_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_fork_std_t_LDADD = libjsmalloc.la
%C%_misuse_matrix_std_t_SOURCES = %D%/misuse-matrix.c $(jsm_blackbox_headers)
%C%_misuse_matrix_std_t_CPPFLAGS = $(jsm_standard_cppflags) $(jsm_operators_cppflags)
%C%_misuse_matrix_std_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_misuse_matrix_std_t_LDADD = libjsmalloc.la

# Modules and libraries that know nothing of ours; -rpath makes libtool build shared ones.
if WITH_SHARED
jsm_shared_tests = %D%/early.t %D%/dlopen.t
check_PROGRAMS += $(jsm_shared_tests)
TESTS += $(jsm_shared_tests)
check_LTLIBRARIES = %D%/libearly.la %D%/dlopen-module.la
%C%_libearly_la_SOURCES = %D%/early-lib.c %D%/early.h
%C%_libearly_la_CFLAGS = $(jsm_blackbox_cflags)
%C%_libearly_la_LDFLAGS = -avoid-version -shared -rpath /nowhere
%C%_dlopen_module_la_SOURCES = %D%/dlopen-module.c
# Its variables of threads are not the library's: musl refuses to load a module with initial-exec ones.
%C%_dlopen_module_la_CFLAGS = $(jsm_blackbox_cflags) -ftls-model=global-dynamic
%C%_dlopen_module_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

# The order matters: what is named last starts first and ends last.
%C%_early_t_SOURCES = %D%/early.c %D%/early.h $(jsm_blackbox_headers)
%C%_early_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_early_t_LDADD = libjsmalloc.la %D%/libearly.la
%C%_dlopen_t_SOURCES = %D%/dlopen.c $(jsm_blackbox_headers)
%C%_dlopen_t_CFLAGS = $(jsm_blackbox_cflags)
%C%_dlopen_t_LDADD = libjsmalloc.la
endif
endif

# Programs that scripts run.
jsm_script_programs = %D%/limits/hungry \
	%D%/misuse/double-small \
	%D%/misuse/double-medium \
	%D%/misuse/double-large \
	%D%/misuse/double-huge \
	%D%/misuse/double-lone \
	%D%/misuse/double-trimmed \
	%D%/misuse/double-distant \
	%D%/misuse/double-realloc \
	%D%/misuse/double-elsewhere \
	%D%/misuse/double-then-elsewhere \
	%D%/misuse/double-both-elsewhere \
	%D%/misuse/interior-small \
	%D%/misuse/interior-medium \
	%D%/misuse/interior-large \
	%D%/misuse/interior-large-near \
	%D%/misuse/interior-huge \
	%D%/misuse/interior-huge-far \
	%D%/misuse/misaligned \
	%D%/misuse/beyond \
	%D%/misuse/foreign-stack \
	%D%/misuse/foreign-static \
	%D%/misuse/foreign-code \
	%D%/misuse/foreign-mapping \
	%D%/misuse/foreign-malloc \
	%D%/misuse/foreign-wild \
	%D%/misuse/foreign-noncanonical \
	%D%/misuse/foreign-low \
	%D%/misuse/foreign-last \
	%D%/misuse/sized-less \
	%D%/misuse/sized-more \
	%D%/misuse/sized-large \
	%D%/misuse/sized-over \
	%D%/misuse/sized-aligned \
	%D%/misuse/sized-freed \
	%D%/misuse/realloc-freed \
	%D%/misuse/realloc-freed-large \
	%D%/misuse/realloc-same \
	%D%/misuse/realloc-nothing \
	%D%/misuse/realloc-interior \
	%D%/misuse/realloc-foreign \
	%D%/misuse/reallocarray-freed \
	%D%/misuse/reallocf-freed \
	%D%/misuse/recallocarray-freed \
	%D%/misuse/rezalloc-freed \
	%D%/misuse/expand-freed \
	%D%/misuse/freezero-freed \
	%D%/misuse/usable-freed \
	%D%/misuse/usable-interior \
	%D%/misuse/usable-foreign \
	%D%/misuse/reused
check_PROGRAMS += $(jsm_script_programs)
%C%_limits_hungry_SOURCES = %D%/limits/hungry.c $(jsm_blackbox_headers)
jsm_misuse_headers = $(jsm_blackbox_headers) %D%/misuse/misuse.h
%C%_misuse_double_small_SOURCES = %D%/misuse/double-small.c $(jsm_misuse_headers)
%C%_misuse_double_medium_SOURCES = %D%/misuse/double-medium.c $(jsm_misuse_headers)
%C%_misuse_double_large_SOURCES = %D%/misuse/double-large.c $(jsm_misuse_headers)
%C%_misuse_double_huge_SOURCES = %D%/misuse/double-huge.c $(jsm_misuse_headers)
%C%_misuse_double_lone_SOURCES = %D%/misuse/double-lone.c $(jsm_misuse_headers)
%C%_misuse_double_trimmed_SOURCES = %D%/misuse/double-trimmed.c $(jsm_misuse_headers)
%C%_misuse_double_distant_SOURCES = %D%/misuse/double-distant.c $(jsm_misuse_headers)
%C%_misuse_double_realloc_SOURCES = %D%/misuse/double-realloc.c $(jsm_misuse_headers)
%C%_misuse_double_elsewhere_SOURCES = %D%/misuse/double-elsewhere.c $(jsm_misuse_headers)
%C%_misuse_double_then_elsewhere_SOURCES = %D%/misuse/double-then-elsewhere.c $(jsm_misuse_headers)
%C%_misuse_double_both_elsewhere_SOURCES = %D%/misuse/double-both-elsewhere.c $(jsm_misuse_headers)
%C%_misuse_interior_small_SOURCES = %D%/misuse/interior-small.c $(jsm_misuse_headers)
%C%_misuse_interior_medium_SOURCES = %D%/misuse/interior-medium.c $(jsm_misuse_headers)
%C%_misuse_interior_large_SOURCES = %D%/misuse/interior-large.c $(jsm_misuse_headers)
%C%_misuse_interior_large_near_SOURCES = %D%/misuse/interior-large-near.c $(jsm_misuse_headers)
%C%_misuse_interior_huge_SOURCES = %D%/misuse/interior-huge.c $(jsm_misuse_headers)
%C%_misuse_interior_huge_far_SOURCES = %D%/misuse/interior-huge-far.c $(jsm_misuse_headers)
%C%_misuse_misaligned_SOURCES = %D%/misuse/misaligned.c $(jsm_misuse_headers)
%C%_misuse_beyond_SOURCES = %D%/misuse/beyond.c $(jsm_misuse_headers)
%C%_misuse_foreign_stack_SOURCES = %D%/misuse/foreign-stack.c $(jsm_misuse_headers)
%C%_misuse_foreign_static_SOURCES = %D%/misuse/foreign-static.c $(jsm_misuse_headers)
%C%_misuse_foreign_code_SOURCES = %D%/misuse/foreign-code.c $(jsm_misuse_headers)
%C%_misuse_foreign_mapping_SOURCES = %D%/misuse/foreign-mapping.c $(jsm_misuse_headers)
%C%_misuse_foreign_malloc_SOURCES = %D%/misuse/foreign-malloc.c $(jsm_misuse_headers)
%C%_misuse_foreign_wild_SOURCES = %D%/misuse/foreign-wild.c $(jsm_misuse_headers)
%C%_misuse_foreign_noncanonical_SOURCES = %D%/misuse/foreign-noncanonical.c $(jsm_misuse_headers)
%C%_misuse_foreign_low_SOURCES = %D%/misuse/foreign-low.c $(jsm_misuse_headers)
%C%_misuse_foreign_last_SOURCES = %D%/misuse/foreign-last.c $(jsm_misuse_headers)
%C%_misuse_sized_less_SOURCES = %D%/misuse/sized-less.c $(jsm_misuse_headers)
%C%_misuse_sized_more_SOURCES = %D%/misuse/sized-more.c $(jsm_misuse_headers)
%C%_misuse_sized_large_SOURCES = %D%/misuse/sized-large.c $(jsm_misuse_headers)
%C%_misuse_sized_over_SOURCES = %D%/misuse/sized-over.c $(jsm_misuse_headers)
%C%_misuse_sized_aligned_SOURCES = %D%/misuse/sized-aligned.c $(jsm_misuse_headers)
%C%_misuse_sized_freed_SOURCES = %D%/misuse/sized-freed.c $(jsm_misuse_headers)
%C%_misuse_realloc_freed_SOURCES = %D%/misuse/realloc-freed.c $(jsm_misuse_headers)
%C%_misuse_realloc_freed_large_SOURCES = %D%/misuse/realloc-freed-large.c $(jsm_misuse_headers)
%C%_misuse_realloc_same_SOURCES = %D%/misuse/realloc-same.c $(jsm_misuse_headers)
%C%_misuse_realloc_nothing_SOURCES = %D%/misuse/realloc-nothing.c $(jsm_misuse_headers)
%C%_misuse_realloc_interior_SOURCES = %D%/misuse/realloc-interior.c $(jsm_misuse_headers)
%C%_misuse_realloc_foreign_SOURCES = %D%/misuse/realloc-foreign.c $(jsm_misuse_headers)
%C%_misuse_reallocarray_freed_SOURCES = %D%/misuse/reallocarray-freed.c $(jsm_misuse_headers)
%C%_misuse_reallocf_freed_SOURCES = %D%/misuse/reallocf-freed.c $(jsm_misuse_headers)
%C%_misuse_recallocarray_freed_SOURCES = %D%/misuse/recallocarray-freed.c $(jsm_misuse_headers)
%C%_misuse_rezalloc_freed_SOURCES = %D%/misuse/rezalloc-freed.c $(jsm_misuse_headers)
%C%_misuse_expand_freed_SOURCES = %D%/misuse/expand-freed.c $(jsm_misuse_headers)
%C%_misuse_freezero_freed_SOURCES = %D%/misuse/freezero-freed.c $(jsm_misuse_headers)
%C%_misuse_usable_freed_SOURCES = %D%/misuse/usable-freed.c $(jsm_misuse_headers)
%C%_misuse_usable_interior_SOURCES = %D%/misuse/usable-interior.c $(jsm_misuse_headers)
%C%_misuse_usable_foreign_SOURCES = %D%/misuse/usable-foreign.c $(jsm_misuse_headers)
%C%_misuse_reused_SOURCES = %D%/misuse/reused.c $(jsm_misuse_headers)
if WITH_OVERRIDE
check_PROGRAMS += %D%/misuse/standard
%C%_misuse_standard_SOURCES = %D%/misuse/standard.c $(jsm_misuse_headers)
%C%_misuse_standard_CFLAGS = $(jsm_blackbox_cflags)
%C%_misuse_standard_LDADD = libjsmalloc.la
endif

dist_check_SCRIPTS += %D%/misuse.sh %D%/limits.sh
TESTS += %D%/misuse.sh %D%/limits.sh

# The os_ allocator, which has no standard names.
check_PROGRAMS += %D%/osmem.t %D%/osmem-misuse.t %D%/seed-os.t
TESTS += %D%/osmem.t %D%/osmem-misuse.t %D%/seed-os.t
%C%_osmem_t_SOURCES = %D%/osmem.c %D%/osmem-model.h %D%/unit.h $(jsm_blackbox_headers)
%C%_osmem_misuse_t_SOURCES = %D%/osmem-misuse.c %D%/unit.h $(jsm_blackbox_headers)
%C%_seed_os_t_SOURCES = %D%/seed-os.c $(jsm_blackbox_headers)
