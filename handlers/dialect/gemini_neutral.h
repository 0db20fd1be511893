/* SPDX-License-Identifier: MIT */
/*
 * gemini_neutral.h - what the Gemini side of the neutral form shares; nobody
 * else's.
 *
 *	gemini_decode.c		a generateContent request into the neutral form
 *	gemini_history.c	its contents as turns
 *	gemini_encode.c		the neutral form as a generateContent request
 *	gemini_parts.c		what stands in its contents
 *	gemini_schema.c		JSON Schemas, there and back
 *	gemini_events.c		an answer read as events
 *	gemini_emit.c		events written as an answer
 *	gemini_thoughts.c	signatures, in requests and in envelopes
 */
#ifndef WEIR_GEMINI_NEUTRAL_H
#define WEIR_GEMINI_NEUTRAL_H

#include "handlers/dialect/neutral.h"

/* See struct neutral_dialect. */
bool gemini_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f);
bool gemini_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f);
void gemini_reader_init(struct event_reader *r);
void gemini_reader_feed(struct event_reader *r, struct str piece);
void gemini_reader_finish(struct event_reader *r);

/* A request while it is read into the neutral form. */
struct gemini_decoding {
	struct arena *arena;
	struct neutral *n;
	struct fault *fault;
};

/* Records the fault.  Returns false. */
bool gemini_decode_refuse(struct gemini_decoding *d, enum fault_kind kind,
    const char *param, const char *words);

/* Contents as turns.  False: *fault. */
bool gemini_history(struct gemini_decoding *d, struct str contents);

/* The contents of a request, as a list; the turns are in turn.  False: *f. */
bool gemini_contents(struct arena *a, const struct turn *turns, size_t n,
    const struct target *t, struct buf *out, struct fault *f);

/* --- Names ---------------------------------------------------------------- */

/* A tool's name as this API takes it. */
struct str gemini_name(struct arena *a, struct str plain);

/* The tool that it knows by this (plain) name, or NULL. */
const struct tool *gemini_tool(struct arena *a, const struct neutral *n,
    struct str name);

/* --- Schemas -------------------------------------------------------------- */

/* A JSON Schema with the keywords that this API knows. */
void gemini_schema_write(struct arena *a, struct str schema,
    struct buf *out);

/* A schema of this API's own kind (OpenAPI: "type":"OBJECT", nullable) as
 * JSON Schema, in the arena. */
struct str gemini_schema_read(struct arena *a, struct str schema);

/* --- Signatures ----------------------------------------------------------- */

/*
 * They are base64 here, whatever they are, so an envelope (envelope.h) is put
 * into base64 once more.  False: this (raw) one has none in it.
 */
struct str gemini_envelope_write(struct arena *a, struct str envelope);
bool gemini_envelope_read(struct arena *a, struct str raw,
    struct str *envelope);

/* Stands for a signature that nobody has, on a call. */
#define GEMINI_UNSIGNED "skip_thought_signature_validator"

#endif
