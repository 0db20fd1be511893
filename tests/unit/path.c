/* SPDX-License-Identifier: MIT */
/* path.c - one canonical path, below the mount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fcgi/dispatch.h"

static void
check(const char *uri, const char *script, const char *mount_param,
    const char *mount, const char *path)
{
	struct request rq = { 0 };
	bool ok;

	rq.param[PARAM_REQUEST_URI] = str_of(uri);
	rq.param[PARAM_SCRIPT_NAME] = str_of(script);
	rq.param[PARAM_WEIR_MOUNT] = str_of(mount_param);
	ok = dispatch_path(&rq);
	assert_int_equal(ok, path != NULL);
	if (path) {
		assert_string_equal(arena_str(&rq.arena, rq.path).p, path);
		assert_string_equal(arena_str(&rq.arena, rq.mount).p, mount);
	} else {
		assert_int_equal(rq.fault.kind, FAULT_UNKNOWN_URL);
	}
	arena_release(&rq.arena);
}

static void
canonical(void **state)
{
	(void)state;
	check("/v1/models", NULL, NULL, "", "/v1/models");
	check("/v1/models?x=/../y", NULL, NULL, "", "/v1/models");
	check("//v1///models", NULL, NULL, "", "/v1/models");
	check("/", NULL, NULL, "", "/");
	check("/v1/models/a%2Fb", NULL, NULL, "", "/v1/models/a/b");
	check("/v1/models/a%20b", NULL, NULL, "", "/v1/models/a b");
	check("/v1/", NULL, NULL, "", "/v1/");
	/* Decoded once, not twice. */
	check("/v1/%252e%252e", NULL, NULL, "", "/v1/%2e%2e");
}

static void
refused(void **state)
{
	(void)state;
	check("/v1/../admin", NULL, NULL, NULL, NULL);
	check("/v1/%2e%2e/admin", NULL, NULL, NULL, NULL);
	check("/v1/./models", NULL, NULL, NULL, NULL);
	check("/v1/%00", NULL, NULL, NULL, NULL);
	check("/v1/%0a", NULL, NULL, NULL, NULL);
	check("/v1/%4", NULL, NULL, NULL, NULL);
	check("/v1/%", NULL, NULL, NULL, NULL);
	check("/v1/%zz", NULL, NULL, NULL, NULL);
	check("http://x/v1", NULL, NULL, NULL, NULL);
	check("", NULL, NULL, NULL, NULL);
}

static void
mounts(void **state)
{
	(void)state;
	check("/ai/v1/models", NULL, "/ai", "/ai", "/v1/models");
	check("/ai", NULL, "/ai/", "/ai", "/");
	check("/aix/v1", NULL, "/ai", NULL, NULL);
	check("/ai/weir.cgi/v1/models", "/ai/weir.cgi", NULL, "/ai/weir.cgi",
	    "/v1/models");
	check("/ai/v1/models", "/ai/weir.cgi", NULL, "/ai", "/v1/models");
	check("/v1/models", "/weir.fcgi", NULL, "", "/v1/models");
	check("/other/v1", "/ai/weir.fcgi", NULL, NULL, NULL);
	/* A prefix without a program's name says nothing (lighttpd). */
	check("/v1/models", "/v1", NULL, "", "/v1/models");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical),
		cmocka_unit_test(refused),
		cmocka_unit_test(mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
