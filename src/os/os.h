/* os/os.h - facade of the OS layer: the contract with the platform.
 *
 * Everything here goes to the kernel directly or to a function of libc that takes no
 * memory from malloc.  Functions that can fail return 0 or an errno value and leave
 * errno alone, unless they say otherwise.
 *
 * May include: base/base.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_OS_H
#define JSM_OS_H

#include "base/base.h"

/* ---- Memory.  Addresses and lengths are multiples of jsm_os_page_bytes(). ---- */

/* Size of a page of the OS: a power of two, 4 KiB to 64 KiB.  Cheap. */
size_t jsm_os_page_bytes(void);

/* Reserves `bytes` of addresses, aligned to `align` (a power of two, at least a page), that
 * cannot be accessed yet and are charged to nobody.  NULL when there are none. */
void *jsm_os_reserve(size_t bytes, size_t align);

/* Makes reserved memory readable and writable; it reads as zero if it was never committed. */
int jsm_os_commit(void *addr, size_t bytes);

/* Makes reserved memory readable only: it reads as zero and is charged to nobody. */
int jsm_os_commit_read(void *addr, size_t bytes);

/* Takes all access to committed memory away, and gives its memory back, without one more mapping: a guard.
 * ENOSYS where the kernel cannot (before Linux 6.13), or not with this memory. */
int jsm_os_guard(void *addr, size_t bytes);
/* And gives it back: it reads as zero. */
int jsm_os_unguard(void *addr, size_t bytes);

/* The same by protection, which costs up to two mappings: makes committed memory reserved again.  If it is locked it
 * keeps its contents. */
int jsm_os_decommit(void *addr, size_t bytes);

/* Takes all access to committed memory away, which keeps its contents; jsm_os_commit() gives it back. */
int jsm_os_shut(void *addr, size_t bytes);

/* Maps `bytes` of zeroed memory, readable and writable, aligned to `align`; NULL on failure. */
void *jsm_os_map(size_t bytes, size_t align);

/* Gives mapped or reserved addresses back for good. */
int jsm_os_unmap(void *addr, size_t bytes);

/* Gives the memory of committed pages back; they stay mapped and read as zero afterwards. */
int jsm_os_purge(void *addr, size_t bytes);

/* Moves the pages of [from, from + bytes) to committed memory at `to`.  `from` stays mapped and
 * reads as zero.  ENOSYS where the kernel cannot: nothing has changed then. */
int jsm_os_move(void *from, void *to, size_t bytes);

/* Grows or shrinks a mapping of jsm_os_map() in place; whether it did. */
bool jsm_os_resize(void *addr, size_t old_bytes, size_t new_bytes);

/* Moves such a mapping to `to`, reserved for it, and makes it `new_bytes` long, which is more; whether it did. */
bool jsm_os_relocate(void *addr, size_t old_bytes, void *to, size_t new_bytes);

/* The program break; and moves it up: where it was, or NULL.  There is one for all of the process: who
 * allocates from it holds jsm_break_lock, and expects that it was moved by others meanwhile. */
void *jsm_os_break(void);
void *jsm_os_break_grow(size_t bytes);

/* Bytes of the pages of [addr, addr + bytes), all mapped, that are resident; all of them where the kernel
 * does not tell. */
size_t jsm_os_resident_in(const void *addr, size_t bytes);

/* Limit of address space of the process in bytes; SIZE_MAX if there is none. */
size_t jsm_os_address_limit_bytes(void);

/* Asks for (or against) transparent huge pages; a hint, failure is ignored. */
void jsm_os_huge_pages(void *addr, size_t bytes, bool wanted);

/* Keeps memory out of core dumps and, where the kernel can, wiped in children; or no longer. */
void jsm_os_conceal(void *addr, size_t bytes, bool wanted);

/* Fault injection for tests.  When `jsm_os_fail_after` is n >= 0, the n-th call from now that
 * maps, commits, remaps or moves the break fails with ENOMEM; with `jsm_os_fail_sticky` so do all after it. */
extern volatile int jsm_os_fail_after;
extern volatile bool jsm_os_fail_sticky;

/* ---- Time, processors, randomness ---- */

/* Milliseconds of a coarse monotonic clock; wraps after 49 days, compare differences. */
uint32_t jsm_os_now_ms(void);

/* Processors this process may run on; at least 1. */
unsigned jsm_os_cpus(void);

/* 64 bits that other processes cannot guess where the kernel gives them. */
uint64_t jsm_os_entropy(void);

/* Resident set of the process in bytes, 0 if unknown (no /proc). */
size_t jsm_os_resident_bytes(void);

/* What the process's control group may use of memory: the least limit of it and those around it, of
 * version 2 or 1, as `file` (/proc/self/cgroup) names it, below `root` (/sys/fs/cgroup).  SIZE_MAX if there is none. */
JSM_COLD size_t jsm_os_group_limit_bytes(const char *file, const char *root);

/* ---- Threads ---- */

/* Identity of the calling thread: not 0, and different from that of all live threads. */
JSM_INLINE uintptr_t
jsm_os_thread_id(void)
{
    uintptr_t id;

#if defined(__x86_64__) && !defined(__ILP32__)
    __asm__("movq %%fs:0, %0" : "=r"(id));
#elif defined(__i386__)
    __asm__("movl %%gs:0, %0" : "=r"(id));
#else
    id = (uintptr_t)__builtin_thread_pointer();
#endif
    return id;
}

/* Whether `id` is that of the calling thread; where the compiler can be helped, in one compare. */
JSM_INLINE bool
jsm_os_is_thread(uintptr_t id)
{
#if defined(__x86_64__) && !defined(__ILP32__)
    bool is;

    __asm__("cmpq %%fs:0, %1" : "=@cce"(is) : "r"(id));
    return is;
#else
    return id == jsm_os_thread_id();
#endif
}

/* Lets other threads run. */
void jsm_os_yield(void);

/* Waits until *word is no longer `value` (or for no reason), and wakes one waiter. */
void jsm_os_futex_wait(_Atomic(uint32_t) *word, uint32_t value);
void jsm_os_futex_wake(_Atomic(uint32_t) *word);

/* ---- Outside world ---- */

/* Writes a message of `len` bytes to jsm_os_stderr_fd(); a short or failed write is ignored, errno kept. */
void jsm_os_write(const char *text, size_t len);

/* Ends the process by abort(), with the text where a debugger and a core dump have it, whatever became of standard
 * error. */
_Noreturn void jsm_os_abort(const char *text);
extern _Atomic(const char *) jsm_os_abort_text;

/* The path by which the program was started; "" if unknown. */
const char *jsm_os_program_path(void);

/* pthread_atfork(). */
int jsm_os_at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

/* Value of an environment variable, NULL if unset or in a set-user-ID program. */
const char *jsm_os_getenv(const char *name);

/* Reads at most `size - 1` bytes of a small file as a string; length, or -1. */
ptrdiff_t jsm_os_read_file(const char *path, char *text, size_t size);

/* The number that a file begins with; SIZE_MAX for a word such as "max", for one too great, and for no file. */
size_t jsm_os_read_number(const char *path);

/* Opens a file for reading, without waiting for anybody; descriptor, or minus an errno value.
 * And reads from one: bytes, 0 at its end, -1. */
int jsm_os_open_read(const char *path);
ptrdiff_t jsm_os_read(int fd, char *buffer, size_t size);

/* Opens a file for appending, creates it; descriptor, or -1.  And writes to one. */
int jsm_os_open_append(const char *path);
/* The same for a file that is written anew. */
int jsm_os_open_new(const char *path);
void jsm_os_write_fd(int fd, const char *text, size_t len);
void jsm_os_close(int fd);

/* Remembers what descriptor 2 is, at the start; and keeps a way to it for programs that close theirs before they
 * end, as those of coreutils do. */
void jsm_os_stderr_note(void);
void jsm_os_stderr_keep(void);

/* Where messages go that nobody called for: to descriptor 2, if it is what it was at the start, or has become a
 * terminal, /dev/null, a pipe or a file that is written by appending alone.  A program that was started
 * without, or that has closed it, may have a file or a connection of its own under that number, into which no
 * message may fall: then to the descriptor that was kept, or -1. */
int jsm_os_stderr_fd(void);

/* Return addresses of the calling thread, innermost first, at most `max` of them; how many.  Those in this library are
 * left out, but for a static program, where they cannot be told from others.  Where jsm_os_unwind() knows the
 * processor nothing is allocated; elsewhere the first call may. */
enum { JSM_OS_STACK_MAX = 32 };
unsigned jsm_os_stack(void **frames, unsigned max);

/* The same without taking memory, also in a handler of a signal: of `context`, its third argument, or of the caller
 * when that is NULL.  What was interrupted is then the first; as all others it lies behind the instruction that is
 * meant.  Those in this library are among them.  0 on processors that it does not know. */
unsigned jsm_os_unwind(const void *context, void **frames, unsigned max);

/* In the child of fork(), if its process had other threads.  One of them may have held the lock of libc's list of
 * objects; nobody leaves that any more.  From now on stacks are found without the list, as far as they can be. */
void jsm_os_stack_after_fork(void);

/* Whether libc's list of objects may be asked: it can be without a lock, or nobody's absence keeps the lock. */
bool jsm_os_may_list_objects(void);

/* What of a fault's address is known: the byte, 1, or in which so many bytes it is, of which the first is told. */
size_t jsm_os_fault_unit_bytes(void);

/* Whether the access that a signal's context is about was a write: 1, 0, or -1 if nobody knows. */
int jsm_os_fault_is_write(const void *context);

/* What is mapped at an address. */
enum jsm_os_what {
    JSM_OS_UNMAPPED,
    JSM_OS_ANONYMOUS,
    JSM_OS_NAMED,  /* by the kernel: "[stack]", "[heap]" */
    JSM_OS_FILE,
    JSM_OS_OBJECT  /* a program or shared object: code, static data */
};
struct jsm_os_place {
    uintptr_t address;          /* what was asked for */
    uintptr_t start, end;       /* of the mapping */
    uintptr_t offset;           /* in the file; in an object, as its symbols and addr2line count */
    uintptr_t object;           /* where the file was mapped from its beginning on, 0: not */
    const char *name;           /* of the file, "[stack]" and such, or "" */
    enum jsm_os_what what;
    bool is_code, is_object;
    bool is_mixed;              /* of an object: the code there has the constants beside it */
};

/* Finds out about `n` places, whose addresses are given, in one go; false, and they are unmapped, where the kernel does
 * not tell.  Their names are put into `names`.  Takes no memory and no lock. */
JSM_COLD bool jsm_os_places(struct jsm_os_place *places, size_t n, char *names, size_t names_bytes);

/* From now on `tell` hears of accesses that fail (SIGSEGV, SIGBUS), in the handler of the signal.  When it says true,
 * and has told of it, and for all others as well, what the program had set for the signal happens then.  To be called
 * once; 0 or an errno value. */
typedef bool jsm_os_fault_fn(const void *address, const void *context);
int jsm_os_on_fault(jsm_os_fault_fn *tell);

/* Starts the program anew without the preloaded libraries whose file names begin with `name`, after it has said so:
 * "jsmalloc: PROGRAM WHY".  Returns if there are none, false, or if it cannot be started. */
JSM_COLD bool jsm_os_again_without(const char *name, const char *why);

/* Process id. */
long jsm_os_pid(void);

#endif
