/* SPDX-License-Identifier: MIT */
/*
 * field.h - the fields of a form: what they are called, what they accept, what
 * was typed, what was wrong with it.
 *
 * A form is a table of struct field.  Its label is the text field.NAME, its
 * hint (what it accepts) hint.NAME; www/fields.html shows them.  What was
 * typed is there again when something was wrong; secrets never are.
 */
#ifndef WEIR_PAGE_FIELD_H
#define WEIR_PAGE_FIELD_H

#include "handlers/page/kit.h"

struct field {
	const char *name;
	const char *type;	/* text number password date checkbox select
				 * textarea */
	const char *complete;	/* autocomplete, "off" if NULL */
	bool needed;
	bool hint;		/* it has one */
	int most;		/* characters; 0: no limit said */
};

/* What stands in a field before somebody types, and what a select offers. */
struct choice {
	struct str value, label;
};
struct given {
	const char *name;
	struct str value;
	const struct choice *choices;	/* up to one with value.p NULL */
};

/* The fields (up to one with name NULL) as a list of `into`, so called;
 * `given` likewise, or NULL. */
void fields_put(struct page *p, json_t *into, const char *name,
    const struct field *fields, const struct given *given);

/* --- reading: each says what is wrong itself, and is false then ----------- */

/* A name (setting.h) that must be there. */
bool field_name(struct page *p, const char *name, struct str *value);

/* 0 when it is empty; else a whole number from least to most. */
bool field_count(struct page *p, const char *name, int64_t least,
    int64_t most, int64_t *value);

/* Decimal USD, more than 0 if it is needed; *nano -1 when it is empty. */
bool field_usd(struct page *p, const char *name, bool needed, int64_t *nano);

/* A moment from now on: a date, RFC 3339, or a span like 30d; 0 if empty. */
bool field_time(struct page *p, const char *name, int64_t *utc_ms);

/* Words by commas, blanks or lines as a JSON list (p NULL: none), each made
 * good by `check`; wrong: the text of what is not. */
bool field_list(struct page *p, const char *name,
    bool (*check)(struct arena *a, struct str s, struct str *full),
    const char *wrong, struct str *list);

/* Text of at most so many bytes, which may be empty unless it is needed. */
bool field_text(struct page *p, const char *name, size_t most, bool needed,
    struct str *value);

#endif
