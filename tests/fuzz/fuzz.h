/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - a target of "make fuzz F=NAME": reads foreign bytes and asserts
 * what must hold whatever they are.
 *
 * In ordinary builds the same file is linked with replay.c, which runs it
 * over the bodies of tests/cases and simple changes of them.
 */
#ifndef WEIR_FUZZ_H
#define WEIR_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The next length to cut a rest of `left` bytes at: 1..left, from a seed. */
static inline size_t
fuzz_cut(uint32_t *seed, size_t left)
{
	*seed = *seed * 1664525u + 1013904223u;
	return 1 + (*seed >> 16) % (left < 9 ? left : 9);
}

#endif
