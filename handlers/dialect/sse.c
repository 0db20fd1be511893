/* SPDX-License-Identifier: MIT */
/*
 * sse.c - server-sent events, cut out of a stream of bytes; see sse.h.
 *
 * A line ends with LF, CR or CRLF, a frame with an empty line.  A CR that ends
 * a frame at the end of a piece gives the frame at once; if its LF comes
 * later, it follows as a frame of its own kind, so that nobody waits for a
 * byte that may never come.
 */
#include "handlers/dialect/sse.h"

#include "fcgi/base/limits.h"

enum { ROOM_KEPT = 16384 };

void
sse_init(struct sse *s)
{
	*s = (struct sse){
		.kept = BUF_HEAP(LIMIT_EVENT_BYTES),
		.joined = BUF_HEAP(LIMIT_EVENT_BYTES),
	};
}

void
sse_release(struct sse *s)
{
	buf_release(&s->kept);
	buf_release(&s->joined);
}

void
sse_feed(struct sse *s, struct str piece)
{
	s->in = piece;
}

struct str
sse_rest(const struct sse *s)
{
	return s->given ? str_from(NULL, 0) : buf_str(&s->kept);
}

static const char *
line_end(const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	const char *cr;

	if (!lf)
		lf = end;
	cr = memchr(p, '\r', (size_t)(lf - p));
	return cr ? cr : lf;
}

/*
 * Looks for the end of the frame in the input; returns what follows it, or
 * NULL with the state moved to the end of the input.
 */
static const char *
frame_end(struct sse *s, const char *p, const char *end)
{
	const char *q;

	while (p < end) {
		if (s->cr && *p == '\n') {
			s->cr = false;
			p++;
			continue;
		}
		q = line_end(p, end);
		s->within |= q > p;
		s->cr = q < end && *q == '\r';
		if (q == end)
			return NULL;
		if (!s->within)
			return q + 1;
		s->within = false;
		p = q + 1;
	}
	return NULL;
}

static bool
give(struct sse_frame *f, enum sse_kind kind, struct str raw)
{
	*f = (struct sse_frame){ kind, raw };
	return true;
}

/* Gives n bytes of the input. */
static bool
give_input(struct sse *s, struct sse_frame *f, enum sse_kind kind, size_t n)
{
	struct str raw = str_from(s->in.p, n);

	s->in = str_skip(s->in, n);
	return give(f, kind, raw);
}

/* The frame is over after n bytes of the input. */
static bool
give_end(struct sse *s, struct sse_frame *f, size_t n)
{
	bool large = s->large;
	size_t lf = s->cr && n < s->in.n && s->in.p[n] == '\n';

	s->tail = s->cr && n == s->in.n;
	s->cr = s->within = s->large = false;
	if (large)
		return give_input(s, f, SSE_LAST_PART, n + lf);
	if (s->kept.n == 0)
		return give_input(s, f, SSE_FRAME, n + lf);
	buf_put(&s->kept, str_from(s->in.p, n + lf));
	s->in = str_skip(s->in, n + lf);
	s->given = true;
	return give(f, SSE_FRAME, buf_str(&s->kept));
}

/* A stream that once had a large frame does not keep its room. */
static void
drop_kept(struct sse *s)
{
	if (s->kept.room > ROOM_KEPT)
		buf_release(&s->kept);
	else
		buf_clear(&s->kept);
	s->given = false;
}

bool
sse_next(struct sse *s, struct sse_frame *f)
{
	bool within, cr;
	const char *q;
	size_t n;

	if (s->given)
		drop_kept(s);
	if (s->in.n == 0)
		return false;
	if (s->tail && s->in.p[0] == '\n') {
		s->tail = false;
		return give_input(s, f, SSE_TAIL, 1);
	}
	s->tail = false;

	within = s->within;
	cr = s->cr;
	q = frame_end(s, s->in.p, s->in.p + s->in.n);
	n = q ? (size_t)(q - s->in.p) : s->in.n;
	if (!s->large && s->kept.n + n > LIMIT_EVENT_BYTES - 1) {
		s->within = within; /* look again, for its parts */
		s->cr = cr;
		s->large = true;
		if (s->kept.n == 0)
			return sse_next(s, f);
		s->given = true;
		return give(f, SSE_PART, buf_str(&s->kept));
	}
	if (q)
		return give_end(s, f, n);
	if (s->large)
		return give_input(s, f, SSE_PART, n);
	buf_put(&s->kept, s->in);
	s->in.n = 0;
	return false;
}

/* Appends a line of data to what f has; copies only from the second on. */
static void
add_data(struct sse *s, struct sse_fields *f, struct str value)
{
	if (!f->has_data) {
		f->data = value;
		f->has_data = true;
		return;
	}
	if (s->joined.n == 0)
		buf_put(&s->joined, f->data);
	buf_char(&s->joined, '\n');
	buf_put(&s->joined, value);
	f->data = buf_str(&s->joined);
}

static void
read_line(struct sse *s, struct sse_fields *f, struct str line)
{
	struct str name = str_cut(&line, ':');

	if (line.n && line.p[0] == ' ')
		line = str_skip(line, 1);
	if (str_eq(name, S("data")))
		add_data(s, f, line);
	else if (str_eq(name, S("event")))
		f->event = line;
}

void
sse_read(struct sse *s, struct str raw, struct sse_fields *f)
{
	const char *p = raw.p, *end = raw.p + raw.n, *q;

	*f = (struct sse_fields){ 0 };
	buf_clear(&s->joined);
	if (str_starts(raw, S("\xef\xbb\xbf")))
		p += 3;
	while (p < end) {
		q = line_end(p, end);
		if (q > p)
			read_line(s, f, str_from(p, (size_t)(q - p)));
		if (q == end)
			break;
		p = q + 1; /* the LF of a CRLF is an empty line more */
	}
}
