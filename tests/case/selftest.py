#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""selftest.py - does the case runner see what it should see?

Runs run.py against a weir of 60 lines in here, which forwards what it gets,
with cases that must pass and cases that must fail for a given reason.  Prints
"ok NAME" and "not ok NAME: reason" like every test.
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))

# The stand-in for weir.fcgi: one request a connection, sent on to the first
# channel of the catalogue; a path /die ends it, /leak logs the key.
WEIR = r'''#!%s
import http.client, json, os, signal, socket, struct, sys, threading
data = sys.argv[sys.argv.index('--data') + 1]
path = sys.argv[sys.argv.index('--listen') + 1][5:]
base = json.load(open(data + '/cat.json'))['channels'][0]['base_url']
os.makedirs(os.path.dirname(path), exist_ok=True)
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))

def record(kind, content):
    return struct.pack('>BBHHBB', 1, kind, 1, len(content), 0, 0) + content

def take(sock, n):
    out = b''
    while len(out) < n:
        more = sock.recv(n - len(out))
        if not more:
            raise EOFError
        out += more
    return out

def pairs(b):
    out, at = {}, 0
    while at < len(b):
        sizes = []
        for _ in 'nv':
            wide = b[at] > 127
            sizes.append(struct.unpack('>I', b[at:at + 4])[0] & 0x7fffffff
                         if wide else b[at])
            at += 4 if wide else 1
        name = b[at:at + sizes[0]].decode()
        out[name] = b[at + sizes[0]:at + sum(sizes)].decode()
        at += sum(sizes)
    return out

def serve(sock):
    try:
        params = body = b''
        while True:
            _, kind, _, size, pad, _ = struct.unpack('>BBHHBB', take(sock, 8))
            content = take(sock, size)
            take(sock, pad)
            if kind == 4:
                params += content
            if kind == 5:
                body += content
                if not size:
                    break
        params = pairs(params)
        uri = params['REQUEST_URI']
        if uri == '/die':
            os._exit(3)
        if uri == '/leak':
            print('key', params['HTTP_AUTHORIZATION'], flush=True)
        if 'HTTP_AUTHORIZATION' not in params:
            out = (b'Status: 401 No\r\nContent-Type: application/json\r\n\r\n'
                   b'{"error":{"code":"invalid_api_key"}}')
            sock.sendall(record(6, out) + record(3, bytes(8)))
            return
        open(data + '/calls', 'a').write(uri + '\n')
        up = http.client.HTTPConnection(base.split('/')[2], timeout=5)
        up.request(params['REQUEST_METHOD'], uri, body,
                   {'authorization': 'Bearer up-secret', 'X-Split': 'a'})
        got = up.getresponse()
        sock.sendall(record(6, ('Status: %%d x\r\nContent-Type: %%s\r\n\r\n' %% (
            got.status, got.getheader('content-type'))).encode()))
        while True:
            more = got.read1(65536)
            if not more:
                break
            sock.sendall(record(6, more))
        sock.sendall(record(6, b'') + record(3, bytes(8)))
    except (OSError, http.client.HTTPException):
        sock.sendall(b'\t' * 8)
    except EOFError:
        pass
    finally:
        sock.close()

listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],),
                     daemon=True).start()
'''

# The stand-in for weirctl: a call costs 5.
CTL = r'''#!%s
import json, os, sys
args = [a for a in sys.argv[1:] if a != '--json']
data = args[args.index('--data') + 1]
command = args[args.index('--conf') + 2:]
calls = open(data + '/calls').read().split() if os.path.exists(
    data + '/calls') else []
if command[0] == 'init':
    os.mkdir(data)
elif command[0] == 'apply':
    open(data + '/cat.json', 'w').write(open(command[1]).read())
elif command[0] == 'usage':
    print(json.dumps([{'id': n, 'charge': 5, 'state': 'done', 'asked': c}
                      for n, c in enumerate(calls)]))
elif command[0] == 'balance':
    print(json.dumps({'balance': 100 - 5 * len(calls),
                      'held': 7 if '/hold' in calls else 0}))
elif command[0] == 'refuse':
    print('no', file=sys.stderr)
    sys.exit(1)
elif command != ['ledger', 'check']:
    sys.exit(2)
'''

HEAD = '''
catalogue only
  {"channels": [{"name": "c", "base_url": "http://{up}/v1",
    "credentials": [{"name": "k", "secret": "up-secret"}]}],
   "accounts": [{"login": "bob", "keys": [{"name": "app", "secret": "bob-secret"}]}]}
'''
ASK = '''
caller POST /v1/x key=bob
  {"a":1.50}
'''
STREAM = '''
upstream sends 200 text/event-stream
  data {"d":"one"}
  comment hi
  event odd {"d":"zwei ü"}
  data [DONE]
'''

GOOD = {
    'plain': ASK + '''
upstream expects POST /v1/x
  header authorization = Bearer up-secret
  header x-split
  no header cookie
  json .a = 1.5
  no json .b
  as-sent
upstream sends 201 application/json
  {"list": [1,
    {"x": true}],
  }
caller sees 201 application/json
  header content-type = application/json
  no header set-cookie
  {"list": [1,
    {"x": true}],
  }
  as-sent
  contains "x"
  lacks "y"
  within 5000
after
  usage rows = 1
  usage charge = 5
  usage 1 asked = /v1/x
  usage state != cut
  usage charge >= 5
  ledger bob balance=95 held=0 balance>94
  no log secret
''',
    'frames': 'rechunk\n' + ASK + STREAM + '''
caller sees 200
  data {"d":"one"}
  data .d ~ ^zwei
  data [DONE]
''',
    'skipping': ASK + STREAM + '''
caller sees 200
  event odd .d = zwei ü
  find .d ~ .
  more
'''.replace('  find .d ~ .\n', ''),
    'cut': ASK + '''
upstream sends 200 application/json
  {"half":
  close
caller sees 200
  broken
  {"half":
''',
    'no-key': '''
caller POST /v1/x
caller sees 401
  json .error.code = invalid_api_key
after
  usage rows = 0
''',
    'split': '''
caller POST /v1/x key=bob
  raw \\x01\\n
  fill 70000 ab
  split 997
  records 13
  padding 255
  header x-odd = é
upstream expects POST /v1/x
  raw \\x01\\n
  fill 70000 ab
upstream sends 200
  {}
caller sees 200
''',
    'together': 'together\n' + '''
caller a POST /v1/1 key=bob
caller b POST /v1/2 key=bob
upstream expects POST /v1/2
upstream sends 200
  {"n":2}
upstream expects POST /v1/1
upstream sends 200
  sleep 100
  {"n":1}
caller b sees 200
  json .n = 2
caller a sees 200
  json .n = 1
  not before 90
''',
    'left': '''
caller POST /v1/x key=bob
  leaves after 1 frames
upstream sends 200
  data {}
  sleep 50
  data {}
caller sees 200
  more
after within 1000
  usage rows = 1
''',
    'ctl': '''
weirctl refuse this exits 1
  prints no
caller GET /v1/x
caller sees 401
''',
}

# name -> (case, a part of the reason)
BAD = {
    'status': (ASK + 'upstream sends 200\n  {}\ncaller sees 201\n',
               'status 200, not 201'),
    'body': (ASK + 'upstream sends 200\n  {"a":1}\ncaller sees 200\n'
             '  {"a":2}\n', 'the body is not as wanted'),
    'extra-frame': (ASK + STREAM + 'caller sees 200\n  data {"d":"one"}\n',
                    'more frames than wanted'),
    'order': (ASK + STREAM + 'caller sees 200\n  data [DONE]\n  more\n',
              'frame 1 is another'),
    'never-asked': ('caller GET /v1/x\nupstream sends 200\n'
                    'caller sees 401\n', 'was never asked this'),
    'too-many': (ASK + 'caller sees 200\n  broken\n',
                 'a request too many'),
    'expects': (ASK + 'upstream expects POST /v1/y\n  json .a = 2\n'
                'upstream sends 200\n  {}\ncaller sees 200\n',
                'got POST /v1/x, not POST /v1/y'),
    'not-cut': (ASK + 'upstream sends 200\n  {}\ncaller sees 200\n  broken\n',
                'ends: clean'),
    'cut-unseen': (ASK + 'upstream sends 200 x/y\n  raw half\n  close\n'
                   'caller sees 200\n', 'ends: broken'),
    'usage': (ASK + 'upstream sends 200\n  {}\ncaller sees 200\n'
              'after\n  usage charge = 6\n', '.charge is 5'),
    'held': (ASK.replace('/v1/x', '/hold') + 'upstream sends 200\n  {}\n'
             'caller sees 200\n', '.held is 7'),
    'died': ('caller POST /die key=bob\n  {}\ncaller sees 200\n  broken\n',
             'status None'),
    'leak': (ASK.replace('/v1/x', '/leak') + 'upstream sends 200\n  {}\n'
             'caller sees 200\n', 'has a secret in it'),
    'word': ('caller GET /x\n  bodi 3\ncaller sees 200\n',
             ':7: "bodi 3" is nothing that a caller can do'),
    'section': ('calls GET /x\n', ':6: "calls GET /x" begins no section'),
    'unseen': ('caller GET /x\n', 'nothing says what this caller sees'),
    'nobody': ('rechunk\n', 'nobody calls'),
    'unanswered': ('caller GET /x\nupstream expects GET /x\n'
                   'caller sees 200\n', 'nothing says what upstream up sends'),
    'fault': ('caller GET /x\ncaller sees 200\n  fault NO_SUCH\n',
              'fault.def has no NO_SUCH'),
}


def run(folder, name, text):
    path = os.path.join(folder, 'cases', name + '.case')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(textwrap.dedent(HEAD + text).replace('\n\n', '\n'))
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, 'run.py'), '--build', folder,
         '--cases', os.path.join(folder, 'cases'), name + '.case'],
        capture_output=True, check=False, timeout=60)
    os.unlink(path)
    return done.returncode, (done.stdout + done.stderr).decode()


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, 'cases'))
        for name, text in (('weir.fcgi', WEIR), ('weirctl', CTL)):
            path = os.path.join(folder, name)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text % sys.executable)
            os.chmod(path, 0o755)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            good = pool.map(lambda each: run(folder, *each), GOOD.items())
            bad = pool.map(lambda each: run(folder, each[0], each[1][0]),
                           BAD.items())
            for name, (code, out) in zip(GOOD, good):
                if code == 0 and out.strip() == 'ok cases/' + name:
                    print('ok lint/runner-' + name)
                else:
                    failed += 1
                    print('%s\nnot ok lint/runner-%s: a good case failed'
                          % (out, name))
            for name, (code, out) in zip(BAD, bad):
                reason = BAD[name][1]
                if code == 1 and 'not ok cases/' + name in out and \
                        reason in out:
                    print('ok lint/runner-bad-' + name)
                else:
                    failed += 1
                    print('%s\nnot ok lint/runner-bad-%s: not refused with '
                          '"%s"' % (out, name, reason))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
