/* SPDX-License-Identifier: MIT */
/*
 * responses_events.c - an answer in Responses' words, read as events.
 *
 * Items come one after another, each with its beginning, its pieces and its
 * end, which holds all of it once more.  So what came in no pieces is told at
 * the end; and of items that are told side by side the first one goes on as it
 * comes, the others are told when they have ended.  What stopped the answer
 * is told at its very end, when the usage is whole.
 */
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/cite.h"
#include "handlers/dialect/responses_neutral.h"
#include "handlers/dialect/stops.h"
#include "handlers/dialect/up_error.h"

enum { MOST_LATE = 128 };	/* items that wait for another's end */

struct responses_reader {
	struct observer facts;	/* model, usage, error */
	struct pass pass;
	struct sse sse;
	struct buf body;	/* of an answer that is not streamed */
	bool began, as_body;	/* a stream that is none */
	bool started, ended;
	bool broken;		/* something in it could not be read */
	bool item_open;		/* an item is being told */
	int64_t at;		/* its index */
	bool any;		/* some piece of it came */
	int64_t summary;	/* the last part of a summary, or -1 */
	bool open;		/* a block was told of */
	enum block_kind kind;	/* of it */
	bool calls;		/* some were told of */
	struct str late[MOST_LATE];
	size_t n_late;
	int64_t items;		/* told so far */
	struct stops stops;	/* what the caller wants it to end at */
	struct str status, why;	/* raw */
};

static void
give(struct event_reader *r, struct event e)
{
	r->take(r, &e);
}

static struct str
inside(struct str value)
{
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : S("");
}

/* --- Blocks --------------------------------------------------------------- */

static void
start(struct event_reader *r, struct str id, int64_t created)
{
	struct responses_reader *s = r->state;

	if (s->started)
		return;
	s->started = true;
	give(r, (struct event){ .kind = EVENT_START, .id = id,
	    .name = s->facts.model, .created = created,
	    .tokens = s->facts.tokens });
}

static void
close_block(struct event_reader *r)
{
	struct responses_reader *s = r->state;

	if (s->open)
		give(r, (struct event){ .kind = EVENT_BLOCK_END,
		    .block = s->kind });
	s->open = false;
}

static void
open_block(struct event_reader *r, enum block_kind kind)
{
	struct responses_reader *s = r->state;

	if (s->open && s->kind == kind)
		return;
	close_block(r);
	start(r, S(""), 0);
	s->open = true;
	s->kind = kind;
	give(r, (struct event){ .kind = EVENT_BLOCK, .block = kind });
}

/* As it is, where nobody waits for the end of it. */
static void
put_text(void *arg, struct str raw)
{
	struct event_reader *r = arg;
	struct responses_reader *s = r->state;

	if (raw.n == 0)
		return;
	open_block(r, s->kind);
	give(r, (struct event){ .kind = EVENT_TEXT, .block = s->kind,
	    .text = raw });
}

/* Text that was held back, because a stop sequence could begin in it. */
static void
let_go(struct event_reader *r)
{
	struct responses_reader *s = r->state;

	if (s->stops.met || s->stops.text.n == 0)
		return;
	if (s->open && s->kind != BLOCK_TEXT)
		close_block(r);
	s->kind = BLOCK_TEXT;
	stops_end(&s->stops, put_text, r);
}

static void
text(struct event_reader *r, enum block_kind kind, struct str raw)
{
	struct responses_reader *s = r->state;

	if (raw.n == 0 || s->stops.met)
		return;
	if (kind != BLOCK_TEXT)
		let_go(r);
	s->any = true;
	if (s->open && s->kind != kind)
		close_block(r);
	s->kind = kind;
	if (kind == BLOCK_TEXT && s->stops.n)
		stops_feed(&s->stops, raw, put_text, r);
	else
		put_text(r, raw);
}

static void
sign(struct event_reader *r, struct str raw)
{
	const struct responses_reader *s = r->state;

	if (raw.n == 0 || s->stops.met)
		return;
	let_go(r);
	open_block(r, BLOCK_REASONING);
	give(r, (struct event){ .kind = EVENT_SIGN, .block = BLOCK_REASONING,
	    .text = raw });
}

/* --- Beside the text ------------------------------------------------------ */

static void
note(struct event_reader *r, struct str annotation)
{
	const struct responses_reader *s = r->state;
	struct event e = { .kind = EVENT_NOTE };

	if (s->open && s->kind == BLOCK_TEXT && !s->stops.met &&
	    cite_read(annotation, &e.cite))
		give(r, e);
}

/* Of the text that follows, which may be the block's first. */
static void
likely(struct event_reader *r, struct str list)
{
	const struct responses_reader *s = r->state;
	struct json_each m = json_each(list);

	if (!r->asked || !r->asked->logprobs || s->stops.met ||
	    json_kind(list) != JSON_IS_ARRAY || !json_next(&m))
		return;
	open_block(r, BLOCK_TEXT);
	give(r, (struct event){ .kind = EVENT_LOGPROBS, .block = BLOCK_TEXT,
	    .text = list });
}

/* --- Calls ---------------------------------------------------------------- */

static void
begin_call(struct event_reader *r, struct str item, bool custom)
{
	struct responses_reader *s = r->state;
	struct str name = json_get(item, S("name"));
	struct str id = inside(json_get(item, S("call_id")));
	const struct tool *t = neutral_tool(r->asked, json_text(r->arena,
	    name), OPENAI_NAME);

	let_go(r);
	close_block(r);
	start(r, S(""), 0);
	s->open = s->calls = true;
	s->kind = BLOCK_CALL;
	give(r, (struct event){ .kind = EVENT_BLOCK, .block = BLOCK_CALL,
	    .id = id.n ? id : inside(json_get(item, S("id"))),
	    .custom = custom,
	    .name = t ? neutral_raw(r->arena, t->name) : inside(name) });
}

static void
args(struct event_reader *r, struct str raw)
{
	struct responses_reader *s = r->state;

	if (raw.n == 0 || !s->open || s->kind != BLOCK_CALL)
		return;
	s->any = true;
	give(r, (struct event){ .kind = EVENT_ARGS, .block = BLOCK_CALL,
	    .text = raw });
}

/* --- Items ---------------------------------------------------------------- */

static struct str
type_of(struct str item)
{
	return inside(json_get(item, S("type")));
}

static bool
is_call(struct str type, bool *custom)
{
	*custom = str_eq(type, S("custom_tool_call"));
	return *custom || str_eq(type, S("function_call"));
}

static void
begin_item(struct event_reader *r, struct str item, int64_t index)
{
	struct responses_reader *s = r->state;
	bool custom;

	s->item_open = true;
	s->at = index;
	s->any = false;
	s->summary = -1;
	s->items++;
	if (is_call(type_of(item), &custom) && !s->stops.met)
		begin_call(r, item, custom);
}

/* The texts of a list of parts. */
static void
parts(struct event_reader *r, struct str list, enum block_kind kind)
{
	bool first = true;

	for (struct json_each m = json_each(list); json_next(&m);) {
		struct str refusal = inside(json_get(m.value, S("refusal")));
		struct str raw = inside(json_get(m.value, S("text")));

		if (!first && kind == BLOCK_REASONING && raw.n)
			text(r, kind, S("\\n\\n"));
		first = false;
		if (kind == BLOCK_TEXT)
			likely(r, json_get(m.value, S("logprobs")));
		text(r, kind, raw);
		if (kind != BLOCK_TEXT)
			continue;
		for (struct json_each a = json_each(json_get(m.value,
		    S("annotations"))); json_next(&a);)
			note(r, a.value);
		text(r, BLOCK_REFUSAL, refusal);
	}
}

/* What did not come in pieces. */
static void
rest_of_item(struct event_reader *r, struct str item)
{
	struct responses_reader *s = r->state;
	struct str type = type_of(item);
	bool custom;

	if (is_call(type, &custom)) {
		if (!s->any)
			args(r, inside(json_get(item, custom ? S("input") :
			    S("arguments"))));
	} else if (str_eq(type, S("reasoning"))) {
		if (!s->any)
			parts(r, json_get(item, S("summary")),
			    BLOCK_REASONING);
		if (!s->any)
			parts(r, json_get(item, S("content")),
			    BLOCK_REASONING);
		sign(r, inside(json_get(item, S("encrypted_content"))));
	} else if (!s->any) {
		parts(r, json_get(item, S("content")), BLOCK_TEXT);
	}
}

static void
close_item(struct event_reader *r)
{
	struct responses_reader *s = r->state;

	let_go(r);
	close_block(r);
	s->item_open = false;
}

static void
whole_item(struct event_reader *r, struct str item)
{
	begin_item(r, item, -1);
	rest_of_item(r, item);
	close_item(r);
}

/* Those that waited, in the order in which they ended. */
static void
tell_late(struct event_reader *r)
{
	struct responses_reader *s = r->state;

	for (size_t i = 0; i < s->n_late; i++)
		whole_item(r, s->late[i]);
	s->n_late = 0;
}

static void
end_item(struct event_reader *r, struct str item, int64_t index)
{
	struct responses_reader *s = r->state;

	if (s->item_open && index >= 0 && index != s->at) {
		if (s->n_late == MOST_LATE)
			s->broken = true;
		else
			s->late[s->n_late++] = arena_str(r->arena, item);
		return;
	}
	if (!s->item_open)
		begin_item(r, item, index);
	rest_of_item(r, item);
	close_item(r);
	tell_late(r);
}

/* --- Its end -------------------------------------------------------------- */

static enum stop_reason
reason_of(const struct responses_reader *s)
{
	if (s->stops.met)
		return STOP_SEQUENCE;
	if (str_eq(s->status, S("incomplete")))
		return str_eq(s->why, S("content_filter")) ? STOP_FILTER :
		    STOP_LENGTH;
	return s->calls ? STOP_CALLS : STOP_END;
}

static void
end(struct event_reader *r, bool complete)
{
	struct responses_reader *s = r->state;
	struct event e = { .kind = EVENT_STOP };

	if (s->ended)
		return;
	if (complete && !(s->facts.seen & SEEN_ERROR)) {
		start(r, S(""), 0);
		close_item(r);
		tell_late(r);
		e.stop = reason_of(s);
		e.stop_sequence = s->stops.met ? s->stops.list[s->stops.which] :
		    S("");
		e.unsaid = !str_eq(s->status, S("incomplete"));
	}
	s->ended = true;
	if (s->facts.seen & SEEN_ERROR) {
		e.kind = EVENT_ERROR;
		e.error = s->facts.error;
	} else if (!complete || s->broken) {
		e.kind = EVENT_ERROR;
		e.error = (struct up_error){
			.kind = s->broken ? UP_SERVER : UP_OK };
	}
	give(r, (struct event){ .kind = EVENT_USAGE,
	    .tokens = s->facts.tokens });
	give(r, e);
	give(r, (struct event){ .kind = EVENT_END });
}

static void
fail(struct event_reader *r, struct str data)
{
	struct responses_reader *s = r->state;

	openai_fail(&s->facts, &s->pass, data, (struct str){ 0 });
	end(r, false);
}

/* Text goes on as it is spelt: what is no JSON must not. */
static void
break_off(struct event_reader *r)
{
	struct responses_reader *s = r->state;

	s->broken = true;
	end(r, false);
}

/* --- A response object ---------------------------------------------------- */

static void
begin(struct event_reader *r, struct str response)
{
	struct responses_reader *s = r->state;
	int64_t created = 0;

	openai_read_model(&s->facts, json_get(response, S("model")));
	json_int(json_get(response, S("created_at")), &created);
	start(r, arena_str(r->arena, inside(json_get(response, S("id")))),
	    created);
}

static void
finish(struct event_reader *r, struct str response)
{
	struct responses_reader *s = r->state;
	struct str usage = json_get(response, S("usage"));

	if (json_kind(usage) == JSON_IS_OBJECT)
		openai_read_usage(&s->facts, usage);
	begin(r, response);
	s->status = inside(json_get(response, S("status")));
	s->why = inside(json_get(json_get(response,
	    S("incomplete_details")), S("reason")));
	/* Some tell all of it here for the first time. */
	if (s->items == 0)
		for (struct json_each m = json_each(json_get(response,
		    S("output"))); json_next(&m);)
			whole_item(r, m.value);
	end(r, true);
}

/* --- A stream ------------------------------------------------------------- */

/* Members of an event, read in one walk: most are little else. */
enum member { TYPE, DELTA, INDEX, ITEM, RESPONSE, FAILURE, SUMMARY, LOGPROBS,
	ANNOTATION, N_MEMBERS };
static const struct str of_event[N_MEMBERS] = {
	[TYPE] = STR_INIT("type"), [DELTA] = STR_INIT("delta"),
	[INDEX] = STR_INIT("output_index"), [ITEM] = STR_INIT("item"),
	[RESPONSE] = STR_INIT("response"), [FAILURE] = STR_INIT("error"),
	[SUMMARY] = STR_INIT("summary_index"),
	[LOGPROBS] = STR_INIT("logprobs"),
	[ANNOTATION] = STR_INIT("annotation"),
};

/* Is this piece of the item that is being told?  One that was not begun is
 * begun with it, unless it is a call, which has no name yet. */
static bool
is_current(struct event_reader *r, int64_t index, bool call)
{
	struct responses_reader *s = r->state;

	if (!s->item_open && !call)
		begin_item(r, S(""), index);
	return s->item_open && (index < 0 || s->at < 0 || index == s->at);
}

/* A summary in parts: a blank line between them. */
static void
summary(struct event_reader *r, const struct str *e)
{
	struct responses_reader *s = r->state;
	int64_t part = 0;

	json_int(e[SUMMARY], &part);
	if (s->summary >= 0 && part != s->summary)
		text(r, BLOCK_REASONING, S("\\n\\n"));
	s->summary = part;
	text(r, BLOCK_REASONING, inside(e[DELTA]));
}

static void
piece(struct event_reader *r, struct str type, const struct str *e,
    int64_t index)
{
	struct str raw = inside(e[DELTA]);
	bool call = str_eq(type,
	    S("response.function_call_arguments.delta")) ||
	    str_eq(type, S("response.custom_tool_call_input.delta"));

	if (raw.n == 0 || !is_current(r, index, call))
		return;
	if (call)
		args(r, raw);
	else if (str_eq(type, S("response.output_text.delta"))) {
		likely(r, e[LOGPROBS]);
		text(r, BLOCK_TEXT, raw);
	}
	else if (str_eq(type, S("response.refusal.delta")))
		text(r, BLOCK_REFUSAL, raw);
	else if (str_eq(type, S("response.reasoning_summary_text.delta")))
		summary(r, e);
	else if (str_eq(type, S("response.reasoning_text.delta")))
		text(r, BLOCK_REASONING, raw);
}

static void
event(struct event_reader *r, struct str line, struct str data)
{
	struct responses_reader *s = r->state;
	struct str e[N_MEMBERS], type;
	int64_t index = -1;

	json_get_all(data, of_event, e, N_MEMBERS);
	type = inside(e[TYPE]);
	if (type.n == 0)
		type = line;
	json_int(e[INDEX], &index);
	if (str_ends(type, S(".delta"))) {
		piece(r, type, e, index);
	} else if (str_eq(type, S("response.output_item.added"))) {
		if (!s->item_open)
			begin_item(r, e[ITEM], index);
	} else if (str_eq(type, S("response.output_item.done"))) {
		end_item(r, e[ITEM], index);
	} else if (str_eq(type, S("response.completed")) ||
	    str_eq(type, S("response.incomplete"))) {
		finish(r, e[RESPONSE]);
	} else if (str_eq(type, S("response.failed")) ||
	    str_eq(type, S("response.cancelled"))) {
		fail(r, e[RESPONSE]);
	} else if (str_eq(type, S("error")) || up_error_told(e[FAILURE])) {
		fail(r, data);
	} else if (str_eq(type, S("response.output_text.annotation.added"))) {
		if (is_current(r, index, true))
			note(r, e[ANNOTATION]);
	} else if (str_eq(type, S("response.created"))) {
		begin(r, e[RESPONSE]);
	}
	if (s->broken)
		end(r, false);
}

static void
frame(struct event_reader *r, struct str raw)
{
	struct responses_reader *s = r->state;
	struct sse_fields f;
	struct json_error e;
	struct str data;

	sse_read(&s->sse, raw, &f);
	data = str_trim(f.data);
	if (!f.has_data || s->ended || str_starts(data, S("[DONE]")))
		return;
	if (!json_valid(data, &e))
		break_off(r);
	else
		event(r, str_trim(f.event), data);
}

/* --- A frame too large to be held: whole in memory here ------------------- */

/* What ends the answer holds all of it; it is put together again. */
static void
large(struct event_reader *r, const struct sse_frame *f)
{
	struct responses_reader *s = r->state;
	struct buf whole = s->body;

	buf_put(&s->body, f->raw);
	if (s->body.full) {
		break_off(r);
		return;
	}
	if (f->kind != SSE_LAST_PART)
		return;
	whole = s->body;
	s->body = BUF_HEAP(LIMIT_FOLD_BYTES);
	frame(r, buf_str(&whole));
	buf_release(&whole);
}

static void
frames(struct event_reader *r, struct str piece)
{
	struct responses_reader *s = r->state;
	struct sse_frame f;

	sse_feed(&s->sse, piece);
	while (sse_next(&s->sse, &f)) {
		if (f.kind == SSE_FRAME)
			frame(r, f.raw);
		else if (f.kind != SSE_TAIL && !s->ended)
			large(r, &f);
	}
}

/* --- A whole answer ------------------------------------------------------- */

static void
body(struct event_reader *r, struct str whole)
{
	struct responses_reader *s = r->state;
	struct json_error e;

	whole = str_trim(whole);
	if (s->body.full || !json_valid(whole, &e))
		break_off(r);
	else if (up_error_told(json_get(whole, S("error"))) ||
	    responses_failed(json_get(whole, S("status"))))
		fail(r, whole);
	else if (json_kind(json_get(whole, S("output"))) == JSON_IS_ARRAY)
		finish(r, whole);
	else
		break_off(r);
}

/* --- The reader ----------------------------------------------------------- */

static void
release(void *object)
{
	struct responses_reader *s = object;

	sse_release(&s->sse);
	buf_release(&s->body);
}

void
responses_reader_init(struct event_reader *r)
{
	struct responses_reader *s = arena_new(r->arena,
	    struct responses_reader);

	sse_init(&s->sse);
	s->body = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->facts = (struct observer){ .dialect = &responses_dialect,
		.arena = r->arena, .endpoint = ENDPOINT_RESPONSES,
		.tokens = TOKENS_ABSENT };
	s->summary = -1;
	if (r->asked)
		stops_init(&s->stops, r->arena, r->asked->stops,
		    r->asked->n_stops);
	arena_attach(r->arena, release, s);
	r->state = s;
}

/* A stream that begins as a JSON text is one. */
void
responses_reader_feed(struct event_reader *r, struct str piece)
{
	struct responses_reader *s = r->state;
	struct str rest = str_trim(piece);

	if (!s->began && rest.n) {
		s->began = true;
		s->as_body = !r->stream || rest.p[0] == '{';
	}
	if (s->as_body)
		buf_put(&s->body, piece);
	else
		frames(r, piece);
}

void
responses_reader_finish(struct event_reader *r)
{
	struct responses_reader *s = r->state;
	struct str rest = sse_rest(&s->sse);
	struct json_error e;
	struct sse_fields f;

	if (s->as_body) {
		body(r, buf_str(&s->body));
		return;
	}
	/* Some leave the last blank line out. */
	if (rest.n && !s->sse.large) {
		sse_read(&s->sse, rest, &f);
		if (json_valid(str_trim(f.data), &e))
			frame(r, rest);
	}
	end(r, false);
}
