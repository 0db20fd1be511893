/* SPDX-License-Identifier: MIT */
/*
 * azure.c - Azure OpenAI: OpenAI's words at other places.
 *
 * Requests and answers are those of openai.c, so they pass from its callers
 * to here and back as they are.  An upstream is spoken to in one of two ways:
 * an api_version that is a date means one path for each deployment, which
 * stands for the model; any other, and none, the newer paths below /openai/v1,
 * where the body says it.
 */
#include "handlers/dialect/embed.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/up_error.h"

/* The first dated version that takes stream_options. */
#define TELLS_USAGE S("2024-09-01")

static bool
is_dated(struct str version)
{
	return version.n && version.p[0] >= '0' && version.p[0] <= '9';
}

static bool
tells_usage(struct str version)
{
	struct str day = version;

	if (day.n > TELLS_USAGE.n)
		day.n = TELLS_USAGE.n;
	return !is_dated(version) || str_cmp(day, TELLS_USAGE) >= 0;
}

static struct str
below(struct str version, bool of_model)
{
	return !is_dated(version) ? S("/openai/v1") : of_model ?
	    S("/openai/deployments/{model}") : S("/openai");
}

static const char *
path(enum endpoint endpoint, bool stream)
{
	switch (endpoint) {
	case ENDPOINT_CHAT:
	case ENDPOINT_COMPLETIONS:
	case ENDPOINT_EMBEDDINGS:
	case ENDPOINT_IMAGES:
	case ENDPOINT_IMAGE_EDITS:
	case ENDPOINT_SPEECH:
	case ENDPOINT_TRANSCRIPTIONS:
	case ENDPOINT_TRANSLATIONS:
		return openai_dialect.path(endpoint, stream);
	default:
		return NULL;
	}
}

const struct dialect azure_dialect = {
	.name = "azure",
	.like = &openai_dialect,
	.key_hint = "'api-key: KEY'",
	.key_head = STR_INIT("api-key: "),
	.models_path = "/models",
	.base_hint = "https://NAME.openai.azure.com",
	.below = below,
	.tells_usage = tells_usage,
	.path = path,
	OPENAI_WORDS,
};
