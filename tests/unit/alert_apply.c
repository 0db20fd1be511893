/* SPDX-License-Identifier: MIT */
/*
 * alert_apply.c - targets and alerts in the catalogue: made, left, changed, and
 * refused with words that say what to do.
 */
#include "tests/unit/stage.h"

#define WHO \
	"\"accounts\":[{\"login\":\"alice\",\"keys\":[{\"name\":\"app\"," \
	"\"secret\":\"a-key-of-the-test-0001\"}]},{\"login\":\"bob\"}]"
#define HOOK(name, more) \
	"{\"name\":\"" name "\",\"url\":\"https://h.example/\"," \
	"\"secret\":\"a-secret-of-the-test\"" more "}"
#define BOX "{\"name\":\"box\",\"email\":\"ops@example.com\"}"
#define LOW(more) \
	"{\"name\":\"low\",\"when\":{\"balance\":{\"below\":\"5.00\"}}," \
	"\"to\":[\"ops\"]" more "}"
#define WHEN(rule) \
	"{\"alerts\":[{\"name\":\"w\",\"to\":[\"ops\"],\"when\":" rule "}]}"

static void
made_and_left(void **state)
{
	struct stage *s = *state;
	static const char text[] = "{" WHO ",\"targets\":[" HOOK("ops", "")
	    "," BOX "," HOOK("hers", ",\"account\":\"alice\"") "],"
	    "\"site\":{\"fetch_allow\":[\"10.0.0.0/8\"],\"mail\":{\"url\":"
	    "\"smtps://mail.example.com:465\",\"from\":\"w@example.com\","
	    "\"user\":\"w\",\"password\":\"a-password\"}},"
	    "\"alerts\":[" LOW("") ",{\"name\":\"s\",\"when\":{\"spend\":{"
	    "\"percent\":80,\"soft\":true,\"window\":\"day\"}},\"account\":"
	    "\"alice\",\"project\":\"default\",\"key\":\"app\",\"to\":["
	    "\"hers\",\"box\"]},{\"name\":\"c\",\"when\":{\"credential\":{"
	    "\"state\":\"dead\"}},\"to\":[\"box\"]},{\"name\":\"u\",\"when\":"
	    "{\"usage\":{}},\"account\":\"bob\",\"to\":[\"box\"]}]}";

	good(s, text, 3 + 7 + 1 - 1, 1, 0, 0);
	good(s, text, 0, 0, 0, 11);
	/* Another secret, another password, another figure: that is seen. */
	good(s, "{\"targets\":[{\"name\":\"ops\",\"secret\":"
	    "\"another-secret-of-it\"}],\"alerts\":[{\"name\":\"low\",\"when\":"
	    "{\"balance\":{\"below\":\"6\"}}}],\"site\":{\"mail\":{\"url\":"
	    "\"smtps://mail.example.com:465\",\"from\":\"w@example.com\","
	    "\"user\":\"w\",\"password\":\"another-one\"}}}", 0, 3, 0, 0);
	good(s, "{\"site\":{\"mail\":null,\"fetch_allow\":null}}", 0, 1, 0,
	    0);
	good(s, "{\"site\":{\"mail\":{\"url\":\"smtp://localhost\",\"from\":"
	    "\"w@example.com\"}}}", 0, 1, 0, 0);
	s->prune = true;
	good(s, "{\"alerts\":[]}", 0, 0, 4, 0);
}

static void
refused(void **state)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "{\"targets\":[{\"name\":\"t\"}]}", "a webhook with a url, "
		    "or a mailbox with an email" },
		{ "{\"targets\":[{\"name\":\"t\",\"url\":\"https://h/\","
		    "\"email\":\"a@b\"}]}", "one of them" },
		{ "{\"targets\":[{\"name\":\"t\",\"url\":\"https://h/\"}]}",
		    "a new webhook needs its secret" },
		{ "{\"targets\":[{\"name\":\"t\",\"url\":\"https://h/\","
		    "\"secret\":\"short\"}]}", "16 to 256" },
		{ "{\"targets\":[{\"name\":\"t\",\"url\":\"https://h/\","
		    "\"secret\":\"whsec_but-no-base64-at-all\"}]}",
		    "base64 of 24 to 64 bytes" },
		{ "{\"targets\":[{\"name\":\"t\",\"url\":\"ftp://h/\","
		    "\"secret\":\"a-secret-of-the-test\"}]}",
		    "begins with https://" },
		{ "{\"targets\":[{\"name\":\"t\",\"url\":\"http://h/\","
		    "\"secret\":\"a-secret-of-the-test\"}]}",
		    "would send what is told readable" },
		{ "{\"targets\":[{\"name\":\"t\",\"url\":\"https://u:p@h/\","
		    "\"secret\":\"a-secret-of-the-test\"}]}",
		    "no user or password" },
		{ "{\"targets\":[{\"name\":\"t\",\"url\":"
		    "\"http://127.0.0.1/\",\"account\":\"alice\","
		    "\"secret\":\"a-secret-of-the-test\"}]}",
		    "a webhook of an account needs https://" },
		{ "{\"targets\":[{\"name\":\"t\",\"account\":\"nobody\","
		    "\"email\":\"a@b.example\"}]}", "there is no account" },
		{ "{\"targets\":[{\"name\":\"ops\",\"account\":\"alice\"}]}",
		    "a target stays whose it is" },
		{ "{\"targets\":[{\"name\":\"t\",\"email\":\"a@b, c@d\"}]}",
		    "is no mailbox" },
		{ "{\"targets\":[{\"name\":\"t\",\"email\":\"nobody\"}]}",
		    "is no mailbox" },
		{ "{\"targets\":[{\"name\":\"t\",\"email\":\"a@b.example\","
		    "\"secret\":\"a-secret-of-the-test\"}]}",
		    "mail is not signed" },
		{ "{\"alerts\":[{\"name\":\"w\",\"to\":[\"ops\"]}]}",
		    "an alert needs its rule" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"frozen\":{}}}]}",
		    "an alert needs to whom" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"frozen\":{}},"
		    "\"to\":[\"nobody\"]}]}", "there is no target \"nobody\"" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"frozen\":{}},"
		    "\"to\":[\"hers\"]}]}", "of an account that this is not" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"usage\":{}},"
		    "\"to\":[\"hers\"],\"account\":\"bob\"}]}",
		    "of an account that this is not" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"frozen\":{}},"
		    "\"to\":[\"ops\"],\"account\":\"bob\"}]}",
		    "of the site alone" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"balance\":{"
		    "\"below\":\"1\"}},\"to\":[\"ops\"],\"account\":\"alice\","
		    "\"key\":\"app\"}]}", "a balance is an account's" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"usage\":{}},"
		    "\"to\":[\"ops\"],\"key\":\"app\"}]}", "whose key is it" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"usage\":{}},"
		    "\"to\":[\"ops\"],\"account\":\"alice\",\"key\":\"no\"}]}",
		    "there is no key \"no\"" },
		{ "{\"alerts\":[{\"name\":\"w\",\"when\":{\"usage\":{}},"
		    "\"to\":[\"ops\"],\"account\":\"alice\",\"project\":"
		    "\"no\"}]}", "there is no project \"no\"" },
		{ WHEN("\"spend\""), "a rule is expected, like" },
		{ WHEN("{}"), "a rule is expected; there are spend, tokens" },
		{ WHEN("{\"rain\":{}}"), "there is no such rule; there are "
		    "spend" },
		{ WHEN("{\"usage\":{},\"cache\":{}}"), "an alert has one "
		    "rule" },
		{ WHEN("{\"spend\":{}}"), "the rule spend needs percent, "
		    "forecast, soft" },
		{ WHEN("{\"spend\":{\"soft\":false}}"), "the rule spend "
		    "needs" },
		{ WHEN("{\"spend\":[]}"), "are an object" },
		{ WHEN("{\"spend\":{\"percent\":0}}"), "from 1 to 100" },
		{ WHEN("{\"spend\":{\"percent\":80.5}}"), "a whole number" },
		{ WHEN("{\"spend\":{\"percent\":80,\"percent\":90}}"),
		    "there twice" },
		{ WHEN("{\"spend\":{\"forecast\":1}}"), "true or false" },
		{ WHEN("{\"spend\":{\"percent\":8,\"window\":\"year\"}}"),
		    "is none of hour, day, week, month, total" },
		{ WHEN("{\"spend\":{\"calls\":8}}"), "has no such figure; it "
		    "has percent, forecast, soft, window" },
		{ WHEN("{\"tier\":{\"calls\":8}}"), "it has none" },
		{ WHEN("{\"balance\":{}}"), "the rule balance needs below" },
		{ WHEN("{\"balance\":{\"below\":5}}"), "amounts are strings" },
		{ WHEN("{\"balance\":{\"below\":\"0\"}}"), "above 0" },
		{ WHEN("{\"balance\":{\"below\":\"-1\"}}"), "is no amount" },
		{ WHEN("{\"errors\":{\"minutes\":61}}"), "from 1 to 60" },
		{ "{\"site\":{\"mail\":{\"url\":\"mail.example.com\",\"from\":"
		    "\"a@b.example\"}}}", "is smtps://HOST:PORT" },
		{ "{\"site\":{\"mail\":{\"url\":\"smtps://h/x\",\"from\":"
		    "\"a@b.example\"}}}", "is smtps://HOST:PORT" },
		{ "{\"site\":{\"mail\":{\"url\":\"smtps://h\",\"from\":"
		    "\"weir\"}}}", "the address that mail comes from" },
		{ "{\"site\":{\"mail\":{\"url\":\"smtps://h\",\"from\":"
		    "\"a@b.example\",\"user\":\"u\"}}}", "needs its "
		    "password" },
		{ "{\"site\":{\"mail\":{\"url\":\"smtps://h\",\"from\":"
		    "\"a@b.example\",\"password\":\"p\"}}}", "a password is of "
		    "a user" },
		{ "{\"site\":{\"fetch_allow\":[\"ten\"]}}", "no address or "
		    "network" },
	};
	struct stage *s = *state;

	good(s, "{" WHO ",\"targets\":[" HOOK("ops", "") "," HOOK("hers",
	    ",\"account\":\"alice\"") "]}", 5, 0, 0, 0);
	for (size_t i = 0; i < countof(rows); i++)
		bad(s, rows[i].text, rows[i].words);
	/* The password stays where it was sealed for. */
	good(s, "{\"site\":{\"mail\":{\"url\":\"smtps://h\",\"from\":"
	    "\"a@b.example\",\"user\":\"u\",\"password\":\"p\"}}}", 0, 1, 0,
	    0);
	bad(s, "{\"site\":{\"mail\":{\"url\":\"smtps://i\",\"from\":"
	    "\"a@b.example\",\"user\":\"u\"}}}", "again, for another server");
	good(s, "{\"site\":{\"mail\":{\"url\":\"smtps://h\",\"from\":"
	    "\"c@b.example\",\"user\":\"u\"}}}", 0, 1, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_and_left, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
