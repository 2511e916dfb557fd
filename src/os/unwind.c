/* os/unwind.c - who called, in a signal handler too: by .eh_frame, or else by frame pointers.
 *
 * Compilers write down for each instruction where the frame of its function is and where in it the return address
 * and the caller's frame pointer are.  Of these rules the common forms are understood: the frame is found from the
 * stack pointer or the frame pointer.  Where there are none, as in code made at run time, or where they are of
 * another form, the function is taken to keep a frame pointer.  Invariants:
 *   W1  nothing here takes memory or a lock; so it may be called anywhere, but for dl_iterate_phdr() where libc
 *       has no _dl_find_object(), which is left out where its lock may be lost
 *   W2  of a stack only words are read that lie above its pointer, and below its end as far as that is known; beyond,
 *       pages that the kernel says are mapped
 *   W3  each frame lies above the one before, so every walk ends
 *   W4  a place in the cache is whole: its key is made of both, so one of another place does not fit
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "os/os.h"

#if (defined(__x86_64__) && !defined(__ILP32__)) || defined(__i386__) || defined(__aarch64__)

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Numbers of registers in the rules. */
#if defined(__x86_64__)
enum { REG_NUMBER_FP = 6, REG_NUMBER_SP = 7, REG_NUMBER_RA = 16 };
#elif defined(__i386__)
enum { REG_NUMBER_FP = 5, REG_NUMBER_SP = 4, REG_NUMBER_RA = 8 };
#else
enum { REG_NUMBER_FP = 29, REG_NUMBER_SP = 31, REG_NUMBER_RA = 30 };
#endif

enum { WORD = sizeof(uintptr_t), CACHE_ROWS = 1024, SAVED_MAX = 4 };

/* The caller's frame pointer is where the frame pointer points to, in functions with an aligned stack. */
enum { FP_AT_FP = INT16_MIN };

struct regs {
    uintptr_t pc, sp, fp, lr;
    bool exact; /* pc is that of an instruction, not where a call returns to */
};

/* What the rules come to at one instruction.  CFA, the address above the frame, is: */
enum cfa {
    CFA_UNKNOWN,   /* of another form, or there are no rules */
    CFA_SP,        /* the stack pointer, plus an offset */
    CFA_FP,        /* the frame pointer, plus an offset */
    CFA_AT_FP,     /* the word at that address */
    CFA_NONE,      /* nobody has called */
    CFA_SIGNAL     /* in the context of a signal, which the kernel put on the stack */
};
struct row {
    int32_t cfa_offset : 24;
    uint32_t cfa : 8;
    int16_t fp_at, ra_at; /* in words, from the CFA; 0: still in the register; FP_AT_FP */
};
_Static_assert(sizeof(struct row) == sizeof(uint64_t), "a row is a word of the cache");

/* ---- Reading ---- */

static uint32_t
read_32(const uint8_t *p)
{
    uint32_t n;

    memcpy(&n, p, sizeof n);
    return n;
}

static uint64_t
read_leb(const uint8_t **p, bool is_signed)
{
    uint64_t n = 0;
    unsigned shift = 0;
    uint8_t byte;

    do {
        byte = *(*p)++;
        n |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        shift += 7;
    } while ((byte & 0x80) != 0);
    if (is_signed && shift < 64 && (byte & 0x40) != 0)
        n |= ~UINT64_C(0) << shift;
    return n;
}

static int64_t
read_number(const uint8_t **p, bool is_signed)
{
    return (int64_t)read_leb(p, is_signed);
}

/* An address in the encoding that a table names, `from` there on; false for encodings that are not in use. */
static bool
read_pointer(const uint8_t **p, uint8_t encoding, uintptr_t *value)
{
    uintptr_t base = (encoding & 0x70) == 0x10 ? (uintptr_t)*p : 0;
    uintptr_t word;
    uint64_t n = 0;

    switch (encoding & 0x0f) {
    case 0x00:
        memcpy(&word, *p, WORD);
        n = word;
        *p += WORD;
        break;
    case 0x04:
    case 0x0c:
        memcpy(&n, *p, 8);
        *p += 8;
        break;
    case 0x03:
        n = read_32(*p);
        *p += 4;
        break;
    case 0x0b:
        n = (uint64_t)(int64_t)(int32_t)read_32(*p);
        *p += 4;
        break;
    default:
        return false;
    }
    *value = base + (uintptr_t)n;
    return (encoding & 0x80) == 0 && (encoding & 0x70) <= 0x10;
}

/* ---- The table of an object ---- */

#ifdef HAVE__DL_FIND_OBJECT
static const uint8_t *
table_of(uintptr_t pc)
{
    struct dl_find_object object;

    return _dl_find_object((void *)pc, &object) == 0 ? object.dlfo_eh_frame : NULL;
}
#else
struct search {
    uintptr_t pc;
    const uint8_t *table;
};

static int
look_into(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    struct search *search = arg;
    const uint8_t *table = NULL;
    bool here = false;

    (void)bytes;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type == PT_LOAD && search->pc - info->dlpi_addr - ph->p_vaddr < ph->p_memsz)
            here = true;
        if (ph->p_type == PT_GNU_EH_FRAME)
            table = (const uint8_t *)(info->dlpi_addr + ph->p_vaddr);
    }
    if (here)
        search->table = table;
    return here;
}

static const uint8_t *
table_of(uintptr_t pc)
{
    struct search search = { pc, NULL };

    if (jsm_os_may_list_objects())
        (void)dl_iterate_phdr(look_into, &search);
    return search.table;
}
#endif

/* The rules of the function around `pc`; NULL if there are none.  The table is sorted by address:
 * version, encodings, address of .eh_frame, count, then pairs of 32-bit offsets from its start. */
static const uint8_t *
find_rules(uintptr_t pc)
{
    const uint8_t *table = table_of(pc);

    if (table == NULL || table[0] != 1 || (table[1] & 0x0f) == 0x00 || table[2] != 0x03 || table[3] != 0x3b)
        return NULL;
    size_t header = (table[1] & 0x07) == 0x04 ? 12 : 8;
    size_t low = 0, high = read_32(table + header);
    const uint8_t *pairs = table + header + 4;
    ptrdiff_t offset = (ptrdiff_t)(pc - (uintptr_t)table);

    while (low < high) { /* the first pair above */
        size_t middle = low + (high - low) / 2;
        if ((int32_t)read_32(pairs + middle * 8) > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 ? table + (int32_t)read_32(pairs + low * 8 - 4) : NULL;
}

/* ---- Rules ---- */

struct rules {
    int64_t cfa_offset, fp_at, ra_at; /* in bytes; 0 of the last two: in the register */
    enum cfa cfa;
    bool is_first; /* nobody has called */
};

struct program {
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointers; /* their encoding */
    bool has_sizes, is_signal;
    uintptr_t from, bytes; /* of the function */
    struct rules now, initial, saved[SAVED_MAX];
    unsigned n_saved;
};

static void
set_register(struct program *p, uint64_t reg, int64_t at, const struct rules *from)
{
    if (reg == REG_NUMBER_FP)
        p->now.fp_at = from != NULL ? from->fp_at : at;
    if (reg == REG_NUMBER_RA)
        p->now.ra_at = from != NULL ? from->ra_at : at;
}

static void
set_cfa(struct program *p, uint64_t reg, int64_t offset)
{
    p->now.cfa = reg == REG_NUMBER_SP ? CFA_SP : reg == REG_NUMBER_FP ? CFA_FP : CFA_UNKNOWN;
    p->now.cfa_offset = offset;
}

/* Whether the expression is the frame pointer, plus an offset; what follows is at `*s` then. */
static bool
is_from_fp(const uint8_t **s, int64_t *offset)
{
    if (*(*s)++ != 0x70 + REG_NUMBER_FP) /* DW_OP_breg */
        return false;
    *offset = read_number(s, true);
    return true;
}

/* Of expressions the one that functions with an aligned stack have: the word at an offset from the frame pointer. */
static void
set_cfa_expression(struct program *p, const uint8_t *s, size_t bytes)
{
    const uint8_t *end = s + bytes;

    p->now.cfa = CFA_UNKNOWN;
    if (bytes >= 3 && is_from_fp(&s, &p->now.cfa_offset) && s + 1 == end && *s == 0x06) /* DW_OP_deref */
        p->now.cfa = CFA_AT_FP;
}

/* And for registers; false: it matters, and is not known. */
static bool
set_register_expression(struct program *p, uint64_t reg, const uint8_t *s, size_t bytes)
{
    int64_t offset;

    if (reg != REG_NUMBER_FP)
        return reg != REG_NUMBER_RA;
    p->now.fp_at = FP_AT_FP * (int64_t)WORD;
    return bytes == 2 && is_from_fp(&s, &offset) && offset == 0;
}

/* An instruction about the CFA; false: it is about something else. */
static bool
run_cfa(struct program *p, uint8_t op, const uint8_t **s)
{
    uint64_t reg;
    size_t bytes;

    switch (op) {
    case 0x0c: /* def_cfa, and with a factor */
    case 0x12:
        reg = read_leb(s, false);
        set_cfa(p, reg, op == 0x0c ? read_number(s, false) : read_number(s, true) * p->data_align);
        return true;
    case 0x0d: /* def_cfa_register */
        set_cfa(p, read_leb(s, false), p->now.cfa_offset);
        return true;
    case 0x0e: /* def_cfa_offset, and with a factor */
    case 0x13:
        p->now.cfa_offset = op == 0x0e ? read_number(s, false) : read_number(s, true) * p->data_align;
        return true;
    case 0x0f: /* def_cfa_expression */
        bytes = (size_t)read_leb(s, false);
        set_cfa_expression(p, *s, bytes);
        *s += bytes;
        return true;
    case 0x0a: /* remember_state, restore_state */
        if (p->n_saved < SAVED_MAX)
            p->saved[p->n_saved] = p->now;
        p->n_saved++;
        return true;
    case 0x0b:
        if (p->n_saved > 0 && --p->n_saved < SAVED_MAX)
            p->now = p->saved[p->n_saved];
        return true;
    default:
        return false;
    }
}

/* An instruction about a register; false: it is not known. */
static bool
run_register(struct program *p, uint8_t op, const uint8_t **s)
{
    uint64_t reg = op == 0x00 || op == 0x2d ? 0 : read_leb(s, false);
    size_t bytes;

    switch (op) {
    case 0x00: /* nop; negate_ra_state; GNU_args_size, same_value: the register is as it was */
    case 0x2d:
    case 0x2e:
        return true;
    case 0x08:
        set_register(p, reg, 0, NULL);
        return true;
    case 0x05: /* offset_extended, and signed, and negative */
        set_register(p, reg, read_number(s, false) * p->data_align, NULL);
        return true;
    case 0x11:
        set_register(p, reg, read_number(s, true) * p->data_align, NULL);
        return true;
    case 0x2f:
        set_register(p, reg, -read_number(s, false) * p->data_align, NULL);
        return true;
    case 0x06: /* restore_extended */
        set_register(p, reg, 0, &p->initial);
        return true;
    case 0x07: /* undefined; of the return address: nobody has called */
        if (reg == REG_NUMBER_RA)
            p->now.is_first = true;
        return true;
    case 0x09: /* register, val_offset */
    case 0x14:
    case 0x15:
        (void)read_leb(s, false);
        return reg != REG_NUMBER_RA && reg != REG_NUMBER_FP;
    case 0x10: /* expression, val_expression */
        bytes = (size_t)read_leb(s, false);
        *s += bytes;
        return set_register_expression(p, reg, *s - bytes, bytes);
    case 0x16:
        bytes = (size_t)read_leb(s, false);
        *s += bytes;
        return reg != REG_NUMBER_RA && reg != REG_NUMBER_FP;
    default:
        return false;
    }
}

/* Runs instructions up to the one that is for addresses above `offset`; false: one is not known. */
static bool
run(struct program *p, const uint8_t *s, const uint8_t *end, uintptr_t offset)
{
    uintptr_t at = 0;
    uint16_t two;

    while (s < end && at <= offset) {
        uint8_t op = *s++, low = op & 0x3f;
        if (op >> 6 == 1) {
            at += low * p->code_align;
        } else if (op >> 6 == 2) {
            set_register(p, low, read_number(&s, false) * p->data_align, NULL);
        } else if (op >> 6 == 3) {
            set_register(p, low, 0, &p->initial);
        } else if (op == 0x02) {
            at += *s++ * p->code_align;
        } else if (op == 0x03) {
            memcpy(&two, s, sizeof two);
            s += sizeof two;
            at += two * p->code_align;
        } else if (op == 0x04) {
            at += read_32(s) * p->code_align;
            s += 4;
        } else if (!run_cfa(p, op, &s) && !run_register(p, op, &s)) {
            return false;
        }
    }
    return true;
}

static bool
skip_pointer(const uint8_t **s)
{
    uint8_t encoding = *(*s)++;
    uintptr_t ignored;

    return read_pointer(s, encoding & 0x0f, &ignored);
}

/* What several functions have in common, and their first rules. */
static bool
read_common(struct program *p, const uint8_t *s)
{
    const uint8_t *end = s + 4 + read_32(s), *letters = s + 9, *data;

    if (read_32(s) == UINT32_MAX || (s[8] != 1 && s[8] != 3))
        return false;
    s = letters + strlen((const char *)letters) + 1;
    p->code_align = read_leb(&s, false);
    p->data_align = read_number(&s, true);
    uint64_t ra = letters[-1] == 1 ? *s++ : read_leb(&s, false);
    if (ra != REG_NUMBER_RA)
        return false;
    p->has_sizes = *letters == 'z';
    if (p->has_sizes) {
        size_t bytes = (size_t)read_leb(&s, false);
        data = s;
        s += bytes;
        for (letters++; *letters != '\0'; letters++) {
            if (*letters == 'R')
                p->pointers = *data++;
            else if (*letters == 'L')
                data++;
            else if (*letters == 'S')
                p->is_signal = true;
            else if (*letters == 'P' && !skip_pointer(&data))
                return false;
        }
    } else if (*letters != '\0') {
        return false;
    }
    bool good = p->is_signal || run(p, s, end, UINTPTR_MAX - 1);
    p->initial = p->now;
    return good;
}

/* The rules as they are at `pc`; false: there are none, or some are not understood. */
static bool
read_rules(struct program *p, uintptr_t pc)
{
    const uint8_t *s = find_rules(pc);

    memset(p, 0, sizeof *p);
    if (s == NULL || read_32(s) == UINT32_MAX)
        return false;
    const uint8_t *end = s + 4 + read_32(s);
    s += 4;
    if (!read_common(p, s - read_32(s)))
        return false;
    if (p->is_signal)
        return true;
    s += 4;
    if (!read_pointer(&s, p->pointers, &p->from) || !read_pointer(&s, p->pointers & 0x0f, &p->bytes) ||
        pc - p->from >= p->bytes)
        return false;
    if (p->has_sizes) {
        size_t bytes = (size_t)read_leb(&s, false);
        s += bytes;
    }
    return run(p, s, end, pc - p->from);
}

/* ---- Rows ---- */

struct place {
    _Atomic(uint64_t) key, row; /* key: the row's bits, exclusive or with the address */
};
JSM_SPARSE static struct place cache[CACHE_ROWS];

static bool
fits(int64_t at)
{
    return at % WORD == 0 && at / (int64_t)WORD >= INT16_MIN && at / (int64_t)WORD <= INT16_MAX;
}

/* Whether there is memory: one that was never touched is neither stack nor code. */
static bool
is_resident(uintptr_t p)
{
    uintptr_t page = jsm_os_page_bytes();
    unsigned char state;
    int saved_errno = errno;
    bool is = syscall(SYS_mincore, jsm_round_down(p, page), 1, &state) == 0 && (state & 1) != 0;

    errno = saved_errno;
    return is;
}

/* Whether the code at `pc` is what a handler returns to, where that has no rules: a call of rt_sigreturn. */
static bool
is_return_from_handler(uintptr_t pc)
{
#if defined(__x86_64__)
    static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 };
#elif defined(__i386__)
    static const uint8_t code[] = { 0xb8, 0xad, 0x00, 0x00, 0x00, 0xcd, 0x80 };
#else
    static const uint8_t code[] = { 0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4 };
#endif
    return is_resident(pc) && is_resident(pc + sizeof code - 1) && memcmp((const void *)pc, code, sizeof code) == 0;
}

static struct row
make_row(uintptr_t pc, bool exact)
{
    struct row row = { .cfa = CFA_UNKNOWN };
    struct program p;
    bool known = read_rules(&p, pc);

    if (known ? p.is_signal : is_return_from_handler(pc + !exact)) {
        row.cfa = CFA_SIGNAL;
        return row;
    }
    if (!known)
        return row;
    if (p.now.is_first) {
        row.cfa = CFA_NONE;
        return row;
    }
    int64_t offset = p.now.cfa_offset;
    if (!fits(p.now.fp_at) || !fits(p.now.ra_at) || offset < -(1 << 23) || offset >= 1 << 23)
        return row;
    row.cfa = p.now.cfa & 0xff;
    row.cfa_offset = (int32_t)offset;
    row.fp_at = (int16_t)(p.now.fp_at / (int64_t)WORD);
    row.ra_at = (int16_t)(p.now.ra_at / (int64_t)WORD);
    return row;
}

/* Of code that was unloaded, and other code loaded in its place, a row may be out of date: W2 and W3 hold. */
static struct row
row_of(uintptr_t pc, bool exact)
{
    struct place *place = &cache[(pc * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
    _Static_assert(CACHE_ROWS == 1 << (64 - 54), "the hash gives an index of the cache");
    struct row row;
    /* ORDER: relaxed, both; W4. */
    uint64_t bits = jsm_load_relaxed(&place->row), key = jsm_load_relaxed(&place->key);

    if ((key ^ bits) == pc) {
        memcpy(&row, &bits, sizeof row);
        return row;
    }
    row = make_row(pc, exact);
    memcpy(&bits, &row, sizeof bits);
    /* ORDER: relaxed, both; W4. */
    jsm_store_relaxed(&place->row, bits);
    jsm_store_relaxed(&place->key, bits ^ pc);
    return row;
}

/* ---- The stack ---- */

struct stack {
    uintptr_t bottom;    /* nothing below it is read */
    uintptr_t low, high; /* all between can be; `high` is that of a word */
};

enum { NEAR_BYTES = 8 << 20 };

/* The end of the stack that `sp` is in is near, as far as it can be known: that of a thread is below what the thread
 * pointer points to, that of the first thread below what the kernel put there. */
static struct stack
own_stack(uintptr_t sp)
{
    const uintptr_t ends[] = { jsm_os_thread_id(), (uintptr_t)getauxval(AT_RANDOM) };
    struct stack stack = { sp, sp, sp };

    for (unsigned i = 0; i < 2; i++)
        if (sp < ends[i] && ends[i] - sp < NEAR_BYTES)
            stack.high = jsm_round_down(ends[i], (uintptr_t)WORD);
    return stack;
}

/* Words that are no variables of anybody's: not for a sanitizer to look at. */
__attribute__((no_sanitize_address)) static bool
read_word(struct stack *stack, uintptr_t at, uintptr_t *word)
{
    uintptr_t page = jsm_os_page_bytes();

    if (at % WORD != 0 || at < stack->bottom || at > UINTPTR_MAX - page)
        return false;
    if (at < stack->low || at >= stack->high) {
        if (!is_resident(at))
            return false;
        uintptr_t start = jsm_round_down(at, page);
        if (start != stack->high) /* of what lies between nothing is known */
            stack->low = start;
        stack->high = start + page;
    }
    *word = *(const uintptr_t *)at;
    return true;
}

/* ---- Contexts of signals ---- */

static void
read_context(struct regs *r, const mcontext_t *context)
{
#if defined(__x86_64__)
    r->pc = (uintptr_t)context->gregs[REG_RIP];
    r->sp = (uintptr_t)context->gregs[REG_RSP];
    r->fp = (uintptr_t)context->gregs[REG_RBP];
    r->lr = 0;
#elif defined(__i386__)
    r->pc = (uintptr_t)context->gregs[REG_EIP];
    r->sp = (uintptr_t)context->gregs[REG_ESP];
    r->fp = (uintptr_t)context->gregs[REG_EBP];
    r->lr = 0;
#else
    r->pc = context->pc;
    r->sp = context->sp;
    r->fp = context->regs[29];
    r->lr = context->regs[30];
#endif
    r->exact = true;
}

/* Where the kernel has put the registers, for the code at `r->pc` to take them back; false: not to be known. */
static bool
find_context(const struct regs *r, struct stack *stack, uintptr_t *at)
{
    const size_t offset = offsetof(ucontext_t, uc_mcontext);

#if defined(__x86_64__)
    (void)stack;
    *at = r->sp + offset;
#elif defined(__i386__)
    /* A handler without SA_SIGINFO has them behind its argument, and returns to a pop of that first.  Others have
     * three arguments; the last points to them. */
    if (is_resident(r->pc) && *(const uint8_t *)r->pc == 0x58) {
        *at = r->sp + WORD;
        return true;
    }
    if (!read_word(stack, r->sp + 2 * WORD, at))
        return false;
    *at += offset;
#else
    (void)stack;
    *at = r->sp + sizeof(siginfo_t) + offset;
#endif
    return true;
}

/* ---- Steps ---- */

/* The return address without the signature that some processors put into its upper bits. */
static uintptr_t
plain(uintptr_t address)
{
#if defined(__aarch64__)
    return address & ((UINT64_C(1) << 48) - 1);
#else
    return address;
#endif
}

/* As if the function had a frame pointer, which points to the caller's, and that to the return address. */
static bool
step_by_frame_pointer(struct regs *r, struct stack *stack)
{
    uintptr_t fp, pc;

    if (r->fp < r->sp || !read_word(stack, r->fp, &fp) || !read_word(stack, r->fp + WORD, &pc))
        return false;
    *r = (struct regs){ .pc = plain(pc), .sp = r->fp + 2 * WORD, .fp = fp };
    return true;
}

static bool
step_over_signal(struct regs *r, struct stack *stack)
{
    uintptr_t at, word;

    if (!find_context(r, stack, &at))
        return false;
    for (size_t i = 0; i < sizeof(mcontext_t); i += WORD) /* may all of it be read? */
        if ((i % 512 == 0 || i + WORD >= sizeof(mcontext_t)) && !read_word(stack, at + i, &word))
            return false;
    read_context(r, (const mcontext_t *)at);
    if (r->sp < stack->low || r->sp >= stack->high) /* the signal came while another stack was in use */
        *stack = (struct stack){ r->sp, r->sp, r->sp };
    return true;
}

static bool
step(struct regs *r, struct stack *stack)
{
    struct row row = row_of(r->exact ? r->pc : r->pc - 1, r->exact);
    uintptr_t cfa = (row.cfa == CFA_SP ? r->sp : r->fp) + (uintptr_t)(intptr_t)row.cfa_offset, fp = r->fp, pc = r->lr;

    switch ((enum cfa)row.cfa) {
    case CFA_NONE:
        return false;
    case CFA_SIGNAL:
        return step_over_signal(r, stack);
    case CFA_UNKNOWN:
        return step_by_frame_pointer(r, stack);
    case CFA_AT_FP:
        if (!read_word(stack, cfa, &cfa))
            return false;
        break;
    default:
        break;
    }
    if (cfa < r->sp || (cfa == r->sp && !r->exact)) /* W3; a function without a frame calls nobody */
        return false;
    if (row.ra_at != 0 && !read_word(stack, cfa + (uintptr_t)(row.ra_at * WORD), &pc))
        return false;
    if (row.fp_at != 0 && !read_word(stack, row.fp_at == FP_AT_FP ? fp : cfa + (uintptr_t)(row.fp_at * WORD), &fp))
        return false;
    *r = (struct regs){ .pc = plain(pc), .sp = cfa, .fp = fp };
    return true;
}

/* The registers as they are here. */
#if defined(__x86_64__)
#define READ_REGISTERS(r) \
    __asm__ volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2" \
                     : "=&r"((r).pc), "=&r"((r).sp), "=&r"((r).fp))
#elif defined(__i386__)
#define READ_REGISTERS(r) \
    __asm__ volatile("call 1f\n1:\tpopl %0\n\tmovl %%esp, %1\n\tmovl %%ebp, %2" \
                     : "=&r"((r).pc), "=&r"((r).sp), "=&r"((r).fp))
#else
#define READ_REGISTERS(r) \
    __asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29" : "=&r"((r).pc), "=&r"((r).sp), "=&r"((r).fp))
#endif

JSM_NOINLINE unsigned
jsm_os_unwind(const void *context, void **frames, unsigned max)
{
    struct regs r = { .exact = true };
    unsigned n = 0;

    struct stack stack;
    if (context != NULL) {
        read_context(&r, &((const ucontext_t *)context)->uc_mcontext);
        stack = (struct stack){ r.sp, r.sp, r.sp }; /* whatever went wrong, the walk does not go wrong as well */
    } else {
        READ_REGISTERS(r);
        stack = own_stack(r.sp);
    }
    while (n < max && r.pc != 0) {
        frames[n++] = (void *)(r.pc + r.exact);
        if (!step(&r, &stack))
            break;
    }
    return n;
}

#else

unsigned
jsm_os_unwind(const void *context, void **frames, unsigned max)
{
    (void)context;
    (void)frames;
    (void)max;
    return 0;
}

#endif
