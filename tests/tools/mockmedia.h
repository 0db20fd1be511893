/* SPDX-License-Identifier: MIT */
/*
 * mockmedia.h - what the mock upstream answers beside text: moderations,
 * pictures, speech, transcripts, rankings.  Pure, as mockanswer.h.
 */
#ifndef TESTS_TOOLS_MOCKMEDIA_H
#define TESTS_TOOLS_MOCKMEDIA_H

#include "tests/tools/mockanswer.h"

/* Is the request one of these? */
bool is_media(const struct ask *a);

/* Which of these a path asks for, or NOT_FOUND; and what its form says. */
enum kind media_kind(struct slice path);
void media_form(struct ask *a);

/* How many events and tokens it has, unless its plan says so. */
void media_count(struct answer *a);

/* A whole answer; returns its type. */
const char *media_body(struct answer *a, struct text *t);

/* The JSON of event i of a stream; one that ends it, of so many. */
void media_event(struct answer *a, struct text *t, long i);
void media_end(struct answer *a, struct text *t);
long media_ends(const struct answer *a);

#endif
