/* SPDX-License-Identifier: MIT */
/*
 * kind.c - the kinds of members that are one value: texts, numbers, amounts,
 * times, secrets; and lists of names.
 */
#include "handlers/ctl/kind.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/money.h"
#include "db/zone.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"

/* --- helpers, for the other kinds too ------------------------------------- */

bool
text_of(struct reading *r, const struct place *at, struct str *text)
{
	if (json_kind(at->value) != JSON_IS_STRING)
		return wrong(r, at, "a string \"…\" is expected");
	*text = json_text(r->arena, at->value);
	for (size_t i = 0; i < text->n; i++)
		if ((unsigned char)text->p[i] < 0x20 && text->p[i] != '\n' &&
		    text->p[i] != '\t')
			return wrong(r, at, "control characters are not "
			    "allowed here");
	return true;
}

bool
amount_of(struct reading *r, const struct place *at, int64_t most,
    int64_t *nano)
{
	struct str text;

	if (json_kind(at->value) == JSON_IS_NUMBER)
		return wrong(r, at, "amounts are strings, so that no digit is "
		    "lost: write \"%.*s\"", STR_ARGS(at->value));
	if (!text_of(r, at, &text))
		return false;
	if (!money_read(text, nano) || *nano < 0 || *nano > most)
		return wrong(r, at, "\"%.*s\" is no amount: decimal USD, 0 or "
		    "more, at most 9 places, like \"0.15\"", STR_ARGS(text));
	return true;
}

void
show_amount(struct buf *b, int64_t nano)
{
	struct arena a;

	arena_init(&a);
	buf_json(b, money_text(&a, nano));
	arena_release(&a);
}

int
by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

bool
list_of(struct reading *r, const struct place *at, size_t *n)
{
	struct json_each each = json_each(at->value);

	if (json_kind(at->value) != JSON_IS_ARRAY)
		return wrong(r, at, "a list […] is expected");
	for (*n = 0; json_next(&each); )
		++*n;
	return true;
}

/* --- texts ---------------------------------------------------------------- */

static bool
read_text(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct str *text = field;

	if (!text_of(r, at, text))
		return false;
	if (m->most && text->n > (size_t)m->most)
		return wrong(r, at, "more than %lld bytes",
		    (long long)m->most);
	return true;
}

static void
show_text(struct buf *b, const void *field)
{
	buf_json(b, *(const struct str *)field);
}

/* It stands in a URL as it is. */
static bool
read_version(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	const struct str *text = field;

	if (!read_text(r, at, m, field))
		return false;
	for (size_t i = 0; i < text->n; i++)
		if (!isalnum((unsigned char)text->p[i]) &&
		    !strchr("-._", text->p[i]))
			return wrong(r, at, "a version is letters, digits and "
			    "- . _, like \"2024-10-21\" or \"preview\"");
	return true;
}

static bool
read_file(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct str *path = field;

	(void)m;
	if (!text_of(r, at, path))
		return false;
	*path = arena_str(r->arena, *path);
	if (path->n == 0 || path->p[0] != '/')
		return wrong(r, at, "an absolute path is expected");
	if (access(path->p, R_OK) != 0)
		return wrong(r, at, "%s cannot be read: %s", path->p,
		    strerror(errno));
	return true;
}

static bool
read_zone(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct str *name = field;
	struct zone *z;

	(void)m;
	if (!text_of(r, at, name))
		return false;
	z = zone_open(*name);
	if (!z)
		return wrong(r, at, "\"%.*s\" is no time zone this system "
		    "knows; give one like \"UTC\" or \"Europe/Berlin\"",
		    STR_ARGS(*name));
	zone_close(z);
	return true;
}

static bool
read_drain(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct str text;

	(void)m;
	if (!text_of(r, at, &text))
		return false;
	if (!str_eq(text, S("cancel")) && !str_eq(text, S("drain")))
		return wrong(r, at, "\"cancel\" or \"drain\" is expected");
	*(bool *)field = str_eq(text, S("drain"));
	return true;
}

static void
show_drain(struct buf *b, const void *field)
{
	buf_put(b, *(const bool *)field ? S("\"drain\"") : S("\"cancel\""));
}

static bool
read_routing(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	struct str text;

	(void)m;
	if (!text_of(r, at, &text))
		return false;
	*(enum routing *)field = routing_read(text);
	return str_eq(text, str_of(routing_names[routing_read(text)])) ||
	    wrong(r, at, "\"cheap\", \"balanced\" or \"fast\" is expected");
}

static void
show_routing(struct buf *b, const void *field)
{
	buf_json(b, str_of(routing_names[*(const enum routing *)field]));
}

/* --- numbers -------------------------------------------------------------- */

static bool
read_flag(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	(void)m;
	if (json_kind(at->value) != JSON_IS_BOOL)
		return wrong(r, at, "true or false is expected");
	*(bool *)field = json_yes(at->value);
	return true;
}

static void
show_flag(struct buf *b, const void *field)
{
	buf_put(b, *(const bool *)field ? S("true") : S("false"));
}

bool
read_count(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	int64_t v;

	if (!json_int(at->value, &v) || v < m->least || v > m->most)
		return wrong(r, at, "a whole number from %lld to %lld is "
		    "expected", (long long)m->least, (long long)m->most);
	*(int64_t *)field = v;
	return true;
}

static void
show_count(struct buf *b, const void *field)
{
	buf_int(b, *(const int64_t *)field);
}

bool
share_of(struct reading *r, const struct place *at, int64_t *ppm)
{
	struct str text;

	if (json_kind(at->value) == JSON_IS_NUMBER)
		return wrong(r, at, "shares are strings, so that no digit is "
		    "lost: write \"%.*s\"", STR_ARGS(at->value));
	if (!text_of(r, at, &text))
		return false;
	if (!share_read(text, ppm) || *ppm > 1000 * PPM)
		return wrong(r, at, "\"%.*s\" is no share: a decimal from 0 to "
		    "1000, at most 6 places, like \"0.34\"", STR_ARGS(text));
	return true;
}

static bool
read_markup(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	(void)m;
	return share_of(r, at, field);
}

static bool
read_share(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	(void)m;
	if (json_kind(at->value) == JSON_IS_OBJECT)
		return wrong(r, at, "a share of the list price, like \"0.34\", "
		    "is expected; prices of a channel's own are its member "
		    "price");
	return share_of(r, at, field);
}

static void
show_share(struct buf *b, const void *field)
{
	struct arena a;

	arena_init(&a);
	buf_json(b, share_text(&a, *(const int64_t *)field));
	arena_release(&a);
}

static bool
read_amount(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	(void)m;
	return amount_of(r, at, MONEY_MAX, field);
}

static void
show_money(struct buf *b, const void *field)
{
	show_amount(b, *(const int64_t *)field);
}

/* Spans are for people: applied twice they would mean two times. */
bool
time_of(struct reading *r, const struct place *at, int64_t *ms)
{
	struct str text;

	if (!text_of(r, at, &text))
		return false;
	return (memchr(text.p, '-', text.n) &&
	    clock_read(text, r->now, ms) && *ms > 0) ||
	    wrong(r, at, "\"%.*s\" is no time like "
	    "\"2027-01-01T00:00:00Z\" or \"2027-01-01\"", STR_ARGS(text));
}

void
show_moment(struct buf *b, int64_t ms)
{
	char text[CLOCK_TEXT];

	clock_text(ms, text);
	buf_json(b, str_of(text));
}

static bool
read_time(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	(void)m;
	return time_of(r, at, field);
}

static void
show_time(struct buf *b, const void *field)
{
	show_moment(b, *(const int64_t *)field);
}

/* --- secrets -------------------------------------------------------------- */

bool
secret_valid(struct str s, size_t least, size_t most)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.n >= least && s.n <= most;
}

/* Only a file: a pipe could keep the write lock waiting. */
static bool
from_file(struct reading *r, const struct place *at, struct str path,
    struct str *secret)
{
	struct str name = arena_str(r->arena, path);
	int fd = open(name.p, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text = arena_alloc(r->arena, CREDENTIAL_SECRET_MOST + 3);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(fd);
		return wrong(r, at, "%s is no plain file", name.p);
	}
	if (fd >= 0)
		n = read(fd, text, CREDENTIAL_SECRET_MOST + 2);
	if (n < 0)
		wrong(r, at, "%s cannot be read: %s", name.p,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	*secret = str_trim(str_from(text, n < 0 ? 0 : (size_t)n));
	return n >= 0;
}

/* {"env":"NAME"} or {"file":"PATH"} */
static bool
from_elsewhere(struct reading *r, const struct place *at, struct str *secret)
{
	struct json_each each = json_each(at->value);
	struct str name = { 0 }, value = { 0 };
	const char *env;
	size_t n;

	for (n = 0; json_next(&each); n++) {
		name = each.name;
		value = each.value;
	}
	if (n != 1 || json_kind(value) != JSON_IS_STRING ||
	    (!str_eq(name, S("env")) && !str_eq(name, S("file"))))
		return wrong(r, at, "a secret is a string, {\"env\":\"NAME\"} "
		    "or {\"file\":\"PATH\"}");
	value = json_text(r->arena, value);
	if (str_eq(name, S("file")))
		return from_file(r, at, value, secret);
	env = getenv(arena_str(r->arena, value).p);
	if (!env || !*env)
		return wrong(r, at, "the environment has no variable %.*s",
		    STR_ARGS(value));
	*secret = str_of(env);
	return true;
}

static bool
read_secret(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct str *secret = field;

	if (json_kind(at->value) == JSON_IS_OBJECT) {
		if (!from_elsewhere(r, at, secret))
			return false;
	} else if (json_kind(at->value) == JSON_IS_STRING) {
		*secret = json_text(r->arena, at->value);
	} else {
		return wrong(r, at, "a secret is a string, {\"env\":\"NAME\"} "
		    "or {\"file\":\"PATH\"}");
	}
	if (!secret_valid(*secret, (size_t)m->least, (size_t)m->most))
		return wrong(r, at, "a secret here has %lld to %lld visible "
		    "ASCII characters, no blanks (this one has %zu bytes)",
		    (long long)m->least, (long long)m->most, secret->n);
	return true;
}

/* --- what is dealt with elsewhere ----------------------------------------- */

static bool
read_list(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	size_t n;

	(void)m;
	(void)field;
	return list_of(r, at, &n);
}

static bool
refuse_later(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	(void)field;
	return wrong(r, at, "%s is not built yet in this version of weir: "
	    "leave it out", m->name);
}

const struct kind
    kind_text = { sizeof(struct str), read_text, show_text },
    kind_file = { sizeof(struct str), read_file, show_text },
    kind_zone = { sizeof(struct str), read_zone, show_text },
    kind_url = { sizeof(struct str), read_text, show_text },
    kind_version = { sizeof(struct str), read_version, show_text },
    kind_flag = { sizeof(bool), read_flag, show_flag },
    kind_drain = { sizeof(bool), read_drain, show_drain },
    kind_routing = { sizeof(enum routing), read_routing, show_routing },
    kind_count = { sizeof(int64_t), read_count, show_count },
    kind_share = { sizeof(int64_t), read_share, show_share },
    kind_markup = { sizeof(int64_t), read_markup, show_share },
    kind_amount = { sizeof(int64_t), read_amount, NULL },
    kind_money = { sizeof(int64_t), read_amount, show_money },
    kind_time = { sizeof(int64_t), read_time, show_time },
    kind_secret = { sizeof(struct str), read_secret, NULL },
    kind_list = { 0, read_list, NULL },
    kind_later = { 0, refuse_later, NULL };
