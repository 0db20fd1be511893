/* SPDX-License-Identifier: MIT */
/*
 * responses_facts.c - what is looked for in an answer: text, calls, usage.
 *
 * Answers are foreign and unchecked; the cursors that walk them end quietly
 * where a text is damaged.
 */
#include "handlers/dialect/responses.h"

enum {
	TEXT_DEPTH = 3, /* parts of a content, and what is in them */
	SEALED_BYTES = 6 /* of thoughts that are not shown, a token */
};

static bool
is_text(struct str value)
{
	return value.n > 2 && value.p[0] == '"';
}

/* One piece of text that stands for itself. */
static bool
count_text(struct watch *w, struct str value)
{
	if (!is_text(value))
		return false;
	tokens_cut(&w->pass.count);
	tokens_add_raw(&w->pass.count, str_from(value.p + 1, value.n - 2));
	return true;
}

/* The texts of a list of parts. */
static bool
count_parts(struct watch *w, struct str value, int depth)
{
	bool any = false;

	if (depth == 0)
		return false;
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (!m.object)
			any |= count_parts(w, m.value, depth - 1);
		else if (str_eq(m.name, S("text")) ||
		    str_eq(m.name, S("refusal")))
			any |= count_text(w, m.value);
	}
	return any;
}

/* A message or reasoning says nothing by being there; calls do. */
static bool
type_speaks(struct str type)
{
	return is_text(type) && !str_eq(type, S("\"message\"")) &&
	    !str_eq(type, S("\"reasoning\""));
}

bool
responses_look(struct watch *w, struct str item)
{
	bool meaning = false;

	for (struct json_each m = json_each(item); json_next(&m);) {
		if (str_eq(m.name, S("content")) ||
		    str_eq(m.name, S("summary")))
			meaning |= count_parts(w, m.value, TEXT_DEPTH);
		else if (str_eq(m.name, S("name")) ||
		    str_eq(m.name, S("arguments")) ||
		    str_eq(m.name, S("input")))
			count_text(w, m.value);
		else if (str_eq(m.name, S("type")))
			meaning |= type_speaks(m.value);
		else if (str_eq(m.name, S("encrypted_content")) &&
		    is_text(m.value)) {
			meaning = true;
			w->pass.count.milli +=
			    (int64_t)m.value.n * 1000 / SEALED_BYTES;
		}
	}
	return meaning;
}

bool
responses_delta(struct watch *w, unsigned run, struct str value)
{
	if (!is_text(value))
		return false;
	if (w->run != run) {
		tokens_cut(&w->pass.count);
		w->run = run;
	}
	tokens_add_raw(&w->pass.count, str_from(value.p + 1, value.n - 2));
	return true;
}

bool
responses_failed(struct str status)
{
	return str_eq(status, S("\"failed\"")) ||
	    str_eq(status, S("\"cancelled\""));
}

/* That it chose the tier by itself is no tier. */
void
responses_read_tier(struct observer *o, struct str tier)
{
	if (!str_eq(tier, S("\"auto\"")))
		openai_read_tier(o, tier);
}
