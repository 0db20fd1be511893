/* SPDX-License-Identifier: MIT */
/*
 * neutral.h - a request and an answer in no dialect's words.
 *
 * What goes from one dialect to another passes through here: a dialect reads
 * its own wire into this and writes its own wire from it, and never knows
 * the other.  An answer is a row of events; one that is not streamed is the
 * fold of the same events.
 *
 * Texts are "raw": what stands between the quotes of a JSON string, as it
 * was spelt.  All dialects are JSON, so text crosses without being respelt;
 * names that a dialect compares or shortens are decoded ("plain").  Schemas
 * and arguments are JSON texts, slices of the request.  All of it lives in
 * the arena or in the request's body.  Empty (n 0) means: not given.
 */
#ifndef WEIR_NEUTRAL_H
#define WEIR_NEUTRAL_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/fault.h"
#include "fcgi/base/str.h"
#include "handlers/dialect/dialect.h"

/* --- A request ----------------------------------------------------------- */

enum tri { UNSAID, NO, YES };

enum block_kind {
	BLOCK_TEXT,
	BLOCK_IMAGE,
	BLOCK_DOC,		/* a PDF, or a text file */
	BLOCK_AUDIO,
	BLOCK_REASONING,	/* text, signature; redacted: signature only */
	BLOCK_CALL,
	BLOCK_RESULT,
	BLOCK_REFUSAL,
	BLOCK_OPAQUE		/* a block of the dialect's own, as it is */
};

enum cache_mark { CACHE_NOT, CACHE_5M, CACHE_1H };

enum source_kind { SOURCE_NONE, SOURCE_DATA, SOURCE_URL, SOURCE_FILE,
	SOURCE_TEXT };

struct source {
	enum source_kind kind;
	struct str mime;	/* plain, lower case: "image/png" */
	struct str raw;		/* base64, text: raw; URL, file id: plain */
	struct str name;	/* file name or title; raw */
	struct str detail;	/* of an image: "low", "high", "auto"; plain */
};

struct block {
	enum block_kind kind;
	struct str text;	/* raw: text, refusal, reasoning */
	enum cache_mark cache;
	struct source source;	/* image, document, audio */
	struct str id;		/* of a call; of a result: the call's; plain */
	struct str name;	/* of a call; plain */
	struct str args;	/* of a call: a JSON object; of a custom
				 * tool: its input, raw */
	bool custom;		/* a call of a custom tool, or its result */
	const struct block *result;	/* of a call, by neutral_pair */
	bool failed;		/* of a result */
	bool redacted;		/* of reasoning */
	struct str signature;	/* raw; may be an envelope (envelope.h) */
	bool proved;		/* it is the target's own: it was in one */
	struct block *inside;	/* of a result */
	size_t n_inside;
	struct str raw;		/* the whole JSON of an opaque one, or of a
				 * text that stands for such a one */
};

enum role { ROLE_USER, ROLE_ASSISTANT, ROLE_SYSTEM };

/* ROLE_SYSTEM: instructions in the middle of a conversation.  Results stand
 * in turns of the user. */
struct turn {
	enum role role;
	struct block *blocks;
	size_t n;
};

enum tool_kind { TOOL_FUNCTION, TOOL_CUSTOM, TOOL_SERVER };

struct tool {
	enum tool_kind kind;
	struct str name;	/* plain */
	struct str description;	/* raw */
	struct str schema;	/* JSON; empty: none was given */
	enum tri strict;
	enum cache_mark cache;
	struct str examples;	/* of its input: a JSON list, or empty */
	struct str raw;		/* the whole JSON of it */
};

enum choice { CHOICE_UNSAID, CHOICE_AUTO, CHOICE_NONE, CHOICE_REQUIRED,
	CHOICE_NAMED, CHOICE_ALLOWED_AUTO, CHOICE_ALLOWED_REQUIRED };

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_SCHEMA };

enum effort { EFFORT_UNSAID, EFFORT_NONE, EFFORT_MINIMAL, EFFORT_LOW,
	EFFORT_MEDIUM, EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX, N_EFFORTS };
extern const char *const effort_names[N_EFFORTS];

/* PIECES: turns, blocks and tools.  Each is a few bytes of a body and a few
 * hundred of memory, which nobody has counted. */
enum { NEUTRAL_STOPS = 16, NEUTRAL_HINTS = 8, NEUTRAL_PIECES = 1 << 17 };

struct neutral {
	struct arena *arena;
	struct str model;	/* plain; of the upstream once it is known */
	const struct target *target;	/* as it was written for, or NULL */
	bool stream;
	bool own_signatures;	/* opaque blocks, signatures and server tools
				 * are as Anthropic gave them */
	int64_t max_output;	/* -1: not said */
	int64_t n;		/* choices; 0: not said */
	/* Numbers as they were spelt; empty: not said. */
	struct str temperature, top_p, top_k, seed;
	struct str presence_penalty, frequency_penalty;
	struct str logit_bias;	/* JSON */
	bool logprobs;
	struct str top_logprobs;
	struct str stops[NEUTRAL_STOPS];	/* raw */
	size_t n_stops;

	struct block *system;	/* leading instructions: texts */
	size_t n_system;
	struct turn *turns;
	size_t n_turns;
	size_t pieces;		/* so far: see neutral_holds */

	struct tool *tools;
	size_t n_tools;
	enum choice choice;
	struct str *chosen;	/* plain: of NAMED (one) and ALLOWED_… */
	size_t n_chosen;
	enum tri parallel;

	enum format format;
	struct str schema;	/* JSON, of FORMAT_SCHEMA */
	struct str schema_name, schema_description;	/* raw */
	enum tri schema_strict;

	enum effort effort;
	enum effort spend;	/* how much is spent without reasoning */
	int64_t budget;		/* tokens; 0: not said, -1: as it likes */
	bool adaptive;
	enum tri want_reasoning;	/* its text in the answer */

	struct str end_user;	/* plain */
	struct str tier;	/* plain, as Chat Completions calls it */
	struct str verbosity;	/* plain */
	struct str cache_key;	/* raw */
	struct str metadata;	/* JSON */
	enum tri store;
	struct str web_search;	/* JSON, of the caller's own form */
	bool audio_out;		/* modalities with audio */
	const char *hints[NEUTRAL_HINTS];	/* members without a place */
	size_t n_hints;
};

/*
 * What is known of the model and the upstream that a request is written for;
 * zero is what every compatible server takes.  capability.h has the names
 * these are set by.
 */
enum reasoning_style {
	REASONING_NONE,
	REASONING_EFFORT,	/* reasoning_effort; output_config.effort */
	REASONING_BUDGET,	/* Messages: thinking {budget_tokens}; Gemini:
				 * thinkingBudget */
	REASONING_ADAPTIVE,	/* Messages: thinking {adaptive},
				 * output_config.effort */
	REASONING_THINKING,	/* thinking {enabled or disabled}, and
				 * reasoning_effort where efforts are named;
				 * in Messages a budget */
	REASONING_ENABLE,	/* enable_thinking, thinking_budget */
	REASONING_OBJECT,	/* reasoning {effort, max_tokens} */
	REASONING_TEMPLATE,	/* chat_template_kwargs {enable_thinking} */
	REASONING_LEVEL		/* Gemini: thinkingLevel */
};
enum sampling { SAMPLING_YES, SAMPLING_NO,
	SAMPLING_PLAIN };	/* only when it does not reason */
enum choice_words { CHOICES_ALL,
	CHOICES_ANY,		/* "any" forces; a named one: it alone, "any" */
	CHOICES_AUTO };		/* auto and none only */
enum tools_place { TOOLS_ANYWHERE,
	TOOLS_RESPONSES_REASONING,	/* in Responses alone where an effort is
					 * asked for, */
	TOOLS_RESPONSES };		/* and unless it is none */
enum tool_ids { IDS_FREE, IDS_ALNUM9 };
enum prefill_mark { PREFILL_PLAIN, PREFILL_PREFIX, PREFILL_PARTIAL };
enum seed_word { SEED_SEED, SEED_RANDOM, SEED_NO };
enum user_word { USER_NO, USER_SAFETY, USER_USER };
enum cache_words { CACHE_OWN,	/* as its dialect has them: Messages does */
	CACHE_CONTROL,		/* cache_control */
	CACHE_BREAKPOINT,	/* prompt_cache_breakpoint, in Chat */
	CACHE_NONE };		/* not even there */

struct target {
	struct str model;		/* the upstream's name */
	int64_t max_output;		/* tokens; 0: unknown */
	bool max_completion;		/* max_completion_tokens */
	enum reasoning_style reasoning;
	unsigned efforts;		/* 1 << enum effort; 0: low, medium,
					 * high and what the style has */
	bool always_reasons;		/* cannot be told not to */
	bool reasoning_replay;		/* wants reasoning text back */
	bool think_tags;		/* writes it as <think>…</think> */
	enum sampling sampling;
	int64_t temperature_most;	/* 0: the dialect's own */
	bool temp_or_top_p;		/* not both */
	bool top_k;			/* takes it, in Chat Completions */
	enum seed_word seed;
	bool no_penalties, no_logit_bias, no_logprobs;
	bool no_stop;
	int64_t stop_most;		/* 0: the dialect's own */
	bool developer_role;
	bool mid_system;		/* Messages: role system in between */
	bool one_system;		/* only one, and it leads */
	bool json_schema;		/* natively */
	bool no_json_object;
	bool strict_tools;
	bool no_tools;
	enum tools_place tools_place;
	enum choice_words choices;
	bool no_choice_none;		/* "none" is refused */
	bool no_parallel;		/* parallel_tool_calls is refused */
	enum tool_ids ids;
	bool tool_name;			/* results name their tool */
	bool no_schema_uri;		/* "$schema" is refused */
	bool no_image_url;		/* pictures only as data */
	enum cache_words cache_marks;	/* how it is told what to cache */
	bool prefill;			/* may be begun by the caller */
	enum prefill_mark prefill_mark;	/* and how, in Chat Completions */
	enum user_word user;		/* who it is for */
	bool service_tier;		/* takes it */
	bool no_stream_usage;		/* stream_options is refused */
	bool json_with_tools;		/* Gemini: a form for its answer beside
					 * tools */
	bool result_parts;		/* Gemini: pictures in results */
	bool strict;			/* what would be dropped is refused */
};

/* Names of what could not be carried, for the usage row: "top_k logit_bias" */
struct dropped {
	struct buf names;
};

/* Notes a member that has no equivalent; false (and the fault) when the
 * target is strict. */
bool neutral_drop(struct dropped *d, const struct target *t, struct arena *a,
    struct fault *f, const char *name);

/* The word, or UNSAID. */
enum effort effort_of(struct str word);

/* A name as it is, if it fits [A-Za-z0-9_-] and most bytes; else one made of
 * it, the same each time, that nobody else has. */
struct str neutral_name(struct arena *a, struct str plain, size_t most);

/* The same of a call's id, by the rule of who gets it. */
enum id_rule {
	ID_CHAT,		/* 64 bytes of anything; made ones: 40 */
	ID_MESSAGES,		/* 64 of [A-Za-z0-9_-] */
	ID_ALNUM9		/* nine letters and digits */
};
struct str neutral_id(struct arena *a, struct str plain, enum id_rule rule);

/* The tool that a target knows by this (plain) name, or NULL. */
const struct tool *neutral_tool(const struct neutral *n, struct str name,
    size_t most);

/*
 * A target that has no schemas for its answers was given one as a tool of
 * this name, which it must call: what it says then is the text of the
 * answer.  Only when the caller has no tools of his own; so a reader knows by
 * what was asked, see struct event_reader.
 */
#define NEUTRAL_JSON_TOOL S("json")
bool neutral_is_json_call(const struct neutral *n, struct str name);

/* Nothing but blanks, spelt in any way? */
bool neutral_is_blank(struct str raw);

/* Bytes of the text when it is not escaped: UTF-8. */
size_t neutral_length(struct str raw);

/* Text as the inside of a JSON string, and back. */
struct str neutral_raw(struct arena *a, struct str plain);
struct str neutral_plain(struct arena *a, struct str raw);

/* "data:image/png;base64,…" (plain) into a source; false: it is none. */
bool neutral_data_url(struct arena *a, struct str url, struct source *s);
/* Base64 (plain; either alphabet, blanks in it) in the standard spelling,
 * which needs no escape in JSON; false: it is none. */
bool neutral_base64(struct arena *a, struct str plain, struct str *out);
/* A media type in its usual spelling; empty: it is none. */
struct str neutral_mime(struct arena *a, struct str type);
/* The type that the first bytes of base64 tell, or empty. */
struct str neutral_sniff(struct str base64);
/* The text that base64 holds, as the inside of a JSON string; false: it is
 * none, or not UTF-8. */
bool neutral_text(struct arena *a, struct str base64, struct str *raw);
/* What the JSON object {"input":"…"} has between the quotes: a custom tool's
 * input out of its wrapping.  raw is the object as the inside of a string;
 * what is no JSON is the input itself. */
struct str neutral_unwrap(struct arena *a, struct str raw);
/* One more member that has no place here, for neutral_drop. */
void neutral_hint(struct neutral *n, const char *name);

/*
 * Pairs results with calls: names them, drops second ones.  False: *f, a
 * call without result or a result without call, by its id.  Nothing may be
 * added to the turns after it.
 */
bool neutral_pair(struct neutral *n, struct fault *f);

/* False, and *f: there are more pieces than one may have.  For readers, after
 * each. */
bool neutral_holds(const struct neutral *n, struct fault *f);

/* One more block of a turn, or turn; the last ones' pointers are invalid. */
struct block *neutral_block(struct neutral *n, struct turn *t,
    enum block_kind kind);
struct turn *neutral_turn(struct neutral *n, enum role role);
/* Room for one more element behind n of them; zeroed. */
void *neutral_grow(struct arena *a, void *list, size_t n, size_t size);

/* --- An answer ----------------------------------------------------------- */

enum event_kind {
	EVENT_START,		/* id, model, created; tokens, if any came */
	EVENT_BLOCK,		/* a block begins: kind; of a call: id, name */
	EVENT_TEXT,		/* more of it; raw: text, reasoning, refusal */
	EVENT_SIGN,		/* signature of reasoning, raw; redacted */
	EVENT_ARGS,		/* more of a call's arguments: raw (the inside
				 * of a JSON string that holds JSON) */
	EVENT_NOTE,		/* the open block of text cites a page: cite */
	EVENT_LOGPROBS,		/* of the text that follows: a JSON list of
				 * records as Chat Completions has them */
	EVENT_BLOCK_END,
	EVENT_USAGE,		/* tokens: a snapshot, later ones replace */
	EVENT_STOP,		/* reason, stop_sequence */
	EVENT_ERROR,		/* error */
	EVENT_END		/* nothing follows; after STOP or ERROR */
};

enum stop_reason { STOP_END, STOP_SEQUENCE, STOP_LENGTH, STOP_CONTEXT,
	STOP_CALLS, STOP_FILTER, STOP_REFUSAL, STOP_PAUSE, STOP_OTHER };

/* What a text has from where; cite.h turns places. */
struct cite {
	struct str url, title;	/* raw */
	struct str quote;	/* raw: of the page; empty: not told */
	int64_t from, to;	/* code points of the block; 0, 0: not said */
};

/*
 * One event.  A reader gives them in this order: one START first; blocks one
 * after another, never inside each other, each with its end; one STOP or
 * ERROR; END last.  Slices are valid until the next piece is fed.
 */
struct event {
	enum event_kind kind;
	enum block_kind block;	/* BLOCK: text, reasoning, call, refusal */
	struct str text;	/* raw; STOP: why it was refused without a
				 * word, if that was told */
	struct str id, name;	/* START: id, model; BLOCK: of a call; raw */
	bool custom;		/* BLOCK: a call of a custom tool; its ARGS are
				 * the input itself, raw */
	bool redacted;		/* SIGN */
	int64_t created;	/* START: seconds, 0: not said */
	struct tokens tokens;	/* USAGE, START */
	enum stop_reason stop;
	bool unsaid;		/* STOP: the upstream gave no reason; ERROR:
				 * nor anything else, but it was an answer */
	struct str stop_sequence;	/* raw */
	struct cite cite;	/* NOTE */
	struct up_error error;
};

/* Reads an upstream's answer.  Made in the observer's arena. */
struct event_reader {
	struct arena *arena;
	bool stream;		/* frames, or one JSON body */
	/* What was encoded for this upstream, or NULL: calls get the names
	 * back that the caller knows (neutral_tool), those of custom tools
	 * their input, that of NEUTRAL_JSON_TOOL becomes text. */
	const struct neutral *asked;
	void (*take)(struct event_reader *r, const struct event *e);
	void *arg;		/* take's */
	void *state;		/* the dialect's own */
};

/* Writes the caller's answer. */
struct event_writer {
	struct arena *arena;
	bool stream;		/* else it is folded into one body at END */
	bool array;		/* a stream that is one JSON array */
	bool usage_wanted;	/* the stream's last chunk has it */
	struct str model;	/* as the caller asked for it; plain */
	struct str request_id;
	int64_t now;		/* seconds: when the answer began */
	enum endpoint endpoint;
	/* At STOP: what callers who lose it are spared, and the (plain) id of
	 * the call that it belongs to; empty: nothing. */
	struct str kept, kept_call;
	const struct neutral *asked;	/* as it was sent, or NULL */
	struct spoken spoken;	/* so far, for who must end it with a fault */
	bool inside;		/* out ends inside a frame: its end waits */
	void *state;		/* the dialect's own */
};

/* What a dialect must be able to do to take part. */
struct neutral_dialect {
	/* A checked body (read_request said yes) into the neutral form.
	 * False: *f, in the words of wire 1.2. */
	bool (*decode)(struct arena *a, struct str body, struct neutral *out,
	    struct fault *f);
	/* The neutral form as a body for this target.  False: *f: it cannot
	 * be expressed. */
	bool (*encode)(struct arena *a, const struct neutral *n,
	    const struct target *t, struct buf *out, struct dropped *d,
	    struct fault *f);
	void (*reader_init)(struct event_reader *r);
	void (*reader_feed)(struct event_reader *r, struct str piece);
	/* The transport ended in order: gives what is left, STOP or ERROR,
	 * and END. */
	void (*reader_finish)(struct event_reader *r);
	void (*writer_init)(struct event_writer *w);
	/* Appends to out what the caller gets now, to last what waits for
	 * the settlement (the terminal frames; a folded body). */
	void (*writer_put)(struct event_writer *w, const struct event *e,
	    struct buf *out, struct buf *last);
};

extern const struct neutral_dialect openai_neutral, anthropic_neutral,
    gemini_neutral, responses_neutral;

#endif
