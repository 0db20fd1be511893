/* SPDX-License-Identifier: MIT */
/* rewrite.c - a text with a few of its parts changed; see rewrite.h. */
#include "handlers/dialect/rewrite.h"

size_t
rewrite_list(struct rewriting *w, struct str list,
    bool (*put)(struct rewriting *w, struct str value))
{
	size_t n = 0;

	buf_char(w->out, '[');
	for (struct json_each m = json_each(list); json_next(&m);) {
		size_t before = w->out->n;

		if (n)
			buf_char(w->out, ',');
		if (put(w, m.value))
			n++;
		else if (!w->out->full)
			w->out->n = before;
	}
	buf_char(w->out, ']');
	return n;
}

void
rewrite_name(struct rewriting *w, const struct json_each *m, bool *first)
{
	buf_put(w->out, *first ? S("\"") : S(",\""));
	*first = false;
	buf_put(w->out, m->name);
	buf_put(w->out, S("\":"));
}

struct str
rewrite_inside(struct str value)
{
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : S("");
}
