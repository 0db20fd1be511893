/* SPDX-License-Identifier: MIT */
/*
 * replay.c - main() of a fuzz target that is built without a fuzzer.
 *
 *	tests/fuzz/NAME FOLDER...
 *
 * Every file of the folders goes through the target as it is, cut short, and
 * with bytes changed, doubled and taken out: the same changes in every run.
 * Whatever the target finds ends the program.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/mem.h"
#include "tests/fuzz/fuzz.h"

/* A large text is changed less often: each run reads all of it.  So is each
 * of many: the cases grow, and the check is to end. */
enum { CHANGES = 200, CHANGES_LARGE = 10, LARGE = 4096, FILE_MAX = 1 << 16,
	INPUTS = 40000 };

static unsigned long ran;

/* A copy of its own size, so that a read beyond its end is seen. */
static void
run(const uint8_t *data, size_t n)
{
	uint8_t *copy = xalloc(n ? n : 1);

	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	ran++;
}

static size_t
change(uint8_t *b, size_t n, uint32_t *seed)
{
	static const char likely[] = "\"\\{}[]:,0-eE.\n\r\t \0\xff\x80u";
	size_t at, size;

	for (int times = 1 + (int)(fuzz_cut(seed, 4) % 4); times > 0; times--) {
		*seed = *seed * 1664525u + 1013904223u;
		at = n ? (*seed >> 8) % n : 0;
		size = n - at < 16 ? n - at : 16;
		switch (fuzz_cut(seed, 5)) {
		case 1:
			b[at] = (uint8_t)(*seed >> 24);
			break;
		case 2:
			b[at] = (uint8_t)likely[(*seed >> 20) %
			    (sizeof(likely) - 1)];
			break;
		case 3:
			memmove(b + at, b + at + size, n - at - size);
			n -= size;
			break;
		case 4:
			memmove(b + at + size, b + at, n - at);
			n += size;
			break;
		default:
			n = at;
		}
		if (n == 0)
			break;
	}
	return n;
}

static void
replay(const char *path, int changes)
{
	static uint8_t whole[FILE_MAX], b[FILE_MAX + 4 * 16];
	uint32_t seed = 1;
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f) {
		perror(path);
		exit(1);
	}
	n = fread(whole, 1, sizeof(whole), f);
	fclose(f);
	run(whole, n);
	if (n > LARGE)
		changes = changes * CHANGES_LARGE / CHANGES + 1;
	for (int i = 0; i < changes && n > 0; i++) {
		memcpy(b, whole, n);
		run(b, change(b, n, &seed));
	}
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name ? name + 1 : argv[0];
	run((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		struct dirent **list;
		int n = scandir(argv[i], &list, NULL, alphasort);
		char path[4096];

		if (n < 0) {
			perror(argv[i]);
			return 1;
		}
		for (int j = 0; j < n; j++) {
			if (list[j]->d_name[0] != '.') {
				snprintf(path, sizeof(path), "%s/%s", argv[i],
				    list[j]->d_name);
				replay(path, n > INPUTS / CHANGES ?
				    INPUTS / n : CHANGES);
			}
			free(list[j]);
		}
		free(list);
	}
	printf("%lu inputs\nok fuzz/%s\n", ran, name);
	return 0;
}
