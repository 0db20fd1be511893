/* SPDX-License-Identifier: MIT */
/*
 * envelope.c - what proves thoughts, kept by a caller: envelopes, the parts of
 * a Chat history that they are for, and the text of a Messages request.
 */
#include "handlers/dialect/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/thoughts.h"

/* Last: its fail() is a macro. */
#include <cmocka.h>

/* A sum that each byte and its place change. */
static void
sum(const void *arg, struct str text, uint8_t mac[static ENVELOPE_MAC])
{
	uint64_t h = *(const uint64_t *)arg;

	for (size_t i = 0; i < text.n; i++)
		h = (h ^ (unsigned char)text.p[i]) * UINT64_C(1099511628211);
	memcpy(mac, &h, sizeof(h));
	h = ~h;
	memcpy(mac + sizeof(h), &h, sizeof(h));
}

static const uint64_t seed = 7, other_seed = 8;
static const struct envelope_key key = { sum, &seed,
	STR_INIT("anthropic"), 12, false };
static const struct envelope_key other_group = { sum, &seed,
	STR_INIT("anthropic"), 13, false };
static const struct envelope_key other_family = { sum, &seed,
	STR_INIT("gemini"), 12, false };
static const struct envelope_key other_key = { sum, &other_seed,
	STR_INIT("anthropic"), 12, false };

static void
is(struct str have, const char *want)
{
	if (!str_eq(have, str_of(want)))
		print_error("want %s\nhave %.*s\n", want, STR_ARGS(have));
	assert_true(str_eq(have, str_of(want)));
}

/* --- Envelopes ------------------------------------------------------------ */

static void
opens_what_it_closed(void **state)
{
	struct arena a;
	struct envelope e;
	struct str text;

	(void)state;
	arena_init(&a);
	text = envelope_close(&a, &key, S("c2ln+/\\\"=="), false);
	assert_true(envelope_is(text));
	assert_true(envelope_open(&a, &key, text, &e));
	is(e.value, "c2ln+/\\\"==");
	is(e.family, "anthropic");
	is(e.group, "12");
	assert_false(e.redacted);
	assert_true(envelope_fits(&a, &other_group, text, &e));
	assert_false(envelope_fits(&a, &other_family, text, &e));
	assert_true(envelope_open(&a, &other_family, text, &e));
	assert_false(envelope_open(&a, &other_key, text, &e));
	text = envelope_close(&a, &key, S("UkVE"), true);
	assert_true(envelope_fits(&a, &key, text, &e));
	assert_true(e.redacted);
	arena_release(&a);
}

static void
has_the_form_that_is_told(void **state)
{
	/* {"p":"anthropic","g":"12","k":"sig","v":"c2ln"} */
	static const char head[] = "wr1.eyJwIjoiYW50aHJvcGljIiwiZyI6IjEyIiwi"
	    "ayI6InNpZyIsInYiOiJjMmxuIn0.";
	size_t n = sizeof(head) - 1;
	struct arena a;
	struct str text;

	(void)state;
	arena_init(&a);
	text = envelope_close(&a, &key, S("c2ln"), false);
	assert_int_equal(text.n, n + 22);
	is(str_from(text.p, n), head);
	arena_release(&a);
}

/* Every byte of it, put wrong; every shorter one, and a longer one. */
static void
notices_each_change(void **state)
{
	struct arena a;
	struct envelope e;
	struct str good;
	char *bad;

	(void)state;
	arena_init(&a);
	good = envelope_close(&a, &key, S("c2lnbmF0dXJl"), false);
	bad = malloc(good.n + 1);
	for (size_t i = 0; i < good.n; i++) {
		memcpy(bad, good.p, good.n);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		if (envelope_open(&a, &key, str_from(bad, good.n), &e))
			/* The last letter's lowest bits say nothing. */
			fail_msg("byte %zu may be changed", i);
		assert_false(envelope_open(&a, &key, str_from(good.p, i),
		    &e));
	}
	memcpy(bad, good.p, good.n);
	bad[good.n] = 'A';
	assert_false(envelope_open(&a, &key, str_from(bad, good.n + 1), &e));
	assert_false(envelope_open(&a, &key, S("wr1."), &e));
	assert_false(envelope_open(&a, &key, S("wr1.."), &e));
	assert_false(envelope_open(&a, &key, S("wr1.e30.AAAA"), &e));
	assert_false(envelope_open(&a, &key, S(""), &e));
	free(bad);
	arena_release(&a);
}

/* --- A Chat history ------------------------------------------------------- */

/* The assistant's message as blocks: "text|signature redacted?" each. */
static struct str
blocks_of(struct arena *a, struct str message, const struct envelope_key *k)
{
	struct str body = ARENA_JOIN(a, S("{\"model\":\"m\",\"messages\":["
	    "{\"role\":\"user\",\"content\":\"go\"},"), message,
	    S(",{\"role\":\"user\",\"content\":\"on\"}]}"));
	struct buf out = BUF(a, 4096);
	struct neutral n, opened;
	struct fault f = { 0 };

	assert_true(openai_neutral.decode(a, body, &n, &f));
	opened = n;
	thoughts_open(a, &opened, k);
	for (size_t i = 0; i < opened.turns[1].n; i++) {
		const struct block *b = &opened.turns[1].blocks[i];

		if (b->kind != BLOCK_REASONING)
			continue;
		buf_printf(&out, "%.*s|%.*s%s%s;", STR_ARGS(b->text),
		    STR_ARGS(b->signature), b->redacted ? " red" : "",
		    b->proved ? " proved" : "");
	}
	thoughts_cut(a, &opened);
	assert_int_equal(opened.turns[1].n, 1);
	assert_int_equal(opened.effort, EFFORT_NONE);
	/* The form itself serves other upstreams: it is as it was. */
	assert_true(n.turns[1].n >= 1 && n.effort == EFFORT_UNSAID);
	return buf_str(&out);
}

static struct str
entry(struct arena *a, const char *signature, bool redacted, const char *id)
{
	return ARENA_JOIN(a, S("{\"type\":\"reasoning.encrypted\",\"data\":\""),
	    envelope_close(a, &key, str_of(signature), redacted), S("\""),
	    id ? ARENA_JOIN(a, S(",\"id\":\""), str_of(id), S("\"")) : S(""),
	    S("}"));
}

static struct str
message(struct arena *a, const char *text, struct str details)
{
	return ARENA_JOIN(a, S("{\"role\":\"assistant\",\"content\":\"x\","
	    "\"reasoning_content\":\""), str_of(text),
	    S("\",\"reasoning_details\":["), details, S("]}"));
}

static void
finds_the_parts_of_thoughts(void **state)
{
	struct arena a;
	struct str one, two, red;

	(void)state;
	arena_init(&a);
	one = entry(&a, "AA", false, "thought-0-3");
	red = entry(&a, "RR", true, "thought-3-3");
	two = entry(&a, "BB", false, "thought-4-6");
	/* "aü-bc": ü is two bytes, however it is spelt. */
	is(blocks_of(&a, message(&a, "a\\u00fc-bc", ARENA_JOIN(&a, one, S(","),
	    red, S(","), two)), &key),
	    "aü|AA proved;|RR red proved;-|;bc|BB proved;");
	is(blocks_of(&a, message(&a, "aü-bc!", ARENA_JOIN(&a, one, S(","),
	    two)), &key), "aü|AA proved;-|;bc|BB proved;!|;");
	/* One alone, with or without a part. */
	is(blocks_of(&a, message(&a, "abc", one), &key), "abc|AA proved;");
	is(blocks_of(&a, message(&a, "abc", entry(&a, "AA", false, NULL)),
	    &key), "abc|AA proved;");
	/* Of another group it is sent, of another family not. */
	is(blocks_of(&a, message(&a, "abc", one), &other_group),
	    "abc|AA proved;");
	is(blocks_of(&a, message(&a, "abc", one), &other_family), "abc|;");
	is(blocks_of(&a, message(&a, "abc", one), &other_key), "abc|;");
	arena_release(&a);
}

static void
proves_nothing_when_parts_do_not_fit(void **state)
{
	struct arena a;
	struct str one, two;

	(void)state;
	arena_init(&a);
	one = entry(&a, "AA", false, "thought-0-3");
	two = entry(&a, "BB", false, "thought-3-6");
	is(blocks_of(&a, message(&a, "abcde", ARENA_JOIN(&a, one, S(","),
	    two)), &key), "abcde|;");
	is(blocks_of(&a, message(&a, "abcdef", ARENA_JOIN(&a, two, S(","),
	    one)), &key), "abcdef|;");
	/* Across a character. */
	is(blocks_of(&a, message(&a, "abüdef", ARENA_JOIN(&a, one, S(","),
	    two)), &key), "abüdef|;");
	is(blocks_of(&a, message(&a, "abcdef", ARENA_JOIN(&a, one, S(","),
	    entry(&a, "BB", false, NULL))), &key), "abcdef|;");
	is(blocks_of(&a, message(&a, "abc", S("{\"type\":\"reasoning.text\","
	    "\"text\":\"abc\",\"signature\":\"AA\"},7,null")), &key),
	    "abc|;");
	arena_release(&a);
}

/* --- The text of a Messages request --------------------------------------- */

static void
cut_is(const char *body, const struct envelope_key *k, const char *want)
{
	struct arena a;
	struct buf out;

	arena_init(&a);
	out = BUF(&a, LIMIT_FOLD_BYTES);
	assert_true(anthropic_thoughts(&a, str_of(body), k, &out));
	is(buf_str(&out), want);
	arena_release(&a);
}

static void
cuts_thoughts_out_of_a_text(void **state)
{
	(void)state;
	cut_is("{}", NULL, "{\"thinking\":{\"type\":\"disabled\"}}");
	cut_is(" {\"a\": 1e2 ,\"thinking\":{\"type\":\"adaptive\"},"
	    "\"output_config\":{\"effort\":\"xhigh\",\"b\":[ ]},"
	    "\"messages\":[{\"role\":\"assistant\",\"content\":\"c\"}, "
	    "{\"content\":[{\"type\":\"thinking\"},{\"type\":\"text\"}],"
	    "\"role\":\"assistant\"},{\"role\":\"assistant\",\"content\":["
	    "{\"type\":\"redacted_thinking\",\"data\":\"d\"}]}]}\n", NULL,
	    "{\"a\":1e2,\"output_config\":{\"effort\":\"high\",\"b\":[ ]},"
	    "\"messages\":[{\"role\":\"assistant\",\"content\":\"c\"},"
	    "{\"content\":[{\"type\":\"text\"}],\"role\":\"assistant\"}],"
	    "\"thinking\":{\"type\":\"disabled\"}}");
	cut_is("{\"messages\":[7,{\"content\":[\"x\",{\"type\":\"thinking\"}]}"
	    "],\"output_config\":null,\"context_management\":{\"edits\":["
	    "{\"type\":\"clear_thinking_1\"}]}}", NULL,
	    "{\"messages\":[7,{\"content\":[\"x\"]}],\"output_config\":null,"
	    "\"context_management\":{\"edits\":[]},"
	    "\"thinking\":{\"type\":\"disabled\"}}");
}

static void
opens_envelopes_in_a_text(void **state)
{
	struct arena a;
	struct str good, body;

	(void)state;
	arena_init(&a);
	good = envelope_close(&a, &key, S("c2ln"), false);
	body = ARENA_JOIN(&a, S("{\"thinking\":{\"type\":\"enabled\"},"
	    "\"messages\":[{\"content\":[{\"type\":\"thinking\","
	    "\"signature\":\""), good, S("\",\"thinking\":\"t\"},"
	    "{\"type\":\"redacted_thinking\",\"data\":\"wr1.AA.AA\"},"
	    "{\"type\":\"text\",\"text\":\""), good, S("\"}]}]}"));
	cut_is(arena_printf(&a, "%.*s", STR_ARGS(body)).p, &key,
	    arena_printf(&a, "{\"thinking\":{\"type\":\"enabled\"},"
	    "\"messages\":[{\"content\":[{\"type\":\"thinking\","
	    "\"signature\":\"c2ln\",\"thinking\":\"t\"},"
	    "{\"type\":\"text\",\"text\":\"%.*s\"}]}]}",
	    STR_ARGS(good)).p);
	arena_release(&a);
}

/* --- Lengths -------------------------------------------------------------- */

static void
counts_bytes_as_they_are_unescaped(void **state)
{
	static const char *const raw[] = { "", "abc", "\\n\\\"\\\\", "ü€😀",
		"\\u00fc\\u20ac\\ud83d\\ude00", "\\u0041\\/\\u07ff\\u0800" };
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(raw); i++)
		assert_int_equal(neutral_length(str_of(raw[i])),
		    neutral_plain(&a, str_of(raw[i])).n);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_what_it_closed),
		cmocka_unit_test(has_the_form_that_is_told),
		cmocka_unit_test(notices_each_change),
		cmocka_unit_test(finds_the_parts_of_thoughts),
		cmocka_unit_test(proves_nothing_when_parts_do_not_fit),
		cmocka_unit_test(cuts_thoughts_out_of_a_text),
		cmocka_unit_test(opens_envelopes_in_a_text),
		cmocka_unit_test(counts_bytes_as_they_are_unescaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
