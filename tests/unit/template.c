/* SPDX-License-Identifier: MIT */
/* template.c - five kinds of holes, always escaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "handlers/page/template.h"

static char dir[] = "/tmp/weir-template-XXXXXX";

static void
write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void
check(const char *text, const char *data, const char *want)
{
	struct arena a = { 0 };
	struct str why = { NULL, 0 };
	struct buf out = BUF(&a, 65536);
	struct templates *t;
	json_t *json = json_loads(data, 0, NULL);

	assert_non_null(json);
	write_file("page.html", text);
	write_file("part.html", "<{{x}}>");
	t = templates_open(dir, &a, &why);
	assert_non_null(t);
	template_render(t, "page", json, &out);
	assert_string_equal(buf_text(&out), want);
	templates_free(t);
	json_decref(json);
	arena_release(&a);
}

static void
rendered(void **state)
{
	(void)state;
	check("a {{x}} b", "{\"x\":\"<&>\\\"'\"}",
	    "a &lt;&amp;&gt;&quot;&#39; b");
	check("{{n}}", "{\"n\":42}", "42");
	check("{{#l}}[{{v}}]{{/l}}{{^l}}none{{/l}}",
	    "{\"l\":[{\"v\":1},{\"v\":2}]}", "[1][2]");
	check("{{#l}}[{{v}}]{{/l}}{{^l}}none{{/l}}", "{\"l\":[]}", "none");
	check("{{#yes}}y{{/yes}}{{#no}}n{{/no}}",
	    "{\"yes\":true,\"no\":false}", "y");
	check("{{!a note}}{{>part}}", "{\"x\":\"p\"}", "<p>");
	check("{{#a}}{{#a}}{{v}}{{/a}}{{/a}}", "{\"a\":{\"a\":{\"v\":7}}}",
	    "7");
	check("{{#in}}{{x}}{{y}}{{/in}}",
	    "{\"x\":\"out\",\"in\":{\"y\":\"in\"}}", "outin");
	check("a\n  {{#l}}\n- {{v}}\n{{/l}}\nb\n",
	    "{\"l\":[{\"v\":1},{\"v\":2}]}", "a\n- 1\n- 2\nb\n");
	check("a\n {{!x}} \nb {{!y}}\n", "{}", "a\nb \n");
	check("{{a}} {{b}} {{c}} {{d}}", "{\"a\":9999,\"b\":10000,"
	    "\"c\":-1234567,\"d\":\"12345\"}",
	    "9999 10,000 -1,234,567 12345");
	check("{ {{x}} }} {", "{\"x\":1}", "{ 1 }} {");
}

static void
refused(void **state)
{
	static const char *const wrong[] = {
		"{{#a}}", "{{/a}}", "{{#a}}{{#b}}{{/a}}{{/b}}", "{{>nobody}}",
		"{{}}",
	};
	struct arena a = { 0 };
	struct str why = { NULL, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		write_file("page.html", wrong[i]);
		assert_null(templates_open(dir, &a, &why));
		assert_true(str_has(why, S("page.html line 1")));
	}
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rendered),
		cmocka_unit_test(refused),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_file("page.html");
	remove_file("part.html");
	rmdir(dir);
	return failed;
}
