"""The stages as data: no field of a recipe is without a row, a key and an effect; a stage is added in four places."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import registry
from core.config import FIELDS, PART_KINDS, TrialConfig, with_settings
from core.labs.encoders import comparison, trade_off
from core.labs.index import cost
from core.labs.sampling import study
from core.pipeline import stages
from core.pipeline.answers import Asker
from core.pipeline.stages import STAGES, Resolved, Stage, by_field, idle, pooled, rankers, ranking_fields, unused, workers
from core.progress import drain
from core.records import Corpus, Document, Hit, Query
from core.store.batch_tables import BATCH_TABLES
from core.workbench import Workbench
from tests.support.small_corpora import THINGS, WAYS, with_towns

ROOT = Path(__file__).resolve().parents[1]
CORPUS = Corpus("c", (Document("d", "Some words."),), (Query("q", "Which words?"),), (), "mark")
DECIDES = {  # a setting -> the stages that it decides by themselves, where these are not the first of its field
    "embedding.pooling": {"chunks"},  # they are measured in the encoder's tokens
    "transform.rescore": {"dense"},
    "retrieval.candidates": {stage.name for stage in STAGES if stage.name == stage.retriever},
    "index.metric": {"index"},
    "evaluation.overlap": {"relevance"},
    "generation.max_tokens": {"answer"},
}


def first_setting(field: str) -> list[str]:
    """A setting of the field that can be moved; of a part without one none."""
    config = getattr(TrialConfig(), field)
    names = [name for name, value in config if name != "part" and isinstance(value, (bool, int, float))]
    return [f"{field}.{name}" for name in names[:1]]


STATED = {setting.split(".")[0] for setting in DECIDES} - {"transform"}
SETTINGS = [*DECIDES, *(setting for field in by_field() if field not in STATED for setting in first_setting(field))]


def below(names: set[str]) -> set[str]:
    """These stages with all that are made from them."""
    more = names | {stage.name for stage in STAGES if names & set(stage.above)}
    return names if more == names else below(more)


def test_every_field_of_a_recipe_has_a_row_and_every_row_a_field():
    assert set(by_field()) == FIELDS.keys() - {"seed"}
    assert set(PART_KINDS.values()) <= set(registry.kinds())
    assert len({stage.name for stage in STAGES}) == len(STAGES)


def value(setting: str):
    before = getattr(getattr(TrialConfig(), setting.split(".")[0]), setting.split(".")[1])
    other = {"pooling": "cls", "metric": "dot"}.get(setting.split(".")[1])
    return other or (not before if isinstance(before, bool) else before / 2 or 0.5 if isinstance(before, float) else before + 1)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_changes_the_keys_of_its_stage_and_of_those_below(setting):
    def keys(config):
        run = Resolved(config, CORPUS, "stamp", "questions")
        return {stage.name: run.key(stage.name) for stage in STAGES}

    before, after = keys(TrialConfig()), keys(with_settings(TrialConfig(), {setting: value(setting)}))
    decided = DECIDES.get(setting, {by_field()[setting.split(".")[0]].name})
    assert {name for name in before if before[name] != after[name]} == below(decided)


def test_a_fusion_of_one_retriever_does_without_the_stages_of_the_other():
    assert unused(with_settings(TrialConfig(), {"fusion": "sparse_only"})) == {"embedding", "transform", "index"}
    assert unused(with_settings(TrialConfig(), {"fusion": "dense_only"})) == {"sparse"} and not unused(TrialConfig())
    words = with_settings(TrialConfig(), {"fusion": "sparse_only"})
    assert with_settings(words, {"index": "faiss_hnsw"}).index not in workers(words)
    assert {type(worker) for worker in workers(words)} >= {type(words.sparse), type(words.fusion), type(words.chunking)}
    other = Resolved(with_settings(words, {"index": "faiss_hnsw"}), CORPUS, "stamp", "questions")
    assert other.key("pool") == Resolved(words, CORPUS, "stamp", "questions").key("pool") != other.key("dense")


def test_a_key_is_made_once_and_shared_identities_are_not_looked_up_again(monkeypatch):
    run = Resolved(TrialConfig(), CORPUS, "stamp", "questions")
    run.key("pool")
    monkeypatch.setattr("core.pipeline.stages.fingerprint", None)
    assert run.key("dense") and run.of(run.config) is run
    monkeypatch.setattr("core.embedding.minilm.MiniLM.identity", None)
    assert run.of(with_settings(run.config, {"fusion.weight": 0.1})).encoder == run.encoder


def test_the_results_stand_where_the_table_says(tmp_path):
    texts, questions = {"d.md": "Green tea is made from leaves."}, [{"id": "q", "text": "Leaves?", "document": "d.md"}]
    bench = with_towns(tmp_path, texts, questions)
    run = bench.resolve(with_settings(TrialConfig(), {"corpus.dataset": "towns", "index": "faiss_hnsw"}))
    bench.evaluate(run)
    # a corpus stands below its files' stamp, single vectors below their encoder: other corpora have texts in common
    keys = {**{stage.name: run.key(stage.name) for stage in STAGES}, "corpus": run.stamp, "vectors": run.encoder[0]}
    memory = {key.rpartition(":")[2] for _, key in bench.pipeline._memory} | {run.encoder[0]}
    disk = {path.name.partition(".")[0] for path in (tmp_path / "cache").rglob("*")}
    places = {name: "disk" if key in disk else "memory" if key in memory else "" for name, key in keys.items()}
    silent = {stage.name for stage in STAGES if stage.ranks and idle(stage, run.config)}
    silent |= {stage.name for stage in STAGES if stage.retriever not in ("", *pooled(run.config))}
    silent |= {stage.name for stage in STAGES if not stage.cached}
    assert places == {stage.name: "" if stage.name in silent else stage.storage for stage in STAGES}


def test_an_index_and_a_fitted_encoder_that_are_opened_are_used_and_go_last(tmp_path):
    texts = {f"{thing}.txt": f"{thing} {way}" for thing, way in zip(THINGS, WAYS * 3, strict=True)}
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "towns", "embedding.part": "lsa", "index.part": "faiss_hnsw"})
    first = with_towns(tmp_path, texts, [])
    drain(first.pipeline.index(first.resolve(recipe)))
    made = [path for kind in ("index", "encoders") for path in (tmp_path / "cache" / kind).iterdir() if path.is_dir()]
    first.pipeline.cache.save("stage", "older", {"a": np.zeros(9)})
    for path in (*made, tmp_path / "cache" / "stage" / "older" / "meta.json"):
        os.utime(path, (1, 1) if path in made else (2, 2))
    again = Workbench(tmp_path)
    drain(again.pipeline.index(again.resolve(recipe)))
    order = [path for _, _, path in again.pipeline.cache.entries()]
    older = order.index(tmp_path / "cache" / "stage" / "older")
    assert len(made) == 2 and all(order.index(path) > older for path in made)


def test_what_is_kept_in_the_journal_has_a_table_of_records():
    kept = {stage.name: stage.records for stage in STAGES if stage.storage == "journal"}
    assert kept == {stage.name: stage.records for stage in STAGES if stage.records}
    assert {"answer", "scores"} <= kept.keys() and set(kept.values()) <= BATCH_TABLES.keys()


def test_the_key_of_a_recorded_answer_follows_from_the_rows_that_write_it(monkeypatch):
    def keys(config):
        asker = Asker(Resolved(config, CORPUS, "stamp", "questions"))
        return asker.alone("Why?").key, asker.over("Why?", [Hit(1, 1.0, "d", "D", 0, 4, "Some")]).key

    usual, changed = keys(TrialConfig()), {"generation.max_tokens": 9, "context.order": "best_last", "answering": "quotes"}
    others = {setting: keys(with_settings(TrialConfig(), {setting: value})) for setting, value in changed.items()}
    assert {setting: [key != same for key, same in zip(made, usual, strict=True)] for setting, made in others.items()} == {
        "generation.max_tokens": [True, True],
        "context.order": [False, True],
        "answering": [False, True],
    }
    assert keys(with_settings(TrialConfig(), {"fusion.weight": 0.1, "context.threshold": 0.5})) == usual, "the passages say it"
    agents = [keys(with_settings(TrialConfig(), {"answering": "react", "retrieval.top_k": depth}))[1] for depth in (3, 10)]
    assert agents[0] != agents[1], "an agent's searches end there"


def test_what_ranks_follows_the_pool():
    assert rankers()[0].name == "fused" and rankers()[0].above == ("pool",)
    assert all(after.above[0] == before.name for before, after in zip(rankers(), rankers()[1:], strict=False))
    ranked = [stage.field for stage in STAGES if rankers()[-1].name in below({stage.name})]
    assert ranking_fields() == tuple(dict.fromkeys(ranked[1:])) and "fusion" in ranked


@pytest.fixture
def towns(tmp_path):
    texts = {f"{name}.md": f"{name.capitalize()} {way}." for name, way in zip(THINGS, WAYS * 3, strict=True)}
    questions = [{"id": name, "text": f"What of {name}?", "document": f"{name}.md"} for name in THINGS]
    return with_towns(tmp_path / "towns", texts, questions)


def recipe(**settings):
    return with_settings(TrialConfig(), {"corpus.dataset": "towns", **{k.replace("__", "."): v for k, v in settings.items()}})


def test_a_place_that_older_records_lack_hands_the_key_on_where_it_does_nothing():
    run = Resolved(TrialConfig(), CORPUS, "stamp", "questions")
    longer = run.of(with_settings(run.config, {"rerank_5": "mmr"}))
    assert run.ranking_key() == run.key("reranked_3") != run.key("reranked_2")
    assert longer.key("reranked_4") == run.key("reranked_3") != longer.ranking_key()


@pytest.mark.slow
def test_a_fifth_reranker_ranks_as_the_first_would(towns):
    first, fifth = (towns.evaluate(recipe(**{f"{place}__part": "mmr", f"{place}__depth": 5})) for place in ("rerank", "rerank_5"))
    plain = towns.evaluate(recipe())
    assert np.array_equal(first.scores, fifth.scores) and not np.array_equal(first.scores, plain.scores)
    assert "reranked_5" in fifth.trace.ms and "reranked" not in fifth.trace.ms


@pytest.mark.slow
def test_a_recipe_asks_the_retrievers_that_it_lists(towns):
    words = towns.evaluate(recipe(retriever_2="none"))
    assert list(words.pool.score) == ["sparse"] and "vectors" not in words.trace.ms
    assert unused(words.config) == {"embedding", "transform", "index"}
    alone = towns.evaluate(recipe(fusion="sparse_only"))
    assert words.run.key("sparse") == alone.run.key("sparse") and words.values["mrr"].tolist() == alone.values["mrr"].tolist()
    turned = towns.evaluate(recipe(retrievers=["dense", "sparse"]))
    assert np.array_equal(turned.scores, towns.evaluate(recipe()).scores)


def with_ranker(monkeypatch, **row):
    """A further row that ranks, by a field that no stage above it asks: turned around where there are two passages."""
    runs = []

    def turned(part, asked):
        yield from ()
        runs.append(part.passages)
        return np.where(asked.pool.chunk < 0, asked.scores, -asked.scores) if part.passages == 2 else asked.scores

    rows = *STAGES, Stage("turned", "context", "Context", (rankers()[-1].name,), ranks=turned, **row)
    monkeypatch.setattr(stages, "STAGES", rows)
    monkeypatch.setattr(stages, "_BY_NAME", {each.name: each for each in rows})
    return runs


@pytest.mark.slow
def test_what_labs_remember_is_another_one_for_another_setting_of_a_later_ranker(towns, monkeypatch):
    with_ranker(monkeypatch)
    hybrid = [recipe(context__passages=n, index="faiss_hnsw") for n in (1, 2)]
    costs = [drain(cost.remembered_cost(towns, config, 1.0)) for config in hybrid]
    assert costs[0].fused.effects["mrr"].exact > costs[1].fused.effects["mrr"].exact
    alone = [comparison.variant(config, config.embedding) for config in hybrid]
    points = [drain(trade_off.trade_off(towns, config, ("none",)))[0] for config in alone]
    assert points[0].intervals["mrr"].mean > points[1].intervals["mrr"].mean == towns.evaluate(alone[1]).intervals["mrr"].mean
    keys = [study.study_key(towns.resolve(config), 1, 1) for config in hybrid]
    assert keys[0] != keys[1]


@pytest.mark.slow
@pytest.mark.parametrize(("storage", "runs"), [("", 4), ("memory", 1), ("disk", 1)])
def test_a_ranker_runs_as_often_as_its_row_says(towns, monkeypatch, storage, runs):
    ran = with_ranker(monkeypatch, storage=storage, costs=True)
    config = recipe(context__passages=2)
    first, *others = [towns.evaluate(config) for _ in range(4)]
    assert len(ran) == runs and all(np.array_equal(first.scores, other.scores) for other in others)
    assert others[-1].trace.cached["turned"] is bool(storage)
    Workbench(towns.home).evaluate(config)
    assert len(ran) == (1 if storage == "disk" else runs + 1)
    assert towns.evaluate(recipe(context__passages=3)).intervals["mrr"].mean > first.intervals["mrr"].mean


@pytest.mark.slow
def test_a_ranker_that_one_waits_for_is_planned_prepared_and_named(towns, monkeypatch):
    ran, config = with_ranker(monkeypatch, storage="disk", costs=True), recipe(context__passages=2)
    drain(towns.prepare(recipe(fusion="dense_only")))
    plan = towns.plan(config)
    assert not plan.live and plan.what == "context of 12 questions"
    ran.clear()
    drain(towns.prepare(config))
    assert towns.plan(config).live and len(ran) == 1
    latency = drain(towns.latency(config, 2))
    assert list(latency) == ["sparse", "encode", "dense", "fuse", "turned", "total"] and len(ran) == 3
    assert latency["total"][0] == pytest.approx(sum(ms[0] for step, ms in latency.items() if step != "total"))


@pytest.mark.slow
def test_a_step_that_recipes_share_is_timed_once_for_them(towns):
    shared, hybrid = {}, {"sparse", "encode", "dense"}
    first = drain(towns.latency(recipe(), 3, shared))
    again = drain(towns.latency(recipe(fusion="rrf"), 3, shared))
    other = drain(towns.latency(recipe(sparse__k1=0.7), 3, shared))
    assert {step for step in hybrid if again[step] == first[step]} == hybrid
    assert {step for step in hybrid if other[step] == first[step]} == hybrid - {"sparse"}
    assert drain(towns.latency(recipe(), 3))["dense"] != first["dense"]
    pools = [drain(towns.pipeline.pool_of(towns.resolve(recipe()), "Which?", {}, step)) for step in (shared, shared, None)]
    assert np.array_equal(pools[0].chunk, pools[1].chunk) and np.array_equal(pools[0].chunk, pools[2].chunk)


@pytest.mark.slow
def test_the_model_of_any_part_is_planned_and_fetched(towns, monkeypatch):
    fusion, fetched = type(TrialConfig().fusion), []
    monkeypatch.setattr(fusion, "model", "owner/ranks", raising=False)
    monkeypatch.setattr(fusion, "absent", lambda self: not fetched)
    monkeypatch.setattr(fusion, "fetch", lambda self: fetched.append(self.model))
    plan = towns.plan(recipe())
    assert not plan.live and [phase.what for phase in plan.phases] == ["fetching the model owner/ranks"]
    assert not any(phase.what.startswith("fetching") for phase in towns.plan(recipe(fusion="rrf")).phases)
    for verb in (towns.prepare, towns.run):
        fetched.clear()
        drain(verb(recipe()))
        assert fetched == ["owner/ranks"]


def test_prompt_and_answer_stand_below_the_last_that_ranks():
    run = Resolved(TrialConfig(), CORPUS, "stamp", "questions")
    other = run.of(with_settings(run.config, {"fusion.weight": 0.1}))
    assert stages._BY_NAME["prompt"].above == (rankers()[-1].name,)
    assert other.key("prompt") != run.key("prompt") and other.key("answer") != run.key("answer")


# A stage is added ----------------------------------------------------------------------------------------------------

FIELD = '    turning: chosen("turner") = Field("identity", validate_default=True)\n'
ROW = (
    '    Stage("turned", "turning", "Turning", ("reranked_5",), ranks=lambda part, asked: part.rerank(asked),\n'
    '          costs=True, storage="disk"),\n'
)
FOLDER = '"""Turners: a file a part."""\n\nKINDS = {"turner": "Turners turn the ranking."}\n'
PART = '''"""No turning."""

from typing import Literal

from core.config import PartConfig, knob
from core.registry import part

RUNS = []


@part("turner")
class Identity(PartConfig):
    """The ranking as it comes from the fusion."""

    part: Literal["identity"] = "identity"
    upside_down: bool = knob(False, "Ranks the last first, so that it is seen to work.")

    def rerank(self, asked):
        yield from ()
        import numpy as np

        RUNS.append(len(asked.queries))
        return np.where(asked.pool.chunk < 0, asked.scores, -asked.scores) if self.upside_down else asked.scores
'''
USE = """
import json, sys
from core.cli.parts import settings
from core.config import TrialConfig, with_settings
from core.progress import drain
from core.workbench import Workbench

bench = Workbench(sys.argv[1])
texts = [("a.txt", b"Green tea is steeped at eighty degrees."), ("b.txt", b"Black tea takes boiling water.")]
drain(bench.library.ingest("tea", texts, None))
recipe = with_settings(TrialConfig(), {"corpus.dataset": "tea", "fusion": "sparse_only"})
turned = with_settings(recipe, {"turning.upside_down": True})
from streamlit.testing.v1 import AppTest

form = "from app import session; from app.ui import forms; session.start('here'); forms.recipe_form()"
page = AppTest.from_string(form, default_timeout=120).run()
from core.turning.identity import RUNS

found, run = bench.evaluate(turned), bench.resolve(recipe)
RUNS.clear()
for workbench in (bench, bench, Workbench(sys.argv[1])):
    workbench.evaluate(turned)
runs = len(RUNS)
print(json.dumps({
    "first": [bench.search(one, "green tea")[0].document_id for one in (recipe, turned)],
    "runs": runs,
    "traced": "turned" in found.trace.ms,
    "settings": [row["setting"] for row in settings() if row["setting"].startswith("turning")],
    "forms": [expander.label.split("**")[1] for expander in page.expander],
    "candidates kept": run.key("sparse") == run.of(turned).key("sparse"),
    "columns": [row["column_name"] for row in bench.store.query("DESCRIBE trials") if "turning" in row["column_name"]],
    "command": bench.command(turned),
}))
"""


@pytest.mark.slow
def test_adding_a_stage_is_a_field_a_row_a_folder_and_its_docs(tmp_path):
    copy = tmp_path / "copy"
    for folder in ("core", "app", "pages", "docs", "datasets", "annotations", "tests", ".streamlit"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", copy)
    put(copy / "core/config.py", "    context: ContextConfig = Field(", FIELD)
    put(copy / "core/pipeline/stages.py", '    Stage("relevance", "evaluation"', ROW)
    (copy / "core/turning").mkdir()
    (copy / "core/turning/__init__.py").write_text(FOLDER)
    (copy / "core/turning/identity.py").write_text(PART)
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "home")], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["runs"] == 0, "it is remembered"
    assert told["first"][0] != told["first"][1] and told["traced"] and told["candidates kept"]
    assert told["settings"] == ["turning.upside_down"] and told["columns"] == ["turning"]
    assert told["forms"].index("Turning") == told["forms"].index("Reranking") + 1
    assert "turning.upside_down=true" in told["command"]
    listed = subprocess.run(
        [sys.executable, "-m", "core", "list", "settings"], cwd=copy, capture_output=True, text=True, check=True
    )
    assert "turning.upside_down" in listed.stdout
    subprocess.run([sys.executable, "-m", "docs.tables"], cwd=copy, capture_output=True, text=True, check=True)
    subset = "every_field or changes_the_keys or follows_the_pool or stand_below"
    words = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/test_stages.py", "-k", subset]
    own = subprocess.run([sys.executable, *words], cwd=copy, capture_output=True, text=True, check=False)
    assert own.returncode == 0, f"a new row asks for an edit in these tests: {own.stdout[-3000:]}"
    listed = subprocess.run(
        [sys.executable, "-m", "core", "list", "turner"], cwd=copy, capture_output=True, text=True, check=True
    )
    assert "identity" in listed.stdout and "The ranking as it comes from the fusion." in listed.stdout


def put(file: Path, before: str, line: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, line + before), "utf-8")
