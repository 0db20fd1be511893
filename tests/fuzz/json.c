/* SPDX-License-Identifier: MIT */
/*
 * json.c - fuzzes the JSON scanner: what it accepts Jansson accepts too and
 * the other way round, but for the limits that are ours; its walks stay
 * inside the text; a tap sees the same values however the text is cut.
 */
#include "fcgi/base/json.h"

#include <jansson.h>
#include <stdlib.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "tests/fuzz/fuzz.h"

static bool
inside(struct str part, struct str whole)
{
	return part.n == 0 || (part.p >= whole.p &&
	    part.p + part.n <= whole.p + whole.n);
}

static size_t
walk(struct arena *a, struct str value, struct str whole, int depth)
{
	struct json_each m = json_each(value);
	size_t seen = 0;
	int64_t number;

	json_text(a, value);
	json_int(value, &number);
	json_yes(value);
	while (json_next(&m)) {
		assert(inside(m.name, whole) && inside(m.value, whole));
		assert(json_name_is(m.name, S("model")) ==
		    str_eq(json_name(a, m.name), S("model")));
		assert(++seen <= whole.n);
		if (depth < LIMIT_JSON_DEPTH)
			walk(a, m.value, value, depth + 1);
	}
	return seen;
}

/* The same, stepping inside: it passes by the same values. */
static size_t
walk_inside(struct json_each m, struct str value, struct str whole, int depth)
{
	struct json_each plain = json_each(value);
	bool checked = json_valid(value, NULL);
	size_t seen = 0;

	while (json_reach(&m)) {
		assert(inside(m.name, whole) && inside(m.value, whole));
		assert(++seen <= whole.n);
		if (checked)
			assert(json_next(&plain) &&
			    plain.value.p == m.value.p);
		if (depth < LIMIT_JSON_DEPTH)
			walk_inside(json_inside(&m),
			    checked ? plain.value : m.value, whole, depth + 1);
	}
	assert(!checked || !json_next(&plain));
	return seen;
}

/* The deepest bracket outside of strings. */
static int
depth_of(struct str text)
{
	int depth = 0, deepest = 0;
	bool string = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '[' || c == '{'))
			deepest = ++depth > deepest ? depth : deepest;
		else if (!string && (c == ']' || c == '}'))
			depth--;
	}
	return deepest;
}

static void
compare(struct str text, bool ours, const struct json_error *e)
{
	json_error_t why;
	json_t *tree;

	/* Jansson passes over a NUL byte behind a number. */
	if (text.n && memchr(text.p, '\0', text.n)) {
		assert(!ours);
		return;
	}
	tree = json_loadb(text.p ? text.p : "", text.n,
	    JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (ours && !tree)
		assert(json_error_code(&why) == json_error_numeric_overflow);
	if (!ours && tree && depth_of(text) <= LIMIT_JSON_DEPTH) {
		fprintf(stderr, "refused at %zu: %s\n", e->at, e->what);
		abort();
	}
	json_decref(tree);
}

static void
tap(struct arena *a, struct str text, uint32_t seed, struct json_tap *t)
{
	static const char *const names[] = { "model", "usage", "error", NULL };

	json_tap_init(t, a, names, 64);
	while (text.n) {
		size_t n = seed ? fuzz_cut(&seed, text.n) : text.n;
		size_t took = json_tap_feed(t, str_from(text.p, n));

		assert(took <= n);
		if (took < n)
			break;
		text = str_skip(text, n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_from(data, n);
	struct arena a;
	struct json_error e = { 0 };
	struct json_tap whole, cut;
	bool ours;

	arena_init(&a);
	ours = json_valid(text, &e);
	assert(ours || (e.what && e.at <= n));
	if (n < 100000)
		compare(text, ours, &e);
	walk(&a, str_trim(text), text, 0);
	walk_inside(json_each(str_trim(text)), str_trim(text), text, 0);
	tap(&a, text, 0, &whole);
	tap(&a, text, 1, &cut);
	assert(whole.found == cut.found && whole.lost == cut.lost &&
	    whole.whole == cut.whole && whole.bad == cut.bad);
	for (int i = 0; i < 3; i++)
		assert(str_eq(whole.values[i], cut.values[i]));
	arena_release(&a);
	return 0;
}
