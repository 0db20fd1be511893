/* SPDX-License-Identifier: MIT */
/*
 * health_part.h - the inside of health: what its files have in common.
 *
 *	health.c	what calls tell, and choosing asks
 *	health_out.c	who is out
 *	health_record.c	the table of what is known
 *	health_share.c	the store's rows
 *	health_whole.c	how long whole answers took
 *	health_probe.c	who waits for a probe
 *
 * One lock guards everything and is held for look-ups and sums only.
 */
#ifndef WEIR_HEALTH_PART_H
#define WEIR_HEALTH_PART_H

#include <pthread.h>

#include "handlers/relay/health.h"

/* What somebody who is out may be. */
enum level { LEVEL_PAIR, LEVEL_KEY, LEVEL_ROUTE, LEVEL_CHANNEL, N_LEVELS };

/* Loads of the store's rows that what was learned here outlives. */
enum { OWN_NOT = 0, OWN_WRITTEN = 2, OWN_LOST = 60, OWN_WRITING = 255 };

/* Why; those before it are classes of errors. */
enum reason { REASON_FAILURES = N_UP_CLASSES, REASON_LATE, REASON_SHARE,
	REASON_UNREACHED, REASON_OTHER, N_REASONS };

enum { SLOTS = 6, SLOT_MS = 10000 };
enum { LATE_CALLS = 20 };	/* times, to know what 95 of 100 took */

enum { SILENT_CALLS = 3 };

/* What was counted here and is not in the store: a pair's. */
struct news {
	struct score score;
	bool ended_failures, ended_late;
	bool anew;			/* what was before counts no more */
};

/*
 * What is known of a pair, key, route or channel.  Only pairs have scores;
 * a route and a channel count their failures in a row in known.failures.
 */
struct record {
	struct record *next;		/* in its bucket */
	uint64_t hash;
	int64_t channel, credential;	/* credential 0: route, channel */
	enum level level;
	int running;			/* attempts of this process */
	int n_asked;			/* streams begun since its last sign of
					 * life: the first ones' moments */
	int64_t asked[SILENT_CALLS];
	struct score known;		/* as in the store */
	struct news *news;		/* NULL: none */
	bool dirty;			/* in the list of those with news */
	bool on_way;			/* news are being written */
	bool listed;			/* in the list of those that are out */
	bool mixed;			/* a route's: of several keys */
	int32_t slot;			/* of the newest of: */
	uint16_t calls[SLOTS], bad[SLOTS];	/* 10 seconds each */
	int64_t until[N_PARK_KINDS];	/* UTC ms; 0: not out */
	int64_t since[N_PARK_KINDS];
	uint8_t own[N_PARK_KINDS];	/* OWN_… */
	uint16_t writing[N_PARK_KINDS];	/* how often, just now */
	uint8_t reason[N_PARK_KINDS];
	bool seen[N_PARK_KINDS];	/* by the load that runs */
	uint16_t times;			/* ejections in a row */
	int64_t trial;			/* somebody's until then */
	int64_t back;			/* when it came back last */
	int64_t probed;			/* when it was probed last */
	int64_t full, full_since;	/* a key's: its limits, until then */
	int64_t blamed;			/* a route's last failing credential */
	uint16_t name_n;
	char name[];			/* the model, or empty */
};

struct list {
	struct record **at;
	int n, room;
};

struct whole;

struct health {
	pthread_mutex_t lock;
	struct writer *writer;		/* or NULL */
	struct record **buckets;
	size_t n_buckets, n_records, bytes;
	size_t hand;			/* where evicting goes on */
	int due_hand;			/* where asking who is due goes on */
	struct list out;		/* who is out, or was just now */
	struct list dirty;		/* who has news */
	int n_out[N_LEVELS];		/* of `out`, to be skipped when 0 */
	int n_channels;			/* records of channels */
	uint64_t dice;
	_Atomic uint64_t changes;	/* of who is out */
	struct whole *whole;		/* or NULL */
};

uint64_t health_hash(int64_t channel, int64_t credential, struct str model);

/* The record, or NULL. */
struct record *health_find(struct health *h, int64_t channel,
    int64_t credential, struct str model);
/* Made if it is not there; NULL: the table is full. */
struct record *health_make(struct health *h, int64_t channel,
    int64_t credential, struct str model);

/* The subject's record of a level; made when asked for. */
struct record *health_of(struct health *h, const struct subject *s,
    enum level level, bool make);

/* Out by what was seen, for longer each time; back, to start afresh. */
void health_eject(struct health *h, struct record *r, enum reason why,
    int64_t now);
void health_back(struct health *h, const struct subject *s, int64_t now);

/* Somebody is out (until 0: back): here now, in the store soon. */
void health_put(struct health *h, struct record *r, enum park_kind kind,
    enum reason reason, int64_t until, int64_t now);
/* One way of being out; one that begins later is of a clock set back. */
enum stance health_stance(const struct record *r, enum park_kind kind,
    int64_t now);
/* Is it ejected?  Its time may be over. */
bool health_ejected(const struct record *r, int64_t now);
/* The subject's ejected levels whose time is over: how many. */
int health_half_open(struct health *h, const struct subject *s, int64_t now,
    struct record *list[N_LEVELS]);
/* Its trial is somebody's until then; 0: nobody's.  All processes are told. */
void health_set_trial(struct health *h, const struct subject *s,
    int64_t until, int64_t now);

/* Keeps the record in the list of those that are out. */
void health_list(struct health *h, struct record *r);

/* The record's news, made if there are none. */
struct news *health_news(struct health *h, struct record *r, int64_t now);
/* Known and news together, as of now. */
struct score health_score(const struct record *r, int64_t now);
/* It is back: what was counted of it here is forgotten. */
void health_forget(struct record *r, int64_t now);

const char *health_reason(enum reason r);

/* Frees what nobody has used for a while, some buckets a time. */
void health_evict(struct health *h, int64_t now);

#endif
