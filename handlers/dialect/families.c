/* SPDX-License-Identifier: MIT */
/* families.c - what models can do that are known by name; see families.h. */
#include "handlers/dialect/families.h"

#include "fcgi/base/mem.h"

/* Claude that thinks by itself and takes no sampling; that is given a budget;
 * OpenAI's that reason. */
#define CLAUDE_NEW { .reasoning = REASONING_ADAPTIVE, \
	.sampling = SAMPLING_NO, .json_schema = true, .strict_tools = true }
#define CLAUDE_46 { .reasoning = REASONING_ADAPTIVE, .temp_or_top_p = true, \
	.json_schema = true, .strict_tools = true }
#define CLAUDE_45 { .reasoning = REASONING_BUDGET, .temp_or_top_p = true, \
	.json_schema = true, .strict_tools = true, .prefill = true }
#define CLAUDE_4 { .reasoning = REASONING_BUDGET, .prefill = true }
#define REASONS { .max_completion = true, .reasoning = REASONING_EFFORT, \
	.sampling = SAMPLING_NO, .developer_role = true, \
	.json_schema = true, .strict_tools = true }
#define SCHEMAS { .json_schema = true, .strict_tools = true }

/* The first that fits counts.  Providers put a maker before the name
 * ("anthropic/claude-…"), so it may begin after any slash. */
static const struct {
	struct str begins;
	struct target is;
} families[] = {
	{ STR_INIT("claude-opus-4-7"), CLAUDE_NEW },
	{ STR_INIT("claude-opus-4-8"), CLAUDE_NEW },
	{ STR_INIT("claude-opus-5"), CLAUDE_NEW },
	{ STR_INIT("claude-sonnet-5"), CLAUDE_NEW },
	{ STR_INIT("claude-haiku-5"), CLAUDE_NEW },
	{ STR_INIT("claude-opus-4-6"), CLAUDE_46 },
	{ STR_INIT("claude-sonnet-4-6"), CLAUDE_46 },
	{ STR_INIT("claude-opus-4-5"), CLAUDE_45 },
	{ STR_INIT("claude-sonnet-4-5"), CLAUDE_45 },
	{ STR_INIT("claude-haiku-4-5"), CLAUDE_45 },
	{ STR_INIT("claude-opus-4-1"), CLAUDE_45 },
	{ STR_INIT("claude-opus-4"), CLAUDE_4 },
	{ STR_INIT("claude-sonnet-4"), CLAUDE_4 },
	{ STR_INIT("claude-3-7"), CLAUDE_4 },
	{ STR_INIT("claude-"), { .prefill = true } },
	{ STR_INIT("gpt-5"), REASONS },
	{ STR_INIT("o1"), REASONS },
	{ STR_INIT("o3"), REASONS },
	{ STR_INIT("o4"), REASONS },
	{ STR_INIT("gpt-4o"), SCHEMAS },
	{ STR_INIT("gpt-4.1"), SCHEMAS },
	{ STR_INIT("deepseek"), { .reasoning_replay = true,
	    .plain_default = true } },
};

struct target
family_target(struct str model)
{
	struct str rest = model, name = model;

	while (rest.n) {
		name = rest;
		str_cut(&rest, '/');
	}
	for (size_t i = 0; i < countof(families); i++)
		if (str_starts(name, families[i].begins)) {
			struct target t = families[i].is;

			t.model = model;
			return t;
		}
	return (struct target){ .model = model, .plain_default = true };
}
