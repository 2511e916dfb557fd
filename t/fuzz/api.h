/* t/fuzz/api.h - what the target `api` knows of the blocks, heaps and threads that its inputs make.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_FUZZ_API_H
#define JSM_FUZZ_API_H

#include "fuzz.h"
#include "model.h"

#include <pthread.h>
#include <semaphore.h>

enum {
    BLOCKS = 64, HEAPS = 4, THREADS = 3, SCOPES = 6, BUFFERS = 3,
    BUFFER_BYTES = 2 << 20, GUARD_BYTES = 4096,
    BLOCK_BYTES_MAX = 8 << 20, LIVE_BYTES_MAX = 64 << 20
};

/* What a heap is, if there is one. */
struct heap {
    jsm_heap *heap;      /* NULL: there is none */
    size_t limit_bytes;
    struct buffer *buffer;
    unsigned flags, n_pushed, thread;
};

/* Memory that heaps are given; the heap's part is in the middle. */
struct buffer {
    unsigned char bytes[BUFFER_BYTES + 2 * GUARD_BYTES];
    size_t size;   /* of the heap's part */
    unsigned uses; /* the heap and the blocks in it */
};

/* A place for a block. */
struct slot {
    struct block block;
    size_t align;        /* that was asked for, 0: none */
    struct heap *heap;   /* NULL: the default one */
    struct buffer *buffer;
    bool is_concealed, is_visited;
    unsigned char *last; /* the block that was here before */
};

struct thread {
    pthread_t id;
    bool is_running, ends;
    sem_t wanted, done;
    struct heap *scope[SCOPES];
    unsigned n_scopes;
};

extern struct model model;
extern struct buffer buffer[BUFFERS];
extern struct slot slot[BLOCKS];
extern struct heap heap[HEAPS];
extern struct thread thread[THREADS + 1]; /* the first one is the main thread */
extern unsigned now;                      /* number of the thread that runs */
extern bool had_threads;                  /* in this input */

/* ---- The world: api-world.c ---- */

void check_model(void);
void check_buffers(void);

/* The last use of a buffer is over: it is the program's again. */
void buffer_leave(struct buffer *b);

struct slot *slot_of(size_t n);

/* Number 0 is the default heap. */
struct heap *heap_of(size_t n);

jsm_heap *handle(const struct heap *h);

/* Where plain functions allocate. */
struct heap *heap_now(void);

/* Whether this thread may use the heap. */
bool may_use(const struct heap *h);

/* Sizes for which there is memory; the largest ones stay, for which there is none. */
size_t size_of(size_t n);

/* Before a call that may set errno. */
void mark(void);

/* NULL is an answer only where memory has an end. */
void check_refusal(const struct heap *h, size_t size);

void check_place(const struct slot *s, const unsigned char *p);

/* Makes `s` the block at `p`, which a function has answered. */
void arrive(struct slot *s, struct heap *h, void *p, size_t size, size_t align);

/* The block is looked at for the last time; what is answered is to be freed. */
void *leave(struct slot *s);

/* It has been. */
void left(struct slot *s);

/* A function of realloc's kind answered `q` for the block of `s`, when asked for `size` bytes. */
void change(struct slot *s, void *q, size_t size);

bool is_free(const struct slot *s);
bool may_change(const struct slot *s);

/* Whether a plain function may fill this slot. */
bool may_fill(const struct slot *s);

/* Looks at the parts of a block that must be zero. */
void check_zero(const unsigned char *p, size_t size);

/* The heap ends; what becomes of its blocks is `keep`: they are the default heap's. */
void end_heap(struct heap *h, bool keep);

/* ---- Operations: api-blocks.c, api-heaps.c ---- */

void run_malloc(const struct fuzz_line *l);
void run_calloc(const struct fuzz_line *l);
void run_at_least(const struct fuzz_line *l);
void run_conceal(const struct fuzz_line *l);
void run_aligned(const struct fuzz_line *l);
void run_misaligned(const struct fuzz_line *l);
void run_realloc(const struct fuzz_line *l);
void run_reallocf(const struct fuzz_line *l);
void run_rezalloc(const struct fuzz_line *l);
void run_recallocarray(const struct fuzz_line *l);
void run_expand(const struct fuzz_line *l);
void run_free(const struct fuzz_line *l);
void run_heap(const struct fuzz_line *l);
void run_heap_in(const struct fuzz_line *l);
void run_destroy(const struct fuzz_line *l);
void run_delete(const struct fuzz_line *l);
void run_heap_malloc(const struct fuzz_line *l);
void run_heap_realloc(const struct fuzz_line *l);
void run_visit(const struct fuzz_line *l);
void run_push(const struct fuzz_line *l);
void run_pop(const struct fuzz_line *l);

/* A scope of the thread is left, in the model; its heap. */
struct heap *pop_model(struct thread *t);

#endif
