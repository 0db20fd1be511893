/* SPDX-License-Identifier: MIT */
/*
 * up_class.c - of what kind an upstream's error is.
 *
 * A table, read from the top: codes first, because nobody else can put words
 * into them; then phrases; the HTTP status last.  Validation errors quote what
 * a caller sent, so quoted text is taken out before phrases are searched, and
 * in an answer that blames the request a phrase that would park one of our
 * keys must stand at the head of the message.
 */
#include <assert.h>
#include <ctype.h>

#include "fcgi/base/mem.h"
#include "handlers/dialect/up_error.h"

enum {
	HEAD_BYTES = 24, /* of a message */
	TEXT_BYTES = 2048
};

/* Statuses as a set; an error without one (in a stream, in a 200) fits all. */
enum {
	S400 = 1 << 0,
	S401 = 1 << 1,
	S402 = 1 << 2,
	S403 = 1 << 3,
	S404 = 1 << 4,
	S413 = 1 << 5,
	S422 = 1 << 6,
	S429 = 1 << 7,
	S4XX = 1 << 8, /* another one */
	S500 = 1 << 9,
	S502 = 1 << 10,
	S503 = 1 << 11,
	S529 = 1 << 12,
	S5XX = 1 << 13,
	NO_STATUS = 1 << 14,
	CALLER = S400 | S404 | S413 | S422, /* blames the request */
	ANY_4XX = CALLER | S401 | S402 | S403 | S429 | S4XX,
	ANY_5XX = S500 | S502 | S503 | S529 | S5XX,
	ANY = ANY_4XX | ANY_5XX
};

struct row {
	unsigned statuses;
	const char *code; /* exact, or a head if it ends in '*' */
	const char *phrase; /* lower case; '*' stands for anything */
	enum up_class kind;
};

/* clang-format off */
static const struct row rows[] = {
	/* A code that means one thing only with certain words. */
	{ ANY, "rate_limit_exceeded", "request too large", UP_KEY_TOO_SMALL },
	{ ANY, "tokens", "request too large", UP_KEY_TOO_SMALL },
	{ ANY, "invalid_prompt", "usage policy", UP_CONTENT_POLICY },
	{ ANY, "not_found_error", "model:", UP_MODEL_MISSING },
	{ S429, "rate_limit_error", "long context", UP_NO_PERMISSION },
	{ S429, "rate_limit_error", "extra usage", UP_NO_PERMISSION },
	{ ANY, "PERMISSION_DENIED", "reported as leaked", UP_KEY_DEAD },
	{ ANY, "PERMISSION_DENIED", "has been suspended", UP_KEY_DEAD },
	{ ANY, "PERMISSION_DENIED", "denied access", UP_KEY_DEAD },
	{ ANY, "FAILED_PRECONDITION", "user location is not supported", UP_REGION_BLOCKED },
	{ ANY, "ValidationException", "input is too long", UP_CONTEXT_LENGTH },
	{ ANY, "ValidationException", "prompt is too long", UP_CONTEXT_LENGTH },
	{ ANY, "ValidationException", "expected maxlength", UP_CONTEXT_LENGTH },
	{ ANY, "ValidationException", "prompt tokens * exceed model maximum", UP_CONTEXT_LENGTH },

	/* Keys and money. */
	{ ANY, "invalid_api_key", NULL, UP_KEY_DEAD },
	{ ANY, "invalid_organization", NULL, UP_KEY_DEAD },
	{ ANY, "account_deactivated", NULL, UP_KEY_DEAD },
	{ ANY, "API_KEY_INVALID", NULL, UP_KEY_DEAD },
	{ ANY, "CONSUMER_SUSPENDED", NULL, UP_KEY_DEAD },
	{ ANY, "UnrecognizedClientException", NULL, UP_KEY_DEAD },
	{ ANY, "1000", NULL, UP_KEY_DEAD }, /* Zhipu, and below */
	{ ANY, "1001", NULL, UP_KEY_DEAD },
	{ ANY, "1002", NULL, UP_KEY_DEAD },
	{ ANY, "1003", NULL, UP_KEY_DEAD },
	{ ANY, "1004", NULL, UP_KEY_DEAD },
	{ ANY, "in_flight_budget_exhausted", NULL, UP_RATE_LIMIT },
	{ ANY, "insufficient_quota", NULL, UP_KEY_BROKE },
	{ ANY, "credit_balance_exhausted", NULL, UP_KEY_BROKE },
	{ ANY, "organization_spend_limit_exceeded", NULL, UP_KEY_BROKE },
	{ ANY, "project_spend_limit_exceeded", NULL, UP_KEY_BROKE },
	{ ANY, "organization_usage_limit_exceeded", NULL, UP_KEY_BROKE },
	{ ANY, "billing_hard_limit_reached", NULL, UP_KEY_BROKE },
	{ ANY, "billing_not_active", NULL, UP_KEY_BROKE },
	{ ANY, "billing_error", NULL, UP_KEY_BROKE },
	{ ANY, "insufficient_balance", NULL, UP_KEY_BROKE },
	{ ANY, "exceeded_current_quota_error", NULL, UP_KEY_BROKE },
	{ ANY, "Arrearage", NULL, UP_KEY_BROKE },
	{ ANY, "1113", NULL, UP_KEY_BROKE },

	/* Places and permissions. */
	{ ANY, "unsupported_country_region_territory", NULL, UP_REGION_BLOCKED },
	{ ANY, "SERVICE_DISABLED", NULL, UP_NO_PERMISSION },
	{ ANY, "API_KEY_SERVICE_BLOCKED", NULL, UP_NO_PERMISSION },
	{ ANY, "API_KEY_HTTP_REFERRER_BLOCKED", NULL, UP_NO_PERMISSION },
	{ ANY, "API_KEY_IP_ADDRESS_BLOCKED", NULL, UP_NO_PERMISSION },
	{ ANY, "AccessDeniedException", NULL, UP_NO_PERMISSION },
	{ ANY, "permission_error", NULL, UP_NO_PERMISSION },

	/* The request itself. */
	{ ANY, "model_not_found", NULL, UP_MODEL_MISSING },
	{ ANY, "DeploymentNotFound", NULL, UP_MODEL_MISSING },
	{ S404, "404", "resource not found", UP_WRONG_BASE }, /* Azure */
	{ ANY, "context_length_exceeded", NULL, UP_CONTEXT_LENGTH },
	{ ANY, "1261", NULL, UP_CONTEXT_LENGTH },
	{ ANY, "content_policy_violation", NULL, UP_CONTENT_POLICY },
	{ ANY, "moderation_blocked", NULL, UP_CONTENT_POLICY },
	{ ANY, "bio_policy", NULL, UP_CONTENT_POLICY },
	{ ANY, "content_filter", NULL, UP_CONTENT_POLICY },
	{ ANY, "ResponsibleAIPolicyViolation", NULL, UP_CONTENT_POLICY },
	{ ANY, "data_inspection_failed", NULL, UP_CONTENT_POLICY },
	{ ANY, "DataInspectionFailed", NULL, UP_CONTENT_POLICY },
	{ ANY, "1301", NULL, UP_CONTENT_POLICY },
	{ S403, "*moderation", NULL, UP_CONTENT_POLICY },
	{ ANY, "invalid_encrypted_content", NULL, UP_SIGNATURE },
	{ ANY, "previous_response_not_found", NULL, UP_SIGNATURE },
	{ ANY, "request_too_large", NULL, UP_TOO_LARGE },
	{ ANY, "unsupported_parameter", NULL, UP_BAD_REQUEST },
	{ ANY, "unsupported_value", NULL, UP_BAD_REQUEST },
	{ ANY, "string_above_max_length", NULL, UP_BAD_REQUEST },
	{ ANY, "invalid_function_parameters", NULL, UP_BAD_REQUEST },
	{ ANY, "unknown_parameter", NULL, UP_BAD_REQUEST },

	/* Too much at once, or too much for them. */
	{ ANY, "*per_day", NULL, UP_QUOTA_DAILY },
	{ ANY, "rate_limit_exceeded", NULL, UP_RATE_LIMIT },
	{ ANY, "rate_limit_reached_error", NULL, UP_RATE_LIMIT },
	{ ANY, "limit_requests", NULL, UP_RATE_LIMIT },
	{ ANY, "Throttling*", NULL, UP_RATE_LIMIT },
	{ S402, "RESOURCE_EXHAUSTED", NULL, UP_KEY_BROKE },
	{ ANY, "RESOURCE_EXHAUSTED", NULL, UP_RATE_LIMIT },
	{ ANY, "1302", NULL, UP_RATE_LIMIT },
	{ ANY, "1303", NULL, UP_RATE_LIMIT },
	{ ANY, "1305", NULL, UP_RATE_LIMIT },
	{ ANY, "engine_overloaded_error", NULL, UP_OVERLOADED },
	{ ANY, "overloaded_error", NULL, UP_OVERLOADED },
	{ ANY, "slow_down", NULL, UP_OVERLOADED },
	{ ANY, "server_is_overloaded", NULL, UP_OVERLOADED },
	{ ANY, "insufficient_system_resource", NULL, UP_OVERLOADED },
	{ S503, "UNAVAILABLE", NULL, UP_OVERLOADED },
	{ ANY, "ModelNotReadyException", NULL, UP_OVERLOADED },
	{ S502 | S503, "*provider", NULL, UP_OVERLOADED },
	{ ANY, "DEADLINE_EXCEEDED", NULL, UP_TIMEOUT },
	{ ANY, "ModelTimeoutException", NULL, UP_TIMEOUT },
	{ ANY, "ModelErrorException", NULL, UP_SERVER },

	/* Broad codes, which say more than no status at all. */
	{ NO_STATUS, "authentication_error", NULL, UP_KEY_DEAD },
	{ NO_STATUS, "rate_limit_error", NULL, UP_RATE_LIMIT },
	{ NO_STATUS, "timeout_error", NULL, UP_TIMEOUT },
	{ NO_STATUS, "api_error", NULL, UP_SERVER },
	{ NO_STATUS, "server_error", NULL, UP_SERVER },

	/* Words of validators, which quote what they refuse. */
	{ S400, "invalid_request_error", "extra inputs are not permitted", UP_BAD_REQUEST },
	{ S400, "invalid_request_error", "string should match pattern", UP_BAD_REQUEST },

	/* Words. */
	{ S401, NULL, "incorrect api key provided", UP_KEY_DEAD },
	{ S401, NULL, "must be a member of an organization", UP_KEY_DEAD },
	{ S401, NULL, "ip not authorized", UP_REGION_BLOCKED },
	{ S401 | S403, NULL, "account * has been deactivated", UP_KEY_DEAD },
	{ S401 | S403, NULL, "invalid subscription key", UP_KEY_DEAD },
	{ S401, NULL, "invalid x-api-key", UP_KEY_DEAD },
	{ S401, NULL, "oauth token has been revoked", UP_KEY_DEAD },
	{ S400 | S403, NULL, "this organization has been disabled", UP_KEY_DEAD },
	{ S400 | S403, NULL, "account has been disabled", UP_KEY_DEAD },
	{ S400, NULL, "api key not valid", UP_KEY_DEAD },
	{ S400, NULL, "api key expired", UP_KEY_DEAD },
	{ S403, NULL, "security token included in the request is invalid", UP_KEY_DEAD },
	{ S429, NULL, "exceeded your current quota", UP_KEY_BROKE },
	{ S400, NULL, "your credit balance is too low", UP_KEY_BROKE },
	{ S400, NULL, "you have reached your specified * usage limits", UP_KEY_BROKE },
	{ S400 | S403, NULL, "overdue-payment", UP_KEY_BROKE },
	{ ANY_4XX, NULL, "insufficient balance", UP_KEY_BROKE },
	{ ANY_4XX, NULL, "balance is insufficient", UP_KEY_BROKE },
	{ ANY_4XX, NULL, "insufficient_balance", UP_KEY_BROKE },
	{ ANY_4XX, NULL, "余额不足", UP_KEY_BROKE },
	{ ANY_4XX, NULL, "欠费", UP_KEY_BROKE },
	{ S403 | S404, NULL, "does not have access to model", UP_MODEL_MISSING },
	{ S403 | S404, NULL, "does not exist or you do not have access", UP_MODEL_MISSING },
	{ S400 | S413, NULL, "request payload size exceeds", UP_TOO_LARGE },
	{ S400 | S413 | S422, NULL, "maximum context length is", UP_CONTEXT_LENGTH },
	{ S400 | S413 | S422, NULL, "exceeds the context window", UP_CONTEXT_LENGTH },
	{ S400, NULL, "input tokens exceed the configured limit", UP_CONTEXT_LENGTH },
	{ S400 | S413, NULL, "prompt is too long", UP_CONTEXT_LENGTH },
	{ S400, NULL, "prompt: length", UP_CONTEXT_LENGTH },
	{ S400, NULL, "exceed context limit", UP_CONTEXT_LENGTH },
	{ S400, NULL, "exceeds the maximum number of tokens allowed", UP_CONTEXT_LENGTH },
	{ S400, NULL, "input token count", UP_CONTEXT_LENGTH },
	{ ANY, NULL, "is longer than the model's context length", UP_CONTEXT_LENGTH },
	{ ANY, NULL, "`inputs` tokens + `max_new_tokens` must be", UP_CONTEXT_LENGTH },
	{ ANY, NULL, "exceeds the available context size", UP_CONTEXT_LENGTH },
	{ ANY, NULL, "current length is * while limit is", UP_CONTEXT_LENGTH },
	{ ANY, NULL, "maximum input length is * tokens", UP_CONTEXT_LENGTH },
	{ ANY, NULL, "range of input length should be", UP_CONTEXT_LENGTH },
	{ S400, NULL, "rejected as a result of our safety system", UP_CONTENT_POLICY },
	{ S400, NULL, "content management policy", UP_CONTENT_POLICY },
	{ S400, NULL, "output blocked by content filtering policy", UP_CONTENT_POLICY },
	{ S400, NULL, "encrypted content * could not be verified", UP_SIGNATURE },
	{ S404, NULL, "item with id * not found", UP_SIGNATURE },
	{ S429, NULL, "request too large for * tpm", UP_KEY_TOO_SMALL },
	{ S413, NULL, "request too large for * tpm", UP_KEY_TOO_SMALL },
	{ S429, NULL, "rate limit reached for", UP_RATE_LIMIT },
	{ S429, NULL, "exceeded call rate limit", UP_RATE_LIMIT },
	{ S429, NULL, "token rate limit", UP_RATE_LIMIT },
	{ S429, NULL, "service tier capacity exceeded", UP_RATE_LIMIT },
	{ S500 | S503, NULL, "overloaded", UP_OVERLOADED },
	{ S400, NULL, "invalid `signature` in `thinking` block", UP_SIGNATURE },
	{ S400, NULL, "thinking.signature: field required", UP_SIGNATURE },
	{ S400, NULL, "expected `thinking` or `redacted_thinking`", UP_SIGNATURE },
	{ NO_STATUS, "invalid_request_error", NULL, UP_BAD_REQUEST },
	{ NO_STATUS, "not_found_error", NULL, UP_BAD_REQUEST },
};
/* clang-format on */

static unsigned
status_bit(int status)
{
	switch (status) {
	case 0:
		return NO_STATUS;
	case 400:
		return S400;
	case 401:
		return S401;
	case 402:
		return S402;
	case 403:
		return S403;
	case 404:
		return S404;
	case 413:
		return S413;
	case 422:
		return S422;
	case 429:
		return S429;
	case 500:
		return S500;
	case 502:
		return S502;
	case 503:
		return S503;
	case 529:
		return S529;
	default:
		return status < 500 ? S4XX : S5XX;
	}
}

/* When no row fits. */
static enum up_class
by_status(const struct up_report *r)
{
	switch (r->status) {
	case 401:
		return UP_KEY_DEAD;
	case 402:
		return UP_KEY_BROKE;
	case 403:
		return UP_NO_PERMISSION;
	case 408:
	case 504:
		return UP_TIMEOUT;
	case 413:
		return UP_TOO_LARGE;
	case 425:
	case 429:
		return UP_RATE_LIMIT;
	case 503:
	case 529:
		return UP_OVERLOADED;
	case 404:
		if (r->html || r->empty)
			return UP_WRONG_BASE;
		return UP_BAD_REQUEST;
	case 409:
		return UP_SERVER;
	case 501:
		return UP_BAD_REQUEST;
	default:
		return r->status >= 400 && r->status < 500 ? UP_BAD_REQUEST
							   : UP_SERVER;
	}
}

static bool
has_code(const struct up_report *r, const char *want)
{
	struct str w = str_of(want);
	bool head = w.n > 1 && w.p[w.n - 1] == '*';

	if (head)
		w.n--;
	for (size_t i = 0; i < r->n_codes; i++)
		if (head ? str_starts(r->codes[i], w) : str_eq(r->codes[i], w))
			return true;
	return false;
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/*
 * The message in lower case without what stands in quotation marks.  A mark
 * opens where no word ends before it, and closes where no word goes on, so
 * that an apostrophe does neither.
 */
static struct str
own_words(struct str message, char text[static TEXT_BYTES])
{
	size_t n = 0;
	char quote = 0;

	for (size_t i = 0; i < message.n && n < TEXT_BYTES; i++) {
		char c = message.p[i];
		bool after = i > 0 && is_word(message.p[i - 1]);
		bool before = i + 1 < message.n && is_word(message.p[i + 1]);

		if (quote) {
			if (c == quote && !before)
				quote = 0;
			continue;
		}
		if ((c == '\'' || c == '"') && !after) {
			quote = c;
			continue;
		}
		text[n++] = (char)tolower((unsigned char)c);
	}
	return str_from(text, n);
}

/* Where the phrase begins, or NULL. */
static const char *
find_phrase(struct str text, const char *phrase)
{
	struct str rest = str_of(phrase), part;
	const char *first = NULL, *hit;

	while (rest.n) {
		part = str_cut(&rest, '*');
		hit = memmem(text.p, text.n, part.p, part.n);
		if (!hit)
			return NULL;
		if (!first)
			first = hit;
		text = str_skip(text, (size_t)(hit - text.p) + part.n);
	}
	return first;
}

static bool
blames_key(enum up_class kind)
{
	return kind == UP_KEY_DEAD || kind == UP_KEY_BROKE ||
	    kind == UP_NO_PERMISSION || kind == UP_REGION_BLOCKED;
}

static bool
fits(const struct row *row, const struct up_report *r, unsigned bit,
    struct str words)
{
	const char *hit;

	if (!(row->statuses & bit) && bit != NO_STATUS)
		return false;
	if (row->code && !has_code(r, row->code))
		return false;
	if (!row->phrase)
		return true;
	hit = find_phrase(words, row->phrase);
	if (!hit)
		return false;
	return row->code || !(bit & (CALLER | NO_STATUS)) ||
	    !blames_key(row->kind) || hit - words.p < HEAD_BYTES;
}

enum up_class
up_judge(const struct up_report *r)
{
	char text[TEXT_BYTES];
	struct str words = own_words(r->message, text);
	unsigned bit = status_bit(r->status);

	for (size_t i = 0; i < countof(rows); i++)
		if (fits(&rows[i], r, bit, words))
			return rows[i].kind;
	return by_status(r);
}

const char *
up_class_name(enum up_class k)
{
	static const char *const names[N_UP_CLASSES] = {
		[UP_OK] = "ok",
		[UP_BAD_REQUEST] = "bad_request",
		[UP_CONTEXT_LENGTH] = "context_length",
		[UP_TOO_LARGE] = "too_large",
		[UP_CONTENT_POLICY] = "content_policy",
		[UP_MODEL_MISSING] = "model_missing",
		[UP_KEY_DEAD] = "key_dead",
		[UP_KEY_BROKE] = "key_broke",
		[UP_NO_PERMISSION] = "no_permission",
		[UP_REGION_BLOCKED] = "region_blocked",
		[UP_RATE_LIMIT] = "rate_limit",
		[UP_KEY_TOO_SMALL] = "key_too_small",
		[UP_QUOTA_DAILY] = "quota_daily",
		[UP_OVERLOADED] = "overloaded",
		[UP_SERVER] = "server",
		[UP_TIMEOUT] = "timeout",
		[UP_SIGNATURE] = "signature",
		[UP_WRONG_BASE] = "wrong_base",
	};

	assert(k < N_UP_CLASSES);
	return names[k];
}
