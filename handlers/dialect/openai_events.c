/* SPDX-License-Identifier: MIT */
/*
 * openai_events.c - an answer in Chat Completions' words, read as events.
 *
 * Chunks say little about their order: reasoning, text and calls come as
 * they like, calls may be interleaved, usage may stand anywhere.  Out of them
 * come blocks one after another.  Of several calls the first open one is
 * passed on as it comes, the others wait for its end.  What stopped the
 * answer is told at its very end, when the usage is whole.
 */
#include <assert.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/openai_neutral.h"

enum { MOST_CALLS = 128 };

/* A tool call while its pieces come. */
struct part_call {
	int64_t index;
	struct str id, name;	/* raw */
	struct buf args;	/* raw; what was not yet given */
	bool custom, begun;
	bool wrapped;		/* of a custom tool, sent as a function */
};

struct chat_reader {
	struct observer facts;	/* model, usage, error */
	struct pass pass;
	struct sse sse;
	struct buf body;	/* of an answer that is not streamed */
	bool began, as_body;	/* a stream that is none */
	bool started, ended;
	bool broken;		/* something in it could not be read */
	bool open;		/* a text block is */
	enum block_kind kind;	/* of it */
	struct part_call *calls;
	size_t n_calls, room_calls;
	size_t at;		/* the first call that has not ended */
	size_t waiting;		/* bytes of arguments not yet given */
	struct buf late;	/* text that came while a call was open */
	struct openai_cites cites;
	struct openai_think think;
	struct str finish;	/* finish_reason, raw */
	bool done;		/* [DONE] came */
	bool listed;		/* a whole answer with a list of choices */
	bool any;		/* some choice came */
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
	struct chat_reader *s = r->state;

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
	struct chat_reader *s = r->state;

	if (s->open)
		give(r, (struct event){ .kind = EVENT_BLOCK_END,
		    .block = s->kind });
	s->open = false;
}

static void
text(struct event_reader *r, enum block_kind kind, struct str raw)
{
	struct chat_reader *s = r->state;

	if (raw.n == 0)
		return;
	if (s->at < s->n_calls && s->calls[s->at].begun) {
		/* It waits for the end of the calls. */
		if (kind != BLOCK_REASONING)
			buf_put(&s->late, raw);
		return;
	}
	if (s->open && s->kind != kind)
		close_block(r);
	if (!s->open) {
		s->open = true;
		s->kind = kind;
		openai_cites_block(&s->cites, kind);
		give(r, (struct event){ .kind = EVENT_BLOCK, .block = kind });
	}
	give(r, (struct event){ .kind = EVENT_TEXT, .block = kind,
	    .text = raw });
	openai_cites_text(&s->cites, kind, raw);
}

/* A piece of the text, of a model that may write its thoughts into it. */
static void
give_text(void *arg, enum block_kind kind, struct str raw)
{
	text(arg, kind, raw);
}

static void
content_text(struct event_reader *r, struct str raw)
{
	struct chat_reader *s = r->state;

	if (r->asked && r->asked->target && r->asked->target->think_tags)
		openai_think(&s->think, raw, give_text, r);
	else
		text(r, BLOCK_TEXT, raw);
}

/* --- Calls ---------------------------------------------------------------- */

static void
begin_call(struct event_reader *r, struct part_call *c)
{
	const struct tool *t = neutral_tool(r->asked, neutral_plain(r->arena,
	    c->name), OPENAI_NAME);

	close_block(r);
	c->begun = true;
	if (t)
		c->name = neutral_raw(r->arena, t->name);
	c->wrapped = t && t->kind == TOOL_CUSTOM && !c->custom;
	give(r, (struct event){ .kind = EVENT_BLOCK, .block = BLOCK_CALL,
	    .id = c->id, .name = c->name,
	    .custom = c->custom || c->wrapped });
}

/*
 * What has come of the first open call goes on.  A name may come in pieces:
 * it is whole when arguments follow, or nothing.  Out of its wrapping comes
 * only what is whole.
 */
static void
forward_call(struct event_reader *r, bool whole)
{
	struct chat_reader *s = r->state;
	struct part_call *c;
	struct str args;

	if (s->at == s->n_calls)
		return;		/* there were too many */
	c = &s->calls[s->at];
	if (!c->begun && c->name.n && (whole || c->args.n))
		begin_call(r, c);
	if (!c->begun || (c->wrapped && !whole))
		return;
	args = buf_str(&c->args);
	if (c->wrapped && args.n)
		args = neutral_unwrap(r->arena, args);
	if (args.n)
		give(r, (struct event){ .kind = EVENT_ARGS,
		    .block = BLOCK_CALL, .text = args });
	s->waiting -= c->args.n;
	buf_clear(&c->args);
}

static void
end_calls(struct event_reader *r)
{
	struct chat_reader *s = r->state;

	for (; s->at < s->n_calls; s->at++) {
		forward_call(r, true);
		if (s->calls[s->at].begun)
			give(r, (struct event){ .kind = EVENT_BLOCK_END,
			    .block = BLOCK_CALL });
	}
}

static struct part_call *
add_call(struct event_reader *r, int64_t index)
{
	struct chat_reader *s = r->state;
	struct part_call *c;

	if (s->n_calls == MOST_CALLS) {
		s->broken = true;
		return NULL;
	}
	if (s->n_calls == s->room_calls) {
		struct part_call *more;

		s->room_calls = s->room_calls ? s->room_calls * 2 : 4;
		more = arena_zero(r->arena, sizeof(*more) * s->room_calls);
		if (s->n_calls)
			memcpy(more, s->calls, sizeof(*more) * s->n_calls);
		s->calls = more;
	}
	/* Those that have not begun stand in the order of their index. */
	c = &s->calls[s->n_calls++];
	for (; c > s->calls + s->at && !c[-1].begun && c[-1].index > index; c--)
		*c = c[-1];
	*c = (struct part_call){ .index = index,
		.args = BUF(r->arena, LIMIT_FOLD_BYTES) };
	return c;
}

/* The call a piece is of: by index; another id there is another call. */
static struct part_call *
call_of(struct event_reader *r, int64_t index, struct str id)
{
	struct chat_reader *s = r->state;

	for (size_t i = s->n_calls; i > s->at; i--) {
		struct part_call *c = &s->calls[i - 1];

		if (c->index == index && (id.n == 0 || c->id.n == 0 ||
		    str_eq(c->id, id)))
			return c;
	}
	return add_call(r, index);
}

/* All that waits together is what one answer may be. */
static void
hold_args(struct chat_reader *s, struct part_call *c, struct str raw)
{
	if (raw.n > LIMIT_FOLD_BYTES - s->waiting) {
		s->broken = true;
		return;
	}
	s->waiting += raw.n;
	buf_put(&c->args, raw);
}

/* More of a name, unless it is the same once more. */
static void
call_name(struct event_reader *r, struct part_call *c, struct str raw)
{
	if (c->begun || str_eq(c->name, raw))
		return;
	c->name = c->name.n ? ARENA_JOIN(r->arena, c->name, raw) :
	    arena_str(r->arena, raw);
}

static void
call_text(struct event_reader *r, struct part_call *c, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (str_eq(m.name, S("name")))
			call_name(r, c, inside(m.value));
		else if (str_eq(m.name, S("arguments")) ||
		    str_eq(m.name, S("input")))
			hold_args(r->state, c, inside(m.value));
	}
}

static void
call_piece(struct event_reader *r, struct str piece, int64_t place)
{
	struct chat_reader *s = r->state;
	struct str id = inside(json_get(piece, S("id")));
	struct str function = json_get(piece, S("function"));
	struct str custom = json_get(piece, S("custom"));
	int64_t index = place;
	struct part_call *c;

	json_int(json_get(piece, S("index")), &index);
	c = call_of(r, index, id);
	if (!c)
		return;
	if (c->id.n == 0)
		c->id = arena_str(r->arena, id);
	c->custom |= custom.n != 0;
	call_text(r, c, custom.n ? custom : function);
	if (c == &s->calls[s->at])
		forward_call(r, false);
}

/* --- A choice ------------------------------------------------------------- */

static void
piece(struct event_reader *r, enum block_kind kind, struct str raw)
{
	if (kind == BLOCK_TEXT)
		content_text(r, raw);
	else
		text(r, kind, raw);
}

/* A content that is a list: text, and what some call thinking. */
static void
content_list(struct event_reader *r, struct str list, enum block_kind kind)
{
	for (struct json_each m = json_each(list); json_next(&m);) {
		struct str type = inside(json_get(m.value, S("type")));
		struct str thinking = json_get(m.value, S("thinking"));

		if (json_kind(m.value) == JSON_IS_STRING)
			piece(r, kind, inside(m.value));
		else if (thinking.n && json_kind(thinking) == JSON_IS_ARRAY)
			content_list(r, thinking, BLOCK_REASONING);
		else if (str_eq(type, S("thinking")))
			text(r, BLOCK_REASONING, inside(thinking));
		else
			piece(r, kind, inside(json_get(m.value, S("text"))));
	}
}

/* Members of a delta, read in one walk: most chunks are little else. */
enum { CONTENT, TOOL_CALLS, FUNCTION_CALL, REASONING_CONTENT, REASONING,
	REASONING_DETAILS, REFUSAL, ANNOTATIONS, N_DELTA };
static const struct str of_delta[N_DELTA] = {
	[CONTENT] = STR_INIT("content"),
	[TOOL_CALLS] = STR_INIT("tool_calls"),
	[FUNCTION_CALL] = STR_INIT("function_call"),
	[REASONING_CONTENT] = STR_INIT("reasoning_content"),
	[REASONING] = STR_INIT("reasoning"),
	[REASONING_DETAILS] = STR_INIT("reasoning_details"),
	[REFUSAL] = STR_INIT("refusal"),
	[ANNOTATIONS] = STR_INIT("annotations"),
};
enum { DELTA, MESSAGE, FINISH_REASON, INDEX, LOGPROBS, N_CHOICE };
static const struct str of_choice[N_CHOICE] = {
	[DELTA] = STR_INIT("delta"),
	[MESSAGE] = STR_INIT("message"),
	[FINISH_REASON] = STR_INIT("finish_reason"),
	[INDEX] = STR_INIT("index"),
	[LOGPROBS] = STR_INIT("logprobs"),
};
enum { ID, CREATED, MODEL, CHOICES, USAGE, X_GROQ, FAILURE,
	CITATIONS, N_CHUNK };
static const struct str of_chunk[N_CHUNK] = {
	[ID] = STR_INIT("id"),
	[CREATED] = STR_INIT("created"),
	[MODEL] = STR_INIT("model"),
	[CHOICES] = STR_INIT("choices"),
	[USAGE] = STR_INIT("usage"),
	[X_GROQ] = STR_INIT("x_groq"),
	[FAILURE] = STR_INIT("error"),
	[CITATIONS] = STR_INIT("citations"),
};

static void
reasoning(struct event_reader *r, const struct str *d)
{
	struct str one = inside(d[REASONING_CONTENT]);
	struct str other = inside(d[REASONING]);

	if (one.n || other.n) {
		text(r, BLOCK_REASONING, one.n ? one : other);
		return;
	}
	for (struct json_each m = json_each(d[REASONING_DETAILS]);
	    json_next(&m);) {
		text(r, BLOCK_REASONING, inside(json_get(m.value, S("text"))));
		text(r, BLOCK_REASONING, inside(json_get(m.value,
		    S("summary"))));
	}
}

/* A delta of a chunk, or the message of a whole answer. */
static void
message(struct event_reader *r, struct str delta)
{
	struct chat_reader *s = r->state;
	struct str d[N_DELTA];
	int64_t place = 0;

	json_get_all(delta, of_delta, d, N_DELTA);
	reasoning(r, d);
	if (json_kind(d[CONTENT]) == JSON_IS_ARRAY)
		content_list(r, d[CONTENT], BLOCK_TEXT);
	else
		content_text(r, inside(d[CONTENT]));
	text(r, BLOCK_REFUSAL, inside(d[REFUSAL]));
	openai_cites_read(r, &s->cites, d[ANNOTATIONS]);
	for (struct json_each m = json_each(d[TOOL_CALLS]); json_next(&m);
	    place++)
		call_piece(r, m.value, place);
	if (json_kind(d[FUNCTION_CALL]) == JSON_IS_OBJECT) {
		struct part_call *c = call_of(r, 0, S(""));

		if (c)
			call_text(r, c, d[FUNCTION_CALL]);
		forward_call(r, false);
	}
}

static void
choice(struct event_reader *r, struct str value)
{
	struct chat_reader *s = r->state;
	struct str c[N_CHOICE], finish;
	int64_t index = 0;

	json_get_all(value, of_choice, c, N_CHOICE);
	json_int(c[INDEX], &index);
	if (index != 0)
		return;		/* more than one was never asked for */
	s->any = true;
	openai_logprobs_read(r, c[LOGPROBS]);
	message(r, c[DELTA].n ? c[DELTA] : c[MESSAGE]);
	finish = inside(c[FINISH_REASON]);
	if (finish.n)
		s->finish = arena_str(r->arena, finish);
}

static void
chunk(struct event_reader *r, struct str data)
{
	struct chat_reader *s = r->state;
	struct str c[N_CHUNK], groq;
	int64_t created = 0;

	json_get_all(data, of_chunk, c, N_CHUNK);
	groq = json_get(c[X_GROQ], S("usage"));
	openai_read_model(&s->facts, c[MODEL]);
	if (json_kind(c[USAGE]) == JSON_IS_OBJECT)
		openai_read_usage(&s->facts, c[USAGE]);
	else if (json_kind(groq) == JSON_IS_OBJECT)
		openai_read_usage(&s->facts, groq);
	if (c[FAILURE].n && !openai_is_empty(c[FAILURE])) {
		openai_fail(&s->facts, &s->pass, data, (struct str){ 0 });
		return;
	}
	openai_cites_keep(r->arena, &s->cites, c[CITATIONS]);
	json_int(c[CREATED], &created);
	for (struct json_each m = json_each(c[CHOICES]); json_next(&m);) {
		if (!s->started)
			start(r, arena_str(r->arena, inside(c[ID])), created);
		choice(r, m.value);
	}
}

/* --- Its end -------------------------------------------------------------- */

static const struct {
	struct str word;
	enum stop_reason reason;
} finishes[] = {
	{ STR_INIT("stop"), STOP_END },
	{ STR_INIT("length"), STOP_LENGTH },
	{ STR_INIT("tool_calls"), STOP_CALLS },
	{ STR_INIT("function_call"), STOP_CALLS },
	{ STR_INIT("content_filter"), STOP_FILTER },
	{ STR_INIT("sensitive"), STOP_FILTER },
	{ STR_INIT("model_length"), STOP_LENGTH },
	{ STR_INIT("max_tokens"), STOP_LENGTH },
	{ STR_INIT("truncated"), STOP_LENGTH },
};

/* Of a finish reason that is a failure, as openai_facts.c knows them. */
static bool
is_failure(struct str finish)
{
	return str_eq(finish, S("error")) ||
	    str_eq(finish, S("network_error")) ||
	    str_eq(finish, S("insufficient_system_resource"));
}

static enum stop_reason
reason_of(const struct chat_reader *s)
{
	enum stop_reason reason = STOP_END;

	for (size_t i = 0; i < countof(finishes); i++)
		if (str_eq(s->finish, finishes[i].word))
			reason = finishes[i].reason;
	return reason == STOP_END && s->n_calls ? STOP_CALLS : reason;
}

static void
end(struct event_reader *r, bool orderly)
{
	struct chat_reader *s = r->state;
	struct event e = { .kind = EVENT_STOP };

	if (s->ended)
		return;
	s->ended = true;
	if (is_failure(s->finish))
		openai_fail(&s->facts, &s->pass, S(""), ARENA_JOIN(r->arena,
		    S("\""), s->finish, S("\"")));
	if (s->facts.seen & SEEN_ERROR) {
		e.kind = EVENT_ERROR;
		e.error = s->facts.error;
	} else if (!orderly || s->broken || s->late.full ||
	    (!s->done && s->finish.n == 0) || !s->any) {
		e.kind = EVENT_ERROR;
		e.error = (struct up_error){
			.kind = s->broken || s->late.full ? UP_SERVER :
			    UP_OK };
		e.unsaid = s->listed && e.error.kind == UP_OK;
	} else {
		start(r, S(""), 0);
		openai_think_end(&s->think, give_text, r);
		end_calls(r);
		text(r, BLOCK_TEXT, buf_str(&s->late));
		openai_cites_end(r, &s->cites);
		close_block(r);
		e.stop = reason_of(s);
		e.unsaid = s->finish.n == 0;
	}
	give(r, (struct event){ .kind = EVENT_USAGE,
	    .tokens = s->facts.tokens });
	give(r, e);
	give(r, (struct event){ .kind = EVENT_END });
}

/* --- The reader ----------------------------------------------------------- */

static void
drop(void *object)
{
	struct chat_reader *s = object;

	sse_release(&s->sse);
	buf_release(&s->body);
	buf_release(&s->late);
}

void
openai_reader_init(struct event_reader *r)
{
	struct chat_reader *s = arena_new(r->arena, struct chat_reader);

	sse_init(&s->sse);
	s->body = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->late = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->facts = (struct observer){ .dialect = &openai_dialect,
		.arena = r->arena, .endpoint = ENDPOINT_CHAT,
		.tokens = TOKENS_ABSENT };
	arena_attach(r->arena, drop, s);
	r->state = s;
}

static void
frame(struct event_reader *r, struct str raw)
{
	struct chat_reader *s = r->state;
	struct sse_fields f;
	struct json_error e;

	sse_read(&s->sse, raw, &f);
	if (!f.has_data || s->ended)
		return;
	if (str_starts(str_trim(f.data), S("[DONE]"))) {
		s->done = true;
		end(r, true);
		return;
	}
	/* Text goes on as it is spelt: what is no JSON must not. */
	if (json_valid(f.data, &e))
		chunk(r, str_trim(f.data));
	else
		s->broken = true;
	if (s->broken || s->facts.seen & SEEN_ERROR)
		end(r, false);
}

/* A stream that begins as a JSON text is one. */
void
openai_reader_feed(struct event_reader *r, struct str piece)
{
	struct chat_reader *s = r->state;
	struct str rest = str_trim(piece);
	struct sse_frame f;

	if (!s->began && rest.n) {
		s->began = true;
		s->as_body = !r->stream || rest.p[0] == '{';
	}
	if (s->as_body) {
		buf_put(&s->body, piece);
		return;
	}
	sse_feed(&s->sse, piece);
	while (sse_next(&s->sse, &f)) {
		if (f.kind == SSE_FRAME) {
			frame(r, f.raw);
		} else if (f.kind != SSE_TAIL) {
			/* Larger than is read here: something would lack. */
			s->broken = true;
			end(r, false);
		}
	}
}

void
openai_reader_finish(struct event_reader *r)
{
	struct chat_reader *s = r->state;
	struct str rest = sse_rest(&s->sse);
	struct json_error e;
	struct sse_fields f;

	if (s->as_body && !s->body.full &&
	    json_valid(buf_str(&s->body), &e)) {
		s->done = true;
		s->listed = json_kind(json_get(buf_str(&s->body),
		    S("choices"))) == JSON_IS_ARRAY;
		chunk(r, str_trim(buf_str(&s->body)));
	} else if (!s->as_body && rest.n && !s->sse.large) {
		/* Some leave the last blank line out. */
		sse_read(&s->sse, rest, &f);
		if (str_starts(str_trim(f.data), S("[DONE]")) ||
		    json_valid(f.data, &e))
			frame(r, rest);
	}
	end(r, true);
}
