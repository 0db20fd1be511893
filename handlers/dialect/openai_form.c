/* SPDX-License-Identifier: MIT */
/*
 * openai_form.c - a request that is multipart/form-data: pictures to edit,
 * sound to write down.
 *
 * The same rules as for a JSON body: what says the model, the price or the
 * way of the answer stands there once, plainly spelt, as text; fields that
 * would bring what is not in the body are refused; all others, files first,
 * pass untouched.  Only the value of `model` is changed on the way.
 */
#include <assert.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/multipart.h"
#include "handlers/dialect/openai.h"

enum {
	EDITS = 1 << ENDPOINT_IMAGE_EDITS,
	VARIATIONS = 1 << ENDPOINT_IMAGE_VARIATIONS,
	TRANSCRIPTIONS = 1 << ENDPOINT_TRANSCRIPTIONS,
	TRANSLATIONS = 1 << ENDPOINT_TRANSLATIONS,
	PICTURES = EDITS | VARIATIONS,
	SOUND = TRANSCRIPTIONS | TRANSLATIONS,
	ALL = PICTURES | SOUND
};

/* A field whose value is text. */
struct field {
	const char *name;
	unsigned where; /* endpoints */
	bool (*read)(struct reading *r, struct str text); /* NULL: refused */
};

static bool
read_flag(struct reading *r, struct str text, const char *name, bool *v)
{
	*v = str_eq_nocase(text, S("true"));
	return *v || str_eq_nocase(text, S("false")) ||
	    openai_refuse(r, FAULT_BAD_REQUEST, name,
		"'%s' must be true or false.", name);
}

static bool
read_model(struct reading *r, struct str text)
{
	r->out->model_at = text;
	return openai_take_model(r, text);
}

static bool
read_stream(struct reading *r, struct str text)
{
	if (!read_flag(r, text, "stream", &r->out->stream))
		return false;
	if (r->out->stream && 1u << r->out->endpoint &
	    (VARIATIONS | TRANSLATIONS))
		return openai_refuse(r, FAULT_UNSUPPORTED_VALUE, "stream",
		    "'stream' true is not available here.");
	return true;
}

static bool
read_n(struct reading *r, struct str text)
{
	int64_t n;

	if (!str_int(text, &n) || n < 1 || n > LIMIT_CHOICES)
		return openai_refuse(r, FAULT_BAD_REQUEST, "n",
		    "'n' must be a whole number from 1 to %d.", LIMIT_CHOICES);
	return openai_take_count(r, "n", n);
}

static bool
read_prompt(struct reading *r, struct str text)
{
	tokens_add(&r->text, text);
	tokens_cut(&r->text);
	r->out->prompt_bound += (int64_t)text.n;
	if (1u << r->out->endpoint & EDITS)
		r->prompts = 1;
	return true;
}

/* A transcript as JSON, of whatever kind, or as plain text. */
static bool
read_format(struct reading *r, struct str text)
{
	r->out->text_wanted = !str_has_nocase(text, S("json"));
	return true;
}

static bool
read_user(struct reading *r, struct str text)
{
	r->out->end_user = text;
	return true;
}

static const struct field fields[] = {
	{ "model", ALL, read_model },
	{ "stream", ALL, read_stream },
	{ "n", PICTURES, read_n },
	{ "prompt", ALL, read_prompt },
	{ "response_format", SOUND, read_format },
	{ "user", ALL, read_user },
	{ "safety_identifier", ALL, read_user },
	{ "service_tier", ALL, NULL },
	{ "models", ALL, NULL },
	{ "route", ALL, NULL },
	{ "provider", ALL, NULL },
	{ "plugins", ALL, NULL },
	{ "url", SOUND, NULL },
	{ "file_id", ALL, NULL },
	{ "file_url", SOUND, NULL },
	{ "image_url", PICTURES, NULL },
	{ "_charset_", ALL, NULL },
};
_Static_assert(countof(fields) <= 32, "a bit for each");

/* A name without what parsers of lists put behind it: "image[]", "n[0]". */
static struct str
bare_name(struct str name)
{
	struct str rest = name;

	return str_cut(&rest, '[');
}

static int
find(enum endpoint endpoint, struct str name)
{
	for (size_t i = 0; i < countof(fields); i++)
		if (fields[i].where & 1u << endpoint &&
		    str_eq_nocase(bare_name(str_trim(name)),
			str_of(fields[i].name)))
			return (int)i;
	return -1;
}

static bool
charset_is_fine(struct str type)
{
	return !str_has_nocase(type, S("charset")) ||
	    str_has_nocase(type, S("utf-8")) ||
	    str_has_nocase(type, S("utf8"));
}

static bool
read_field(struct reading *r, const struct field *f, const struct part *p)
{
	const char *name = f->name;

	if (!str_eq(p->name, str_of(name)))
		return openai_refuse(r, FAULT_BAD_REQUEST, name,
		    "'%s' is spelt in an unusual way: write it plainly, in "
		    "lower case.", name);
	if (!f->read)
		return p->value.n == 0 || openai_refuse(r, FAULT_UNSUPPORTED,
		    name, "'%s' is not available here: leave it out.", name);
	if (p->file)
		return openai_refuse(r, FAULT_BAD_REQUEST, name,
		    "'%s' must be a text, not a file.", name);
	if (!charset_is_fine(p->type) || json_utf8(p->value) != p->value.n ||
	    (p->value.n && memchr(p->value.p, 0, p->value.n)))
		return openai_refuse(r, FAULT_BAD_REQUEST, name,
		    "'%s' is not text in UTF-8.", name);
	return f->read(r, p->value);
}

/* Some of them are read by the model: voices to know, for one. */
static bool
take_text(struct reading *r, const struct part *p)
{
	r->out->prompt_bound += (int64_t)p->value.n;
	return true;
}

/* What is no field of ours: a file that is looked at for its size. */
static bool
take_file(struct reading *r, const struct part *p)
{
	struct str name = bare_name(str_trim(p->name));

	if (1u << r->out->endpoint & SOUND) {
		if (!p->file && !str_eq_nocase(name, S("file")))
			return take_text(r, p);
		if (r->files++ || !str_eq(p->name, S("file")) || !p->file)
			return openai_refuse(r, FAULT_BAD_REQUEST, "file",
			    "There must be one file, in a field named 'file' "
			    "that has a file name.");
		return openai_take_sound(r, p->value);
	}
	if (!p->file && !str_eq_nocase(name, S("image")) &&
	    !str_eq_nocase(name, S("mask")))
		return take_text(r, p);
	if (!p->file)
		return openai_refuse(r, FAULT_BAD_REQUEST, "image",
		    "A picture must be sent as a file (with a file name).");
	r->files++;
	openai_take_picture(r);
	return true;
}

static bool
read_parts(struct reading *r, struct str body, struct str boundary)
{
	struct multipart m;
	struct part p;
	uint32_t seen = 0;

	multipart_begin(&m, body, boundary);
	while (multipart_next(&m, &p)) {
		int i = find(r->out->endpoint, p.name);

		if (i < 0) {
			if (!take_file(r, &p))
				return false;
			continue;
		}
		if (seen & 1u << i)
			return openai_refuse(r, FAULT_BAD_REQUEST,
			    fields[i].name,
			    "'%s' stands there twice: send it once.",
			    fields[i].name);
		seen |= 1u << i;
		if (!read_field(r, &fields[i], &p))
			return false;
	}
	if (m.why)
		return fault_set(r->fault, r->arena, FAULT_BAD_REQUEST,
		    "The body is not valid multipart/form-data: %s, at byte "
		    "%zu.", m.why, m.at);
	if (r->files == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST,
		    1u << r->out->endpoint & SOUND ? "file" : "image",
		    "There is no file in the body.");
	if (1u << r->out->endpoint & VARIATIONS)
		r->prompts = 1;
	return openai_check_whole(r);
}

bool
openai_read_form(struct arena *a, enum endpoint endpoint, struct str type,
    struct str body, struct asked *out, struct fault *f)
{
	struct reading r = { .arena = a, .out = out, .fault = f };
	struct str boundary;
	const char *why = multipart_boundary(type, &boundary);

	assert(endpoint < N_ENDPOINTS && 1u << endpoint & ALL);
	*out = (struct asked){ .endpoint = endpoint, .body = body,
		.by_path = out->by_path, .model = out->by_path.model,
		.max_output = -1 };
	if (why)
		return fault_set(f, a, FAULT_MEDIA_TYPE,
		    "The Content-Type %s.", why);
	out->boundary = boundary;
	return read_parts(&r, body, boundary);
}
