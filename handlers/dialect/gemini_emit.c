/* SPDX-License-Identifier: MIT */
/*
 * gemini_emit.c - events written as an answer in this API's words.
 *
 * Streamed: a frame for each piece of text; a call in one, when its arguments
 * are whole; the frame that says why it stopped, with the usage, is the last.
 * The same objects are the elements of an array for callers who want that.
 * Not streamed: the parts are gathered into one body.  What must wait for the
 * settlement (that last frame; all of an answer that is not streamed) goes to
 * `last`.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/cite.h"
#include "handlers/dialect/gemini_neutral.h"

struct generate_writer {
	struct str id;		/* raw */
	bool any;		/* an element of the array was written */
	bool open;		/* a text of a fold goes on */
	enum block_kind kind;	/* of the block that is open */
	bool thought;		/* it has thoughts that are told */
	int64_t parts;		/* of a fold, so far */
	int64_t calls;
	struct str call_id, call_name;	/* raw */
	bool custom;
	struct buf content;	/* of a fold: parts, with their commas */
	struct buf args;	/* of the open call; raw */
	struct buf text;	/* of the open block of text; raw */
	struct str proof;	/* of no thoughts that were told: waits for a
				 * call */
	struct buf pages, places;	/* that are cited */
	int64_t n_pages;
	struct buf chosen, top;	/* log probabilities: of a frame, or all */
	struct tokens tokens;
};

static const char *const finishes[] = {
	[STOP_END] = "STOP", [STOP_SEQUENCE] = "STOP",
	[STOP_LENGTH] = "MAX_TOKENS", [STOP_CONTEXT] = "MAX_TOKENS",
	[STOP_CALLS] = "STOP", [STOP_FILTER] = "SAFETY",
	[STOP_REFUSAL] = "SAFETY", [STOP_PAUSE] = "STOP",
	[STOP_OTHER] = "OTHER",
};

/* --- Usage ---------------------------------------------------------------- */

static void
put_count(struct buf *b, const char *name, int64_t n, bool always)
{
	if (n > 0 || always)
		buf_printf(b, ",\"%s\":%lld", name,
		    (long long)(n < 0 ? 0 : n));
}

/* Thoughts lie outside of the candidates here. */
static void
put_usage(struct buf *b, const struct tokens *t)
{
	int64_t in = t->in_total < 0 ? 0 : t->in_total;
	int64_t out = t->out_total < 0 ? 0 : t->out_total;
	int64_t thoughts = t->reasoning < 0 ? 0 : t->reasoning;

	if (thoughts > out)
		thoughts = out;
	buf_printf(b, ",\"usageMetadata\":{\"promptTokenCount\":%lld",
	    (long long)in);
	put_count(b, "cachedContentTokenCount", t->cache_read, false);
	put_count(b, "candidatesTokenCount", out - thoughts, true);
	put_count(b, "thoughtsTokenCount", thoughts, false);
	put_count(b, "totalTokenCount", in + out, true);
	buf_char(b, '}');
}

/* --- An object ------------------------------------------------------------ */

/* What stands before the parts of a frame, or of the body. */
static void
put_head(struct event_writer *w, struct buf *b)
{
	struct generate_writer *s = w->state;

	if (w->array)
		buf_put(b, s->any ? S(",\n") : S("["));
	else if (w->stream)
		buf_put(b, S("data: "));
	s->any = true;
	buf_put(b, S("{\"candidates\":[{\"content\":{\"parts\":["));
}

static void
put_likely(struct generate_writer *s, struct buf *b)
{
	if (s->chosen.n == 0)
		return;
	buf_put(b, S(",\"logprobsResult\":{\"chosenCandidates\":["));
	buf_put(b, buf_str(&s->chosen));
	buf_put(b, S("],\"topCandidates\":["));
	buf_put(b, buf_str(&s->top));
	buf_put(b, S("]}"));
	buf_clear(&s->chosen);
	buf_clear(&s->top);
}

static void
put_cites(const struct generate_writer *s, struct buf *b)
{
	if (s->pages.n == 0)
		return;
	buf_put(b, S(",\"groundingMetadata\":{\"groundingChunks\":["));
	buf_put(b, buf_str(&s->pages));
	buf_put(b, S("],\"groundingSupports\":["));
	buf_put(b, buf_str(&s->places));
	buf_put(b, S("]}"));
}

/* Why it stopped; e NULL: it goes on. */
static void
put_tail(struct event_writer *w, struct buf *b, const struct event *e)
{
	struct generate_writer *s = w->state;

	buf_put(b, S("],\"role\":\"model\"}"));
	if (e)
		buf_printf(b, ",\"finishReason\":\"%s\"", finishes[e->stop]);
	if (e && e->text.n) {
		buf_put(b, S(",\"finishMessage\":"));
		buf_raw(b, e->text);
	}
	buf_put(b, S(",\"index\":0"));
	put_likely(s, b);
	if (e)
		put_cites(s, b);
	buf_put(b, S("}]"));
	if (e)
		put_usage(b, &s->tokens);
	buf_put(b, S(",\"modelVersion\":"));
	buf_json(b, w->model);
	buf_put(b, S(",\"responseId\":"));
	buf_raw(b, s->id);
	buf_char(b, '}');
	if (w->array)
		buf_put(b, e ? S("]\n") : S(""));
	else if (w->stream)
		buf_put(b, S("\r\n\r\n"));
}

/* --- Parts ---------------------------------------------------------------- */

/* Where the next part is written: a frame of its own, or among the others. */
static struct buf *
begin_part(struct event_writer *w, struct buf *out)
{
	struct generate_writer *s = w->state;

	if (w->stream) {
		put_head(w, out);
		return out;
	}
	if (s->open)
		buf_put(&s->content, S("\"}"));
	s->open = false;
	if (s->parts++)
		buf_char(&s->content, ',');
	return &s->content;
}

static void
end_part(struct event_writer *w, struct buf *out)
{
	if (w->stream)
		put_tail(w, out, NULL);
}

static void
put_text(struct event_writer *w, struct buf *out, const struct event *e)
{
	struct generate_writer *s = w->state;
	bool thinks = e->block == BLOCK_REASONING;
	struct buf *b;

	if (e->text.n == 0)
		return;
	s->thought |= thinks;
	if (!thinks)
		buf_put(&s->text, e->text);
	if (!w->stream && s->open) {
		buf_put(&s->content, e->text);
		return;
	}
	b = begin_part(w, out);
	buf_put(b, thinks ? S("{\"thought\":true,\"text\":\"") :
	    S("{\"text\":\""));
	buf_put(b, e->text);
	s->open = !w->stream;
	if (w->stream)
		buf_put(b, S("\"}"));
	end_part(w, out);
}

/* What proves thoughts that were told is told behind them. */
static void
put_proof(struct event_writer *w, struct buf *out)
{
	struct generate_writer *s = w->state;
	struct buf *b;

	if (!s->proof.n)
		return;
	b = begin_part(w, out);
	buf_put(b, S("{\"thought\":true,\"text\":\"\","
	    "\"thoughtSignature\":"));
	buf_raw(b, gemini_envelope_write(w->arena, s->proof));
	buf_char(b, '}');
	end_part(w, out);
	s->proof = S("");
}

static void
sign(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct generate_writer *s = w->state;

	put_proof(w, out);
	s->proof = arena_str(w->arena, e->text);
	if (s->thought)
		put_proof(w, out);
}

/* Arguments are an object there; what was cut, or is none, is an empty one. */
static void
put_args(struct event_writer *w, struct buf *b)
{
	struct generate_writer *s = w->state;
	struct str raw = buf_str(&s->args), args;
	struct json_error e;

	if (s->custom) {
		buf_put(b, S("{\"input\":"));
		buf_raw(b, raw);
		buf_char(b, '}');
		return;
	}
	args = str_trim(neutral_plain(w->arena, raw));
	if (json_kind(args) == JSON_IS_OBJECT && json_valid(args, &e))
		buf_put(b, args);
	else
		buf_put(b, S("{}"));
	s->content.full |= s->args.full;
}

static void
put_call(struct event_writer *w, struct buf *out)
{
	struct generate_writer *s = w->state;
	struct buf *b = begin_part(w, out);

	buf_put(b, S("{\"functionCall\":{\"id\":"));
	buf_raw(b, s->call_id);
	buf_put(b, S(",\"name\":"));
	buf_raw(b, s->call_name);
	buf_put(b, S(",\"args\":"));
	put_args(w, b);
	buf_char(b, '}');
	if (s->proof.n) {
		buf_put(b, S(",\"thoughtSignature\":"));
		buf_raw(b, gemini_envelope_write(w->arena, s->proof));
		s->proof = S("");
	}
	buf_char(b, '}');
	end_part(w, out);
}

/* --- Beside the text ------------------------------------------------------ */

/* Places are bytes of the text of the part. */
static void
take_note(struct generate_writer *s, const struct cite *cite)
{
	struct str text = buf_str(&s->text);
	struct buf *p = &s->pages, *at = &s->places;

	buf_put(p, p->n ? S(",{\"web\":{\"uri\":") : S("{\"web\":{\"uri\":"));
	buf_raw(p, cite->url);
	if (cite->title.n) {
		buf_put(p, S(",\"title\":"));
		buf_raw(p, cite->title);
	}
	buf_put(p, S("}}"));
	s->n_pages++;
	if (cite->to <= cite->from)
		return;
	buf_printf(at, "%s{\"segment\":{\"startIndex\":%lld,\"endIndex\":%lld,"
	    "\"text\":", at->n ? "," : "",
	    (long long)cite_bytes_of(text, cite->from),
	    (long long)cite_bytes_of(text, cite->to));
	buf_raw(at, cite_slice(text, cite->from, cite->to));
	buf_printf(at, "},\"groundingChunkIndices\":[%lld]}",
	    (long long)s->n_pages - 1);
}

static void
put_record(struct buf *b, struct str record)
{
	struct str token = json_get(record, S("token"));
	struct str value = json_get(record, S("logprob"));

	buf_put(b, S("{\"token\":"));
	buf_put(b, token.n ? token : S("\"\""));
	buf_put(b, S(",\"logProbability\":"));
	buf_put(b, value.n ? value : S("0"));
	buf_char(b, '}');
}

static void
take_likely(struct generate_writer *s, struct str list)
{
	for (struct json_each m = json_each(list); json_next(&m);) {
		bool first = true;

		buf_put(&s->chosen, s->chosen.n ? S(",") : S(""));
		put_record(&s->chosen, m.value);
		buf_put(&s->top, s->top.n ? S(",{\"candidates\":[") :
		    S("{\"candidates\":["));
		for (struct json_each n = json_each(json_get(m.value,
		    S("top_logprobs"))); json_next(&n);) {
			buf_put(&s->top, first ? S("") : S(","));
			first = false;
			put_record(&s->top, n.value);
		}
		buf_put(&s->top, S("]}"));
	}
}

/* --- Events --------------------------------------------------------------- */

static void
begin(struct event_writer *w, const struct event *e)
{
	struct generate_writer *s = w->state;

	s->id = arena_str(w->arena, e->id.n ? e->id : w->request_id);
	s->tokens = e->tokens;
}

static void
begin_block(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct generate_writer *s = w->state;

	if (e->block != BLOCK_CALL)
		put_proof(w, out);
	if (!w->stream && s->open)
		buf_put(&s->content, S("\"}"));
	s->open = s->thought = false;
	s->kind = e->block;
	if (e->block != BLOCK_CALL) {
		buf_clear(&s->text);
		return;
	}
	buf_clear(&s->args);
	s->custom = e->custom;
	s->call_name = arena_str(w->arena, e->name);
	s->call_id = e->id.n ? arena_str(w->arena, e->id) :
	    arena_printf(w->arena, "call_%.*s%lld", STR_ARGS(w->request_id),
	    (long long)s->calls);
	s->calls++;
}

static void
finish(struct event_writer *w, const struct event *e, struct buf *last)
{
	struct generate_writer *s = w->state;

	put_proof(w, last);
	if (!w->stream && s->open)
		buf_put(&s->content, S("\"}"));
	s->open = false;
	put_head(w, last);
	if (w->stream)
		buf_put(last, S("{\"text\":\"\"}"));
	else
		buf_put(last, buf_str(&s->content));
	put_tail(w, last, e);
	last->full |= s->content.full || s->pages.full || s->places.full;
}

static void
writer_put(struct event_writer *w, const struct event *e, struct buf *out,
    struct buf *last)
{
	struct generate_writer *s = w->state;

	switch (e->kind) {
	case EVENT_START:
		begin(w, e);
		break;
	case EVENT_BLOCK:
		begin_block(w, e, out);
		break;
	case EVENT_TEXT:
		put_text(w, out, e);
		break;
	case EVENT_SIGN:
		sign(w, e, out);
		break;
	case EVENT_ARGS:
		buf_put(&s->args, e->text);
		break;
	case EVENT_BLOCK_END:
		if (e->block == BLOCK_CALL)
			put_call(w, out);
		break;
	case EVENT_NOTE:
		take_note(s, &e->cite);
		break;
	case EVENT_LOGPROBS:
		take_likely(s, e->text);
		break;
	case EVENT_USAGE:
		s->tokens = e->tokens;
		break;
	case EVENT_STOP:
		finish(w, e, last);
		break;
	case EVENT_ERROR:	/* the relay writes it */
	case EVENT_END:
		break;
	}
}

/* --- The writer ----------------------------------------------------------- */

static void
release(void *object)
{
	struct generate_writer *s = object;

	buf_release(&s->content);
	buf_release(&s->args);
	buf_release(&s->text);
	buf_release(&s->pages);
	buf_release(&s->places);
	buf_release(&s->chosen);
	buf_release(&s->top);
}

static void
writer_init(struct event_writer *w)
{
	struct generate_writer *s = arena_new(w->arena,
	    struct generate_writer);

	s->content = s->args = s->text = s->pages = s->places = s->chosen =
	    s->top = BUF_HEAP(LIMIT_FOLD_BYTES);
	s->tokens = TOKENS_ABSENT;
	arena_attach(w->arena, release, s);
	w->state = s;
}

const struct neutral_dialect gemini_neutral = {
	.decode = gemini_decode,
	.encode = gemini_encode,
	.reader_init = gemini_reader_init,
	.reader_feed = gemini_reader_feed,
	.reader_finish = gemini_reader_finish,
	.writer_init = writer_init,
	.writer_put = writer_put,
};
