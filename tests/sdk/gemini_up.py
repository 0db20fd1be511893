# SPDX-License-Identifier: MIT
"""gemini_up.py - an upstream of the Gemini dialect that does as its models
are called, for the tests with official clients.

usage: gemini_up.py PORT-FILE

Serves POST /v1beta/models/MODEL:generateContent and its like; see
upstream.py.  Models:

  gemini-text       says TEXT, as all do that are not here
  …-tools           asks for the weather of two cities at once, and signs it;
                    says TEXT when it has both and its signature back
  gemini-thinks     thinks, and says TEXT
  …-json            says {"city": "Graz"} to whoever gives it a schema
  …-echo            says the request's body
  gemini-agent      has the file that the question names read by the tool
                    read_file, and says what is in it
  gemini-blocked    refuses the prompt
  gemini-overloaded, gemini-context    answer with those errors
  gemini-cut        begins a stream and ends it there
"""
import json
import time

from upstream import CITIES, TEXT, THOUGHT, Upstream, file_in, pieces, serve

SIGNATURE = 'c2lnbmVkIGJ5IGdlbWluaQ=='
ERRORS = {
    'gemini-overloaded': (503, 'UNAVAILABLE', 'The model is overloaded.'),
    'gemini-context': (400, 'INVALID_ARGUMENT',
                       'The input token count (1200000) exceeds the maximum '
                       'number of tokens allowed (1048576).'),
}


def call(name, args):
    return {'functionCall': {'name': name, 'args': args}}


def texts(parts):
    return '\n'.join(p.get('text', '') for p in parts)


def results(parts):
    return [p['functionResponse'] for p in parts if 'functionResponse' in p]


def cities(body):
    """Calls in parallel, of which the first is signed, as Gemini 3 wants it."""
    last = body['contents'][-1]['parts']
    if len(results(last)) < 2:
        asked = [call('weather', {'city': city}) for city in CITIES]
        asked[0]['thoughtSignature'] = SIGNATURE
        return [{'text': 'Let me see.'}] + asked
    mine = [p for p in body['contents'][-2]['parts'] if 'functionCall' in p]
    if mine[0].get('thoughtSignature') != SIGNATURE or \
            'thoughtSignature' in mine[1]:
        return [{'text': 'missing a thought_signature'}]
    return [{'text': TEXT}]


def agent(body):
    last = body['contents'][-1]['parts']
    if results(last):
        return [{'text': 'It says: ' + json.dumps(results(last)[0])}]
    path = file_in(texts(last))
    names = [f['name'] for t in body.get('tools', [])
             for f in t.get('functionDeclarations', [])]
    if path and 'read_file' in names:
        return [call('read_file', {'file_path': path})]
    return [{'text': TEXT}]


def said(model, body):
    """The parts of the answer."""
    if model.endswith('-tools'):
        return cities(body)
    if model == 'gemini-agent':
        return agent(body)
    if model == 'gemini-thinks':
        return [{'text': THOUGHT, 'thought': True}, {'text': TEXT}]
    if model.endswith('-json'):
        config = body['generationConfig']
        schema = config.get('responseJsonSchema') or config['responseSchema']
        assert list(schema['properties']) == ['city']
        return [{'text': '{"city": "Graz"}'}]
    if model.endswith('-echo'):
        return [{'text': json.dumps(body)}]
    return [{'text': TEXT}]


def usage(model):
    thoughts = 5 if model == 'gemini-thinks' else 0
    return {'promptTokenCount': 16, 'cachedContentTokenCount': 4,
            'candidatesTokenCount': 11 - thoughts,
            'thoughtsTokenCount': thoughts, 'totalTokenCount': 27}


def answer(model, parts, end='STOP'):
    candidate = {'index': 0, 'content': {'role': 'model', 'parts': parts}}
    if end:
        candidate['finishReason'] = end
    return {'candidates': [candidate], 'usageMetadata': usage(model),
            'modelVersion': model, 'responseId': 'resp-01'}


def frame(value):
    return b'data: %s\r\n\r\n' % json.dumps(value).encode()


def frames(model, body):
    if model == 'gemini-blocked':
        yield frame(blocked(model))
        return
    for part in said(model, body):
        for piece in pieces(part['text']) if part.get('text') else [None]:
            yield frame(answer(model, [dict(part, text=piece)
                                       if piece else part], None))
            if model == 'gemini-cut':
                time.sleep(0.2)     # until the caller has that much
                return
    yield frame(answer(model, [{'text': ''}]))


def blocked(model):
    return {'promptFeedback': {'blockReason': 'SAFETY'},
            'usageMetadata': usage(model), 'modelVersion': model}


class Generate(Upstream):
    def error(self, status, word, words):
        self.answer(status, {'error': {'code': status, 'status': word,
                                       'message': words}})

    def post(self, body):
        path, _, query = self.path.partition('?')
        head, _, method = path.rpartition(':')
        model = head.removeprefix('/v1beta/models/')
        if self.headers.get('x-goog-api-key') != 'upstream-secret-gemini' or \
                'authorization' in self.headers or 'key=' in query:
            self.error(400, 'INVALID_ARGUMENT', 'API key not valid.')
        elif model in ERRORS:
            self.error(*ERRORS[model])
        elif method == 'countTokens':
            self.answer(200, {'totalTokens': 42})
        elif method == 'batchEmbedContents':
            self.answer(200, {'embeddings': [
                {'values': [0.25, -0.5, len(texts(r['content']['parts']))]}
                for r in body['requests']]})
        elif method == 'embedContent':
            self.answer(200, {'embedding': {'values': [0.25, -0.5, 1]}})
        elif method == 'streamGenerateContent' and query == 'alt=sse':
            self.frames(frames(model, body))
        elif method == 'generateContent' and model == 'gemini-blocked':
            self.answer(200, blocked(model))
        elif method == 'generateContent':
            self.answer(200, answer(model, said(model, body)))
        else:
            self.error(404, 'NOT_FOUND', 'Not found')


serve(Generate)
