/* SPDX-License-Identifier: MIT */
/*
 * gemini_names.c - names of members, which come as maxOutputTokens or as
 * max_output_tokens.
 */
#include <ctype.h>

#include "handlers/dialect/gemini.h"

static bool
is_ascii(struct str raw)
{
	for (size_t i = 0; i < raw.n; i++)
		if (raw.p[i] == '\\' || (unsigned char)raw.p[i] >= 0x80)
			return false;
	return true;
}

bool
gemini_is(struct arena *a, struct str raw, struct str want)
{
	size_t i = 0, j = 0;

	if (!is_ascii(raw))
		raw = json_name(a, raw);
	for (;;) {
		while (i < raw.n && raw.p[i] == '_')
			i++;
		if (i == raw.n || j == want.n)
			return i == raw.n && j == want.n;
		if (tolower((unsigned char)raw.p[i++]) !=
		    tolower((unsigned char)want.p[j++]))
			return false;
	}
}

/* The second spelling of `want`. */
static bool
is_snake(struct str raw, struct str want)
{
	size_t i = 0;

	for (size_t j = 0; j < want.n; j++) {
		bool upper = isupper((unsigned char)want.p[j]);

		if (upper && (i == raw.n || raw.p[i++] != '_'))
			return false;
		if (i == raw.n ||
		    raw.p[i++] != tolower((unsigned char)want.p[j]))
			return false;
	}
	return i == raw.n;
}

bool
gemini_is_plain(struct str raw, struct str want)
{
	return str_eq(raw, want) || is_snake(raw, want);
}

struct str
gemini_get(struct arena *a, struct str object, struct str want)
{
	for (struct json_each m = json_each(object); json_next(&m);)
		if (m.object && gemini_is(a, m.name, want))
			return m.value;
	return (struct str){ NULL, 0 };
}

bool
gemini_word(struct str value, struct str want)
{
	return str_eq_nocase(gemini_inside(value), want);
}

struct str
gemini_model(struct str name)
{
	return str_starts(name, S("models/")) ? str_skip(name, 7) : name;
}
