/* SPDX-License-Identifier: MIT */
/*
 * channel.h - a channel's upstream, asked by the operator: what `channel
 * test` and `channel models` share.
 *
 * They ask as the relay would (the same key, URL, headers, clocks, roots and
 * proxy), judge an answer by the same tables, and say what the relay would do
 * about it; nothing is parked, held or charged by it.
 */
#ifndef WEIR_CTL_CHANNEL_H
#define WEIR_CTL_CHANNEL_H

#include "db/catalogue.h"
#include "db/park.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/http.h"
#include "handlers/dialect/dialect.h"
#include "handlers/relay/trial.h"

struct upstream {
	struct ctl *c;
	struct client *client;
	struct catalogue *cat;
	const struct channel *ch;
	const struct dialect *dialect;
	const struct credential *only;	/* of --credential, or NULL */
	struct park *parks;
	int n_parks;
	struct str key;			/* opened last, until it is wiped */
	struct str request_id;		/* to be sent; empty: a new one each */
	int64_t answer_ms;		/* at most, beside connecting; 0: the
					 * channel's timeouts.first_ms */
};

/* Finds the channel that words[0] names, and --credential.  EXIT_DONE, or
 * the reason was printed; upstream_close in any case. */
int upstream_open(struct ctl *c, struct upstream *u);
/* The same for whoever finds channel and credentials himself: sets u->ch and
 * u->dialect before he asks. */
int upstream_begin(struct ctl *c, struct upstream *u);
void upstream_close(struct upstream *u);

/* Is this one to be asked with: on, or the one that was named? */
bool upstream_uses(const struct upstream *u, const struct credential *k);

/* A foreign text made fit for a terminal, without what it has of the key. */
struct str upstream_clean(const struct upstream *u, struct str text);

/* The park a credential is in now, for the upstream's name of a model (empty:
 * any), or NULL. */
const struct park *upstream_park(const struct upstream *u,
    const struct credential *k, struct str model);

/* What came of a request. */
struct said {
	struct heard h;
	struct str url;
	const char *outcome;		/* "ok", "key_dead", "no address" … */
	enum up_class kind;		/* UP_OK: it is no error of a class */
	struct str words;		/* of an error, redacted; or empty */
	struct str code, param;		/* of such, redacted */
	struct str cure;		/* what to do about it, or empty */
	int64_t hint_ms;		/* how long it asks to wait; 0 */
};

/*
 * Asks a path below base_url with a credential: POSTs json, or GETs when that
 * is empty; an answer of more than `most` bytes is ended.  True when a 200
 * came whole: s->outcome is then "ok" and the body still to be judged.
 * u->key is there until the next one.
 */
bool upstream_ask(struct upstream *u, const struct credential *k,
    struct str path, bool stream, struct str json, size_t most,
    struct said *s);

/*
 * A tiny call (trial.h), asked for as long as the upstream wants its limit by
 * another name: t->completion is set then.  True: it was answered.
 */
bool upstream_try(struct upstream *u, const struct credential *k,
    struct trial *t, bool stream, struct said *s, struct trial_verdict *v);

/* The upstream reported an error: sets kind, words, cure.  False. */
bool said_error(struct upstream *u, struct said *s,
    const struct credential *k, const struct up_error *e);

/* A 200 that was no answer: "not_json", "bad_answer", "cut".  False. */
bool said_bad(struct said *s, const char *outcome, struct str words);

/* "401 key_dead", for people. */
struct str said_name(struct arena *a, const struct said *s);

/* weirctl channel test --last: what probes have shown.  The exit status. */
int channel_last(struct ctl *c);

/* 250 ms, 20 s, 10 min */
struct str span_text(struct arena *a, int64_t ms);

#endif
