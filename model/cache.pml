/* model/cache.pml - spans that a thread keeps (src/heap/cache.c): it puts them in, takes one, looks at all;
 * others empty the cache meanwhile.  Methods as in model/slab.pml; see doc/model.md.
 *
 *   -DSPANS=1..4     how many there are
 *   -DBREAK_x        leaves out or weakens one thing; see model/variants
 * SPDX-License-Identifier: MIT
 */
#ifndef SPANS
#define SPANS 3
#endif
#define THREADS 3 /* thread 0 has the cache */
#define OF_CACHED THREADS

/* One bit for each span: its descriptor, inbox_next included. */
short known[THREADS + 1];

inline forget(bits) {
    known[0] = known[0] & ~(bits);
    known[1] = known[1] & ~(bits);
    known[2] = known[2] & ~(bits);
    known[OF_CACHED] = known[OF_CACHED] & ~(bits)
}

inline touch(span) {
    assert(known[t] & (1 << (span))); /* else a data race */
    forget(1 << (span));
    known[t] = known[t] | (1 << (span))
}

#ifdef BREAK_E1_PUT
#define E1_PUT skip
#else
#define E1_PUT known[OF_CACHED] = known[OF_CACHED] | known[t]
#endif
/* A store, not an exchange, ends what earlier ones released. */
#ifdef BREAK_E1_TAKE
#define E1_TAKE known[OF_CACHED] = 0
#else
#define E1_TAKE known[OF_CACHED] = known[t]
#endif
#ifdef BREAK_E1_SUM
#define E1_SUM known[OF_CACHED] = 0
#else
#define E1_SUM known[OF_CACHED] = known[t]
#endif
#ifdef BREAK_E2
#define E2 skip
#else
#define E2 known[t] = known[t] | known[OF_CACHED]
#endif
#ifdef BREAK_TAKERS /* not only the owner takes one */
#define TAKERS THREADS
#else
#define TAKERS 1
#endif

#define NONE SPANS
#define IN_HEAP 0 /* the page heap has it */
#define IN_USE 1
#define CACHED 2
#define IN_HAND 3 /* of who empties the cache or takes one */

byte place[SPANS], next[SPANS];
byte cached = NONE;
byte busy;

inline over() {
    busy--;
    if
    :: busy == 0 -> /* the list has all that are CACHED, once */
        first = cached;
        do
        :: first != NONE -> assert(place[first] == CACHED); place[first] = IN_HAND; first = next[first]
        :: else -> break
        od;
        for (span : 0 .. SPANS - 1) {
            assert(place[span] != CACHED);
            if
            :: place[span] == IN_HAND -> place[span] = CACHED
            :: else
            fi
        }
    :: else
    fi;
    span = 0;
    first = 0
}

/* jsm_slab_release(): the lock of the page heap's shard hands on what is known. */
inline release(gone) {
    touch(gone);
    assert(place[gone] == CACHED);
    place[gone] = IN_HEAP;
    forget(1 << (gone))
}

proctype thread(byte t) {
    byte span, first;

end:
    do
    :: atomic { t == 0 -> select(span : 0 .. SPANS - 1);
           if
           :: place[span] == IN_HEAP -> known[t] = known[t] | (1 << span); touch(span); place[span] = IN_USE
           :: place[span] == IN_USE -> /* jsm_cache_put() */
               touch(span); /* kind, inbox_next */
               next[span] = cached;
               place[span] = CACHED;
               cached = span;
               E1_PUT
           :: else
           fi;
           span = 0 }
    :: atomic { t < TAKERS && cached != NONE -> busy++ } /* jsm_cache_take() */
       atomic { first = cached; cached = NONE } /* exchange, relaxed */
       if
       :: first != NONE ->
           atomic { touch(first); cached = next[first]; E1_TAKE; assert(place[first] == CACHED); place[first] = IN_USE }
       :: else
       fi;
       atomic { over() }
    :: atomic { t == 0 && cached != NONE -> busy++ } /* jsm_cache_sum() */
       atomic { first = cached; cached = NONE } /* exchange, relaxed */
       atomic {
           span = first;
           do
           :: span != NONE -> touch(span); span = next[span]
           :: else -> break
           od;
           cached = first;
           E1_SUM;
           over() }
    :: atomic { true -> busy++; first = cached; cached = NONE; E2 } /* jsm_cache_drop() */
       do
       :: atomic { first != NONE -> touch(first); span = next[first]; release(first); first = span; span = 0 }
       :: first == NONE -> break
       od;
       atomic { over() }
    od
}

init {
    atomic { run thread(0); run thread(1); run thread(2) }
}
