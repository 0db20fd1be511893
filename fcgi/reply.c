/* SPDX-License-Identifier: MIT */
/*
 * reply.c - what goes out; see reply.h.
 *
 * Bytes of the body are appended to one growing STDOUT record at the end of
 * the connection's queue, so an answer that is written in many small pieces
 * between two flushes goes out in one record and one send.
 */
#include "fcgi/reply.h"

#include <assert.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/conn.h"

static const size_t NO_RECORD = (size_t)-1;

/* Bytes that no FastCGI record begins with. */
static const char broken[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };

const char *
reply_reason(int status)
{
	static const struct { int status; const char *words; } table[] = {
		{ 200, "OK" }, { 201, "Created" }, { 204, "No Content" },
		{ 303, "See Other" },
		{ 304, "Not Modified" }, { 400, "Bad Request" },
		{ 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
		{ 529, "Overloaded" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].words;
	return "Status";
}

void
reply_status(struct request *rq, int status)
{
	assert(!rq->head_sent && status >= 200 && status < 600);
	rq->status = status;
}

void
reply_header(struct request *rq, const char *name, struct str value)
{
	assert(!rq->head_sent);
	if (str_has_control(value)) {
		log_warn("request %.*s: header %s left out: control bytes",
		    ID_CHARS, rq->id, name);
		return;
	}
	buf_put(&rq->head, str_of(name));
	buf_put(&rq->head, S(": "));
	buf_put(&rq->head, value);
	buf_put(&rq->head, S("\r\n"));
}

/* --- Records in the connection's queue ---------------------------------- */

static void
record_length(struct conn *c, size_t content)
{
	char *head = c->out.p + c->open_record;

	head[4] = (char)(content >> 8);
	head[5] = (char)content;
}

static void
put_stdout(struct conn *c, struct str bytes)
{
	while (bytes.n) {
		size_t content, n;

		if (c->open_record == NO_RECORD) {
			uint8_t head[RECORD_HEAD_BYTES];

			record_head(head, RECORD_STDOUT, c->rq->record_id, 0);
			c->open_record = c->out.n;
			buf_put(&c->out, str_from(head, sizeof(head)));
		}
		content = c->out.n - c->open_record - RECORD_HEAD_BYTES;
		n = RECORD_CONTENT_MAX - content;
		if (n > bytes.n)
			n = bytes.n;
		buf_put(&c->out, str_from(bytes.p, n));
		record_length(c, content + n);
		if (content + n == RECORD_CONTENT_MAX)
			c->open_record = NO_RECORD;
		bytes = str_skip(bytes, n);
	}
}

static void
put_head(struct request *rq)
{
	struct buf first = BUF(&rq->arena, 256);

	assert(rq->status);
	buf_put(&first, S("Status: "));
	buf_int(&first, rq->status);
	buf_char(&first, ' ');
	buf_put(&first, str_of(reply_reason(rq->status)));
	buf_put(&first, S("\r\nx-request-id: "));
	buf_put(&first, request_id(rq));
	buf_put(&first, S("\r\n"));
	put_stdout(rq->conn, buf_str(&first));
	put_stdout(rq->conn, buf_str(&rq->head));
	put_stdout(rq->conn, S("\r\n"));
}

void
reply_data(struct request *rq, struct str bytes)
{
	assert(!rq->ended);
	if (!rq->head_sent) {
		rq->head_sent = true;
		if (rq->conn)
			put_head(rq);
	}
	if (rq->conn)
		put_stdout(rq->conn, bytes);
}

void
reply_flush(struct request *rq)
{
	if (rq->conn)
		conn_flush(rq->conn);
}

size_t
reply_waiting(const struct request *rq)
{
	return rq->conn ? rq->conn->out.n : 0;
}

bool
reply_full(const struct request *rq)
{
	return reply_waiting(rq) > LIMIT_OUT_BYTES;
}

void
reply_end(struct request *rq)
{
	uint8_t end[3 * RECORD_HEAD_BYTES] = { 0 };
	struct conn *c;

	assert(!rq->ended);
	if (!rq->head_sent)
		reply_data(rq, S(""));
	rq->ended = true;
	c = rq->conn;
	if (!c)
		return;
	c->open_record = NO_RECORD;
	record_head(end, RECORD_STDOUT, rq->record_id, 0);
	record_head(end + RECORD_HEAD_BYTES, RECORD_END, rq->record_id, 8);
	buf_put(&c->out, str_from(end, sizeof(end)));
	conn_end_request(c);
}

void
reply_break(struct request *rq)
{
	struct conn *c = rq->conn;

	assert(!rq->ended);
	rq->ended = true;
	if (!c)
		return;
	c->open_record = NO_RECORD;
	buf_put(&c->out, str_from(broken, sizeof(broken)));
	c->close_after = true;
	conn_end_request(c);
}

void
reply_whole(struct request *rq, int status, const char *type, struct str body)
{
	reply_status(rq, status);
	reply_header(rq, "Content-Type", str_of(type));
	reply_header(rq, "Content-Length", arena_int(&rq->arena,
	    (int64_t)body.n));
	if (!str_eq(rq->param[PARAM_REQUEST_METHOD], S("HEAD")))
		reply_data(rq, body);
	reply_end(rq);
}
