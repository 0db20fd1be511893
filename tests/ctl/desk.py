# SPDX-License-Identifier: MIT
"""desk.py - a house with people who use its pages, for tests/ctl/console*.

Asks weir over FastCGI as a web server does; a Visitor keeps its cookie and
CSRF token as a browser does.  Every page that is seen is checked: well-formed,
small, its headers as they have to be.
"""
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

TOP = os.environ.get('WEIR_TOP') or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'faults'))
from house import Call, params_of, records, same  # noqa: E402

BUILD = os.environ.get('WEIR_BUILD') or sys.exit('WEIR_BUILD is not set')
PASSWORD = 'correct horse'
PAGE_BYTES = 50 * 1024
FORM = 'application/x-www-form-urlencoded'
CSP = ("default-src 'none'; style-src 'self'; img-src 'self'; form-action "
       "'self'; frame-ancestors 'none'; base-uri 'none'")
VOID = {'area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link',
        'meta', 'source', 'track', 'wbr'}

CATALOGUE = {
    'models': [
        {'name': 'mock', 'context': 128000, 'max_output': 4096,
         'price': {'input': '1.00', 'cache_read': '0.10', 'output': '2.00'}},
        {'name': 'other', 'price': {'input': '3', 'output': '15'}}],
    'channels': [
        {'name': 'up', 'dialect': 'openai', 'cost': '0.5',
         'base_url': 'http://127.0.0.1:9/v1', 'models': {'mock': None},
         'credentials': [{'name': 'k1', 'secret': 'canary-upstream-secret'}]},
        {'name': 'spare', 'dialect': 'anthropic', 'priority': 1,
         'base_url': 'https://api.anthropic.com', 'enabled': False,
         'models': {'other': None},
         'credentials': [{'name': 'k1', 'secret': 'canary-spare-secret'}]}],
    'accounts': [
        {'login': 'alice', 'balance': '100.00', 'caps': {'day': '5.00'},
         'keys': [{'name': 'app',
                   'secret': 'sk-weir-alice-app-0123456789abcdef'}]},
        {'login': 'bob', 'balance': '3.00',
         'keys': [{'name': 'app',
                   'secret': 'sk-weir-bob-app-0123456789abcdef01'}]}]}

# login: (role, account)
PEOPLE = {'root': ('owner', None), 'op': ('operator', None),
          'aud': ('auditor', None), 'ann': ('owner', 'alice'),
          'max': ('member', 'alice'), 'bea': ('owner', 'bob')}


class Reader(html.parser.HTMLParser):
    """Elements of a page, or an assertion about what is not well-formed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.ids = [], [], []
        self.labels, self.forms, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, 'left open: %s' % self.open
        twice = {i for i in self.ids if self.ids.count(i) > 1}
        assert not twice, 'ids that are there twice: %s' % twice
        for each in self.labels:
            assert each in self.ids, 'a label for nothing: ' + each

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        assert len(given) == len(attrs), 'twice in <%s>: %s' % (tag, attrs)
        assert tag != 'script' and not any(
            a.startswith('on') or a == 'style' for a in given), (tag, attrs)
        self.elements.append((tag, tuple(sorted(given))))
        if 'id' in given:
            self.ids.append(given['id'])
        if tag == 'label' and 'for' in given:
            self.labels.append(given['for'])
        if tag == 'img':
            assert 'alt' in given
        if tag == 'form':
            self.forms.append({'action': given.get('action'),
                               'method': given.get('method'), 'fields': {}})
        if tag in ('input', 'select', 'textarea') and self.forms:
            self.forms[-1]['fields'][given.get('name')] = given.get('value')
        for name in ('href', 'action', 'src'):
            link = given.get(name) or '#'
            assert link[0] in '/#' or link.startswith('http'), link
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag not in VOID, '</%s>' % tag
        assert self.open and self.open[-1] == tag, '</%s> in %s' % (
            tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


def check_page(got, what):
    """What holds for every answer of a page."""
    same(got.headers.get('content-security-policy'), CSP, what)
    same(got.headers.get('x-content-type-options'), 'nosniff', what)
    same(got.headers.get('cache-control'), 'no-store', what)
    assert 'strict-transport-security' not in got.headers
    if not got.headers.get('content-type', '').startswith('text/html'):
        return None
    text = got.body.decode()
    assert len(got.body) <= PAGE_BYTES, '%s: %d bytes' % (what, len(got.body))
    assert '{{t.' not in text, what
    assert 'canary' not in text, what
    try:
        page = Reader(text)
    except AssertionError as e:
        raise AssertionError('%s: %s' % (what, e)) from e
    for form in page.forms:
        if form['method'] == 'post' and not form['action'].endswith(
                '/signin'):
            assert form['fields'].get('csrf'), (what, form)
    return page


class Visitor:
    def __init__(self, desk, login=None, token=None, https=False):
        self.desk, self.login, self.token = desk, login, token
        self.https, self.cookie, self.csrf = https, None, None
        if login:
            got = self.sign_in(login)
            same(got.status, 303, 'sign in as ' + login)

    def sign_in(self, login, password=PASSWORD, **more):
        got = self.post('/signin', dict({'login': login,
                                         'password': password}, **more))
        self.csrf = None
        return got

    def ask(self, method, url, form=None, headers=None, more=None):
        body = urllib.parse.urlencode(form or {}).encode()
        post = method == 'POST'
        head = {'accept': 'application/json' if self.token else 'text/html'}
        extra = {'CONTENT_TYPE': FORM} if post else {}
        if self.cookie:
            head['cookie'] = 'a=b; %s; c=d' % self.cookie
        if self.https:
            extra['HTTPS'] = 'on'
        head.update(headers or {})
        extra.update(more or {})
        got = Call(self.desk.socket, records(params_of(
            method, url, self.token, len(body) if post else None, head,
            extra), body if post else b''), 20).finish()
        same(got.end, 'end', 'how %s %s ended: %s' % (
            method, url, self.desk.log()[-2000:]))
        if 'set-cookie' in got.headers:
            self.cookie = got.headers['set-cookie'].split(';')[0]
            if self.cookie.endswith('='):
                self.cookie = None
        got.page = check_page(got, '%s %s as %s' % (method, url, self.login))
        return got

    def get(self, url, **more):
        return self.ask('GET', url, **more)

    def json(self, url):
        got = self.get(url, headers={'accept': 'application/json'})
        same(got.status, 200, url)
        return json.loads(bytes(got.body))

    def secret(self):
        """The CSRF token of this session, from a page."""
        if not self.csrf and self.cookie:
            found = re.search(rb'name="csrf" value="(\w+)"',
                              self.get('/profile').body)
            self.csrf = found[1].decode() if found else None
        return self.csrf

    def post(self, url, form=None, **more):
        form = dict(form or {})
        if url != '/signin' and not self.token and 'csrf' not in form:
            form['csrf'] = self.secret() or ''
        return self.ask('POST', url, form, **more)


class Desk:
    def __init__(self, catalogue=None):
        self.folder = tempfile.mkdtemp(prefix='weir-console-')
        self.data = os.path.join(self.folder, 'data')
        self.socket = os.path.join(self.folder, 'run', 's')
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith('WEIR_')}
        self.env['WEIR_WWW'] = os.path.join(TOP, 'www')
        self.weir, self.known = None, {}
        self.ctl('init', '--admin', 'root', '--password-stdin', *(
            ['--user', 'root'] if os.getuid() == 0 else []), stdin=PASSWORD)
        self.ctl('apply', '-', stdin=json.dumps(catalogue or CATALOGUE))

    def people(self):
        for login, (role, account) in PEOPLE.items():
            if login != 'root':
                self.ctl('user', 'new', login, '--role', role, *(
                    ['--account', account] if account else []),
                    stdin=PASSWORD)
        return self

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        status = self.stop() if self.weir else 0
        log = self.log()
        shutil.rmtree(self.folder)
        assert kind or status == 0, 'status %d: %s' % (status, log)
        assert kind or 'there is no text' not in log, log
        assert kind or 'error' not in log, log

    def ctl(self, *arguments, stdin=''):
        done = subprocess.run(
            [BUILD + '/weirctl', '--data', self.data, *arguments],
            input=stdin.encode(), env=self.env, capture_output=True,
            check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def start(self):
        with open(os.path.join(self.folder, 'log'), 'ab') as log:
            self.weir = subprocess.Popen(
                [BUILD + '/weir.fcgi', '--data', self.data, '--listen',
                 'unix:' + self.socket], stdout=log, stderr=log, env=self.env)
        end = time.monotonic() + 15
        while ' serves on ' not in self.log().rpartition('stopped')[2]:
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def stop(self):
        self.weir.terminate()
        status = self.weir.wait(30)
        os.unlink(self.socket)
        self.weir = None
        return status

    def log(self):
        with open(os.path.join(self.folder, 'log'), encoding='utf-8') as f:
            return f.read()

    def visitor(self, login=None, **more):
        """Signed in once; the same one the next time."""
        if login and not more:
            if login not in self.known:
                self.known[login] = Visitor(self, login)
            return self.known[login]
        return Visitor(self, login, **more)

    def token(self, role, login='root'):
        return self.ctl('token', 'new', '--user', login, '--role',
                        role).strip()


def run(name, tests):
    """Prints each test's line; 1 when one failed."""
    import traceback
    failed = False
    for test in tests:
        try:
            test()
            print('ok ctl/%s-%s' % (name, test.__name__), flush=True)
        except Exception as e:  # each test is told, whatever ends it
            failed = True
            traceback.print_exc(file=sys.stdout)
            print('not ok ctl/%s-%s: %s: %s' % (
                name, test.__name__, type(e).__name__,
                str(e).replace('\n', ' ')[:600]))
    return 1 if failed else 0
