/* SPDX-License-Identifier: MIT */
/*
 * responses_answer.c - watching an answer go by.
 *
 * A stream ends with the event that holds the whole response; not passed on
 * are an error or a failed response (the relay writes its own), and [DONE],
 * which others add.  That last event may be larger than a frame that is held:
 * its parts go through `last`, and the tap picks out what stands in it.
 *
 * What an upstream keeps is asked for as it was: there a failed response is
 * an answer like others.
 */
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/responses.h"
#include "handlers/dialect/up_error.h"

enum {
	HEAD_BYTES = 512, /* where a large frame says what it is */
	ID_MOST = 256
};

enum tap { USAGE, ERROR, MODEL, TIER, OUTPUT, OBJECT, STATUS, ID };

const char *const responses_taps[] = {
	[USAGE] = "usage", [ERROR] = "error", [MODEL] = "model",
	[TIER] = "service_tier", [OUTPUT] = "output", [OBJECT] = "object",
	[STATUS] = "status", [ID] = "id", NULL,
};

static struct str
inside(struct str value)
{
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : S("");
}

static void
read_id(struct observer *o, struct str value)
{
	struct str id = inside(value);

	if (id.n && id.n <= ID_MOST && o->spoken.id.n == 0)
		o->spoken.id = arena_str(o->arena, id);
}

static void
read_facts(struct observer *o, const struct str *v)
{
	openai_read_model(o, v[MODEL]);
	responses_read_tier(o, v[TIER]);
	openai_read_usage(o, v[USAGE]);
	read_id(o, v[ID]);
}

static bool
is_stored(const struct observer *o)
{
	return o->endpoint == ENDPOINT_STORED;
}

/* --- A stream ------------------------------------------------------------- */

/* What is of interest in an event. */
enum member { TYPE, DELTA, INDEX, ITEM, RESPONSE, FAILURE, NUMBER, N_MEMBERS };
static const struct str of_event[N_MEMBERS] = {
	[TYPE] = STR_INIT("type"), [DELTA] = STR_INIT("delta"),
	[INDEX] = STR_INIT("output_index"), [ITEM] = STR_INIT("item"),
	[RESPONSE] = STR_INIT("response"), [FAILURE] = STR_INIT("error"),
	[NUMBER] = STR_INIT("sequence_number"),
};

static bool
is_end(struct str type)
{
	return str_eq(type, S("response.completed")) ||
	    str_eq(type, S("response.incomplete")) ||
	    str_eq(type, S("response.cancelled"));
}

static bool
is_failure(struct str type)
{
	return str_eq(type, S("error")) || str_eq(type, S("response.failed"));
}

/* The first events name the response. */
static void
read_begin(struct observer *o, struct str response)
{
	if (o->spoken.id.n || !response.n)
		return;
	read_id(o, json_get(response, S("id")));
	json_int(json_get(response, S("created_at")), &o->spoken.created);
	openai_read_model(o, json_get(response, S("model")));
}

static void
read_response(struct observer *o, struct str response)
{
	struct str v[countof(responses_taps)] = { { NULL, 0 } };

	for (struct json_each m = json_each(response); json_next(&m);)
		for (int i = 0; responses_taps[i]; i++)
			if (str_eq(m.name, str_of(responses_taps[i])))
				v[i] = m.value;
	read_facts(o, v);
}

/* More of an item's text, or an item. */
static bool
read_content(struct observer *o, struct watch *w, struct str type,
    const struct str *e)
{
	struct token_count before = w->pass.count;
	int64_t index = 0;
	bool content = false;

	json_int(e[INDEX], &index);
	if (str_ends(type, S(".delta"))) {
		content = responses_delta(w, (unsigned)(index << 8) +
		    (unsigned)type.n, e[DELTA]);
	} else if (str_eq(type, S("response.output_item.added"))) {
		content = responses_look(w, e[ITEM]);
	} else if (str_eq(type, S("response.output_item.done"))) {
		content = responses_look(w, e[ITEM]);
		/* Its texts have come; what is sealed has not. */
		if (!str_eq(json_get(e[ITEM], S("type")),
			S("\"reasoning\"")))
			w->pass.count = before;
	}
	o->out_milli = w->pass.count.milli;
	return content;
}

static void
count_event(struct observer *o, struct str value)
{
	int64_t number;

	if (json_int(value, &number) && number >= o->spoken.events)
		o->spoken.events = number;
	o->spoken.events++;
}

static void
take_end(struct observer *o, struct watch *w, struct str raw, struct str type,
    struct str response)
{
	read_response(o, response);
	if (!str_eq(type, S("response.completed")))
		o->seen |= SEEN_MEANING;
	pass_end(o, &w->pass, raw);
}

static void
take_event(struct observer *o, struct watch *w, struct str raw,
    const struct sse_fields *f)
{
	struct str data = str_trim(f->data), e[N_MEMBERS], type;

	json_get_all(data, of_event, e, N_MEMBERS);
	type = inside(e[TYPE]);
	if (type.n == 0)
		type = str_trim(f->event);
	if (is_stored(o) && (is_end(type) || is_failure(type))) {
		o->seen |= SEEN_MEANING;
		pass_end(o, &w->pass, raw);
	} else if (is_failure(type) || up_error_told(e[FAILURE])) {
		openai_fail(o, &w->pass, e[RESPONSE].n ? e[RESPONSE] : data,
		    (struct str){ 0 });
	} else if (is_end(type)) {
		take_end(o, w, raw, type, e[RESPONSE]);
	} else {
		bool content = read_content(o, w, type, e);

		read_begin(o, e[RESPONSE]);
		count_event(o, e[NUMBER]);
		if (content)
			o->seen |= SEEN_MEANING;
		pass_frame(o, &w->pass, raw, content);
	}
}

static void
frame(struct observer *o, struct pass *p, struct str raw)
{
	struct sse_fields f;

	sse_read(&p->sse, raw, &f);
	if (str_starts(str_trim(f.data), S("[DONE]")))
		p->went = TO_NOBODY;
	else if (f.has_data)
		take_event(o, holder(p, struct watch, pass), raw, &f);
	else
		pass_frame(o, p, raw, false);
}

/* --- A frame too large to be held ----------------------------------------- */

static struct str
head_of(struct str raw)
{
	return str_from(raw.p, raw.n < HEAD_BYTES ? raw.n : HEAD_BYTES);
}

/* The response that stands in an event, from its brace on. */
static struct str
response_in(struct str raw)
{
	static const struct str name = STR_INIT("\"response\"");
	const char *at = memmem(raw.p, raw.n, name.p, name.n), *brace;

	if (!at)
		return S("");
	raw = str_skip(raw, (size_t)(at - raw.p));
	brace = memchr(raw.p, '{', raw.n);
	return brace ? str_skip(raw, (size_t)(brace - raw.p)) : S("");
}

static void
begin_large(struct observer *o, struct watch *w, struct str raw)
{
	struct str head = head_of(raw);
	struct pass *p = &w->pass;

	w->large = true;
	w->large_end = str_has(head, S("response.completed")) ||
	    str_has(head, S("response.incomplete"));
	/* What is told of the request says nothing. */
	if (!str_has(head, S("response.created")) &&
	    !str_has(head, S("response.in_progress")))
		o->seen |= SEEN_MEANING;
	o->spoken.events++;
	if (!w->large_end)
		return;
	json_tap_init(&p->tap, o->arena, responses_taps, LIMIT_KEEP_BACK);
	json_tap_feed(&p->tap, response_in(raw));
}

static void
part(struct observer *o, struct pass *p, const struct sse_frame *f)
{
	struct watch *w = holder(p, struct watch, pass);

	if (!w->large)
		begin_large(o, w, f->raw);
	else if (w->large_end && !p->tap.whole)
		json_tap_feed(&p->tap, f->raw);
	o->inside = f->kind == SSE_PART;
	if (!w->large_end) {
		buf_put(p->out, f->raw);
		p->went = TO_OUT;
	} else {
		pass_keep_back(f->raw, LIMIT_KEEP_BACK, p->out, p->last);
		p->went = TO_LAST;
	}
	if (f->kind != SSE_LAST_PART)
		return;
	w->large = false;
	if (!w->large_end)
		return;
	/* Its end is still here: nothing may stand between. */
	o->inside = true;
	read_facts(o, p->tap.values);
	o->seen |= SEEN_STOP | SEEN_END;
	p->closed = true;
}

/* --- One JSON text -------------------------------------------------------- */

static void
fail(struct observer *o, struct pass *p, struct str text)
{
	openai_fail(o, p, text, (struct str){ 0 });
}

static bool
look_at_output(struct watch *w, struct str output)
{
	bool meaning = false;

	for (struct json_each m = json_each(output); json_next(&m);)
		meaning |= responses_look(w, m.value);
	return meaning;
}

static void
good(struct observer *o, struct pass *p, bool read)
{
	o->out_milli = read ? p->count.milli :
	    (int64_t)p->bytes * PASS_MILLI_A_BYTE;
	o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
}

static void
judge(struct observer *o, struct pass *p, struct str text, struct str output)
{
	struct watch *w = holder(p, struct watch, pass);
	const struct str *v = p->tap.values;
	bool answer = !p->misfit && pass_found(p, OUTPUT), any;

	read_facts(o, v);
	if (responses_failed(v[STATUS])) {
		fail(o, p, text.n ? text : pass_head(p));
		buf_clear(p->last);
		return;
	}
	any = !text.n || look_at_output(w, output) || pass_counted(o) ||
	    str_eq(v[STATUS], S("\"incomplete\""));
	if (answer && !any)
		o->seen |= SEEN_EMPTY;
	if (answer && any)
		good(o, p, text.n);
	else
		pass_refuse(o, p);
}

/* Of what is kept, and of a count: whatever object it is. */
static void
judge_any(struct observer *o, struct pass *p, struct str text, struct str main)
{
	(void)main;
	if (!p->misfit && pass_found(p, OBJECT))
		good(o, p, text.n);
	else
		pass_refuse(o, p);
}

const struct pass_words responses_words = {
	.frame = frame, .part = part, .error = ERROR, .main = OUTPUT,
	.answers = 1u << OUTPUT, .judge = judge, .fail = fail,
}, responses_stored_words = {
	.frame = frame, .part = part, .error = ERROR, .main = OUTPUT,
	.answers = 1u << OUTPUT | 1u << OBJECT, .judge = judge_any,
	.fail = fail,
};
