/* A doubly linked list through a member of its elements: no allocation, removal from anywhere. */
#ifndef CAPFUL_BASE_LIST_H
#define CAPFUL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list { /* a head, or a link within an element; one that is alone points to itself */
    struct list *next, *prev;
};

static inline void list_init(struct list *list)
{
    list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Safe for a link that is in no list. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

/* The element that `at` stands on may be removed within the loop. */
// NOLINTBEGIN(bugprone-macro-parentheses): at is a name
#define LIST_FOREACH(at, head)                                                                     \
    for (struct list *at = (head)->next, *at##_next = at->next; at != (head);                      \
         at = at##_next, at##_next = at->next)
// NOLINTEND(bugprone-macro-parentheses)

#endif
