/* SPDX-License-Identifier: MIT */
/* conf.c - the settings, as one table; see conf.h. */
#include "fcgi/base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#ifndef WWWDIR
#define WWWDIR "/usr/local/share/weir/www"
#endif

const struct conf_row conf_table[N_CONF] = {
	[CONF_DATA] = { "data", CONF_TEXT, "", 0, 0,
	    "the data directory: weir.db, master.key, weir.lock" },
	[CONF_LISTEN] = { "listen", CONF_TEXT, "", 0, 0,
	    "unix:PATH or HOST:PORT; empty: the socket on descriptor 0" },
	[CONF_LOOPS] = { "loops", CONF_NUMBER, "0", 0, 64,
	    "event loops; 0: one a core, at most 4" },
	[CONF_READERS] = { "readers", CONF_NUMBER, "2", 1, 64,
	    "threads for large bodies and pages, at most" },
	[CONF_LOG] = { "log", CONF_TEXT, "stderr", 0, 0,
	    "stderr, syslog, or a file (opened anew on SIGHUP); unset under "
	    "CGI and mod_fcgid: weir.log in the data directory" },
	[CONF_SOCKET_GROUP] = { "socket_group", CONF_TEXT, "", 0, 0,
	    "group that may connect to a unix: socket; empty: the web "
	    "server's, when started as root" },
	[CONF_BODY_MAX] = { "body_max", CONF_BYTES, "64M", 1024,
	    LIMIT_BODY_BYTES, "largest request body; above it 413" },
	[CONF_MEMORY_MAX] = { "memory_max", CONF_BYTES, "0", 0,
	    (int64_t)1 << 50, "bytes of bodies and buffers held at once; "
	    "0: half of what the machine or cgroup has; above it 503" },
	[CONF_CALLS_MAX] = { "calls_max", CONF_NUMBER, "0", 0, 1000000,
	    "calls at once; 0: as many as descriptors allow; above it 503" },
	[CONF_DRAIN_S] = { "drain_s", CONF_NUMBER, "30", 0, 3600,
	    "seconds that running calls get after SIGTERM" },
	[CONF_WWW] = { "www", CONF_TEXT, WWWDIR, 0, 0,
	    "the folder with templates and static files" },
	[CONF_MASTER_KEY_FILE] = { "master_key_file", CONF_TEXT, "", 0, 0,
	    "the master key; empty: master.key in the data directory" },
	[CONF_PUBLIC_URL] = { "public_url", CONF_TEXT, "", 0, 0,
	    "URL callers use, without /v1; empty: taken from the request" },
	[CONF_CORS_ORIGINS] = { "cors_origins", CONF_TEXT, "*", 0, 0,
	    "origins for browsers on /v1: *, a list by commas, or none" },
	[CONF_PROXY] = { "proxy", CONF_TEXT, "", 0, 0,
	    "env: use the environment's proxy variables; else none" },
	[CONF_TRACE] = { "trace", CONF_SWITCH, "0", 0, 1,
	    "1: trace every call to the log" },
	[CONF_CA_FILE] = { "ca_file", CONF_TEXT, "", 0, 0,
	    "certificates of the authorities that upstreams are checked "
	    "by; empty: the system's" },
	[CONF_PROBE_IDLE_S] = { "probe_idle_s", CONF_NUMBER, "21600", 0,
	    2592000, "seconds after which an upstream key that nobody has used "
	    "is tried with a tiny call; 0: never" },
};

void
conf_init(struct conf *c)
{
	struct str why;

	*c = (struct conf){ 0 };
	for (enum conf_id id = 0; id < N_CONF; id++)
		if (!conf_set(c, id, str_of(conf_table[id].fallback),
		    "built-in", &why))
			abort();
}

void
conf_release(struct conf *c)
{
	arena_release(&c->arena);
}

enum conf_id
conf_find(struct str name)
{
	for (enum conf_id id = 0; id < N_CONF; id++)
		if (str_eq(name, str_of(conf_table[id].name)))
			return id;
	return N_CONF;
}

/* "64M": a whole number with K, M or G of 1024s behind it. */
static bool
read_bytes(struct str s, int64_t *v)
{
	int shift = 0;

	if (s.n && strchr("KMG", toupper((unsigned char)s.p[s.n - 1]))) {
		shift = 10 * (1 + (int)(strchr("KMG",
		    toupper((unsigned char)s.p[s.n - 1])) - "KMG"));
		s.n--;
	}
	if (!str_int(s, v) || *v < 0 || *v > INT64_MAX >> shift)
		return false;
	*v <<= shift;
	return true;
}

bool
conf_set(struct conf *c, enum conf_id id, struct str value,
    const char *source, struct str *why)
{
	const struct conf_row *row = &conf_table[id];
	int64_t v = 0;
	bool ok = true;

	if (memchr(value.p, '\0', value.n)) {
		*why = arena_printf(&c->arena, "%s: a NUL byte", row->name);
		return false;
	}
	if (row->type == CONF_NUMBER || row->type == CONF_SWITCH)
		ok = str_int(value, &v);
	else if (row->type == CONF_BYTES)
		ok = read_bytes(value, &v);
	if (row->type != CONF_TEXT &&
	    (!ok || v < row->least || v > row->most)) {
		*why = arena_printf(&c->arena,
		    "%s: \"%.*s\" is not a whole number from %lld to %lld%s",
		    row->name, STR_ARGS(value), (long long)row->least,
		    (long long)row->most, row->type == CONF_BYTES ?
		    " (K, M and G may stand behind it)" : "");
		return false;
	}
	c->text[id] = arena_str(&c->arena, value);
	c->number[id] = v;
	c->source[id] = source;
	return true;
}

static bool
from_line(struct conf *c, struct str line, const char *path, int number,
    struct str *why)
{
	struct str rest = str_trim(line), name, what;
	enum conf_id id;

	if (rest.n == 0 || rest.p[0] == '#')
		return true;
	if (!memchr(rest.p, '=', rest.n)) {
		*why = arena_printf(&c->arena,
		    "%s line %d: expected \"name = value\"", path, number);
		return false;
	}
	name = str_trim(str_cut(&rest, '='));
	id = conf_find(name);
	if (id == N_CONF) {
		*why = arena_printf(&c->arena, "%s line %d: there is no "
		    "setting \"%.*s\"; weir.fcgi --settings lists them", path,
		    number, STR_ARGS(name));
		return false;
	}
	if (strcmp(c->source[id], "file") == 0) {
		*why = arena_printf(&c->arena, "%s line %d: %s stands in the "
		    "file twice; keep one line", path, number,
		    conf_table[id].name);
		return false;
	}
	if (strcmp(c->source[id], "built-in") != 0)
		return true;
	if (conf_set(c, id, str_trim(rest), "file", &what))
		return true;
	*why = arena_printf(&c->arena, "%s line %d: %.*s", path, number,
	    STR_ARGS(what));
	return false;
}

static bool
from_file(struct conf *c, const char *path, struct str *why)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int number = 0;
	bool ok = true;

	if (!f) {
		*why = arena_printf(&c->arena, "%s: %s", path,
		    strerror(errno));
		return false;
	}
	while (ok && (n = getline(&line, &room, f)) > 0)
		ok = from_line(c, str_from(line, (size_t)n), path, ++number,
		    why);
	if (ok && ferror(f)) {
		*why = arena_printf(&c->arena, "%s: %s", path,
		    strerror(errno));
		ok = false;
	}
	free(line);
	fclose(f);
	return ok;
}

static bool
from_environment(struct conf *c, struct str *why)
{
	for (enum conf_id id = 0; id < N_CONF; id++) {
		char name[64] = "WEIR_";
		size_t n = 5;
		const char *value;

		for (const char *p = conf_table[id].name; *p; p++)
			name[n++] = (char)toupper((unsigned char)*p);
		name[n] = '\0';
		value = getenv(name);
		if (!value || strcmp(c->source[id], "command line") == 0)
			continue;
		if (!conf_set(c, id, str_of(value), "environment", why)) {
			*why = arena_printf(&c->arena, "%s: %.*s", name,
			    STR_ARGS(*why));
			return false;
		}
	}
	return true;
}

/* Is it the loader of shared libraries ("ld-linux-x86-64.so.2", "ld.so")? */
static bool
is_loader(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return strncmp(name, "ld", 2) == 0 && strstr(name, ".so");
}

const char *
conf_program(struct conf *c, const char *argv0)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *found = NULL;
	char *real;

	path[n > 0 ? n : 0] = '\0';
	if (n > 0 && !is_loader(path))
		return arena_str(&c->arena, str_of(path)).p;
	real = argv0 && strchr(argv0, '/') ? realpath(argv0, NULL) : NULL;
	if (real)
		found = arena_str(&c->arena, str_of(real)).p;
	free(real);
	return found;
}

const char *
conf_folder(struct conf *c, const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (!slash)
		return ".";
	return arena_str(&c->arena, str_from(file, slash == file ? 1 :
	    (size_t)(slash - file))).p;
}

/* What a bundle brings lies beside the program. */
static void
from_beside(struct conf *c, enum conf_id id, const char *program_dir,
    const char *name, const char *proof)
{
	struct str path = arena_printf(&c->arena, "%s/%s", program_dir, name);

	if (strcmp(c->source[id], "built-in") == 0 &&
	    access(arena_printf(&c->arena, "%s%s", path.p, proof).p,
	    R_OK) == 0) {
		c->text[id] = path;
		c->source[id] = "beside the program";
	}
}

bool
conf_load(struct conf *c, const char *path, const char *program_dir,
    struct str *why)
{
	struct str beside;

	if (!path)
		path = getenv("WEIR_CONF");
	if (path) {
		if (!from_file(c, path, why))
			return false;
	} else {
		beside = arena_printf(&c->arena, "%s/weir.conf", program_dir);
		path = SYSCONFDIR "/weir/weir.conf";
		if (access(beside.p, R_OK) == 0)
			path = beside.p;
		if (access(path, R_OK) == 0 && !from_file(c, path, why))
			return false;
	}
	from_beside(c, CONF_WWW, program_dir, "www", "/index.html");
	from_beside(c, CONF_CA_FILE, program_dir, "ca-certificates.crt", "");
	return from_environment(c, why);
}
