/* SPDX-License-Identifier: MIT */
/* template.c - text with five kinds of holes; see template.h. */
#include "handlers/page/template.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/mem.h"

enum { MAX_TEMPLATES = 128, MAX_DEPTH = 16, MAX_BYTES = 1 << 20 };

struct template {
	char *name;		/* without ".html" */
	struct buf text;
};

struct templates {
	struct template list[MAX_TEMPLATES];
	int n;
};

/* The objects names are looked up in, innermost last. */
struct scope {
	const json_t *objects[MAX_DEPTH];
	int n;
};

void
html_escape(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&':  buf_put(out, S("&amp;")); break;
		case '<':  buf_put(out, S("&lt;")); break;
		case '>':  buf_put(out, S("&gt;")); break;
		case '"':  buf_put(out, S("&quot;")); break;
		case '\'': buf_put(out, S("&#39;")); break;
		default:   buf_char(out, s.p[i]);
		}
	}
}

/* --- Holes -------------------------------------------------------------- */

struct hole {
	struct str before;	/* plain text in front of it */
	char kind;		/* one of "#^/>!", 'v' for a value, 0: none */
	struct str name;
};

/* The next hole of *rest, which goes behind it. */
static struct hole
next_hole(struct str *rest)
{
	struct hole h = { .before = *rest };
	const char *open = rest->n ? memmem(rest->p, rest->n, "{{", 2) : NULL;
	const char *close = open ? memmem(open, rest->n -
	    (size_t)(open - rest->p), "}}", 2) : NULL;

	if (!close) {
		*rest = S("");
		return h;
	}
	h.before.n = (size_t)(open - rest->p);
	h.name = str_trim(str_from(open + 2, (size_t)(close - open) - 2));
	h.kind = 'v';
	if (h.name.n && strchr("#^/>!", h.name.p[0])) {
		h.kind = h.name.p[0];
		h.name = str_trim(str_skip(h.name, 1));
	}
	*rest = str_skip(*rest, (size_t)(close + 2 - rest->p));
	return h;
}

/* Cuts the section that was opened with `name` off *rest. */
static struct str
section(struct str *rest, struct str name)
{
	const char *begin = rest->p;
	int depth = 1;

	for (;;) {
		struct hole h = next_hole(rest);

		assert(h.kind && "templates are checked when they are read");
		if (str_eq(h.name, name))
			depth += (h.kind == '#' || h.kind == '^') -
			    (h.kind == '/');
		if (depth == 0)
			return str_from(begin, (size_t)(h.before.p +
			    h.before.n - begin));
	}
}

static const json_t *
look_up(const struct scope *s, struct str name)
{
	char z[64];

	assert(name.n < sizeof(z));
	memcpy(z, name.p, name.n);
	z[name.n] = '\0';
	for (int i = s->n - 1; i >= 0; i--) {
		const json_t *v = json_object_get(s->objects[i], z);

		if (v)
			return v;
	}
	return NULL;
}

static void
put_number(struct buf *out, int64_t n)
{
	char room[STR_INT];
	struct str s = str_digits(n, room);
	size_t lead = n < 0;

	if (s.n - lead < 5) {
		buf_put(out, s);
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (i > lead && (s.n - i) % 3 == 0)
			buf_char(out, ',');
		buf_char(out, s.p[i]);
	}
}

static void
put_value(struct buf *out, const json_t *v)
{

	if (json_is_string(v)) {
		html_escape(out, str_from(json_string_value(v),
		    json_string_length(v)));
	} else if (json_is_integer(v)) {
		put_number(out, json_integer_value(v));
	}
}

static bool
is_empty(const json_t *v)
{
	return !v || json_is_null(v) || json_is_false(v) ||
	    (json_is_array(v) && json_array_size(v) == 0);
}

static void render(const struct templates *t, struct str text,
    struct scope *s, struct buf *out);

static void
render_with(const struct templates *t, struct str text, struct scope *s,
    const json_t *object, struct buf *out)
{
	assert(s->n < MAX_DEPTH);
	s->objects[s->n++] = object;
	render(t, text, s, out);
	s->n--;
}

static void
render_section(const struct templates *t, struct str text, struct scope *s,
    const json_t *v, struct buf *out)
{
	if (!json_is_array(v)) {
		render_with(t, text, s, v, out);
		return;
	}
	for (size_t i = 0; i < json_array_size(v); i++)
		render_with(t, text, s, json_array_get(v, i), out);
}

static const struct template *
find(const struct templates *t, struct str name)
{
	for (int i = 0; i < t->n; i++)
		if (str_eq(str_of(t->list[i].name), name))
			return &t->list[i];
	return NULL;
}

static void
render(const struct templates *t, struct str text, struct scope *s,
    struct buf *out)
{
	while (text.n) {
		struct hole h = next_hole(&text);
		const json_t *v;

		buf_put(out, h.before);
		switch (h.kind) {
		case 'v':
			v = look_up(s, h.name);
			assert(v && "a template's name without data");
			put_value(out, v);
			break;
		case '#':
			v = look_up(s, h.name);
			h.before = section(&text, h.name);
			if (!is_empty(v))
				render_section(t, h.before, s, v, out);
			break;
		case '^':
			v = look_up(s, h.name);
			h.before = section(&text, h.name);
			if (is_empty(v))
				render(t, h.before, s, out);
			break;
		case '>':
			render(t, buf_str(&find(t, h.name)->text), s, out);
			break;
		}
	}
}

bool
templates_have(const struct templates *t, const char *name)
{
	return find(t, str_of(name)) != NULL;
}

void
template_render(const struct templates *t, const char *name,
    const json_t *data, struct buf *out)
{
	template_render_in(t, name, NULL, 0, data, out);
}

void
template_render_in(const struct templates *t, const char *name,
    const json_t *const *around, int n, const json_t *data, struct buf *out)
{
	const struct template *found = find(t, str_of(name));
	struct scope s = { .n = 0 };

	assert(found && n < MAX_DEPTH);
	while (s.n < n) {
		s.objects[s.n] = around[s.n];
		s.n++;
	}
	s.objects[s.n++] = data;
	render(t, buf_str(&found->text), &s, out);
}

/* --- Reading ------------------------------------------------------------ */

static int
line_of(const struct template *t, struct str rest)
{
	int line = 1;

	for (const char *p = t->text.p; p < t->text.p + t->text.n - rest.n;
	    p++)
		line += *p == '\n';
	return line;
}

static bool
check(const struct templates *all, const struct template *t, struct arena *a,
    struct str *why)
{
	struct str open[MAX_DEPTH], rest = buf_str(&t->text);
	const char *wrong = NULL;
	int n = 0;

	while (rest.n && !wrong) {
		struct hole h = next_hole(&rest);

		if (h.kind == '#' || h.kind == '^') {
			if (n == MAX_DEPTH)
				wrong = "sections are too deep";
			else
				open[n++] = h.name;
		} else if (h.kind == '/') {
			if (n == 0 || !str_eq(open[n - 1], h.name))
				wrong = "this section was not opened";
			else
				n--;
		} else if (h.kind == '>' && !find(all, h.name)) {
			wrong = "there is no such part";
		} else if (h.kind == 'v' && (h.name.n == 0 ||
		    h.name.n > 63)) {
			wrong = "not a name";
		}
	}
	if (!wrong && n)
		wrong = "a section is not closed";
	if (wrong)
		*why = arena_printf(a, "template %s.html line %d: %s",
		    t->name, line_of(t, rest), wrong);
	return !wrong;
}

struct str
templates_unknown(const struct templates *t, struct str head,
    const json_t *known, struct arena *a)
{
	for (int i = 0; i < t->n; i++) {
		struct str rest = buf_str(&t->list[i].text);

		while (rest.n) {
			struct hole h = next_hole(&rest);
			struct str name = arena_str(a, h.name);

			if (h.kind == 'v' && str_starts(name, head) &&
			    !json_object_get(known, name.p))
				return arena_printf(a, "template %s.html: "
				    "there is no text %s", t->list[i].name,
				    name.p);
		}
	}
	return S("");
}

static bool
read_file(struct template *t, const char *path)
{
	FILE *f = fopen(path, "re");
	char block[4096];
	size_t n;
	bool ok;

	if (!f)
		return false;
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_put(&t->text, str_from(block, n));
	ok = !ferror(f) && !t->text.full;
	fclose(f);
	return ok;
}

/* Is there one tag on the line and nothing else, and does it say nothing? */
static bool
stands_alone(struct str line)
{
	struct str rest = str_trim(line);
	struct hole h = next_hole(&rest);

	return h.kind && h.kind != 'v' && h.before.n == 0 &&
	    str_trim(rest).n == 0;
}

/*
 * A line with nothing but a tag is the tag, as the Mustache specification has
 * it: its blanks and its end go.  After check, whose line numbers count them.
 */
static void
tidy(struct template *t)
{
	struct str rest = buf_str(&t->text);
	struct buf out = BUF_HEAP(MAX_BYTES);

	while (rest.n) {
		size_t before = rest.n;
		struct str line = rest;

		str_cut(&rest, '\n');
		line.n = before - rest.n;
		buf_put(&out, stands_alone(line) ? str_trim(line) : line);
	}
	buf_release(&t->text);
	t->text = out;
}

static bool
add(struct templates *t, const char *dir, const char *file, struct arena *a,
    struct str *why)
{
	struct str path = arena_printf(a, "%s/%s", dir, file);
	struct template *new = &t->list[t->n];

	if (t->n == MAX_TEMPLATES) {
		*why = arena_printf(a, "%s: more than %d templates", dir,
		    MAX_TEMPLATES);
		return false;
	}
	t->n++;
	new->name = xstrdup(file);
	new->name[strlen(file) - 5] = '\0';
	new->text = BUF_HEAP(MAX_BYTES);
	if (read_file(new, path.p))
		return true;
	*why = arena_printf(a, "%s: cannot be read: %s", path.p,
	    strerror(errno));
	return false;
}

struct templates *
templates_open(const char *dir, struct arena *a, struct str *why)
{
	struct templates *t = xnew(struct templates);
	DIR *d = opendir(dir);
	struct dirent *e;
	bool ok = d != NULL;

	if (!d)
		*why = arena_printf(a, "www: %s: %s; set www to the folder "
		    "that holds index.html", dir, strerror(errno));
	while (ok && (e = readdir(d)) != NULL)
		if (str_ends(str_of(e->d_name), S(".html")))
			ok = add(t, dir, e->d_name, a, why);
	if (d)
		closedir(d);
	for (int i = 0; ok && i < t->n; i++)
		ok = check(t, &t->list[i], a, why);
	for (int i = 0; ok && i < t->n; i++)
		tidy(&t->list[i]);
	if (ok)
		return t;
	templates_free(t);
	return NULL;
}

void
templates_free(struct templates *t)
{
	if (!t)
		return;
	for (int i = 0; i < t->n; i++) {
		free(t->list[i].name);
		buf_release(&t->list[i].text);
	}
	free(t);
}
