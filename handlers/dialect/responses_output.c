/* SPDX-License-Identifier: MIT */
/*
 * responses_output.c - the items of an answer in Responses' words.
 *
 * Each item is told as it comes (streamed) and gathered (always): what ends an
 * item, and what ends the answer, hold all of it once more.  A message is one
 * item as long as nothing else comes between its texts, each of which is a
 * part of it.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/cite.h"
#include "handlers/dialect/responses_neutral.h"

/* --- Events --------------------------------------------------------------- */

void
responses_event(struct event_writer *w, struct buf *out, const char *type)
{
	struct responses_writer *s = w->state;

	buf_put(out, S("event: "));
	buf_put(out, str_of(type));
	buf_put(out, S("\ndata: {\"type\":\""));
	buf_put(out, str_of(type));
	buf_put(out, S("\",\"sequence_number\":"));
	buf_int(out, s->number++);
}

#define END_EVENT S("}\n\n")

/* … of the open item. */
static void
item_event(struct event_writer *w, struct buf *out, const char *type)
{
	const struct responses_writer *s = w->state;

	responses_event(w, out, type);
	buf_put(out, S(",\"item_id\":"));
	buf_raw(out, s->item);
	buf_put(out, S(",\"output_index\":"));
	buf_int(out, s->items - 1);
}

/* … of its open part. */
static void
part_event(struct event_writer *w, struct buf *out, const char *type)
{
	const struct responses_writer *s = w->state;

	item_event(w, out, type);
	buf_put(out, S(",\"content_index\":"));
	buf_int(out, s->parts - 1);
}

static void
summary_event(struct event_writer *w, struct buf *out, const char *type)
{
	item_event(w, out, type);
	buf_put(out, S(",\"summary_index\":0"));
}

/* --- What they hold ------------------------------------------------------- */

static void
put_part(struct buf *b, enum block_kind kind, struct str raw,
    struct str notes, struct str likely)
{
	if (kind == BLOCK_REFUSAL) {
		buf_put(b, S("{\"type\":\"refusal\",\"refusal\":"));
		buf_raw(b, raw);
	} else {
		buf_put(b, S("{\"type\":\"output_text\",\"text\":"));
		buf_raw(b, raw);
		buf_put(b, S(",\"annotations\":["));
		buf_put(b, notes);
		buf_put(b, S("],\"logprobs\":["));
		buf_put(b, likely);
		buf_char(b, ']');
	}
	buf_char(b, '}');
}

static void
put_message(const struct responses_writer *s, struct buf *b,
    const char *status)
{
	buf_put(b, S("{\"id\":"));
	buf_raw(b, s->item);
	buf_printf(b, ",\"type\":\"message\",\"status\":\"%s\",\"role\":"
	    "\"assistant\",\"content\":[", status);
	buf_put(b, buf_str(&s->texts));
	buf_put(b, S("]}"));
}

static void
put_summary(struct buf *b, struct str raw)
{
	buf_put(b, S("{\"type\":\"summary_text\",\"text\":"));
	buf_raw(b, raw);
	buf_char(b, '}');
}

static void
put_reasoning(const struct responses_writer *s, struct buf *b)
{
	buf_put(b, S("{\"id\":"));
	buf_raw(b, s->item);
	buf_put(b, S(",\"type\":\"reasoning\",\"summary\":["));
	if (s->text.n)
		put_summary(b, buf_str(&s->text));
	buf_char(b, ']');
	if (s->proof.n) {
		buf_put(b, S(",\"encrypted_content\":"));
		buf_raw(b, s->proof);
	}
	buf_char(b, '}');
}

static void
put_call(const struct responses_writer *s, struct buf *b, const char *status)
{
	buf_put(b, S("{\"id\":"));
	buf_raw(b, s->item);
	buf_printf(b, ",\"type\":\"%s\",\"status\":\"%s\",\"call_id\":",
	    s->custom ? "custom_tool_call" : "function_call", status);
	buf_raw(b, s->call);
	buf_put(b, S(",\"name\":"));
	buf_raw(b, s->name);
	buf_put(b, s->custom ? S(",\"input\":") : S(",\"arguments\":"));
	buf_raw(b, buf_str(&s->text));
	buf_char(b, '}');
}

static void
put_item(const struct responses_writer *s, struct buf *b, const char *status)
{
	if (s->kind == BLOCK_CALL)
		put_call(s, b, status);
	else if (s->kind == BLOCK_REASONING)
		put_reasoning(s, b);
	else
		put_message(s, b, status);
}

/* --- Items ---------------------------------------------------------------- */

/* An item of this kind is open. */
static void
open_item(struct event_writer *w, enum block_kind kind, const char *prefix,
    struct buf *out)
{
	struct responses_writer *s = w->state;

	if (s->open && s->kind == kind)
		return;
	responses_end_item(w, false, out);
	s->open = true;
	s->kind = kind;
	s->item = arena_printf(w->arena, "%s_%.*s_%lld", prefix,
	    STR_ARGS(w->request_id), (long long)s->items++);
	s->parts = 0;
	s->summary_open = s->part_open = false;
	s->proof = S("");
	buf_clear(&s->texts);
	buf_clear(&s->text);
	if (!out)
		return;
	responses_event(w, out, "response.output_item.added");
	buf_put(out, S(",\"output_index\":"));
	buf_int(out, s->items - 1);
	buf_put(out, S(",\"item\":"));
	put_item(s, out, "in_progress");
	buf_put(out, END_EVENT);
}

void
responses_open_call(struct event_writer *w, const struct event *e,
    struct buf *out)
{
	struct responses_writer *s = w->state;

	responses_end_item(w, false, out);
	s->custom = e->custom;
	s->name = arena_str(w->arena, e->name);
	s->call = e->id.n ? arena_str(w->arena, e->id) :
	    arena_printf(w->arena, "call_%.*s_%lld", STR_ARGS(w->request_id),
	    (long long)s->items);
	open_item(w, BLOCK_CALL, e->custom ? "ctc" : "fc", out);
}

/* --- Texts ---------------------------------------------------------------- */

static void
open_part(struct event_writer *w, enum block_kind kind, struct buf *out)
{
	struct responses_writer *s = w->state;

	if (s->part_open && s->part == kind)
		return;
	responses_end_block(w, out);
	s->part_open = true;
	s->part = kind;
	s->parts++;
	buf_clear(&s->text);
	buf_clear(&s->notes);
	buf_clear(&s->likely);
	s->n_notes = 0;
	s->told = 0;
	if (!out)
		return;
	part_event(w, out, "response.content_part.added");
	buf_put(out, S(",\"part\":"));
	put_part(out, kind, S(""), S(""), S(""));
	buf_put(out, END_EVENT);
}

/* Most of a stream is these. */
static void
put_delta(struct event_writer *w, struct str raw, struct buf *out)
{
	struct responses_writer *s = w->state;
	bool refuses = s->part == BLOCK_REFUSAL;
	struct str likely = str_skip(buf_str(&s->likely), s->told);

	s->told = s->likely.n;
	if (str_starts(likely, S(",")))
		likely = str_skip(likely, 1);
	part_event(w, out, refuses ? "response.refusal.delta" :
	    "response.output_text.delta");
	buf_put(out, S(",\"delta\":"));
	buf_raw(out, raw);
	if (!refuses) {
		buf_put(out, S(",\"logprobs\":["));
		buf_put(out, likely);
		buf_char(out, ']');
	}
	buf_put(out, END_EVENT);
}

static void
open_summary(struct event_writer *w, struct buf *out)
{
	struct responses_writer *s = w->state;

	if (s->summary_open)
		return;
	s->summary_open = true;
	if (!out)
		return;
	summary_event(w, out, "response.reasoning_summary_part.added");
	buf_put(out, S(",\"part\":"));
	put_summary(out, S(""));
	buf_put(out, END_EVENT);
}

void
responses_text(struct event_writer *w, const struct event *e,
    struct buf *out)
{
	struct responses_writer *s = w->state;

	if (e->text.n == 0)
		return;
	if (e->block == BLOCK_REASONING) {
		open_item(w, BLOCK_REASONING, "rs", out);
		open_summary(w, out);
		if (out) {
			summary_event(w, out,
			    "response.reasoning_summary_text.delta");
			buf_put(out, S(",\"delta\":"));
			buf_raw(out, e->text);
			buf_put(out, END_EVENT);
		}
	} else {
		open_item(w, BLOCK_TEXT, "msg", out);
		open_part(w, e->block, out);
		if (out)
			put_delta(w, e->text, out);
	}
	buf_put(&s->text, e->text);
}

void
responses_note(struct event_writer *w, const struct cite *c, struct buf *out)
{
	struct responses_writer *s = w->state;
	size_t before;

	if (!s->part_open || s->part != BLOCK_TEXT)
		return;
	if (s->notes.n)
		buf_char(&s->notes, ',');
	before = s->notes.n;
	buf_put(&s->notes, S("{\"type\":\"url_citation\","));
	cite_write(&s->notes, c, 0);
	buf_char(&s->notes, '}');
	if (!out || s->notes.full)
		return;
	part_event(w, out, "response.output_text.annotation.added");
	buf_put(out, S(",\"annotation_index\":"));
	buf_int(out, s->n_notes++);
	buf_put(out, S(",\"annotation\":"));
	buf_put(out, str_skip(buf_str(&s->notes), before));
	buf_put(out, END_EVENT);
}

/* Of the text that comes next. */
void
responses_likely(struct event_writer *w, struct str list, struct buf *out)
{
	struct responses_writer *s = w->state;

	open_item(w, BLOCK_TEXT, "msg", out);
	open_part(w, BLOCK_TEXT, out);
	for (struct json_each m = json_each(list); json_next(&m);) {
		if (s->likely.n)
			buf_char(&s->likely, ',');
		buf_put(&s->likely, m.value);
	}
}

/* --- Calls and proofs ----------------------------------------------------- */

void
responses_args(struct event_writer *w, struct str raw, struct buf *out)
{
	struct responses_writer *s = w->state;

	if (!s->open || s->kind != BLOCK_CALL || raw.n == 0)
		return;
	if (out) {
		item_event(w, out, s->custom ?
		    "response.custom_tool_call_input.delta" :
		    "response.function_call_arguments.delta");
		buf_put(out, S(",\"delta\":"));
		buf_raw(out, raw);
		buf_put(out, END_EVENT);
	}
	buf_put(&s->text, raw);
}

/* It proves the thoughts before it, or stands for some. */
void
responses_sign(struct event_writer *w, struct str raw, struct buf *out)
{
	struct responses_writer *s = w->state;

	if (s->open && s->kind == BLOCK_REASONING && s->proof.n)
		responses_end_item(w, false, out);
	open_item(w, BLOCK_REASONING, "rs", out);
	s->proof = arena_str(w->arena, raw);
}

/* --- Their ends ----------------------------------------------------------- */

static void
end_part(struct event_writer *w, struct buf *out)
{
	struct responses_writer *s = w->state;
	bool refuses = s->part == BLOCK_REFUSAL;
	struct str raw = buf_str(&s->text);

	s->part_open = false;
	if (s->texts.n)
		buf_char(&s->texts, ',');
	put_part(&s->texts, s->part, raw, buf_str(&s->notes),
	    buf_str(&s->likely));
	s->texts.full |= s->text.full | s->notes.full |
	    s->likely.full;
	if (!out)
		return;
	part_event(w, out, refuses ? "response.refusal.done" :
	    "response.output_text.done");
	buf_put(out, refuses ? S(",\"refusal\":") : S(",\"text\":"));
	buf_raw(out, raw);
	if (!refuses) {
		buf_put(out, S(",\"logprobs\":["));
		buf_put(out, buf_str(&s->likely));
		buf_char(out, ']');
	}
	buf_put(out, END_EVENT);
	part_event(w, out, "response.content_part.done");
	buf_put(out, S(",\"part\":"));
	put_part(out, s->part, raw, buf_str(&s->notes), buf_str(&s->likely));
	buf_put(out, END_EVENT);
}

static void
end_summary(struct event_writer *w, struct buf *out)
{
	struct responses_writer *s = w->state;
	struct str raw = buf_str(&s->text);

	s->summary_open = false;
	if (!out)
		return;
	summary_event(w, out, "response.reasoning_summary_text.done");
	buf_put(out, S(",\"text\":"));
	buf_raw(out, raw);
	buf_put(out, END_EVENT);
	summary_event(w, out, "response.reasoning_summary_part.done");
	buf_put(out, S(",\"part\":"));
	put_summary(out, raw);
	buf_put(out, END_EVENT);
}

/* Arguments that did not come are an empty object. */
static void
end_call(struct event_writer *w, struct buf *out)
{
	struct responses_writer *s = w->state;

	if (s->text.n == 0 && !s->custom)
		responses_args(w, S("{}"), out);
	if (!out)
		return;
	item_event(w, out, s->custom ? "response.custom_tool_call_input.done"
	    : "response.function_call_arguments.done");
	if (!s->custom) {
		buf_put(out, S(",\"name\":"));
		buf_raw(out, s->name);
	}
	buf_put(out, s->custom ? S(",\"input\":") : S(",\"arguments\":"));
	buf_raw(out, buf_str(&s->text));
	buf_put(out, END_EVENT);
}

void
responses_end_block(struct event_writer *w, struct buf *out)
{
	const struct responses_writer *s = w->state;

	if (s->open && s->part_open)
		end_part(w, out);
	if (s->open && s->summary_open)
		end_summary(w, out);
}

void
responses_end_item(struct event_writer *w, bool cut, struct buf *out)
{
	struct responses_writer *s = w->state;
	const char *status = cut ? "incomplete" : "completed";

	if (!s->open)
		return;
	responses_end_block(w, out);
	if (s->kind == BLOCK_CALL)
		end_call(w, out);
	s->open = false;
	if (s->output.n)
		buf_char(&s->output, ',');
	put_item(s, &s->output, status);
	s->output.full |= s->texts.full | s->text.full;
	if (!out)
		return;
	responses_event(w, out, "response.output_item.done");
	buf_put(out, S(",\"output_index\":"));
	buf_int(out, s->items - 1);
	buf_put(out, S(",\"item\":"));
	put_item(s, out, status);
	buf_put(out, END_EVENT);
}
