# src/: one folder a layer, bottom to top.  src/README.md tells the order.
# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	%D%/base/base.h %D%/base/assert.h %D%/base/atomic.h %D%/base/bits.h %D%/base/list.h \
	%D%/os/os.h %D%/os/again.c %D%/os/fault.c %D%/os/group.c %D%/os/maps.c %D%/os/mem.c %D%/os/misc.c %D%/os/stack.c %D%/os/unwind.c \
	%D%/rt/rt.h %D%/rt/lock.c %D%/rt/option.h %D%/rt/option.c %D%/rt/option_report.c \
	%D%/rt/option_source.c %D%/rt/text.c \
	%D%/osmem/osmem.h %D%/osmem/block.h %D%/osmem/heap.c %D%/osmem/mapped.c %D%/osmem/osmem.c %D%/osmem/report.c \
	%D%/addr/addr.h %D%/addr/check.c %D%/addr/pagemap.c \
	%D%/arena/arena.h %D%/arena/arena.c %D%/arena/meta.c \
	%D%/span/span.h %D%/span/check.c %D%/span/huge.c %D%/span/own.c %D%/span/purge.c %D%/span/span.c \
	%D%/slab/slab.h %D%/slab/remote.c %D%/slab/slab.c \
	%D%/class/class.h %D%/class/class.c \
	%D%/heap/heap.h %D%/heap/block.c %D%/heap/cache.c %D%/heap/check.c %D%/heap/guard.c \
	%D%/heap/harden.c %D%/heap/harden.h %D%/heap/harden_large.c %D%/heap/harden_report.c \
	%D%/heap/profile.c %D%/heap/report.c \
	%D%/heap/shared.c \
	%D%/heap/theap.c \
	%D%/heap/user.c %D%/heap/walk.c \
	%D%/tcache/tcache.h %D%/tcache/slow.c %D%/tcache/thread.c \
	%D%/api/api.h %D%/api/alloc.c %D%/api/heap.c %D%/api/realloc.c %D%/api/stats.c \
	%D%/api/stats_print.c %D%/api/tune.c
nodist_libcore_la_SOURCES = %D%/rt/option_table.inc
include_HEADERS += include/jsmalloc.h
jsmalloc_includedir = $(includedir)/jsmalloc
jsmalloc_include_HEADERS = include/jsmalloc/osmem.h
EXTRA_DIST += %D%/README.md %D%/rt/options.tbl %D%/jsmalloc.map tools/genopt.awk

# The option table: one source, the C table generated from it.
%D%/rt/option_table.inc: $(srcdir)/%D%/rt/options.tbl $(srcdir)/tools/genopt.awk
	$(AM_V_GEN)$(MKDIR_P) %D%/rt && $(AWK) -f $(srcdir)/tools/genopt.awk $(srcdir)/%D%/rt/options.tbl > $@.tmp && mv -f $@.tmp $@
BUILT_SOURCES += %D%/rt/option_table.inc
$(libcore_la_OBJECTS): %D%/rt/option_table.inc
CLEANFILES += %D%/rt/option_table.inc

# The constants in <jsmalloc.h>, anew; t/option-forms.sh compares.
update-header:
	$(AWK) -v form=header -f $(srcdir)/tools/genopt.awk $(srcdir)/%D%/rt/options.tbl > options.h.tmp
	$(AWK) 'NR == FNR { block = block $$0 "\n"; next } \
	  /^\/\* Options by number/ { printf "%s", block; skipping = 1 } \
	  !skipping { print } /^\/\* End of the options by number/ { skipping = 0 }' \
	  options.h.tmp $(srcdir)/include/jsmalloc.h > header.tmp
	cat header.tmp > $(srcdir)/include/jsmalloc.h
	rm -f options.h.tmp header.tmp
.PHONY: update-header

# The library is the core and, unless that is left out, the standard names.
lib_LTLIBRARIES += libjsmalloc.la
libjsmalloc_la_SOURCES =
if WITH_OVERRIDE
libjsmalloc_la_SOURCES += %D%/override/malloc.c %D%/override/cxx.c
endif
libjsmalloc_la_LIBADD = libcore.la
libjsmalloc_la_LDFLAGS = $(AM_LDFLAGS) $(JSM_LDFLAGS) -no-undefined -version-info $(JSM_LIBVERSION)
if HAVE_LD_VERSION_SCRIPT
libjsmalloc_la_LDFLAGS += -Wl,--version-script=$(srcdir)/%D%/jsmalloc.map
EXTRA_libjsmalloc_la_DEPENDENCIES = $(srcdir)/%D%/jsmalloc.map
endif

# The record of this version's ABI, which t/abi.sh compares with; see HACKING.md, section 10.
update-abi: libjsmalloc.la
	machine=`$(CC) -dumpmachine` && mkdir -p $(srcdir)/doc/abi && \
	$(srcdir)/tools/abi record .libs/libjsmalloc.so.1 $(srcdir)/include > abi.tmp && \
	cat abi.tmp > $(srcdir)/doc/abi/$(VERSION)-$${machine%%-*}.abi && rm -f abi.tmp
.PHONY: update-abi
