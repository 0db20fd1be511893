/* SPDX-License-Identifier: MIT */
/* responses_object.c - a response object of ours; see responses.h. */
#include "handlers/dialect/responses.h"

static void
put_text(struct buf *b, struct str s)
{
	if (s.n)
		buf_json(b, s);
	else
		buf_put(b, S("null"));
}

/* Its codes are a short list; what is not among them is the server's. */
static void
put_error(struct buf *b, const struct fault *f)
{
	bool limit = str_eq(str_of(fault_table[f->kind].type),
	    S("rate_limit_error"));

	buf_put(b, limit ? S("{\"code\":\"rate_limit_exceeded\","
			     "\"message\":")
			 : S("{\"code\":\"server_error\",\"message\":"));
	buf_json(b, f->text);
	buf_char(b, '}');
}

static void
put_count(struct buf *b, const char *name, int64_t n)
{
	buf_printf(b, "\"%s\":%lld", name, (long long)(n < 0 ? 0 : n));
}

static void
put_usage(struct buf *b, const struct tokens *t)
{
	int64_t in = t->in_total < 0 ? 0 : t->in_total;
	int64_t out = t->out_total < 0 ? 0 : t->out_total;

	buf_char(b, '{');
	put_count(b, "input_tokens", in);
	buf_put(b, S(",\"input_tokens_details\":{"));
	put_count(b, "cached_tokens", t->cache_read);
	buf_char(b, ',');
	put_count(b, "cache_write_tokens", t->cache_write);
	buf_put(b, S("},"));
	put_count(b, "output_tokens", out);
	buf_put(b, S(",\"output_tokens_details\":{"));
	put_count(b, "reasoning_tokens", t->reasoning);
	buf_put(b, S("},"));
	put_count(b, "total_tokens", in + out);
	buf_char(b, '}');
}

void
responses_put_object(struct buf *b, const struct responses_object *r)
{
	buf_put(b, S("{\"id\":"));
	buf_raw(b, r->id);
	buf_printf(b, ",\"object\":\"response\",\"created_at\":%lld,"
		      "\"status\":\"%s\",\"error\":",
	    (long long)r->created, r->status);
	if (r->fault)
		put_error(b, r->fault);
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"incomplete_details\":"));
	if (r->incomplete)
		buf_printf(b, "{\"reason\":\"%s\"}", r->incomplete);
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"model\":"));
	buf_json(b, r->model);
	buf_put(b, S(",\"output\":["));
	buf_put(b, r->output);
	buf_put(b, S("],"));
	buf_put(b, r->echo.n ? r->echo : S(RESPONSES_NO_ECHO));
	buf_put(b, S(",\"usage\":"));
	if (r->tokens)
		put_usage(b, r->tokens);
	else
		buf_put(b, S("null"));
	buf_char(b, '}');
}

void
responses_put_fault(struct buf *b, const struct fault *f, int64_t number)
{
	struct str code = fault_code(f);

	buf_printf(b, "event: error\ndata: {\"type\":\"error\","
		      "\"sequence_number\":%lld,\"code\":",
	    (long long)number);
	put_text(b, code);
	buf_put(b, S(",\"message\":"));
	buf_json(b, f->text);
	buf_put(b, S(",\"param\":"));
	put_text(b, f->param);
	buf_put(b, S(",\"error\":{\"type\":"));
	buf_json(b, str_of(openai_late_type(f)));
	buf_put(b, S(",\"code\":"));
	put_text(b, code);
	buf_put(b, S(",\"message\":"));
	buf_json(b, f->text);
	buf_put(b, S(",\"param\":"));
	put_text(b, f->param);
	buf_put(b, S("}}\n\n"));
}
