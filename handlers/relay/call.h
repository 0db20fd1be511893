/* SPDX-License-Identifier: MIT */
/*
 * call.h - one call through the relay, from its last byte in to its last
 * byte out.
 *
 * A call lives on one loop.  Its steps (flow.c) run one after another and see
 * nothing but this structure; next to each member stands the step that sets
 * it.  What is handed to another thread either owns its memory (admission,
 * journal, settlement: they outlive a call that stops waiting) or is counted
 * in `pins` (a reader's job, which uses the call's own memory).
 */
#ifndef WEIR_CALL_H
#define WEIR_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "db/catalogue.h"
#include "db/hold.h"
#include "db/key.h"
#include "db/stored.h"
#include "db/usage.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/base/trace.h"
#include "fcgi/machine.h"
#include "fcgi/reply.h"
#include "handlers/dialect/dialect.h"
#include "handlers/dialect/envelope.h"
#include "handlers/relay/plan.h"

struct relay;
struct admission;
struct settlement;
struct journal;
struct extension;
struct claiming;

/* What a step says: STOP is 0, so that a step may `return fail(…)`. */
enum go { STOP, NEXT, AGAIN, WAIT };

/* Why a step that waited is entered again.  It must be right for each. */
enum wake {
	WAKE_WRITER   = 1,	/* an operation is back */
	WAKE_READER   = 2,	/* a job is back */
	WAKE_UPSTREAM = 4,	/* something came, or the exchange ended */
	WAKE_GONE     = 8,	/* the caller has left (c->gone stays set) */
	WAKE_TIMER    = 16,	/* c->due has come */
	WAKE_DRAIN    = 32,	/* end now (c->draining stays set) */
	WAKE_ROOM     = 64	/* the caller takes bytes again */
};

/* What a call may use and cost if this model serves it. */
struct quote {
	const struct model *model;
	struct terms terms;		/* what the caller pays for it */
	int64_t input_bound, output_bound;	/* tokens, at most */
	int64_t output_planned;		/* tokens of all choices */
	int64_t output_least;		/* that `least` pays for */
	int64_t held, bound, least;	/* nano-dollars */
	int64_t output_rate;		/* of a million tokens, at most */
};

/* One request to one upstream. */
struct attempt {
	struct arena arena;		/* a child of the call's */
	struct call *call;
	struct candidate *with;
	struct exchange exchange;
	struct buf body;		/* as sent; heap */
	int64_t body_counted;		/* of request_bytes_held */
	char *secret;			/* header with the key; wiped */
	size_t secret_n;
	struct str key;			/* in it */
	struct observer observer;
	int64_t unread_milli;		/* of its estimate: guessed by bytes */
	struct buf out;			/* for the caller now */
	struct buf last;		/* for the caller once it is settled */
	struct buf error_body;		/* of an error status */
	int64_t began_us, began_utc;
	const struct dialect *speaks;	/* its upstream's */
	bool crosses;			/* which is not the caller's */
	struct neutral *request;	/* then: as it was written, or */
	struct embeds *embeds;		/* of embeddings: what is asked */
	struct envelope_key envelope;	/* what its signatures go out in */
	enum verdict says;		/* of its upstream's health */
	bool begun;			/* health counts it as running */
	struct str type;		/* the answer's Content-Type */
	bool foreign;			/* a page or gzip: not the model's */
	bool running;			/* the pool knows the exchange */
	bool ended;			/* exchange.done was called */
	bool paused;			/* until the caller takes bytes */
	enum exchange_end end;
	bool complete;			/* the answer is whole */
};

struct call {
	struct request *rq;
	struct relay *relay;		/* of this loop */
	struct arena *arena;		/* the request's */
	const struct dialect *dialect;	/* the caller's */

	/* flow.c */
	int step;
	unsigned wake;			/* bits since the step was entered */
	unsigned woken;			/* bits it was entered with */
	bool running, stopped, finished;
	int pins;
	struct timer timer;
	bool gone, draining;
	struct trace trace;
	struct fault fault;		/* the one that will be told */

	const struct catalogue *catalogue;	/* authenticate */
	const struct group *group;		/* authenticate */
	struct key key;				/* authenticate */

	struct asked asked;			/* understand */
	bool understood;
	struct stored stored;			/* understand: what it goes on
						 * from; credential 0: nobody
						 * knows that */
	struct job job;				/* a reader's work */
	void (*job_run)(struct call *c);
	bool job_out;

	struct plan plan;			/* plan */
	struct quote *quotes;		/* plan: of each model in it */
	int n_quotes;
	int64_t held, bound;			/* plan: of the dearest */
	const struct quote *quote;	/* choose: of the model that serves;
					 * until then of the first */
	enum bucket unit;			/* plan: used beside tokens, */
	int64_t units, units_bound;		/* so many, and at most */
	int64_t heard_tokens;			/* plan: of sound, estimated */

	struct admission *admission;		/* admit, until it is back */
	int64_t hold;				/* admit: the row, 0: none */
	int64_t granted;			/* admit */
	int64_t discount_ppm;			/* admit: for volume */
	bool limits_told;		/* admit: in headers of the answer */
	bool counts_tokens;		/* admit: a cap of tokens counts it */
	int64_t tokens_out;		/* admit: output that it counts, */
	int64_t count_at;	/* choose: and at which it is to count more */
	int64_t cap_output;		/* choose: -1, or the limit set */
	int64_t store_due_ms;			/* admit, settle */
	int64_t anew_due_ms;			/* anew.c: 0: nothing is new */
	int64_t anew_until_ms;

	uint64_t session;			/* choose: 0: none */
	struct candidate *next;		/* choose: who is waited for: to be */
	int64_t again_due_ms;		/* tried again then, or claimed */
	int64_t back_off_ms;			/* choose: the longest wait */
	bool budgeted;		/* choose: the retry that comes may be made */
	struct claiming *claiming;	/* choose, until it is back */
	bool claims;			/* choose: some were asked for */
	int64_t claimed;	/* choose: the attempt's credential, if it has
				 * a claim; else 0 */
	struct attempt *attempt;		/* choose: the running one */
	struct neutral *neutral;	/* translate: what is asked, in no
					 * dialect's words */
	bool recalling, recalled;	/* translate: thoughts that the caller
					 * did not send are looked for; were */
	struct str dropped;		/* translate: what could not be said */
	struct buf again;		/* choose: a large body as it was sent
					 * last, when the caller's is gone */
	struct attempt_row rows[LIMIT_ATTEMPTS + 1];	/* choose … */
	int n_attempts;
	int ambiguous;				/* resends after a break */
	bool once_more;			/* send: a 408 or 409 was retried */
	bool mended;			/* send: a signature was refused, and
					 * no thoughts are sent any more */
	bool mend;			/* send, choose: to the same one */
	bool transient;				/* send: it may pass */
	bool wasted;			/* send: this upstream may have worked
						 * for nothing */
	int64_t lost;			/* choose: what those before it may
					 * want, nano-dollars */
	struct journal *journal;		/* send: the stream's, busy */

	int64_t whole_due_ms;			/* send */
	int64_t first_due_ms, beat_due_ms;	/* send */
	int64_t last_byte_ms;			/* send: of the upstream */
	bool content;				/* send: past the point of no
						 * return */
	bool started;				/* journalled */
	int64_t first_us;			/* monotonic, 0: nothing came */
	int64_t journal_due_ms, journal_tokens;	/* stream */
	int64_t drip_due_ms, drip_milli;	/* stream */
	int64_t drain_due_ms;			/* stream: a lost caller's */
	int64_t end_due_ms;		/* stream: after the last frame */
	bool broken;				/* answer: end as broken */

	struct extension *extension;	/* stream, until it is back */
	int64_t extend_at;		/* choose: tokens, to ask for more */
	bool refused;			/* stream: it was asked for too early to
					 * end for that: once more */

	struct settlement *settlement;		/* settle */
	bool settled;				/* settle: COMMIT is through */
	int64_t charged;			/* settle */
	bool told;			/* answer: a fault was written */
	bool estimated;				/* settle */
	struct buckets use;			/* settle */
	enum usage_state state;			/* settle */
	int64_t upstream_us;		/* attempt: waited for upstreams */
};

/* Serves POST /v1/chat/completions and friends; route->what: the endpoint,
 * which the path's dialect has. */
void relay_serve(struct request *rq);

/* Enters the step that waits, with these bits.  On the call's loop. */
void call_wake(struct call *c, unsigned bits);

/* Monotonic ms at the beginning of the loop's round: cheap. */
static inline int64_t
call_now(const struct call *c)
{
	return loop_now_ms(c->rq->worker->loop);
}

/* Sets the timer for the nearest of some moments (call_now; 0: none). */
void call_due(struct call *c, const int64_t *moments, int n);

/* Runs work on a reader; the step WAITs and gets WAKE_READER. */
void call_read(struct call *c, void (*run)(struct call *c));

/* Whatever was used: nothing is held and nothing charged. */
static inline bool
costs_nothing(const struct call *c, const struct model *m)
{
	return m->free || endpoint_is_free(c->asked.endpoint);
}

/* Is the answer read to its end for a caller who has left? */
bool call_drains(const struct call *c);

/* Records a fault; STOP. */
enum go fail(struct call *c, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* STOP for a call whose caller has left, or that must end for a restart. */
enum go give_up(struct call *c);

/* The steps. */
enum go authenticate(struct call *c);
enum go understand(struct call *c);
enum go plan(struct call *c);
enum go admit(struct call *c);
enum go choose(struct call *c);
enum go translate(struct call *c);
enum go send_call(struct call *c);
enum go stream_back(struct call *c);
enum go answer(struct call *c);
enum go settle(struct call *c);
enum go finish(struct call *c);

/* attempt.c: the exchange of an attempt. */
struct attempt *attempt_new(struct call *c, struct candidate *with);
/* False: its credential cannot be opened. */
bool attempt_start(struct attempt *a);
/* Ends it, writes its row; the memory stays until attempt_free. */
void attempt_end(struct attempt *a, const char *outcome);
void attempt_free(struct attempt *a);
/* Gives the body back: it has been sent, or goes on to the next attempt. */
void attempt_drop_body(struct attempt *a);

/* answer.c: in whose words a request is answered, whatever it is; its path
 * says it, and where two of them have the same path, its headers. */
const struct dialect *answer_dialect(const struct request *rq);
/* Status and headers of an answer, before its first byte. */
void answer_head_stream(struct call *c);
void answer_head_plain(struct call *c);
/* The header with the request's id that the dialect knows, if it has one. */
void answer_id(const struct dialect *d, struct request *rq);
void answer_fault(const struct dialect *d, struct request *rq,
    const struct fault *f);

/* admit.c: a call that is over lets go of what it waited for. */
void admission_leave(struct call *c);

/*
 * anew.c: the store knows what this process has not seen yet.  anew_later asks
 * for it: WAIT, or STOP with these words after some seconds.  anew_wait: is it
 * time to look again?  NEXT, WAIT, or STOP.  anew_plan: then, by the key and
 * the catalogue as they are now, as far as `plan`.
 */
enum go anew_later(struct call *c, const char *words);
enum go anew_wait(struct call *c);
enum go anew_plan(struct call *c);

/* The model that serves from now on, of those the hold pays for: what it may
 * use, and its output's limit when less than its estimate was granted. */
void quote_take(struct call *c, const struct model *m);
const struct quote *quote_of(const struct call *c, const struct model *m);
/* STOP: the store does not answer in time. */
enum go store_is_late(struct call *c);
/* claim.c: a place at a candidate whose credential has limits of its own:
 * asked for, waited for, and given back after a failure. */
enum claimed { CLAIM_WAITS, CLAIM_GRANTED, CLAIM_REFUSED, CLAIM_FAILED };
void claim_ask(struct call *c, struct candidate *with);
enum claimed claim_look(struct call *c);
void claim_give_back(struct call *c);
void claim_leave(struct call *c);
/* settle.c */
void settlement_leave(struct call *c);
/* Another attempt follows: what this one may cost is in c->lost now. */
void settle_wasted(struct call *c);
/* extend.c: asks for more money when the stream needs it.  False: it must
 * end; c->fault says why. */
bool extend_hold(struct call *c);
/* When a cap of tokens is to count more output than it does. */
void extend_count(struct call *c);
void extension_leave(struct call *c);
/* journal.c: progress of a running stream, never waited for. */
bool journal_progress(struct call *c, int64_t tokens);
void journal_leave(struct call *c);

#endif
