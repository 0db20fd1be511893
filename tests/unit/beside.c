/* SPDX-License-Identifier: MIT */
/*
 * beside.c - what an answer says beside its text, in another dialect's words:
 * whom it cites, and how likely its words were.
 *
 * Each answer is fed whole and in single bytes; each piece is gone before the
 * next one comes.  Quotation marks of JSON are written '.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/bridge.h"
#include "handlers/dialect/cite.h"

/* --- Places --- */

static void
test_points(void **state)
{
	/* a, e acute, a smiling face, b; once spelt, once escaped. */
	struct str plain = S("a\xc3\xa9\xf0\x9f\x98\x80" "b");
	struct str spelt = S("a\\u00e9\\ud83d\\ude00b");
	struct str lone = S("\\ud83dx\\n");

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct str s = i ? spelt : plain;

		assert_int_equal(cite_points(s), 4);
		assert_int_equal(cite_points_of(s, 3), 2);
		assert_int_equal(cite_points_of(s, 7), 3);
		assert_int_equal(cite_points_of(s, 99), 4);
		assert_int_equal(cite_bytes_of(s, 2), 3);
		assert_int_equal(cite_bytes_of(s, 9), 8);
		assert_true(str_eq(cite_slice(s, 3, 4), S("b")));
		assert_int_equal(cite_slice(s, 4, 9).n, 0);
	}
	assert_true(str_eq(cite_slice(plain, 1, 2), S("\xc3\xa9")));
	assert_true(str_eq(cite_slice(spelt, 2, 3), S("\\ud83d\\ude00")));
	assert_int_equal(cite_points(lone), 3);
}

static void
test_within(void **state)
{
	static const struct {
		int64_t from, to, base, points, want_from, want_to;
	} list[] = {
		{ 2, 5, 0, 9, 2, 5 },
		{ 2, 50, 0, 9, 2, 9 },
		{ 12, 15, 10, 9, 2, 5 },
		{ 5, 15, 10, 9, 0, 0 },	/* begins in another block */
		{ 5, 2, 0, 9, 0, 0 },
		{ -3, 4, 0, 9, 0, 4 },
		{ INT64_MIN, INT64_MAX, 7, 9, 0, 0 },
		{ INT64_MAX, INT64_MAX, 7, 9, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct cite c = { .from = list[i].from, .to = list[i].to };

		cite_within(&c, list[i].base, list[i].points);
		assert_int_equal(c.from, list[i].want_from);
		assert_int_equal(c.to, list[i].want_to);
	}
}

/* --- Answers --- */

struct answer {
	const char *name;
	const struct dialect *from, *to;
	bool up_stream, stream;
	const char *text;
	const char *has[6];	/* in what the caller gets, in this order */
	const char *lacks;	/* or NULL */
};

/* A copy with quotation marks. */
static struct str
marked(struct arena *a, const char *text)
{
	struct buf b = BUF(a, LIMIT_FOLD_BYTES);

	for (; *text; text++)
		buf_char(&b, *text == '\'' ? '"' : *text);
	return buf_str(&b);
}

static void
feed(struct observer *o, struct str piece, struct buf *out, struct buf *last)
{
	char *copy = malloc(piece.n);

	memcpy(copy, piece.p, piece.n);
	bridge_feed(o, str_from(copy, piece.n), out, last);
	memset(copy, '#', piece.n);
	free(copy);
}

static struct str
told(struct arena *a, const struct answer *k, size_t step)
{
	struct str text = marked(a, k->text);
	struct buf out = BUF(a, LIMIT_FOLD_BYTES);
	struct buf last = BUF(a, LIMIT_EVENT_BYTES + LIMIT_KEEP_BACK);
	struct observer o = { .dialect = k->to, .upstream = k->from,
		.arena = a, .stream = k->stream,
		.upstream_stream = k->up_stream,
		.endpoint = k->to->converse, .asked_model = S("m"),
		.request_id = S("0RELAY"), .now = 1700000000 };

	bridge_observe(&o);
	while (text.n) {
		size_t n = step < text.n ? step : text.n;

		feed(&o, str_from(text.p, n), &out, &last);
		text = str_skip(text, n);
	}
	assert_true(bridge_finish(&o, &out, &last));
	assert_int_equal(o.seen & (SEEN_BAD | SEEN_ERROR), 0);
	buf_put(&out, buf_str(&last));
	return buf_str(&out);
}

static void
check(const struct answer *k)
{
	struct arena a;
	struct str whole, rest, want;

	arena_init(&a);
	whole = rest = told(&a, k, SIZE_MAX);
	assert_true(str_eq(whole, told(&a, k, 1)));
	for (size_t i = 0; i < countof(k->has) && k->has[i]; i++) {
		const char *hit;

		want = marked(&a, k->has[i]);
		hit = memmem(rest.p, rest.n, want.p, want.n);
		if (!hit) {
			print_error("%s: no %.*s in\n%.*s\n", k->name,
			    STR_ARGS(want), STR_ARGS(whole));
			fail();
		}
		rest = str_skip(rest, (size_t)(hit - rest.p) + want.n);
	}
	if (k->lacks && str_has(whole, marked(&a, k->lacks))) {
		print_error("%s: %s in\n%.*s\n", k->name, k->lacks,
		    STR_ARGS(whole));
		fail();
	}
	arena_release(&a);
}

/* Two that speak alike cross by the same events when they are two. */
static struct dialect chat_again;

#define OA &openai_dialect
#define AGAIN &chat_again
#define AN &anthropic_dialect
#define CHUNK(delta, more) "data: {'id':'c','object':" \
	"'chat.completion.chunk','created':1,'model':'u','choices':[{" \
	"'index':0,'delta':{" delta "}" more "}]}\n\n"
#define END CHUNK("", ",'finish_reason':'stop'") "data: [DONE]\n\n"
#define URL(from, to) "{'type':'url_citation','url_citation':{'url':" \
	"'https://a.example/','title':'A','start_index':" from \
	",'end_index':" to "}}"
#define EVENT(type, more) "event: " type "\ndata: {'type':'" type "'" more \
	"}\n\n"
#define BEGIN EVENT("message_start", ",'message':{'id':'msg_1','model':" \
	"'u','role':'assistant','content':[],'usage':{'input_tokens':3," \
	"'output_tokens':1}}")
#define STOP EVENT("message_delta", ",'delta':{'stop_reason':'end_turn'}," \
	"'usage':{'output_tokens':5}") EVENT("message_stop", "")
#define OPEN(i) EVENT("content_block_start", ",'index':" i \
	",'content_block':{'type':'text','text':''}")
#define DELTA(i, more) EVENT("content_block_delta", ",'index':" i \
	",'delta':{" more "}")
#define CLOSE(i) EVENT("content_block_stop", ",'index':" i)
#define WEB "{'type':'web_search_result_location','url':" \
	"'https://a.example/','title':'A','cited_text':'said so'," \
	"'encrypted_index':'E1'}"
#define RECORD(word) "{'token':'" word "','logprob':-0.10,'bytes':[72]," \
	"'top_logprobs':[]}"

static const struct answer answers[] = {
	{ "a page, streamed", OA, AN, true, true,
	    CHUNK("'role':'assistant','content':'It is '", "")
	    CHUNK("'content':'\\u00e9t\\u00e9.'", "")
	    CHUNK("'annotations':[" URL("6", "9") "]", "") END,
	    { "'type':'text_delta','text':'\\u00e9t\\u00e9.'",
	    "'type':'content_block_delta','index':0,'delta':{'type':"
	    "'citations_delta','citation':{'type':"
	    "'web_search_result_location','url':'https://a.example/',"
	    "'title':'A','cited_text':'\\u00e9t\\u00e9',"
	    "'encrypted_index':''}}", "content_block_stop" }, NULL },
	{ "a page, folded", OA, AN, true, false,
	    CHUNK("'content':'It is so.'", "")
	    CHUNK("'annotations':[" URL("0", "5") "]", "") END,
	    { "{'type':'text','text':'It is so.','citations':[{'type':"
	    "'web_search_result_location'", "'cited_text':'It is'" }, NULL },
	{ "a page of a whole answer with a call", OA, AN, false, true,
	    "{'id':'c','model':'u','choices':[{'index':0,'message':{'role':"
	    "'assistant','content':'Hi.','tool_calls':[{'id':'c1','type':"
	    "'function','function':{'name':'f','arguments':'{}'}}],"
	    "'annotations':[" URL("0", "2") "]},'finish_reason':"
	    "'tool_calls'}]}",
	    { "'text':'Hi.'", "'cited_text':'Hi'", "content_block_stop",
	    "tool_use" }, NULL },
	{ "pages that are only listed", OA, AN, true, true,
	    "data: {'citations':['https://a.example/'],'choices':[{'index':0,"
	    "'delta':{'content':'Hi.'}}]}\n\n"
	    "data: {'citations':['https://a.example/','https://b.example/'],"
	    "'choices':[{'index':0,'delta':{},'finish_reason':'stop'}]}\n\n"
	    "data: [DONE]\n\n",
	    { "'text':'Hi.'", "'url':'https://a.example/','title':null,"
	    "'cited_text':''", "'url':'https://b.example/'",
	    "content_block_stop" }, NULL },
	{ "listed and annotated", OA, AN, true, true,
	    "data: {'citations':['https://z.example/'],'choices':[{'index':0,"
	    "'delta':{'content':'Hi.','annotations':[" URL("0", "1") "]}}]}"
	    "\n\n" END, { "a.example" }, "z.example" },
	{ "an annotation of another kind", OA, AN, true, true,
	    CHUNK("'content':'Hi.','annotations':[{'type':'file_citation',"
	    "'file_citation':{'file_id':'f1'}}]", "") END,
	    { "Hi." }, "citations_delta" },
	{ "no text to cite", OA, AN, true, true,
	    CHUNK("'annotations':[" URL("0", "1") "]", "") END,
	    { "message_stop" }, "citations_delta" },

	{ "two texts that cite, streamed", AN, OA, true, true, BEGIN
	    OPEN("0") DELTA("0", "'type':'text_delta','text':'One. '")
	    CLOSE("0")
	    OPEN("1") DELTA("1", "'type':'citations_delta','citation':" WEB)
	    DELTA("1", "'type':'text_delta','text':'T\\u00f6o.'")
	    CLOSE("1") STOP,
	    { "'content':'One. '", "'content':'T\\u00f6o.'",
	    "'annotations':[{'type':'url_citation','url_citation':{'url':"
	    "'https://a.example/','title':'A','start_index':5,"
	    "'end_index':9}}]", "'finish_reason':'stop'" }, NULL },
	{ "two texts that cite, whole", AN, OA, false, false,
	    "{'id':'msg_1','type':'message','role':'assistant','model':'u',"
	    "'content':[{'type':'text','text':'One. '},{'type':'text',"
	    "'text':'Two.','citations':[" WEB ",{'type':'char_location',"
	    "'cited_text':'x','document_index':0}]}],'stop_reason':"
	    "'end_turn','usage':{'input_tokens':3,'output_tokens':5}}",
	    { "'content':'One. Two.'", "'annotations':[{'type':"
	    "'url_citation'", "'start_index':5,'end_index':9}}]" }, NULL },

	{ "how likely, to who has no words for it", OA, AN, true, true,
	    CHUNK("'content':'H'", ",'logprobs':{'content':["
	    RECORD("H") "],'refusal':null}") END,
	    { "'text':'H'" }, "logprob" },
	{ "how likely, streamed", OA, AGAIN, true, true,
	    CHUNK("'role':'assistant','content':''", ",'logprobs':null")
	    CHUNK("'content':'H'", ",'logprobs':{'content':["
	    RECORD("H") "],'refusal':null}")
	    CHUNK("'content':'i'", ",'logprobs':{'content':[" RECORD("i")
	    "]}")
	    CHUNK("", ",'logprobs':{'content':[" RECORD("") "]}") END,
	    { "'content':'H'},'logprobs':{'content':[" RECORD("H")
	    "],'refusal':null},'finish_reason':null",
	    "'content':'i'},'logprobs':{'content':[" RECORD("i")
	    "],'refusal':null}", "'logprobs':{'content':[" RECORD("") "]",
	    "'finish_reason':'stop'" }, "'logprobs':{}" },
	{ "how likely, folded", OA, AGAIN, true, false,
	    CHUNK("'content':'H'", ",'logprobs':{'content':["
	    RECORD("H") "],'refusal':null}")
	    CHUNK("'content':'i'", ",'logprobs':{'content':[" RECORD("i")
	    "]}") END,
	    { "'logprobs':{'content':[" RECORD("H") "," RECORD("i")
	    "],'refusal':null},'finish_reason':'stop'" }, NULL },
	{ "how likely a refusal is", OA, AGAIN, false, false,
	    "{'id':'c','model':'u','choices':[{'index':0,'message':{'role':"
	    "'assistant','content':null,'refusal':'No.'},'logprobs':{"
	    "'content':null,'refusal':[" RECORD("No") "]},'finish_reason':"
	    "'stop'}]}",
	    { "'refusal':'No.'", "'logprobs':{'content':null,'refusal':["
	    RECORD("No") "]}" }, NULL },
	{ "nobody asked how likely", OA, AGAIN, true, false,
	    CHUNK("'content':'H'", ",'logprobs':{'content':[]}") END,
	    { "'logprobs':null,'finish_reason':'stop'" }, "'logprobs':{" },
};

static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(answers); i++)
		check(&answers[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_answers),
	};

	chat_again = openai_dialect;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
