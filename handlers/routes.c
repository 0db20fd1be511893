/* SPDX-License-Identifier: MIT */
/*
 * routes.c - every URL and who serves it, on one screen.
 *
 * What is below /v1 authenticates by client key in its handler (relay_key; not
 * POST /v1/doctor, which only counts bytes), /metrics by an administrator's
 * token; the rest is for everybody.
 */
#include "handlers/routes.h"

#include "handlers/dialect/dialect.h"
#include "handlers/page/page.h"
#include "handlers/page/setup.h"
#include "handlers/relay/call.h"
#include "handlers/relay/info.h"

#define API	ROUTE_API
#define CALL	(ROUTE_API | ROUTE_JSON_BODY)

const struct route routes[] = {
	{ "POST", "/v1/chat/completions", CALL, relay_serve, ENDPOINT_CHAT },
	{ "POST", "/v1/completions", CALL, relay_serve, ENDPOINT_COMPLETIONS },
	{ "POST", "/v1/embeddings", CALL, relay_serve, ENDPOINT_EMBEDDINGS },
	{ "GET",  "/v1/models", API, info_models, 0 },
	{ "GET",  "/v1/models/{}", API, info_model, 0 },
	{ "GET",  "/v1/key", API, info_key, 0 },
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
