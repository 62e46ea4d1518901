/* SPDX-License-Identifier: Apache-2.0 */
/* A server with nothing but a long listing, which answers many requests at a time and takes its
 * time for each, so that pages are asked for ahead. */

#ifndef TESTS_UNIT_CLIENT_LIST_SERVER_H
#define TESTS_UNIT_CLIENT_LIST_SERVER_H

#include <stdbool.h>
#include <stddef.h>

enum { LIST_SERVER_PAGE = 20, LIST_SERVER_KEY_LEN = 7 };

/* What goes wrong with a page. */
enum list_fault {
    LIST_NO_FAULT,
    LIST_500,
    LIST_503,
    LIST_CUT,         /* the connection ends in the middle */
    LIST_SHORT,       /* the document ends in the middle */
    LIST_ANOTHER_DOC, /* 200, and no listing */
    LIST_EMPTY,
    LIST_FROM_START, /* the key is not looked at */
    LIST_ONE_LATE,   /* the first key is missing */
    LIST_ONE_EARLY,  /* the key itself comes, too */
};

struct list_plan {
    size_t keys; /* "k000000" and so on */
    int delay_ms;
    enum list_fault guessed; /* pages behind a key */
    enum list_fault chained; /* pages behind a token, */
    size_t chained_each;     /* so many of them each; 0: all */
    size_t changes_at;       /* so many requests, and other keys are there; 0: never */
};

struct list_server;
struct list_server *list_server_new(const struct list_plan *plan);
void list_server_free(struct list_server *s);
const char *list_server_url(const struct list_server *s);

/* Requests for pages behind a key. */
size_t list_server_guesses(struct list_server *s);

/* Is this key always there? Where keys change, two of seven are there for a time only. */
bool list_server_is_steady(const struct list_plan *plan, size_t i);

#endif
