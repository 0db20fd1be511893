# SPDX-License-Identifier: MIT
# webserver.sh - a private web server in front of weir; read by quickstart.sh
# and by the tests, not run by itself.
#
# The samples beside this file are what is served: nginx.conf, lighttpd.conf,
# apache.conf, apache-fcgid.conf and htaccess (server apache-cgi).  Here only
# stands what a server needs around them to run from a folder of its own, as an
# ordinary user, beside any system service.
#
# The caller may set $AS, a command prefix that changes the user (empty:
# none).  All functions return 0 or say on stderr why not.

# Where a program is, also outside of an ordinary user's PATH.
web_path() {
	PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1"
}

# The folder of Apache's modules that the sample needs.
web_apache_modules() {
	for d in /usr/lib/apache2/modules /usr/lib64/httpd/modules \
	    /usr/lib/httpd/modules /usr/lib/apache2 /usr/libexec/apache2; do
		if [ -f "$d/mod_proxy_fcgi.so" ]; then
			echo "$d"
			return 0
		fi
	done
	return 1
}

# Is one of these modules of Apache there?
web_apache_has() {
	for m in "$@"; do
		[ ! -f "$(web_apache_modules)/mod_$m.so" ] || return 0
	done
	return 1
}

# Can this server speak TLS here?
web_has_tls() {
	case $1 in
	lighttpd)
		for m in /usr/lib/lighttpd /usr/lib64/lighttpd \
		    /usr/lib/*/lighttpd; do
			[ ! -f "$m/mod_openssl.so" ] || return 0
		done
		return 1
		;;
	apache*) web_apache_has ssl ;;
	esac
}

# The program of a server (nginx, lighttpd, apache, apache-fcgid, apache-cgi),
# if it is there and able.
web_program() {
	case $1 in
	nginx) web_path nginx ;;
	lighttpd) web_path lighttpd ;;
	apache | apache-fcgid | apache-cgi)
		web_apache_modules >/dev/null || return 1
		case $1 in
		*-fcgid) web_apache_has fcgid || return 1 ;;
		*-cgi) web_apache_has cgid cgi || return 1 ;;
		esac
		web_path apache2 || web_path httpd
		;;
	*) return 1 ;;
	esac
}

# The first server that is installed: nginx, lighttpd or apache.
web_find() {
	for s in nginx lighttpd apache; do
		if web_program "$s" >/dev/null; then
			echo "$s"
			return 0
		fi
	done
	return 1
}

# Is something listening on this port of 127.0.0.1?
web_port_taken() {
	rc=0
	curl -s -o /dev/null --noproxy '*' --max-time 2 \
	    "http://127.0.0.1:$1/" || rc=$?
	[ "$rc" -ne 7 ]
}

# Whom a server started by root becomes: the one whose group weir gives its
# socket to.  Nothing when it stays who it is.
web_user() {
	[ "$(id -u)" = 0 ] && [ -z "$AS" ] || return 0
	for u in www-data nginx apache http nobody; do
		if id "$u" >/dev/null 2>&1; then
			echo "$u"
			return 0
		fi
	done
}

web_nginx_around() {	# DIR PORT
	for u in $(web_user); do
		echo "user $u;"
	done
	cat <<EOF
daemon on;
pid $1/tmp/web.pid;
error_log $1/tmp/web.log warn;
worker_processes 2;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path $1/tmp;
	fastcgi_temp_path $1/tmp;
	proxy_temp_path $1/tmp;
	scgi_temp_path $1/tmp;
	uwsgi_temp_path $1/tmp;
	root $1/empty;
	include $1/weir.conf;
}
EOF
}

web_lighttpd_around() {	# DIR PORT
	for u in $(web_user); do
		echo "server.username = \"$u\""
		echo "server.groupname = \"$(id -gn "$u")\""
	done
	cat <<EOF
server.bind = "127.0.0.1"
server.port = $2
server.document-root = "$1/empty"
server.upload-dirs = ( "$1/tmp" )
server.errorlog = "$1/tmp/web.log"
server.pid-file = "$1/tmp/web.pid"
include "$1/weir.conf"
EOF
}

# What every Apache has.  $3... and $WEB_MODULES: its further modules; each may
# be built into the program.
web_apache_base() {	# DIR PORT MODULE...
	mods=$(web_apache_modules) || return 1
	echo "ServerRoot \"$1\""
	for m in mpm_event unixd authz_core alias env ${WEB_MODULES:-} "$@"; do
		[ -f "$mods/mod_$m.so" ] || continue
		echo "LoadModule ${m}_module \"$mods/mod_$m.so\""
	done
	for u in $(web_user); do
		echo "User $u"
		echo "Group $(id -gn "$u")"
	done
	cat <<EOF
ServerName localhost
PidFile "$1/tmp/web.pid"
ErrorLog "$1/tmp/web.log"
DocumentRoot "$1/empty"
DefaultRuntimeDir "$1/tmp"
EOF
}

web_apache_around() {	# DIR PORT
	web_apache_base "$1" "$2" proxy proxy_fcgi
	echo "Include \"$1/weir.conf\""
}

web_apache_fcgid_around() {	# DIR PORT
	web_apache_base "$1" "$2" fcgid
	cat <<EOF
FcgidIPCDir "$1/tmp/fcgid"
FcgidProcessTableFile "$1/tmp/fcgid.table"
Include "$1/weir.conf"
EOF
}

# A host that lets its tenants do what a host usually does, and no more: all
# else stands in the .htaccess of the folder site.
web_apache_cgi_around() {	# DIR PORT
	web_apache_base "$1" "$2" rewrite mime dir cgid
	cat <<EOF
ScriptSock "$1/tmp/cgid.sock"
TypesConfig /dev/null
AddType text/css .css
AddType image/svg+xml .svg
Listen 127.0.0.1:$2
<Directory "$1">
	AllowOverride None
	Require all denied
</Directory>
<VirtualHost 127.0.0.1:$2>
	ServerName localhost
	DocumentRoot "$1/site"
	<Directory "$1/site">
		Options Indexes FollowSymLinks
		AllowOverride AuthConfig FileInfo Indexes Limit Options
		Require all granted
	</Directory>
</VirtualHost>
EOF
}

# web_write SERVER SAMPLES DIR PORT SOCKET WWW: fills DIR, which must exist.
# WWW is where www/ was installed.  Only DIR/tmp is for the server to write in
# (log, process id, bodies): with $AS set the caller gives it to that user.
# Behind apache-fcgid and apache-cgi SOCKET is the program instead: weir.fcgi
# in a folder of its own, or the folder of the site, which has weir.cgi; the
# data directory is $WEIR_DATA then.
web_write() {
	mkdir -p "$3/tmp" "$3/empty" || return 1
	case $1 in
	apache-cgi)
		sed "s|^#SetEnv WEIR_DATA .*|SetEnv WEIR_DATA $WEIR_DATA|" \
		    "$2/htaccess" >"$5/.htaccess" && ln -sfn "$5" "$3/site" &&
		web_apache_cgi_around "$3" "$4" >"$3/web.conf"
		;;
	apache-fcgid)
		mkdir -p "$3/tmp/fcgid" &&
		sed -e "s|/usr/local/libexec/weir|${5%/*}|" \
		    -e "s|/usr/local/share/weir/www|$6|" \
		    -e "s|/var/lib/weir|$WEIR_DATA|" \
		    -e "s|127\.0\.0\.1:8080|127.0.0.1:$4|" "$2/$1.conf" \
		    >"$3/weir.conf" &&
		web_apache_fcgid_around "$3" "$4" >"$3/web.conf"
		;;
	*)
		sed -e "s|/run/weir/weir\.sock|$5|" \
		    -e "s|/usr/local/share/weir/www|$6|" \
		    -e "s|127\.0\.0\.1:8080|127.0.0.1:$4|" "$2/$1.conf" \
		    >"$3/weir.conf" &&
		"web_$1_around" "$3" "$4" >"$3/web.conf"
		;;
	esac &&
	echo "$1" >"$3/server" &&
	for u in $(web_user); do
		chown -R "$u" "$3/tmp"
	done
}

# The process of the server in DIR, if it lives.
web_pid() {
	pid=$(cat "$1/tmp/web.pid" 2>/dev/null) && [ -n "$pid" ] &&
	    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" |
	    grep -qF "$1/web.conf" && echo "$pid"
}

# web_start DIR: returns when the port answers or the server has given up.
web_start() {
	server=$(cat "$1/server")
	program=$(web_program "$server") || {
		echo "$server is not installed any more" >&2
		return 1
	}
	case $server in
	nginx) $AS "$program" -e "$1/tmp/web.log" -p "$1/" -c "$1/web.conf" ;;
	lighttpd) $AS "$program" -f "$1/web.conf" ;;
	apache*) $AS "$program" -f "$1/web.conf" -k start ;;
	esac >>"$1/start.log" 2>&1 || {
		tail -n 5 "$1/start.log" "$1/tmp/web.log" >&2
		return 1
	}
	tries=0
	until web_pid "$1" >/dev/null; do
		tries=$((tries + 1))
		if [ "$tries" -gt 50 ]; then
			tail -n 5 "$1/start.log" "$1/tmp/web.log" >&2
			return 1
		fi
		sleep 0.1
	done
}

# Has this process ended?  One that nobody has waited for yet has, too: in a
# container there may be no init that does.
web_gone() {
	! kill -0 "$1" 2>/dev/null ||
	    grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# web_stop DIR: stops what web_start started there, nothing else.
web_stop() {
	pid=$(web_pid "$1") || return 0
	kill "$pid" 2>/dev/null
	tries=0
	until web_gone "$pid"; do
		tries=$((tries + 1))
		[ "$tries" -eq 50 ] && kill -9 "$pid" 2>/dev/null
		[ "$tries" -gt 60 ] && break
		sleep 0.1
	done
	rm -f "$1/tmp/web.pid"
}
