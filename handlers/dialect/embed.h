/* SPDX-License-Identifier: MIT */
/*
 * embed.h - embeddings asked for in one dialect and made in another.
 *
 * What is asked is some texts; what is answered, a vector for each.  Texts are
 * raw (the inside of JSON strings, as they were spelt), vectors are the JSON
 * lists they came as: numbers cross without being respelt, unless the caller
 * wants base64, which is 32-bit floats.
 */
#ifndef WEIR_EMBED_H
#define WEIR_EMBED_H

#include "handlers/dialect/dialect.h"

struct dropped;
struct target;

/* What is asked. */
struct embeds {
	struct str *texts;	/* raw */
	size_t n;
	int64_t dimensions;	/* 0: not said */
	bool base64;		/* vectors as base64 */
	bool one;		/* one vector, not a list of them */
	int64_t tokens;		/* estimate, for who must name a count */
	const char *hint;	/* a member without a place, or NULL */
};

/* What is answered: JSON lists of numbers, slices of the answer. */
struct vectors {
	struct str *list;
	size_t n;
};

/* What a dialect must be able to do to take part. */
struct embed_dialect {
	/* A checked body.  False: *f. */
	bool (*decode)(struct arena *a, enum endpoint endpoint,
	    struct str body, struct embeds *out, struct fault *f);
	void (*encode)(const struct embeds *e, struct str model,
	    struct buf *out);
	/* A whole answer, which is valid JSON and no error: its vectors, and
	 * model and usage into o.  False: it is none. */
	bool (*read)(struct observer *o, struct str body,
	    struct vectors *out);
	void (*write)(const struct embeds *asked, const struct vectors *v,
	    const struct observer *o, struct buf *out);
};

extern const struct embed_dialect openai_embed, gemini_embed;

/* Its request for an upstream.  False: *f. */
bool embed_request(struct arena *a, const struct embeds *e,
    const struct embed_dialect *to, const struct target *t, struct buf *out,
    struct dropped *d, struct fault *f);

/* One more vector; room doubles. */
void embed_add(struct arena *a, struct vectors *v, struct str list);

/* A list of numbers as a JSON string of base64: 32-bit floats, the lowest byte
 * first. */
void embed_base64(struct arena *a, struct str list, struct buf *out);

/* --- Watching an answer (bridge.h): o->embeds is what was asked ---------- */

void embed_observe(struct observer *o);
void embed_feed(struct observer *o, struct str piece);
bool embed_finish(struct observer *o, struct buf *out, struct buf *last);

#endif
