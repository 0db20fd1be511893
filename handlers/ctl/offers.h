/* SPDX-License-Identifier: MIT */
/*
 * offers.h - public price files, read as prices of weir.
 *
 * Three kinds are known by their shape: genai-prices' data.json (a list of
 * providers), models.dev's api.json (providers by name) and LiteLLM's
 * model_prices_and_context_window.json (models by name).  Numbers are read as
 * decimal text.  What weir has no unit for is not guessed: such an offer says
 * why it cannot be taken.
 */
#ifndef WEIR_CTL_OFFERS_H
#define WEIR_CTL_OFFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "handlers/ctl/noun.h"

enum offer_file { OFFERS_GENAI, OFFERS_MODELS_DEV, OFFERS_LITELLM,
	N_OFFER_FILES };
extern const char *const offer_files[N_OFFER_FILES];	/* as in --from */

/* What one provider asks for a model. */
struct offer {
	struct str name, provider;
	struct prices prices;		/* as of `now`, noun.h */
	int64_t context, max_output;	/* 0: not said */
	struct str why_not;		/* empty: it can be taken */
};

struct offers {
	struct arena *arena;
	int64_t now;			/* UTC ms */
	enum offer_file file;
	struct offer *list;
	size_t n, room;
};

/*
 * Reads a file's text; o->arena and o->now are set.  `from` (NULL: any) is
 * the kind that it must be.  False: *why.
 */
bool offers_read(struct offers *o, struct str text, const char *from,
    struct str *why);

/* offers_read.c: the same for a text that is of the kind o->file. */
void offers_take(struct offers *o, struct str text);

/* Sorts by name, and leaves one offer of each: the provider's (empty: who
 * makes the model before those who resell it), or one that says whom to
 * choose among. */
void offers_choose(struct offers *o, struct str provider);

#endif
