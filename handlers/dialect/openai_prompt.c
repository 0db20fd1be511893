/* SPDX-License-Identifier: MIT */
/*
 * openai_prompt.c - how much there is to read in a request.
 *
 * Two figures: the estimate counts what is text in messages, prompts and
 * tools; the bound counts their bytes, braces and all, which is more than any
 * tokenizer makes of them with the few tokens that models put around each
 * message.  Images are counted apart, and their data in neither.  Content
 * that comes from elsewhere (stored files) or is priced otherwise (sound) is
 * refused; kinds we do not know pass, with the model's context as bound.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai.h"

enum {
	MESSAGE_MILLI = 4000,
	CALL_MILLI = 3000,
	IMAGE_MILLI = 1600000,
	CALL_BOUND = 8, /* tokens around all messages */
	FILE_BYTES = 16, /* of a file's base64 for one token, roughly */
	HASHED_BYTES = 1024 /* of a message, for the affinity hash */
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

/* Not for secrets: only has to differ. */
void
openai_hash(struct reading *r, struct str value)
{
	uint64_t h = r->out->head_hash, w;
	size_t n = value.n < HASHED_BYTES ? value.n : HASHED_BYTES;

	for (size_t i = 0; i < n; i += 8) {
		w = 0;
		if (n - i >= 8)
			memcpy(&w, value.p + i, 8);
		else
			memcpy(&w, value.p + i, n - i);
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	r->out->head_hash = (h ^ value.n) * UINT64_C(0x9e3779b97f4a7c15);
}

/* --- Parts of a message's content --- */

/* A URL, or an object that has one; its length is not the bound's. */
void
openai_count_image(struct reading *r, struct str value)
{
	r->out->images++;
	r->more_milli += IMAGE_MILLI;
	r->out->prompt_bound -= (int64_t)value.n;
}

bool
openai_refuse_file_id(struct reading *r)
{
	return openai_refuse(r, FAULT_UNSUPPORTED, "file_id",
	    "'file_id' is not available here: send the content itself.");
}

static bool
read_file(struct reading *r, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);

		if (str_eq(name, S("file_id")) && !openai_is_empty(m.value))
			return openai_refuse_file_id(r);
		if (str_eq(name, S("file_data")))
			r->more_milli += (int64_t)m.value.n * 1000 / FILE_BYTES;
	}
	r->out->unseen_input = true;
	return true;
}

static bool
type_is_known(struct str value)
{
	static const struct str known[] = {
		STR_INIT("\"text\""),
		STR_INIT("\"image_url\""),
		STR_INIT("\"file\""),
		STR_INIT("\"refusal\""),
		STR_INIT("\"input_audio\""),
		STR_INIT("\"thinking\""),
	};

	for (size_t i = 0; i < countof(known); i++)
		if (str_eq(value, known[i]))
			return true;
	return false;
}

static bool
read_part_member(struct reading *r, struct str name, struct str value)
{
	if (str_eq(name, S("text")) || str_eq(name, S("refusal"))) {
		count_text(r, value);
	} else if (str_eq(name, S("type"))) {
		if (!type_is_known(value))
			r->out->unseen_input = true;
	} else if (str_eq(name, S("image_url"))) {
		openai_count_image(r, value);
	} else if (str_eq(name, S("file"))) {
		return read_file(r, value);
	} else if (str_eq(name, S("file_id"))) {
		return openai_is_empty(value) || openai_refuse_file_id(r);
	} else if (str_eq(name, S("input_audio"))) {
		return openai_is_empty(value) || openai_read_sound(r, value);
	} else if (str_eq(name, S("thinking"))) {
		tokens_add_value(&r->text, value);
		tokens_cut(&r->text);
	}
	return true;
}

bool
openai_read_part(struct reading *r, struct str part)
{
	for (struct json_each m = json_each(part); json_next(&m);)
		if (!read_part_member(
			r, json_name(r->arena, m.name), m.value))
			return false;
	return true;
}

void
openai_count_text(struct reading *r, struct str value)
{
	count_text(r, value);
}

static bool
read_content(struct reading *r, struct str value)
{
	if (json_kind(value) == JSON_IS_STRING) {
		count_text(r, value);
		return true;
	}
	for (struct json_each part = json_each(value); json_next(&part);) {
		count_text(r, part.value);
		if (part.object)
			continue; /* content that is an object: not known */
		for (struct json_each m = json_each(part.value); json_next(&m);)
			if (!read_part_member(
				r, json_name(r->arena, m.name), m.value))
				return false;
	}
	return true;
}

/* --- Messages --- */

/* {"name":…,"arguments":…}, or the same of a custom tool. */
static void
count_function(struct reading *r, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		count_text(r, m.value);
}

static void
count_tool_calls(struct reading *r, struct str value)
{
	for (struct json_each call = json_each(value); json_next(&call);)
		for (struct json_each m = json_each(call.value); json_next(&m);)
			count_function(r, m.value);
}

static bool
read_message(struct reading *r, struct json_each m, bool *user_came)
{
	struct str role = { 0 }, content = { 0 };

	while (json_next(&m)) {
		struct str name = json_name(r->arena, m.name);

		if (str_eq(name, S("role"))) {
			role = m.value;
		} else if (str_eq(name, S("content"))) {
			content = m.value;
			if (!read_content(r, m.value))
				return false;
		} else if (str_eq(name, S("tool_calls"))) {
			count_tool_calls(r, m.value);
		} else if (str_eq(name, S("function_call"))) {
			count_function(r, m.value);
		} else if (str_eq(name, S("audio"))) {
			if (!openai_is_empty(m.value))
				return openai_refuse(r, FAULT_UNSUPPORTED,
				    "audio",
				    "'audio' in a message is not available "
				    "here: leave it out.");
		} else if (str_eq(name, S("name")) ||
		    str_eq(name, S("refusal")) ||
		    str_eq(name, S("reasoning")) ||
		    str_eq(name, S("reasoning_content"))) {
			count_text(r, m.value);
		}
	}
	if (!*user_came && !str_eq(role, S("\"assistant\"")))
		openai_hash(r, content);
	*user_came |= str_eq(role, S("\"user\""));
	return true;
}

bool
openai_read_messages(struct reading *r, struct str value)
{
	bool user_came = false;

	if (json_kind(value) != JSON_IS_ARRAY)
		return openai_refuse(r, FAULT_BAD_REQUEST, "messages",
		    "'messages' must be an array of messages.");
	r->out->prompt_bound += (int64_t)value.n + CALL_BOUND;
	r->more_milli += CALL_MILLI;
	for (struct json_each m = json_each(value); json_reach(&m);) {
		if (json_kind(m.value) != JSON_IS_OBJECT)
			return openai_refuse(r, FAULT_BAD_REQUEST, "messages",
			    "'messages[%lld]' must be an object with a role "
			    "and content.",
			    (long long)r->prompts);
		r->more_milli += MESSAGE_MILLI;
		r->prompts++;
		if (!read_message(r, json_inside(&m), &user_came))
			return false;
	}
	if (r->prompts == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, "messages",
		    "'messages' is empty: send at least one message.");
	return true;
}

/* --- Prompts and inputs: a text, texts, tokens, lists of tokens --- */

static bool
count_tokens(struct reading *r, struct str array)
{
	for (struct json_each m = json_each(array); json_next(&m);) {
		if (json_kind(m.value) != JSON_IS_NUMBER)
			return false;
		r->more_milli += 1000;
		r->out->prompt_bound++;
	}
	return true;
}

static bool
read_one(struct reading *r, struct str value)
{
	switch (json_kind(value)) {
	case JSON_IS_STRING:
		count_text(r, value);
		r->out->prompt_bound += (int64_t)value.n;
		return true;
	case JSON_IS_ARRAY:
		r->out->prompt_bound += 2;
		return count_tokens(r, value);
	case JSON_IS_OBJECT: /* images and such, at some upstreams */
		if (r->out->endpoint == ENDPOINT_MODERATIONS) {
			r->out->prompt_bound += (int64_t)value.n;
			return openai_read_part(r, value);
		}
		if (r->out->endpoint != ENDPOINT_EMBEDDINGS)
			return false;
		tokens_add_value(&r->text, value);
		r->out->prompt_bound += (int64_t)value.n;
		r->out->unseen_input = true;
		return true;
	default:
		return false;
	}
}

static bool
read_inputs(struct reading *r, struct str value, const char *name)
{
	struct json_each m = json_each(value);
	bool good = true;

	openai_hash(r, value);
	if (json_kind(value) != JSON_IS_ARRAY) {
		r->prompts = 1;
		good = read_one(r, value);
	} else if (json_next(&m) && json_kind(m.value) == JSON_IS_NUMBER) {
		r->prompts = 1;
		good = read_one(r, value);
	} else if (m.value.n) {
		do
			r->prompts++;
		while (read_one(r, m.value) && json_next(&m));
		good = m.rest.n == 0;
	}
	if (!good || r->prompts == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, name,
		    "'%s' must be a text, a list of texts, or tokens as "
		    "numbers.",
		    name);
	return true;
}

bool
openai_read_prompt(struct reading *r, struct str value)
{
	return read_inputs(r, value, "prompt");
}

bool
openai_read_input(struct reading *r, struct str value)
{
	return read_inputs(r, value, "input");
}

bool
openai_read_suffix(struct reading *r, struct str value)
{
	count_text(r, value);
	r->out->prompt_bound += (int64_t)value.n;
	return true;
}

/* --- Tools and schemas --- */

void
openai_count_schema(struct reading *r, struct str value)
{
	struct token_count c = { 0 };

	tokens_add_value(&c, value);
	r->more_milli += c.milli * 108 / 100;
	r->out->prompt_bound += (int64_t)value.n;
}

/* Tools that the caller runs; those of a provider have prices of their own. */
static bool
is_function(struct reading *r, struct str tool)
{
	bool typed = false, function = false;

	for (struct json_each m = json_each(tool); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);

		function |= str_eq(name, S("function"));
		if (!str_eq(name, S("type")))
			continue;
		typed = true;
		if (!str_eq(m.value, S("\"function\"")) &&
		    !str_eq(m.value, S("\"custom\"")))
			return false;
	}
	return typed || function;
}

bool
openai_read_tools(struct reading *r, struct str value)
{
	if (openai_is_empty(value))
		return true;
	if (json_kind(value) != JSON_IS_ARRAY)
		return openai_refuse(r, FAULT_BAD_REQUEST, "tools",
		    "'tools' must be an array of tools.");
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!is_function(r, m.value))
			return openai_refuse(r, FAULT_UNSUPPORTED_VALUE,
			    "tools",
			    "Only tools of the types 'function' and 'custom' "
			    "are available here.");
	r->out->tools = true;
	openai_count_schema(r, value);
	return true;
}

bool
openai_read_functions(struct reading *r, struct str value)
{
	if (openai_is_empty(value))
		return true;
	r->out->tools = true;
	openai_count_schema(r, value);
	return true;
}

bool
openai_read_response_format(struct reading *r, struct str value)
{
	struct str type = json_get(value, S("type"));

	r->out->json_schema = str_eq(type, S("\"json_schema\""));
	if (r->out->json_schema)
		openai_count_schema(r, value);
	return true;
}
