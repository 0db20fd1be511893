/* SPDX-License-Identifier: MIT */
/* put.c - data of a page; see put.h. */
#include "handlers/page/put.h"

#include "db/money.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"

enum { NAME_ROOM = 64, TENTHS = 1000 };

json_t *
put_string(struct str s)
{
	json_t *v;
	bool clean = json_utf8(s) == s.n;
	struct arena a = { 0 };
	unsigned char *p;

	for (size_t i = 0; clean && i < s.n; i++)
		clean = (unsigned char)s.p[i] >= 0x20 ?
		    s.p[i] != 0x7f : s.p[i] == '\n' || s.p[i] == '\t';
	if (clean)
		return json_stringn(s.n ? s.p : "", s.n);
	s = arena_str(&a, s);
	p = (unsigned char *)(uintptr_t)s.p;
	for (size_t i = 0, good = json_utf8(s); i < s.n; i++) {
		if (i == good) {
			p[i] = '?';
			good += 1 + json_utf8(str_skip(s, i + 1));
		} else if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') ||
		    p[i] == 0x7f) {
			p[i] = '?';
		}
	}
	v = json_stringn(s.p, s.n);
	arena_release(&a);
	return v;
}

void
put_str(json_t *o, const char *name, struct str s)
{
	json_object_set_new(o, name, put_string(s));
}

void
put_maybe(json_t *o, const char *name, struct str s)
{
	json_object_set_new(o, name, s.n ? put_string(s) : json_null());
}

void
put_int(json_t *o, const char *name, int64_t n)
{
	json_object_set_new(o, name, json_integer(n));
}

void
put_bool(json_t *o, const char *name, bool yes)
{
	json_object_set_new(o, name, json_boolean(yes));
}

/* name and "_text". */
static const char *
for_people(char room[static NAME_ROOM], const char *name)
{
	struct str s = str_of(name);
	size_t n = s.n < NAME_ROOM - 6 ? s.n : NAME_ROOM - 6;

	memcpy(room, name, n);
	memcpy(room + n, "_text", 6);
	return room;
}

void
put_time(json_t *o, const char *name, int64_t utc_ms)
{
	char text[CLOCK_TEXT], room[NAME_ROOM];
	struct arena a = { 0 };

	clock_text(utc_ms, text);
	put_maybe(o, name, utc_ms ? str_of(text) : S(""));
	put_str(o, for_people(room, name), utc_ms ? text_time(&a, utc_ms) :
	    S(""));
	arena_release(&a);
}

void
put_usd(json_t *o, const char *name, int64_t nano)
{
	struct arena a = { 0 };
	char room[NAME_ROOM];

	put_str(o, name, money_text(&a, nano));
	put_str(o, for_people(room, name), text_usd(&a, nano));
	arena_release(&a);
}

json_t *
put_list(json_t *o, const char *name)
{
	json_t *list = json_array();

	json_object_set_new(o, name, list);
	return list;
}

json_t *
put_object(json_t *o, const char *name)
{
	json_t *object = json_object();

	json_object_set_new(o, name, object);
	return object;
}

json_t *
put_row(json_t *list)
{
	json_t *object = json_object();

	json_array_append_new(list, object);
	return object;
}

/* --- For people --------------------------------------------------------- */

struct str
text_time(struct arena *a, int64_t utc_ms)
{
	char text[CLOCK_TEXT];

	clock_text(utc_ms, text);
	return arena_printf(a, "%.10s %.8s", text, text + 11);
}

/* The whole part with commas. */
static void
put_whole(struct buf *b, int64_t n)
{
	char room[STR_INT];
	struct str s = str_digits(n, room);

	for (size_t i = 0; i < s.n; i++) {
		if (i && (s.n - i) % 3 == 0)
			buf_char(b, ',');
		buf_char(b, s.p[i]);
	}
}

struct str
text_usd(struct arena *a, int64_t nano)
{
	bool below = nano < 0;
	int64_t n = below ? -nano : nano;
	int places = n == 0 || n >= 10 * NANO ? 2 : n >= NANO / 100 ? 4 : 6;
	int64_t unit = places == 2 ? NANO / 100 : places == 4 ?
	    NANO / 10000 : NANO / 1000000;
	struct buf b = BUF(a, 64);

	/* Nearest; what is not nothing is not shown as nothing. */
	n = n && n < unit ? 1 : (n + unit / 2) / unit;
	if (below)
		buf_char(&b, '-');
	put_whole(&b, n / (NANO / unit));
	buf_printf(&b, ".%0*lld", places, (long long)(n % (NANO / unit)));
	return buf_str(&b);
}

struct str
text_span(struct arena *a, int64_t ms)
{
	int64_t s = (ms + 999) / 1000;

	if (s < 120)
		return arena_printf(a, "%lld s", (long long)(s < 0 ? 0 : s));
	if (s < 7200)
		return arena_printf(a, "%lld min", (long long)(s + 59) / 60);
	if (s < 172800)
		return arena_printf(a, "%lld h %lld min",
		    (long long)(s / 3600), (long long)(s % 3600 / 60));
	return arena_printf(a, "%lld d", (long long)(s / 86400));
}

struct str
text_share(struct arena *a, int64_t part, int64_t whole)
{
	__int128 tenths;

	if (whole == 0)
		return S("–");
	tenths = (__int128)part * TENTHS / whole;
	return arena_printf(a, "%s%lld.%lld %%", tenths < 0 ? "-" : "",
	    (long long)(tenths < 0 ? -tenths : tenths) / 10,
	    (long long)(tenths < 0 ? -tenths : tenths) % 10);
}
