"""A home, and stores that run for one test; PostgreSQL is the one of all tests."""

import pytest

from core.labs.stores.bench import STORES
from core.workbench import Workbench


@pytest.fixture
def home(tmp_path):
    return Workbench(tmp_path / "home")


@pytest.fixture
def run_of(tmp_path, request):
    """Of a store: a context in which it runs, or the test is skipped where its package is not there."""

    def run(name):
        kind, servers = STORES[name], {}
        if kind.family == "postgres":
            request.getfixturevalue("postgres")
            servers = {"postgres": "GROUNDWORK_POSTGRES"}
        if absent := kind.absent(servers):
            pytest.skip(absent.reason)
        return kind, kind.running(tmp_path / name, servers)

    return run
