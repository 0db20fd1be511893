# SPDX-License-Identifier: MIT
"""upstream.py - what the scripted upstreams for official clients share: a
server on a port of 127.0.0.1 that the kernel chose, and what they say.

Read by anthropic_up.py, gemini_up.py and openai_up.py, not run by itself.
"""
import http.server
import json
import os
import re
import sys

TEXT = 'Good day. This answer comes from the scripted upstream.'
THOUGHT = 'What would one say?'
CITIES = ('Graz', 'Linz')
# How agents call the tool that reads a file.
READERS = ('Read', 'read_file')


def pieces(words):
    return [words[at:at + 7] for at in range(0, len(words), 7)]


def file_in(text):
    """The path of a file that somebody speaks of."""
    found = re.findall(r'/[^\s"\'<>]+\.txt', text)
    return found[-1] if found else None


def reads(tools, path):
    """The (name, arguments) of a call that shows a file, by a tool that reads
    files or one that runs commands; tools are (name, schema).  None: there is
    none."""
    for name, _ in tools:
        if name in READERS:
            return name, {'file_path': path}
    for name, schema in tools:
        known = schema.get('properties', {})
        for argument in ('cmd', 'command'):
            if argument in known:
                listed = known[argument].get('type') == 'array'
                return name, {argument: ['cat', path] if listed else
                              'cat ' + path}
    return None


class Upstream(http.server.BaseHTTPRequestHandler):
    """post(body) of a dialect answers a request."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status, value):
        out = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def frames(self, frames):
        """Streams them, each as it stands; the end of the connection ends it."""
        self.send_response(200)
        self.send_header('content-type', 'text/event-stream; charset=utf-8')
        self.send_header('connection', 'close')
        self.end_headers()
        for frame in frames:
            self.wfile.write(frame)
            self.wfile.flush()

    def do_POST(self):
        self.post(json.loads(self.rfile.read(int(
            self.headers['content-length']))))


def serve(kind):
    """Until it is ended; the port's number is in the file of the argument."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), kind)
    name = sys.argv[1]
    with open(name + '.new', 'w', encoding='ascii') as f:
        print(server.server_port, file=f)
    os.rename(name + '.new', name)
    server.serve_forever()
