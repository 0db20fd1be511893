/* SPDX-License-Identifier: MIT */
/*
 * print.c - results: JSON for machines, tables for people.
 */
#include "db/money.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"

void
print(struct buf *b)
{
	if (b->n)
		fwrite(b->p, 1, b->n, stdout);
	buf_clear(b);
}

void
out_member(struct buf *b, const char *name)
{
	buf_char(b, b->n && b->p[b->n - 1] == '{' ? '"' : ',');
	if (b->p[b->n - 1] == ',')
		buf_char(b, '"');
	buf_put(b, str_of(name));
	buf_put(b, S("\":"));
}

void
out_str(struct buf *b, const char *name, struct str value)
{
	out_member(b, name);
	buf_json(b, value);
}

void
out_maybe(struct buf *b, const char *name, struct str value)
{
	out_member(b, name);
	if (value.n)
		buf_json(b, value);
	else
		buf_put(b, S("null"));
}

void
out_int(struct buf *b, const char *name, int64_t value)
{
	out_member(b, name);
	buf_int(b, value);
}

void
out_bool(struct buf *b, const char *name, bool value)
{
	out_member(b, name);
	buf_put(b, value ? S("true") : S("false"));
}

void
put_words(struct buf *b, struct str words)
{
	char before = '[';

	while (words.n) {
		buf_char(b, before);
		buf_json(b, str_cut(&words, ' '));
		before = ',';
	}
	buf_put(b, before == '[' ? S("[]") : S("]"));
}

void
out_list(struct buf *b, const char *name, struct str words)
{
	out_member(b, name);
	put_words(b, words);
}

void
out_usd(struct buf *b, const char *name, int64_t nano)
{
	struct arena a;

	arena_init(&a);
	out_str(b, name, money_text(&a, nano));
	arena_release(&a);
}

void
out_time(struct buf *b, const char *name, int64_t utc_ms)
{
	char text[CLOCK_TEXT];

	if (utc_ms) {
		clock_text(utc_ms, text);
		out_str(b, name, str_of(text));
	} else {
		out_member(b, name);
		buf_put(b, S("null"));
	}
}

struct str
time_short(struct arena *a, int64_t utc_ms)
{
	char text[CLOCK_TEXT];

	clock_text(utc_ms, text);
	return arena_printf(a, "%.10s %.8s", text, text + 11);
}

struct str
tame(struct arena *a, struct str text)
{
	struct str copy = arena_str(a, text);
	unsigned char *p = (unsigned char *)(uintptr_t)copy.p;
	size_t good = json_utf8(copy);

	for (size_t i = 0; i < copy.n; i++) {
		if (i == good) {
			p[i] = '?';
			good += 1 + json_utf8(str_skip(copy, i + 1));
		} else if (p[i] < 0x20 || p[i] == 0x7f) {
			p[i] = '?';
		} else if (p[i] < 0xa0 && i > 0 && p[i - 1] == 0xc2) {
			p[i] = 0xbf;
		}
	}
	return copy;
}

void
table_add(struct table *t, struct str cell)
{
	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct str *more = arena_alloc(t->arena,
		    room * sizeof(*more));

		if (t->n)
			memcpy(more, t->cells, t->n * sizeof(*more));
		t->cells = more;
		t->room = room;
	}
	t->cells[t->n++] = cell;
}

/* Characters, not bytes. */
static size_t
width(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* One row: nothing behind its last cell that has something in it. */
static void
print_row(const struct table *t, const struct str *cells, const size_t *wide)
{
	size_t columns = t->columns;

	while (columns > 1 && cells[columns - 1].n == 0)
		columns--;
	for (size_t i = 0; i < columns; i++) {
		bool last = i + 1 == columns, right = t->right >> i & 1;
		int pad = (int)(wide[i] - width(cells[i]));

		printf("%*s%.*s%*s%s", right ? pad : 0, "",
		    STR_ARGS(cells[i]), right || last ? 0 : pad, "",
		    last ? "\n" : "  ");
	}
}

void
table_print(const struct table *t)
{
	size_t *wide = arena_zero(t->arena, t->columns * sizeof(*wide));

	for (size_t i = 0; i < t->n; i++)
		if (width(t->cells[i]) > wide[i % t->columns])
			wide[i % t->columns] = width(t->cells[i]);
	for (size_t i = 0; i < t->n; i += t->columns)
		print_row(t, t->cells + i, wide);
}

/* --- CSV ------------------------------------------------------------------ */

/* A cell that no spreadsheet takes for a formula. */
static void
put_cell(struct buf *b, struct str s)
{
	buf_char(b, '"');
	if (s.n && strchr("=+-@\t\r", s.p[0]))
		buf_char(b, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_char(b, '"');
		buf_char(b, s.p[i]);
	}
	buf_char(b, '"');
}

void
csv_line(struct arena *a, struct buf *b, struct str object, bool names)
{
	struct json_each each = json_each(object);
	bool first = true;

	while (json_next(&each)) {
		if (!first)
			buf_char(b, ',');
		first = false;
		if (names)
			buf_put(b, each.name);
		else if (json_kind(each.value) == JSON_IS_STRING)
			put_cell(b, json_text(a, each.value));
		else if (json_kind(each.value) == JSON_IS_ARRAY)
			put_cell(b, each.value);
		else if (json_kind(each.value) != JSON_IS_NULL)
			buf_put(b, each.value);
	}
	buf_put(b, S("\r\n"));
}
