# tools/ - what runs at build time, in tests or by hand; of it, the command `jsmalloc` alone is installed.
# SPDX-License-Identifier: MIT
EXTRA_DIST += \
	%D%/c-lines.awk \
	%D%/abi \
	%D%/check-layers.awk \
	%D%/check-links.awk \
	%D%/check-model \
	%D%/check-variants \
	%D%/count-results \
	%D%/tell-failures \
	%D%/check-order.awk \
	%D%/declared.awk \
	%D%/genopt.awk \
	%D%/json-workload.py \
	%D%/mutate-orders \
	%D%/jsmalloc.in

# The command, and the completion of its arguments.  Both have the table of options in them.
bin_SCRIPTS += jsmalloc
bashcompdir = $(datarootdir)/bash-completion/completions
nodist_bashcomp_DATA = completions/jsmalloc
EXTRA_DIST += completions/jsmalloc.bash
CLEANFILES += jsmalloc completions/jsmalloc

jsm_options = $(srcdir)/src/rt/options.tbl $(srcdir)/tools/genopt.awk
jsm_list_options = -f $(srcdir)/tools/genopt.awk $(srcdir)/src/rt/options.tbl
jsmalloc: $(srcdir)/%D%/jsmalloc.in $(jsm_options) Makefile
	$(AM_V_GEN)$(AWK) -v form=text $(jsm_list_options) > $@.text && \
	$(AWK) -v form=words $(jsm_list_options) > $@.words && \
	sed -e '/^@TEXT@$$/r $@.text' -e '/^@TEXT@$$/d' -e '/^@WORDS@$$/r $@.words' -e '/^@WORDS@$$/d' \
	  -e 's|@VERSION[@]|$(VERSION)|' -e 's|@prefix[@]|$(prefix)|' -e 's|@bindir[@]|$(bindir)|' \
	  -e 's|@libdir[@]|$(libdir)|' -e 's|@host_os[@]|$(host_os)|' -e 's|@enable_override[@]|$(enable_override)|' \
	  $(srcdir)/%D%/jsmalloc.in > $@.tmp && \
	rm -f $@.text $@.words && chmod +x $@.tmp && mv -f $@.tmp $@
completions/jsmalloc: $(srcdir)/completions/jsmalloc.bash $(jsm_options)
	$(AM_V_GEN)$(MKDIR_P) completions && $(AWK) -v form=words $(jsm_list_options) > $@.words && \
	sed -e '/^@WORDS@$$/r $@.words' -e '/^@WORDS@$$/d' $(srcdir)/completions/jsmalloc.bash > $@.tmp && \
	rm -f $@.words && mv -f $@.tmp $@
