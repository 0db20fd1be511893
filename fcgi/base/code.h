/* SPDX-License-Identifier: MIT */
/*
 * code.h - codes that people type: random, in base 32, with a check character.
 *
 * 135 random bits as 27 characters of Crockford's alphabet (no I, L, O, U), and
 * one that tells every wrong character, and every two that changed places.
 */
#ifndef WEIR_CODE_H
#define WEIR_CODE_H

#include <stdbool.h>

#include "fcgi/base/str.h"

enum { CODE_CHARS = 28, CODE_GROUP = 4,
	CODE_TEXT = CODE_CHARS + CODE_CHARS / CODE_GROUP };

/* A new one in groups, "7G3K-…"; terminated.  Aborts without entropy. */
void code_make(char out[static CODE_TEXT]);

/*
 * What somebody typed, without its groups: case, blanks, dashes and quotes do
 * not matter, O is 0, I and L are 1.  False: it is no code, or mistyped.
 */
bool code_read(struct str typed, char out[static CODE_CHARS]);

#endif
