/* SPDX-License-Identifier: MIT */
/*
 * code.c - codes that people type; see code.h.
 *
 * The characters are the coefficients of a polynomial over the field of 32
 * elements which is 0 at its generator: a wrong one changes that, and so do
 * two that changed places, for no power of the generator is another's.
 */
#include "fcgi/base/code.h"

#include <assert.h>
#include <sys/random.h>

static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Times the generator: x^5 is x^2 + 1. */
static unsigned
times_generator(unsigned v)
{
	v <<= 1;
	return v & 32 ? v ^ 37 : v;
}

static unsigned
checked(const unsigned char *values, int n)
{
	unsigned sum = 0;

	for (int i = 0; i < n; i++)
		sum = times_generator(sum) ^ values[i];
	return sum;
}

void
code_make(char out[static CODE_TEXT])
{
	unsigned char v[CODE_CHARS];
	size_t at = 0;

	assert(getrandom(v, sizeof(v), 0) == sizeof(v));
	for (int i = 0; i < CODE_CHARS; i++)
		v[i] &= 31;
	v[CODE_CHARS - 1] = 0;
	v[CODE_CHARS - 1] = (unsigned char)checked(v, CODE_CHARS);
	for (int i = 0; i < CODE_CHARS; i++) {
		if (i && i % CODE_GROUP == 0)
			out[at++] = '-';
		out[at++] = letters[v[i]];
	}
	out[at++] = '\0';
	assert(at == CODE_TEXT);
}

/* The letter that is meant, or 0. */
static char
meant(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	return c && strchr(letters, c) ? c : 0;
}

bool
code_read(struct str typed, char out[static CODE_CHARS])
{
	unsigned char v[CODE_CHARS];
	int n = 0;

	for (size_t i = 0; i < typed.n; i++) {
		char c = typed.p[i];

		if (c == '-' || c == '"' || c == ' ' || c == '\t' || c == '\r' ||
		    c == '\n')
			continue;
		c = meant(c);
		if (!c || n == CODE_CHARS)
			return false;
		out[n] = c;
		v[n++] = (unsigned char)(strchr(letters, c) - letters);
	}
	return n == CODE_CHARS && checked(v, n) == 0;
}
