/* SPDX-License-Identifier: MIT */
/* translate.c - a step alone: the body for an upstream, or a fault. */
#include "handlers/relay/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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
	s.model.max_completion = true;
	assert_int_equal(translate(&s.call), NEXT);
	assert_true(last->force_usage);
	assert_int_equal(last->cap_output, 300);
	assert_true(last->cap_as_completion);
	clear(&s);
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
		cmocka_unit_test(says_when_it_cannot),
		cmocka_unit_test(waits_for_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
