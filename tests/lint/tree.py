# SPDX-License-Identifier: MIT
"""tree.py - what the lints share: the tree's files, C without its comments,
and the lines that tests/run reads.

A lint looks at the files that stand in the source tree (WEIR_TOP), so that it
works in an unpacked archive as well.
"""
import os
import re
import subprocess
import sys

TOP = os.environ.get('WEIR_TOP') or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('WEIR_BUILD')
ROOMS = ('fcgi', 'db', 'handlers')
FOLDERS = ROOMS + ('www', 'conf', 'tests')


def files(folders=FOLDERS, ends=('',)):
    """Paths from the top, in order; nothing that a build or a run left."""
    out = []
    for folder in folders:
        for where, dirs, names in os.walk(os.path.join(TOP, folder)):
            dirs[:] = [d for d in dirs if d not in (
                '.deps', '__pycache__', 'node_modules', 'corpus', 'log')]
            for name in names:
                path = os.path.relpath(os.path.join(where, name), TOP)
                if name.endswith(tuple(ends)) and not name.endswith(
                        ('.o', '.a', '.gen.c', '.gcno', '.gcda', '~', '.pyc',
                         '.dirstamp')) and not binary(path):
                    out.append(path)
    return sorted(out)


def binary(path):
    """In-tree builds put programs beside their sources."""
    if os.path.islink(os.path.join(TOP, path)):
        return True
    with open(os.path.join(TOP, path), 'rb') as f:
        return b'\0' in f.read(1024)


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        return f.read()


def bare(text):
    """C without comments and without what stands in strings; lines stay."""
    def blank(found):
        token = found.group(0)
        if token[0] in '"\'':
            return token[0] + ' ' * (len(token) - 2) + token[0]
        return re.sub(r'[^\n]', ' ', token)
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
                  blank, text, flags=re.S)


def flags():
    """What every C file is compiled with, beside warnings."""
    out = ['-std=c11', '-D_GNU_SOURCE', '-I' + TOP]
    done = subprocess.run(['pkg-config', '--cflags', 'libcurl', 'sqlite3',
                           'jansson', 'libsodium'], capture_output=True,
                          check=False)
    return out + done.stdout.decode().split()


def have(program):
    return any(os.access(os.path.join(d, program), os.X_OK)
               for d in os.environ.get('PATH', '').split(':'))


class Lint:
    """Collects what is wrong, and ends with a line for each test."""

    def __init__(self, name):
        self.name, self.failed = 'lint/' + name, False

    def result(self, wrong, part=None):
        """One test: wrong is a list of lines, empty if all is well."""
        name = self.name + ('-' + part if part else '')
        if wrong:
            self.failed = True
            for line in wrong:
                print('  ' + line)
            print('not ok %s: %s%s' % (
                name, wrong[0].split('\n')[0],
                ' and %d more' % (len(wrong) - 1) if len(wrong) > 1 else ''))
        else:
            print('ok ' + name)

    def skip(self, reason, part=None):
        print('skip %s: %s' % (self.name + ('-' + part if part else ''),
                               reason))

    def end(self):
        sys.exit(1 if self.failed else 0)
