"""A study on a Ray cluster of two nodes, one of which is killed in the middle: the table of an undisturbed run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import WorkbenchError
from core.labs.experiments.driver import run
from core.progress import drain
from core.workbench import Workbench
from tests.support.ray_cluster import opened
from tests.support.toy_study import table, toy_home, toy_study

STUDY = toy_study(k1=(0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6))


@pytest.fixture
def bench(tmp_path):
    return toy_home(tmp_path / "home")


@pytest.mark.slow
def test_a_node_that_is_killed_in_the_middle_costs_no_trial(bench, tmp_path, monkeypatch):
    cluster_utils = opened(monkeypatch)
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


LISTENING = """
import json, sys, psutil
from core.jobs.ray_crew import RayCrew
crew = RayCrew(sys.argv[1], 1, "", None, "")
own = [psutil.Process(), *psutil.Process().children(recursive=True)]
heard = [c.laddr.ip for p in own for c in p.net_connections("inet") if c.status == "LISTEN"]
mode = crew._ray.get(crew._ray.remote(lambda: __import__("os").environ["RAY_AUTH_MODE"]).remote())
crew.close()
print(json.dumps([heard, mode]))
"""


@pytest.mark.slow
def test_a_cluster_of_its_own_listens_on_this_machine_to_whoever_has_its_token(bench, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed")
    root = Path(__file__).resolve().parents[3]
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", LISTENING, str(bench.home)],
        cwd=root,
        env=env | {"HOME": str(tmp_path), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    heard, mode = json.loads(done.stdout.splitlines()[-1])
    assert heard and {ip.removeprefix("::ffff:") for ip in heard} == {"127.0.0.1"} and mode == "token"
    assert not (tmp_path / ".ray").exists(), "its token is nobody else's"


@pytest.mark.slow
def test_without_ray_it_says_what_to_install(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WorkbenchError, match="Ray is not installed") as error:
        drain(run(bench, STUDY, engine="ray"))
    assert "requirements-ray.txt" in error.value.todo and not table(bench)
