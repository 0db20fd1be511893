# SPDX-License-Identifier: MIT
"""storm.py - many callers at once, and how many of them were served."""
from house import KEY, USD, chat, same

FLAT = {'request': '0.01'}
CENT = USD // 100
NO_CREDIT = (429, 'insufficient_quota', 'insufficient_quota')
TOO_FAST = (429, 'rate_limit_error', 'rate_limit_exceeded')


def key_of(name):
    return ('sk-weir-%s-' % name).ljust(51, '7')


def storm(h, n, model='flat', keys=(KEY,), seconds=30, **members):
    """n calls, all of them sent before the first answer is read, dealt out to
    the weirs and the keys."""
    calls = [h.call(chat(model, **members), key=keys[i % len(keys)],
                    weir=i % len(h.weirs), seconds=seconds) for i in range(n)]
    return [call.finish() for call in calls]


def count(calls, error):
    """How many were served; all others got that error."""
    served = 0
    for call in calls:
        if call.status == 200:
            served += 1
        else:
            same(call.error, error)
    return served
