"""Articles: sentences rest on evidence, the gate sends back what is not borne out, and nothing is done twice."""

import re
from pathlib import Path

import pytest

from core.articles import against_people, publishing, rating, steps, writing
from core.articles.evidence import _begun_within
from core.articles.publishing import decide, publish
from core.articles.writing import write_article
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase
from core.labs.scores.answer_file import AnswerRow
from core.progress import drain
from core.records import Hit
from tests.labs.answers.test_contamination import template  # noqa: F401
from tests.support.failing import recipe
from tests.support.scripted_agent import play

TOPIC = "When does the market of the town open?"
LIE = "The market was moved to the moon by three kings."


def truth(messages: list[dict[str, str]], schema: str) -> str:
    """The evidence's own words."""
    return messages[0]["content"].rpartition("\n\n")[2]


def lie(messages: list[dict[str, str]], schema: str) -> str:
    return LIE


def test_what_is_borne_out_is_accepted_and_published_with_its_sources(bench, monkeypatch, tmp_path):
    scripted = play(monkeypatch, truth)
    made = drain(write_article(bench, recipe(), TOPIC))
    assert made.state == "accepted" and made.revisions == 0 and len(made.draft) >= 3
    assert {each.way for each in made.draft} == {"rewritten"} and len(scripted.asked) == len(made.draft)
    for each in made.draft:
        note = made.notes[each.note - 1]
        document = next(d for d in bench.corpus(recipe()).documents if d.id == note.document_id)
        assert document.text[note.start : note.end] == note.text
    assert drain(write_article(bench, recipe(), TOPIC)) == made and len(scripted.asked) == len(made.draft)
    monkeypatch.chdir(tmp_path)
    out = drain(publish(bench, made.id, Path("out")))
    assert out.state == "published" and steps.articles(bench) == [out] and out.publication["folder"] == str(tmp_path / "out")
    text = (tmp_path / "out" / "article.md").read_text("utf-8")
    assert text.startswith(f"# {TOPIC}") and len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == len(made.draft)
    with pytest.raises(WorkbenchError, match="was published in"):
        drain(publish(bench, made.id, tmp_path / "again"))


def test_evidence_is_whole_sentences_where_a_passage_begins_within_one():
    long = f"It is said {'again and ' * 31}again."  # a part of it is none either
    text = f"The market of Lund opens early in the\nmorning and closes at noon. It is held each week in the square. {long}"
    begin = text.index("morning")
    hit = Hit(1, 1.0, "lund", "Lund", begin, len(text), text[begin:])
    assert [hit.text[start:end] for start, end in _begun_within(hit, text)] == ["It is held each week in the square.", long]
    whole = Hit(1, 1.0, "lund", "Lund", 0, len(text), text)
    assert len(_begun_within(whole, text)) == 3


def test_what_is_not_borne_out_is_written_again_and_then_quoted(bench, monkeypatch):
    scripted = play(monkeypatch, lie)
    made = drain(write_article(bench, recipe(), TOPIC))
    drafts = [value["sentences"] for step, value in made.steps if step == "draft"]
    gates = [value for step, value in made.steps if step == "gate"]
    assert made.state == "accepted" and [gate["verdict"] for gate in gates] == ["revise", "revise", "accept"]
    assert {each["text"] for each in drafts[0]} == {LIE} and "a confident hallucination" in gates[0]["reasons"]
    assert all(each.way == "quoted" and "market of" in each.text for each in made.draft)
    assert len(scripted.asked) == 2 * len(made.draft), "no third try"


def test_a_hedged_sentence_that_is_not_borne_out_is_sent_back_and_what_is_accepted_can_be_published(bench, monkeypatch, tmp_path):
    said = []

    def hedged(messages, schema):
        said.append(messages)
        return "The market may perhaps stand on the moon." if len(said) == 1 else truth(messages, schema)

    play(monkeypatch, hedged)
    made = drain(write_article(bench, recipe(), TOPIC))
    first, *_, last = [value for step, value in made.steps if step == "gate"]
    assert not first["confident_hallucination"] and min(first["support"]) < 0.5 and first["verdict"] == "revise"
    assert first["reasons"] == ["1 sentence not borne out"] and last["verdict"] == "accept" and made.revisions == 1
    assert drain(publish(bench, made.id, tmp_path / "out")).state == "published"


def test_killed_behind_any_step_it_goes_on_and_does_nothing_twice(bench, monkeypatch):
    scripted, keep, done = play(monkeypatch, lie), writing.keep_step, []

    def killed(*step):
        keep(*step)
        done.append(step[2:4])
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "keep_step", killed)
    for _ in range(20):
        try:
            made = drain(write_article(bench, recipe(), TOPIC))
            break
        except KeyboardInterrupt:
            continue
    assert made.state == "accepted" and [number for number, _ in done] == list(range(len(made.steps)))
    assert len(scripted.asked) == 2 * len(made.draft)


def test_what_was_sent_back_goes_on_by_its_id_whatever_the_recipe_and_the_code_are_today(bench, monkeypatch):
    """Its topic began another article then, and nothing could be decided of the first any more."""
    play(monkeypatch, truth)
    monkeypatch.setattr("core.articles.rating.least_support", lambda: 1.1)
    made = drain(write_article(bench, recipe(), TOPIC))
    assert made.state == "waits for a person" and not writing.due(made)
    stopped = decide(bench, made.id, False, "the editor", "once more")
    assert writing.due(stopped) == "draft"
    monkeypatch.setattr(writing, "code_version", lambda *workers: "of tomorrow")
    again = drain(write_article(bench, recipe(**{"context.passages": 1}), made.id))
    assert again.id == made.id and again.state == "waits for a person" and len(again.steps) > len(stopped.steps)
    assert [each.id for each in steps.articles(bench)] == [made.id]


def test_after_three_revisions_a_person_decides(bench, monkeypatch, tmp_path):
    def nothing(workbench, config, topic, texts, grounds):
        yield from ()
        return rating.np.full(len(texts), 0.1)

    play(monkeypatch, truth)
    monkeypatch.setattr(rating, "support", nothing)
    made = drain(write_article(bench, recipe(), "<script>market</script> of the town: when does it open?"))
    assert made.state == "waits for a person" and made.revisions == 3 and len(made.draft) == 1
    with pytest.raises(WorkbenchError, match="waits for a person"):
        drain(publish(bench, made.id, tmp_path / "out"))
    with pytest.raises(WorkbenchError, match="a name and a reason"):
        decide(bench, made.id, True, "", "because")
    assert decide(bench, made.id, False, "the editor", "once more").state == "sent back by a person"
    again = drain(writing.go_on(bench, made.id))
    assert again.state == "waits for a person" and len(again.steps) > len(made.steps)
    decide(bench, made.id, True, "the editor", "it is <b>known</b>")
    with pytest.raises(WorkbenchError, match="nothing to decide"):
        decide(bench, made.id, True, "the editor", "again")
    (tmp_path / "there").mkdir()
    keep = publishing.keep_step
    monkeypatch.setattr(publishing, "keep_step", lambda *step: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):  # killed between the files and the record
        drain(publish(bench, made.id, tmp_path / "out"))
    monkeypatch.setattr(publishing, "keep_step", keep)
    with pytest.raises(WorkbenchError, match="something of this name"):
        drain(publish(bench, made.id, tmp_path / "there"))
    drain(publish(bench, made.id, tmp_path / "out"))
    page = (tmp_path / "out" / "article.html").read_text("utf-8")
    assert "not borne out by its source" in page and "<script>" not in page and "it is &lt;b&gt;known" in page


def test_who_publishes_second_is_told_that_it_does_not_count(bench, monkeypatch, tmp_path):
    play(monkeypatch, truth)
    made, put = drain(write_article(bench, recipe(), TOPIC)), publishing._put

    def overtaken(folder, pages):
        monkeypatch.setattr(publishing, "_put", put)
        drain(publish(bench, made.id, Path("~/first")))
        put(folder, pages)

    monkeypatch.setattr(publishing, "_put", overtaken)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(WorkbenchError, match="no publication"):
        drain(publish(bench, made.id, tmp_path / "second"))
    assert steps.the_article(bench, made.id).publication["folder"] == str(tmp_path / "first")


def test_a_corpus_that_says_nothing_of_the_topic_ends_it(bench, monkeypatch):
    scripted = play(monkeypatch, truth)
    made = drain(write_article(bench, recipe(), "renormalisation of lattice quantum chromodynamics"))
    assert made.state == "no evidence" and not scripted.asked


@pytest.mark.parametrize("topic", ["  ", "x" * 10_000_000])
def test_a_topic_that_is_none_is_refused(bench, topic):
    with pytest.raises(WorkbenchError, match="The topic has"):
        drain(write_article(bench, recipe(), topic))


def test_the_editor_names_what_is_wrong_and_says_how_sure_a_sentence_is():
    texts = ["It opens at five.", "It opens at five.", "It may open at six.", " ".join(["long"] * 41)]
    evidence = ["It opens at five.", "It may open at five.", "It opens at six.", "long"]
    made = rating.rated(texts, rating.np.array([0.9, 0.9, 0.9, float("nan")]), evidence, 0.5)
    assert made.wrong == {1: "it was said before", 3: "it states nothing that can be checked"}
    assert made.means["technical_accuracy"] == pytest.approx(1 + 4 * 0.675) and made.means["completeness"] == 3
    assert made.means["clarity"] == 3 and made.confident_hallucination
    month = rating.rated(
        ["It is held each spring.", "It opens in May."], rating.np.array([0.9, 0.1]), ["It is held in May."] * 2, 1.0
    )
    assert [*month.wrong] == [1] and month.confident_hallucination, "the month is no doubt"
    surer = rating.rated(["It opens at six."], rating.np.array([0.9]), ["It may open at six."], 1.0)
    assert surer.wrong == {0: "it is surer than its evidence"} and not surer.confident_hallucination
    assert surer.means["calibration"] == pytest.approx(1 + 4 * (1 - (1 - 0.6 * 0.9)))


def test_a_gate_is_measured_against_people_once_and_says_where_it_tells_nothing(bench, monkeypatch, tmp_path):
    faithful, asked = [number % 2 == 0 for number in range(40)], []
    rows = [
        AnswerRow(f"line {n}", AnswerCase("", f"Claim {n}.", ("p",)), float(good), group=str(n))
        for n, good in enumerate(faithful)
    ]
    monkeypatch.setattr(against_people.qags, "summaries", lambda path: (rows, [[row.case] for row in rows]))
    file = tmp_path / "people.jsonl"
    file.write_text("{}")

    def told(scores):
        def support(workbench, config, topic, texts, grounds):
            yield from ()
            asked.append(len(texts))
            return rating.np.array(scores)

        return support

    monkeypatch.setattr(against_people, "support", told([0.95 if good else 0.2 for good in faithful]))
    made = drain(against_people.gate_against_people(bench, recipe(), file))
    assert made["tells"] and made["auc"]["mean"] == 1 and made["let_out"]["out"] == 20
    assert made["let_out"]["false_pass"]["mean"] == made["let_out"]["false_reject"]["mean"] == 0
    assert made["let_out"]["false_pass"]["high"] == pytest.approx(0.161, abs=1e-3), "Wilson of 0 in 20"
    assert drain(against_people.gate_against_people(bench, recipe(), file)) == made == against_people.newest(bench) and asked == [
        40
    ]
    file.write_text("{ }")
    monkeypatch.setattr(against_people, "support", told([0.9, 0.9, 0.2, 0.2] * 10))
    assert not drain(against_people.gate_against_people(bench, recipe(), file))["tells"]
