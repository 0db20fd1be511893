/* SPDX-License-Identifier: MIT */
/*
 * quirks.c - each capability in what is written for an upstream that has it.
 *
 * A row is a conversation in one dialect, the capabilities of the upstream by
 * name, and what the body for it holds.  To be read, JSON has ' for " here.
 */
#include "tests/unit/crossing.h"

#include "handlers/dialect/capability.h"

enum { PAIRS = 16 };

/* From Chat Completions or Messages, to one of them. */
enum way { C_TO_C, C_TO_A, A_TO_C, A_TO_A, C_TO_G, A_TO_G };

struct row {
	const char *name;
	enum way way;
	const char *quirks;
	const char *text;		/* what follows "model" */
	const char *dropped;		/* NULL: nothing */
	const char *pairs[PAIRS];	/* path, value; value NULL: none */
};

static const char *
json(struct arena *a, const char *text)
{
	struct str s = arena_str(a, str_of(text));
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i <= s.n; i++)
		p[i] = s.p[i] == '\'' ? '"' : s.p[i];
	return p;
}

static bool
cross(struct arena *a, enum way way, const char *quirks, const char *text,
    struct buf *out, struct dropped *d, struct fault *f)
{
	bool from_chat = way == C_TO_C || way == C_TO_A || way == C_TO_G;
	struct target t = { .model = way == C_TO_A || way == A_TO_A ?
		S("claude-x") : way == C_TO_G || way == A_TO_G ?
		S("gemini-x") : S("gpt-x") };
	struct str list = str_of(quirks), why;

	while (list.n) {
		struct str value = str_cut(&list, ' ');
		struct str name = str_cut(&value, '=');

		if (!capability_valid(a, name, value, &why)) {
			print_error("%s: %.*s\n", quirks, STR_ARGS(why));
			fail();
		}
	}
	capability_apply(&t, str_of(quirks));
	text = ARENA_JOIN(a, S("{\"model\":\"m\","), str_of(json(a, text)),
	    S("}")).p;
	return translate(a, from_chat ? &openai_dialect : &anthropic_dialect,
	    text, &t, out, d, f);
}

static void
run_row(const struct row *r)
{
	const char *pairs[PAIRS + 1] = { NULL };
	struct buf out, again;
	struct dropped d;
	struct fault f;
	struct arena a;

	arena_init(&a);
	if (!cross(&a, r->way, r->quirks, r->text, &out, &d, &f)) {
		print_error("%s: refused: %.*s\n", r->name, STR_ARGS(f.text));
		fail();
	}
	if (!json_valid(buf_str(&out), NULL)) {
		print_error("%s: %.*s\n", r->name, STR_ARGS(buf_str(&out)));
		fail();
	}
	expect_text(r->name, buf_str(&d.names), r->dropped ? r->dropped : "");
	for (size_t i = 0; i < PAIRS && r->pairs[i]; i += 2) {
		pairs[i] = r->pairs[i];
		pairs[i + 1] = r->pairs[i + 1] ? json(&a, r->pairs[i + 1]) :
		    "";
	}
	expect_values(r->name, buf_str(&out), pairs);
	assert_true(cross(&a, r->way, r->quirks, r->text, &again, &d, &f));
	assert_true(str_eq(buf_str(&out), buf_str(&again)));
	arena_release(&a);
}

#define HI "'messages':[{'role':'user','content':'hi'}]"
#define MAX "'max_tokens':40000,"
#define TOOL "'tools':[{'name':'f','input_schema':{'type':'object'}}," \
	"{'name':'g','input_schema':{'type':'object'}}],"
#define CHAT_TOOL "'tools':[{'type':'function','function':{'name':'f'," \
	"'parameters':{'type':'object'}}}],"
#define EFFORT(word) "'thinking':{'type':'adaptive'},'output_config':{" \
	"'effort':'" word "'}"
#define BUDGET(n) "'thinking':{'type':'enabled','budget_tokens':" n "}"
#define OFF "'thinking':{'type':'disabled'}"
#define MARK "'cache_control':{'type':'ephemeral'}"

/* --- Reasoning --- */

static const struct row reasoning_rows[] = {
	{ "no style, on", A_TO_C, "", MAX HI "," BUDGET("5000"), "reasoning",
	    { "reasoning_effort", NULL, "thinking", NULL } },
	{ "no style, off", A_TO_C, "", MAX HI "," OFF, NULL,
	    { "reasoning_effort", NULL, "thinking", NULL } },
	{ "always reasons, off", A_TO_C, "disable_reasoning=no", MAX HI ","
	    OFF, "reasoning", { "thinking", NULL } },
	{ "effort, by a budget", A_TO_C, "reasoning=effort", MAX HI ","
	    BUDGET("9000"), NULL, { "reasoning_effort", "'high'" } },
	{ "effort, as it likes", A_TO_C, "reasoning=effort", MAX HI ","
	    "'thinking':{'type':'adaptive'}", NULL,
	    { "reasoning_effort", NULL } },
	{ "effort, off", A_TO_C, "reasoning=effort", MAX HI "," OFF, NULL,
	    { "reasoning_effort", "'none'" } },
	{ "efforts: max is xhigh", A_TO_C, "reasoning=effort "
	    "efforts=low,medium,high,xhigh", MAX HI "," EFFORT("max"), NULL,
	    { "reasoning_effort", "'xhigh'" } },
	{ "efforts: max is high", A_TO_C, "reasoning=effort "
	    "efforts=low,medium,high", MAX HI "," EFFORT("max"), NULL,
	    { "reasoning_effort", "'high'" } },
	{ "efforts: minimal is low", C_TO_C, "reasoning=effort", HI ","
	    "'reasoning_effort':'minimal'", NULL,
	    { "reasoning_effort", "'low'" } },
	{ "efforts: low is high", C_TO_C, "reasoning=effort "
	    "efforts=none,high", HI ",'reasoning_effort':'low'", NULL,
	    { "reasoning_effort", "'high'" } },
	{ "efforts: none is minimal", C_TO_C, "reasoning=effort "
	    "efforts=minimal,low disable_reasoning=no", HI ","
	    "'reasoning_effort':'none'", NULL,
	    { "reasoning_effort", "'minimal'" } },
	{ "efforts: none is nothing", C_TO_C, "reasoning=effort "
	    "efforts=low,high disable_reasoning=no", HI ","
	    "'reasoning_effort':'none'", "reasoning",
	    { "reasoning_effort", NULL } },
	{ "thinking, on", A_TO_C, "reasoning=thinking", MAX HI ","
	    BUDGET("5000"), NULL, { "thinking", "{'type':'enabled'}",
	    "reasoning_effort", NULL } },
	{ "thinking, with efforts", A_TO_C, "reasoning=thinking "
	    "efforts=low,high,max", MAX HI "," EFFORT("xhigh"), NULL,
	    { "thinking", "{'type':'enabled'}",
	    "reasoning_effort", "'max'" } },
	{ "thinking, off", A_TO_C, "reasoning=thinking", MAX HI "," OFF,
	    NULL, { "thinking", "{'type':'disabled'}" } },
	{ "thinking, cannot be off", A_TO_C, "reasoning=thinking "
	    "disable_reasoning=no", MAX HI "," OFF, "reasoning",
	    { "thinking", NULL } },
	{ "enable_thinking, a budget", A_TO_C, "reasoning=enable_thinking",
	    MAX HI "," BUDGET("5000"), NULL,
	    { "enable_thinking", "true", "thinking_budget", "5000" } },
	{ "enable_thinking, an effort", C_TO_C, "reasoning=enable_thinking",
	    "'max_tokens':1000," HI ",'reasoning_effort':'high'", NULL,
	    { "enable_thinking", "true", "thinking_budget", "800" } },
	{ "enable_thinking, no limit", C_TO_C, "reasoning=enable_thinking",
	    HI ",'reasoning_effort':'max'", NULL,
	    { "enable_thinking", "true", "thinking_budget", NULL } },
	{ "enable_thinking, off", C_TO_C, "reasoning=enable_thinking", HI
	    ",'reasoning_effort':'none'", NULL,
	    { "enable_thinking", "false" } },
	{ "object, tokens", A_TO_C, "reasoning=object", MAX HI ","
	    BUDGET("5000"), NULL, { "reasoning", "{'max_tokens':5000}" } },
	{ "object, an effort", A_TO_C, "reasoning=object", MAX HI ","
	    EFFORT("low"), NULL, { "reasoning", "{'effort':'low'}" } },
	{ "object, left out of the answer", A_TO_C, "reasoning=object", MAX
	    HI ",'thinking':{'type':'adaptive','display':'omitted'}", NULL,
	    { "reasoning", "{'enabled':true,'exclude':true}" } },
	{ "object, off", A_TO_C, "reasoning=object", MAX HI "," OFF, NULL,
	    { "reasoning", "{'effort':'none'}" } },
	{ "template, on", A_TO_C, "reasoning=template", MAX HI ","
	    BUDGET("5000"), NULL,
	    { "chat_template_kwargs", "{'enable_thinking':true}" } },
	{ "template, off", A_TO_C, "reasoning=template", MAX HI "," OFF,
	    NULL, { "chat_template_kwargs", "{'enable_thinking':false}" } },
	{ "Messages' own styles, in Chat", A_TO_C, "reasoning=adaptive", MAX
	    HI "," BUDGET("5000"), "reasoning", { "thinking", NULL } },
	{ "adaptive: xhigh is max", C_TO_A, "reasoning=adaptive "
	    "efforts=low,medium,high,max", HI ",'reasoning_effort':'xhigh'",
	    NULL, { "output_config", "{'effort':'max'}" } },
	{ "adaptive: minimal is low", C_TO_A, "reasoning=adaptive", HI ","
	    "'reasoning_effort':'minimal'", NULL,
	    { "output_config", "{'effort':'low'}" } },
	{ "adaptive, cannot be off", C_TO_A, "reasoning=adaptive "
	    "disable_reasoning=no", HI ",'reasoning_effort':'none'",
	    "reasoning", { "thinking", NULL } },
	{ "disabled is never beside more than high", A_TO_A,
	    "reasoning=adaptive efforts=low,high,xhigh,max", MAX HI "," OFF
	    ",'output_config':{'effort':'max'}", NULL,
	    { "thinking", "{'type':'disabled'}",
	    "output_config", "{'effort':'high'}" } },
	{ "budget, as it likes", C_TO_A, "reasoning=budget", "'max_tokens':"
	    "20000," HI ",'enable_thinking':true", NULL,
	    { "thinking.budget_tokens", "8192" } },
	{ "thinking in Messages", C_TO_A, "reasoning=thinking", "'max_tokens'"
	    ":20000," HI ",'reasoning_effort':'low'", NULL,
	    { "thinking.budget_tokens", "1024" } },
	{ "thinking in Messages, off", C_TO_A, "reasoning=thinking", HI ","
	    "'reasoning_effort':'none'", NULL,
	    { "thinking", "{'type':'disabled'}" } },
	{ "effort in Messages", C_TO_A, "reasoning=effort", HI ","
	    "'reasoning_effort':'max'", NULL,
	    { "thinking", NULL, "output_config", "{'effort':'high'}" } },
	/* 36 */
	{ "ant-thinking-replay, none is \"\"", A_TO_C, "reasoning_replay",
	    MAX "'messages':[{'role':'user','content':'hi'},{'role':"
	    "'assistant','content':'yes'},{'role':'user','content':'go'}]",
	    NULL, { "messages.1.reasoning_content", "''" } },
	{ "ant-thinking-replay, off", A_TO_C, "reasoning_replay=no", MAX
	    "'messages':[{'role':'user','content':'hi'},{'role':'assistant',"
	    "'content':[{'type':'thinking','thinking':'hm','signature':'s'},"
	    "{'type':'text','text':'yes'}]},{'role':'user','content':'go'}]",
	    NULL, { "messages.1.reasoning_content", NULL } },
	{ "ant-thinking-replay, Messages without proof", C_TO_A,
	    "reasoning_replay", "'messages':[{'role':'user','content':'hi'},"
	    "{'role':'assistant','reasoning_content':'hm','content':'yes'},"
	    "{'role':'user','content':'go'}]", NULL,
	    { "messages.1.content.0", "{'type':'thinking','thinking':'hm',"
	    "'signature':''}" } },
};

/* How callers of Chat Completions say it. */
static const struct row synonym_rows[] = {
	{ "reasoning, an effort", C_TO_C, "reasoning=effort", HI ","
	    "'reasoning':{'effort':'low'}", NULL,
	    { "reasoning_effort", "'low'" } },
	{ "reasoning, tokens", C_TO_C, "reasoning=object", HI ","
	    "'reasoning':{'max_tokens':3000}", NULL,
	    { "reasoning", "{'max_tokens':3000}" } },
	{ "reasoning, enabled, not shown", C_TO_A, "reasoning=adaptive", HI
	    ",'reasoning':{'enabled':true,'exclude':true}", NULL,
	    { "thinking", "{'type':'adaptive','display':'omitted'}" } },
	{ "reasoning, not enabled", C_TO_A, "reasoning=adaptive", HI ","
	    "'reasoning':{'enabled':false,'effort':'high'}", NULL,
	    { "thinking", "{'type':'disabled'}" } },
	{ "reasoning beside reasoning_effort", C_TO_C, "reasoning=effort", HI
	    ",'reasoning_effort':'low','reasoning':{'exclude':true}", NULL,
	    { "reasoning_effort", "'low'" } },
	{ "thinking, enabled", C_TO_C, "reasoning=template", HI ","
	    "'thinking':{'type':'enabled'}", NULL,
	    { "chat_template_kwargs.enable_thinking", "true" } },
	{ "thinking, tokens", C_TO_C, "reasoning=effort", HI ",'thinking':"
	    "{'type':'enabled','budget_tokens':9000}", NULL,
	    { "reasoning_effort", "'high'" } },
	{ "thinking, disabled", C_TO_C, "reasoning=effort", HI ","
	    "'thinking':{'type':'disabled'}", NULL,
	    { "reasoning_effort", "'none'" } },
	{ "enable_thinking", C_TO_C, "reasoning=effort", HI ","
	    "'enable_thinking':true,'thinking_budget':900", NULL,
	    { "reasoning_effort", "'low'" } },
	{ "enable_thinking false", C_TO_C, "reasoning=effort", HI ","
	    "'enable_thinking':false,'thinking_budget':900", NULL,
	    { "reasoning_effort", "'none'" } },
	{ "thinking_config, tokens", C_TO_C, "reasoning=effort", HI ","
	    "'extra_body':{'google':{'thinking_config':{'thinking_budget':"
	    "2000,'include_thoughts':true}}}", NULL,
	    { "reasoning_effort", "'medium'" } },
	{ "thinking_config, none", C_TO_C, "reasoning=effort", HI ","
	    "'extra_body':{'google':{'thinking_config':{'thinking_budget':"
	    "0}}}", NULL, { "reasoning_effort", "'none'" } },
	{ "thinking_config, a level", C_TO_C, "reasoning=effort", HI ","
	    "'extra_body':{'google':{'thinking_config':{'thinking_level':"
	    "'HIGH'}}}", NULL, { "reasoning_effort", "'high'" } },
};

/* --- Sampling and limits --- */

static const struct row sampling_rows[] = {
	{ "max_tokens", A_TO_C, "", MAX HI, NULL,
	    { "max_tokens", "40000", "max_completion_tokens", NULL } },
	{ "max_completion_tokens", A_TO_C, "max_completion_tokens", MAX HI,
	    NULL, { "max_completion_tokens", "40000", "max_tokens", NULL } },
	{ "sampling", A_TO_C, "", MAX HI ",'temperature':0.5,'top_p':0.9",
	    NULL, { "temperature", "0.5", "top_p", "0.9" } },
	{ "sampling=no", A_TO_C, "sampling=no", MAX HI ",'temperature':0.5,"
	    "'top_p':0.9", "temperature top_p",
	    { "temperature", NULL, "top_p", NULL } },
	{ "sampling=no, 1 is what it does", A_TO_C, "sampling=no", MAX HI
	    ",'temperature':1.0", NULL, { "temperature", NULL } },
	{ "sampling=plain, reasons", A_TO_C, "reasoning=effort "
	    "sampling=plain", MAX HI ",'temperature':0.5," EFFORT("low"),
	    "temperature", { "temperature", NULL } },
	{ "sampling=plain, may reason", A_TO_C, "reasoning=effort "
	    "sampling=plain", MAX HI ",'temperature':0.5", "temperature",
	    { "temperature", NULL } },
	{ "sampling=plain, does not", A_TO_C, "reasoning=effort "
	    "sampling=plain", MAX HI ",'temperature':0.5," OFF, NULL,
	    { "temperature", "0.5", "reasoning_effort", "'none'" } },
	{ "sampling=plain, cannot be told", A_TO_C, "reasoning=effort "
	    "sampling=plain efforts=low disable_reasoning=no", MAX HI
	    ",'temperature':0.5," OFF, "reasoning temperature",
	    { "temperature", NULL } },
	{ "the dialect's highest temperature", A_TO_C, "", MAX HI
	    ",'temperature':2.00001", NULL, { "temperature", "2" } },
	{ "... is taken", A_TO_C, "", MAX HI ",'temperature':0.2e1", NULL,
	    { "temperature", "0.2e1" } },
	{ "temperature_most", C_TO_C, "temperature_most=1", HI
	    ",'temperature':1.01", NULL, { "temperature", "1" } },
	{ "temperature_most, in Messages", C_TO_A, "temperature_most=5", HI
	    ",'temperature':1.01", NULL, { "temperature", "1" } },
	{ "temp_and_top_p=no", A_TO_C, "temp_and_top_p=no", MAX HI
	    ",'temperature':0.5,'top_p':0.9", "top_p",
	    { "temperature", "0.5", "top_p", NULL } },
	{ "no top_k", A_TO_C, "", MAX HI ",'top_k':4", "top_k",
	    { "top_k", NULL } },
	{ "top_k", A_TO_C, "top_k", MAX HI ",'top_k':4", NULL,
	    { "top_k", "4" } },
	{ "seed", C_TO_C, "", HI ",'seed':7", NULL, { "seed", "7" } },
	{ "seed=random_seed", C_TO_C, "seed=random_seed", HI ",'seed':7",
	    NULL, { "random_seed", "7", "seed", NULL } },
	{ "seed=no", C_TO_C, "seed=no", HI ",'seed':7", "seed",
	    { "seed", NULL } },
	{ "penalties", C_TO_C, "", HI ",'presence_penalty':0.5,"
	    "'frequency_penalty':0.25,'logit_bias':{'5':1}", NULL,
	    { "presence_penalty", "0.5", "frequency_penalty", "0.25",
	    "logit_bias", "{'5':1}" } },
	{ "penalties=no", C_TO_C, "penalties=no", HI ",'presence_penalty':"
	    "0.5,'frequency_penalty':0.25", "presence_penalty "
	    "frequency_penalty", { "presence_penalty", NULL,
	    "frequency_penalty", NULL } },
	{ "logit_bias=no", C_TO_C, "logit_bias=no", HI ",'logit_bias':"
	    "{'5':1}", "logit_bias", { "logit_bias", NULL } },
	{ "logprobs", C_TO_C, "", HI ",'logprobs':true,'top_logprobs':3",
	    NULL, { "logprobs", "true", "top_logprobs", "3" } },
	{ "logprobs=no, none asked", C_TO_C, "logprobs=no", HI
	    ",'logprobs':false,'top_logprobs':3", NULL,
	    { "logprobs", NULL, "top_logprobs", NULL } },
	{ "stops", A_TO_C, "", MAX HI ",'stop_sequences':['a','b','c','d',"
	    "'e']", "stop", { "stop", "['a','b','c','d']" } },
	{ "stop_most", A_TO_C, "stop_most=2", MAX HI ",'stop_sequences':"
	    "['a','b','c']", "stop", { "stop", "['a','b']" } },
	{ "stop_most, in Messages", C_TO_A, "stop_most=1", HI ",'stop':"
	    "['a','b']", "stop", { "stop_sequences", "['a']" } },
	{ "stop=no", A_TO_C, "stop=no", MAX HI ",'stop_sequences':['a']",
	    "stop", { "stop", NULL } },
	{ "stop=no, in Messages", C_TO_A, "stop=no", HI ",'stop':'a'",
	    "stop", { "stop_sequences", NULL } },
};

/* --- Messages and their order --- */

#define LATE "'messages':[{'role':'user','content':'hi'},{'role':" \
	"'assistant','content':'yes'},{'role':'system','content':'X'}," \
	"{'role':'user','content':'go'}]"
#define CALLS "{'role':'assistant','content':null,'tool_calls':[" \
	"{'id':'functions.f:0-0123456789012345678901234567','type':" \
	"'function','function':{'name':'f','arguments':'{}'}}]},{'role':" \
	"'tool','tool_call_id':'functions.f:0-0123456789012345678901234567'," \
	"'content':'ok'}"
#define LONG_ID "functions.f:0-0123456789012345678901234567"

static const struct row message_rows[] = {
	{ "a provider's own block at the end", A_TO_A, "prefill", MAX
	    "'messages':[{'role':'user','content':'a'},{'role':'assistant',"
	    "'content':[{'type':'web_search_tool_result','tool_use_id':'x',"
	    "'content':[]}]}]", NULL, { "messages.1.content.0.type",
	    "'web_search_tool_result'" } },
	{ "a system message", A_TO_C, "", "'system':'S'," MAX HI, NULL,
	    { "messages.0.role", "'system'" } },
	{ "developer_role", A_TO_C, "developer_role", "'system':'S'," MAX HI,
	    NULL, { "messages.0.role", "'developer'" } },
	{ "late systems", A_TO_C, "", MAX LATE, NULL,
	    { "messages.2", "{'role':'system','content':'X'}",
	    "messages.3.content", "'go'" } },
	{ "one_system", A_TO_C, "one_system", "'system':[{'type':'text',"
	    "'text':'A'},{'type':'text','text':'B'}]," MAX LATE, NULL,
	    { "messages.0", "{'role':'system','content':'A\\n\\nB'}",
	    "messages.3", "{'role':'user','content':"
	    "'<system>X</system>\\n\\ngo'}", "messages.4", NULL } },
	{ "one_system, at the end", A_TO_C, "one_system", MAX "'messages':["
	    "{'role':'user','content':'hi'},{'role':'system','content':'X'}]",
	    NULL, { "messages.0.content", "'hi\\n\\n<system>X</system>'",
	    "messages.1", NULL } },
	{ "late systems, in Messages", C_TO_A, "", LATE, NULL,
	    { "messages.2.content.0.text", "'<system>X</system>'" } },
	{ "mid_system", C_TO_A, "mid_system", LATE, NULL,
	    { "messages.2", "{'role':'system','content':[{'type':'text',"
	    "'text':'X'}]}" } },
	{ "one_system counts more", C_TO_A, "mid_system one_system", LATE,
	    NULL, { "messages.2.role", "'user'" } },
	{ "results stand behind their calls", A_TO_C, "", MAX "'messages':["
	    "{'role':'assistant','content':[{'type':'tool_use','id':'a',"
	    "'name':'f','input':{}}]},{'role':'system','content':'X'},"
	    "{'role':'user','content':[{'type':'text','text':'go'},{'type':"
	    "'tool_result','tool_use_id':'a','content':[{'type':"
	    "'search_result','title':'T','source':'u','content':[{'type':"
	    "'text','text':'found'}]}]}]}]", NULL,
	    { "messages.1", "{'role':'tool','tool_call_id':'a','content':"
	    "'T\\nu\\n\\nfound'}", "messages.2.role", "'system'",
	    "messages.3.content", "'go'", "messages.4", NULL } },
	{ "thoughts of the user", A_TO_C, "", MAX "'messages':[{'role':"
	    "'user','content':[{'type':'thinking','thinking':'hm',"
	    "'signature':'s'},{'type':'text','text':'a'}]}]", NULL,
	    { "messages.0", "{'role':'user','content':'a'}" } },
	{ "texts of one answer", A_TO_C, "", MAX "'messages':[{'role':'user',"
	    "'content':'hi'},{'role':'assistant','content':[{'type':'text',"
	    "'text':'a'},{'type':'text','text':'b'}]},{'role':'user',"
	    "'content':'go'}]", NULL, { "messages.1.content", "'ab'" } },
	{ "prefill is passed on", C_TO_C, "", "'messages':[{'role':'user',"
	    "'content':'hi'},{'role':'assistant','content':'It'}]", NULL,
	    { "messages.1", "{'role':'assistant','content':'It'}" } },
	{ "prefill_mark without prefill", C_TO_C, "prefill_mark=prefix",
	    "'messages':[{'role':'user','content':'hi'},{'role':'assistant',"
	    "'content':'It'}]", NULL, { "messages.1.prefix", NULL } },
	{ "prefill_mark=prefix", C_TO_C, "prefill prefill_mark=prefix",
	    "'messages':[{'role':'user','content':'hi'},{'role':'assistant',"
	    "'content':'a'},{'role':'user','content':'b'},{'role':"
	    "'assistant','content':'It'}]", NULL,
	    { "messages.1.prefix", NULL, "messages.3.prefix", "true" } },
	{ "prefill_mark=partial", C_TO_C, "prefill prefill_mark=partial",
	    "'messages':[{'role':'user','content':'hi'},{'role':'assistant',"
	    "'content':'It'}]", NULL, { "messages.1.partial", "true" } },
	{ "prefill, in Messages", C_TO_A, "prefill", "'messages':[{'role':"
	    "'user','content':'hi'},{'role':'assistant','content':'It '}]",
	    NULL, { "messages.1.content.0.text", "'It'" } },
	/* 10 */
	{ "id-mistral", C_TO_C, "tool_ids=alnum9", "'messages':["
	    "{'role':'user','content':'hi'}," CALLS "]", NULL,
	    { "messages.1.tool_calls.0.id", "'I1sULTbFe'",
	    "messages.2.tool_call_id", "'I1sULTbFe'" } },
	{ "id-mistral, in Messages", C_TO_A, "tool_ids=alnum9", "'messages':["
	    "{'role':'user','content':'hi'}," CALLS "]", NULL,
	    { "messages.1.content.0.id", "'I1sULTbFe'",
	    "messages.2.content.0.tool_use_id", "'I1sULTbFe'" } },
	{ "ids of others are free", C_TO_C, "", "'messages':["
	    "{'role':'user','content':'hi'}," CALLS "]", NULL,
	    { "messages.2.tool_call_id", "'" LONG_ID "'",
	    "messages.2.name", NULL } },
	{ "tool_name", C_TO_C, "tool_name", "'messages':["
	    "{'role':'user','content':'hi'}," CALLS "]", NULL,
	    { "messages.2.name", "'f'" } },
	{ "calls in the old way", C_TO_A, "", "'messages':[{'role':'user',"
	    "'content':'hi'},{'role':'assistant','content':null,"
	    "'function_call':{'name':'f','arguments':'{}'}},{'role':'system',"
	    "'content':'X'},{'role':'function','name':'f','content':'1'}],"
	    "'functions':[{'name':'f'}],'function_call':{'name':'f'}", NULL,
	    { "messages.1.content.0.id", "'call_f1'",
	    "messages.2.content.0.tool_use_id", "'call_f1'",
	    "tools.0.name", "'f'",
	    "tool_choice", "{'type':'tool','name':'f'}" } },
	{ "files by their names", C_TO_A, "", "'messages':[{'role':'user',"
	    "'content':[{'type':'file','file':{'filename':'N.TXT',"
	    "'file_data':'aGk='}},{'type':'file','file':{'file_data':"
	    "'JVBERi0='}}]}]", NULL,
	    { "messages.0.content.0.source", "{'type':'text','media_type':"
	    "'text/plain','data':'hi'}",
	    "messages.0.content.1.source.media_type", "'application/pdf'" } },
	{ "a text file, for Chat", C_TO_C, "", "'messages':[{'role':'user',"
	    "'content':[{'type':'file','file':{'filename':'N.TXT',"
	    "'file_data':'aGk='}}]}]", NULL,
	    { "messages.0.content.0", "{'type':'text','text':"
	    "'N.TXT\\n\\nhi'}" } },
	{ "thoughts in the content", C_TO_C, "reasoning_replay",
	    "'messages':[{'role':'user','content':'hi'},{'role':'assistant',"
	    "'content':[{'type':'thinking','thinking':[{'type':'text',"
	    "'text':'hm'}]},{'type':'text','text':'yes'}]},{'role':'user',"
	    "'content':'go'}]", NULL,
	    { "messages.1.reasoning_content", "'hm'",
	    "messages.1.content", "'yes'" } },
};

/* --- Tools and forms --- */

static const struct row tool_rows[] = {
	{ "forced by any", C_TO_A, "", CHAT_TOOL HI ",'tool_choice':'any'",
	    NULL, { "tool_choice", "{'type':'any'}" } },
	{ "a forced call", A_TO_C, "", MAX TOOL HI ",'tool_choice':{'type':"
	    "'any'}", NULL, { "tool_choice", "'required'" } },
	{ "tool_choice=any", A_TO_C, "tool_choice=any", MAX TOOL HI
	    ",'tool_choice':{'type':'any'}", NULL,
	    { "tool_choice", "'any'", "tools.1.function.name", "'g'" } },
	{ "tool_choice=any, a named tool", A_TO_C, "tool_choice=any", MAX
	    TOOL HI ",'tool_choice':{'type':'tool','name':'g'}", NULL,
	    { "tool_choice", "'any'", "tools.0.function.name", "'g'",
	    "tools.1", NULL } },
	{ "tool_choice=any, in Messages", C_TO_A, "tool_choice=any",
	    CHAT_TOOL HI ",'tool_choice':{'type':'function','function':"
	    "{'name':'f'}}", NULL, { "tool_choice", "{'type':'any'}" } },
	{ "tool_choice=auto", A_TO_C, "tool_choice=auto", MAX TOOL HI
	    ",'tool_choice':{'type':'any'}", "tool_choice",
	    { "tool_choice", NULL, "tools.1.function.name", "'g'" } },
	{ "tool_choice=auto, none", A_TO_C, "tool_choice=auto", MAX TOOL HI
	    ",'tool_choice':{'type':'none'}", NULL,
	    { "tool_choice", "'none'" } },
	{ "tool_choice=auto, in Messages", C_TO_A, "tool_choice=auto",
	    CHAT_TOOL HI ",'tool_choice':'required'", "tool_choice",
	    { "tool_choice", NULL } },
	{ "tool_choice_none=no", C_TO_A, "tool_choice_none=no", CHAT_TOOL HI
	    ",'tool_choice':'none'", NULL,
	    { "tools", NULL, "tool_choice", NULL } },
	{ "tool_choice_none=no, with calls", C_TO_A, "tool_choice_none=no",
	    CHAT_TOOL "'messages':[{'role':'user','content':'hi'}," CALLS
	    "],'tool_choice':'none'", NULL,
	    { "tools.0.name", "'f'", "tool_choice", "{'type':'none'}" } },
	{ "a tool with a choice of schemas", C_TO_A, "", HI ",'tools':[{"
	    "'type':'function','function':{'name':'f','parameters':{'$defs':"
	    "{'b':{'type':'object','properties':{'y':{'type':'number'},'k':"
	    "{'const':2}},'required':['k','y']}},'description':'d','anyOf':"
	    "[{'type':'object','properties':{'k':{'const':1},'x':{}},"
	    "'required':['k','x']},{'$ref':'#/$defs/b'}]}}}]", NULL,
	    { "tools.0.input_schema", "{'type':'object','properties':{'k':"
	    "{'const':1},'x':{},'y':{'type':'number'}},'required':['k'],"
	    "'$defs':{'b':{'type':'object','properties':{'y':{'type':"
	    "'number'},'k':{'const':2}},'required':['k','y']}},"
	    "'description':'d'}" } },
	{ "a tool with all of several schemas", C_TO_A, "", HI ",'tools':[{"
	    "'type':'function','function':{'name':'f','parameters':{'type':"
	    "'object','properties':{'a':{}},'required':['a'],"
	    "'additionalProperties':false,'allOf':[{'properties':{'b':{}},"
	    "'required':['b']},true]}}}]", NULL,
	    { "tools.0.input_schema", "{'type':'object','properties':{'a':{},"
	    "'b':{}},'required':['a','b']}" } },
	{ "auto is said", A_TO_C, "", MAX TOOL HI ",'tool_choice':{'type':"
	    "'auto'}", NULL, { "tool_choice", "'auto'" } },
	{ "one call at a time", A_TO_C, "", MAX TOOL HI ",'tool_choice':"
	    "{'type':'auto','disable_parallel_tool_use':true}", NULL,
	    { "parallel_tool_calls", "false" } },
	{ "parallel_tools=no", A_TO_C, "parallel_tools=no", MAX TOOL HI
	    ",'tool_choice':{'type':'auto','disable_parallel_tool_use':true}",
	    "parallel_tool_calls", { "parallel_tool_calls", NULL } },
	{ "parallel_tools=no, in Messages", C_TO_A, "parallel_tools=no",
	    CHAT_TOOL HI ",'parallel_tool_calls':false",
	    "parallel_tool_calls", { "tool_choice", NULL } },
	{ "tools=no, nothing asked of them", A_TO_C, "tools=no", MAX TOOL HI
	    ",'tool_choice':{'type':'none'}", NULL,
	    { "tools", NULL, "tool_choice", NULL } },
	{ "strict tools", A_TO_C, "", MAX HI ",'tools':[{'name':'f',"
	    "'strict':true,'input_schema':{'type':'object'}}]", "strict",
	    { "tools.0.function.strict", NULL } },
	{ "strict_tools", A_TO_C, "strict_tools", MAX HI ",'tools':["
	    "{'name':'f','strict':true,'input_schema':{'type':'object'}},"
	    "{'name':'g','input_schema':{'type':'object'}}]", NULL,
	    { "tools.0.function.strict", "true",
	    "tools.1.function.strict", "false" } },
	{ "$schema", A_TO_C, "", MAX HI ",'tools':[{'name':'f',"
	    "'input_schema':{'$schema':'u','type':'object'}}]", NULL,
	    { "tools.0.function.parameters.$schema", "'u'" } },
	{ "schema_uri=no", A_TO_C, "schema_uri=no json_schema", MAX HI
	    ",'tools':[{'name':'f','input_schema':{'$schema':'u','type':"
	    "'object','properties':{'$schema':{'type':'string'},'b':{"
	    "'$schema':'u','const':{'$schema':1}}}}}],'output_config':{"
	    "'format':{'type':'json_schema','schema':{'$schema':'u','type':"
	    "'object'}}}", NULL,
	    { "tools.0.function.parameters", "{'type':'object','properties':{"
	    "'$schema':{'type':'string'},'b':{'const':{'$schema':1}}}}",
	    "response_format.json_schema.schema", "{'type':'object'}" } },
	{ "examples become words", A_TO_C, "", MAX HI ",'tools':[{'name':"
	    "'f','description':'d','input_schema':{'type':'object'},"
	    "'input_examples':[{'a':1}]}]", NULL,
	    { "tools.0.function.description",
	    "'d\\nExample: {\\'a\\':1}'" } },
	{ "a grammar", C_TO_A, "", HI ",'tools':[{'type':'custom','custom':{"
	    "'name':'c','format':{'type':'grammar','grammar':{'syntax':"
	    "'lark','definition':'x'}}}}]", "format",
	    { "tools.0.name", "'c'" } },
	{ "a schema, natively", A_TO_C, "json_schema", MAX HI
	    ",'output_config':{'format':{'type':'json_schema','schema':"
	    "{'type':'object'}}}", NULL,
	    { "response_format.type", "'json_schema'",
	    "response_format.json_schema.strict", "true",
	    "messages.1", NULL } },
	{ "a schema, in words", A_TO_C, "", MAX HI ",'output_config':{"
	    "'format':{'type':'json_schema','schema':{'type':'object'}}}",
	    "json_schema", { "response_format", "{'type':'json_object'}",
	    "messages.0", "{'role':'system','content':'Answer with a single "
	    "JSON object and nothing else. It must fit this JSON Schema: "
	    "{\\'type\\':\\'object\\'}'}" } },
	{ "json_object=no", C_TO_C, "json_object=no", HI ","
	    "'response_format':{'type':'json_object'}", NULL,
	    { "response_format", NULL, "messages.0.content", "'Answer with a "
	    "single JSON object and nothing else.'" } },
	{ "json_object=no, a schema", A_TO_C, "json_object=no", MAX HI
	    ",'output_config':{'format':{'type':'json_schema','schema':{}}}",
	    "json_schema", { "response_format", NULL,
	    "messages.0.role", "'system'" } },
	{ "a schema as a tool, forced by any", C_TO_A, "tool_choice=any", HI
	    ",'response_format':{'type':'json_schema','json_schema':{'name':"
	    "'n','schema':{'type':'object'}}}", NULL,
	    { "tools.0.name", "'json'", "tool_choice", "{'type':'any'}" } },
	{ "a schema where nothing is forced", C_TO_A, "tool_choice=auto", HI
	    ",'response_format':{'type':'json_schema','json_schema':{'name':"
	    "'n','schema':{'type':'object'}}}", "json_schema",
	    { "tools", NULL, "system.0.type", "'text'" } },
	{ "a schema's name and words", C_TO_C, "json_schema", HI
	    ",'response_format':{'type':'json_schema','json_schema':{'name':"
	    "'n','description':'d','schema':{'type':'object'}}}", NULL,
	    { "response_format.json_schema", "{'name':'n','description':'d',"
	    "'schema':{'type':'object'}}" } },
};

/* --- Marks, users, tiers --- */

#define MARKED "'system':[{'type':'text','text':'S'," MARK "}]," \
	"'messages':[{'role':'user','content':[{'type':'text','text':'a'," \
	"'cache_control':{'type':'ephemeral','ttl':'1h'}}]}]," \
	"'tools':[{'name':'f','input_schema':{'type':'object'}," MARK "}]"

#define FORM_AND_TOOL "'response_format':{'type':'json_object'}," \
	CHAT_TOOL HI

static const struct row other_rows[] = {
	{ "json_with_tools", C_TO_G, "json_with_tools", FORM_AND_TOOL, NULL,
	    { "generationConfig.responseMimeType", "'application/json'",
	    "tools.0.functionDeclarations.0.name", "'f'" } },
	{ "result_parts", A_TO_G, "result_parts", MAX
	    "'messages':[{'role':'assistant','content':[{'type':'tool_use',"
	    "'id':'a','name':'f','input':{}}]},{'role':'user','content':["
	    "{'type':'tool_result','tool_use_id':'a','content':[{'type':"
	    "'image','source':{'type':'base64','media_type':'image/png',"
	    "'data':'aGk='}}]}]}]", NULL,
	    { "contents.2.parts.0.functionResponse.parts.0.inlineData.data",
	    "'aGk='", "contents.2.parts.1", NULL } },
	{ "reasoning=level", C_TO_G, "reasoning=level efforts=low,high",
	    "'reasoning_effort':'medium'," HI, NULL,
	    { "generationConfig.thinkingConfig.thinkingLevel", "'HIGH'",
	    "generationConfig.thinkingConfig.thinkingBudget", NULL } },
	{ "reasoning=level, off", C_TO_G, "reasoning=level "
	    "disable_reasoning=no efforts=low,high",
	    "'reasoning_effort':'none'," HI, "reasoning",
	    { "generationConfig.thinkingConfig.thinkingLevel", "'LOW'" } },
	{ "reasoning=budget, Gemini", C_TO_G, "reasoning=budget",
	    "'reasoning_effort':'none'," HI, NULL,
	    { "generationConfig.thinkingConfig.thinkingBudget", "0" } },
	{ "reasoning=budget, always", C_TO_G,
	    "reasoning=budget disable_reasoning=no",
	    "'reasoning_effort':'xhigh'," HI, NULL,
	    { "generationConfig.thinkingConfig.thinkingBudget", "24576" } },
	{ "marks", A_TO_C, "", MAX MARKED, NULL,
	    { "messages.0.content", "'S'", "messages.1.content", "'a'",
	    "tools.0.cache_control", NULL } },
	{ "cache_control", A_TO_C, "cache_control", MAX MARKED, NULL,
	    { "messages.0.content.0", "{'type':'text','text':'S'," MARK "}",
	    "messages.1.content.0.cache_control", "{'type':'ephemeral',"
	    "'ttl':'1h'}", "tools.0.cache_control",
	    "{'type':'ephemeral'}" } },
	{ "cache_control on a result", A_TO_C, "cache_control", MAX
	    "'messages':[{'role':'assistant','content':[{'type':'tool_use',"
	    "'id':'a','name':'f','input':{}}]},{'role':'user','content':["
	    "{'type':'tool_result','tool_use_id':'a','content':'ok'," MARK
	    "}]}]", NULL, { "messages.1.content.0", "{'type':'text','text':"
	    "'ok'," MARK "}" } },
	{ "cache_control=breakpoint", A_TO_C, "cache_control=breakpoint",
	    MAX MARKED, NULL,
	    { "messages.0.content.0.prompt_cache_breakpoint",
	    "{'mode':'explicit'}", "tools.0.prompt_cache_breakpoint", NULL,
	    "prompt_cache_options", "{'mode':'explicit','ttl':'30m'}" } },
	{ "cache_control=breakpoint, no mark", A_TO_C,
	    "cache_control=breakpoint", MAX HI, NULL,
	    { "prompt_cache_options", NULL } },
	{ "five marks are four", A_TO_C, "cache_control", MAX "'messages':["
	    "{'role':'user','content':[{'type':'text','text':'1'," MARK "},"
	    "{'type':'text','text':'2'," MARK "},{'type':'text','text':'3',"
	    MARK "},{'type':'text','text':'4'," MARK "},{'type':'text',"
	    "'text':'5'," MARK "}]}]", NULL,
	    { "messages.0.content.0.cache_control", NULL,
	    "messages.0.content.1.cache_control", "{'type':'ephemeral'}" } },
	{ "marks, in Messages", A_TO_A, "", MAX MARKED, NULL,
	    { "system.0.cache_control", "{'type':'ephemeral'}" } },
	{ "cache_control=no", A_TO_A, "cache_control=no", MAX MARKED, NULL,
	    { "system.0.cache_control", NULL, "tools.0.cache_control", NULL,
	    "messages.0.content.0.cache_control", NULL } },
	{ "marks of Chat, of messages too", C_TO_A, "", "'messages':["
	    "{'role':'user','content':'a'," MARK "},{'role':'assistant',"
	    "'content':'b'},{'role':'user','content':[{'type':'text','text':"
	    "'c','prompt_cache_breakpoint':{'mode':'explicit'}}]}]", NULL,
	    { "messages.0.content.0.cache_control", "{'type':'ephemeral'}",
	    "messages.2.content.0.cache_control", "{'type':'ephemeral'}" } },
	{ "end_user=no", A_TO_C, "", MAX HI ",'metadata':{'user_id':'u'}",
	    "user", { "user", NULL, "safety_identifier", NULL } },
	{ "end_user=user", A_TO_C, "end_user=user", MAX HI ",'metadata':"
	    "{'user_id':'u'}", NULL, { "user", "'u'" } },
	{ "end_user=safety_identifier, a long one", A_TO_C,
	    "end_user=safety_identifier", MAX HI ",'metadata':{'user_id':'"
	    "user_0123456789012345678901234567890123456789012345678901234567"
	    "890123456789'}", NULL,
	    { "safety_identifier", "'c6832e121069c88269515d0da3da846a'" } },
	{ "no service_tier", A_TO_C, "", MAX HI ",'service_tier':"
	    "'standard_only'", "service_tier", { "service_tier", NULL } },
	{ "no service_tier, and none is said", C_TO_A, "strict", HI
	    ",'service_tier':'auto'", NULL, { "service_tier", NULL } },
	{ "service_tier", A_TO_C, "service_tier", MAX HI ",'service_tier':"
	    "'standard_only'", NULL, { "service_tier", "'default'" } },
	{ "service_tier, in Messages", C_TO_A, "service_tier", HI
	    ",'service_tier':'default'", NULL,
	    { "service_tier", "'standard_only'" } },
	{ "usage is asked for", A_TO_C, "", MAX HI, NULL,
	    { "stream_options", "{'include_usage':true}" } },
	{ "stream_usage=no", A_TO_C, "stream_usage=no", MAX HI, NULL,
	    { "stream", "true", "stream_options", NULL } },
	{ "hints of Messages", A_TO_C, "", MAX HI ",'context_management':"
	    "{'edits':[]}", "context_management",
	    { "context_management", NULL } },
	{ "hints of Chat", C_TO_A, "", HI ",'prediction':{'type':'content',"
	    "'content':'x'},'min_p':0.1", "prediction min_p",
	    { "prediction", NULL } },
};

#define RUN(rows) for (size_t i = 0; i < countof(rows); i++) run_row(&rows[i])

static void
reasons(void **state)
{
	(void)state;
	RUN(reasoning_rows);
}

static void
synonyms(void **state)
{
	(void)state;
	RUN(synonym_rows);
}

static void
samples(void **state)
{
	(void)state;
	RUN(sampling_rows);
}

static void
orders(void **state)
{
	(void)state;
	RUN(message_rows);
}

static void
tools(void **state)
{
	(void)state;
	RUN(tool_rows);
}

static void
others(void **state)
{
	(void)state;
	RUN(other_rows);
}

/* --- What is refused --- */

#define PICTURE "'messages':[{'role':'user','content':[{'type':'image'," \
	"'source':{'type':'url','url':'https://x/y.png'}}]}]"

static const struct {
	const char *name;
	enum way way;
	const char *quirks, *text;
	enum fault_kind kind;
	const char *param, *words;
} refused[] = {
	{ "tools=no", A_TO_C, "tools=no", MAX TOOL HI, FAULT_UNSUPPORTED,
	    "tools", "not available" },
	{ "tools=no, in Messages", C_TO_A, "tools=no", CHAT_TOOL HI,
	    FAULT_UNSUPPORTED, "tools", "not available" },
	{ "logprobs=no", C_TO_C, "logprobs=no", HI ",'logprobs':true",
	    FAULT_UNSUPPORTED, "logprobs", "not available" },
	{ "image_url=no", A_TO_C, "image_url=no", MAX PICTURE,
	    FAULT_UNSUPPORTED_VALUE, "messages", "send its data" },
	{ "image_url=no, in a result", A_TO_A, "image_url=no", MAX
	    "'messages':[{'role':'assistant','content':[{'type':'tool_use',"
	    "'id':'a','name':'f','input':{}}]},{'role':'user','content':["
	    "{'type':'tool_result','tool_use_id':'a','content':[{'type':"
	    "'image','source':{'type':'url','url':'https://x'}}]}]}]",
	    FAULT_UNSUPPORTED_VALUE, "messages", "send its data" },
	{ "strict", A_TO_C, "strict", MAX HI ",'top_k':3", FAULT_UNSUPPORTED,
	    "top_k", "takes no answer without it" },
	{ "strict: a call that cannot be forced", A_TO_C,
	    "strict tool_choice=auto", MAX TOOL HI ",'tool_choice':{'type':"
	    "'any'}", FAULT_UNSUPPORTED, "tool_choice", "not available" },
	{ "strict: a schema in words", A_TO_C, "strict", MAX HI
	    ",'output_config':{'format':{'type':'json_schema','schema':{}}}",
	    FAULT_UNSUPPORTED, "json_schema", "not available" },
	{ "a named tool that is none", A_TO_C, "tool_choice=any", MAX TOOL HI
	    ",'tool_choice':{'type':'tool','name':'h'}", FAULT_BAD_REQUEST,
	    "tool_choice", "None of the tools" },
	{ "tools are allowed without a name", C_TO_A, "", CHAT_TOOL HI
	    ",'tool_choice':{'type':'allowed_tools','allowed_tools':{'mode':"
	    "'auto','tools':[1]}}", FAULT_BAD_REQUEST, "tool_choice",
	    "needs a name" },
	{ "a choice by no word", C_TO_A, "", CHAT_TOOL HI
	    ",'tool_choice':'sometimes'", FAULT_UNSUPPORTED_VALUE,
	    "tool_choice", "none, auto, required" },
	{ "a choice of no type", A_TO_C, "", MAX TOOL HI ",'tool_choice':{"
	    "'type':'sometimes'}", FAULT_BAD_REQUEST, "tool_choice",
	    "auto, any, tool or none" },
	{ "an answer of another type", C_TO_A, "", HI ",'response_format':{"
	    "'type':'regex'}", FAULT_UNSUPPORTED_VALUE, "response_format",
	    "json_object" },
	{ "an answer of another type, in Messages", A_TO_C, "", MAX HI
	    ",'output_config':{'format':{'type':'regex'}}",
	    FAULT_UNSUPPORTED_VALUE, "output_config", "json_schema" },
	{ "n", C_TO_C, "", HI ",'n':2", FAULT_UNSUPPORTED, "n", "greater" },
	{ "nothing but nothing", A_TO_C, "", MAX "'messages':[{'role':'user',"
	    "'content':[]}]", FAULT_UNSUPPORTED_VALUE, "messages",
	    "not empty" },
	{ "a call of the user's", A_TO_C, "", MAX "'messages':[{'role':"
	    "'user','content':[{'type':'tool_use','id':'a','name':'f',"
	    "'input':{}}]}]", FAULT_BAD_REQUEST, "messages",
	    "of the assistant" },
	{ "a role that is none", C_TO_C, "", "'messages':[{'role':'model',"
	    "'content':'a'}]", FAULT_BAD_REQUEST, "messages", "The role" },
	{ "content that is none", C_TO_C, "", "'messages':[{'role':'user',"
	    "'content':{'a':1}}]", FAULT_BAD_REQUEST, "messages",
	    "must be a text" },
	{ "a number that is none", C_TO_A, "", HI ",'temperature':'0.5'",
	    FAULT_BAD_REQUEST, "temperature", "must be a number" },
	{ "a list that is none", A_TO_C, "", MAX HI ",'stop_sequences':'a'",
	    FAULT_BAD_REQUEST, "stop_sequences", "must be a list" },
	{ "a file of no known kind", C_TO_A, "", "'messages':[{'role':'user',"
	    "'content':[{'type':'file','file':{'file_data':'AAAA'}}]}]",
	    FAULT_BAD_REQUEST, "messages", "filename" },
	{ "sound of another kind", C_TO_C, "", "'messages':[{'role':'user',"
	    "'content':[{'type':'input_audio','input_audio':{'data':'AAAA',"
	    "'format':'flac'}}]}]", FAULT_UNSUPPORTED_VALUE, "messages",
	    "wav or mp3" },
};

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(refused); i++) {
		struct buf out;
		struct dropped d;
		struct fault f;
		struct arena a;

		arena_init(&a);
		if (cross(&a, refused[i].way, refused[i].quirks,
		    refused[i].text, &out, &d, &f)) {
			print_error("%s: not refused: %.*s\n",
			    refused[i].name, STR_ARGS(buf_str(&out)));
			fail();
		}
		if (f.kind != refused[i].kind ||
		    !str_eq(f.param, str_of(refused[i].param)) ||
		    !str_has(f.text, str_of(refused[i].words))) {
			print_error("%s: %d %.*s: %.*s\n", refused[i].name,
			    (int)f.kind, STR_ARGS(f.param), STR_ARGS(f.text));
			fail();
		}
		arena_release(&a);
	}
}

/* --- What a reader must know --- */

struct told {
	struct buf text, thoughts, args;
	bool custom;
	struct str name;
	enum event_kind ended;
	bool unsaid;
	struct up_error error;
};

static void
take(struct event_reader *r, const struct event *e)
{
	struct told *t = r->arg;

	if (e->kind == EVENT_TEXT)
		buf_put(e->block == BLOCK_REASONING ? &t->thoughts : &t->text,
		    e->text);
	if (e->kind == EVENT_ARGS)
		buf_put(&t->args, e->text);
	if (e->kind == EVENT_BLOCK && e->block == BLOCK_CALL) {
		t->custom = e->custom;
		t->name = arena_str(r->arena, e->name);
	}
	if (e->kind == EVENT_STOP || e->kind == EVENT_ERROR) {
		t->ended = e->kind;
		t->unsaid = e->unsaid;
		t->error = e->error;
	}
}

/* Deltas one after another, as a server of Chat Completions sends them. */
static void
hear(struct arena *a, const struct neutral *asked, const char *const *deltas,
    const char *finish, struct told *t)
{
	struct event_reader r = { .arena = a, .stream = true, .asked = asked,
		.take = take, .arg = t };
	struct str end = arena_printf(a, "data: {\"choices\":[{\"index\":0,"
	    "\"delta\":{},\"finish_reason\":%s}]}\n\ndata: [DONE]\n\n",
	    json(a, finish));

	*t = (struct told){ .text = BUF(a, 4096), .thoughts = BUF(a, 4096),
		.args = BUF(a, 4096) };
	openai_neutral.reader_init(&r);
	for (; *deltas; deltas++)
		openai_neutral.reader_feed(&r, arena_printf(a, "data: "
		    "{\"choices\":[{\"index\":0,\"delta\":%s,"
		    "\"finish_reason\":null}]}\n\n", json(a, *deltas)));
	openai_neutral.reader_feed(&r, end);
	openai_neutral.reader_finish(&r);
}

/* think_tags: wherever the text is cut. */
static void
thinks(void **state)
{
	static const struct {
		const char *text, *thoughts, *answer;
	} list[] = {
		{ "<think>hm\\n<b></think>\\n\\nyes", "hm\\n<b>", "yes" },
		{ " \\n<think>\\na\xc3\xa9 \\ud83d\\ude00</thin</think>b<think>",
		    "a\xc3\xa9 \\ud83d\\ude00</thin", "b<think>" },
		{ "\\u003cthink\\u003ea\\u003c/think\\u003eb", "a", "b" },
		{ "<think></think>b", "", "b" },
		{ "<think>never ends</think", "never ends</think", "" },
		{ "no <think>x</think>", "", "no <think>x</think>" },
		{ " <thi", "", " <thi" },
		{ "<thinking>a", "", "<thinking>a" },
	};
	struct target tags = { .think_tags = true };

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		size_t n = strlen(list[i].text);

		for (size_t cut = 0; cut <= n; cut++) {
			struct neutral asked = { .target = &tags };
			const char *deltas[3] = { NULL };
			struct told t;
			struct arena a;

			arena_init(&a);
			asked.arena = &a;
			deltas[0] = arena_printf(&a, "{'content':'%.*s'}",
			    (int)cut, list[i].text).p;
			deltas[1] = arena_printf(&a, "{'content':'%s'}",
			    list[i].text + cut).p;
			if (json_valid(str_of(json(&a, deltas[0])), NULL) &&
			    json_valid(str_of(json(&a, deltas[1])), NULL)) {
				hear(&a, &asked, deltas, "'stop'", &t);
				expect_text(list[i].text,
				    buf_str(&t.thoughts), list[i].thoughts);
				expect_text(list[i].text, buf_str(&t.text),
				    list[i].answer);
				tags.think_tags = false;
				hear(&a, &asked, deltas, "'stop'", &t);
				expect_text(list[i].text, buf_str(&t.text),
				    list[i].text);
				tags.think_tags = true;
			}
			arena_release(&a);
		}
	}
}

/* Names in pieces, a custom tool that was sent as a function, calls without
 * an index and out of order. */
static void
calls(void **state)
{
	static const char *const pieces[] = {
		"{'tool_calls':[{'index':0,'id':'a','function':{'name':"
		"'get_'}}]}",
		"{'tool_calls':[{'index':0,'function':{'name':'it',"
		"'arguments':''}}]}",
		"{'tool_calls':[{'index':0,'function':{'arguments':'{}'}}]}",
		NULL };
	static const char *const again[] = {
		"{'tool_calls':[{'index':0,'id':'a','function':{'name':"
		"'get_it','arguments':''}}]}",
		"{'tool_calls':[{'index':0,'id':'a','function':{'name':"
		"'get_it','arguments':'{}'}}]}", NULL };
	static const char *const wrapped[] = {
		"{'tool_calls':[{'id':'a','function':{'name':'p','arguments':"
		"'{\\'input\\': \\'x'}}]}",
		"{'tool_calls':[{'function':{'arguments':'\\\\ny\\'}'}}]}",
		NULL };
	static const char *const backwards[] = {
		"{'tool_calls':[{'index':0,'id':'a','function':{'name':'f',"
		"'arguments':'0'}}]}",
		"{'tool_calls':[{'index':2,'id':'c','function':{'name':'f',"
		"'arguments':'2'}}]}",
		"{'tool_calls':[{'index':1,'id':'b','function':{'name':'f',"
		"'arguments':'1'}}]}", NULL };
	struct tool tool = { .kind = TOOL_CUSTOM, .name = S("p") };
	struct neutral asked = { .tools = &tool, .n_tools = 1 };
	struct arena a;
	struct told t;

	(void)state;
	arena_init(&a);
	asked.arena = &a;
	hear(&a, NULL, pieces, "'tool_calls'", &t);
	expect_text("in pieces", t.name, "get_it");
	expect_text("in pieces", buf_str(&t.args), "{}");
	hear(&a, NULL, again, "'tool_calls'", &t);
	expect_text("again", t.name, "get_it");
	hear(&a, &asked, wrapped, "'tool_calls'", &t);
	assert_true(t.custom);
	expect_text("wrapped", buf_str(&t.args), "x\\ny");
	hear(&a, NULL, backwards, "'tool_calls'", &t);
	expect_text("backwards", buf_str(&t.args), "012");
	arena_release(&a);
}

/* What is no answer, and what failed in the words of a finish reason. */
static void
failures(void **state)
{
	static const char *const nothing[] = { "{'role':'assistant',"
		"'content':''}", NULL };
	static const char *const some[] = { "{'content':'a'}", NULL };
	struct arena a;
	struct told t;

	(void)state;
	arena_init(&a);
	hear(&a, NULL, nothing, "null", &t);
	assert_int_equal(t.ended, EVENT_STOP);
	assert_true(t.unsaid);
	hear(&a, NULL, nothing, "'stop'", &t);
	assert_int_equal(t.ended, EVENT_STOP);
	assert_false(t.unsaid);
	hear(&a, NULL, some, "''", &t);
	assert_int_equal(t.ended, EVENT_STOP);
	hear(&a, NULL, some, "'insufficient_system_resource'", &t);
	assert_int_equal(t.ended, EVENT_ERROR);
	assert_int_equal(t.error.kind, UP_OVERLOADED);
	arena_release(&a);
}

/* --- Does each capability count? --- */

/* The list without one of its words; the same one if it is not there. */
static const char *
without(struct arena *a, const char *quirks, struct str name)
{
	struct str list = str_of(quirks);
	struct buf rest = BUF(a, 1024);

	while (list.n) {
		struct str word = str_cut(&list, ' '), value = word;

		if (str_eq(str_cut(&value, '='), name))
			continue;
		if (rest.n)
			buf_char(&rest, ' ');
		buf_put(&rest, word);
	}
	return buf_text(&rest);
}

/* Is something else written, left out or refused without it? */
static bool
makes_a_difference(enum way way, const char *quirks, const char *text,
    struct str name)
{
	struct buf with, bare;
	struct dropped d, e;
	struct fault f, g;
	struct arena a;
	const char *rest;
	bool one, other, differ;

	arena_init(&a);
	rest = without(&a, quirks, name);
	one = cross(&a, way, quirks, text, &with, &d, &f);
	other = cross(&a, way, rest, text, &bare, &e, &g);
	differ = one != other || (one && (!str_eq(buf_str(&with),
	    buf_str(&bare)) || !str_eq(buf_str(&d.names),
	    buf_str(&e.names))));
	arena_release(&a);
	return differ;
}

static bool
counts_in(const struct row *rows, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (makes_a_difference(rows[i].way, rows[i].quirks,
		    rows[i].text, name))
			return true;
	return false;
}

#define IN(rows, name) counts_in(rows, countof(rows), name)

static void
all_count(void **state)
{
	const struct capability *k;

	(void)state;
	for (size_t i = 0; (k = capability_at(i)); i++) {
		struct str name = capability_name(k);
		/* The last one is about who is asked: unit/responses. */
		bool found = str_eq(name, S("think_tags")) ||
		    str_eq(name, S("tools_need_responses")) ||
		    IN(reasoning_rows, name) || IN(sampling_rows, name) ||
		    IN(message_rows, name) || IN(tool_rows, name) ||
		    IN(other_rows, name);

		for (size_t j = 0; !found && j < countof(refused); j++)
			found = makes_a_difference(refused[j].way,
			    refused[j].quirks, refused[j].text, name);
		if (!found) {
			print_error("no row for %.*s\n", STR_ARGS(name));
			fail();
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons),
		cmocka_unit_test(synonyms),
		cmocka_unit_test(samples),
		cmocka_unit_test(orders),
		cmocka_unit_test(tools),
		cmocka_unit_test(others),
		cmocka_unit_test(refuses),
		cmocka_unit_test(thinks),
		cmocka_unit_test(calls),
		cmocka_unit_test(failures),
		cmocka_unit_test(all_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
