/* SPDX-License-Identifier: MIT */
/*
 * anthropic_emit.c - events written as an answer in Messages' words.
 *
 * Streamed: message_start once, blocks counted from 0, one after another,
 * each opened when something of it has come.  Not streamed: the same blocks
 * gathered into one body.  What must wait for the settlement (message_delta
 * with the usage, and message_stop; all of an answer that is not streamed)
 * goes to `last`.  Empty blocks are never written: callers keep them, and
 * are refused when they send them back.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic_neutral.h"

enum { SAID_BYTES = 64 << 10 };	/* of a text; of longer ones no slice */

struct messages_writer {
	struct str id;		/* raw, with its prefix */
	bool started;
	int64_t index;		/* of the next block */
	bool open;
	enum block_kind kind;	/* of the open block */
	bool redacted;
	struct buf content;	/* of a fold: blocks, with their commas */
	struct buf args;	/* of a fold: of the open call; raw */
	struct str signature;	/* of a fold: of the open thoughts; raw */
	struct buf said;	/* of the open text, for who cites; raw */
	struct buf cites;	/* of a fold: of the open text */
	bool refused;		/* the answer is a refusal */
	struct tokens tokens;
};

static const char *const reasons[] = {
	[STOP_END] = "end_turn", [STOP_SEQUENCE] = "stop_sequence",
	[STOP_LENGTH] = "max_tokens",
	[STOP_CONTEXT] = "model_context_window_exceeded",
	[STOP_CALLS] = "tool_use", [STOP_FILTER] = "refusal",
	[STOP_REFUSAL] = "refusal", [STOP_PAUSE] = "pause_turn",
	[STOP_OTHER] = "end_turn",
};

/* --- Usage ---------------------------------------------------------------- */

static int64_t
none_is_0(int64_t n)
{
	return n > 0 ? n : 0;
}

/* Here the cache lies outside of the input. */
static void
put_usage(struct buf *b, const struct tokens *t)
{
	int64_t read = none_is_0(t->cache_read);
	int64_t write = none_is_0(t->cache_write), hour = t->cache_write_1h;

	buf_printf(b, "\"usage\":{\"input_tokens\":%lld,"
	    "\"cache_creation_input_tokens\":%lld,\"cache_creation\":",
	    (long long)none_is_0(t->in_total - read - write),
	    (long long)write);
	if (hour >= 0 && hour <= write)
		buf_printf(b, "{\"ephemeral_5m_input_tokens\":%lld,"
		    "\"ephemeral_1h_input_tokens\":%lld}",
		    (long long)(write - hour), (long long)hour);
	else
		buf_put(b, S("null"));
	buf_printf(b, ",\"cache_read_input_tokens\":%lld,"
	    "\"output_tokens\":%lld,\"output_tokens_details\":",
	    (long long)read, (long long)none_is_0(t->out_total));
	if (t->reasoning >= 0)
		buf_printf(b, "{\"thinking_tokens\":%lld}",
		    (long long)t->reasoning);
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"server_tool_use\":"));
	if (t->searches > 0)
		buf_printf(b, "{\"web_search_requests\":%lld,"
		    "\"web_fetch_requests\":0}", (long long)t->searches);
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"service_tier\":null}"));
}

/* What every message begins with. */
static void
put_head(const struct event_writer *w, struct buf *b)
{
	const struct messages_writer *s = w->state;

	buf_put(b, S("{\"id\":"));
	buf_raw(b, s->id);
	buf_put(b, S(",\"type\":\"message\",\"role\":\"assistant\","
	    "\"model\":"));
	buf_json(b, w->model);
	buf_put(b, S(",\"content\":["));
}

static void
put_refusal(struct buf *b, struct str why)
{
	buf_put(b, S("{\"type\":\"refusal\",\"category\":null,"
	    "\"explanation\":"));
	if (why.n)
		buf_raw(b, why);
	else
		buf_put(b, S("null"));
	buf_char(b, '}');
}

static void
put_stop(const struct messages_writer *s, struct buf *b,
    const struct event *e)
{
	const char *reason = s->refused && e->stop == STOP_END ? "refusal" :
	    reasons[e->stop];

	buf_printf(b, "\"stop_reason\":\"%s\",\"stop_sequence\":", reason);
	if (e->stop == STOP_SEQUENCE && e->stop_sequence.n)
		buf_raw(b, e->stop_sequence);
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"stop_details\":"));
	if (strcmp(reason, "refusal") == 0)
		put_refusal(b, e->text);
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"container\":null"));
}

/* --- Blocks of a stream --------------------------------------------------- */

static void
stream_open(struct messages_writer *s, struct buf *b, const struct event *e)
{
	buf_printf(b, "event: content_block_start\ndata: {\"type\":"
	    "\"content_block_start\",\"index\":%lld,\"content_block\":",
	    (long long)s->index);
	if (s->kind == BLOCK_CALL) {
		buf_put(b, S("{\"type\":\"tool_use\",\"id\":"));
		buf_raw(b, e->id);
		buf_put(b, S(",\"name\":"));
		buf_raw(b, e->name);
		buf_put(b, S(",\"input\":{}}}\n\n"));
	} else if (s->redacted) {
		buf_put(b, S("{\"type\":\"redacted_thinking\",\"data\":"));
		buf_raw(b, e->text);
		buf_put(b, S("}}\n\n"));
	} else if (s->kind == BLOCK_REASONING) {
		buf_put(b, S("{\"type\":\"thinking\",\"thinking\":\"\","
		    "\"signature\":\"\"}}\n\n"));
	} else {
		buf_put(b, S("{\"type\":\"text\",\"text\":\"\","
		    "\"citations\":null}}\n\n"));
	}
}

/* Most of a stream is these. */
static void
stream_delta(struct messages_writer *s, struct buf *b, struct str type,
    struct str name, struct str raw)
{
	buf_put(b, S("event: content_block_delta\ndata: {\"type\":"
	    "\"content_block_delta\",\"index\":"));
	buf_int(b, s->index);
	buf_put(b, S(",\"delta\":{\"type\":"));
	buf_raw(b, type);
	buf_char(b, ',');
	buf_raw(b, name);
	buf_char(b, ':');
	buf_raw(b, raw);
	buf_put(b, S("}}\n\n"));
}

static void
stream_close(struct messages_writer *s, struct buf *b)
{
	buf_printf(b, "event: content_block_stop\ndata: {\"type\":"
	    "\"content_block_stop\",\"index\":%lld}\n\n",
	    (long long)s->index);
}

/* --- Blocks of a fold ----------------------------------------------------- */

static void
fold_open(struct messages_writer *s, const struct event *e)
{
	struct buf *b = &s->content;

	if (s->index)
		buf_char(b, ',');
	if (s->kind == BLOCK_CALL) {
		buf_put(b, S("{\"type\":\"tool_use\",\"id\":"));
		buf_raw(b, e->id);
		buf_put(b, S(",\"name\":"));
		buf_raw(b, e->name);
		buf_put(b, S(",\"input\":"));
		buf_clear(&s->args);
	} else if (s->redacted) {
		buf_put(b, S("{\"type\":\"redacted_thinking\",\"data\":"));
		buf_raw(b, e->text);
	} else if (s->kind == BLOCK_REASONING) {
		buf_put(b, S("{\"type\":\"thinking\",\"thinking\":\""));
		s->signature = S("");
	} else {
		buf_put(b, S("{\"type\":\"text\",\"text\":\""));
		buf_clear(&s->cites);
	}
}

/* Arguments are an object there; what was cut, or is none, is an empty one. */
static void
fold_args(struct event_writer *w)
{
	struct messages_writer *s = w->state;
	struct str args = str_trim(neutral_plain(w->arena,
	    buf_str(&s->args)));
	struct json_error e;

	if (json_kind(args) == JSON_IS_OBJECT && json_valid(args, &e))
		buf_put(&s->content, args);
	else
		buf_put(&s->content, S("{}"));
	s->content.full |= s->args.full;
}

static void
fold_close(struct event_writer *w)
{
	struct messages_writer *s = w->state;
	struct buf *b = &s->content;

	if (s->kind == BLOCK_CALL) {
		fold_args(w);
		buf_char(b, '}');
	} else if (s->redacted) {
		buf_char(b, '}');
	} else if (s->kind == BLOCK_REASONING) {
		buf_put(b, S("\",\"signature\":"));
		buf_raw(b, s->signature);
		buf_char(b, '}');
	} else if (s->cites.n) {
		buf_put(b, S("\",\"citations\":["));
		buf_put(b, buf_str(&s->cites));
		buf_put(b, S("]}"));
		b->full |= s->cites.full;
	} else {
		buf_put(b, S("\",\"citations\":null}"));
	}
}

/* --- Blocks --------------------------------------------------------------- */

static void
close_block(struct event_writer *w, struct buf *out)
{
	struct messages_writer *s = w->state;

	if (!s->open)
		return;
	if (w->stream)
		stream_close(s, out);
	else
		fold_close(w);
	s->open = s->redacted = false;
	s->index++;
}

/* A block of this kind is open; e is what opens it. */
static void
open_block(struct event_writer *w, enum block_kind kind,
    const struct event *e, struct buf *out)
{
	struct messages_writer *s = w->state;

	if (s->open && s->kind == kind && !s->redacted &&
	    e->kind != EVENT_BLOCK && !e->redacted)
		return;
	close_block(w, out);
	s->open = true;
	s->kind = kind;
	s->redacted = e->kind == EVENT_SIGN && e->redacted;
	buf_clear(&s->said);
	if (w->stream)
		stream_open(s, out, e);
	else
		fold_open(s, e);
}

static void
begin_call(struct event_writer *w, const struct event *e, struct buf *out)
{
	const struct messages_writer *s = w->state;
	struct event named = *e;

	if (named.id.n == 0)
		named.id = arena_printf(w->arena, "toolu_%.*s_%lld",
		    STR_ARGS(w->request_id), (long long)s->index);
	open_block(w, BLOCK_CALL, &named, out);
}

static void
put_text(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct messages_writer *s = w->state;
	bool thinks = e->block == BLOCK_REASONING;

	if (e->text.n == 0)
		return;
	s->refused |= e->block == BLOCK_REFUSAL;
	open_block(w, thinks ? BLOCK_REASONING : BLOCK_TEXT, e, out);
	if (!thinks)
		buf_put(&s->said, e->text);
	if (!w->stream)
		buf_put(&s->content, e->text);
	else if (thinks)
		stream_delta(s, out, S("thinking_delta"), S("thinking"), e->text);
	else
		stream_delta(s, out, S("text_delta"), S("text"), e->text);
}

/* Of the text that is open: no other block has room for it. */
static void
put_note(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct messages_writer *s = w->state;
	struct str said = s->said.full ? S("") : buf_str(&s->said);

	if (!s->open || s->kind != BLOCK_TEXT)
		return;
	if (w->stream) {
		buf_printf(out, "event: content_block_delta\ndata: {\"type\":"
		    "\"content_block_delta\",\"index\":%lld,\"delta\":{"
		    "\"type\":\"citations_delta\",\"citation\":",
		    (long long)s->index);
		anthropic_cite_write(out, &e->cite, said);
		buf_put(out, S("}}\n\n"));
		return;
	}
	if (s->cites.n)
		buf_char(&s->cites, ',');
	anthropic_cite_write(&s->cites, &e->cite, said);
}

static void
put_signature(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct messages_writer *s = w->state;

	open_block(w, BLOCK_REASONING, e, out);
	if (e->redacted)
		return;
	if (w->stream)
		stream_delta(s, out, S("signature_delta"), S("signature"),
		    e->text);
	else
		s->signature = arena_str(w->arena, e->text);
}

static void
put_args(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct messages_writer *s = w->state;

	if (!s->open || s->kind != BLOCK_CALL || e->text.n == 0)
		return;
	if (w->stream)
		stream_delta(s, out, S("input_json_delta"), S("partial_json"),
		    e->text);
	else
		buf_put(&s->args, e->text);
}

/* --- The message ---------------------------------------------------------- */

static void
begin(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct messages_writer *s = w->state;

	if (s->started)
		return;
	s->started = true;
	s->tokens = e->tokens;
	if (str_starts(e->id, S("msg_")) && e->id.n > 4)
		s->id = arena_str(w->arena, e->id);
	else
		s->id = ARENA_JOIN(w->arena, S("msg_"), w->request_id);
	if (!w->stream)
		return;
	buf_put(out, S("event: message_start\ndata: {\"type\":"
	    "\"message_start\",\"message\":"));
	put_head(w, out);
	buf_put(out, S("],\"stop_reason\":null,\"stop_sequence\":null,"
	    "\"stop_details\":null,\"container\":null,"));
	put_usage(out, &s->tokens);
	buf_put(out, S("}}\n\n"));
}

static void
finish(struct event_writer *w, const struct event *e, struct buf *last)
{
	struct messages_writer *s = w->state;

	if (w->stream) {
		buf_put(last, S("event: message_delta\ndata: {\"type\":"
		    "\"message_delta\",\"delta\":{"));
		put_stop(s, last, e);
		buf_put(last, S("},"));
		put_usage(last, &s->tokens);
		buf_put(last, S("}\n\nevent: message_stop\ndata: {\"type\":"
		    "\"message_stop\"}\n\n"));
		return;
	}
	put_head(w, last);
	buf_put(last, buf_str(&s->content));
	buf_put(last, S("],"));
	put_stop(s, last, e);
	buf_char(last, ',');
	put_usage(last, &s->tokens);
	buf_char(last, '}');
	last->full |= s->content.full;
}

/* --- The writer ----------------------------------------------------------- */

static void
release(void *object)
{
	struct messages_writer *s = object;

	buf_release(&s->content);
	buf_release(&s->args);
	buf_release(&s->said);
	buf_release(&s->cites);
}

static void
writer_init(struct event_writer *w)
{
	struct messages_writer *s = arena_new(w->arena,
	    struct messages_writer);

	s->content = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->args = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->said = BUF_HEAP(SAID_BYTES);
	s->cites = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->tokens = TOKENS_ABSENT;
	arena_attach(w->arena, release, s);
	w->state = s;
}

static void
writer_put(struct event_writer *w, const struct event *e, struct buf *out,
    struct buf *last)
{
	struct messages_writer *s = w->state;

	switch (e->kind) {
	case EVENT_START:
		begin(w, e, out);
		break;
	case EVENT_BLOCK:
		if (e->block == BLOCK_CALL)
			begin_call(w, e, out);
		break;		/* others are opened by what is in them */
	case EVENT_TEXT:
		put_text(w, e, out);
		break;
	case EVENT_SIGN:
		put_signature(w, e, out);
		break;
	case EVENT_ARGS:
		put_args(w, e, out);
		break;
	case EVENT_BLOCK_END:
		close_block(w, out);
		break;
	case EVENT_USAGE:
		s->tokens = e->tokens;
		break;
	case EVENT_STOP:
		close_block(w, out);
		finish(w, e, last);
		break;
	case EVENT_NOTE:
		put_note(w, e, out);
		break;
	case EVENT_LOGPROBS:	/* it has no words for them, and asks none */
	case EVENT_ERROR:	/* the relay writes it */
	case EVENT_END:
		break;
	}
}

const struct neutral_dialect anthropic_neutral = {
	.decode = anthropic_decode,
	.encode = anthropic_encode,
	.reader_init = anthropic_reader_init,
	.reader_feed = anthropic_reader_feed,
	.reader_finish = anthropic_reader_finish,
	.writer_init = writer_init,
	.writer_put = writer_put,
};
