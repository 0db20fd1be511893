/* SPDX-License-Identifier: MIT */
/* channel.c - a channel's upstream, asked by the operator; see channel.h. */
#include "handlers/ctl/channel.h"

#include "fcgi/base/clock.h"
#include "fcgi/base/id.h"
#include "fcgi/upstream.h"
#include "handlers/dialect/redact.h"
#include "handlers/relay/hint.h"
#include "handlers/relay/outward.h"

enum { SECRET_MOST = 4096, WHY_BYTES = 300 };
_Static_assert((int)OUTWARD_HEADERS <= (int)ALSO_MAX, "see struct ask");

/* --- which one ------------------------------------------------------------ */

static int
find_channel(struct upstream *u)
{
	struct ctl *c = u->c;
	struct str name = str_of(c->words[0]);

	for (size_t i = 0; i < u->cat->n_channels; i++)
		if (str_eq(u->cat->channels[i].name, name))
			u->ch = &u->cat->channels[i];
	if (!u->ch)
		return failed(c, "there is no channel %.*s; weirctl channel "
		    "list shows what there is", STR_ARGS(name));
	u->dialect = dialect_find(u->ch->dialect);
	if (!u->dialect)
		return failed(c, "channel %.*s speaks %.*s, which this version "
		    "of weir does not", STR_ARGS(name),
		    STR_ARGS(u->ch->dialect));
	return EXIT_DONE;
}

static int
find_credential(struct upstream *u)
{
	struct ctl *c = u->c;
	const char *word = opt(c, "credential");
	size_t n = 0;

	for (size_t i = 0; i < u->ch->n_credentials; i++) {
		const struct credential *k = &u->ch->credentials[i];

		if (word && str_eq(k->name, str_of(word)))
			u->only = k;
		n += k->enabled;
	}
	if (word && !u->only)
		return failed(c, "channel %.*s has no credential %s; weirctl "
		    "credential list %.*s shows what there is",
		    STR_ARGS(u->ch->name), word, STR_ARGS(u->ch->name));
	if (!u->only && !n)
		return failed(c, "channel %.*s has no credential that is on: "
		    "weirctl credential add %.*s NAME, or credential on",
		    STR_ARGS(u->ch->name), STR_ARGS(u->ch->name));
	return EXIT_DONE;
}

int
upstream_begin(struct ctl *c, struct upstream *u)
{
	*u = (struct upstream){ .c = c };
	u->cat = catalogue_load(c->db);
	u->n_parks = park_load(c->db, clock_utc_ms(), &c->arena, &u->parks);
	if (!u->cat || u->n_parks < 0)
		return failed_read(c);
	u->client = client_new(&c->arena, c->conf.text[CONF_CA_FILE],
	    str_eq(c->conf.text[CONF_PROXY], S("env")));
	return u->client ? EXIT_DONE : failed(c, "libcurl cannot be used");
}

int
upstream_open(struct ctl *c, struct upstream *u)
{
	int status = upstream_begin(c, u);

	if (status == EXIT_DONE)
		status = find_channel(u);
	if (status == EXIT_DONE)
		status = find_credential(u);
	return status;
}

static void
forget_key(struct upstream *u)
{
	if (u->key.n)
		vault_wipe((char *)u->key.p, u->key.n);
	u->key = S("");
}

void
upstream_close(struct upstream *u)
{
	forget_key(u);
	client_free(u->client);
	if (u->cat)
		catalogue_give(u->cat);
	*u = (struct upstream){ .c = u->c };
}

bool
upstream_uses(const struct upstream *u, const struct credential *k)
{
	return u->only ? k == u->only : k->enabled;
}

const struct park *
upstream_park(const struct upstream *u, const struct credential *k,
    struct str model)
{
	for (int i = 0; i < u->n_parks; i++) {
		const struct park *p = &u->parks[i];

		if (p->channel == u->ch->id && (!p->credential ||
		    p->credential == k->id) && (!p->model.n || !model.n ||
		    str_eq(p->model, model)))
			return p;
	}
	return NULL;
}

struct str
upstream_clean(const struct upstream *u, struct str text)
{
	struct arena *a = &u->c->arena;

	return redact_secret(a, tame(a, text), u->key);
}

/* --- what came of it ------------------------------------------------------ */

/* What an operator can do about an error of the upstream's. */
static struct str
cure_of(struct upstream *u, const struct said *s, const struct credential *k)
{
	struct arena *a = &u->c->arena;

	switch (s->kind) {
	case UP_KEY_DEAD:
		return arena_printf(a, "give it a working secret: weirctl "
		    "credential add %.*s %.*s", STR_ARGS(u->ch->name),
		    STR_ARGS(k->name));
	case UP_KEY_BROKE:
		return S("its account at the provider needs money, or a "
		    "higher limit");
	case UP_MODEL_MISSING:
		return arena_printf(a, "weirctl channel models %.*s shows what "
		    "it has", STR_ARGS(u->ch->name));
	case UP_NO_PERMISSION:
		return S("allow the key this model at the provider, or give "
		    "another");
	case UP_REGION_BLOCKED:
		return S("the provider refuses the address of this machine");
	case UP_WRONG_BASE:
		return arena_printf(a, "nothing is at %.*s: base_url is what "
		    "the official SDK takes, like %s", STR_ARGS(s->url),
		    u->dialect->base_hint);
	default:
		if (s->h.status >= 300 && s->h.status < 400)
			return arena_printf(a, "the relay follows no redirect: "
			    "make base_url the address that answers%s%.*s",
			    s->h.location.n ? "; this one points to " : "",
			    STR_ARGS(upstream_clean(u, s->h.location)));
		return S("");
	}
}

bool
said_error(struct upstream *u, struct said *s, const struct credential *k,
    const struct up_error *e)
{
	struct arena *a = &u->c->arena;

	s->kind = e->kind == UP_OK ? UP_SERVER : e->kind;
	s->outcome = up_class_name(s->kind);
	s->words = redact_secret(a, e->message, u->key);
	s->code = redact_secret(a, e->code, u->key);
	s->param = redact_secret(a, e->param, u->key);
	s->cure = cure_of(u, s, k);
	return false;
}

bool
said_bad(struct said *s, const char *outcome, struct str words)
{
	s->outcome = outcome;
	s->words = words;
	return false;
}

/* No answer, or not all of one. */
static bool
said_trouble(struct upstream *u, struct said *s)
{
	struct arena *a = &u->c->arena;
	bool late = s->h.trouble == TROUBLE_SLOW;
	struct str why = s->h.why;
	enum exchange_end end = EXCHANGE_BROKE;

	if (why.n > WHY_BYTES)
		why.n = WHY_BYTES;
	s->words = upstream_clean(u, why);
	switch (s->h.trouble) {
	case TROUBLE_TOO_MUCH:
		return said_bad(s, "too_much", S("the answer is far longer "
		    "than what was asked for"));
	case TROUBLE_NAME:
		end = EXCHANGE_DNS;
		break;
	case TROUBLE_CONNECT:
		end = EXCHANGE_REFUSED;
		break;
	case TROUBLE_CERTIFICATE:
	case TROUBLE_TLS:
		end = EXCHANGE_TLS;
		break;
	default:
		if (late && !s->h.connected)
			end = EXCHANGE_CONNECT_LATE;
		break;
	}
	s->outcome = late && s->h.connected ? "late" : exchange_end_name(end);
	if (end == EXCHANGE_TLS)
		s->cure = S("the channel's ca_file names an authority of your "
		    "own; verification is never off");
	else if (end != EXCHANGE_BROKE)
		s->cure = arena_printf(a, "is this right, and open from here: "
		    "%.*s", STR_ARGS(u->ch->base_url));
	else if (late)
		s->cure = arena_printf(a, "it had %.*s: timeouts.first_ms of "
		    "the channel", STR_ARGS(span_text(a, u->ch->first_ms)));
	return false;
}

static struct str
header_of(const void *from, const char *name)
{
	return client_header(from, name);
}

static bool
judge(struct upstream *u, const struct credential *k, struct said *s)
{
	struct up_error e;

	s->hint_ms = hint_of(header_of, u->client, clock_utc_ms());
	if (s->h.status && s->h.status != 200) {
		u->dialect->read_error(&u->c->arena, s->h.status, s->h.type,
		    s->h.body, &e);
		return said_error(u, s, k, &e);
	}
	if (s->h.trouble != TROUBLE_NONE || !s->h.status)
		return said_trouble(u, s);
	s->outcome = "ok";
	return true;
}

/* --- asking --------------------------------------------------------------- */

static bool
open_key(struct upstream *u, const struct credential *k)
{
	char *secret = arena_alloc(&u->c->arena, SECRET_MOST);
	int n;

	forget_key(u);
	n = vault_open_sealed(store_vault(u->c->store), &k->bound, k->sealed,
	    secret, SECRET_MOST);
	if (n < 0)
		return false;
	u->key = str_from(secret, (size_t)n);
	return true;
}

bool
upstream_ask(struct upstream *u, const struct credential *k, struct str path,
    bool stream, struct str json, size_t most, struct said *s)
{
	struct arena *a = &u->c->arena;
	static const struct caller_headers none = { .version = { NULL, 0 } };
	struct str also[OUTWARD_HEADERS];
	char id[ID_CHARS];
	struct ask ask = {
		.also = also,
		.url = outward_url(a, u->ch->base_url, path, false),
		.agent = "weir/" PACKAGE_VERSION,
		.accept = stream ? "text/event-stream" : "application/json",
		.json = json.n ? json : (struct str){ NULL, 0 },
		.identity = true,
		.fresh = true,
		.ca_file = u->ch->ca_file,
		.connect_ms = u->ch->connect_ms,
		.patience_ms = u->ch->connect_ms + (u->answer_ms ?
		    u->answer_ms : u->ch->first_ms),
		.most = most,
	};

	*s = (struct said){ .url = ask.url };
	if (!open_key(u, k)) {
		s->cure = arena_printf(a, "weirctl credential add %.*s %.*s",
		    STR_ARGS(u->ch->name), STR_ARGS(k->name));
		return said_bad(s, "sealed", S("its secret is sealed for "
		    "another origin, or by another key, and cannot be opened: "
		    "give it again"));
	}
	id_make(clock_utc_ms(), id);
	ask.request_id = u->request_id.n ? u->request_id :
	    str_from(id, sizeof(id));
	ask.key = u->key;
	ask.key_head = u->dialect->key_head;
	ask.n_also = outward_headers(a, u->ch, u->dialect, &none, also);
	hear(u->client, &ask, &s->h);
	return judge(u, k, s);
}

/* A 200: is it an answer? */
static bool
read_answer(struct upstream *u, const struct credential *k,
    const struct trial *t, bool stream, struct said *s,
    struct trial_verdict *v)
{
	struct trial_answer answer = { s->h.status, s->h.type, s->h.encoding,
		s->h.body, stream };

	trial_judge(t, &answer, &u->c->arena, v);
	if (v->kind != UP_OK)
		return said_error(u, s, k, &v->error);
	return v->good || said_bad(s, v->outcome, v->words);
}

bool
upstream_try(struct upstream *u, const struct credential *k, struct trial *t,
    bool stream, struct said *s, struct trial_verdict *v)
{
	bool again, good;

	do {
		*v = (struct trial_verdict){ .tokens = TOKENS_ABSENT,
			.cost = -1 };
		good = upstream_ask(u, k, trial_path(t, stream, &u->c->arena),
		    stream, trial_body(t, stream, &u->c->arena),
		    TRIAL_ANSWER_BYTES, s) &&
		    read_answer(u, k, t, stream, s, v);
		again = !good && trial_other_limit(t, s->kind, s->param,
		    s->words);
		t->completion |= again;
	} while (again);
	return good;
}

/* --- words ---------------------------------------------------------------- */

struct str
said_name(struct arena *a, const struct said *s)
{
	return s->h.status ? arena_printf(a, "%d %s", s->h.status,
	    s->outcome) : str_of(s->outcome);
}

struct str
span_text(struct arena *a, int64_t ms)
{
	static const struct { int64_t ms; const char *unit; } units[] = {
		{ 3600000, "h" }, { 60000, "min" }, { 1000, "s" } };

	for (size_t i = 0; i < 3; i++)
		if (ms >= units[i].ms && ms % units[i].ms == 0)
			return arena_printf(a, "%lld %s", (long long)(ms /
			    units[i].ms), units[i].unit);
	if (ms >= 10000)
		return arena_printf(a, "%lld s", (long long)ms / 1000);
	return arena_printf(a, "%lld ms", (long long)ms);
}
