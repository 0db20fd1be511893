# SPDX-License-Identifier: MIT
"""servers.py - what a plain call costs behind each web server: bench --servers.

Each server runs by the sample that is shipped, started by conf/webserver.sh as
the tests of tests/web are.  One row a server: requests a second with many
connections, the time of one call alone, and CPU by server and weir.
"""
import os
import pwd
import resource
import shutil
import subprocess
import time

from rig import KEYS, Missing, TOP, cpu_ns, free_port, median, read
from rows import PLAIN

# Name, connections at once.  A process a call is not asked for 64 at once:
# nobody's host would let them run.
SERVERS = [('nginx', 64), ('nginx-no-keep', 64), ('lighttpd', 64),
           ('apache', 64), ('apache-fcgid', 16), ('apache-cgi', 4)]


def tree(pid):
    """A process and all below it."""
    out = [pid]
    try:
        for tid in os.listdir('/proc/%d/task' % pid):
            for child in read('/proc/%d/task/%s/children'
                              % (pid, tid)).split():
                out += tree(int(child))
    except OSError:
        pass            # it has just ended
    return out


def is_weir(pid):
    try:
        return os.path.basename(os.readlink('/proc/%d/exe' % pid)).startswith(
            'weir.')
    except OSError:
        return False


class Served:
    """A web server by its sample, in a folder of the rig."""

    def __init__(self, rig, name):
        self.rig, self.name = rig, name
        self.kind = name.replace('-no-keep', '')
        self.starts_weir = self.kind in ('apache-fcgid', 'apache-cgi')
        self.dir = rig.path(name)
        self.port = free_port()
        self.data = rig.path('data')
        os.chmod(rig.dir, 0o711)
        os.makedirs(self.dir, exist_ok=True)

    def shell(self, script):
        return subprocess.run(
            ['sh', '-c', 'AS=; . "$TOP/conf/webserver.sh"; ' + script],
            env=dict(os.environ, TOP=TOP, DIR=self.dir, KIND=self.kind,
                     PORT=str(self.port), WEIR_DATA=self.data,
                     AT=self.at(), WWW=self.rig.path('www')),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)

    def at(self):
        return {'apache-fcgid': self.rig.path('fcgid/weir.fcgi'),
                'apache-cgi': self.rig.path('site')}.get(self.kind,
                                                         self.rig.sock)

    def put_program(self):
        """The program where the server can start it, with its own data."""
        user = self.shell('web_user').stdout.strip()
        folder, name = (('site', 'weir.cgi') if self.kind == 'apache-cgi'
                        else ('fcgid', 'weir.fcgi'))
        os.makedirs(self.rig.path(folder), exist_ok=True)
        shutil.copy(self.rig.program('weir.fcgi'),
                    self.rig.path(folder + '/' + name))
        with open(self.rig.path(folder + '/weir.conf'), 'w',
                  encoding='ascii') as f:
            f.write('www = %s\nlog = /dev/null\n' % self.rig.path('www'))
        self.data = self.rig.path('data-' + self.kind)
        if os.path.exists(self.data):
            return
        self.rig.ctl('init', *(['--user', user] if user else []),
                     data='data-' + self.kind)
        catalogue = self.rig.path('cat.json')
        if user:        # weirctl becomes that user before it reads
            shutil.copy(catalogue, self.rig.path('cat-web.json'))
            catalogue = self.rig.path('cat-web.json')
            os.chown(catalogue, pwd.getpwnam(user).pw_uid, -1)
        self.rig.ctl('apply', catalogue, data='data-' + self.kind)

    def __enter__(self):
        if self.shell('web_program "$KIND"').returncode:
            raise Missing('%s is not installed' % self.kind)
        if not os.path.exists(self.rig.path('www')):
            shutil.copytree(os.path.join(TOP, 'www'), self.rig.path('www'))
        if self.starts_weir:
            self.put_program()
        done = self.shell('web_write "$KIND" "$TOP/conf" "$DIR" "$PORT" '
                          '"$AT" "$WWW"')
        if not done.returncode and self.name.endswith('-no-keep'):
            done = self.shell(
                "sed -i -e '/^\tkeepalive /d' -e "
                "'s/fastcgi_keep_conn on/fastcgi_keep_conn off/' "
                '"$DIR/weir.conf"')
        if not done.returncode:
            done = self.shell('web_start "$DIR"')
        if done.returncode:
            raise Missing('%s does not start: %s' % (
                self.name, done.stdout.strip()[-300:]))
        return self

    def __exit__(self, *_):
        self.shell('web_stop "$DIR"')

    def pid(self):
        return int(read(os.path.join(self.dir, 'tmp/web.pid')))

    def cpu(self):
        """(server, weir) so far, in ns."""
        own, weir = 0, 0
        for pid in tree(self.pid()):
            try:
                if is_weir(pid):
                    weir += cpu_ns(pid)
                else:
                    own += cpu_ns(pid)
            except OSError:
                pass    # it has just ended
        if not self.starts_weir:
            weir = cpu_ns(self.rig.weir.pid)
        return own, weir

    def one_process(self, rounds=20):
        """CPU ns of a weir.cgi that serves one call.  Apache's cgid does not
        wait for its children, so nobody counts theirs: these are ours."""
        user = self.shell('web_user').stdout.strip() or None
        body = (b'{"model":"%s","max_tokens":64,"messages":[{"role":"user",'
                b'"content":"Hello"}]}' % PLAIN.encode())
        env = {'GATEWAY_INTERFACE': 'CGI/1.1', 'REQUEST_METHOD': 'POST',
               'REQUEST_URI': '/v1/chat/completions',
               'SCRIPT_NAME': '/weir.cgi', 'SERVER_PROTOCOL': 'HTTP/1.1',
               'CONTENT_TYPE': 'application/json', 'WEIR_DATA': self.data,
               'CONTENT_LENGTH': str(len(body)), 'REMOTE_ADDR': '127.0.0.1',
               'HTTP_AUTHORIZATION': 'Bearer ' + KEYS[0]}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(rounds):
            done = subprocess.run([self.rig.path('site/weir.cgi')], env=env,
                                  input=body, user=user, check=False,
                                  stdout=subprocess.PIPE)
            if b'Status: 200' not in done.stdout[:200]:
                self.rig.fail('weir.cgi: %r' % done.stdout[:300])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime - before.ru_utime -
                before.ru_stime) * 1e9 / rounds

    def load(self, *args):
        got = self.rig.load_end(subprocess.Popen(
            [self.rig.tool('httpload'), '--key-file', self.rig.path('keys'),
             '--model', PLAIN, '--max-tokens', '64'] + [str(a) for a in args] +
            ['http://127.0.0.1:%d/v1/chat/completions' % self.port],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        # Apache ends children it has too many of, with the idle connections
        # they kept: a client asks again, and so it is no error here.
        closed = got['errors'].get('closed', 0)
        if self.kind.startswith('apache') and closed * 100 < got['requests']:
            del got['errors']['closed']
        return got


def measure(bench, name, wide):
    rounds, seconds = (1, 1) if bench.quick else (3, 3)
    row = bench.row('plain, %s, %d connections: req/s; CPU us server + weir; '
                    'one alone ms' % (name, wide), '-', '-')
    try:
        with Served(bench.rig, name) as s:
            bench.check(name, 'warm-up', s.load('--duration', 1,
                                                '--connections', wide))
            seen = []
            for n in range(rounds):
                bench.say('%s, round %d of %d' % (name, n + 1, rounds))
                before = s.cpu()
                got = bench.check(name, 'requests', s.load(
                    '--duration', seconds, '--connections', wide))
                time.sleep(0.1)
                after = s.cpu()
                seen.append([got['rate']] + [
                    (a - b) / 1e3 / max(got['requests'], 1)
                    for a, b in zip(after, before)])
            if s.kind == 'apache-cgi':
                for one in seen:
                    one[2] = s.one_process() / 1e3
            alone = bench.check(name, 'one alone', s.load(
                '--duration', seconds, '--connections', 1))
            row.told('%.0f; %.0f + %.0f; %.1f' % (
                *(median(column) for column in zip(*seen)),
                alone['ms']['p50']))
    except (Missing, RuntimeError) as why:
        row.missing(str(why).strip().split('\n', maxsplit=1)[0])
        if isinstance(why, RuntimeError):
            bench.wrong.append('%s: %s' % (name, why))


def servers(bench):
    if bench.no_weir:
        bench.row('plain calls behind each server', '-', '-').missing(
            bench.no_weir)
        return
    for name, wide in SERVERS:
        measure(bench, name, wide)
