"""Shared by all tests: no network for models, a data folder of its own, the public data sets, and the marker of a test's kind.

Tests mirror core, app and pages; what a file is beside a unit test, its name's last word says: `pytest -m peers`.
"""

import gc
import os
import shutil
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

# several at once: the threads of each library would wait for each other's, and those of others
if "PYTEST_XDIST_WORKER" in os.environ:
    libraries = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    os.environ.update(dict.fromkeys(libraries, "1"))

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no test is timed
settings.load_profile("any machine")
os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[1]
KINDS = ("property", "peers", "fault", "browser")
DATASETS = Path(os.environ.get("GROUNDWORK_DATASETS") or ROOT.parent / "shared" / "datasets")
LONGEST = (
    "app/test_main_flow_browser.py",
    "app/test_tour_browser.py",
    "pages/test_tune_index_stores_browser.py",
    "annotation/test_label_studio_peers.py",
    "pages/test_train_adapter_browser.py",
    "labs/papers/test_bundle.py",
    "app/test_appearance_browser.py",
    "store/test_store_fault.py",
    "pages/test_run_study.py",
    "scratch/test_indexes_peers.py",
    "labs/papers/test_every_source.py",
    "pages/test_design_study.py",
    "statistics/test_coverage_property.py",
    "test_workbench.py",
    "cli/test_hostile_files_fault.py",
    "pages/test_search_live.py",
    "generation/test_refusing.py",
    "training/test_answerer.py",
    "test_names.py",
    "labs/trials/test_question_matrix.py",
    "embedding/test_minilm_property.py",
    "serving/test_rerun.py",
    "evaluation/test_depth.py",
    "serving/test_watching.py",
    "serving/test_planning.py",
    "serving/test_frontier.py",
    "corpus/test_gold_property.py",
    "agents/test_mcp_servers.py",
    "index/test_qdrant_server.py",
    "labs/papers/test_hostile.py",
    "labs/encoders/test_comparison.py",
    "labs/experiments/test_estimate.py",
)
pytest_plugins = ["tests.support.browser", "tests.support.postgres", "tests.support.qdrant", "tests.support.sources"]


def pytest_itemcollected(item):
    kind = item.path.stem.rpartition("_")[2]
    if kind in KINDS:
        item.add_marker(kind)


def pytest_collection(session):
    """Workers read the files from different places on: what one has compiled for pytest the others find, instead of each all of it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker and [Path(place) for place in session.config.args] == [ROOT / "tests"]:
        files = sorted(map(str, (ROOT / "tests").rglob("test_*.py")))
        first = int(worker) * len(files) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        session.config.args = files[first:] + files[:first]


def pytest_collection_modifyitems(items):
    """Workers take a file each in this order (with --no-loadscope-reorder): the longest first, so that none is left alone at the end."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        longest = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
        sizes = Counter(item.path for item in items)
        items.sort(key=lambda item: (longest.get(item.path, len(longest)), -sizes[item.path], item.path))


def pytest_runtest_setup(item):
    """Slow tests begin until GROUNDWORK_TESTS_UNTIL (seconds since 1970), of a run that may only take so long; the summary counts them."""
    if item.get_closest_marker("slow") and time.time() > float(os.environ.get("GROUNDWORK_TESTS_UNTIL", "inf")):
        pytest.skip("no time is left for it in this run")


def pytest_collection_finish():
    """What pages may be tested with looks through the metadata of all installed packages at each new page, half a second each:
    once a process is enough. And whoever looks for garbage need not look through all tests and libraries: those stay."""
    if "streamlit.testing.v1" in sys.modules:
        from streamlit.components.v2 import manifest_scanner

        manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
    gc.freeze()


def pytest_unconfigure():
    gc.unfreeze()  # else libraries tell at the end what of theirs is still there


MAIN = sys.modules["__main__"]  # before any page ran: a module's fixture may run one before its first test


@pytest.fixture(scope="session", autouse=True)
def _models_of_this_run(tmp_path_factory):
    """A model is converted once a run, not once a data folder, of which each test has its own. `own_models` is for the others."""
    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place
    os.environ["GROUNDWORK_MODELS"] = str(place / "models")


@pytest.fixture
def own_models(monkeypatch):
    """Models that this test converts itself."""
    monkeypatch.delenv("GROUNDWORK_MODELS")


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    """No test touches the user's data folder, nor leaves a page as `__main__`: a process spawned later would run it."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "data"))
    monkeypatch.setitem(sys.modules, "__main__", MAIN)


@pytest.fixture
def workbench(tmp_path):
    """On a data folder of its own."""
    from core.workbench import Workbench

    return Workbench(tmp_path / "data")


@pytest.fixture
def reader(monkeypatch):
    """The bundled model, played: it answers at once."""
    from tests.support.failing import read

    return read(monkeypatch)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """The data folder that `bench` begins with, where the file makes none of its own: an empty one."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture
def bench(template, tmp_path, monkeypatch):
    """A copy of the `template`, in use by the pages."""
    from app import session
    from core.workbench import Workbench

    shutil.copytree(template, tmp_path / "home")
    bench = Workbench(tmp_path / "home")
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


@pytest.fixture(scope="session")
def datasets_root() -> Path:
    if not DATASETS.is_dir():
        pytest.skip("no public data sets on this machine: set GROUNDWORK_DATASETS")
    return DATASETS
