"""Data sets joined to one, titles that ask, a dictionary that is asked by meaning; the real files have the counts their cards say."""

import json
from pathlib import Path

import pytest

from core.config import TrialConfig, with_settings
from core.corpus.library import Library, split
from core.errors import WorkbenchError
from core.progress import drain
from core.workbench import Workbench
from tests.corpus.test_loaders import load

SAMPLE = Path(__file__).parents[1] / "contract" / "samples" / "wordnet"
CARD = "title: T\ndescription: D\nlicence: none\ncitation: C\nhomepage: here\n"


def card(home: Path, name: str, loader: str, texts: dict[str, str] | None = None) -> None:
    """A data set of the user's: papers of these titles."""
    (folder := home / "datasets" / name).mkdir(parents=True, exist_ok=True)
    (folder / "card.yaml").write_text(f"{CARD}loader: {loader}\n")
    if texts:
        lines = [json.dumps({"id": f"p{n}", "title": title, "text": text}) for n, (title, text) in enumerate(texts.items())]
        (folder / "papers.jsonl").write_text("\n".join(lines))


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    card(
        tmp_path,
        "tea",
        "{part: jsonl, titles: true}",
        {"On tea": "Tea is hot.", "On leaves": "Leaves are green.", " ": "Untitled."},
    )
    card(tmp_path, "bread", "{part: jsonl, titles: true}", {f"On bread {n}": f"Bread number {n}." for n in range(5)})
    card(tmp_path, "both", "{part: joined, members: [tea, bread], questions: 3}")
    return tmp_path


def test_titles_ask_for_their_documents(tmp_path):
    (tmp_path / "papers.jsonl").write_text('{"id": 1, "title": "T", "text": "a"}\n{"id": 2, "title": "T ", "text": "b"}\n')
    [asked] = load("jsonl", tmp_path, titles=True).queries
    assert (asked.text, [(gold.document_id, gold.unit) for gold in asked.gold]) == ("T", [("1", 0), ("2", 0)])
    assert not load("jsonl", tmp_path).queries


def test_joined_data_sets_keep_their_evidence_and_draw_their_questions(home):
    corpus = drain(Library(home).open("both"))
    assert len(corpus.documents) == 8 and {each.id.partition("/")[0] for each in corpus.documents} == {"tea", "bread"}
    texts = {each.id: each.text for each in corpus.documents}
    assert [query.group for query in corpus.queries] == ["tea"] * 2 + ["bread"] * 3
    for query in corpus.queries:
        [gold] = query.gold
        assert texts[gold.document_id][gold.start : gold.end] == texts[gold.document_id] and gold.document_id.startswith(
            query.group
        )
    assert corpus.notes == ("bread: 3 of its 5 questions, drawn by their ids.",)
    assert drain(Library(home).open("both")) == corpus
    assert len(split(corpus, "dev").queries) + len(split(corpus, "test").queries) == 5


def test_a_question_can_be_held_to_its_own_data_set(home):
    bench = Workbench(home)
    settings = {"corpus.dataset": "both", "fusion.part": "sparse_only", "retrieval.documents": "id={group}/*"}
    evaluation = bench.evaluate(with_settings(TrialConfig(), settings))
    documents, chunks = evaluation.corpus.documents, drain(bench.cut_chunks(evaluation.run))
    for query, row in zip(evaluation.corpus.queries, evaluation.pool.chunk, strict=True):
        found = {documents[chunks.document[chunk]].id.partition("/")[0] for chunk in row[row >= 0]}
        assert found == {query.group}


def test_it_is_another_corpus_when_a_member_changes(home):
    library = Library(home)
    before = library.stamp("both")
    card(home, "tea", "{part: jsonl}", {"On tea": "Tea is cold."})
    assert library.stamp("both") != before and len(drain(library.open("both")).queries) == 3


def test_what_it_is_made_of_must_be_there_and_not_be_joined_itself(home):
    card(home, "lacking", "{part: joined, members: [tea, coffee, both, lacking]}")
    library = Library(home)
    with pytest.raises(WorkbenchError, match="not on this machine") as error:
        drain(library.open("lacking"))
    assert "coffee and both and lacking must be here first" in error.value.todo
    with pytest.raises(WorkbenchError, match="cannot be downloaded"):
        drain(library.download("lacking"))
    status = {each.name: each for each in library.available()}
    assert status["both"].present and not status["lacking"].present
    assert not status["joined-150k"].present or status["wordnet"].present


def test_any_synset_with_the_word_answers_a_meaning(tmp_path):
    corpus = load("wordnet", SAMPLE)
    car, tea, absent = corpus.queries
    assert {(gold.document_id, gold.unit) for gold in car.gold} == {("02961779-n", 0), ("02963378-n", 0)} and car.answers == (
        "car",
    )
    assert tea.gold[0].document_id == "07945291-n" and not absent.gold and "zyzzyva" in corpus.notes[0]
    first = corpus.documents[0]
    assert (
        first.text == "car, auto\n\na motor vehicle with four wheels\nhe needs a car to get to work"
        and first.title == "car, auto"
    )
    for file in SAMPLE.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "rd16_target_words.txt").write_text("car")
    with pytest.raises(WorkbenchError, match="3 meanings and 1 words"):
        load("wordnet", tmp_path)


@pytest.mark.slow
def test_the_real_files_have_the_counts_of_their_cards(datasets_root, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_DATASETS", str(datasets_root))
    library = Library(tmp_path)
    cards, _ = library.cards()
    words, papers = (drain(library.open(name)) for name in ("wordnet", "acl-abstracts"))
    assert (len(words.documents), len(words.queries)) == (cards["wordnet"].documents, cards["wordnet"].questions)
    assert all(query.gold for query in words.queries) and not words.notes
    assert len(papers.documents) == cards["acl-abstracts"].documents and len(papers.queries) > 18_000
    assert next(iter(library.available())).kind == "built-in"
