/* SPDX-License-Identifier: MIT */
/* outward.c - of every request to an upstream; see outward.h. */
#include "handlers/relay/outward.h"

#include "fcgi/base/json.h"
#include "handlers/dialect/capability.h"
#include "handlers/dialect/families.h"
#include "handlers/dialect/preset.h"

/* Letters, digits and what else means itself everywhere in a path. */
static void
put_percent(struct buf *out, struct str s, bool slashes)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || (c && strchr("-._~", c)) ||
		    (slashes && c == '/'))
			buf_char(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned char)c);
	}
}

/* A path with {model} and {models} in it. */
static struct str
fill(struct arena *a, struct str rest, struct str model)
{
	struct buf out = BUF(a, rest.n + 3 * model.n + 8);
	struct str name;

	if (!str_has(rest, S("{")))
		return rest;
	while (rest.n) {
		buf_put(&out, str_cut(&rest, '{'));
		if (!rest.n)
			break;
		name = str_cut(&rest, '}');
		if (str_eq(name, S("models")) && !str_has(model, S("/")))
			buf_put(&out, S("models/"));
		put_percent(&out, model, str_eq(name, S("models")));
	}
	return buf_str(&out);
}

struct str
outward_path(struct arena *a, const struct channel *ch, const char *path,
    struct str model)
{
	const struct dialect *d = dialect_find(ch->dialect);
	struct str whole = str_of(path), version = ch->api_version;

	if (!d || !d->below)
		return fill(a, whole, model);
	whole = fill(a, ARENA_JOIN(a, d->below(version, model.n > 0), whole),
	    model);
	return version.n == 0 ? whole : ARENA_JOIN(a, whole,
	    S("?api-version="), version);
}

/* Bytes of the version that a path brings itself, or 0. */
static size_t
version(struct str path)
{
	return str_starts(path, S("/v1/")) ? 3 :
	    str_starts(path, S("/v1beta/")) ? 7 : 0;
}

struct str
outward_url(struct arena *a, struct str base, struct str path, bool second)
{
	struct str rest;
	size_t n;
	bool bare;

	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	if (str_starts(path, S("/openai/"))) {
		base.n -= str_ends(base, S("/openai/v1")) ? 10 :
		    str_ends(base, S("/openai")) ? 7 : 0;
		return ARENA_JOIN(a, base, path);
	}
	n = version(path);
	if (n && (str_ends(base, S("/v1")) || str_ends(base, S("/v1beta"))))
		return ARENA_JOIN(a, base, str_skip(path, n));
	if (n)
		return ARENA_JOIN(a, base, path);
	rest = base;
	str_cut(&rest, ':');
	rest = str_skip(rest, 2);
	bare = memchr(rest.p ? rest.p : "", '/', rest.n) == NULL;
	if (second && !bare && str_ends(base, S("/v1"))) {
		base.n -= 3;
		bare = true;
	}
	return ARENA_JOIN(a, base, !bare ? S("") : second ? S("/v2") :
	    S("/v1"), path);
}

/* --- What an upstream takes ----------------------------------------------- */

struct target
outward_target(const struct channel *ch, const struct model *m,
    struct str upstream_model)
{
	const struct preset *p = preset_find(ch->preset);
	const struct dialect *d = dialect_find(ch->dialect);
	struct target t = { .model = upstream_model,
		.max_output = m ? m->max_output : 0 };
	struct str family = family_list(upstream_model);

	/* Deployments have names of their own. */
	if (!family.n && m && d && d->below)
		family = family_list(m->name);
	capability_apply(&t, family);
	if (p)
		capability_apply(&t, p->quirks);
	capability_apply(&t, ch->quirks);
	if (m)
		capability_apply(&t, m->capabilities);
	return t;
}

/* Tools are refused in Chat Completions, by models that reason there. */
static bool
needs_responses(const struct target *t, const struct asked *asked)
{
	return t->tools_place == TOOLS_RESPONSES ? !asked->reasoning_off :
	    t->tools_place == TOOLS_RESPONSES_REASONING && asked->reasoning;
}

const struct dialect *
outward_dialect(const struct channel *ch, const struct model *m,
    struct str upstream_model, const struct asked *asked)
{
	const struct dialect *d = dialect_find(ch->dialect);
	struct target t;

	if (d != &openai_dialect || !asked || !asked->tools)
		return d;
	t = outward_target(ch, m, upstream_model);
	return needs_responses(&t, asked) ? &responses_dialect : d;
}

int
outward_edits(const struct channel *ch, bool converses,
    struct body_edit list[static OUTWARD_EDITS])
{
	const struct preset *p = preset_find(ch->preset);
	const struct dialect *d = dialect_find(ch->dialect);
	int n = 0;

	if (p) {
		list[n] = (struct body_edit){ p->drop,
			converses ? p->set : S("") };
		n += body_edit_any(&list[n]);
	}
	if (converses && d && d->tells_usage &&
	    !d->tells_usage(ch->api_version))
		list[n++] = (struct body_edit){ S("stream_options"), S("") };
	list[n] = (struct body_edit){ ch->drop, ch->set };
	return n + body_edit_any(&list[n]);
}

/* Without the line of a header, if there is one. */
static int
leave_out(struct str *lines, int n, struct str name)
{
	int kept = 0;

	for (int i = 0; i < n; i++) {
		struct str rest = lines[i];

		if (!str_eq_nocase(str_cut(&rest, ':'), name))
			lines[kept++] = lines[i];
	}
	return kept;
}

int
outward_headers(struct arena *a, const struct channel *ch,
    const struct dialect *d, const struct caller_headers *said,
    struct str lines[static OUTWARD_HEADERS])
{
	struct json_each m = json_each(ch->headers);
	int n = d->write_headers ? d->write_headers(a, said, lines) : 0;

	while (json_next(&m)) {
		struct str value = json_text(a, m.value), line;

		n = leave_out(lines, n, m.name);
		line = ARENA_JOIN(a, m.name, S(": "), value);
		if (value.n && n < OUTWARD_HEADERS && !str_has_control(line))
			lines[n++] = line;
	}
	return n;
}

/* --- What was used -------------------------------------------------------- */

static int64_t
clamp(int64_t n, int64_t most)
{
	return n < 0 ? 0 : n > most ? most : n;
}

struct buckets
outward_use(const struct tokens *t, int64_t in_most, int64_t out_most)
{
	struct buckets b = { { 0 } };
	int64_t in = clamp(t->in_total, in_most);
	int64_t out = clamp(t->out_total, out_most);
	int64_t write = clamp(t->cache_write, in), left;

	b.n[BUCKET_CACHE_READ] = clamp(t->cache_read, in);
	left = in - b.n[BUCKET_CACHE_READ];
	write = clamp(write, left);
	b.n[BUCKET_CACHE_WRITE_1H] = clamp(t->cache_write_1h, write);
	b.n[BUCKET_CACHE_WRITE] = write - b.n[BUCKET_CACHE_WRITE_1H];
	b.n[BUCKET_INPUT] = left - write;
	b.n[BUCKET_REASONING] = clamp(t->reasoning, out);
	b.n[BUCKET_OUTPUT] = out - b.n[BUCKET_REASONING];
	b.n[BUCKET_REQUEST] = 1;
	return b;
}
