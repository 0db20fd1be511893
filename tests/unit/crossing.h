/* SPDX-License-Identifier: MIT */
/*
 * crossing.h - for tests of what goes from one dialect to another: a request
 * translated as a call's is, and looking into what came out.
 */
#ifndef WEIR_TEST_CROSSING_H
#define WEIR_TEST_CROSSING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/neutral.h"

/* "messages.0.content": the raw value, or the empty slice. */
static inline struct str
at(struct str json, const char *path)
{
	struct str rest = str_of(path);

	while (rest.n && json.n) {
		struct str name = str_cut(&rest, '.'), next = { 0 };
		int64_t index;

		if (json_kind(json) == JSON_IS_ARRAY && str_int(name, &index)) {
			for (struct json_each m = json_each(json);
			    json_next(&m);)
				if (index-- == 0)
					next = m.value;
			json = next;
		} else {
			json = json_get(json, name);
		}
	}
	return json;
}

static inline void
expect_text(const char *name, struct str have, const char *want)
{
	if (str_eq(have, str_of(want)))
		return;
	print_error("%s\n  want %s\n  have %.*s\n", name, want,
	    STR_ARGS(have));
	fail();
}

/* Pairs of path and value; NULL: there is none. */
static inline void
expect_values(const char *name, struct str body, const char *const *pairs)
{
	char label[256];

	for (; *pairs; pairs += 2) {
		struct str v = at(body, pairs[0]);

		snprintf(label, sizeof(label), "%s: %s", name, pairs[0]);
		if (!pairs[1] || !*pairs[1]) {
			if (v.n)
				expect_text(label, v, "(nothing)");
			continue;
		}
		if (!str_eq(v, str_of(pairs[1])))
			print_error("body %.*s\n", STR_ARGS(body));
		expect_text(label, v, pairs[1]);
	}
}

/* Read by its dialect, decoded, encoded for t: for Messages when its model is
 * a "claude…", for Gemini when it is a "gemini…", else for Chat Completions. */
static inline bool
translate(struct arena *a, const struct dialect *from, const char *text,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f)
{
	const struct neutral_dialect *in = from->neutral;
	const struct neutral_dialect *to =
	    str_starts(t->model, S("claude")) ? &anthropic_neutral :
	    str_starts(t->model, S("gemini")) ? &gemini_neutral :
	    &openai_neutral;
	size_t n = strlen(text);
	char *copy = malloc(n);
	struct asked asked = { .by_path.model = from->model_in_path ? S("m") :
	    S("") };
	struct neutral form;

	arena_attach(a, free, copy);
	memcpy(copy, text, n);
	*f = (struct fault){ 0 };
	*out = BUF(a, LIMIT_FOLD_BYTES);
	d->names = BUF(a, 4096);
	if (!from->read_request(a, from->converse, str_from(copy, n), &asked,
	    f))
		return false;
	return in->decode(a, str_from(copy, n), &form, f) &&
	    to->encode(a, &form, t, out, d, f);
}

#endif
