/* SPDX-License-Identifier: MIT */
/* form.c - what a browser sends from a form; see form.h. */
#include "handlers/page/form.h"

#include "fcgi/base/buf.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Plus signs and percent signs decoded; false: a broken one. */
static bool
decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (s.n - i < 3 || hex(s.p[i + 1]) < 0 ||
			    hex(s.p[i + 2]) < 0)
				return false;
			c = (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
			i += 2;
		}
		buf_char(out, c);
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
