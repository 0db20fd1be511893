/* SPDX-License-Identifier: MIT */
/*
 * kind_upstream.c - the kinds of members that say how an upstream is written
 * to: its preset, what it and its models can do, which members of a request
 * are left out and set, which headers are sent.
 *
 * What chooses the model or the price is weir's to write, and no secret may
 * stand here: these members are in the database as they are.
 */
#include <assert.h>

#include "db/model.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"
#include "handlers/dialect/body_edit.h"
#include "handlers/dialect/capability.h"
#include "handlers/dialect/preset.h"

enum {
	NAME_BYTES = 64,		/* of a member, of a header */
	SET_BYTES = 16384,
	HEADER_BYTES = 1024,		/* of a header's value */
	LIST_BYTES = 1 << 16
};

/* The name of a member of an object, plain. */
static struct str
name_of(struct reading *r, const struct json_each *m)
{
	struct str quoted = { m->name.p - 1, m->name.n + 2 };

	return json_text(r->arena, quoted);
}

static bool
is_object(struct reading *r, const struct place *at, const char *like)
{
	return json_kind(at->value) == JSON_IS_OBJECT ||
	    wrong(r, at, "an object like %s is expected", like);
}

/* Names that were there already, for an error at the second of them. */
static bool
is_second(struct names *seen, struct str name)
{
	for (size_t i = 0; i < seen->n; i++)
		if (str_eq_nocase(seen->list[i], name))
			return true;
	seen->list[seen->n++] = name;
	return false;
}

/* --- presets -------------------------------------------------------------- */

static bool
read_preset(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	const struct preset *p;
	struct buf b = BUF(r->arena, 4096);
	struct str *name = field;

	(void)m;
	if (!text_of(r, at, name))
		return false;
	if (preset_find(*name))
		return true;
	for (size_t i = 0; (p = preset_at(i)); i++)
		buf_printf(&b, "%s%.*s", i ? ", " : "", STR_ARGS(p->name));
	return wrong(r, at, "there is no preset \"%.*s\"; there are %.*s",
	    STR_ARGS(*name), STR_ARGS(buf_str(&b)));
}

/* --- capabilities --------------------------------------------------------- */

static void
show_words(struct buf *b, const void *field)
{
	put_words(b, *(const struct str *)field);
}

static bool
check_capability(struct reading *r, const struct place *at, struct str name,
    struct str value, struct names *seen)
{
	struct str why;

	if (!capability_valid(r->arena, name, value, &why))
		return wrong(r, at, "%.*s", STR_ARGS(why));
	return !is_second(seen, name) || wrong(r, at, "%.*s is there twice",
	    STR_ARGS(name));
}

static bool
read_quirks(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct buf b = BUF(r->arena, LIST_BYTES);
	struct names seen = { 0 };
	size_t n;

	(void)m;
	if (!list_of(r, at, &n))
		return false;
	seen.list = arena_zero(r->arena, (n + 1) * sizeof(*seen.list));
	for (size_t i = 0; json_next(&each); i++) {
		struct place here = { .up = at, .index = i,
			.value = each.value };
		struct str text, value, name;

		if (!text_of(r, &here, &text))
			return false;
		value = text;
		name = str_cut(&value, '=');
		if (!check_capability(r, &here, name, value, &seen))
			return false;
		buf_printf(&b, "%s%.*s", i ? " " : "", STR_ARGS(text));
	}
	*(struct str *)field = buf_str(&b);
	return true;
}

/* Written anew, so that a list is the same whatever blanks are in it. */
static void
put_capability(struct reading *r, struct buf *b, struct str name,
    struct str value)
{
	struct json_each each = json_each(value);
	const char *before = "";

	buf_put(b, b->n > 1 ? S(",") : S(""));
	buf_json(b, name);
	buf_char(b, ':');
	if (json_kind(value) != JSON_IS_ARRAY) {
		buf_put(b, value);
		return;
	}
	buf_char(b, '[');
	for (; json_next(&each); before = ",") {
		buf_put(b, str_of(before));
		buf_json(b, json_text(r->arena, each.value));
	}
	buf_char(b, ']');
}

static bool
read_capabilities(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	struct json_each each = json_each(at->value);
	struct buf b = BUF(r->arena, LIST_BYTES);
	struct str list[128];
	struct names seen = { list, 0 };

	(void)m;
	if (!is_object(r, at, "{\"json_schema\": true, \"efforts\": "
	    "[\"low\", \"high\"]}"))
		return false;
	buf_char(&b, '{');
	while (json_next(&each)) {
		struct place here = { .up = at, .name = name_of(r, &each),
			.value = each.value };
		struct str value = model_capability(r->arena, each.value);

		if (json_kind(each.value) == JSON_IS_NULL)
			continue;
		/* A value that is none says what could stand there. */
		if (!check_capability(r, &here, here.name, value.n ? value :
		    S("?"), &seen))
			return false;
		assert(seen.n < countof(list));
		put_capability(r, &b, here.name, each.value);
	}
	buf_char(&b, '}');
	*(struct str *)field = buf_str(&b);
	return true;
}

static void
show_object(struct buf *b, const void *field)
{
	const struct str *json = field;

	buf_put(b, json->n ? *json : S("{}"));
}

/* --- members of a request ------------------------------------------------- */

static bool
check_member(struct reading *r, const struct place *at, struct str name,
    struct names *seen)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= 0x20 || name.p[i] >= 0x7f ||
		    name.p[i] == '"' || name.p[i] == '\\')
			return wrong(r, at, "\"%.*s\" is no name of a member: "
			    "visible ASCII characters, no blanks and no "
			    "quotes", STR_ARGS(name));
	if (name.n < 1 || name.n > NAME_BYTES)
		return wrong(r, at, "the name of a member has 1 to %d "
		    "characters", NAME_BYTES);
	if (!body_edit_allowed(name))
		return wrong(r, at, "%.*s is weir's to write: it is part of "
		    "which model answers, in what form, or for what price",
		    STR_ARGS(name));
	if (seen->n == BODY_EDIT_MOST)
		return wrong(r, at, "more than %d members", BODY_EDIT_MOST);
	return !is_second(seen, name) || wrong(r, at, "\"%.*s\" is there "
	    "twice", STR_ARGS(name));
}

static bool
read_drop(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct buf b = BUF(r->arena, LIST_BYTES);
	struct str list[BODY_EDIT_MOST];
	struct names seen = { list, 0 };
	size_t n;

	(void)m;
	if (!list_of(r, at, &n))
		return false;
	for (size_t i = 0; json_next(&each); i++) {
		struct place here = { .up = at, .index = i,
			.value = each.value };
		struct str name;

		if (!text_of(r, &here, &name) ||
		    !check_member(r, &here, name, &seen))
			return false;
		buf_printf(&b, "%s%.*s", i ? " " : "", STR_ARGS(name));
	}
	*(struct str *)field = buf_str(&b);
	return true;
}

static bool
read_set(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct buf b = BUF(r->arena, SET_BYTES);
	struct str list[BODY_EDIT_MOST];
	struct names seen = { list, 0 };

	(void)m;
	if (!is_object(r, at, "{\"top_k\": 40}"))
		return false;
	while (json_next(&each)) {
		struct place here = { .up = at, .name = name_of(r, &each),
			.value = each.value };

		if (!check_member(r, &here, here.name, &seen))
			return false;
		buf_char(&b, b.n ? ',' : '{');
		buf_json(&b, here.name);
		buf_char(&b, ':');
		buf_put(&b, each.value);
	}
	buf_put(&b, b.n ? S("}") : S(""));
	*(struct str *)field = buf_str(&b);
	return !b.full || wrong(r, at, "more than %d bytes", SET_BYTES);
}

/* --- headers -------------------------------------------------------------- */

/* Those of weir, and of the way: no operator says what stands in them. */
static bool
is_ours(struct str name)
{
	static const struct str ours[] = {
		STR_INIT("accept"), STR_INIT("accept-encoding"),
		STR_INIT("connection"), STR_INIT("content-encoding"),
		STR_INIT("content-length"), STR_INIT("content-type"),
		STR_INIT("expect"), STR_INIT("forwarded"), STR_INIT("host"),
		STR_INIT("http2-settings"), STR_INIT("keep-alive"),
		STR_INIT("proxy-connection"), STR_INIT("range"),
		STR_INIT("te"), STR_INIT("trailer"),
		STR_INIT("transfer-encoding"), STR_INIT("upgrade"),
		STR_INIT("user-agent"), STR_INIT("via"),
		STR_INIT("x-request-id"),
	};

	for (size_t i = 0; i < countof(ours); i++)
		if (str_eq_nocase(name, ours[i]))
			return true;
	return str_starts_nocase(name, S("x-weir-"));
}

static bool
carries_key(struct str name)
{
	static const struct str parts[] = { STR_INIT("auth"),
		STR_INIT("token"), STR_INIT("secret"), STR_INIT("key"),
		STR_INIT("cookie"), STR_INIT("passw"),
		STR_INIT("credential") };

	for (size_t i = 0; i < countof(parts); i++)
		if (str_has_nocase(name, parts[i]))
			return true;
	return false;
}

static bool
is_header(struct str name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || (c && strchr(others, c))))
			return false;
	}
	return name.n >= 1 && name.n <= NAME_BYTES;
}

static bool
check_header(struct reading *r, const struct place *at, struct names *seen)
{
	struct str name = at->name;

	if (!is_header(name))
		return wrong(r, at, "this is no name of a header: 1 to %d "
		    "letters, digits and hyphens", NAME_BYTES);
	if (is_ours(name))
		return wrong(r, at, "%.*s is written by weir itself, as each "
		    "request needs it", STR_ARGS(name));
	if (carries_key(name))
		return wrong(r, at, "%.*s carries a secret by its name, and a "
		    "secret does not stand in clear in the database: give it "
		    "as a credential of the channel", STR_ARGS(name));
	if (seen->n == CHANNEL_HEADERS)
		return wrong(r, at, "more than %d headers", CHANNEL_HEADERS);
	return !is_second(seen, name) || wrong(r, at, "\"%.*s\" is there "
	    "twice", STR_ARGS(name));
}

static bool
read_value(struct reading *r, const struct place *at, struct str *value)
{
	if (json_kind(at->value) != JSON_IS_STRING)
		return wrong(r, at, "the value of a header is a string; null: "
		    "it is not sent");
	*value = str_trim(json_text(r->arena, at->value));
	if (value->n == 0)
		return wrong(r, at, "the value is empty; null: it is not "
		    "sent");
	if (str_has_control(*value))
		return wrong(r, at, "control characters are not allowed here");
	return value->n <= HEADER_BYTES || wrong(r, at, "the value of a "
	    "header has at most %d bytes", HEADER_BYTES);
}

static bool
read_headers(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	struct json_each each = json_each(at->value);
	struct buf b = BUF(r->arena, LIST_BYTES);
	struct str list[CHANNEL_HEADERS];
	struct names seen = { list, 0 };

	(void)m;
	if (!is_object(r, at, "{\"X-Title\": \"a name\", \"x-other\": "
	    "null}"))
		return false;
	buf_char(&b, '{');
	while (json_next(&each)) {
		struct place here = { .up = at, .name = name_of(r, &each),
			.value = each.value };
		bool none = json_kind(each.value) == JSON_IS_NULL;
		struct str value;

		if (!check_header(r, &here, &seen) ||
		    (!none && !read_value(r, &here, &value)))
			return false;
		buf_put(&b, b.n > 1 ? S(",") : S(""));
		buf_json(&b, here.name);
		buf_char(&b, ':');
		if (none)
			buf_put(&b, S("null"));
		else
			buf_json(&b, value);
	}
	buf_char(&b, '}');
	*(struct str *)field = buf_str(&b);
	return true;
}

static void
show_text(struct buf *b, const void *field)
{
	buf_json(b, *(const struct str *)field);
}

const struct kind
    kind_preset = { sizeof(struct str), read_preset, show_text },
    kind_quirks = { sizeof(struct str), read_quirks, show_words },
    kind_capabilities = { sizeof(struct str), read_capabilities,
	show_object },
    kind_drop = { sizeof(struct str), read_drop, show_words },
    kind_set = { sizeof(struct str), read_set, show_object },
    kind_headers = { sizeof(struct str), read_headers, show_object };
