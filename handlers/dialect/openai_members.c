/* SPDX-License-Identifier: MIT */
/* openai_members.c - the members of a request's body; see openai_members.h. */
#include "handlers/dialect/openai_members.h"

#include <assert.h>
#include <stdarg.h>

#include "fcgi/base/limits.h"

enum {
	TIER_MOST = 64 /* bytes of a service tier's name */
};

bool
openai_refuse(struct reading *r, enum fault_kind kind, const char *param,
    const char *format, ...)
{
	va_list ap;

	if (r->fault->kind == FAULT_NONE)
		r->fault->param = str_of(param);
	va_start(ap, format);
	fault_vset(r->fault, r->arena, kind, format, ap);
	va_end(ap);
	return false;
}

bool
openai_is_empty(struct str value)
{
	struct json_each m = json_each(value);

	switch (json_kind(value)) {
	case JSON_IS_NULL:
		return true;
	case JSON_IS_BOOL:
		return !json_yes(value);
	case JSON_IS_STRING:
		return value.n == 2;
	case JSON_IS_ARRAY:
	case JSON_IS_OBJECT:
		return !json_next(&m);
	default:
		return false;
	}
}

bool
openai_is_null(struct str value)
{
	return json_kind(value) == JSON_IS_NULL;
}

/* --- The members --- */

bool
openai_take_model(struct reading *r, struct str name)
{
	/* What the path says counts, whatever the body says. */
	if (r->out->by_path.model.n)
		name = r->out->by_path.model;
	if (name.n == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, "model",
		    "'model' must be the name of a model, as a string.");
	if (name.n > LIMIT_MODEL_BYTES)
		return openai_refuse(r, FAULT_BAD_REQUEST, "model",
		    "'model' is longer than %d bytes: no model has such a "
		    "name.",
		    LIMIT_MODEL_BYTES);
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
			return openai_refuse(r, FAULT_BAD_REQUEST, "model",
			    "'model' holds a control character: no model has "
			    "such a name.");
	r->out->model = name;
	return true;
}

bool
openai_read_model_name(struct reading *r, struct str value)
{
	r->out->model_at = value;
	return openai_take_model(r, json_text(r->arena, value));
}

bool
openai_read_flag(struct reading *r, struct str value, const char *name,
    bool *yes)
{
	if (!openai_is_null(value) && json_kind(value) != JSON_IS_BOOL)
		return openai_refuse(r, FAULT_BAD_REQUEST, name,
		    "'%s' must be true or false.", name);
	*yes = json_yes(value);
	return true;
}

bool
openai_read_count(struct reading *r, struct str value, const char *name,
    int64_t most, int64_t *v)
{
	*v = -1;
	if (openai_is_null(value))
		return true;
	if (!json_int(value, v) || *v < 1 || *v > most)
		return openai_refuse(r, FAULT_BAD_REQUEST, name,
		    "'%s' must be a whole number from 1 to %lld.", name,
		    (long long)most);
	return true;
}

/* The newer name counts if both are there. */
bool
openai_read_safety_identifier(struct reading *r, struct str value)
{
	struct str who = json_text(r->arena, value);

	if (who.n)
		r->out->end_user = who;
	return true;
}

bool
openai_read_user(struct reading *r, struct str value)
{
	if (r->out->end_user.n == 0)
		r->out->end_user = json_text(r->arena, value);
	return true;
}

bool
openai_read_prompt_cache_key(struct reading *r, struct str value)
{
	r->out->session = json_text(r->arena, value);
	return true;
}

static bool
tier_is_neutral(struct str value)
{
	return openai_is_empty(value) || str_eq(value, S("\"auto\"")) ||
	    str_eq(value, S("\"default\""));
}

/* Whether it has a price is for the plan to say. */
bool
openai_read_service_tier(struct reading *r, struct str value)
{
	struct str tier = json_text(r->arena, value);

	if (tier_is_neutral(value))
		return true;
	if (tier.n == 0 || tier.n > TIER_MOST)
		return openai_refuse(r, FAULT_UNSUPPORTED_VALUE,
		    "service_tier", "This value of 'service_tier' is not "
		    "available here: leave 'service_tier' out.");
	r->out->service_tier = tier;
	return true;
}

/* --- The walk --- */

/* The row of a folded name, or -1. */
static int
find(const struct member *table, size_t n, enum endpoint endpoint,
    struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].name.n == name.n &&
		    (table[i].where & 1u << endpoint) &&
		    memcmp(table[i].name.p, name.p, name.n) == 0)
			return (int)i;
	return -1;
}

static bool
read_member(struct reading *r, const struct member *m, struct str value)
{
	const char *name = m->name.p;

	if (m->read)
		return m->read(r, value);
	if (m->neutral(value))
		return true;
	if (m->fate == REFUSED)
		return openai_refuse(r, FAULT_UNSUPPORTED, name,
		    "'%s' is not available here: leave it out.", name);
	return openai_refuse(r, FAULT_UNSUPPORTED_VALUE, name,
	    "This value of '%s' is not available here: leave '%s' out.", name,
	    name);
}

bool
openai_read_members(struct reading *r, const struct member *table, size_t n,
    struct str body)
{
	uint64_t seen = 0;

	assert(n <= OPENAI_MEMBERS);
	for (struct json_each m = json_each(body); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);
		int i = find(table, n, r->out->endpoint, name);

		if (i < 0)
			continue;
		if (name.p != m.name.p)
			return openai_refuse(r, FAULT_BAD_REQUEST,
			    table[i].name.p,
			    "'%s' is spelt in an unusual way: write it "
			    "plainly, in lower case.",
			    table[i].name.p);
		if (seen & UINT64_C(1) << i)
			return openai_refuse(r, FAULT_BAD_REQUEST,
			    table[i].name.p,
			    "'%s' stands there twice: send it once.",
			    table[i].name.p);
		seen |= UINT64_C(1) << i;
		if (!read_member(r, &table[i], m.value))
			return false;
	}
	return true;
}
