/* SPDX-License-Identifier: MIT */
/* multipart.c - multipart/form-data, read strictly; see multipart.h. */
#include "handlers/dialect/multipart.h"

#include <string.h>

/* --- The content type --- */

static bool
is_boundary_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || (c && strchr("'()+_,-./:=? ", c));
}

static bool
is_token_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct str
skip_blanks(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_skip(s, 1);
	return s;
}

/* `; name=value` at the head of *s, which goes on behind it. */
struct param {
	struct str name, value;
	bool odd; /* a backslash in a quoted value */
};

static bool
next_param(struct str *s, struct param *p)
{
	struct str rest = skip_blanks(*s);
	size_t n = 0;

	*p = (struct param){ 0 };
	if (rest.n == 0 || rest.p[0] != ';')
		return false;
	rest = skip_blanks(str_skip(rest, 1));
	while (n < rest.n && is_token_char(rest.p[n]))
		n++;
	p->name = str_from(rest.p, n);
	rest = skip_blanks(str_skip(rest, n));
	if (n == 0 || rest.n == 0 || rest.p[0] != '=')
		return false;
	rest = skip_blanks(str_skip(rest, 1));
	n = 0;
	if (rest.n && rest.p[0] == '"') {
		rest = str_skip(rest, 1);
		while (n < rest.n && rest.p[n] != '"') {
			p->odd |= rest.p[n] == '\\';
			n += 1 + (rest.p[n] == '\\');
		}
		if (n >= rest.n)
			return false;
		p->value = str_from(rest.p, n);
		*s = str_skip(rest, n + 1);
		return true;
	}
	while (n < rest.n && is_token_char(rest.p[n]))
		n++;
	p->value = str_from(rest.p, n);
	*s = str_skip(rest, n);
	return n > 0;
}

const char *
multipart_boundary(struct str type, struct str *boundary)
{
	struct str rest = str_trim(type);
	struct param p;

	*boundary = (struct str){ 0 };
	if (!str_starts_nocase(rest, S("multipart/form-data")))
		return "is not multipart/form-data";
	rest = str_skip(rest, S("multipart/form-data").n);
	while (skip_blanks(rest).n) {
		if (!next_param(&rest, &p))
			return "cannot be read: it is multipart/form-data; "
			       "boundary=TEXT";
		if (!str_eq_nocase(p.name, S("boundary")))
			continue;
		if (boundary->p)
			return "names two boundaries";
		if (p.value.n == 0 || p.value.n > MULTIPART_BOUNDARY)
			return "has a boundary that is empty, or longer than "
			       "70 characters";
		for (size_t i = 0; i < p.value.n; i++)
			if (!is_boundary_char(p.value.p[i]))
				return "has a boundary with characters that "
				       "may not stand in one";
		if (p.value.p[p.value.n - 1] == ' ')
			return "has a boundary that ends in a blank";
		*boundary = p.value;
	}
	return boundary->p ? NULL : "has no boundary";
}

/* --- The body --- */

void
multipart_begin(struct multipart *m, struct str body, struct str boundary)
{
	*m = (struct multipart){ .body = body, .boundary = boundary };
}

static bool
wrong(struct multipart *m, const char *why)
{
	m->why = why;
	return false;
}

/* What is left to read. */
static struct str
ahead(const struct multipart *m)
{
	return str_skip(m->body, m->at);
}

/* Behind "--boundary": the end of its line, or of everything. */
static bool
pass_boundary(struct multipart *m)
{
	struct str rest = ahead(m);

	if (str_starts(rest, S("\r\n"))) {
		m->at += 2;
		return true;
	}
	if (!str_starts(rest, S("--")))
		return wrong(m, "a boundary is followed by something that is "
		    "neither a line end nor '--'");
	m->ended = true;
	rest = str_skip(rest, 2);
	if (rest.n && !str_eq(rest, S("\r\n")))
		return wrong(m, "there is text behind the closing boundary");
	return true;
}

/* --- A part's header lines --- */

static bool
read_disposition(struct multipart *m, struct str value, struct part *p)
{
	struct str rest = value;
	struct param q;
	bool named = false;

	if (!str_starts_nocase(rest, S("form-data")))
		return wrong(m, "a part's Content-Disposition is not "
		    "form-data");
	rest = str_skip(rest, S("form-data").n);
	while (skip_blanks(rest).n) {
		if (!next_param(&rest, &q))
			return wrong(m, "a part's Content-Disposition cannot "
			    "be read");
		if (str_eq_nocase(q.name, S("name"))) {
			if (named || q.odd || q.value.n == 0)
				return wrong(m, "a part's name is given "
				    "twice, empty, or with a backslash");
			named = true;
			p->name = q.value;
		} else if (str_eq_nocase(q.name, S("name*"))) {
			return wrong(m, "a part's name is given in an "
			    "encoded spelling");
		} else if (str_starts_nocase(q.name, S("filename"))) {
			p->file = true;
		}
	}
	return named || wrong(m, "a part has no name");
}

static bool
is_plain_encoding(struct str value)
{
	return str_eq_nocase(value, S("7bit")) ||
	    str_eq_nocase(value, S("8bit")) ||
	    str_eq_nocase(value, S("binary"));
}

static bool
read_line(struct multipart *m, struct str line, struct part *p, bool *placed)
{
	struct str value = line, name = str_cut(&value, ':');

	if (name.n == line.n || name.n == 0)
		return wrong(m, "a part has a header line without a name");
	for (size_t i = 0; i < name.n; i++)
		if (!is_token_char(name.p[i]))
			return wrong(m, "a part's header line is folded, or "
			    "has an odd name");
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 && value.p[i] != '\t')
			return wrong(m, "a part's header line holds a control "
			    "character");
	value = str_trim(value);
	if (str_eq_nocase(name, S("Content-Disposition"))) {
		if (*placed)
			return wrong(m, "a part has two Content-Disposition "
			    "lines");
		*placed = true;
		return read_disposition(m, value, p);
	}
	if (str_eq_nocase(name, S("Content-Type"))) {
		if (p->type.p)
			return wrong(m, "a part has two Content-Type lines");
		p->type = value;
	} else if (str_eq_nocase(name, S("Content-Transfer-Encoding")) &&
	    !is_plain_encoding(value)) {
		return wrong(m, "a part is encoded: send it as it is");
	}
	return true;
}

static bool
read_head(struct multipart *m, struct part *p)
{
	struct str rest = ahead(m);
	const char *end = memmem(rest.p ? rest.p : "",
	    rest.n < MULTIPART_HEAD ? rest.n : MULTIPART_HEAD, "\r\n\r\n", 4);
	bool placed = false;

	if (!end)
		return wrong(m, "a part's header lines do not end (with an "
		    "empty line, within 8 KiB)");
	rest.n = (size_t)(end - rest.p) + 2;
	while (rest.n) {
		const char *eol = memmem(rest.p, rest.n, "\r\n", 2);
		struct str line = str_from(rest.p, (size_t)(eol - rest.p));

		if (!read_line(m, line, p, &placed))
			return false;
		m->at += line.n + 2;
		rest = str_skip(rest, line.n + 2);
	}
	m->at += 2;
	return placed || wrong(m, "a part has no Content-Disposition");
}

/* The value: up to CRLF "--" boundary. */
static bool
read_value(struct multipart *m, struct part *p)
{
	char line[4 + MULTIPART_BOUNDARY];
	size_t n = 4 + m->boundary.n;
	struct str rest = ahead(m);
	const char *end;

	memcpy(line, "\r\n--", 4);
	memcpy(line + 4, m->boundary.p, m->boundary.n);
	end = rest.n ? memmem(rest.p, rest.n, line, n) : NULL;
	if (!end) {
		m->at = m->body.n;
		return wrong(m, "the closing boundary is missing");
	}
	p->value = str_from(rest.p, (size_t)(end - rest.p));
	m->at += p->value.n + n;
	return true;
}

bool
multipart_next(struct multipart *m, struct part *p)
{
	*p = (struct part){ 0 };
	if (m->why || m->ended)
		return false;
	if (m->at == 0) {
		struct str rest = m->body;

		if (!str_starts(rest, S("--")) ||
		    !str_starts(str_skip(rest, 2), m->boundary))
			return wrong(m, "it does not begin with its boundary");
		m->at = 2 + m->boundary.n;
		if (!pass_boundary(m) || m->ended)
			return false;
	}
	if (++m->parts > MULTIPART_PARTS)
		return wrong(m, "it has more than 256 parts");
	return read_head(m, p) && read_value(m, p) && pass_boundary(m);
}
