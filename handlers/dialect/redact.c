/* SPDX-License-Identifier: MIT */
/*
 * redact.c - a foreign text made fit for a caller and a log; see redact.h.
 *
 * Word by word.  A word that looks like a key, a host or an account goes as a
 * whole: too much rather than too little.
 */
#include "handlers/dialect/redact.h"

#include "fcgi/base/buf.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

enum {
	ID_BYTES = 8, /* of an account's id behind its prefix */
	PIECE_BYTES = 8 /* of a secret, that may not be shown */
};

static const char between_words[] = " \t\r\n\"'`()<>[]{},;:=|";
static const char behind_address[] = " \t\r\n\"'`<>";

static const struct str key_heads[] = {
	STR_INIT("sk-"), STR_INIT("sk_"), STR_INIT("rk-"), STR_INIT("AIza"),
	STR_INIT("AKIA"), STR_INIT("ASIA"), STR_INIT("gsk_"), STR_INIT("xai-"),
	STR_INIT("pplx-"), STR_INIT("hf_"), STR_INIT("ya29."),
	STR_INIT("eyJ"), /* a JSON web token */
};

static const struct str account_heads[] = {
	STR_INIT("org-"),
	STR_INIT("proj_"),
	STR_INIT("user-"),
	STR_INIT("acct_"),
};

/* Last labels that make a word with dots a host, not a member's path. */
static const struct str host_tails[] = {
	STR_INIT("com"),
	STR_INIT("net"),
	STR_INIT("org"),
	STR_INIT("io"),
	STR_INIT("ai"),
	STR_INIT("cn"),
	STR_INIT("dev"),
	STR_INIT("app"),
	STR_INIT("cloud"),
	STR_INIT("local"),
	STR_INIT("localdomain"),
	STR_INIT("internal"),
	STR_INIT("lan"),
	STR_INIT("eu"),
	STR_INIT("us"),
	STR_INIT("de"),
	STR_INIT("fr"),
	STR_INIT("uk"),
	STR_INIT("jp"),
	STR_INIT("kr"),
	STR_INIT("co"),
	STR_INIT("xyz"),
	STR_INIT("me"),
	STR_INIT("tech"),
};

static bool
has_head(struct str word, const struct str *heads, size_t n, size_t least)
{
	for (size_t i = 0; i < n; i++)
		if (str_starts(word, heads[i]) && word.n >= heads[i].n + least)
			return true;
	return false;
}

static bool
is_number(struct str label)
{
	int64_t v;

	return str_int(label, &v) && v >= 0 && v <= 255;
}

static bool
is_host(struct str word)
{
	struct str label = { 0 };
	int labels = 0, numbers = 0;

	word = str_cut(&word, '/');
	while (word.n && word.p[word.n - 1] == '.')
		word.n--;
	if (str_eq_nocase(word, S("localhost")))
		return true;
	while (word.n) {
		label = str_cut(&word, '.');
		labels++;
		numbers += is_number(label);
	}
	if (labels == 4 && numbers == 4)
		return true;
	for (size_t i = 0; labels > 1 && i < countof(host_tails); i++)
		if (str_eq_nocase(label, host_tails[i]))
			return true;
	return false;
}

static bool
is_secret(struct str word)
{
	return str_starts(word, S("//")) ||
	    has_head(word, key_heads, countof(key_heads), 4) ||
	    has_head(word, account_heads, countof(account_heads), ID_BYTES) ||
	    is_host(word);
}

/* Whole characters of text: a control becomes a blank, what is no UTF-8 '?'. */
static void
put_clean(struct buf *b, struct str text)
{
	size_t n;

	while (text.n) {
		n = json_utf8(text);
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)text.p[i];

			buf_char(b, c < 0x20 || c == 0x7f ? ' ' : (char)c);
		}
		text = str_skip(text, n);
		if (text.n) {
			buf_char(b, '?');
			text = str_skip(text, 1);
		}
	}
}

static size_t
word_length(struct str text)
{
	const char *ends =
	    str_starts(text, S("//")) ? behind_address : between_words;
	size_t n = 0;

	while (n < text.n && (text.p[n] == '\0' || !strchr(ends, text.p[n])))
		n++;
	return n;
}

struct str
redact(struct arena *a, struct str text, size_t max)
{
	struct buf b = BUF(a, max * 4 + 16);
	size_t most = max + 4; /* a character may begin before the limit */
	bool bearer = false;
	struct str word, out;

	while (text.n && b.n < max) {
		word = str_from(text.p, word_length(text));
		if (word.n == 0) {
			put_clean(&b, str_from(text.p, 1));
			text = str_skip(text, 1);
			continue;
		}
		text = str_skip(text, word.n);
		if (bearer || is_secret(word))
			buf_put(&b, S("[redacted]"));
		else
			put_clean(&b,
			    str_from(word.p, word.n < most ? word.n : most));
		bearer = str_eq_nocase(word, S("bearer"));
	}
	out = buf_str(&b);
	if (out.n > max)
		out.n = max;
	out.n = json_utf8(out);
	return out;
}

/* How much of text's beginning is somewhere in the secret. */
static size_t
shared(struct str text, struct str secret)
{
	size_t n, most = 0;

	for (; secret.n > most; secret = str_skip(secret, 1)) {
		for (n = 0; n < text.n && n < secret.n &&
		    text.p[n] == secret.p[n];)
			n++;
		if (n > most)
			most = n;
	}
	return most;
}

struct str
redact_secret(struct arena *a, struct str text, struct str secret)
{
	struct buf b = BUF(a, text.n * 2 + 16);
	struct str rest = text;
	bool found = false;
	size_t n;

	while (rest.n) {
		n = shared(rest, secret);
		if (n >= PIECE_BYTES) {
			buf_put(&b, S("[redacted]"));
			found = true;
		} else {
			n = 1;
			buf_char(&b, rest.p[0]);
		}
		rest = str_skip(rest, n);
	}
	return found ? buf_str(&b) : text;
}
