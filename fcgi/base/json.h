/* SPDX-License-Identifier: MIT */
/*
 * json.h - JSON text read in place, without a tree.
 *
 * What crosses weir stays the bytes it was: numbers, key order and unknown
 * members survive because nobody respells them.  json_valid() checks a text
 * once, completely; then cursors walk objects and arrays as slices of it.
 * A value is a struct str that begins at its first and ends at its last byte
 * (strings with their quotes).  Cursors never read outside their slice, even
 * when it was not checked: on malformed text they just end.  Trees
 * (Jansson) are for pages and for reading configuration, not for this; no
 * name here is one of Jansson's, so both headers can be included.
 */
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/str.h"

enum json_kind {
	JSON_IS_NONE,		/* the empty slice: no such value */
	JSON_IS_NULL,
	JSON_IS_BOOL,
	JSON_IS_NUMBER,
	JSON_IS_STRING,
	JSON_IS_ARRAY,
	JSON_IS_OBJECT
};

struct json_error {
	size_t at;		/* byte of the text */
	const char *what;	/* "expected ':' after a member's name" */
};

/*
 * Is text one JSON value (RFC 8259) with blanks around it, and nothing else?
 * Also refused: more than LIMIT_JSON_DEPTH levels, more than
 * LIMIT_JSON_MEMBERS members in one object, invalid or overlong UTF-8, lone
 * surrogates in escapes, a byte order mark, U+0000 in a name.
 * Constant stack; linear time.  *e is set when the answer is no.
 */
bool json_valid(struct str text, struct json_error *e);

/*
 * As json_valid, and lists the members of the text, if it is an object: their
 * raw names and their values, in their order.
 */
enum { JSON_LISTED = 24 };
struct json_members {
	bool object; /* it is one */
	bool more; /* there are members that are not listed */
	size_t n;
	struct str name[JSON_LISTED];
	struct str value[JSON_LISTED];
};

bool json_members(
    struct str text, struct json_members *list, struct json_error *e);

/* The type of a value, told by its first byte. */
enum json_kind json_kind(struct str value);

/*
 * A walk over the members of an object or the elements of an array:
 *
 *	struct json_each m = json_each(object);
 *	while (json_next(&m))
 *		use(m.name, m.value);
 *
 * name is the raw text between the quotes (empty in arrays).
 */
struct json_each {
	struct str name;
	struct str value;
	struct str rest;	/* private */
	struct json_each *outer;	/* private */
	bool object;		/* private */
	bool reached;		/* private: the value was not passed yet */
};

struct json_each json_each(struct str container);
bool json_next(struct json_each *m);

/*
 * The same walk for who steps inside the values, without reading them twice:
 * an object or array is not passed, its value is its first byte and all that
 * follows.  A walk inside it that comes to its end moves the outer one on;
 * json_pass passes it after all and gives all of it, or the empty slice when
 * it does not end.
 *
 *	while (json_reach(&m))
 *		for (struct json_each n = json_inside(&m); json_next(&n);)
 *			use(n.name, n.value);
 */
bool json_reach(struct json_each *m);
struct json_each json_inside(struct json_each *m);
struct str json_pass(struct json_each *m);

/*
 * Is a raw name this one (ASCII), after unescaping, its case ignored?  U+017F
 * and U+212A count as s and k: there are parsers that fold them so.
 */
bool json_name_is(struct str raw_name, struct str want);

/* A raw name as json_name_is sees it: unescaped and folded; borrowed when
 * it is that already. */
struct str json_name(struct arena *a, struct str raw_name);

/* The value of the first member so named (exact after unescaping), or the
 * empty slice. */
struct str json_get(struct str object, struct str name);

/* The same of n members in one walk: values[i] is that of names[i]. */
void json_get_all(struct str object, const struct str *names,
    struct str *values, size_t n);

/* A string value decoded into the arena (borrowed from the text itself when
 * it holds no escape); other types: the empty view. */
struct str json_text(struct arena *a, struct str value);

/* True and *v when the value is a number that is a whole one and fits:
 * 12, -3, 1e3, 2.0; not 1.5, not 1e400. */
bool json_int(struct str value, int64_t *v);

/*
 * The escape at the head of s (a backslash): the bytes it takes, and the
 * character it stands for in *code: for half of a surrogate pair that half.
 * What is no escape takes one byte and means itself.
 */
size_t json_escape(struct str s, uint32_t *code);

/* A character as UTF-8: how many bytes. */
size_t json_put_utf8(uint32_t c, char out[static 4]);

/* Bytes of valid UTF-8 at the head of s; s.n if all of it is. */
size_t json_utf8(struct str s);

/* A true value; false for everything else. */
bool json_yes(struct str value);

/*
 * A tap: fed with an object's text in pieces, cut anywhere, it keeps the
 * values of some of the top-level members (each up to max bytes; a larger
 * one is dropped and `lost` set).  Of members of the same name the last one
 * counts.  Not a validator: it follows quotes and brackets only.
 */
enum { JSON_TAPS = 8, JSON_TAP_NAME = 64 };

struct json_tap {
	const char *const *names; /* of the members wanted, NULL ends; "" fits none */
	struct arena *arena; /* for what is kept */
	size_t max; /* bytes kept of one value */
	struct str values[JSON_TAPS]; /* by the index of the name */
	unsigned found; /* bit i: names[i] came, kept or not */
	bool whole; /* the outermost value has ended */
	bool lost; /* something wanted was too large */
	bool object; /* the outermost value is an object */
	bool bad; /* brackets that do not match: never JSON */

	/* Private: where the text stands. */
	bool string, escaped; /* in a string; behind its backslash */
	uint8_t part; /* of a member of the outermost object */
	unsigned depth; /* open brackets */
	uint64_t objects; /* bit i: bracket i is a brace */
	int want; /* the name whose value is kept now, or -1 */
	bool name_long; /* the name that passes by is longer than any */
	size_t name_n; /* its bytes so far, raw */
	char name[JSON_TAP_NAME];
	struct buf kept;
};

void json_tap_init(struct json_tap *t, struct arena *a,
    const char *const *names, size_t max);

/* The bytes of piece that belong to the value: all, until it is whole. */
size_t json_tap_feed(struct json_tap *t, struct str piece);

/*
 * Instead, a whole text at once, whose members json_members has listed and
 * which is not longer than max: the values are slices of it.  False, and
 * nothing has happened: it must be fed, because a name is repeated or spelt
 * with an escape, or members are not listed.
 */
bool json_tap_whole(struct json_tap *t, const struct json_members *list);

#endif
