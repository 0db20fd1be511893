/* SPDX-License-Identifier: MIT */
/* fit.c - a request as its target takes it; see fit.h. */
#include "handlers/dialect/fit.h"

#include <sodium.h>
#include <stdlib.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/schema.h"

enum {
	HASH_BYTES = 16,	/* of a hidden user */
	DIGITS_MOST = 6,	/* of an exponent */
	FAR = 1000000		/* an exponent that has more */
};

bool
fit_drop(const struct fitting *f, const char *name)
{
	return neutral_drop(f->dropped, f->t, f->arena, f->fault, name);
}

static bool
refuse(const struct fitting *f, enum fault_kind kind, const char *param,
    const char *words)
{
	fault_set(f->fault, f->arena, kind, "%s", words);
	f->fault->param = str_of(param);
	return false;
}

static const struct str nothing;

/* --- Numbers -------------------------------------------------------------- */

/*
 * A JSON number against a whole one that is at least 1: negative, 0 or
 * positive.  Its digits are looked at, because a double would make
 * 1.00000000000000001 be 1.
 */
static int
against(struct str number, int64_t whole)
{
	char room[STR_INT];
	struct str digits = str_digits(whole, room), exponent;
	int64_t e = 0, place = 0;	/* of the first digit that is no 0 */
	bool point = false, began = false;
	size_t i, k = 0;
	int order = 0;

	for (i = 0; i < number.n && (number.p[i] | 0x20) != 'e'; i++) {
		char c = number.p[i];

		if (c == '-')
			return -1;
		if (c == '.') {
			point = true;
			continue;
		}
		began |= c != '0';
		place += began && !point ? 1 : !began && point ? -1 : 0;
		if (began && order == 0)
			order = c - (k < digits.n ? digits.p[k++] : '0');
	}
	for (; order == 0 && k < digits.n; k++)
		order = '0' - digits.p[k];
	exponent = str_skip(number, i + 1);
	if (exponent.n && exponent.p[0] == '+')
		exponent = str_skip(exponent, 1);
	if (exponent.n && (exponent.n > DIGITS_MOST || !str_int(exponent, &e)))
		e = exponent.p[0] == '-' ? -FAR : FAR;
	place += e - (int64_t)digits.n;
	if (!began)
		return -1;
	return place < 0 ? -1 : place > 0 ? 1 : order;
}

static bool
is_zero(struct str number)
{
	for (size_t i = 0; i < number.n; i++) {
		if (number.p[i] == 'e' || number.p[i] == 'E')
			break;
		if (number.p[i] >= '1' && number.p[i] <= '9')
			return false;
	}
	return true;
}

static bool
is_empty(struct str container)
{
	struct json_each m = json_each(container);

	return !json_next(&m);
}

/* --- Sampling ------------------------------------------------------------- */

/* Leaves a value out that says something. */
static bool
leave(const struct fitting *f, struct str *value, const char *name, bool says)
{
	*value = nothing;
	return !says || fit_drop(f, name);
}

static bool
fit_temperature(const struct fitting *f, struct neutral *n, bool off)
{
	struct str *v = &n->temperature;
	int64_t most = f->words->temperature_most;

	if (v->n == 0)
		return true;
	/* 1 is what it has anyway. */
	if (off)
		return leave(f, v, "temperature", against(*v, 1) != 0);
	if (f->t->temperature_most && f->t->temperature_most < most)
		most = f->t->temperature_most;
	if (against(*v, most) > 0)
		*v = arena_int(f->arena, most);
	else if (v->p[0] == '-')
		*v = S("0");
	return true;
}

static bool
fit_top(const struct fitting *f, struct neutral *n, bool off)
{
	bool either = f->t->temp_or_top_p && n->temperature.n;

	if (n->top_p.n && (off || either) && !leave(f, &n->top_p, "top_p",
	    against(n->top_p, 1) != 0))
		return false;
	if (n->top_k.n && (off || !(f->words->top_k || f->t->top_k)))
		return leave(f, &n->top_k, "top_k", true);
	return true;
}

/* Blank ones would stop nothing of use where they are refused. */
static bool
fit_stops(const struct fitting *f, struct neutral *n)
{
	int64_t most = f->words->stop_most;
	size_t kept = 0;

	for (size_t i = 0; i < n->n_stops; i++)
		if (f->words->blank_stops || !neutral_is_blank(n->stops[i]))
			n->stops[kept++] = n->stops[i];
	n->n_stops = kept;
	if (f->t->stop_most && (most == 0 || f->t->stop_most < most))
		most = f->t->stop_most;
	if (f->t->no_stop && kept) {
		n->n_stops = 0;
		return fit_drop(f, "stop");
	}
	if (most == 0 || (int64_t)kept <= most)
		return true;
	n->n_stops = (size_t)most;
	return fit_drop(f, "stop");
}

bool
fit_sampling(const struct fitting *f, struct neutral *n,
    enum reasoning_switch reasons)
{
	const struct target *t = f->t;
	bool plain = reasons == REASONING_OFF ||
	    (t->reasoning == REASONING_NONE && !t->always_reasons);
	bool off = t->sampling == SAMPLING_NO ||
	    (t->sampling == SAMPLING_PLAIN && !plain) ||
	    (f->words->cool && reasons == REASONING_ON);

	return fit_temperature(f, n, off) && fit_top(f, n, off) &&
	    fit_stops(f, n);
}

/* --- Hints ---------------------------------------------------------------- */

/* Numbers for the sampler that some dialects, and some models, lack. */
static bool
fit_numbers(const struct fitting *f, struct neutral *n)
{
	const struct target *t = f->t;
	bool any = f->words->numbers;

	if ((!any || t->seed == SEED_NO) &&
	    !leave(f, &n->seed, "seed", n->seed.n > 0))
		return false;
	if (!any || t->no_penalties) {
		struct str *a = &n->presence_penalty;
		struct str *b = &n->frequency_penalty;

		if (!leave(f, a, "presence_penalty", !is_zero(*a)) ||
		    !leave(f, b, "frequency_penalty", !is_zero(*b)))
			return false;
	}
	return (any && !t->no_logit_bias) || leave(f, &n->logit_bias,
	    "logit_bias", !is_empty(n->logit_bias));
}

/* What has no equivalent, and is a hint only. */
static bool
fit_hints(const struct fitting *f, struct neutral *n)
{
	const struct {
		const char *name;
		bool said;
	} list[] = {
		{ "metadata", !is_empty(n->metadata) },
		{ "store", n->store == YES },
		{ "verbosity", n->verbosity.n > 0 && !f->words->verbosity },
		{ "prompt_cache_key", n->cache_key.n > 0 &&
		    !f->words->cache_key },
		{ "service_tier", n->tier.n && !f->t->service_tier &&
		    !str_eq(n->tier, S("auto")) },
	};

	if (!fit_numbers(f, n))
		return false;
	for (size_t i = 0; i < countof(list); i++)
		if (list[i].said && !fit_drop(f, list[i].name))
			return false;
	if (!f->t->service_tier)
		n->tier = nothing;
	for (size_t i = 0; i < n->n_hints; i++)
		if (!fit_drop(f, n->hints[i]))
			return false;
	return true;
}

/* What the answer could not be without. */
static bool
fit_shapes(const struct fitting *f, const struct neutral *n)
{
	if (n->n > 1)
		return refuse(f, FAULT_UNSUPPORTED, "n",
		    "'n' greater than 1 is not available for this model.");
	if (n->logprobs && (!(f->words->numbers || f->words->logprobs) ||
	    f->t->no_logprobs))
		return refuse(f, FAULT_UNSUPPORTED, "logprobs",
		    "'logprobs' is not available for this model.");
	if (n->audio_out)
		return refuse(f, FAULT_UNSUPPORTED_VALUE, "modalities",
		    "Audio output is not available for this model.");
	if (n->web_search.n)
		return refuse(f, FAULT_UNSUPPORTED, "web_search_options",
		    "'web_search_options' is not available for this model.");
	return true;
}

/* --- Tools ---------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	const struct str *x = a, *y = b;

	if (x->n != y->n || x->n == 0)
		return x->n < y->n ? -1 : x->n > y->n;
	return memcmp(x->p, y->p, x->n);
}

/* Those that may be called, in an order in which they are found at once: both
 * lists are as long as a caller likes. */
static const struct str *
sorted(const struct fitting *f, const struct neutral *n)
{
	struct str *names = arena_zero(f->arena,
	    sizeof(*names) * (n->n_chosen + 1));

	if (n->n_chosen) {
		memcpy(names, n->chosen, sizeof(*names) * n->n_chosen);
		qsort(names, n->n_chosen, sizeof(*names), by_name);
	}
	return names;
}

static bool
has_grammar(const struct tool *t)
{
	struct str custom = json_get(t->raw, S("custom"));
	struct str format = json_get(custom.n ? custom : t->raw, S("format"));

	return t->kind == TOOL_CUSTOM &&
	    str_eq(json_get(format, S("type")), S("\"grammar\""));
}

static bool
fit_tool(const struct fitting *f, struct tool *t)
{
	if (has_grammar(t) && !fit_drop(f, "format"))
		return false;
	if (f->t->no_schema_uri)
		t->schema = schema_without_uri(f->arena, t->schema);
	if (f->t->strict_tools && t->kind == TOOL_FUNCTION)
		return true;
	if (t->strict == YES && !fit_drop(f, "strict"))
		return false;
	t->strict = UNSAID;
	return true;
}

/* Those that may be called; only so can a target without the word for it be
 * told which. */
static bool
choose_tools(const struct fitting *f, struct neutral *n)
{
	bool some = n->choice == CHOICE_ALLOWED_AUTO ||
	    n->choice == CHOICE_ALLOWED_REQUIRED ||
	    (n->choice == CHOICE_NAMED && f->t->choices == CHOICES_ANY);
	const struct str *names = sorted(f, n);
	struct tool *list = arena_zero(f->arena,
	    sizeof(*list) * (n->n_tools + 1));
	size_t kept = 0;

	for (size_t i = 0; i < n->n_tools; i++) {
		if (some && !bsearch(&n->tools[i].name, names, n->n_chosen,
		    sizeof(*names), by_name))
			continue;
		list[kept] = n->tools[i];
		if (!fit_tool(f, &list[kept++]))
			return false;
	}
	if (some && kept == 0)
		return refuse(f, FAULT_BAD_REQUEST, "tool_choice", "None of "
		    "the tools that 'tool_choice' allows is among 'tools'.");
	n->tools = list;
	n->n_tools = kept;
	if (n->choice == CHOICE_ALLOWED_AUTO)
		n->choice = CHOICE_AUTO;
	else if (some)
		n->choice = CHOICE_REQUIRED;
	return true;
}

/* Calls and results in the history are refused without their tools. */
static bool
has_calls(const struct neutral *n)
{
	for (size_t i = 0; i < n->n_turns; i++)
		for (size_t j = 0; j < n->turns[i].n; j++)
			if (n->turns[i].blocks[j].kind == BLOCK_CALL ||
			    n->turns[i].blocks[j].kind == BLOCK_RESULT)
				return true;
	return false;
}

static bool
fit_tools(const struct fitting *f, struct neutral *n)
{
	bool forced;

	if (n->n_tools && f->t->no_tools) {
		if (n->choice != CHOICE_NONE)
			return refuse(f, FAULT_UNSUPPORTED, "tools",
			    "'tools' is not available for this model.");
		n->n_tools = 0;
	}
	if (n->choice == CHOICE_NONE && f->t->no_choice_none && !has_calls(n))
		n->n_tools = 0;
	if (n->n_tools == 0) {
		n->choice = CHOICE_UNSAID;
		n->parallel = UNSAID;
		return true;
	}
	if (!choose_tools(f, n))
		return false;
	forced = n->choice == CHOICE_REQUIRED || n->choice == CHOICE_NAMED;
	if (forced && f->t->choices == CHOICES_AUTO) {
		n->choice = CHOICE_UNSAID;
		if (!fit_drop(f, "tool_choice"))
			return false;
	}
	if (n->parallel != NO || !f->t->no_parallel)
		return true;
	n->parallel = UNSAID;
	return fit_drop(f, "parallel_tool_calls");
}

/* --- The form of the answer ----------------------------------------------- */

/* One more instruction, behind the caller's own. */
static void
instruct(const struct fitting *f, struct neutral *n, struct str raw)
{
	struct block *list = arena_zero(f->arena,
	    sizeof(*list) * (n->n_system + 1));

	if (n->n_system)
		memcpy(list, n->system, sizeof(*list) * n->n_system);
	list[n->n_system++] = (struct block){ .kind = BLOCK_TEXT,
		.text = raw };
	n->system = list;
}

#define ONE_OBJECT "Answer with a single JSON object and nothing else."

bool
fit_is_tool(const struct fitting *f, const struct neutral *n)
{
	return n->format == FORMAT_SCHEMA && !f->t->json_schema &&
	    f->words->schema_tool && !f->t->no_tools &&
	    f->t->choices != CHOICES_AUTO && n->n_tools == 0;
}

/* A schema that nobody holds the model to is an instruction. */
static bool
fit_format(const struct fitting *f, struct neutral *n)
{
	bool object = f->words->json_object && !f->t->no_json_object;

	if (n->format == FORMAT_SCHEMA && f->t->no_schema_uri)
		n->schema = schema_without_uri(f->arena, n->schema);
	if (n->format == FORMAT_JSON && !object) {
		instruct(f, n, S(ONE_OBJECT));
		n->format = FORMAT_TEXT;
	}
	if (n->format != FORMAT_SCHEMA || f->t->json_schema ||
	    fit_is_tool(f, n))
		return true;
	if (f->words->schema_tool && n->n_tools)
		return refuse(f, FAULT_UNSUPPORTED_VALUE, "response_format",
		    "This model takes either tools or a schema for its "
		    "answer, not both.");
	instruct(f, n, ARENA_JOIN(f->arena, S(ONE_OBJECT " It must fit this "
	    "JSON Schema: "), neutral_raw(f->arena, n->schema)));
	n->format = object ? FORMAT_JSON : FORMAT_TEXT;
	return fit_drop(f, "json_schema");
}

/* --- Pictures ------------------------------------------------------------- */

static bool
has_url(const struct block *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((list[i].kind == BLOCK_IMAGE &&
		    list[i].source.kind == SOURCE_URL) ||
		    has_url(list[i].inside, list[i].n_inside))
			return true;
	return false;
}

static bool
fit_images(const struct fitting *f, const struct neutral *n)
{
	for (size_t i = 0; f->t->no_image_url && i < n->n_turns; i++)
		if (has_url(n->turns[i].blocks, n->turns[i].n))
			return refuse(f, FAULT_UNSUPPORTED_VALUE, "messages",
			    "An image by its URL is not available for this "
			    "model: send its data, as base64.");
	return true;
}

/* --- All of it ------------------------------------------------------------ */

bool
fit_request(const struct fitting *f, struct neutral *n)
{
	return fit_shapes(f, n) && fit_images(f, n) && fit_hints(f, n) &&
	    fit_tools(f, n) && fit_format(f, n);
}

struct str
fit_user(const struct fitting *f, struct str id)
{
	unsigned char hash[HASH_BYTES];
	char *hex;

	if (id.n <= f->words->user_bytes && !memchr(id.p ? id.p : "", '@',
	    id.n))
		return id;
	hex = arena_alloc(f->arena, HASH_BYTES * 2 + 1);
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)id.p,
	    id.n, NULL, 0);
	sodium_bin2hex(hex, HASH_BYTES * 2 + 1, hash, sizeof(hash));
	return str_from(hex, HASH_BYTES * 2);
}
