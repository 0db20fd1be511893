/* SPDX-License-Identifier: MIT */
/*
 * openai_units.c - how much in a request is pictures, sound, documents.
 *
 * What is counted otherwise than in tokens: characters to be spoken (code
 * points), pictures to be made, documents to be ranked, seconds of sound to
 * listen to.  The last is not known before somebody listens.  A WAV file of
 * plain samples says how many bytes a second takes, by figures no decoder can
 * read otherwise.  Of anything else a second is taken to have 4,000 bytes
 * (32 kbit/s) for the estimate and 400 for the bound, which is less than any
 * codec for speech makes of one.
 */
#include "handlers/dialect/openai.h"

enum {
	IMAGE_MILLI = 1600000,
	SOUND_RATE = 4000, /* bytes a second, about … */
	SOUND_LEAST = 400, /* … and at the least */
	HEARD_SECOND = 10, /* tokens of a second, about … */
	HEARD_SECOND_MOST = 50, /* … and at most */
	CHUNK_TOKENS = 500, /* of a document that counts once */
	CHUNK_LEAST = 250 /* bytes of one, at the least */
};

/* --- Speech --- */

static int64_t
code_points(struct str text)
{
	int64_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

bool
openai_read_speech(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_STRING || value.n == 2)
		return openai_refuse(r, FAULT_BAD_REQUEST, "input",
		    "'input' must be the text to speak, as a string.");
	r->out->characters = code_points(json_text(r->arena, value));
	r->prompts = 1;
	r->out->prompt_bound += (int64_t)value.n;
	if (r->out->sound_rate == 0)
		r->out->sound_rate = 16000;
	openai_count_text(r, value);
	return true;
}

bool
openai_read_instructions(struct reading *r, struct str value)
{
	r->out->prompt_bound += (int64_t)value.n;
	openai_count_text(r, value);
	return true;
}

/* How many bytes a second of it takes, at the usual settings. */
bool
openai_read_speech_format(struct reading *r, struct str value)
{
	static const struct {
		struct str name;
		int64_t rate;
	} formats[] = {
		{ STR_INIT("\"opus\""), 4000 },
		{ STR_INIT("\"aac\""), 8000 },
		{ STR_INIT("\"flac\""), 24000 },
		{ STR_INIT("\"wav\""), 48000 },
		{ STR_INIT("\"pcm\""), 48000 },
	};

	r->out->sound_rate = 16000;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (str_eq(value, formats[i].name))
			r->out->sound_rate = formats[i].rate;
	return true;
}

/* --- Pictures --- */

bool
openai_read_picture_prompt(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_STRING)
		return openai_refuse(r, FAULT_BAD_REQUEST, "prompt",
		    "'prompt' must be a text.");
	r->prompts = 1;
	r->out->prompt_bound += (int64_t)value.n;
	openai_count_text(r, value);
	return true;
}

void
openai_take_picture(struct reading *r)
{
	r->out->images++;
	r->more_milli += IMAGE_MILLI;
}

static bool
read_picture(struct reading *r, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (m.object && !openai_is_empty(m.value) &&
		    str_eq(json_name(r->arena, m.name), S("file_id")))
			return openai_refuse(r, FAULT_UNSUPPORTED, "file_id",
			    "'file_id' is not available here: send the "
			    "content itself.");
	openai_take_picture(r);
	return true;
}

bool
openai_read_pictures(struct reading *r, struct str value)
{
	if (openai_is_empty(value))
		return true;
	if (json_kind(value) != JSON_IS_ARRAY)
		return read_picture(r, value);
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!read_picture(r, m.value))
			return false;
	return true;
}

/* --- Documents --- */

bool
openai_read_query(struct reading *r, struct str value)
{
	struct token_count c = { 0 };

	if (openai_is_empty(value))
		return openai_refuse(r, FAULT_BAD_REQUEST, "query",
		    "'query' must be the text to compare documents with.");
	tokens_add_value(&c, value);
	r->query_milli = c.milli;
	r->query_bound = (int64_t)value.n;
	return true;
}

bool
openai_read_documents(struct reading *r, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);) {
		struct token_count c = { 0 };

		if (m.object || (json_kind(m.value) != JSON_IS_STRING &&
		    json_kind(m.value) != JSON_IS_OBJECT)) {
			r->documents = 0;
			break;
		}
		tokens_add_value(&c, m.value);
		r->more_milli += c.milli;
		r->documents += 1 + c.milli / 1000 / CHUNK_TOKENS;
		r->documents_most += 1 + (int64_t)m.value.n / CHUNK_LEAST;
	}
	if (r->documents == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, "documents",
		    "'documents' must be a list of texts (or objects), at "
		    "least one.");
	if (r->documents_most < r->documents)
		r->documents_most = r->documents;
	r->out->prompt_bound += (int64_t)value.n;
	r->prompts = 1;
	return true;
}

/* --- Sound --- */

static uint32_t
little(const unsigned char *p, int bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

/*
 * Bytes a second of the samples that a "fmt " chunk describes, or 0: packed
 * otherwise than as plain numbers, or figures that do not agree.
 */
static int64_t
sample_rate(const unsigned char *p, size_t n)
{
	uint32_t tag, channels, rate, bits;
	int64_t bytes;

	if (n < 16)
		return 0;
	tag = little(p, 2);
	if (tag == 0xfffe && n >= 40)
		tag = little(p + 24, 2);
	channels = little(p + 2, 2);
	rate = little(p + 4, 4);
	bits = little(p + 14, 2);
	bytes = (int64_t)rate * channels * (bits / 8);
	if ((tag != 1 && tag != 3) || channels < 1 || channels > 64 ||
	    rate < 1000 || rate > 768000 || bits < 8 || bits > 64 || bits % 8 ||
	    little(p + 12, 2) != channels * (bits / 8) ||
	    little(p + 8, 4) != bytes)
		return 0;
	return bytes;
}

/* The same of a whole file, if it is a WAV file. */
static int64_t
wav_rate(struct str file)
{
	const unsigned char *p = (const unsigned char *)file.p;
	size_t at = 12, n;

	if (file.n < 44 || memcmp(p, "RIFF", 4) || memcmp(p + 8, "WAVE", 4))
		return 0;
	for (int chunks = 0; chunks < 64 && at + 8 <= file.n; chunks++) {
		n = little(p + at + 4, 4);
		if (n > file.n - at - 8)
			return 0;
		if (memcmp(p + at, "fmt ", 4) == 0)
			return sample_rate(p + at + 8, n);
		at += 8 + n + (n & 1);
	}
	return 0;
}

bool
openai_take_sound(struct reading *r, struct str file)
{
	int64_t n = (int64_t)file.n, rate = wav_rate(file);

	if (n == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, "file",
		    "'file' is empty.");
	r->prompts = 1;
	r->out->seconds = rate ? (n + rate - 1) / rate :
	    (n + SOUND_RATE - 1) / SOUND_RATE;
	r->out->seconds_most = rate ? r->out->seconds :
	    (n + SOUND_LEAST - 1) / SOUND_LEAST;
	return true;
}

/* The bytes that the first of a base64 text stand for; how many. */
static size_t
decode(struct str text, unsigned char *out, size_t room)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
				  "qrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	size_t n = 0, got = 0;

	for (size_t i = 0; i < text.n && n < room; i++) {
		const char *p = strchr(set, text.p[i]);

		if (!p || !*p)
			break;
		bits = bits << 6 | (uint32_t)(p - set);
		got += 6;
		if (got < 8)
			continue;
		got -= 8;
		out[n++] = (unsigned char)(bits >> got);
	}
	return n;
}

/* Counted in tokens: what listening takes, for what its bytes may last. */
bool
openai_read_sound(struct reading *r, struct str value)
{
	unsigned char head[384];
	struct str data = json_get(value, S("data"));
	int64_t n = (int64_t)data.n * 3 / 4, rate;

	if (json_kind(data) != JSON_IS_STRING)
		return openai_refuse(r, FAULT_BAD_REQUEST, "messages",
		    "'input_audio' in 'messages' must be an object with "
		    "'data' and 'format'.");
	rate = wav_rate(str_from(head, decode(str_skip(data, 1), head,
	    sizeof(head))));
	r->out->sound_in = true;
	r->out->sound_tokens += HEARD_SECOND * (1 + n / (rate ? rate :
	    SOUND_RATE));
	r->more_milli += 1000 * HEARD_SECOND * (1 + n / (rate ? rate :
	    SOUND_RATE));
	/* Whatever in it the upstream takes for the data. */
	r->out->prompt_bound += HEARD_SECOND_MOST *
	    (1 + (int64_t)value.n * 3 / 4 / SOUND_LEAST) - (int64_t)value.n;
	return true;
}

bool
openai_read_modalities(struct reading *r, struct str value)
{
	struct json_each m = json_each(value);
	bool known =
	    openai_is_empty(value) || json_kind(value) == JSON_IS_ARRAY;

	while (json_next(&m)) {
		bool sound = str_eq(m.value, S("\"audio\""));

		r->out->sound_out |= sound;
		known &= sound || str_eq(m.value, S("\"text\""));
	}
	if (known)
		return true;
	return openai_refuse(r, FAULT_UNSUPPORTED_VALUE, "modalities",
	    "This value of 'modalities' is not available here: it may be a "
	    "list of \"text\" and \"audio\".");
}

/* The voice and the format of what is spoken. */
bool
openai_read_audio(struct reading *r, struct str value)
{
	if (!openai_is_empty(value))
		r->out->sound_out = true;
	return true;
}

/* --- What an answer says of it --- */

int64_t
openai_seconds(struct str value)
{
	struct str whole;
	int64_t n;
	bool more = false;

	if (json_kind(value) == JSON_IS_STRING && value.n > 2)
		value = str_from(value.p + 1, value.n - 2);
	if (json_int(value, &n))
		return n >= 0 && n <= 1000000000 ? n : -1;
	whole = str_cut(&value, '.');
	if (!str_int(whole, &n) || n < 0 || n > 1000000000)
		return -1;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return -1;
		more |= value.p[i] != '0';
	}
	return n + more;
}
