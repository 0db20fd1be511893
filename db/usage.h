/* SPDX-License-Identifier: MIT */
/*
 * usage.h - what a call used: its journal line.
 */
#ifndef WEIR_USAGE_H
#define WEIR_USAGE_H

#include "db/ledger.h"
#include "db/price.h"
#include "fcgi/base/id.h"

enum usage_state {
	USAGE_DONE,		/* served whole */
	USAGE_FAILED,		/* no content reached the caller */
	USAGE_CUT,		/* broke after content */
	USAGE_LEFT,		/* the caller left, upstream cancelled */
	USAGE_DRAINED,		/* the caller left, upstream read on */
	USAGE_CRASH,		/* its process died */
	USAGE_VOID,		/* admitted too late; nothing was sent */
	N_USAGE_STATES
};
extern const char *const usage_states[N_USAGE_STATES];

struct attempt_row {
	int64_t channel, credential;
	struct str upstream_model;
	int64_t started;	/* UTC ms */
	int64_t ms;
	int status;		/* 0: none came */
	struct str outcome;	/* "ok", or a class: "rate_limit", "refused" */
};

struct usage_row {
	char request_id[ID_CHARS];
	enum usage_state state;
	struct str asked, served;	/* model names; served may be empty */
	int64_t channel, credential;	/* 0: none */
	int status;			/* that the caller saw */
	const char *fault;		/* name, or NULL */
	bool estimated;
	struct buckets use;
	int64_t charge;			/* wanted, <= bound */
	int64_t cost;
	int64_t list;			/* at list price, no markup */
	int64_t model;			/* that served; 0: that of the hold */
	int64_t price;			/* charged at; 0: that of the hold, or
					 * none if a model is named */
	bool fixed;			/* without the hold's markup */
	int64_t list_price;		/* of `list`; 0: price is that */
	int64_t cost_price, cost_ppm;
	int64_t times_ppm;		/* multipliers of price and list, and */
	int64_t cost_times_ppm;		/* of cost; 0: 1 */
	int64_t minimum;		/* was looked at for the charge, */
	bool floor;			/* and so was the cost */
	int64_t first_ms, total_ms;	/* first_ms < 0: nothing came */
	int64_t weir_us;
	struct attempt_row *attempts;
	size_t n_attempts;
	struct str end_user, tag;
	struct str remarks;		/* "capped:512 fallback" */
	int64_t loss;			/* upstream cost nobody pays */
};

/* What a call takes of an allowance in tokens or requests that covers it, and
 * would else cost so much: all its tokens, or 1; nothing if it is free. */
int64_t usage_units(enum unit covered, int64_t charge,
    const struct buckets *use);

/* Their tokens, in and out, of all kinds: as columns. */
#define USAGE_TOKENS \
	"input + cache_read + cache_write + cache_write_1h + audio_in + " \
	"image_in + output + reasoning + audio_out + image_out"

/* What rows with parts moved out of which book, and in which unit: a table of
 * id, covered, book, amount. */
#define USAGE_PARTS \
	"SELECT u.id AS id, u.covered AS covered, " \
	"json_extract(j.value, '$[0]') AS book, " \
	"json_extract(j.value, '$[1]') AS amount " \
	"FROM usage u, json_each(u.parts) j WHERE u.parts IS NOT NULL"

/* The rows of keys are listed in chunks of so many (schema, usage_key). */
enum { USAGE_CHUNK = 512 };

/* --- reading them back ---------------------------------------------------- */

struct usage_view {
	int64_t id;
	struct str request_id;
	int64_t at;			/* UTC ms, when it was settled */
	int64_t account, project, key, model;
	struct str account_name, project_name, key_name;
	struct str asked, served;
	struct str endpoint;
	bool stream;
	int64_t channel, credential;
	struct str channel_name, credential_name;
	enum usage_state state;
	int status;
	struct str fault;		/* empty: none */
	bool estimated;
	struct buckets use;
	int64_t charge, cost, list, held, bound;
	int64_t price, cost_price, markup_ppm, cost_ppm;
	int64_t list_price;		/* 0: price is that */
	int64_t times_ppm, cost_times_ppm;
	int64_t minimum, unpaid;
	int64_t discount_ppm;		/* for volume; markup_ppm has it */
	bool floor;
	enum unit covered;		/* UNIT_USD: none; or of unpaid */
	struct str parts;		/* as usage_parts reads them */
	int64_t first_ms;		/* -1: nothing came */
	int64_t total_ms, weir_us;
	int64_t attempts;
	struct str tried;		/* as usage_tried reads them */
	struct str end_user, tag, remarks;
	struct str fallback;		/* the model that stood in for the one
					 * that was asked for; empty: none */
};

/* By request id: 1 and *u (strings in the arena), 0 none, -1 failed. */
int usage_find(struct db *db, struct arena *a, struct str request_id,
    struct usage_view *u);

/* 0 or NULL in a member: any. */
struct usage_filter {
	int64_t account, key, model;
	int64_t since, until;		/* UTC ms: [since, until) of `at` */
	int64_t before;			/* ids below it: the next page */
	int most;			/* rows; 0: LIST_MAX of group.h */
};

/* Newest first: how many (at most f->most), or -1.  A page that is full may
 * have another after it: before = its last id. */
int usage_list(struct db *db, struct arena *a, const struct usage_filter *f,
    struct usage_view **list);

/* What paid for it: books of its account, and how much of each (of unit
 * `covered`), in the order in which they paid. */
struct usage_part {
	int64_t book, amount;
	int64_t allowance;		/* 0: none, it is the wallet */
	bool bonus;
	int64_t subscription;		/* 0: of none */
};

/* The parts of a view, in the arena: how many, 0 if it names none (the wallet
 * paid its charge), or -1. */
int usage_parts(struct db *db, struct arena *a, const struct usage_view *u,
    struct usage_part **list);

/* The attempts of a view, in order: how many. */
int usage_tried(struct arena *a, const struct usage_view *u,
    struct attempt_row **list);

/* The attempts of a call, in order: how many, or -1. */
int usage_attempts(struct db *db, struct arena *a, struct str request_id,
    struct attempt_row **list);

#endif
