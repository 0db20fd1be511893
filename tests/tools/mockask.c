/* SPDX-License-Identifier: MIT */
/* mockask.c - reading a request; see mockask.h. */
#include "tests/tools/mockask.h"

#include <strings.h>

#include "tests/tools/mockmedia.h"

void
plain_copy(char *to, size_t room, struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n + 1 < room; i++)
		if (s.p[i] > 0x20 && s.p[i] < 0x7f && s.p[i] != '"' &&
		    s.p[i] != '\\')
			to[n++] = s.p[i];
	to[n] = 0;
}

static void
ask_header(struct ask *a, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	struct slice v;
	size_t name_n;

	if (!colon || !strchr("acxtACXT", *line))
		return;
	name_n = (size_t)(colon - line);
	v.p = json_blank(colon + 1, line + n);
	v.n = (size_t)(line + n - v.p);
#define IS(word) \
	(name_n == sizeof(word) - 1 && \
	    !strncasecmp(line, word, sizeof(word) - 1))
	if (IS("content-length")) {
		a->body_n = (size_t)strtoull(v.p, NULL, 10);
	} else if (IS("connection")) {
		a->keep = a->keep && strncasecmp(v.p, "close", 5);
	} else if (IS("transfer-encoding")) {
		a->chunked = true;
	} else if (IS("x-request-id")) {
		plain_copy(a->id, sizeof a->id, v);
	} else if (IS("authorization") || IS("api-key") || IS("x-api-key")) {
		if (v.n > 7 && !strncasecmp(v.p, "bearer ", 7))
			v = (struct slice){ v.p + 7, v.n - 7 };
		plain_copy(a->key, sizeof a->key, v);
		n = strlen(a->key);
		memcpy(a->last4, a->key + (n > 4 ? n - 4 : n), n > 4 ? 4 : 0);
	}
#undef IS
}

int
ask_head(struct ask *a, const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4), *line, *next;

	if (!end)
		return n > 4 << 20 ? -1 : 0;
	*a = (struct ask){ .keep = true, .n = 1, .max_tokens = -1 };
	a->head_n = (size_t)(end - p) + 4;
	a->head = (struct slice){ p, a->head_n };
	line = memchr(p, '\r', n);
	next = memchr(p, ' ', (size_t)(line - p));
	if (!next)
		return -1;
	a->method = (struct slice){ p, (size_t)(next - p) };
	a->path.p = ++next;
	next = memchr(next, ' ', (size_t)(line - next));
	if (!next)
		return -1;
	a->path.n = (size_t)(next - a->path.p);
	a->keep = next[8] != '0'; /* " HTTP/1.0" */
	while (line < end) {
		line += 2;
		next = memchr(line, '\r', (size_t)(end + 2 - line));
		ask_header(a, line, (size_t)(next - line));
		line = next;
	}
	return 1;
}

/* Characters and words of a JSON string as a person would count them. */
static void
ask_count(struct ask *a, struct slice s)
{
	bool in_word = false, blank;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		blank = c == ' ';
		if (c == '\\' && i + 1 < s.n) {
			c = (unsigned char)s.p[++i];
			blank = c == 'n' || c == 't' || c == 'r';
			if (c == 'u') {
				i += 4;
				/* A low surrogate ends a character begun. */
				if (i < s.n &&
				    !strncasecmp(s.p + i - 3, "d", 1) &&
				    strchr("cdefCDEF", s.p[i - 2]))
					a->chars--;
			}
		} else if ((c & 0xc0) == 0x80) {
			continue;
		}
		a->chars++;
		if (!blank && !in_word)
			a->words++;
		in_word = !blank;
	}
}

/* A message's content: a string, or parts of which some have text. */
static void
ask_content(struct ask *a, struct slice v)
{
	struct slice part;

	if (json_string(v).p)
		ask_count(a, json_string(v));
	else if (v.p && *v.p == '[')
		while (json_next(&v, NULL, &part))
			ask_count(a, json_string(json_get(part, "text")));
}

static void
ask_body(struct ask *a)
{
	struct slice rest = a->body, name, v, item;

	if (!a->body.n || *json_blank(a->body.p, a->body.p + a->body.n) != '{')
		return;
	while (json_next(&rest, &name, &v)) {
		if (slice_is(name, "model"))
			plain_copy(a->model, sizeof a->model, json_string(v));
		else if (slice_is(name, "stream"))
			a->stream = slice_is(v, "true");
		else if (slice_is(name, "n"))
			a->n = json_long(v, 1);
		else if (slice_is(name, "max_tokens") ||
		    slice_is(name, "max_completion_tokens"))
			a->max_tokens = json_long(v, -1);
		else if (slice_is(name, "stream_options"))
			a->include_usage =
			    slice_is(json_get(v, "include_usage"), "true");
		else if (slice_is(name, "stream_format"))
			a->stream = slice_is(json_string(v), "sse");
		else if (slice_is(name, "response_format"))
			plain_copy(
			    a->format, sizeof a->format, json_string(v));
		else if (slice_is(name, "encoding_format"))
			a->base64 = slice_is(json_string(v), "base64");
		else if (slice_is(name, "input"))
			a->inputs = json_string(v).p ? 1 : 0;
		if (slice_is(name, "input") && *v.p == '[')
			for (; json_next(&v, NULL, &item); a->inputs++)
				if (*item.p >= '0' && *item.p <= '9') {
					a->inputs = 1; /* one text, in tokens */
					break;
				}
	}
	if (a->n < 1 || a->n > 128)
		a->n = 1;
}

void
ask_text(struct ask *a)
{
	struct slice v = json_get(a->body, "messages"), item;

	ask_content(a, json_get(a->body, "prompt"));
	for (; v.p && json_next(&v, NULL, &item); a->messages++)
		ask_content(a, json_get(item, "content"));
}

static bool
ends(struct slice s, const char *tail)
{
	size_t n = strlen(tail);

	return s.n >= n && !memcmp(s.p + s.n - n, tail, n);
}

void
ask_rest(struct ask *a)
{
	const char *q = memchr(a->path.p, '?', a->path.n), *m;
	bool post = slice_is(a->method, "POST");

	a->body = (struct slice){ a->head.p + a->head_n, a->body_n };
	if (q)
		a->path.n = (size_t)(q - a->path.p);
	plain_copy(a->where, sizeof a->where, a->path);
	a->kind = NOT_FOUND;
	m = memmem(a->path.p, a->path.n, "/models/", 8);
	if (post && ends(a->path, "/chat/completions"))
		a->kind = CHAT;
	else if (post && ends(a->path, "/completions"))
		a->kind = COMPLETION;
	else if (post && ends(a->path, "/embeddings"))
		a->kind = EMBEDDING;
	else if (post && media_kind(a->path) != NOT_FOUND)
		a->kind = media_kind(a->path);
	else if (!post && ends(a->path, "/models"))
		a->kind = MODEL_LIST;
	else if (!post && ends(a->path, "/mock/count"))
		a->kind = COUNT;
	else if (!post && m)
		a->kind = MODEL_ONE;
	if (post && a->body.n > 2 && a->body.p[0] == '-')
		media_form(a);
	if (post)
		ask_body(a);
	else if (m)
		plain_copy(a->model, sizeof a->model,
		    (struct slice){
			m + 8, (size_t)(a->path.p + a->path.n - m - 8) });
	if (!a->model[0])
		strcpy(a->model, "mock");
}
