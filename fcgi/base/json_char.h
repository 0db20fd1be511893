/* SPDX-License-Identifier: MIT */
/*
 * json_char.h - the characters of JSON text, for the json*.c files alone.
 */
#ifndef WEIR_JSON_CHAR_H
#define WEIR_JSON_CHAR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fcgi/base/str.h"

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline const char *
skip_blanks(const char *p, const char *end)
{
	/* Most text has none: one comparison says so. */
	while (p < end && (unsigned char)*p <= ' ' && is_blank(*p))
		p++;
	return p;
}

static inline uint64_t
load_eight(const char *p)
{
	uint64_t w;

	memcpy(&w, p, 8);
	return le64toh(w);
}

/*
 * Top bits: the bytes of w that are a quote, a backslash or not ASCII.  Bytes
 * above the first such one may be marked too (a borrow): only the lowest mark
 * is to be used.
 */
static inline uint64_t
string_marks(uint64_t w)
{
	return ((w ^ EACH_BYTE('"')) - EACH_BYTE(1)) |
	    ((w ^ EACH_BYTE('\\')) - EACH_BYTE(1)) | w;
}

static inline bool
is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the non-ASCII character at p, 0 if it is not valid UTF-8. */
static inline size_t
utf8_char(const char *at, const char *end)
{
	const unsigned char *p = (const unsigned char *)at;
	size_t n = (size_t)(end - at);

	if (p[0] < 0xc2 || p[0] > 0xf4 || n < 2 || !is_tail(p[1]))
		return 0;
	if (p[0] < 0xe0)
		return 2;
	if (n < 3 || !is_tail(p[2]))
		return 0;
	if (p[0] < 0xf0) {
		bool surrogate = p[0] == 0xed && p[1] > 0x9f;

		return surrogate || (p[0] == 0xe0 && p[1] < 0xa0) ? 0 : 3;
	}
	if (n < 4 || !is_tail(p[3]) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return 4;
}

/* The four digits of \uXXXX at p, or -1. */
static inline int
hex_four(const char *p, const char *end)
{
	int v = 0, d;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		d = str_hex(p[i]);
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static inline bool
is_half(uint32_t code)
{
	return code >= 0xd800 && code < 0xe000;
}

/* The character that a backslash and c stand for, 0 if there is none. */
static inline uint32_t
short_escape(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return (unsigned char)c;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return 0;
	}
}

/* The escape at p, see json_escape: its bytes and its character; 0 if none. */
static inline size_t
escape(const char *p, const char *end, uint32_t *code)
{
	int high, low;

	if (end - p < 2)
		return 0;
	*code = short_escape(p[1]);
	if (*code)
		return 2;
	high = hex_four(p, end);
	if (high < 0)
		return 0;
	*code = (uint32_t)high;
	if (!is_half(*code) || high >= 0xdc00)
		return 6;
	low = hex_four(p + 6, end);
	if (low < 0xdc00 || low >= 0xe000)
		return 6;
	*code = 0x10000 + ((uint32_t)(high - 0xd800) << 10) +
	    (uint32_t)(low - 0xdc00);
	return 12;
}

#endif
