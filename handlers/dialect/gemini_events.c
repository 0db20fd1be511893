/* SPDX-License-Identifier: MIT */
/*
 * gemini_events.c - an answer in this API's words, read as events.
 *
 * Every frame is a partial answer: its parts are pieces of blocks, a block
 * ends where the kind of the parts changes.  A signature belongs to the
 * thoughts before it, or stands alone in front of the call that it came with.
 * There is no last frame: the answer is whole when it said why it stopped and
 * the connection ended in order.
 */
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"
#include "handlers/dialect/gemini_neutral.h"
#include "handlers/dialect/up_error.h"

struct generate_reader {
	struct observer facts;	/* model, usage, error */
	struct watch watch;
	struct sse sse;
	struct buf body;	/* of an answer that is not streamed */
	bool began, as_body;	/* a stream that is none */
	bool started, ended;
	bool broken;		/* something in it could not be read */
	bool open;		/* a block was told of */
	enum block_kind kind;	/* of it */
	size_t calls;
	bool content;		/* something was said */
	bool text;		/* and in words */
	bool listed;		/* candidates came */
	struct str reason, why;	/* raw; why: in words, where refused */
	bool blocked;		/* the prompt was refused */
};

static void
give(struct event_reader *r, struct event e)
{
	r->take(r, &e);
}

/* --- Blocks --------------------------------------------------------------- */

static void
start(struct event_reader *r, struct str id)
{
	struct generate_reader *s = r->state;

	if (s->started)
		return;
	s->started = true;
	give(r, (struct event){ .kind = EVENT_START, .id = id,
	    .name = s->facts.model, .tokens = s->facts.tokens });
}

static void
close_block(struct event_reader *r)
{
	struct generate_reader *s = r->state;

	if (s->open)
		give(r, (struct event){ .kind = EVENT_BLOCK_END,
		    .block = s->kind });
	s->open = false;
}

/* A block of this kind is open. */
static void
open_block(struct event_reader *r, enum block_kind kind)
{
	struct generate_reader *s = r->state;

	if (s->open && s->kind == kind)
		return;
	close_block(r);
	start(r, S(""));
	s->open = s->content = true;
	s->kind = kind;
	give(r, (struct event){ .kind = EVENT_BLOCK, .block = kind });
}

static void
text(struct event_reader *r, enum block_kind kind, struct str raw)
{
	struct generate_reader *s = r->state;

	if (raw.n == 0)
		return;
	s->text |= kind == BLOCK_TEXT;
	open_block(r, kind);
	give(r, (struct event){ .kind = EVENT_TEXT, .block = kind,
	    .text = raw });
}

/* It ends the thoughts that it proves. */
static void
sign(struct event_reader *r, struct str raw)
{
	if (raw.n == 0)
		return;
	open_block(r, BLOCK_REASONING);
	give(r, (struct event){ .kind = EVENT_SIGN, .block = BLOCK_REASONING,
	    .text = raw });
	close_block(r);
}

/* --- Parts ---------------------------------------------------------------- */

static void
call(struct event_reader *r, struct str value)
{
	struct generate_reader *s = r->state;
	struct str name = json_get(value, S("name"));
	struct str args = json_get(value, S("args"));
	struct str known = json_text(r->arena, name);
	const struct tool *t = gemini_tool(r->arena, r->asked, known);
	bool custom = t && t->kind == TOOL_CUSTOM;

	close_block(r);
	start(r, S(""));
	s->content = true;
	s->calls++;
	give(r, (struct event){ .kind = EVENT_BLOCK, .block = BLOCK_CALL,
	    .id = gemini_inside(json_get(value, S("id"))), .custom = custom,
	    .name = t ? neutral_raw(r->arena, t->name) :
	    gemini_inside(name) });
	args = gemini_is_empty(args) ? S("") : neutral_raw(r->arena, args);
	if (custom)
		args = neutral_unwrap(r->arena, args);
	if (args.n)
		give(r, (struct event){ .kind = EVENT_ARGS,
		    .block = BLOCK_CALL, .text = args });
	give(r, (struct event){ .kind = EVENT_BLOCK_END,
	    .block = BLOCK_CALL });
}

/* Code that ran there, and what it said. */
static void
code(struct event_reader *r, struct str raw)
{
	if (raw.n == 0)
		return;
	text(r, BLOCK_TEXT, S("\\n```\\n"));
	text(r, BLOCK_TEXT, raw);
	text(r, BLOCK_TEXT, S("\\n```\\n"));
}

static void
part(struct event_reader *r, struct str value)
{
	struct str proof = gemini_inside(json_get(value,
	    S("thoughtSignature")));
	bool thought = json_yes(json_get(value, S("thought")));

	for (struct json_each m = json_each(value); json_next(&m);) {
		if (str_eq(m.name, S("text"))) {
			text(r, thought ? BLOCK_REASONING : BLOCK_TEXT,
			    gemini_inside(m.value));
		} else if (str_eq(m.name, S("functionCall"))) {
			sign(r, proof);
			proof = S("");
			call(r, m.value);
		} else if (str_eq(m.name, S("executableCode"))) {
			code(r, gemini_inside(json_get(m.value,
			    S("code"))));
		} else if (str_eq(m.name, S("codeExecutionResult"))) {
			code(r, gemini_inside(json_get(m.value,
			    S("output"))));
		}
	}
	sign(r, proof);
}

/* --- Log probabilities ---------------------------------------------------- */

/* {"token":"a","logProbability":-0.1} without its brace. */
static void
put_likely(struct event_reader *r, struct buf *b, struct str record)
{
	struct str token = json_get(record, S("token"));
	struct str plain = json_text(r->arena, token);
	struct str value = json_get(record, S("logProbability"));

	buf_put(b, S("{\"token\":"));
	buf_put(b, json_kind(token) == JSON_IS_STRING ? token : S("\"\""));
	buf_put(b, S(",\"logprob\":"));
	buf_put(b, json_kind(value) == JSON_IS_NUMBER ? value : S("0"));
	buf_put(b, S(",\"bytes\":["));
	for (size_t i = 0; i < plain.n; i++)
		buf_printf(b, i ? ",%d" : "%d", (unsigned char)plain.p[i]);
	buf_char(b, ']');
}

/* Each token that was chosen, with those that might have been. */
static void
logprobs(struct event_reader *r, struct str result)
{
	struct json_each top = json_each(json_get(result,
	    S("topCandidates")));
	struct buf b = BUF(r->arena, LIMIT_EVENT_BYTES);
	bool any = false;

	for (struct json_each m = json_each(json_get(result,
	    S("chosenCandidates"))); json_next(&m);) {
		bool first = true;

		buf_put(&b, any ? S(",") : S("["));
		any = true;
		put_likely(r, &b, m.value);
		buf_put(&b, S(",\"top_logprobs\":["));
		if (json_next(&top))
			for (struct json_each n = json_each(json_get(top.value,
			    S("candidates"))); json_next(&n);) {
				buf_put(&b, first ? S("") : S(","));
				first = false;
				put_likely(r, &b, n.value);
				buf_char(&b, '}');
			}
		buf_put(&b, S("]}"));
	}
	buf_put(&b, S("]"));
	if (any && !b.full)
		give(r, (struct event){ .kind = EVENT_LOGPROBS,
		    .block = BLOCK_TEXT, .text = buf_str(&b) });
}

/* --- Candidates ----------------------------------------------------------- */

/* The first one: more were not asked for. */
static void
candidate(struct event_reader *r, struct str value)
{
	struct generate_reader *s = r->state;
	struct str reason = gemini_inside(json_get(value, S("finishReason")));
	struct str why = gemini_inside(json_get(value, S("finishMessage")));
	struct str content = json_get(value, S("content"));
	int64_t index = 0;

	json_int(json_get(value, S("index")), &index);
	if (index != 0)
		return;
	s->listed = true;
	logprobs(r, json_get(value, S("logprobsResult")));
	for (struct json_each m = json_each(json_get(content, S("parts")));
	    json_next(&m);)
		part(r, m.value);
	if (why.n)
		s->why = arena_str(r->arena, why);
	if (reason.n && !str_eq(reason, S("FINISH_REASON_UNSPECIFIED")))
		s->reason = arena_str(r->arena, reason);
}

static void end(struct event_reader *r, bool orderly);

static void
answer(struct event_reader *r, struct str data)
{
	struct generate_reader *s = r->state;
	struct str feedback = json_get(data, S("promptFeedback"));

	if (up_error_told(json_get(data, S("error")))) {
		gemini_fail(&s->facts, &s->watch.pass, data);
		end(r, false);
		return;
	}
	gemini_read_model(&s->facts, json_get(data, S("modelVersion")));
	gemini_read_usage(&s->facts, &s->watch.counts,
	    json_get(data, S("usageMetadata")));
	if (json_kind(json_get(data, S("candidates"))) == JSON_IS_ARRAY)
		start(r, arena_str(r->arena, gemini_inside(json_get(data,
		    S("responseId")))));
	for (struct json_each m = json_each(json_get(data, S("candidates")));
	    json_next(&m);)
		candidate(r, m.value);
	if (gemini_blocked(feedback)) {
		s->blocked = true;
		s->why = arena_str(r->arena, gemini_inside(json_get(feedback,
		    S("blockReason"))));
	}
}

/* --- Its end -------------------------------------------------------------- */

static const struct {
	struct str word;
	enum stop_reason reason;
} reasons[] = {
	{ STR_INIT("STOP"), STOP_END },
	{ STR_INIT("MAX_TOKENS"), STOP_LENGTH },
	{ STR_INIT("SAFETY"), STOP_FILTER },
	{ STR_INIT("RECITATION"), STOP_FILTER },
	{ STR_INIT("LANGUAGE"), STOP_FILTER },
	{ STR_INIT("BLOCKLIST"), STOP_FILTER },
	{ STR_INIT("PROHIBITED_CONTENT"), STOP_FILTER },
	{ STR_INIT("SPII"), STOP_FILTER },
	{ STR_INIT("IMAGE_SAFETY"), STOP_FILTER },
	{ STR_INIT("IMAGE_PROHIBITED_CONTENT"), STOP_FILTER },
	{ STR_INIT("IMAGE_RECITATION"), STOP_FILTER },
};

/* A call that could not be made. */
static bool
is_malformed(const struct generate_reader *s)
{
	return str_eq(s->reason, S("MALFORMED_FUNCTION_CALL")) ||
	    str_eq(s->reason, S("UNEXPECTED_TOOL_CALL")) ||
	    str_eq(s->reason, S("TOO_MANY_TOOL_CALLS"));
}

static void
stop(struct generate_reader *s, struct event *e)
{
	e->stop = s->blocked ? STOP_FILTER : STOP_OTHER;
	for (size_t i = 0; i < countof(reasons) && !s->blocked; i++)
		if (str_eq(s->reason, reasons[i].word))
			e->stop = reasons[i].reason;
	if (e->stop == STOP_END && s->calls)
		e->stop = STOP_CALLS;
	if (is_malformed(s))
		e->stop = s->calls ? STOP_CALLS : STOP_END;
	else if (e->stop == STOP_OTHER && !s->content)
		e->stop = STOP_REFUSAL;
	e->unsaid = s->reason.n == 0 && !s->blocked;
	/* Who refuses without a word says why, or by which word. */
	if (!s->content && (e->stop == STOP_FILTER ||
	    e->stop == STOP_REFUSAL))
		e->text = s->why.n ? s->why : s->reason;
}

static void
end(struct event_reader *r, bool orderly)
{
	struct generate_reader *s = r->state;
	struct event e = { .kind = EVENT_STOP };
	bool whole = orderly && !s->broken && (s->reason.n || s->blocked);

	if (s->ended)
		return;
	s->ended = true;
	if (whole && is_malformed(s) && !s->text && !s->calls) {
		s->facts.seen |= SEEN_ERROR;
		s->facts.error = (struct up_error){ .kind = UP_SERVER,
			.message = S("The model made a malformed call."),
			.code = S("malformed_function_call") };
	}
	if (s->facts.seen & SEEN_ERROR) {
		e.kind = EVENT_ERROR;
		e.error = s->facts.error;
	} else if (!whole) {
		e.kind = EVENT_ERROR;
		e.error = (struct up_error){
			.kind = s->broken ? UP_SERVER : UP_OK };
		e.unsaid = s->listed && !s->broken;
	} else {
		start(r, S(""));
		close_block(r);
		stop(s, &e);
	}
	give(r, (struct event){ .kind = EVENT_USAGE,
	    .tokens = s->facts.tokens });
	give(r, e);
	give(r, (struct event){ .kind = EVENT_END });
}

/* --- A stream ------------------------------------------------------------- */

/* Text goes on as it is spelt: what is no JSON must not. */
static void
break_off(struct event_reader *r)
{
	struct generate_reader *s = r->state;

	s->broken = true;
	end(r, false);
}

static void
frame(struct event_reader *r, struct str raw)
{
	struct generate_reader *s = r->state;
	struct str data, bare = str_trim(raw);
	struct sse_fields f;
	struct json_error e;

	sse_read(&s->sse, raw, &f);
	data = str_trim(f.data);
	/* Errors come as bare JSON, too. */
	if (!f.has_data && bare.n && bare.p[0] == '{')
		data = bare;
	if (s->ended || !data.n || str_starts(data, S("[DONE]")))
		return;
	if (!json_valid(data, &e))
		break_off(r);
	else
		answer(r, data);
}

static void
frames(struct event_reader *r, struct str piece)
{
	struct generate_reader *s = r->state;
	struct sse_frame f;

	sse_feed(&s->sse, piece);
	while (sse_next(&s->sse, &f)) {
		if (f.kind == SSE_FRAME)
			frame(r, f.raw);
		else if (f.kind != SSE_TAIL)
			break_off(r);	/* larger than anything here */
	}
}

/* One answer, or a list of partial ones. */
static void
body(struct event_reader *r, struct str all)
{
	struct generate_reader *s = r->state;
	struct json_error e;

	all = str_trim(all);
	if (s->body.full || !json_valid(all, &e)) {
		break_off(r);
		return;
	}
	if (json_kind(all) == JSON_IS_OBJECT)
		answer(r, all);
	for (struct json_each m = json_each(all); json_next(&m);)
		if (!m.object && !s->ended)
			answer(r, m.value);
	end(r, true);
}

/* --- The reader ----------------------------------------------------------- */

static void
release(void *object)
{
	struct generate_reader *s = object;

	sse_release(&s->sse);
	buf_release(&s->body);
}

void
gemini_reader_init(struct event_reader *r)
{
	struct generate_reader *s = arena_new(r->arena,
	    struct generate_reader);

	sse_init(&s->sse);
	s->body = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->facts = (struct observer){ .dialect = &gemini_dialect,
		.arena = r->arena, .endpoint = ENDPOINT_GENERATE,
		.tokens = TOKENS_ABSENT };
	memset(&s->watch.counts, 0xff, sizeof(s->watch.counts));
	arena_attach(r->arena, release, s);
	r->state = s;
}

/* A stream that begins as a JSON text is one. */
void
gemini_reader_feed(struct event_reader *r, struct str piece)
{
	struct generate_reader *s = r->state;
	struct str rest = str_trim(piece);

	if (!s->began && rest.n) {
		s->began = true;
		s->as_body = !r->stream || rest.p[0] == '{' ||
		    rest.p[0] == '[';
	}
	if (s->as_body)
		buf_put(&s->body, piece);
	else
		frames(r, piece);
}

void
gemini_reader_finish(struct event_reader *r)
{
	struct generate_reader *s = r->state;
	struct str rest = sse_rest(&s->sse);

	if (s->as_body) {
		body(r, buf_str(&s->body));
		return;
	}
	/* Some leave the last blank line out. */
	if (rest.n && !s->sse.large) {
		struct str data = str_trim(rest);
		struct sse_fields f;
		struct json_error e;

		sse_read(&s->sse, rest, &f);
		if (json_valid(f.has_data ? str_trim(f.data) : data, &e))
			frame(r, rest);
	}
	end(r, true);
}
