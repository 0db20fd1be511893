#!/bin/sh
# SPDX-License-Identifier: MIT
# quickstart.sh - from a fresh checkout to a working relay in one command.
#
# It installs what is missing, builds in build/, makes a data directory, starts
# weir and a web server on 127.0.0.1, and asks one question through them.  Run
# again it starts what does not run and changes nothing else.  It asks nothing,
# enables no service, and `uninstall` undoes it.
#
# As root: program in /opt/weir, data in /var/lib/weir, socket in /run/weir, all
# run by the user weir.  Otherwise everything is in ${XDG_DATA_HOME}/weir.
# Secrets travel in the environment and on standard input, never in arguments.

set -eu
umask 022

usage() {
	cat <<'EOF'
usage: sh conf/quickstart.sh [COMMAND] [OPTION...]

  start       install what is missing, build, start, ask one question (default)
  deps        only install what is missing
  check       run all tests; ends with "N passed, N failed"
  status      what runs
  logs        follow weir's log
  stop        stop weir and its web server
  uninstall   undo everything but the data; with --purge the data too

  --port N       port of 127.0.0.1 (default: 8080, or the next free one)
  --server NAME  nginx, lighttpd or apache (default: the first installed)
  --demo         use the demonstration upstream though a provider key is set

Provider keys are taken from OPENAI_API_KEY (for OPENAI_BASE_URL, if that is
set), MISTRAL_API_KEY, GROQ_API_KEY, XAI_API_KEY and DEEPSEEK_API_KEY.
EOF
}

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
die() {
	note "quickstart: $*"
	exit 1
}
wrong() {
	note "quickstart: $*"
	usage >&2
	exit 2
}

# --- arguments and places -----------------------------------------------------

command=start
port=
server=
demo=
purge=
[ $# -eq 0 ] || case $1 in -*) ;; *)
	command=$1
	shift
	;;
esac
while [ $# -gt 0 ]; do
	case $1 in
	--port) [ $# -gt 1 ] || wrong "--port needs a number"
		port=$2
		shift
		;;
	--port=*) port=${1#*=} ;;
	--server) [ $# -gt 1 ] || wrong "--server needs a name"
		server=$2
		shift
		;;
	--server=*) server=${1#*=} ;;
	--demo) demo=yes ;;
	--purge) purge=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*) wrong "what is $1?" ;;
	esac
	shift
done
case $command in
start | deps | check | status | logs | stop | uninstall) ;;
help)
	usage
	exit 0
	;;
*) wrong "what is $command?" ;;
esac
case $port in
'') ;;
*[!0-9]* | ??????*) wrong "--port $port: give a number from 1 to 65535" ;;
*) if [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
	wrong "--port $port: give a number from 1 to 65535"
fi ;;
esac
case $server in
'' | nginx | lighttpd | apache) ;;
*) wrong "--server $server: give nginx, lighttpd or apache" ;;
esac

top=$(cd "$(dirname "$0")/.." && pwd -P)
build=$top/build
if [ "$(id -u)" = 0 ]; then
	prefix=/opt/weir
	data=/var/lib/weir
	run_dir=/run/weir
	user=weir
	AS="setpriv --reuid=weir --regid=weir --init-groups"
else
	[ -n "${XDG_DATA_HOME:-}${HOME:-}" ] ||
		die "HOME is not set: set it, or XDG_DATA_HOME"
	prefix=${XDG_DATA_HOME:-$HOME/.local/share}/weir
	data=$prefix/data
	run_dir=$prefix/run
	user=$(id -un 2>/dev/null || id -u)
	AS=
fi
state=$prefix/quickstart
web=$state/web
socket=$run_dir/weir.sock
conf=$prefix/etc/weir/weir.conf
log=$data/weir.log
ctl=$prefix/bin/weirctl

. "$top/conf/webserver.sh"

work=
policy=
sudo=
tidy() {
	[ -z "$work" ] || rm -rf "$work"
	[ -z "$policy" ] || $sudo rm -f "$policy"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The process in PIDFILE, if it lives and TEXT is in its arguments.
alive() {
	pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] &&
	    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" |
	    grep -qF -e "$2" && echo "$pid"
}

# await SECONDS COMMAND...: until the command is true; false if it never is.
await() {
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# end PIDFILE TEXT SECONDS: ends that process, gently, then not.
end() {
	pid=$(alive "$1" "$2") || return 0
	kill "$pid" 2>/dev/null || return 0
	await "$3" web_gone "$pid" || kill -9 "$pid" 2>/dev/null || :
	rm -f "$1"
}

# spawn PIDFILE LOG PROGRAM ARGUMENT...: runs it on, as the user, without us.
spawn() {
	pidfile=$1
	into=$2
	shift 2
	if command -v setsid >/dev/null; then
		setsid $AS "$@" </dev/null >>"$into" 2>&1 &
	else
		nohup $AS "$@" </dev/null >>"$into" 2>&1 &
	fi
	echo $! >"$pidfile"
}

# --- what must be there -------------------------------------------------------

# What to look for, and its package for apt, dnf, apk and pacman.
needs='
cmd:cc          gcc                  gcc            gcc           gcc
hdr:stdio.h     libc6-dev            glibc-devel    musl-dev      glibc
cmd:make        make                 make           make          make
cmd:autoreconf  autoconf             autoconf       autoconf      autoconf
cmd:automake    automake             automake       automake      automake
cmd:pkg-config  pkg-config           pkgconf-pkg-config pkgconf   pkgconf
hdr:fcgiapp.h   libfcgi-dev          fcgi-devel     fcgi-dev      fcgi
lib:libcurl     libcurl4-openssl-dev libcurl-devel  curl-dev      curl
lib:sqlite3     libsqlite3-dev       sqlite-devel   sqlite-dev    sqlite
lib:jansson     libjansson-dev       jansson-devel  jansson-dev   jansson
lib:libsodium   libsodium-dev        libsodium-devel libsodium-dev libsodium
cmd:curl        curl                 curl           curl          curl
cmd:setpriv     util-linux           util-linux     setpriv       util-linux
pem:any         ca-certificates      ca-certificates ca-certificates ca-certificates
web:any         lighttpd             lighttpd       lighttpd      lighttpd
'
needs_check='
lib:cmocka      libcmocka-dev        libcmocka-devel cmocka-dev   cmocka
san:address     libgcc-12-dev        libasan        gcc           gcc
san:undefined   libgcc-12-dev        libubsan       gcc           gcc
cmd:clang       clang                clang          clang         clang
cmd:clang-format clang-format        clang-tools-extra clang-extra-tools clang
cmd:mandoc      mandoc               mandoc         mandoc        mandoc
cmd:python3     python3              python3        python3       python
pip:any         python3-venv         python3-pip    py3-pip       python-pip
cmd:node        nodejs               nodejs         nodejs        nodejs
cmd:npm         npm                  npm            npm           npm
web:nginx       nginx-light          nginx          nginx         nginx
web:lighttpd    lighttpd             lighttpd       lighttpd      lighttpd
tls:lighttpd    lighttpd-mod-openssl lighttpd       lighttpd      lighttpd
web:apache      apache2              httpd          apache2-proxy apache
web:apache-fcgid libapache2-mod-fcgid mod_fcgid     apache-mod-fcgid mod_fcgid
cmd:openssl     openssl              openssl        openssl       openssl
cmd:strace      strace               strace         strace        strace
cmd:systemd-analyze systemd          systemd        -             systemd
'

# Is one need of the form KIND:WHAT met?
have() {
	case $1 in
	cmd:*) web_path "${1#*:}" >/dev/null ;;
	lib:*) pkg-config --exists "${1#*:}" 2>/dev/null ;;
	hdr:*) echo "#include <${1#*:}>" | cc -E - >/dev/null 2>&1 ;;
	san:*)
		mkdir -p "$build" && echo 'int main(void) { return 0; }' |
		    cc -fsanitize="${1#*:}" -x c -o "$build/.probe" - \
			>/dev/null 2>&1 && rm -f "$build/.probe"
		;;
	pip:any) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
	web:any) web_find >/dev/null ;;
	web:*) web_program "${1#*:}" >/dev/null ;;
	tls:*) web_has_tls "${1#*:}" ;;
	pem:any)
		for f in /etc/ssl/certs/ca-certificates.crt \
		    /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
			[ ! -s "$f" ] || return 0
		done
		return 1
		;;
	esac
}

# The packages of a table that are missing, for package manager number $2
# (1 apt, 2 dnf, 3 apk, 4 pacman), each once; - is one that has none.
missing() {
	echo "$1" | while read -r need apt dnf apk pacman; do
		[ -n "$need" ] || continue
		have "$need" || case $2 in
		1) echo "$apt" ;;
		2) echo "$dnf" ;;
		3) echo "$apk" ;;
		4) echo "$pacman" ;;
		esac
	done | sed '/^-$/d' | sort -u | tr '\n' ' ' | sed 's/ $//'
}

# Stop: these packages are needed and cannot be installed from here.
ask_for() {
	note "quickstart: $2.  Run this, then quickstart.sh again:"
	note "  $1"
	exit 3
}

# Debian starts a service as soon as it is installed, and at every boot from
# then on.  What was not there before shall do neither.
apt_install() {
	line="apt-get install -y --no-install-recommends $1"
	if [ "$(id -u)" != 0 ]; then
		sudo -n true 2>/dev/null ||
			ask_for "sudo apt-get update && sudo $line" "missing: $1"
		sudo="sudo -n"
	fi
	say "installing $1"
	mkdir -p "$state"
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		policy=/usr/sbin/policy-rc.d
		printf '#!/bin/sh\nexit 101\n' |
			$sudo sh -c "cat >$policy && chmod 755 $policy"
	fi
	if ! $sudo env DEBIAN_FRONTEND=noninteractive $line \
	    >"$state/apt.log" 2>&1; then
		# Most often the lists are old or were never fetched.
		if ! { $sudo apt-get update && $sudo env \
		    DEBIAN_FRONTEND=noninteractive $line; } \
		    >"$state/apt.log" 2>&1; then
			tail -n 5 "$state/apt.log" >&2
			ask_for "${sudo:+sudo }apt-get update && ${sudo:+sudo }$line" \
			    "apt-get failed"
		fi
	fi
	for p in $1; do
		echo "$p" >>"$state/packages"
		case $p in
		nginx-light) service=nginx ;;
		lighttpd | apache2) service=$p ;;
		*) continue ;;
		esac
		$sudo update-rc.d "$service" disable >/dev/null 2>&1 || :
		$sudo deb-systemd-helper disable "$service.service" \
		    >/dev/null 2>&1 || :
	done
	if [ -n "$policy" ]; then
		$sudo rm -f "$policy"
		policy=
	fi
}

# Makes sure of one table of needs, or leaves with status 3.
provide() {
	if command -v apt-get >/dev/null; then
		lacking=$(missing "$1" 1)
		[ -n "$lacking" ] || return 0
		apt_install "$lacking"
		lacking=$(missing "$1" 1)
		[ -z "$lacking" ] ||
			die "installed, but still not found: $lacking"
	elif command -v dnf >/dev/null; then
		lacking=$(missing "$1" 2)
		[ -z "$lacking" ] ||
			ask_for "dnf install $lacking" "missing: $lacking"
	elif command -v apk >/dev/null; then
		lacking=$(missing "$1" 3)
		[ -z "$lacking" ] ||
			ask_for "apk add $lacking" "missing: $lacking"
	else
		lacking=$(missing "$1" 4)
		[ -z "$lacking" ] ||
			ask_for "pacman -S $lacking" "missing: $lacking"
	fi
}

deps() {
	[ -e "/proc/$$/cmdline" ] || die "it needs Linux with /proc"
	provide "$needs"
}

# --- build and install --------------------------------------------------------

# Runs a step of the build; on failure shows where it broke.
step() {
	"$@" >>"$build/quickstart.log" 2>&1 || {
		tail -n 15 "$build/quickstart.log" >&2
		die "this failed: $*   (all of it: $build/quickstart.log)"
	}
}

cores() { nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

# The build system, which a checkout does not carry.
generate() {
	[ ! -x "$top/configure" ] || return 0
	(cd "$top" && step autoreconf -i)
	touch "$build/quickstart.generated"
}

# Has anything the program is made of changed since FILE?
changed_since() {
	[ -n "$(find "$top/fcgi" "$top/handlers" "$top/db" "$top/www" \
	    "$top/conf" "$top/tests/tools" "$top/configure.ac" \
	    "$top/Makefile.am" -newer "$1" -type f 2>/dev/null | head -n 1)" ]
}

# Builds and installs, if that is not done yet.  Sets $fresh when it did.
fresh=
key=
make_program() {
	stamp=$build/quickstart.stamp
	if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$prefix" ] &&
	    [ -x "$ctl" ] && ! changed_since "$stamp"; then
		return 0
	fi
	mkdir -p "$build" 2>/dev/null && [ -w "$build" ] || die \
	    "$build is not writable: use a checkout of your own"
	: >"$build/quickstart.log"
	say "building weir (about a minute; log: $build/quickstart.log)"
	touch "$build/quickstart.begun"
	generate
	if [ ! -f "$build/Makefile" ] ||
	    ! grep -qxF "prefix = $prefix" "$build/Makefile"; then
		(cd "$build" && step "$top/configure" --prefix="$prefix")
	fi
	step make -C "$build" -j "$(cores)" all tests/tools/mockup
	step make -C "$build" install
	step install -m 755 "$build/tests/tools/mockup" "$prefix/bin/weir-demo.new"
	step mv -f "$prefix/bin/weir-demo.new" "$prefix/bin/weir-demo"
	echo "$prefix" >"$stamp"
	# Changes made while it was building are built next time.
	touch -r "$build/quickstart.begun" "$stamp"
	fresh=yes
}

# --- the house ----------------------------------------------------------------

# User, directories, settings and the store; nothing where it is there.
furnish() {
	if [ "$user" = weir ] && [ "$(id -u)" = 0 ]; then
		if ! id weir >/dev/null 2>&1; then
			useradd --system --user-group --no-create-home \
			    --home-dir "$data" --shell /usr/sbin/nologin weir ||
				die "cannot make the user weir"
			touch "$state/user"
		fi
		[ -d "$run_dir" ] || install -d -m 750 -o weir -g weir "$run_dir"
	else
		[ -d "$run_dir" ] || (umask 077 && mkdir -p "$run_dir")
	fi
	mkdir -p "$web"
	[ "${#socket}" -le 107 ] || die \
	    "$socket is too long for a socket: set XDG_DATA_HOME to a shorter path"
	if [ ! -f "$conf" ]; then
		mkdir -p "${conf%/*}"
		cat >"$conf" <<EOF
# Written by quickstart.sh, which leaves it alone from now on.
# $prefix/share/weir/conf/weir.conf explains every setting.
data = $data
listen = unix:$socket
www = $prefix/share/weir/www
log = $log
EOF
	fi
	if [ ! -f "$data/weir.db" ]; then
		"$ctl" --conf "$conf" init >"$work/init" 2>&1 || {
			cat "$work/init" >&2
			die "cannot make the data directory $data"
		}
	fi
}

# --- upstreams ----------------------------------------------------------------

# Variable with the key, name of the channel, base URL.  All speak the dialect
# openai; models.json has the prices.
providers='
OPENAI_API_KEY   openai   https://api.openai.com/v1
MISTRAL_API_KEY  mistral  https://api.mistral.ai/v1
GROQ_API_KEY     groq     https://api.groq.com/openai/v1
XAI_API_KEY      xai      https://api.x.ai/v1
DEEPSEEK_API_KEY deepseek https://api.deepseek.com/v1
'

# The names in models.json that the upstream of $2 says it has, into
# $work/models.$3; false, with the reason told, when it cannot be used.
models_of() {
	eval "secret=\$$1"
	code=$(printf 'header = "Authorization: Bearer %s"\n' "$secret" |
	    curl -sS -K - --max-time 20 -o "$work/listed" -w '%{http_code}' \
	    "$2/models" 2>"$work/why") || code=000
	case $code in
	200) ;;
	000) note "$1 is left out: $(tail -n 1 "$work/why")"
		return 1 ;;
	401 | 403) note "$1 is left out: $2 refuses it ($code)"
		return 1 ;;
	*) note "$1 is left out: $2/models answers $code"
		return 1 ;;
	esac
	tr '{,' '\n\n' <"$work/listed" |
	    sed -n 's/^ *"id" *: *"\([^"]*\)".*/\1/p' | sort -u >"$work/names"
	awk -F'"' 'NR == FNR { have[$0] = 1; next }
	    /"name":/ && have[$4] { print $4 }' \
	    "$work/names" "$top/conf/models.json" >"$work/models.$3"
	[ -s "$work/models.$3" ] || {
		note "$1 is left out: conf/models.json has no price for any model of $2"
		return 1
	}
}

# A catalogue with one channel; the secret stays in the environment.
channel() {	# NAME BASE_URL VARIABLE MODELS-FILE
	printf '{"channels":[{"name":"%s","dialect":"openai",' "$1"
	printf '"base_url":"%s","credentials":[{"name":"quickstart",' "$2"
	printf '"secret":{"env":"%s"}}],"models":{' "$3"
	sed -e 's/.*/"&":null/' -e '$!s/$/,/' "$4"
	printf '}}]}\n'
}

# A key goes where its owner sends it: OPENAI_BASE_URL, if that is not weir
# itself, as after pasting our lines.
openai_url() {
	case ${OPENAI_BASE_URL:-} in
	'' | "http://127.0.0.1:$(cat "$state/port" 2>/dev/null)/"*) echo "$1" ;;
	*) echo "${OPENAI_BASE_URL%/}" ;;
	esac
}

# The demonstration upstream, if a channel needs it and it does not run.  It
# keeps its port from one start to the next while that is free.
demo_start() {
	[ -f "$state/demo.port" ] || return 0
	alive "$state/demo.pid" "$prefix/bin/weir-demo" >/dev/null && return 0
	first=$(cat "$state/demo.port")
	at=$first
	while web_port_taken "$at"; do
		at=$((at + 1))
	done
	spawn "$state/demo.pid" "$state/demo.log" "$prefix/bin/weir-demo" \
	    --demo --listen "127.0.0.1:$at"
	await 5 web_port_taken "$at" || {
		tail -n 5 "$state/demo.log" >&2
		die "the demonstration upstream does not start"
	}
	echo "$at" >"$state/demo.port"
}

# What the catalogue shall have for the demonstration.
demo_catalogue() {
	cat <<EOF
{"models":[{"name":"demo","context":8192,"max_output":1024,
  "price":{"input":"0.50","output":"1.50"},
  "note":"a demonstration, not a language model"}],
 "channels":[{"name":"demo","dialect":"openai",
  "base_url":"http://127.0.0.1:$(cat "$state/demo.port")/v1",
  "credentials":[{"name":"quickstart","secret":"weir-demonstration"}],
  "models":{"demo":null},
  "note":"conf/quickstart.sh: a local demonstration upstream"}]}
EOF
}

# Applies the catalogue on standard input, silently unless it is refused.
apply() {
	"$ctl" --conf "$conf" apply - >"$work/applied" 2>&1 || {
		cat "$work/applied" >&2
		die "the catalogue was refused"
	}
}

# The key of a provider, unless it is one of weir's own: whoever pasted our
# lines has OPENAI_API_KEY set to that.
provider_key() {
	eval "secret=\${$1:-}"
	case $secret in '' | sk-weir-*) return 1 ;; esac
}

# Makes channels of the provider keys that are set and not known yet; without
# any, the demonstration.  $state/upstreams: a line "channel variable" each.
connect() {
	touch "$state/upstreams"
	if [ -z "$demo" ]; then
		while read -r variable name url <&3; do
			[ -n "$variable" ] && provider_key "$variable" || continue
			! grep -q "^$name " "$state/upstreams" || continue
			[ "$name" != openai ] || url=$(openai_url "$url")
			models_of "$variable" "$url" "$name" || continue
			channel "$name" "$url" "$variable" "$work/models.$name" \
			    >"$work/channel.json"
			apply <"$work/channel.json"
			cp "$work/models.$name" "$state/models.$name"
			echo "$name $variable" >>"$state/upstreams"
			say "added upstream $name: $(wc -l <"$work/models.$name") models ($variable)"
		done 3<<EOF
$providers
EOF
	fi
	if [ ! -s "$state/upstreams" ] ||
	    { [ -n "$demo" ] && ! grep -q '^demo ' "$state/upstreams"; }; then
		# A port that a kernel would not hand out by itself.
		echo 18080 >"$state/demo.port"
		demo_start
		echo demo >"$state/models.demo"
		echo "demo -" >>"$state/upstreams"
	fi
	demo_start
	if [ -f "$state/demo.port" ]; then
		demo_catalogue >"$work/demo.json"
		if ! cmp -s "$work/demo.json" "$state/demo.json"; then
			apply <"$work/demo.json"
			cp "$work/demo.json" "$state/demo.json"
		fi
	fi
}

# Prices and the account, once and whenever the list has changed.
stock() {
	cmp -s "$top/conf/models.json" "$state/models.json" && return 0
	apply <"$top/conf/models.json"
	apply <<'EOF'
{"accounts":[{"login":"quickstart","balance":"10.00",
  "note":"made by conf/quickstart.sh"}]}
EOF
	cp "$top/conf/models.json" "$state/models.json"
}

# The model to ask: the demonstration, or the cheapest that chats on the first
# upstream; sets $model, and $price to its line of models.json.
choose_model() {
	price=
	name=$(sed -n '/^demo /!{s/ .*//p;q;}' "$state/upstreams")
	if [ -n "$demo" ] || [ -z "$name" ]; then
		model=demo
		return
	fi
	price=$(awk -F'"' '
	    NR == FNR { have[$0] = 1; next }
	    !/"name":/ || !have[$4] { next }
	    $4 ~ /embed|instruct|codex|guard|-pro/ { next }
	    match($0, /"input":"[0-9.]+/) {
		    input = substr($0, RSTART + 9, RLENGTH - 9) + 0
		    if (!match($0, /"output":"[0-9.]+/))
			    next
		    output = substr($0, RSTART + 10, RLENGTH - 10) + 0
		    if (best == "" || input + output < least) {
			    least = input + output
			    best = $4 " " input " " output
		    }
	    }
	    END { print best }' "$state/models.$name" "$state/models.json")
	model=${price%% *}
	[ -n "$model" ] || die "$name has no model to chat with: use --demo"
}

# --- start and stop -----------------------------------------------------------

weir_pid() { alive "$state/weir.pid" "$conf"; }

weir_start() {
	weir_pid >/dev/null && return 0
	spawn "$state/weir.pid" "$state/weir.log" \
	    "$prefix/libexec/weir/weir.fcgi" --conf "$conf"
	await 5 test -S "$socket" || {
		tail -n 5 "$state/weir.log" >&2
		die "weir does not start (log: $state/weir.log, $log)"
	}
}

weir_stop() {
	end "$state/weir.pid" "$conf" 35
	rm -f "$socket"
}

# A web server on the port that was asked for, the one of last time, or the
# next that is free.
serve() {
	old=$(cat "$state/port" 2>/dev/null || :)
	was=$(cat "$web/server" 2>/dev/null || :)
	kind=${server:-${was:-$(web_find)}}
	web_program "$kind" >/dev/null || die "$kind is not installed"
	if web_pid "$web" >/dev/null; then
		if [ "${port:-$old}" = "$old" ] && [ "$kind" = "$was" ]; then
			port=$old
			return 0
		fi
		web_stop "$web"
	fi
	if [ -n "$port" ]; then
		web_port_taken "$port" && die \
		    "port $port is taken: leave --port out, or choose another"
	else
		port=${old:-8080}
		while web_port_taken "$port"; do
			port=$((port + 1))
		done
	fi
	web_write "$kind" "$top/conf" "$web" "$port" "$socket" \
	    "$prefix/share/weir/www"
	[ -z "$AS" ] || chown weir:weir "$web/tmp"
	web_start "$web" || die "$kind does not start (log: $web/tmp/web.log)"
	await 5 web_port_taken "$port" ||
		die "$kind does not answer on port $port (log: $web/tmp/web.log)"
	echo "$port" >"$state/port"
}

# --- the first question -------------------------------------------------------

# The text of member content in one event's JSON.  An awk a word: it is slow
# enough to be read anyway, and streams whatever else awk would hold back.
words() {
	awk '{
		if (!match($0, /"content" *: *"([^"\\]|\\.)*"/))
			exit
		s = substr($0, RSTART, RLENGTH)
		sub(/^"content" *: *"/, "", s)
		sub(/"$/, "", s)
		out = ""
		while ((i = index(s, "\\")) > 0) {
			out = out substr(s, 1, i - 1)
			c = substr(s, i + 1, 1)
			s = substr(s, i + 2)
			if (c == "n") c = "\n"
			else if (c == "t") c = "\t"
			else if (c == "u") {
				h = tolower(substr(s, 1, 4))
				s = substr(s, 5)
				c = h ~ /^20(18|19)$/ ? "\047" : \
				    h ~ /^20(1c|1d)$/ ? "\"" : \
				    h ~ /^201[0-5]$/ ? "-" : "?"
			}
			out = out c
		}
		printf "%s%s", out, s
	}'
}

# Does weir know the model by now?  A running one sees a change within a second.
listed() {
	printf 'header = "Authorization: Bearer %s"\n' "$key" |
	    curl -s -K - --max-time 5 "$base/models/$model" |
	    grep -qF "\"id\":\"$model\""
}

# Asks once, streamed, and prints the answer as it comes; the key goes in by
# standard input.  False when there was no whole answer, the reason printed.
ask() {
	question='{"role":"user","content":"Say hello in one sentence."}'
	printf 'header = "Authorization: Bearer %s"\n' "$key" |
	    curl -sSN -K - -D "$work/head" --max-time 300 \
		-H 'Content-Type: application/json' -d "{\"model\":\"$model\",
		\"stream\":true,\"messages\":[$question]}" \
		"$base/chat/completions" 2>"$work/curl" |
	    while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		'data: [DONE]'*) echo yes >"$work/done" ;;
		'data: {"error"'*) printf '%s\n' "$line" >"$work/no" ;;
		'data: '*) printf '%s\n' "$line" | words ;;
		'' | :*) ;;
		*) printf '%s\n' "$line" >>"$work/no" ;;
		esac
	    done
	echo
	[ -f "$work/done" ] && return 0
	cat "$work/curl" "$work/no" 2>/dev/null >&2 || :
	return 1
}

# What that cost, as weir wrote it down.
cost_line() {
	id=$(tr -d '\r' <"$work/head" |
	    sed -n 's/^[Xx]-[Rr]equest-[Ii][Dd]: *//p' | tail -n 1)
	printf 'header = "Authorization: Bearer %s"\n' "$key" |
	    curl -sSf -K - --max-time 10 "$base/calls/$id" |
	    awk '
	    function number(name) {
		    if (!match($0, "\"" name "\" *: *\"?[0-9.]+"))
			    return ""
		    s = substr($0, RSTART, RLENGTH)
		    sub(/.*[:" ]/, "", s)
		    return s
	    }
	    { all = all $0 }
	    END {
		    $0 = all
		    if (number("cost") == "")
			    exit 1
		    written = number("cache_write") + number("cache_write_1h")
		    read = number("input") + number("cache_read") + written
		    made = number("output") + number("reasoning")
		    printf "cost %s USD · %d in · %d out · %.1f ms of it weir\n",
			number("cost"), read, made, number("weir_ms")
	    }' || note "the call's record $id could not be read"
}

# Is the web server set up as it should be?  Silent if it is.
examine() {
	printf '%s\n' "$key" | "$ctl" --conf "$conf" doctor "$base" --key - \
	    --no-call >"$work/doctor" 2>&1 && return 0
	note "weirctl doctor $base found something to change:"
	grep -v '^✓' "$work/doctor" >&2 || :
}

# A key that is shown once and kept nowhere.
new_key() {
	"$ctl" --conf "$conf" key new --account quickstart \
	    --name "quickstart-$(date -u +%Y%m%d-%H%M%S)" \
	    >"$work/key" 2>"$work/why" || {
		cat "$work/why" >&2
		die "no key could be made"
	}
	key=$(sed -n 's/.*\(sk-weir-[A-Za-z0-9]\{43\}\).*/\1/p' "$work/key" |
	    head -n 1)
	[ -n "$key" ] || die "weirctl printed no key"
}

lines_to_paste() {
	cat <<EOF

export OPENAI_BASE_URL=$base OPENAI_API_KEY=${key:-sk-weir-…}
# Python: pip install openai
from openai import OpenAI
print(OpenAI().chat.completions.create(model="$model",
  messages=[{"role": "user", "content": "Hello"}]).choices[0].message.content)
// Node: npm install openai
const { OpenAI } = await import("openai");
console.log((await new OpenAI().chat.completions.create({ model: "$model",
  messages: [{ role: "user", content: "Hello" }] })).choices[0].message.content)

next:
EOF
	me="sh $0"
	[ "$model" != demo ] || say \
	    "  add your own key   OPENAI_API_KEY=… $me"
	say "  watch calls        $ctl log -f"
	say "  look for mistakes  echo \$OPENAI_API_KEY | $ctl doctor $base --key -"
	say "  undo everything    $me uninstall --purge"
}

start() {
	deps
	mkdir -p "$state"
	make_program
	furnish
	[ -z "$fresh" ] || weir_stop
	stock
	connect
	weir_start
	serve
	base=http://127.0.0.1:$port/v1
	say "weir is running: $base"
	if [ -f "$state/ready" ]; then
		choose_model
		say "The key was shown by the first run; another one:"
		say "  $ctl key new --account quickstart --name NAME"
		lines_to_paste
		return
	fi
	new_key
	say "key, shown this once: $key"
	choose_model
	say
	if [ -n "$price" ]; then
		set -- $price
		say "Asking $1 ($2 USD in, $3 USD out per million tokens; --demo avoids it):"
	else
		say "Asking the demonstration upstream, no language model:"
	fi
	if await 3 listed && ask; then
		say
		cost_line
		examine
		touch "$state/ready"
		lines_to_paste
	else
		note "the question was not answered; weir runs (log: $log)"
		exit 1
	fi
}

halt() {
	web_stop "$web"
	weir_stop
	end "$state/demo.pid" "$prefix/bin/weir-demo" 3
}

stop() {
	halt
	say "weir is stopped; to start it again: sh $0"
}

status() {
	[ -d "$state" ] || die "nothing here: no $state"
	ok=0
	if pid=$(weir_pid); then
		say "weir        runs, process $pid, settings $conf"
	else
		say "weir        does not run"
		ok=1
	fi
	if pid=$(web_pid "$web"); then
		say "web server  $(cat "$web/server"), process $pid," \
		    "http://127.0.0.1:$(cat "$state/port")/v1"
	else
		say "web server  does not run"
		ok=1
	fi
	if [ -f "$state/demo.port" ]; then
		if pid=$(alive "$state/demo.pid" "$prefix/bin/weir-demo"); then
			say "upstream    demonstration, process $pid"
		else
			say "upstream    the demonstration does not run"
			ok=1
		fi
	fi
	return $ok
}

uninstall() {
	if [ ! -d "$state" ] && { [ -z "$purge" ] || [ ! -d "$data" ]; }; then
		die "nothing to undo: no $state"
	fi
	halt
	packages=$(sort -u "$state/packages" 2>/dev/null | tr '\n' ' ')
	if [ -f "$build/quickstart.stamp" ]; then
		[ ! -f "$build/quickstart.generated" ] || rm -rf \
		    "$top/configure" "$top/configure~" "$top/Makefile.in" \
		    "$top/aclocal.m4" "$top/autom4te.cache" "$top/build-aux"
		rm -rf "$build"
	fi
	rm -rf "$prefix/bin" "$prefix/libexec" "$prefix/share" "$prefix/etc" \
	    "$run_dir"
	if [ -d "$data" ] && [ -z "$purge" ]; then
		# Who owns the data stays, and that we made it.
		find "$state" -mindepth 1 -maxdepth 1 ! -name user \
		    -exec rm -rf {} +
		say "weir is gone; its data is still in $data (uninstall --purge removes it)"
	else
		[ ! -f "$state/user" ] || userdel weir 2>/dev/null || :
		rm -rf "$state" "$data"
		say "weir is gone, its data too"
	fi
	rmdir "$state" "$prefix" 2>/dev/null || :
	[ -z "$packages" ] || say \
	    "packages it installed stay; to remove them: apt-get purge $packages"
}

# --- check --------------------------------------------------------------------

# One build and its tests: run NAME CONFIGURE-FLAG TEST...; adds to $passed and
# $failed.  A build that breaks is a failure.
passed=0
failed=0
run() {
	dir=$build/check/$1
	into=$build/check/$1.log
	flag=$2
	name=$1
	shift 2
	say "== $name build: tests/run $* (log: $into)"
	mkdir -p "$dir"
	if ! { { [ -f "$dir/Makefile" ] ||
	    (cd "$dir" && "$top/configure" $flag); } &&
	    make -C "$dir" -j "$(cores)" all programs; } >"$into" 2>&1; then
		tail -n 20 "$into"
		say "== $name build: failed"
		failed=$((failed + 1))
		return 0
	fi
	if "$top/tests/run" --build "$dir" "$@" --no-skip >"$into" 2>&1; then
		bad=0
	else
		bad=1
	fi
	sum=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$into" |
	    tail -n 1)
	set -- ${sum:-0 1}
	# A run that ends badly without a failure to show is one.
	[ "$bad" = 0 ] || [ "$2" -gt 0 ] || set -- "$1" 1
	[ "$2" = 0 ] || tail -n 60 "$into"
	say "== $name build: $1 passed, $2 failed"
	passed=$((passed + $1))
	failed=$((failed + $2))
}

check() {
	deps
	provide "$needs_check"
	mkdir -p "$build/check"
	: >"$build/quickstart.log"
	generate
	step sh "$top/tests/sdk/setup" "$build/sdk"
	run plain "" all
	run asan --enable-sanitizers quick
	run tsan --enable-sanitizers=thread unit/machine unit/upstream \
	    unit/writer unit/affinity unit/budget unit/health_share web/nginx \
	    sdk/run
	say "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

# ------------------------------------------------------------------------------

work=$(mktemp -d)
case $command in
deps) deps && say "all that weir needs is there" ;;
logs) [ -f "$log" ] || die "no log yet: $log"
	exec tail -n 50 -F "$log" ;;
*) "$command" ;;
esac
