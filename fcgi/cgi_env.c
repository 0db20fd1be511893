/* SPDX-License-Identifier: MIT */
/* cgi_env.c - the environment of a CGI process as a request; see cgi.h. */
#include "fcgi/base/mem.h"
#include "fcgi/cgi_part.h"

static const char *const names[] = {
#define PARAM(name) #name,
#include "fcgi/param.def"
#undef PARAM
};

const char *
cgi_variable(const struct cgi *c, struct str name)
{
	for (char *const *e = c->conf->env; *e; e++)
		if (strncmp(*e, name.p, name.n) == 0 && (*e)[name.n] == '=')
			return *e + name.n + 1;
	return NULL;
}

/*
 * The variables of the request are what weir reads, and every header (they
 * are counted).  The rest of the environment is nobody's business.
 */
static bool
is_of_request(struct str name)
{
	if (str_starts(name, S("HTTP_")))
		return true;
	for (size_t i = 0; i < countof(names); i++)
		if (str_eq(name, str_of(names[i])))
			return true;
	return false;
}

static void
put_length(struct buf *b, size_t n)
{
	if (n >= 128) {
		buf_char(b, (char)(0x80 | n >> 24));
		buf_char(b, (char)(n >> 16));
		buf_char(b, (char)(n >> 8));
	}
	buf_char(b, (char)n);
}

static void
put_param(struct buf *b, struct str name, struct str value)
{
	put_length(b, name.n);
	put_length(b, value.n);
	buf_put(b, name);
	buf_put(b, value);
}

/*
 * After an internal redirect of Apache (mod_rewrite in .htaccess) what was
 * set before it is called REDIRECT_… .  No header can have such a name.
 */
static void
put_redirected(const struct cgi *c, struct buf *params)
{
	static const struct str set[] = { STR_INIT("HTTP_AUTHORIZATION"),
	    STR_INIT("WEIR_MOUNT") };
	struct str prefixed[] = { STR_INIT("REDIRECT_HTTP_AUTHORIZATION"),
	    STR_INIT("REDIRECT_WEIR_MOUNT") };

	for (size_t i = 0; i < countof(set); i++) {
		const char *value = cgi_variable(c, prefixed[i]);

		if (value && !cgi_variable(c, set[i]))
			put_param(params, set[i], str_of(value));
	}
}

static void
put_record(struct buf *b, int type, struct str content)
{
	uint8_t head[RECORD_HEAD_BYTES];

	record_head(head, type, REQUEST_ID, content.n);
	buf_put(b, str_from(head, sizeof(head)));
	buf_put(b, content);
}

bool
cgi_put_request(struct cgi *c)
{
	static const char responder[8] = { 0, 1 };
	struct buf params = BUF_HEAP(LIMIT_PARAMS_BYTES);
	bool fits;

	put_record(&c->up, RECORD_BEGIN, str_from(responder, 8));
	for (char *const *e = c->conf->env; *e; e++) {
		struct str value = str_of(*e), name = str_cut(&value, '=');

		if (is_of_request(name))
			put_param(&params, name, value);
	}
	put_redirected(c, &params);
	fits = !params.full;
	for (struct str rest = buf_str(&params); rest.n; ) {
		size_t n = rest.n < PIECE ? rest.n : PIECE;

		put_record(&c->up, RECORD_PARAMS, str_from(rest.p, n));
		rest = str_skip(rest, n);
	}
	put_record(&c->up, RECORD_PARAMS, S(""));
	buf_release(&params);
	return fits;
}

int64_t
cgi_body_length(const struct cgi *c)
{
	struct str length = str_of(cgi_variable(c, S("CONTENT_LENGTH")));
	int64_t n;

	if (length.n == 0)
		return cgi_variable(c, S("HTTP_TRANSFER_ENCODING")) ? -1 : 0;
	/* What is no number is refused by whoever reads the request. */
	return str_int(length, &n) && n >= 0 ? n : 0;
}
