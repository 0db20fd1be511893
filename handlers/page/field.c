/* SPDX-License-Identifier: MIT */
/* field.c - the fields of a form; see field.h. */
#include "handlers/page/field.h"

#include <string.h>

#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"

static const struct given *
given_for(const struct given *given, const char *name)
{
	for (; given && given->name; given++)
		if (strcmp(given->name, name) == 0)
			return given;
	return NULL;
}

static struct str
text_of(struct page *p, const char *kind, const char *name)
{
	return kit_word(p, kind, str_of(name));
}

/* Its value: as it was sent, else as it is given. */
static struct str
value_of(struct page *p, const struct field *f, const struct given *g)
{
	struct str sent = kit_posted(p) ? kit_sent(p, f->name) : S("");

	if (strcmp(f->type, "password") == 0)
		return S("");
	if (kit_posted(p))
		return sent.p ? sent : S("");
	return g && g->value.p ? g->value : S("");
}

static void
put_choices(json_t *row, const struct given *g, struct str value)
{
	json_t *list = put_list(row, "choices");

	for (const struct choice *c = g ? g->choices : NULL; c && c->value.p;
	    c++) {
		json_t *o = put_row(list);

		put_str(o, "choice", c->value);
		put_str(o, "label", c->label);
		put_bool(o, "selected", str_eq(c->value, value));
	}
}

static void
put_error(struct page *p, json_t *row, const char *name)
{
	put_maybe(row, "error", kit_error_of(p, name));
}

static void
put_field(struct page *p, json_t *list, const struct field *f,
    const struct given *g)
{
	json_t *row = put_row(list);
	struct str value = value_of(p, f, g);

	put_str(row, "name", str_of(f->name));
	put_bool(row, "number", strcmp(f->type, "number") == 0);
	put_str(row, "type", strcmp(f->type, "number") == 0 ? S("text") :
	    str_of(f->type));
	put_str(row, "label", text_of(p, "field", f->name));
	put_maybe(row, "hint", f->hint ? text_of(p, "hint", f->name) :
	    S(""));
	put_str(row, "complete", str_of(f->complete ? f->complete : "off"));
	put_bool(row, "needed", f->needed);
	put_maybe(row, "most", f->most ? arena_int(&p->arena, f->most) :
	    S(""));
	put_bool(row, "select", strcmp(f->type, "select") == 0);
	put_bool(row, "area", strcmp(f->type, "textarea") == 0);
	put_bool(row, "box", strcmp(f->type, "checkbox") == 0);
	put_bool(row, "line", strcmp(f->type, "select") != 0 &&
	    strcmp(f->type, "textarea") != 0 &&
	    strcmp(f->type, "checkbox") != 0);
	put_bool(row, "checked", value.n > 0);
	put_str(row, "value", value);
	put_choices(row, g, value);
	put_error(p, row, f->name);
}

void
fields_put(struct page *p, json_t *into, const char *name,
    const struct field *fields, const struct given *given)
{
	json_t *list = put_list(into, name);

	for (; fields->name; fields++)
		put_field(p, list, fields, given_for(given, fields->name));
}

/* --- Reading ------------------------------------------------------------ */

bool
field_name(struct page *p, const char *name, struct str *value)
{
	*value = kit_sent(p, name);
	return name_valid(*value) || kit_wrong(p, name, value->n ?
	    "wrong.name" : "wrong.empty", text_of(p, "field", name));
}

bool
field_count(struct page *p, const char *name, int64_t least, int64_t most,
    int64_t *value)
{
	struct str s = kit_sent(p, name);

	*value = 0;
	if (s.n == 0)
		return true;
	return (str_int(s, value) && *value >= least && *value <= most) ||
	    kit_wrong(p, name, "wrong.number", text_of(p, "field", name),
		arena_int(&p->arena, least), arena_int(&p->arena, most));
}

bool
field_usd(struct page *p, const char *name, bool needed, int64_t *nano)
{
	struct str s = kit_sent(p, name);

	*nano = -1;
	if (s.n == 0 && !needed)
		return true;
	return (money_read(s, nano) && *nano > 0) || kit_wrong(p, name,
	    s.n ? "wrong.usd" : "wrong.empty", text_of(p, "field", name));
}

bool
field_time(struct page *p, const char *name, int64_t *utc_ms)
{
	struct str s = kit_sent(p, name);
	int64_t now = clock_utc_ms();
	bool span = s.n && strchr("smhd", s.p[s.n - 1]);

	*utc_ms = 0;
	if (s.n == 0)
		return true;
	if (!clock_read(s, now, utc_ms))
		return kit_wrong(p, name, "wrong.time",
		    text_of(p, "field", name));
	if (span)
		*utc_ms = 2 * now - *utc_ms;
	return *utc_ms > now || kit_wrong(p, name, "wrong.past",
	    text_of(p, "field", name));
}

static struct str
next_word(struct str *rest)
{
	struct str word = *rest;

	while (word.n && strchr(", \t\r\n", word.p[0]))
		word = str_skip(word, 1);
	*rest = word;
	for (word.n = 0; word.n < rest->n &&
	    !strchr(", \t\r\n", rest->p[word.n]); )
		word.n++;
	*rest = str_skip(*rest, word.n);
	return word;
}

bool
field_list(struct page *p, const char *name,
    bool (*check)(struct arena *a, struct str s, struct str *full),
    const char *wrong, struct str *list)
{
	struct str rest = kit_sent(p, name), word;
	struct buf b = BUF(&p->arena, FORM_BYTES * 2);

	*list = (struct str){ NULL, 0 };
	while ((word = next_word(&rest)).n) {
		struct str full = word;

		if (memchr(word.p, 0, word.n) ||
		    !check(&p->arena, word, &full))
			return kit_wrong(p, name, wrong, word);
		buf_put(&b, b.n ? S(",") : S("["));
		buf_json(&b, full);
	}
	if (!b.n)
		return true;
	buf_char(&b, ']');
	*list = buf_str(&b);
	return true;
}

bool
field_text(struct page *p, const char *name, size_t most, bool needed,
    struct str *value)
{
	*value = kit_sent(p, name);
	if (!value->p)
		*value = S("");
	if (needed && value->n == 0)
		return kit_wrong(p, name, "wrong.empty",
		    text_of(p, "field", name));
	if (value->n > most)
		return kit_wrong(p, name, "wrong.long",
		    text_of(p, "field", name),
		    arena_int(&p->arena, (int64_t)most));
	return json_utf8(*value) == value->n || kit_wrong(p, name,
	    "wrong.utf8", text_of(p, "field", name));
}
