/* SPDX-License-Identifier: MIT */
/*
 * mockask.h - what a request asks of the mock upstream, read from its bytes:
 * framing, headers, the members of the body that matter, and a plain count of
 * its words and characters for the demonstration answer.
 */
#ifndef TESTS_TOOLS_MOCKASK_H
#define TESTS_TOOLS_MOCKASK_H

#include "tests/tools/mockplan.h"

enum kind {
	CHAT,
	COMPLETION,
	EMBEDDING,
	MODERATION,
	PICTURE,
	PICTURE_EDIT,
	SPEECH,
	TRANSCRIPT,
	RANKING,
	MODEL_LIST,
	MODEL_ONE,
	COUNT,
	NOT_FOUND
};

struct ask {
	enum kind kind;
	bool stream, include_usage, base64, keep, chunked;
	long n, max_tokens, inputs, chars, words, messages;
	size_t head_n, body_n;
	struct slice method, path, head, body; /* into the input */
	/* Copies of visible ASCII that need no escaping in JSON. */
	char model[200], key[300], id[200], where[200];
	char last4[5];
	char format[20]; /* response_format, if it is a word */
};

/* Copy what can stand in JSON text and in a header without escaping. */
void plain_copy(char *to, size_t room, struct slice s);

/*
 * Request line and headers, once the blank line is there.  1: *a is filled;
 * 0: more bytes are needed; -1: this is no request we can read.
 */
int ask_head(struct ask *a, const char *p, size_t n);

/* With the body behind the head in memory: the rest of *a. */
void ask_rest(struct ask *a);

/* Count messages, words and characters of what was asked. */
void ask_text(struct ask *a);

#endif
