"""Two nodes with one data folder: a corpus is embedded and a node killed in the middle; a study whose vectors are in PostgreSQL."""

import shutil
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from core.config import TrialConfig, with_settings
from core.embedding.vectors import embed, missing
from core.errors import WorkbenchError
from core.index.postgres_server import bundled
from core.jobs.ray_crew import NODE, RayCrew
from core.labs.experiments.driver import run
from core.pipeline import cluster
from core.progress import drain
from core.records import Progress
from core.workbench import Workbench
from tests.support.ray_cluster import opened
from tests.support.toy_study import table, toy_home, toy_study

RECIPE = with_settings(TrialConfig(), {"corpus.dataset": "towns", "chunking": {"part": "fixed", "size_tokens": 16}})
BY_POSTGRES = {
    "corpus": {"dataset": "towns"},
    "chunking": {"part": "fixed", "size_tokens": 32},
    "embedding": {"part": "lsa", "dimensions": 8},
    "fusion": "dense_only",
    "index": "postgres_pgvector",
}


@pytest.mark.slow
def test_texts_are_embedded_by_two_nodes_one_of_which_is_killed_and_postgres_holds_a_studys_vectors(
    tmp_path, monkeypatch, postgres
):
    cluster_utils = opened(monkeypatch)
    monkeypatch.setattr(cluster, "SHARE", 4)
    bench = toy_home(tmp_path / "home")
    shutil.copytree(bench.home, tmp_path / "alone")
    alone = Workbench(tmp_path / "alone")
    study = toy_study(base=BY_POSTGRES, factors=[{"setting": "index.ef_search", "values": [10, 20, 40, 80]}])
    drain(run(alone, study, workers=1))
    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    nodes = cluster_utils.Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        second, told = nodes.add_node(**node), []
        for step in cluster.embed_on_cluster(bench.pipeline, RECIPE, address=nodes.address):
            told.append(step)
            if step.done >= 8 and second:
                nodes.remove_node(second, allow_graceful=False)
                second = None
        nodes.add_node(**node)
        drain(run(bench, study, engine="ray", address=nodes.address))
    finally:
        nodes.shutdown()
    assert second is None and told[-1].done == told[-1].total > 20 and any("worker was lost" in step.message for step in told)
    texts = drain(bench.pipeline.texts(drain(bench.pipeline.resolve(RECIPE))))
    folder, others = bench.pipeline.vectors_folder, alone.pipeline.vectors_folder
    assert not missing(RECIPE.embedding, texts, folder) and missing(RECIPE.embedding, texts, others)
    there, by_one = (drain(embed(RECIPE.embedding, texts, place)) for place in (folder, others))
    assert (np.einsum("ij,ij->i", there, by_one) > 0.999).all()  # batches of other lengths round otherwise
    assert not table(bench, "failed") and table(bench) == table(alone) and len(table(bench)) >= 4


class Broken:
    """Stands for Ray: the worker of one task dies each time, that of another once, a third raises."""

    class exceptions:
        RayError = type("RayError", (Exception,), {})
        RayTaskError = type("RayTaskError", (RayError,), {"cause": WorkbenchError("no disk")})

    def __init__(self):
        self.tries = Counter()

    def wait(self, references, timeout):
        return references, []

    def available_resources(self):
        return {"CPU": 2}

    def get(self, number):
        self.tries[number] += 1
        if number == 1 or number == 2 and self.tries[2] == 1:
            raise self.exceptions.RayError("the node died")
        if number == 3:
            raise self.exceptions.RayTaskError("it raised")
        return number


def test_what_a_lost_worker_was_at_is_tried_once_more_and_what_raises_is_told_at_once():
    crew, ray = RayCrew.__new__(RayCrew), Broken()
    do = SimpleNamespace(remote=lambda hand, method, task: task.number)
    crew._ray, crew.size, crew._hand, crew._method, crew._lost = ray, 2, None, "", set()
    crew._make = lambda: SimpleNamespace(do=do)
    crew._actors, crew._tasks, crew._under_way, crew._waiting = {0: crew._make(), 1: crew._make()}, {}, {}, []
    tasks, heard = [cluster.TextShare(number, RECIPE.embedding, [], "") for number in range(4)], []
    while tasks or crew._under_way or crew._waiting:
        for worker in crew.free()[: len(tasks)]:
            crew.give(worker, tasks.pop(0))
        heard += crew.heard(0)
    assert ray.tries == {0: 1, 1: 2, 2: 2, 3: 1} and sum(isinstance(said, Progress) for said in heard) == 2
    failed = [str(said) for said in heard if isinstance(said, WorkbenchError)]
    assert {0, 2} <= {said for said in heard if isinstance(said, int)} and len(failed) == 2
    assert any("lost twice" in words for words in failed) and any(words.startswith("no disk") for words in failed)


def test_a_node_does_not_start_the_postgres_of_a_folder_that_others_have(tmp_path, monkeypatch):
    monkeypatch.setenv(NODE, "1")
    with pytest.raises(WorkbenchError, match="serves one machine"):
        bundled(tmp_path)


def test_a_machine_that_embeds_otherwise_is_told():
    with pytest.raises(WorkbenchError, match="embeds in another way"):
        cluster._check(cluster.EmbeddedShare(3, "minilm-of-another-commit"), RECIPE.embedding)
