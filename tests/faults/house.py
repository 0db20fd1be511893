# SPDX-License-Identifier: MIT
"""house.py - a whole house for tests of what goes wrong.

Read by the scripts beside it, not run by itself.  A House has a folder of its
own, a mock upstream with its truth log, a data directory and one or more
weir.fcgi on it, each on a unix socket; nginx in front where a test wants it.
All of it ends with the house.

    with House(options, [offer('m', '503', '')]) as h:
        got = h.ask(chat('m'))
        same(got.status, 200)
        h.books()

An offer is a model of that name and the ways to it, best first: each way is a
channel whose base path tells the mock upstream how to behave (mockup --help),
so that what one test parks is of no concern to the next.
"""
import argparse
import concurrent.futures
import contextlib
import decimal
import fcntl
import fnmatch
import http.server
import json
import mmap
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
TOP = os.path.dirname(TESTS)
sys.path[:0] = [os.path.join(TESTS, 'bench'), os.path.join(TESTS, 'case')]
import rig                              # noqa: E402
from rig import free_port, read         # noqa: E402,F401
from run import frames, pair, record    # noqa: E402

KEY = 'sk-weir-alice-app-4Xq9Vd2Lr7Tn5Wb8Ks3Hy6Pz1Cj0Mf'
CHAT = '/v1/chat/completions'
PRICE = {'input': '1.00', 'output': '2.00'}
IN, OUT = 1000, 2000                    # nano-dollars a token, by PRICE
USD = 10 ** 9
F_OFD_SETLKW = 38


# ---- verdicts ---------------------------------------------------------------

class Long(Exception):
    """A test that takes minutes: it is not one of the ordinary run."""


class Skip(Exception):
    """This machine cannot show it; says why."""


def same(seen, wanted, what=''):
    assert seen == wanted, '%s%r instead of %r' % (
        what + ': ' if what else '', seen, wanted)


def between(low, seen, high, what=''):
    assert low <= seen <= high, '%s%r is not within %r and %r' % (
        what + ': ' if what else '', seen, low, high)


def sanitized(h):
    """Does this build keep books of its own in memory?"""
    return 'fsanitize' in read(os.path.join(h.build, 'config.status'))


def kib(pid):
    """Memory of a process: its own, and no share of what others have mapped
    too, as that grows when one of them ends."""
    return rig.kib(pid, 'RssAnon', 'status')


def descriptors(pid):
    """How many it has open, or None where only root may know."""
    try:
        return len(os.listdir('/proc/%d/fd' % pid))
    except PermissionError:
        return None


def grows_to(h, most, before, what='KiB in memory'):
    """The memory of the first weir, from what it was before."""
    if not sanitized(h):
        between(0, kib(h.weirs[0].pid), before + most, what)


BOUND = []


def dead_port():
    """One where connections are refused, and that nobody else is given."""
    BOUND.append(socket.socket())
    BOUND[-1].bind(('127.0.0.1', 0))
    return BOUND[-1].getsockname()[1]


def until(ready, what, seconds=5):
    """Waits for ready() to be true; what it said last otherwise."""
    end = time.monotonic() + seconds
    while True:
        got = ready()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError('%s, not within %g s' % (what, seconds))
        time.sleep(0.01)


def nano(usd):
    return int(decimal.Decimal(usd) * USD)


# ---- what is on offer -------------------------------------------------------

def way(do='', keys=1, secrets=None, port=None, base=None, **more):
    """A channel: how its upstream behaves, its credentials, its members."""
    return dict(more, do=do, keys=keys, secrets=secrets, port=port, base=base)


def offer(name, *ways, price=None, model=None):
    return {'name': name, 'price': price or PRICE, 'model': model or {},
            'ways': [w if isinstance(w, dict) else way(w) for w in ways]
            or [way()]}


def account(login, key, balance='100.00', key_members=None, **more):
    return dict({'login': login, 'balance': balance, 'keys': [
        dict({'name': 'app', 'secret': key}, **(key_members or {}))]}, **more)


def secret_of(model, number, key):
    """A credential that a search finds in full or in pieces."""
    return 'up-%s-%d-%d-Zq8Wx3Rv6Nt1Yb5Ms9Kd2Hf' % (model, number, key)


def catalogue(offers, accounts, port):
    out = {'models': [], 'channels': [], 'accounts': accounts}
    for o in offers:
        out['models'].append(dict({
            'name': o['name'], 'context': 128000, 'max_output': 4096,
            'price': o['price']}, **o['model']))
        for n, w in enumerate(o['ways']):
            w = dict(w)
            do, keys, secrets = w.pop('do'), w.pop('keys'), w.pop('secrets')
            at, base = w.pop('port') or port, w.pop('base')
            secrets = secrets or [secret_of(o['name'], n, k)
                                  for k in range(keys)]
            out['channels'].append(dict({
                'name': '%s-%d' % (o['name'], n), 'dialect': 'openai',
                'base_url': base or 'http://127.0.0.1:%d%s/v1' % (
                    at, '/mock-' + do if do else ''),
                'priority': n, 'models': {o['name']: None},
                'credentials': [{'name': 'k%d' % k, 'secret': s}
                                for k, s in enumerate(secrets)]}, **w))
    return out


def chat(model, text='Hello there', **members):
    return json.dumps(dict({'model': model, 'messages': [
        {'role': 'user', 'content': text}]}, **members)).encode()


# ---- one call over FastCGI --------------------------------------------------

class Call:
    """A request that was sent, and what has come back of it so far."""

    def __init__(self, path, records, seconds):
        self.status, self.headers, self.head = None, {}, b''
        self.body, self.end = bytearray(), None
        self.buffer, self.split = bytearray(), False
        self.began = time.monotonic()
        self.ms = 0
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(seconds)
        try:
            self.sock.connect(path)
            self.sock.sendall(records)
        except (BrokenPipeError, ConnectionResetError):
            pass                # answered or gone already
        except OSError:
            self.over('refused')

    def over(self, how):
        self.end = how
        self.ms = (time.monotonic() - self.began) * 1000
        self.sock.close()

    def more(self):
        """Reads once; false when there is nothing more to come."""
        if self.end:
            return False
        try:
            piece = self.sock.recv(262144)
        except socket.timeout:
            self.over('hung')
            return False
        except OSError:
            piece = b''
        self.buffer += piece
        if not piece:
            self.over('closed')
        self.take()
        return not self.end

    def take(self):
        while len(self.buffer) >= 8 and self.end in (None, 'closed'):
            if self.buffer[0] != 1:
                self.over('broken')
                return
            kind, n, padding = self.buffer[1], *struct.unpack(
                '>HB', self.buffer[4:7])
            if len(self.buffer) < 8 + n + padding:
                return
            if kind == 6:
                self.body += self.buffer[8:8 + n]
                self.split_head()
            del self.buffer[:8 + n + padding]
            if kind == 3:
                self.over('end')

    def split_head(self):
        if self.split or b'\r\n\r\n' not in self.body:
            return
        self.split = True
        self.head, self.body = self.body.split(b'\r\n\r\n', 1)
        self.head, self.status = bytes(self.head), 200
        for line in self.head.decode('latin-1').split('\r\n'):
            name, _, value = line.partition(':')
            self.headers[name.strip().lower()] = value.strip()
        if 'status' in self.headers:
            self.status = int(self.headers['status'][:3])

    def finish(self):
        while self.more():
            pass
        return self

    def read_frames(self, n):
        """Until n frames with content are here, or it is over."""
        while len(self.words()) < n and self.more():
            pass
        return self

    def leave(self):
        if not self.end:
            self.over('left')

    # -- what came

    @property
    def id(self):
        return self.headers.get('x-request-id')

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """(status, type, code) of an answer that is an error."""
        e = self.json()['error']
        assert set(e) == {'message', 'type', 'param', 'code'}, e
        assert e['message'], 'an error without words'
        return self.status, e['type'], e['code']

    def frames(self):
        return [data for _, data in frames(bytes(self.body))[0]]

    def words(self):
        """The content of each frame that has some."""
        out = []
        for data in self.frames():
            if data.startswith(b'{'):
                for choice in json.loads(data).get('choices') or []:
                    word = (choice.get('delta') or {}).get('content')
                    out += [word] if word else []
        return out

    def in_band(self):
        """The error a stream ended with, or None."""
        last = self.frames()[-1:]
        if last and last[0].startswith(b'{'):
            return json.loads(last[0]).get('error')
        return None

    def done(self):
        return self.frames()[-1:] == [b'[DONE]']

    def finished(self):
        """Does any frame say that the model has ended?"""
        return any(choice.get('finish_reason') for data in self.frames()
                   if data.startswith(b'{')
                   for choice in json.loads(data).get('choices') or [])


def params_of(method, path, key, length, headers, more):
    out = {
        'GATEWAY_INTERFACE': 'CGI/1.1', 'SERVER_PROTOCOL': 'HTTP/1.1',
        'SERVER_NAME': 'localhost', 'SERVER_PORT': '80',
        'REMOTE_ADDR': '127.0.0.1', 'REQUEST_SCHEME': 'http',
        'DOCUMENT_ROOT': '/usr/share/empty', 'REQUEST_METHOD': method,
        'REQUEST_URI': path, 'SCRIPT_NAME': path.partition('?')[0],
        'QUERY_STRING': path.partition('?')[2], 'HTTP_HOST': 'localhost',
        'CONTENT_LENGTH': '' if length is None else str(length),
        'CONTENT_TYPE': '' if length is None else 'application/json'}
    if key:
        out['HTTP_AUTHORIZATION'] = 'Bearer ' + key
    for name, value in (headers or {}).items():
        out['HTTP_' + name.upper().replace('-', '_')] = value
    out.update(more or {})
    return out


def records(params, body, flags=0):
    def encode(s):
        return s if isinstance(s, bytes) else s.encode('latin-1')
    block = b''.join(pair(encode(k), encode(v)) for k, v in params.items()
                     if v is not None)
    out = [record(1, struct.pack('>HB5x', 1, flags))]
    for i in range(0, len(block), 65535):
        out.append(record(4, block[i:i + 65535]))
    out.append(record(4, b''))
    for i in range(0, len(body), 65528):
        out.append(record(5, body[i:i + 65528]))
    return b''.join(out) + record(5, b'')


# ---- the house --------------------------------------------------------------

HOUSES = []     # that stand
SICK = re.compile(r'Assertion .* failed|ERROR: \w+Sanitizer|runtime error:|'
                  r'WARNING: ThreadSanitizer')
LOCKER = '''
import sqlite3, sys
db = sqlite3.connect(%r, isolation_level=None)
if %r:
    db.execute('PRAGMA locking_mode=EXCLUSIVE')
    db.execute('SELECT count(*) FROM schema').fetchall()
db.execute('BEGIN EXCLUSIVE')
print('locked', flush=True)
sys.stdin.read()
db.execute('ROLLBACK')
db.close()
'''


class House(rig.Rig):
    """See above.  weirs: processes on one data directory; before: is called
    with the house before the data directory is made; change: SQL that is run
    before the first weir starts, for what no catalogue says; around: a command
    that weir.fcgi is started by."""

    key = KEY
    patience = 60       # seconds for a weirctl

    def __init__(self, options, offers=(), accounts=None, weirs=1,
                 conf='drain_s = 2\n', mock=(), site=None, environment=None,
                 change=(), before=None, around=()):
        rig.Rig.__init__(self, options.build, [])
        HOUSES.append(self)
        os.chmod(self.dir, 0o755)
        self.calls, self.weirs, self.socks = [], [], []
        self.webs = []
        self.environment = environment or {}
        self.around = list(around)
        self.front = None
        self.conf = self.path('weir.conf')
        with open(self.conf, 'w', encoding='ascii') as f:
            f.write(conf)
        try:
            self.start_mock(*mock)
            if before:
                before(self)
            self.ctl('init')
            wanted = catalogue(offers, [account('alice', KEY)]
                               if accounts is None else accounts,
                               self.mock_port)
            if site:
                wanted['site'] = site
            self.add(wanted)
            self.change(change)
            for _ in range(weirs):
                self.start_weir()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, kind=None, *_):
        """Ends all; a weir that ran until now must end well."""
        if self not in HOUSES:
            return
        HOUSES.remove(self)
        wrong = []
        for where in self.webs:
            self.web_server('web_stop "$1"', where)
        try:
            for n, p in enumerate(self.weirs):
                if p in self.running and p.poll() is None:
                    self.stop(p)
                    if p.returncode:
                        wrong.append('weir %d ended with %s' % (
                            n, p.returncode))
            for name in os.listdir(self.dir):
                if name.startswith('weir') and name.endswith('.log'):
                    found = SICK.search(read(self.path(name)))
                    if found:
                        wrong.append(read(self.path(name))[
                            found.start():][:3000])
        finally:
            rig.Rig.__exit__(self)
        if wrong and kind is None:
            raise AssertionError('\n'.join(wrong))

    def add(self, wanted):
        self.ctl('apply', '-', input=json.dumps(wanted))

    def offer_more(self, *offers):
        self.add(catalogue(offers, [], self.mock_port))

    def change(self, statements):
        """Only while no weir runs."""
        if not statements:
            return
        db = sqlite3.connect(self.path('data/weir.db'))
        for each in statements:
            db.execute(each)
        db.commit()
        db.close()

    # -- processes

    def start_mock(self, *args):
        self.truth_file = self.path('truth')
        port = self.path('mock.port')
        self.mock = self.start(
            [self.tool('mockup'), '--threads', '2', '--port-file', port,
             '--truth', self.truth_file] + list(args), 'mockup')
        self.until(lambda: os.path.exists(port) and read(port).strip(),
                   'mockup does not start')
        self.mock_port = int(read(port))

    def start_proxy(self, *args, port=None):
        """A faultproxy in front of the mock (or of that port)."""
        file = self.path('proxy%d.port' % len(self.running))
        p = self.start([self.tool('faultproxy'), '--to', '127.0.0.1:%d'
                        % (port or self.mock_port), '--port-file', file]
                       + [str(a) for a in args], 'faultproxy')
        self.until(lambda: os.path.exists(file) and read(file).strip(),
                   'faultproxy does not start')
        p.port = int(read(file))
        return p

    def weir_env(self):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith('WEIR_')}
        env['WEIR_WWW'] = os.path.join(TOP, 'www')
        env.update(self.environment)
        return env

    def weir_command(self, sock):
        return [self.program('weir.fcgi'), '--data', self.path('data'),
                '--conf', self.conf, '--listen', 'unix:' + sock]

    def start_weir(self, number=None):
        """The number-th weir.fcgi, or one more; returns when it answers."""
        if number is None:
            number = len(self.weirs)
            self.socks.append(self.path('run%d/weir.sock' % number))
            self.weirs.append(None)
        sock = self.socks[number]
        if os.path.exists(sock):
            os.unlink(sock)
        p = self.start(self.around + self.weir_command(sock),
                       'weir%d' % number, env=self.weir_env())
        self.weirs[number] = p
        self.until(lambda: p.poll() is not None or listens(sock),
                   'weir.fcgi does not listen')
        if p.poll() is not None:
            self.fail('weir.fcgi ended with %s' % p.returncode)
        return p

    def stop_weir(self, number=0, seconds=15):
        """SIGTERM; the exit status."""
        p = self.weirs[number]
        p.send_signal(signal.SIGTERM)
        p.wait(seconds)
        self.running.remove(p)
        return p.returncode

    def kill_weir(self, number=0, how=signal.SIGKILL):
        p = self.weirs[number]
        p.send_signal(how)
        p.wait()
        self.running.remove(p)

    def log(self, number=0):
        return read(self.path('weir%d.log' % number))

    def nginx(self):
        """nginx in front of all weirs, by the shipped sample; its port."""
        conf = read(os.path.join(TOP, 'conf', 'nginx.conf'))
        port = free_port()
        conf = re.sub(r'server unix:[^;]*;', ''.join(
            'server unix:%s;\n\t' % s for s in self.socks), conf)
        conf = re.sub(r'listen [^;]*;', 'listen 127.0.0.1:%d;' % port, conf,
                      count=1)
        try:
            self.front = self.start_nginx('front', conf)
        except rig.Missing as e:
            raise Skip(str(e)) from None
        self.until(lambda: knocks(port), 'nginx does not answer')
        return port

    def web(self, server):
        """nginx, lighttpd or apache in front of the first weir, by the shipped
        sample and as conf/webserver.sh starts it; its port."""
        port, where = free_port(), self.path('web')
        os.mkdir(where)
        shutil.copytree(os.path.join(TOP, 'www'), self.path('www'))
        done = self.web_server(
            'web_program "$2" >/dev/null || exit 3; web_write "$2" '
            '"$WEIR_TOP/conf" "$1" "$3" "$4" "$5" && web_start "$1"', where,
            server, str(port), self.socks[0], self.path('www'))
        if done.returncode == 3:
            raise Skip('%s is not installed' % server)
        self.webs.append(where)
        assert done.returncode == 0, done.stdout
        self.until(lambda: knocks(port), '%s does not answer' % server)
        return port

    def web_server(self, script, *args):
        """Runs some sh that knows conf/webserver.sh."""
        return subprocess.run(
            ['sh', '-c', 'AS=; . "$WEIR_TOP/conf/webserver.sh"; ' + script,
             '-'] + list(args), env=dict(os.environ, WEIR_TOP=TOP),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=30)

    # -- weirctl

    def ctl(self, *args, data='data', **more):
        return rig.Rig.ctl(self, *args, data=data, **more)

    def ctl_tries(self, *args, data='data', **more):
        """(exit status, stdout, stderr), whatever they are."""
        done = subprocess.run(
            [self.program('weirctl'), '--data', self.path(data)] + list(args),
            capture_output=True, text=True, timeout=self.patience,
            check=False, **more)
        return done.returncode, done.stdout, done.stderr

    def balance(self, login='alice'):
        """(balance, held, spent) in nano-dollars."""
        got = json.loads(self.ctl('--json', 'balance', login))
        return tuple(nano(got[k]) for k in ('balance', 'held', 'spent'))

    def book(self, kind):
        return self.sql("SELECT balance FROM book WHERE kind = ? "
                        "AND unit = 'usd'", kind)[0][0]

    def usage(self, *args):
        """Usage rows, oldest first."""
        got = json.loads(self.ctl('--json', 'usage', *args))
        return got[::-1]

    def row(self, call):
        """The usage row of a call; it has exactly one.  What cost nothing is
        written a moment after its answer."""
        rows = until(lambda: [r for r in self.usage('--limit', '2000')
                              if r['request_id'] == call.id],
                     'no usage row of the call')
        same(len(rows), 1, 'usage rows of the call')
        return rows[0]

    def sql(self, text, *args):
        """Rows straight from the database; a reader cannot disturb it."""
        db = sqlite3.connect('file:%s?mode=ro' % self.path('data/weir.db'),
                             uri=True, timeout=10)
        try:
            return db.execute(text, args).fetchall()
        finally:
            db.close()

    def quiet(self, seconds=8):
        """Until no money is held."""
        until(lambda: not self.sql('SELECT count(*) FROM hold')[0][0],
              'holds are still open', seconds)

    def books(self, seconds=8):
        """No hold is left, and the books and the mock's log agree."""
        self.quiet(seconds)
        for n, p in enumerate(self.weirs):
            assert p.poll() is None, 'weir %d ended with %s\n%s' % (
                n, p.returncode, self.log(n)[-1500:])
        code, out, err = self.ctl_tries('ledger', 'check', '--truth',
                                        self.truth_file)
        assert code == 0, 'ledger check: %s%s' % (out, err)

    def truth(self, event='request', **members):
        """Lines of the mock's log."""
        if not os.path.exists(self.truth_file):
            return []
        # What is behind the last line's end is still being written.
        lines = [json.loads(line) for line in
                 read(self.truth_file).rpartition('\n')[0].splitlines()]
        return [e for e in lines if e['ev'] == event and
                all(e[k] == v for k, v in members.items())]

    def asked(self, call):
        """How often the upstream was asked for that call."""
        return len(self.truth('request', rid=call.id))

    def write_lock(self):
        """Takes the lock that every writer needs; close() gives it back."""
        f = open(self.path('data/weir.lock'), 'r+b')
        for byte in (0, 1):             # the turn, then the lock
            fcntl.fcntl(f, F_OFD_SETLKW, struct.pack(
                'hhqqi4x', fcntl.F_WRLCK, 0, byte, 1, 0))
        return f

    @contextlib.contextmanager
    def locked_database(self, data='data', readers=False):
        """Another program has begun to write to weir.db and does not end; or
        lets nobody read it either.  A process of its own: closing any file of
        a process gives back its locks on it."""
        child = subprocess.Popen(
            [sys.executable, '-c', LOCKER % (
                self.path(os.path.join(data, 'weir.db')), readers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        same(child.stdout.readline(), b'locked\n')
        try:
            yield
        finally:
            child.communicate()

    # -- callers

    def call(self, body=None, path=CHAT, key=KEY, weir=0, method=None,
             headers=None, params=None, seconds=15):
        """Sends it; the Call."""
        method = method or ('GET' if body is None else 'POST')
        call = Call(self.socks[weir], records(params_of(
            method, path, key, None if body is None else len(body), headers,
            params), body or b''), seconds)
        self.calls.append(call)
        return call

    def ask(self, *args, **more):
        """Sends it and waits for the end."""
        return self.call(*args, **more).finish()

    def raw(self, data, weir=0, seconds=15):
        call = Call(self.socks[weir], data, seconds)
        self.calls.append(call)
        return call

    def parallel(self, n, ask, threads=None):
        """ask(i) for n numbers, at once."""
        with concurrent.futures.ThreadPoolExecutor(threads or n) as pool:
            return list(pool.map(ask, range(n)))

    # -- what no caller may see

    def leaks(self):
        """Fails if an answer so far shows what is not the caller's."""
        secrets = [b'127.0.0.1:%d' % self.mock_port, b'curl', b'libcurl',
                   b'OpenSSL', b'SQLITE', b'Zq8Wx3Rv']
        for p in self.running:
            if hasattr(p, 'port'):
                secrets.append(b'127.0.0.1:%d' % p.port)
        for call in self.calls:
            for s in secrets:
                assert s not in call.head + call.body, \
                    'a caller was shown %r: %r' % (s, call.body[:600])


def fell(folder):
    """tests/tools/fell.c, to be preloaded: its path."""
    compiler = os.environ.get('CC', 'cc').split()
    if not shutil.which(compiler[0]):
        raise Skip('no C compiler')
    path = os.path.join(folder, 'fell.so')
    subprocess.run(compiler + [
        '-D_GNU_SOURCE', '-shared', '-fPIC', '-O1', '-o', path,
        os.path.join(TESTS, 'tools/fell.c'), '-ldl'], check=True)
    os.chmod(path, 0o755)
    return path


# ---- what stands between weir and the C library ------------------------------

class Shim:
    """See tests/tools/shim.c."""

    CALLS = ('read', 'write', 'recv', 'send', 'pread', 'pwrite', 'accept',
             'epoll', 'poll', 'lock')

    def __init__(self, folder):
        compiler = os.environ.get('CC', 'cc').split()
        if not shutil.which(compiler[0]):
            raise Skip('no C compiler')
        path = os.path.join(folder, 'shim.so')
        subprocess.run(compiler + [
            '-shared', '-fPIC', '-O1', '-o', path,
            os.path.join(TESTS, 'tools/shim.c'), '-ldl'], check=True)
        self.file = open(os.path.join(folder, 'shim.say'), 'w+b')
        self.file.truncate(4096)
        self.say = mmap.mmap(self.file.fileno(), 4096)
        self.names = os.path.join(folder, 'shim.hosts')
        self.hosts()
        self.environment = {'LD_PRELOAD': path, 'WEIR_SHIM': self.file.name,
                            'WEIR_SHIM_HOSTS': self.names}

    def hosts(self, **names):
        """What the resolver says of NAME.weir-test."""
        with open(self.names + '.new', 'w', encoding='ascii') as f:
            f.writelines('%s.weir-test %s\n' % each
                         for each in names.items())
        os.rename(self.names + '.new', self.names)

    def put(self, number, value):
        self.say[8 * number:8 * number + 8] = struct.pack('q', value)

    def get(self, number):
        return struct.unpack_from('q', self.say, 8 * number)[0]

    def clock(self, ms):
        self.put(0, ms)

    def random(self, error):
        self.put(1, error)

    @contextlib.contextmanager
    def befalls(self, call, what, every=1):
        """what: EINTR 1, EAGAIN 2, a part 3, else an errno."""
        self.put(3, 1 << self.CALLS.index(call))
        self.put(4, every)
        for number in (5, 6):
            self.put(number, 0)
        self.put(2, what)
        try:
            yield
        finally:
            self.put(2, 0)

    @property
    def hits(self):
        return self.get(6)


@contextlib.contextmanager
def shimmed(o, *args, **more):
    """(house, shim)"""
    shim = []

    def before(h):
        if sanitized(h):
            raise Skip('a sanitizer stands there itself')
        shim.append(Shim(h.dir))
        h.environment.update(shim[0].environment)
    with House(o, *args, before=before, **more) as h:
        yield h, shim[0]


# ---- upstreams that speak TLS -------------------------------------------

class Tls(http.server.ThreadingHTTPServer):
    """An HTTPS upstream that counts who got through to it."""
    daemon_threads = True

    def __init__(self, cert, key, version=None):
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.server.keys.append(self.headers.get('Authorization'))
                self.rfile.read(int(self.headers['Content-Length']))
                body = (b'{"id":"t","model":"tls","choices":[{"index":0,'
                        b'"message":{"role":"assistant","content":"the mock '
                        b'upstream"},"finish_reason":"stop"}],"usage":{'
                        b'"prompt_tokens":5,"completion_tokens":3}}')
                self.send_response(200)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        super().__init__(('127.0.0.1', 0), Answer)
        self.keys = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if version:
            context.set_ciphers('DEFAULT:@SECLEVEL=0')
            with warnings.catch_warnings():
                warnings.simplefilter('ignore', DeprecationWarning)
                context.minimum_version = context.maximum_version = version
        self.socket = context.wrap_socket(self.socket, server_side=True,
                                          do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass                    # handshakes are meant to fail here


def certificate(h, name, subject, *more):
    paths = [h.path(name + '.key'), h.path(name + '.crt')]
    done = subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
         'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=' + subject,
         '-addext', 'subjectAltName=' + subject, '-keyout', paths[0], '-out',
         paths[1]] + list(more or ['-days', '2']), capture_output=True,
        check=False)
    if done.returncode:
        raise Skip('openssl makes no certificate: %s'
                   % done.stderr.decode()[-200:])
    os.chmod(paths[1], 0o644)
    return paths


def listens(path):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return False
    return True


def knocks(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


# ---- the script around the tests --------------------------------------------

class Options:
    def __init__(self, what):
        p = argparse.ArgumentParser(description=what, formatter_class=argparse
                                    .RawDescriptionHelpFormatter)
        p.add_argument('--build', default=os.environ.get(
            'WEIR_BUILD', os.path.join(TOP, 'build')),
            help='where weir was built')
        p.add_argument('--long', action='store_true',
                       help='also what takes minutes')
        p.add_argument('--times', action='store_true',
                       help='how long each took')
        p.add_argument('names', nargs='*', help='tests or patterns (all)')
        got = p.parse_args()
        self.build = os.path.abspath(got.build)
        self.long, self.times, self.names = got.long, got.times, got.names

    def size(self, name, small, large):
        """How many: as the environment says, else by the kind of run."""
        return int(os.environ.get(name) or (large if self.long else small))

    def wants(self, name):
        return not self.names or any(n in name or fnmatch.fnmatch(name, n)
                                     for n in self.names)


def verdict(f, options):
    """(has it failed, what to print)"""
    name = 'faults/%s/%s' % (os.path.basename(sys.argv[0]), f.__name__)
    began = time.monotonic()
    failed, before = False, ''
    try:
        f(options)
        line = 'ok ' + name
    except Long:
        return False, ''
    except (Skip, rig.Missing) as e:
        line = 'skip %s: %s' % (name, e)
    except Exception as e:      # each test is told, whatever ends it
        failed, before = True, traceback.format_exc()
        line = 'not ok %s: %s' % (name, ' '.join(
            ('%s: %s' % (type(e).__name__, e)).split())[:400])
    if options.times:
        line += '\n    %.1f s' % (time.monotonic() - began)
    return failed, before + line


def leave(number, _):
    """Asked to end: so does all that was started."""
    for h in list(HOUSES):
        for where in h.webs:
            h.web_server('web_stop "$1"', where)
        for p in h.running:
            p.kill()
        shutil.rmtree(h.dir, ignore_errors=True)
    os._exit(128 + number)


def run(what, tests, at_once=1):
    """Runs functions f(options), each a test; ends the program."""
    options = Options(what)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    tests = [f for f in tests if options.wants(f.__name__)]
    failed = False
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for each in concurrent.futures.as_completed(
                [pool.submit(verdict, f, options) for f in tests]):
            bad, text = each.result()
            failed |= bad
            if text:
                print(text, flush=True)
    sys.exit(1 if failed else 0)
