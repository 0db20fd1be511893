/* SPDX-License-Identifier: MIT */
/* capability.c - what models and upstreams can do; see capability.h. */
#include "handlers/dialect/capability.h"

#include "fcgi/base/mem.h"

enum { COUNT_MOST = 1000 };

enum form {
	FLAG,			/* a bool */
	NOT,			/* a bool that says the opposite */
	COUNT,			/* an int64_t */
	WORD,			/* an enum, by its words */
	EFFORTS			/* a set of efforts */
};

struct capability {
	struct str name;
	enum form form;
	size_t at;
	const char *const *words;	/* of WORD, in the enum's order */
	const char *says;
};

static const char *const reasonings[] = { "none", "effort", "budget",
	"adaptive", "thinking", "enable_thinking", "object", "template",
	"level", NULL };
static const char *const samplings[] = { "yes", "no", "plain", NULL };
static const char *const choices[] = { "all", "any", "auto", NULL };
static const char *const places[] = { "no", "reasoning", "yes", NULL };
static const char *const ids[] = { "free", "alnum9", NULL };
static const char *const prefills[] = { "plain", "prefix", "partial", NULL };
static const char *const seeds[] = { "seed", "random_seed", "no", NULL };
static const char *const users[] = { "no", "safety_identifier", "user",
	NULL };
static const char *const caches[] = { "default", "yes", "breakpoint", "no",
	NULL };

#define ROW(name, form, field, words, says) \
	{ STR_INIT(name), form, offsetof(struct target, field), words, says }
static const struct capability table[] = {
	ROW("max_completion_tokens", FLAG, max_completion, NULL,
	    "its limit is called max_completion_tokens"),
	ROW("reasoning", WORD, reasoning, reasonings,
	    "how it is told to reason"),
	ROW("efforts", EFFORTS, efforts, NULL,
	    "the efforts it knows; others become the nearest"),
	ROW("disable_reasoning", NOT, always_reasons, NULL,
	    "it can be told not to reason"),
	ROW("reasoning_replay", FLAG, reasoning_replay, NULL,
	    "each of its turns wants its reasoning back"),
	ROW("think_tags", FLAG, think_tags, NULL,
	    "reasoning stands as <think>…</think> before the text"),
	ROW("sampling", WORD, sampling, samplings,
	    "takes temperature and top_p; plain: unless it reasons"),
	ROW("temperature_most", COUNT, temperature_most, NULL,
	    "the highest temperature"),
	ROW("temp_and_top_p", NOT, temp_or_top_p, NULL,
	    "takes both at once"),
	ROW("top_k", FLAG, top_k, NULL, "takes top_k"),
	ROW("seed", WORD, seed, seeds, "what a seed is called"),
	ROW("penalties", NOT, no_penalties, NULL,
	    "takes presence_penalty and frequency_penalty"),
	ROW("logit_bias", NOT, no_logit_bias, NULL, "takes logit_bias"),
	ROW("logprobs", NOT, no_logprobs, NULL, "tells log probabilities"),
	ROW("stop", NOT, no_stop, NULL, "takes stop sequences"),
	ROW("stop_most", COUNT, stop_most, NULL, "and so many at most"),
	ROW("developer_role", FLAG, developer_role, NULL,
	    "instructions are the developer's"),
	ROW("mid_system", FLAG, mid_system, NULL,
	    "role system is allowed between messages"),
	ROW("one_system", FLAG, one_system, NULL,
	    "one leading system message and no other"),
	ROW("json_schema", FLAG, json_schema, NULL,
	    "answers by a JSON schema"),
	ROW("json_with_tools", FLAG, json_with_tools, NULL,
	    "and does so beside tools"),
	ROW("result_parts", FLAG, result_parts, NULL,
	    "results of tools may hold pictures"),
	ROW("json_object", NOT, no_json_object, NULL,
	    "has a mode for JSON objects"),
	ROW("strict_tools", FLAG, strict_tools, NULL,
	    "keeps to the schema of a tool that is strict"),
	ROW("tools", NOT, no_tools, NULL, "calls tools"),
	ROW("tools_need_responses", WORD, tools_place, places,
	    "calls tools in Responses only; reasoning: if it is to reason"),
	ROW("tool_choice", WORD, choices, choices,
	    "how a call is forced: any: by that word; auto: not at all"),
	ROW("tool_choice_none", NOT, no_choice_none, NULL,
	    "can be told to call none; else tools are left out for it"),
	ROW("parallel_tools", NOT, no_parallel, NULL,
	    "takes parallel_tool_calls"),
	ROW("tool_ids", WORD, ids, ids,
	    "ids of calls; alnum9: nine letters and digits"),
	ROW("tool_name", FLAG, tool_name, NULL,
	    "results of tools want the tool's name"),
	ROW("schema_uri", NOT, no_schema_uri, NULL,
	    "schemas may hold $schema"),
	ROW("image_url", NOT, no_image_url, NULL,
	    "fetches pictures itself"),
	ROW("cache_control", WORD, cache_marks, caches,
	    "takes marks of what to cache; breakpoint: as OpenAI calls them"),
	ROW("prefill", FLAG, prefill, NULL,
	    "goes on with an answer that is begun"),
	ROW("prefill_mark", WORD, prefill_mark, prefills,
	    "the member that marks such a beginning"),
	ROW("end_user", WORD, user, users,
	    "the member that names the end user"),
	ROW("service_tier", FLAG, service_tier, NULL, "takes service_tier"),
	ROW("stream_usage", NOT, no_stream_usage, NULL,
	    "takes stream_options"),
	ROW("strict", FLAG, strict, NULL,
	    "what cannot be said to it is refused, not left out"),
};
#undef ROW

const struct capability *
capability_at(size_t i)
{
	return i < countof(table) ? &table[i] : NULL;
}

struct str
capability_name(const struct capability *k)
{
	return k->name;
}

struct str
capability_says(const struct capability *k)
{
	return str_of(k->says);
}

void
capability_values(const struct capability *k, struct buf *out)
{
	switch (k->form) {
	case FLAG:
	case NOT:
		buf_put(out, S("yes, no"));
		break;
	case COUNT:
		buf_printf(out, "0 to %d", COUNT_MOST);
		break;
	case WORD:
		for (size_t i = 0; k->words[i]; i++)
			buf_printf(out, "%s%s", i ? ", " : "", k->words[i]);
		break;
	case EFFORTS:
		buf_put(out, S("some of"));
		for (int e = EFFORT_NONE; e < N_EFFORTS; e++)
			buf_printf(out, "%s%s", e == EFFORT_NONE ? " " : ",",
			    effort_names[e]);
		break;
	}
}

/* --- One value ------------------------------------------------------------ */

static bool
yes_or_no(struct str value, bool *yes)
{
	*yes = value.n == 0 || str_eq(value, S("yes")) ||
	    str_eq(value, S("true"));
	return *yes || str_eq(value, S("no")) || str_eq(value, S("false"));
}

static bool
read_efforts(struct str value, unsigned *set)
{
	*set = 0;
	while (value.n) {
		struct str word = str_cut(&value, ',');
		enum effort e = effort_of(word);

		if (e == EFFORT_UNSAID)
			return false;
		*set |= 1u << e;
	}
	return *set != 0;
}

/* Reads it into t. */
static bool
put(struct target *t, const struct capability *k, struct str value)
{
	char *field = (char *)t + k->at;
	unsigned set;
	int64_t n;
	bool yes;

	switch (k->form) {
	case FLAG:
	case NOT:
		if (!yes_or_no(value, &yes))
			return false;
		*(bool *)field = yes == (k->form == FLAG);
		return true;
	case COUNT:
		if (!str_int(value, &n) || n < 0 || n > COUNT_MOST)
			return false;
		memcpy(field, &n, sizeof(n));
		return true;
	case WORD:
		/* A word alone means yes, where that is one of them. */
		if (value.n == 0)
			value = S("yes");
		for (int i = 0; k->words[i]; i++)
			if (str_eq(value, str_of(k->words[i]))) {
				/* Every enum of the table is an unsigned. */
				*(unsigned *)(void *)field = (unsigned)i;
				return true;
			}
		return false;
	case EFFORTS:
		if (!read_efforts(value, &set))
			return false;
		memcpy(field, &set, sizeof(set));
		return true;
	}
	return false;
}
_Static_assert(sizeof(enum reasoning_style) == sizeof(unsigned) &&
    sizeof(enum user_word) == sizeof(unsigned), "see put");

static const struct capability *
find(struct str name)
{
	for (size_t i = 0; i < countof(table); i++)
		if (str_eq(table[i].name, name))
			return &table[i];
	return NULL;
}

/* --- Lists ---------------------------------------------------------------- */

bool
capability_valid(struct arena *a, struct str name, struct str value,
    struct str *why)
{
	const struct capability *k = find(name);
	struct target scratch = { 0 };
	struct buf b = BUF(a, 2048);

	if (k && put(&scratch, k, value))
		return true;
	if (k) {
		buf_printf(&b, "%.*s can be: ", STR_ARGS(name));
		capability_values(k, &b);
	} else {
		buf_put(&b, S("there is no such one; there are "));
		for (size_t i = 0; i < countof(table); i++)
			buf_printf(&b, "%s%.*s", i ? ", " : "",
			    STR_ARGS(table[i].name));
	}
	*why = buf_str(&b);
	return false;
}

void
capability_apply(struct target *t, struct str list)
{
	while (list.n) {
		struct str value = str_cut(&list, ' ');
		struct str name = str_cut(&value, '=');
		const struct capability *k = find(name);

		if (k)
			put(t, k, value);
	}
}

/* What is not zero, behind the name. */
static void
put_value(const struct target *t, const struct capability *k, struct buf *out)
{
	const char *field = (const char *)t + k->at;
	unsigned set;
	int64_t n;

	switch (k->form) {
	case FLAG:
		return;
	case NOT:
		buf_put(out, S("=no"));
		return;
	case COUNT:
		memcpy(&n, field, sizeof(n));
		buf_printf(out, "=%lld", (long long)n);
		return;
	case WORD:
		memcpy(&set, field, sizeof(set));
		buf_printf(out, "=%s", k->words[set]);
		return;
	case EFFORTS:
		memcpy(&set, field, sizeof(set));
		for (int e = EFFORT_NONE, n_put = 0; e < N_EFFORTS; e++)
			if (set >> e & 1)
				buf_printf(out, "%s%s", n_put++ ? "," : "=",
				    effort_names[e]);
		return;
	}
}

/* Is it as in a target of zeroes? */
static bool
is_zero(const struct target *t, const struct capability *k)
{
	static const char zeroes[sizeof(int64_t)];
	size_t size = k->form == FLAG || k->form == NOT ? sizeof(bool) :
	    k->form == COUNT ? sizeof(int64_t) : sizeof(unsigned);

	return memcmp((const char *)t + k->at, zeroes, size) == 0;
}

void
capability_list(const struct target *t, struct buf *out)
{
	size_t from = out->n;

	for (size_t i = 0; i < countof(table); i++) {
		if (is_zero(t, &table[i]))
			continue;
		buf_put(out, out->n > from ? S(" ") : S(""));
		buf_put(out, table[i].name);
		put_value(t, &table[i], out);
	}
}
