/* SPDX-License-Identifier: MIT */
/* families.c - what models can do that are known by name; see families.h. */
#include "handlers/dialect/families.h"

#include "fcgi/base/mem.h"

/* Claude that thinks by itself and takes no sampling; that is given a budget;
 * OpenAI's that reason, and that do not. */
#define CLAUDE "json_schema strict_tools service_tier "
#define CLAUDE_NEW CLAUDE "reasoning=adaptive sampling=no " \
	"efforts=low,medium,high,xhigh,max"
#define CLAUDE_46 CLAUDE "reasoning=adaptive temp_and_top_p=no " \
	"efforts=low,medium,high,max"
#define CLAUDE_45 CLAUDE "reasoning=budget temp_and_top_p=no prefill"
#define CLAUDE_4 "service_tier reasoning=budget prefill"
#define OPENAI "json_schema strict_tools end_user=safety_identifier " \
	"service_tier "
#define REASONS OPENAI "max_completion_tokens reasoning=effort " \
	"developer_role "
#define OLD_O REASONS "sampling=no penalties=no logprobs=no " \
	"logit_bias=no efforts=low,medium,high disable_reasoning=no "
#define GPT_5 REASONS "sampling=no penalties=no logprobs=no logit_bias=no " \
	"efforts=minimal,low,medium,high disable_reasoning=no"
#define GPT_51 REASONS "sampling=plain penalties=no logit_bias=no " \
	"efforts=none,low,medium,high"
#define GPT_52 REASONS "sampling=plain penalties=no logit_bias=no " \
	"efforts=none,low,medium,high,xhigh"

#define GEMINI_3 "reasoning=level disable_reasoning=no json_schema " \
	"json_with_tools result_parts "

/* The first that fits counts.  Providers put a maker before the name
 * ("anthropic/claude-…"), so it may begin after any slash. */
static const struct {
	struct str begins, list;
} families[] = {
	{ STR_INIT("claude-opus-4-7"), STR_INIT(CLAUDE_NEW) },
	{ STR_INIT("claude-opus-4-8"), STR_INIT(CLAUDE_NEW) },
	{ STR_INIT("claude-opus-5"), STR_INIT(CLAUDE_NEW) },
	{ STR_INIT("claude-sonnet-5"), STR_INIT(CLAUDE_NEW) },
	{ STR_INIT("claude-haiku-5"), STR_INIT(CLAUDE_NEW) },
	{ STR_INIT("claude-opus-4-6"), STR_INIT(CLAUDE_46) },
	{ STR_INIT("claude-sonnet-4-6"), STR_INIT(CLAUDE_46) },
	{ STR_INIT("claude-opus-4-5"), STR_INIT(CLAUDE_45) },
	{ STR_INIT("claude-sonnet-4-5"), STR_INIT(CLAUDE_45) },
	{ STR_INIT("claude-haiku-4-5"), STR_INIT(CLAUDE_45) },
	{ STR_INIT("claude-opus-4-1"), STR_INIT(CLAUDE_45) },
	{ STR_INIT("claude-opus-4"), STR_INIT(CLAUDE_4) },
	{ STR_INIT("claude-sonnet-4"), STR_INIT(CLAUDE_4) },
	{ STR_INIT("claude-3-7"), STR_INIT(CLAUDE_4) },
	{ STR_INIT("claude-"), STR_INIT("service_tier prefill") },
	{ STR_INIT("gpt-5-chat"), STR_INIT(OPENAI "max_completion_tokens") },
	{ STR_INIT("gpt-5.1"), STR_INIT(GPT_51) },
	{ STR_INIT("gpt-5.4"), STR_INIT(GPT_52
	    " tools_need_responses=reasoning") },
	{ STR_INIT("gpt-5.5"), STR_INIT(GPT_52 " tools_need_responses") },
	{ STR_INIT("gpt-5.6"), STR_INIT(GPT_52 " cache_control=breakpoint "
	    "tools_need_responses") },
	{ STR_INIT("gpt-5."), STR_INIT(GPT_52) },
	{ STR_INIT("gpt-5"), STR_INIT(GPT_5) },
	{ STR_INIT("o1"), STR_INIT(OLD_O) },
	{ STR_INIT("o3"), STR_INIT(OLD_O "stop=no") },
	{ STR_INIT("o4"), STR_INIT(OLD_O "stop=no") },
	{ STR_INIT("gpt-4o"), STR_INIT(OPENAI) },
	{ STR_INIT("gpt-4.1"), STR_INIT(OPENAI) },
	{ STR_INIT("gemini-3-pro"), STR_INIT(GEMINI_3 "efforts=low,high") },
	{ STR_INIT("gemini-3.1-pro"), STR_INIT(GEMINI_3
	    "efforts=low,medium,high") },
	{ STR_INIT("gemini-3.7"), STR_INIT(GEMINI_3
	    "efforts=low,medium,high") },
	{ STR_INIT("gemini-3.8"), STR_INIT(GEMINI_3
	    "efforts=low,medium,high") },
	{ STR_INIT("gemini-3"), STR_INIT(GEMINI_3
	    "efforts=minimal,low,medium,high") },
	{ STR_INIT("gemini-2.5-pro"), STR_INIT("reasoning=budget json_schema "
	    "disable_reasoning=no") },
	{ STR_INIT("gemini-2.5"), STR_INIT("reasoning=budget json_schema") },
	{ STR_INIT("gemini-"), STR_INIT("json_schema") },
	{ STR_INIT("gpt-oss"), STR_INIT("reasoning=effort "
	    "efforts=low,medium,high disable_reasoning=no") },
	{ STR_INIT("deepseek-r1"), STR_INIT("reasoning_replay=no") },
	{ STR_INIT("deepseek-reasoner"), STR_INIT("reasoning_replay=no") },
	{ STR_INIT("deepseek"), STR_INIT("reasoning_replay") },
};

struct str
family_at(size_t i, struct str *list)
{
	if (i >= countof(families))
		return (struct str){ NULL, 0 };
	*list = families[i].list;
	return families[i].begins;
}

struct str
family_list(struct str model)
{
	struct str rest = model, name = model;

	while (rest.n) {
		name = rest;
		str_cut(&rest, '/');
	}
	for (size_t i = 0; i < countof(families); i++)
		if (str_starts(name, families[i].begins))
			return families[i].list;
	return (struct str){ NULL, 0 };
}
