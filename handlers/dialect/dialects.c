/* SPDX-License-Identifier: MIT */
/* dialects.c - the dialects there are. */
#include "fcgi/base/mem.h"
#include "handlers/dialect/dialect.h"

static const struct dialect *const dialects[] = {
	&openai_dialect,
};

const struct dialect *
dialect_find(struct str name)
{
	for (size_t i = 0; i < countof(dialects); i++)
		if (str_eq(name, str_of(dialects[i]->name)))
			return dialects[i];
	return NULL;
}
