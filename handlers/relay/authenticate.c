/* SPDX-License-Identifier: MIT */
/*
 * authenticate.c - who calls.
 *
 * A key is known by its keyed hash alone.  Each loop keeps the keys it has
 * seen for a second; an unknown key costs one SELECT and never reaches the
 * writer.  Nothing here decides about money or limits: admission reads
 * status, expiry and limits again inside its transaction.
 */
#include <stdlib.h>

#include "fcgi/base/address.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/dispatch.h"
#include "handlers/relay/call.h"
#include "handlers/relay/keys.h"
#include "handlers/relay/relay.h"

/* --- The credential of a request ---------------------------------------- */

/* What stands behind "Bearer", however often and in whatever case. */
static struct str
bearer(struct str s)
{
	s = str_trim(s);
	if (!str_starts_nocase(s, S("Bearer")))
		return S("");
	while (str_starts_nocase(s, S("Bearer ")) ||
	    str_eq_nocase(s, S("Bearer")))
		s = str_trim(str_skip(s, 6));
	return s;
}

/* key=… of a query, as some SDKs send it. */
static struct str
in_query(struct str query)
{
	while (query.n) {
		struct str value = str_cut(&query, '&');

		if (str_eq(str_cut(&value, '='), S("key")))
			return value;
	}
	return S("");
}

/* What stands in the path's own place. */
static struct str
own_place(const struct request *rq)
{
	struct str k = { NULL, 0 };

	switch (rq->way ? (enum key_place)rq->way->what :
	    answer_dialect(rq)->key_place) {
	case KEY_API:
		return str_trim(rq->param[PARAM_HTTP_API_KEY]);
	case KEY_X_API:
		return str_trim(rq->param[PARAM_HTTP_X_API_KEY]);
	case KEY_X_GOOG:
		k = str_trim(rq->param[PARAM_HTTP_X_GOOG_API_KEY]);
		return k.n ? k : in_query(rq->query);
	default:
		return k;
	}
}

/* The first of the places that holds one, the path's own first. */
static struct str
credential(const struct request *rq)
{
	struct str k = own_place(rq);

	if (!k.n)
		k = bearer(rq->param[PARAM_HTTP_AUTHORIZATION]);
	if (!k.n)
		k = str_trim(rq->param[PARAM_HTTP_API_KEY]);
	if (!k.n)
		k = str_trim(rq->param[PARAM_HTTP_X_API_KEY]);
	return k;
}

static bool
is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.n >= 16 && s.n <= LIMIT_KEY_BYTES;
}

/* --- Addresses ---------------------------------------------------------- */

static bool
address_allowed(struct str list, struct str remote)
{
	uint8_t address[ADDRESS];
	int bits;

	return list.n == 0 || (address_read(remote, address, &bits) &&
	    address_in_list(address, list));
}

/* --- The step ----------------------------------------------------------- */

static int
unknown(struct request *rq, struct fault *f)
{
	fault_set(f, &rq->arena, FAULT_NO_KEY, "Incorrect API key provided. "
	    "Ask whoever runs this relay for one.");
	return 0;
}

int
relay_key(struct relay *r, struct request *rq, struct fault *f, struct key *k)
{
	struct str secret = credential(rq);
	uint8_t hash[VAULT_HASH];
	int found;

	if (!secret.n) {
		fault_set(f, &rq->arena, FAULT_NO_KEY, "You did not provide "
		    "an API key. Send it as %s.", rq->way &&
		    rq->way->what == KEY_API ? "'api-key: KEY'" :
		    answer_dialect(rq)->key_hint);
		return 0;
	}
	if (!is_visible(secret))
		return unknown(rq, f);
	vault_hash(store_vault(r->house->store), secret, hash);
	found = keys_find(r->keys, r->db, hash, &rq->arena, k);
	if (found < 0) {
		fault_set(f, &rq->arena, FAULT_STORE, "The relay cannot read "
		    "its store; try again in a moment.");
		f->retry_ms = 1000;
		return 0;
	}
	if (found == 0 || !k->on ||
	    (k->expires && k->expires <= clock_utc_ms()))
		return unknown(rq, f);
	if (!address_allowed(k->ips, rq->param[PARAM_REMOTE_ADDR])) {
		fault_set(f, &rq->arena, FAULT_IP_DENIED, "This key may not "
		    "be used from your address.");
		return 0;
	}
	return 1;
}

enum token_role
relay_token_text(struct relay *r, struct str token)
{
	uint8_t hash[VAULT_HASH];
	int role;

	if (!is_visible(token) || !str_starts(token, S("wa-")))
		return TOKEN_NONE;
	vault_hash(store_vault(r->house->store), token, hash);
	role = token_by_hash(r->db, hash);
	return role < 0 ? TOKEN_NONE : (enum token_role)role;
}

enum token_role
relay_token(struct relay *r, const struct request *rq)
{
	return relay_token_text(r, credential(rq));
}

enum go
authenticate(struct call *c)
{
	enum go go = anew_wait(c);

	if (go != NEXT)
		return go;
	c->anew_due_ms = 0;
	if (!relay_key(c->relay, c->rq, &c->fault, &c->key))
		return STOP;
	c->catalogue = catalogue_take();
	c->group = catalogue_group(c->catalogue, c->key.group);
	if (!c->group) {
		catalogue_give(c->catalogue);
		c->catalogue = NULL;
		return anew_later(c, "The relay has not yet read its newest "
		    "settings; try again.");
	}
	if (!c->group->enabled)
		return fail(c, FAULT_NO_KEY, "The group of this key's account "
		    "is switched off. Ask whoever runs this relay.");
	trace_line(&c->trace, "key %lld account %lld",
	    (long long)c->key.id, (long long)c->key.account);
	return NEXT;
}
