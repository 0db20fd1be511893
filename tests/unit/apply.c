/* SPDX-License-Identifier: MIT */
/* apply.c - the rules of the catalogue: what is taken, kept, refused. */
#include "tests/unit/stage.h"

#include "db/audit.h"
#include "db/key.h"
#include "db/ledger.h"
#include "db/model.h"
#include "db/money.h"

/* --- the example ---------------------------------------------------------- */

static const char example[] =
    "{\"note\":\"as an example\",\n"
    " \"site\":{\"time_zone\":\"UTC\",\"caps\":{\"day\":\"500.00\"}},\n"
    " \"models\":[{\"name\":\"small\",\"context\":128000,\"max_output\":16384,"
    "\"price\":{\"input\":\"0.15\",\"cache_read\":\"0.075\","
    "\"output\":\"0.60\"}}],\n"
    " \"channels\":[{\"name\":\"a\",\"dialect\":\"openai\","
    "\"base_url\":\"https://api.example.com/v1\","
    "\"credentials\":[{\"name\":\"k1\",\"secret\":\"up-1\"}],"
    "\"models\":{\"small\":\"small-2024\",\"gpt-*\":null},"
    "\"groups\":[\"vip\",\"default\"],\"cost\":\"0.34\","
    "\"price\":{\"small\":{\"input\":\"0.10\",\"output\":\"0.40\"}},"
    "\"timeouts\":{\"first_ms\":50000},\"on_disconnect\":\"drain\"}],\n"
    " \"groups\":[{\"name\":\"vip\",\"markup\":\"0.90\"}],\n"
    " \"accounts\":[{\"login\":\"alice\",\"group\":\"vip\","
    "\"balance\":\"10.00\",\"caps\":{\"day\":\"5.00\"},"
    "\"keys\":[{\"name\":\"app\",\"secret\":\"sk-weir-0123456789abcdef0123456"
    "789abcdef\",\"models\":[\"small\"],\"ips\":[\"127.0.0.1\"],\"rpm\":60,"
    "\"caps\":{\"day\":\"1.00\"},\"expires\":\"2037-01-01T00:00:00Z\"}],"
    "\"projects\":[{\"name\":\"web\",\"keys\":[{\"name\":\"app\","
    "\"secret\":\"another-secret-16\"}]}]}]}\n";

static void
a_second_run_changes_nothing(void **state)
{
	struct stage *s = *state;
	int64_t generation;

	good(s, example, 8, 1, 0, 0);
	generation = setting_generation(s->db);
	good(s, example, 0, 0, 0, 9);
	assert_int_equal(setting_generation(s->db), generation);
}

static void
what_was_asked_is_in_the_store(void **state)
{
	struct stage *s = *state;
	struct account_row account;
	struct project_row project;
	struct channel_row ch;
	struct channel_serve *serves;
	struct credential_row k;
	struct model_row m;
	struct price_row p;
	struct key_row key;
	struct caps caps;
	int64_t balance, held;

	good(s, example, 8, 1, 0, 0);
	assert_int_equal(model_find(s->db, &s->arena, S("small"), &m), 1);
	assert_int_equal(price_find(s->db, &s->arena, m.id, 0, INT64_MAX, &p),
	    1);
	assert_int_equal(p.say.given[BUCKET_INPUT], 150000000);
	assert_int_equal(p.say.given[BUCKET_CACHE_WRITE], -1);
	assert_int_equal(channel_find(s->db, &s->arena, S("a"), &ch), 1);
	assert_int_equal(ch.cost_ppm, 340000);
	assert_int_equal(ch.first_ms, 50000);
	assert_int_equal(ch.connect_ms, 3000);
	assert_true(ch.drain);
	assert_int_equal(price_find(s->db, &s->arena, m.id, ch.id, INT64_MAX,
	    &p), 1);
	assert_int_equal(p.say.given[BUCKET_INPUT], 100000000);
	assert_int_equal(channel_models(s->db, &s->arena, ch.id, &serves), 2);
	assert_null(serves[0].upstream.p);
	assert_true(str_eq(serves[1].upstream, S("small-2024")));
	assert_int_equal(credential_find(s->db, &s->arena, ch.id, S("k1"),
	    &k), 1);
	assert_true(credential_same(store_vault(s->store), &k,
	    S("https://api.example.com:443"), S("up-1")));
	assert_int_equal(account_find(s->db, &s->arena, S("alice"),
	    &account), 1);
	assert_int_equal(ledger_balance(s->db, account.id, &balance, &held),
	    1);
	assert_int_equal(balance, 10 * NANO);
	assert_int_equal(project_find(s->db, &s->arena, account.id,
	    S("default"), &project), 1);
	assert_int_equal(key_find(s->db, &s->arena, project.id, S("app"),
	    &key), 1);
	assert_true(str_eq(key.ips, S("[\"127.0.0.1/32\"]")));
	assert_false(key.weak);
	assert_int_equal(key_owner(s->db, store_vault(s->store),
	    S("sk-weir-0123456789abcdef0123456789abcdef")), key.id);
	assert_true(cap_get(s->db, CAP_KEY, key.id, &caps));
	assert_int_equal(caps.amount[CAP_DAY], NANO);
	assert_int_equal(caps.amount[CAP_MONTH], -1);
}

/* --- absent, null, replaced, merged --------------------------------------- */

static void
absent_keeps_null_resets_maps_are_replaced(void **state)
{
	struct stage *s = *state;
	struct channel_row ch;
	struct channel_serve *serves;

	good(s, example, 8, 1, 0, 0);
	good(s, "{\"channels\":[{\"name\":\"a\",\"priority\":7}]}", 0, 1, 0,
	    0);
	assert_true(str_eq(s->last.list[0].members, S("priority")));
	assert_int_equal(channel_find(s->db, &s->arena, S("a"), &ch), 1);
	assert_int_equal(ch.cost_ppm, 340000);
	assert_int_equal(channel_models(s->db, &s->arena, ch.id, &serves), 2);

	good(s, "{\"channels\":[{\"name\":\"a\",\"cost\":null,"
	    "\"priority\":null,\"timeouts\":{\"idle_ms\":100},"
	    "\"models\":{\"x\":null}}]}", 0, 1, 0, 0);
	assert_int_equal(channel_find(s->db, &s->arena, S("a"), &ch), 1);
	assert_int_equal(ch.cost_ppm, PPM);
	assert_int_equal(ch.priority, 0);
	assert_int_equal(ch.idle_ms, 100);
	assert_int_equal(ch.first_ms, 60000);
	assert_int_equal(channel_models(s->db, &s->arena, ch.id, &serves), 1);
}

static void
named_lists_are_merged(void **state)
{
	struct stage *s = *state;
	struct credential_row *list;
	struct channel_row ch;

	good(s, example, 8, 1, 0, 0);
	good(s, "{\"channels\":[{\"name\":\"a\",\"credentials\":[{\"name\":"
	    "\"k2\",\"secret\":\"up-2\"}]}]}", 1, 0, 0, 1);
	assert_int_equal(channel_find(s->db, &s->arena, S("a"), &ch), 1);
	assert_int_equal(credential_list(s->db, &s->arena, ch.id, &list), 2);
	good(s, "{\"channels\":[{\"name\":\"a\",\"credentials\":[{\"name\":"
	    "\"k2\",\"secret\":\"up-3\"},{\"name\":\"k1\"}]}]}", 0, 1, 0, 2);
	assert_true(str_eq(s->last.list[1].members, S("secret")));
}

static void
an_opening_balance_is_granted_once(void **state)
{
	struct stage *s = *state;
	struct account_row account;
	int64_t balance, held;

	good(s, "{\"accounts\":[{\"login\":\"bob\",\"balance\":\"3\"}]}", 1, 0,
	    0, 0);
	good(s, "{\"accounts\":[{\"login\":\"bob\",\"balance\":\"9\"}]}", 0, 0,
	    0, 1);
	assert_int_equal(account_find(s->db, &s->arena, S("bob"), &account),
	    1);
	assert_int_equal(ledger_balance(s->db, account.id, &balance, &held),
	    1);
	assert_int_equal(balance, 3 * NANO);
}

static void
prices_are_superseded_and_ended(void **state)
{
	struct stage *s = *state;
	struct price_row *list, p;
	struct model_row m;

	good(s, example, 8, 1, 0, 0);
	good(s, "{\"models\":[{\"name\":\"small\",\"price\":{\"request\":"
	    "\"0.01\"}}]}", 0, 1, 0, 0);
	assert_int_equal(model_find(s->db, &s->arena, S("small"), &m), 1);
	assert_int_equal(price_find(s->db, &s->arena, m.id, 0, INT64_MAX, &p),
	    1);
	assert_int_equal(p.say.given[BUCKET_INPUT], -1);
	assert_int_equal(p.say.given[BUCKET_REQUEST], 10000000);
	good(s, "{\"models\":[{\"name\":\"small\",\"price\":null}]}", 0, 1, 0,
	    0);
	assert_true(price_find(s->db, &s->arena, m.id, 0, INT64_MAX, &p) == 0 ||
	    !price_given(p.say.given));
	good(s, "{\"channels\":[{\"name\":\"a\",\"price\":{}}]}", 0, 1, 0,
	    0);
	good(s, "{\"channels\":[{\"name\":\"a\",\"price\":null}]}", 0, 0, 0,
	    1);
	/* Usage rows point at old ones: none of them goes. */
	assert_true(price_list(s->db, &s->arena, m.id, &list) >= 3);
}

/* The rows of a model's list price from now on. */
static int
schedule(struct stage *s, const char *model, struct price_row **list)
{
	struct price_of of = { 0 };
	struct model_row m;

	assert_int_equal(model_find(s->db, &s->arena, str_of(model), &m), 1);
	of.model = m.id;
	return price_schedule(s->db, &s->arena, &of, list);
}

static void
prices_have_dates(void **state)
{
	static const char dated[] = "{\"models\":[{\"name\":\"d\",\"price\":["
	    "{\"input\":\"9\",\"until\":\"2026-01-01\"},"
	    "{\"input\":\"3\",\"from\":\"2035-01-01\"},"
	    "{\"input\":\"1\",\"from\":\"2026-01-01\",\"until\":"
	    "\"2034-01-01\",\"tiers\":[{\"input\":\"2.50\",\"above\":7}],"
	    "\"multipliers\":{\"priority\":\"2.0\",\"flex\":\"0.50\"}}]}]}";
	static const char same[] = "{\"models\":[{\"name\":\"d\",\"price\":["
	    "{\"input\":\"1\",\"until\":\"2034-01-01T00:00:00Z\",\"tiers\":["
	    "{\"above\":7,\"input\":\"2.5\"}],\"multipliers\":{\"flex\":"
	    "\"0.5\",\"priority\":\"2\"}},"
	    "{\"input\":\"3\",\"from\":\"2035-01-01\"}]}]}";
	struct stage *s = *state;
	struct price_row *list;

	good(s, dated, 1, 0, 0, 0);
	good(s, dated, 0, 0, 0, 1);
	good(s, same, 0, 0, 0, 1);
	assert_int_equal(schedule(s, "d", &list), 2);
	assert_int_equal(list[0].from_ms, 0);
	assert_int_equal(list[0].until_ms, 2019686400000);
	assert_int_equal(list[1].from_ms, 2051222400000);
	assert_int_equal(list[1].until_ms, 0);
	/* Its end is put off: the row stays, what was planned does not. */
	good(s, "{\"models\":[{\"name\":\"d\",\"price\":{\"input\":\"1\","
	    "\"tiers\":[{\"above\":7,\"input\":\"2.5\"}],\"multipliers\":"
	    "{\"flex\":\"0.5\",\"priority\":\"2\"}}}]}", 0, 1, 0, 0);
	assert_int_equal(schedule(s, "d", &list), 1);
	assert_int_equal(list[0].id, 1);
	assert_int_equal(list[0].until_ms, 0);
	good(s, "{\"models\":[{\"name\":\"d\",\"price\":null}]}", 0, 1, 0, 0);
	assert_int_equal(schedule(s, "d", &list), 0);
	good(s, same, 0, 1, 0, 0);
	assert_int_equal(schedule(s, "d", &list), 2);
}

/* What was planned and given up, again and again, hides nothing. */
static void
plans_are_given_up(void **state)
{
	enum { PLANS = 6, ROWS = 199 };
	struct stage *s = *state;
	struct price_row *list;

	for (int i = 0; i < PLANS; i++) {
		struct buf b = BUF(&s->arena, 65536);

		buf_put(&b, S("{\"models\":[{\"name\":\"d\",\"price\":["
		    "{\"input\":\"1\",\"until\":\"2090-01-01T00:00:00Z\"}"));
		for (int j = 0; j < ROWS; j++)
			buf_printf(&b, ",{\"input\":\"%d\",\"from\":"
			    "\"%d-01-01T00:00:00Z\",\"until\":"
			    "\"%d-01-01T00:00:00Z\"}", i + j % 2 + 2,
			    2090 + j, 2091 + j);
		buf_put(&b, S("]}]}"));
		good(s, arena_str(&s->arena, buf_str(&b)).p, i == 0, i > 0, 0,
		    0);
		assert_int_equal(schedule(s, "d", &list), ROWS + 1);
		assert_int_equal(list[0].from_ms, 0);
	}
}

static void
groups_and_accounts_have_prices(void **state)
{
	static const char text[] = "{\"models\":[{\"name\":\"d\",\"price\":"
	    "{\"input\":\"1\"}}],\"groups\":[{\"name\":\"g\",\"minimum\":"
	    "\"0.01\",\"below_cost\":true,\"prices\":{\"d\":{\"input\":"
	    "\"2\"}}}],\"accounts\":[{\"login\":\"a\",\"group\":\"g\","
	    "\"markup\":\"0.9\",\"prices\":{\"d\":{\"input\":\"3\"}}}]}";
	struct stage *s = *state;
	struct price_row *list;

	good(s, text, 3, 0, 0, 0);
	good(s, text, 0, 0, 0, 3);
	assert_int_equal(schedule(s, "d", &list), 1);
	assert_int_equal(list[0].say.given[BUCKET_INPUT], NANO);
	good(s, "{\"groups\":[{\"name\":\"g\",\"prices\":{}}],\"accounts\":["
	    "{\"login\":\"a\",\"markup\":null,\"prices\":null}]}", 0, 2, 0,
	    0);
	good(s, "{\"groups\":[{\"name\":\"g\",\"prices\":null}],\"accounts\":"
	    "[{\"login\":\"a\",\"markup\":null}]}", 0, 0, 0, 2);
}

static void
prune_switches_off_what_its_lists_lack(void **state)
{
	struct stage *s = *state;
	struct channel_row ch;

	good(s, example, 8, 1, 0, 0);
	s->prune = true;
	good(s, "{\"models\":[]}", 0, 0, 1, 0);
	good(s, "{\"models\":[]}", 0, 0, 0, 0);
	good(s, "{\"channels\":[{\"name\":\"a\",\"credentials\":[]}]}", 0, 0,
	    1, 1);
	assert_int_equal(channel_find(s->db, &s->arena, S("a"), &ch), 1);
	assert_true(ch.enabled);
	/* Account, its key, its project and that one's key; never the group
	 * and the project that always exist. */
	good(s, "{\"accounts\":[{\"login\":\"alice\",\"keys\":[],"
	    "\"projects\":[]}],\"groups\":[]}", 0, 0, 3, 1);
}

/* --- what is refused ------------------------------------------------------ */

static const struct {
	const char *text, *words;
} wrongs[] = {
	{ "{\n\"models\":[\n{\"name\":\"a\",}]}", "cat line 3: this is no JSON" },
	{ "[]", "cat line 1: a catalogue is an object" },
	{ "{\"model\":[]}", "model: a catalogue has no such member" },
	{ "{\"models\":{}}", "models: a list […] is expected" },
	{ "{\"models\":[],\"models\":[]}", "models: this member is there twice" },
	{ "{\"vouchers\":[]}", "vouchers: a catalogue has no vouchers" },
	{ "{\"routes\":[]}", "routes is not built yet" },
	{ "{\"note\":7}", "note: a note is a string" },
	{ "{\"models\":[7]}", "models[0]: an object {…} is expected" },
	{ "{\"models\":[{}]}", "models[0]: every model needs a name" },
	{ "{\"accounts\":[{\"name\":\"x\"}]}",
	    "accounts[0]: every account needs a login" },
	{ "{\"models\":[{\"name\":\"a b\"}]}", "models[0].name: \"a b\" is no name" },
	{ "{\"channels\":[{\"name\":\"a*\"}]}", "\"a*\" is no name" },
	{ "{\"models\":[{\"name\":\"a\"},{\"name\":\"a\"}]}",
	    "models[1].name: model \"a\" is there twice" },
	{ "{\"models\":[{\"name\":\"a\",\"name\":\"b\"}]}",
	    "models[0].name: this member is there twice" },
	{ "{\"models\":[{\"name\":\"a\",\n\"contxt\":1}]}",
	    "cat line 2: models[0].contxt: there is no such member; there are "
	    "name, context, max_output, price, free, fallback, aliases, "
	    "capabilities, enabled, note" },
	{ "{\"models\":[{\"name\":\"a\",\"context\":0}]}",
	    "models[0].context: a whole number from 1 to" },
	{ "{\"models\":[{\"name\":\"a\",\"context\":1.5}]}", "a whole number" },
	{ "{\"models\":[{\"name\":\"a\",\"context\":\"1\"}]}", "a whole number" },
	{ "{\"models\":[{\"name\":\"a\",\"free\":1}]}",
	    "models[0].free: true or false" },
	{ "{\"models\":[{\"name\":\"a\",\"note\":\"\\u0007\"}]}",
	    "control characters" },
	/* fallbacks */
	{ "{\"models\":[{\"name\":\"a\",\"fallback\":\"b\"}]}",
	    "models[0].fallback: a list […] is expected" },
	{ "{\"models\":[{\"name\":\"a\",\"fallback\":[\"b\",7]}]}",
	    "models[0].fallback[1]: a string" },
	{ "{\"models\":[{\"name\":\"a\",\"fallback\":[\"gpt-*\"]}]}",
	    "models[0].fallback[0]: \"gpt-*\" is a pattern" },
	{ "{\"models\":[{\"name\":\"a\",\"fallback\":[\"b c\"]}]}",
	    "models[0].fallback[0]: \"b c\" is no model name" },
	{ "{\"models\":[{\"name\":\"a\",\"fallback\":[\"b\",\"c\",\"b\"]}]}",
	    "models[0].fallback[2]: \"b\" is there twice" },
	{ "{\"models\":[{\"name\":\"a\",\"fallback\":[\"1\",\"2\",\"3\","
	    "\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}]}",
	    "models[0].fallback: a model has at most 8 fallbacks, and these "
	    "are 9" },
	{ "{\"models\":[{\"name\":\"a\",\n\"fallback\":[\n\"b\"]}]}",
	    "cat line 3: models[0].fallback[0]: the fallbacks of model \"a\" "
	    "name \"b\", of which there is none: add it to models" },
	{ "{\"models\":[{\"name\":\"a\",\"aliases\":[\"a\"]}]}",
	    "model \"a\" has its own name among its aliases" },
	{ "{\"models\":[{\"name\":\"a*\",\"aliases\":[\"b\"]}]}",
	    "\"a*\" is a pattern: it has no other names" },
	{ "{\"models\":[{\"name\":\"a\",\"aliases\":[\"b*\"]}]}",
	    "\"b*\" is a pattern: aliases are names of one model each" },
	{ "{\"models\":[{\"name\":\"a\",\"aliases\":[\"b\",\"b\"]}]}",
	    "\"b\" is there twice" },
	{ "{\"models\":[{\"name\":\"a\",\"aliases\":[\"b\"]},{\"name\":"
	    "\"b\"}]}", "\"b\" is a model, so model \"a\" cannot" },
	{ "{\"models\":[{\"name\":\"a\",\"aliases\":[\"c\"]},{\"name\":"
	    "\"b\",\"aliases\":[\"c\"]}]}", "both have the alias \"c\"" },
	/* prices */
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"input\":0.15}}]}",
	    "models[0].price.input: amounts are strings, so that no digit is "
	    "lost: write \"0.15\"" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"input\":\"1e3\"}}]}",
	    "\"1e3\" is no amount" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"input\":\"-1\"}}]}",
	    "\"-1\" is no amount" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"input\":\"0.0000000001\"}}]}",
	    "is no amount" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"input\":\"1000001\"}}]}",
	    "is no amount" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"output\":\"1\"}}]}",
	    "models[0].price: input is missing" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{}}]}", "input is missing" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"audio_in\":\"1\"}}]}",
	    "or give request, image, second, character or search alone" },
#define PRICE(text) "{\"models\":[{\"name\":\"a\",\"price\":" text "}]}"
	{ PRICE("{\"tiers\":[]}"), "input is missing" },
	{ PRICE("{\"input\":\"1\",\"tiers\":{}}"),
	    "price.tiers: a list […] is expected" },
	{ PRICE("{\"input\":\"1\",\"tiers\":[{\"input\":\"2\"}]}"),
	    "tiers[0]: a tier needs \"above\"" },
	{ PRICE("{\"input\":\"1\",\"tiers\":[{\"above\":-1}]}"),
	    "tiers[0].above: above is a whole number" },
	{ PRICE("{\"input\":\"1\",\"tiers\":[{\"above\":1}]}"),
	    "a tier needs a rate" },
	{ PRICE("{\"input\":\"1\",\"tiers\":[{\"above\":1,\"output\":"
	    "\"1\"}]}"), "output: without the tier this has no price" },
	{ PRICE("{\"input\":\"1\",\"tiers\":[{\"above\":1,\"tiers\":"
	    "[]}]}"), "a tier has no such member; there are above, input" },
	{ PRICE("{\"input\":\"1\",\"tiers\":[{\"above\":1,\"input\":\"1\"}"
	    ",{\"above\":1,\"input\":\"2\"}]}"),
	    "two tiers begin above 1" },
	{ PRICE("{\"input\":\"1\",\"multipliers\":{\"flex\":0.5}}"),
	    "flex: shares are strings" },
	{ PRICE("{\"input\":\"1\",\"multipliers\":{\"flex\":\"0\"}}"),
	    "a multiplier is more than 0" },
	{ PRICE("{\"input\":\"1\",\"multipliers\":{\"flex\":\"-1\"}}"),
	    "\"-1\" is no share" },
	{ PRICE("{\"input\":\"1\",\"multipliers\":{\"default\":\"1\"}}"),
	    "the default one costs what the price says" },
	{ PRICE("{\"input\":\"1\",\"from\":\"soon\"}"),
	    "price.from: \"soon\" is no time" },
	{ PRICE("{\"input\":\"1\",\"from\":\"2036-01-02\",\"until\":"
	    "\"2036-01-02\"}"), "price.until: this price would end before" },
	{ PRICE("[]"), "price: a price is an object, or a list" },
	{ PRICE("[{\"input\":\"1\"},{\"input\":\"2\"}]"),
	    "two rows overlap: the one from the beginning has no until" },
	{ PRICE("[{\"input\":\"2\",\"from\":\"2036-01-01\"},{\"input\":"
	    "\"1\",\"until\":\"2036-01-02\"}]"),
	    "two rows overlap: the one from the beginning ends 2036-01-02" },
	{ PRICE("[{\"input\":\"2\"},{\"imput\":\"1\"}]"),
	    "price[1].imput: a price has no such member" },
	{ "{\"groups\":[{\"name\":\"g\",\"prices\":{\"x\":{\"input\":"
	    "\"1\"}}}]}", "groups[0].prices: there is no model \"x\"" },
	{ "{\"groups\":[{\"name\":\"g\",\"minimum\":\"-1\"}]}",
	    "minimum: \"-1\" is no amount" },
	{ "{\"accounts\":[{\"login\":\"g\",\"markup\":\"-1\"}]}",
	    "markup: \"-1\" is no share" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"imput\":\"1\"}}]}",
	    "a price has no such member; there are input, cache_read" },
	{ "{\"models\":[{\"name\":\"a\",\"price\":{\"input\":\"1\",\"input\":"
	    "\"2\"}}]}", "price.input: this member is there twice" },
	/* site, groups */
	{ "{\"site\":{\"time_zone\":\"Mars/Base\"}}",
	    "site.time_zone: \"Mars/Base\" is no time zone" },
	{ "{\"site\":{\"caps\":{\"soft\":80}}}",
	    "site.caps: soft is a share of the other caps, and there is none" },
	{ "{\"site\":{\"caps\":{\"day\":\"1\",\"soft\":0}}}",
	    "site.caps.soft: a soft cap is a whole number of percent" },
	{ "{\"site\":{\"caps\":{\"day\":\"1\",\"soft\":101}}}",
	    "site.caps.soft: a soft cap is a whole number of percent" },
	{ "{\"site\":{\"caps\":{\"day\":\"1\",\"soft\":\"80\"}}}",
	    "site.caps.soft: a soft cap is a whole number of percent" },
	{ "{\"site\":{\"caps\":{\"day_tokens\":\"80\"}}}",
	    "site.caps.day_tokens: tokens are a whole number" },
	{ "{\"site\":{\"caps\":{\"day_tokens\":1.5}}}",
	    "site.caps.day_tokens: tokens are a whole number" },
	{ "{\"site\":{\"caps\":{\"day_tokens\":-1}}}",
	    "site.caps.day_tokens: tokens are a whole number" },
	{ "{\"site\":{\"caps\":{\"day_tokens\":1000000000000001}}}",
	    "site.caps.day_tokens: tokens are a whole number" },
	{ "{\"site\":{\"caps\":{\"day_tokens\":9223372036854775808}}}",
	    "site.caps.day_tokens: tokens are a whole number" },
	{ "{\"site\":{\"caps\":{\"day_tokens\":0}}}",
	    "site.caps.day_tokens: a cap of 0 would let no call through" },
	{ "{\"site\":{\"caps\":{\"day\":\"0\"}}}",
	    "site.caps.day: a cap of 0 would let no call through" },
	{ "{\"site\":{\"caps\":{\"day\":\"-1\"}}}",
	    "site.caps.day: \"-1\" is no amount" },
	{ "{\"site\":{\"caps\":{\"day\":\"9999999999\"}}}",
	    "site.caps.day: \"9999999999\" is no amount" },
	{ "{\"site\":{\"caps\":{\"day\":\"0.0000000001\"}}}",
	    "site.caps.day: \"0.0000000001\" is no amount" },
	{ "{\"site\":{\"caps\":{\"day\":5}}}",
	    "site.caps.day: amounts are strings" },
	{ "{\"site\":{\"caps\":{\"day\":\"1\",\"day\":\"2\"}}}",
	    "site.caps.day: this member is there twice" },
	{ "{\"site\":{\"caps\":{\"year_tokens\":1}}}",
	    "site.caps.year_tokens: there is no such cap" },
	{ "{\"site\":{\"caps\":{\"year\":\"1\"}}}",
	    "site.caps.year: there is no such cap" },
	{ "{\"site\":{\"routing\":\"cheapest\"}}",
	    "site.routing: \"cheap\", \"balanced\" or \"fast\"" },
	{ "{\"site\":{\"routing\":1}}", "site.routing: a string" },
	{ "{\"groups\":[{\"name\":\"g\",\"markup\":1.5}]}",
	    "groups[0].markup: shares are strings" },
	{ "{\"groups\":[{\"name\":\"g\",\"markup\":\"-1\"}]}", "is no share" },
	/* accounts */
	{ "{\"accounts\":[{\"login\":\"x\",\"group\":\"none\"}]}",
	    "accounts[0].group: there is no group \"none\"" },
	{ "{\"accounts\":[{\"login\":\"x\",\"balance\":5}]}",
	    "amounts are strings" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\"}]}]}",
	    "accounts[0].keys[0]: a new key needs its secret" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\","
	    "\"secret\":\"short\"}]}]}",
	    "keys[0].secret: a secret here has 16 to 256 visible" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\","
	    "\"secret\":\"sixteen chars in it\"}]}]}", "visible ASCII" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\",\"secret\":"
	    "\"0123456789abcdef\"},{\"name\":\"l\",\"secret\":"
	    "\"0123456789abcdef\"}]}]}",
	    "keys[1].secret: another key has this secret" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\",\"secret\":"
	    "\"0123456789abcdef\",\"models\":[]}]}]}",
	    "models: an empty list would allow nothing" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\",\"secret\":"
	    "\"0123456789abcdef\",\"models\":[\"a*b\"]}]}]}",
	    "models[0]: \"a*b\" is no model name" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\",\"secret\":"
	    "\"0123456789abcdef\",\"ips\":[\"10.0.0.0/33\"]}]}]}",
	    "ips[0]: \"10.0.0.0/33\" is no address" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\",\"secret\":"
	    "\"0123456789abcdef\",\"expires\":\"7d\"}]}]}",
	    "expires: \"7d\" is no time" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\",\"secret\":"
	    "\"0123456789abcdef\",\"rpm\":0}]}]}", "rpm: a whole number from 1" },
	{ "{\"accounts\":[{\"login\":\"x\",\"keys\":[],\"projects\":[{\"name\":"
	    "\"default\",\"keys\":[]}]}]}",
	    "accounts[0].projects[0]: the account's keys are those of project "
	    "default" },
	/* channels */
	{ "{\"channels\":[{\"name\":\"c\",\"base_url\":\"https://x/\"}]}",
	    "channels[0]: a channel needs a dialect" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"vertex\",\"base_url\":"
	    "\"https://x/\"}]}", "dialect \"vertex\" is not built yet" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\"}]}",
	    "a channel needs a base_url" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\n\"base_url\":"
	    "\"http://example.com/v1\"}]}",
	    "cat line 2: channels[0].base_url: http:// would send the key" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"groups\":[\"none\"]}]}",
	    "channels[0].groups: there is no group \"none\"" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"models\":[\"a\"]}]}",
	    "channels[0].models: the models of a channel are an object" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"models\":{\"a\":\"b*\"}}]}",
	    "channels[0].models.a: the upstream's name" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"price\":{\"a\":{\"input\":\"1\"}}}]}",
	    "channels[0].price: the channel's models do not have \"a\"" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"models\":{\"a\":null},\"price\":{\"a\":{\"input\":"
	    "\"1\"}}}]}", "there is no model \"a\"" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"credentials\":[{\"name\":\"k\"}]}]}",
	    "channels[0].credentials[0]: a new credential needs its secret" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"credentials\":[{\"name\":\"k\",\"secret\":{\"env\":"
	    "\"NO_SUCH_VARIABLE\"}}]}]}",
	    "the environment has no variable NO_SUCH_VARIABLE" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"credentials\":[{\"name\":\"k\",\"secret\":{\"file\":"
	    "\"/dev/null\"}}]}]}", "/dev/null is no plain file" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"credentials\":[{\"name\":\"k\",\"secret\":{\"f\":"
	    "\"x\"}}]}]}", "a secret is a string, {\"env\"" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"on_disconnect\":\"wait\"}]}",
	    "\"cancel\" or \"drain\"" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"timeouts\":{\"first\":1}}]}",
	    "channels[0].timeouts.first: there is no such member; there are "
	    "connect_ms" },
	{ "{\"channels\":[{\"name\":\"c\",\"timeouts\":{\"idle_ms\":99}}]}",
	    "channels[0].timeouts.idle_ms: a clock has a whole number of "
	    "milliseconds from 100 to 86400000 (a day)" },
	{ "{\"channels\":[{\"name\":\"c\",\"timeouts\":{\"connect_ms\":0}}]}",
	    "timeouts.connect_ms: a clock" },
	{ "{\"channels\":[{\"name\":\"c\",\"timeouts\":{\"first_ms\":-1}}]}",
	    "timeouts.first_ms: a clock" },
	{ "{\"channels\":[{\"name\":\"c\",\"timeouts\":{\"whole_ms\":86400001}}]}",
	    "timeouts.whole_ms: a clock" },
	{ "{\"channels\":[{\"name\":\"c\",\"timeouts\":{\"stream_ms\":\"1s\"}}]}",
	    "timeouts.stream_ms: a clock" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"credentials\":[{\"name\":\"k\",\"secret\":\"s\","
	    "\"rpm\":0}]}]}",
	    "channels[0].credentials[0].rpm: a whole number from 1 to" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"credentials\":[{\"name\":\"k\",\"secret\":\"s\","
	    "\"tpm\":1000000001}]}]}", "credentials[0].tpm: a whole number" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"credentials\":[{\"name\":\"k\",\"secret\":\"s\","
	    "\"concurrency\":\"4\"}]}]}",
	    "credentials[0].concurrency: a whole number" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"cost\":{\"input\":\"1\"}}]}",
	    "prices of a channel's own are its member price" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\",\"base_url\":"
	    "\"https://x/\",\"ca_file\":\"/no/such/file\"}]}",
	    "channels[0].ca_file: /no/such/file cannot be read" },
	{ "{\"channels\":[{\"name\":\"c\",\"proxy\":\"http://p\"}]}",
	    "proxy is not built yet" },
	{ "{\"channels\":[{\"name\":\"c\",\"dialect\":\"openai\","
	  "\"base_url\":\"https://u.example/v1\",\"models\":{\"a*\":null},"
	  "\"test_model\":\"x\"}]}",
	    "test_model \"x\" is not among the channel's models" },
	{ "{\"channels\":[{\"name\":\"c\",\"weight\":-1}]}",
	    "weight: a whole number from 0 to 1000000" },
};

static void
what_is_wrong_is_named_with_its_place(void **state)
{
	struct stage *s = *state;

	for (size_t i = 0; i < countof(wrongs); i++)
		bad(s, wrongs[i].text, wrongs[i].words);
}

static void
a_failure_late_changes_nothing(void **state)
{
	struct stage *s = *state;
	struct model_row m;

	bad(s, "{\"models\":[{\"name\":\"first\",\"free\":true}],"
	    "\"accounts\":[{\"login\":\"x\",\"group\":\"none\"}]}",
	    "there is no group");
	assert_int_equal(model_find(s->db, &s->arena, S("first"), &m), 0);
}

static void
no_error_shows_a_secret(void **state)
{
	struct stage *s = *state;
	const char *why = apply(s, "{\"accounts\":[{\"login\":\"x\",\"keys\":["
	    "{\"name\":\"k\",\"secret\":\"canary with blanks\"}]}]}");

	assert_non_null(why);
	assert_null(strstr(why, "canary"));
}

static void
another_origin_needs_the_secret_again(void **state)
{
	struct stage *s = *state;
	struct channel_row ch;
	struct credential_row k;

	good(s, example, 8, 1, 0, 0);
	bad(s, "{\"channels\":[{\"name\":\"a\",\n\"base_url\":"
	    "\"https://evil.example.com/v1\"}]}", "cat line 2: "
	    "channels[0].base_url: credential \"k1\" is sealed for "
	    "https://api.example.com:443");
	bad(s, "{\"channels\":[{\"name\":\"a\",\"base_url\":"
	    "\"https://api.example.com:8443/v1\",\"credentials\":[{\"name\":"
	    "\"k1\"}]}]}", "is sealed for");
	/* Another path is the same origin. */
	good(s, "{\"channels\":[{\"name\":\"a\",\"base_url\":"
	    "\"https://API.example.com:443/v2\"}]}", 0, 1, 0, 0);
	good(s, "{\"channels\":[{\"name\":\"a\",\"base_url\":"
	    "\"https://b.example.com/v1\",\"credentials\":[{\"name\":\"k1\","
	    "\"secret\":\"up-1\"}]}]}", 0, 2, 0, 0);
	assert_int_equal(channel_find(s->db, &s->arena, S("a"), &ch), 1);
	assert_int_equal(credential_find(s->db, &s->arena, ch.id, S("k1"),
	    &k), 1);
	assert_true(str_eq(k.origin, S("https://b.example.com:443")));
}

static void
a_retired_credential_does_not_block_a_move(void **state)
{
	struct stage *s = *state;

	good(s, example, 8, 1, 0, 0);
	good(s, "{\"channels\":[{\"name\":\"a\",\"base_url\":"
	    "\"https://b.example.com/v1\",\"credentials\":[{\"name\":\"k1\","
	    "\"enabled\":false},{\"name\":\"k2\",\"secret\":\"up-2\"}]}]}",
	    1, 2, 0, 0);
	bad(s, "{\"channels\":[{\"name\":\"a\",\"credentials\":[{\"name\":"
	    "\"k1\",\"enabled\":true}]}]}", "give it again");
}

static void
every_change_is_in_the_audit(void **state)
{
	struct stage *s = *state;
	struct audit_row *list;
	int64_t line;
	int n;

	good(s, example, 8, 1, 0, 0);
	n = audit_list(s->db, &s->arena, 0, &list);
	assert_int_equal(n, 9);
	assert_true(str_eq(list[0].actor, S("test")));
	assert_true(str_eq(list[0].object, S("key alice/web/app")));
	for (int i = 0; i < n; i++)
		assert_false(str_has(list[i].detail, S("up-1")));
	good(s, example, 0, 0, 0, 9);
	assert_int_equal(audit_list(s->db, &s->arena, 0, &list), 9);
	assert_int_equal(audit_check(s->db, store_vault(s->store), &line), 1);
}

/* --- fallbacks, routing, limits of credentials ---------------------------- */

/* a and b are free, small (a price) and x (none) are served by channel up. */
static const char four[] =
    "{\"models\":[{\"name\":\"a\",\"free\":true},{\"name\":\"b\",\"free\":"
    "true},{\"name\":\"small\",\"price\":{\"input\":\"1\",\"output\":\"2\"}},"
    "{\"name\":\"x\"},{\"name\":\"lone\",\"free\":true}],"
    "\"channels\":[{\"name\":\"up\",\"dialect\":\"openai\",\"base_url\":"
    "\"https://x/\",\"models\":{\"a\":null,\"b*\":null,\"small\":\"s\","
    "\"x\":null}}]}";

/* {"models":[{"name":NAME,"fallback":LIST}]} */
static const char *
fall(struct stage *s, const char *name, const char *list)
{
	return arena_printf(&s->arena, "{\"models\":[{\"name\":\"%s\","
	    "\"fallback\":%s}]}", name, list).p;
}

static struct str
fallback_of(struct stage *s, const char *name)
{
	struct model_row m;

	assert_int_equal(model_find(s->db, &s->arena, str_of(name), &m), 1);
	return m.fallback;
}

static void
fallbacks_are_kept_in_their_order(void **state)
{
	struct stage *s = *state;

	good(s, four, 6, 0, 0, 0);
	good(s, fall(s, "a", "[\"small\", \"b\"]"), 0, 1, 0, 0);
	assert_true(str_eq(s->last.list[0].members, S("fallback")));
	assert_true(str_eq(fallback_of(s, "a"), S("[\"small\",\"b\"]")));
	good(s, fall(s, "a", "[\"small\",\"b\"]"), 0, 0, 0, 1);
	good(s, fall(s, "a", "[\"b\",\"small\"]"), 0, 1, 0, 0);
	/* Absent keeps, null and an empty list reset. */
	good(s, "{\"models\":[{\"name\":\"a\",\"note\":\"x\"}]}", 0, 1, 0,
	    0);
	assert_true(str_eq(fallback_of(s, "a"), S("[\"b\",\"small\"]")));
	good(s, fall(s, "a", "null"), 0, 1, 0, 0);
	assert_true(str_eq(fallback_of(s, "a"), S("[]")));
	good(s, fall(s, "a", "[]"), 0, 0, 0, 1);
	/* A pattern may have fallbacks, though it cannot be one; a list may
	 * stand before what it names. */
	good(s, "{\"models\":[{\"name\":\"g*\",\"fallback\":[\"new\"]},"
	    "{\"name\":\"new\",\"free\":true}],\"channels\":[{\"name\":"
	    "\"up\",\"models\":{\"new\":null,\"a\":null,\"b*\":null,"
	    "\"small\":null,\"x\":null}}]}", 2, 1, 0, 0);
}

static void
a_fallback_must_be_able_to_serve(void **state)
{
	struct stage *s = *state;

	good(s, four, 6, 0, 0, 0);
	bad(s, fall(s, "a", "[\"b\",\"none\"]"), "cat line 1: "
	    "models[0].fallback[1]: the fallbacks of model \"a\" name "
	    "\"none\", of which there is none");
	bad(s, fall(s, "a", "[\"x\"]"), "models[0].fallback[0]: the "
	    "fallbacks of model \"a\" name \"x\", which has no price and is "
	    "not free");
	bad(s, fall(s, "a", "[\"lone\"]"), "models[0].fallback[0]: the "
	    "fallbacks of model \"a\" name \"lone\", which no channel "
	    "serves");
	/* One whose price comes with the same change. */
	good(s, "{\"models\":[{\"name\":\"a\",\"fallback\":[\"x\"]},"
	    "{\"name\":\"x\",\"price\":{\"request\":\"0.1\"}}]}", 0, 2, 0,
	    0);
}

/* What a list stands on cannot be taken away under it. */
static void
a_fallback_stays_able_to_serve(void **state)
{
	static const char *const takes[][2] = {
		{ "{\"channels\":[],\n\"models\":[{\"name\":\"small\","
		  "\"price\":null}]}", "cat line 2: models[0]: the fallbacks "
		  "of model \"a\" name \"small\", which has no price" },
		{ "{\"models\":[{\"name\":\"b\",\"free\":false}]}",
		  "models[0]: the fallbacks of model \"a\" name \"b\", which "
		  "has no price" },
		{ "{\"channels\":[{\"name\":\"up\",\"models\":{\"a\":null,"
		  "\"small\":null}}]}", "cat line 1: the fallbacks of model "
		  "\"a\" name \"b\", which no channel serves" },
	};
	struct stage *s = *state;

	good(s, four, 6, 0, 0, 0);
	good(s, fall(s, "a", "[\"small\",\"b\"]"), 0, 1, 0, 0);
	for (size_t i = 0; i < countof(takes); i++)
		bad(s, takes[i][0], takes[i][1]);
	/* With its list, or another in its place, it may. */
	good(s, "{\"models\":[{\"name\":\"b\",\"free\":false},{\"name\":"
	    "\"a\",\"fallback\":[\"small\"]}]}", 0, 2, 0, 0);
	/* The switches are another matter: relaying passes over what is
	 * off. */
	good(s, "{\"models\":[{\"name\":\"small\",\"enabled\":false}],"
	    "\"channels\":[{\"name\":\"up\",\"enabled\":false}]}", 0, 2, 0,
	    0);
	s->prune = true;
	good(s, "{\"models\":[{\"name\":\"a\"}],\"channels\":[]}", 0, 0, 3,
	    1);
	assert_true(str_eq(fallback_of(s, "a"), S("[\"small\"]")));
}

static void
fallbacks_do_not_go_in_circles(void **state)
{
	struct stage *s = *state;
	struct buf b = BUF(&s->arena, 1 << 20);
	enum { LONG = 300 };

	good(s, four, 6, 0, 0, 0);
	bad(s, fall(s, "a", "[\"b\",\"a\"]"), "models[0].fallback: the "
	    "fallbacks go round in a circle, a -> a: take one");
	good(s, fall(s, "a", "[\"small\"]"), 0, 1, 0, 0);
	good(s, fall(s, "small", "[\"b\"]"), 0, 1, 0, 0);
	bad(s, fall(s, "b", "[\"a\"]"), "models[0].fallback: the fallbacks "
	    "go round in a circle, a -> small -> b -> a: take one");
	/* Two ways to one model are no circle. */
	good(s, fall(s, "a", "[\"small\",\"b\"]"), 0, 1, 0, 0);

	/* A long chain, which is none until its end leads to its begin. */
	buf_put(&b, S("{\"channels\":[{\"name\":\"up\",\"models\":{\"*\":"
	    "null}}],\"models\":["));
	for (int i = 0; i < LONG; i++)
		buf_printf(&b, "{\"name\":\"m%03d\",\"free\":true,"
		    "\"fallback\":[\"m%03d\"]},", i, i + 1);
	buf_printf(&b, "{\"name\":\"m%03d\",\"free\":true}]}", LONG);
	good(s, arena_str(&s->arena, buf_str(&b)).p, LONG + 1, 1, 0, 0);
	bad(s, fall(s, "m300", "[\"b\",\"m000\"]"), "circle, m000 -> … -> "
	    "m289 -> m290 -> m291 -> m292 -> m293 -> m294 -> m295 -> m296 -> "
	    "m297 -> m298 -> m299 -> m300 -> m000: take one");
}

static void
routing_is_a_word(void **state)
{
	struct stage *s = *state;
	struct str value;

	assert_int_equal(setting_get(s->db, &s->arena, S("site.routing"),
	    &value), 0);
	good(s, "{\"site\":{\"routing\":\"balanced\"}}", 0, 0, 0, 1);
	good(s, "{\"site\":{\"routing\":\"cheap\"}}", 0, 1, 0, 0);
	assert_int_equal(setting_get(s->db, &s->arena, S("site.routing"),
	    &value), 1);
	assert_true(str_eq(value, S("cheap")));
	good(s, "{\"site\":{\"note\":\"x\"}}", 0, 1, 0, 0);
	good(s, "{\"site\":{\"routing\":\"cheap\"}}", 0, 0, 0, 1);
	good(s, "{\"site\":{\"routing\":\"fast\"}}", 0, 1, 0, 0);
	good(s, "{\"site\":{\"routing\":null}}", 0, 1, 0, 0);
	assert_int_equal(setting_get(s->db, &s->arena, S("site.routing"),
	    &value), 0);
}

static void
credentials_have_limits(void **state)
{
	struct stage *s = *state;
	struct credential_row k;
	struct channel_row ch;

	good(s, example, 8, 1, 0, 0);
	good(s, "{\"channels\":[{\"name\":\"a\",\"credentials\":[{\"name\":"
	    "\"k1\",\"rpm\":60,\"tpm\":100000,\"concurrency\":4}]}]}", 0, 1,
	    0, 1);
	assert_true(str_eq(s->last.list[1].members,
	    S("rpm, tpm, concurrency")));
	assert_int_equal(channel_find(s->db, &s->arena, S("a"), &ch), 1);
	assert_int_equal(credential_find(s->db, &s->arena, ch.id, S("k1"),
	    &k), 1);
	assert_int_equal(k.rpm, 60);
	assert_int_equal(k.tpm, 100000);
	assert_int_equal(k.concurrency, 4);
	/* The secret stays, and so do limits that are not named. */
	assert_true(credential_same(store_vault(s->store), &k,
	    S("https://api.example.com:443"), S("up-1")));
	good(s, "{\"channels\":[{\"name\":\"a\",\"credentials\":[{\"name\":"
	    "\"k1\",\"rpm\":null}]}]}", 0, 1, 0, 1);
	assert_int_equal(credential_find(s->db, &s->arena, ch.id, S("k1"),
	    &k), 1);
	assert_int_equal(k.rpm, 0);
	assert_int_equal(k.tpm, 100000);
	/* A new one comes with its own. */
	good(s, "{\"channels\":[{\"name\":\"a\",\"credentials\":[{\"name\":"
	    "\"k2\",\"secret\":\"up-2\",\"concurrency\":1}]}]}", 1, 0, 0,
	    1);
	assert_int_equal(credential_find(s->db, &s->arena, ch.id, S("k2"),
	    &k), 1);
	assert_int_equal(k.concurrency, 1);
	assert_int_equal(k.tpm, 0);
}

static void
the_least_clock_is_taken(void **state)
{
	struct stage *s = *state;
	struct channel_row ch;

	good(s, example, 8, 1, 0, 0);
	good(s, "{\"channels\":[{\"name\":\"a\",\"timeouts\":{\"connect_ms\":"
	    "100,\"first_ms\":100,\"idle_ms\":100,\"whole_ms\":100,"
	    "\"stream_ms\":86400000}}]}", 0, 1, 0, 0);
	assert_int_equal(channel_find(s->db, &s->arena, S("a"), &ch), 1);
	assert_int_equal(ch.connect_ms, 100);
	assert_int_equal(ch.whole_ms, 100);
	assert_int_equal(ch.stream_ms, 86400000);
}

/* --- base_url ------------------------------------------------------------- */

static void
where_calls_may_go(void **state)
{
	static const struct {
		const char *url;
		bool good, plain;
	} urls[] = {
		{ "https://api.openai.com/v1", true, false },
		{ "HTTPS://api.openai.com", true, false },
		{ "https://[2001:db8::1]:8443/v1", true, false },
		{ "http://127.0.0.1:8080/v1", true, false },
		{ "http://127.9.9.9", true, false },
		{ "http://localhost:11434/v1", true, false },
		{ "http://10.1.2.3/v1", true, false },
		{ "http://172.16.0.1/v1", true, false },
		{ "http://172.31.255.255/v1", true, false },
		{ "http://192.168.1.1:1/v1", true, false },
		{ "http://[::1]:80/v1", true, false },
		{ "http://[fd00::1]/v1", true, false },
		{ "http://[::ffff:127.0.0.1]/v1", true, false },
		{ "http://ollama:11434/v1", true, true },
		{ "http://8.8.8.8/v1", true, true },
		{ "http://ollama:11434/v1", false, false },
		{ "http://172.32.0.1/v1", false, false },
		{ "http://192.169.0.1/v1", false, false },
		{ "http://11.0.0.1/v1", false, false },
		{ "http://169.254.169.254/", false, false },
		{ "http://0.0.0.0/", false, false },
		{ "http://127.1/", false, false },
		{ "http://0x7f000001/", false, false },
		{ "http://localhost.evil.com/", false, false },
		{ "http://[fe80::1]/", false, false },
		{ "http://[2001:db8::1]/", false, false },
		{ "http://[::ffff:8.8.8.8]/", false, false },
		{ "https://user:pass@host/v1", false, true },
		{ "https://host:0/", false, true },
		{ "https://host:65536/", false, true },
		{ "https://host:-1/", false, true },
		{ "https://host:/", false, true },
		{ "https:///v1", false, true },
		{ "https://ho st/", false, true },
		{ "https://host/v1?x=1", false, true },
		{ "https://host/v1#x", false, true },
		{ "https://[::1/", false, true },
		{ "ftp://host/", false, true },
		{ "file:///etc/passwd", false, true },
		{ "api.openai.com/v1", false, true },
		{ "", false, true },
	};
	struct stage *s = *state;

	for (size_t i = 0; i < countof(urls); i++) {
		struct str why;

		if (url_allowed(&s->arena, str_of(urls[i].url), urls[i].plain,
		    &why) != urls[i].good)
			fail_msg("%s", urls[i].url);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_second_run_changes_nothing),
		TEST(what_was_asked_is_in_the_store),
		TEST(absent_keeps_null_resets_maps_are_replaced),
		TEST(named_lists_are_merged),
		TEST(an_opening_balance_is_granted_once),
		TEST(prices_are_superseded_and_ended),
		TEST(prices_have_dates),
		TEST(plans_are_given_up),
		TEST(groups_and_accounts_have_prices),
		TEST(prune_switches_off_what_its_lists_lack),
		TEST(what_is_wrong_is_named_with_its_place),
		TEST(a_failure_late_changes_nothing),
		TEST(no_error_shows_a_secret),
		TEST(another_origin_needs_the_secret_again),
		TEST(a_retired_credential_does_not_block_a_move),
		TEST(every_change_is_in_the_audit),
		TEST(fallbacks_are_kept_in_their_order),
		TEST(a_fallback_must_be_able_to_serve),
		TEST(a_fallback_stays_able_to_serve),
		TEST(fallbacks_do_not_go_in_circles),
		TEST(routing_is_a_word),
		TEST(credentials_have_limits),
		TEST(the_least_clock_is_taken),
		TEST(where_calls_may_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
