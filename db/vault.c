/* SPDX-License-Identifier: MIT */
/*
 * vault.c - sealing and hashing with libsodium; see vault.h.
 *
 * A sealed text is: version (1), nonce (24), cipher text and tag.  What it is
 * bound to is authenticated beside it (associated data) and stands nowhere
 * in it, so a blob moved to another row does not open.
 *
 * The inner keys live in memory that is locked, kept out of core files and
 * read-only after opening.
 */
#include "db/vault.h"

#include <assert.h>
#include <sodium.h>

#include "fcgi/base/mem.h"

enum {
	SEAL_VERSION = 1,
	NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	KEY = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
};
_Static_assert((int)VAULT_SEALED == 1 + NONCE + KEY + TAG, "size of a sealed key");
_Static_assert((int)VAULT_MASTER == (int)KEY, "size of the master key");

struct vault {
	uint8_t data[KEY];	/* seals credentials */
	uint8_t hash[KEY];	/* hashes client keys */
};

/* What `check` holds: says "right key" when it opens. */
static const uint8_t check_text[KEY] = "weir: this is the right key 001";

static bool
ready(void)
{
	return sodium_init() >= 0;
}

/* Room for 1 + NONCE + n + TAG bytes at out. */
static void
seal(const uint8_t *key, struct str bound, const void *text, size_t n,
    uint8_t *out)
{
	unsigned long long len;

	out[0] = SEAL_VERSION;
	randombytes_buf(out + 1, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + 1 + NONCE, &len, text,
	    n, (const uint8_t *)bound.p, bound.n, NULL, out + 1, key);
	assert(len == n + TAG);
}

/* The text's length, or -1. */
static int
unseal(const uint8_t *key, struct str bound, struct str sealed, void *out,
    size_t room)
{
	const uint8_t *p = (const uint8_t *)sealed.p;
	unsigned long long len;

	if (sealed.n < 1 + NONCE + TAG || p[0] != SEAL_VERSION)
		return -1;
	if (sealed.n - 1 - NONCE - TAG > room)
		return -1;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, &len, NULL,
		p + 1 + NONCE, sealed.n - 1 - NONCE, (const uint8_t *)bound.p,
		bound.n, p + 1, key) != 0)
		return -1;
	return (int)len;
}

/* --- the master key and the inner keys ------------------------------------ */

bool
vault_master_make(uint8_t master[static VAULT_MASTER])
{
	if (!ready())
		return false;
	randombytes_buf(master, VAULT_MASTER);
	return true;
}

bool
vault_random(int64_t *number)
{
	if (!ready())
		return false;
	randombytes_buf(number, sizeof(*number));
	return true;
}

bool
vault_master_read(struct str text, uint8_t master[static VAULT_MASTER])
{
	struct str t = str_trim(text);
	size_t n = 0;

	if (t.n == 43 || t.n == 44)
		return sodium_base642bin(master, VAULT_MASTER, t.p, 43, NULL,
			   &n, NULL,
			   sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
		    n == VAULT_MASTER && (t.n == 43 || t.p[43] == '=');
	if (text.n != VAULT_MASTER)
		return false;
	memcpy(master, text.p, VAULT_MASTER);
	return true;
}

void
vault_master_write(const uint8_t master[static VAULT_MASTER],
    char text[static VAULT_MASTER_TEXT])
{
	sodium_bin2base64(text, VAULT_MASTER_TEXT - 1, master, VAULT_MASTER,
	    sodium_base64_VARIANT_ORIGINAL);
	text[44] = '\n';
	text[45] = '\0';
}

static void
seal_all(const struct vault *v, const uint8_t *master,
    struct vault_seals *seals)
{
	seal(master, S("weir seal data"), v->data, KEY, seals->data);
	seal(master, S("weir seal hash"), v->hash, KEY, seals->hash);
	seal(master, S("weir seal check"), check_text, KEY, seals->check);
}

bool
vault_make(const uint8_t master[static VAULT_MASTER],
    struct vault_seals *seals)
{
	struct vault v;

	if (!ready())
		return false;
	randombytes_buf(v.data, KEY);
	randombytes_buf(v.hash, KEY);
	seal_all(&v, master, seals);
	sodium_memzero(&v, sizeof(v));
	return true;
}

void
vault_reseal(const struct vault *v,
    const uint8_t master[static VAULT_MASTER], struct vault_seals *seals)
{
	seal_all(v, master, seals);
}

static bool
open_key(const uint8_t *master, struct str bound,
    const uint8_t sealed[static VAULT_SEALED], uint8_t *out)
{
	return unseal(master, bound, str_from(sealed, VAULT_SEALED), out,
		   KEY) == KEY;
}

struct vault *
vault_open(const uint8_t master[static VAULT_MASTER],
    const struct vault_seals *seals)
{
	struct vault *v;
	uint8_t check[KEY];

	if (!ready())
		return NULL;
	v = sodium_malloc(sizeof(*v));
	if (!v)
		return NULL;
	if (!open_key(master, S("weir seal check"), seals->check, check) ||
	    sodium_memcmp(check, check_text, KEY) != 0 ||
	    !open_key(master, S("weir seal data"), seals->data, v->data) ||
	    !open_key(master, S("weir seal hash"), seals->hash, v->hash)) {
		sodium_free(v);
		return NULL;
	}
	sodium_mprotect_readonly(v);
	return v;
}

struct vault *
vault_renew(const struct vault *v)
{
	struct vault *fresh = ready() ? sodium_malloc(sizeof(*fresh)) : NULL;

	if (!fresh)
		return NULL;
	randombytes_buf(fresh->data, KEY);
	memcpy(fresh->hash, v->hash, KEY);
	sodium_mprotect_readonly(fresh);
	return fresh;
}

void
vault_close(struct vault *v)
{
	sodium_free(v);
}

/* --- hashes --------------------------------------------------------------- */

void
vault_mac(const struct vault *v, const char *purpose, struct str bytes,
    uint8_t out[static VAULT_HASH])
{
	uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = { 0 };
	uint8_t salt[crypto_generichash_blake2b_SALTBYTES] = { 0 };
	size_t n = strlen(purpose);

	assert(n <= sizeof(personal));
	memcpy(personal, purpose, n);
	crypto_generichash_blake2b_salt_personal(out, VAULT_HASH,
	    (const uint8_t *)bytes.p, bytes.n, v->hash, KEY, salt, personal);
}

void
vault_hash(const struct vault *v, struct str secret,
    uint8_t out[static VAULT_HASH])
{
	vault_mac(v, "key", secret, out);
}

void
vault_sign(struct str key, struct str text, char out[static VAULT_SIGNED])
{
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, (const uint8_t *)key.p, key.n);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)text.p, text.n);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_memzero(&state, sizeof(state));
	_Static_assert((int)VAULT_SIGNED ==
	    sodium_base64_ENCODED_LEN(crypto_auth_hmacsha256_BYTES,
		sodium_base64_VARIANT_ORIGINAL), "room for a signature");
	sodium_bin2base64(out, VAULT_SIGNED, mac, sizeof(mac),
	    sodium_base64_VARIANT_ORIGINAL);
}

int
vault_base64(struct str text, char *out, size_t room)
{
	size_t n = 0, end = text.n;

	while (end > 0 && text.n - end < 2 && text.p[end - 1] == '=')
		end--;
	/* What was padded must have been so to a multiple of four. */
	if (end < text.n && text.n % 4 != 0)
		return -1;
	return sodium_base642bin((uint8_t *)out, room, text.p, end, NULL, &n,
	    NULL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 ? (int)n : -1;
}

/* --- credentials ---------------------------------------------------------- */

/* "credential 7 channel 2 version 1 https://…": unambiguous, origin last. */
static struct str
bound_text(const struct seal_to *to, struct buf *b)
{
	buf_put(b, S("credential "));
	buf_int(b, to->credential);
	buf_put(b, S(" channel "));
	buf_int(b, to->channel);
	buf_put(b, S(" version "));
	buf_int(b, to->key_version);
	buf_put(b, S(" "));
	buf_put(b, to->origin);
	assert(!b->full);
	return buf_str(b);
}

void
vault_seal_text(const struct vault *v, struct str bound, struct str text,
    struct buf *out)
{
	char *p = buf_room(out, 1 + NONCE + text.n + TAG);

	if (!p)
		return;
	seal(v->data, bound, text.p, text.n, (uint8_t *)p);
	out->n += 1 + NONCE + text.n + TAG;
}

int
vault_open_text(const struct vault *v, struct str bound, struct str sealed,
    char *out, size_t room)
{
	return unseal(v->data, bound, sealed, out, room);
}

void
vault_seal(const struct vault *v, const struct seal_to *to,
    struct str secret, struct buf *out)
{
	struct buf bound = BUF_HEAP(8192);

	vault_seal_text(v, bound_text(to, &bound), secret, out);
	buf_release(&bound);
}

int
vault_open_sealed(const struct vault *v, const struct seal_to *to,
    struct str sealed, char *out, size_t room)
{
	struct buf bound = BUF_HEAP(8192);
	int n = unseal(v->data, bound_text(to, &bound), sealed, out, room);

	buf_release(&bound);
	return n;
}

void
vault_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

/* --- new keys and passwords ----------------------------------------------- */

void
vault_new_key(const char *prefix, char out[static 64])
{
	static const char digits[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t n = strlen(prefix);
	bool ok = ready();

	assert(ok && n + 43 < 64);
	memcpy(out, prefix, n);
	for (int i = 0; i < 43; i++)
		out[n++] = digits[randombytes_uniform(62)];
	out[n] = '\0';
}

bool
vault_password(struct str password, char out[static 128])
{
	_Static_assert(crypto_pwhash_STRBYTES <= 128, "room for an Argon2id");
	return ready() &&
	    crypto_pwhash_str_alg(out, password.p ? password.p : "",
		password.n, 3, 12 << 20, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

bool
vault_password_ok(const char *stored, struct str password)
{
	return ready() &&
	    crypto_pwhash_str_verify(stored, password.p ? password.p : "",
		password.n) == 0;
}

/* --- origins -------------------------------------------------------------- */

static bool
host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '.' || c == '_';
}

/* Is s a host name, an IPv4 address, or an IPv6 address in brackets? */
static bool
host_valid(struct str s)
{
	bool six = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';

	if (s.n == 0 || s.n > 255)
		return false;
	for (size_t i = six; i < s.n - six; i++) {
		char c = s.p[i];

		if (six ? !(c == ':' || c == '.' || (c >= '0' && c <= '9') ||
			      (c >= 'a' && c <= 'f'))
			: !host_char(c))
			return false;
	}
	return true;
}

bool
vault_origin(struct arena *a, struct str base_url, struct str *origin)
{
	struct str rest = base_url, host, port = { "", 0 };
	bool tls = str_starts_nocase(rest, S("https://"));
	int64_t number = tls ? 443 : 80;
	size_t n = 0;
	char *lower;

	if (!tls && !str_starts_nocase(rest, S("http://")))
		return false;
	rest = str_skip(rest, tls ? 8 : 7);
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?' &&
	    rest.p[n] != '#')
		n++;
	host = str_from(rest.p, n);
	for (size_t i = host.n; i > 0 && host.p[i - 1] != ']'; i--)
		if (host.p[i - 1] == ':') {
			port = str_skip(host, i);
			host.n = i - 1;
			if (!str_int(port, &number) || number < 1 ||
			    number > 65535 || port.p[0] == '0')
				return false;
			break;
		}
	lower = arena_alloc(a, host.n + 1);
	for (size_t i = 0; i < host.n; i++)
		lower[i] = host.p[i] >= 'A' && host.p[i] <= 'Z'
		    ? (char)(host.p[i] + 32)
		    : host.p[i];
	host.p = lower;
	if (!host_valid(host))
		return false;
	*origin = arena_printf(a, "%s://%.*s:%lld", tls ? "https" : "http",
	    STR_ARGS(host), (long long)number);
	return true;
}
