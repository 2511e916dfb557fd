/* t/queue.h - a bounded queue of blocks between threads, for tests.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_TEST_QUEUE_H
#define JSM_TEST_QUEUE_H

#include "blackbox.h"

#include <pthread.h>

enum { QUEUE_LENGTH = 256 };

/* A block and what it must hold; p NULL says that this sender has no more. */
struct parcel {
    void *p;
    size_t size;
    uint64_t id;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned head, length;
    struct parcel at[QUEUE_LENGTH];
};

BB_UNUSED static void
queue_init(struct queue *q)
{
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    q->head = q->length = 0;
}

BB_UNUSED static void
queue_put(struct queue *q, struct parcel parcel)
{
    pthread_mutex_lock(&q->lock);
    while (q->length == QUEUE_LENGTH)
        pthread_cond_wait(&q->changed, &q->lock);
    q->at[(q->head + q->length++) % QUEUE_LENGTH] = parcel;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

BB_UNUSED static struct parcel
queue_take(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->length == 0)
        pthread_cond_wait(&q->changed, &q->lock);
    struct parcel parcel = q->at[q->head];
    q->head = (q->head + 1) % QUEUE_LENGTH;
    q->length--;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    return parcel;
}

/* A new block with its pattern in it; p NULL if there is no memory. */
BB_UNUSED static struct parcel
parcel_new(size_t size, uint64_t id)
{
    struct parcel parcel = {jsm_malloc(size), size, id};

    if (parcel.p != NULL)
        fill(parcel.p, size, id);
    return parcel;
}

/* Whether the block holds what it should. */
BB_UNUSED static bool
parcel_good(const struct parcel *parcel)
{
    return is_filled(parcel->p, parcel->size, parcel->size, parcel->id);
}

#endif
