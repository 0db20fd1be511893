/* SPDX-License-Identifier: MIT */
/*
 * routes.c - every URL and who serves it, on one screen.
 *
 * What is below /v1, /v1beta and /anthropic authenticates by client key in its
 * handler (relay_key; not POST /v1/doctor, which only counts bytes), /metrics
 * by an administrator's token; the rest is for everybody.  In whose words a
 * path is answered, each dialect says itself (dialect_of_path).
 */
#include "handlers/routes.h"

#include "handlers/dialect/dialect.h"
#include "handlers/page/page.h"
#include "handlers/page/setup.h"
#include "handlers/relay/call.h"
#include "handlers/relay/info.h"

#define API	ROUTE_API
#define API_WHOLE (ROUTE_API | ROUTE_WHOLE_PATH)
#define CALL	(ROUTE_API | ROUTE_JSON_BODY)
#define FORM	(ROUTE_API | ROUTE_FORM_BODY)

const struct route routes[] = {
	{ "POST", "/v1/chat/completions", CALL, relay_serve, ENDPOINT_CHAT },
	{ "POST", "/v1/completions", CALL, relay_serve, ENDPOINT_COMPLETIONS },
	{ "POST", "/v1/embeddings", CALL, relay_serve, ENDPOINT_EMBEDDINGS },
	{ "POST", "/v1/moderations", CALL, relay_serve, ENDPOINT_MODERATIONS },
	{ "POST", "/v1/images/generations", CALL, relay_serve,
	    ENDPOINT_IMAGES },
	{ "POST", "/v1/images/edits", CALL | FORM, relay_serve,
	    ENDPOINT_IMAGE_EDITS },
	{ "POST", "/v1/images/variations", FORM, relay_serve,
	    ENDPOINT_IMAGE_VARIATIONS },
	{ "POST", "/v1/audio/speech", CALL, relay_serve, ENDPOINT_SPEECH },
	{ "POST", "/v1/audio/transcriptions", FORM, relay_serve,
	    ENDPOINT_TRANSCRIPTIONS },
	{ "POST", "/v1/audio/translations", FORM, relay_serve,
	    ENDPOINT_TRANSLATIONS },
	{ "POST", "/v1/rerank", CALL, relay_serve, ENDPOINT_RERANK },
	{ "POST", "/v2/rerank", API_WHOLE | ROUTE_JSON_BODY, relay_serve,
	    ENDPOINT_RERANK_V2 },
	{ "POST", "/v1/messages", CALL, relay_serve, ENDPOINT_MESSAGES },
	{ "POST", "/v1/messages/count_tokens", CALL, relay_serve,
	    ENDPOINT_COUNT_TOKENS },
	{ "POST", "/anthropic/v1/messages", CALL | ROUTE_WHOLE_PATH,
	    relay_serve, ENDPOINT_MESSAGES },
	{ "POST", "/anthropic/v1/messages/count_tokens",
	    CALL | ROUTE_WHOLE_PATH, relay_serve, ENDPOINT_COUNT_TOKENS },
	{ "POST", "/v1beta/models/{}", CALL | ROUTE_WHOLE_PATH, relay_serve,
	    ENDPOINT_GENERATE },
	{ "POST", "/v1/models/{}", CALL, relay_serve, ENDPOINT_GENERATE },
	{ "GET",  "/anthropic/v1/models", API_WHOLE, info_models, 0 },
	{ "GET",  "/anthropic/v1/models/{}", API_WHOLE, info_model, 0 },
	{ "GET",  "/v1/models", API, info_models, 0 },
	{ "GET",  "/v1/models/{}", API, info_model, 0 },
	{ "GET",  "/v1/key", API, info_key, 0 },
	{ "GET",  "/v1/dashboard/billing/subscription", API,
	    info_subscription, 0 },
	{ "GET",  "/v1/dashboard/billing/usage", API, info_billing_usage, 0 },
	{ "GET",  "/v1/calls/{}", API, info_call, 0 },
	{ "GET",  "/v1/doctor", API, info_doctor, 0 },
	{ "POST", "/v1/doctor", API, info_doctor_body, 0 },
	{ "GET",  "/healthz", 0, info_health, 0 },
	{ "GET",  "/metrics", 0, info_metrics, 0 },
	{ "GET",  "/setup", 0, page_setup, 0 },
	{ "POST", "/setup", 0, page_setup_use, 0 },
	{ "GET",  "/static/{}", 0, page_static, 0 },
	{ "GET",  "/", 0, page_home, 0 },
};
const int n_routes = sizeof(routes) / sizeof(routes[0]);
