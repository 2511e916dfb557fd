/* rt/rt.h - facade of the run-time services: text and messages, locks, options.
 *
 * May include: base, os.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_RT_H
#define JSM_RT_H

#include "base/base.h"
#include "os/os.h"

/* ---- Text, built in the caller's buffer: no allocation, no locale, no stdio ---- */

struct jsm_text {
    char *buffer;
    size_t size; /* bytes of buffer; what does not fit is cut off */
    size_t len;  /* without the terminating 0, which is always there */
};

void jsm_text_init(struct jsm_text *t, char *buffer, size_t size);
void jsm_text_str(struct jsm_text *t, const char *s);
void jsm_text_chars(struct jsm_text *t, const char *s, size_t len);
void jsm_text_dec(struct jsm_text *t, uint64_t n);
void jsm_text_hex(struct jsm_text *t, uint64_t n);
/* Right-aligned in `width` columns. */
void jsm_text_dec_width(struct jsm_text *t, uint64_t n, unsigned width);
void jsm_text_str_width(struct jsm_text *t, const char *s, unsigned width);

/* Writes the text to standard error in one piece. */
void jsm_text_to_stderr(const struct jsm_text *t);

/* One line on standard error: "jsmalloc: " a b c.  NULL parts are left out. */
void jsm_message(const char *a, const char *b, const char *c);

/* What checks find: how many faults, and whom to tell of each.  What was damaged may lead anywhere: a check
 * follows no link that it has not looked at. */
struct jsm_faults {
    size_t n;
    void (*tell)(const char *what, const void *where);
};

static inline void
jsm_fault(struct jsm_faults *faults, const char *what, const void *where)
{
    faults->n++;
    faults->tell(what, where);
}

/* ---- Locks ---- */

/* Who may be taken while what is held: only upwards.  Checked in builds with debug level 2,
 * and the order in which fork() takes them all. */
enum jsm_rank {
    JSM_RANK_HEAPS = 1,   /* list of the program's heaps */
    JSM_RANK_HEAP,        /* one of them; only fork() takes several, in the order of the list */
    JSM_RANK_OPTIONS,     /* parsing and setting */
    JSM_RANK_FALLBACK,    /* the thread heap of threads that have none */
    JSM_RANK_THREADS,     /* list of all thread heaps */
    JSM_RANK_PROFILE,     /* samples and stacks of the profiler */
    JSM_RANK_GUARD,       /* the queue of guarded slots */
    JSM_RANK_SHARED,      /* slabs without owner */
    JSM_RANK_HUGE,        /* list of direct mappings */
    JSM_RANK_SHARD,       /* a shard of the page heap */
    JSM_RANK_ARENA,       /* list of arenas */
    JSM_RANK_META,        /* metadata */
    JSM_RANK_PAGEMAP,     /* windows of the pagemap */
    JSM_RANK_OSMEM,       /* all of the os_ allocator */
    JSM_RANK_BREAK        /* the program break; fork() need not take it, see jsm_break_lock */
};

/* A lock in zeroed memory, but for its rank, is open. */
struct jsm_lock {
    _Atomic(uint32_t) word; /* 0 open, 1 held, 2 held and waited for */
    uint32_t rank;          /* [const] enum jsm_rank */
};

void jsm_lock(struct jsm_lock *lock);
void jsm_unlock(struct jsm_lock *lock);
/* Takes the lock if nobody holds it, of whatever rank: for those who may have interrupted its holder. */
bool jsm_lock_try(struct jsm_lock *lock);
/* In the child of fork(): the lock is open whoever held it. */
void jsm_lock_reset(struct jsm_lock *lock);

/* Held by whoever moves the program break, as sbrk() knows no threads.  It is taken under another lock that
 * fork() takes, and so is open in the child. */
extern struct jsm_lock jsm_break_lock;

/* ---- Options ---- */

enum jsm_opt_type { JSM_TYPE_BYTES, JSM_TYPE_MS, JSM_TYPE_COUNT, JSM_TYPE_CHOICE, JSM_TYPE_TEXT };

/* Special values of numbers. */
#define JSM_OPT_UNLIMITED INT64_MAX
#define JSM_OPT_AUTO      (-1)

#define JSM_OPTION(id, name, type, def, min, max, automatic, unlimited, off, number, choices) JSM_OPT_##id,
enum jsm_opt {
#include "rt/option_table.inc"
    JSM_OPT_COUNT
};
#undef JSM_OPTION

extern _Atomic(int64_t) jsm_option_values[JSM_OPT_COUNT];

/* The value in force. */
static inline int64_t
jsm_option(enum jsm_opt opt)
{
    /* ORDER: relaxed; a number on its own, nothing is read because of it. */
    return jsm_load_relaxed(&jsm_option_values[opt]);
}

/* A text option's value, "" when unset, copied as another thread may set it. */
enum { JSM_OPTION_TEXT_BYTES = 256 };
JSM_COLD void jsm_option_text(enum jsm_opt opt, char text[JSM_OPTION_TEXT_BYTES]);

/* Reads the environment, once; called on slow paths until the environment is there. */
JSM_COLD void jsm_options_init(void);

/* True, or false for an unknown name or a value that is not one. */
JSM_COLD bool jsm_option_parse(const char *name, size_t name_len, const char *value, size_t value_len);

/* By number of mallopt(); true, or false for an unknown number or value. */
JSM_COLD bool jsm_option_set_number(int number, int64_t value);

/* Writes the value of `name` as text; false for an unknown name. */
JSM_COLD bool jsm_option_format(const char *name, struct jsm_text *t);

/* The options that count at the start alone keep their values, once the environment was read; whether it was. */
JSM_COLD bool jsm_options_fix(void);

/* The lock of the options, for fork(). */
extern struct jsm_lock jsm_options_lock;

#endif
