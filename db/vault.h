/* SPDX-License-Identifier: MIT */
/*
 * vault.h - secrets: sealed, hashed, never shown.
 *
 * The master key (a file of its own) opens two inner keys; the data key seals
 * upstream credentials (XChaCha20-Poly1305, bound to credential, channel,
 * origin and key version), the hash key turns client keys and tokens into
 * keyed BLAKE2b-256.  Passwords are Argon2id.  A vault is read-only after
 * opening and may be used on any thread.
 */
#ifndef WEIR_VAULT_H
#define WEIR_VAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/str.h"

struct vault;

enum { VAULT_HASH = 32, VAULT_KEY_CHARS = 7 + 43 + 1 };

/* The inner keys as the table `seal` keeps them, sealed by the master key. */
enum { VAULT_MASTER = 32, VAULT_SEALED = 1 + 24 + 32 + 16 };

struct vault_seals {
	uint8_t data[VAULT_SEALED], hash[VAULT_SEALED], check[VAULT_SEALED];
};

/* New random inner keys, sealed.  False: there is no entropy. */
bool vault_make(const uint8_t master[static VAULT_MASTER],
    struct vault_seals *seals);

/* Opens them; NULL: this is not the master key that sealed them. */
struct vault *vault_open(const uint8_t master[static VAULT_MASTER],
    const struct vault_seals *seals);
void vault_close(struct vault *v);

/* The same hash key with a new random data key; NULL: no memory for it. */
struct vault *vault_renew(const struct vault *v);

/* Seals the inner keys of v anew, by another master key. */
void vault_reseal(const struct vault *v,
    const uint8_t master[static VAULT_MASTER], struct vault_seals *seals);

/*
 * Reads a master key file (base64 of 32 bytes, or the 32 bytes themselves);
 * writes one (base64 and a newline, terminated).
 */
enum { VAULT_MASTER_TEXT = 46 };
bool vault_master_read(struct str text, uint8_t master[static VAULT_MASTER]);
void vault_master_write(const uint8_t master[static VAULT_MASTER],
    char text[static VAULT_MASTER_TEXT]);
bool vault_master_make(uint8_t master[static VAULT_MASTER]);

/* A random number; false: there is no entropy. */
bool vault_random(int64_t *number);

/* What a sealed credential is bound to. */
struct seal_to {
	int64_t credential, channel, key_version;
	struct str origin;	/* "https://api.openai.com:443" */
};

/* Keyed hash of a client key or token. */
void vault_hash(const struct vault *v, struct str secret,
    uint8_t out[static VAULT_HASH]);

/* Appends the sealed bytes to out. */
void vault_seal(const struct vault *v, const struct seal_to *to,
    struct str secret, struct buf *out);

/*
 * Opens into out (caller's storage, room bytes; wipe it with vault_wipe when
 * the request is on its way).  Returns its length, or -1: wrong binding,
 * damaged, or too long.
 */
int vault_open_sealed(const struct vault *v, const struct seal_to *to,
    struct str sealed, char *out, size_t room);

/* The same of a text of any kind, bound to words that name its row. */
void vault_seal_text(const struct vault *v, struct str bound,
    struct str text, struct buf *out);
int vault_open_text(const struct vault *v, struct str bound,
    struct str sealed, char *out, size_t room);

void vault_wipe(void *p, size_t n);

/* HMAC-SHA256 of text by a key of any length, as base64, terminated. */
enum { VAULT_SIGNED = 44 + 1 };
void vault_sign(struct str key, struct str text,
    char out[static VAULT_SIGNED]);

/* The bytes that base64 stands for (with its padding or without) into out:
 * how many, or -1. */
int vault_base64(struct str text, char *out, size_t room);

/*
 * Keyed hash of some bytes for one purpose ("audit"); other purposes give
 * unrelated hashes, client keys' hashes (vault_hash) among them.
 */
void vault_mac(const struct vault *v, const char *purpose, struct str bytes,
    uint8_t out[static VAULT_HASH]);

/* A new client key "sk-weir-" + 43 base62 (or "wa-" for tokens), terminated. */
void vault_new_key(const char *prefix, char out[static 64]);

/* Argon2id string of a password (slow, ~50 ms: a reader's work). */
bool vault_password(struct str password, char out[static 128]);
bool vault_password_ok(const char *stored, struct str password);

/* "https://host:port" of a base URL, lower case, port always there. */
bool vault_origin(struct arena *a, struct str base_url, struct str *origin);

#endif
