#!/bin/sh
# SPDX-License-Identifier: MIT
# bundle.sh - weir as one archive that needs nothing of the machine it runs on
# but a kernel and, for the wrappers, /bin/sh.
#
# usage: sh conf/bundle.sh BUILD SOURCE VERSION OUTPUT_FOLDER
#        ("make bundle" calls it)
#
# weir-VERSION-linux-ARCH.tar.gz holds, in a folder of that name:
#   weir.fcgi, weir.cgi, weirctl   wrappers: they start the program of lib/
#                                  through the loader of lib/
#   lib/                  the programs, the loader, every shared library
#   ca-certificates.crt   the authorities that upstreams are checked by
#   www/, conf/           pages; samples and the model list
#   .htaccess             for a tenant's folder
#   doc/                  the manual, the licences of what is in lib/
#
# The same build gives the same archive, byte for byte: names are sorted, times
# are those of SOURCE_DATE_EPOCH, or of the last commit.
set -eu
umask 022
export LC_ALL=C

fail() {
	echo "bundle: $1" >&2
	exit 1
}
[ $# = 4 ] || fail "usage: sh conf/bundle.sh BUILD SOURCE VERSION OUTPUT_FOLDER"
build=$(cd "$1" && pwd -P)
source=$(cd "$2" && pwd -P)
version=$3
out=$(cd "$4" && pwd -P)
name=weir-$version-linux-$(uname -m)

for tool in ldd tar gzip; do
	command -v "$tool" >/dev/null || fail "$tool is missing: install it"
done
tar --version 2>/dev/null | grep -q 'GNU tar' ||
	fail "GNU tar is missing: install the package tar"
for program in weir.fcgi weirctl; do
	[ -x "$build/$program" ] || fail "$build/$program is missing: run make"
	! ldd "$build/$program" | grep -q 'lib[alt]*san' ||
		fail "this build has sanitizers in it: configure one without"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
top=$work/$name
mkdir -p "$top/lib" "$top/doc/licences"

# --- programs and libraries -------------------------------------------------

for program in weir.fcgi weirctl; do
	cp "$build/$program" "$top/lib/$program"
	if command -v strip >/dev/null; then
		strip "$top/lib/$program"
	fi
done

# What they are linked with, with all that needs, and what the C library opens
# by itself (to look up a host, to end a thread).  One path a line.
closure() {
	ldd "$build/weir.fcgi" "$build/weirctl" |
	    sed -n -e 's/^.* => \(\/[^ ]*\) (.*/\1/p' \
		-e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p'
	libc=$(ldd "$build/weir.fcgi" |
	    sed -n 's/^.*libc\.so\.6 => \(\/[^ ]*\) (.*/\1/p')
	for each in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2 \
	    libgcc_s.so.1; do
		if [ -n "$libc" ] && [ -e "${libc%/*}/$each" ]; then
			echo "${libc%/*}/$each"
		fi
	done
}
closure | sort -u >"$work/closure"
! ldd "$build/weir.fcgi" "$build/weirctl" | grep 'not found' >&2 ||
	fail "a library is missing"
loader=
while read -r path; do
	cp -L "$path" "$top/lib/${path##*/}"
	chmod 755 "$top/lib/${path##*/}"
	case ${path##*/} in
	ld-* | ld64* | ld.so*) loader=${path##*/} ;;
	esac
done <"$work/closure"
[ -n "$loader" ] || fail "no loader among the libraries of $build/weir.fcgi"

# The cache names libraries of the machine, which are not meant here.
options='--library-path "$here/lib"'
case $loader in
ld-musl*) ;;
*) options="--inhibit-cache $options" ;;
esac

# wrapper NAME PROGRAM.  argv[0] tells the program where it is: the running
# file is the loader.
wrapper() {
	cat >"$top/$1" <<EOF
#!/bin/sh
# $1 of weir $version: starts lib/$2 with the libraries beside it.
self=\$0
if [ -L "\$self" ]; then
	self=\$(readlink -f "\$self")
fi
here=\${self%/*}
if [ "\$here" = "\$self" ]; then
	here=.
fi
exec "\$here/lib/$loader" $options \\
	--argv0 "\$here/$1" "\$here/lib/$2" "\$@"
EOF
	chmod 755 "$top/$1"
}
wrapper weir.fcgi weir.fcgi
wrapper weir.cgi weir.fcgi
wrapper weirctl weirctl

# --- what is not program ----------------------------------------------------

roots=
for each in "${WEIR_CA_FILE:-}" /etc/ssl/certs/ca-certificates.crt \
    /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
	if [ -z "$roots" ] && [ -n "$each" ] && [ -r "$each" ]; then
		roots=$each
	fi
done
[ -n "$roots" ] || fail "no file of certificate authorities: install the package \
ca-certificates, or name one with WEIR_CA_FILE"
cp -L "$roots" "$top/ca-certificates.crt"

cp -RL "$source/www" "$top/www"
mkdir "$top/conf"
for each in apache.conf apache-fcgid.conf htaccess lighttpd.conf nginx.conf \
    models.json weir.conf; do
	if [ -e "$source/conf/$each" ]; then
		cp "$source/conf/$each" "$top/conf/$each"
	fi
done
if [ -e "$source/conf/htaccess" ]; then
	cp "$source/conf/htaccess" "$top/.htaccess"
fi
cp "$source/LICENSE" "$source/README.md" "$source"/conf/*.[58] "$top/doc/"

# Whose the libraries are: package, version and licence, where Debian's dpkg
# knows them (by the name with or without /usr).
while read -r path; do
	real=$(readlink -f "$path")
	echo "${path##*/} $path $real ${real#/usr}"
done <"$work/closure" >"$work/names"
if command -v dpkg >/dev/null; then
	tr ' ' '\n' <"$work/names" | grep / | sort -u |
	    xargs dpkg -S 2>/dev/null >"$work/owners" || true
fi
touch "$work/owners"
{
	echo "The files of lib/ but weir.fcgi and weirctl come from here:"
	while read -r file path real short; do
		package=$(sed -n -e "s|: $path\$||p" -e "s|: $real\$||p" \
		    -e "s|: $short\$||p" "$work/owners" | sed 's/:.*//;q')
		echo "$file	${package:-$path}"
		if [ -r "/usr/share/doc/$package/copyright" ]; then
			cp -L "/usr/share/doc/$package/copyright" \
			    "$top/doc/licences/$package"
			echo "$package" >>"$work/packages"
		fi
	done <"$work/names"
	if [ -s "$work/packages" ]; then
		echo
		sort -u "$work/packages" |
		    xargs dpkg-query -W -f '${Package} ${Version}\n' | sort -u
	fi
} >"$top/doc/libraries"

# --- the archive ------------------------------------------------------------

find "$top" -type d -exec chmod 755 {} +
find "$top" -type f ! -perm -100 -exec chmod 644 {} +
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null ||
    echo 315532800)}
tar -C "$work" --sort=name --mtime="@$epoch" --owner=0 --group=0 \
    --numeric-owner --format=ustar -cf "$work/tar" "$name"
gzip -n <"$work/tar" >"$out/$name.tar.gz.new"
mv "$out/$name.tar.gz.new" "$out/$name.tar.gz"
echo "$out/$name.tar.gz"
