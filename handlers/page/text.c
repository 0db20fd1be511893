/* SPDX-License-Identifier: MIT */
/* text.c - what pages say; see text.h. */
#include "handlers/page/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/log.h"

enum { FILE_MAX = 1 << 20, NAME_MAX_BYTES = 60 };

static bool
read_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "re");
	char block[4096];
	size_t n;
	bool ok;

	if (!f)
		return false;
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_put(b, str_from(block, n));
	ok = !ferror(f) && !b->full;
	fclose(f);
	return ok;
}

/* NULL: fine; else what is wrong with the line. */
static const char *
add_line(json_t *texts, struct str line, struct arena *a)
{
	struct str name, full;
	json_t *text;

	if (!memchr(line.p, '=', line.n))
		return "a line is \"name = text\"";
	name = str_trim(str_cut(&line, '='));
	line = str_trim(line);
	if (name.n == 0 || name.n > NAME_MAX_BYTES)
		return "a name has 1 to 60 bytes";
	full = arena_printf(a, "t.%.*s", STR_ARGS(name));
	if (json_object_get(texts, full.p))
		return "this text is there already";
	text = json_stringn(line.n ? line.p : "", line.n);
	return !text || json_object_set_new(texts, full.p, text) != 0 ?
	    "not UTF-8" : NULL;
}

json_t *
texts_read(const char *path, struct arena *a, struct str *why)
{
	struct buf b = BUF_HEAP(FILE_MAX);
	json_t *texts = json_object();
	const char *wrong = NULL;
	struct str rest;
	int number = 0;

	if (!read_file(path, &b)) {
		*why = arena_printf(a, "%s: cannot be read: %s", path,
		    strerror(errno));
		json_decref(texts);
		buf_release(&b);
		return NULL;
	}
	rest = buf_str(&b);
	while (rest.n && !wrong) {
		struct str line = str_trim(str_cut(&rest, '\n'));

		number++;
		if (line.n && line.p[0] != '#')
			wrong = add_line(texts, line, a);
	}
	buf_release(&b);
	if (!wrong)
		return texts;
	*why = arena_printf(a, "%s line %d: %s", path, number, wrong);
	json_decref(texts);
	return NULL;
}

struct str
text_say(const json_t *texts, struct arena *a, const char *name,
    const struct str *fill)
{
	const json_t *v = json_object_get(texts, arena_printf(a, "t.%s",
	    name).p);
	struct buf b = BUF(a, FILE_MAX);
	struct str rest;

	if (!v) {
		log_error("there is no text %s", name);
		return arena_str(a, str_of(name));
	}
	rest = str_from(json_string_value(v), json_string_length(v));
	while (rest.n) {
		const char *hole = memmem(rest.p, rest.n, "{}", 2);
		size_t n = hole ? (size_t)(hole - rest.p) : rest.n;

		buf_put(&b, str_from(rest.p, n));
		rest = str_skip(rest, hole ? n + 2 : n);
		if (hole && fill && fill->p)
			buf_put(&b, *fill++);
	}
	return buf_str(&b);
}
