/* SPDX-License-Identifier: MIT */
/*
 * gemini_prompt.c - how much there is to read in a request.
 *
 * Two figures: the estimate counts what is text in contents, instructions and
 * tools; the bound counts their bytes, braces and all, which is more than any
 * tokenizer makes of them with what the model puts around.  Pictures are
 * counted apart, their data in neither; sound as long as its bytes may last.
 * Films, documents, what is fetched from elsewhere and parts that we do not
 * know pass, with the model's context as bound.  Files that are stored at the
 * provider are refused: they belong to a key of ours, and so to nobody's
 * caller.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"

enum {
	CONTENT_MILLI = 4000,
	CALL_MILLI = 3000,
	IMAGE_MILLI = 1600000,
	TOOLS_MILLI = 350000,	/* what is said about tools as such */
	TOOLS_BOUND = 1000,
	CALL_BOUND = 8,		/* tokens around all contents */
	FETCHED_MILLI = 5000000,	/* of what is fetched */
	FILE_BYTES = 16,	/* of a document's base64 for a token, about */
	FILM_BYTES = 1024,	/* of a film's, likewise */
	SEALED_BYTES = 6,	/* of thoughts that are not shown, likewise */
	HEARD_SECOND = 32,	/* tokens of a second of sound */
	SOUND_RATE = 16000,	/* bytes of it, usually */
	SOUND_LEAST = 500,	/* and at least */
	PART_DEPTH = 4,		/* parts in results of calls */
	HASHED_BYTES = 1024	/* of a turn, for the affinity hash */
};

/* One piece of text that stands for itself. */
static void
count_text(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_STRING)
		return;
	tokens_add_raw(&r->text, gemini_inside(value));
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

/* --- Parts ---------------------------------------------------------------- */

/* Counted in tokens: what listening takes, for what its bytes may last. */
static void
read_sound(struct reading *r, struct str data)
{
	int64_t n = (int64_t)data.n * 3 / 4;
	int64_t tokens = HEARD_SECOND * (1 + n / SOUND_RATE);

	r->out->sound_in = true;
	r->out->sound_tokens += tokens;
	r->more_milli += 1000 * tokens;
	r->out->prompt_bound += HEARD_SECOND * (1 + n / SOUND_LEAST) -
	    (int64_t)data.n;
}

/* {"mimeType":"image/png","data":base64} */
static bool
read_data(struct reading *r, struct str value)
{
	struct str type = gemini_inside(gemini_get(r->arena, value,
	    S("mimeType")));
	struct str data = gemini_get(r->arena, value, S("data"));
	int64_t n = (int64_t)data.n;
	int twice = 0;

	for (struct json_each m = json_each(value); json_next(&m);)
		twice += gemini_is(r->arena, m.name, S("data")) ||
		    gemini_is(r->arena, m.name, S("mimeType"));
	/* Which of two counts is the upstream's choice. */
	r->out->unseen_input |= twice > 2;
	if (str_starts_nocase(type, S("image/"))) {
		r->out->images++;
		r->more_milli += IMAGE_MILLI;
		r->out->prompt_bound -= n;
	} else if (str_starts_nocase(type, S("audio/"))) {
		read_sound(r, data);
	} else if (str_starts_nocase(type, S("text/"))) {
		r->more_milli += n * PASS_MILLI_A_BYTE * 3 / 4;
	} else {
		r->out->unseen_input = true;
		r->more_milli += n * 1000 / (str_starts_nocase(type,
		    S("video/")) ? FILM_BYTES : FILE_BYTES);
	}
	return true;
}

/* {"mimeType":"video/mp4","fileUri":"https://…"} */
static bool
read_file(struct reading *r, struct str value)
{
	struct str uri = json_text(r->arena, gemini_get(r->arena, value,
	    S("fileUri")));

	if (str_starts(uri, S("files/")) || str_has(uri, S("/files/")))
		return gemini_refuse(r, FAULT_UNSUPPORTED, "fileData",
		    "'fileData': stored files are not available here; send "
		    "the content itself as 'inlineData'.");
	r->out->unseen_input = true;
	r->more_milli += FETCHED_MILLI;
	return true;
}

static bool read_part(struct reading *r, struct str part, int depth);

/* {"name":…,"response":{…},"parts":[…]} */
static bool
read_result(struct reading *r, struct str value, int depth)
{
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (!gemini_is(r->arena, m.name, S("parts"))) {
			count_value(r, m.value);
			continue;
		}
		for (struct json_each n = json_each(m.value); json_next(&n);)
			if (!read_part(r, n.value, depth - 1))
				return false;
	}
	return true;
}

static bool
is_known(struct arena *a, struct str name)
{
	static const struct str known[] = { STR_INIT("thought"),
		STR_INIT("videoMetadata"), STR_INIT("mediaResolution"),
		STR_INIT("partMetadata") };

	for (size_t i = 0; i < countof(known); i++)
		if (gemini_is(a, name, known[i]))
			return true;
	return false;
}

static bool
read_part(struct reading *r, struct str part, int depth)
{
	struct arena *a = r->arena;

	if (depth == 0) {
		count_value(r, part);
		r->out->unseen_input = true;
		return true;
	}
	for (struct json_each m = json_each(part); json_next(&m);) {
		bool ok = true;

		if (gemini_is(a, m.name, S("text")))
			count_text(r, m.value);
		else if (gemini_is(a, m.name, S("inlineData")))
			ok = read_data(r, m.value);
		else if (gemini_is(a, m.name, S("fileData")))
			ok = read_file(r, m.value);
		else if (gemini_is(a, m.name, S("functionResponse")))
			ok = read_result(r, m.value, depth);
		else if (gemini_is(a, m.name, S("functionCall")) ||
		    gemini_is(a, m.name, S("executableCode")) ||
		    gemini_is(a, m.name, S("codeExecutionResult")))
			count_value(r, m.value);
		else if (gemini_is(a, m.name, S("thoughtSignature")))
			r->more_milli += (int64_t)m.value.n * 1000 /
			    SEALED_BYTES;
		else if (!is_known(a, m.name))
			r->out->unseen_input = true;
		if (!ok)
			return false;
	}
	return true;
}

/* --- Contents ------------------------------------------------------------- */

/* {"role":"user","parts":[…]}; one part alone, and a text, are taken too. */
static bool
read_turn(struct reading *r, struct str content)
{
	struct str role = { NULL, 0 }, parts = { NULL, 0 };

	if (json_kind(content) == JSON_IS_STRING) {
		count_text(r, content);
		parts = content;
	}
	for (struct json_each m = json_each(content); json_next(&m);) {
		if (gemini_is(r->arena, m.name, S("role"))) {
			role = m.value;
			continue;
		}
		if (!gemini_is(r->arena, m.name, S("parts"))) {
			r->out->unseen_input = true;
			continue;
		}
		parts = m.value;
		if (json_kind(parts) == JSON_IS_OBJECT) {
			if (!read_part(r, parts, PART_DEPTH))
				return false;
			continue;
		}
		for (struct json_each n = json_each(parts); json_next(&n);)
			if (!read_part(r, n.value, PART_DEPTH))
				return false;
	}
	if (!r->user_came && !gemini_word(role, S("model"))) {
		r->user_came = true;
		hash_value(r, parts);
	}
	return true;
}

bool
gemini_read_content(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_OBJECT)
		return gemini_refuse(r, FAULT_BAD_REQUEST, "content",
		    "'content' must be an object with 'parts'.");
	r->out->prompt_bound += (int64_t)value.n + CALL_BOUND;
	r->more_milli += CONTENT_MILLI;
	r->contents++;
	return read_turn(r, value);
}

bool
gemini_read_contents(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_ARRAY)
		return gemini_refuse(r, FAULT_BAD_REQUEST, "contents",
		    "'contents' must be an array of contents.");
	r->out->prompt_bound += (int64_t)value.n + CALL_BOUND;
	r->more_milli += CALL_MILLI;
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (json_kind(m.value) != JSON_IS_OBJECT)
			return gemini_refuse(r, FAULT_BAD_REQUEST, "contents",
			    "Each of 'contents' must be an object with "
			    "'parts'.");
		r->more_milli += CONTENT_MILLI;
		r->contents++;
		if (!read_turn(r, m.value))
			return false;
	}
	return true;
}

bool
gemini_read_system(struct reading *r, struct str value)
{
	if (gemini_is_empty(value))
		return true;
	if (json_kind(value) != JSON_IS_OBJECT &&
	    json_kind(value) != JSON_IS_STRING)
		return gemini_refuse(r, FAULT_BAD_REQUEST,
		    "systemInstruction",
		    "'systemInstruction' must be an object with 'parts'.");
	r->out->prompt_bound += (int64_t)value.n;
	r->more_milli += CONTENT_MILLI;
	hash_value(r, value);
	/* It is not the user's first turn. */
	if (json_kind(value) == JSON_IS_STRING) {
		count_text(r, value);
		return true;
	}
	for (struct json_each m = json_each(gemini_get(r->arena, value,
	    S("parts"))); json_next(&m);)
		if (m.object)
			count_value(r, m.value);
		else if (!read_part(r, m.value, PART_DEPTH))
			return false;
	return true;
}

/* --- Tools and schemas ---------------------------------------------------- */

void
gemini_count_schema(struct reading *r, struct str value)
{
	struct token_count c = { 0 };

	tokens_add_value(&c, value);
	r->more_milli += c.milli * 108 / 100;
	r->out->prompt_bound += (int64_t)value.n;
}

/* Tools that the caller runs; those of the provider have their own prices. */
static bool
read_tool(struct reading *r, struct str tool)
{
	for (struct json_each m = json_each(tool); json_next(&m);) {
		if (gemini_is(r->arena, m.name, S("functionDeclarations"))) {
			r->out->tools |= !gemini_is_empty(m.value);
			continue;
		}
		/* {} switches one on. */
		if (json_kind(m.value) != JSON_IS_NULL)
			return gemini_refuse(r, FAULT_UNSUPPORTED_VALUE,
			    "tools", "'%.*s' in 'tools' is not available "
			    "here: only 'functionDeclarations' are.",
			    STR_ARGS(m.name));
	}
	return true;
}

bool
gemini_read_tools(struct reading *r, struct str value)
{
	if (gemini_is_empty(value))
		return true;
	if (json_kind(value) == JSON_IS_OBJECT) {
		if (!read_tool(r, value))
			return false;
	} else if (json_kind(value) != JSON_IS_ARRAY) {
		return gemini_refuse(r, FAULT_BAD_REQUEST, "tools",
		    "'tools' must be an array of tools.");
	}
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!m.object && !read_tool(r, m.value))
			return false;
	if (!r->out->tools)
		return true;
	r->more_milli += TOOLS_MILLI;
	r->out->prompt_bound += TOOLS_BOUND;
	gemini_count_schema(r, value);
	return true;
}
