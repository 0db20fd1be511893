/* SPDX-License-Identifier: MIT */
/*
 * responses_emit.c - events written as an answer in Responses' words.
 *
 * What must wait for the settlement (the event that ends the response; all of
 * an answer that is not streamed) goes to `last`.  That event holds the whole
 * answer: where it is larger than what can wait, its beginning goes on and
 * only its end waits.
 */
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/responses_neutral.h"

/* How an answer ended; NULL: as it should. */
static const char *const cuts[] = {
	[STOP_LENGTH] = "max_output_tokens",
	[STOP_CONTEXT] = "max_output_tokens",
	[STOP_FILTER] = "content_filter",
	[STOP_REFUSAL] = "content_filter",
	[STOP_OTHER] = NULL,
};

/* --- What was asked ------------------------------------------------------- */

static void
put_slice(struct buf *b, const char *name, struct str value)
{
	buf_printf(b, ",\"%s\":", name);
	buf_put(b, value.n ? value : S("null"));
}

static void
put_choice(struct buf *b, const struct neutral *n)
{
	buf_put(b, S(",\"tool_choice\":"));
	if (n->choice == CHOICE_NAMED && n->n_chosen) {
		buf_put(b, S("{\"type\":\"function\",\"name\":"));
		buf_json(b, n->chosen[0]);
		buf_char(b, '}');
		return;
	}
	buf_put(b, n->choice == CHOICE_NONE ? S("\"none\"") :
	    n->choice == CHOICE_REQUIRED ||
	    n->choice == CHOICE_ALLOWED_REQUIRED ? S("\"required\"") :
	    S("\"auto\""));
}

static void
put_format(struct buf *b, const struct neutral *n)
{
	buf_put(b, S(",\"text\":{\"format\":{\"type\":"));
	if (n->format == FORMAT_SCHEMA) {
		buf_put(b, S("\"json_schema\",\"name\":"));
		buf_raw(b, n->schema_name);
		buf_put(b, S(",\"schema\":"));
		buf_put(b, n->schema);
		buf_put(b, n->schema_strict == YES ? S(",\"strict\":true") :
		    S(",\"strict\":false"));
	} else {
		buf_put(b, n->format == FORMAT_JSON ? S("\"json_object\"") :
		    S("\"text\""));
	}
	buf_put(b, S("}}"));
}

/* A tool as it was asked for; what a function need not say, it says here. */
static void
put_asked_tool(struct buf *b, const struct tool *t)
{
	struct str raw = t->raw;
	bool function = str_eq(json_get(raw, S("type")), S("\"function\""));

	if (!function || json_get(raw, S("strict")).n) {
		buf_put(b, raw);
		return;
	}
	buf_put(b, str_from(raw.p, raw.n - 1));
	if (!json_get(raw, S("parameters")).n)
		buf_put(b, S(",\"parameters\":null"));
	buf_put(b, S(",\"strict\":false}"));
}

/* The settings, as members.  They are said twice or thrice. */
static struct str
echo_of(struct event_writer *w)
{
	const struct neutral *n = w->asked;
	struct buf b = BUF(w->arena, LIMIT_BODY_BYTES);

	if (!n)
		return S("");
	buf_put(&b, S("\"instructions\":null,\"metadata\":"));
	buf_put(&b, n->metadata.n ? n->metadata : S("{}"));
	buf_put(&b, n->parallel == NO ? S(",\"parallel_tool_calls\":false") :
	    S(",\"parallel_tool_calls\":true"));
	put_slice(&b, "temperature", n->temperature);
	put_slice(&b, "top_p", n->top_p);
	put_choice(&b, n);
	buf_put(&b, S(",\"tools\":["));
	for (size_t i = 0; i < n->n_tools; i++) {
		buf_put(&b, i ? S(",") : S(""));
		put_asked_tool(&b, &n->tools[i]);
	}
	buf_put(&b, S("],\"max_output_tokens\":"));
	if (n->max_output >= 0)
		buf_int(&b, n->max_output);
	else
		buf_put(&b, S("null"));
	buf_put(&b, S(",\"reasoning\":{\"effort\":"));
	if (n->effort != EFFORT_UNSAID)
		buf_json(&b, str_of(effort_names[n->effort]));
	else
		buf_put(&b, S("null"));
	buf_put(&b, S(",\"summary\":null}"));
	put_format(&b, n);
	buf_put(&b, S(",\"previous_response_id\":null,\"store\":false,"
	    "\"truncation\":\"disabled\",\"background\":false"));
	return b.full ? S("") : buf_str(&b);
}

/* --- The response --------------------------------------------------------- */

static struct responses_object
object(struct event_writer *w, const char *status)
{
	struct responses_writer *s = w->state;

	if (s->echo.n == 0)
		s->echo = echo_of(w);
	return (struct responses_object){ .id = s->id, .created = s->created,
		.status = status, .model = w->model, .echo = s->echo };
}

static void
put_response(struct event_writer *w, struct buf *out, const char *type,
    const struct responses_object *r)
{
	responses_event(w, out, type);
	buf_put(out, S(",\"response\":"));
	responses_put_object(out, r);
	buf_put(out, S("}\n\n"));
}

static void
begin(struct event_writer *w, const struct event *e, struct buf *out)
{
	struct responses_writer *s = w->state;
	struct responses_object r;

	if (s->started)
		return;
	s->started = true;
	s->created = e->created ? e->created : w->now;
	if (str_starts(e->id, S("resp_")) && e->id.n > 5)
		s->id = arena_str(w->arena, e->id);
	else
		s->id = ARENA_JOIN(w->arena, S("resp_"), w->request_id);
	if (!out)
		return;
	r = object(w, "in_progress");
	put_response(w, out, "response.created", &r);
	put_response(w, out, "response.in_progress", &r);
}

/* The last event, of which no more than can wait does. */
static void
put_last(struct event_writer *w, const struct responses_object *r,
    struct buf *out, struct buf *last)
{
	struct buf whole = BUF_HEAP(LIMIT_FOLD_BYTES);
	struct str text;

	put_response(w, &whole, r->incomplete ? "response.incomplete" :
	    "response.completed", r);
	text = buf_str(&whole);
	if (whole.full) {
		last->full = true;
	} else if (text.n > LIMIT_EVENT_BYTES) {
		size_t head = text.n - LIMIT_KEEP_BACK;

		buf_put(out, str_from(text.p, head));
		text = str_skip(text, head);
		w->inside = true;
	}
	buf_put(last, text);
	buf_release(&whole);
}

static void
finish(struct event_writer *w, const struct event *e, struct buf *out,
    struct buf *last)
{
	struct responses_writer *s = w->state;
	const char *cut = cuts[e->stop];
	struct responses_object r;

	responses_end_item(w, cut != NULL, out);
	r = object(w, cut ? "incomplete" : "completed");
	r.incomplete = cut;
	r.output = buf_str(&s->output);
	r.tokens = &s->tokens;
	if (out)
		put_last(w, &r, out, last);
	else
		responses_put_object(last, &r);
	last->full |= s->output.full;
}

/* --- The writer ----------------------------------------------------------- */

static void
release(void *object)
{
	struct responses_writer *s = object;

	buf_release(&s->output);
	buf_release(&s->texts);
	buf_release(&s->text);
	buf_release(&s->notes);
	buf_release(&s->likely);
}

static void
writer_init(struct event_writer *w)
{
	struct responses_writer *s = arena_new(w->arena,
	    struct responses_writer);

	s->output = s->texts = s->text = s->notes = s->likely =
	    BUF_HEAP(LIMIT_FOLD_BYTES);
	s->tokens = TOKENS_ABSENT;
	arena_attach(w->arena, release, s);
	w->state = s;
}

static void
take(struct event_writer *w, const struct event *e, struct buf *out,
    struct buf *last)
{
	struct responses_writer *s = w->state;

	switch (e->kind) {
	case EVENT_START:
		begin(w, e, out);
		break;
	case EVENT_BLOCK:
		if (e->block == BLOCK_CALL)
			responses_open_call(w, e, out);
		break;		/* others are opened by what is in them */
	case EVENT_TEXT:
		responses_text(w, e, out);
		break;
	case EVENT_SIGN:
		responses_sign(w, e->text, out);
		break;
	case EVENT_ARGS:
		responses_args(w, e->text, out);
		break;
	case EVENT_NOTE:
		responses_note(w, &e->cite, out);
		break;
	case EVENT_LOGPROBS:
		responses_likely(w, e->text, out);
		break;
	case EVENT_BLOCK_END:
		if (e->block == BLOCK_CALL || e->block == BLOCK_REASONING)
			responses_end_item(w, false, out);
		else
			responses_end_block(w, out);
		break;
	case EVENT_USAGE:
		s->tokens = e->tokens;
		break;
	case EVENT_STOP:
		finish(w, e, out, last);
		break;
	case EVENT_ERROR:	/* the relay writes it */
	case EVENT_END:
		break;
	}
}

static void
writer_put(struct event_writer *w, const struct event *e, struct buf *out,
    struct buf *last)
{
	struct responses_writer *s = w->state;

	take(w, e, w->stream ? out : NULL, last);
	w->spoken = (struct spoken){ s->id, s->created, s->number };
}

const struct neutral_dialect responses_neutral = {
	.decode = responses_decode,
	.encode = responses_encode,
	.reader_init = responses_reader_init,
	.reader_feed = responses_reader_feed,
	.reader_finish = responses_reader_finish,
	.writer_init = writer_init,
	.writer_put = writer_put,
};
