/* SPDX-License-Identifier: MIT */
/*
 * conf.h - the settings, as one table.
 *
 * Precedence: command line, WEIR_NAME in the environment, the file, built-in.
 * --help, the sample file and the manual page print this table.  Read once
 * at start; read-only afterwards.
 */
#ifndef WEIR_CONF_H
#define WEIR_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

enum conf_id {
	CONF_DATA,
	CONF_LISTEN,
	CONF_LOOPS,
	CONF_READERS,
	CONF_LOG,
	CONF_SOCKET_GROUP,
	CONF_BODY_MAX,
	CONF_MEMORY_MAX,
	CONF_CALLS_MAX,
	CONF_DRAIN_S,
	CONF_WWW,
	CONF_MASTER_KEY_FILE,
	CONF_PUBLIC_URL,
	CONF_CORS_ORIGINS,
	CONF_PROXY,
	CONF_TRACE,
	CONF_CA_FILE,
	CONF_PROBE_IDLE_S,
	N_CONF
};

enum conf_type { CONF_TEXT, CONF_NUMBER, CONF_BYTES, CONF_SWITCH };

struct conf_row {
	const char *name;
	enum conf_type type;
	const char *fallback;	/* built-in value; "" = decided at start */
	int64_t least, most;	/* of numbers */
	const char *help;
};

extern const struct conf_row conf_table[N_CONF];

struct conf {
	struct arena arena;
	struct str text[N_CONF];	/* terminated */
	int64_t number[N_CONF];		/* of CONF_NUMBER, _BYTES, _SWITCH */
	const char *source[N_CONF];	/* "command line", "environment" … */
};

/* Built-in values. */
void conf_init(struct conf *c);
void conf_release(struct conf *c);

/* One value; false: *why ("loops: a whole number from 0 to 64"). */
bool conf_set(struct conf *c, enum conf_id id, struct str value,
    const char *source, struct str *why);

/* The row of a name, or N_CONF. */
enum conf_id conf_find(struct str name);

/*
 * The program's own file without links, in the arena.  Where a loader was
 * started on it (`ld.so --argv0 FILE …`, as a bundle does), or /proc is not
 * there, it is what argv[0] names.  NULL: that names no file either.
 */
const char *conf_program(struct conf *c, const char *argv0);

/* The folder a file lies in; "." for NULL. */
const char *conf_folder(struct conf *c, const char *file);

/*
 * Everything but the command line: the file at path (NULL: look where
 * house rules say; none found is no error), then what lies beside the
 * program (www, ca-certificates.crt) where nothing is said yet, then the
 * environment.  Values from a stronger source already set stay.  False: *why
 * with file and line.
 */
bool conf_load(struct conf *c, const char *path, const char *program_dir,
    struct str *why);

#endif
