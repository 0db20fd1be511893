/* SPDX-License-Identifier: MIT */
/* stops.c - stop sequences for an upstream that knows none; see stops.h. */
#include "handlers/dialect/stops.h"

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/neutral.h"

_Static_assert((int)STOPS_MOST == (int)NEUTRAL_STOPS, "all of a request");

typedef void give_fn(void *arg, struct str raw);

void
stops_init(struct stops *s, struct arena *a, const struct str *list,
    size_t n)
{
	*s = (struct stops){ .list = list,
		.raw = BUF(a, STOPS_BYTES * 8),
		.text = BUF(a, STOPS_BYTES * 2) };
	for (size_t i = 0; i < n && i < STOPS_MOST; i++) {
		struct str plain = neutral_plain(a, list[i]);

		s->plain[s->n++] = plain.n <= STOPS_BYTES ? plain : S("");
	}
}

/* The character at the head of raw: the bytes it is spelt in; what it means
 * in *plain, which has room for it. */
static size_t
unit(struct str raw, char room[static 4], struct str *plain)
{
	uint32_t c, low;
	size_t n;

	*plain = str_from(raw.p, 1);
	if (raw.p[0] != '\\') {
		while (plain->n < raw.n && ((unsigned char)raw.p[plain->n] &
		    0xc0) == 0x80)
			plain->n++;
		return plain->n;
	}
	n = json_escape(raw, &c);
	if (c >= 0xd800 && c < 0xdc00 && raw.n > n && raw.p[n] == '\\') {
		n += json_escape(str_skip(raw, n), &low);
		c = 0x10000 + ((c - 0xd800) << 10) + (low & 0x3ff);
	}
	*plain = str_from(room, json_put_utf8(c, room));
	return n;
}

/* The longest one that the held text ends with, or -1. */
static int
met(const struct stops *s)
{
	struct str text = buf_str(&s->text);
	int best = -1;

	for (size_t i = 0; i < s->n; i++)
		if (s->plain[i].n && str_ends(text, s->plain[i]) &&
		    (best < 0 || s->plain[i].n > s->plain[best].n))
			best = (int)i;
	return best;
}

static bool
may_begin(const struct stops *s, struct str text)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->plain[i].n > text.n && str_starts(s->plain[i], text))
			return true;
	return false;
}

/* The first characters of what is held, `text` bytes of them, go on. */
static void
let_go(struct stops *s, size_t text, give_fn *give, void *arg)
{
	char room[4];
	struct str plain, rest = buf_str(&s->raw);
	size_t n = 0, done = 0;

	while (done < text) {
		size_t one = unit(str_skip(rest, n), room, &plain);

		n += one;
		done += plain.n;
	}
	if (n)
		give(arg, str_from(rest.p, n));
	buf_drop(&s->raw, n);
	buf_drop(&s->text, done);
}

/* What is held begins a sequence, or is nothing. */
static void
shrink(struct stops *s, give_fn *give, void *arg)
{
	size_t from = 0;

	while (from < s->text.n && !may_begin(s, str_skip(buf_str(&s->text),
	    from)))
		from++;
	if (from)
		let_go(s, from, give, arg);
}

/* The head of raw in which no sequence begins. */
static size_t
run_of(const struct stops *s, struct str raw)
{
	size_t n = 0;

	while (n < raw.n) {
		char room[4];
		struct str plain;
		size_t one = unit(str_skip(raw, n), room, &plain);

		for (size_t i = 0; i < s->n; i++)
			if (s->plain[i].n && s->plain[i].p[0] == plain.p[0])
				return n;
		n += one;
	}
	return n;
}

void
stops_feed(struct stops *s, struct str raw, give_fn *give, void *arg)
{
	while (raw.n && !s->met) {
		size_t n = s->text.n ? 0 : run_of(s, raw);
		char room[4];
		struct str plain;
		int which;

		if (n) {
			give(arg, str_from(raw.p, n));
			raw = str_skip(raw, n);
			continue;
		}
		n = unit(raw, room, &plain);
		buf_put(&s->raw, str_from(raw.p, n));
		buf_put(&s->text, plain);
		raw = str_skip(raw, n);
		which = met(s);
		if (which >= 0) {
			let_go(s, s->text.n - s->plain[which].n, give, arg);
			s->met = true;
			s->which = (size_t)which;
		} else {
			shrink(s, give, arg);
		}
	}
}

void
stops_end(struct stops *s, give_fn *give, void *arg)
{
	if (!s->met && s->text.n)
		let_go(s, s->text.n, give, arg);
}
