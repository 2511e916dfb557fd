/* base/list.h - circular double list whose links are members of what is listed.
 *
 * A link that is on no list points at itself or is zero, see jsm_list_is_linked().
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_LIST_H
#define JSM_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct jsm_link {
    struct jsm_link *next, *prev;
};

#define jsm_list_entry(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void
jsm_list_init(struct jsm_link *list)
{
    list->next = list->prev = list;
}

/* A list in zeroed memory is an empty one as well. */
static inline bool
jsm_list_is_empty(const struct jsm_link *list)
{
    return list->next == list || list->next == NULL;
}

static inline bool
jsm_list_is_linked(const struct jsm_link *link)
{
    return link->next != NULL;
}

static inline void
jsm_list_insert(struct jsm_link *before, struct jsm_link *link)
{
    link->prev = before->prev;
    link->next = before;
    before->prev->next = link;
    before->prev = link;
}

static inline void
jsm_list_append(struct jsm_link *list, struct jsm_link *link)
{
    if (list->next == NULL)
        jsm_list_init(list);
    jsm_list_insert(list, link);
}

static inline void
jsm_list_prepend(struct jsm_link *list, struct jsm_link *link)
{
    if (list->next == NULL)
        jsm_list_init(list);
    jsm_list_insert(list->next, link);
}

static inline void
jsm_list_remove(struct jsm_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

static inline struct jsm_link *
jsm_list_first(const struct jsm_link *list)
{
    return jsm_list_is_empty(list) ? NULL : list->next;
}

#endif
