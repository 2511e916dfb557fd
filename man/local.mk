# man/ - the manual, in mdoc(7).
# SPDX-License-Identifier: MIT
#
# A page of section 3 is found by each name of its NAME section: `make install` makes the links.
jsm_man3 = \
	%D%/jsmalloc.3 \
	%D%/jsm_malloc.3 \
	%D%/jsm_aligned_alloc.3 \
	%D%/jsm_free_sized.3 \
	%D%/jsm_malloc_usable_size.3 \
	%D%/jsm_heap_new.3 \
	%D%/jsm_malloc_stats.3 \
	%D%/jsm_mallopt.3 \
	%D%/os_malloc.3
dist_man_MANS += $(jsm_man3) %D%/jsmalloc.1 %D%/jsmalloc.7
nodist_man_MANS += %D%/jsmalloc.conf.5
EXTRA_DIST += %D%/jsmalloc.conf.5.in tools/man-include.awk tools/man-names.awk

# The lists of options and presets come from their table.
%D%/jsmalloc.conf.5: $(srcdir)/%D%/jsmalloc.conf.5.in $(srcdir)/tools/man-include.awk $(jsm_options) Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	$(AWK) -v form=mdoc $(jsm_list_options) > $@.options && \
	$(AWK) -v form=presets $(jsm_list_options) > $@.presets && \
	$(AWK) -v options=$@.options -v presets=$@.presets -v conf='$(sysconfdir)/jsmalloc.conf' \
	  -f $(srcdir)/tools/man-include.awk $(srcdir)/%D%/jsmalloc.conf.5.in > $@.tmp && mv -f $@.tmp $@ && rm -f $@.options $@.presets
CLEANFILES += %D%/jsmalloc.conf.5

# The other names of the pages, as "page name" in each line; configure may have been told to rename pages.
jsm_man_links = (cd $(srcdir) && $(AWK) -f tools/man-names.awk $(jsm_man3)) | \
	while read -r page name; do \
	  echo "`echo $$page | sed '$(transform)'` `echo $$name | sed '$(transform)'`"; \
	done
install-data-hook:
	@$(jsm_man_links) | while read -r page name; do \
	  ln -sf "$$page.3" "$(DESTDIR)$(man3dir)/$$name.3" || exit 1; \
	done
uninstall-hook:
	@$(jsm_man_links) | while read -r page name; do \
	  rm -f "$(DESTDIR)$(man3dir)/$$name.3" || exit 1; \
	done
