# t/ - the tests.  A C test is a program t/NAME.t made of t/NAME.c; a script test is t/NAME.sh.
# All of them speak TAP.  The .mk files included below add the tests to check_PROGRAMS,
# dist_check_SCRIPTS, TESTS and EXTRA_DIST.
# SPDX-License-Identifier: MIT
TEST_EXTENSIONS = .t .sh
T_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
T_LOG_COMPILER = $(SHELL) $(top_srcdir)/%D%/limit
SH_LOG_DRIVER = $(T_LOG_DRIVER)
SH_LOG_COMPILER = $(T_LOG_COMPILER)

# Tests see nothing of the developer's own settings, and absolute paths.  JSM_LIB is the shared
# library that replaces malloc, and empty when there is none or it has only the jsm_ names.  JSM_CROSS is `no` if
# programs of this machine can be preloaded with it, `libc` if those use another C library: glibc, and it does not.
AM_TESTS_ENVIRONMENT = \
	unset LD_PRELOAD JSMALLOC_OPTIONS GLIBC_TUNABLES MALLOC_ARENA_MAX MALLOC_TRIM_THRESHOLD_ MALLOC_MMAP_THRESHOLD_ \
	  MALLOC_MMAP_MAX_ MALLOC_TOP_PAD_ MALLOC_CHECK_ MALLOC_PERTURB_; \
	JSMALLOC_CONF=; export JSMALLOC_CONF; \
	top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; \
	AWK='$(AWK)'; NM='$(NM)'; CC='$(CC)'; CXX='$(CXX)'; LIBTOOL='$(SHELL) $(abs_top_builddir)/libtool'; \
	MANDOC='$(MANDOC)'; PKG_CONFIG='$(PKG_CONFIG)'; MAKE='$(MAKE)'; \
	JSM_OVERRIDE='$(enable_override)'; JSM_CROSS='$(cross_compiling)'; JSM_EMULATOR='$(JSM_EMULATOR)'; \
	JSM_SANITIZER='$(JSM_SAN_CFLAGS)'; \
	JSM_LIB='$(abs_top_builddir)/.libs/libjsmalloc.so.1'; \
	test yes = "$$JSM_OVERRIDE" && test -e "$$JSM_LIB" || JSM_LIB=; \
	test no != "$$JSM_CROSS" || test -z "$$JSM_LIB" || grep -q 'libc\.so\.6' "$$JSM_LIB" || \
	  ! grep -q 'libc\.so\.6' "`command -v env`" || JSM_CROSS=libc; \
	export top_srcdir top_builddir AWK NM CC CXX LIBTOOL MANDOC PKG_CONFIG MAKE \
	  JSM_OVERRIDE JSM_CROSS JSM_EMULATOR JSM_SANITIZER JSM_LIB;

AM_DEFAULT_SOURCE_EXT = .c
LDADD = libcore.la

EXTRA_DIST += %D%/limit %D%/run %D%/packages %D%/packages-platforms

include %D%/unit.mk
include %D%/blackbox.mk
include %D%/seeds.mk
include %D%/programs.mk
include %D%/scripts.mk
include %D%/regress.mk
include %D%/fuzz/fuzz.mk

# The C tests alone.
check-c:
	@tests=; for t in $(TESTS); do case $$t in *.t) tests="$$tests $$t" ;; esac; done; \
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="$$tests"

# All but the real programs: for the build of a package, on a machine that has few of them.
check-own:
	@tests=; for t in $(TESTS); do case $$t in */programs/*) ;; *) tests="$$tests $$t" ;; esac; done; \
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="$$tests"

# And without those that are about the sources, or build them by a compiler of their own: for one build among many.
check-build:
	@tests=; for t in $(TESTS); do case $$t in \
	    */programs/*|*/size.sh|*/protocols.sh|*/release.sh|*/fuzz.sh) ;; *) tests="$$tests $$t" ;; esac; done; \
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="$$tests"

# The models of model/, and that each wrong variant of them is refused.
check-model:
	@$(SHELL) $(top_srcdir)/tools/check-model

# The C tests under valgrind's memcheck, which must not put its own malloc in place of ours.
check-memcheck:
	@test -n '$(VALGRIND)' || { echo 'make check-memcheck needs valgrind' >&2; exit 1; }
	@tests=; for t in $(TESTS); do case $$t in *.t) tests="$$tests $$t" ;; esac; done; \
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="$$tests" \
	  JSM_EMULATOR='$(VALGRIND) -q --error-exitcode=99 --soname-synonyms=somalloc=nouserintercepts'
.PHONY: check-c check-own check-build check-memcheck check-model
