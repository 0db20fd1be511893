/* SPDX-License-Identifier: MIT */
/*
 * multipart.c - boundaries, parts, all that is refused; and what a form says
 * of pictures and sound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/dialect.h"
#include "handlers/dialect/multipart.h"

#define TYPE "multipart/form-data; boundary="
#define TEN "0123456789"
#define SEVENTY TEN TEN TEN TEN TEN TEN TEN

static void
boundaries(void **state)
{
	static const struct {
		const char *type, *boundary; /* NULL: refused */
	} list[] = {
		{ TYPE "abc", "abc" },
		{ "Multipart/Form-Data;boundary=abc", "abc" },
		{ "multipart/form-data; charset=utf-8; boundary=\"a b\"",
		    "a b" },
		{ TYPE "\"a,b:c=d/(e)?\"", "a,b:c=d/(e)?" },
		{ TYPE "----WebKitFormBoundaryX'+_.-", "----WebKitFormBoundary"
					       "X'+_.-" },
		{ TYPE SEVENTY, SEVENTY },
		{ TYPE SEVENTY "0", NULL },
		{ TYPE "\"\"", NULL },
		{ TYPE, NULL },
		{ "multipart/form-data", NULL },
		{ "multipart/form-data; charset=utf-8", NULL },
		{ TYPE "a; boundary=a", NULL },
		{ TYPE "a; BOUNDARY=b", NULL },
		{ TYPE "a b", NULL },
		{ TYPE "a:b", NULL },
		{ TYPE "\"a\\b\"", NULL },
		{ TYPE "\"a", NULL },
		{ TYPE "\"a \"", NULL },
		{ TYPE "\"a\xc3\xa9\"", NULL },
		{ TYPE "a, " TYPE "b", NULL },
		{ "multipart/mixed; boundary=a", NULL },
		{ "application/json", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct str b;
		const char *why =
		    multipart_boundary(str_of(list[i].type), &b);

		if (!why != !!list[i].boundary ||
		    (!why && !str_eq(b, str_of(list[i].boundary))))
			fail_msg("%s: %s", list[i].type, why ? why : "taken");
	}
}

#define PART(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

/* name=value, of files name@value, one behind the other; or what is wrong. */
static const struct {
	const char *body, *want;
} bodies[] = {
	{ "--b\r\n" PART("a") "\r\n1\r\n--b--", "a=1 " },
	{ "--b\r\n" PART("a") "\r\n1\r\n--b--\r\n", "a=1 " },
	{ "--b\r\n" PART("a") "\r\n\r\n--b--", "a= " },
	{ "--b\r\n" PART("a") "\r\n\r\n\r\n--b--", "a=\r\n " },
	{ "--b\r\n" PART("a") "\r\n--\r\n--c--b\r\n--b\r\n"
	  "content-disposition:form-data;name=z;filename=\"\"\r\nX-Y:\r\n\r\n"
	  "2\r\n--b--", "a=--\r\n--c--b z@2 " },
	{ "--b--", "" },
	{ "--b\r\nContent-Type: text/plain; charset=utf-8\r\n" PART("a")
	  "Content-Transfer-Encoding: 8bit\r\n\r\n1\r\n--b--", "a=1 " },
	{ "--b\r\nContent-Disposition: form-data; filename*=utf-8''x; "
	  "name=\"a\"\r\n\r\n1\r\n--b--", "a@1 " },

	{ "", "!does not begin" },
	{ "\r\n--b\r\n" PART("a") "\r\n1\r\n--b--", "!does not begin" },
	{ "x\r\n--b\r\n" PART("a") "\r\n1\r\n--b--", "!does not begin" },
	{ "--b\n" PART("a") "\r\n1\r\n--b--", "!neither a line end" },
	{ "--b \r\n" PART("a") "\r\n1\r\n--b--", "!neither a line end" },
	{ "--b\r\n" PART("a") "\r\n1\r\n--bc\r\n--b--", "!neither a line" },
	{ "--b\r\n" PART("a") "\r\n1\r\n--b-", "!neither a line end" },
	{ "--b\r\n" PART("a") "\r\n1\r\n--b--x", "!behind the closing" },
	{ "--b\r\n" PART("a") "\r\n1\r\n--b--\r\n\r\n", "!behind the closing" },
	{ "--b\r\n" PART("a") "\r\n1\n--b--", "!closing boundary is missing" },
	{ "--b\r\n" PART("a") "\r\n1", "!closing boundary is missing" },
	{ "--b\r\n" PART("a") "1\r\n--b--", "!header lines do not end" },
	{ "--b\r\n\r\n1\r\n--b\r\n\r\n\r\n--b--", "!without a name" },
	{ "--b\r\nX: y\r\n\r\n1\r\n--b--", "!no Content-Disposition" },
	{ "--b\r\n" PART("a") PART("b") "\r\n1\r\n--b--", "!two Content-D" },
	{ "--b\r\n" PART("a") " ; name=b\r\n\r\n1\r\n--b--", "!without" },
	{ "--b\r\nX\n: y\r\n" PART("a") "\r\n1\r\n--b--", "!folded" },
	{ "--b\r\nX: y\nZ: q\r\n" PART("a") "\r\n1\r\n--b--", "!control" },
	{ "--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n"
	  "--b--", "!given twice" },
	{ "--b\r\nContent-Disposition: form-data; name=\"a\\b\"\r\n\r\n1\r\n"
	  "--b--", "!backslash" },
	{ "--b\r\nContent-Disposition: form-data; name*=utf-8''a\r\n\r\n1\r\n"
	  "--b--", "!encoded spelling" },
	{ "--b\r\nContent-Disposition: form-data; filename=a\r\n\r\n1\r\n--b--",
	    "!has no name" },
	{ "--b\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--b--",
	    "!not form-data" },
	{ "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--b--",
	    "!cannot be read" },
	{ "--b\r\n" PART("a") "Content-Transfer-Encoding: base64\r\n\r\n1\r\n"
	  "--b--", "!encoded: send" },
	{ "--b\r\n" PART("a") "Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n"
	  "1\r\n--b--", "!two Content-Type" },
};

static void
parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(bodies); i++) {
		struct buf seen = BUF_HEAP(1 << 16);
		const char *text = bodies[i].body;
		struct multipart m;
		struct part p;

		/* The end of an allocation is the end of the text. */
		char *copy = malloc(strlen(text) + 1);
		memcpy(copy, text, strlen(text));
		multipart_begin(&m, str_from(copy, strlen(text)), S("b"));
		while (multipart_next(&m, &p)) {
			buf_put(&seen, p.name);
			buf_char(&seen, p.file ? '@' : '=');
			buf_put(&seen, p.value);
			buf_char(&seen, ' ');
		}
		assert_true(m.at <= strlen(text));
		if (bodies[i].want[0] == '!') {
			if (!m.why || !strstr(m.why, bodies[i].want + 1))
				fail_msg("%zu: %s, not %s", i, m.why ? m.why :
				    "taken", bodies[i].want);
		} else if (m.why) {
			fail_msg("%zu: %s", i, m.why);
		} else if (!str_eq(buf_str(&seen),
		    str_of(bodies[i].want))) {
			fail_msg("%zu: %s", i, buf_text(&seen));
		}
		free(copy);
		buf_release(&seen);
	}
}

/* Values hold what they like, NUL and things like boundaries too. */
static void
any_bytes(void **state)
{
	static const char body[] = "--b\r\n" PART("a") "\r\n--b\0\r\n-\r\n--a"
	    "\r\n--B\r\n--b\r\n" PART("z") "\r\n\0\r\n--b--";
	struct str text = str_from(body, sizeof(body) - 1);
	struct multipart m;
	struct part p;

	(void)state;
	multipart_begin(&m, text, S("b"));
	assert_true(multipart_next(&m, &p));
	assert_true(str_eq(p.value, S("--b\0\r\n-\r\n--a\r\n--B")));
	assert_true(multipart_next(&m, &p));
	assert_true(str_eq(p.value, S("\0")));
	assert_false(multipart_next(&m, &p));
	assert_null(m.why);
	assert_false(multipart_next(&m, &p));
}

static void
limits(void **state)
{
	struct buf b = BUF_HEAP(1 << 20);
	struct multipart m;
	struct part p;
	int n = 0;

	(void)state;
	for (int i = 0; i < MULTIPART_PARTS + 1; i++)
		buf_put(&b, S("--b\r\n" PART("a") "\r\n1\r\n"));
	buf_put(&b, S("--b--"));
	multipart_begin(&m, buf_str(&b), S("b"));
	while (multipart_next(&m, &p))
		n++;
	assert_int_equal(n, MULTIPART_PARTS);
	assert_non_null(strstr(m.why, "more than 256"));

	buf_clear(&b);
	buf_put(&b, S("--b\r\nX: "));
	for (int i = 0; i < MULTIPART_HEAD; i++)
		buf_char(&b, 'x');
	buf_put(&b, S("\r\n" PART("a") "\r\n1\r\n--b--"));
	multipart_begin(&m, buf_str(&b), S("b"));
	assert_false(multipart_next(&m, &p));
	assert_non_null(strstr(m.why, "8 KiB"));
	buf_release(&b);
}

/* --- Forms --- */

static bool
read_form(struct arena *a, enum endpoint e, struct str file, const char *more,
    struct asked *q, struct fault *f)
{
	struct str body = ARENA_JOIN(a, S("--b\r\nContent-Disposition: "
	    "form-data; name=\"file\"; filename=\"x\"\r\n\r\n"), file,
	    S("\r\n--b\r\n" PART("model") "\r\nm\r\n"), str_of(more),
	    S("--b--"));

	*f = (struct fault){ 0 };
	return openai_dialect.read_form(a, e, S(TYPE "b"), body, q, f);
}

#define WAV(tag, channels, rate, bytes, align, bits) \
	"RIFF....WAVELIST\3\0\0\0abc\0fmt \20\0\0\0" tag channels rate bytes \
	align bits "data\0\0\0\0"

/* A second is what the samples say, else what the bytes can be at most. */
static void
seconds(void **state)
{
	static const struct {
		struct str head;
		int64_t about, most; /* with 32,000 bytes in all */
	} list[] = {
		{ STR_INIT("ID3"), 8, 80 },
		{ STR_INIT(WAV("\1\0", "\1\0", "\100\37\0\0", "\200\76\0\0",
		      "\2\0", "\20\0")), 2, 2 },
		{ STR_INIT(WAV("\1\0", "\2\0", "\100\37\0\0", "\0\175\0\0",
		      "\4\0", "\20\0")), 1, 1 },
		/* MP3 inside, bytes a second that do not fit, no channel */
		{ STR_INIT(WAV("\125\0", "\1\0", "\100\37\0\0", "\200\76\0\0",
		      "\2\0", "\20\0")), 8, 80 },
		{ STR_INIT(WAV("\1\0", "\1\0", "\100\37\0\0", "\200\76\1\0",
		      "\2\0", "\20\0")), 8, 80 },
		{ STR_INIT(WAV("\1\0", "\0\0", "\100\37\0\0", "\0\0\0\0",
		      "\0\0", "\20\0")), 8, 80 },
		/* a chunk that leads nowhere */
		{ STR_INIT("RIFF....WAVEfmt \377\377\377\377........"
			   "............"), 8, 80 },
	};
	char *file = malloc(32000);

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct asked q = { 0 };
		struct fault f;
		struct arena a;

		arena_init(&a);
		memset(file, 'x', 32000);
		memcpy(file, list[i].head.p, list[i].head.n);
		assert_true(read_form(&a, ENDPOINT_TRANSCRIPTIONS,
		    str_from(file, 32000), "", &q, &f));
		if (q.seconds != list[i].about ||
		    q.seconds_most != list[i].most)
			fail_msg("%zu: %lld, at most %lld", i,
			    (long long)q.seconds, (long long)q.seconds_most);
		arena_release(&a);
	}
	free(file);
}

static void
fields(void **state)
{
	static const struct {
		enum endpoint e;
		const char *more, *param; /* NULL: taken */
	} list[] = {
		{ ENDPOINT_TRANSCRIPTIONS, "", NULL },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART("stream")
		  "\r\nTrue\r\n", NULL },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART("stream")
		  "\r\n1\r\n", "stream" },
		{ ENDPOINT_TRANSLATIONS, "--b\r\n" PART("stream")
		  "\r\ntrue\r\n", "stream" },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART("model")
		  "\r\nm\r\n", "model" },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART("MODEL")
		  "\r\nm\r\n", "model" },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART("model[]")
		  "\r\nm\r\n", "model" },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART(" model")
		  "\r\nm\r\n", "model" },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART("file")
		  "\r\nm\r\n", "file" },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART("prompt")
		  "\r\n\xff\r\n", "prompt" },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n" PART("provider")
		  "\r\nx\r\n", "provider" },
		{ ENDPOINT_TRANSCRIPTIONS, "--b\r\n"
		  PART("timestamp_granularities[]") "\r\nword\r\n--b\r\n"
		  PART("timestamp_granularities[]") "\r\nsegment\r\n", NULL },
		{ ENDPOINT_IMAGE_EDITS, "", "prompt" },
		{ ENDPOINT_IMAGE_EDITS, "--b\r\n" PART("prompt")
		  "\r\nx\r\n--b\r\n" PART("n") "\r\n4\r\n", NULL },
		{ ENDPOINT_IMAGE_EDITS, "--b\r\n" PART("prompt")
		  "\r\nx\r\n--b\r\n" PART("n") "\r\n0\r\n", "n" },
		{ ENDPOINT_IMAGE_EDITS, "--b\r\n" PART("prompt")
		  "\r\nx\r\n--b\r\n" PART("n") "\r\n 4\r\n", "n" },
		{ ENDPOINT_IMAGE_EDITS, "--b\r\n" PART("prompt")
		  "\r\nx\r\n--b\r\n" PART("image[]") "\r\nhttp:\r\n", "image" },
		{ ENDPOINT_IMAGE_VARIATIONS, "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct asked q = { 0 };
		struct fault f;
		struct arena a;
		bool good;

		arena_init(&a);
		good = read_form(&a, list[i].e, S("abc"), list[i].more, &q, &f);
		if (good != !list[i].param)
			fail_msg("%zu: %.*s", i, STR_ARGS(f.text));
		if (!good && !str_eq(f.param, str_of(list[i].param)))
			fail_msg("%zu: about %.*s", i, STR_ARGS(f.param));
		if (good)
			assert_true(str_eq(q.model, S("m")));
		if (good && list[i].e == ENDPOINT_IMAGE_EDITS)
			assert_int_equal(q.pictures, 4);
		arena_release(&a);
	}
}

/* The model's value, and nothing else. */
static void
rewritten(void **state)
{
	struct edits e = { .model = STR_INIT("up"), .cap_output = -1 };
	struct buf out = BUF_HEAP(1 << 16);
	struct asked q = { 0 };
	struct fault f;
	struct arena a;
	size_t at;

	(void)state;
	arena_init(&a);
	assert_true(read_form(&a, ENDPOINT_TRANSCRIPTIONS,
	    S("\0\r\n--c\xff model m"), "", &q, &f));
	assert_true(openai_dialect.write_request(&q, &e, &out));
	at = (size_t)(q.model_at.p - q.body.p);
	assert_int_equal(out.n, q.body.n + 1);
	assert_memory_equal(out.p, q.body.p, at);
	assert_memory_equal(out.p + at, "up", 2);
	assert_memory_equal(out.p + at + 2, q.body.p + at + 1,
	    q.body.n - at - 1);
	arena_release(&a);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boundaries),
		cmocka_unit_test(parts),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(limits),
		cmocka_unit_test(seconds),
		cmocka_unit_test(fields),
		cmocka_unit_test(rewritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
