/* SPDX-License-Identifier: MIT */
/*
 * alert.h - what is told when.
 *
 * An alert is a rule with its figures, of an owner: the site, an account, a
 * project or a key.  It watches all that stands in its owner.  Rows are
 * handled as group.h says; whether something is to be told is found out in
 * watch.h, and told in delivery.h.
 */
#ifndef WEIR_ALERT_H
#define WEIR_ALERT_H

#include <stdbool.h>
#include <stdint.h>

#include "db/cap.h"
#include "db/db.h"

enum alert_rule {
	ALERT_SPEND,		/* a cap of money is, or will be, passed */
	ALERT_TOKENS,		/* the same of tokens */
	ALERT_BALANCE,		/* an account's wallet is below an amount */
	ALERT_ERRORS,		/* so many of the calls of some minutes fail */
	ALERT_CREDENTIAL,	/* an upstream's key is out */
	ALERT_ADDRESS,		/* where an upstream should be is a page, or
				 * nothing: a wrong base_url */
	ALERT_MISMATCH,		/* another model answers than was asked for */
	ALERT_TIER,		/* a service tier is reported without a price */
	ALERT_EXCESS,		/* a call cost more than could be charged */
	ALERT_CACHE,		/* less input is cached than in days before */
	ALERT_USAGE,		/* a key's hour is far above its usual one */
	ALERT_FROZEN,		/* billing is stopped (setting frozen) */
	N_ALERT_RULES
};

/* The figures there are. */
enum alert_figure {
	WHEN_PERCENT, WHEN_FORECAST, WHEN_SOFT, WHEN_WINDOW, WHEN_BELOW,
	WHEN_CALLS, WHEN_MINUTES, WHEN_STATE, WHEN_DROP, WHEN_DAYS,
	WHEN_TIMES, WHEN_LEAST, N_WHENS
};
enum when_form { FORM_COUNT, FORM_FLAG, FORM_MONEY, FORM_WORD };

extern const struct alert_figures {
	const char *name;		/* "percent" */
	enum when_form form;
	int64_t least, most;		/* of counts and amounts */
	const char *const *words;	/* of words, NULL ends */
} alert_figures[N_WHENS];

/* What is said by words. */
enum { STATE_DEAD, STATE_PARKED };

extern const struct alert_rules {
	const char *name;		/* "spend" */
	unsigned takes;			/* bit i: figure i may be said */
	unsigned needs;			/* one of these must be */
	bool site_only;			/* tells what is the operator's alone */
	bool slow;			/* looked at every ten minutes */
	bool once;			/* once a window */
	int64_t linger_ms;		/* is over when not seen for so long */
	int64_t usual[N_WHENS];		/* what is not said */
} alert_rules[N_ALERT_RULES];

/* A rule and its figures; -1: not said. */
struct alert_when {
	enum alert_rule rule;
	int64_t v[N_WHENS];
};

/* The rule so named, or N_ALERT_RULES; no figures are said. */
enum alert_rule alert_rule_of(struct str name);
struct alert_when alert_when(enum alert_rule rule);

/* A figure as it is said, or as usual; -1: neither. */
int64_t alert_figure(const struct alert_when *w, enum alert_figure which);

struct alert_row {
	int64_t id;
	struct str name;
	enum cap_owner kind;		/* of the owner */
	int64_t owner;			/* its id; 0: the site */
	struct alert_when when;
	int64_t since;			/* UTC ms: nothing older is told */
	bool enabled;
	struct str note;
};

void alert_blank(struct alert_row *w, struct str name);
int alert_find(struct db *db, struct arena *a, struct str name,
    struct alert_row *w);
/* anew: it is on again, or has other figures or another owner: what stood is
 * over without a word, and nothing older than now is told. */
bool alert_put(struct db *db, struct alert_row *w, bool anew);
int alert_list(struct db *db, struct arena *a, struct str after,
    struct alert_row **list);

/* Where it is told: ids of targets, in order of their names: how many, or -1;
 * and setting them. */
int alert_targets(struct db *db, struct arena *a, int64_t alert,
    int64_t **list);
bool alert_targets_set(struct db *db, int64_t alert, const int64_t *list,
    size_t n);

/* How many of it stand now, and when it last fired (UTC ms; 0: never).
 * False: the database failed. */
bool alert_now(struct db *db, int64_t alert, int64_t *standing,
    int64_t *fired);

/* What stands, ids behind `after`: how many (at most LIST_MAX of group.h), or
 * -1. */
struct occurrence {
	int64_t id, began;		/* UTC ms */
	struct str alert, text;
};
int alert_standing(struct db *db, struct arena *a, int64_t after,
    struct occurrence **list);

/*
 * The account, project and key of an owner (0: it has none), and their names
 * in the arena.  1, 0 it is gone, -1 the database failed.
 */
struct alert_owner {
	int64_t account, project, key;
	struct str account_name, project_name, key_name;
};
int alert_owner(struct db *db, struct arena *a, enum cap_owner kind,
    int64_t id, struct alert_owner *o);

#endif
