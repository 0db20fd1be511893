/* SPDX-License-Identifier: MIT */
/*
 * prober.c - tries upstreams with tiny calls of our own; see prober.h.
 *
 * Once a second it asks health who is due, and starts what there is room for;
 * now and then it asks the store which keys are idle.  A job is one probe.
 */
#include "handlers/relay/prober.h"

#include <assert.h>
#include <stdlib.h>

#include "db/lock.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/hint.h"
#include "handlers/relay/outward.h"
#include "handlers/relay/probe.h"
#include "handlers/relay/relay.h"

enum {
	JOBS = 16,
	LOOK_MS = 1000,
	IDLE_LOOKS = 10,		/* in the time that makes idle */
	IDLE_LOOK_MOST_MS = 60000,
	SECRET_MAX = 4096,
	HEADERS = 5 + OUTWARD_HEADERS
};

struct probe_job {
	struct probe_job *next;
	struct prober *prober;
	const struct catalogue *cat;	/* our reference */
	struct arena arena;
	struct probing what;
	struct exchange exchange;
	struct str headers[HEADERS];
	char *secret;			/* the header line with the key */
	size_t secret_n;
	struct str type, encoding;
	struct buf body;
	int64_t began_ms, began_utc, first_ms, due_ms, hint_ms;
};

struct prober {
	struct relay *relay;
	struct timer timer;
	struct probe_job *jobs;
	int n_jobs;
	bool mine;			/* we have BYTE_PROBE */
	int64_t began_utc;
	int64_t idle_due_ms;		/* monotonic: when to ask for them */
	int64_t idle_after;		/* id of the last that was seen */
};

/* --- A job's end ---------------------------------------------------------- */

static void
wipe(struct probe_job *j)
{
	if (j->secret)
		vault_wipe(j->secret, j->secret_n);
	j->secret = NULL;
}

static void
job_free(struct probe_job *j)
{
	struct probe_job **at = &j->prober->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	j->prober->n_jobs--;
	exchange_cancel(&j->exchange);
	wipe(j);
	buf_release(&j->body);
	arena_release(&j->arena);
	catalogue_give(j->cat);
	free(j);
}

/* Told, kept, gone. */
static void
job_end(struct probe_job *j, struct probe_result *r)
{
	const struct house *house = j->prober->relay->house;

	r->at = j->began_utc;
	r->ms = clock_ms() - j->began_ms;
	r->first_ms = j->first_ms;
	relay_count(j->prober->relay, r->good ? COUNT_PROBES_GOOD :
	    COUNT_PROBES_BAD, 1);
	probe_end(&j->what, r, house->health, house->writer, clock_utc_ms());
	job_free(j);
}

/* It ended without an answer. */
static void
job_fails(struct probe_job *j, const char *outcome)
{
	struct probe_result r = { .status = j->exchange.status,
		.outcome = outcome, .tokens = TOKENS_ABSENT, .cost = -1 };

	job_end(j, &r);
}

/* --- A job's call --------------------------------------------------------- */

static bool job_start(struct probe_job *j);

static void
on_head(struct exchange *x)
{
	struct probe_job *j = holder(x, struct probe_job, exchange);

	j->type = arena_str(&j->arena, exchange_header(x, "content-type"));
	j->encoding = arena_str(&j->arena,
	    exchange_header(x, "content-encoding"));
	j->hint_ms = hint_ms(x, clock_utc_ms());
}

static bool
on_data(struct exchange *x, struct str bytes)
{
	struct probe_job *j = holder(x, struct probe_job, exchange);

	if (j->first_ms < 0)
		j->first_ms = clock_ms() - j->began_ms;
	if (!buf_put(&j->body, bytes)) {
		exchange_cancel(x);
		job_fails(j, "too_much");
	}
	return true;
}

static void
judge(struct probe_job *j)
{
	struct trial_answer answer = { j->exchange.status, j->type,
		j->encoding, buf_str(&j->body), false };
	struct trial_verdict v;
	struct probe_result r;

	trial_judge(&j->what.trial, &answer, &j->arena, &v);
	if (!v.good && trial_other_limit(&j->what.trial, v.kind,
	    v.error.param, v.error.message)) {
		j->what.trial.completion = true;
		if (!job_start(j))
			job_fails(j, "sealed");
		return;
	}
	r = (struct probe_result){ .status = answer.status, .good = v.good,
		.outcome = v.outcome, .kind = v.kind, .hint_ms = j->hint_ms,
		.tokens = v.tokens, .cost = v.cost };
	job_end(j, &r);
}

static void
on_done(struct exchange *x, enum exchange_end end)
{
	struct probe_job *j = holder(x, struct probe_job, exchange);

	wipe(j);
	if (x->status == 0 || (x->status == 200 && end != EXCHANGE_DONE))
		job_fails(j, exchange_end_name(end));
	else
		judge(j);
}

static bool
put_secret(struct probe_job *j, struct str *header)
{
	struct str head = j->what.trial.dialect->key_head;
	const struct credential *k = j->what.with;
	size_t at = head.n;
	int n;

	wipe(j);
	j->secret = arena_alloc(&j->arena, at + SECRET_MAX);
	n = vault_open_sealed(store_vault(j->prober->relay->house->store),
	    &k->bound, k->sealed, j->secret + at, SECRET_MAX);
	if (n < 0) {
		j->secret = NULL;
		return false;
	}
	memcpy(j->secret, head.p, at);
	j->secret_n = at + (size_t)n;
	*header = str_from(j->secret, j->secret_n);
	return true;
}

/* False: the key cannot be opened. */
static bool
job_start(struct probe_job *j)
{
	const struct channel *ch = j->what.trial.ch;
	struct relay *r = j->prober->relay;
	const struct dialect *d = j->what.trial.dialect;
	static const struct caller_headers none = { .version = { NULL, 0 } };
	struct str *h = j->headers;
	int n = 0;

	h[n++] = S("Content-Type: application/json");
	h[n++] = S("Accept: application/json");
	h[n++] = S("User-Agent: weir/" PACKAGE_VERSION);
	h[n++] = ARENA_JOIN(&j->arena, S("X-Request-Id: "),
	    str_from(j->what.id, PROBE_ID_CHARS));
	n += outward_headers(&j->arena, ch, d, &none, h + n);
	if (!put_secret(j, &h[n++]))
		return false;
	assert(n <= HEADERS);
	buf_clear(&j->body);
	j->first_ms = -1;
	j->hint_ms = 0;
	/* No hold: nobody is charged for it.  It bears a mark instead, and is
	 * booked when it ends. */
	assert(str_starts(str_from(j->what.id, PROBE_ID_CHARS), S("probe-")));
	j->exchange = (struct exchange){
		.url = outward_url(&j->arena, ch->base_url,
		    trial_path(&j->what.trial, false, &j->arena), false),
		.method = "POST",
		.headers = h,
		.n_headers = n,
		.body = trial_body(&j->what.trial, false, &j->arena),
		.connect_ms = ch->connect_ms,
		.ca_file = ch->ca_file,
		.env_proxy = str_eq(r->house->conf->text[CONF_PROXY],
		    S("env")),
		.head = on_head,
		.data = on_data,
		.done = on_done,
	};
	exchange_start(r->worker->pool, &j->exchange);
	return true;
}

/* --- Who is next ---------------------------------------------------------- */

static bool
under_way(const struct prober *p, const struct probe_want *want)
{
	for (const struct probe_job *j = p->jobs; j; j = j->next)
		if (j->what.want.channel == want->channel &&
		    j->what.want.credential == want->credential &&
		    str_eq(j->what.want.model, want->model))
			return true;
	return false;
}

static void
begin(struct prober *p, const struct probe_want *want)
{
	const struct house *house = p->relay->house;
	struct probe_want own = *want;
	struct probe_job *j;

	if (under_way(p, want))
		return;
	j = xnew(struct probe_job);
	j->prober = p;
	j->cat = catalogue_take();
	j->body = BUF_HEAP(TRIAL_ANSWER_BYTES);
	j->began_ms = clock_ms();
	j->began_utc = clock_utc_ms();
	j->first_ms = -1;
	j->next = p->jobs;
	p->jobs = j;
	p->n_jobs++;
	own.model = arena_str(&j->arena, want->model);
	if (!probe_choose(j->cat, house->health, &own, j->began_utc,
	    &j->what)) {
		job_free(j);
		return;
	}
	j->due_ms = j->began_ms + j->what.trial.ch->connect_ms +
	    PROBE_ANSWER_MS;
	if (!job_start(j))
		job_fails(j, "sealed");
}

static void
begin_due(struct prober *p)
{
	struct health_due list[JOBS];
	struct arena a;
	int n;

	arena_init(&a);
	n = health_due(p->relay->house->health, PROBE_EVERY_MS,
	    clock_utc_ms(), &a, list, JOBS - p->n_jobs);
	for (int i = 0; i < n; i++) {
		struct probe_want want = probe_wanted(&list[i]);

		begin(p, &want);
	}
	arena_release(&a);
}

static void
begin_idle(struct prober *p, int64_t idle_ms)
{
	struct probe_idle list[PROBE_IDLES];
	int64_t now = clock_utc_ms();
	int n;

	if (!idle_ms || now - p->began_utc < idle_ms ||
	    clock_ms() < p->idle_due_ms || p->n_jobs == JOBS)
		return;
	n = probe_idle(p->relay->db, now - idle_ms, p->idle_after, list);
	for (int i = 0; i < n && p->n_jobs < JOBS; i++) {
		struct probe_want want = { .channel = list[i].channel,
			.credential = list[i].credential, .model = S(""),
			.why = PROBE_IDLE };

		begin(p, &want);
		p->idle_after = list[i].credential;
	}
	/* The whole round is made; the next begins a little later. */
	if (n < PROBE_IDLES && (n <= 0 ||
	    p->idle_after == list[n - 1].credential)) {
		p->idle_after = 0;
		p->idle_due_ms = clock_ms() + (idle_ms / IDLE_LOOKS <
		    IDLE_LOOK_MOST_MS ? idle_ms / IDLE_LOOKS :
		    IDLE_LOOK_MOST_MS);
	}
}

static void
end_late(struct prober *p)
{
	int64_t now = clock_ms();

	for (struct probe_job *j = p->jobs, *next; j; j = next) {
		next = j->next;
		if (now >= j->due_ms)
			job_fails(j, "late");
	}
}

/* May we probe?  Not where what it costs could not be booked. */
static bool
may_probe(struct prober *p)
{
	const struct house *house = p->relay->house;

	if (p->relay->worker->machine->stopping) {
		if (p->mine)
			lock_give(store_lock(house->store), BYTE_PROBE);
		p->mine = false;
		return false;
	}
	if (!p->mine)
		p->mine = lock_take(store_lock(house->store), BYTE_PROBE, 0);
	return p->mine && store_current(house->store) &&
	    !writer_full(house->writer) && !writer_failing(house->writer);
}

static void
look(struct timer *t)
{
	struct prober *p = holder(t, struct prober, timer);
	const struct conf *conf = p->relay->house->conf;

	loop_timer(p->relay->worker->loop, t, LOOK_MS);
	end_late(p);
	if (!may_probe(p))
		return;
	begin_due(p);
	begin_idle(p, conf->number[CONF_PROBE_IDLE_S] * 1000);
}

struct prober *
prober_new(struct relay *r)
{
	struct prober *p = xnew(struct prober);

	p->relay = r;
	p->began_utc = clock_utc_ms();
	p->timer.fire = look;
	loop_timer(r->worker->loop, &p->timer, LOOK_MS);
	return p;
}

void
prober_free(struct prober *p)
{
	if (!p)
		return;
	loop_clear(p->relay->worker->loop, &p->timer);
	while (p->jobs)
		job_free(p->jobs);
	if (p->mine)
		lock_give(store_lock(p->relay->house->store), BYTE_PROBE);
	free(p);
}
