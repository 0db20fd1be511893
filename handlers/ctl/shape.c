/* SPDX-License-Identifier: MIT */
/*
 * shape.c - objects read from, and written as, JSON by a table of members.
 */
#include <stdarg.h>

#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "handlers/ctl/noun.h"

/* --- where something is wrong --------------------------------------------- */

static void
put_path(struct buf *b, const struct place *at)
{
	if (!at || !at->up)
		return;
	put_path(b, at->up);
	if (at->name.n)
		buf_printf(b, "%s%.*s", b->n ? "." : "",
		    STR_ARGS(at->name));
	else
		buf_printf(b, "[%zu]", at->index);
}

static size_t
line_of(struct str text, const char *p)
{
	size_t line = 1;

	for (const char *q = text.p; q < p; q++)
		line += *q == '\n';
	return line;
}

bool
wrong(struct reading *r, const struct place *at, const char *format, ...)
{
	struct buf b = BUF(r->arena, 8192);
	struct buf path = BUF(r->arena, 1024);
	va_list ap;

	if (r->why.n)
		return false;
	put_path(&path, at);
	if (r->file.n)
		buf_printf(&b, "%.*s line %zu: ", STR_ARGS(r->file),
		    line_of(r->text, at->value.p));
	if (path.n)
		buf_printf(&b, "%.*s: ", STR_ARGS(buf_str(&path)));
	va_start(ap, format);
	buf_vprintf(&b, format, ap);
	va_end(ap);
	r->why = buf_str(&b);
	return false;
}

bool
lost(struct reading *r)
{
	if (!r->why.n)
		r->why = arena_printf(r->arena, "nothing was changed, the "
		    "database failed: %s", db_words(r->db));
	return false;
}

struct place
place_in(const struct place *at, struct str name)
{
	struct str value = json_get(at->value, name);

	return (struct place){ .up = at, .name = name,
	    .value = value.n ? value : at->value };
}

/* --- reading -------------------------------------------------------------- */

static const struct member *
find(const struct member *members, struct str name, unsigned *index)
{
	for (*index = 0; members[*index].name; ++*index)
		if (str_eq(name, str_of(members[*index].name)))
			return &members[*index];
	return NULL;
}

/* The place of a name in `known`, from 1 on, or 0. */
static unsigned
known_at(const char *const *known, struct str name)
{
	for (unsigned i = 0; known && known[i]; i++)
		if (str_eq(name, str_of(known[i])))
			return i + 1;
	return 0;
}

static bool
unknown(struct reading *r, const struct place *at,
    const struct member *members, const char *const *known)
{
	struct buf b = BUF(r->arena, 4096);

	for (; known && *known; known++)
		buf_printf(&b, "%s%s", b.n ? ", " : "", *known);
	for (; members->name; members++)
		if (members->kind != &kind_later)
			buf_printf(&b, "%s%s", b.n ? ", " : "",
			    members->name);
	return wrong(r, at, "there is no such member; there are %.*s",
	    STR_ARGS(buf_str(&b)));
}

bool
shape_read(struct reading *r, const struct place *at,
    const struct member *members, const char *const *known, void *object,
    const void *blank)
{
	struct json_each each = json_each(at->value);
	uint64_t seen = 0;

	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "an object {…} is expected");
	while (json_next(&each)) {
		struct str quoted = { each.name.p - 1, each.name.n + 2 };
		struct place here = { .up = at, .value = each.value,
			.name = json_text(r->arena, quoted) };
		const struct member *m;
		unsigned dealt = known_at(known, here.name), index;

		m = find(members, here.name, &index);
		if (!m && !dealt)
			return unknown(r, &here, members, known);
		if (dealt)
			index = 63 - dealt;
		if (seen >> index & 1)
			return wrong(r, &here, "this member is there twice");
		seen |= (uint64_t)1 << index;
		if (dealt)
			continue;
		if (json_kind(each.value) != JSON_IS_NULL) {
			if (!m->kind->read(r, &here, m,
			    FIELD(object, void, m->at)))
				return false;
		} else if (m->kind->size) {
			memcpy(FIELD(object, char, m->at),
			    CFIELD(blank, char, m->at), m->kind->size);
		}
	}
	return true;
}

/* --- writing -------------------------------------------------------------- */

enum { SHOWN = 64 << 20 };

static struct str
shown(struct arena *a, const struct member *m, const void *object)
{
	struct buf b = BUF(a, SHOWN);

	m->kind->show(&b, CFIELD(object, char, m->at));
	return buf_str(&b);
}

void
shape_show(struct buf *b, const struct member *members, const void *object,
    const void *blank)
{
	struct arena a;

	arena_init(&a);
	for (; members->name; members++) {
		struct str value;

		if (!members->kind->show)
			continue;
		value = shown(&a, members, object);
		if (!str_eq(value, shown(&a, members, blank)))
			buf_printf(b, ",\"%s\":%.*s", members->name,
			    STR_ARGS(value));
	}
	arena_release(&a);
}

struct str
shape_diff(struct arena *a, const struct member *members, const void *was,
    const void *is)
{
	struct buf b = BUF(a, 4096);
	struct arena scratch;

	arena_init(&scratch);
	for (; members->name; members++)
		if (members->kind->show &&
		    !str_eq(shown(&scratch, members, was),
		    shown(&scratch, members, is)))
			buf_printf(&b, "%s%s", b.n ? ", " : "",
			    members->name);
	arena_release(&scratch);
	return buf_str(&b);
}
