/* SPDX-License-Identifier: MIT */
/* envelope.c - signatures that callers keep for us; see envelope.h. */
#include "handlers/dialect/envelope.h"

#include <sodium.h>

#include "fcgi/base/json.h"
#include "handlers/dialect/neutral.h"

enum { ALPHABET = sodium_base64_VARIANT_URLSAFE_NO_PADDING };

static struct str
base64url(struct arena *a, const void *bytes, size_t n)
{
	size_t room = sodium_base64_encoded_len(n, ALPHABET);
	char *p = arena_alloc(a, room);

	sodium_bin2base64(p, room, bytes, n, ALPHABET);
	return str_from(p, room - 1);
}

/* False: it is not all of that alphabet. */
static bool
unbase64url(struct arena *a, struct str text, struct str *bytes)
{
	unsigned char *p = arena_alloc(a, text.n + 1);
	size_t n;

	if (text.n == 0 || sodium_base642bin(p, text.n, text.p, text.n, NULL,
	    &n, NULL, ALPHABET) != 0)
		return false;
	*bytes = str_from(p, n);
	return true;
}

struct str
envelope_close(struct arena *a, const struct envelope_key *k,
    struct str value, bool redacted)
{
	uint8_t mac[ENVELOPE_MAC];
	struct str json = ARENA_JOIN(a, S("{\"p\":\""), k->family,
	    S("\",\"g\":\""), arena_int(a, k->group), S("\",\"k\":\""),
	    redacted ? S("red") : S("sig"), S("\",\"v\":\""), value,
	    S("\"}"));

	k->mac(k->arg, json, mac);
	return ARENA_JOIN(a, S("wr1."), base64url(a, json.p, json.n), S("."),
	    base64url(a, mac, sizeof(mac)));
}

static struct str
inside(struct str json, struct str name)
{
	struct str value = json_get(json, name);

	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : S("");
}

bool
envelope_open(struct arena *a, const struct envelope_key *k, struct str raw,
    struct envelope *e)
{
	struct str rest = str_skip(neutral_plain(a, raw), 4), json, mac, kind;
	uint8_t want[ENVELOPE_MAC];

	if (!envelope_is(raw) ||
	    !unbase64url(a, str_cut(&rest, '.'), &json) ||
	    !unbase64url(a, rest, &mac) || mac.n != ENVELOPE_MAC)
		return false;
	k->mac(k->arg, json, want);
	if (sodium_memcmp(want, mac.p, sizeof(want)) != 0)
		return false;
	kind = inside(json, S("k"));
	*e = (struct envelope){ .family = inside(json, S("p")),
		.group = inside(json, S("g")),
		.value = inside(json, S("v")),
		.redacted = str_eq(kind, S("red")) };
	return e->value.n && (e->redacted || str_eq(kind, S("sig")));
}

bool
envelope_fits(struct arena *a, const struct envelope_key *k, struct str raw,
    struct envelope *e)
{
	return envelope_open(a, k, raw, e) && str_eq(e->family, k->family) &&
	    (!k->own_group || str_eq(e->group, arena_int(a, k->group)));
}
