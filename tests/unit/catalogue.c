/* SPDX-License-Identifier: MIT */
/* catalogue.c - the nouns of the catalogue, and the snapshot made of them. */
#include "db/catalogue.h"

#include <pthread.h>
#include <stdatomic.h>

#include "db/audit.h"
#include "db/channel.h"
#include "db/group.h"
#include "db/keeper.h"
#include "db/setting.h"
#include "db/user.h"
#include "tests/unit/shop.h"

static struct shop shop;

static int
start(void **state)
{
	(void)state;
	shop_init(&shop);
	shop_open(&shop);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	catalogue_publish(NULL);
	shop_close(&shop);
	return 0;
}

/* --- nouns ---------------------------------------------------------------- */

static bool
make_group(struct shop *s, struct db *db, void *arg)
{
	struct group_row g;

	(void)arg;
	group_blank(&g, S("vip"));
	g.markup_ppm = 1500000;
	g.note = S("good customers");
	if (!group_put(db, &g) || g.id == 0)
		return false;
	g.enabled = false;
	return group_put(db, &g) && group_find(db, &s->a, S("vip"), &g) == 1 &&
	    !g.enabled && g.markup_ppm == 1500000 &&
	    str_eq(g.note, S("good customers")) &&
	    group_find(db, &s->a, S("VIP"), &g) == 0;
}

static void
groups(void **state)
{
	struct group_row *list;
	int64_t before = setting_generation(shop.reader);

	(void)state;
	assert_true(shop_write(&shop, make_group, NULL));
	assert_int_equal(group_list(shop.reader, &shop.a, S(""), &list), 2);
	assert_string_equal(list[0].name.p, "default");
	assert_string_equal(list[1].name.p, "vip");
	assert_int_equal(group_list(shop.reader, &shop.a, S("default"), &list),
	    1);
	assert_int_equal(group_list(shop.reader, &shop.a, S("vip"), &list), 0);
	assert_true(setting_generation(shop.reader) > before);
}

static bool
make_models(struct shop *s, struct db *db, void *arg)
{
	static const char *const names[] = { "gpt-4o", "gpt-*", "gpt-4o-*",
		"*", "off" };
	bool added;

	(void)arg;
	for (size_t i = 0; i < countof(names); i++) {
		struct model_row m;
		struct price_row p = { .from_ms = 1000,
			.say.given = { (int64_t)i + 1, -1, -1, -1, 10, -1,
			    -1 } };

		model_blank(&m, str_of(names[i]));
		m.enabled = strcmp(names[i], "off") != 0;
		if (i == 0) {
			m.aliases = S("[\"four\", \"gpt-\\u0034\", \"demo\"]");
			m.context = 128000;
			/* An alias, a pattern, what is off and what is not
			 * there are passed over. */
			m.fallback = S("[\"off\",\"demo\",\"four\","
			    "\"gpt-*\",\"none\",\"gpt-4o\"]");
			m.capabilities = S("{\"max_completion_tokens\": true,"
			    "\"json_schema\":false,\"stop_most\": 4,"
			    "\"seed\":\"random_seed\",\"efforts\":[\"low\", "
			    "\"high\"],\"odd\":\"a b\",\"none\":null}");
		}
		if (!model_put(db, &m))
			return false;
		p.model = m.id;
		if (!price_add(db, &p, &added) || !added ||
		    !price_add(db, &p, &added) || added ||
		    model_find(db, &s->a, m.name, &m) != 1)
			return false;
	}
	return true;
}

static bool
make_channel(struct shop *s, struct db *db, void *arg)
{
	struct channel_serve serve[] = {
		{ S("gpt-4o"), S("gpt-4o-2024") },
		{ S("gpt-*"), { NULL, 0 } },
		{ S("*"), S("any") },
	};
	struct credential_row k;
	struct channel_row c;
	struct price_row p = { .from_ms = 1000,
		.say.given = { 3, -1, -1, -1, 4, -1, -1 } };
	struct model_row m;
	int64_t grp = 1;
	bool added;

	(void)arg;
	channel_blank(&c, S("up"));
	c.dialect = S("openai");
	c.base_url = S("https://API.example/v1");
	c.cost_ppm = 340000;
	c.drain = true;
	c.idle_ms = 777;
	c.preset = S("some");
	c.quirks = S("json_schema seed=no");
	c.drop = S("a b");
	c.set = S("{\"c\":1}");
	c.headers = S("{\"X-D\":null}");
	if (!channel_put(db, &c) ||
	    !channel_models_set(db, c.id, serve, countof(serve)) ||
	    !channel_models_set(db, c.id, serve, countof(serve)) ||
	    !channel_groups_set(db, c.id, &grp, 1) ||
	    model_find(db, &s->a, S("gpt-4o"), &m) != 1)
		return false;
	p.model = m.id;
	p.channel = c.id;
	if (!price_add(db, &p, &added))
		return false;
	for (int i = 0; i < 2; i++) {
		credential_blank(&k, c.id, i ? S("k2") : S("k1"));
		k.rpm = i ? 0 : 60;
		k.tpm = i ? 0 : 5000;
		k.concurrency = i ? 0 : 3;
		if (!credential_put(db, &k))
			return false;
		if (i == 0 && !credential_seal(db, store_vault(s->store), &k,
			S("https://api.example:443"), S("sk-upstream-1234")))
			return false;
	}
	return true;
}

static const struct model *
model_of(const struct catalogue *c, const char *name)
{
	return catalogue_model(c, str_of(name));
}

static void
snapshot(void **state)
{
	struct catalogue *c;
	const struct channel_model *m;
	char secret[64];
	int n;

	(void)state;
	assert_true(shop_write(&shop, make_models, NULL));
	assert_true(shop_write(&shop, make_channel, NULL));
	c = catalogue_load(shop.reader);
	assert_non_null(c);
	assert_int_equal(c->generation, setting_generation(shop.reader));
	assert_int_equal(c->n_models, 6);
	assert_int_equal(c->n_channels, 1);
	assert_int_equal(c->n_credentials, 2);
	assert_string_equal(c->time_zone.p, "UTC");

	/* Exact before alias before the longest pattern. */
	assert_string_equal(model_of(c, "gpt-4o")->name.p, "gpt-4o");
	assert_string_equal(model_of(c, "four")->name.p, "gpt-4o");
	assert_string_equal(model_of(c, "gpt-4")->name.p, "gpt-4o");
	assert_string_equal(model_of(c, "demo")->name.p, "demo");
	assert_string_equal(model_of(c, "gpt-4o-mini")->name.p, "gpt-4o-*");
	assert_string_equal(model_of(c, "gpt-5")->name.p, "gpt-*");
	assert_string_equal(model_of(c, "claude")->name.p, "*");
	assert_string_equal(model_of(c, "off")->name.p, "*");
	assert_string_equal(model_of(c, "")->name.p, "*");
	assert_int_equal(model_of(c, "gpt-4o")->context, 128000);
	assert_string_equal(model_of(c, "gpt-4o")->capabilities.p,
	    "max_completion_tokens=yes json_schema=no stop_most=4 "
	    "seed=random_seed efforts=low,high");
	assert_int_equal(model_of(c, "gpt-5")->capabilities.n, 0);
	assert_true(model_of(c, "gpt-4o")->priced);
	assert_int_equal(model_of(c, "gpt-4o")->price.rate[BUCKET_INPUT], 1);
	assert_int_equal(model_of(c, "gpt-4o")->price.rate[BUCKET_REASONING],
	    10);

	assert_int_equal(model_of(c, "gpt-4o")->n_fallback, 2);
	assert_ptr_equal(model_of(c, "gpt-4o")->fallback[0],
	    model_of(c, "demo"));
	assert_ptr_equal(model_of(c, "gpt-4o")->fallback[1],
	    model_of(c, "gpt-4o"));
	assert_int_equal(model_of(c, "gpt-5")->n_fallback, 0);

	assert_int_equal(c->channels[0].idle_ms, 777);
	assert_int_equal(c->channels[0].cost_ppm, 340000);
	assert_true(c->channels[0].drain);
	assert_string_equal(c->channels[0].preset.p, "some");
	assert_string_equal(c->channels[0].quirks.p, "json_schema seed=no");
	assert_string_equal(c->channels[0].drop.p, "a b");
	assert_string_equal(c->channels[0].set.p, "{\"c\":1}");
	assert_string_equal(c->channels[0].headers.p, "{\"X-D\":null}");
	assert_true(channel_has_group(&c->channels[0], 1));
	assert_false(channel_has_group(&c->channels[0], 2));
	m = channel_serves(&c->channels[0], S("gpt-4o"));
	assert_string_equal(m->upstream.p, "gpt-4o-2024");
	assert_true(m->cost_known);
	assert_int_equal(m->cost.rate[BUCKET_INPUT], 3);
	m = channel_serves(&c->channels[0], S("gpt-4o-mini"));
	assert_null(m->upstream.p);
	assert_false(m->cost_known);
	assert_string_equal(channel_serves(&c->channels[0], S("x"))->upstream.p,
	    "any");
	assert_int_equal(catalogue_group(c, 1)->markup_ppm, PPM);
	assert_null(catalogue_group(c, 99));

	/* A credential without a secret is not used; one with it opens. */
	assert_int_equal(c->channels[0].n_credentials, 2);
	assert_true(c->channels[0].credentials[0].enabled);
	assert_false(c->channels[0].credentials[1].enabled);
	assert_int_equal(c->channels[0].credentials[0].rpm, 60);
	assert_int_equal(c->channels[0].credentials[0].tpm, 5000);
	assert_int_equal(c->channels[0].credentials[0].concurrency, 3);
	assert_int_equal(c->channels[0].credentials[1].rpm, 0);
	assert_int_equal(c->channels[0].credentials[1].concurrency, 0);
	assert_int_equal(c->channels[0].credentials[1].index, 1);
	n = vault_open_sealed(store_vault(shop.store),
	    &c->channels[0].credentials[0].bound,
	    c->channels[0].credentials[0].sealed, secret, sizeof(secret));
	assert_int_equal(n, 16);
	assert_memory_equal(secret, "sk-upstream-1234", 16);
	catalogue_give(c);
}

static bool
set_routing(struct shop *s, struct db *db, void *arg)
{
	struct str *value = arg;

	(void)s;
	return setting_set(db, S("site.routing"), *value);
}

static void
routing(void **state)
{
	static const struct {
		struct str value;
		enum routing routing;
	} words[] = {
		{ STR_INIT("cheap"), ROUTING_CHEAP },
		{ STR_INIT("fast"), ROUTING_FAST },
		{ STR_INIT("balanced"), ROUTING_BALANCED },
		{ STR_INIT("of a later version"), ROUTING_BALANCED },
		{ { NULL, 0 }, ROUTING_BALANCED },
	};
	struct catalogue *c = catalogue_load(shop.reader);

	(void)state;
	assert_int_equal(c->routing, ROUTING_BALANCED);
	catalogue_give(c);
	for (size_t i = 0; i < countof(words); i++) {
		struct str value = words[i].value;

		assert_true(shop_write(&shop, set_routing, &value));
		c = catalogue_load(shop.reader);
		assert_int_equal(c->routing, words[i].routing);
		catalogue_give(c);
	}
}

static bool
move_channel(struct shop *s, struct db *db, void *arg)
{
	struct channel_row c;
	struct credential_row k;

	(void)arg;
	if (channel_find(db, &s->a, S("up"), &c) != 1 ||
	    credential_find(db, &s->a, c.id, S("k1"), &k) != 1 ||
	    !credential_same(store_vault(s->store), &k,
		S("https://api.example:443"), S("sk-upstream-1234")) ||
	    credential_same(store_vault(s->store), &k,
		S("https://api.example:443"), S("sk-upstream-1235")) ||
	    !str_eq(k.tail, S("1234")))
		return false;
	c.base_url = S("https://evil.example/v1");
	return channel_put(db, &c);
}

/* An address that was changed without the key: the key does not open. */
static void
moved(void **state)
{
	struct catalogue *c;
	char secret[64];

	(void)state;
	assert_true(shop_write(&shop, move_channel, NULL));
	c = catalogue_load(shop.reader);
	assert_int_equal(vault_open_sealed(store_vault(shop.store),
			     &c->channels[0].credentials[0].bound,
			     c->channels[0].credentials[0].sealed, secret,
			     sizeof(secret)), -1);
	catalogue_give(c);
}

static bool
future_price(struct shop *s, struct db *db, void *arg)
{
	struct price_row p = { .model = s->model, .from_ms = *(int64_t *)arg,
		.say.given = { -1, -1, -1, -1, -1, -1, 5000 } };
	bool added;

	return price_add(db, &p, &added) && added;
}

static bool
no_price(struct shop *s, struct db *db, void *arg)
{
	(void)arg;
	return price_end(db, s->model, 0, db_now(db));
}

/* A price has its time; the snapshot says when it must be made anew. */
static void
dated(void **state)
{
	int64_t later = clock_utc_ms() + 250;
	struct catalogue *c;

	(void)state;
	assert_true(shop_write(&shop, future_price, &later));
	c = catalogue_load(shop.reader);
	assert_int_equal(model_of(c, "demo")->price.rate[BUCKET_REQUEST], 1000);
	assert_int_equal(c->reload_ms, later);
	catalogue_give(c);
	usleep(300000);
	c = catalogue_load(shop.reader);
	assert_int_equal(model_of(c, "demo")->price.rate[BUCKET_REQUEST], 5000);
	assert_true(c->reload_ms > later);
	catalogue_give(c);
	assert_true(shop_write(&shop, no_price, NULL));
	c = catalogue_load(shop.reader);
	assert_false(model_of(c, "demo")->priced);
	catalogue_give(c);
}

/* --- sharing -------------------------------------------------------------- */

static atomic_bool sharing;

static void *
take_and_give(void *arg)
{
	int64_t *count = arg;

	do {
		const struct catalogue *c = catalogue_take();

		/* Read all of it: a sanitizer sees what was freed. */
		for (size_t i = 0; i < c->n_models; i++)
			*count += (int64_t)c->models[i].name.n;
		catalogue_give(c);
	} while (atomic_load(&sharing));
	return NULL;
}

static void
shared(void **state)
{
	int64_t counts[3] = { 0 };
	pthread_t threads[3];

	(void)state;
	catalogue_publish(catalogue_load(shop.reader));
	atomic_store(&sharing, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
				     take_and_give, &counts[i]), 0);
	for (int i = 0; i < 200; i++)
		catalogue_publish(catalogue_load(shop.reader));
	atomic_store(&sharing, false);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_true(counts[i] > 0);
	}
}

/* --- keys, users, tokens -------------------------------------------------- */

static bool
make_keys(struct shop *s, struct db *db, void *arg)
{
	const struct vault *v = store_vault(s->store);
	struct key_row k;

	(void)arg;
	key_blank(&k, s->account, s->project, S("second"));
	k.models = S("[\"demo\"]");
	k.rpm = 5;
	return key_add(db, v, &k, S("0123456789abcdef")) && k.weak &&
	    key_owner(db, v, S("0123456789abcdef")) == k.id &&
	    key_owner(db, v, S("0123456789abcdee")) == 0 &&
	    key_find(db, &s->a, s->project, S("second"), &k) == 1 &&
	    k.rpm == 5 && k.tpm == 0 && str_eq(k.tail, S("cdef")) &&
	    str_eq(k.models, S("[\"demo\"]")) && k.ips.p == NULL;
}

static bool
rotate(struct shop *s, struct db *db, void *arg)
{
	struct key_row k;

	(void)arg;
	return key_find(db, &s->a, s->project, S("second"), &k) == 1 &&
	    key_rotate(db, store_vault(s->store), &k,
		S("sk-weir-new-0123456789012345678901234567890"));
}

static bool
revoke_it(struct shop *s, struct db *db, void *arg)
{
	struct key_row k;

	(void)arg;
	return key_find(db, &s->a, s->project, S("second"), &k) == 1 &&
	    key_revoke(db, &k);
}

static int
by_secret(const char *secret, struct key *k)
{
	uint8_t hash[VAULT_HASH];

	vault_hash(store_vault(shop.store), str_of(secret), hash);
	return key_by_hash(shop.reader, hash, &shop.a, k);
}

static void
keys(void **state)
{
	const char *fresh = "sk-weir-new-0123456789012345678901234567890";
	struct key_row *list;
	struct key k;

	(void)state;
	assert_true(shop_write(&shop, make_keys, NULL));
	assert_int_equal(by_secret("0123456789abcdef", &k), 1);
	assert_true(k.on);
	assert_int_equal(k.account, shop.account);
	assert_int_equal(k.group, 1);
	assert_int_equal(k.rpm, 5);
	assert_string_equal(k.name.p, "second");
	assert_string_equal(k.models.p, "[\"demo\"]");
	assert_int_equal(k.ips.n, 0);
	assert_int_equal(by_secret("0123456789abcdeg", &k), 0);
	assert_true(shop_write(&shop, rotate, NULL));
	assert_int_equal(by_secret("0123456789abcdef", &k), 0);
	assert_int_equal(by_secret(fresh, &k), 1);
	assert_true(k.on);
	assert_true(shop_write(&shop, revoke_it, NULL));
	assert_int_equal(by_secret(fresh, &k), 1);
	assert_false(k.on);
	assert_int_equal(key_list(shop.reader, &shop.a, shop.account, 0, &list),
	    2);
	assert_string_equal(list[1].account_name.p, "alice");
	assert_true(list[1].revoked > 0);
	assert_int_equal(key_list(shop.reader, &shop.a, 0, list[0].id, &list),
	    1);
}

static bool
make_user(struct shop *s, struct db *db, void *arg)
{
	uint8_t *hash = arg;
	struct user_row u;

	user_blank(&u, S("root"));
	u.role = S("operator");
	vault_hash(store_vault(s->store), S("wa-token"), hash);
	return user_put(db, &u) && u.id > 0 &&
	    token_add(db, u.id, S("operator"), hash) > 0 &&
	    user_find(db, &s->a, S("root"), &u) == 1 && u.account == 0;
}

static bool
user_off(struct shop *s, struct db *db, void *arg)
{
	struct user_row u;

	(void)arg;
	if (user_find(db, &s->a, S("root"), &u) != 1)
		return false;
	u.enabled = false;
	return user_put(db, &u);
}

static void
tokens(void **state)
{
	uint8_t hash[VAULT_HASH], other[VAULT_HASH] = { 0 };
	struct token_row *list;

	(void)state;
	assert_true(shop_write(&shop, make_user, hash));
	assert_int_equal(token_by_hash(shop.reader, hash), TOKEN_OPERATOR);
	assert_int_equal(token_by_hash(shop.reader, other), TOKEN_NONE);
	assert_int_equal(token_list(shop.reader, &shop.a, 0, &list), 1);
	assert_string_equal(list[0].login.p, "root");
	assert_true(shop_write(&shop, user_off, NULL));
	assert_int_equal(token_by_hash(shop.reader, hash), TOKEN_NONE);
}

static void
names(void **state)
{
	char long_name[66];

	(void)state;
	memset(long_name, 'a', 65);
	long_name[65] = '\0';
	assert_true(name_valid(S("a")));
	assert_true(name_valid(S("meta-llama/Llama-3.1:free@x_y")));
	assert_true(name_valid(str_from(long_name, 64)));
	assert_false(name_valid(str_of(long_name)));
	assert_false(name_valid(S("")));
	assert_false(name_valid(S("a b")));
	assert_false(name_valid(S("a*")));
	assert_false(name_valid(str_from("a\0b", 3)));
	assert_true(pattern_valid(S("*")));
	assert_true(pattern_valid(S("gpt-*")));
	assert_false(pattern_valid(S("g*t")));
	assert_false(pattern_valid(S("**")));
}

/* --- audit ---------------------------------------------------------------- */

static bool
add_lines(struct shop *s, struct db *db, void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++)
		if (!audit_add(db, store_vault(s->store), S("weirctl root"),
			S("grant"), S("account alice"),
			arena_printf(&s->a, "%d USD", i)))
			return false;
	return true;
}

static bool
run_sql(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static void
audit(void **state)
{
	static const char *const harm[][2] = {
		{ "UPDATE audit SET detail = '9 USD' WHERE id = 3",
		    "UPDATE audit SET detail = '2 USD' WHERE id = 3" },
		{ "UPDATE audit SET at = at + 1 WHERE id = 4",
		    "UPDATE audit SET at = at - 1 WHERE id = 4" },
		{ "UPDATE audit SET id = 9 WHERE id = 2",
		    "UPDATE audit SET id = 2 WHERE id = 9" },
	};
	const struct vault *v = store_vault(shop.store);
	struct audit_row *list;
	int64_t bad = 0;

	(void)state;
	assert_int_equal(audit_check(shop.reader, v, &bad), 1);
	assert_true(shop_write(&shop, add_lines, NULL));
	assert_int_equal(audit_check(shop.reader, v, &bad), 1);
	assert_int_equal(audit_list(shop.reader, &shop.a, 0, &list), 5);
	assert_string_equal(list[0].detail.p, "4 USD");
	assert_int_equal(audit_list(shop.reader, &shop.a, 3, &list), 2);
	for (size_t i = 0; i < countof(harm); i++) {
		assert_true(shop_write(&shop, run_sql, (void *)harm[i][0]));
		assert_int_equal(audit_check(shop.reader, v, &bad), 0);
		assert_in_range(bad, 2, 4);
		assert_true(shop_write(&shop, run_sql, (void *)harm[i][1]));
		assert_int_equal(audit_check(shop.reader, v, &bad), 1);
	}
}

/* --- the keeper ----------------------------------------------------------- */

struct heard {
	atomic_int parks, n;
	atomic_int asked;
};

static void
hear_parks(void *arg, const struct park *list, int n)
{
	struct heard *h = arg;

	if (n > 0)
		assert_string_equal(list[0].reason.p, "rate_limit");
	atomic_store(&h->n, n);
	atomic_fetch_add(&h->parks, 1);
}

static size_t
count(void *arg, struct arena *a, struct metric **list)
{
	struct heard *h = arg;

	*list = arena_alloc(a, sizeof(**list));
	(*list)[0] = (struct metric){ S("weir_calls_total"),
		S("state=\"done\""), 7 };
	atomic_fetch_add(&h->asked, 1);
	return 1;
}

static void
wait_until(atomic_int *what, int more)
{
	int from = atomic_load(what);

	for (int i = 0; i < 3000 && atomic_load(what) < from + more; i++)
		usleep(1000);
	assert_true(atomic_load(what) >= from + more);
}

static void
freed(struct op *op)
{
	free(holder(op, struct park_put, op));
}

static void
keeper(void **state)
{
	struct writer *w = writer_start(shop.store);
	struct heard heard = { 0 };
	struct keeper_hooks hooks = { .arg = &heard, .parks = hear_parks,
		.metrics = count };
	struct park_put *put = xnew(struct park_put);
	const struct catalogue *c;
	struct metric *list;
	struct keeper *k;
	struct str why = S("");

	(void)state;
	catalogue_publish(NULL);
	k = keeper_start(shop.store, w, &hooks, &shop.a, &why);
	assert_non_null(k);
	assert_int_equal(atomic_load(&heard.parks), 1);
	c = catalogue_take();
	assert_int_equal(c->generation, setting_generation(shop.reader));

	/* A change is seen within a second, and the old snapshot stays. */
	assert_true(shop_write(&shop, move_channel, NULL));
	*put = (struct park_put){ .op = { .run = park_put_run, .done = freed },
		.park = { .channel = 1, .credential = 1,
		    .until = clock_utc_ms() + 60000,
		    .reason = S("rate_limit") } };
	writer_put(w, &put->op);
	assert_true(writer_drain(w, 2000));
	wait_until(&heard.parks, 2);
	assert_int_equal(atomic_load(&heard.n), 1);
	assert_true(c->generation < setting_generation(shop.reader));
	catalogue_give(c);
	c = catalogue_take();
	assert_int_equal(c->generation, setting_generation(shop.reader));
	catalogue_give(c);

	keeper_look(k);
	keeper_stop(k);
	assert_true(atomic_load(&heard.asked) >= 1);
	writer_stop(w);
	assert_int_equal(metric_load(shop.reader, &shop.a, &list), 1);
	assert_string_equal(list[0].labels.p, "state=\"done\"");
	assert_int_equal(list[0].value, 7 * atomic_load(&heard.asked));
}

static atomic_llong the_time;

static int64_t
set_time(void)
{
	return atomic_load(&the_time);
}

/* Looks until the model costs that. */
static int64_t
rate_becomes(struct keeper *k, int64_t rate)
{
	int64_t is = -1;

	for (int i = 0; i < 3000 && is != rate; i++) {
		const struct catalogue *c;

		keeper_look(k);
		usleep(1000);
		c = catalogue_take();
		is = model_of(c, "demo")->price.rate[BUCKET_REQUEST];
		catalogue_give(c);
	}
	return is;
}

/* When the clock is put back, prices are those of then again: admission asks
 * for the row in force. */
static void
clock_put_back(void **state)
{
	int64_t later = clock_utc_ms() + 10000;
	struct writer *w = writer_start(shop.store);
	struct keeper *k;
	struct str why = S("");

	(void)state;
	assert_true(shop_write(&shop, run_sql, "UPDATE price SET from_ms = 0 "
	    "WHERE request = 1000; DELETE FROM price WHERE request IS NULL OR "
	    "request <> 1000"));
	assert_true(shop_write(&shop, future_price, &later));
	atomic_store(&the_time, later - 5000);
	shop_clock(&shop, set_time);
	catalogue_publish(NULL);
	k = keeper_start(shop.store, w, NULL, &shop.a, &why);
	assert_non_null(k);
	assert_int_equal(rate_becomes(k, 1000), 1000);
	atomic_store(&the_time, later + 1);
	assert_int_equal(rate_becomes(k, 5000), 5000);
	atomic_store(&the_time, later - 1);
	assert_int_equal(rate_becomes(k, 1000), 1000);
	keeper_stop(k);
	writer_stop(w);
	shop_clock(&shop, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups),
		cmocka_unit_test(snapshot),
		cmocka_unit_test(routing),
		cmocka_unit_test(moved),
		cmocka_unit_test(dated),
		cmocka_unit_test(shared),
		cmocka_unit_test(keys),
		cmocka_unit_test(tokens),
		cmocka_unit_test(names),
		cmocka_unit_test(audit),
		cmocka_unit_test(keeper),
		cmocka_unit_test(clock_put_back),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
