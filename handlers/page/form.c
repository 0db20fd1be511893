/* SPDX-License-Identifier: MIT */
/* form.c - what a browser sends from a form; see form.h. */
#include "handlers/page/form.h"

#include <string.h>

/* Plus signs and percent signs decoded; false: a broken one. */
static bool
decode(struct str s, struct buf *out)
{
	while (s.n) {
		bool plus = s.p[0] == '+';
		int c = str_percent(&s);

		if (c < 0)
			return false;
		buf_char(out, plus ? ' ' : (char)c);
	}
	return true;
}

struct str
form_field(struct str form, struct arena *a, const char *name)
{
	while (form.n) {
		struct str value = str_cut(&form, '&');
		struct buf key = BUF(a, value.n + 1);
		struct buf out = BUF(a, value.n + 1);

		if (!decode(str_cut(&value, '='), &key) ||
		    !str_eq(buf_str(&key), str_of(name)))
			continue;
		return decode(value, &out) && out.n ? buf_str(&out) : S("");
	}
	return (struct str){ NULL, 0 };
}

bool
form_type(struct str content_type)
{
	return str_eq_nocase(str_trim(str_cut(&content_type, ';')),
	    S("application/x-www-form-urlencoded"));
}

void
form_encode(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || (c && strchr("-_.~/", c)))
			buf_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
