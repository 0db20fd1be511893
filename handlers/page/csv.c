/* SPDX-License-Identifier: MIT */
/* csv.c - a row as CSV or NDJSON; see csv.h. */
#include "handlers/page/csv.h"

#include <string.h>

/* Does a spreadsheet take a text for a formula that begins so? */
static bool
is_formula(struct str s)
{
	return s.n && strchr("=+-@\t\r", s.p[0]) && s.p[0];
}

/* A number of ours, with its sign, is a number. */
static bool
is_number(struct str s)
{
	size_t digits = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= '0' && s.p[i] <= '9')
			digits++;
		else if (s.p[i] != '.' && (i || s.p[i] != '-'))
			return false;
	}
	return digits > 0;
}

static void
put_cell(struct buf *out, struct str s)
{
	buf_char(out, '"');
	if (is_formula(s) && !is_number(s))
		buf_char(out, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_char(out, '"');
		buf_char(out, s.p[i]);
	}
	buf_char(out, '"');
}

static bool
for_people(const char *name)
{
	return strcmp(name, "href") == 0 || str_ends(str_of(name),
	    S("_text")) || str_ends(str_of(name), S("_href"));
}

static bool
is_cell(const char *name, const json_t *v)
{
	return !for_people(name) && !json_is_array(v) && !json_is_object(v);
}

void
csv_names(struct buf *out, const json_t *row)
{
	const char *name;
	json_t *v;
	bool first = true;

	json_object_foreach((json_t *)(uintptr_t)row, name, v) {
		if (!is_cell(name, v))
			continue;
		buf_printf(out, "%s%s", first ? "" : ",", name);
		first = false;
	}
	buf_put(out, S("\r\n"));
}

void
csv_cells(struct buf *out, const json_t *row)
{
	const char *name;
	json_t *v;
	bool first = true;

	json_object_foreach((json_t *)(uintptr_t)row, name, v) {
		if (!is_cell(name, v))
			continue;
		if (!first)
			buf_char(out, ',');
		first = false;
		if (json_is_string(v))
			put_cell(out, str_from(json_string_value(v),
			    json_string_length(v)));
		else if (json_is_integer(v))
			buf_int(out, json_integer_value(v));
		else if (json_is_boolean(v))
			buf_put(out, json_is_true(v) ? S("true") :
			    S("false"));
	}
	buf_put(out, S("\r\n"));
}

static int
put_bytes(const char *bytes, size_t n, void *out)
{
	return buf_put(out, str_from(bytes, n)) ? 0 : -1;
}

void
json_put(struct buf *out, const json_t *v)
{
	json_dump_callback(v, put_bytes, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

void
ndjson_line(struct buf *out, const json_t *row)
{
	json_t *bare = json_object();
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)row, name, v)
		if (!for_people(name))
			json_object_set(bare, name, v);
	json_put(out, bare);
	buf_char(out, '\n');
	json_decref(bare);
}
