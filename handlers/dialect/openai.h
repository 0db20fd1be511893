/* SPDX-License-Identifier: MIT */
/*
 * openai.h - what the files of the OpenAI dialect share; nobody else's.
 *
 *	openai.c		the dialect's table, paths, faults
 *	azure.c			the same words at Azure
 *	openai_request.c	what a request asks: the members that matter
 *	openai_members.c	how members are read, whatever the endpoint
 *	openai_prompt.c		how much there is to read in it
 *	openai_units.c		how much in it is pictures, sound, documents
 *	openai_form.c		a request that is multipart/form-data
 *	openai_write.c		the request for the upstream
 *	openai_answer.c		watching a stream
 *	openai_body.c		watching an answer that is one JSON text
 *	openai_media.c		watching pictures, sound, bytes
 *	openai_facts.c		what both look for: text, stops, usage
 */
#ifndef WEIR_OPENAI_H
#define WEIR_OPENAI_H

#include "fcgi/base/json.h"
#include "handlers/dialect/pass.h"

/* --- The table --- */

enum answer_as openai_answer_as(const struct asked *asked, struct str type);
void openai_observe(struct observer *o);
unsigned openai_feed(struct observer *o, struct str piece, struct buf *out,
    struct buf *last);
bool openai_finish(struct observer *o, struct buf *out, struct buf *last);
void openai_write_fault_event(const struct fault *f, struct str request_id,
    const struct observer *o, struct buf *out);

/* What all have in it who speak these words (up_error.h, neutral.h). */
#define OPENAI_WORDS \
	.history = "messages", \
	.converse = ENDPOINT_CHAT, \
	.embeds = ENDPOINT_EMBEDDINGS, \
	.trial = "\"messages\":[{\"role\":\"user\",\"content\":" \
		 "\"Say ok.\"}]", \
	.trial_embed = "\"input\":\"ok\"", \
	.limit_headers = openai_limit_headers, \
	.stream_type = "text/event-stream; charset=utf-8", \
	.read_request = openai_read_request, \
	.read_form = openai_read_form, \
	.write_request = openai_write_request, \
	.answer_as = openai_answer_as, \
	.observe = openai_observe, \
	.feed = openai_feed, \
	.finish = openai_finish, \
	.read_error = up_error_read, \
	.write_fault = openai_write_fault, \
	.write_fault_event = openai_write_fault_event, \
	.keep_alive = STR_INIT(": keep-alive\n\n"), \
	.status = fault_status, \
	.neutral = &openai_neutral, \
	.embed = &openai_embed

/* --- Requests --- */

/* A request while it is read. */
struct reading {
	struct arena *arena;
	struct asked *out;
	struct fault *fault;
	struct token_count text; /* of the prompt */
	int64_t more_milli; /* tokens that are no text */
	int64_t n, best_of, prompts; /* 0: not said */
	int64_t files; /* of a form */
	int64_t query_milli, query_bound; /* of a rerank */
	int64_t documents, documents_most; /* the latter: as they may be cut */
};

/* Records the fault, with the member it is about.  Returns false. */
bool openai_refuse(struct reading *r, enum fault_kind kind, const char *param,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* null, false, "", [] or {}. */
bool openai_is_empty(struct str value);

/* Each reads the value of the member it is named after. */
bool openai_read_messages(struct reading *r, struct str value);
bool openai_read_prompt(struct reading *r, struct str value);
bool openai_read_input(struct reading *r, struct str value);
bool openai_read_tools(struct reading *r, struct str value);
bool openai_read_functions(struct reading *r, struct str value);
bool openai_read_response_format(struct reading *r, struct str value);
bool openai_read_suffix(struct reading *r, struct str value);

bool openai_read_speech(struct reading *r, struct str value);
bool openai_read_speech_format(struct reading *r, struct str value);
bool openai_read_instructions(struct reading *r, struct str value);
bool openai_read_picture_prompt(struct reading *r, struct str value);
bool openai_read_pictures(struct reading *r, struct str value);
bool openai_read_query(struct reading *r, struct str value);
bool openai_read_documents(struct reading *r, struct str value);

bool openai_read_modalities(struct reading *r, struct str value);
bool openai_read_audio(struct reading *r, struct str value);
/* {"data":base64,"format":"wav"} in a message, counted in prompt_bound. */
bool openai_read_sound(struct reading *r, struct str value);

/* Of a form: what was decoded. */
bool openai_take_model(struct reading *r, struct str name);
void openai_take_picture(struct reading *r);
bool openai_take_sound(struct reading *r, struct str file);
bool openai_take_count(struct reading *r, const char *name, int64_t n);
/* What no walk notices: members that are missing; then the sums. */
bool openai_check_whole(struct reading *r);

/* A part of the content of a message or an input: {"type":"text",…}. */
bool openai_read_part(struct reading *r, struct str part);
void openai_count_text(struct reading *r, struct str value);
/* A URL, or an object that has one; its length is not the bound's. */
void openai_count_image(struct reading *r, struct str value);
void openai_count_schema(struct reading *r, struct str value);
bool openai_refuse_file_id(struct reading *r);
/* Into head_hash.  Not for secrets: only has to differ. */
void openai_hash(struct reading *r, struct str value);

bool openai_read_form(struct arena *a, enum endpoint endpoint,
    struct str type, struct str body, struct asked *out, struct fault *f);
bool openai_read_request(struct arena *a, enum endpoint endpoint,
    struct str body, struct asked *out, struct fault *f);
bool openai_write_request(const struct asked *asked,
    const struct edits *edits, struct buf *out);

/* --- Faults --- */

/* {"error":{…}}, with this type; and the type in a stream that runs. */
void openai_put_error(const struct fault *f, const char *type,
    struct buf *out);
const char *openai_late_type(const struct fault *f);
void openai_write_fault(const struct fault *f, struct str request_id,
    struct buf *out);
extern const char *const openai_limit_headers[];

/* --- Answers --- */

/* What the observer remembers of an answer. */
struct watch {
	struct pass pass;
	unsigned run; /* the text that the count is in */

	/* A stream of pictures or sound. */
	int64_t ends; /* terminal frames so far */
	bool large; /* inside a frame that is not held whole */
	bool large_end; /* and it is a terminal one */

	/* A JSON text. */
	int64_t pictures; /* names "b64_json" in it */
	unsigned match; /* of that name, so far */
};

/* What some choices show, of a chunk or of a whole answer. */
struct glance {
	bool any; /* there is a choice */
	bool meaning; /* text, reasoning, a call */
	bool stop; /* a finish reason */
	struct str failure; /* a finish reason that is one; raw */
};

/* Walks over choices and counts their texts into w->pass.count. */
void openai_look(struct watch *w, struct json_each choices, struct glance *g);

/* Merges a usage object into o->tokens. */
void openai_read_usage(struct observer *o, struct str usage);

/* {"billed_units":{"search_units":1}} of a rerank. */
void openai_read_billed(struct observer *o, struct str meta);

/* Takes the names of the model and of the tier, the first that come. */
void openai_read_model(struct observer *o, struct str value);
void openai_read_tier(struct observer *o, struct str value);

/* The answer is, or holds, an error; failure: a finish reason that is one, or
 * empty. */
void openai_fail(struct observer *o, struct pass *p, struct str body,
    struct str failure);

/* How answers are watched: frames, and texts. */
void openai_frame(struct observer *o, struct pass *p, struct str raw);
void openai_media_frame(struct observer *o, struct pass *p, struct str raw);
void openai_media_part(struct observer *o, struct pass *p,
    const struct sse_frame *f);
extern const struct pass_words openai_words, openai_media_words;
/* The members that the tap keeps, by endpoint; the usage is the first. */
const char *const *openai_body_taps(enum endpoint endpoint);

/* Seconds, begun ones counting as whole: 8.47 or "8.47"; -1: none. */
int64_t openai_seconds(struct str value);

/* Of a stream of pictures or sound, whose ends are its own. */
bool openai_media_finish(struct observer *o, struct watch *w);
void openai_bytes_feed(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last);
bool openai_bytes_finish(struct observer *o, struct watch *w);

#endif
