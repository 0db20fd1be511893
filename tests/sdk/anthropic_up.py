# SPDX-License-Identifier: MIT
"""anthropic_up.py - an upstream of the Anthropic dialect that does as its
models are called, for the tests with official SDKs.

usage: anthropic_up.py PORT-FILE

Serves POST /v1/messages and /v1/messages/count_tokens on a port of 127.0.0.1
that the kernel chose, and writes its number into the file.  Models:

  claude-text       says TEXT
  claude-tools      asks for the weather of two cities; says TEXT when it has
                    both
  claude-thinking   thinks, signs it, and says TEXT
  claude-json       says {"city": "Graz"}
  claude-echo       says the request's body
  claude-overloaded, claude-context    answer with those errors
  claude-cut, claude-breaks            begin a stream; end it there, or with an
                                       error of being overloaded
"""
import http.server
import json
import os
import sys
import time

TEXT = 'Good day. This answer comes from the scripted upstream.'
SIGNATURE = 'EqQBCgIYAhIkMGQ1YjEyNzUtc2lnbmF0dXJl'
ERRORS = {
    'claude-overloaded': (529, 'overloaded_error', 'Overloaded'),
    'claude-context': (400, 'invalid_request_error',
                       'prompt is too long: 200001 tokens > 200000 maximum'),
}


def text(words):
    return {'type': 'text', 'text': words}


def content(body):
    """(blocks, stop reason) of the answer."""
    model = body['model']
    last = body['messages'][-1]['content']
    if model == 'claude-tools' and not (
            isinstance(last, list) and
            [b['type'] for b in last[:2]] == ['tool_result'] * 2):
        return [text('Let me see.')] + [
            {'type': 'tool_use', 'id': 'toolu_%d' % i, 'name': 'weather',
             'input': {'city': city}}
            for i, city in enumerate(('Graz', 'Linz'))], 'tool_use'
    if model == 'claude-thinking':
        return [{'type': 'thinking', 'thinking': 'What would one say?',
                 'signature': SIGNATURE},
                {'type': 'redacted_thinking', 'data': 'EmwKAhgBEgy='},
                text(TEXT)], 'end_turn'
    if model == 'claude-json':
        return [text('{"city": "Graz"}')], 'end_turn'
    if model == 'claude-echo':
        return [text(json.dumps(body))], 'end_turn'
    return [text(TEXT)], 'end_turn'


def usage():
    return {'input_tokens': 9, 'cache_creation_input_tokens': 3,
            'cache_read_input_tokens': 4, 'output_tokens': 11,
            'cache_creation': {'ephemeral_5m_input_tokens': 1,
                               'ephemeral_1h_input_tokens': 2},
            'service_tier': 'standard'}


def message(body):
    blocks, stop = content(body)
    return {'id': 'msg_01', 'type': 'message', 'role': 'assistant',
            'model': body['model'], 'content': blocks, 'stop_reason': stop,
            'stop_sequence': None, 'usage': usage()}


def pieces(words):
    return [words[at:at + 7] for at in range(0, len(words), 7)]


def deltas(block):
    """(the block as it begins, what follows)."""
    if block['type'] == 'text':
        return text(''), [{'type': 'text_delta', 'text': p}
                          for p in pieces(block['text'])]
    if block['type'] == 'thinking':
        return dict(block, thinking='', signature=''), [
            {'type': 'thinking_delta', 'thinking': p}
            for p in pieces(block['thinking'])] + [
            {'type': 'signature_delta', 'signature': block['signature']}]
    if block['type'] == 'tool_use':
        return dict(block, input={}), [
            {'type': 'input_json_delta', 'partial_json': p}
            for p in pieces(json.dumps(block['input']))]
    return block, []


def events(body):
    whole = message(body)
    yield {'type': 'message_start', 'message': dict(
        whole, content=[], stop_reason=None,
        usage=dict(usage(), output_tokens=1))}
    for index, block in enumerate(whole['content']):
        begin, rest = deltas(block)
        yield {'type': 'content_block_start', 'index': index,
               'content_block': begin}
        yield {'type': 'ping'}
        for delta in rest:
            yield {'type': 'content_block_delta', 'index': index,
                   'delta': delta}
            if body['model'] in ('claude-cut', 'claude-breaks'):
                time.sleep(0.2)     # until the caller has that much
            if body['model'] == 'claude-cut':
                return
            if body['model'] == 'claude-breaks':
                yield {'type': 'error', 'error': {
                    'type': 'overloaded_error', 'message': 'Overloaded'}}
                return
        yield {'type': 'content_block_stop', 'index': index}
    yield {'type': 'message_delta',
           'delta': {'stop_reason': whole['stop_reason'],
                     'stop_sequence': None},
           'usage': {'output_tokens': 11}}
    yield {'type': 'message_stop'}


class Upstream(http.server.BaseHTTPRequestHandler):
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

    def error(self, status, kind, words):
        self.answer(status, {'type': 'error', 'request_id': 'req_up',
                             'error': {'type': kind, 'message': words}})

    def stream(self, body):
        self.send_response(200)
        self.send_header('content-type', 'text/event-stream; charset=utf-8')
        self.send_header('connection', 'close')
        self.end_headers()
        for event in events(body):
            self.wfile.write(b'event: %s\ndata: %s\n\n' % (
                event['type'].encode(), json.dumps(event).encode()))
            self.wfile.flush()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(
            self.headers['content-length'])))
        if self.headers.get('x-api-key') != 'upstream-secret-claude' or \
                'authorization' in self.headers or \
                not self.headers.get('anthropic-version'):
            self.error(401, 'authentication_error', 'invalid x-api-key')
        elif self.path == '/v1/messages/count_tokens':
            self.answer(200, {'input_tokens': 42})
        elif self.path != '/v1/messages':
            self.error(404, 'not_found_error', 'Not found')
        elif body['model'] in ERRORS:
            self.error(*ERRORS[body['model']])
        elif body.get('stream'):
            self.stream(body)
        else:
            self.answer(200, message(body))


def main():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Upstream)
    name = sys.argv[1]
    with open(name + '.new', 'w', encoding='ascii') as f:
        print(server.server_port, file=f)
    os.rename(name + '.new', name)
    server.serve_forever()


main()
