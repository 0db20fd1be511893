/* SPDX-License-Identifier: MIT */
/*
 * anthropic_prompt.c - how much there is to read in a request.
 *
 * Two figures: the estimate counts what is text in messages, system and
 * tools; the bound counts their bytes, braces and all, which is more than any
 * tokenizer makes of them with what the model puts around.  Images are counted
 * apart, their data in neither.  Documents and kinds of content that we do
 * not know pass, with the model's context as bound.  Files that are stored at
 * the provider are refused: they belong to a key of ours, and so to nobody's
 * caller.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic.h"

enum {
	MESSAGE_MILLI = 4000,
	CALL_MILLI = 3000,
	IMAGE_MILLI = 1600000,
	TOOLS_MILLI = 350000, /* what is said about tools as such */
	TOOLS_BOUND = 1000,
	CALL_BOUND = 8, /* tokens around all messages */
	DOCUMENT_MILLI = 5000000, /* of one that is fetched */
	FILE_BYTES = 16, /* of a document's base64 for one token, roughly */
	SEALED_BYTES = 6, /* of thoughts that are not shown, likewise */
	BLOCK_DEPTH = 8, /* blocks in results in blocks */
	HASHED_BYTES = 1024 /* of a turn, for the affinity hash */
};

/* One piece of text that stands for itself. */
static void
count_text(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_STRING)
		return;
	tokens_add_raw(&r->text, str_from(value.p + 1, value.n - 2));
	tokens_cut(&r->text);
}

static void
count_value(struct reading *r, struct str value)
{
	tokens_add_value(&r->text, value);
	tokens_cut(&r->text);
}

/* Not for secrets: only has to differ. */
static void
hash_value(struct reading *r, struct str value)
{
	uint64_t h = r->out->head_hash ^ value.n;
	size_t n = value.n < HASHED_BYTES ? value.n : HASHED_BYTES;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)value.p[i]) * UINT64_C(0x100000001b3);
	h *= UINT64_C(0x9e3779b97f4a7c15);
	r->out->head_hash = h ^ h >> 29;
}

/* --- Blocks --- */

/* Tools that the caller runs; those of the provider have their own prices. */
static bool
is_callers(struct reading *r, struct str tool)
{
	if (json_kind(tool) != JSON_IS_OBJECT)
		return false;
	for (struct json_each m = json_each(tool); json_next(&m);)
		if (str_eq(json_name(r->arena, m.name), S("type")) &&
		    json_kind(m.value) != JSON_IS_NULL &&
		    !str_eq(m.value, S("\"custom\"")) &&
		    !str_eq(m.value, S("\"function\"")))
			return false;
	return true;
}

static bool read_content(struct reading *r, struct str value, int depth);

static bool
refuse_file(struct reading *r)
{
	return anthropic_refuse(r, FAULT_UNSUPPORTED, "file_id",
	    "file_id: stored files are not available here; send the content "
	    "itself");
}

/* A tool that a message adds: one of `tools`, or of the caller's own. */
static bool
read_added_tool(struct reading *r, struct str value)
{
	struct str definition = json_get(value, S("definition"));

	if (definition.n && !is_callers(r, definition))
		return anthropic_refuse(r, FAULT_UNSUPPORTED_VALUE, "messages",
		    "messages: only tools of your own, of the type custom, can "
		    "be added here");
	count_value(r, value);
	return true;
}

/* Where the data of an image or a document comes from. */
static bool
read_source(struct reading *r, struct str value, bool image, int depth)
{
	unsigned once = 0, bit;

	if (json_kind(value) == JSON_IS_STRING) {
		count_text(r, value); /* of a search result */
		return true;
	}
	r->out->unseen_input |= !image;
	for (struct json_each m = json_each(value); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);

		bit = 0;
		if (str_eq(name, S("file_id"))) {
			if (json_kind(m.value) != JSON_IS_NULL)
				return refuse_file(r);
		} else if (str_eq(name, S("content"))) {
			if (!read_content(r, m.value, depth))
				return false;
		} else if (str_eq(name, S("type"))) {
			bit = 1;
			if (str_eq(m.value, S("\"text\"")) ||
			    str_eq(m.value, S("\"content\"")))
				r->out->unseen_input |= image;
		} else if (str_eq(name, S("url"))) {
			bit = 2;
			r->more_milli += image ? 0 : DOCUMENT_MILLI;
		} else if (str_eq(name, S("data"))) {
			bit = 4;
			if (image)
				r->out->prompt_bound -= (int64_t)m.value.n;
			else if (str_eq(json_get(value, S("type")),
				     S("\"text\"")))
				count_text(r, m.value);
			else
				r->more_milli +=
				    (int64_t)m.value.n * 1000 / FILE_BYTES;
		}
		/* Which of two counts is the upstream's choice. */
		r->out->unseen_input |= (once & bit) != 0;
		once |= bit;
	}
	return true;
}

static bool
type_is_known(struct str value)
{
	static const struct str known[] = {
		STR_INIT("\"text\""),
		STR_INIT("\"image\""),
		STR_INIT("\"document\""),
		STR_INIT("\"search_result\""),
		STR_INIT("\"thinking\""),
		STR_INIT("\"redacted_thinking\""),
		STR_INIT("\"tool_use\""),
		STR_INIT("\"tool_result\""),
	};

	for (size_t i = 0; i < countof(known); i++)
		if (str_eq(value, known[i]))
			return true;
	return false;
}

/* What of a block costs no more than its bytes. */
static void
count_member(struct reading *r, struct str name, struct str value)
{
	static const struct str texts[] = { STR_INIT("text"),
		STR_INIT("thinking"), STR_INIT("title"), STR_INIT("context"),
		STR_INIT("name") };

	for (size_t i = 0; i < countof(texts); i++)
		if (str_eq(name, texts[i]))
			count_text(r, value);
	if (str_eq(name, S("input")))
		count_value(r, value);
	else if (str_eq(name, S("data")))
		r->more_milli += (int64_t)value.n * 1000 / SEALED_BYTES;
}

static bool
read_block(struct reading *r, struct str block, int depth)
{
	bool image = str_eq(json_get(block, S("type")), S("\"image\""));
	int types = 0, sources = 0;

	if (image) {
		r->out->images++;
		r->more_milli += IMAGE_MILLI;
	}
	for (struct json_each m = json_each(block); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);

		if (str_eq(name, S("type"))) {
			types++;
			r->out->unseen_input |= !type_is_known(m.value);
		} else if (str_eq(name, S("source"))) {
			sources++;
			if (!read_source(r, m.value, image, depth))
				return false;
		} else if (str_eq(name, S("content"))) {
			if (!read_content(r, m.value, depth))
				return false;
		} else if (str_eq(name, S("file_id"))) {
			if (json_kind(m.value) != JSON_IS_NULL)
				return refuse_file(r);
		} else if (str_eq(name, S("tool"))) {
			if (!read_added_tool(r, m.value))
				return false;
		} else {
			count_member(r, name, m.value);
		}
	}
	r->out->unseen_input |= types > 1 || sources > 1;
	return true;
}

/* A text, or blocks; one block alone as servers' tools answer it. */
static bool
read_content(struct reading *r, struct str value, int depth)
{
	if (json_kind(value) == JSON_IS_STRING) {
		count_text(r, value);
		return true;
	}
	if (depth == 0) {
		count_value(r, value);
		r->out->unseen_input = true;
		return true;
	}
	if (json_kind(value) == JSON_IS_OBJECT)
		return read_block(r, value, depth - 1);
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!read_block(r, m.value, depth - 1))
			return false;
	return true;
}

/* --- Messages --- */

static bool
read_message(struct reading *r, struct str message)
{
	struct str role = { 0 }, content = { 0 };

	for (struct json_each m = json_each(message); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);

		if (str_eq(name, S("role"))) {
			role = m.value;
		} else if (str_eq(name, S("content"))) {
			content = m.value;
			if (!read_content(r, m.value, BLOCK_DEPTH))
				return false;
		}
	}
	if (r->user_came || !str_eq(role, S("\"user\"")))
		return true;
	r->user_came = true;
	hash_value(r, content);
	return true;
}

bool
anthropic_read_messages(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_ARRAY)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "messages",
		    "messages: must be an array of messages");
	r->out->prompt_bound += (int64_t)value.n + CALL_BOUND;
	r->more_milli += CALL_MILLI;
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (json_kind(m.value) != JSON_IS_OBJECT)
			return anthropic_refuse(r, FAULT_BAD_REQUEST,
			    "messages",
			    "messages.%lld: must be an object with a role and "
			    "content",
			    (long long)r->messages);
		r->more_milli += MESSAGE_MILLI;
		r->messages++;
		if (!read_message(r, m.value))
			return false;
	}
	if (r->messages == 0)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "messages",
		    "messages: at least one message is required");
	return true;
}

bool
anthropic_read_system(struct reading *r, struct str value)
{
	enum json_kind kind = json_kind(value);

	if (kind == JSON_IS_NULL)
		return true;
	if (kind != JSON_IS_STRING && kind != JSON_IS_ARRAY)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "system",
		    "system: must be a text or an array of text blocks");
	r->out->prompt_bound += (int64_t)value.n;
	r->more_milli += MESSAGE_MILLI;
	hash_value(r, value);
	return read_content(r, value, BLOCK_DEPTH);
}

/* --- Tools and schemas --- */

void
anthropic_count_schema(struct reading *r, struct str value)
{
	struct token_count c = { 0 };

	tokens_add_value(&c, value);
	r->more_milli += c.milli * 108 / 100;
	r->out->prompt_bound += (int64_t)value.n;
}

bool
anthropic_read_tools(struct reading *r, struct str value)
{
	struct json_each m = json_each(value);
	int64_t n = 0;

	if (json_kind(value) == JSON_IS_NULL)
		return true;
	if (json_kind(value) != JSON_IS_ARRAY)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "tools",
		    "tools: must be an array of tools");
	for (; json_next(&m); n++)
		if (!is_callers(r, m.value))
			return anthropic_refuse(r, FAULT_UNSUPPORTED_VALUE,
			    "tools",
			    "tools.%lld: only tools of your own, of the type "
			    "custom, are available here",
			    (long long)n);
	if (n == 0)
		return true;
	r->out->tools = true;
	r->more_milli += TOOLS_MILLI;
	r->out->prompt_bound += TOOLS_BOUND;
	anthropic_count_schema(r, value);
	return true;
}
