"""A study on a Ray cluster of two nodes, one of which is killed in the middle: the table of an undisturbed run."""

import shutil
import sys

import pytest

from core.errors import WorkbenchError
from core.labs.experiments.driver import run
from core.progress import drain
from core.workbench import Workbench
from tests.support.toy_study import table, toy_home, toy_study

STUDY = toy_study(k1=(0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6))


@pytest.fixture
def bench(tmp_path):
    return toy_home(tmp_path / "home")


@pytest.mark.slow
def test_a_node_that_is_killed_in_the_middle_costs_no_trial(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="ray is not installed")
    shutil.copytree(bench.home, tmp_path / "undisturbed")
    undisturbed = Workbench(tmp_path / "undisturbed")
    drain(run(undisturbed, STUDY, workers=1))
    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        second, told = cluster.add_node(**node), []
        for step in run(Workbench(bench.home), STUDY, engine="ray", address=cluster.address):
            told.append(step.message)
            if step.done >= 4 and second:
                cluster.remove_node(second, allow_graceful=False)
                second = None
        assert second is None and step.done == len(table(undisturbed))
    finally:
        cluster.shutdown()
    bench = Workbench(bench.home)
    assert table(bench) == table(undisturbed) and not table(bench, "failed")
    engines = [bench.show(row["id"])["engine"] for row in bench.trials()]
    assert all(engine == {"name": "ray", "workers": 2} for engine in engines)


def test_without_ray_it_says_what_to_install(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WorkbenchError, match="Ray is not installed") as error:
        drain(run(bench, STUDY, engine="ray"))
    assert "pip install ray==" in error.value.todo and not table(bench)
