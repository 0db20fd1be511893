/* SPDX-License-Identifier: MIT */
/*
 * openai_thoughts.c - the thoughts of a Chat Completions history.
 *
 * Their text is one, reasoning_content; what proves parts of it are the
 * envelopes that openai_emit.c wrote into reasoning_details.  Each becomes a
 * block with its part of the text; where the parts do not fit the text any
 * more, the text is kept and nothing is proved.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai_neutral.h"
#include "handlers/dialect/thoughts.h"

/* One envelope and the bytes of the text that it is for. */
struct part {
	struct str data;	/* raw */
	size_t from, to;
};

static struct str
inside(struct str value)
{
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : (struct str){ NULL, 0 };
}

static bool
place(struct str digits, size_t most, size_t *at)
{
	int64_t v;

	if (!str_int(digits, &v) || v < 0 || (uint64_t)v > most)
		return false;
	*at = (size_t)v;
	return true;
}

/* False: it does not say which. */
static bool
read_range(struct str id, size_t most, struct part *p)
{
	struct str rest = str_skip(id, sizeof(OPENAI_THOUGHT) - 1), from;

	if (!str_starts(id, S(OPENAI_THOUGHT)))
		return false;
	from = str_cut(&rest, '-');
	return place(from, most, &p->from) && place(rest, most, &p->to) &&
	    p->from <= p->to;
}

/* The envelopes among the details, in their order. */
static size_t
read_parts(struct arena *a, struct str details, size_t most,
    struct part **list)
{
	size_t n = 0, ranges = 0;

	*list = NULL;
	for (struct json_each m = json_each(details); json_next(&m);) {
		struct str data = inside(json_get(m.value, S("data")));
		struct part *p;

		if (!envelope_is(data))
			continue;
		*list = neutral_grow(a, *list, n, sizeof(*p));
		p = &(*list)[n++];
		*p = (struct part){ .data = data, .to = most };
		ranges += read_range(inside(json_get(m.value, S("id"))), most,
		    p);
	}
	/* One that stands alone is for all of it. */
	return n == 1 || ranges == n ? n : 0;
}

/* Does a character begin there, or the text end? */
static bool
is_border(struct str text, size_t at)
{
	return at == text.n || ((unsigned char)text.p[at] & 0xc0) != 0x80;
}

/* One after another, none across a character? */
static bool
parts_fit(const struct part *list, size_t n, struct str text)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (list[i].from < at || !is_border(text, list[i].from) ||
		    !is_border(text, list[i].to))
			return false;
		at = list[i].to;
	}
	return true;
}

static struct block *
add(struct neutral *n, struct turn *t, struct str text, size_t from,
    size_t to)
{
	struct block *b = neutral_block(n, t, BLOCK_REASONING);

	if (to > from)
		b->text = neutral_raw(n->arena, str_from(text.p + from,
		    to - from));
	return b;
}

void
openai_thoughts(struct neutral *n, struct turn *t, struct str message)
{
	struct str raw = inside(json_get(message, S("reasoning_content")));
	struct str details = json_get(message, S("reasoning_details"));
	struct str text = neutral_plain(n->arena, raw);
	struct part *list;
	size_t parts = read_parts(n->arena, details, text.n, &list), at = 0;

	if (raw.n)
		n->want_reasoning = YES;
	if (!parts || !parts_fit(list, parts, text)) {
		if (raw.n)
			neutral_block(n, t, BLOCK_REASONING)->text = raw;
		return;
	}
	for (size_t i = 0; i < parts && n->pieces <= NEUTRAL_PIECES; i++) {
		if (list[i].from > at)
			add(n, t, text, at, list[i].from);
		add(n, t, text, list[i].from, list[i].to)->signature =
		    list[i].data;
		at = list[i].to;
	}
	if (at < text.n)
		add(n, t, text, at, text.n);
}
