/* SPDX-License-Identifier: MIT */
/*
 * anthropic_events.c - an answer in Messages' words, read as events.
 *
 * Blocks come one after another here; what is left to do is to say nothing
 * of those that hold nothing or that only this API knows, to give the caller
 * his own names for tools, and to believe a delta more than the block it
 * stands in, because some upstreams open each block as text.  What stopped
 * the answer is told at its very end, when the usage is whole.
 */
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic.h"
#include "handlers/dialect/anthropic_neutral.h"
#include "handlers/dialect/cite.h"
#include "handlers/dialect/up_error.h"

/* What becomes of the pieces of the block that has begun. */
enum fate {
	SHOWN,
	HIDDEN,		/* only this API knows it */
	AS_TEXT,	/* a call that is the answer's text */
	UNWRAPPED	/* a call of a custom tool: its input is inside */
};

struct messages_reader {
	struct observer facts;	/* model, usage, error */
	struct watch watch;
	struct sse sse;
	struct buf body;	/* of an answer that is not streamed */
	bool began, as_body;	/* a stream that is none */
	bool started, ended;
	bool broken;		/* something in it could not be read */
	bool open;		/* a block was told of */
	enum block_kind kind;	/* of it */
	enum fate fate;		/* of the block that has begun there */
	struct buf whole;	/* input that came at once, or is unwrapped */
	bool pieces;		/* of a call's input came */
	bool calls;		/* some were told of */
	bool listed;		/* a whole answer with a list of blocks */
	struct str reason, sequence, why;	/* raw */
	struct anthropic_cites cites;
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
start(struct event_reader *r, struct str id)
{
	struct messages_reader *s = r->state;

	if (s->started)
		return;
	s->started = true;
	give(r, (struct event){ .kind = EVENT_START, .id = id,
	    .name = s->facts.model, .tokens = s->facts.tokens });
}

static void
close_block(struct event_reader *r)
{
	struct messages_reader *s = r->state;

	if (s->open && s->kind == BLOCK_TEXT)
		anthropic_cites_give(r, &s->cites);
	if (s->open)
		give(r, (struct event){ .kind = EVENT_BLOCK_END,
		    .block = s->kind });
	s->open = false;
}

/* A block of this kind is open. */
static void
open_block(struct event_reader *r, enum block_kind kind)
{
	struct messages_reader *s = r->state;

	if (s->open && s->kind == kind)
		return;
	close_block(r);
	start(r, S(""));
	s->open = true;
	s->kind = kind;
	give(r, (struct event){ .kind = EVENT_BLOCK, .block = kind });
}

static void
text(struct event_reader *r, enum block_kind kind, struct str raw)
{
	struct messages_reader *s = r->state;

	if (raw.n == 0 || s->fate == HIDDEN)
		return;
	open_block(r, kind);
	if (kind == BLOCK_TEXT)
		s->cites.points += cite_points(raw);
	give(r, (struct event){ .kind = EVENT_TEXT, .block = kind,
	    .text = raw });
}

static void
sign(struct event_reader *r, struct str raw, bool redacted)
{
	const struct messages_reader *s = r->state;

	if (raw.n == 0 || s->fate == HIDDEN)
		return;
	open_block(r, BLOCK_REASONING);
	give(r, (struct event){ .kind = EVENT_SIGN, .block = BLOCK_REASONING,
	    .text = raw, .redacted = redacted });
}

/* --- Calls ---------------------------------------------------------------- */

static void
begin_call(struct event_reader *r, struct str block)
{
	struct messages_reader *s = r->state;
	struct str name = json_get(block, S("name"));
	struct str known = json_text(r->arena, name);
	struct str input = json_get(block, S("input"));
	const struct tool *t = neutral_tool(r->asked, known, ANTHROPIC_NAME);
	struct json_each m = json_each(input);
	bool custom = t && t->kind == TOOL_CUSTOM;

	s->fate = neutral_is_json_call(r->asked, known) ? AS_TEXT :
	    custom ? UNWRAPPED : SHOWN;
	s->pieces = false;
	buf_clear(&s->whole);
	/* {} stands where pieces will come. */
	if (json_next(&m))
		buf_put(&s->whole, neutral_raw(r->arena, input));
	if (s->fate == AS_TEXT)
		return;
	start(r, S(""));
	s->open = s->calls = true;
	s->kind = BLOCK_CALL;
	give(r, (struct event){ .kind = EVENT_BLOCK, .block = BLOCK_CALL,
	    .id = inside(json_get(block, S("id"))), .custom = custom,
	    .name = t ? neutral_raw(r->arena, t->name) : inside(name) });
}

static void
args(struct event_reader *r, struct str raw)
{
	struct messages_reader *s = r->state;

	if (raw.n == 0)
		return;
	if (!s->pieces && s->fate != HIDDEN)
		buf_clear(&s->whole);	/* pieces say it better */
	s->pieces = true;
	if (s->fate == AS_TEXT)
		text(r, BLOCK_TEXT, raw);
	else if (s->fate == UNWRAPPED)
		buf_put(&s->whole, raw);
	else if (s->fate == SHOWN && s->open && s->kind == BLOCK_CALL)
		give(r, (struct event){ .kind = EVENT_ARGS,
		    .block = BLOCK_CALL, .text = raw });
}

static void
end_block(struct event_reader *r)
{
	struct messages_reader *s = r->state;
	struct str whole = buf_str(&s->whole);

	if (s->whole.full)
		s->broken = true;
	if (s->fate == AS_TEXT && !s->pieces) {
		text(r, BLOCK_TEXT, whole.n ? whole : S("{}"));
	} else if (s->open && s->kind == BLOCK_CALL && whole.n) {
		if (s->fate == UNWRAPPED)
			whole = neutral_unwrap(r->arena, whole);
		if (whole.n)
			give(r, (struct event){ .kind = EVENT_ARGS,
			    .block = BLOCK_CALL, .text = whole });
	}
	close_block(r);
	s->fate = SHOWN;
	s->pieces = false;
	buf_clear(&s->whole);
}

static void
begin_block(struct event_reader *r, struct str block)
{
	struct messages_reader *s = r->state;
	struct str type = inside(json_get(block, S("type")));

	end_block(r);		/* for who forgets to end one */
	if (str_eq(type, S("tool_use"))) {
		begin_call(r, block);
	} else if (str_eq(type, S("text"))) {
		text(r, BLOCK_TEXT, inside(json_get(block, S("text"))));
		for (struct json_each m = json_each(json_get(block,
		    S("citations"))); json_next(&m);)
			anthropic_cites_take(r->arena, &s->cites, m.value);
	} else if (str_eq(type, S("thinking"))) {
		text(r, BLOCK_REASONING,
		    inside(json_get(block, S("thinking"))));
		sign(r, inside(json_get(block, S("signature"))), false);
	} else if (str_eq(type, S("redacted_thinking"))) {
		sign(r, inside(json_get(block, S("data"))), true);
	} else {
		s->fate = HIDDEN;
	}
}

static void
delta(struct event_reader *r, struct str d)
{
	struct str type = inside(json_get(d, S("type")));

	if (str_eq(type, S("text_delta")))
		text(r, BLOCK_TEXT, inside(json_get(d, S("text"))));
	else if (str_eq(type, S("thinking_delta")))
		text(r, BLOCK_REASONING, inside(json_get(d, S("thinking"))));
	else if (str_eq(type, S("signature_delta")))
		sign(r, inside(json_get(d, S("signature"))), false);
	else if (str_eq(type, S("input_json_delta")))
		args(r, inside(json_get(d, S("partial_json"))));
	else if (str_eq(type, S("citations_delta")))
		anthropic_cites_take(r->arena,
		    &((struct messages_reader *)r->state)->cites,
		    json_get(d, S("citation")));
}

/* --- Its end -------------------------------------------------------------- */

static const struct {
	struct str word;
	enum stop_reason reason;
} reasons[] = {
	{ STR_INIT("end_turn"), STOP_END },
	{ STR_INIT("stop_sequence"), STOP_SEQUENCE },
	{ STR_INIT("max_tokens"), STOP_LENGTH },
	{ STR_INIT("model_context_window_exceeded"), STOP_CONTEXT },
	{ STR_INIT("tool_use"), STOP_CALLS },
	{ STR_INIT("pause_turn"), STOP_PAUSE },
	{ STR_INIT("refusal"), STOP_REFUSAL },
};

static enum stop_reason
reason_of(const struct messages_reader *s)
{
	enum stop_reason reason = s->reason.n ? STOP_OTHER : STOP_END;

	for (size_t i = 0; i < countof(reasons); i++)
		if (str_eq(s->reason, reasons[i].word))
			reason = reasons[i].reason;
	if (reason == STOP_END && s->calls)
		return STOP_CALLS;
	/* The call that was made text is none. */
	return reason == STOP_CALLS && !s->calls ? STOP_END : reason;
}

static void
stop(struct event_reader *r, struct str message)
{
	struct messages_reader *s = r->state;
	struct str reason = inside(json_get(message, S("stop_reason")));
	struct str details = json_get(message, S("stop_details"));
	struct str sequence = inside(json_get(message, S("stop_sequence")));

	if (reason.n == 0)
		return;
	s->reason = arena_str(r->arena, reason);
	s->sequence = arena_str(r->arena, sequence);
	s->why = arena_str(r->arena,
	    inside(json_get(details, S("explanation"))));
}

/* The last words: complete, or an error. */
static void
end(struct event_reader *r, bool complete)
{
	struct messages_reader *s = r->state;
	struct event e = { .kind = EVENT_STOP };

	if (s->ended)
		return;
	if (complete && !(s->facts.seen & SEEN_ERROR)) {
		end_block(r);
		start(r, S(""));
		text(r, BLOCK_REFUSAL, s->why);
		close_block(r);
		e.stop = reason_of(s);
		e.unsaid = s->reason.n == 0;
		e.stop_sequence = s->sequence;
	}
	s->ended = true;
	if (s->facts.seen & SEEN_ERROR) {
		e.kind = EVENT_ERROR;
		e.error = s->facts.error;
	} else if (!complete || s->broken) {
		e.kind = EVENT_ERROR;
		e.error = (struct up_error){
			.kind = s->broken ? UP_SERVER : UP_OK };
		e.unsaid = s->listed && !s->broken && s->reason.n == 0;
	}
	give(r, (struct event){ .kind = EVENT_USAGE,
	    .tokens = s->facts.tokens });
	give(r, e);
	give(r, (struct event){ .kind = EVENT_END });
}

static void
fail(struct event_reader *r, struct str data)
{
	struct messages_reader *s = r->state;

	anthropic_fail(&s->facts, &s->watch.pass, data);
	end(r, false);
}

/* --- A stream ------------------------------------------------------------- */

static void
message_start(struct event_reader *r, struct str message)
{
	struct messages_reader *s = r->state;

	anthropic_read_model(&s->facts, json_get(message, S("model")));
	anthropic_read_usage(&s->facts, &s->watch,
	    json_get(message, S("usage")));
	start(r, arena_str(r->arena, inside(json_get(message, S("id")))));
}

static void
message_delta(struct event_reader *r, struct str data)
{
	struct messages_reader *s = r->state;

	anthropic_read_usage(&s->facts, &s->watch,
	    json_get(data, S("usage")));
	stop(r, json_get(data, S("delta")));
}

/* The data say which event it is; the line does where they do not. */
static void
event(struct event_reader *r, struct str line, struct str data)
{
	struct str type = inside(json_get(data, S("type")));

	if (type.n == 0)
		type = line;
	if (str_eq(type, S("error")) || str_eq(line, S("error")) ||
	    up_error_told(json_get(data, S("error"))))
		fail(r, data);
	else if (str_eq(type, S("content_block_delta")))
		delta(r, json_get(data, S("delta")));
	else if (str_eq(type, S("content_block_start")))
		begin_block(r, json_get(data, S("content_block")));
	else if (str_eq(type, S("content_block_stop")))
		end_block(r);
	else if (str_eq(type, S("message_start")))
		message_start(r, json_get(data, S("message")));
	else if (str_eq(type, S("message_delta")))
		message_delta(r, data);
	else if (str_eq(type, S("message_stop")))
		end(r, true);
}

/* Text goes on as it is spelt: what is no JSON must not. */
static void
break_off(struct event_reader *r)
{
	struct messages_reader *s = r->state;

	s->broken = true;
	end(r, false);
}

static void
frame(struct event_reader *r, struct str raw)
{
	struct messages_reader *s = r->state;
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

static void
frames(struct event_reader *r, struct str piece)
{
	struct messages_reader *s = r->state;
	struct sse_frame f;

	sse_feed(&s->sse, piece);
	while (sse_next(&s->sse, &f)) {
		if (f.kind == SSE_FRAME)
			frame(r, f.raw);
		else if (f.kind != SSE_TAIL)
			break_off(r);	/* larger than anything here */
	}
}

/* --- A whole answer ------------------------------------------------------- */

static void
body(struct event_reader *r, struct str text)
{
	struct messages_reader *s = r->state;
	struct json_error e;

	text = str_trim(text);
	if (s->body.full || !json_valid(text, &e))
		break_off(r);
	else if (up_error_told(json_get(text, S("error"))))
		fail(r, text);
	if (s->ended)
		return;
	message_start(r, text);
	for (struct json_each m = json_each(json_get(text, S("content")));
	    json_next(&m);) {
		begin_block(r, m.value);
		end_block(r);
	}
	stop(r, text);
	s->listed = json_kind(json_get(text, S("content"))) == JSON_IS_ARRAY;
	end(r, s->reason.n > 0);
}

/* --- The reader ----------------------------------------------------------- */

static void
release(void *object)
{
	struct messages_reader *s = object;

	sse_release(&s->sse);
	buf_release(&s->body);
	buf_release(&s->whole);
}

void
anthropic_reader_init(struct event_reader *r)
{
	struct messages_reader *s = arena_new(r->arena,
	    struct messages_reader);

	sse_init(&s->sse);
	s->body = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->whole = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->facts = (struct observer){ .dialect = &anthropic_dialect,
		.arena = r->arena, .endpoint = ENDPOINT_MESSAGES,
		.tokens = TOKENS_ABSENT };
	memset(&s->watch.counts, 0xff, sizeof(s->watch.counts));
	arena_attach(r->arena, release, s);
	r->state = s;
}

/* A stream that begins as a JSON text is one. */
void
anthropic_reader_feed(struct event_reader *r, struct str piece)
{
	struct messages_reader *s = r->state;
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
anthropic_reader_finish(struct event_reader *r)
{
	struct messages_reader *s = r->state;
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
	end(r, s->reason.n > 0);
}
