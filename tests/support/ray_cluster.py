"""Ray's clusters within the process of the tests."""

import secrets
from types import ModuleType

import pytest


def opened(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`ray.cluster_utils` under a token of its own: Ray's library keeps the first that a process had, which the next cluster refuses."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="python -m pip install -r requirements-ray.txt")
    from ray._private.authentication_test_utils import reset_auth_token_state

    reset_auth_token_state()
    return cluster_utils
