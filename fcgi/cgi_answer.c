/* SPDX-License-Identifier: MIT */
/*
 * cgi_answer.c - the machine's records become a CGI answer; see cgi.h.
 *
 * `phase` says what is done with the body; everything ends in `down`, which
 * cgi.c writes out.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/id.h"
#include "fcgi/base/mem.h"
#include "fcgi/cgi_part.h"
#include "fcgi/reply.h"

/* --- A fault instead of an answer --------------------------------------- */

/* A whole CGI answer; `lines`: more header lines, each with its end. */
static void
put_fault(const struct cgi_conf *conf, const struct fault *f, struct str id,
    struct str lines, struct buf *out)
{
	struct buf body = BUF_HEAP(LIMIT_ERROR_BYTES);
	int status = conf->status(f);

	conf->write_fault(f, id, &body);
	buf_printf(out, "Status: %d %s\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n", status, reply_reason(status), body.n);
	if (f->retry_ms > 0)
		buf_printf(out, "Retry-After: %lld\r\n",
		    (long long)(f->retry_ms + 999) / 1000);
	buf_put(out, lines);
	buf_put(out, S("\r\n"));
	buf_put(out, buf_str(&body));
	buf_release(&body);
}

/* Headers that are of the call and not of the answer that broke. */
static void
lines_of_call(const struct cgi *c, struct buf *out, struct str *id)
{
	static const struct str stay[] = { STR_INIT("x-request-id:"),
	    STR_INIT("Access-Control-"), STR_INIT("Vary:") };
	struct str rest = buf_str(&c->head);

	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		for (size_t i = 0; i < countof(stay); i++) {
			if (!str_starts_nocase(line, stay[i]))
				continue;
			if (i == 0)
				*id = str_trim(str_skip(line, stay[0].n));
			buf_put(out, str_trim(line));
			buf_put(out, S("\r\n"));
		}
	}
}

void
cgi_answer_fault(struct cgi *c, enum fault_kind kind, const char *words)
{
	struct buf lines = BUF_HEAP(2 * LIMIT_PARAMS_BYTES);
	struct fault f = { .kind = kind, .text = str_of(words) };
	struct str id = S("");

	lines_of_call(c, &lines, &id);
	buf_clear(&c->held);
	c->out_of_memfd = c->in_memfd;
	put_fault(c->conf, &f, id, buf_str(&lines), &c->down);
	buf_release(&lines);
	c->phase = PHASE_LAST;
}

void
cgi_refuse(const struct cgi_conf *conf, const struct fault *f)
{
	struct buf out = BUF_HEAP(2 * LIMIT_ERROR_BYTES);
	struct buf line = BUF_HEAP(256);
	struct pollfd ready = { .fd = conf->out, .events = POLLOUT };
	char id[ID_CHARS];
	ssize_t n;

	id_make(clock_utc_ms(), id);
	buf_printf(&line, "x-request-id: %.*s\r\n", ID_CHARS, id);
	put_fault(conf, f, str_from(id, ID_CHARS), buf_str(&line), &out);
	while (out.n) {
		n = write(conf->out, out.p, out.n);
		if (n > 0)
			buf_drop(&out, (size_t)n);
		else if (n == 0 || !cgi_must_wait() ||
		    poll(&ready, 1, REFUSE_MS) <= 0)
			break;
	}
	buf_release(&out);
	buf_release(&line);
}

/* --- What is held back -------------------------------------------------- */

bool
cgi_holds(const struct cgi *c)
{
	return c->held.n || c->out_of_memfd < c->in_memfd;
}

void
cgi_take_held(struct cgi *c)
{
	int64_t left = c->in_memfd - c->out_of_memfd;
	size_t n = left < PIECE ? (size_t)left : PIECE;
	ssize_t got;

	if (c->held.n) {
		buf_put(&c->down, buf_str(&c->held));
		buf_release(&c->held);
		return;
	}
	got = pread(c->held_fd, buf_room(&c->down, n), n, c->out_of_memfd);
	assert(got > 0);	/* memory, and all of it is there */
	c->down.n = (size_t)got;
	c->out_of_memfd += got;
}

static bool
hold(struct cgi *c, struct str bytes)
{
	if (c->held_fd < 0) {
		if (buf_put(&c->held, bytes))
			return true;
		c->held.full = false;
		c->held_fd = memfd_create("weir-answer", MFD_CLOEXEC);
	}
	while (c->held_fd >= 0 && bytes.n) {
		ssize_t n = write(c->held_fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		c->in_memfd += n;
		bytes = str_skip(bytes, (size_t)n);
	}
	return bytes.n == 0;
}

/* --- The answer --------------------------------------------------------- */

/* A header's value in the answer's head; p NULL: there is none. */
static struct str
header(const struct cgi *c, struct str name)
{
	struct str rest = buf_str(&c->head);

	while (rest.n) {
		struct str value = str_cut(&rest, '\n');

		if (str_eq_nocase(str_cut(&value, ':'), name))
			return str_trim(value);
	}
	return (struct str){ NULL, 0 };
}

static bool
is_stream(struct str type)
{
	return str_starts_nocase(type, S("text/event-stream")) ||
	    str_starts_nocase(type, S("audio/")) ||
	    str_starts_nocase(type, S("application/octet-stream"));
}

/* Have statuses such as this one no body, and say no length? */
static bool
is_bodiless(struct str status)
{
	return str_starts(status, S("204")) || str_starts(status, S("304"));
}

/* The header has ended: what becomes of the body? */
static void
head_is_whole(struct cgi *c)
{
	if (!header(c, S("Content-Length")).p &&
	    !is_stream(header(c, S("Content-Type")))) {
		c->phase = PHASE_HOLD;
		return;
	}
	buf_put(&c->down, buf_str(&c->head));
	c->phase = PHASE_PASS;
}

void
cgi_answer_broke(struct cgi *c)
{
	if (c->phase == PHASE_PASS)
		c->phase = PHASE_LAST;	/* the caller sees where it stops */
	else
		cgi_answer_fault(c, FAULT_UP_ERROR, "The answer broke off before "
		    "it was whole; try again.");
}

static void
answer_ended(struct cgi *c)
{
	int64_t n = (int64_t)c->held.n + c->in_memfd;

	if (c->phase == PHASE_HEAD) {
		cgi_answer_broke(c);
		return;
	}
	if (c->phase == PHASE_HOLD) {
		buf_put(&c->down, str_from(c->head.p, c->head.n - 2));
		if (!c->is_head && !is_bodiless(header(c, S("Status"))))
			buf_printf(&c->down, "Content-Length: %lld\r\n",
			    (long long)n);
		buf_put(&c->down, S("\r\n"));
	}
	c->phase = PHASE_LAST;
}

static void
take_body(struct cgi *c, struct str bytes)
{
	if (c->phase == PHASE_PASS && !cgi_holds(c)) {
		buf_put(&c->down, bytes);
		assert(!c->down.full);
		return;
	}
	if (!hold(c, bytes)) {
		if (c->phase == PHASE_PASS)
			c->phase = PHASE_LAST;
		else
			cgi_answer_fault(c, FAULT_BUSY, "The relay has no memory "
			    "left to hold the answer.");
		return;
	}
	/* Too long: what there is goes out, then the rest as it comes. */
	if (c->phase == PHASE_HOLD &&
	    (int64_t)c->held.n + c->in_memfd > HELD_MAX) {
		buf_put(&c->down, buf_str(&c->head));
		c->phase = PHASE_PASS;
	}
}

static void
take_answer(struct cgi *c, struct str bytes)
{
	size_t before = c->head.n, more;
	const char *end;

	if (c->phase == PHASE_HEAD) {
		if (!buf_put(&c->head, bytes)) {
			cgi_answer_broke(c);
			return;
		}
		end = memmem(c->head.p, c->head.n, "\r\n\r\n", 4);
		if (!end)
			return;
		c->head.n = (size_t)(end + 4 - c->head.p);
		more = before + bytes.n - c->head.n;
		bytes = str_from(bytes.p + bytes.n - more, more);
		head_is_whole(c);
	}
	if (bytes.n)
		take_body(c, bytes);
}

/* --- Records from the machine ------------------------------------------- */

/* A record's head is there.  False: it is none. */
static bool
begin_record(struct cgi *c)
{
	c->content = (size_t)c->record[4] << 8 | c->record[5];
	c->padding = c->record[6];
	return c->record[0] == 1;
}

void
cgi_take_records(struct cgi *c, struct str rest)
{
	while (rest.n && c->phase < PHASE_LAST) {
		size_t n = c->content ? c->content : c->padding;

		if (c->record_n < RECORD_HEAD_BYTES) {
			c->record[c->record_n++] = (uint8_t)rest.p[0];
			rest = str_skip(rest, 1);
			if (c->record_n < RECORD_HEAD_BYTES)
				continue;
			if (!begin_record(c)) {
				cgi_answer_broke(c);
				return;
			}
		} else {
			if (n > rest.n)
				n = rest.n;
			if (c->content && c->record[1] == RECORD_STDOUT)
				take_answer(c, str_from(rest.p, n));
			if (c->content)
				c->content -= n;
			else
				c->padding -= n;
			rest = str_skip(rest, n);
		}
		if (c->content || c->padding)
			continue;
		c->record_n = 0;
		if (c->record[1] == RECORD_END && c->phase < PHASE_LAST)
			answer_ended(c);
	}
}
