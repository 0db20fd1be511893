/* SPDX-License-Identifier: MIT */
/* offers.c - which public price file it is, and whose offers; see offers.h. */
#include "handlers/ctl/offers.h"

#include <stdlib.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

const char *const offer_files[N_OFFER_FILES] = {
	[OFFERS_GENAI] = "genai-prices",
	[OFFERS_MODELS_DEV] = "models.dev",
	[OFFERS_LITELLM] = "litellm",
};

/* --- which kind ----------------------------------------------------------- */

/* Told by what its first elements have; N_OFFER_FILES: none. */
static enum offer_file
kind_of(struct str text)
{
	bool list = json_kind(text) == JSON_IS_ARRAY;
	struct json_each each = json_each(text);

	for (int i = 0; i < 5 && json_next(&each); i++) {
		enum json_kind models = json_kind(json_get(each.value,
		    S("models")));

		if (list && models == JSON_IS_ARRAY)
			return OFFERS_GENAI;
		if (!list && models == JSON_IS_OBJECT)
			return OFFERS_MODELS_DEV;
		if (!list && json_get(each.value, S("litellm_provider")).n)
			return OFFERS_LITELLM;
	}
	return N_OFFER_FILES;
}

bool
offers_read(struct offers *o, struct str text, const char *from,
    struct str *why)
{
	struct json_error e;

	text = str_trim(text);
	if (!json_valid(text, &e)) {
		*why = arena_printf(o->arena, "this is no JSON: %s at byte "
		    "%zu", e.what, e.at);
		return false;
	}
	o->file = kind_of(text);
	if (o->file == N_OFFER_FILES || (from &&
	    strcmp(from, offer_files[o->file]) != 0)) {
		*why = arena_printf(o->arena, "this is not a price file of %s "
		    "as weir knows it", from ? from :
		    "genai-prices (data.json), models.dev (api.json) or "
		    "LiteLLM (model_prices_and_context_window.json)");
		return false;
	}
	offers_take(o, text);
	return true;
}

/* --- whose offer ---------------------------------------------------------- */

/* Who makes models, before those who resell them. */
static size_t
rank(struct str provider)
{
	static const char *const makers[] = { "openai",
		"text-completion-openai", "anthropic", "google", "gemini",
		"mistral", "deepseek", "x-ai", "xai", "cohere", "cohere_chat",
		"moonshotai", "moonshot", "zhipuai", "zai", "minimax",
		"perplexity", "voyageai", "voyage" };
	size_t i = 0;

	while (i < countof(makers) && !str_eq(provider, str_of(makers[i])))
		i++;
	return i < countof(makers) ? i : SIZE_MAX;
}

static int
by_name_and_rank(const void *a, const void *b)
{
	const struct offer *x = a, *y = b;
	size_t i = rank(x->provider), j = rank(y->provider);
	int d = str_cmp(x->name, y->name);

	if (d)
		return d;
	if (i != j)
		return i < j ? -1 : 1;
	return str_cmp(x->provider, y->provider);
}

static bool
same_price(const struct prices *a, const struct prices *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (a->list[i].from_ms != b->list[i].from_ms ||
		    a->list[i].until_ms != b->list[i].until_ms ||
		    !price_words_eq(&a->list[i].say, &b->list[i].say))
			return false;
	return a->n == b->n;
}

/* One of several of the same name: the first, if nobody else is as good, and
 * if it is not there itself at another price. */
static struct offer
best(struct offers *o, const struct offer *list, size_t n)
{
	struct offer one = list[0];
	struct buf who = BUF(o->arena, 1 << 20);
	bool differ = false;

	for (size_t i = 1; i < n && str_eq(list[i].provider, one.provider);
	    i++)
		differ |= !same_price(&one.prices, &list[i].prices);
	if (differ && rank(one.provider) != SIZE_MAX)
		one.why_not = arena_printf(o->arena, "%.*s has it twice, at "
		    "different prices", STR_ARGS(one.provider));
	if (n == 1 || rank(one.provider) != SIZE_MAX)
		return one;
	for (size_t i = 0; i < n; i++) {
		differ |= i > 0 && !same_price(&one.prices, &list[i].prices);
		buf_printf(&who, "%s%.*s", i ? ", " : "",
		    STR_ARGS(list[i].provider));
	}
	if (differ)
		one.why_not = arena_printf(o->arena, "several providers sell "
		    "it at different prices: choose one of them by --provider: "
		    "%.*s", STR_ARGS(buf_str(&who)));
	return one;
}

void
offers_choose(struct offers *o, struct str provider)
{
	size_t n = 0, end;

	for (size_t i = 0; provider.n && i < o->n; i++)
		if (str_eq(o->list[i].provider, provider))
			o->list[n++] = o->list[i];
	if (provider.n)
		o->n = n;
	if (o->n)
		qsort(o->list, o->n, sizeof(*o->list), by_name_and_rank);
	n = 0;
	for (size_t i = 0; i < o->n; i = end) {
		end = i + 1;
		while (end < o->n && str_eq(o->list[end].name,
		    o->list[i].name))
			end++;
		o->list[n++] = best(o, &o->list[i], end - i);
	}
	o->n = n;
}
