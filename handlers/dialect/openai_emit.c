/* SPDX-License-Identifier: MIT */
/*
 * openai_emit.c - events written as an answer in Chat Completions' words.
 *
 * Streamed: a chunk for each event; the role once, the id and name of a call
 * once, calls counted for themselves.  Not streamed: texts are gathered and
 * the whole answer is written at the end.  What must wait for the settlement
 * (the finish reason, usage and [DONE]; all of an answer that is not
 * streamed) goes to `last`.
 */
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/cite.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/openai_neutral.h"

enum { KEPT_BYTES = 48 << 10 };	/* thoughts; longer ones are not kept */

struct chat_call {
	struct str id, name;	/* raw */
	struct buf args;	/* raw */
	bool custom;		/* args is the input of a custom tool */
};

struct chat_writer {
	struct str id;		/* raw, with its prefix */
	int64_t created;
	bool role_said;
	struct buf text, reasoning, refusal;	/* of a fold */
	struct buf notes;	/* whom it cites */
	int64_t base, points;	/* code points before the last block of text,
				 * and of it */
	struct buf likely[2];	/* log probabilities of its text, of its
				 * refusal: records with commas */
	struct buf details;	/* proofs of thoughts */
	struct buf memory;	/* these thoughts; raw */
	size_t n_details;
	struct str proof;	/* of the thoughts that go on; raw */
	size_t thought, thought_from;	/* bytes of them, unescaped: all so
				 * far, and before those that go on */
	struct chat_call *calls;
	size_t n_calls;
	bool args_seen;		/* of the call that is open */
	bool any_text;
	enum stop_reason stop;
	struct tokens tokens;
};

static const char *const finishes[] = {
	[STOP_END] = "stop", [STOP_SEQUENCE] = "stop",
	[STOP_LENGTH] = "length", [STOP_CONTEXT] = "length",
	[STOP_CALLS] = "tool_calls", [STOP_FILTER] = "content_filter",
	[STOP_REFUSAL] = "content_filter", [STOP_PAUSE] = "stop",
	[STOP_OTHER] = "stop",
};

/* --- Usage ---------------------------------------------------------------- */

static void
put_count(struct buf *b, const char *name, int64_t n, bool more)
{
	buf_printf(b, "\"%s\":%lld%s", name, (long long)(n < 0 ? 0 : n),
	    more ? "," : "");
}

static void
put_usage(struct buf *b, const struct tokens *t)
{
	int64_t in = t->in_total < 0 ? 0 : t->in_total;
	int64_t out = t->out_total < 0 ? 0 : t->out_total;

	buf_put(b, S("\"usage\":{"));
	put_count(b, "prompt_tokens", in, true);
	put_count(b, "completion_tokens", out, true);
	put_count(b, "total_tokens", in + out, true);
	buf_put(b, S("\"prompt_tokens_details\":{"));
	put_count(b, "cached_tokens", t->cache_read, true);
	put_count(b, "cache_write_tokens", t->cache_write, true);
	put_count(b, "audio_tokens", t->in_audio, false);
	buf_put(b, S("},\"completion_tokens_details\":{"));
	put_count(b, "reasoning_tokens", t->reasoning, true);
	put_count(b, "audio_tokens", t->out_audio, false);
	buf_put(b, S("}}"));
}

/* --- A stream ------------------------------------------------------------- */

static void
head(const struct event_writer *w, struct buf *b)
{
	const struct chat_writer *s = w->state;

	buf_put(b, S("data: {\"id\":"));
	buf_raw(b, s->id);
	buf_printf(b, ",\"object\":\"chat.completion.chunk\",\"created\":"
	    "%lld,\"model\":", (long long)s->created);
	buf_json(b, w->model);
}

static void
choice_head(struct event_writer *w, struct buf *b)
{
	struct chat_writer *s = w->state;

	head(w, b);
	buf_put(b, S(",\"choices\":[{\"index\":0,\"delta\":{"));
	if (!s->role_said)
		buf_put(b, S("\"role\":\"assistant\","));
}

/* How likely its words were: of a stream those that come next. */
static void
put_likely(struct chat_writer *s, struct buf *b)
{
	static const char *const names[] = { "content", "refusal" };

	if (!s->likely[0].n && !s->likely[1].n) {
		buf_put(b, S("null"));
		return;
	}
	for (int i = 0; i < 2; i++) {
		buf_printf(b, "%c\"%s\":", i ? ',' : '{', names[i]);
		buf_put(b, s->likely[i].n ? S("[") : S("null"));
		buf_put(b, buf_str(&s->likely[i]));
		buf_put(b, s->likely[i].n ? S("]") : S(""));
		b->full |= s->likely[i].full;
		buf_clear(&s->likely[i]);
	}
	buf_char(b, '}');
}

static void
choice_tail(struct event_writer *w, struct buf *b, const char *finish)
{
	struct chat_writer *s = w->state;

	s->role_said = true;
	buf_put(b, S("},\"logprobs\":"));
	put_likely(s, b);
	buf_put(b, S(",\"finish_reason\":"));
	if (finish)
		buf_printf(b, "\"%s\"", finish);
	else
		buf_put(b, S("null"));
	buf_put(b, w->usage_wanted ? S("}],\"usage\":null}\n\n") :
	    S("}]}\n\n"));
}

static void
put_delta(struct event_writer *w, struct buf *b, const char *name,
    struct str raw)
{
	choice_head(w, b);
	buf_printf(b, "\"%s\":", name);
	buf_raw(b, raw);
	choice_tail(w, b, NULL);
}

static void
put_call(struct event_writer *w, struct buf *b, const struct event *e)
{
	const struct chat_writer *s = w->state;

	choice_head(w, b);
	buf_printf(b, "\"tool_calls\":[{\"index\":%zu,", s->n_calls - 1);
	if (e) {
		buf_put(b, S("\"id\":"));
		buf_raw(b, s->calls[s->n_calls - 1].id);
		buf_put(b, e->custom ? S(",\"type\":\"custom\",\"custom\":"
		    "{\"name\":") : S(",\"type\":\"function\","
		    "\"function\":{\"name\":"));
		buf_raw(b, e->name);
		buf_put(b, e->custom ? S(",\"input\":\"\"}}]") :
		    S(",\"arguments\":\"\"}}]"));
	}
}

static void
put_args(struct event_writer *w, struct buf *b, struct str raw)
{
	const struct chat_writer *s = w->state;

	put_call(w, b, NULL);
	buf_put(b, s->calls[s->n_calls - 1].custom ?
	    S("\"custom\":{\"input\":") : S("\"function\":{\"arguments\":"));
	buf_raw(b, raw);
	buf_put(b, S("}}]"));
	choice_tail(w, b, NULL);
}

/* --- What proves thoughts ------------------------------------------------- */

/*
 * An entry of reasoning_details.  Its id says which part of the whole
 * reasoning_content it belongs to: thoughts that came in several pieces must
 * go back as they were, and an id is kept by clients that drop members they
 * do not know.
 */
static void
put_proof(struct chat_writer *s, struct buf *b)
{
	buf_put(b, S("{\"type\":\"reasoning.encrypted\",\"data\":"));
	buf_raw(b, s->proof);
	buf_printf(b, ",\"id\":\"" OPENAI_THOUGHT "%zu-%zu\",\"index\":%zu}",
	    s->thought_from, s->thought, s->n_details);
}

/* Thoughts have ended: what proves them is told once. */
static void
tell_proof(struct event_writer *w, struct buf *out)
{
	struct chat_writer *s = w->state;

	if (s->proof.n && w->stream) {
		choice_head(w, out);
		buf_put(out, S("\"reasoning_details\":["));
		put_proof(s, out);
		buf_char(out, ']');
		choice_tail(w, out, NULL);
	}
	if (s->proof.n) {
		if (s->n_details)
			buf_char(&s->details, ',');
		put_proof(s, &s->details);
		s->n_details++;
	}
	s->proof = S("");
	s->thought_from = s->thought;
}

/* For callers who lose them, in the members' own words. */
static void
keep_thoughts(struct event_writer *w)
{
	struct chat_writer *s = w->state;

	if (!s->n_details || !s->n_calls || s->memory.full ||
	    s->details.full)
		return;
	w->kept_call = neutral_plain(w->arena, s->calls[0].id);
	w->kept = ARENA_JOIN(w->arena, S("{\"reasoning_content\":\""),
	    s->memory.n ? buf_str(&s->memory) : S(""),
	    S("\",\"reasoning_details\":["), buf_str(&s->details),
	    S("]}"));
}

static void
stream_last(struct event_writer *w, struct buf *b)
{
	struct chat_writer *s = w->state;

	if (s->notes.n) {
		choice_head(w, b);
		buf_put(b, S("\"annotations\":["));
		buf_put(b, buf_str(&s->notes));
		buf_char(b, ']');
		choice_tail(w, b, NULL);
	}
	choice_head(w, b);
	if (!s->any_text && s->n_calls == 0)
		buf_put(b, S("\"content\":\"\""));
	else if (b->p[b->n - 1] == ',')
		b->n--;
	choice_tail(w, b, finishes[s->stop]);
	if (w->usage_wanted) {
		head(w, b);
		buf_put(b, S(",\"choices\":[],"));
		put_usage(b, &s->tokens);
		buf_put(b, S("}\n\n"));
	}
	buf_put(b, S("data: [DONE]\n\n"));
}

/* --- An answer that is not streamed --------------------------------------- */

static void
fold_calls(const struct chat_writer *s, struct buf *b)
{
	buf_put(b, S(",\"tool_calls\":["));
	for (size_t i = 0; i < s->n_calls; i++) {
		const struct chat_call *c = &s->calls[i];

		buf_put(b, i ? S(",{\"id\":") : S("{\"id\":"));
		buf_raw(b, c->id);
		buf_put(b, c->custom ? S(",\"type\":\"custom\",\"custom\":"
		    "{\"name\":") : S(",\"type\":\"function\","
		    "\"function\":{\"name\":"));
		buf_raw(b, c->name);
		buf_put(b, c->custom ? S(",\"input\":") :
		    S(",\"arguments\":"));
		buf_raw(b, c->args.n || c->custom ? buf_str(&c->args) :
		    S("{}"));
		buf_put(b, S("}}"));
	}
	buf_char(b, ']');
}

static void
fold(struct event_writer *w, struct buf *b)
{
	struct chat_writer *s = w->state;

	buf_put(b, S("{\"id\":"));
	buf_raw(b, s->id);
	buf_printf(b, ",\"object\":\"chat.completion\",\"created\":%lld,"
	    "\"model\":", (long long)s->created);
	buf_json(b, w->model);
	buf_put(b, S(",\"choices\":[{\"index\":0,\"message\":{\"role\":"
	    "\"assistant\",\"content\":"));
	if (s->text.n || (!s->n_calls && !s->refusal.n))
		buf_raw(b, buf_str(&s->text));
	else
		buf_put(b, S("null"));
	if (s->reasoning.n) {
		buf_put(b, S(",\"reasoning_content\":"));
		buf_raw(b, buf_str(&s->reasoning));
	}
	if (s->details.n) {
		buf_put(b, S(",\"reasoning_details\":["));
		buf_put(b, buf_str(&s->details));
		buf_char(b, ']');
	}
	buf_put(b, S(",\"refusal\":"));
	if (s->refusal.n)
		buf_raw(b, buf_str(&s->refusal));
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"annotations\":["));
	buf_put(b, buf_str(&s->notes));
	buf_char(b, ']');
	if (s->n_calls)
		fold_calls(s, b);
	buf_put(b, S("},\"logprobs\":"));
	put_likely(s, b);
	buf_printf(b, ",\"finish_reason\":\"%s\"}],", finishes[s->stop]);
	put_usage(b, &s->tokens);
	buf_char(b, '}');
	/* What lost a part is not all. */
	b->full |= s->text.full || s->reasoning.full || s->refusal.full ||
	    s->notes.full || s->details.full;
	for (size_t i = 0; i < s->n_calls; i++)
		b->full |= s->calls[i].args.full;
}

/* --- Events --------------------------------------------------------------- */

static void
begin(struct event_writer *w, const struct event *e)
{
	struct chat_writer *s = w->state;
	struct str id = e->id;

	if (s->created == 0)
		s->created = e->created ? e->created : w->now;
	if (str_starts(id, S("chatcmpl-")) && id.n > 9)
		s->id = arena_str(w->arena, id);
	else
		s->id = ARENA_JOIN(w->arena, S("chatcmpl-"), w->request_id);
}

static void
begin_call(struct event_writer *w, const struct event *e)
{
	struct chat_writer *s = w->state;
	struct chat_call *c;

	s->calls = neutral_grow(w->arena, s->calls, s->n_calls,
	    sizeof(*s->calls));
	c = &s->calls[s->n_calls++];
	c->name = arena_str(w->arena, e->name);
	c->custom = e->custom;
	c->id = e->id.n ? arena_str(w->arena, e->id) :
	    arena_printf(w->arena, "call_%.*s%zu", STR_ARGS(w->request_id),
	    s->n_calls);
	c->args = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->args_seen = false;
}

static void
put_text(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct chat_writer *s = w->state;
	bool thinks = e->block == BLOCK_REASONING;
	bool refuses = e->block == BLOCK_REFUSAL;

	s->any_text |= !thinks;
	if (e->block == BLOCK_TEXT)
		s->points += cite_points(e->text);
	if (thinks) {
		s->thought += neutral_length(e->text);
		buf_put(&s->memory, e->text);
	}
	if (w->stream)
		put_delta(w, out, thinks ? "reasoning_content" : refuses ?
		    "refusal" : "content", e->text);
	else
		buf_put(thinks ? &s->reasoning : refuses ? &s->refusal :
		    &s->text, e->text);
}

static void
take_note(struct chat_writer *s, const struct cite *cite)
{
	if (s->notes.n)
		buf_char(&s->notes, ',');
	buf_put(&s->notes, S("{\"type\":\"url_citation\",\"url_citation\":{"));
	cite_write(&s->notes, cite, s->base);
	buf_put(&s->notes, S("}}"));
}

/* A list, which loses its brackets. */
static void
take_likely(struct chat_writer *s, const struct event *e)
{
	struct buf *into = &s->likely[e->block == BLOCK_REFUSAL];

	if (into->n)
		buf_char(into, ',');
	buf_put(into, str_trim(str_from(e->text.p + 1, e->text.n - 2)));
}

static void
writer_put(struct event_writer *w, const struct event *e, struct buf *out,
    struct buf *last)
{
	struct chat_writer *s = w->state;

	switch (e->kind) {
	case EVENT_START:
		begin(w, e);
		break;
	case EVENT_BLOCK:
		if (e->block == BLOCK_TEXT) {
			s->base += s->points;
			s->points = 0;
		}
		if (e->block != BLOCK_CALL)
			break;
		begin_call(w, e);
		if (w->stream) {
			put_call(w, out, e);
			choice_tail(w, out, NULL);
		}
		break;
	case EVENT_TEXT:
		put_text(w, e, out);
		break;
	case EVENT_ARGS:
		s->args_seen = true;
		if (w->stream)
			put_args(w, out, e->text);
		else
			buf_put(&s->calls[s->n_calls - 1].args, e->text);
		break;
	case EVENT_NOTE:
		take_note(s, &e->cite);
		break;
	case EVENT_LOGPROBS:
		take_likely(s, e);
		break;
	case EVENT_SIGN:
		s->proof = arena_str(w->arena, e->text);
		break;
	case EVENT_BLOCK_END:
		if (e->block == BLOCK_REASONING)
			tell_proof(w, out);
		if (e->block == BLOCK_CALL && !s->args_seen && w->stream &&
		    !s->calls[s->n_calls - 1].custom)
			put_args(w, out, S("{}"));
		break;
	case EVENT_USAGE:
		s->tokens = e->tokens;
		break;
	case EVENT_STOP:
		s->stop = e->stop;
		if (e->text.n)
			put_text(w, &(struct event){ .kind = EVENT_TEXT,
			    .block = BLOCK_REFUSAL, .text = e->text }, out);
		keep_thoughts(w);
		if (w->stream)
			stream_last(w, last);
		else
			fold(w, last);
		break;
	case EVENT_ERROR:
	case EVENT_END:
		break;
	}
}

/* --- The writer ----------------------------------------------------------- */

static void
release(void *object)
{
	struct chat_writer *s = object;

	buf_release(&s->text);
	buf_release(&s->reasoning);
	buf_release(&s->refusal);
	buf_release(&s->notes);
	buf_release(&s->details);
	buf_release(&s->memory);
	buf_release(&s->likely[0]);
	buf_release(&s->likely[1]);
	for (size_t i = 0; i < s->n_calls; i++)
		buf_release(&s->calls[i].args);
}

static void
writer_init(struct event_writer *w)
{
	struct chat_writer *s = arena_new(w->arena, struct chat_writer);

	s->text = s->reasoning = s->refusal = s->notes = s->details =
	    s->likely[0] = s->likely[1] = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->memory = BUF_HEAP(KEPT_BYTES);
	s->tokens = TOKENS_ABSENT;
	arena_attach(w->arena, release, s);
	w->state = s;
}

const struct neutral_dialect openai_neutral = {
	.decode = openai_decode,
	.encode = openai_encode,
	.reader_init = openai_reader_init,
	.reader_feed = openai_reader_feed,
	.reader_finish = openai_reader_finish,
	.writer_init = writer_init,
	.writer_put = writer_put,
};
