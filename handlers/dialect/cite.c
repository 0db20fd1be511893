/* SPDX-License-Identifier: MIT */
/* cite.c - places in a text, and who is cited there; see cite.h. */
#include "handlers/dialect/cite.h"

#include "fcgi/base/json.h"

/* The character at the head of raw, which is not empty: the bytes it takes
 * there, and those of its UTF-8. */
static size_t
character(struct str raw, int64_t *utf8)
{
	unsigned char c = (unsigned char)raw.p[0];
	uint32_t code = 0;
	size_t n = 1;

	if (c != '\\') {
		while (n < raw.n && ((unsigned char)raw.p[n] & 0xc0) == 0x80)
			n++;
		*utf8 = (int64_t)n;
		return n;
	}
	n = json_escape(raw, &code);
	if (code >= 0xd800 && code < 0xdc00 && n < raw.n &&
	    raw.p[n] == '\\') {
		uint32_t low = 0;
		size_t more = json_escape(str_skip(raw, n), &low);

		if (low >= 0xdc00 && low < 0xe000) {
			*utf8 = 4;
			return n + more;
		}
	}
	*utf8 = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	return n;
}

int64_t
cite_points(struct str raw)
{
	int64_t points = 0, utf8;

	for (; raw.n; points++)
		raw = str_skip(raw, character(raw, &utf8));
	return points;
}

int64_t
cite_points_of(struct str raw, int64_t bytes)
{
	int64_t points = 0, utf8;

	for (; raw.n && bytes > 0; points++) {
		raw = str_skip(raw, character(raw, &utf8));
		bytes -= utf8;
	}
	return points;
}

int64_t
cite_bytes_of(struct str raw, int64_t points)
{
	int64_t bytes = 0, utf8;

	for (; raw.n && points > 0; points--) {
		raw = str_skip(raw, character(raw, &utf8));
		bytes += utf8;
	}
	return bytes;
}

struct str
cite_slice(struct str raw, int64_t from, int64_t to)
{
	struct str begin;
	int64_t utf8;

	for (int64_t i = 0; raw.n && i < from; i++)
		raw = str_skip(raw, character(raw, &utf8));
	begin = raw;
	for (int64_t i = from; raw.n && i < to; i++)
		raw = str_skip(raw, character(raw, &utf8));
	return str_from(begin.p, begin.n - raw.n);
}

static int64_t
clamp(int64_t n, int64_t most)
{
	return n < 0 ? 0 : n > most ? most : n;
}

void
cite_within(struct cite *c, int64_t base, int64_t points)
{
	/* Before taking away: what is hostile must not run over. */
	c->from = clamp(c->from, base + points) - base;
	c->to = clamp(c->to, base + points) - base;
	if (c->from < 0 || c->to <= c->from)
		c->from = c->to = 0;
}

/* --- OpenAI's way --------------------------------------------------------- */

static struct str
inside(struct str value)
{
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : S("");
}

bool
cite_read(struct str object, struct cite *c)
{
	*c = (struct cite){ .url = inside(json_get(object, S("url"))),
		.title = inside(json_get(object, S("title"))) };
	json_int(json_get(object, S("start_index")), &c->from);
	json_int(json_get(object, S("end_index")), &c->to);
	return c->url.n > 0;
}

void
cite_write(struct buf *out, const struct cite *c, int64_t base)
{
	bool any = c->to > c->from;

	buf_put(out, S("\"url\":"));
	buf_raw(out, c->url);
	buf_put(out, S(",\"title\":"));
	buf_raw(out, c->title);
	buf_printf(out, ",\"start_index\":%lld,\"end_index\":%lld",
	    (long long)(any ? base + c->from : 0),
	    (long long)(any ? base + c->to : 0));
}
