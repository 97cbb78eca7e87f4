"""What all verbs share: how one is said, parsed, started, watched and told.

A verb is a function with `@verb("subject its-name")`: its signature is what it takes, the first line of its docstring what it
does. Most stand by the key that jobs and papers keep for them; `core.jobs.verbs` has the name that goes with it.
A first parameter `workbench` is given, not parsed. A long verb is a generator: frozen `Progress` goes to standard error,
text to standard output. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done, and something could not be checked (1 with
--strict), 130 cancelled by Ctrl-C. With --json, standard output holds one JSON document and nothing else.
"""

import inspect
import json
import math
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import App, CycloptsError, Group, Parameter

from core import files
from core.cli.tables import show_value
from core.cli.terminal import inert_output, tell, tell_step
from core.errors import WorkbenchError, missing_package
from core.jobs.verbs import as_typed
from core.progress import PhaseClock, Running, pace
from core.records import Progress

UNCHECKED, CANCELLED = 3, 130  # exit codes; the second as shells have it
MOST_NOTICES = 5
USUAL = Parameter(negative=(), allow_repeating=True)  # --again has no --no-again; the last counts
OUTPUT = (
    inspect.Parameter(
        "json",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, Parameter(help="One JSON document on standard output, nothing else.")],
    ),
    # set by a page that started the verb as a job
    inspect.Parameter("job", inspect.Parameter.KEYWORD_ONLY, default="", annotation=Annotated[str, Parameter(show=False)]),
)
# of verbs that check
STRICT = inspect.Parameter(
    "strict",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, Parameter(help=f"What could not be checked is a failure: exit code 1 in place of {UNCHECKED}.")],
)

app = App(name="python -m core", help="Groundwork on the command line.", version_flags=(), default_parameter=USUAL)


MOST_USED, SUBJECTS = Group("Most used", sort_key=0), Group("Subjects, each with its verbs", sort_key=1)


class Verb(NamedTuple):
    name: str  # as it is typed: "index sweep"
    key: str  # as records keep it: "index-sweep"
    function: Callable[..., Any]
    show: Callable[[Any], None]  # for people
    healthy: Callable[[Any], bool]  # else the exit code is 1
    unchecked: Callable[[Any], bool] | None  # of one that checks: whether something could not be, and the exit code is UNCHECKED
    takes_workbench: bool
    job_keeps: Callable[[Any], Any] | None  # of the result, as `core.jobs.jobs.drive` takes it


class Call(NamedTuple):
    """A verb with what was given."""

    verb: Verb
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    json: bool
    job: str
    strict: bool

    def work(self, workbench: Any) -> Any:
        """What the verb returns; of a long one its generator."""
        return self.verb.function(*[workbench] * self.verb.takes_workbench, *self.arguments, **self.options)


VERBS: dict[Callable[..., Any], Verb] = {}
HELP = {"-h", "--help"}
ALONE: dict[str, str] = {}  # options that may stand without their value, and the value then


def subject(name: str, about: str) -> None:
    """Says what the verbs of a subject are about; the file that names them does."""
    _verbs(name).help = about


def _verbs(name: str) -> App:
    """Those of a subject, to which several files may add."""
    if name not in app:
        app.command(App(name=name, group=SUBJECTS))
    return app[name]


def verb(
    key: str,
    show: Callable[[Any], None] = show_value,
    healthy: Callable[[Any], bool] = lambda result: True,
    unchecked: Callable[[Any], bool] | None = None,
    job_keeps: Callable[[Any], Any] | None = None,
    alone: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function a verb of the command line. key: its name, or the word that records keep for it."""

    def said(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(function).parameters.values())
        takes_workbench = bool(parameters) and parameters[0].name == "workbench"
        function.__signature__ = inspect.Signature([*parameters[takes_workbench:], *([STRICT] if unchecked else []), *OUTPUT])
        name = " ".join(as_typed(key.split()))
        of, _, action = name.rpartition(" ")
        (_verbs(of) if of else app).command(function, name=action, **({} if of else {"group": MOST_USED}))
        ALONE.update(alone or {})
        VERBS[function] = Verb(name, key, function, show, healthy, unchecked, takes_workbench, job_keeps)
        return function

    return said


def parse(arguments: Sequence[str]) -> Call | int:
    """What was asked for, or the exit code where that was help, or nothing that there is."""
    try:
        words = _with_values(_typed(arguments))
        function, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        _refuse_uncountable(bound.arguments)
    except CycloptsError as error:
        tell(f"Failed: {error}\n  to do: `python -m core --help`, or `python -m core SUBJECT --help`")
        return 2
    if function not in VERBS:  # it prints the help
        wanted = HELP & {*arguments}
        function(*bound.args, **bound.kwargs | ({} if wanted else {"console": app.error_console}))
        return 0 if wanted else 2
    said, options = VERBS[function], dict(bound.kwargs)
    strict = bool(said.unchecked and options.pop("strict", False))
    return Call(said, bound.args, options, options.pop("json", False), options.pop("job", ""), strict)


def _refuse_uncountable(values: Mapping[str, Any]) -> None:
    """A bound from below lets infinity through, and numbers that no verb can count or record."""
    for name, value in values.items():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int | float) and not abs(each) < (math.inf if isinstance(each, float) else 2**63):
                raise CycloptsError(msg=f"--{name.replace('_', '-')} takes finite numbers of 64 bits, not {each}.")


def _typed(arguments: Sequence[str]) -> Sequence[str]:
    """By the names of today; a subject that asks for help is no verb of that name."""
    return arguments if arguments[:1] and arguments[0] in app and HELP & {*arguments[1:2]} else as_typed(arguments)


def _with_values(arguments: Sequence[str]) -> list[str]:
    """`--growth` alone as `--growth=0`."""
    pairs = zip_longest(arguments, arguments[1:], fillvalue="-")
    return [f"{word}={ALONE[word]}" if word in ALONE and after.startswith("-") else word for word, after in pairs]


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out what the command line says; the exit code."""
    _open_streams()
    try:
        try:
            return _main(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()  # a reader that went away is noticed here, not at the interpreter's end
    except OSError as error:  # of a stream: `_main` words all others
        for stream in (sys.stdout, sys.stderr):
            _discard(stream, error)
        return 0 if isinstance(error, BrokenPipeError) else 1  # the reader went away, as `| head` does


def _main(arguments: Sequence[str]) -> int:
    call = parse(arguments)
    if isinstance(call, int):
        return call
    try:
        with inert_output():
            return _carry_out(call)
    except (WorkbenchError, ImportError) as error:
        _say_failure(missing_package(error) if isinstance(error, ImportError) else error, call.json)
        return 1
    except KeyboardInterrupt:
        if call.json:
            _say_failure(WorkbenchError("Cancelled; what was finished is kept."), as_json=True)
        else:
            tell("\nCancelled; what was finished is kept.")
        return CANCELLED


def _say_failure(error: WorkbenchError, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": {"what": error.what, "where": error.where, "todo": error.todo}}))  # in ASCII
    else:
        lines = [f"Failed: {error.what}", error.where and f"  where: {error.where}", error.todo and f"  to do: {error.todo}"]
        tell("\n".join(filter(None, lines)))


def _open_streams() -> None:
    """Standard streams that were closed lead nowhere; else the next file opened would get their number, and our words."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, as long as the process lives


def _discard(stream: Any, error: OSError) -> None:
    """Says on standard error why the output is cut off. What is still in a buffer would fail again at the interpreter's
    end."""
    try:
        if stream is sys.stderr and not isinstance(error, BrokenPipeError):
            print(f"Failed: the output could not be written: {error.strerror}.", file=stream)
        stream.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _carry_out(call: Call) -> int:
    """Runs the verb and prints what it returns."""
    if not (call.verb.takes_workbench or call.job):
        return _show(call, _finish(call, None))
    from core.workbench import Workbench

    with _worded():
        workbench = Workbench()
    try:
        if call.job:
            _drive(call, workbench)
            return 0
        result = _finish(call, workbench)
    finally:
        _tell([*workbench.store.told(), *files.notices])
    return _show(call, result)


def _show(call: Call, result: Any) -> int:
    if call.json:
        print(json.dumps(result, ensure_ascii=False, default=str))
    else:
        call.verb.show(result)
    if not call.verb.healthy(result):
        return 1
    left = call.verb.unchecked is not None and call.verb.unchecked(result)
    return (1 if call.strict else UNCHECKED) if left else 0


@contextmanager
def _worded() -> Iterator[None]:
    """What the system refuses to the work, as an error for people; what it refuses to the output is another matter."""
    try:
        yield
    except OSError as error:
        if files.errno_of(error) in files.FULL:
            raise files.disk_error(error, "A file", Path(error.filename or files.home())) from error
        raise WorkbenchError(f"{error.strerror or error}.", where=str(error.filename or "")) from error


def _tell(notices: list[str]) -> None:
    """What the store has repaired or left out, beside whatever the verb says."""
    for notice in notices[:MOST_NOTICES]:
        tell(f"Note: {notice}")
    if more := notices[MOST_NOTICES:]:
        tell(f"Note: {len(more):,} more; `python -m core store verify` names them.")


def _steps(call: Call, workbench: Any) -> Generator[Any, None, Any]:
    """Any verb as a long one; what the system refuses to it is worded."""
    with _worded():
        work = call.work(workbench)
        return (yield from work) if hasattr(work, "send") else work


def _drive(call: Call, workbench: Any) -> None:
    from core.jobs.jobs import drive

    drive(_steps(call, workbench), call.job, workbench.home, call.verb.job_keeps)


def _finish(call: Call, workbench: Any) -> Any:
    """The result of a verb as plain values. Progress goes to standard error, streamed text to standard output."""
    from core.records import plain

    last, clock = 0.0, PhaseClock()
    for step in (running := Running(_steps(call, workbench))):
        if isinstance(step, Progress):
            clock.hear(step, now := time.monotonic())
            if sys.stderr.isatty() and now - last > 0.1:
                last, count = now, pace(step.done, step.total, clock.first, now - clock.began, now - clock.counted)
                tell_step(f"{step.message} {count}")
        elif not call.json:
            print(step, end="", flush=True)
    return plain(running.result)
