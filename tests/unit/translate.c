/* SPDX-License-Identifier: MIT */
/* translate.c - a step alone: the body for an upstream, or a fault. */
#include "handlers/relay/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

/* Last: its fail() is a macro, ours a function. */
#include <cmocka.h>

static const struct edits *last;

static bool
writes(const struct asked *asked, const struct edits *edits, struct buf *out)
{
	static struct edits kept;

	kept = *edits;
	last = &kept;
	return buf_put(out, edits->model) && buf_put(out, asked->body);
}

static bool
refuses(const struct asked *asked, const struct edits *edits, struct buf *out)
{
	(void)asked;
	(void)edits;
	(void)out;
	return false;
}

/* What was there, a copy: its model is not changed. */
static bool
copies(const struct asked *asked, const struct edits *edits, struct buf *out)
{
	(void)edits;
	return buf_put(out, asked->body);
}

/* All that the step looks at. */
struct scene {
	struct arena arena;
	struct dialect dialect;
	struct model model;
	struct channel channel;
	struct candidate with;
	struct request rq;
	struct attempt attempt;
	struct call call;
};

static void
set(struct scene *s)
{
	*s = (struct scene){
		.dialect = { .name = "made", .write_request = writes },
		.with = { .channel = &s->channel,
			.upstream_model = STR_INIT("up-") },
		.rq = { .body = STR_INIT("body") },
	};
	arena_init(&s->arena);
	s->attempt.with = &s->with;
	s->attempt.speaks = &s->dialect;
	s->call = (struct call){ .rq = &s->rq, .arena = &s->arena,
		.dialect = &s->dialect, .attempt = &s->attempt,
		.plan = { .model = &s->model }, .cap_output = -1,
		.asked = { .body = s->rq.body } };
}

static void
clear(struct scene *s)
{
	buf_release(&s->attempt.body);
	arena_release(&s->arena);
}

static void
writes_the_body(void **state)
{
	struct scene s;

	(void)state;
	set(&s);
	assert_int_equal(translate(&s.call), NEXT);
	assert_true(str_eq(buf_str(&s.attempt.body), S("up-body")));
	assert_false(last->force_usage);
	assert_int_equal(last->cap_output, -1);
	assert_false(last->cap_as_completion);
	clear(&s);
}

static void
asks_for_usage_and_sets_a_limit(void **state)
{
	struct scene s;

	(void)state;
	set(&s);
	s.call.asked.stream = true;
	s.call.cap_output = 300;
	s.model.capabilities = S("max_completion_tokens=yes");
	assert_int_equal(translate(&s.call), NEXT);
	assert_true(last->force_usage);
	assert_int_equal(last->cap_output, 300);
	assert_true(last->cap_as_completion);
	clear(&s);
}

/* The list that counts is the last: a family's, a preset's, the channel's, the
 * model's. */
static void
knows_the_limit_by_name(void **state)
{
	static const struct {
		const char *as, *preset, *quirks, *model;
		bool completion;
	} known[] = {
		{ "up-", "", "", "", false },
		{ "gpt-5", "", "", "", true },
		{ "maker/gpt-5", "openrouter", "", "", false },
		{ "up-", "groq", "", "", true },
		{ "up-", "groq", "max_completion_tokens=no", "", false },
		{ "up-", "", "max_completion_tokens",
		    "max_completion_tokens=no", false },
		{ "gpt-5", "", "", "max_completion_tokens=no", false },
		{ "gpt-5", "unknown", "odd=1", "", true },
	};
	struct scene s;

	(void)state;
	for (size_t i = 0; i < countof(known); i++) {
		set(&s);
		s.call.cap_output = 300;
		s.call.asked.boundary = S("no JSON to edit");
		s.with.upstream_model = str_of(known[i].as);
		s.channel.preset = str_of(known[i].preset);
		s.channel.quirks = str_of(known[i].quirks);
		s.model.capabilities = str_of(known[i].model);
		assert_int_equal(translate(&s.call), NEXT);
		assert_int_equal(last->cap_as_completion,
		    known[i].completion);
		clear(&s);
	}
}

/* A scene with this body, whose channel edits it. */
static void
set_edits(struct scene *s, const char *body)
{
	set(s);
	s->dialect.write_request = copies;
	s->rq.body = s->call.asked.body = str_of(body);
	s->channel.drop = S("a user");
	s->channel.set = S("{\"b\":true}");
	s->call.plan.list = &s->with;
	s->call.plan.n = 1;
}

static void
edits_last(void **state)
{
	struct scene s;

	(void)state;
	set_edits(&s, " {\"a\":1,\"b\":2, \"c\":[3],\"A\":4}\n");
	assert_int_equal(translate(&s.call), NEXT);
	assert_true(str_eq(buf_str(&s.attempt.body),
	    S("{\"b\":true,\"c\":[3]}")));
	assert_true(str_eq(s.call.dropped, S("a")));
	clear(&s);

	/* The preset's, then the channel's. */
	set_edits(&s, "{\"top_logprobs\":1,\"c\":1,\"user\":\"u\"}");
	s.channel.preset = S("groq");
	s.channel.set = S("{\"logprobs\":false}");
	assert_int_equal(translate(&s.call), NEXT);
	assert_true(str_eq(buf_str(&s.attempt.body),
	    S("{\"c\":1,\"logprobs\":false}")));
	assert_true(str_eq(s.call.dropped, S("top_logprobs user")));
	clear(&s);

	/* Nothing that is dropped was there; and a form has no members. */
	set_edits(&s, "{\"c\":1}");
	assert_int_equal(translate(&s.call), NEXT);
	assert_true(str_eq(buf_str(&s.attempt.body),
	    S("{\"c\":1,\"b\":true}")));
	assert_int_equal(s.call.dropped.n, 0);
	clear(&s);
	set_edits(&s, "--x\r\n{\"a\":1}");
	s.call.asked.boundary = S("x");
	assert_int_equal(translate(&s.call), NEXT);
	assert_true(str_eq(buf_str(&s.attempt.body), s.rq.body));
	clear(&s);
}

/* For a key that is strict nothing is left out, at whatever channel. */
static void
is_strict(void **state)
{
	struct scene s;

	(void)state;
	set_edits(&s, "{\"c\":1,\"user\":\"u\"}");
	s.call.key.strict = true;
	assert_int_equal(translate(&s.call), STOP);
	assert_int_equal(s.call.fault.kind, FAULT_UNSUPPORTED);
	assert_true(str_eq(s.call.fault.param, S("user")));
	clear(&s);
	set_edits(&s, "{\"c\":1,\"user\":\"u\"}");
	s.channel.quirks = S("strict");
	assert_int_equal(translate(&s.call), STOP);
	assert_int_equal(s.call.fault.kind, FAULT_UNSUPPORTED);
	clear(&s);
	set_edits(&s, "{\"c\":1}");
	s.call.key.strict = true;
	assert_int_equal(translate(&s.call), NEXT);
	clear(&s);
}

/* What was written for one upstream is not what another one gets: its limit
 * is in words of its own, and by what its model costs. */
static void
keeps_what_is_limited(void **state)
{
	enum { LARGE = 128 << 10 };
	struct candidate two[2];
	struct scene s;

	(void)state;
	for (int n = 1; n <= 2; n++) {
		char *body = malloc(LARGE);

		memset(body, ' ', LARGE);
		memcpy(body, "{\"c\":1", 6);
		body[LARGE - 1] = '}';
		set(&s);
		s.dialect.write_request = copies;
		s.rq.body = s.call.asked.body = str_from(body, LARGE);
		two[0] = two[1] = s.with;
		s.call.plan.list = two;
		s.call.plan.n = n;
		s.call.cap_output = 300;
		assert_int_equal(translate(&s.call), NEXT);
		assert_int_equal(s.rq.body.n, n == 1 ? 0 : LARGE);
		request_drop_body(&s.rq);
		clear(&s);
	}
}

/* No input leads here: it is weir's own mistake, and is told as one. */
static void
says_when_it_cannot(void **state)
{
	struct scene s;

	(void)state;
	set(&s);
	s.dialect.write_request = refuses;
	assert_int_equal(translate(&s.call), STOP);
	assert_int_equal(s.call.fault.kind, FAULT_INTERNAL);
	assert_int_equal(fault_status(&s.call.fault), 500);
	clear(&s);
}

static void
waits_for_a_reader(void **state)
{
	struct scene s;

	(void)state;
	set(&s);
	s.call.job_out = true;
	assert_int_equal(translate(&s.call), WAIT);
	clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_body),
		cmocka_unit_test(asks_for_usage_and_sets_a_limit),
		cmocka_unit_test(knows_the_limit_by_name),
		cmocka_unit_test(edits_last),
		cmocka_unit_test(is_strict),
		cmocka_unit_test(keeps_what_is_limited),
		cmocka_unit_test(says_when_it_cannot),
		cmocka_unit_test(waits_for_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
