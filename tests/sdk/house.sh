# SPDX-License-Identifier: MIT
# house.sh - a house for official clients: nginx, weir, the mock upstream, and
# the scripted ones of each dialect (anthropic_up.py, openai_up.py,
# responses_up.py, gemini_up.py).
#
# Read by the scripts beside it, not run by itself; see tests/web/lib.sh.
. "$(dirname "$0")/../web/lib.sh"

sdk=${WEIR_SDK:-$top/build/sdk}
here=$top/tests/sdk
up_pids=

# The scripted upstreams, and what weir is told of them.
ups_open() {
	for up in anthropic openai responses gemini; do
		python3 "$here/${up}_up.py" "$house/$up.port" &
		up_pids="$up_pids $!"
	done
	for up in anthropic openai responses gemini; do
		until_true 10 test -s "$house/$up.port" || return 1
	done
	price='"context":200000,"max_output":8192,
	  "price":{"input":"1.00","output":"2.00"}'
	ctl apply - >"$house/ups.log" <<EOF
{"models":[{"name":"claude-text",$price},{"name":"claude-*",$price},
 {"name":"gemini-*",$price},{"name":"open-*",$price},{"name":"azure-*",$price},{"name":"gpt-4o-json",$price},
 {"name":"res-*",$price},{"name":"gpt-4o-res-json",$price},
 {"name":"gpt-5.2-*",$price}],
 "channels":[{"name":"claude","dialect":"anthropic",
  "base_url":"http://127.0.0.1:$(cat "$house/anthropic.port")",
  "credentials":[{"name":"k1","secret":"upstream-secret-claude"}],
  "models":{"claude-*":null}},
 {"name":"gemini","dialect":"gemini",
  "base_url":"http://127.0.0.1:$(cat "$house/gemini.port")",
  "credentials":[{"name":"k1","secret":"upstream-secret-gemini"}],
  "models":{"gemini-*":null}},
 {"name":"azure","dialect":"azure","api_version":"2024-10-21",
  "base_url":"http://127.0.0.1:$(cat "$house/openai.port")",
  "credentials":[{"name":"k1","secret":"upstream-secret-azure"}],
  "models":{"azure-text":"open-text","azure-tools":"open-tools",
   "azure-context":"open-context","azure-cut":"open-cut"}},
 {"name":"open","dialect":"openai",
  "base_url":"http://127.0.0.1:$(cat "$house/openai.port")/v1",
  "credentials":[{"name":"k1","secret":"upstream-secret-open"}],
  "models":{"open-*":null,"gpt-4o-json":null}},
 {"name":"res","dialect":"openai_responses",
  "base_url":"http://127.0.0.1:$(cat "$house/responses.port")/v1",
  "credentials":[{"name":"k1","secret":"upstream-secret-res"}],
  "models":{"res-*":null,"gpt-4o-res-json":null,"gpt-5.2-*":null}}]}
EOF
}

ups_known() {
	curl -s --max-time 10 -H "Authorization: Bearer $key" "$url/models" |
		grep -q claude-text
}

# All of it; false, with a result printed, when something does not start.
sdk_open() {
	house_open nginx && ups_open && until_true 10 ups_known || {
		no house "the servers do not start"
		sdk_close
		return 1
	}
	WEIR_URL=$url
	WEIR_KEY=$key
	WEIR_POOR_KEY=$poor_key
	export WEIR_URL WEIR_KEY WEIR_POOR_KEY
	# The keys a developer may have set are nobody's business here.
	unset OPENAI_API_KEY OPENAI_BASE_URL OPENAI_ORG_ID OPENAI_PROJECT_ID
	unset GEMINI_API_KEY GOOGLE_API_KEY GOOGLE_GEMINI_BASE_URL
	unset ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL
	no_proxy='*'
	NO_PROXY='*'
	export no_proxy NO_PROXY
}

sdk_close() {
	for pid in $up_pids; do
		kill "$pid"
		wait "$pid" || :
	done
	[ -z "$house" ] || house_ends_well
}
