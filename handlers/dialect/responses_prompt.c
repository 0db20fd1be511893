/* SPDX-License-Identifier: MIT */
/*
 * responses_prompt.c - how much there is to read in a request.
 *
 * As in openai_prompt.c: the estimate counts what is text in the items and
 * tools, the bound counts their bytes.  What refers to something that is
 * stored at the provider is refused: it belongs to a key of ours, and so to
 * nobody's caller.  Kinds of items that we do not know pass, with the model's
 * context as bound.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/responses.h"

enum {
	MESSAGE_MILLI = 4000,
	CALL_MILLI = 3000,
	CALL_BOUND = 8, /* tokens around all messages */
	FILE_BYTES = 16, /* of a file's base64 for one token, roughly */
	FILE_MILLI = 5000000, /* of one that is fetched */
	SEALED_BYTES = 6, /* of thoughts that are not shown, a token */
	TOOL_DEPTH = 2 /* tools in a namespace */
};

static bool
among(struct str value, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (value.n == list[i].n + 2 && value.p[0] == '"' &&
		    memcmp(value.p + 1, list[i].p, list[i].n) == 0)
			return true;
	return false;
}

static void
count_value(struct reading *r, struct str value)
{
	if (json_kind(value) == JSON_IS_STRING) {
		openai_count_text(r, value);
		return;
	}
	tokens_add_value(&r->text, value);
	tokens_cut(&r->text);
}

/* --- Parts of a content --- */

static bool
part_is_known(struct str type)
{
	static const struct str known[] = {
		STR_INIT("input_text"), STR_INIT("output_text"),
		STR_INIT("text"), STR_INIT("refusal"),
		STR_INIT("input_image"), STR_INIT("input_file"),
		STR_INIT("summary_text"), STR_INIT("reasoning_text"),
		STR_INIT("input_audio"), STR_INIT("computer_screenshot"),
	};

	return among(type, known, countof(known));
}

static bool
read_part_member(struct reading *r, struct str name, struct str value)
{
	if (str_eq(name, S("text")) || str_eq(name, S("refusal")) ||
	    str_eq(name, S("filename"))) {
		openai_count_text(r, value);
	} else if (str_eq(name, S("type"))) {
		r->out->unseen_input |= !part_is_known(value);
	} else if (str_eq(name, S("image_url"))) {
		if (!openai_is_empty(value))
			openai_count_image(r, value);
	} else if (str_eq(name, S("file_id"))) {
		return openai_is_empty(value) || openai_refuse_file_id(r);
	} else if (str_eq(name, S("file_data"))) {
		r->more_milli += (int64_t)value.n * 1000 / FILE_BYTES;
		r->out->unseen_input = true;
	} else if (str_eq(name, S("file_url"))) {
		r->more_milli += FILE_MILLI;
		r->out->unseen_input = true;
	} else if (str_eq(name, S("input_audio"))) {
		return openai_is_empty(value) || openai_read_sound(r, value);
	}
	return true;
}

static bool
read_part(struct reading *r, struct str part)
{
	if (json_kind(part) != JSON_IS_OBJECT) {
		count_value(r, part);
		return true;
	}
	for (struct json_each m = json_each(part); json_next(&m);)
		if (!read_part_member(
			r, json_name(r->arena, m.name), m.value))
			return false;
	return true;
}

/* A text, parts, or one part alone. */
static bool
read_content(struct reading *r, struct str value)
{
	struct json_each part = json_each(value);

	if (json_kind(value) != JSON_IS_ARRAY)
		return read_part(r, value);
	while (json_next(&part))
		if (!read_part(r, part.value))
			return false;
	return true;
}

/* --- Items --- */

static bool
item_is_known(struct str type)
{
	static const struct str known[] = {
		STR_INIT("message"), STR_INIT("reasoning"),
		STR_INIT("function_call"), STR_INIT("function_call_output"),
		STR_INIT("custom_tool_call"),
		STR_INIT("custom_tool_call_output"),
		STR_INIT("local_shell_call"),
		STR_INIT("local_shell_call_output"), STR_INIT("shell_call"),
		STR_INIT("shell_call_output"), STR_INIT("apply_patch_call"),
		STR_INIT("apply_patch_call_output"),
		STR_INIT("computer_call"), STR_INIT("computer_call_output"),
		STR_INIT("compaction"),
	};

	return among(type, known, countof(known));
}

static bool
refuse_reference(struct reading *r)
{
	return openai_refuse(r, FAULT_UNSUPPORTED, "input",
	    "Items of the type 'item_reference' are not available here: send "
	    "the items themselves, and 'store' false.");
}

/* Members whose texts, and whose alone, are read by the model. */
static bool
read_item_member(struct reading *r, struct str name, struct str value)
{
	static const struct str texts[] = { STR_INIT("name"),
		STR_INIT("arguments"), STR_INIT("input"), STR_INIT("action"),
		STR_INIT("actions"), STR_INIT("operation"),
		STR_INIT("namespace") };

	if (str_eq(name, S("content")) || str_eq(name, S("output")) ||
	    str_eq(name, S("summary")))
		return read_content(r, value);
	if (str_eq(name, S("type"))) {
		if (str_eq(value, S("\"item_reference\"")))
			return refuse_reference(r);
		r->out->unseen_input |= !item_is_known(value);
	} else if (str_eq(name, S("encrypted_content"))) {
		r->more_milli += (int64_t)value.n * 1000 / SEALED_BYTES;
	} else if (str_eq(name, S("file_id"))) {
		return openai_is_empty(value) || openai_refuse_file_id(r);
	}
	for (size_t i = 0; i < countof(texts); i++)
		if (str_eq(name, texts[i]))
			count_value(r, value);
	return true;
}

static bool
read_item(struct reading *r, struct str item, bool *user_came)
{
	struct str role = { 0 }, content = { 0 }, type = { 0 };
	struct str id = { 0 };

	for (struct json_each m = json_each(item); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);

		if (str_eq(name, S("role")))
			role = m.value;
		else if (str_eq(name, S("content")))
			content = m.value;
		else if (str_eq(name, S("type")))
			type = m.value;
		else if (str_eq(name, S("id")))
			id = m.value;
		if (!read_item_member(r, name, m.value))
			return false;
	}
	/* An id alone is such a reference too. */
	if (id.n && role.n == 0 && (type.n == 0 || openai_is_empty(type)))
		return refuse_reference(r);
	if (!*user_came && content.n && !str_eq(role, S("\"assistant\"")))
		openai_hash(r, content);
	*user_came |= str_eq(role, S("\"user\""));
	return true;
}

static bool
read_items(struct reading *r, struct str value)
{
	bool user_came = false;

	for (struct json_each m = json_each(value); json_next(&m);) {
		if (json_kind(m.value) != JSON_IS_OBJECT)
			return openai_refuse(r, FAULT_BAD_REQUEST, "input",
			    "'input[%lld]' must be an item: an object.",
			    (long long)r->prompts);
		r->more_milli += MESSAGE_MILLI;
		r->prompts++;
		if (!read_item(r, m.value, &user_came))
			return false;
	}
	return true;
}

bool
responses_read_input(struct reading *r, struct str value)
{
	if (openai_is_empty(value))
		return true;
	r->out->prompt_bound += (int64_t)value.n + CALL_BOUND;
	r->more_milli += CALL_MILLI;
	if (json_kind(value) == JSON_IS_ARRAY)
		return read_items(r, value);
	if (json_kind(value) != JSON_IS_STRING)
		return openai_refuse(r, FAULT_BAD_REQUEST, "input",
		    "'input' must be a text or a list of items.");
	openai_count_text(r, value);
	openai_hash(r, value);
	r->more_milli += MESSAGE_MILLI;
	r->prompts = 1;
	return true;
}

/* --- Tools and schemas --- */

/* Those that the caller runs; others have prices of their own. */
static bool
type_is_callers(struct str type)
{
	static const struct str callers[] = { STR_INIT("function"),
		STR_INIT("custom"), STR_INIT("namespace"),
		STR_INIT("local_shell"), STR_INIT("apply_patch"),
		STR_INIT("computer"), STR_INIT("computer_use_preview") };

	return among(type, callers, countof(callers));
}

/* A shell may run in a container of the provider's. */
static bool
is_local(struct reading *r, struct str environment)
{
	bool local = false;

	for (struct json_each m = json_each(environment); json_next(&m);) {
		if (!str_eq(json_name(r->arena, m.name), S("type")))
			continue;
		if (!str_eq(m.value, S("\"local\"")))
			return false;
		local = true;
	}
	return local;
}

static bool
is_callers(struct reading *r, struct str tool, int depth)
{
	bool typed = false, shell = false, local = false;

	for (struct json_each m = json_each(tool); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);

		if (str_eq(name, S("tools")))
			for (struct json_each in = json_each(m.value);
			    json_next(&in);)
				if (depth == 0 ||
				    !is_callers(r, in.value, depth - 1))
					return false;
		if (str_eq(name, S("environment")))
			local = is_local(r, m.value);
		if (!str_eq(name, S("type")))
			continue;
		typed = true;
		if (str_eq(m.value, S("\"shell\"")))
			shell = true;
		else if (!type_is_callers(m.value))
			return false;
	}
	return typed && (!shell || local);
}

bool
responses_read_tools(struct reading *r, struct str value)
{
	if (openai_is_empty(value))
		return true;
	if (json_kind(value) != JSON_IS_ARRAY)
		return openai_refuse(r, FAULT_BAD_REQUEST, "tools",
		    "'tools' must be an array of tools.");
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!is_callers(r, m.value, TOOL_DEPTH - 1))
			return openai_refuse(r, FAULT_UNSUPPORTED_VALUE,
			    "tools",
			    "Only tools that you run yourself (of the types "
			    "'function', 'custom' and the like) are available "
			    "here: leave the others out.");
	r->out->tools = true;
	openai_count_schema(r, value);
	return true;
}

bool
responses_read_text(struct reading *r, struct str value)
{
	struct str format = json_get(value, S("format"));

	r->out->json_schema = str_eq(
	    json_get(format, S("type")), S("\"json_schema\""));
	if (r->out->json_schema)
		openai_count_schema(r, format);
	return true;
}
