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

# A port of 127.0.0.1 for a server that sets SO_REUSEADDR, as they do.  Until
# house_close a process holds it, so that the kernel gives it to nobody else.
free_port() {
	python3 -c 'import os, signal, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
pid = os.fork()
if pid:
    with open(sys.argv[1], "a") as held:
        print(pid, file=held)
    print(s.getsockname()[1])
else:
    for fd in range(3):
        os.dup2(os.open("/dev/null", os.O_RDWR), fd)
    signal.pause()' "$house/held"
}

house=
weir_pid=
mock_pid=

house_close() {
	[ -n "$house" ] || return 0
	web_stop "$house/web"
	[ -z "$weir_pid" ] || kill "$weir_pid" 2>/dev/null
	[ -z "$mock_pid" ] || kill "$mock_pid" 2>/dev/null
	[ ! -f "$house/held" ] || kill $(cat "$house/held") 2>/dev/null
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
  "price":{"input":"1.00","cache_read":"0.10","output":"2.00"}},
 {"name":"media","price":{"input":"1.00","output":"2.00","image":"0.01",
  "character":"15.00","second":"0.0001","search":"0.002"}}],
 "channels":[{"name":"mock","dialect":"openai",
  "base_url":"http://127.0.0.1:$mock_port/v1",
  "credentials":[{"name":"k1","secret":"upstream-secret-k1"}],
  "models":{"mock*":null,"media":null}}],
 "accounts":[
  {"login":"alice","balance":"100.00","keys":[
   {"name":"app","secret":"$key"},
   {"name":"far","secret":"$far_key","ips":["203.0.113.0/24"]}]},
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

# Servers that start weir themselves.
starts_weir() {
	case $1 in
	apache-fcgid | apache-cgi) true ;;
	*) false ;;
	esac
}

# Does weir take connections?  What it is asked here it does not understand.
weir_listens() {
	rc=0
	curl -s -o /dev/null --max-time 2 --unix-socket \
	    "$house/run/weir.sock" http://localhost/ || rc=$?
	[ "$rc" -ne 7 ]
}

weir_start() {
	WEIR_WWW=$house/www "$build/weir.fcgi" --data "$house/data" \
	    --listen "unix:$house/run/weir.sock" >>"$house/weir.log" 2>&1 &
	weir_pid=$!
	until_true 5 weir_listens ||
		{ house_fail "weir does not start"; return 1; }
}

# What a server that starts weir is given: the program and its settings, in
# places of the kind the samples speak of.
house_programs() {	# SERVER
	folder=$house/bin
	name=weir.fcgi
	if [ "$1" = apache-cgi ]; then
		folder=$house/site
		name=weir.cgi
	fi
	mkdir -p "$folder/sub/weir" || return 1
	for d in "$folder" "$folder/sub/weir"; do
		cp "$build/weir.fcgi" "$d/$name" &&
		printf 'www = %s\nlog = %s\nmemory_max = 1G\n' \
		    "$house/www" "$house/run/weir.log" >"$d/weir.conf" ||
			return 1
	done
	[ "$1" = apache-cgi ] || rm -r "$folder/sub"
	mkdir "$house/run"
	for u in $(web_user); do
		chown "$u" "$house/run"
	done
}

# chapters PATTERN FILE: switches on the chapters of a sample whose first line
# fits, by the rule that each sample states at its head.
chapters() {
	awk -v want="$1" '
	/^[ \t]*# ---/ { on = $0 ~ want }
	!/^[ \t]*#/ { on = 0 }
	on && /^#[^ ]/ { sub(/^#/, "") }
	{ print }' "$2" >"$2.on" && mv "$2.on" "$2"
}

# The second half of house_open: the web server, by its sample with some of
# its chapters on.  $3: a command that changes the file that is its argument.
house_web() {	# SERVER CHAPTERS [COMMAND]
	port=$(free_port)
	case $1 in
	apache-fcgid) at=$house/bin/weir.fcgi ;;
	apache-cgi) at=$house/site ;;
	*) at=$house/run/weir.sock ;;
	esac
	WEIR_DATA=$house/data
	web_write "$1" "$top/conf" "$house/web" "$port" "$at" "$house/www" ||
		{ house_fail "the sample of $1 cannot be written"; return 1; }
	if [ "$1" = apache-cgi ]; then
		cp "$house/site/.htaccess" "$house/site/sub/weir"
	elif [ -n "$2" ]; then
		chapters "$2" "$house/web/weir.conf" &&
		${3:-true} "$house/web/weir.conf"
	fi
	web_start "$house/web" && until_true 5 web_port_taken "$port" ||
		{ house_fail "$1 does not start"; return 1; }
	url=http://127.0.0.1:$port/v1
}

# house_open SERVER [CHAPTERS [COMMAND]]: sets url (…/v1), key, poor_key,
# mock_port.  False, with the reason on stderr, when something does not start.
house_open() {
	house=$(mktemp -d)
	chmod 711 "$house"
	mkdir "$house/web" && cp -R "$top/www" "$house/www" &&
	chmod -R a+rX "$house/www"
	key=sk-weir-alice-app-$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
	poor_key=sk-weir-bob-app-$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
	far_key=sk-weir-alice-far-$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')

	: >"$house/truth" && chmod 644 "$house/truth"
	"$build/tests/tools/mockup" --listen 127.0.0.1:0 \
	    --port-file "$house/mock.port" --truth "$house/truth" \
	    >"$house/mock.log" 2>&1 &
	mock_pid=$!
	until_true 5 test -s "$house/mock.port" ||
		{ house_fail "the mock upstream does not start"; return 1; }
	mock_port=$(cat "$house/mock.port")

	owner=
	if starts_weir "$1"; then
		for u in $(web_user); do
			owner="--user $u"
		done
	fi
	ctl init $owner >"$house/init.log" 2>&1 ||
		{ house_fail "weirctl init failed"; return 1; }
	catalogue | ctl apply - >"$house/apply.log" 2>&1 ||
		{ house_fail "the catalogue was refused"; return 1; }
	if starts_weir "$1"; then
		house_programs "$1" ||
			{ house_fail "the program cannot be put in place"
			return 1; }
	else
		weir_start || return 1
	fi
	house_web "$1" "${2:-}" "${3:-}"
}

# Nobody runs the house's program any more.
no_weir() {
	for exe in /proc/[0-9]*/exe; do
		case $(readlink "$exe" 2>/dev/null) in
		"$house"/bin/* | "$house"/site/*) return 1 ;;
		esac
	done
}

# The last test of a house: weir ends when it is told to, with status 0 (a
# sanitizer that has something to say makes it another), and the books agree.
house_ends_well() {
	if [ -n "$weir_pid" ]; then
		kill "$weir_pid" && wait "$weir_pid"
		status=$?
		weir_pid=
		[ "$status" = 0 ] || tail -n 60 "$house/weir.log"
		check weir_ends_well "weir ended with status $status" \
		    [ "$status" = 0 ]
	else
		web_stop "$house/web"
		check weir_ends_well "a process outlives its web server" \
		    until_true 10 no_weir
		check nothing_broke "a sanitizer or an assertion spoke" \
		    sh -c '! grep -aE "Sanitizer|runtime error|Assertion" "$@"' \
		    - "$house/web/tmp/web.log" "$house/run/weir.log"
	fi
	check ledger "the books do not agree" \
	    ctl ledger check --truth "$house/truth"
}

# Does a call succeed?
served() {
	status=$(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' \
	    --max-time 10 -H "Authorization: Bearer $key" "$url/models")
	[ "$status" = 200 ]
}

# What a caller is told while weir is away, and that it is served when weir is
# back: at once, or after the second for which lighttpd remembers.
down_and_up() {
	kill "$weir_pid" && wait "$weir_pid"
	weir_pid=
	curl -s -o "$house/down" -w '%{http_code}' --noproxy '*' \
	    --max-time 10 "$url/models" >"$house/down.status"
	check down_status "$(cat "$house/down.status")" \
	    grep -qxE '50[234]' "$house/down.status"
	check down_names_doctor "$(head -c 200 "$house/down")" \
	    grep -qF 'weirctl doctor URL' "$house/down"
	weir_start || return 1
	check up_again "status $status" until_true 3 served
}

# The chapters for a public server need a certificate and an address.
public() {	# FILE
	tls_port=$(free_port)
	live=/etc/letsencrypt/live/llm.example.org
	sed -e "s|$live|$house|" -e "s|192\.0\.2\.10|127.0.0.1|" \
	    -e "s|listen 443|listen 127.0.0.1:$tls_port|" \
	    -e "s|0\.0\.0\.0:443|127.0.0.1:$tls_port|" "$1" >"$1.new" &&
	mv "$1.new" "$1"
	# Apache's chapter changes the one port there is.
	case $server in apache*) tls_port=$port ;; esac
}

public_server() {
	want='TLS|HSTS|Real address'
	if ! command -v openssl >/dev/null || ! web_has_tls "$server"; then
		skip tls "no openssl, or $server has no TLS here"
		want='Real address'
	else
		openssl req -x509 -newkey ec -pkeyopt \
		    ec_paramgen_curve:prime256v1 -nodes -days 2 \
		    -subj /CN=llm.example.org -keyout "$house/privkey.pem" \
		    -out "$house/fullchain.pem" 2>"$house/openssl.log" &&
		chmod 644 "$house/privkey.pem"
	fi
	web_stop "$house/web"
	WEB_MODULES='headers remoteip ssl socache_shmcb'
	house_web "$server" "$want" public || {
		no public_start "$server does not start with chapters $want on"
		return
	}
	case $want in
	TLS*)
		curl -sk --noproxy '*' --max-time 10 \
		    --connect-to "llm.example.org:443:127.0.0.1:$tls_port" \
		    -D "$house/head" -H 'Accept: application/json' \
		    https://llm.example.org/ >"$house/page"
		check tls_links "$(head -c 200 "$house/page")" grep -qF \
		    '"base_url":"https://llm.example.org/v1"' "$house/page"
		check hsts "no such header" grep -qi \
		    '^strict-transport-security: max-age=' "$house/head"
		;;
	*) tls_port=$port ;;
	esac
	check real_address "the forwarded address does not count" \
	    [ "$(from 203.0.113.7)" = 200 ]
	check real_address_needed "the far key works from here" \
	    [ "$(from 198.51.100.7)" != 200 ]
}

# The status of a call with the far key that claims this address.
from() {
	case $want in TLS*) scheme=https ;; *) scheme=http ;; esac
	curl -sk -o /dev/null -w '%{http_code}' --noproxy '*' --max-time 10 \
	    -H "Authorization: Bearer $far_key" -H "X-Forwarded-For: $1" \
	    "$scheme://127.0.0.1:$tls_port/v1/models"
}

# A third mount, under a name that ends in .fcgi, as many configurations found
# in the wild have it; no sample needs it.
own_name() {	# FILE
	end='^}'
	case $server in
	nginx) cat <<-'EOF' ;;
		location /x/ {
			fastcgi_param SCRIPT_NAME /x/weir.fcgi;
			fastcgi_param REQUEST_URI $request_uri;
			fastcgi_param REQUEST_METHOD $request_method;
			fastcgi_pass weir;
		}
		EOF
	lighttpd) end='^#'; cat <<-EOF ;;
		\$HTTP["url"] =~ "^/x/weir.fcgi" {
			setenv.add-environment = ()
			fastcgi.server = ( "/x/weir.fcgi" => ((
				"socket" => "$house/run/weir.sock",
				"check-local" => "disable")) )
		}
		EOF
	apache) end='ProxyPass "/" '; cat <<-EOF ;;
		<Location "/x/">
			UnsetEnv WEIR_MOUNT
			ProxyFCGISetEnvIf true SCRIPT_NAME /x/weir.fcgi
		</Location>
		EOF
	apache-fcgid) end='Alias "/" '; cat <<-EOF ;;
		<Location "/x/">
			UnsetEnv WEIR_MOUNT
		</Location>
		Alias "/x/" "$house/bin/"
		EOF
	esac >"$house/own"
	# Before the last line of that kind.
	at=$(grep -n "$end" "$1" | tail -n 1 | cut -d: -f1)
	sed -i "$((at - 1))r $house/own" "$1"
}

# The tests of through.py behind one server.  $2: a command that changes the
# server's configuration first.
through() {	# SERVER [COMMAND]
	server=$1
	if ! web_program "$1" >/dev/null; then
		skip all "$1 is not installed"
		finish
	fi
	if ! house_open "$1" 'In a folder' "${2:-own_name}"; then
		no start "the servers do not start"
		finish
	fi
	export WEIR_CTL="$build/weirctl --data $house/data"
	export WEIR_SDK="${WEIR_SDK:-$top/build/sdk}"
	python3 "$top/tests/web/through.py" "$suite" "$1" "$url" "$key" \
	    "$far_key" "$house/truth" || failures=1
	[ -z "$weir_pid" ] || down_and_up
	[ "$1" = apache-cgi ] || public_server
	house_ends_well
	finish
}
