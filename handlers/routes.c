/* SPDX-License-Identifier: MIT */
/*
 * routes.c - every URL and who serves it, on one screen.
 *
 * What is below /v1, /v1beta and /anthropic authenticates by client key in its
 * handler (relay_key; not POST /v1/doctor, which only counts bytes), /metrics
 * by an administrator's token.  A page's row says which roles may use it, and
 * the guard sees to it (visit.c); the rest is for everybody.  In whose words a
 * path is answered, each dialect says itself (dialect_of_path).  What others
 * call these paths stands at the end.
 */
#include "handlers/routes.h"

#include "handlers/account/keys.h"
#include "handlers/account/models.h"
#include "handlers/account/overview.h"
#include "handlers/account/usage.h"
#include "handlers/admin/admin.h"
#include "handlers/dialect/dialect.h"
#include "handlers/page/kit.h"
#include "handlers/page/page.h"
#include "handlers/page/setup.h"
#include "handlers/page/signin.h"
#include "handlers/page/visit.h"
#include "handlers/relay/call.h"
#include "handlers/relay/info.h"

#define API	ROUTE_API
#define API_WHOLE (ROUTE_API | ROUTE_WHOLE_PATH)
#define CALL	(ROUTE_API | ROUTE_JSON_BODY)
#define FORM	(ROUTE_API | ROUTE_FORM_BODY)

/* Who may use a route: a page says whom, the rest is for ALL. */
#define ALL	0, NULL
#define PAGE(method, path, who, leaf) \
	{ (method), (path), 0, kit_serve, 0, (who), &(leaf) }
#define GUESTS	(ROLE_GUEST | ROLES_ANY | ROLE_BROWSER)
#define USERS	(ROLES_ANY | ROLE_BROWSER)
#define SITE	ROLES_SITE
#define OPERATE	ROLES_OPERATE
#define ACCOUNT	ROLES_ACCOUNT
#define HOLDER	ROLE_HOLDER

const struct route routes[] = {
	{ "POST", "/v1/chat/completions", CALL, relay_serve, ENDPOINT_CHAT,
	    ALL },
	{ "POST", "/v1/completions", CALL, relay_serve, ENDPOINT_COMPLETIONS,
	    ALL },
	{ "POST", "/v1/embeddings", CALL, relay_serve, ENDPOINT_EMBEDDINGS, ALL },
	{ "POST", "/v1/moderations", CALL, relay_serve, ENDPOINT_MODERATIONS, ALL },
	{ "POST", "/v1/images/generations", CALL, relay_serve,
	    ENDPOINT_IMAGES, ALL },
	{ "POST", "/v1/images/edits", CALL | FORM, relay_serve,
	    ENDPOINT_IMAGE_EDITS, ALL },
	{ "POST", "/v1/images/variations", FORM, relay_serve,
	    ENDPOINT_IMAGE_VARIATIONS, ALL },
	{ "POST", "/v1/audio/speech", CALL, relay_serve, ENDPOINT_SPEECH, ALL },
	{ "POST", "/v1/audio/transcriptions", FORM, relay_serve,
	    ENDPOINT_TRANSCRIPTIONS, ALL },
	{ "POST", "/v1/audio/translations", FORM, relay_serve,
	    ENDPOINT_TRANSLATIONS, ALL },
	{ "POST", "/v1/rerank", CALL, relay_serve, ENDPOINT_RERANK, ALL },
	{ "POST", "/v2/rerank", API_WHOLE | ROUTE_JSON_BODY, relay_serve,
	    ENDPOINT_RERANK_V2, ALL },
	{ "POST", "/v1/messages", CALL, relay_serve, ENDPOINT_MESSAGES, ALL },
	{ "POST", "/v1/messages/count_tokens", CALL, relay_serve,
	    ENDPOINT_COUNT_TOKENS, ALL },
	{ "POST", "/v1/responses", CALL, relay_serve, ENDPOINT_RESPONSES,
	    ALL },
	{ "POST", "/v1/responses/compact", CALL, relay_serve,
	    ENDPOINT_COMPACT, ALL },
	{ "POST", "/v1/responses/input_tokens", CALL, relay_serve,
	    ENDPOINT_COUNT_TOKENS, ALL },
	{ "POST", "/v1/responses/{}", API, relay_serve, ENDPOINT_STORED, ALL },
	{ "GET",  "/v1/responses/{}", API, relay_serve, ENDPOINT_STORED, ALL },
	{ "DELETE", "/v1/responses/{}", API, relay_serve, ENDPOINT_STORED,
	    ALL },
	{ "POST", "/anthropic/v1/messages", CALL | ROUTE_WHOLE_PATH,
	    relay_serve, ENDPOINT_MESSAGES, ALL },
	{ "POST", "/anthropic/v1/messages/count_tokens",
	    CALL | ROUTE_WHOLE_PATH, relay_serve, ENDPOINT_COUNT_TOKENS, ALL },
	{ "GET",  "/v1beta/models", API_WHOLE, info_models, 0, ALL },
	{ "GET",  "/v1beta/models/{}", API_WHOLE, info_model, 0, ALL },
	{ "POST", "/v1beta/models/{}", CALL | ROUTE_WHOLE_PATH, relay_serve,
	    ENDPOINT_GENERATE, ALL },
	{ "POST", "/v1/models/{}", CALL, relay_serve, ENDPOINT_GENERATE, ALL },
	{ "GET",  "/anthropic/v1/models", API_WHOLE, info_models, 0, ALL },
	{ "GET",  "/anthropic/v1/models/{}", API_WHOLE, info_model, 0, ALL },
	{ "GET",  "/v1/models", API, info_models, 0, ALL },
	{ "GET",  "/v1/models/{}", API, info_model, 0, ALL },
	{ "GET",  "/v1/key", API, info_key, 0, ALL },
	{ "GET",  "/v1/dashboard/billing/subscription", API,
	    info_subscription, 0, ALL },
	{ "GET",  "/v1/dashboard/billing/usage", API, info_billing_usage, 0,
	    ALL },
	{ "GET",  "/v1/calls/{}", API, info_call, 0, ALL },
	{ "GET",  "/v1/doctor", API, info_doctor, 0, ALL },
	{ "POST", "/v1/doctor", API, info_doctor_body, 0, ALL },
	{ "GET",  "/healthz", 0, info_health, 0, ALL },
	{ "GET",  "/metrics", 0, info_metrics, 0, ALL },
	{ "GET",  "/setup", 0, page_setup, 0, ALL },
	{ "POST", "/setup", 0, page_setup_use, 0, ALL },
	PAGE("GET", "/signin", GUESTS, leaf_signin),
	PAGE("POST", "/signin", GUESTS, leaf_signin),
	PAGE("POST", "/signout", USERS, leaf_signout),
	PAGE("GET", "/profile", USERS, leaf_profile),
	PAGE("POST", "/profile/password", USERS, leaf_password),
	PAGE("POST", "/profile/sessions/{}/end", USERS, leaf_session_end),
	PAGE("GET", "/admin", SITE, leaf_dashboard),
	PAGE("GET", "/admin/channels", SITE, leaf_channels),
	PAGE("POST", "/admin/channels/{}/on", OPERATE, leaf_channel_on),
	PAGE("POST", "/admin/channels/{}/off", OPERATE, leaf_channel_off),
	PAGE("POST", "/admin/channels/{}/recover", OPERATE,
	    leaf_channel_recover),
	PAGE("POST", "/admin/credentials/{}/on", OPERATE, leaf_credential_on),
	PAGE("POST", "/admin/credentials/{}/off", OPERATE,
	    leaf_credential_off),
	PAGE("POST", "/admin/credentials/{}/recover", OPERATE,
	    leaf_credential_recover),
	PAGE("GET", "/admin/models", SITE, leaf_models),
	PAGE("GET", "/admin/accounts", SITE, leaf_accounts),
	PAGE("GET", "/admin/accounts/new", OPERATE, leaf_account_new),
	PAGE("POST", "/admin/accounts/new", OPERATE, leaf_account_new),
	PAGE("GET", "/admin/accounts/{}", SITE, leaf_account),
	PAGE("POST", "/admin/accounts/{}/on", OPERATE, leaf_account_on),
	PAGE("POST", "/admin/accounts/{}/off", OPERATE, leaf_account_off),
	PAGE("POST", "/admin/accounts/{}/grant", OPERATE, leaf_grant),
	PAGE("POST", "/admin/accounts/{}/deduct", OPERATE, leaf_deduct),
	PAGE("GET", "/admin/keys", SITE, leaf_keys),
	PAGE("GET", "/admin/keys/new", OPERATE, leaf_key_new),
	PAGE("POST", "/admin/keys/new", OPERATE, leaf_key_new),
	PAGE("GET", "/admin/keys/{}/edit", OPERATE, leaf_key_edit),
	PAGE("POST", "/admin/keys/{}/edit", OPERATE, leaf_key_edit),
	PAGE("POST", "/admin/keys/{}/on", OPERATE, leaf_key_on),
	PAGE("POST", "/admin/keys/{}/off", OPERATE, leaf_key_off),
	PAGE("POST", "/admin/keys/{}/rotate", OPERATE, leaf_key_rotate),
	PAGE("POST", "/admin/keys/{}/revoke", OPERATE, leaf_key_revoke),
	PAGE("GET", "/admin/keys/{}", SITE, leaf_key),
	PAGE("GET", "/admin/users", SITE, leaf_users),
	PAGE("GET", "/admin/users/new", OPERATE, leaf_user_new),
	PAGE("POST", "/admin/users/new", OPERATE, leaf_user_new),
	PAGE("GET", "/admin/users/{}/password", OPERATE, leaf_user_password),
	PAGE("POST", "/admin/users/{}/password", OPERATE,
	    leaf_user_password),
	PAGE("POST", "/admin/users/{}/on", OPERATE, leaf_user_on),
	PAGE("POST", "/admin/users/{}/off", OPERATE, leaf_user_off),
	PAGE("GET", "/admin/ledger", SITE, leaf_ledger),
	PAGE("GET", "/admin/usage", SITE, leaf_usage),
	PAGE("GET", "/admin/usage/{}", SITE, leaf_call),
	PAGE("GET", "/admin/reports", SITE, leaf_reports),
	PAGE("GET", "/admin/audit", SITE, leaf_audit),
	PAGE("GET", "/admin/system", SITE, leaf_system),
	PAGE("GET", "/account", ACCOUNT, leaf_overview),
	PAGE("GET", "/account/keys", ACCOUNT, leaf_keys),
	PAGE("GET", "/account/keys/new", HOLDER, leaf_key_new),
	PAGE("POST", "/account/keys/new", HOLDER, leaf_key_new),
	PAGE("GET", "/account/keys/{}/edit", HOLDER, leaf_key_edit),
	PAGE("POST", "/account/keys/{}/edit", HOLDER, leaf_key_edit),
	PAGE("POST", "/account/keys/{}/on", HOLDER, leaf_key_on),
	PAGE("POST", "/account/keys/{}/off", HOLDER, leaf_key_off),
	PAGE("POST", "/account/keys/{}/rotate", HOLDER, leaf_key_rotate),
	PAGE("POST", "/account/keys/{}/revoke", HOLDER, leaf_key_revoke),
	PAGE("GET", "/account/keys/{}", ACCOUNT, leaf_key),
	PAGE("GET", "/account/usage", ACCOUNT, leaf_usage),
	PAGE("GET", "/account/usage/{}", ACCOUNT, leaf_call),
	PAGE("GET", "/account/models", ACCOUNT, leaf_models),
	{ "GET",  "/static/{}", 0, page_static, 0, ALL },
	{ "GET",  "/", 0, page_home, 0, ALL },
};
const int n_routes = sizeof(routes) / sizeof(routes[0]);

/* OpenAI's API as Azure and as Google have it.  Those of Azure send their keys
 * in a header of its own. */
const struct way ways[] = {
	{ "/openai/deployments/{}", "/v1", KEY_API },
	{ "/openai/v1", "/v1", KEY_API },
	{ "/v1beta/openai", "/v1", KEY_BEARER },
	{ "/openai", "/v1", KEY_API },
};
const int n_ways = sizeof(ways) / sizeof(ways[0]);
