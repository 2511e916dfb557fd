/* model/slab.pml - the life of slabs between threads: remote frees, posts, pins, giving away, sharing,
 * adoption and release.  doc/model.md says what is checked and how it is run.
 *
 *   -DSLABS=1|2 -DCAPACITY=2..4 -DWAKE=1..CAPACITY-1     the size
 *   -DOWNERS=1..3 -DACTORS=2..3                          threads that may have a theap, and all
 *   -DBREAK_x                                            leaves out or weakens one thing; see model/variants
 *
 * Threads.  Process t is whoever uses theap t, one thread after the other; the lock of threads hands all that
 * one knew to the next.  A thread does any of its operations at any time that its own structures allow, and
 * that is more than the code does.  While the theap is idle, t is a thread that has none.
 *
 * Steps.  One step is one atomic operation of the code with the private work around it, in the code's order.
 * A compare-and-exchange loop is one step: it succeeds only if the word is what it was computed from, and
 * nothing but the word and private data goes into the new one (model/word.pml looks at such loops in detail).
 * Lists of blocks are sets.
 *
 * Memory order.  Promela runs steps one after the other.  So what a thread may rely on is kept beside:
 * known[x] is the set of accesses that x knows of, that is, that happen before x's next step; x is a thread or
 * something that threads synchronise by.  Each set of fields has a bit, for the last access to it.  Release
 * adds what the thread knows to what the object knows, acquire the reverse.  TOUCH, a plain access, asserts
 * that the thread knows of the last one, and makes that bit its own.  A relaxed access adds nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef SLABS
#define SLABS 1
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef WAKE
#define WAKE 1
#endif
#define THREADS 3
#ifndef ACTORS
#define ACTORS THREADS /* threads that there are */
#endif
#ifndef OWNERS
#define OWNERS 2 /* threads that may have a theap */
#endif
#define NOBODY THREADS
#define ALL ((1 << CAPACITY) - 1)

/* ---- What is known ---- */

#define OF_WORD(s) (THREADS + (s))         /* slab->remote */
#define OF_INBOX(t) (THREADS + SLABS + (t)) /* th->inbox */
#define OF_LOCK (THREADS + SLABS + THREADS) /* heap->lock */
#define HANDED(s) (OF_LOCK + 1 + (s))      /* KEEP: by the program, together with blocks */
#define PLACES (OF_LOCK + 1 + SLABS)

#define BITS (CAPACITY + 3)
#define AT(s, bits) ((bits) << ((s) * BITS))
#define BLOCKS(s, set) AT(s, set)          /* cells of link[] and contents */
#define FIELDS(s) AT(s, 1 << CAPACITY)     /* [own]: head, left, state, queue, all, biased */
#define THEAP(s) AT(s, 2 << CAPACITY)      /* slab->theap, relaxed, but who posts must not read an old one */
#define NEXT(s) AT(s, 4 << CAPACITY)       /* slab->inbox_next */
#define EVERYTHING(s) AT(s, (8 << CAPACITY) - 1)

/* What is not needed again is not kept, which makes fewer states, and the checks stricter than C is: who leaves
 * a slab forgets it, and each object hands on what its ORDER comment says, of its slab.  With -DKEEP all is kept
 * and handed on, so that what is refused then is wrong in C. */
#ifdef KEEP
#define RELEASE(x, bits) known[x] = known[x] | known[t]
#define FORGET_SLAB skip
#define IF_KEPT(action) action
#define KEEP_OF(x, bits) skip
#else
#define RELEASE(x, bits) known[x] = known[x] | (known[t] & (bits))
#define FORGET_SLAB known[t] = known[t] & ~(theap[s] == t -> 0 : EVERYTHING(s) & ~BLOCKS(s, OUT(s, t)))
#define IF_KEPT(action) skip
#define KEEP_OF(x, bits) known[x] = known[x] & (bits)
#endif
#define ACQUIRE(x) known[t] = known[t] | known[x]

short known[PLACES];

inline forget(bits) {
    known[0] = known[0] & ~(bits); known[1] = known[1] & ~(bits); known[2] = known[2] & ~(bits);
    known[OF_WORD(0)] = known[OF_WORD(0)] & ~(bits);
    known[OF_WORD(SLABS - 1)] = known[OF_WORD(SLABS - 1)] & ~(bits);
    known[OF_INBOX(0)] = known[OF_INBOX(0)] & ~(bits);
    known[OF_INBOX(1)] = known[OF_INBOX(1)] & ~(bits);
    known[OF_INBOX(2)] = known[OF_INBOX(2)] & ~(bits);
    known[OF_LOCK] = known[OF_LOCK] & ~(bits);
    IF_KEPT(known[HANDED(0)] = known[HANDED(0)] & ~(bits);
            known[HANDED(SLABS - 1)] = known[HANDED(SLABS - 1)] & ~(bits))
}

inline touch(bits) {
    assert((known[t] & (bits)) == (bits)); /* else a data race, or use of what was given away */
    forget(bits);
    known[t] = known[t] | (bits)
}

#ifdef BREAK_R1_ACQUIRE
#define R1_ACQUIRE skip
#else
#define R1_ACQUIRE ACQUIRE(OF_WORD(s))
#endif
#ifdef BREAK_R1_RELEASE
#define R1_RELEASE skip
#else
#define R1_RELEASE RELEASE(OF_WORD(s), EVERYTHING(s))
#endif
#ifdef BREAK_R2_TAKE
#define R2_TAKE skip
#else
#define R2_TAKE ACQUIRE(OF_WORD(s))
#endif
#ifdef BREAK_R2_UNPIN
#define R2_UNPIN skip
#else
#define R2_UNPIN ACQUIRE(OF_WORD(s))
#endif
#ifdef BREAK_R3
#define R3 skip
#else
#define R3 RELEASE(OF_WORD(s), EVERYTHING(s))
#endif
#ifdef BREAK_D1
#define D1 skip
#else
#define D1 RELEASE(OF_WORD(s), EVERYTHING(s))
#endif
#ifdef BREAK_D2
#define D2 skip
#else
#define D2 ACQUIRE(OF_WORD(s))
#endif
#ifdef BREAK_D4
#define D4 skip
#else
#define D4 ACQUIRE(OF_WORD(s))
#endif
#ifdef BREAK_I1
#define I1 skip
#else
#define I1 RELEASE(OF_INBOX(to), NEXT(s))
#endif
#ifdef BREAK_I2
#define I2 skip
#else
#define I2 ACQUIRE(OF_INBOX(t))
#endif
#ifdef BREAK_K1
#define K1 skip
#else
#define K1 ACQUIRE(OF_LOCK)
#endif
#ifdef BREAK_K2
#define K2 skip
#else
#define K2 RELEASE(OF_LOCK, FIELDS(s))
#endif

/* ---- What the protocol asks, and how it could be wrong ---- */

#ifdef BREAK_SETTLE /* the pin is taken back whatever was published meanwhile */
#define UNCHANGED true
#else
#define UNCHANGED (seen == remote[s])
#endif
#ifdef BREAK_DETACH /* a goal that is reached already is nobody's */
#define REACHED 0
#else
#define REACHED (COUNT(remote[s]) >= goal[s])
#endif
#ifdef BREAK_SLEEP /* the owner sleeps although blocks came back */
#define CAN_SLEEP true
#else
#define CAN_SLEEP (remote[s] == 0)
#endif
#ifdef BREAK_SLEEP_PIN /* falling asleep takes the pin of who is about to post */
#define SLEEP_PIN pin[s] = 0
#else
#define SLEEP_PIN skip
#endif
#ifdef BREAK_EMPTY_PIN /* an empty slab is given back although it is pinned */
#define PINNED false
#else
#define PINNED (pin[s])
#endif
#ifdef BREAK_LEAVE_PIN /* a slab is given away although it is pinned */
#define IS_PINNED false
#else
#define IS_PINNED (pin[s])
#endif
#ifdef BREAK_WAKE_LAST /* the owner first asks for the pin, then wakes the slab */
#define WAKE_FIRST skip
#define WAKE_LAST wake()
#else
#define WAKE_FIRST wake()
#define WAKE_LAST skip
#endif
#ifdef BREAK_ADOPT_PIN /* a pinned slab is adopted */
#define CAN_ADOPT true
#else
#define CAN_ADOPT (!pin[s])
#endif
#ifdef BREAK_TWICE /* who publishes acts although somebody else has the pin */
#define ACTS (goal[s] != 0 && COUNT(remote[s]) >= goal[s])
#else
#define ACTS (goal[s] != 0 && COUNT(remote[s]) >= goal[s] && !pin[s])
#endif

/* ---- The state ---- */

#define COUNT(set) (((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1) + (((set) >> 3) & 1))
#define FIRST(set) ((set) & -(set)) /* blocks in the same place are alike: taking the first is general enough */

/* enum jsm_slab_state; GONE: the page heap has it. */
#define GONE 0
#define ACTIVE 1
#define PARTIAL 2
#define FULL 3
#define DETACHED 4
#define SHARED 5
#define NEW 6

byte state[SLABS], left[SLABS], theap[SLABS];
bit biased[SLABS];
byte live[SLABS], free[SLABS], remote[SLABS]; /* blocks: with the program, from head, in the word */
byte goal[SLABS];                              /* the rest of the word */
bit pin[SLABS], detached[SLABS];
byte inbox[THREADS];                           /* sets of slabs */
byte out[THREADS], out_slab[THREADS];          /* an entry of the outbox: blocks, and whose */
bit is_open[THREADS];
bit locked;                                    /* heap->lock */
byte busy;                                     /* threads that are inside an operation */

#define HAS_ACTIVE(s) (state[s] == ACTIVE && theap[s] == t)
#if SLABS == 1
#define NO_ACTIVE (!HAS_ACTIVE(0))
#define ANY_SLAB s = 0
#define ANY_SHARED (state[0] == SHARED)
#else
#define NO_ACTIVE (!HAS_ACTIVE(0) && !HAS_ACTIVE(1))
#define ANY_SLAB if :: s = 0 :: s = 1 fi
#define ANY_SHARED (state[0] == SHARED || state[1] == SHARED)
#endif

#define OUT(s, t) (out_slab[t] == (s) -> out[t] : 0)
#define OUTBOXES(s) (OUT(s, 0) | OUT(s, 1) | OUT(s, 2))
#define IN_INBOX(s) ((inbox[0] | inbox[1] | inbox[2]) & (1 << (s)))

/* jsm_slab_used(), by S2. */
#define USED(s) (state[s] == FULL -> CAPACITY - (WAKE - left[s]) : left[s] - biased[s])
#define MISSING(used) ((WAKE > CAPACITY - (used)) -> WAKE - (CAPACITY - (used)) : 0)
#define LESS(a, b) ((a) < (b) -> (a) : (b))

/* What holds for slab `s` while nobody is inside an operation.  Nothing is lost, nothing is waited for in vain. */
inline rest(s) {
    assert((live[s] & free[s]) == 0 && ((live[s] | free[s]) & remote[s]) == 0);
    assert((OUTBOXES(s) & (live[s] | free[s] | remote[s])) == 0);
    if
    :: state[s] == GONE -> assert((live[s] | free[s] | remote[s] | OUTBOXES(s)) == 0 && !pin[s] && !IN_INBOX(s))
    :: else ->
        assert((live[s] | free[s] | remote[s] | OUTBOXES(s)) == ALL); /* S1 */
        assert(COUNT(live[s] | remote[s] | OUTBOXES(s)) == USED(s))   /* S2 */
    fi;
    if
    :: state[s] == ACTIVE || state[s] == PARTIAL -> assert(goal[s] == 0)
    :: state[s] == FULL -> assert(pin[s] || (goal[s] == WAKE && COUNT(remote[s]) < WAKE))
    :: state[s] == DETACHED -> assert(COUNT(free[s] | remote[s]) < WAKE && COUNT(remote[s]) < USED(s))
    :: state[s] == SHARED -> assert(COUNT(remote[s]) < left[s] && goal[s] == left[s])
    :: else
    fi;
    if
    :: state[s] == DETACHED || state[s] == SHARED -> assert(detached[s] && !pin[s] && theap[s] == NOBODY)
    :: state[s] != GONE && state[s] != DETACHED && state[s] != SHARED ->
        assert(!detached[s] && theap[s] != NOBODY);
        assert(pin[s] == (((inbox[theap[s]] >> s) & 1) == 1));      /* a pinned slab is in its owner's inbox */
        assert(state[s] != PARTIAL || left[s] != 0 || pin[s])        /* no empty slab is kept for nothing */
    :: else
    fi
}

#if SLABS == 1
#define REST rest(0)
#else
#define REST rest(0); rest(1)
#endif

inline begin() {
    busy++
}

inline over() {
    FORGET_SLAB;
    s = 0;
    busy--;
    if
    :: busy == 0 -> REST
    :: else
    fi
}

/* An operation of one step. */
inline at_once() {
    s = 0;
    if
    :: busy == 0 -> REST
    :: else
    fi
}

/* ---- Pieces ---- */

inline set_theap(to) { /* take_over(), let_go(): a relaxed store */
    theap[s] = to;
    forget(THEAP(s));
    known[t] = known[t] | THEAP(s)
}

/* jsm_slab_release(): S6, and nobody uses the slab any more. */
inline release() {
    touch(EVERYTHING(s));
    assert(live[s] == 0 && OUTBOXES(s) == 0 && (free[s] | remote[s]) == ALL && !IN_INBOX(s));
    assert(!pin[s] || detached[s]);
    state[s] = GONE; left[s] = 0; theap[s] = NOBODY; biased[s] = 0; free[s] = 0; remote[s] = 0;
    goal[s] = 0; pin[s] = 0; detached[s] = 0;
    /* The lock of the page heap's shard hands all that is known on to who gets the span next. */
    forget(EVERYTHING(s))
}

/* dispose(): let_go(), then cache or page heap. */
inline dispose() {
    assert(USED(s) == 0 && remote[s] == 0);
    set_theap(NOBODY);
    release()
}

/* Remote blocks go to the free list: join() behind R2 or D2; the caller counts. */
inline join_remote() {
    touch(BLOCKS(s, remote[s]));
    touch(FIELDS(s));
    KEEP_OF(OF_WORD(s), 0);
    left[s] = left[s] - COUNT(remote[s]);
    free[s] = free[s] | remote[s];
    remote[s] = 0
}

inline wake() { /* jsm_slab_wake(); relaxed */
    KEEP_OF(OF_WORD(s), BLOCKS(s, ALL));
    goal[s] = 0;
    detached[s] = 0
}

inline lock() { /* jsm_lock(): K1 */
    atomic { !locked -> locked = 1; K1 }
}

inline unlock() { /* jsm_unlock(): K2 */
    K2;
    locked = 0
}

/* share(): we hold the pin of a slab without owner. */
inline share() {
    lock();
    d_step { /* load of remote */
        assert(pin[s] && detached[s]);
        touch(FIELDS(s));
        seen = remote[s]
    }
    do
    :: d_step { COUNT(seen) == left[s] -> touch(FIELDS(s)); unlock() } /* all are back: unlist_shared() */
       d_step { seen = 0; D4; release() }                              /* jsm_slab_acquire_all() */
       break
    :: d_step { COUNT(seen) != left[s] && UNCHANGED -> /* list_shared(), jsm_slab_settle(): D3, relaxed */
           touch(FIELDS(s)); state[s] = SHARED; goal[s] = left[s]; pin[s] = 0; seen = 0 }
       d_step { unlock() }
       break
    :: d_step { COUNT(seen) != left[s] && !UNCHANGED -> /* the same, but more was published */
           touch(FIELDS(s)); state[s] = SHARED; seen = remote[s] }
    od
}

/* jsm_heap_detach(): D1. */
inline detach(used) {
    touch(FIELDS(s));
    left[s] = used;
    state[s] = DETACHED;
    assert(!pin[s]);
    goal[s] = LESS(MISSING(left[s]), left[s]);
    detached[s] = 1;
    pin[s] = REACHED;
    D1
}

/* collect_one() from its unpin: R2.  The word becomes 0. */
inline unpin() {
    assert(pin[s] && !detached[s]);
    R2_UNPIN;
    pin[s] = 0;
    goal[s] = 0;
    join_remote()
}

/* jsm_slab_adopt(): D2. */
inline adopt() {
    D2;
    pin[s] = 0;
    goal[s] = 0;
    detached[s] = 0;
    join_remote()
}

/* A slab that its theap has just got becomes the one it allocates from: take_over(), activate(). */
inline activate() {
    touch(FIELDS(s));
    set_theap(t);
    state[s] = ACTIVE
}

/* ---- Operations ---- */

/* slab_new(): a span of the page heap. */
inline op_new() {
    known[t] = known[t] | EVERYTHING(s);   /* from the lock of its shard */
    known[OF_WORD(s)] = 0;                 /* jsm_slab_init(): a plain start of the word */
    free[s] = ALL;
    activate()
}

/* malloc(): the program has the block, and orders for itself who frees it. */
inline op_malloc() {
    b = FIRST(free[s]);
    touch(FIELDS(s));
    touch(BLOCKS(s, b));
    free[s] = free[s] - b;
    live[s] = live[s] | b;
    left[s]++;
    IF_KEPT(known[HANDED(s)] = known[HANDED(s)] | known[t]);
    forget(BLOCKS(s, b))
}

inline take_from_program() {
    b = FIRST(live[s]);
    known[t] = known[t] | BLOCKS(s, b);
    IF_KEPT(ACQUIRE(HANDED(s)));
    touch(BLOCKS(s, b)); /* its last contents, its cell */
    live[s] = live[s] - b
}

/* jsm_slab_take_remote(): R2. */
inline take_remote() {
    touch(FIELDS(s));
    R2_TAKE;
    join_remote()
}

/* set_aside(): R3. */
inline op_set_aside() {
    touch(FIELDS(s));
    left[s] = left[s] - biased[s];
    biased[s] = 0;
    if
    :: CAN_SLEEP ->
        goal[s] = WAKE;
        SLEEP_PIN;
        R3;
        touch(FIELDS(s));
        left[s] = WAKE;
        state[s] = FULL
    :: else /* blocks have come back */
    fi
}

/* wake_up() */
inline wake_up() {
    touch(FIELDS(s));
    left[s] = USED(s);
    wake();
    touch(FIELDS(s));
    state[s] = PARTIAL
}

/* active_is_empty(), with or without room for it; jsm_theap_event(). */
inline event(may_stay) {
    if
    :: state[s] == FULL -> wake_up()
    :: state[s] == ACTIVE && (may_stay || PINNED) -> biased[s] = 1; left[s] = 1
    :: (state[s] == ACTIVE && !may_stay || state[s] == PARTIAL) && !PINNED -> dispose()
    :: else /* PARTIAL and pinned: when it is found in the inbox */
    fi
}

/* free() by the owner. */
inline op_free_own(may_stay) {
    take_from_program();
    touch(FIELDS(s));
    free[s] = free[s] | b;
    left[s]--;
    if
    :: left[s] == 0 -> event(may_stay)
    :: else
    fi
}

/* free() by another: into the outbox, or for a thread without theap on the way to R1. */
inline op_free_other() {
    take_from_program();
    out_slab[t] = s;
    out[t] = out[t] | b
}

#define POST 1
#define SHARE 2

/* jsm_slab_publish(): R1. */
inline publish() {
    touch(BLOCKS(s, out[t])); /* link[tail] */
    R1_ACQUIRE;
    remote[s] = remote[s] | out[t];
    act = (ACTS -> (detached[s] -> SHARE : POST) : 0);
    pin[s] = pin[s] | (act != 0);
    R1_RELEASE;
    out[t] = 0;
    out_slab[t] = 0
}

/* jsm_heap_act(): POST */
inline post() {
    d_step { /* load of theap */
        assert(known[t] & THEAP(s)); /* else it may be an old one */
        assert(theap[s] != NOBODY);
        to = theap[s]
    }
    d_step { /* I1 */
        touch(NEXT(s));
        assert((inbox[to] & (1 << s)) == 0);
        inbox[to] = inbox[to] | (1 << s);
        I1;
        to = 0
    }
}

/* leave_slab() and keep_full(), after waking the slab and with no pin on it. */
inline give_away() {
    d_step { WAKE_LAST; set_theap(NOBODY); detach(USED(s)); act = pin[s] }
    if
    :: act -> act = 0; share()
    :: else
    fi
}

/* jsm_theap_close(): leave_slab() of each. */
inline op_close() {
    do
    :: s < SLABS ->
        if
        :: d_step { theap[s] == t ->
               touch(FIELDS(s));
               left[s] = USED(s);
               biased[s] = 0;
               state[s] = PARTIAL; /* also NEW: the thread's own from here on */
               WAKE_FIRST }
           if
           :: d_step { IS_PINNED -> WAKE_LAST; s++ } /* it stays, and will be in our inbox */
           :: !IS_PINNED ->
              d_step { WAKE_LAST; take_remote(); act = (left[s] == 0) }
              if
              :: d_step { act -> act = 0; dispose() }
              :: !act -> give_away()
              fi;
              atomic { FORGET_SLAB; s++ }
           fi
        :: d_step { theap[s] != t -> s++ }
        fi
    :: else -> s = 0; break
    od
}

/* keep_full(): one of too many full slabs. */
inline op_give_full() {
    d_step { touch(FIELDS(s)); WAKE_FIRST }
    if
    :: d_step { IS_PINNED -> WAKE_LAST } /* it is on its way into our inbox */
    :: !IS_PINNED -> give_away()
    fi
}

/* jsm_theap_collect() */
inline op_collect() {
    d_step { seen = inbox[t]; inbox[t] = 0; I2; KEEP_OF(OF_INBOX(t), 0) }
    do
    :: d_step { seen != 0 -> /* collect_one() */
           s = ((seen & 1) -> 0 : 1);
           touch(NEXT(s));
           seen = seen & ~(1 << s);
           if
           :: state[s] == FULL -> wake_up()
           :: else
           fi }
       d_step {
           unpin();
           if
           :: state[s] == PARTIAL && left[s] == 0 -> dispose()
           :: else
           fi }
    :: seen == 0 -> break
    od
}

/* jsm_heap_adopt(), take_over(), activate() */
inline op_adopt() {
    if
    :: d_step { state[s] == SHARED && CAN_ADOPT ->
           touch(FIELDS(s)); /* the links of the list */
           adopt();
           state[s] = NEW }
       d_step { unlock(); activate() }
    :: d_step { !(state[s] == SHARED && CAN_ADOPT) -> unlock() }
    fi
}

/* jsm_heap_trim_shared(), one slab of it */
inline op_trim_shared() {
    if
    :: d_step { state[s] == SHARED && CAN_ADOPT ->
           touch(FIELDS(s));
           adopt();
           if
           :: left[s] == 0 -> release()
           :: else
           fi }
       if
       :: d_step { state[s] == SHARED -> /* jsm_slab_detach(): D1 */
              goal[s] = left[s];
              detached[s] = 1;
              pin[s] = REACHED;
              act = pin[s];
              D1 }
          if
          :: d_step { act -> act = 0; touch(FIELDS(s)); D4; release() }
          :: !act
          fi
       :: state[s] != SHARED
       fi
    :: !(state[s] == SHARED && CAN_ADOPT)
    fi;
    d_step { unlock() }
}

/* ---- Threads ---- */

#define MINE(a_state) (state[s] == a_state && theap[s] == t)

proctype thread(byte t) {
    byte s, b, to, seen, act;

end:
    do
    :: d_step { t < OWNERS && !is_open[t] && out[t] == 0 -> is_open[t] = 1; at_once() }
    :: atomic { is_open[t] && NO_ACTIVE -> ANY_SLAB;
           if
           :: d_step { state[s] == GONE -> op_new(); at_once() }
           :: d_step { MINE(PARTIAL) -> touch(FIELDS(s)); state[s] = ACTIVE; at_once() } /* take_partial() */
           :: else -> s = 0
           fi }
    :: atomic { is_open[t] -> ANY_SLAB;
           if
           :: d_step { MINE(ACTIVE) && free[s] != 0 -> op_malloc(); at_once() }
           :: d_step { MINE(ACTIVE) && free[s] == 0 -> op_set_aside(); at_once() }
           :: d_step { MINE(ACTIVE) && remote[s] != 0 -> take_remote(); at_once() } /* replenish() */
           :: d_step { MINE(ACTIVE) && USED(s) == 0 && !PINNED -> dispose(); at_once() } /* jsm_theap_trim() */
           :: d_step { MINE(PARTIAL) && remote[s] != 0 -> /* trim_slab() */
                  take_remote();
                  if
                  :: left[s] == 0 && !PINNED -> dispose()
                  :: else
                  fi;
                  at_once() }
           :: d_step { theap[s] == t && live[s] != 0 -> op_free_own(0); at_once() }
           :: d_step { theap[s] == t && live[s] != 0 -> op_free_own(1); at_once() }
           :: else -> s = 0
           fi }
    :: atomic { (out[t] == 0 || SLABS > 1) -> ANY_SLAB;
           if
           :: d_step { live[s] != 0 && (theap[s] != t || !is_open[t]) && (out[t] == 0 || out_slab[t] == s) ->
                  op_free_other(); at_once() }
           :: else -> s = 0
           fi }
    :: d_step { out[t] != 0 -> begin(); s = out_slab[t]; publish() } /* jsm_theap_flush() and others */
       if
       :: act == SHARE -> act = 0; share()
       :: act == POST -> act = 0; post()
       :: act == 0
       fi;
       atomic { over() }
    :: atomic { is_open[t] && inbox[t] != 0 -> begin() } op_collect(); atomic { over() }
    :: atomic { is_open[t] && NO_ACTIVE && ANY_SHARED && !locked -> begin(); lock(); ANY_SLAB } op_adopt(); atomic { over() }
    :: atomic { ANY_SHARED && !locked -> begin(); lock(); ANY_SLAB } op_trim_shared(); atomic { over() }
    :: atomic { is_open[t] -> ANY_SLAB;
           if
           :: MINE(FULL) -> begin()
           :: else -> s = 0; goto end
           fi }
       op_give_full(); atomic { over() }
    :: d_step { is_open[t] && out[t] == 0 -> begin() } op_close(); atomic { is_open[t] = 0; over() }
    od
}

init {
    atomic {
        theap[0] = NOBODY;
#if SLABS > 1
        theap[1] = NOBODY;
#endif
        run thread(0);
        run thread(1);
#if ACTORS > 2
        run thread(2)
#endif
    }
}
