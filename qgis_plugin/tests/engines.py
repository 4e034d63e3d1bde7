"""Stand-ins for an engine that misbehaves: small programs in place of the interpreter."""

from __future__ import annotations

import json
import sys
from pathlib import Path

_HELLO = '{"georeg": "9.9", "protocol": 2, "commands": ["align"]}'


def engine(folder: Path, body: str, hello: str = _HELLO) -> str:
    """An interpreter that answers `--version --json` and else does what `body` says."""
    path = folder / "python-stand-in"
    path.write_text(
        f"#!{sys.executable}\n"
        "import json, os, signal, subprocess, sys, time\n"
        "if '--version' in sys.argv:\n"
        f"    print({hello!r})\n"
        "    sys.exit(0)\n"
        "def say(event, message='', **more):\n"
        "    line = json.dumps({'event': event, 'level': 'info', 'message': message, **more})\n"
        "    print(line, file=sys.stderr, flush=True)\n"
        f"{body}\n"
    )
    path.chmod(0o755)
    return str(path)


CRASH = """
say('start', 'georeg align')
say('progress', 'match', step='match', share=0.4)
print('free(): invalid pointer', file=sys.stderr, flush=True)
os.kill(os.getpid(), signal.SIGSEGV)
"""

LATE = """
say('progress', 'match', step='match', share=0.4)
sys.stdin.read()
named = dict(zip(sys.argv, sys.argv[1:]))
with open(named['--output'], 'w') as file:
    file.write('pixels')
say('result', 'aligned', ok=True)
"""

ECHO = """
say('error', json.dumps(sys.argv[1:]))
sys.exit(2)
"""

DEAF = """
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
say('progress', str(child.pid), step='match', share=0.1)
while True:
    time.sleep(1)
"""


def silent(folder: Path, seconds: float, version: str) -> str:
    """An interpreter that takes its time to say who it is; leaves `PID.pid` in the folder."""
    path = folder / f"silent-{version}"
    hello = {"georeg": version, "protocol": 2, "commands": ["align"]}
    path.write_text(
        f"#!{sys.executable}\n"
        "import os, time\n"
        f"open(f'{folder}/{{os.getpid()}}.pid', 'w').close()\n"
        f"time.sleep({seconds})\n"
        f"print({json.dumps(hello)!r})\n"
    )
    path.chmod(0o755)
    return str(path)
