"""What attacks are made of: cases in processes of their own, and verbs that are killed or find the disk full.

A family's process imports the command line once and forks for each case. Forking is right here and nowhere else: the
process that forks has opened no database and started no thread.
"""

import ctypes
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import psutil

WRITE, SYNC, OPEN, MAKE, NAME, SIZE = 1, 2, 4, 8, 16, 32  # kinds of file operations, as in inject.c
ALL = 63
MEMORY_BYTES = 3 << 30  # of a case with all its children
LOOK_S = 0.2
SAID_BYTES = 4096
UNCHECKED = 3  # exit code of a verb that could not check something, as core/cli/frame.py has it


class Case(NamedTuple):
    """One try. check: returns where the workbench held, raises where it did not (the message is the line shown)."""

    name: str
    check: Callable[[], Any]
    limit_s: float = 60.0
    of: int | None = 0  # cases of this class; 0: as many as the attack yields, None: without end


class Outcome(NamedTuple):
    attack: str  # family/attack
    case: str
    seconds: float
    failure: str = ""  # "": held
    of: int | None = 0  # on the last line of an attack, which has no case: how many it could have tried; 0: nobody has looked


class Attack(NamedTuple):
    family: str
    name: str
    what: str  # for the table
    cases: Callable[["Lab"], Iterator[Case]]


@dataclass(frozen=True)
class Lab:
    """What an attack is given. `folder`: on a fast disk, its own."""

    folder: Path
    seed: int = 0

    def rng(self, *name: object) -> random.Random:
        """Random numbers that depend on the seed and a case's name alone, so that a case repeats by itself."""
        return random.Random("/".join(map(str, (self.seed, *name))))

    def sample(self, many: Sequence, *name: object) -> list:
        """All of them in an order of the seed: as many as the time allows are tried."""
        return self.rng(*name).sample(many, len(many))

    def swept(
        self,
        name: str,
        doors: Mapping[Any, Sequence],
        check: Callable[[Any, Any, random.Random], Any],
        limit_s: float = 60.0,
        again: bool = True,
    ) -> Iterator[Case]:
        """A case of each door with each of its inputs, door by door in turn, in an order of the seed; once all were tried, the same
        with other random numbers. again: those numbers matter."""
        drawn = [[(door, one) for one in self.sample(doors[door], name, door)] for door in self.sample(list(doors), name)]
        turns = [pair for turn in zip_longest(*drawn) for pair in turn if pair is not None]
        for number in range(1, 100_000 if again else len(turns) + 1):
            door, one = turns[(number - 1) % len(turns)]
            rng = self.rng(name, number)
            yield Case(str(number), lambda door=door, one=one, rng=rng: check(door, one, rng), limit_s, len(turns))


ATTACKS: dict[str, Attack] = {}


def attack(family: str, what: str) -> Callable:
    """Registers an attack of a family: a function of a Lab that yields its cases."""

    def register(cases: Callable[[Lab], Iterator[Case]]) -> Callable:
        name = f"{family}/{cases.__name__}"
        ATTACKS[name] = Attack(family, cases.__name__, what, cases)
        return cases

    return register


def tried(lab: Lab, attacks: Sequence[Attack], seconds: float, most: int | None = None) -> Iterator[Outcome]:
    """Tries cases of each attack in turn, in an order of the seed, for an equal share of the time, at least one."""
    end = time.monotonic() + seconds
    for place, one in enumerate(lab.sample(attacks, "attacks")):
        until = time.monotonic() + (end - time.monotonic()) / (len(attacks) - place)
        started = time.monotonic()
        try:
            cases, tries, of = one.cases(lab), 0, 0
            for case in islice(cases, most):
                yield Outcome(f"{one.family}/{one.name}", case.name, *_timed(lab, case))
                tries, of = tries + 1, case.of
                if time.monotonic() > until:
                    break
            yield Outcome(
                f"{one.family}/{one.name}", "", 0.0, "", tries + sum(1 for _ in islice(cases, 100_000)) if of == 0 else of
            )
        except Exception as error:  # the undisturbed run itself, which the others are held against
            yield Outcome(f"{one.family}/{one.name}", "preparation", time.monotonic() - started, _said(error))


def alone(lab: Lab, name: str) -> Iterator[Outcome]:
    """The case named family/attack/case."""
    family, attack, wanted = name.split("/", 2)
    one = ATTACKS[f"{family}/{attack}"]
    for case in one.cases(lab):
        if case.name == wanted:
            yield Outcome(f"{family}/{attack}", case.name, *_timed(lab, case))


def _timed(lab: Lab, case: Case) -> tuple[float, str]:
    started = time.monotonic()
    failure = isolated(case.check, case.limit_s, lab.folder)
    return time.monotonic() - started, failure


def isolated(check: Callable[[], Any], limit_s: float, folder: Path) -> str:
    """Runs a check in a process of its own, in a folder that is gone afterwards; "" where it held, else what went wrong."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as own:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            os.setsid()
            os.chdir(own)
            try:
                check()
                said = ""
            except BaseException as error:
                said = _said(error)
            os.write(write, said.encode("utf-8", "replace")[:SAID_BYTES])
            os._exit(0)
        os.close(write)
        try:
            return _outcome(child, read, limit_s)
        finally:
            os.close(read)
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what it started, too, also where nobody is its parent any more
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def _said(error: BaseException) -> str:
    """One line: what an assertion says, or where something else was raised."""
    text = " ".join(str(error).split())
    if isinstance(error, AssertionError) and text:
        return text[:400]
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {text}"[:400]


def _outcome(child: int, read: int, limit_s: float) -> str:
    """ "" where the child said nothing and ended by itself. Its pipe may be held open by what it started."""
    end = time.monotonic() + limit_s
    look = time.monotonic() + LOOK_S
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            return f"did not end within {limit_s:.0f} s"
        if time.monotonic() > look:
            if (taken := sum(map(_memory, _group(child)))) > MEMORY_BYTES:
                return f"took {taken / 1e9:.1f} GB of memory"
            look = time.monotonic() + LOOK_S
        time.sleep(0.003)
    if os.WIFSIGNALED(ended[1]):
        return f"the process itself was ended by {signal.Signals(os.WTERMSIG(ended[1])).name}"
    os.set_blocking(read, False)
    with suppress(BlockingIOError):
        return os.read(read, SAID_BYTES).decode("utf-8", "replace")
    return ""


def _group(leader: int) -> list[psutil.Process]:
    """The child and what it started."""
    try:
        process = psutil.Process(leader)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _memory(process: psutil.Process) -> int:
    """Its own alone: what a fork still has in common with a test runner of gigabytes is nobody's excess."""
    try:
        return process.memory_full_info().uss
    except psutil.Error:
        return 0


# Verbs under attack -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """Strikes at the n-th file operation of these kinds. error: its errno; 0 kills. n = 0 only counts."""

    at: int = 0
    kinds: int = ALL
    error: int = 0
    for_good: bool = False  # every later one fails too, as on a full disk
    half: bool = False  # half of a write is done before


@dataclass(frozen=True)
class Ran:
    code: int  # exit status, or minus the signal
    out: str
    err: str
    operations: int = 0  # file operations counted, or 0 where it was killed
    struck: str = ""  # the operation that failed, "" where none did
    seconds: float = field(default=0.0, compare=False)

    def said(self) -> str:
        return " ".join((self.err or self.out).split())[-200:]

    def calm(self) -> "Ran":
        """Ended well, with a message for people, or with word of what could not be checked."""
        assert "Traceback (most" not in self.err, f"a traceback: {self.err.strip().splitlines()[-1][:250]}"
        assert self.code in (0, 1, UNCHECKED), f"ended with {self.code}: {self.said()}"
        return self

    def well(self) -> "Ran":
        assert self.calm().code == 0, f"failed: {self.said()}"
        return self


def can_inject() -> bool:
    return hasattr(ctypes.CDLL(None), "fault_arm")


def need_injector() -> None:
    assert can_inject(), "kills and failing disks need Linux and a C compiler (Debian: gcc)"


def _injector() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.fault_told.restype = ctypes.c_char_p
    library.fault_count.restype = ctypes.c_long
    return library


def forked(work: Callable[[], int], home: Path, fault: Fault | None = None, limit_s: float = 60.0, **environment: str) -> Ran:
    """Runs `work` in a child on that home, with what it prints kept; its file operations below the home are counted."""
    place = Path(tempfile.mkdtemp(dir=home.parent))
    started = time.monotonic()
    child = os.fork()
    if not child:
        code = 9
        try:
            os.environ.update({"GROUNDWORK_HOME": str(home), **environment})
            for name, handle in (("out", 1), ("err", 2)):
                file = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, handle)
            words = {"encoding": "utf-8", "closefd": False}
            sys.stdout, sys.stderr = os.fdopen(1, "w", **words), os.fdopen(2, "w", errors="backslashreplace", **words)
            if fault:
                _injector().fault_arm(
                    str(home).encode(), ctypes.c_long(fault.at), fault.kinds, fault.error, fault.for_good, fault.half
                )
            try:
                code = work()
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 2
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            if fault:
                told = {"operations": _injector().fault_count(), "struck": _injector().fault_told().decode()}
                (place / "told").write_text(json.dumps(told))
        finally:
            os._exit(code or 0)
    end = started + limit_s
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"the verb did not end within {limit_s:.0f} s")
        time.sleep(0.003)
    texts = [(place / name).read_text("utf-8", "replace") if (place / name).exists() else "" for name in ("out", "err")]
    told = json.loads((place / "told").read_text()) if (place / "told").exists() else {}
    return Ran(os.waitstatus_to_exitcode(found[1]), *texts, **told, seconds=time.monotonic() - started)


def verb(home: Path, *arguments: str | Path, fault: Fault | None = None, limit_s: float = 60.0, **environment: str) -> Ran:
    """One command of `python -m core` on that home."""

    def work() -> int:
        from core.__main__ import main

        return main([str(argument) for argument in arguments])

    return forked(work, home, fault, limit_s, **environment)


def told(home: Path, *arguments: str | Path, **options: Any) -> Any:
    """What a command says as JSON; it has to end well."""
    return json.loads(verb(home, *arguments, "--json", **options).well().out)


def asked(home: Path, question: Callable[[Path], Any]) -> Any:
    """What a function of the home returns, in a process of its own: JSON."""

    def work() -> int:
        print(json.dumps(question(home), default=str))
        return 0

    return json.loads(forked(work, home).well().out)
