"""Attempts to leave the sandbox of `run_python`, and what each would have had to reach: the table that test and benchmark share.

A program escapes where it prints ESCAPED or the secret, where the folder outside has changed, where the victim process has ended, where
the listeners outside heard it, or where it outlives its time. The routes into `os` are those of the published escapes from smolagents'
interpreter (CVE-2025-5120: a submodule of an allowed import; CVE-2025-9959: dunder attributes; its issue 2094: ctypes), and their kin.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from core.agents import sandbox

SECRET = "CANARY-7f31"
SECONDS = 1.0
SLACK_S = 3.0

# how a program comes by `system`; each then runs a command
ROUTES = {
    "import os": "import os\nsystem = os.system",
    "__import__": "system = __import__('os').system",
    "importlib": "import importlib\nsystem = importlib.import_module('os').system",
    "sys.modules": "import sys\nsystem = sys.modules['posix'].system",
    "a submodule of an allowed import (CVE-2025-5120)": "import random\nsystem = random._os.system",
    "a module's module's modules (CVE-2025-5120)": "import queue\nsystem = queue.threading._sys.modules['os'].system",
    "subclasses of object (CVE-2025-9959)": (
        "system = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['system']"
    ),
    "a dunder built at run time (CVE-2025-9959)": (
        "b = getattr(getattr((), '_' '_class_' '_'), '_' '_base_' '_')\n"
        "system = [c for c in b.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['system']"
    ),
    "builtins of a frame": "import sys\nsystem = sys._getframe().f_builtins['__import__']('os').system",
    "globals of a frame above": "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\nsystem = f.f_globals['os'].system",
    "a traceback's frame": (
        "try: 1 / 0\nexcept Exception as e: system = e.__traceback__.tb_frame.f_builtins['__import__']('posix').system"
    ),
    "a generator's frame": "g = (lambda: (yield))()\nsystem = g.gi_frame.f_builtins['__import__']('os').system",
    "pickle": "import pickle\nsystem = lambda word: pickle.loads(b'cposix\\nsystem\\n(V' + word.encode() + b'\\ntR.')",
    "eval": "system = eval(compile('__import__(\"os\").system', 'x', 'eval'))",
    "a format string": "import os\nsystem = eval('{0.system}'.format(os) and 'os.system')",
    "ctypes (issue 2094)": "import ctypes\nsystem = lambda word: ctypes.CDLL(None).system(word.encode())",
    "subprocess": "import subprocess\nsystem = lambda word: subprocess.run(word, shell=True)",
    "posix_spawn": "import os\nsystem = lambda word: os.posix_spawn('/bin/sh', ['sh', '-c', word], {})",
    "execv": "import os\nsystem = lambda word: os.execv('/bin/sh', ['sh', '-c', word])",
    "pty": "import pty\nsystem = lambda word: pty.spawn(['/bin/sh', '-c', word])",
    "a memory file that is executed": (
        "import ctypes, os\nl = ctypes.CDLL(None)\nsystem = lambda word: (f := l.syscall(319, b'x', 0)) >= 0 and "
        "os.execv(f'/proc/self/fd/{f}', ['x'])"
    ),
}
OPEN = "with open(place) as file: print(file.read())"
# programs by what they are after; {names} are filled in
PROGRAMS = {
    "reads the secret": "place = '{secret}'\n" + OPEN,
    "reads the secret by a relative path": "place = '../' * 20 + '{secret}'[1:]\n" + OPEN,
    "reads the secret by way of /proc/1/root": "place = '/proc/1/root{secret}'\n" + OPEN,
    "reads the secret by way of /proc/self/root": "place = '/proc/self/root{secret}'\n" + OPEN,
    "reads the secret by way of its parent's folder": "import os\nplace = f'/proc/{{os.getppid()}}/cwd{secret}'\n" + OPEN,
    "reads the secret by a symbolic link": "import os\nos.symlink('{secret}', '/tmp/link')\nplace = '/tmp/link'\n" + OPEN,
    "reads the secret by a link in the library": (
        "import os\nplace = os.path.dirname(os.__file__) + '/link'\nos.symlink('{secret}', place)\n" + OPEN
    ),
    "reads the secret in the C library": (
        "import ctypes\nl = ctypes.CDLL(None)\nb = ctypes.create_string_buffer(99)\nf = l.open(b'{secret}', 0)\nl.read(f, b, 99)\n"
        "print(b.value)"
    ),
    "reads the secret by a handle": "import ctypes\nl = ctypes.CDLL(None)\nif l.syscall(304, -100, bytes(128), 0) >= 0: print('ESCAPED')",
    "reads every descriptor": (
        "import os\nfor number in range(3, 1100):\n    try: print('ESCAPED' if os.read(number, 1) is not None else '')\n"
        "    except OSError: pass"
    ),
    "reads the environment": "import os\nprint(dict(os.environ))",
    "reads its parent's environment": "import os\nprint(open(f'/proc/{{os.getppid()}}/environ').read())",
    "reads its parent's memory": "import os\nopen(f'/proc/{{os.getppid()}}/mem', 'rb').read(1)\nprint('ESCAPED')",
    "reads the victim's memory": "open('/proc/{victim}/mem', 'rb').read(1)\nprint('ESCAPED')",
    "lists the root": "import os\nprint('ESCAPED', os.listdir('/'))",
    "reads the users of the machine": "print('ESCAPED', open('/etc/passwd').read())",
    "writes outside": "open('{folder}/new', 'w').write('x')",
    "writes into the library": "import os\nopen(os.__file__, 'a').write('x')\nprint('ESCAPED')",
    "writes into temporary folders": ("import tempfile\nopen(tempfile.mkdtemp() + '/x', 'w').write('x')\nprint('ESCAPED')"),
    "writes shared memory": "from multiprocessing import shared_memory\nshared_memory.SharedMemory(create=True, size=9)\nprint('ESCAPED')",
    "fills the disk": "file = open('/mnt/x', 'wb')\nwhile True: file.write(bytes(1 << 20))\nprint('ESCAPED')",
    "makes a device": "import os\nos.mknod('/tmp/disk', 0o60600, 0x100)\nprint('ESCAPED')",
    "leaves by chroot": "import os\nos.mkdir('/mnt/x')\nos.chroot('/mnt/x')\nos.chdir('../' * 20)\nprint('ESCAPED', os.listdir('.'))",
    "forks": "import os\nos.fork()\nprint('ESCAPED')",
    "forks for ever": "import os\nwhile True:\n    os.fork()\n    print('ESCAPED')",
    "starts a thread": "import threading\nthreading.Thread(target=print, args=('ESCAPED',)).start()",
    "forks by machine code": (
        "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(bytes.fromhex('b8390000000f05c3'))\n"
        "r = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()\nprint('ESCAPED' if r >= 0 else r)"
    ),
    "forks by the numbers of x32": (
        "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(bytes.fromhex('b8390000400f05c3'))\n"
        "r = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()\nprint('ESCAPED' if r >= 0 else r)"
    ),
    "forks by the calls of 32 bits": (
        "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(bytes.fromhex('b802000000cd80c3'))\n"
        "r = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()\nprint('ESCAPED' if r >= 0 else r)"
    ),
    "ends its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nprint('ESCAPED')",
    "stops its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nprint('ESCAPED')",
    "ends the victim": "import os\nos.kill({victim}, 9)\nprint('ESCAPED')",
    "ends all processes": "import os\nos.kill(-1, 9)\nprint('ESCAPED')",
    "signals by an owner of input": (
        "import fcntl, os, signal\nfcntl.fcntl(1, fcntl.F_SETOWN, {victim})\nfcntl.fcntl(1, 10, signal.SIGKILL)\n"
        "fcntl.fcntl(1, fcntl.F_SETFL, os.O_ASYNC)"
    ),
    "connects to a listener": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\nprint('ESCAPED')",
    "sends a datagram": "import socket\nsocket.socket(2, 2).sendto(b'x', ('127.0.0.1', {port}))\nprint('ESCAPED')",
    "connects to an abstract socket": "import socket\nsocket.socket(1).connect('\\0{socket}')\nprint('ESCAPED')",
    "listens": "import socket\nsocket.create_server(('', 0))\nprint('ESCAPED')",
    "opens a raw socket": "import socket\nsocket.socket(17, 3)\nprint('ESCAPED')",
    "asks the kernel by netlink": "import socket\nsocket.socket(16, 3)\nprint('ESCAPED')",
    "fetches a page": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{port}')\nprint('ESCAPED')",
    "takes all memory": "x = bytearray(1 << 30)\nx[::4096] = b'x' * len(x[::4096])\nprint('ESCAPED')",
    "takes all memory piece by piece": (
        "import os\nx = []\ntry:\n    while True: x.append(bytearray(1 << 24))\nexcept MemoryError:\n"
        "    print('ESCAPED' if len(x) > 40 else 'held')"
    ),
    "maps a terabyte": "import mmap\nmmap.mmap(-1, 1 << 40)\nprint('ESCAPED')",
    "raises its limits": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)\nprint('ESCAPED')"
    ),
    "never ends": "while True: pass",
    "never ends and hears no signal": (
        "import signal\nfor number in range(1, 32):\n    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: pass"
    ),
    "sleeps for ever": "import time\ntime.sleep(10 ** 6)",
    "floods": "while True: print('x' * 10 ** 6)",
    "recurses in C": "x = []\nfor _ in range(10 ** 6): x = [x]\nprint(str(x)[:1])",
    "becomes root": "import os\nos.setuid(0)\nprint('ESCAPED')",
    "sets the clock": "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)\nprint('ESCAPED')",
    "names the host": "import socket\nsocket.sethostname('x')\nprint('ESCAPED')",
    "types on the terminal": "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')\nprint('ESCAPED')",
}
# system calls by their numbers on x86_64, with arguments that would be taken
CALLS = {
    "clone": (56, 17, 0, 0, 0, 0), "vfork": (58,), "clone3": (435, 0, 0), "ptrace the victim": (101, 16, "{victim}", 0, 0),
    "process_vm_readv": (310, "{victim}", 0, 0, 0, 0, 0), "pidfd_open": (434, "{victim}", 0),
    "tgkill": (234, "{victim}", "{victim}", 9), "rt_sigqueueinfo": (129, "{victim}", 9, 0), "unshare": (272, 0x10000000),
    "setns": (308, 0, 0), "mount": (165, 0, b"/", 0, 0x1000, 0), "umount": (166, b"/", 2), "pivot_root": (155, b"/", b"/"),
    "chroot": (161, b"/"), "open_by_handle_at": (304, -100, 0, 0), "io_uring_setup": (425, 8, b"\0" * 120), "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0), "userfaultfd": (323, 0), "keyctl": (250, 0, -3, 1),
    "add_key": (248, b"user", b"x", b"x", 1, -3), "memfd_create": (319, b"x", 0), "execveat": (322, -100, b"", 0, 0, 0),
    "prctl": (157, 4, 1, 0, 0), "seccomp": (317, 2, 0, 0), "capset": (126, 0, 0), "setresuid": (117, 0, 0, 0),
    "reboot": (169, 0, 0, 0, 0), "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, 0, 0, 0), "swapon": (167, b"x", 0),
    "settimeofday": (164, 0, 0), "syslog": (103, 10, 0, 0), "socketpair": (53, 1, 1, 0, b"\0" * 8), "shmget": (29, 0, 4096, 0o1600),
    "msgget": (68, 0, 0o1600), "mq_open": (240, b"x", 66, 0o600, 0), "inotify_init": (253,), "fanotify_init": (300, 0, 0),
    "landlock_restrict_self": (446, 0, 0), "prlimit64": (302, 0, 9, 0, b"\0" * 16), "sched_setscheduler": (144, 0, 0, b"\0" * 8),
    "personality": (135, 0x0008), "iopl": (172, 3), "modify_ldt": (154, 0, 0, 0),
}  # fmt: skip


class Attempt(NamedTuple):
    name: str
    code: str


class Outside(NamedTuple):
    """What there is to be reached."""

    secret: Path
    folder: Path
    victim: subprocess.Popen
    port: int
    socket: str
    heard: list[str]


def attempts(outside: Outside) -> list[Attempt]:
    """Every program, filled with what is outside."""
    names = {"secret": outside.secret, "folder": outside.folder, "victim": outside.victim.pid, "port": outside.port}
    names |= {"socket": outside.socket}
    command = f"touch {outside.folder}/new; echo ESC''APED; kill -9 {outside.victim.pid}"
    made = [Attempt(f"a command by {name}", f"{code}\nsystem({command!r})") for name, code in ROUTES.items()]
    made += [Attempt(name, code.format(**names)) for name, code in PROGRAMS.items()]
    for name, call in CALLS.items():
        filled = ", ".join(word.format(**names) if isinstance(word, str) else repr(word) for word in call)
        code = f"import ctypes\nprint('ESCAPED' if ctypes.CDLL(None).syscall({filled}) != -1 else 'refused')"
        made.append(Attempt(f"the system call {name}", code))
    return made


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """A secret in a file, in the environment and behind a descriptor that may be inherited; a process, and listeners."""
    inner = folder / "outside"
    inner.mkdir()
    (secret := folder / "secret").write_text(SECRET)
    heard: list[str] = []
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={"SECRET": SECRET})
    handle = os.open(secret, os.O_RDONLY)
    os.set_inheritable(handle, True)
    abstract = f"groundwork-{os.urandom(6).hex()}"
    listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
    listeners[1].bind(f"\0{abstract}")
    listeners[1].listen()
    for listener in listeners:
        threading.Thread(target=_hear, args=(listener, heard), daemon=True).start()
    try:
        with patch.dict(os.environ, CANARY=SECRET):
            yield Outside(secret, inner, victim, listeners[0].getsockname()[1], abstract, heard)
    finally:
        os.close(handle)
        for listener in listeners:
            listener.close()
        victim.kill()
        victim.wait()


def _hear(listener: socket.socket, heard: list[str]) -> None:
    with suppress(OSError):
        while True:
            listener.accept()[0].close()
            heard.append("a connection")


def escaped(attempt: Attempt, there: Outside) -> str:
    """What the program reached; "": nothing."""
    began = time.monotonic()
    made = sandbox.run(attempt.code, SECONDS)
    reached = {
        "it outlived its time": time.monotonic() - began > SECONDS + SLACK_S,
        "it says so": "ESCAPED" in made.printed,
        "it read the secret": SECRET in made.printed,
        "the folder outside has changed": any(there.folder.iterdir()),
        "the victim has ended": there.victim.poll() is not None,
        "a listener heard it": bool(there.heard),
        "the sandbox was not there": made.code == 77,
    }
    return ", ".join(what for what, happened in reached.items() if happened)
