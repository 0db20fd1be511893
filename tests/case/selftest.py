#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""selftest.py - does the case runner see what it should see?

Runs run.py against a weir of 60 lines in here, which forwards what it gets,
with cases that must pass and cases that must fail for a given reason.  Prints
"ok NAME" and "not ok NAME: reason" like every test.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# The stand-in for weir.fcgi: one request a connection, sent on to the first
# channel of the catalogue; a path /die ends it, /leak logs the key.
WEIR = r'''#!%s -IS
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
CTL = r"""#!/bin/sh
[ "$1" != --json ] || shift
while [ $# -gt 0 ]; do
    case $1 in
    --data) data=$2; shift 2;;
    --conf) shift 2;;
    --json) shift;;
    *) break;;
    esac
done
touch "$data/calls" 2>/dev/null
n=$(wc -l <"$data/calls" 2>/dev/null)
case "$*" in
init*) mkdir "$data";;
apply*) cat "$2" >"$data/cat.json";;
usage) awk 'BEGIN { printf "[" }
    { printf "%%s{\"id\":%%d,\"charge\":5,\"state\":\"done\",\"asked\":\"%%s\"}",
        (NR > 1 ? "," : ""), NR, $0 } END { print "]" }' "$data/calls";;
balance*) held=0
    ! grep -q /hold "$data/calls" || held=7
    echo "{\"balance\":$((100 - 5 * n)),\"held\":$held}";;
refuse*) echo no >&2; exit 1;;
"ledger check" | "bill recompute") ;;
*) exit 2;;
esac
"""

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


def run(folder):
    """Plays all cases of the folder: name -> (good, what was printed)."""
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, 'run.py'), '--build', folder,
         '--cases', folder], capture_output=True, check=False, timeout=250)
    if done.returncode != 1:
        sys.exit('run.py ended with status %d\n%s' % (
            done.returncode, done.stderr.decode()))
    out, text = {}, []
    for line in done.stdout.decode().split('\n'):
        text.append(line)
        found = re.match(r'(ok|not ok) cases/([a-z-]+)', line)
        if found:
            out[found.group(2)] = (found.group(1) == 'ok', '\n'.join(text))
            text = []
    return out


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (('weir.fcgi', WEIR.replace('%s', sys.executable, 1)),
                           ('weirctl', CTL)):
            path = os.path.join(folder, name)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text.replace('%%', '%'))
            os.chmod(path, 0o755)
        for name, text in list(GOOD.items()) + [
                ('bad-' + name, text) for name, (text, _) in BAD.items()]:
            with open(os.path.join(folder, name + '.case'), 'w',
                      encoding='utf-8') as f:
                f.write((HEAD + text).replace('\n\n', '\n'))
        seen = run(folder)
        for name in list(GOOD) + ['bad-' + name for name in BAD]:
            good, out = seen.get(name, (False, 'nothing was printed'))
            reason = BAD[name[4:]][1] if name[:4] == 'bad-' else None
            if good and reason is None or \
                    not good and reason is not None and reason in out:
                print('ok lint/runner-' + name)
            else:
                failed += 1
                print('%s\nnot ok lint/runner-%s: %s' % (
                    out, name, 'a good case failed' if reason is None
                    else 'not refused with "%s"' % reason))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
