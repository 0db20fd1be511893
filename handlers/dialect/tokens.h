/* SPDX-License-Identifier: MIT */
/*
 * tokens.h - how many tokens a text will be, about.
 *
 * For holds before a call and for charges when an upstream reported nothing.
 * No vocabulary: the text is cut where tokenizers cut it, and each run has a
 * price in thousandths of a token:
 *
 *	letters (Latin)		1 up to 7 of them, 2/9 for each further one;
 *				the blank before them is free
 *	digits			1 for each three
 *	CJK			0.72 a character
 *	all else		1/2.6 a character; beyond U+FFFF (emoji) as four
 *
 * A count is fed in pieces, cut between any two characters: the result is
 * that of the whole text.
 */
#ifndef WEIR_TOKENS_H
#define WEIR_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/str.h"

struct token_count {
	int64_t milli; /* thousandths of a token so far */
	uint8_t letters; /* of the run at the end, at most 7 */
	uint8_t digits; /* of the unfinished three at the end */
	bool blank; /* a space is at the end */
};

/* Decoded text (UTF-8; a byte that is not counts as a character). */
void tokens_add(struct token_count *c, struct str text);

/* The raw inside of a JSON string, escapes counting as what they mean. */
void tokens_add_raw(struct token_count *c, struct str raw);

/* All of a JSON value as a text without blanks between its parts: schemas. */
void tokens_add_value(struct token_count *c, struct str value);

/* The run at the end is over: the next text has nothing to do with it. */
void tokens_cut(struct token_count *c);

/* A whole text; a JSON string value (anything else: 0). */
int64_t tokens_milli(struct str text);
int64_t tokens_string_milli(struct str value);

#endif
