/* SPDX-License-Identifier: MIT */
/* vault.c - what is sealed opens only where it belongs. */
#include "db/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t master[VAULT_MASTER];
static struct vault_seals seals;
static struct vault *vault;

static int
start(void **state)
{
	(void)state;
	assert_true(vault_master_make(master));
	assert_true(vault_make(master, &seals));
	vault = vault_open(master, &seals);
	return vault ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	vault_close(vault);
	return 0;
}

static const struct seal_to here = { 7, 2, 1, STR_INIT("https://a.example:443") };

static void
opens(void **state)
{
	struct buf b = BUF_HEAP(4096), c = BUF_HEAP(4096);
	char out[64];

	(void)state;
	vault_seal(vault, &here, S("sk-upstream-secret"), &b);
	vault_seal(vault, &here, S("sk-upstream-secret"), &c);
	assert_false(str_has(buf_str(&b), S("upstream")));
	assert_false(str_eq(buf_str(&b), buf_str(&c)));
	assert_int_equal(
	    vault_open_sealed(vault, &here, buf_str(&b), out, sizeof(out)), 18);
	assert_memory_equal(out, "sk-upstream-secret", 18);
	assert_int_equal(
	    vault_open_sealed(vault, &here, buf_str(&b), out, 18), 18);
	assert_int_equal(
	    vault_open_sealed(vault, &here, buf_str(&b), out, 17), -1);
	vault_wipe(out, sizeof(out));
	for (size_t i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], 0);
	buf_release(&b);
	buf_release(&c);
}

/* Another row, channel, origin or version; each cut; each bit. */
static void
bound(void **state)
{
	struct seal_to other[] = { here, here, here, here, here };
	struct buf b = BUF_HEAP(4096);
	char out[64];

	(void)state;
	vault_seal(vault, &here, S("sk-upstream-secret"), &b);
	other[0].credential = 8;
	other[1].channel = 3;
	other[2].key_version = 2;
	other[3].origin = S("https://b.example:443");
	other[4].origin = S("http://a.example:443");
	for (int i = 0; i < 5; i++)
		assert_int_equal(vault_open_sealed(vault, &other[i],
				     buf_str(&b), out, sizeof(out)), -1);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(vault_open_sealed(vault, &here,
				     str_from(b.p, n), out, sizeof(out)), -1);
	for (size_t bit = 0; bit < b.n * 8; bit++) {
		b.p[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(vault_open_sealed(vault, &here, buf_str(&b),
				     out, sizeof(out)), -1);
		b.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(
	    vault_open_sealed(vault, &here, buf_str(&b), out, sizeof(out)), 18);
	buf_release(&b);
}

static void
master_key(void **state)
{
	uint8_t other[VAULT_MASTER], back[VAULT_MASTER];
	char text[VAULT_MASTER_TEXT];
	struct vault_seals again, mixed;
	struct vault *v;
	uint8_t a[VAULT_HASH], b[VAULT_HASH];

	(void)state;
	vault_master_write(master, text);
	assert_int_equal(strlen(text), 45);
	assert_true(vault_master_read(str_of(text), back));
	assert_memory_equal(back, master, VAULT_MASTER);
	assert_true(vault_master_read(str_from(text, 43), back));
	assert_true(vault_master_read(str_from(master, 32), back));
	assert_memory_equal(back, master, VAULT_MASTER);
	assert_false(vault_master_read(str_from(text, 42), back));
	assert_false(vault_master_read(S(""), back));
	text[3] = '!';
	assert_false(vault_master_read(str_of(text), back));

	assert_true(vault_master_make(other));
	assert_null(vault_open(other, &seals));

	/* Rotation: the same inner keys under another master key. */
	vault_reseal(vault, other, &again);
	assert_null(vault_open(master, &again));
	v = vault_open(other, &again);
	assert_non_null(v);
	vault_hash(vault, S("sk-weir-x"), a);
	vault_hash(v, S("sk-weir-x"), b);
	assert_memory_equal(a, b, VAULT_HASH);
	vault_close(v);

	/* Rows exchanged. */
	mixed = seals;
	memcpy(mixed.data, seals.hash, sizeof(mixed.data));
	assert_null(vault_open(master, &mixed));
}

static void
hashes(void **state)
{
	struct vault_seals other;
	struct vault *v;
	uint8_t a[VAULT_HASH], b[VAULT_HASH];

	(void)state;
	vault_hash(vault, S("sk-weir-1"), a);
	vault_hash(vault, S("sk-weir-1"), b);
	assert_memory_equal(a, b, VAULT_HASH);
	vault_hash(vault, S("sk-weir-2"), b);
	assert_memory_not_equal(a, b, VAULT_HASH);
	vault_mac(vault, "audit", S("sk-weir-1"), b);
	assert_memory_not_equal(a, b, VAULT_HASH);
	assert_true(vault_make(master, &other));
	v = vault_open(master, &other);
	assert_non_null(v);
	vault_hash(v, S("sk-weir-1"), b);
	assert_memory_not_equal(a, b, VAULT_HASH);
	vault_close(v);
}

static void
new_keys(void **state)
{
	char a[64], b[64];

	(void)state;
	vault_new_key("sk-weir-", a);
	vault_new_key("sk-weir-", b);
	assert_int_equal(strlen(a), 8 + 43);
	assert_string_not_equal(a, b);
	assert_int_equal(strspn(a + 8, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz"), 43);
	vault_new_key("wa-", a);
	assert_int_equal(strlen(a), 3 + 43);
}

static void
passwords(void **state)
{
	char stored[128];

	(void)state;
	assert_true(vault_password(S("correct horse"), stored));
	assert_int_equal(strncmp(stored, "$argon2id$", 10), 0);
	assert_true(vault_password_ok(stored, S("correct horse")));
	assert_false(vault_password_ok(stored, S("correct hors")));
	assert_false(vault_password_ok(stored, S("")));
	assert_false(vault_password_ok("", S("")));
}

static void
origins(void **state)
{
	static const struct {
		const char *url, *origin;
	} good[] = {
		{ "https://api.openai.com/v1", "https://api.openai.com:443" },
		{ "HTTPS://API.OpenAI.com", "https://api.openai.com:443" },
		{ "http://127.0.0.1:8080/", "http://127.0.0.1:8080" },
		{ "http://[::1]:9/v1?x", "http://[::1]:9" },
		{ "https://[FE80::1]", "https://[fe80::1]:443" },
		{ "http://localhost", "http://localhost:80" },
	};
	static const char *const bad[] = { "", "ftp://x", "api.openai.com",
		"https://", "https:///v1", "https://user@host/",
		"https://host:0", "https://host:65536", "https://host:",
		"https://host:8x", "https://ho st/", "https://host:+8",
		"https://[::1", "https://[]", "https://a\nb/",
		"https://host:080" };
	struct arena a;
	struct str o;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(vault_origin(&a, str_of(good[i].url), &o));
		assert_string_equal(o.p, good[i].origin);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(vault_origin(&a, str_of(bad[i]), &o));
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens),
		cmocka_unit_test(bound),
		cmocka_unit_test(master_key),
		cmocka_unit_test(hashes),
		cmocka_unit_test(new_keys),
		cmocka_unit_test(passwords),
		cmocka_unit_test(origins),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
