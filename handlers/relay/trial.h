/* SPDX-License-Identifier: MIT */
/*
 * trial.h - a tiny call that shows whether an upstream works: which model and
 * endpoint a channel is tried with, the body for it, what its answer says.
 *
 * For whoever asks an upstream without a caller: weirctl channel test, the
 * prober and weirctl tick.  Pure: no socket, no clock, no store.  Strings are
 * the catalogue's, or in the arena that was given.
 */
#ifndef WEIR_TRIAL_H
#define WEIR_TRIAL_H

#include "db/catalogue.h"
#include "handlers/dialect/dialect.h"

enum {
	TRIAL_TOKENS = 16,		/* the least that every provider
					 * takes as a limit */
	TRIAL_ANSWER_BYTES = 1 << 20	/* more is no answer to that */
};

struct trial {
	/* whom; set by whoever begins */
	const struct catalogue *cat;
	const struct channel *ch;
	const struct dialect *dialect;
	/* what with; by trial_choose */
	struct str name;		/* of the model, as callers say it */
	struct str as;			/* the upstream's name for it */
	const struct model *model;	/* that prices it, or NULL */
	const struct channel_model *serves;	/* or NULL */
	enum endpoint endpoint;		/* that converses, or embeddings */
	bool completion;		/* the limit as max_completion_tokens */
};

enum trial_choice {
	TRIAL_CHOSEN,
	TRIAL_NONE,		/* the channel has nothing to be tried with */
	TRIAL_DEAR		/* it makes no text, and is not priced by its
				 * input: a call would not be cheap */
};

/* With this model; empty: the channel's test_model, else the cheapest that it
 * serves by a name and that makes text. */
enum trial_choice trial_choose(struct trial *t, struct str name);

/* With the model that the upstream calls so; empty: as above.  One that is no
 * longer served under any name: TRIAL_NONE. */
enum trial_choice trial_choose_as(struct trial *t, struct str as);

/* Is it known what a call of it costs? */
bool trial_priced(const struct trial *t);

/* The body, written as the relay would write it: it asks for at most
 * TRIAL_TOKENS.  Empty: the dialect cannot say it. */
struct str trial_body(const struct trial *t, bool stream, struct arena *a);

/* The path below base_url. */
struct str trial_path(const struct trial *t, bool stream, struct arena *a);

/* An answer, as it came. */
struct trial_answer {
	int status;
	struct str type, encoding;	/* of its headers, or empty */
	struct str body;
	bool stream;			/* a stream was asked for */
};

struct trial_verdict {
	bool good;			/* whole, and what was asked for */
	bool streamed;
	const char *outcome;		/* "ok", a class, "bad_answer" … */
	enum up_class kind;		/* UP_OK: it told no error */
	struct up_error error;		/* that it told; not redacted by key */
	struct str words;		/* of an answer that is none */
	struct tokens tokens;
	struct str model;		/* as the answer names it */
	int64_t cost;			/* nano-dollars; -1: unknown */
};

/* Judges it as the relay does (send.c). */
void trial_judge(const struct trial *t, const struct trial_answer *answer,
    struct arena *a, struct trial_verdict *v);

/* Newer models take their limit by another name, and say so: true when the
 * same call, with t->completion set, is worth another try. */
bool trial_other_limit(const struct trial *t, enum up_class kind,
    struct str param, struct str words);

#endif
