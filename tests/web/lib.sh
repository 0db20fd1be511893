# SPDX-License-Identifier: MIT
# lib.sh - a whole house for a test: mock upstream, weir, a web server.
#
# Read by tests/web/* and tests/sdk/run, not run by itself.  Everything lives
# in one temporary folder and on ports of 127.0.0.1 that were free; house_close
# ends what house_open started, by process id.
#
# Results are lines as tests/run reads them: ok NAME, not ok NAME: why,
# skip NAME: why.  $suite is the part of NAME before the test's own.

top=$(cd "$(dirname "$0")/../.." && pwd -P)
suite=$(basename "$(cd "$(dirname "$0")" && pwd)")/$(basename "$0")
AS=
. "$top/conf/webserver.sh"

build=${WEIR_BUILD:-$top/build}
[ "${1:-}" != --build ] || build=${2:-}
build=$(cd "$build" 2>/dev/null && pwd -P) || {
	echo "usage: $0 [--build DIR]" >&2
	exit 2
}

failures=0
ok() { echo "ok $suite/$1"; }
no() {
	failures=$((failures + 1))
	echo "not ok $suite/$1: $2"
}
skip() { echo "skip $suite/$1: $2"; }
# check NAME WHY COMMAND...: ok if the command is true.
check() {
	name=$1
	why=$2
	shift 2
	if "$@"; then ok "$name"; else no "$name" "$why"; fi
}
finish() {
	[ "$failures" = 0 ]
	exit
}

# until_true SECONDS COMMAND...
until_true() {
	tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

# A port of 127.0.0.1 that the kernel has just called free.
free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

house=
weir_pid=
mock_pid=

house_close() {
	[ -n "$house" ] || return 0
	web_stop "$house/web"
	[ -z "$weir_pid" ] || kill "$weir_pid" 2>/dev/null
	[ -z "$mock_pid" ] || kill "$mock_pid" 2>/dev/null
	[ -z "$weir_pid" ] || wait "$weir_pid" 2>/dev/null
	[ -z "$mock_pid" ] || wait "$mock_pid" 2>/dev/null
	weir_pid=
	mock_pid=
	rm -rf "$house"
	house=
}
trap house_close EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ctl() { "$build/weirctl" --data "$house/data" "$@"; }

# What weir knows: every mock model at one price; alice with money, bob without.
# What fails is parked by the model's entry, so mock-503 has one of its own.
catalogue() {
	cat <<EOF
{"models":[{"name":"mock","context":128000,"max_output":4096,
  "price":{"input":"1.00","cache_read":"0.10","output":"2.00"}},
 {"name":"mock-503","context":128000,"max_output":4096,
  "price":{"input":"1.00","output":"2.00"}},
 {"name":"mock*","context":128000,"max_output":4096,
  "price":{"input":"1.00","cache_read":"0.10","output":"2.00"}}],
 "channels":[{"name":"mock","dialect":"openai",
  "base_url":"http://127.0.0.1:$mock_port/v1",
  "credentials":[{"name":"k1","secret":"upstream-secret-k1"}],
  "models":{"mock*":null}}],
 "accounts":[
  {"login":"alice","balance":"100.00","keys":[
   {"name":"app","secret":"$key"}]},
  {"login":"bob","balance":"0","keys":[
   {"name":"app","secret":"$poor_key"}]}]}
EOF
}

house_fail() {
	echo "$1" >&2
	tail -n 5 "$house"/*.log "$house"/web/*.log "$house"/web/tmp/*.log 2>/dev/null >&2
	house_close
	return 1
}

# house_open SERVER: sets url (…/v1), key, poor_key, mock_port.  False, with
# the reason on stderr, when something does not start.
house_open() {
	house=$(mktemp -d)
	chmod 711 "$house"
	mkdir "$house/web"
	key=sk-weir-alice-app-$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
	poor_key=sk-weir-bob-app-$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')

	"$build/tests/tools/mockup" --listen 127.0.0.1:0 \
	    --port-file "$house/mock.port" --truth "$house/truth" \
	    >"$house/mock.log" 2>&1 &
	mock_pid=$!
	until_true 5 test -s "$house/mock.port" ||
		{ house_fail "the mock upstream does not start"; return 1; }
	mock_port=$(cat "$house/mock.port")

	ctl init >"$house/init.log" 2>&1 ||
		{ house_fail "weirctl init failed"; return 1; }
	catalogue | ctl apply - >"$house/apply.log" 2>&1 ||
		{ house_fail "the catalogue was refused"; return 1; }
	WEIR_WWW=$top/www "$build/weir.fcgi" --data "$house/data" \
	    --listen "unix:$house/run/weir.sock" >"$house/weir.log" 2>&1 &
	weir_pid=$!
	until_true 5 test -S "$house/run/weir.sock" ||
		{ house_fail "weir does not start"; return 1; }

	port=$(free_port)
	web_write "$1" "$top/conf" "$house/web" "$port" \
	    "$house/run/weir.sock" && web_start "$house/web" &&
	    until_true 5 web_port_taken "$port" ||
		{ house_fail "$1 does not start"; return 1; }
	url=http://127.0.0.1:$port/v1
}

# The last test of a house: weir ends when it is told to, with status 0 (a
# sanitizer that has something to say makes it another), and the books agree.
house_ends_well() {
	kill "$weir_pid" && wait "$weir_pid"
	status=$?
	weir_pid=
	[ "$status" = 0 ] || tail -n 60 "$house/weir.log"
	check weir_ends_well "weir ended with status $status" [ "$status" = 0 ]
	check ledger "the books do not agree" \
	    ctl ledger check --truth "$house/truth"
}

# The tests of through.py behind one server.
through() {
	if ! web_program "$1" >/dev/null; then
		skip all "$1 is not installed"
		finish
	fi
	if house_open "$1"; then
		python3 "$top/tests/web/through.py" "$1" "$url" "$key" \
		    "$house/truth" || failures=1
		house_ends_well
	else
		no start "the servers do not start"
	fi
	finish
}
