/* SPDX-License-Identifier: MIT */
/*
 * doctor.c - /v1/doctor: a stream and a body that cost nothing.
 *
 * weirctl doctor asks here to see what a web server does to them.  GET is a
 * stream of three events, 300 ms apart, or with ?silence=SECONDS of one event,
 * that silence, and one more.  It goes out with the headers of every stream,
 * but needs no model, no upstream and no money.  It is for whoever has a key,
 * and a loop gives a few at a time: each keeps a connection and a timer.
 *
 * POST says how many bytes of a body have come, and how many may.  It needs no
 * key: a body is collected before anybody knows what it is for.
 */
#include "fcgi/base/mem.h"
#include "fcgi/reply.h"
#include "handlers/dialect/dialect.h"
#include "handlers/relay/call.h"
#include "handlers/relay/info.h"
#include "handlers/relay/relay.h"

enum {
	STEP_MS = 300,
	EVENTS = 3,
	SILENCE_MOST_S = 300,
	AT_ONCE = 8,		/* on one loop */
	ANSWER_BYTES = 256
};

struct visit {
	struct request *rq;
	struct timer timer;
	int64_t step_ms;
	int told, events;
};

/* Of this loop. */
static _Thread_local int visits;

static void
leave(struct visit *v)
{
	loop_clear(v->rq->worker->loop, &v->timer);
	visits--;
	request_free(v->rq);
}

static void
on_gone(struct request *rq)
{
	leave(rq->handler);
}

static void
end(struct request *rq)
{
	reply_end(rq);
	leave(rq->handler);
}

static void
tell(struct visit *v)
{
	struct request *rq = v->rq;
	struct buf out = BUF(&rq->arena, ANSWER_BYTES);

	buf_printf(&out, "data: {\"object\":\"doctor\",\"event\":%d,"
	    "\"events\":%d}\n\n", ++v->told, v->events);
	reply_data(rq, buf_str(&out));
	if (v->told == v->events) {
		end(rq);
		return;
	}
	reply_flush(rq);
	loop_timer(rq->worker->loop, &v->timer, v->step_ms);
}

static void
on_time(struct timer *t)
{
	tell(holder(t, struct visit, timer));
}

/* silence=SECONDS of a query; false: it is no such number. */
static bool
read_silence(struct str query, int64_t *seconds)
{
	*seconds = 0;
	while (query.n) {
		struct str value = str_cut(&query, '&');
		struct str name = str_cut(&value, '=');

		if (str_eq(name, S("silence")) && (!str_int(value, seconds) ||
		    *seconds < 1 || *seconds > SILENCE_MOST_S))
			return false;
	}
	return true;
}

static bool
may_visit(struct request *rq, int64_t *silence_s)
{
	struct fault f = { 0 };
	struct key k;

	if (relay_key(rq->worker->own, rq, &f, &k)) {
		if (!read_silence(rq->query, silence_s)) {
			f.param = S("silence");
			fault_set(&f, &rq->arena, FAULT_BAD_REQUEST, "silence "
			    "is a number of seconds from 1 to %d.",
			    SILENCE_MOST_S);
		} else if (visits >= AT_ONCE) {
			f.retry_ms = 1000;
			fault_set(&f, &rq->arena, FAULT_TOO_FAST, "%d of these "
			    "streams are open; try again in a moment.",
			    visits);
		} else {
			return true;
		}
	}
	answer_fault(&openai_dialect, rq, &f);
	request_free(rq);
	return false;
}

void
info_doctor(struct request *rq)
{
	struct visit *v;
	int64_t silence_s;

	if (!may_visit(rq, &silence_s))
		return;
	v = arena_new(&rq->arena, struct visit);
	v->rq = rq;
	v->timer.fire = on_time;
	v->step_ms = silence_s ? silence_s * 1000 : STEP_MS;
	v->events = silence_s ? 2 : EVENTS;
	visits++;
	rq->handler = v;
	rq->gone = on_gone;
	rq->stop = end;
	reply_status(rq, 200);
	reply_header(rq, "Content-Type", str_of(openai_dialect.stream_type));
	reply_header(rq, "Cache-Control", S("no-cache"));
	reply_header(rq, "X-Accel-Buffering", S("no"));
	tell(v);
}

void
info_doctor_body(struct request *rq)
{
	struct buf out = BUF(&rq->arena, ANSWER_BYTES);

	buf_printf(&out, "{\"object\":\"doctor\",\"bytes\":%zu,"
	    "\"body_max\":%lld}\n", rq->body.n,
	    (long long)rq->worker->machine->conf.body_max);
	reply_header(rq, "Cache-Control", S("no-store"));
	reply_whole(rq, 200, "application/json", buf_str(&out));
	request_free(rq);
}
