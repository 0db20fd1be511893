#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py - plays tests/cases/*.case against a real weir.fcgi.

usage: run.py [--build DIR] [-v] [-g] [-j N] [--quick] [NAME | PATTERN]...
       run.py --bodies DIR | --requests DIR

A case is one conversation in one file: what callers ask, what must arrive
upstream, what the upstream answers, what the callers see, what the books say
after.  Each case gets a data directory of its own (weirctl init, weirctl
apply), a weir.fcgi on a unix socket, and scripted upstreams on 127.0.0.1; the
caller is a raw FastCGI client in here.  Prints "ok NAME" or "not ok NAME:
reason" a case, reasons and differences before it; the folder of a case that
failed is kept in BUILD/tests/log/NAME.

  -v  prints every byte that went over each wire, and weir's log
  -g  starts weir under gdb (one case), everything else already waiting
  -j  cases at a time (2)
  --quick  without those that say "long"
  --bodies DIR    writes each body of the cases into DIR, as a corpus for fuzzing
  --requests DIR  writes each request there, as the bytes of its FastCGI records

WEIR_ANSWERS in the environment names a file to which each answer is added, a
line of JSON each.

THE FORMAT

Lines at the left margin begin a section; indented lines belong to it.  A line
whose first character (after blanks) is '#' is a comment.  What is not listed
here is an error with its line number.

    rechunk              the case runs a second time with every byte of the
                         upstreams in a write (and HTTP chunk) of its own: all
                         checks hold again, and callers get the same bytes
    together             all callers start at once (else one after another)
    long                 takes longer than an ordinary check should: --quick
                         leaves it out
    seconds N            how long a caller waits for an answer (10)

    catalogue            JSON, applied on top of default.json; {NAME} stands for
                         the address of upstream NAME
    catalogue only       JSON, applied instead of default.json
    conf                 lines "name = value" of weir.conf

    weirctl ARGS         runs at this place; ARGS as in a shell; must exit 0
    weirctl ARGS exits N     must exit N
      prints TEXT            its output has TEXT in it
      stdin TEXT             a line of its standard input
    wait MS

    caller [NAME] METHOD PATH [key=ACCOUNT[/KEY] | key=literal:TEXT]
      {"model":…}          a body, as written; it may go on in lines that are
                           indented deeper or begin with } or ]
      body TEXT            a line of a body, as written; lines are joined by \\n
      raw TEXT             more body, with \\n \\r \\t \\0 \\\\ \\xHH
      fill N TEXT          more body: TEXT over and over, N bytes in all
      header NAME = VALUE  (content-type is application/json when there is a body)
      header NAME = N*TEXT     TEXT over and over, N bytes in all
      no header NAME
      param NAME = VALUE   a FastCGI parameter as it is;  no param NAME
      headers N            N headers more, x-1 to x-N
      late MS              begins so much later: for together
      split N              every N bytes of the request in a write of their own
      records N            STDIN in records of N bytes
      padding N            every record padded with N bytes (0-255)
      keep                 the connection stays open; the next caller uses it
      abort                an ABORT_REQUEST record after the request
      stalls after N       sends only N bytes of the FastCGI request
      leaves at once       closes when the request is sent
      leaves after N bytes | frames | sent    N bytes of the body or N frames
                           received; N bytes of the FastCGI request sent

    upstream [NAME] expects METHOD PATH     the exchanges of one upstream come
      header NAME = VALUE                   in the order in which they are
      no header NAME                        written; one that is not asked, or
      json .path = VALUE                    a request too many, fails the case
      no json .path
      {"model":…}  body  raw  fill          the exact body
      as-sent                               the body is the caller's, byte for byte
    upstream [NAME] sends STATUS [CONTENT-TYPE]
      header NAME = VALUE
      data TEXT            an SSE frame;  event NAME TEXT  one with a name
      comment TEXT         an SSE comment
      {"id":…}  body  raw  fill     the bytes of an answer
      sleep MS
      close                ends the connection here: the answer is cut
      reset                the same with a TCP reset
      length N             Content-Length says N, whatever comes
      framing close        no length: the end of the connection ends the answer
    upstream [NAME] sends nothing       no status line; then sleep, close, reset
    upstream [NAME] sends raw           raw and fill are all there is, head too
    upstream NAME refuses               nobody listens there

    Without "length" or "framing", an answer of content type text/event-stream
    and one with close, reset or sleep is chunked; others carry their length.

    caller [NAME] sees nothing      the connection is closed without an answer
    caller [NAME] sees STATUS [CONTENT-TYPE]
      header NAME = VALUE;  header NAME;  no header NAME
      {"id":…}  body  raw  fill     the exact body
      as-sent [NAME]       the body is what upstream NAME sent last, byte for byte
      contains TEXT;  lacks TEXT
      json .path = VALUE;  json .path;  no json .path
      data TEXT            the next frame has exactly this data
      data .path = VALUE   the next frame has this in it
      event NAME [.path = VALUE]    the next frame of that name has this in it
      find .path = VALUE   some frame after the last one has this in it
      more                 more frames may follow (else none, after data)
      fault NAME           status, .error.type and .error.code are those of that
                           line of fault.def
      remember NAME .path  what is there, or in the first frame that has it:
                           {{NAME}} in a later caller's body stands for it, as
                           JSON (of a string without its quotes)
      within MS;  not before MS     the time until the end
      broken               ends with eight bytes that are no FastCGI record
                           (else: with END_REQUEST, application status 0)

    after [within MS]    checked at once, or again until MS have passed; where
                         some caller sees a fault or leaves, within 3000
      usage rows = N
      usage COLUMN = VALUE     of the newest row;  usage N COLUMN = VALUE  of the
                               N-th, oldest is 1
      ledger ACCOUNT NAME=VALUE …   of "weirctl balance"; held=0 spent>0
      log TEXT;  no log TEXT        weir's log has this in it

VALUE is compared as JSON if it can be read as JSON, else as text.  Beside =
there are != ~ (regular expression) < <= > >=.  A path is .a.b[0]."odd name",
with # at its end for a length.  {NAME} in a VALUE or in JSON to be applied is
the address of upstream NAME, as in a catalogue.

Beyond what is written every case must leave a ledger that "weirctl ledger
check" calls clean, charges that "weirctl bill recompute" finds again, no money held by an account
that was called for, no key of a caller or an upstream in weir's log or in an
answer, and a weir that ends with status 0 when it is asked to.
"""
import argparse
import base64
import concurrent.futures
import decimal
import difflib
import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
METHODS = r'[A-Z][A-Z-]*'
FAULT_MS = 3000         # until what a fault leaves is written down
WORD = r'[a-z][a-z0-9_-]*'


KEEPING = threading.Lock()


class Bad(Exception):
    """A case file that cannot be read."""


class Fail(Exception):
    """An expectation that does not hold; the text says which and how."""


# --- values and paths ---------------------------------------------------------

def loads(text):
    return json.loads(text, parse_float=decimal.Decimal)


def plain(value):
    """A value as it stands in a message."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def walk(value, path):
    """Everything the path leads to: [value], or [] if it leads nowhere."""
    for key, index, odd, length in re.findall(
            r'\.([A-Za-z0-9_-]+)|\[(\d+)\]|\."([^"]*)"|(#)', path):
        if length:
            if not isinstance(value, (list, dict, str)):
                return []
            value = len(value)
        elif index:
            if not isinstance(value, list) or int(index) >= len(value):
                return []
            value = value[int(index)]
        else:
            if not isinstance(value, dict) or (key or odd) not in value:
                return []
            value = value[key or odd]
    return [value]


PATH = r'(?:\.[A-Za-z0-9_-]+|\[\d+\]|\."[^"]*")+#?'


class Test:
    """One comparison: what stands right of a name."""
    PATTERN = re.compile(r'(=|!=|~|<=|>=|<|>)\s*(.*)$', re.S)

    def __init__(self, text):
        found = self.PATTERN.match(text.strip())
        if not found:
            raise Bad('"%s" is no comparison (= != ~ < <= > >= and a value)'
                      % text)
        self.op, self.want = found.groups()

    def holds(self, got, names):
        want = names(self.want)
        if self.op == '~':
            return re.search(want, plain(got)) is not None
        try:
            want = loads(want)
        except ValueError:
            pass
        if not isinstance(got, str) and isinstance(want, str):
            got = plain(got)
        if isinstance(got, str) and not isinstance(want, str):
            try:
                number = loads(got)
                if not isinstance(number, (dict, list)) and \
                        not isinstance(want, (dict, list)):
                    got = number
                else:
                    want = names(self.want)
            except ValueError:
                want = names(self.want)
        if self.op in ('=', '!='):
            same = got == want and isinstance(got, bool) == isinstance(want, bool)
            return same == (self.op == '=')
        try:
            return {'<': got < want, '<=': got <= want,
                    '>': got > want, '>=': got >= want}[self.op]
        except TypeError:
            return False

    def __str__(self):
        return '%s %s' % (self.op, self.want)


def unescape(text):
    def one(found):
        c = found.group(1)
        if c[0] == 'x':
            return chr(int(c[1:], 16))
        return {'n': '\n', 'r': '\r', 't': '\t', '0': '\0', '\\': '\\'}[c]
    if re.search(r'\\(?!x[0-9A-Fa-f]{2}|[nrt0\\])', text):
        raise Bad(r'an escape is \n \r \t \0 \\ or \xHH')
    out = bytearray()
    at = 0
    for found in re.finditer(r'\\(x[0-9A-Fa-f]{2}|[nrt0\\])', text):
        out += text[at:found.start()].encode() + one(found).encode('latin-1')
        at = found.end()
    return bytes(out + text[at:].encode())


# --- reading a case -----------------------------------------------------------

class Section:
    def __init__(self, line, head):
        self.line, self.head, self.lines = line, head, []

    def items(self):
        """(line number, text), a JSON body in several lines as one text."""
        out = []
        deep = None
        for line, text in self.lines:
            indent = len(text) - len(text.lstrip())
            words = text.strip()
            if deep is not None and (indent > deep or words[0] in '}]'):
                out[-1] = (out[-1][0], out[-1][1] + '\n' + text[deep:])
                if indent == deep:
                    deep = None
                continue
            deep = indent if words[0] in '{[' else None
            out.append((line, text.lstrip() if deep is not None
                        else text.strip(' \n')))
        return out


class Caller:
    def __init__(self, line, name, method, path, key):
        self.line, self.name, self.method, self.path = line, name, method, path
        self.key, self.headers, self.no_headers = key, [], []
        self.body, self.params, self.no_params = Body(), {}, []
        self.split = self.records = self.padding = self.late = 0
        self.keep = self.abort = False
        self.leaves = self.stalls = self.sees = None


class Sees:
    def __init__(self, line, status, kind):
        self.line, self.status, self.kind = line, status, kind
        self.checks, self.broken = [], False


class Exchange:
    def __init__(self, line):
        self.line, self.expects, self.method, self.path = line, [], None, None
        self.status, self.kind, self.sends = None, None, None
        self.headers, self.steps = [], []
        self.length = self.framing = None
        self.sent, self.taken = b'', False


class Body:
    """Bytes that several lines of a section make together."""

    def __init__(self):
        self.parts, self.given = [], False

    def take(self, text):
        """Takes a line if it is one of a body."""
        if text[0] in '{[':
            self.parts.append(text.encode())
        elif text == 'body' or text.startswith('body '):
            if self.parts and self.line:
                self.parts.append(b'\n')
            self.parts.append(text[5:].encode())
            self.line = self.given = True
            return True
        elif text.startswith('raw '):
            self.parts.append(unescape(text[4:]))
        elif re.match(r'fill \d+ .', text):
            _, n, what = text.split(' ', 2)
            what = unescape(what)
            self.parts.append((what * (int(n) // len(what) + 1))[:int(n)])
        else:
            return False
        self.line = False
        self.given = True
        return True

    line = False

    def bytes(self):
        return b''.join(self.parts)


class Case:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.rechunk = self.together = self.long = False
        self.seconds = 10
        self.catalogue, self.only, self.conf = None, False, []
        self.steps, self.callers, self.upstreams = [], [], {}
        self.refusing, self.after, self.after_ms = set(), [], 0
        self.has_after = False
        with open(path, encoding='utf-8') as f:
            text = f.read()
        section = None
        for line, words in enumerate(text.split('\n'), 1):
            try:
                if not words.strip() or words.lstrip()[0] == '#':
                    continue
                if '\t' in words[:len(words) - len(words.lstrip())]:
                    raise Bad('indent with blanks')
                if words[0] != ' ':
                    section = Section(line, words.rstrip())
                    self.steps.append(section)
                elif section is None:
                    raise Bad('an indented line before any section')
                else:
                    section.lines.append((line, words))
            except Bad as bad:
                raise Bad('%s:%d: %s' % (path, line, bad)) from None
        sections, self.steps = self.steps, []
        for section in sections:
            self.at = section.line
            try:
                self.read(section)
            except Bad as bad:
                raise Bad('%s:%d: %s' % (path, self.at, bad)) from None
        for caller in self.callers:
            if caller.sees is None and not caller.leaves:
                raise Bad('%s:%d: nothing says what this caller sees'
                          % (path, caller.line))
        for name, script in self.upstreams.items():
            for each in script:
                if each.sends is None:
                    raise Bad('%s:%d: nothing says what upstream %s sends'
                              % (path, each.line, name))
        if not self.callers and not self.steps:
            raise Bad('%s: nobody calls' % path)

    def lines(self, section):
        for self.at, text in section.items():
            yield text

    def none(self, section):
        if section.lines:
            self.at = section.lines[0][0]
            raise Bad('"%s" has no lines of its own' % section.head)

    def read(self, section):
        head = section.head
        word = head.split()[0]
        if head in ('rechunk', 'together', 'long'):
            self.none(section)
            setattr(self, head, True)
        elif re.fullmatch(r'seconds \d+', head):
            self.none(section)
            self.seconds = int(head.split()[1])
        elif head in ('catalogue', 'catalogue only'):
            if self.catalogue is not None:
                raise Bad('a second catalogue')
            self.only = head != 'catalogue'
            self.catalogue = '\n'.join(self.lines(section))
        elif head == 'conf':
            self.conf += list(self.lines(section))
        elif re.fullmatch(r'wait \d+', head):
            self.none(section)
            self.steps.append(('wait', section.line, int(head.split()[1])))
        elif word == 'weirctl':
            self.read_ctl(section)
        elif word == 'upstream':
            self.read_upstream(section)
        elif word == 'caller':
            self.read_caller(section)
        elif re.fullmatch(r'after( within \d+)?', head):
            self.has_after = True
            self.after_ms = int(head.split()[2]) if ' ' in head else 0
            for text in self.lines(section):
                self.after.append((self.at, self.read_after(text)))
        else:
            raise Bad('"%s" begins no section' % head)

    def read_ctl(self, section):
        found = re.fullmatch(r'weirctl (.*?)(?: exits (\d+))?', section.head)
        try:
            args = shlex.split(found.group(1))
        except ValueError as e:
            raise Bad(str(e)) from None
        prints, stdin = [], ''
        for text in self.lines(section):
            if text.startswith('prints '):
                prints.append(text[7:])
            elif text.startswith('stdin '):
                stdin += text[6:] + '\n'
            else:
                raise Bad('"%s" is nothing that weirctl does here' % text)
        self.steps.append(('weirctl', section.line, args,
                           int(found.group(2) or 0), prints, stdin))

    def read_upstream(self, section):
        found = re.fullmatch(
            r'upstream (?:(?!sends\b|expects\b)(%s) )?'
            r'(?:(expects) (%s) (/\S*)|(sends) (\d{3}|nothing|raw)(?: (\S.*))?'
            r'|(refuses))' % (WORD, METHODS), section.head)
        if not found:
            raise Bad('not "upstream [NAME] expects METHOD PATH", '
                      '"upstream [NAME] sends STATUS [TYPE]" or '
                      '"upstream NAME refuses"')
        name = found.group(1) or 'up'
        script = self.upstreams.setdefault(name, [])
        if found.group(8):
            self.none(section)
            self.refusing.add(name)
        elif found.group(2):
            each = Exchange(section.line)
            each.method, each.path = found.group(3), found.group(4)
            script.append(each)
            body = Body()
            for text in self.lines(section):
                self.read_expects(each, body, text)
            if body.given:
                each.expects.append((section.line, 'body', body.bytes()))
        else:
            if not script or script[-1].sends is not None:
                script.append(Exchange(section.line))
            each = script[-1]
            each.sends, each.kind = found.group(6), found.group(7)
            if each.kind and not each.sends.isdigit():
                raise Bad('"sends %s" has no content type' % each.sends)
            for text in self.lines(section):
                self.read_sends(each, text)

    def read_expects(self, each, body, text):
        words = text.split()
        if body.take(text):
            pass
        elif words[0] == 'header' and len(words) > 1:
            each.expects.append((self.at, 'header', words[1].lower(),
                                 Test(text.split(None, 2)[2])
                                 if len(words) > 2 else None))
        elif re.fullmatch(r'no header \S+', text):
            each.expects.append((self.at, 'no header', words[2].lower()))
        elif re.match(r'(no )?json ', text):
            each.expects.append((self.at,) + self.read_json(text))
        elif text == 'as-sent':
            each.expects.append((self.at, 'as-sent'))
        else:
            raise Bad('"%s" is nothing that an upstream can expect' % text)

    @staticmethod
    def read_json(text):
        found = re.fullmatch(r'(no )?json (%s)(?:\s+(.*))?' % PATH, text, re.S)
        if not found or (found.group(1) and found.group(3)):
            raise Bad('"%s" is not "json .path = VALUE" or "no json .path"'
                      % text)
        if found.group(1):
            return ('no json', found.group(2))
        return ('json', found.group(2),
                Test(found.group(3)) if found.group(3) else None)

    def read_sends(self, each, text):
        words = text.split()
        body = Body()
        if each.sends == 'nothing' and words[0] not in ('sleep', 'close', 'reset'):
            raise Bad('after "sends nothing": sleep MS, close, reset')
        if each.sends == 'raw' and words[0] not in (
                'raw', 'fill', 'sleep', 'close', 'reset'):
            raise Bad('after "sends raw": raw, fill, sleep MS, close, reset')
        if text == 'data' or text.startswith('data '):
            each.steps.append(('bytes', b'data: ' + text[5:].encode() + b'\n\n'))
        elif re.match(r'event \S+ ', text):
            _, name, data = text.split(' ', 2)
            each.steps.append(('bytes', ('event: %s\ndata: %s\n\n'
                                         % (name, data)).encode()))
        elif text.startswith('comment '):
            each.steps.append(('bytes', b': ' + text[8:].encode() + b'\n\n'))
        elif re.fullmatch(r'sleep \d+', text):
            each.steps.append(('sleep', int(words[1])))
        elif text in ('close', 'reset'):
            each.steps.append((text,))
        elif re.fullmatch(r'length \d+', text):
            each.length = int(words[1])
        elif text == 'framing close':
            each.framing = 'close'
        elif re.match(r'header \S+ = ', text):
            each.headers.append((words[1], text.split(' = ', 1)[1]))
        elif body.take(text):
            joined = text.startswith('body') and each.steps and \
                each.steps[-1][0] == 'bytes' and each.last_body
            each.steps.append(('bytes', (b'\n' if joined else b'')
                               + body.bytes()))
            each.last_body = text.startswith('body')
            return
        else:
            raise Bad('"%s" is nothing that an upstream can send' % text)
        each.last_body = False

    def read_caller(self, section):
        found = re.fullmatch(
            r'caller (?:(?!sees\b)(%s) )?(?:(%s) (\S+)(?: key=(\S+))?'
            r'|(sees) (\d{3}|nothing)(?: (\S.*))?)' % (WORD, METHODS),
            section.head)
        if not found:
            raise Bad('not "caller [NAME] METHOD PATH [key=…]" or '
                      '"caller [NAME] sees STATUS [TYPE]"')
        name = found.group(1)
        if found.group(5):
            waiting = [c for c in self.callers
                       if c.sees is None and (name is None or c.name == name)]
            if not waiting:
                raise Bad('no caller%s is waiting for this'
                          % (' ' + name if name else ''))
            status = found.group(6)
            waiting[0].sees = sees = Sees(
                section.line, int(status) if status.isdigit() else None,
                found.group(7))
            body = Body()
            for text in self.lines(section):
                self.read_sees(sees, body, text)
            if body.given:
                sees.checks.append((section.line, 'body', body.bytes()))
            return
        caller = Caller(section.line, name, *found.group(2, 3, 4))
        self.callers.append(caller)
        self.steps.append(('caller', section.line, caller))
        for text in self.lines(section):
            self.read_asks(caller, text)

    def read_asks(self, caller, text):
        words = text.split()
        if caller.body.take(text):
            pass
        elif re.match(r'header \S+ =', text):
            value = text.split('=', 1)[1].strip(' ')
            many = re.fullmatch(r'(\d+)\*(.+)', value)
            if many:
                n = int(many.group(1))
                value = (many.group(2) * (n // len(many.group(2)) + 1))[:n]
            caller.headers.append((words[1], value))
        elif re.fullmatch(r'headers [1-9]\d*', text):
            caller.headers += [('x-%d' % (i + 1), 'a')
                               for i in range(int(words[1]))]
        elif re.fullmatch(r'no header \S+', text):
            caller.no_headers.append(words[2].lower())
        elif re.match(r'param \S+ =', text):
            caller.params[words[1]] = text.split('=', 1)[1].strip(' ')
        elif re.fullmatch(r'no param \S+', text):
            caller.no_params.append(words[2])
        elif re.fullmatch(r'(split|records|late) [1-9]\d*', text) or (
                re.fullmatch(r'padding \d+', text) and int(words[1]) < 256):
            setattr(caller, words[0], int(words[1]))
        elif text in ('keep', 'abort'):
            setattr(caller, text, True)
        elif re.fullmatch(r'stalls after \d+', text):
            caller.stalls = int(words[2])
        elif text == 'leaves at once':
            caller.leaves = ('sent', None)
        elif re.fullmatch(r'leaves after \d+ (bytes|frames|sent)', text):
            caller.leaves = (words[3], int(words[2]))
        else:
            raise Bad('"%s" is nothing that a caller can do' % text)

    def read_sees(self, sees, body, text):
        words = text.split()
        check = None
        if body.take(text):
            return
        if text == 'broken':
            sees.broken = True
            return
        if re.match(r'header \S+', text):
            check = ('header', words[1].lower(), Test(text.split(None, 2)[2])
                     if len(words) > 2 else None)
        elif re.fullmatch(r'no header \S+', text):
            check = ('no header', words[2].lower())
        elif re.match(r'(no )?json ', text):
            check = self.read_json(text)
        elif re.fullmatch(r'as-sent( %s)?' % WORD, text):
            check = ('as-sent', words[1] if len(words) > 1 else 'up')
        elif re.match(r'(contains|lacks) .', text):
            check = (words[0], text.split(' ', 1)[1])
        elif re.match(r'data \.', text) or re.match(r'find \.', text):
            found = re.fullmatch(r'(data|find) (%s)\s+(.*)' % PATH, text, re.S)
            if not found:
                raise Bad('not "%s .path = VALUE"' % words[0])
            check = (found.group(1) + ' path', found.group(2),
                     Test(found.group(3)))
        elif text.startswith('data '):
            check = ('data', text[5:])
        elif re.match(r'event \S+', text):
            found = re.fullmatch(r'event (\S+)(?: (%s)\s+(.*))?' % PATH, text)
            if not found:
                raise Bad('not "event NAME [.path = VALUE]"')
            check = ('event', found.group(1), found.group(2),
                     Test(found.group(3)) if found.group(3) else None)
        elif text == 'more':
            check = ('more',)
        elif re.fullmatch(r'fault [A-Z][A-Z0-9_]*', text):
            if words[1] not in faults():
                raise Bad('fault.def has no %s' % words[1])
            check = ('fault', words[1])
        elif re.match(r'remember ', text):
            found = re.fullmatch(r'remember (%s) (%s)' % (WORD, PATH), text)
            if not found:
                raise Bad('not "remember NAME .path"')
            check = ('remember',) + found.groups()
        elif re.fullmatch(r'(within|not before) \d+', text):
            check = (words[0], int(words[-1]))
        else:
            raise Bad('"%s" is nothing that a caller can see' % text)
        sees.checks.append((self.at,) + check)

    @staticmethod
    def read_after(text):
        found = re.fullmatch(r'usage (?:(\d+) )?(%s)\s+(.*)'
                             % r'[a-z][a-z0-9_.]*', text)
        if found:
            return ('usage', found.group(1) and int(found.group(1)),
                    found.group(2), Test(found.group(3)))
        found = re.fullmatch(r'ledger (\S+)((?: [a-z_.]+(?:!=|<=|>=|=|<|>)\S+)+)',
                             text)
        if found:
            return ('ledger', found.group(1),
                    [(name, Test(test)) for name, test in
                     re.findall(r' ([a-z_.]+)((?:!=|<=|>=|=|<|>)\S+)',
                                found.group(2))])
        found = re.fullmatch(r'(no )?log (.+)', text)
        if found:
            return ('no log' if found.group(1) else 'log', found.group(2))
        raise Bad('"%s" is nothing to be checked after' % text)


Exchange.last_body = False


def faults():
    """name -> (status, type, code or None), from fault.def."""
    if not faults.table:
        with open(os.path.join(TOP, 'fcgi/base/fault.def')) as f:
            text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
        for found in re.finditer(
                r'^FAULT\(\s*(\w+)\s*,\s*(\d+)\s*,\s*\w+\s*,'
                r'\s*"(\w+)"\s*,\s*(?:NULL|"(\w+)")\s*\)', text, re.M):
            faults.table[found.group(1)] = (int(found.group(2)),) \
                + found.group(3, 4)
    return faults.table


faults.table = {}


# --- an upstream --------------------------------------------------------------

class Gone(Exception):
    """The other side left."""


class Upstream:
    """A scripted HTTP server; what does not go by the script is a failure."""

    def __init__(self, case, name, play):
        self.case, self.name, self.play = case, name, play
        self.script = case.upstreams.get(name, [])
        self.lock = threading.Lock()
        self.socks, self.threads, self.ending = [], [], False
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.address = '127.0.0.1:%d' % self.listener.getsockname()[1]
        if name not in case.refusing:
            self.listener.listen(128)
            thread = threading.Thread(target=self.accept, daemon=True)
            thread.start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socks.append(sock)
            thread = threading.Thread(target=self.serve, args=(sock,),
                                      daemon=True)
            self.threads.append(thread)
            thread.start()

    def end(self):
        """Closes all, and says what was never asked."""
        self.ending = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)
        for each in self.script:
            if not each.taken:
                self.play.fail(each.line, 'upstream %s was never asked this'
                               % self.name)

    def serve(self, sock):
        data = b''
        try:
            while True:
                while b'\r\n\r\n' not in data:
                    more = sock.recv(65536)
                    if not more:
                        return
                    data += more
                head, data = data.split(b'\r\n\r\n', 1)
                lines = head.decode('latin-1').split('\r\n')
                method, path, _ = lines[0].split(' ', 2)
                headers = [(k.strip().lower(), v.strip()) for k, v in
                           (line.split(':', 1) for line in lines[1:])]
                body, data = self.body(sock, dict(headers), data)
                self.play.note('upstream %s got' % self.name,
                               head + b'\r\n\r\n' + body)
                each = self.choose(method, path, headers, body)
                if each is None or not self.answer(sock, each):
                    return
        except (OSError, Gone):
            return
        except ValueError as e:
            self.play.fail(0, 'upstream %s cannot read a request: %s'
                           % (self.name, e))
        finally:
            sock.close()

    @staticmethod
    def body(sock, headers, data):
        def need(n):
            nonlocal data
            while len(data) < n:
                more = sock.recv(65536)
                if not more:
                    raise Gone
                data += more
        if headers.get('transfer-encoding', '').lower() == 'chunked':
            body = b''
            while True:
                while b'\r\n' not in data:
                    need(len(data) + 1)
                size, data = data.split(b'\r\n', 1)
                n = int(size, 16)
                need(n + 2)
                body, data = body + data[:n], data[n + 2:]
                if n == 0:
                    return body, data
        n = int(headers.get('content-length', 0))
        need(n)
        return data[:n], data[n:]

    def wrong(self, each, method, path, headers, body):
        """What does not fit the exchange: [(line, text)]."""
        out = []
        if each.method and (each.method, each.path) != (method, path):
            out.append((each.line, 'upstream %s got %s %s, not %s %s' % (
                self.name, method, path, each.method, each.path)))
        for line, kind, *rest in each.expects:
            try:
                check(kind, rest, self.play, headers, body)
            except Fail as e:
                out.append((line, 'upstream %s: %s' % (self.name, e)))
        return out

    def choose(self, method, path, headers, body):
        with self.lock:
            left = [e for e in self.script if not e.taken]
            if not left:
                self.play.fail(0, 'upstream %s got a request too many: %s %s\n%s'
                               % (self.name, method, path,
                                  body[:500].decode('utf-8', 'replace')))
                return None
            each = left[0]
            if self.case.together:
                fits = [e for e in left
                        if not self.wrong(e, method, path, headers, body)]
                each = (fits or left)[0]
            each.taken = True
            for line, text in self.wrong(each, method, path, headers, body):
                self.play.fail(line, text)
            return each

    def answer(self, sock, each):
        """Plays the script; true if the connection lives on."""
        content = b''.join(s[1] for s in each.steps if s[0] == 'bytes')
        events = any(s[0] == 'bytes' and s[1].startswith((b'data:', b'event:'))
                     for s in each.steps)
        cut = any(s[0] in ('close', 'reset') for s in each.steps)
        kind = each.kind or ('text/event-stream' if events
                             else 'application/json' if content else None)
        chunked = False
        if each.sends.isdigit():
            head = ['HTTP/1.1 %s Scripted' % each.sends]
            if kind and kind != '-':
                head.append('Content-Type: ' + kind)
            head += ['%s: %s' % h for h in each.headers]
            if each.framing == 'close':
                head.append('Connection: close')
            elif each.length is not None:
                head.append('Content-Length: %d' % each.length)
            elif (kind or '').startswith('text/event-stream') or cut or any(
                    s[0] == 'sleep' for s in each.steps):
                head.append('Transfer-Encoding: chunked')
                chunked = True
            elif each.sends not in ('204', '304'):
                head.append('Content-Length: %d' % len(content))
            self.write(sock, ('\r\n'.join(head) + '\r\n\r\n').encode(), False)
        each.sent = content
        with self.lock:
            self.play.sent[self.name] = content
        for step in each.steps:
            if step[0] == 'bytes':
                self.write(sock, step[1], chunked)
            elif step[0] == 'sleep':
                time.sleep(step[1] / 1000)
            else:
                if step[0] == 'reset':
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    struct.pack('ii', 1, 0))
                sock.close()
                return False
        if each.sends == 'nothing' or each.framing == 'close' or \
                each.sends == 'raw':
            sock.shutdown(socket.SHUT_WR)
            return False
        if chunked:
            sock.sendall(b'0\r\n\r\n')
        return True

    def write(self, sock, data, chunked):
        self.play.note('upstream %s sent' % self.name, data)
        pieces = [data[i:i + 1] for i in range(len(data))] \
            if self.play.bytewise else [data]
        for piece in pieces:
            if piece:
                sock.sendall(b'%x\r\n%s\r\n' % (len(piece), piece)
                             if chunked else piece)


# --- a caller -----------------------------------------------------------------

def record(kind, content, request_id=1, padding=0):
    return struct.pack('>BBHHBB', 1, kind, request_id, len(content), padding,
                       0) + content + bytes(padding)


def pair(name, value):
    def size(n):
        return bytes([n]) if n < 128 else struct.pack('>I', n | 0x80000000)
    return size(len(name)) + size(len(value)) + name + value


class Answer:
    def __init__(self):
        self.raw, self.end, self.stderr = b'', 'nothing came', b''
        self.status, self.headers, self.body = None, [], b''
        self.ms = 0

    def split(self):
        found = re.search(rb'\r?\n\r?\n', self.raw)
        head = self.raw[:found.start()] if found else self.raw
        self.body = self.raw[found.end():] if found else b''
        self.headers, self.status = [], 200 if found else None
        for line in re.split(rb'\r?\n', head):
            name, _, value = line.decode('latin-1').partition(':')
            if name.lower() == 'status' and value.strip()[:3].isdigit():
                self.status = int(value.strip()[:3])
            elif name:
                self.headers.append((name.strip().lower(), value.strip()))

    def frames(self):
        return frames(self.body)[0]


def frames(body):
    """([(event name or None, data)], what is left over at the end)."""
    out, at = [], 0
    for found in re.finditer(rb'\r\n\r\n|\n\n|\r\r', body):
        name, data = None, []
        for line in re.split(rb'\r\n|\n|\r', body[at:found.start()]):
            key, _, value = line.partition(b':')
            value = value[1:] if value[:1] == b' ' else value
            if key == b'event':
                name = value.decode('utf-8', 'replace')
            elif key == b'data':
                data.append(value)
        if name is not None or data:
            out.append((name, b'\n'.join(data)))
        at = found.end()
    return out, body[at:]


class Client:
    """One FastCGI connection to weir."""

    def __init__(self, path, seconds):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(seconds)
        self.sock.connect(path)
        self.data = b''

    @staticmethod
    def request(caller, params, body):
        """The records of a request."""
        pad = caller.padding
        block = b''.join(pair(k.encode('utf-8', 'surrogateescape'),
                              v.encode('utf-8', 'surrogateescape'))
                         for k, v in params.items())
        flags = 1 if caller.keep else 0
        out = record(1, struct.pack('>HB5x', 1, flags), padding=pad)
        for i in range(0, len(block), 65535):
            out += record(4, block[i:i + 65535], padding=pad)
        out += record(4, b'', padding=pad)
        step = min(caller.records or 65535, 65535)
        for i in range(0, len(body), step):
            out += record(5, body[i:i + step], padding=pad)
        out += record(5, b'', padding=pad)
        if caller.abort:
            out += record(2, b'', padding=pad)
        return out

    def ask(self, caller, params, body, note):
        """Sends the request; false if the caller left on the way."""
        out = self.request(caller, params, body)
        leave = caller.leaves and caller.leaves[0] == 'sent'
        if leave and caller.leaves[1] is not None:
            out = out[:caller.leaves[1]]
        if caller.stalls is not None:
            out = out[:caller.stalls]
        note('caller sent', out)
        try:
            for i in range(0, len(out), caller.split or len(out)):
                self.sock.sendall(out[i:i + (caller.split or len(out))])
        except (BrokenPipeError, ConnectionResetError):
            pass        # refused early: the answer says why
        if leave:
            self.sock.close()
        return not leave

    def need(self, n):
        while len(self.data) < n:
            more = self.sock.recv(65536)
            if not more:
                raise Gone
            self.data += more

    def read(self, caller, answer):
        """Reads records into the answer until it ends, somehow."""
        what, n = caller.leaves or (None, None)
        try:
            while True:
                self.need(8)
                if self.data[:8] == b'\t' * 8:
                    answer.end = 'broken'
                    return
                version, kind, _, size, padding, _ = struct.unpack(
                    '>BBHHBB', self.data[:8])
                if version != 1 or kind not in (3, 6, 7):
                    answer.end = 'bytes that are no FastCGI record: %r' \
                        % self.data[:40]
                    return
                self.need(8 + size + padding)
                content = self.data[8:8 + size]
                self.data = self.data[8 + size + padding:]
                if kind == 7:
                    answer.stderr += content
                elif kind == 3:
                    status, protocol = struct.unpack('>IB3x', content)
                    answer.end = 'clean' if (status, protocol) == (0, 0) else \
                        'END_REQUEST with status %d, protocol status %d' \
                        % (status, protocol)
                    return
                else:
                    answer.raw += content
                    answer.split()
                    if (what == 'bytes' and len(answer.body) >= n) or (
                            what == 'frames' and len(answer.frames()) >= n):
                        answer.end = 'left'
                        self.sock.close()
                        return
        except Gone:
            answer.end = 'closed without END_REQUEST'
        except ConnectionResetError:
            answer.end = 'closed without END_REQUEST'
        except socket.timeout:
            answer.end = 'no end within the time'


# --- expectations -------------------------------------------------------------

def difference(want, got):
    """Two byte strings, so that one sees where they part."""
    if len(want) > 20000 or len(got) > 20000:
        at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b),
                  min(len(want), len(got)))
        return 'lengths %d and %d, first difference at byte %d:\n  -%r\n  +%r' \
            % (len(want), len(got), at, want[max(0, at - 40):at + 60],
               got[max(0, at - 40):at + 60])

    def lines(b):
        return [repr(x)[2:-1] for x in b.splitlines(True)]
    return '\n'.join('  ' + x for x in difflib.unified_diff(
        lines(want), lines(got), 'wanted', 'got', n=2, lineterm=''))


def parse(body):
    try:
        return loads(body.decode('utf-8'))
    except ValueError as e:
        raise Fail('no JSON: %s\n  %r' % (e, body[:400])) from None


def check_path(value, path, test, names, where):
    found = walk(value, path)
    if not found:
        raise Fail('%s has no %s\n  %s' % (where, path, plain(value)[:600]))
    if test and not test.holds(found[0], names):
        raise Fail('%s is %s, not %s' % (path, plain(found[0])[:600], test))


def check(kind, rest, play, headers, body):
    """The expectations that requests and answers share."""
    if kind == 'header':
        name, test = rest
        got = [v for k, v in headers if k == name]
        if not got:
            raise Fail('no header %s' % name)
        if test and not any(test.holds(v, play.names) for v in got):
            raise Fail('header %s is %s, not %s'
                       % (name, ' and '.join(got), test))
    elif kind == 'no header':
        got = [v for k, v in headers if k == rest[0]]
        if got:
            raise Fail('header %s is there: %s' % (rest[0], got[0]))
    elif kind == 'json':
        check_path(parse(body), rest[0], rest[1], play.names, 'the body')
    elif kind == 'no json':
        if walk(parse(body), rest[0]):
            raise Fail('%s is there: %s'
                       % (rest[0], plain(walk(parse(body), rest[0])[0])))
    elif kind == 'body':
        if rest[0] != body:
            raise Fail('the body is not as wanted\n'
                       + difference(rest[0], body))
    elif kind == 'as-sent':
        want = play.sent.get(rest[0] if rest else None, b'')
        if want != body:
            raise Fail('the body is not as it was sent\n'
                       + difference(want, body))
    else:
        raise AssertionError(kind)


def check_frames(sees, answer, names, fail):
    """data, event, find and more, in the order in which they stand."""
    kinds = ('data', 'data path', 'event', 'find path', 'more')
    checks = [c for c in sees.checks if c[1] in kinds]
    if not checks:
        return
    got, rest = frames(answer.body)
    at, strict, more = 0, False, False
    for line, kind, *what in checks:
        if kind == 'more':
            more = True
            continue
        if kind in ('data', 'data path'):
            strict = True
            if at >= len(got):
                fail(line, 'no frame is left; the last were\n'
                     + show(got[-3:]))
                return
            data = got[at][1]
            at += 1
            if kind == 'data':
                if data != what[0].encode():
                    fail(line, 'frame %d is another\n' % at
                         + difference(what[0].encode(), data))
                continue
            try:
                check_path(parse(data), what[0], what[1], names,
                           'frame %d' % at)
            except Fail as e:
                fail(line, str(e))
            continue
        start = at
        while at < len(got) and not matches(kind, what, got[at], names):
            at += 1
        if at == len(got):
            fail(line, 'no such frame among\n' + show(got[start:]))
            return
        at += 1
    if strict and not more and at < len(got):
        fail(sees.line, 'more frames than wanted\n' + show(got[at:]))
    if rest.strip():
        fail(sees.line, 'bytes after the last whole frame: %r' % rest[:200])


def matches(kind, what, frame, names):
    name, data = frame
    if kind == 'event':
        if name != what[0]:
            return False
        what = what[1:]
        if what[0] is None:
            return True
    try:
        found = walk(loads(data.decode('utf-8')), what[0])
    except ValueError:
        return False
    return bool(found) and what[1].holds(found[0], names)


def show(got):
    return '\n'.join('  %s%s' % ('[%s] ' % n if n else '',
                                 d[:300].decode('utf-8', 'replace'))
                     for n, d in got) or '  (none)'


# --- playing a case -----------------------------------------------------------

class Play:
    """One run of one case: its folder, its processes, what went wrong."""

    def __init__(self, case, options, bytewise):
        self.case, self.options, self.bytewise = case, options, bytewise
        self.failures, self.notes = [], []
        self.lock = threading.Lock()
        self.sent, self.answers, self.upstreams = {}, [], {}
        self.secrets, self.keys, self.kept = set(), {}, None
        self.memory, self.told = {}, []
        self.started = time.monotonic()
        self.weir = None
        self.folder = tempfile.mkdtemp(prefix='weir-case-')
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, 'data')
        self.socket = os.path.join(self.folder, 'run', 'weir.sock')
        self.log = os.path.join(self.folder, 'weir.log')
        self.conf = os.path.join(self.folder, 'weir.conf')

    def fail(self, line, text):
        with self.lock:
            self.failures.append((line, text))

    def note(self, what, data):
        with self.lock:
            self.notes.append((time.monotonic() - self.started, what, data))

    def transcript(self):
        out = []
        for at, what, data in self.notes:
            out.append('%8.1f ms  %s, %d bytes' % (at * 1000, what, len(data)))
            for line in data[:4000].splitlines(True):
                out.append('    ' + repr(line)[2:-1])
        return '\n'.join(out)

    def names(self, text):
        """{NAME} -> the address of that upstream."""
        return re.sub(r'\{(%s)\}' % WORD, lambda found: self.upstreams[
            found.group(1)].address if found.group(1) in self.upstreams
            else found.group(0), text)

    # weirctl

    def environment(self):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith('WEIR_')}
        env['WEIR_WWW'] = os.path.join(TOP, 'www')
        return env

    def ctl(self, *args, stdin=''):
        """(exit status, stdout, stderr)"""
        command = [os.path.join(self.options.build, 'weirctl'),
                   '--data', self.data, '--conf', self.conf] + list(args)
        done = subprocess.run(command, input=stdin.encode(),
                              capture_output=True, env=self.environment(),
                              timeout=60, check=False)
        self.note('weirctl ' + ' '.join(args) + ' -> %d' % done.returncode,
                  done.stdout + done.stderr)
        return (done.returncode, done.stdout.decode('utf-8', 'replace'),
                done.stderr.decode('utf-8', 'replace'))

    def ctl_ok(self, *args, stdin=''):
        code, out, err = self.ctl(*args, stdin=stdin)
        if code != 0:
            raise Fail('weirctl %s: exit %d\n%s%s'
                       % (' '.join(args), code, out, err))
        return out

    def ctl_json(self, *args):
        out = self.ctl_ok('--json', *args)
        try:
            return loads(out)
        except ValueError:
            raise Fail('weirctl --json %s printed no JSON:\n%s'
                       % (' '.join(args), out[:1000])) from None

    # the stage

    def prepare(self):
        with open(os.path.join(HERE, 'default.json'), encoding='utf-8') as f:
            default = f.read()
        texts = [] if self.case.only else [default]
        if self.case.catalogue is not None:
            texts.append(self.case.catalogue)
        named = set(self.case.upstreams)
        for text in texts:
            named |= set(re.findall(r'\{(%s)\}' % WORD, text))
        for name in sorted(named):
            self.upstreams[name] = Upstream(self.case, name, self)
        with open(self.conf, 'w', encoding='utf-8') as f:
            f.write(''.join(self.names(line) + '\n' for line in self.case.conf))
        self.ctl_ok('init', *(['--user', 'root'] if os.geteuid() == 0 else []))
        for n, text in enumerate(texts):
            text = self.names(text)
            try:
                self.learn(json.loads(text))
            except ValueError as e:
                raise Fail('the catalogue is no JSON: %s' % e) from None
            path = os.path.join(self.folder, 'catalogue%d.json' % n)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
            self.ctl_ok('apply', path)

    def learn(self, catalogue):
        """Keeps in mind who has which key, and what must stay secret."""
        for channel in catalogue.get('channels', []):
            for each in channel.get('credentials', []):
                if isinstance(each.get('secret'), str):
                    self.secrets.add(each['secret'])
        for account in catalogue.get('accounts', []):
            for key in account.get('keys', []):
                if isinstance(key.get('secret'), str):
                    self.secrets.add(key['secret'])
                    self.keys.setdefault(account['login'], key['secret'])
                    self.keys['%s/%s' % (account['login'], key['name'])] = \
                        key['secret']

    def start(self):
        command = [os.path.join(self.options.build, 'weir.fcgi'),
                   '--data', self.data, '--conf', self.conf,
                   '--listen', 'unix:' + self.socket]
        if self.options.gdb:
            command = ['gdb', '-q', '-ex', 'handle SIGPIPE nostop noprint',
                       '-ex', 'run', '--args'] + command
            self.weir = subprocess.Popen(command, env=self.environment())
        else:
            with open(self.log, 'wb') as log:
                self.weir = subprocess.Popen(
                    command, env=self.environment(), stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log)
        until = time.monotonic() + (3600 if self.options.gdb else 10)
        while True:
            try:
                socket_ = socket.socket(socket.AF_UNIX)
                socket_.connect(self.socket)
                socket_.close()
                return
            except OSError:
                socket_.close()
            if self.weir.poll() is not None:
                raise Fail('weir.fcgi ended at its start with status %d:\n%s'
                           % (self.weir.returncode, self.log_text()[-3000:]))
            if time.monotonic() > until:
                raise Fail('weir.fcgi does not listen after 10 s:\n%s'
                           % self.log_text()[-3000:])
            time.sleep(0.005)

    def log_text(self):
        try:
            with open(self.log, encoding='utf-8', errors='replace') as f:
                return f.read()
        except OSError:
            return ''

    def stop(self):
        """Ends weir as an operator would, and looks how it went."""
        if self.weir is None:
            return
        if self.options.gdb:
            self.weir.wait()
            return
        early = self.weir.poll()
        if early is not None:
            self.fail(0, 'weir.fcgi ended by itself with status %d' % early)
            return
        self.weir.send_signal(signal.SIGTERM)
        try:
            code = self.weir.wait(20)
            if code != 0:
                self.fail(0, 'weir.fcgi ended with status %d after SIGTERM'
                          % code)
        except subprocess.TimeoutExpired:
            self.fail(0, 'weir.fcgi still runs 20 s after SIGTERM')
            self.weir.kill()
            self.weir.wait()

    # the callers

    @staticmethod
    def params(caller, body, keys, names):
        path, _, query = caller.path.partition('?')
        params = {
            'GATEWAY_INTERFACE': 'CGI/1.1', 'SERVER_PROTOCOL': 'HTTP/1.1',
            'SERVER_SOFTWARE': 'case', 'SERVER_NAME': 'localhost',
            'SERVER_PORT': '80', 'SERVER_ADDR': '127.0.0.1',
            'REMOTE_ADDR': '127.0.0.1', 'REMOTE_PORT': '40000',
            'REQUEST_SCHEME': 'http', 'DOCUMENT_ROOT': '/usr/share/empty',
            'REQUEST_METHOD': caller.method, 'REQUEST_URI': caller.path,
            'DOCUMENT_URI': path, 'SCRIPT_NAME': path, 'QUERY_STRING': query,
            'CONTENT_LENGTH': str(len(body)) if body else '',
            'CONTENT_TYPE': '',
        }
        headers = [('host', 'localhost'), ('user-agent', 'case/1')]
        if body:
            headers.append(('content-type', 'application/json'))
        if caller.key:
            key = caller.key[8:] if caller.key.startswith('literal:') \
                else keys.get(caller.key)
            if key is None and keys:
                raise Fail('no catalogue of this case has a key for %s'
                           % caller.key)
            headers.append(('authorization', 'Bearer %s' % key))
        own = {name.lower() for name, _ in caller.headers}
        headers = [h for h in headers
                   if h[0] not in own and h[0] not in caller.no_headers]
        for name, value in headers + caller.headers:
            name = name.upper().replace('-', '_')
            if name == 'CONTENT_TYPE':
                params[name] = value
            elif name == 'CONTENT_LENGTH':
                params[name] = value
            else:
                params['HTTP_' + name] = names(value)
        params.update(caller.params)
        for name in caller.no_params:
            params.pop(name, None)
        return params

    def call(self, caller):
        answer = Answer()
        caller.answer = answer
        time.sleep(caller.late / 1000)
        body = self.recall(caller.body.bytes())
        self.sent[None] = body
        began = time.monotonic()
        try:
            client = self.kept or Client(self.socket, self.case.seconds)
            self.kept = None
            if client.ask(caller, self.params(caller, body, self.keys, self.names),
                          body, self.note):
                client.read(caller, answer)
            else:
                answer.end = 'left'
            if caller.keep and answer.end == 'clean':
                self.kept = client
            elif answer.end != 'left':
                client.sock.close()
        except OSError as e:
            answer.end = str(e)
        except Fail as e:
            self.fail(caller.line, str(e))
            return
        answer.ms = (time.monotonic() - began) * 1000
        answer.split()
        self.note('caller got (%s)' % answer.end, answer.raw)
        self.keep_answer(caller, answer)
        if caller.sees:
            self.judge(caller.sees, answer)

    def keep_answer(self, caller, answer):
        """One line a call into the file $WEIR_ANSWERS, if there is such."""
        path = os.environ.get('WEIR_ANSWERS')
        if not path or answer.status is None:
            return
        taken = [each for script in self.case.upstreams.values()
                 for each in script if each.taken and each not in self.told]
        self.told += taken
        line = json.dumps({
            'case': self.case.name, 'path': caller.path, 'end': answer.end,
            'status': answer.status,
            'type': dict(answer.headers).get('content-type', ''),
            'anthropic': any(k == 'anthropic-version'
                             for k, v in caller.headers),
            'upstreams': [each.path for each in taken if each.path],
            'body': base64.b64encode(answer.body).decode()})
        with KEEPING, open(path, 'a', encoding='utf-8') as f:
            f.write(line + '\n')

    def judge(self, sees, answer):
        want = 'broken' if sees.broken else 'clean'
        if sees.status is None:
            want = 'closed without END_REQUEST'
            if answer.raw:
                self.fail(sees.line, 'something came: %r' % answer.raw[:400])
        elif answer.status != sees.status:
            self.fail(sees.line, 'status %s, not %d\n  %s' % (
                answer.status, sees.status,
                answer.raw[:1000].decode('utf-8', 'replace')
                .replace('\n', '\n  ')))
        if sees.kind and not any(k == 'content-type' and v == sees.kind
                                 for k, v in answer.headers):
            self.fail(sees.line, 'content type is %s, not %s' % (
                dict(answer.headers).get('content-type'), sees.kind))
        if answer.end not in (want, 'left'):
            self.fail(sees.line, 'the answer ends: %s; wanted: %s'
                      % (answer.end, want))
        if answer.stderr:
            self.fail(sees.line, 'on FastCGI stderr: %r' % answer.stderr[:300])
        for line, kind, *rest in sees.checks:
            try:
                self.judge_one(answer, kind, rest)
            except Fail as e:
                self.fail(line, str(e))
        check_frames(sees, answer, self.names, self.fail)

    def judge_one(self, answer, kind, rest):
        text = answer.body.decode('utf-8', 'replace')
        if kind in ('data', 'data path', 'event', 'find path', 'more'):
            return
        if kind == 'contains':
            if rest[0] not in text:
                raise Fail('"%s" is not in the body\n  %s'
                           % (rest[0], text[:1000]))
        elif kind == 'lacks':
            if rest[0] in text:
                raise Fail('"%s" is in the body\n  %s' % (rest[0], text[:1000]))
        elif kind == 'fault':
            status, kind, code = faults()[rest[0]]
            if answer.status != status:
                raise Fail('%s has status %d, not %s'
                           % (rest[0], status, answer.status))
            error = parse(answer.body)
            check_path(error, '.error.type', Test('= ' + kind), self.names,
                       'the body')
            if code:
                check_path(error, '.error.code', Test('= ' + code),
                           self.names, 'the body')
        elif kind == 'remember':
            self.remember(answer, *rest)
        elif kind == 'within':
            if answer.ms > rest[0]:
                raise Fail('it took %.0f ms, not %d' % (answer.ms, rest[0]))
        elif kind == 'not':
            if answer.ms < rest[0]:
                raise Fail('it took %.0f ms only, not %d'
                           % (answer.ms, rest[0]))
        else:
            check(kind, rest, self, answer.headers, answer.body)

    def remember(self, answer, name, path):
        found = []
        if answer.body[:1] == b'{':
            found = walk(parse(answer.body), path)
        for _, data in answer.frames():
            if not found and data[:1] == b'{':
                found = walk(parse(data), path)
        if not found:
            raise Fail('no %s is there to be remembered' % path)
        text = json.dumps(found[0], default=str)
        self.memory[name] = text[1:-1] if isinstance(found[0], str) else text

    def recall(self, body):
        """{{NAME}} -> what was remembered."""
        for name, text in self.memory.items():
            body = body.replace(b'{{%s}}' % name.encode(), text.encode())
        return body

    # afterwards

    def row_stands(self, caller):
        """A fault is told before its row is written: the next caller's must
        not overtake it."""
        status = getattr(caller, 'answer', None) and caller.answer.status
        until = time.monotonic() + FAULT_MS / 1000
        if status and status < 400 and not caller.leaves:
            return
        path = os.path.join(self.data, 'weir.db')
        if not os.path.exists(path):
            return                      # this weir has no store
        db = sqlite3.connect('file:%s?mode=ro' % path, uri=True)
        try:
            while time.monotonic() < until and db.execute(
                    'SELECT count(*) FROM hold').fetchone() != (0,):
                time.sleep(0.01)
        except sqlite3.OperationalError:
            pass                        # a case about a store that is locked
        finally:
            db.close()

    def check_after(self):
        ms = self.case.after_ms
        # A fault is told first and written down then.
        if not ms and any(c.leaves or c.sees is None or c.sees.status is None
                          or c.sees.status >= 400 for c in self.case.callers):
            ms = FAULT_MS
        until = time.monotonic() + ms / 1000
        while True:
            wrong = self.after_once()
            if not wrong or time.monotonic() >= until:
                break
            time.sleep(0.05)
        for line, text in wrong:
            self.fail(line, text)

    def after_once(self):
        wrong = []
        rows = None
        for line, (kind, *rest) in self.case.after:
            try:
                if kind == 'usage':
                    if rows is None:
                        rows = self.ctl_json('usage')
                    self.check_usage(rows, *rest)
                elif kind == 'ledger':
                    got = self.balance(rest[0])
                    for name, test in rest[1]:
                        check_path(got, '.' + name, test, self.names,
                                   'the balance of ' + rest[0])
                elif (rest[0] in self.log_text()) != (kind == 'log'):
                    raise Fail('"%s" is %s weir\'s log' % (
                        rest[0], 'not in' if kind == 'log' else 'in'))
            except Fail as e:
                wrong.append((line, str(e)))
        called = {c.key.split('/')[0] for c in self.case.callers
                  if c.key and not c.key.startswith('literal:')}
        for account in sorted(called):
            try:
                got = self.balance(account)
                check_path(got, '.held', Test('= 0'), self.names,
                           'the balance of ' + account)
            except Fail as e:
                wrong.append((0, str(e)))
        for proof in ('ledger check', 'bill recompute'):
            code, out, err = self.ctl(*proof.split())
            if code != 0:
                wrong.append((0, 'weirctl %s: exit %d\n%s%s'
                              % (proof, code, out, err)))
        return wrong

    def balance(self, account):
        return self.ctl_json('balance', account)

    def check_usage(self, rows, number, column, test):
        rows = sorted(rows, key=lambda row: row['id'])
        if column == 'rows' and number is None:
            if not test.holds(len(rows), self.names):
                raise Fail('%d usage rows, not %s' % (len(rows), test))
            return
        if (number or 1) > len(rows):
            raise Fail('only %d usage rows' % len(rows))
        check_path(rows[number - 1 if number else -1], '.' + column, test,
                   self.names, 'the usage row')

    def check_secrets(self):
        log = self.log_text()
        for secret in self.secrets:
            if len(secret) < 8:
                self.fail(0, 'the secret "%s" is too short to be looked for'
                          % secret)
            elif secret in log:
                self.fail(0, 'weir\'s log has a secret in it: %s' % secret)
            for caller in self.case.callers:
                answer = getattr(caller, 'answer', None)
                if answer and secret.encode() in answer.raw:
                    self.fail(caller.line,
                              'the answer has a secret in it: %s' % secret)

    def run(self):
        try:
            self.prepare()
            self.start()
            threads = []
            for kind, line, *rest in self.case.steps:
                if kind == 'wait':
                    time.sleep(rest[0] / 1000)
                elif kind == 'weirctl':
                    args, want, prints, stdin = rest
                    code, out, err = self.ctl(*args, stdin=self.names(stdin))
                    if code != want:
                        self.fail(line, 'exit %d, not %d\n%s%s'
                                  % (code, want, out, err))
                    for text in prints:
                        if text not in out + err:
                            self.fail(line, '"%s" is not in\n%s%s'
                                      % (text, out, err))
                elif self.case.together:
                    threads.append(threading.Thread(target=self.call,
                                                    args=rest))
                    threads[-1].start()
                else:
                    self.call(rest[0])
                    self.row_stands(rest[0])
            for thread in threads:
                thread.join()
            self.check_after()
        except Fail as e:
            self.fail(0, str(e))
        except subprocess.TimeoutExpired as e:
            self.fail(0, str(e))
        finally:
            if self.kept:
                self.kept.sock.close()
            self.stop()
            for upstream in self.upstreams.values():
                upstream.end()
            self.check_secrets()
        return [(caller.answer.status, caller.answer.body)
                for caller in self.case.callers if hasattr(caller, 'answer')
                and caller.answer.end != 'left']

    def keep_folder(self, kept):
        with open(os.path.join(self.folder, 'wires.txt'), 'w',
                  encoding='utf-8') as f:
            f.write(self.transcript() + '\n')
        shutil.rmtree(kept, ignore_errors=True)
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        shutil.copytree(self.folder, kept, ignore=lambda d, names: [
            n for n in names if n.endswith('.sock')])

    def drop_folder(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def same_id(answer):
    """An answer without the request's id, which is another in each run, and
    what weir makes of it and of the time where the upstream says neither; nor
    what it seals with a key of its own."""
    answer = re.sub(rb'("(?:request_id|id|item_id)":"[a-z]*[-_]?)[0-9a-z]{26}'
                    rb'(_[0-9]+)?"',
                    rb'\1"', answer)
    answer = re.sub(rb'"wr1\.[\w-]+\.[\w-]+"', b'"wr1."', answer)
    answer = re.sub(rb'"d3IxL[\w+/]+=*"', b'"wr1."', answer)
    answer = re.sub(rb'"(toolu|call)_[\w]{26}', rb'"\1_', answer)
    return re.sub(rb'"(created|created_at)":\d{10},', rb'"\1":0,', answer)


def play(path, options):
    """(ok, text to print) of one case."""
    name = os.path.splitext(os.path.basename(path))[0]
    try:
        runs = [False, True] if Case(path).rechunk else [False]
    except Bad as e:
        return False, 'not ok cases/%s: %s' % (name, e)
    out, answers = [], []
    for bytewise in runs:
        one = Play(Case(path), options, bytewise)
        try:
            answers.append([(k, same_id(v)) for k, v in one.run()])
            if bytewise and not one.failures and answers[0] != answers[1]:
                for (_, a), (_, b) in zip(*answers):
                    if a != b:
                        one.fail(0, 'other bytes when the upstream sends them '
                                 'one by one\n' + difference(a, b))
            if options.verbose:
                out.append(one.transcript())
                out.append('weir\'s log:\n' + one.log_text())
            if one.failures:
                kept = os.path.join(options.build, 'tests/log', name)
                one.keep_folder(kept)
                for line, text in one.failures:
                    out.append('%s%s%s: %s' % (
                        path, ':%d' % line if line else '',
                        ' (byte by byte)' if bytewise else '', text))
                log = one.log_text().rstrip().split('\n')[-20:]
                if not options.verbose and any(log):
                    out.append('the end of weir\'s log:\n  ' + '\n  '.join(log))
                out.append('all of it: %s' % kept)
                out.append('not ok cases/%s: %s'
                           % (name, one.failures[0][1].split('\n')[0]))
                return False, '\n'.join(out)
        finally:
            one.drop_folder()
    out.append('ok cases/' + name)
    return True, '\n'.join(out)


def write_corpus(paths, folder, requests):
    """Each body of the cases, or each request as its FastCGI bytes, a file."""
    os.makedirs(folder, exist_ok=True)
    for path in paths:
        case = Case(path)
        texts = []
        for caller in case.callers:
            body = caller.body.bytes()
            texts.append(Client.request(caller, Play.params(
                caller, body, {}, str), body) if requests else body)
        if not requests:
            texts += [b''.join(s[1] for s in e.steps if s[0] == 'bytes')
                      for script in case.upstreams.values() for e in script]
        for n, text in enumerate(t for t in texts if t):
            name = '%s-%d' % (os.path.basename(path)[:-5], n + 1)
            with open(os.path.join(folder, name), 'wb') as f:
                f.write(text)


def choose(wanted, folder):
    """The files that the names or patterns mean."""
    paths = sorted(os.path.join(folder, f) for f in os.listdir(folder)
                   if f.endswith('.case'))
    if not wanted:
        return paths
    out = []
    for want in wanted:
        want = re.sub(r'^cases/|\.case$', '', want)
        names = {os.path.basename(p)[:-5]: p for p in paths}
        fits = [names[want]] if want in names else [
            p for n, p in names.items() if fnmatch.fnmatch(n, want) or want in n]
        if not fits:
            sys.exit('run.py: no case is called like "%s"' % want)
        out += [p for p in fits if p not in out]
    return out


def main():
    parser = argparse.ArgumentParser(
        usage=__doc__.split('\n\n')[1].replace('usage: ', ''))
    parser.add_argument('--build', default='.')
    parser.add_argument('--cases', default=os.path.join(TOP, 'tests/cases'))
    parser.add_argument('--bodies')
    parser.add_argument('--requests')
    parser.add_argument('-v', dest='verbose', action='store_true')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('-g', dest='gdb', action='store_true')
    parser.add_argument('-j', dest='jobs', type=int, default=2)
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    paths = choose(options.names, options.cases)
    try:
        if options.quick:
            paths = [p for p in paths if not Case(p).long]
        if options.bodies or options.requests:
            write_corpus(paths, options.bodies or options.requests,
                         options.requests)
            return 0
    except Bad as e:
        sys.exit('run.py: %s' % e)
    options.build = os.path.abspath(options.build)
    for program in ('weir.fcgi', 'weirctl'):
        if not os.access(os.path.join(options.build, program), os.X_OK):
            sys.exit('run.py: %s/%s is not built: run make there, or say '
                     '--build DIR' % (options.build, program))
    if options.gdb and len(paths) != 1:
        sys.exit('run.py: -g wants exactly one case')
    good = True
    with concurrent.futures.ThreadPoolExecutor(
            1 if options.gdb else max(1, options.jobs)) as pool:
        for ok, text in pool.map(lambda p: play(p, options), paths):
            good = good and ok
            print(text, flush=True)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
