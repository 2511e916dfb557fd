/* rt/option.h - what the files of the options share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_RT_OPTION_H
#define JSM_RT_OPTION_H

#include "rt/rt.h"

struct option {
    const char *name;
    enum jsm_opt_type type;
    int number;               /* of mallopt(); 0: none */
    int64_t min, max;         /* of numbers; the special values are valid beside them */
    bool automatic, unlimited, off; /* off: 0 */
    const char *choices;      /* words with blanks between */
};

extern const struct option jsm_options[JSM_OPT_COUNT];

/* Who set an option; the place of a name in origin_names[] of option_report.c. */
enum origin_kind {
    ORIGIN_DEFAULT,
    ORIGIN_FILE,      /* the line stands in the bits above */
    ORIGIN_TUNABLES,
    ORIGIN_LIST,
    ORIGIN_CALL,
    ORIGIN_GLIBC      /* and above: a variable of glibc's, by its place in jsm_glibc_options[] */
};
enum { ORIGIN_LINE_SHIFT = 9, ORIGIN_PRESET = 1 << 8, ORIGIN_KIND_MASK = 0xff };

extern uint32_t jsm_option_origins[JSM_OPT_COUNT]; /* [lock options] */
extern bool jsm_options_fixed;                     /* [lock options] see jsm_options_fix() */

/* What glibc calls an option: the variable, and the part of the tunable behind "glibc.malloc." */
struct glibc_option {
    char variable[24], tunable[20]; /* no pointers: the table is JSM_CORE_CONST with all that is in it */
    enum jsm_opt opt;
};
enum { GLIBC_OPTIONS = 9 };
extern const struct glibc_option jsm_glibc_options[GLIBC_OPTIONS];

/* The configuration file, as messages name it. */
extern const char *jsm_conf_name; /* [lock options] */

/* All with the lock held. */
JSM_COLD const struct option *jsm_option_find(const char *name, size_t len);
JSM_COLD bool jsm_option_parse_locked(uint32_t origin, const char *name, size_t name_len, const char *value,
                                      size_t value_len);
JSM_COLD void jsm_option_store_locked(uint32_t origin, const struct option *o, int64_t value);
JSM_COLD void jsm_option_format_locked(const struct option *o, struct jsm_text *t);

/* Decimal or 0x hexadecimal digits; how many bytes they take, 0 for none or too many. */
JSM_COLD size_t jsm_option_digits(const char *s, size_t len, uint64_t *n);

/* "name=value,name=value"; what is wrong is reported. */
JSM_COLD void jsm_options_read_list(uint32_t origin, const char *list);

/* The same from a file, as man/jsmalloc.conf.5 says, for the program `program`. */
JSM_COLD void jsm_options_read_file(const char *path, const char *program);

/* "name=value:name=value" with glibc's names. */
JSM_COLD void jsm_options_read_tunables(const char *list);

/* One line on standard error: origin, the setting, what is wrong with it. */
JSM_COLD void jsm_option_complain(uint32_t origin, const char *setting, size_t len, size_t name_len);

/* The same about something else than a setting. */
JSM_COLD void jsm_option_complain_of(uint32_t origin, const char *what);

/* One line for each option: its value and where that is from. */
JSM_COLD void jsm_options_confirm(void);

#endif
