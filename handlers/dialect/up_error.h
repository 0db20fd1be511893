/* SPDX-License-Identifier: MIT */
/*
 * up_error.h - what an upstream's error says, and what kind it is.
 *
 * Providers borrow each other's shapes, so that one reader serves every
 * dialect: it takes the words out of whatever shape they have (up_error.c)
 * and judges them by a table (up_class.c).
 */
#ifndef WEIR_UP_ERROR_H
#define WEIR_UP_ERROR_H

#include "handlers/dialect/dialect.h"

enum { UP_CODES = 10 };

/* An error, taken out of its shape. */
struct up_report {
	int status; /* of HTTP, or named in the body; 0: none known */
	bool html; /* the body is a page */
	bool empty; /* there is no body */
	struct str message; /* raw */
	struct str codes[UP_CODES]; /* code, type, status, reasons */
	size_t n_codes;
	int64_t retry_ms; /* 0: not told */
};

/* See read_error in dialect.h. */
void up_error_read(struct arena *a, int status, struct str content_type,
    struct str body, struct up_error *out);

/* The kind, by codes, then by phrases, then by status. */
enum up_class up_judge(const struct up_report *r);

/* Is there an error in a value of the member `error`?  Not null, false, ""
 * or 0. */
bool up_error_told(struct str value);

/* The first two numbers of a text that may be counts of tokens; returns how
 * many there are. */
int up_error_counts(struct str text, int64_t counts[static 2]);

#endif
