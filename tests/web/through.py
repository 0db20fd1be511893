# SPDX-License-Identifier: MIT
"""through.py - what a caller sees and weir learns through a web server.

usage: through.py SERVER URL KEY TRUTH

Started by tests/web/nginx, lighttpd and apache with a running house; TRUTH is
the mock upstream's log of what reached it (mockup --help).
"""
import http.client
import json
import re
import socket
import sys
import time
import traceback
import urllib.parse

SERVER, URL, KEY, TRUTH = sys.argv[1:]
PLACE = urllib.parse.urlsplit(URL)
AT = (PLACE.hostname, PLACE.port)
BEARER = {'Authorization': 'Bearer ' + KEY, 'Content-Type': 'application/json'}
LIMIT = 64 << 20

tests = []


def test(f):
    tests.append(f)
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
    c.request(method, path, body, headers or {})
    reply = Reply(c.getresponse())
    if not connection:
        c.close()
    return reply


def stream(model):
    """An open connection with that streamed call sent."""
    s = socket.create_connection(AT, timeout=30)
    body = chat(model, stream=True)
    s.sendall(b'POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n'
              b'Authorization: Bearer %s\r\nContent-Type: application/json\r\n'
              b'Content-Length: %d\r\n\r\n%s'
              % (KEY.encode(), len(body), body))
    return s


def truth(event, model):
    with open(TRUTH, encoding='utf-8') as f:
        lines = [json.loads(line) for line in f]
    return [e for e in lines if e['ev'] == event and e['model'] == model]


@test
def plain():
    got = ask('POST', '/v1/chat/completions', chat('mock'), BEARER)
    same(got.status, 200)
    assert got.json()['choices'][0]['message']['content'].startswith('Good day')
    assert got.headers['x-request-id'], 'no x-request-id'


@test
def key_is_asked_for():
    got = ask('POST', '/v1/chat/completions', chat('mock'),
              {'Content-Type': 'application/json'})
    same((got.status, got.json()['error']['code']), (401, 'invalid_api_key'))


@test
def each_event_at_once():
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
    assert reads >= 11, 'the events came in %d pieces' % reads
    assert sorted(delays)[6] < 50, 'delays in ms: %r' % delays


@test
def caller_who_leaves_is_noticed():
    model = 'mock-stream-300-30'
    s = stream(model)
    seen = b''
    while seen.count(b'data: ') < 4:
        seen += s.recv(65536)
    s.close()
    end = time.monotonic() + 6
    while time.monotonic() < end:
        ends = truth('answer', model)
        if ends:
            same(ends[0]['cut'], 'caller')
            assert ends[0]['events'] < 250, ends[0]
            return
        time.sleep(0.05)
    raise AssertionError('the upstream was still asked 6 s later')


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


@test
def large_body():
    body = chat('mock', padding='x' * (8 << 20))
    got = ask('POST', '/v1/chat/completions', body, BEARER)
    same(got.status, 200)
    same(truth('request', 'mock')[-1]['bytes'] >= 8 << 20, True)


@test
def slow_body():
    body = chat('mock')
    s = socket.create_connection(AT, timeout=30)
    s.sendall(b'POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n'
              b'Authorization: Bearer %s\r\nConnection: close\r\n'
              b'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n'
              % (KEY.encode(), len(body)) + body[:10])
    time.sleep(1)
    s.sendall(body[10:])
    seen = b''
    while True:
        piece = s.recv(65536)
        if not piece:
            break
        seen += piece
    s.close()
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


@test
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


@test
def static_file():
    got = ask('GET', '/static/style.css')
    same(got.status, 200)
    assert got.headers['content-type'].startswith('text/css')
    assert got.body.count(b'{') > 3, got.body[:80]
    tag = got.headers['etag']
    again = ask('GET', '/static/style.css', None, {'If-None-Match': tag})
    same((again.status, again.body), (304, b''))
    same(again.headers['etag'], tag)
    same(ask('GET', '/static/none.css').status, 404)


@test
def nothing_outside_of_static():
    for path in ('/static/../index.html', '/static/%2e%2e/index.html',
                 '/static/..%2findex.html', '/static/', '/weir.db'):
        s = socket.create_connection(AT, timeout=30)
        s.sendall(b'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n'
                  % path.encode())
        seen = b''
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            seen += piece
        s.close()
        status = int(seen.split()[1])
        assert status in (400, 403, 404), '%s: %d' % (path, status)
        assert b'{{' not in seen and b'SQLite' not in seen, path


@test
def first_page():
    got = ask('GET', '/', None, {'Accept': 'text/html'})
    same(got.status, 200)
    assert got.headers['content-type'].startswith('text/html'), got.headers
    assert URL.encode() in got.body and b'{{' not in got.body, got.body[:400]
    got = ask('GET', '/', None, {'Accept': 'application/json'})
    same(got.json()['name'], 'weir')


@test
def health():
    same(ask('GET', '/healthz').status, 200)


def main():
    failed = False
    for f in tests:
        name = 'web/%s/%s' % (SERVER, f.__name__)
        try:
            f()
            print('ok ' + name, flush=True)
        except Exception as e:  # each test is told, whatever ends it
            failed = True
            traceback.print_exc(file=sys.stdout)
            print('not ok %s: %s: %s' % (name, type(e).__name__, str(e)
                                         .replace('\n', ' ')[:300]), flush=True)
    return failed


sys.exit(main())
