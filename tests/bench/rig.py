# SPDX-License-Identifier: MIT
"""rig.py - what the bench stands on: the programs it starts, and readings.

A Rig has a folder of its own, a mock upstream, nginx as the bare proxy and in
front of weir, and weir with a fresh data directory.  Everything listens on
127.0.0.1 or a unix socket; all of it ends with the rig.
"""
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
KEYS = ['sk-weir-bench-%04d-0123456789abcdef0123456789' % n
        for n in range(64)]


class Missing(Exception):
    """Something that this machine or this build does not have."""


def median(values):
    values = sorted(values)
    n = len(values)
    if not n:
        return 0.0
    return (values[(n - 1) // 2] + values[n // 2]) / 2


def read(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


# ---- readings ---------------------------------------------------------------

def cpu_ns(pid, thread=''):
    """CPU time of a process, or of its threads with that in their name."""
    total = 0
    for tid in os.listdir('/proc/%d/task' % pid):
        base = '/proc/%d/task/%s/' % (pid, tid)
        try:
            if thread in read(base + 'comm'):
                total += int(read(base + 'schedstat').split()[0])
        except OSError:
            pass        # a thread that has just ended
    return total


def cpu_by_thread(pid):
    """CPU time of a weir by what its threads do: loop, writer, syncer …"""
    spent = {}
    for tid in os.listdir('/proc/%d/task' % pid):
        base = '/proc/%d/task/%s/' % (pid, tid)
        try:
            name = read(base + 'comm').strip().rstrip(' 0123456789')
            name = name.replace('weir ', '')
            spent[name] = spent.get(name, 0) + int(
                read(base + 'schedstat').split()[0])
        except OSError:
            pass        # a thread that has just ended
    return spent


def kib(pid, what='Pss', file='smaps_rollup'):
    found = re.search(r'^%s:\s+(\d+) kB' % what,
                      read('/proc/%d/%s' % (pid, file)), re.M)
    return int(found.group(1))


def children(pid):
    return [int(p) for p in
            read('/proc/%d/task/%d/children' % (pid, pid)).split()]


def fsync_ms(folder, rounds=200):
    """(p50, p99) of a 4 KiB append and fdatasync on that disk."""
    times = []
    path = os.path.join(folder, 'fsync')
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(rounds):
        begun = time.perf_counter()
        os.write(fd, b'x' * 4096)
        os.fdatasync(fd)
        times.append((time.perf_counter() - begun) * 1e3)
    os.close(fd)
    os.unlink(path)
    times.sort()
    return times[rounds // 2], times[rounds * 99 // 100]


HELD = []       # sockets, each with a port that is nobody else's


def free_port():
    """A port of 127.0.0.1 for a server that sets SO_REUSEADDR, as they do.  As
    long as this process runs, the kernel gives it to nobody who asks for any:
    what is started beside us shall not take it before that server does."""
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    HELD.append(s)
    return s.getsockname()[1]


def machine():
    cpu = 'unknown processor'
    with open('/proc/cpuinfo', encoding='utf-8') as f:
        for line in f:
            if line.startswith('model name'):
                cpu = line.split(':', 1)[1].strip()
                break
    load = os.getloadavg()[0]
    return '%d x %s, Linux %s, load %.2f before the run' % (
        os.cpu_count(), cpu, platform.release(), load)


# ---- a FastCGI question of our own, to time the very first answer -------------

def fcgi_ask(path, uri):
    """The bytes weir answers to a GET, or None while nobody does."""
    params = b''
    for name, value in (('REQUEST_METHOD', 'GET'), ('REQUEST_URI', uri),
                        ('SCRIPT_NAME', uri), ('QUERY_STRING', ''),
                        ('SERVER_PROTOCOL', 'HTTP/1.1'),
                        ('REMOTE_ADDR', '127.0.0.1')):
        params += bytes([len(name), len(value)]) + (name + value).encode()

    def record(kind, body):
        return (bytes([1, kind, 0, 1]) + len(body).to_bytes(2, 'big') +
                b'\0\0' + body)
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        got = b''
        try:
            s.connect(path)
            s.sendall(record(1, b'\0\1\0\0\0\0\0\0') + record(4, params) +
                      record(4, b'') + record(5, b''))
            while True:
                piece = s.recv(65536)
                if not piece:
                    return got
                got += piece
        except OSError:
            return None


# ---- the rig ------------------------------------------------------------------

NGINX = '''
%(user)s
daemon off;
worker_processes 2;
worker_rlimit_nofile %(files)d;
pid %(dir)s/%(name)s.pid;
error_log %(dir)s/%(name)s.err warn;
events { worker_connections %(connections)d; }
http {
	access_log off;
	client_body_temp_path %(dir)s/%(name)s-body;
	proxy_temp_path %(dir)s/%(name)s-proxy;
	fastcgi_temp_path %(dir)s/%(name)s-fastcgi;
	scgi_temp_path %(dir)s/%(name)s-scgi;
	uwsgi_temp_path %(dir)s/%(name)s-uwsgi;
	keepalive_requests 1000000000;
	tcp_nodelay on;
%(http)s
}
'''

BARE = '''
upstream mock {
	server 127.0.0.1:%(mock)d;
	keepalive 64;
	keepalive_requests 1000000000;
}
server {
	listen 127.0.0.1:%(port)d backlog=4096;
	location / {
		proxy_pass http://mock;
	}
	location /streams/ {
		proxy_pass http://mock;
		proxy_buffering off;
	}
	proxy_http_version 1.1;
	proxy_set_header Connection "";
	proxy_read_timeout 660s;
	client_max_body_size 65m;
	client_body_buffer_size 64k;
}
'''

TLS = '''
server {
	listen 127.0.0.1:%(port)d ssl http2 backlog=4096;
	ssl_certificate %(dir)s/tls.crt;
	ssl_certificate_key %(dir)s/tls.key;
	http2_max_requests 1000000000;
	location / {
		proxy_pass http://mock;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		proxy_buffering off;
		proxy_read_timeout 660s;
		client_max_body_size 65m;
	}
}
'''


class Rig:
    def __init__(self, build, models):
        self.build = build
        self.models = models
        self.dir = tempfile.mkdtemp(prefix='weir-bench-')
        self.running = []
        self.weir = self.sock = None
        self.data = 'data'      # the folder that weir serves
        with open(self.path('keys'), 'w', encoding='ascii') as f:
            f.write('\n'.join(KEYS) + '\n')
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.files = hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in reversed(self.running):
            self.stop(p)
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def program(self, name):
        path = os.path.join(self.build, name)
        if not os.access(path, os.X_OK):
            raise Missing('no %s in %s' % (name, self.build))
        return path

    def tool(self, name):
        return self.program('tests/tools/' + name)

    def start(self, args, name, **more):
        log = open(self.path(name + '.log'), 'ab')
        p = subprocess.Popen(args, stdout=log, stderr=log,
                             stdin=subprocess.DEVNULL, **more)
        log.close()
        p.what = name
        self.running.append(p)
        return p

    def stop(self, p, sig=signal.SIGTERM):
        if p.poll() is None:
            p.send_signal(sig)
            try:
                p.wait(15)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if p in self.running:
            self.running.remove(p)

    def fail(self, what):
        logs = [f for f in os.listdir(self.dir)
                if f.endswith(('.log', '.err'))]
        tails = ''.join('--- %s\n%s\n' % (f, read(self.path(f))[-1500:])
                        for f in sorted(logs) if os.path.getsize(self.path(f)))
        raise RuntimeError('%s\n%s' % (what, tails))

    def until(self, ready, what, seconds=10):
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                self.fail(what)
            time.sleep(0.01)

    # -- the mock and nginx

    def start_mock(self):
        port = self.path('mock.port')
        self.mock = self.start([self.tool('mockup'), '--threads', '2',
                                '--port-file', port], 'mockup')
        self.until(lambda: os.path.exists(port), 'mockup does not start')
        self.mock_port = int(read(port))

    def start_nginx(self, name, http):
        if not shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin'):
            raise Missing('nginx is not installed')
        conf = self.path(name + '.conf')
        with open(conf, 'w', encoding='ascii') as f:
            f.write(NGINX % {
                'user': 'user root;' if os.getuid() == 0 else '',
                'files': self.files, 'connections': self.files - 500,
                'dir': self.dir, 'name': name, 'http': http})
        nginx = shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin')
        p = self.start([nginx, '-e', self.path(name + '.err'), '-p', self.dir,
                        '-c', conf], name)
        self.until(lambda: p.poll() is not None or
                   len(children(p.pid)) == 2, 'nginx does not start')
        if p.poll() is not None:
            self.fail('nginx does not start')
        return p

    def start_bare(self):
        self.bare_port = free_port()
        self.bare = self.start_nginx('bare', BARE % {
            'mock': self.mock_port, 'port': self.bare_port})

    def start_front(self):
        """nginx before weir, by the sample that is shipped."""
        self.sock = self.path('run/weir.sock')
        self.front_port = free_port()
        conf = read(os.path.join(TOP, 'conf', 'nginx.conf'))
        conf, n = re.subn(r'server unix:[^;]*;',
                          'server unix:%s;' % self.sock, conf)
        conf, m = re.subn(r'listen [^;]*;', 'listen 127.0.0.1:%d '
                          'backlog=4096;' % self.front_port, conf, count=1)
        if not n or not m:
            raise Missing('conf/nginx.conf has no "server unix:" or "listen"')
        self.front = self.start_nginx('front', conf)

    def start_tls(self):
        """A TLS upstream with HTTP/2: nginx before the mock."""
        if not shutil.which('openssl'):
            raise Missing('no openssl to make a certificate')
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
             '-subj', '/CN=localhost', '-addext',
             'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout',
             self.path('tls.key'), '-out', self.path('tls.crt')],
            check=True, capture_output=True)
        self.tls_port = free_port()
        bare = BARE % {'mock': self.mock_port, 'port': free_port()}
        try:
            self.tls = self.start_nginx('tls', bare + (TLS % {
                'port': self.tls_port, 'dir': self.dir}))
        except RuntimeError:
            raise Missing('this nginx has no TLS with HTTP/2') from None

    # -- weir

    def ctl(self, *args, data='data', **more):
        done = subprocess.run(
            [self.program('weirctl'), '--data', self.path(data)] +
            list(args), capture_output=True, text=True, timeout=600,
            check=False, **more)
        if done.returncode:
            raise RuntimeError('weirctl %s: exit %d\n%s%s' % (
                ' '.join(args), done.returncode, done.stdout, done.stderr))
        return done.stdout

    def catalogue(self):
        return {
            'models': [{'name': m, 'context': 16000000, 'max_output': 16384,
                        'price': {'input': '0.15', 'cache_read': '0.075',
                                  'output': '0.60'}} for m in self.models],
            'channels': [{
                'name': 'mock', 'dialect': 'openai',
                'base_url': 'http://127.0.0.1:%d/v1' % self.mock_port,
                'credentials': [{'name': 'k1', 'secret':
                                 'upstream-credential-of-the-bench'}],
                'models': {m: None for m in self.models}}],
            'accounts': [{
                'login': 'bench-%d' % n, 'balance': '1000000.00',
                'caps': {'day': '1000000.00'},
                'keys': [{'name': 'app', 'secret': key,
                          'rpm': 60000000, 'tpm': 1000000000,
                          'concurrency': 20000,
                          'caps': {'day': '1000000.00'}}]}
                for n, key in enumerate(KEYS)]}

    def tls_catalogue(self, model):
        return {
            'models': [{'name': model, 'context': 16000000,
                        'max_output': 16384,
                        'price': {'input': '0.15', 'output': '0.60'}}],
            'channels': [{
                'name': 'tls', 'dialect': 'openai',
                'base_url': 'https://localhost:%d/v1' % self.tls_port,
                'ca_file': self.path('tls.crt'),
                'credentials': [{'name': 'k1', 'secret':
                                 'upstream-credential-of-the-bench'}],
                'models': {model: None}}]}

    def apply(self, catalogue, name, data='data'):
        with open(self.path(name), 'w', encoding='ascii') as f:
            json.dump(catalogue, f)
        self.ctl('apply', self.path(name), data=data)

    def init_weir(self, data='data'):
        self.program('weir.fcgi')
        self.ctl('init', data=data)
        self.apply(self.catalogue(), 'cat.json', data)

    def start_weir(self):
        """Start it; returns the milliseconds until its first answer."""
        begun = time.perf_counter()
        self.weir = self.start(
            ['env', 'WEIR_WWW=' + os.path.join(TOP, 'www'),
             self.program('weir.fcgi'), '--data', self.path(self.data),
             '--listen', 'unix:' + self.sock], 'weir')
        answer = None
        while not answer:
            if self.weir.poll() is not None or \
                    time.perf_counter() - begun > 20:
                self.fail('weir.fcgi does not answer')
            answer = fcgi_ask(self.sock, '/healthz')
        took = (time.perf_counter() - begun) * 1e3
        if b'Status: 200' not in answer:
            self.fail('/healthz: %r' % answer[:400])
        return took

    def stop_weir(self):
        if self.weir:
            self.stop(self.weir)
            self.weir = None

    def fresh_weir(self):
        """The same data, a new process: nothing cached, nothing grown."""
        self.stop_weir()
        return self.start_weir()

    # -- load

    def url(self, chain, streams, to):
        path = '/streams' if chain == 'bare' and streams else ''
        port = {'mock': self.mock_port, 'bare': self.bare_port,
                'weir': getattr(self, 'front_port', 0)}[chain]
        return 'http://127.0.0.1:%d%s/v1/%s' % (port, path, to)

    def load_start(self, chain, *args, to='chat/completions'):
        return subprocess.Popen(
            [self.tool('httpload'), '--key-file', self.path('keys')] +
            [str(a) for a in args] + [self.url(chain, '--streams' in args, to)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def load_end(self, p):
        out, err = p.communicate(timeout=900)
        if p.returncode == 2 or not out:
            self.fail('httpload: %s' % err)
        for q in self.running:
            if q.poll() is not None:
                self.fail('%s ended with %s' % (q.what, q.returncode))
        return json.loads(out)

    def load(self, chain, *args, **more):
        return self.load_end(self.load_start(chain, *args, **more))

    # -- CPU by process

    def pids(self, chain):
        """name -> process ids of what a chain is made of."""
        ids = {'mock': [self.mock.pid]}
        if chain == 'bare':
            ids['nginx'] = children(self.bare.pid)
        if chain == 'weir':
            ids['nginx'] = children(self.front.pid)
            ids['weir'] = [self.weir.pid]
        return ids

    def cpu(self, chain):
        spent = {name: sum(cpu_ns(p) for p in pids)
                 for name, pids in self.pids(chain).items()}
        if chain == 'weir':
            spent.update(cpu_by_thread(self.weir.pid))
        return spent
