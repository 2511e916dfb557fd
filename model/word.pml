/* model/word.pml - the remote word of one slab (src/slab/remote.c), with its lists as they are: links, first
 * guesses that may be out of date, compare-and-exchange.  It is to show that such a loop acts as one step, which
 * is how model/slab.pml takes it.  See doc/model.md.
 *
 *   -DCAPACITY=2..4 -DWAKE=1..CAPACITY
 *   -DBREAK_x        see model/variants
 * SPDX-License-Identifier: MIT
 */
#ifndef CAPACITY
#define CAPACITY 3
#endif
#ifndef WAKE
#define WAKE 2
#endif
#define FREERS 2
#define END 15
#define USED 14

/* |head 4|blocks 4|goal 4|flags 4| */
#define PIN 1
#define HEAD(word) (((word) >> 12) & 15)
#define BLOCKS(word) (((word) >> 8) & 15)
#define GOAL(word) (((word) >> 4) & 15)
#define WORD(head, blocks, goal, flags) ((head) << 12 | (blocks) << 8 | (goal) << 4 | (flags))

int remote;
byte link[CAPACITY];   /* state of each block, as in src/slab/slab.h */
byte head = END;       /* of the owner */
byte live, published;  /* sets: with the program; in the word, which only the model's checks look at */
bit posted;            /* the inbox */

/* Takes all blocks of `old`, which has just been exchanged for a word without; join(). */
inline take() {
    n = BLOCKS(old);
    at = HEAD(old);
    last = END;
    do
    :: n > 0 ->
        assert(at < CAPACITY && (published & (1 << at))); /* none is lost, none is there twice */
        published = published & ~(1 << at);
        last = at;
        at = link[at];
        n--
    :: else -> break
    od;
    assert(published == 0);
    if
    :: last != END -> link[last] = head; head = HEAD(old)
    :: else
    fi;
    at = 0;
    last = 0;
    old = 0
}

#define SWAP(new) remote == old -> remote = new /* a compare-and-exchange that succeeds */

proctype owner() {
    int old;
    byte n, at, last;

end:
    do
    :: atomic { head != END -> at = head; head = link[at]; link[at] = USED; live = live | (1 << at); at = 0 }
    :: head == END ->
       old = remote; /* jsm_slab_take_remote() */
       do
       :: atomic { BLOCKS(old) != 0 && SWAP(old & 255) ; take(); break }
       :: atomic { BLOCKS(old) != 0 && remote != old -> old = remote }
       :: BLOCKS(old) == 0 -> break
       od;
       old = 0
    :: head == END ->
       old = remote; /* jsm_slab_sleep() */
       do
       :: atomic { BLOCKS(old) == 0 && SWAP(WORD(0, 0, WAKE, old & PIN)); old = 0; break }
       :: atomic { BLOCKS(old) == 0 && remote != old -> old = remote }
       :: atomic { BLOCKS(old) != 0 -> old = 0; break }
       od
    :: old = remote; /* jsm_slab_wake() */
       do
       :: atomic { SWAP(WORD(HEAD(old), BLOCKS(old), 0, old & PIN)); old = 0; break }
       :: atomic { remote != old -> old = remote }
       od
    :: atomic { posted -> posted = 0 }
       old = remote; /* jsm_slab_unpin() */
       do
       :: atomic { SWAP(0); assert(old & PIN); take(); break }
       :: atomic { remote != old -> old = remote }
       od
    od
}

proctype freer() {
    int old, new;
    byte first = END, tail, n, b;
    bit act;

end:
    do
    :: atomic { live != 0 -> /* free() into the outbox */
           select(b : 0 .. CAPACITY - 1);
           if
           :: live & (1 << b) ->
               assert(link[b] == USED);
               live = live & ~(1 << b);
               link[b] = first;
               tail = (first == END -> b : tail);
               first = b;
               n++
           :: else
           fi;
           b = 0 }
    :: n > 0 -> /* jsm_slab_publish() */
       old = remote;
       do
       :: atomic { true ->
#ifndef BREAK_LINK
              link[tail] = (BLOCKS(old) > 0 -> HEAD(old) : END);
#endif
              act = (GOAL(old) != 0 && BLOCKS(old) + n >= GOAL(old) && (old & PIN) == 0);
#ifdef BREAK_PIN /* who reaches the goal does not take the pin */
              new = WORD(first, BLOCKS(old) + n, GOAL(old), old & PIN)
#else
              new = WORD(first, BLOCKS(old) + n, GOAL(old), (old & PIN) | act)
#endif
          }
          if
          :: atomic { SWAP(new); published = published | (1 << tail);
                 do /* the rest of the chain */
                 :: first != tail -> published = published | (1 << first); first = link[first]
                 :: else -> break
                 od;
                 break }
          :: atomic { remote != old -> old = remote }
          fi
       od;
#ifdef BREAK_LINK /* linked when the others can be found already */
       link[tail] = (BLOCKS(old) > 0 -> HEAD(old) : END);
#endif
       if
       :: atomic { act -> assert(!posted); posted = 1 }
       :: !act
       fi;
       atomic { first = END; tail = 0; n = 0; act = 0; old = 0; new = 0 }
    od
}

init {
    atomic {
        byte i;
        for (i : 0 .. CAPACITY - 1) {
            link[i] = (i + 1 < CAPACITY -> i + 1 : END)
        }
        head = 0;
        i = 0;
        run owner();
        run freer();
        run freer()
    }
}
