/* SPDX-License-Identifier: MIT */
/*
 * tokens.c - how many tokens a text will be, about; see tokens.h.
 *
 * Every prompt passes here, so ASCII is counted 64 characters at a time: one
 * bit a character for letters, digits and spaces; beginnings of runs and
 * characters beyond the seventh of a run are then a few shifts and two
 * population counts.  Prices are linear in the character, so that a text may
 * come in any pieces.
 */
#include "handlers/dialect/tokens.h"

#include <endian.h>

#include "fcgi/base/json.h"

enum {
	WORD = 1000, /* the first letters of a run */
	FREE_LETTERS = 7, /* that many are in it */
	LETTER = 222, /* each further one */
	DIGITS = 1000,
	IDEOGRAPH = 720,
	OTHER = 385, /* 1000 / 2.6 */
	WIDE = 4 /* an emoji counts as so many others */
};

/* One bit for each of up to 64 characters, the first one lowest. */
struct block {
	unsigned n;
	uint64_t letters, digits, spaces, wide; /* wide: not ASCII */
};

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* The top bits of eight bytes as the low bits of a number. */
static inline uint64_t
gather(uint64_t tops)
{
	return ((tops & EACH_BYTE(0x80)) >> 7) * UINT64_C(0x0102040810204080) >>
	    56;
}

/* The top bit of each byte that is from..to; all must be ASCII. */
static inline uint64_t
between(uint64_t w, unsigned from, unsigned to)
{
	return (w + EACH_BYTE(0x80 - from)) & ~(w + EACH_BYTE(0x7f - to));
}

static inline uint64_t
load(const char *p, size_t n)
{
	uint64_t w = 0;

	if (n >= 8) {
		memcpy(&w, p, 8);
		return le64toh(w);
	}
	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)(unsigned char)p[i] << 8 * i;
	return w;
}

static void
classify(struct block *b, struct str s)
{
	*b = (struct block){ .n = s.n < 64 ? (unsigned)s.n : 64 };
	for (unsigned i = 0; i < b->n; i += 8) {
		uint64_t w = load(s.p + i, b->n - i), digits;

		if (w & EACH_BYTE(0x80)) {
			b->wide |= gather(w) << i;
			w &= EACH_BYTE(0x7f);
		}
		b->letters |= gather(between(w | EACH_BYTE(0x20), 'a', 'z'))
		    << i;
		b->spaces |= gather(between(w, ' ', ' ')) << i;
		digits = between(w, '0', '9') & EACH_BYTE(0x80);
		if (digits)
			b->digits |= gather(digits) << i;
	}
	if (b->wide)
		b->n = (unsigned)__builtin_ctzll(b->wide);
	if (b->n < 64) {
		uint64_t used = (UINT64_C(1) << b->n) - 1;

		b->letters &= used;
		b->digits &= used;
		b->spaces &= used;
	}
}

static inline int64_t
ones(uint64_t v)
{
	v -= v >> 1 & UINT64_C(0x5555555555555555);
	v = (v & UINT64_C(0x3333333333333333)) +
	    (v >> 2 & UINT64_C(0x3333333333333333));
	v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (int64_t)(v * EACH_BYTE(1) >> 56);
}

/* Moves v up by k; what moves in are the top bits of the run before. */
static inline uint64_t
shift_in(uint64_t v, uint64_t before, unsigned k)
{
	return v << k | before >> (64 - k);
}

static void
count_letters(struct token_count *c, const struct block *b)
{
	uint64_t l = b->letters, l2, l4, l8, before, p2, p4;
	unsigned tail;

	if (l == 0) {
		c->letters = 0;
		return;
	}
	/* Bit i of l8: characters i-7 to i are all letters. */
	before = c->letters ? ~UINT64_C(0) << (64 - c->letters) : 0;
	p2 = before & before << 1;
	p4 = p2 & p2 << 2;
	l2 = l & shift_in(l, before, 1);
	l4 = l2 & shift_in(l2, p2, 2);
	l8 = l4 & shift_in(l4, p4, 4);
	c->milli += WORD * ones(l & ~shift_in(l, before, 1)) +
	    LETTER * ones(l8) - OTHER * ones(b->spaces & l >> 1);
	if (c->blank && (l & 1))
		c->milli -= OTHER;
	l = ~(l << (64 - b->n));
	tail = l ? (unsigned)__builtin_clzll(l) : 64;
	if (tail >= b->n)
		tail += c->letters;
	c->letters = tail < FREE_LETTERS ? (uint8_t)tail : FREE_LETTERS;
}

static void
count_digits(struct token_count *c, const struct block *b)
{
	uint64_t d = b->digits;
	unsigned at, run, open = 0, end = 0;

	while (d) {
		at = (unsigned)__builtin_ctzll(d);
		run = ~(d >> at) ? (unsigned)__builtin_ctzll(~(d >> at)) : 64;
		open = at == 0 ? c->digits : 0;
		c->milli +=
		    DIGITS * (int64_t)((open + run + 2) / 3 - (open > 0));
		open = (open + run) % 3;
		end = at + run;
		d = end < 64 ? d >> end << end : 0;
	}
	c->digits = end == b->n ? (uint8_t)open : 0;
}

/* Counts the ASCII characters at the head of s; returns how many. */
static unsigned
add_block(struct token_count *c, struct str s)
{
	struct block b;

	classify(&b, s);
	if (b.n == 0)
		return 0;
	c->milli += OTHER * ((int64_t)b.n - ones(b.letters | b.digits));
	count_letters(c, &b);
	if (b.digits || c->digits)
		count_digits(c, &b);
	c->blank = b.spaces >> (b.n - 1) & 1;
	return b.n;
}

static bool
is_letter(uint32_t code)
{
	return code >= 0xc0 && code <= 0x24f && code != 0xd7 && code != 0xf7;
}

static bool
is_cjk(uint32_t code)
{
	return (code >= 0x2e80 && code <= 0x9fff) ||
	    (code >= 0xac00 && code <= 0xd7af) ||
	    (code >= 0xf900 && code <= 0xfaff) ||
	    (code >= 0xff00 && code <= 0xffef) ||
	    (code >= 0x20000 && code <= 0x3ffff);
}

/* One character that is not ASCII. */
static void
add_wide(struct token_count *c, uint32_t code)
{
	c->digits = 0;
	if (is_letter(code)) {
		if (c->letters == 0)
			c->milli += WORD - (c->blank ? OTHER : 0);
		else if (c->letters >= FREE_LETTERS)
			c->milli += LETTER;
		if (c->letters < FREE_LETTERS)
			c->letters++;
	} else {
		c->letters = 0;
		if (is_cjk(code))
			c->milli += IDEOGRAPH;
		else
			c->milli += OTHER * (code > 0xffff ? WIDE : 1);
	}
	c->blank = false;
}

/* One character that an escape stands for: nearly always a line's end. */
static void
add_escaped(struct token_count *c, uint32_t code)
{
	char ascii = (char)code;

	if (code >= 0x80) {
		add_wide(c, code);
	} else if (code > ' ' && code != '"' && code != '\\') {
		tokens_add(c, str_from(&ascii, 1));
	} else {
		c->milli += OTHER;
		c->letters = c->digits = 0;
		c->blank = code == ' ';
	}
}

/* The character at the head of s, which is not ASCII: its bytes. */
static size_t
wide_char(struct str s, uint32_t *code)
{
	static const uint8_t lead[] = { 0, 0, 0x1f, 0x0f, 0x07 };
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0xc2 ? 1
	    : c < 0xe0      ? 2
	    : c < 0xf0      ? 3
	    : c < 0xf5      ? 4
			    : 1;

	*code = 0xfffd;
	if (n == 1 || n > s.n)
		return 1;
	*code = c & lead[n];
	for (size_t i = 1; i < n; i++)
		*code = *code << 6 | ((unsigned char)s.p[i] & 0x3f);
	return n;
}

void
tokens_add(struct token_count *c, struct str text)
{
	uint32_t code;

	while (text.n) {
		if ((unsigned char)text.p[0] < 0x80) {
			text = str_skip(text, add_block(c, text));
			continue;
		}
		text = str_skip(text, wide_char(text, &code));
		add_wide(c, code);
	}
}

void
tokens_add_raw(struct token_count *c, struct str raw)
{
	const char *slash;
	uint32_t code;

	while (raw.n) {
		slash = memchr(raw.p, '\\', raw.n);
		if (!slash) {
			tokens_add(c, raw);
			return;
		}
		tokens_add(c, str_from(raw.p, (size_t)(slash - raw.p)));
		raw = str_skip(raw, (size_t)(slash - raw.p));
		raw = str_skip(raw, json_escape(raw, &code));
		add_escaped(c, code);
	}
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

void
tokens_add_value(struct token_count *c, struct str value)
{
	const char *p = value.p, *end = value.p + value.n, *from;

	while (p < end) {
		from = p;
		while (p < end && *p != '"' && !is_blank(*p))
			p++;
		if (p < end && *p == '"')
			p++;
		tokens_add(c, str_from(from, (size_t)(p - from)));
		if (p > from && p[-1] == '"') {
			from = p;
			while (p < end && *p != '"')
				p += *p == '\\' && end - p > 1 ? 2 : 1;
			tokens_add_raw(c, str_from(from, (size_t)(p - from)));
			if (p < end)
				tokens_add(c, str_from(p++, 1));
		}
		while (p < end && is_blank(*p))
			p++;
	}
}

void
tokens_cut(struct token_count *c)
{
	c->letters = c->digits = 0;
	c->blank = false;
}

int64_t
tokens_milli(struct str text)
{
	struct token_count c = { 0 };

	tokens_add(&c, text);
	return c.milli;
}

int64_t
tokens_string_milli(struct str value)
{
	struct token_count c = { 0 };

	if (value.n >= 2 && json_kind(value) == JSON_IS_STRING)
		tokens_add_raw(&c, str_from(value.p + 1, value.n - 2));
	return c.milli;
}
