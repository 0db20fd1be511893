/* SPDX-License-Identifier: MIT */
/*
 * dialect.h - what every wire format can do.
 *
 * A dialect is a pure codec: text in, text and facts out; no socket, no
 * database, no clock.  The relay asks a dialect six things: read and write a
 * request, watch an answer go by, write one of its own, read and write a
 * fault.  When caller and upstream speak the same dialect the bytes pass
 * through and are only observed.
 */
#ifndef WEIR_DIALECT_H
#define WEIR_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/fault.h"
#include "fcgi/base/str.h"

enum endpoint {
	ENDPOINT_CHAT,		/* /v1/chat/completions */
	ENDPOINT_COMPLETIONS,	/* /v1/completions */
	ENDPOINT_MESSAGES,	/* /v1/messages */
	ENDPOINT_GENERATE,	/* {model}:generateContent, :stream… */
	ENDPOINT_RESPONSES,	/* /v1/responses */
	ENDPOINT_COMPACT,	/* /v1/responses/compact */
	ENDPOINT_EMBEDDINGS,	/* /v1/embeddings */
	ENDPOINT_EMBED,		/* {model}:embedContent */
	ENDPOINT_EMBED_BATCH,	/* {model}:batchEmbedContents */
	ENDPOINT_COUNT_TOKENS,	/* /v1/messages/count_tokens,
				 * /v1/responses/input_tokens,
				 * {model}:countTokens: costs nothing */
	ENDPOINT_STORED,	/* /v1/responses/{id} and below: what an
				 * upstream keeps; costs nothing */
	ENDPOINT_MODERATIONS,	/* /v1/moderations */
	ENDPOINT_IMAGES,	/* /v1/images/generations */
	ENDPOINT_IMAGE_EDITS,	/* /v1/images/edits */
	ENDPOINT_IMAGE_VARIATIONS,	/* /v1/images/variations */
	ENDPOINT_SPEECH,	/* /v1/audio/speech */
	ENDPOINT_TRANSCRIPTIONS,	/* /v1/audio/transcriptions */
	ENDPOINT_TRANSLATIONS,	/* /v1/audio/translations */
	ENDPOINT_RERANK,	/* /v1/rerank */
	ENDPOINT_RERANK_V2,	/* /v2/rerank */
	N_ENDPOINTS
};

/* Those that converse, embed or count; the others are "media" here. */
static inline bool
endpoint_is_text(enum endpoint e)
{
	return e <= ENDPOINT_STORED;
}

/* Nothing is made there, and nothing charged. */
static inline bool
endpoint_is_free(enum endpoint e)
{
	return e == ENDPOINT_COUNT_TOKENS || e == ENDPOINT_STORED;
}

static inline bool
endpoint_embeds(enum endpoint e)
{
	return e >= ENDPOINT_EMBEDDINGS && e <= ENDPOINT_EMBED_BATCH;
}

/* What a request's path says that others say in the body. */
struct by_path {
	struct str model;	/* decoded; empty: the body says it */
	bool stream;
	bool array;		/* … as one JSON array, not as frames */
};

/*
 * What a request asks, as far as routing, limits and money need to know.
 * Slices point into the body.
 */
struct asked {
	enum endpoint endpoint;
	struct by_path by_path;		/* stands before the body is read */
	struct str body;		/* the whole text, checked */
	struct str model;		/* decoded */
	bool stream;
	bool usage_wanted;		/* stream_options.include_usage */
	int64_t max_output;		/* the caller's own limit, -1: none */
	int64_t choices;		/* n, best_of: at least 1 */
	int64_t prompt_tokens;		/* estimate, without the x 1.25 */
	int64_t prompt_bound;		/* at most: a token a byte of text */
	int64_t images;			/* image parts */
	bool tools, json_schema, reasoning;
	bool reasoning_off;		/* it is to answer without */
	bool unseen_input;		/* input that is not in the body (file
					 * ids): bound is the model's context */
	bool sound_in, sound_out;	/* in a conversation */
	int64_t sound_tokens;		/* of prompt_tokens */
	int64_t pictures;		/* to be made */
	int64_t characters;		/* to be spoken: code points */
	int64_t seconds, seconds_most;	/* of sound to listen to */
	int64_t searches, searches_most;	/* search units */
	int64_t sound_rate;		/* of spoken sound, about: bytes a
					 * second */
	bool text_wanted;		/* a transcript that is no JSON */
	struct str boundary;		/* the body is multipart; else empty */
	struct str end_user;		/* safety_identifier, user; decoded */
	struct str session;		/* prompt_cache_key; decoded */
	struct str service_tier;	/* if not the usual one; decoded */
	uint64_t head_hash;		/* of system and first user turn */
	struct str earlier;		/* the id of an answer that this goes
					 * on from, or that is asked for; it is
					 * kept by whoever made it */
	struct str below;		/* behind that id: "/cancel" */
	struct str query;		/* behind all, with its '?' */
	bool kept;			/* the upstream may keep the answer */

	/* Places of the edits that are allowed: values in the body. */
	struct str model_at;
	struct str stream_options_at;
	struct str max_tokens_at;	/* max_tokens, if sent */
	struct str max_completion_at;	/* max_completion_tokens, if sent */
};

/* What the caller said in headers that may go on to an upstream. */
struct caller_headers {
	struct str version;		/* anthropic-version */
	struct str beta;		/* anthropic-beta: a, b */
};

enum { DIALECT_HEADERS = 2 };

/* Edits made on the way to an upstream: all that pass-through changes. */
struct edits {
	struct str model;		/* the upstream's name for it */
	bool edited;			/* the body was sent to another one: it
					 * has that one's name for the model */
	bool force_usage;		/* stream_options.include_usage: true */
	int64_t cap_output;		/* set this output limit, -1: leave */
	bool cap_as_completion;		/* cap as max_completion_tokens */
};

/*
 * Wire counts of an answer: they overlap as the dialects count
 * (cache_read is part of in_total, reasoning of out_total).  -1: absent.
 */
struct tokens {
	int64_t in_total, cache_read, cache_write, cache_write_1h;
	int64_t out_total, reasoning;
	int64_t in_audio, out_audio;
	int64_t in_image, out_image;
	int64_t seconds, pictures, searches;	/* no tokens; -1: absent */
	bool odd;			/* something had to be put right */
};
#define TOKENS_ABSENT ((struct tokens){ -1, -1, -1, -1, -1, -1, -1, -1, -1, \
	-1, -1, -1, -1, false })

/* What an answer is, by its Content-Type. */
enum answer_as {
	AS_JSON,
	AS_EVENTS,
	AS_BYTES,		/* sound, or plain text: passed on unread */
	AS_FOREIGN		/* a page, or something no endpoint answers */
};

/* What kind of failure an upstream reported. */
enum up_class {
	UP_OK,
	UP_BAD_REQUEST,
	UP_CONTEXT_LENGTH,
	UP_TOO_LARGE,
	UP_CONTENT_POLICY,
	UP_MODEL_MISSING,
	UP_KEY_DEAD,
	UP_KEY_BROKE,
	UP_NO_PERMISSION,
	UP_REGION_BLOCKED,
	UP_RATE_LIMIT,
	UP_KEY_TOO_SMALL,	/* "request too large for TPM": other key */
	UP_QUOTA_DAILY,
	UP_OVERLOADED,
	UP_SERVER,
	UP_TIMEOUT,
	UP_SIGNATURE,
	UP_WRONG_BASE,		/* 404 with a page or nothing: wrong base_url */
	N_UP_CLASSES
};

/* "rate_limit": for logs and attempt rows. */
const char *up_class_name(enum up_class k);

/* An error an upstream told us, read from whatever shape it had. */
struct up_error {
	enum up_class kind;
	struct str message;	/* redacted, at most 2 KB, or empty */
	struct str code;	/* error.code, if it is a string */
	struct str param;
	int64_t retry_ms;	/* so long it is to be left alone, as the body
				 * says; 0: it does not */
};

/*
 * Watches an answer go by.  Feed it what the upstream sent, cut anywhere; it
 * appends to `out` what the caller gets now, and to `last` the terminal
 * bytes that must wait for the settlement (all state is kept between calls).
 * After the terminal frame everything else is swallowed.  An answer that is
 * not streamed goes through `last`: the same buffer each time, room for
 * LIMIT_KEEP_BACK bytes, touched by nobody else; out gets what is before its
 * last LIMIT_KEEP_BACK bytes.
 */
enum seen {
	SEEN_MEANING = 1,	/* text, reasoning, a tool call, or a stop */
	SEEN_STOP    = 2,	/* finish_reason came */
	SEEN_END     = 4,	/* the terminal frame ([DONE]) or whole JSON */
	SEEN_ERROR   = 8,	/* the upstream reported an error: `error` */
	SEEN_BAD     = 16,	/* not what was asked for (HTML, not JSON …) */
	SEEN_EMPTY   = 32	/* and that because nothing is in it: no text,
				 * no call, no reason to stop, no usage */
};

struct envelope_key;

/* What a stream has told its caller so far, for who must end it with a fault:
 * id 0 bytes: it has not begun. */
struct spoken {
	struct str id;		/* of the answer; raw */
	int64_t created;	/* UTC seconds */
	int64_t events;
};

struct observer {
	const struct dialect *dialect;
	struct arena *arena;
	bool stream;		/* frames, or one JSON body */
	bool bytes;		/* neither: it ends where the transport ends */
	bool array;		/* frames go out as elements of one array */
	bool hide_usage;	/* drop the usage chunk that we forced */
	enum endpoint endpoint;
	int64_t sound_rate, pictures;	/* as asked, see struct asked */
	unsigned seen;		/* bits of enum seen, so far */
	struct tokens tokens;	/* last consistent usage */
	int64_t out_milli;	/* estimate of output forwarded, 1/1000 token */
	struct str model;	/* as the answer names it */
	struct str service_tier;
	struct up_error error;
	struct spoken spoken;
	bool inside;		/* out ends inside a frame too large to hold:
				 * no heartbeat, no error event there */
	void *state;		/* the dialect's own, in the arena */

	/* Where the upstream speaks another dialect (bridge.h): */
	const struct dialect *upstream;	/* that one; NULL: the same */
	bool upstream_stream;	/* it sends frames */
	const struct neutral *request;	/* as it was sent, or */
	const struct embeds *embeds;	/* of embeddings: this */
	struct str asked_model;	/* as the caller asked for it */
	struct str request_id;
	int64_t now;		/* UTC seconds: when the answer began */
	const struct envelope_key *envelope;	/* signatures go to the caller
				 * in envelopes of it; NULL: they do not */
	struct str kept, kept_call;	/* of an answer that is whole: what the
				 * caller should send back with this call */
};

struct neutral_dialect;
struct embed_dialect;

/* Where callers' keys stand first: a header, by what it is called. */
enum key_place { KEY_BEARER,	/* Authorization: Bearer */
	KEY_X_API,		/* x-api-key */
	KEY_X_GOOG,		/* x-goog-api-key, or ?key= */
	KEY_API			/* api-key: of Azure's paths */
};

struct dialect {
	const char *name;	/* "openai" */

	/* Whose words these are, if it only has other places for them: what
	 * one says goes to the other as it is.  NULL: its own. */
	const struct dialect *like;

	/* The member of a request that holds the conversation. */
	const char *history;

	/* The endpoint that converses: what a channel is tried with. */
	enum endpoint converse;

	/* The one that embeds many texts; N_ENDPOINTS: there is none. */
	enum endpoint embeds;

	/* What a channel is tried with at each of the two: the members of a
	 * request beside the model, which asks for little. */
	const char *trial, *trial_embed;

	/* The path says which model is asked, and whether for a stream; no
	 * body does. */
	bool model_in_path;

	/* What the paths of its own begin with, whole segments; NULL ends.
	 * NULL: none, it speaks where nobody else does. */
	const char *const *heads;

	/* Header that has the request's id beside x-request-id, or NULL. */
	const char *id_header;

	/* Headers with the limits of a caller's key: limit, remaining, reset
	 * of requests, then of tokens; NULL: none.  dates: the reset is a
	 * moment, not how long. */
	const char *const *limit_headers;
	bool limit_dates;

	/* Where callers' keys stand first; how to send one, for those who did
	 * not. */
	enum key_place key_place;
	const char *key_hint;

	/* The header line with an upstream's key, up to the key. */
	struct str key_head;

	/*
	 * Header lines for every request, made of what the caller sent if it
	 * may go on (nothing need be given).  Returns how many; NULL: none.
	 */
	int (*write_headers)(struct arena *a, const struct caller_headers *h,
	    struct str lines[static DIALECT_HEADERS]);

	/* What write_headers is told as the caller's beta for a request with
	 * instructions in its middle that it was written with; or empty. */
	struct str mid_system_beta;

	/* What a base_url looks like, and where below it the upstream lists
	 * its models. */
	const char *base_hint, *models_path;

	/*
	 * What follows base_url before any path, by the channel's api_version,
	 * "/openai/v1"; of_model: a model is asked, and may stand in it as in
	 * path.  NULL: nothing does, and it has no versions.
	 */
	struct str (*below)(struct str api_version, bool of_model);

	/* Are usage chunks asked for in streams of that version?  NULL: yes. */
	bool (*tells_usage)(struct str api_version);

	/* Content type of an answer. */
	const char *stream_type;	/* "text/event-stream; charset=utf-8" */

	/*
	 * Reads what stands for {} in a route, and the query, into
	 * out->endpoint and out->by_path.  False: *f, there is no such path.
	 * NULL: its routes say it all.
	 */
	bool (*read_path)(struct arena *a, struct str rest, struct str query,
	    struct asked *out, struct fault *f);

	/*
	 * Reads and checks a request's body.  False: *f is set (400, words for
	 * the caller, the member in param; also an endpoint it does not have).
	 * out->by_path is given, and counts before what the body says; all
	 * else of out is set, its body to the given text.
	 */
	bool (*read_request)(struct arena *a, enum endpoint endpoint,
	    struct str body, struct asked *out, struct fault *f);

	/* The same of a body that is multipart/form-data; the type is the
	 * caller's Content-Type, out->boundary a slice of it. */
	bool (*read_form)(struct arena *a, enum endpoint endpoint,
	    struct str type, struct str body, struct asked *out,
	    struct fault *f);

	/* Appends the body for the upstream. */
	bool (*write_request)(const struct asked *asked,
	    const struct edits *edits, struct buf *out);

	/*
	 * Appends a request's body (a JSON object that was checked) with the
	 * thoughts of its history changed.  k NULL: without them, and thinking
	 * switched off.  Else: what is in an envelope is taken out of it where
	 * it is this upstream's, and left out where it is not.  All else stays
	 * as it was spelt.  NULL: its upstreams want no thoughts back.
	 */
	bool (*thoughts)(struct arena *a, struct str body,
	    const struct envelope_key *k, struct buf *out);

	/* What proves thoughts holds with the keys of its own channel only. */
	bool own_proofs;

	/*
	 * Path below an upstream's base_url: "/chat/completions"; NULL: the
	 * dialect has no such endpoint.  An endpoint of version 2 stands below
	 * /v2 where base_url ends in /v1.  In it {model} stands for the
	 * upstream's name of the model, {models} for the same as a resource:
	 * models/NAME, unless it has a slash.
	 */
	const char *(*path)(enum endpoint endpoint, bool stream);

	/* What an answer with status 200 and this type is to a request. */
	enum answer_as (*answer_as)(const struct asked *asked,
	    struct str type);

	/* o->dialect, arena, stream, bytes, hide_usage, endpoint, sound_rate,
	 * pictures
	 * are set; stream and hide_usage may still be changed before the first
	 * byte is fed. */
	void (*observe)(struct observer *o);
	/* Returns the bits that are new. */
	unsigned (*feed)(struct observer *o, struct str piece,
	    struct buf *out, struct buf *last);
	/*
	 * The upstream has ended, cleanly as its transport goes.  True: the
	 * answer is complete (o->seen has SEEN_END, or a stop and an orderly
	 * close); the rest is in out and last.  False: cut, or not an answer.
	 */
	bool (*finish)(struct observer *o, struct buf *out, struct buf *last);

	/* Judges an answer with an error status (or an error in a 200). */
	void (*read_error)(struct arena *a, int status, struct str content_type,
	    struct str body, struct up_error *out);

	/* A fault as a whole body, and as an event of a running stream, of
	 * which o has seen what came so far (nothing: NULL, or zeroes). */
	void (*write_fault)(const struct fault *f, struct str request_id,
	    struct buf *out);
	void (*write_fault_event)(const struct fault *f, struct str request_id,
	    const struct observer *o, struct buf *out);

	/* An answer of ours to ENDPOINT_COUNT_TOKENS; NULL: it has none. */
	void (*write_count)(int64_t tokens, struct buf *out);

	/* Behind such an event the transfer breaks, unless it is in an array:
	 * nothing else tells the answer from a whole one. */
	bool breaks_off;

	/* Bytes that keep a silent stream alive; empty: nothing may stand
	 * between its events, and it begins with the first. */
	struct str keep_alive;

	/* The status this dialect uses for a fault. */
	int (*status)(const struct fault *f);

	/* How its conversations are told in others' words (neutral.h); NULL:
	 * they are not. */
	const struct neutral_dialect *neutral;

	/* The same of its embeddings (embed.h). */
	const struct embed_dialect *embed;
};

/* Does what one says go to the other as it is? */
static inline bool
dialect_same(const struct dialect *a, const struct dialect *b)
{
	return (a->like ? a->like : a) == (b->like ? b->like : b);
}

extern const struct dialect openai_dialect;
extern const struct dialect azure_dialect;
extern const struct dialect anthropic_dialect;
extern const struct dialect gemini_dialect;
extern const struct dialect responses_dialect;

/* By the catalogue's name, or NULL. */
const struct dialect *dialect_find(struct str name);

/* One after another; NULL: there are no more. */
const struct dialect *dialect_at(size_t i);

/* Whose words are spoken at a path (below the mount), known or not. */
const struct dialect *dialect_of_path(struct str path);

#endif
