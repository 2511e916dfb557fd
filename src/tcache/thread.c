/* tcache/thread.c - a thread gets its theap, and gives it back when it ends.
 *
 * Theaps are never freed: who has posted to the inbox of one must find it.  The memory of one
 * whose thread has ended goes to the next thread that starts.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "tcache/tcache.h"

#include <pthread.h>

/* Aligned as a theap is, which it stands for. */
_Alignas(struct jsm_theap) const struct jsm_theap_front jsm_theap_none = {
    .direct = { [0 ... JSM_DIRECTS - 1] = JSM_SLAB_NONE },
    .active = { [0 ... JSM_CLASSES - 1] = JSM_SLAB_NONE }
};

_Thread_local struct jsm_theap *jsm_theap_tls = JSM_THEAP_NONE;
static _Thread_local struct jsm_theap *own_theap; /* also while plain malloc lands elsewhere */
static _Thread_local bool thread_is_ending;       /* it gets no theap any more */

static struct jsm_lock threads_lock = { .rank = JSM_RANK_THREADS };
static struct jsm_theap *all_theaps, *idle_theaps; /* [lock threads] */
static unsigned n_theaps;                          /* [lock threads] */
static bool process_set_up;                        /* [lock threads] */
static bool have_exit_key;                         /* [lock threads] never taken back */
static pthread_key_t exit_key;

JSM_CORE struct jsm_theap *
jsm_theap_peek(void)
{
    return own_theap;
}

/* ---- Heaps of the program in which plain malloc lands ---- */

struct scope {
    struct scope *outer;
    struct jsm_heap *heap;
};
static _Thread_local struct scope *scope; /* the innermost */
static struct jsm_meta_pool scopes;

JSM_CORE struct jsm_heap *
jsm_heap_now(void)
{
    return jsm_likely(scope == NULL) ? &jsm_heap_default : scope->heap;
}

/* The fast paths see the thread's theap only when plain malloc lands there. */
JSM_CORE static void
set_fast_theap(void)
{
    jsm_theap_tls = own_theap != NULL && !jsm_heap_is_user(jsm_heap_now()) ? own_theap : JSM_THEAP_NONE;
}

bool
jsm_scope_push(struct jsm_heap *heap)
{
    struct scope *inner = jsm_meta_pool_take(&scopes, sizeof *inner);

    if (inner == NULL)
        return false;
    (void)jsm_theap_get(); /* whose destructor takes back what is left pushed when the thread ends */
    *inner = (struct scope){ scope, heap };
    scope = inner;
    set_fast_theap();
    return true;
}

struct jsm_heap *
jsm_scope_pop(void)
{
    struct scope *inner = scope;

    if (inner == NULL)
        return NULL;
    struct jsm_heap *heap = inner->heap;
    scope = inner->outer;
    jsm_meta_pool_give(&scopes, inner, sizeof *inner);
    set_fast_theap();
    return heap;
}

/* ---- Life of a thread ---- */

/* The thread goes on without a theap of its own. */
static void
give_back(struct jsm_theap *th)
{
    own_theap = NULL;
    set_fast_theap();
    jsm_theap_close(th);
    jsm_lock(&threads_lock);
    th->next_idle = idle_theaps;
    idle_theaps = th;
    jsm_unlock(&threads_lock);
}

/* The thread ends.  What it frees from here on, in later destructors, goes to the owners
 * directly, and what it allocates comes from the fallback theap. */
JSM_CORE static void
thread_exit(void *theap)
{
    while (jsm_scope_pop() != NULL)
        ;
    thread_is_ending = true;
    give_back(theap);
}

/* The first thread sets up what all need: under the lock, so that no other goes on without it. */
static void
set_up_process_locked(void)
{
    process_set_up = true;
    jsm_span_pressure = jsm_threads_trim;
}

static struct jsm_theap *
theap_new_locked(void)
{
    struct jsm_theap *th = idle_theaps;

    if (th != NULL) {
        idle_theaps = th->next_idle;
        return th;
    }
    th = jsm_meta_alloc(sizeof *th, JSM_CACHE_LINE);
    if (th != NULL) {
        th->next_all = all_theaps;
        all_theaps = th;
        th->shard = n_theaps++ % jsm_shard_count();
    }
    return th;
}

/* When the library is loaded, or at the first allocation if that comes sooner.  At the first allocation alone would be
 * too late: another thread could be in the middle of fork() by then. */
JSM_CORE __attribute__((constructor)) static void
watch_forks(void)
{
    static _Atomic(uint32_t) watched;

    /* ORDER: relaxed; it only counts who is the first. */
    if (jsm_exchange_relaxed(&watched, 1) == 0)
        (void)jsm_os_at_fork(jsm_fork_prepare, jsm_fork_parent, jsm_fork_child);
}

JSM_CORE JSM_COLD static struct jsm_theap *
theap_make(void)
{
    jsm_options_init();
    (void)jsm_harden_start();
    jsm_lock(&threads_lock);
    struct jsm_theap *th = theap_new_locked();
    bool first = th != NULL && !process_set_up;
    if (first)
        set_up_process_locked();
    if (th != NULL && !have_exit_key) /* the program may have had all keys, and given one back */
        have_exit_key = pthread_key_create(&exit_key, thread_exit) == 0;
    bool has_key = have_exit_key;
    jsm_unlock(&threads_lock);
    if (th == NULL)
        return NULL;
    jsm_theap_open(th, &jsm_heap_default, th->shard);
    own_theap = th;
    set_fast_theap();
    if (first) /* libc may allocate in it: the thread has its theap already */
        watch_forks();
    /* A theap that nobody closes at the end would be lost with all that it keeps.  So there is none as long as the
     * system has no memory for the key's value, which from the 33rd key on takes some for each thread. */
    if (!has_key || pthread_setspecific(exit_key, th) != 0) {
        give_back(th);
        return NULL;
    }
    return th;
}

JSM_CORE struct jsm_theap *
jsm_theap_get(void)
{
    if (jsm_likely(own_theap != NULL))
        return own_theap;
    return thread_is_ending ? NULL : theap_make();
}

void
jsm_threads_trim(void)
{
    struct jsm_theap *th = jsm_theap_peek();

    jsm_huge_return_stranded();
    if (th != NULL)
        jsm_theap_trim(th, false);
    /* Slabs that were posted to a thread after it had ended. */
    jsm_lock(&threads_lock);
    struct jsm_theap *idle = idle_theaps;
    idle_theaps = NULL;
    jsm_unlock(&threads_lock);
    while (idle != NULL) {
        struct jsm_theap *next = idle->next_idle;
        /* ORDER: relaxed, a hint. */
        if (jsm_load_relaxed(&idle->inbox) != NULL) {
            jsm_theap_open(idle, idle->heap, idle->shard);
            jsm_theap_close(idle);
        }
        jsm_lock(&threads_lock);
        idle->next_idle = idle_theaps;
        idle_theaps = idle;
        jsm_unlock(&threads_lock);
        idle = next;
    }
    jsm_heap_trim_shared(&jsm_heap_default);
    jsm_theaps_ask_to_trim();
}

size_t
jsm_threads_check(void)
{
    struct jsm_faults faults = { jsm_heap_check(jsm_theap_peek()), jsm_heap_tell_fault };

    if (faults.n > 0)
        return faults.n;
    jsm_lock(&jsm_fallback_lock);
    if (jsm_fallback_theap.heap != NULL)
        jsm_theap_check(&jsm_fallback_theap, &faults);
    jsm_unlock(&jsm_fallback_lock);
    unsigned idle = 0;
    jsm_lock(&threads_lock); /* nobody gets a theap meanwhile */
    for (struct jsm_theap *th = idle_theaps; th != NULL; th = th->next_idle, idle++)
        jsm_theap_check(th, &faults);
    if (faults.n == 0 && n_theaps - idle == (own_theap != NULL))
        jsm_heap_check_behind(own_theap, &faults);
    jsm_unlock(&threads_lock);
    return faults.n;
}

/* Some time has passed: caches that nobody uses are emptied, whatever their threads do. */
static void
age_caches(void)
{
    jsm_lock(&threads_lock);
    for (struct jsm_theap *th = all_theaps; th != NULL; th = th->next_all)
        jsm_cache_age(th);
    jsm_unlock(&threads_lock);
}

JSM_CORE void
jsm_threads_do(void)
{
    /* ORDER: relaxed; flags, of which each is done by whoever takes it. */
    uint32_t due = jsm_exchange_relaxed(&jsm_purge_due, 0);

    if ((due & JSM_DUE_AGE) != 0)
        age_caches();
    if ((due & JSM_DUE_TRIM) != 0) {
        jsm_threads_trim();
        (void)jsm_purge_all(0);
    }
}

/* ---- fork ---- */

void
jsm_fork_prepare(void)
{
    struct jsm_theap *th = jsm_theap_peek();

    if (th != NULL) {
        jsm_quarantine_drain(th);
        jsm_theap_flush(th);
    }
    jsm_user_heaps_lock();
    jsm_lock(&jsm_options_lock);
    jsm_lock(&jsm_fallback_lock);
    jsm_lock(&threads_lock);
    jsm_lock(&jsm_profile_lock);
    jsm_lock(&jsm_guard_lock);
    jsm_lock(&jsm_heap_default.lock);
    jsm_lock(&jsm_huge_lock);
    jsm_shards_lock();
    jsm_lock(&jsm_arena_lock);
    jsm_lock(&jsm_meta_lock);
    jsm_lock(&jsm_pagemap_lock);
}

void
jsm_fork_parent(void)
{
    jsm_unlock(&jsm_pagemap_lock);
    jsm_unlock(&jsm_meta_lock);
    jsm_unlock(&jsm_arena_lock);
    jsm_shards_unlock();
    jsm_unlock(&jsm_huge_lock);
    jsm_unlock(&jsm_heap_default.lock);
    jsm_unlock(&jsm_guard_lock);
    jsm_unlock(&jsm_profile_lock);
    jsm_unlock(&threads_lock);
    jsm_unlock(&jsm_fallback_lock);
    jsm_unlock(&jsm_options_lock);
    jsm_user_heaps_unlock();
}

/* Slabs of threads that are not in this process, and those without owner: somebody may have been
 * in the middle of acting on one of them. */
static void
take_orphan(struct jsm_span *span, void *arg)
{
    /* ORDER: relaxed; there is one thread. */
    struct jsm_theap *owner = jsm_load_relaxed(&span->theap);
    enum jsm_kind kind = jsm_kind(span);

    if (kind == JSM_KIND_LARGE || jsm_heap_is_user(jsm_span_heap(span)))
        return;
    if (kind == JSM_KIND_SLAB && owner != NULL && (owner == arg || owner == &jsm_fallback_theap))
        return;
    if (kind == JSM_KIND_CACHED && (jsm_cache_has(arg, span) || jsm_cache_has(&jsm_fallback_theap, span)))
        return;
    jsm_heap_orphan(span);
}

void
jsm_fork_child(void)
{
    struct jsm_theap *me = jsm_theap_peek();
    /* ORDER: relaxed; there is one thread. */
    bool alone = jsm_load_relaxed(&jsm_theaps_live) <= (me != NULL);

    jsm_fork_parent(); /* the child's own thread holds all locks */
    jsm_misuse_after_fork();
    if (!alone)
        jsm_os_stack_after_fork();
    if (alone && n_theaps <= 1)
        return;
    jsm_heap_check_after_fork();
    jsm_heap_forget_shared(&jsm_heap_default);
    idle_theaps = NULL;
    for (struct jsm_theap *th = all_theaps; th != NULL; th = th->next_all) {
        if (th == me)
            continue;
        jsm_theap_forget(th);
        th->next_idle = idle_theaps;
        idle_theaps = th;
    }
    /* ORDER: relaxed; there is one thread. */
    jsm_store_relaxed(&jsm_theaps_live, me != NULL);
    if (me != NULL)
        jsm_theap_after_fork(me);
    jsm_theap_after_fork(&jsm_fallback_theap);
    jsm_span_visit_alone(take_orphan, me);
}
