/* SPDX-License-Identifier: MIT */
/*
 * mockplan.c - the words of the mock upstream's names; see mockplan.h.
 *
 * One table says which words there are, what they set and what --help says of
 * them.
 */
#include "tests/tools/mockplan.h"

#include <stddef.h>

struct word {
	const char *name, *args, *help;
	size_t to[2]; /* members that take the numbers */
	size_t sets[2]; /* members set to a constant */
	long values[2];
};

#define AT(m) (offsetof(struct plan, m) + 1) /* 0: none */
#define SET(m, v) .sets = { AT(m) }, .values = { v }
#define SET2(m, v, m2, v2) .sets = { AT(m), AT(m2) }, .values = { v, v2 }
#define TAKE(a, ...) .args = a, .to = { __VA_ARGS__ }

/* clang-format off */
static const struct word words[] = {
	{"delay", .help = "wait before the headers (U6)",
	 TAKE("-MS", AT(delay_ms))},
	{"stream", .help = "N content events MS apart, '#i@ns' in each: its "
	 "number and the monotonic time it was written at",
	 TAKE("-N-MS", AT(events), AT(gap_ms)), SET(timed, 1)},
	{"events", .help = "N content events of fixed words at once",
	 TAKE("-N", AT(events))},
	{"pad", .help = "N more bytes in every content event",
	 TAKE("-N", AT(pad))},
	{"big", .help = "an unstreamed answer with N bytes of content",
	 TAKE("-N", AT(big))},
	{"tools", .help = "answer with a tool call", SET(tools, 1)},
	{"odd", .help = "members, events and number spellings nobody knows",
	 SET(odd, 1)},
	{"echo", .help = "the content is the request's body",
	 SET(body, BODY_ECHO)},
	{"echo-head", .help = "the content is the request's head, its key "
	 "shortened to four characters", SET(body, BODY_HEAD)},
	{"demo", .help = "the demonstration answer, word by word",
	 SET(demo, 1)},
	{"u", .help = "report IN prompt and OUT completion tokens",
	 TAKE("-IN-OUT", AT(in), AT(out))},
	{"cached", .help = "of the prompt, N tokens were read from a cache",
	 TAKE("-N", AT(cached))},
	{"written", .help = "of the prompt, N tokens were written to a cache",
	 TAKE("-N", AT(written))},
	{"reason", .help = "of the completion, N tokens were reasoning",
	 TAKE("-N", AT(reasoned))},
	{"maxed", .help = "report max_tokens x n as completion, stop: length",
	 SET2(maxed, 1, finish_length, 1)},
	{"nousage", .help = "no usage at all (U22)", SET(usage, USAGE_NO)},
	{"usage-null", .help = "usage: null", SET(usage, USAGE_NULL)},
	{"usage-zero", .help = "explicit zeros", SET(usage, USAGE_ZERO)},
	{"usage-neg", .help = "negative counts", SET(usage, USAGE_NEG)},
	{"usage-float", .help = "1.5 and 2e3", SET(usage, USAGE_FLOAT)},
	{"usage-string", .help = "\"12\"", SET(usage, USAGE_STRING)},
	{"usage-huge", .help = "1e18 as an integer", SET(usage, USAGE_HUGE)},
	{"usage-cached", .help = "more cached than prompt",
	 SET(usage, USAGE_CACHED)},
	{"usage-twice", .help = "two usage chunks, the last one counts (U23)",
	 SET(usage, USAGE_TWICE)},
	{"usage-early", .help = "the usage chunk before the content",
	 SET(usage, USAGE_EARLY)},
	{"usage-each", .help = "growing usage on every chunk",
	 SET(usage, USAGE_EACH)},
	{"usage-random", .help = "numbers, members and types that chance "
	 "makes of the request's number", SET(usage, USAGE_RANDOM)},
	{"usage-finish", .help = "usage on the finish chunk too",
	 SET(usage, USAGE_FINISH)},
	{"status", .help = "that status with a fitting error (a word of three "
	 "digits does the same: mock-503)", TAKE("-NNN", AT(status))},
	{"retry", .help = "retry-after in seconds (U9)",
	 TAKE("-S", AT(retry)), SET(retry_by, RETRY_S)},
	{"retry-date", .help = "retry-after as a date S seconds from now",
	 TAKE("-S", AT(retry)), SET(retry_by, RETRY_DATE)},
	{"retry-ms", .help = "retry-after-ms", TAKE("-N", AT(retry)),
	 SET(retry_by, RETRY_MS)},
	{"retry-garbage", .help = "retry-after nobody can read",
	 SET(retry_by, RETRY_BAD)},
	{"quota", .help = "429 insufficient_quota (U10)",
	 SET2(status, 429, why, WHY_QUOTA)},
	{"broke", .help = "402, no money left", SET2(status, 402, why,
						     WHY_QUOTA)},
	{"poor", .help = "400 that says no money is left",
	 SET2(status, 400, why, WHY_QUOTA)},
	{"context", .help = "400 context_length_exceeded",
	 SET2(status, 400, why, WHY_CONTEXT)},
	{"policy", .help = "400 content_policy_violation",
	 SET2(status, 400, why, WHY_POLICY)},
	{"nomodel", .help = "404 model_not_found",
	 SET2(status, 404, why, WHY_MODEL)},
	{"leak", .help = "400 whose message holds the key it was given",
	 SET2(status, 400, why, WHY_KEY)},
	{"fail", .help = "503, or the status named, for P of 100 requests "
	 "(U26)",
	 TAKE("-P", AT(fail_percent))},
	{"reset", .help = "reset once the request was read (U5)",
	 SET(fault, FAULT_RESET)},
	{"close", .help = "close without a byte", SET(fault, FAULT_CLOSE)},
	{"hang", .help = "never answer (U6)", SET(fault, FAULT_HANG)},
	{"cut", .help = "close after N events; unstreamed: after half of the "
	 "body (U8)", TAKE("-N", AT(cut_at)), SET(cut, CUT_FIN)},
	{"cut-line", .help = "close within the line of event N",
	 TAKE("-N", AT(cut_at)), SET(cut, CUT_LINE)},
	{"rst", .help = "as cut, by a reset", TAKE("-N", AT(cut_at)),
	 SET(cut, CUT_RST)},
	{"stall", .help = "silence after N events (U7)",
	 TAKE("-N", AT(cut_at)), SET(cut, CUT_STALL)},
	{"error-in-stream", .help = "error event after N events",
	 TAKE("-N", AT(cut_at)), SET(cut, CUT_ERROR)},
	{"error-in-200", .help = "200 whose body is an error",
	 SET(body, BODY_ERROR)},
	{"nodone", .help = "no [DONE] (U23)", SET(nodone, 1)},
	{"after", .help = "data after [DONE]", SET(after, 1)},
	{"finish-length", .help = "stop reason: length",
	 SET(finish_length, 1)},
	{"ping", .help = "N comments MS apart before the first event",
	 TAKE("-N-MS", AT(pings), AT(ping_ms))},
	{"crlf", .help = "event lines end in CR LF", SET(crlf, 1)},
	{"split", .help = "write N bytes at a time", TAKE("-N", AT(piece))},
	{"drip", .help = "write one byte every MS (U25)",
	 TAKE("-MS", AT(piece_ms)), SET(piece, 1)},
	{"endless", .help = "a stream that never ends; with -MS- between "
	 "events after a stream word (U17)", SET2(events, -1, timed, 1)},
	{"longline", .help = "one event with N bytes and no newline (U18)",
	 TAKE("-N", AT(longline))},
	{"html", .help = "200 with a page (U16)", SET(body, BODY_HTML)},
	{"texttype", .help = "right body, content type text/plain",
	 SET(body, BODY_TYPE)},
	{"badjson", .help = "200 with broken JSON or event data (U15)",
	 SET(body, BODY_BAD)},
	{"halfjson", .help = "200 with the first half of the JSON, rightly "
	 "framed", SET(body, BODY_HALF)},
	{"empty", .help = "200 with no body, or a stream of [DONE] alone",
	 SET(body, BODY_EMPTY)},
	{"nulls", .help = "choices: null, content: null",
	 SET(body, BODY_NULLS)},
	{"gzip", .help = "gzip although nobody asked (U19)",
	 SET(body, BODY_GZIP)},
	{"gzip-bomb", .help = "64 KiB of gzip that inflate to 64 MiB",
	 SET(body, BODY_BOMB)},
	{"redirect", .help = "redirect NNN to --redirect-to (U20)",
	 TAKE("-NNN", AT(status))},
	{"hints", .help = "N times 103 before the answer (U21)",
	 TAKE("-N", AT(hints))},
	{"headers", .help = "1,000 headers", SET(head, HEAD_MANY)},
	{"headers-8bit", .help = "bytes above 127 in a header",
	 SET(head, HEAD_8BIT)},
	{"headers-nul", .help = "a NUL in a header", SET(head, HEAD_NUL)},
	{"headers-cr", .help = "a lone CR in a header", SET(head, HEAD_CR)},
	{"headers-lf", .help = "a lone LF in a header", SET(head, HEAD_LF)},
	{"headers-fold", .help = "a folded header", SET(head, HEAD_FOLD)},
	{"headers-key", .help = "the Authorization value comes back in a "
	 "header", SET(head, HEAD_KEY)},
	{"headers-big", .help = "one header of N bytes",
	 TAKE("-N", AT(head_big))},
	{"truncated-length", .help = "Content-Length of 100 bytes more than "
	 "come, then closed (U24)", SET(length, LENGTH_LONG)},
	{"short-length", .help = "Content-Length of 10 bytes less than come",
	 SET(length, LENGTH_SHORT)},
	{"both-lengths", .help = "Content-Length and chunked at once",
	 SET(length, LENGTH_BOTH)},
	{"unframed", .help = "no length, the end is the close",
	 SET(length, LENGTH_NONE)},
	{"early", .help = "a second answer nobody asked for follows on the "
	 "kept connection", SET(early, 1)},
	{"key", .help = "ends the words; what follows is free text",
	 SET(stop, 1)},
};
/* clang-format on */
enum { N_WORDS = sizeof words / sizeof words[0] };

static void
plan_set(struct plan *p, size_t at, long v)
{
	if (at)
		memcpy((char *)p + at - 1, &v, sizeof v);
}

/* The longest word that begins the text and ends at '-' or its end. */
static const struct word *
word_find(struct slice s)
{
	const struct word *best = NULL;
	size_t n, best_n = 0;

	for (int i = 0; i < N_WORDS; i++) {
		n = strlen(words[i].name);
		if (n > best_n && n <= s.n && !memcmp(words[i].name, s.p, n) &&
		    (n == s.n || s.p[n] == '-')) {
			best = &words[i];
			best_n = n;
		}
	}
	return best;
}

/* "-123" at the front of *s as a number; false when there is none. */
static bool
word_number(struct slice *s, long *v)
{
	size_t i = 1;

	if (s->n < 2 || *s->p != '-')
		return false;
	for (*v = 0; i < s->n && s->p[i] >= '0' && s->p[i] <= '9' && i < 17;
	     i++)
		*v = *v * 10 + (s->p[i] - '0');
	if (i == 1 || (i < s->n && s->p[i] != '-'))
		return false;
	*s = (struct slice){ s->p + i, s->n - i };
	return true;
}

bool
plan_read(struct plan *p, struct slice s, struct slice *wrong)
{
	const struct word *w;
	long v;

	if (slice_is(s, "demo"))
		p->demo = 1;
	if (s.n < 4 || memcmp(s.p, "mock", 4))
		return true;
	s = (struct slice){ s.p + 4, s.n - 4 };
	while (s.n && *s.p == '-' && !p->stop) {
		*wrong = s;
		if (s.n >= 4 && (s.n == 4 || s.p[4] == '-') &&
		    word_number(&(struct slice){ s.p, 4 }, &v)) {
			p->status = v;
			s = (struct slice){ s.p + 4, s.n - 4 };
			continue;
		}
		w = word_find((struct slice){ s.p + 1, s.n - 1 });
		if (!w)
			return false;
		s.p += 1 + strlen(w->name);
		s.n -= 1 + strlen(w->name);
		for (int i = 0; i < 2; i++)
			plan_set(p, w->sets[i], w->values[i]);
		for (int i = 0; i < 2 && w->to[i]; i++) {
			if (!word_number(&s, &v))
				return false;
			plan_set(p, w->to[i], v);
		}
	}
	return true;
}

void
plan_help(void)
{
	for (int i = 0; i < N_WORDS; i++) {
		printf("  %s%s", words[i].name,
		    words[i].args ? words[i].args : "");
		printf("%*s%s\n",
		    (int)(22 - strlen(words[i].name) -
			(words[i].args ? strlen(words[i].args) : 0)),
		    "", words[i].help);
	}
}
