/* SPDX-License-Identifier: MIT */
/* neutral.c - what all dialects do with the neutral form; see neutral.h. */
#include "handlers/dialect/neutral.h"

#include <sodium.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

const char *const effort_names[N_EFFORTS] = {
	[EFFORT_UNSAID] = "", [EFFORT_NONE] = "none",
	[EFFORT_MINIMAL] = "minimal", [EFFORT_LOW] = "low",
	[EFFORT_MEDIUM] = "medium", [EFFORT_HIGH] = "high",
	[EFFORT_XHIGH] = "xhigh", [EFFORT_MAX] = "max",
};

enum effort
effort_of(struct str word)
{
	for (int i = 1; i < N_EFFORTS; i++)
		if (str_eq(word, str_of(effort_names[i])))
			return (enum effort)i;
	return EFFORT_UNSAID;
}

bool
neutral_drop(struct dropped *d, const struct target *t, struct arena *a,
    struct fault *f, const char *name)
{
	if (t->strict) {
		fault_set(f, a, FAULT_UNSUPPORTED, "'%s' is not available for "
		    "this model, and this key takes no answer without it.",
		    name);
		f->param = str_of(name);
		return false;
	}
	if (d->names.n)
		buf_char(&d->names, ' ');
	buf_put(&d->names, str_of(name));
	return true;
}

void
neutral_hint(struct neutral *n, const char *name)
{
	if (n->n_hints < NEUTRAL_HINTS)
		n->hints[n->n_hints++] = name;
}

/* --- Names and ids -------------------------------------------------------- */

enum {
	ALIAS_TAIL = 9,		/* "_" and eight digits */
	NAME_HEAD = 47,
	ID_MOST = 64,
	ID_HEAD = 31,		/* with the tail: 40 */
	ALNUM9 = 9
};

static bool
fits(struct str s, size_t most)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || c == '_' || c == '-'))
			return false;
	}
	return s.n > 0 && s.n <= most;
}

static void
digest(struct str s, unsigned char hash[static crypto_hash_sha256_BYTES])
{
	crypto_hash_sha256(hash, (const unsigned char *)(s.p ? s.p : ""), s.n);
}

/* The head of it, cleaned, and eight digits of its hash. */
static struct str
alias(struct arena *a, struct str s, size_t head)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	size_t n = s.n < head ? s.n : head;
	char *p = arena_alloc(a, n + 1);

	digest(s, hash);
	for (size_t i = 0; i < n; i++)
		p[i] = fits(str_from(s.p + i, 1), 1) ? s.p[i] : '_';
	return arena_printf(a, "%.*s_%02x%02x%02x%02x", (int)n, p, hash[0],
	    hash[1], hash[2], hash[3]);
}

struct str
neutral_name(struct arena *a, struct str s, size_t most)
{
	if (fits(s, most))
		return s;
	return alias(a, s, most - ALIAS_TAIL < NAME_HEAD ? most - ALIAS_TAIL :
	    NAME_HEAD);
}

static bool
is_alnum9(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '_' || s.p[i] == '-')
			return false;
	return s.n == ALNUM9 && fits(s, ALNUM9);
}

static struct str
alnum9(struct arena *a, struct str s)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned char hash[crypto_hash_sha256_BYTES];
	char *p = arena_alloc(a, ALNUM9);

	digest(s, hash);
	for (size_t i = 0; i < ALNUM9; i++)
		p[i] = letters[(hash[i * 2] << 8 | hash[i * 2 + 1]) %
		    (sizeof(letters) - 1)];
	return str_from(p, ALNUM9);
}

struct str
neutral_id(struct arena *a, struct str s, enum id_rule rule)
{
	switch (rule) {
	case ID_CHAT:
		return s.n > 0 && s.n <= ID_MOST ? s : alias(a, s, ID_HEAD);
	case ID_ALNUM9:
		return is_alnum9(s) ? s : alnum9(a, s);
	default:
		return fits(s, ID_MOST) ? s : alias(a, s, ID_MOST -
		    ALIAS_TAIL);
	}
}

const struct tool *
neutral_tool(const struct neutral *n, struct str name, size_t most)
{
	if (!n)
		return NULL;
	for (size_t i = 0; i < n->n_tools; i++)
		if (str_eq(n->tools[i].name, name))
			return &n->tools[i];
	for (size_t i = 0; i < n->n_tools; i++)
		if (str_eq(neutral_name(n->arena, n->tools[i].name, most),
		    name))
			return &n->tools[i];
	return NULL;
}

bool
neutral_is_json_call(const struct neutral *n, struct str name)
{
	return n && n->format == FORMAT_SCHEMA && n->n_tools == 0 &&
	    str_eq(name, NEUTRAL_JSON_TOOL);
}

bool
neutral_is_blank(struct str raw)
{
	while (raw.n) {
		uint32_t code = (unsigned char)raw.p[0];
		size_t n = code == '\\' ? json_escape(raw, &code) : 1;

		if (code != ' ' && (code < '\t' || code > '\r'))
			return false;
		raw = str_skip(raw, n);
	}
	return true;
}

size_t
neutral_length(struct str raw)
{
	size_t length = 0;

	while (raw.n) {
		uint32_t code = 0;
		size_t n = raw.p[0] == '\\' ? json_escape(raw, &code) : 1;

		length += code < 0x80 ? 1 : code < 0x800 ? 2 :
		    code < 0x10000 ? 3 : 4;
		raw = str_skip(raw, n);
	}
	return length;
}

struct str
neutral_raw(struct arena *a, struct str plain)
{
	struct buf b = BUF(a, plain.n * 6 + 2);

	buf_json(&b, plain);
	return str_from(b.p + 1, b.n - 2);
}

struct str
neutral_plain(struct arena *a, struct str raw)
{
	return memchr(raw.p ? raw.p : "", '\\', raw.n) ?
	    json_text(a, ARENA_JOIN(a, S("\""), raw, S("\""))) : raw;
}

/* --- Data in place -------------------------------------------------------- */

/* In the standard alphabet; 0: no letter of any. */
static char
base64_char(char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '+' || c == '/')
		return c;
	return c == '-' ? '+' : c == '_' ? '/' : 0;
}

bool
neutral_base64(struct arena *a, struct str plain, struct str *out)
{
	char *p = arena_alloc(a, plain.n + 4);
	size_t n = 0;

	for (size_t i = 0; i < plain.n; i++) {
		char c = plain.p[i];

		if (c == ' ' || c == '\n' || c == '\r' || c == '\t' ||
		    c == '=')
			continue;
		p[n] = base64_char(c);
		if (!p[n++])
			return false;
	}
	if (n == 0 || n % 4 == 1)
		return false;
	while (n % 4)
		p[n++] = '=';
	*out = str_from(p, n);
	return true;
}

bool
neutral_data_url(struct arena *a, struct str url, struct source *s)
{
	struct str rest = url, head, type;

	if (!str_starts_nocase(rest, S("data:")))
		return false;
	rest = str_skip(rest, 5);
	head = str_cut(&rest, ',');
	type = str_cut(&head, ';');
	if (!str_ends(head, S("base64")) && !str_eq_nocase(head, S("base64")))
		return false;
	s->kind = SOURCE_DATA;
	s->mime = neutral_mime(a, type);
	if (!neutral_base64(a, rest, &s->raw))
		return false;
	if (s->mime.n == 0)
		s->mime = neutral_sniff(s->raw);
	return true;
}

struct str
neutral_sniff(struct str base64)
{
	static const struct {
		struct str head;
		struct str mime;
	} list[] = {
		{ STR_INIT("iVBORw0KGgo"), STR_INIT("image/png") },
		{ STR_INIT("/9j/"), STR_INIT("image/jpeg") },
		{ STR_INIT("R0lGOD"), STR_INIT("image/gif") },
		{ STR_INIT("UklGR"), STR_INIT("image/webp") },
		{ STR_INIT("JVBERi"), STR_INIT("application/pdf") },
	};

	for (size_t i = 0; i < countof(list); i++)
		if (str_starts(base64, list[i].head))
			return list[i].mime;
	return (struct str){ NULL, 0 };
}

bool
neutral_text(struct arena *a, struct str base64, struct str *raw)
{
	size_t room = base64.n / 4 * 3 + 3, n;
	unsigned char *p = arena_alloc(a, room);

	if (sodium_base642bin(p, room, base64.p, base64.n, "\r\n ", &n, NULL,
	    sodium_base64_VARIANT_ORIGINAL) != 0 || n == 0 ||
	    json_utf8(str_from(p, n)) != n)
		return false;
	*raw = neutral_raw(a, str_from(p, n));
	return true;
}

struct str
neutral_unwrap(struct arena *a, struct str raw)
{
	struct str object = str_trim(neutral_plain(a, raw)), input;
	struct json_error e;

	if (!json_valid(object, &e) || json_kind(object) != JSON_IS_OBJECT)
		return raw;
	input = json_get(object, S("input"));
	return json_kind(input) == JSON_IS_STRING ?
	    str_from(input.p + 1, input.n - 2) : S("");
}

struct str
neutral_mime(struct arena *a, struct str type)
{
	char *p = arena_alloc(a, type.n + 1);

	for (size_t i = 0; i < type.n; i++) {
		char c = type.p[i];

		p[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
		if (!c || (!fits(str_from(&c, 1), 1) && !strchr("/.+", c)))
			return (struct str){ NULL, 0 };
	}
	type = str_from(p, type.n);
	if (str_eq(type, S("image/jpg")))
		return S("image/jpeg");
	if (str_eq(type, S("audio/x-wav")))
		return S("audio/wav");
	if (str_eq(type, S("audio/mpeg")))
		return S("audio/mp3");
	return type;
}

/* --- Calls and their results ---------------------------------------------- */

/* The last call of each id, and its turn. */
struct pair {
	struct block *call;
	size_t turn;
};

struct pairs {
	struct pair *slots;
	size_t mask;
};

static size_t
count_calls(const struct neutral *n)
{
	size_t calls = 0;

	for (size_t i = 0; i < n->n_turns; i++)
		for (size_t j = 0; j < n->turns[i].n; j++)
			calls += n->turns[i].blocks[j].kind == BLOCK_CALL;
	return calls;
}

static void
pairs_init(struct pairs *p, const struct neutral *n)
{
	size_t calls = count_calls(n), room = 4;

	while (room < calls * 2)
		room *= 2;
	p->slots = arena_zero(n->arena, sizeof(*p->slots) * room);
	p->mask = room - 1;
}

/* Where the call of an id is, or will be. */
static struct pair *
pair_of(struct pairs *p, struct str id)
{
	uint64_t h = 14695981039346656037u;
	size_t i;

	for (size_t k = 0; k < id.n; k++)
		h = (h ^ (unsigned char)id.p[k]) * 1099511628211u;
	for (i = (size_t)(h ^ h >> 32) & p->mask; p->slots[i].call;
	    i = (i + 1) & p->mask)
		if (str_eq(p->slots[i].call->id, id))
			break;
	return &p->slots[i];
}

static bool
lonely(struct fault *f, struct arena *a, const char *what, struct str id)
{
	fault_set(f, a, FAULT_BAD_REQUEST, "The tool %s with the id '%.*s' "
	    "stands alone: each call needs its result, and each result its "
	    "call before it.", what, STR_ARGS(id));
	f->param = S("messages");
	return false;
}

/* Binds the results of a turn to the calls so far; second ones go. */
static bool
pair_turn(struct neutral *n, struct pairs *p, size_t at, struct fault *f)
{
	struct turn *t = &n->turns[at];
	size_t kept = 0;

	for (size_t j = 0; j < t->n; j++) {
		struct block *b = &t->blocks[kept];
		struct pair *pair;

		*b = t->blocks[j];
		if (b->kind == BLOCK_RESULT) {
			pair = pair_of(p, b->id);
			if (!pair->call)
				return lonely(f, n->arena, "result", b->id);
			if (pair->call->result)
				continue;
			pair->call->result = b;
			b->name = pair->call->name;
			b->custom = pair->call->custom;
		} else if (b->kind == BLOCK_CALL) {
			pair = pair_of(p, b->id);
			if (pair->call && !pair->call->result)
				return lonely(f, n->arena, "call", b->id);
			b->result = NULL;
			*pair = (struct pair){ b, at };
		}
		kept++;
	}
	t->n = kept;
	return true;
}

bool
neutral_pair(struct neutral *n, struct fault *f)
{
	struct pairs p;

	pairs_init(&p, n);
	for (size_t i = 0; i < n->n_turns; i++)
		if (!pair_turn(n, &p, i, f))
			return false;
	for (size_t i = 0; i <= p.mask; i++) {
		const struct pair *pair = &p.slots[i];

		if (pair->call && !pair->call->result &&
		    pair->turn + 1 < n->n_turns)
			return lonely(f, n->arena, "call", pair->call->id);
	}
	return true;
}

/* --- Lists that grow ------------------------------------------------------ */

void *
neutral_grow(struct arena *a, void *list, size_t n, size_t size)
{
	void *more;

	if (n & (n - 1))
		return list;	/* there is room up to the next power of two */
	more = arena_zero(a, size * (n ? n * 2 : 1));
	if (n)
		memcpy(more, list, size * n);
	return more;
}

bool
neutral_holds(const struct neutral *n, struct fault *f)
{
	if (n->pieces <= NEUTRAL_PIECES)
		return true;
	fault_set(f, n->arena, FAULT_TOO_LARGE, "This model takes at most %d "
	    "messages, parts of messages and tools in one request.",
	    NEUTRAL_PIECES);
	return false;
}

struct block *
neutral_block(struct neutral *n, struct turn *t, enum block_kind kind)
{
	struct block *b;

	t->blocks = neutral_grow(n->arena, t->blocks, t->n, sizeof(*b));
	b = &t->blocks[t->n++];
	*b = (struct block){ .kind = kind };
	n->pieces++;
	return b;
}

struct turn *
neutral_turn(struct neutral *n, enum role role)
{
	struct turn *t;

	n->turns = neutral_grow(n->arena, n->turns, n->n_turns, sizeof(*t));
	t = &n->turns[n->n_turns++];
	*t = (struct turn){ .role = role };
	n->pieces++;
	return t;
}
