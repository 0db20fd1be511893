/* SPDX-License-Identifier: MIT */
/* metrics.c - what the loops have counted; see metrics.h. */
#include "handlers/relay/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/reply.h"
#include "handlers/relay/call.h"
#include "handlers/relay/health.h"
#include "handlers/relay/info.h"
#include "handlers/relay/relay.h"

enum { MOST_LOOPS = 64, PAGE_BYTES = 4 << 20 };

#define PROBES "calls of weir's own that ask whether an upstream works"

/* Counters of the store, in the order of enum count; those of one name stand
 * together. */
static const struct {
	const char *name, *help;
} counters[N_COUNTS] = {
	[COUNT_CALLS] = { "weir_calls_total", "calls taken in" },
	[COUNT_STREAMS] = { "weir_streams_total", "of them streamed" },
	[COUNT_FAULTS] = { "weir_faults_total", "calls that ended as a fault" },
	[COUNT_ATTEMPTS] = { "weir_attempts_total", "requests to upstreams" },
	[COUNT_RETRIES] = { "weir_retries_total",
	    "of them after another had failed" },
	[COUNT_LEFT] = { "weir_callers_left_total",
	    "callers who left in the middle of an answer" },
	[COUNT_INPUT_TOKENS] = { "weir_input_tokens_total",
	    "tokens read by models" },
	[COUNT_OUTPUT_TOKENS] = { "weir_output_tokens_total",
	    "tokens made by models" },
	[COUNT_CHARGED_NANO] = { "weir_charged_nanodollars_total",
	    "charged to accounts, 1e-9 USD" },
	[COUNT_BYTES_OUT] = { "weir_answer_bytes_total",
	    "bytes of answers passed on" },
	[COUNT_EJECTIONS] = { "weir_ejections_total",
	    "upstreams put out for their failures" },
	[COUNT_FALLBACKS] = { "weir_fallbacks_total",
	    "calls that went on to a fallback model" },
	[COUNT_AFFINITY_HITS] = { "weir_affinity_hits_total",
	    "requests that stayed with their session's credential" },
	[COUNT_BACKOFFS] = { "weir_backoffs_total",
	    "waits before an upstream was tried once more" },
	[COUNT_PROBES_GOOD] = { "weir_probes_total", PROBES },
	[COUNT_PROBES_BAD] = { "weir_probes_total", PROBES },
	[COUNT_SOFT_CAPS] = { "weir_soft_caps_total",
	    "soft caps that were passed, once a window" },
	[COUNT_ALERTS] = { "weir_alerts_total", "alerts that fired" },
	[COUNT_ALERTS_SENT] = { "weir_alerts_sent_total",
	    "webhooks and mails that were taken" },
	[COUNT_ALERTS_GIVEN_UP] = { "weir_alerts_given_up_total",
	    "webhooks and mails that nobody took for a day" },
};
static const char *const counter_labels[N_COUNTS] = {
	[COUNT_PROBES_GOOD] = "result=\"good\"",
	[COUNT_PROBES_BAD] = "result=\"bad\"",
};

/* Read at the moment they are asked for, of this process. */
enum gauge { GAUGE_RUNNING, GAUGE_BYTES, GAUGE_LATE, GAUGE_DROPPED,
	GAUGE_PARKED, GAUGE_EJECTED, GAUGE_BARRED, N_GAUGES };
#define OUT "credentials that are out now, as a whole or for a model"
static const struct {
	const char *name, *help;
} gauges[N_GAUGES] = {
	[GAUGE_RUNNING] = { "weir_calls_running", "calls running now" },
	[GAUGE_BYTES] = { "weir_body_bytes", "bytes of bodies held now" },
	[GAUGE_LATE] = { "weir_settlement_late_ms",
	    "age of the oldest settlement not committed" },
	[GAUGE_DROPPED] = { "weir_log_lines_dropped", "since the start" },
	[GAUGE_PARKED] = { "weir_credentials_out", OUT },
	[GAUGE_EJECTED] = { "weir_credentials_out", OUT },
	[GAUGE_BARRED] = { "weir_credentials_out", OUT },
};
static const char *const gauge_labels[N_GAUGES] = {
	[GAUGE_PARKED] = "how=\"parked\"",
	[GAUGE_EJECTED] = "how=\"ejected\"",
	[GAUGE_BARRED] = "how=\"barred\"",
};

static struct {
	pthread_mutex_t lock;
	struct relay *loops[MOST_LOOPS];
	size_t n;
	uint64_t left[N_COUNTS];	/* of loops that are gone */
	uint64_t taken[N_COUNTS];
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

void
metrics_join(struct relay *r)
{
	pthread_mutex_lock(&all.lock);
	all.loops[all.n++] = r;
	pthread_mutex_unlock(&all.lock);
}

void
metrics_leave(struct relay *r)
{
	pthread_mutex_lock(&all.lock);
	for (size_t i = 0; i < all.n; i++)
		if (all.loops[i] == r)
			all.loops[i--] = all.loops[--all.n];
	for (int k = 0; k < N_COUNTS; k++)
		all.left[k] += r->counts[k];
	pthread_mutex_unlock(&all.lock);
}

/* Under the lock. */
static uint64_t
counted(enum count which)
{
	uint64_t sum = all.left[which];

	if (which == COUNT_EJECTIONS)
		sum += health_ejections();
	for (size_t i = 0; i < all.n; i++)
		sum += all.loops[i]->counts[which];
	return sum;
}

size_t
metrics_take(struct arena *a, struct metric **list)
{
	size_t n = 0;

	*list = arena_zero(a, sizeof(**list) * N_COUNTS);
	pthread_mutex_lock(&all.lock);
	for (int k = 0; k < N_COUNTS; k++) {
		uint64_t now = counted(k);

		if (now == all.taken[k])
			continue;
		(*list)[n++] = (struct metric){
			.name = str_of(counters[k].name),
			.labels = str_of(counter_labels[k] ?
			    counter_labels[k] : ""),
			.value = (int64_t)(now - all.taken[k]),
		};
		all.taken[k] = now;
	}
	pthread_mutex_unlock(&all.lock);
	return n;
}

void
metrics_count(enum count which, uint64_t n)
{
	pthread_mutex_lock(&all.lock);
	all.left[which] += n;
	pthread_mutex_unlock(&all.lock);
}

static void
print_one(const char *name, const char *labels, const char *kind,
    const char *help)
{
	char text[80];

	snprintf(text, sizeof(text), "%s%s%s%s", name, labels ? "{" : "",
	    labels ? labels : "", labels ? "}" : "");
	printf("%-38s %-7s  %s\n", text, kind, help);
}

void
metrics_print(void)
{
	for (int k = 0; k < N_COUNTS; k++)
		print_one(counters[k].name, counter_labels[k], "counter",
		    counters[k].help);
	for (int g = 0; g < N_GAUGES; g++)
		print_one(gauges[g].name, gauge_labels[g], "gauge",
		    gauges[g].help);
}

/* --- The two endpoints -------------------------------------------------- */

/* One value; before the first of its name what it is. */
static void
put_value(struct buf *out, const char *before, const char *name,
    const char *labels, const char *kind, const char *help, int64_t value)
{
	if (!before || strcmp(before, name) != 0)
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help,
		    name, kind);
	buf_printf(out, "%s%s%s%s %lld\n", name, labels ? "{" : "",
	    labels ? labels : "", labels ? "}" : "", (long long)value);
}

static void
put_counters(struct buf *out, const struct metric *list, int n)
{
	const char *before = NULL;

	for (int k = 0; k < N_COUNTS; k++) {
		const char *labels = counter_labels[k];
		int64_t value = 0;

		for (int i = 0; i < n; i++)
			if (str_eq(list[i].name, str_of(counters[k].name)) &&
			    str_eq(list[i].labels, str_of(labels ? labels :
			    "")))
				value += list[i].value;
		put_value(out, before, counters[k].name, labels, "counter",
		    counters[k].help, value);
		before = counters[k].name;
	}
}

/* Each credential that is on counts once, by the worst that holds for it. */
static void
count_out(struct health *h, int64_t *values)
{
	const struct catalogue *cat = catalogue_take();
	int64_t now = clock_utc_ms();

	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];

		for (size_t j = 0; ch->enabled && j < ch->n_credentials; j++) {
			enum stance how = ch->credentials[j].enabled ?
			    health_worst(h, ch->id, ch->credentials[j].id,
			    now) : STANDS;

			values[GAUGE_PARKED] += how == STANDS_PARKED;
			values[GAUGE_EJECTED] += how == STANDS_EJECTED;
			values[GAUGE_BARRED] += how == STANDS_BARRED;
		}
	}
	catalogue_give(cat);
}

static void
put_gauges(struct buf *out, const struct request *rq)
{
	const struct relay *r = rq->worker->own;
	int64_t values[N_GAUGES] = {
		[GAUGE_RUNNING] = machine_running(rq->worker->machine),
		[GAUGE_BYTES] = request_bytes_held(),
		[GAUGE_LATE] = writer_late_ms(r->house->writer),
		[GAUGE_DROPPED] = (int64_t)log_dropped(),
	};

	count_out(r->house->health, values);
	for (int g = 0; g < N_GAUGES; g++)
		put_value(out, g ? gauges[g - 1].name : NULL, gauges[g].name,
		    gauge_labels[g], "gauge", gauges[g].help, values[g]);
}

/* Without an administrator's token it is as if there were nothing here. */
void
info_metrics(struct request *rq)
{
	struct relay *r = rq->worker->own;
	struct buf out = BUF(&rq->arena, PAGE_BYTES);
	struct metric *list;
	int n;

	if (relay_token(r, rq) == TOKEN_NONE) {
		fault_set(&rq->fault, &rq->arena, FAULT_UNKNOWN_URL,
		    "There is nothing at /metrics. The API begins at /v1.");
		answer_fault(&openai_dialect, rq, &rq->fault);
		request_free(rq);
		return;
	}
	n = metric_load(r->db, &rq->arena, &list);
	put_counters(&out, list, n < 0 ? 0 : n);
	put_gauges(&out, rq);
	reply_header(rq, "Cache-Control", S("no-store"));
	reply_whole(rq, 200, "text/plain; version=0.0.4; charset=utf-8",
	    buf_str(&out));
	request_free(rq);
}

/* Is there a channel that could serve somebody? */
static bool
a_channel_is_usable(struct health *h)
{
	const struct catalogue *cat = catalogue_take();
	int64_t now = clock_utc_ms();
	bool usable = false;

	for (size_t i = 0; i < cat->n_channels && !usable; i++)
		usable = plan_usable(&cat->channels[i], h, now);
	catalogue_give(cat);
	return usable;
}

static const char *
what_is_wrong(struct relay *r)
{
	if (setting_generation(r->db) < 0)
		return "the store cannot be read";
	if (!store_current(r->house->store))
		return "the store is newer than this program, or billing is "
		    "stopped";
	if (writer_late_ms(r->house->writer) > LIMIT_STORE_WAIT_MS)
		return "the store does not take settlements";
	if (writer_full(r->house->writer))
		return "the disk of the store is full";
	if (writer_failing(r->house->writer))
		return "the store cannot be written";
	if (!a_channel_is_usable(r->house->health))
		return "no channel is usable";
	return NULL;
}

void
info_health(struct request *rq)
{
	const char *wrong = what_is_wrong(rq->worker->own);
	struct buf out = BUF(&rq->arena, LIMIT_ERROR_BYTES);

	buf_put(&out, wrong ? S("{\"status\":\"degraded\",\"reason\":") :
	    S("{\"status\":\"ok\""));
	if (wrong)
		buf_json(&out, str_of(wrong));
	buf_put(&out, S("}\n"));
	reply_header(rq, "Cache-Control", S("no-store"));
	reply_whole(rq, wrong ? 503 : 200, "application/json", buf_str(&out));
	request_free(rq);
}
