/* SPDX-License-Identifier: MIT */
/*
 * returning.c - there and back: what two dialects have words for is the same
 * request when it has gone to the other one and come back.
 *
 * Every combination of the features below is one request.  It is written for
 * an upstream of its own dialect as it is, and once more after it was told in
 * the other's words: both must be the same bytes.
 */
#include "tests/unit/crossing.h"

#include "handlers/dialect/capability.h"

enum feature {
	SYSTEM = 1, TEMPERATURE = 2, STOPS = 4, USER = 8, TOOLS = 16,
	FORCED = 32, ALONE = 64, SCHEMA = 128, TALK = 256, LOOP = 512,
	PICTURE = 1024, DOCUMENT = 2048, ALL = 4096,
	/* What generateContent has words for, too. */
	GENERATED = SYSTEM | TEMPERATURE | STOPS | TOOLS | FORCED | TALK |
	    LOOP | PICTURE
};

#define ABLE "json_schema strict_tools end_user=safety_identifier"
#define PNG "iVBORw0KGgo="
#define PDF "JVBERi0xLjQK"
#define FORM "{'type':'object','properties':{'a':{'type':'string'}}," \
	"'required':['a'],'additionalProperties':false}"

static void
put(struct buf *b, unsigned features, unsigned which, const char *text)
{
	if (!which || (features & which) == which)
		buf_put(b, str_of(text));
}

/* A request of Messages, with ' for ". */
static void
messages(struct buf *b, unsigned f)
{
	put(b, f, 0, "{'model':'m','max_tokens':100,'messages':[{'role':"
	    "'user','content':[{'type':'text','text':'hi'}");
	put(b, f, PICTURE, ",{'type':'image','source':{'type':'base64',"
	    "'media_type':'image/png','data':'" PNG "'}}");
	put(b, f, DOCUMENT, ",{'type':'document','source':{'type':'base64',"
	    "'media_type':'application/pdf','data':'" PDF "'},'title':"
	    "'a.pdf'}");
	put(b, f, 0, "]}");
	put(b, f, TALK, ",{'role':'assistant','content':'yes \\u00e9'},"
	    "{'role':'user','content':'go on'}");
	put(b, f, LOOP, ",{'role':'assistant','content':[{'type':'text',"
	    "'text':'calling'},{'type':'tool_use','id':'c1','name':'f',"
	    "'input':{'x':1.50}},{'type':'tool_use','id':'c2','name':'g',"
	    "'input':{}}]},{'role':'user','content':[{'type':'tool_result',"
	    "'tool_use_id':'c1','content':'one'},{'type':'tool_result',"
	    "'tool_use_id':'c2','content':'two'},{'type':'text','text':"
	    "'and?'}]}");
	put(b, f, 0, "]");
	put(b, f, SYSTEM, ",'system':'be brief'");
	put(b, f, TEMPERATURE, ",'temperature':0.50");
	put(b, f, STOPS, ",'stop_sequences':['X','\\n\\n']");
	put(b, f, USER, ",'metadata':{'user_id':'u1'}");
	put(b, f, TOOLS, ",'tools':[{'name':'f','description':'d \\u00fc',"
	    "'input_schema':" FORM "},{'name':'g','input_schema':"
	    "{'type':'object','properties':{}}}]");
	put(b, f, TOOLS | FORCED, ",'tool_choice':{'type':");
	put(b, f, TOOLS | FORCED, f & ALONE ? "'any',"
	    "'disable_parallel_tool_use':true}" : "'tool','name':'g'}");
	put(b, f, SCHEMA, ",'output_config':{'format':{'type':'json_schema',"
	    "'schema':" FORM "}}");
	put(b, f, 0, "}");
}

/* The same of Chat Completions. */
static void
chat(struct buf *b, unsigned f)
{
	put(b, f, 0, "{'model':'m','max_tokens':100,'messages':[");
	put(b, f, SYSTEM, "{'role':'system','content':'be brief'},");
	put(b, f, 0, "{'role':'user','content':[{'type':'text','text':'hi'}");
	put(b, f, PICTURE, ",{'type':'image_url','image_url':{'url':"
	    "'data:image/png;base64," PNG "'}}");
	put(b, f, DOCUMENT, ",{'type':'file','file':{'filename':'a.pdf',"
	    "'file_data':'data:application/pdf;base64," PDF "'}}");
	put(b, f, 0, "]}");
	put(b, f, TALK, ",{'role':'assistant','content':'yes \\u00e9'},"
	    "{'role':'user','content':'go on'}");
	put(b, f, LOOP, ",{'role':'assistant','content':'calling',"
	    "'tool_calls':[{'id':'c1','type':'function','function':{'name':"
	    "'f','arguments':'{\\\"x\\\":1.50}'}},{'id':'c2','type':"
	    "'function','function':{'name':'g','arguments':''}}]},"
	    "{'role':'tool','tool_call_id':'c1','content':'one'},"
	    "{'role':'tool','tool_call_id':'c2','content':'two'},"
	    "{'role':'user','content':'and?'}");
	put(b, f, 0, "]");
	put(b, f, TEMPERATURE, ",'temperature':0.50");
	put(b, f, STOPS, ",'stop':['X','Y']");
	put(b, f, USER, ",'safety_identifier':'u1'");
	put(b, f, TOOLS, ",'tools':[{'type':'function','function':{'name':"
	    "'f','description':'d \\u00fc','parameters':" FORM "}},"
	    "{'type':'function','function':{'name':'g','parameters':"
	    "{'type':'object','properties':{}}}}]");
	put(b, f, TOOLS | FORCED, f & ALONE ? ",'tool_choice':'required',"
	    "'parallel_tool_calls':false" : ",'tool_choice':{'type':"
	    "'function','function':{'name':'g'}}");
	put(b, f, SCHEMA, ",'response_format':{'type':'json_schema',"
	    "'json_schema':{'name':'response','strict':true,'schema':" FORM
	    "}}");
	put(b, f, 0, "}");
}

/* The same of generateContent; all of it. */
static void
generate(struct buf *b, unsigned f)
{
	put(b, f, 0, "{'contents':[{'role':'user','parts':[{'text':'hi'}");
	put(b, f, PICTURE, ",{'inlineData':{'mimeType':'image/png','data':'"
	    PNG "'}}");
	put(b, f, 0, "]}");
	put(b, f, TALK, ",{'role':'model','parts':[{'text':'yes \\u00e9'}]},"
	    "{'role':'user','parts':[{'text':'go on'}]}");
	put(b, f, LOOP, ",{'role':'model','parts':[{'text':'calling'},"
	    "{'functionCall':{'id':'c1','name':'f','args':{'x':1.50}}},"
	    "{'functionCall':{'id':'c2','name':'g','args':{}}}]},"
	    "{'role':'user','parts':[{'functionResponse':{'id':'c1','name':"
	    "'f','response':{'a':1e2}}},{'functionResponse':{'id':'c2',"
	    "'name':'g','response':{'error':'two'}}},{'text':'and?'}]}");
	put(b, f, 0, "]");
	put(b, f, SYSTEM, ",'systemInstruction':{'parts':[{'text':"
	    "'be brief'}]}");
	put(b, f, TOOLS, ",'tools':[{'functionDeclarations':[{'name':'f',"
	    "'description':'d \\u00fc','parametersJsonSchema':" FORM "},"
	    "{'name':'g'}]}]");
	put(b, f, TOOLS | FORCED, ",'toolConfig':{'functionCallingConfig':"
	    "{'mode':'ANY','allowedFunctionNames':['g']}}");
	put(b, f, 0, ",'generationConfig':{'maxOutputTokens':100");
	put(b, f, TEMPERATURE, ",'temperature':0.50");
	put(b, f, STOPS, ",'stopSequences':['X','Y']");
	put(b, f, 0, "}}");
}

/* The same of Responses, which has no stop sequences. */
static void
responses(struct buf *b, unsigned f)
{
	put(b, f, 0, "{'model':'m','max_output_tokens':100,'input':[{'role':"
	    "'user','content':[{'type':'input_text','text':'hi'}");
	put(b, f, PICTURE, ",{'type':'input_image','image_url':"
	    "'data:image/png;base64," PNG "'}");
	put(b, f, DOCUMENT, ",{'type':'input_file','filename':'a.pdf',"
	    "'file_data':'data:application/pdf;base64," PDF "'}");
	put(b, f, 0, "]}");
	put(b, f, TALK, ",{'role':'assistant','content':[{'type':"
	    "'output_text','text':'yes \\u00e9'}]},{'role':'user',"
	    "'content':'go on'}");
	put(b, f, LOOP, ",{'role':'assistant','content':'calling'},"
	    "{'type':'function_call','call_id':'c1','name':'f','arguments':"
	    "'{\\\"x\\\":1.50}'},{'type':'function_call','call_id':'c2',"
	    "'name':'g','arguments':''},{'type':'function_call_output',"
	    "'call_id':'c1','output':'one'},{'type':'function_call_output',"
	    "'call_id':'c2','output':'two'},{'role':'user','content':"
	    "'and?'}");
	put(b, f, 0, "]");
	put(b, f, SYSTEM, ",'instructions':'be brief'");
	put(b, f, TEMPERATURE, ",'temperature':0.50");
	put(b, f, USER, ",'safety_identifier':'u1'");
	put(b, f, TOOLS, ",'tools':[{'type':'function','name':'f',"
	    "'description':'d \\u00fc','parameters':" FORM "},{'type':"
	    "'function','name':'g','parameters':{'type':'object',"
	    "'properties':{}}}]");
	put(b, f, TOOLS | FORCED, f & ALONE ? ",'tool_choice':'required',"
	    "'parallel_tool_calls':false" : ",'tool_choice':{'type':"
	    "'function','name':'g'}");
	put(b, f, SCHEMA, ",'text':{'format':{'type':'json_schema','name':"
	    "'response','strict':true,'schema':" FORM "}}");
	put(b, f, 0, "}");
}

/* Written for an upstream: as the neutral form of a text has it. */
static struct str
written(struct arena *a, const struct neutral_dialect *from,
    const struct neutral_dialect *to, struct str text)
{
	struct target t = { .model = to == &anthropic_neutral ?
		S("claude-x") : to == &gemini_neutral ? S("gemini-x") :
		S("gpt-x") };
	struct buf out = BUF(a, LIMIT_FOLD_BYTES), names = BUF(a, 4096);
	struct dropped d = { .names = names };
	struct neutral form;
	struct fault f = { 0 };

	capability_apply(&t, S(ABLE));
	if (!from->decode(a, text, &form, &f) ||
	    !to->encode(a, &form, &t, &out, &d, &f)) {
		print_error("refused: %.*s\n  %.*s\n", STR_ARGS(f.text),
		    STR_ARGS(text));
		fail();
	}
	expect_text("dropped", buf_str(&d.names), "");
	return buf_str(&out);
}

static void
there_and_back(void (*make)(struct buf *b, unsigned f), unsigned features,
    const struct neutral_dialect *own, const struct neutral_dialect *other)
{
	bool stops = own != &responses_neutral && other != &responses_neutral;

	for (unsigned f = 0; f < ALL; f++) {
		struct arena a;
		struct buf text;
		struct str direct, back;

		/* Nothing is alone, or forced, without tools. */
		if (f & ~features || (f & ALONE && !(f & FORCED)) ||
		    (f & FORCED && !(f & TOOLS)) || (f & STOPS && !stops))
			continue;
		arena_init(&a);
		text = BUF(&a, 16384);
		make(&text, f);
		for (size_t i = 0; i < text.n; i++)
			if (text.p[i] == '\'')
				text.p[i] = '"';
		direct = written(&a, own, own, buf_str(&text));
		back = written(&a, other, own, written(&a, own, other,
		    buf_str(&text)));
		if (!str_eq(direct, back)) {
			print_error("features %u\n  direct %.*s\n  back   "
			    "%.*s\n", f, STR_ARGS(direct), STR_ARGS(back));
			fail();
		}
		arena_release(&a);
	}
}

static void
messages_return(void **state)
{
	(void)state;
	there_and_back(messages, ALL - 1, &anthropic_neutral, &openai_neutral);
}

static void
chats_return(void **state)
{
	(void)state;
	there_and_back(chat, ALL - 1, &openai_neutral, &anthropic_neutral);
}

static void
chats_return_from_gemini(void **state)
{
	(void)state;
	there_and_back(chat, GENERATED, &openai_neutral, &gemini_neutral);
}

static void
messages_return_from_gemini(void **state)
{
	(void)state;
	there_and_back(messages, GENERATED, &anthropic_neutral,
	    &gemini_neutral);
}

static void
contents_return(void **state)
{
	(void)state;
	there_and_back(generate, GENERATED, &gemini_neutral,
	    &anthropic_neutral);
	there_and_back(generate, GENERATED & ~LOOP, &gemini_neutral,
	    &openai_neutral);
}

static void
through_responses(void **state)
{
	(void)state;
	there_and_back(messages, ALL - 1, &anthropic_neutral,
	    &responses_neutral);
	there_and_back(chat, ALL - 1, &openai_neutral,
	    &responses_neutral);
}

static void
responses_return(void **state)
{
	(void)state;
	there_and_back(responses, ALL - 1, &responses_neutral,
	    &openai_neutral);
	there_and_back(responses, ALL - 1, &responses_neutral,
	    &anthropic_neutral);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_return),
		cmocka_unit_test(chats_return),
		cmocka_unit_test(chats_return_from_gemini),
		cmocka_unit_test(messages_return_from_gemini),
		cmocka_unit_test(contents_return),
		cmocka_unit_test(through_responses),
		cmocka_unit_test(responses_return),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
