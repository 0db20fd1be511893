/* SPDX-License-Identifier: MIT */
/* dialects.c - the dialects there are. */
#include "fcgi/base/mem.h"
#include "handlers/dialect/dialect.h"

/* The first one speaks where no other does. */
static const struct dialect *const dialects[] = {
	&openai_dialect,
	&anthropic_dialect,
	&gemini_dialect,
	&responses_dialect,
	&azure_dialect,
};

const struct dialect *
dialect_find(struct str name)
{
	for (size_t i = 0; i < countof(dialects); i++)
		if (str_eq(name, str_of(dialects[i]->name)))
			return dialects[i];
	return NULL;
}

const struct dialect *
dialect_at(size_t i)
{
	return i < countof(dialects) ? dialects[i] : NULL;
}

static bool
is_below(struct str path, struct str head)
{
	return str_starts(path, head) &&
	    (path.n == head.n || path.p[head.n] == '/');
}

const struct dialect *
dialect_of_path(struct str path)
{
	for (size_t i = 0; i < countof(dialects); i++) {
		const char *const *head = dialects[i]->heads;

		for (; head && *head; head++)
			if (is_below(path, str_of(*head)))
				return dialects[i];
	}
	return dialects[0];
}
