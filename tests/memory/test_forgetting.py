"""What is forgotten is in no search, table or byte; a proof that cannot see is none."""

import gzip
import io
import json
import zipfile

import numpy as np
import pytest

from core.agents.effects import AgentEffects
from core.agents.runs import said
from core.agents.tools import TOOLS, ToolDesk, use
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.memory import forgetting
from core.memory import store as stores
from core.memory.facts import FactDraft
from core.memory.forgetting import choice, exported, forget, forgettings
from core.memory.scanning import Needles, scan
from core.memory.tools import AgentMemory
from core.progress import drain
from core.store.batches import batches
from core.workbench import Workbench
from tests.support.remembered import by_words

SECRET = "The alarm code of hall Fir is “417-882”."
SPAN = dict.fromkeys(("parent", "name", "kind", "status", "message", "service"), "x") | {
    "start_ns": 1,
    "end_ns": 2,
    "events": [],
    "dropped": 0,
}


class Words:
    """An encoder part, as far as vectors by text ask for one."""

    name, dim, max_tokens = "words", 64, 256

    def identity(self):
        return "words"

    def prefix(self, query):
        return ""

    def load(self):
        return self

    def encode(self, texts, query=False):
        yield np.arange(len(texts)), by_words(texts)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "bundled", by_words)
    bench = Workbench(tmp_path / "home")
    monkeypatch.setitem(stores._of_home, bench.home.absolute(), stores.FactStore(bench.home, by_words))
    return bench


@pytest.fixture
def store(bench):
    return stores.memory_of(bench)


def test_a_fact_is_gone_from_every_file_and_the_record_holds_none_of_it(bench, store):
    store.write(FactDraft("Hall Elm has a blue door."))
    secret = store.write(FactDraft(SECRET, "hall Fir", "alarm", "417-882"))
    update = store.write(FactDraft("The alarm code of hall Fir is “551-203”.", "hall Fir", "alarm", "551-203"))
    below = store.write(FactDraft("The code of the side door is the same.", derived_from=(update.id,)))
    observed = json.dumps({"observation": json.dumps({"text": SECRET})})
    batches(bench.home).keep(
        "spans", {"t/s": {"trace": "t", "span": "s", "attributes": {"tool": observed, "plain": SECRET}, **SPAN}}
    )
    assert bench.store.query("SELECT attributes FROM spans")
    cached = bench.home / "cache" / "answers" / "one"
    cached.mkdir(parents=True)
    np.savez_compressed(cached / "texts.npz", texts=np.frombuffer((SECRET * 50).encode(), np.uint8))
    (cached / "meta.json").write_text("{}")
    drain(embed(Words(), [SECRET, SECRET.lower(), "another question"], bench.home / "cache" / "vectors", query=True))
    done = drain(forget(bench, "the owner", "asked to", [secret.id]))
    assert done.proven and (done.facts, done.before, done.after, done.stale) == (2, 2, 0, 1)
    assert done.checks == {"files": 0, "search": 0, "neighbours": 0, "sql": 0, "control": 1}
    assert done.cleaned == {"cache": 2, "journal": 1, "database": 1} and done.remaining == []
    assert (
        not cached.exists()
        and not list((bench.home / "cache" / "vectors").rglob("*.npz"))
        and "417-882" not in json.dumps(bench.store.query("SELECT * FROM spans"), default=str)
    )
    assert drain(bench.store.verify()).ok
    assert store.fact(below.id).stale == "forgotten" and store.read("blue door of hall Elm")[0].fact.text.startswith("Hall Elm")
    [row] = forgettings(bench)
    assert row["who"] == "the owner" and row["proven"] and secret.id not in json.dumps(row, default=str)


def test_a_fact_that_an_agent_wrote_is_gone_from_its_calls_too(bench, store):
    call = {"subject": "hall Fir", "attribute": "alarm", "value": "“417-882” [3]", "derived_from": []}
    desk = ToolDesk(memory=lambda: AgentMemory(store), effects=AgentEffects(bench.home, "question"))
    use(TOOLS["write_memory"], desk, call)
    use(TOOLS["write_memory"], desk, {**call, "subject": "hall Elm"})
    result = use(TOOLS["read_memory"], desk, {"query": "alarm", "k": 5}).text
    prompt = {"prompt": f"user: {said('I note it.', 'write_memory', call)}", "result": result}
    batches(bench.home).keep("spans", {"t/s": {"trace": "t", "span": "s", "attributes": prompt, **SPAN}})
    assert bench.store.query("SELECT arguments FROM agent_effects")
    done = drain(forget(bench, "the owner", "asked to", subject="hall Fir"))
    assert done.proven and done.cleaned == {"journal": 3, "database": 1}
    left = bench.store.query("SELECT arguments FROM agent_effects WHERE what <> 'run'")
    assert len(left) == 4 and sum("hall Fir" in row["arguments"] for row in left) == 0
    assert sum("417-882" in row["arguments"] for row in left) == 2, "what others have the same value stays"
    [row] = bench.store.query("SELECT attributes FROM spans")
    assert row["attributes"].count("417-882") == 1, "as read of hall Elm"


COPIES = (
    "the ALARM code of  hall fir is “417-882”.",
    "The alarm code\nof hall Fir\t is “417-882”.",
    "THE ALARM\N{NO-BREAK SPACE}CODE OF HALL FIR IS “417-882”.",
    json.dumps({"said": json.dumps("the alarm\n code of hall Fir is “417-882”.")}),
    json.dumps({"call": json.dumps({"subject": "HALL  fir", "attribute": "Alarm", "value": "417-882"})}),
)


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("many", [pytest.param(1, marks=pytest.mark.slow), 20])
def test_a_copy_in_another_case_or_with_other_blanks_is_met_and_goes(bench, store, copy, many):
    secret = store.write(FactDraft(SECRET, "hall Fir", "alarm", "417-882"))
    others = [store.write(FactDraft(f"Door {number} of hall Fir is green.")).id for number in range(many)]
    attributes = {"tool": json.dumps({"text": f"They say: {copy} And no more."}), "plain": copy, "beside": "Hall Elm: 417-882"}
    batches(bench.home).keep("spans", {"t/s": {"trace": "t", "span": "s", "attributes": attributes, **SPAN}})
    assert bench.store.query("SELECT attributes FROM spans")
    (bench.home / "cache").mkdir(exist_ok=True)
    (bench.home / "cache" / "text").write_text(copy)
    done = drain(forget(bench, "the owner", "asked to", [secret.id, *others]))
    assert done.proven and done.cleaned == {"cache": 1, "journal": 1, "database": 1}
    [row] = bench.store.query("SELECT attributes FROM spans")
    left = json.loads(row["attributes"])
    assert left["beside"] == "Hall Elm: 417-882" and "417-882" not in left["plain"] + left["tool"]
    assert json.loads(left["tool"])["text"].startswith("They say: ") and left["tool"].endswith('And no more."}')


def test_a_copy_in_the_other_case_of_letters_that_are_not_ascii_is_met(bench, store):
    secret = store.write(FactDraft("Élodie naît à Évry."))
    observed = {"upper": "ÉLODIE NAÎT À ÉVRY.", "escaped": json.dumps("élodie naît à évry.")}
    batches(bench.home).keep("spans", {"t/s": {"trace": "t", "span": "s", "attributes": observed, **SPAN}})
    done = drain(forget(bench, "the owner", "asked to", [secret.id]))
    [row] = bench.store.query("SELECT attributes FROM spans")
    assert done.proven and json.loads(row["attributes"]) == {"upper": "[forgotten]", "escaped": '"[forgotten]"'}


def test_a_row_of_sql_in_another_writing_is_counted(bench, store):
    secret = store.write(FactDraft(SECRET))
    for number, copy in enumerate((*COPIES[:4], "The alarm code of hall Fir is “417-883”.")):
        batches(bench.home).keep(
            "spans", {f"t/{number}": {"trace": "t", "span": f"{number}", "attributes": {"plain": copy}, **SPAN}}
        )
    assert forgetting._in_tables(bench, [store.fact(secret.id)]) == 4


def test_a_search_that_sees_only_what_is_written_alike_does_not_see_its_controls(bench, store, monkeypatch):
    secret = store.write(FactDraft(SECRET))
    monkeypatch.setattr("core.memory.scanning.normal", lambda data: data)
    with pytest.raises(WorkbenchError, match="does not see 2 of the facts"):
        drain(forget(bench, "the owner", "asked to", [secret.id]))


def test_a_fact_of_hardly_more_than_blanks_is_sought_as_it_is(bench, store):
    blanks, escapes = (store.write(FactDraft(text)) for text in ("a         b", r"\n\n\n\n\n"))
    (bench.home / "cache").mkdir()
    for name, text in (("other", "a b\n\n\n and a c"), ("same", "so a         b"), ("escaped", r"x\n\n\n\n\n")):
        (bench.home / "cache" / name).write_text(text)
    done = drain(forget(bench, "the owner", "asked to", [blanks.id, escapes.id]))
    assert done.proven and [path.name for path in (bench.home / "cache").iterdir()] == ["other"]


def test_another_fact_with_other_blanks_is_named(bench, store):
    store.write(FactDraft("Anna lives in Rome", "Anna"))
    other = store.write(FactDraft("anna  lives   in ROME, says Bob.", "Bob"))
    assert drain(forget(bench, "the owner", "asked to", subject="Anna")).remaining[-1] == f"fact {other.id}"


def test_facts_are_read_whole_so_that_a_trace_holds_no_part_of_one(store):
    for number in range(4):
        store.write(FactDraft(f"Pump {number} " + "stands in a hall " * 20 + "[1]."))
    desk = ToolDesk(memory=lambda: AgentMemory(store))
    read = use(TOOLS["read_memory"], desk, {"query": "pump hall", "k": 5}).text.splitlines()
    assert len(read) == 2 and all(line.endswith("a hall [ 1 ].") for line in read)


def test_a_file_of_another_kind_is_named_and_the_proof_fails(bench, store):
    secret = store.write(FactDraft(SECRET, "hall Fir", "alarm", "417-882"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner.gz", gzip.compress(SECRET.encode()))
    (bench.home / "backup.zip").write_bytes(packed.getvalue())
    done = drain(forget(bench, "the owner", "asked to", [secret.id]))
    assert not done.proven and done.remaining == ["backup.zip"] and done.after == 1


def test_a_forgetting_that_breaks_off_can_be_asked_for_again(bench, store, monkeypatch):
    secret = store.write(FactDraft(SECRET, "hall Fir", "alarm", "417-882"))
    observed = {"t/s": {"trace": "t", "span": "s", "attributes": {"plain": SECRET}, **SPAN}}
    batches(bench.home).keep("spans", observed)
    with monkeypatch.context() as broken:
        broken.setattr(forgetting, "_redact", lambda *asked: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            drain(forget(bench, "the owner", "asked to", [secret.id]))
    done = drain(forget(bench, "the owner", "asked to", [secret.id]))
    assert done.proven and done.cleaned == {"journal": 1, "database": 1}


def test_controls_of_a_forgetting_that_was_killed_go_with_the_next(bench, store):
    secret = store.write(FactDraft(SECRET, "hall Fir", "alarm", "417-882"))
    forgetting._planted(store)
    assert drain(forget(bench, "the owner", "asked to", [secret.id])).proven and store.counts().facts == 0


def test_another_fact_that_says_the_same_is_named_and_the_proof_holds_once_it_went(bench, store):
    store.write(FactDraft("Anna lives in Rome", "Anna"))
    other = store.write(FactDraft("Anna lives in Rome, says Bob.", "Bob"))
    done = drain(forget(bench, "the owner", "asked to", subject="Anna"))
    assert not done.proven and done.remaining == ["memory/facts.sqlite", f"fact {other.id}"]
    assert drain(forget(bench, "the owner", "asked to", [other.id])).proven


def test_what_the_search_cannot_see_is_not_deleted(bench, store, monkeypatch):
    secret = store.write(FactDraft(SECRET, "hall Fir", "alarm", "417-882"))
    monkeypatch.setattr(forgetting, "written_forms", lambda text: [text[::-1]])
    with pytest.raises(WorkbenchError, match="Nothing was deleted"):
        drain(forget(bench, "the owner", "asked to", [secret.id]))
    assert store.fact(secret.id).text == SECRET and store.counts().facts == 1, "the controls are gone"


def test_a_reason_is_asked_for_and_must_not_tell(bench, store):
    secret = store.write(FactDraft(SECRET, "hall Fir", "alarm", "417-882"))
    for who, why in (("", "asked to"), ("the owner", " "), ("the owner", "The code 417-882 leaked")):
        with pytest.raises(WorkbenchError):
            drain(forget(bench, who, why, [secret.id]))
    assert store.fact(secret.id)


def test_all_about_a_subject_is_told_and_what_would_go_with_it(bench, store):
    first = store.write(FactDraft("", "pump K417", "firmware", "v1.418"))
    store.write(FactDraft("", "pump K417", "firmware", "v2.519"))
    other = store.write(FactDraft("The manual of v1.418 names pump K417.", derived_from=(first.id,)))
    told = exported(bench, "Pump K417")
    assert [row["value"] for row in told["facts"]] == ["v1.418", "v2.519"] and [row["id"] for row in told["mentioned_in"]] == [
        other.id
    ]
    would = choice(store, subject="pump K417")
    assert len(would.facts) == 2 and [fact.id for fact in would.derived] == [other.id]
    assert [fact.id for fact in choice(store, [first.id], derived=True).facts][-1] == other.id


@pytest.mark.parametrize(
    ("name", "told"), [("Müller AG", "Wer liefert? MÜLLER  AG aus Lund."), ("東京", "The mayor of 東京 speaks.")]
)
def test_a_name_in_any_letters_is_met_in_other_facts_and_is_no_reason(bench, store, name, told):
    """Only ASCII letters counted as the same, and two signs of Chinese as too few to tell anything."""
    mayor = store.write(FactDraft("", name, "speaker", name))
    other = store.write(FactDraft(told, "diary"))
    assert [fact["id"] for fact in exported(bench, name)["mentioned_in"]] == [other.id]
    assert [fact.id for fact in choice(store, [mayor.id]).mentioning] == [other.id]
    with pytest.raises(WorkbenchError, match="reason tells"):
        drain(forget(bench, "the owner", f"asked to by {name.upper()}", [mayor.id]))


@pytest.mark.parametrize("many", [3, 300])
def test_needles_are_met_at_every_place_and_across_blocks(tmp_path, monkeypatch, many):
    monkeypatch.setattr("core.memory.scanning.BLOCK", 64)
    texts = [f"needle number {number:04}" for number in range(many)]
    needles = Needles({text: [text.encode()] for text in texts})
    rng = np.random.default_rng(0)
    for number, text in enumerate(texts[:3]):
        noise = rng.integers(0, 256, 50 + 37 * number, np.uint8).tobytes()
        (tmp_path / f"{number}").write_bytes(noise + text.encode() + noise)
    (tmp_path / "not").write_bytes(b"needle number 99".join([b"needle number "] * 9))
    made = drain(scan(tmp_path, needles))
    assert {name: [path.name for path in paths] for name, paths in made.where.items()} == {
        text: [str(n)] for n, text in enumerate(texts[:3])
    }
    assert made.files == 4 and not made.unread


def test_what_cannot_be_unpacked_is_told(tmp_path):
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"x" * 1000)[:-20])
    made = drain(scan(tmp_path, Needles({"a": [b"a text that is sought"]})))
    assert list(made.unread) == [tmp_path / "torn.gz"]
