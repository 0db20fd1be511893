# SPDX-License-Identifier: MIT
"""through.py - what a caller sees and weir learns through a web server.

usage: through.py SUITE SERVER URL KEY FAR_KEY TRUTH

Started by lib.sh with a running house.  SUITE begins the names of the tests;
SERVER is nginx, lighttpd, apache, apache-fcgid or apache-cgi; FAR_KEY is a key
that is good from 203.0.113.0/24 only; TRUTH is the mock upstream's log of what
reached it (mockup --help); $WEIR_CTL is weirctl with its data directory.

Every test is run at the root of the server; those marked `folder` once more at
/sub/weir, where the same weir is mounted a second time.
"""
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
import traceback
import urllib.parse

SUITE, SERVER, URL, KEY, FAR_KEY, TRUTH = sys.argv[1:]
FOLDER = '/sub/weir'
PLACE = urllib.parse.urlsplit(URL)
AT = (PLACE.hostname, PLACE.port)
BEARER = {'Authorization': 'Bearer ' + KEY, 'Content-Type': 'application/json'}
LIMIT = 64 << 20

tests = []
base = ''                       # where weir is mounted for this test


def test(f):
    tests.append(('', f))
    return f


def folder(f):
    """Marks a test that is run at both mounts."""
    tests.append((FOLDER, f))
    return f


def same(seen, wanted):
    assert seen == wanted, '%r instead of %r' % (seen, wanted)


def chat(model, **members):
    return json.dumps(dict({'model': model, 'messages': [
        {'role': 'user', 'content': 'Hello'}]}, **members)).encode()


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


def ask(method, path, body=None, headers=None, connection=None):
    c = connection or http.client.HTTPConnection(*AT, timeout=30)
    c.request(method, base + path, body, headers or {})
    reply = Reply(c.getresponse())
    if not connection:
        c.close()
    return reply


def raw(head, body=b'', path=None, method=b'POST'):
    """An open connection with that request sent, just as it is."""
    s = socket.create_connection(AT, timeout=30)
    path = path or base + '/v1/chat/completions'
    s.sendall(b'%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n'
              b'Authorization: Bearer %s\r\nContent-Type: application/json\r\n'
              b'%s\r\n%s' % (method, path.encode(), KEY.encode(), head, body))
    return s


def rest(s):
    """All that still comes."""
    seen = b''
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            seen += piece
    except ConnectionResetError:
        pass
    s.close()
    return seen


def stream(model):
    """An open connection with that streamed call sent."""
    body = chat(model, stream=True)
    return raw(b'Content-Length: %d\r\n' % len(body), body)


def usage(request_id):
    """The usage row of a call, once it is there."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        out = subprocess.run(
            os.environ['WEIR_CTL'].split() + ['usage', '--json'],
            stdout=subprocess.PIPE, check=True).stdout.decode()
        for row in json.loads(out):
            if row['request_id'] == request_id:
                return row
        time.sleep(0.05)
    raise AssertionError('no usage row of ' + request_id)


def truth(event, model):
    with open(TRUTH, encoding='utf-8') as f:
        lines = [json.loads(line) for line in f]
    return [e for e in lines if e['ev'] == event and e['model'] == model]


@folder
def plain():
    got = ask('POST', '/v1/chat/completions', chat('mock'), BEARER)
    same(got.status, 200)
    assert got.json()['choices'][0]['message']['content'].startswith('Good day')
    assert got.headers['x-request-id'], 'no x-request-id'


SDK = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2])
ask = dict(model='mock', messages=[{'role': 'user', 'content': 'Hello'}])
plain = client.chat.completions.create(**ask)
assert plain.choices[0].message.content.startswith('Good day'), plain
said = ''.join(event.choices[0].delta.content or '' for event in
               client.chat.completions.create(stream=True, **ask)
               if event.choices)
assert said == plain.choices[0].message.content, said
try:
    client.chat.completions.create(**dict(ask, model='none-of-ours'))
except openai.NotFoundError as e:
    assert e.code == 'model_not_found' and e.request_id, e
else:
    raise AssertionError('no error')
"""


@test
def official_sdk():
    python = os.path.join(os.environ['WEIR_SDK'], 'venv/bin/python3')
    if not os.access(python, os.X_OK):
        return 'no Python SDK, run: sh tests/sdk/setup'
    env = {k: v for k, v in os.environ.items()
           if not k.startswith('OPENAI_')}
    done = subprocess.run(
        [python, '-c', SDK, 'http://%s%s/v1' % (PLACE.netloc, base), KEY],
        env=dict(env, no_proxy='*', NO_PROXY='*'), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=60, check=False)
    same((done.returncode, done.stdout.decode()[-1000:]), (0, ''))
    return None


@folder
def key_in_either_header():
    for head in ({'Authorization': 'Bearer ' + KEY}, {'x-api-key': KEY},
                 {'authorization': 'bearer ' + KEY}):
        got = ask('POST', '/v1/chat/completions', chat('mock'), dict(
            head, **{'Content-Type': 'application/json'}))
        same((sorted(head), got.status), (sorted(head), 200))


@test
def forwarded_address_is_not_believed():
    for head in ({}, {'X-Forwarded-For': '203.0.113.7'},
                 {'Forwarded': 'for=203.0.113.7', 'X-Real-IP': '203.0.113.7'}):
        got = ask('GET', '/v1/models', None, dict(
            head, Authorization='Bearer ' + FAR_KEY))
        assert got.status in (401, 403), got.status


@test
def request_id_on_every_answer():
    seen = set()
    for method, path, body in (
            ('GET', '/', None), ('GET', '/healthz', None),
            ('GET', '/v1/models', None), ('GET', '/v1/none', None),
            ('POST', '/v1/chat/completions', chat('mock')),
            ('POST', '/v1/chat/completions', b'{')):
        got = ask(method, path, body, BEARER)
        seen.add(got.headers.get('x-request-id'))
    same((len(seen), None in seen), (6, False))


@test
def key_is_asked_for():
    got = ask('POST', '/v1/chat/completions', chat('mock'),
              {'Content-Type': 'application/json'})
    same((got.status, got.json()['error']['code']), (401, 'invalid_api_key'))


def events_of_a_stream():
    """In how many pieces they came, and the median of their delays in ms."""
    s = stream('mock-stream-12-100')
    seen, reads, delays = b'', 0, []
    while b'[DONE]' not in seen:
        piece = s.recv(65536)
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        assert piece, 'the connection ended early: %r' % seen[-200:]
        reads += b'data: ' in piece
        delays += [(now - int(n)) / 1e6
                   for n in re.findall(rb'#\d+@(\d+)', piece)]
        seen += piece
    s.close()
    same(len(delays), 12)
    return reads, sorted(delays)[6]


@folder
def each_event_at_once():
    """A busy machine may spoil a stream, but not four."""
    tries = []
    while len(tries) < 4:
        tries.append(events_of_a_stream())
        if tries[-1][0] >= 11 and tries[-1][1] < 50:
            return
    assert False, 'pieces, and median delays in ms: %r' % tries


@test
def silence_holds_nothing_back():
    """What was said before a long pause arrives before it."""
    s = stream('mock-stream-2-2500')
    seen, at = b'', []
    while b'[DONE]' not in seen:
        piece = s.recv(65536)
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        assert piece, 'the connection ended early: %r' % seen[-200:]
        at += [(now - int(n)) / 1e6
               for n in re.findall(rb'#\d+@(\d+)', piece)]
        seen += piece
    s.close()
    same(len(at), 2)
    assert at[0] < 500, 'the first event was %.0f ms late' % at[0]


@test
def caller_who_leaves_is_noticed():
    model = 'mock-stream-300-30'
    s = stream(model)
    seen = b''
    while seen.count(b'data: ') < 4:
        seen += s.recv(65536)
    s.close()
    end = time.monotonic() + 6
    while not truth('answer', model):
        assert time.monotonic() < end, 'the upstream was still asked 6 s later'
        time.sleep(0.05)
    ends = truth('answer', model)[0]
    same(ends['cut'], 'caller')
    assert ends['events'] < 250, ends
    row = usage(re.search(rb'(?i)x-request-id: (\S+)', seen).group(1).decode())
    same((row['state'], row['stream']), ('left', True))
    assert 0 < row['output'] < 250, row


@test
def body_above_the_limit():
    c = http.client.HTTPConnection(*AT, timeout=60)
    c.putrequest('POST', '/v1/chat/completions')
    for name, value in BEARER.items():
        c.putheader(name, value)
    c.putheader('Content-Length', str(LIMIT + 1))
    c.endheaders()
    try:
        left = LIMIT + 1
        while left > 0:
            c.send(b' ' * min(left, 1 << 20))
            left -= 1 << 20
    except (BrokenPipeError, ConnectionResetError):
        pass                    # answered before all of it was sent
    got = Reply(c.getresponse())
    same((got.status, got.json()['error']['code']),
         (413, 'request_too_large'))


@folder
def body_of_200_kb():
    body = chat('mock', padding='x' * 200000)
    got = ask('POST', '/v1/chat/completions', body, BEARER)
    same(got.status, 200)
    same(truth('request', 'mock')[-1]['bytes'] >= 200000, True)


@test
def body_of_20_mb():
    body = chat('mock-events-3', padding='x' * 20000000)
    got = ask('POST', '/v1/chat/completions', body, BEARER)
    same(got.status, 200)
    same(truth('request', 'mock-events-3')[-1]['bytes'] >= 20000000, True)


@test
def length_that_lies():
    """A body that is not what was announced never becomes a call."""
    body = chat('mock-events-4')
    # Announced more than there is: the caller leaves, or waits for an answer.
    raw(b'Content-Length: %d\r\n' % (len(body) + 10), body).close()
    s = raw(b'Content-Length: %d\r\nConnection: close\r\n'
            % (len(body) + 10), body)
    s.shutdown(socket.SHUT_WR)
    seen = rest(s)
    assert not seen or seen.split()[1][:1] in b'45', seen[:200]
    # Two lengths, no number, below zero, beyond 64 bits.
    for head in (b'Content-Length: %d\r\nContent-Length: 5\r\n' % len(body),
                 b'Content-Length: 1x\r\n', b'Content-Length: -5\r\n',
                 b'Content-Length: 99999999999999999999999\r\n'):
        seen = rest(raw(head + b'Connection: close\r\n', body))
        assert not seen or seen.split()[1][:1] in b'45', \
            '%r: %r' % (head, seen[:200])
    # Announced less: the call is what was announced, which is no JSON, and
    # the rest is no second call.
    seen = rest(raw(b'Content-Length: %d\r\nConnection: close\r\n'
                    % (len(body) - 5), body))
    same(seen.split()[1], b'400')
    time.sleep(0.2)
    same(truth('request', 'mock-events-4'), [])
    # With both kinds of length the chunks count, or nothing does.
    s = raw(b'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'
            b'Connection: close\r\n', b'%x\r\n%s\r\n0\r\n\r\n'
            % (len(body), body))
    assert rest(s).split()[1] in (b'200', b'400')


@test
def slow_body():
    body = chat('mock')
    s = raw(b'Connection: close\r\nContent-Length: %d\r\n' % len(body),
            body[:10])
    time.sleep(1)
    s.sendall(body[10:])
    seen = rest(s)
    assert b' 200' in seen.split(b'\r\n')[0] and b'Good' in seen, seen[:300]


@test
def body_without_length():
    body = chat('mock')
    got = ask('POST', '/v1/chat/completions', iter([body[:20], body[20:]]),
              BEARER)
    same(got.status, 200)


@test
def connection_is_kept():
    c = http.client.HTTPConnection(*AT, timeout=30)
    for _ in range(3):
        same(ask('POST', '/v1/chat/completions', chat('mock'), BEARER,
                 c).status, 200)
    ask('POST', '/v1/chat/completions', chat('mock', stream=True), BEARER, c)
    same(ask('GET', '/v1/models', None, BEARER, c).status, 200)
    c.close()


@test
def preflight():
    got = ask('OPTIONS', '/v1/chat/completions', None, {
        'Origin': 'https://app.example',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,x-stainless-os'})
    same((got.status, got.body), (204, b''))
    same(got.headers['access-control-allow-origin'], '*')
    allowed = got.headers['access-control-allow-headers'].lower()
    assert 'x-stainless-os' in allowed and 'authorization' in allowed, allowed
    assert 'access-control-allow-credentials' not in got.headers
    assert 'POST' in got.headers['access-control-allow-methods']


@test
def cross_origin_answer():
    got = ask('GET', '/v1/models', None,
              dict(BEARER, Origin='https://app.example'))
    same(got.status, 200)
    same(got.headers['access-control-allow-origin'], '*')
    assert 'x-request-id' in \
        got.headers['access-control-expose-headers'].lower()
    assert 'access-control-allow-origin' not in ask(
        'GET', '/healthz', None, {'Origin': 'https://app.example'}).headers


@folder
def head():
    got = ask('HEAD', '/healthz')
    same((got.status, got.body), (200, b''))
    got = ask('HEAD', '/v1/models', None, BEARER)
    same((got.status, got.body), (405, b''))


@test
def wrong_method_and_path():
    got = ask('GET', '/v1/chat/completions', None, BEARER)
    same(got.status, 405)
    assert 'POST' in got.headers['allow'], got.headers
    got = ask('GET', '/v1/nothing-here', None, BEARER)
    same((got.status, got.json()['error']['code']), (404, 'unknown_url'))


@folder
def static_file():
    got = ask('GET', '/static/style.css')
    same(got.status, 200)
    assert got.headers['content-type'].startswith('text/css')
    assert got.body.count(b'{') > 3, got.body[:80]
    tag = got.headers['etag']
    again = ask('GET', '/static/style.css', None, {'If-None-Match': tag})
    same((again.status, again.body), (304, b''))
    same(again.headers['etag'], tag)
    icon = ask('GET', '/static/favicon.svg')
    same((icon.status, icon.headers['content-type']), (200, 'image/svg+xml'))
    same(ask('GET', '/static/none.css').status, 404)


def seen_at(path):
    """Status and all bytes of a GET of just that path."""
    seen = rest(raw(b'Connection: close\r\n', path=path, method=b'GET'))
    return int(seen.split()[1]), seen


@folder
def nothing_outside_of_static():
    for path in ('/static/../index.html', '/static/%2e%2e/index.html',
                 '/static/..%2findex.html', '/static/', '/weir.db',
                 '/static/%2e%2e/%2e%2e/weir.db', '/weir.conf',
                 '/master.key', '/www/index.html', '/.htaccess'):
        status, seen = seen_at(base + path)
        assert status in (400, 403, 404), '%s: %d' % (path, status)
        assert not re.search(rb'{{|SQLite|www =|Rewrite', seen), path


@folder
def paths():
    # One slash too many is no harm; one that is written as %2F is a slash,
    # unless the server says it is none (Apache, where a tenant cannot tell it
    # otherwise).
    same(seen_at(base + '//v1///models')[0], 200)
    status, seen = seen_at(base + '/v1/%6dodels')
    same(status, 200)
    if SERVER != 'apache-cgi':
        status, seen = seen_at(base + '/v1/models/mock-org%2Fsome')
        assert status == 200 and b'"mock-org/some"' in seen, seen
    status, seen = seen_at(base + '/v1/models/mock-org/some')
    assert status == 200 and b'"mock-org/some"' in seen, seen
    # Decoded once and not twice.
    status, seen = seen_at(base + '/v1/models/mock-a%2541')
    assert status == 200 and b'"mock-a%41"' in seen, seen
    # A model's name does not move the mount.
    for name in ('mock-x.cgi', 'mock-x.fcgi'):
        status, seen = seen_at(base + '/v1/models/' + name)
        assert status == 200 and b'"%s"' % name.encode() in seen, seen
    # Dots: weir refuses them; a server may have taken them away before.
    for path in ('/v1/../v1/models', '/v1/%2e%2e/v1/models', '/v1/./models'):
        status, seen = seen_at(base + path)
        assert status in (400, 403, 404) or SERVER == 'lighttpd' and \
            status == 200 and b'"list"' in seen, '%s: %r' % (path, seen)
    for path in ('/v1/%00models', '/v1/models%0d%0aX: y', '/v1/%zz'):
        status, seen = seen_at(base + path.replace(' ', '%20'))
        assert status in (400, 403, 404), '%s: %r' % (path, seen)
    # What follows a question mark is no path.
    same(seen_at(base + '/v1/models?x=/../..')[0], 200)
    same(seen_at(base + '/v1%3Fmodels')[0] in (400, 403, 404), True)


@test
def only_the_folder_itself():
    """A name that only begins like the folder's is not in it."""
    for path in (FOLDER + 'd/v1/models', FOLDER + '.v1/models'):
        status, seen = seen_at(path)
        same(status, 404)
    status, seen = seen_at(FOLDER)
    assert status in (200, 301, 308), seen
    assert status == 200 or re.search(
        rb'(?i)location: \S*/sub/weir/\r\n', seen), seen


@test
def under_the_programs_own_name():
    """/x/weir.fcgi and /weir.cgi: a mount nobody had to name."""
    at = {'apache-cgi': '/weir.cgi'}.get(SERVER, '/x/weir.fcgi')
    status, seen = seen_at(at + '/v1/models')
    assert status == 200 and b'"list"' in seen, seen
    status, seen = seen_at(at)
    assert status == 200 and b'http://127.0.0.1%s/v1' % at.encode() in seen, \
        seen


@folder
def first_page():
    got = ask('GET', '/', None, {'Accept': 'text/html'})
    same(got.status, 200)
    assert got.headers['content-type'].startswith('text/html'), got.headers
    here = 'http://%s%s' % (PLACE.netloc, base)
    assert (here + '/v1').encode() in got.body and b'{{' not in got.body, \
        got.body[:400]
    # Its own links lead somewhere.
    links = re.findall(rb'(?:href|src)="([^"]+)"', got.body)
    mine = [link.decode() for link in links if b'/static/' in link]
    assert len(mine) > 1, links
    for link in mine:
        at = urllib.parse.urljoin(here + '/', link)
        assert at.startswith(here + '/static/'), at
        same(seen_at(urllib.parse.urlsplit(at).path)[0], 200)
    got = ask('GET', '/', None, {'Accept': 'application/json'})
    same((got.json()['name'], got.json()['base_url']), ('weir', here + '/v1'))


@test
def health():
    same(ask('GET', '/healthz').status, 200)


def run(name, f):
    """A test that cannot be made here returns the reason."""
    try:
        why = f()
        print('skip %s: %s' % (name, why) if why else 'ok ' + name, flush=True)
        return True
    except Exception as e:  # each test is told, whatever ends it
        traceback.print_exc(file=sys.stdout)
        print('not ok %s: %s: %s' % (name, type(e).__name__, str(e)
                                     .replace('\n', ' ')[:300]), flush=True)
        return False


def main():
    global base
    good = True
    for base in ('', FOLDER):
        for at, f in tests:
            if base in ('', at):
                good &= run('%s/%s%s' % (
                    SUITE, 'folder-' if base else '', f.__name__), f)
    return not good


sys.exit(main())
