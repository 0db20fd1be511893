/* SPDX-License-Identifier: MIT */
/* metrics.c - what the loops have counted; see metrics.h. */
#include "handlers/relay/metrics.h"

#include <pthread.h>
#include <stdio.h>

#include "db/setting.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/reply.h"
#include "handlers/relay/call.h"
#include "handlers/relay/info.h"
#include "handlers/relay/relay.h"

enum { MOST_LOOPS = 64, PAGE_BYTES = 4 << 20 };

/* Counters of the store, in the order of enum count. */
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
};

/* Read at the moment they are asked for, of this process. */
enum gauge { GAUGE_RUNNING, GAUGE_BYTES, GAUGE_LATE, GAUGE_DROPPED, N_GAUGES };
static const struct {
	const char *name, *help;
} gauges[N_GAUGES] = {
	[GAUGE_RUNNING] = { "weir_calls_running", "calls running now" },
	[GAUGE_BYTES] = { "weir_body_bytes", "bytes of bodies held now" },
	[GAUGE_LATE] = { "weir_settlement_late_ms",
	    "age of the oldest settlement not committed" },
	[GAUGE_DROPPED] = { "weir_log_lines_dropped", "since the start" },
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
			.labels = S(""),
			.value = (int64_t)(now - all.taken[k]),
		};
		all.taken[k] = now;
	}
	pthread_mutex_unlock(&all.lock);
	return n;
}

void
metrics_print(void)
{
	for (int k = 0; k < N_COUNTS; k++)
		printf("%-32s counter  %s\n", counters[k].name,
		    counters[k].help);
	for (int g = 0; g < N_GAUGES; g++)
		printf("%-32s gauge    %s\n", gauges[g].name, gauges[g].help);
}

/* --- The two endpoints -------------------------------------------------- */

static void
put_counters(struct buf *out, const struct metric *list, int n)
{
	for (int k = 0; k < N_COUNTS; k++) {
		int64_t value = 0;

		for (int i = 0; i < n; i++)
			if (str_eq(list[i].name, str_of(counters[k].name)))
				value += list[i].value;
		buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %lld\n",
		    counters[k].name, counters[k].help, counters[k].name,
		    counters[k].name, (long long)value);
	}
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

	for (int g = 0; g < N_GAUGES; g++)
		buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lld\n",
		    gauges[g].name, gauges[g].help, gauges[g].name,
		    gauges[g].name, (long long)values[g]);
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
a_channel_is_usable(void)
{
	const struct catalogue *cat = catalogue_take();
	bool usable = false;

	for (size_t i = 0; i < cat->n_channels && !usable; i++)
		for (size_t j = 0; j < cat->channels[i].n_credentials; j++)
			usable |= cat->channels[i].enabled &&
			    cat->channels[i].credentials[j].enabled;
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
	if (!a_channel_is_usable())
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
