/* SPDX-License-Identifier: MIT */
/*
 * openai_members.h - the members of a request's body, as OpenAI's APIs have
 * them; only the dialects that speak one of those include it.
 *
 * One walk over the members of the body.  Those of a table are read; they
 * may stand there once, plainly spelt, because what we price must be what the
 * upstream reads, whatever its parser does with doubles or odd spellings.
 * Members that choose the model or the price and have no price here are
 * refused by name; all others pass untouched.
 */
#ifndef WEIR_OPENAI_MEMBERS_H
#define WEIR_OPENAI_MEMBERS_H

#include "handlers/dialect/openai.h"

enum {
	OPENAI_MAX_LIMIT = 1000000000, /* tokens; no model comes near */
	OPENAI_MEMBERS = 64 /* a table has at most so many */
};

/* What becomes of a member. */
enum fate {
	READ, /* says what we must know */
	PRICED, /* changes the price, and the price knows it */
	SET, /* may be rewritten on the way */
	REFUSED, /* unless it says nothing (`neutral`) */
	REFUSED_VALUE /* the same; other values of it are fine */
};

/* A row of such a table. */
struct member {
	struct str name;
	enum fate fate;
	unsigned where; /* endpoints */
	bool (*read)(struct reading *r, struct str value);
	bool (*neutral)(struct str value); /* of a refused one */
};

/* Reads the members of a body that was checked, by a table of n rows.  False:
 * the fault. */
bool openai_read_members(struct reading *r, const struct member *table,
    size_t n, struct str body);

/* Each reads the value of the member it is named after. */
bool openai_read_model_name(struct reading *r, struct str value);
bool openai_read_safety_identifier(struct reading *r, struct str value);
bool openai_read_user(struct reading *r, struct str value);
bool openai_read_prompt_cache_key(struct reading *r, struct str value);
bool openai_read_service_tier(struct reading *r, struct str value);

/* True or false, or null, which is false. */
bool openai_read_flag(struct reading *r, struct str value, const char *name,
    bool *yes);

/* A whole number of at least 1, or null, which is *v = -1. */
bool openai_read_count(struct reading *r, struct str value, const char *name,
    int64_t most, int64_t *v);

bool openai_is_null(struct str value);

#endif
