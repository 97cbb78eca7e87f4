"""Odd surroundings of a command: no HOME, paths with ~, closed or full output, folders that may only be read, other locales."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.faults import homes
from tests.faults.__main__ import ROOT
from tests.faults.harness import Case, Lab, Ran, asked, attack, told, verb

KEY = "sk-very-secret-0123456789"
LIMIT_S = 60.0


def command(
    home: str | Path,
    *arguments: str | Path,
    without: tuple[str, ...] = (),
    stdout: object = subprocess.PIPE,
    stdin: object = subprocess.DEVNULL,
    shell: str = "",
    cwd: Path | None = None,
    **environment: str,
) -> Ran:
    """The command line in a process started anew, as a person starts it. shell: redirections of a POSIX shell."""
    surroundings = {name: value for name, value in os.environ.items() if name not in without}
    surroundings |= {"GROUNDWORK_HOME": str(home), "PYTHONPATH": str(ROOT), **environment}
    words = [sys.executable, "-m", "core", *map(str, arguments)]
    if shell:
        words = ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *words]
    done = subprocess.run(
        words,
        cwd=cwd or Path.cwd(),
        env=surroundings,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
    )
    return Ran(done.returncode, done.stdout or "", done.stderr)


OUTPUTS = {
    "full": ">/dev/full",
    "closed": ">&-",
    "both-closed": ">&- 2>&-",
    "full-both": ">/dev/full 2>/dev/full",
    "no-input": "<&-",
    "all-closed": "<&- >&- 2>&-",
    "head": "| head -c 5",
}


@attack("environment", "standard output that is full, closed, or goes away")
def output(lab: Lab) -> Iterator[Case]:
    def check(arguments: tuple[str, ...], how: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        ran = command(home, *arguments, shell=OUTPUTS[how])
        assert "Traceback (most" not in ran.err and "Exception ignored" not in ran.err, f"a traceback: {ran.said()}"
        assert ran.code in (0, 1), f"ended with {ran.code}: {ran.said()}"
        homes.verified(home)

    tried = [(verb_, how) for verb_ in ("trials", "datasets", "verify", "run") for how in OUTPUTS]
    for name, how in lab.sample(tried, "output"):
        arguments = (name, *homes.SPARSE) if name == "run" else (name, "--json")
        yield Case(f"{name}-{how}", lambda arguments=arguments, how=how: check(arguments, how), LIMIT_S + 10)


SETTINGS = {
    "cache-nan": {"GROUNDWORK_CACHE_GB": "nan"},
    "cache-inf": {"GROUNDWORK_CACHE_GB": "inf"},
    "cache-minus": {"GROUNDWORK_CACHE_GB": "-1"},
    "cache-text": {"GROUNDWORK_CACHE_GB": "much"},
    "cache-none": {"GROUNDWORK_CACHE_GB": ""},
    "cache-huge": {"GROUNDWORK_CACHE_GB": "1e300"},
    "cache-zero": {"GROUNDWORK_CACHE_GB": "0"},
    "locale-c": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"},
    "locale-odd": {"LC_ALL": "xx_YY.nothing"},
    "encoding-ascii": {"PYTHONIOENCODING": "ascii"},
    "zone-odd": {"TZ": "Nowhere/Land"},
    "zone-far": {"TZ": "UTC+25:61"},
    "no-home": {},
    "datasets-odd": {"GROUNDWORK_DATASETS": "/nowhere\ufffd"},
    "datasets-file": {"GROUNDWORK_DATASETS": "/etc/passwd"},
    "threads-odd": {"OMP_NUM_THREADS": "many"},
    "no-path": {"PATH": ""},
    "columns-odd": {"COLUMNS": "-1", "LINES": "x"},
    "prices-key": {"OPENAI_API_KEY": KEY + "\n"},
    "tmp-missing": {"TMPDIR": "/nowhere/at/all"},
}


@attack("environment", "environment variables that are odd or missing")
def variables(lab: Lab) -> Iterator[Case]:
    def check(name: str) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        before = homes.trials(home)
        without = ("HOME", "USER", "LOGNAME") if name == "no-home" else ()
        for arguments in (("trials",), ("run", *homes.SPARSE)):
            ran = command(home, *arguments, without=without, **SETTINGS[name]).calm()
            assert ran.code == 0 or ("where:" in ran.err), f"no word on what is wrong: {ran.said()}"
        found = homes.trials(home)
        assert {key: found.get(key) for key in before} == before and homes.distinct(found) == homes.distinct(before), (
            "other trials"
        )

    for name in lab.sample(list(SETTINGS), "variables"):
        yield Case(name, lambda name=name: check(name), 2 * LIMIT_S)


@attack("environment", "a data folder given in an odd way, or that is none")
def folders(lab: Lab) -> Iterator[Case]:
    def check(name: str) -> None:
        cwd = Path.cwd()
        (cwd / "user").mkdir()
        (cwd / "file").write_text("a file")
        (cwd / "loop").symlink_to("loop")
        (cwd / "real").mkdir()
        (cwd / "link").symlink_to("real")
        given, expected = {
            "tilde": ("~/work", cwd / "user" / "work"),
            "relative": ("some/where", cwd / "some" / "where"),
            "link": (str(cwd / "link"), cwd / "real"),
            "spaces": (str(cwd / "a b'c\"d"), cwd / "a b'c\"d"),
            "unicode": (str(cwd / "größe 😀"), cwd / "größe 😀"),
            "dots": (str(cwd / "x/../y"), cwd / "y"),
            "file": (str(cwd / "file"), None),
            "loop": (str(cwd / "loop"), None),
            "null-device": ("/dev/null", None),
            "proc": ("/proc/x", None),
            "long": (str(cwd / ("x" * 300)), None),
            "other-user": ("~nobody-at-all/x", None),
            "percent": (str(cwd / "100%{x}"), cwd / "100%{x}"),
        }[name]
        source = cwd / "tea.txt"
        source.write_text("Tea is made from old recipes.")
        ran = command(given, "ingest", "mine", source, HOME=str(cwd / "user")).calm()
        command(given, "trials", HOME=str(cwd / "user")).calm()
        if expected is not None:
            assert ran.code == 0, f"failed: {ran.said()}"
            assert (expected / "corpora" / "mine").is_dir(), f"not in {expected}"
            assert not (cwd / "~").exists(), "a folder named ~ was made"

    for name in (
        "tilde",
        "relative",
        "link",
        "spaces",
        "unicode",
        "dots",
        "file",
        "loop",
        "null-device",
        "proc",
        "long",
        "other-user",
        "percent",
    ):
        yield Case(name, lambda name=name: check(name), 2 * LIMIT_S)


def without_powers() -> None:
    """Gives up what lets a superuser write where nobody may: the capabilities of this process and its forks (capset)."""
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, none) == 0


@attack("environment", "a data folder, or a part of it, that may only be read")
def read_only(lab: Lab) -> Iterator[Case]:
    def check(parts: tuple[str, ...]) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        expected = homes.trials(home)
        closed = (
            [home, *home.rglob("*")]
            if parts == ("",)
            else [one for part in parts for one in (home / part, *(home / part).rglob("*"))]
        )
        for path in closed:
            path.chmod(0o555 if path.is_dir() else 0o444)
        without_powers()
        for arguments in (("trials",), ("run", *homes.SPARSE), ("search", "Which tea?", *homes.DENSE)):
            ran = verb(home, *arguments).calm()
            assert "space" not in ran.err, f"told to free space: {ran.said()}"
            if parts == ("cache",):
                assert ran.code == 0, f"all is cached, and yet: {ran.said()}"
        assert homes.trials(home).keys() >= expected.keys(), "trials are gone"

    assert sys.platform == "linux", "to give up a superuser's powers needs Linux"
    for parts in (("cache",), ("journal",), ("groundwork.duckdb",), ("locks",), ("corpora",), ("jobs",), ("",)):
        yield Case(parts[0] or "all", lambda parts=parts: check(parts), LIMIT_S)


@attack("environment", "keys of services: neither in the home nor in what is printed")
def keys(lab: Lab) -> Iterator[Case]:
    names = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "LABEL_STUDIO_API_KEY", "HF_TOKEN")

    def check(arguments: tuple[str, ...]) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        ran = command(home, *arguments, **dict.fromkeys(names, KEY))
        assert KEY not in ran.out + ran.err, "a key is printed"
        kept = [path.name for path in home.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
        assert not kept, f"a key is kept in {kept[0]}"

    for name, arguments in {
        "run": ("run", *homes.SPARSE),
        "doctor": ("doctor",),
        "settings": ("list", "settings"),
        "push": ("annotate", "push", "toy", "--url", "http://127.0.0.1:9"),
        "ask": (
            "ask",
            "tea?",
            *homes.SPARSE,
            "--set",
            "generation.part=openai_compatible",
            "--set",
            "generation.base_url=http://127.0.0.1:9/v1",
        ),
        "backup": ("backup", "all.zip"),
    }.items():
        yield Case(name, lambda arguments=arguments: check(arguments), LIMIT_S + 10)


@attack("environment", "parsers of other people's files do not inherit the keys")
def parsers(lab: Lab) -> Iterator[Case]:
    def check() -> None:
        def work(home: Path) -> list[str]:
            seen: list[str] = []
            popen = subprocess.Popen.__init__

            def watched(self: subprocess.Popen, *arguments: object, env: dict | None = None, **options: object) -> None:
                seen.extend(name for name in (os.environ if env is None else env) if name.endswith(("API_KEY", "TOKEN")))
                popen(self, *arguments, env=env, **options)

            subprocess.Popen.__init__ = watched
            os.environ.update({"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "HF_TOKEN": KEY})
            from core.progress import drain
            from core.workbench import Workbench

            drain(Workbench(home).library.ingest("mine", [("a.txt", b"Tea.")], None))
            return seen

        home = Path.cwd() / "home"
        home.mkdir()
        assert asked(home, work) == [], "a parser's environment holds keys"

    yield Case("environment", check)


@attack("environment", "the clock: set back, far ahead, at the end of a day")
def clocks(lab: Lab) -> Iterator[Case]:
    def check(offset_s: float) -> None:
        import time

        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        before = homes.trials(home)
        real, real_ns = time.time, time.time_ns
        time.time, time.time_ns = lambda: max(0.0, real() + offset_s), lambda: max(0, real_ns() + int(offset_s * 1e9))
        verb(home, "run", *homes.SPARSE).well()
        time.time, time.time_ns = real, real_ns
        found = told(home, "trials")
        assert len(found) == len(before) + 1, "the trial of another time is not there"
        assert homes.distinct(homes.trials(home)) == homes.distinct(before), "other numbers"
        homes.verified(home)

    for name, offset in {"a day back": -86_400, "ten years back": -3.2e8, "a minute ahead": 60, "at 1970": -1e12}.items():
        yield Case(name, lambda offset=offset: check(offset))
