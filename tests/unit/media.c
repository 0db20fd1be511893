/* SPDX-License-Identifier: MIT */
/*
 * media.c - answers beside text: streams of pictures and sound however they
 * are cut, bytes, the usage of each endpoint, what a request asks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/dialect.h"

struct result {
	struct arena arena;
	struct observer o;
	struct buf out, last;
	bool whole, inside; /* before its end */
};

/* Watches it, the first piece of so many bytes, the rest in steps. */
static void
watch(struct result *r, struct str text, const struct observer *like,
    size_t first, size_t step)
{
	memset(r, 0, sizeof(*r));
	arena_init(&r->arena);
	r->out = BUF_HEAP(8 << 20);
	r->last = BUF_HEAP(LIMIT_EVENT_BYTES + LIMIT_KEEP_BACK);
	r->o = *like;
	r->o.dialect = &openai_dialect;
	r->o.arena = &r->arena;
	openai_dialect.observe(&r->o);
	for (size_t at = 0, n = first; at < text.n; at += n, n = step) {
		if (n > text.n - at)
			n = text.n - at;
		openai_dialect.feed(&r->o, str_from(text.p + at, n), &r->out,
		    &r->last);
	}
	r->inside = r->o.inside;
	r->whole = openai_dialect.finish(&r->o, &r->out, &r->last);
	assert_false(r->out.full || r->last.full);
}

static void
release(struct result *r)
{
	arena_release(&r->arena);
	buf_release(&r->out);
	buf_release(&r->last);
}

static void
same(const struct result *a, const struct result *b, size_t cut)
{
	if (!str_eq(buf_str(&a->out), buf_str(&b->out)) ||
	    !str_eq(buf_str(&a->last), buf_str(&b->last)) ||
	    a->o.seen != b->o.seen || a->whole != b->whole ||
	    a->o.out_milli != b->o.out_milli || a->inside != b->inside ||
	    memcmp(&a->o.tokens, &b->o.tokens, offsetof(struct tokens, odd)))
		fail_msg("cut at %zu: seen %x, out %zu, last %zu; whole: seen "
		    "%x, out %zu, last %zu", cut, b->o.seen, b->out.n,
		    b->last.n, a->o.seen, a->out.n, a->last.n);
}

static void
watch_cut(struct result *r, struct str text, const struct observer *like)
{
	struct result cut;

	watch(r, text, like, text.n, 1);
	for (size_t at = 1; at < text.n; at++) {
		watch(&cut, text, like, at, text.n);
		same(r, &cut, at);
		release(&cut);
	}
	for (size_t step = 1; step < 8; step++) {
		watch(&cut, text, like, step, step);
		same(r, &cut, step);
		release(&cut);
	}
}

#define PARTIAL \
	"event: image_generation.partial_image\n" \
	"data: {\"type\":\"image_generation.partial_image\"," \
	"\"b64_json\":\"AAAA\",\"partial_image_index\":0}\n\n"
#define DONE(n) \
	"event: image_generation.completed\r\n" \
	"data: {\"type\":\"image_generation.completed\",\"b64_json\":" \
	"\"BBBB\",\"usage\":{\"input_tokens\":9,\"output_tokens\":" n "}}" \
	"\r\n\r\n"

static const struct observer pictures = { .stream = true,
	.endpoint = ENDPOINT_IMAGES, .pictures = 1 };

/* The finished picture waits; what comes behind it is nobody's. */
static void
stream_of_pictures(void **state)
{
	struct observer two = pictures;
	struct result r;

	(void)state;
	watch_cut(&r, S(": hi\n\n" PARTIAL DONE("272") PARTIAL
	    "data: [DONE]\n\n"), &pictures);
	assert_true(r.whole && !r.inside);
	assert_int_equal(r.o.seen, SEEN_MEANING | SEEN_STOP | SEEN_END);
	assert_true(str_eq(buf_str(&r.out), S(": hi\n\n" PARTIAL)));
	assert_true(str_eq(buf_str(&r.last), S(DONE("272"))));
	assert_int_equal(r.o.tokens.in_total, 9);
	assert_int_equal(r.o.tokens.out_total, 272);
	assert_int_equal(r.o.tokens.out_image, 272);
	assert_int_equal(r.o.tokens.pictures, 1);
	release(&r);

	two.pictures = 2;
	watch_cut(&r, S(DONE("1") PARTIAL DONE("2")), &two);
	assert_true(r.whole);
	assert_true(str_eq(buf_str(&r.out), S(DONE("1") PARTIAL)));
	assert_true(str_eq(buf_str(&r.last), S(DONE("2"))));
	assert_int_equal(r.o.tokens.pictures, 2);
	release(&r);

	/* One of two, then an orderly end. */
	watch_cut(&r, S(DONE("1")), &two);
	assert_true(r.whole);
	assert_int_equal(r.o.tokens.pictures, 1);
	release(&r);

	/* No blank line at the end; no end; an error; a page. */
	watch_cut(&r, S(PARTIAL "data: {\"type\":\"image_generation.completed\""
	    ",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}"),
	    &pictures);
	assert_true(r.whole);
	assert_int_equal(r.o.tokens.out_total, 2);
	release(&r);
	watch_cut(&r, S(PARTIAL), &pictures);
	assert_false(r.whole);
	assert_int_equal(r.o.out_milli, 100000);
	release(&r);
	watch_cut(&r, S(PARTIAL "event: error\ndata: {\"type\":\"error\","
	    "\"error\":{\"message\":\"no\"}}\n\n"), &pictures);
	assert_false(r.whole);
	assert_true(r.o.seen & SEEN_ERROR);
	release(&r);
	watch_cut(&r, S("<html></html>"), &pictures);
	assert_true(r.o.seen & SEEN_BAD);
	release(&r);
}

/* A frame that is not held whole: its end is kept, its usage read. */
static void
large_picture(void **state)
{
	static const size_t steps[] = { 1 << 20, 16384, 16383, 4096, 977 };
	static const char end[] =
	    "\",\"usage\":{\"input_tokens\":9,\"output_tokens\":5}}\n\n";
	struct buf b = BUF_HEAP(4 << 20);
	struct result r;

	(void)state;
	buf_put(&b, S(PARTIAL "event: image_generation.completed\ndata: "
	    "{\"type\":\"image_generation.completed\",\"b64_json\":\""));
	for (int i = 0; i < 900000; i++)
		buf_char(&b, 'A');
	buf_put(&b, str_of(end));
	for (size_t i = 0; i < countof(steps); i++) {
		watch(&r, buf_str(&b), &pictures, steps[i], steps[i]);
		assert_true(r.whole && r.inside);
		assert_int_equal(r.o.tokens.in_total, 9);
		assert_int_equal(r.o.tokens.out_total, 5);
		assert_int_equal(r.last.n, LIMIT_KEEP_BACK);
		assert_true(str_ends(buf_str(&r.last), str_of(end)));
		assert_int_equal(r.out.n + r.last.n, b.n);
		assert_memory_equal(r.out.p, b.p, r.out.n);
		assert_memory_equal(r.last.p, b.p + r.out.n, r.last.n);
		release(&r);
	}
	/* Cut inside: nothing may follow what went out. */
	watch(&r, str_from(b.p, b.n - 100), &pictures, 16384, 16384);
	assert_false(r.whole);
	assert_true(r.inside);
	assert_true(r.o.out_milli > 100000);
	release(&r);
	buf_release(&b);
}

static void
stream_of_sound(void **state)
{
	const struct observer speech = { .stream = true,
		.endpoint = ENDPOINT_SPEECH, .sound_rate = 16000 };
	const struct observer transcript = { .stream = true,
		.endpoint = ENDPOINT_TRANSCRIPTIONS };
	struct result r;

	(void)state;
	watch_cut(&r, S("data: {\"type\":\"speech.audio.delta\",\"audio\":"
	    "\"AAAAAAAA\"}\n\ndata: {\"type\":\"speech.audio.done\","
	    "\"usage\":{\"input_tokens\":3,\"output_tokens\":40}}\n\n"),
	    &speech);
	assert_true(r.whole);
	assert_int_equal(r.o.tokens.out_audio, 40);
	assert_int_equal(r.o.out_milli, 6 * 20800 / 16000);
	release(&r);

	watch_cut(&r, S("data: {\"type\":\"transcript.text.delta\",\"delta\":"
	    "\"Good day\"}\n\ndata: {\"type\":\"transcript.text.done\","
	    "\"text\":\"Good day\",\"usage\":{\"type\":\"duration\","
	    "\"seconds\":2.5}}\n\n"), &transcript);
	assert_true(r.whole);
	assert_int_equal(r.o.tokens.seconds, 3);
	assert_int_equal(r.o.tokens.in_total, -1);
	assert_int_equal(r.o.out_milli, 2000);
	release(&r);
}

static void
bytes(void **state)
{
	const struct observer sound = { .bytes = true,
		.endpoint = ENDPOINT_SPEECH, .sound_rate = 16000 };
	const struct observer text = { .bytes = true,
		.endpoint = ENDPOINT_TRANSCRIPTIONS };
	char *all = malloc(40000);
	struct result r;

	(void)state;
	for (int i = 0; i < 40000; i++)
		all[i] = (char)(i * 7);
	for (size_t step = 1; step < 50000; step = step * 5 + 3) {
		watch(&r, str_from(all, 40000), &sound, step, step);
		assert_true(r.whole);
		assert_int_equal(r.out.n + r.last.n, 40000);
		assert_true(r.last.n > 0 && r.last.n <= 1024);
		assert_memory_equal(r.out.p, all, r.out.n);
		assert_memory_equal(r.last.p, all + r.out.n, r.last.n);
		assert_int_equal(r.o.out_milli, 52000);
		release(&r);
	}
	watch(&r, S(""), &sound, 1, 1);
	assert_false(r.whole);
	release(&r);
	watch_cut(&r, S("Good day\n"), &text);
	assert_true(r.whole && r.o.out_milli >= 2000);
	release(&r);
	watch(&r, S(""), &text, 1, 1);
	assert_true(r.whole);
	release(&r);
	free(all);
}

/* in, of it sound, pictures; out, of it sound, pictures; seconds, pictures,
 * searches */
static const struct {
	enum endpoint e;
	const char *body;
	int64_t want[9];
} facts[] = {
	{ ENDPOINT_IMAGES, "{\"data\":[{},{}],\"usage\":{\"input_tokens\":50,"
	  "\"output_tokens\":272,\"input_tokens_details\":{\"text_tokens\":10,"
	  "\"image_tokens\":40}}}", { 50, -1, 40, 272, -1, 272, -1, 2, -1 } },
	{ ENDPOINT_IMAGES, "{\"data\":[{}],\"usage\":{\"input_tokens\":5,"
	  "\"output_tokens\":300,\"output_tokens_details\":{\"text_tokens\":28,"
	  "\"image_tokens\":272}}}", { 5, -1, -1, 300, -1, 272, -1, 1, -1 } },
	{ ENDPOINT_IMAGES, "{\"data\":[{}]}",
	    { -1, -1, -1, -1, -1, -1, -1, 1, -1 } },
	{ ENDPOINT_TRANSCRIPTIONS, "{\"text\":\"a\",\"usage\":{\"type\":"
	  "\"tokens\",\"input_tokens\":14,\"input_token_details\":{"
	  "\"text_tokens\":4,\"audio_tokens\":10},\"output_tokens\":5}}",
	    { 14, 10, -1, 5, -1, -1, -1, -1, -1 } },
	{ ENDPOINT_TRANSCRIPTIONS, "{\"text\":\"a\",\"usage\":{\"type\":"
	  "\"tokens\",\"input_tokens\":14,\"output_tokens\":5}}",
	    { 14, 14, -1, 5, -1, -1, -1, -1, -1 } },
	{ ENDPOINT_TRANSCRIPTIONS, "{\"text\":\"\",\"duration\":\"8.47\"}",
	    { -1, -1, -1, -1, -1, -1, 9, -1, -1 } },
	{ ENDPOINT_TRANSLATIONS, "{\"text\":\"\",\"duration\":9}",
	    { -1, -1, -1, -1, -1, -1, 9, -1, -1 } },
	{ ENDPOINT_TRANSCRIPTIONS, "{\"text\":\"\",\"duration\":-1}",
	    { -1, -1, -1, -1, -1, -1, -1, -1, -1 } },
	{ ENDPOINT_TRANSCRIPTIONS, "{\"text\":\"\",\"duration\":1e99,"
	  "\"usage\":{\"type\":\"duration\",\"seconds\":3}}",
	    { -1, -1, -1, -1, -1, -1, 3, -1, -1 } },
	{ ENDPOINT_RERANK, "{\"results\":[],\"meta\":{\"billed_units\":{"
	  "\"search_units\":2}}}", { -1, -1, -1, -1, -1, -1, -1, -1, 2 } },
	{ ENDPOINT_RERANK, "{\"object\":\"list\",\"data\":[],\"usage\":{"
	  "\"total_tokens\":7}}", { 7, -1, -1, 0, -1, -1, -1, -1, -1 } },
	{ ENDPOINT_RERANK_V2, "{\"results\":[],\"meta\":{\"billed_units\":{"
	  "\"search_units\":-2}}}", { -1, -1, -1, -1, -1, -1, -1, -1, -1 } },
	{ ENDPOINT_MODERATIONS, "{\"results\":[{}]}",
	    { -1, -1, -1, -1, -1, -1, -1, -1, -1 } },
};

static void
answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(facts); i++) {
		struct observer like = { .endpoint = facts[i].e,
			.pictures = facts[i].e == ENDPOINT_IMAGES ? 2 : 0 };
		struct result r;
		const struct tokens *t = &r.o.tokens;

		watch_cut(&r, str_of(facts[i].body), &like);
		int64_t seen[9] = { t->in_total, t->in_audio, t->in_image,
			t->out_total, t->out_audio, t->out_image, t->seconds,
			t->pictures, t->searches };
		if (!r.whole)
			fail_msg("%s: is no answer", facts[i].body);
		for (int k = 0; k < 9; k++)
			if (seen[k] != facts[i].want[k])
				fail_msg("%s: number %d is %lld",
				    facts[i].body, k, (long long)seen[k]);
		release(&r);
	}
}

/* What is no answer of its endpoint. */
static void
no_answers(void **state)
{
	static const struct {
		enum endpoint e;
		const char *body;
	} list[] = {
		{ ENDPOINT_IMAGES, "{\"created\":1}" },
		{ ENDPOINT_IMAGES, "{\"results\":[]}" },
		{ ENDPOINT_TRANSCRIPTIONS, "{\"usage\":{}}" },
		{ ENDPOINT_MODERATIONS, "{\"id\":\"x\"}" },
		{ ENDPOINT_MODERATIONS, "{\"data\":[]}" },
		{ ENDPOINT_RERANK, "{\"error\":{\"message\":\"no\"}}" },
		{ ENDPOINT_SPEECH, "{\"audio\":\"AAAA\"}" },
		{ ENDPOINT_SPEECH, "{\"data\":[]}" },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct observer like = { .endpoint = list[i].e };
		struct result r;

		watch_cut(&r, str_of(list[i].body), &like);
		if (r.whole || !(r.o.seen & (SEEN_BAD | SEEN_ERROR)))
			fail_msg("%s: taken", list[i].body);
		assert_int_equal(r.out.n + r.last.n, 0);
		release(&r);
	}
}

static void
types(void **state)
{
	static const struct {
		struct asked q;
		const char *type;
		enum answer_as as;
	} list[] = {
		{ { .endpoint = ENDPOINT_SPEECH }, "audio/mpeg", AS_BYTES },
		{ { .endpoint = ENDPOINT_SPEECH }, "Audio/L16;rate=1", AS_BYTES },
		{ { .endpoint = ENDPOINT_SPEECH }, "", AS_BYTES },
		{ { .endpoint = ENDPOINT_SPEECH }, "application/octet-stream",
		    AS_BYTES },
		{ { .endpoint = ENDPOINT_SPEECH }, "text/html", AS_FOREIGN },
		{ { .endpoint = ENDPOINT_SPEECH }, "text/plain", AS_FOREIGN },
		{ { .endpoint = ENDPOINT_SPEECH }, "application/json", AS_JSON },
		{ { .endpoint = ENDPOINT_SPEECH, .stream = true },
		    "text/event-stream", AS_EVENTS },
		{ { .endpoint = ENDPOINT_TRANSCRIPTIONS, .text_wanted = true },
		    "text/plain; charset=utf-8", AS_BYTES },
		{ { .endpoint = ENDPOINT_TRANSCRIPTIONS, .text_wanted = true },
		    "application/x-subrip", AS_BYTES },
		{ { .endpoint = ENDPOINT_TRANSCRIPTIONS, .text_wanted = true },
		    "text/html", AS_FOREIGN },
		{ { .endpoint = ENDPOINT_TRANSCRIPTIONS }, "text/plain",
		    AS_FOREIGN },
		{ { .endpoint = ENDPOINT_TRANSCRIPTIONS }, "", AS_JSON },
		{ { .endpoint = ENDPOINT_CHAT }, "audio/mpeg", AS_FOREIGN },
		{ { .endpoint = ENDPOINT_CHAT }, "text/event-stream",
		    AS_FOREIGN },
		{ { .endpoint = ENDPOINT_CHAT, .stream = true },
		    "application/json", AS_JSON },
		{ { .endpoint = ENDPOINT_IMAGES }, "image/png", AS_FOREIGN },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++)
		if (openai_dialect.answer_as(&list[i].q,
		    str_of(list[i].type)) != list[i].as)
			fail_msg("%zu: %s", i, list[i].type);
}

/* --- Requests --- */

static void
requests(void **state)
{
	static const struct {
		enum endpoint e;
		const char *body;
		int64_t want[4]; /* pictures, characters, searches, most */
	} list[] = {
		{ ENDPOINT_IMAGES, "{\"model\":\"m\",\"prompt\":\"x\"}",
		    { 1, 0, 0, 0 } },
		{ ENDPOINT_IMAGES, "{\"model\":\"m\",\"prompt\":\"x\",\"n\":"
		  "null,\"background\":\"transparent\"}", { 1, 0, 0, 0 } },
		{ ENDPOINT_IMAGES, "{\"model\":\"m\",\"prompt\":\"x\",\"n\":10}",
		    { 10, 0, 0, 0 } },
		{ ENDPOINT_SPEECH, "{\"model\":\"m\",\"input\":\"a\\u00e9"
		  "\\ud83d\\ude00\xe2\x82\xac\\n\",\"voice\":{\"id\":\"v\"}}",
		    { 0, 5, 0, 0 } },
		{ ENDPOINT_SPEECH, "{\"model\":\"m\",\"input\":\"a\","
		  "\"stream\":true}", { 0, 1, 0, 0 } },
		{ ENDPOINT_RERANK, "{\"documents\":[\"a\",\"b\"],\"query\":"
		  "\"q\",\"model\":\"m\"}", { 0, 0, 1, 1 } },
	};
	struct buf b = BUF_HEAP(1 << 20);
	struct fault f = { 0 };
	struct asked q = { 0 };
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(list); i++) {
		if (!openai_dialect.read_request(&a, list[i].e,
		    str_of(list[i].body), &q, &f))
			fail_msg("%zu: %.*s", i, STR_ARGS(f.text));
		assert_int_equal(q.pictures, list[i].want[0]);
		assert_int_equal(q.characters, list[i].want[1]);
		assert_int_equal(q.searches, list[i].want[2]);
		assert_int_equal(q.searches_most, list[i].want[3]);
		assert_int_equal(q.choices, 1);
		assert_false(q.stream);
	}
	/* 250 documents are three units; long ones may be cut into more. */
	buf_put(&b, S("{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\""));
	for (int i = 1; i < 250; i++)
		buf_put(&b, S(",\"a\""));
	buf_put(&b, S("]}"));
	assert_true(openai_dialect.read_request(&a, ENDPOINT_RERANK,
	    buf_str(&b), &q, &f));
	assert_int_equal(q.searches, 3);
	assert_int_equal(q.searches_most, 3);
	buf_clear(&b);
	buf_put(&b, S("{\"model\":\"m\",\"query\":\"q\",\"documents\":[\""));
	for (int i = 0; i < 50000; i++)
		buf_put(&b, S("ab "));
	buf_put(&b, S("\"]}"));
	assert_true(openai_dialect.read_request(&a, ENDPOINT_RERANK,
	    buf_str(&b), &q, &f));
	assert_int_equal(q.searches, 2);
	assert_int_equal(q.searches_most, 7);
	buf_release(&b);
	arena_release(&a);
}

/* Sound in a conversation: said, and counted by what its bytes last. */
static void
conversations(void **state)
{
	static const char wav[] = "UklGRi4AAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAAC"
	    "ABAAZGF0YQAAAAA";
	struct buf b = BUF_HEAP(1 << 20);
	struct fault f = { 0 };
	struct asked q = { 0 };
	struct arena a;

	(void)state;
	arena_init(&a);
	for (int is_wav = 0; is_wav < 2; is_wav++) {
		buf_clear(&b);
		buf_put(&b, S("{\"model\":\"m\",\"modalities\":[\"text\","
		    "\"audio\"],\"audio\":{\"voice\":\"x\"},\"messages\":"
		    "[{\"role\":\"user\",\"content\":[{\"type\":"
		    "\"input_audio\",\"input_audio\":{\"format\":\"mp3\","
		    "\"data\":\""));
		buf_put(&b, is_wav ? str_of(wav) : S("//uQ"));
		while (b.n < 64000)
			buf_char(&b, 'A');
		buf_put(&b, S("\"}}]}]}"));
		assert_true(openai_dialect.read_request(&a, ENDPOINT_CHAT,
		    buf_str(&b), &q, &f));
		assert_true(q.sound_in && q.sound_out && !q.unseen_input);
		/* 48,000 bytes: 3 s at 16,000 a second, or about 12. */
		assert_in_range(q.sound_tokens, is_wav ? 30 : 120,
		    is_wav ? 40 : 130);
		assert_true(q.prompt_tokens >= q.sound_tokens);
		assert_in_range(q.prompt_bound, 119 * 50, 125 * 50);
	}
	buf_clear(&b);
	buf_put(&b, S("{\"model\":\"m\",\"modalities\":[\"text\"],"
	    "\"audio\":null,\"messages\":[{\"role\":\"user\"}]}"));
	assert_true(openai_dialect.read_request(&a, ENDPOINT_CHAT,
	    buf_str(&b), &q, &f));
	assert_false(q.sound_in || q.sound_out);
	buf_release(&b);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_of_pictures),
		cmocka_unit_test(large_picture),
		cmocka_unit_test(stream_of_sound),
		cmocka_unit_test(bytes),
		cmocka_unit_test(answers),
		cmocka_unit_test(no_answers),
		cmocka_unit_test(types),
		cmocka_unit_test(requests),
		cmocka_unit_test(conversations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
