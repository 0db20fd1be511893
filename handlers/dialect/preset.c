/* SPDX-License-Identifier: MIT */
/* preset.c - what is known of well-known upstreams; see preset.h. */
#include "handlers/dialect/preset.h"

#include "fcgi/base/mem.h"

/* Servers of open models: what their chat templates usually take. */
#define OPEN "one_system top_k parallel_tools=no "
/* Who speaks Messages beside its maker: no marks, no forms. */
#define LIKE_MESSAGES "reasoning=budget cache_control=no tool_choice_none=no"

/* In order of names. */
static const struct preset presets[] = {
	{ .name = STR_INIT("anthropic"), .title = STR_INIT("Anthropic"),
	    .dialect = STR_INIT("anthropic"),
	    .base_url = STR_INIT("https://api.anthropic.com") },
	{ .name = STR_INIT("deepseek"), .title = STR_INIT("DeepSeek"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://api.deepseek.com/v1"),
	    .quirks = STR_INIT("reasoning=thinking efforts=low,medium,high,max "
	    "json_schema=no strict_tools=no seed=no end_user=no") },
	{ .name = STR_INIT("deepseek-messages"),
	    .title = STR_INIT("DeepSeek, as Messages"),
	    .dialect = STR_INIT("anthropic"),
	    .base_url = STR_INIT("https://api.deepseek.com/anthropic"),
	    .quirks = STR_INIT(LIKE_MESSAGES) },
	{ .name = STR_INIT("gemini"), .title = STR_INIT("Google Gemini"),
	    .dialect = STR_INIT("gemini"),
	    .base_url =
	    STR_INIT("https://generativelanguage.googleapis.com") },
	{ .name = STR_INIT("groq"), .title = STR_INIT("Groq"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://api.groq.com/openai/v1"),
	    .quirks = STR_INIT("reasoning=effort logprobs=no logit_bias=no "
	    "max_completion_tokens json_schema end_user=user"),
	    .drop = STR_INIT("logprobs top_logprobs logit_bias") },
	{ .name = STR_INIT("minimax-messages"),
	    .title = STR_INIT("MiniMax, as Messages"),
	    .dialect = STR_INIT("anthropic"),
	    .base_url = STR_INIT("https://api.minimax.io/anthropic"),
	    .quirks = STR_INIT(LIKE_MESSAGES) },
	{ .name = STR_INIT("mistral"), .title = STR_INIT("Mistral AI"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://api.mistral.ai/v1"),
	    .quirks = STR_INIT("tool_choice=any tool_ids=alnum9 tool_name "
	    "seed=random_seed stream_usage=no prefill prefill_mark=prefix "
	    "json_schema logit_bias=no logprobs=no efforts=none,high"),
	    .drop = STR_INIT("stream_options logprobs top_logprobs "
	    "logit_bias user") },
	{ .name = STR_INIT("moonshot"), .title = STR_INIT("Moonshot AI"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://api.moonshot.ai/v1"),
	    .quirks = STR_INIT("reasoning=thinking temperature_most=1 "
	    "image_url=no schema_uri=no reasoning_replay prefill "
	    "prefill_mark=partial") },
	{ .name = STR_INIT("moonshot-messages"),
	    .title = STR_INIT("Moonshot AI, as Messages"),
	    .dialect = STR_INIT("anthropic"),
	    .base_url = STR_INIT("https://api.moonshot.ai/anthropic"),
	    .quirks = STR_INIT(LIKE_MESSAGES " image_url=no") },
	{ .name = STR_INIT("ollama"), .title = STR_INIT("Ollama"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("http://127.0.0.1:11434/v1"),
	    .plain_http = true,
	    .quirks = STR_INIT(OPEN "reasoning=effort tool_choice=auto "
	    "image_url=no json_schema logit_bias=no") },
	{ .name = STR_INIT("openai"), .title = STR_INIT("OpenAI"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://api.openai.com/v1") },
	{ .name = STR_INIT("openrouter"), .title = STR_INIT("OpenRouter"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://openrouter.ai/api/v1"),
	    .quirks = STR_INIT("reasoning=object top_k cache_control "
	    "sampling=yes developer_role=no max_completion_tokens=no "
	    "service_tier=no end_user=user tools_need_responses=no") },
	{ .name = STR_INIT("qwen"), .title = STR_INIT("Qwen, Model Studio"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://dashscope-intl.aliyuncs.com/"
	    "compatible-mode/v1"),
	    .quirks = STR_INIT("reasoning=enable_thinking top_k "
	    "cache_control") },
	{ .name = STR_INIT("sglang"), .title = STR_INIT("SGLang"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("http://127.0.0.1:30000/v1"),
	    .plain_http = true,
	    .quirks = STR_INIT(OPEN "reasoning=template json_schema") },
	{ .name = STR_INIT("together"), .title = STR_INIT("Together AI"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://api.together.xyz/v1"),
	    .quirks = STR_INIT("top_k json_schema reasoning=effort "
	    "efforts=low,medium,high") },
	{ .name = STR_INIT("vllm"), .title = STR_INIT("vLLM"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("http://127.0.0.1:8000/v1"),
	    .plain_http = true,
	    .quirks = STR_INIT(OPEN "reasoning=template json_schema") },
	{ .name = STR_INIT("xai"), .title = STR_INIT("xAI"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://api.x.ai/v1"),
	    .quirks = STR_INIT("max_completion_tokens json_schema "
	    "reasoning=effort efforts=low,high end_user=user") },
	{ .name = STR_INIT("zhipu"), .title = STR_INIT("Zhipu AI"),
	    .dialect = STR_INIT("openai"),
	    .base_url = STR_INIT("https://open.bigmodel.cn/api/paas/v4"),
	    .quirks = STR_INIT("reasoning=thinking tool_choice=auto"),
	    .set = STR_INIT("{\"tool_stream\":true}") },
	{ .name = STR_INIT("zhipu-messages"),
	    .title = STR_INIT("Zhipu AI, as Messages"),
	    .dialect = STR_INIT("anthropic"),
	    .base_url = STR_INIT("https://open.bigmodel.cn/api/anthropic"),
	    .quirks = STR_INIT(LIKE_MESSAGES) },
};

const struct preset *
preset_at(size_t i)
{
	return i < countof(presets) ? &presets[i] : NULL;
}

const struct preset *
preset_find(struct str name)
{
	for (size_t i = 0; i < countof(presets); i++)
		if (str_eq(presets[i].name, name))
			return &presets[i];
	return NULL;
}
