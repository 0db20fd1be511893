# SPDX-License-Identifier: MIT
"""anthropic_up.py - an upstream of the Anthropic dialect that does as its
models are called, for the tests with official SDKs.

usage: anthropic_up.py PORT-FILE

Serves POST /v1/messages and /v1/messages/count_tokens; see upstream.py.  Models:

  claude-text       says TEXT, as all do that are not here
  claude-tools      asks for the weather of two cities; says TEXT when it has
                    both
  …-thinking        thinks, signs it, and says TEXT
  …-json            says {"city": "Graz"}, by the tool that it must call, if any
  …-echo            says the request's body
  claude-agent      has the file that the question names read by a tool, and says
                    what is in it
  claude-overloaded, claude-context    answer with those errors
  claude-cut, claude-breaks            begin a stream; end it there, or with an
                                       error of being overloaded
"""
import json
import time

from upstream import (CITIES, TEXT, THOUGHT, Upstream, file_in, pieces, reads,
                      serve)

SIGNATURE = 'EqQBCgIYAhIkMGQ1YjEyNzUtc2lnbmF0dXJl'
ERRORS = {
    'claude-overloaded': (529, 'overloaded_error', 'Overloaded'),
    'claude-context': (400, 'invalid_request_error',
                       'prompt is too long: 200001 tokens > 200000 maximum'),
}


def text(words):
    return {'type': 'text', 'text': words}


def use(number, name, value):
    return {'type': 'tool_use', 'id': 'toolu_%d' % number, 'name': name,
            'input': value}


def texts(content):
    """The text of a message's content, or of a tool's result."""
    if isinstance(content, str):
        return content
    return '\n'.join(texts(b.get('content', '')) if b['type'] == 'tool_result'
                     else b.get('text', '') for b in content)


def agent(body, last):
    """The same of claude-agent."""
    if isinstance(last, list) and last[0]['type'] == 'tool_result':
        return [text('It says: ' + texts(last))], 'end_turn'
    path = file_in(texts(last))
    run = path and reads([(t.get('name'), t.get('input_schema', {}))
                          for t in body.get('tools', [])], path)
    return ([use(0, *run)], 'tool_use') if run else ([text(TEXT)], 'end_turn')


def content(body):
    """(blocks, stop reason) of the answer."""
    model = body['model']
    last = body['messages'][-1]['content']
    if model == 'claude-tools' and not (
            isinstance(last, list) and
            [b['type'] for b in last[:2]] == ['tool_result'] * 2):
        return [text('Let me see.')] + [
            use(i, 'weather', {'city': city})
            for i, city in enumerate(CITIES)], 'tool_use'
    if model == 'claude-agent':
        return agent(body, last)
    if model.endswith('-thinking'):
        return [{'type': 'thinking', 'thinking': THOUGHT,
                 'signature': SIGNATURE},
                {'type': 'redacted_thinking', 'data': 'EmwKAhgBEgy='},
                text(TEXT)], 'end_turn'
    if model.endswith('-json') and \
            body.get('tool_choice', {}).get('type') == 'tool':
        return [use(0, body['tool_choice']['name'],
                    {'city': 'Graz'})], 'tool_use'
    if model.endswith('-json'):
        return [text('{"city": "Graz"}')], 'end_turn'
    if model.endswith('-echo'):
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


class Messages(Upstream):
    def error(self, status, kind, words):
        self.answer(status, {'type': 'error', 'request_id': 'req_up',
                             'error': {'type': kind, 'message': words}})

    def post(self, body):
        path = self.path.partition('?')[0]
        if self.headers.get('x-api-key') != 'upstream-secret-claude' or \
                'authorization' in self.headers or \
                not self.headers.get('anthropic-version'):
            self.error(401, 'authentication_error', 'invalid x-api-key')
        elif path == '/v1/messages/count_tokens':
            self.answer(200, {'input_tokens': 42})
        elif path != '/v1/messages':
            self.error(404, 'not_found_error', 'Not found')
        elif body['model'] in ERRORS:
            self.error(*ERRORS[body['model']])
        elif body.get('stream'):
            self.frames(b'event: %s\ndata: %s\n\n' % (
                event['type'].encode(), json.dumps(event).encode())
                for event in events(body))
        else:
            self.answer(200, message(body))


serve(Messages)
