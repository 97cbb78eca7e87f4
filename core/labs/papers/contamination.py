"""Contamination: whether what a recipe was trained on holds the questions that it is measured on, or dev and test share some.

All of it is read from what a bundle has too: the trials, their questions, and of encoders trained here on what corpus they
learnt. What nobody recorded is told as not examined.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core import files
from core.corpus.library import split
from core.errors import WorkbenchError
from core.labs.papers.wording import listed
from core.models.hub import encoders_home
from core.records import Corpus, Gold, Query
from core.report.caption import escape
from core.workbench import Workbench

FOLDER = "trained-of-bundle"  # in the data folder that a bundle is opened in
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
FITTED = ("lsa", "word2vec")  # encoders that learn from the corpus' texts, and from no question
CARDS = {  # beginning of a corpus' name -> what the model card of all-MiniLM-L6-v2 names among its training data
    "xquad": "SQuAD 2.0",
    "squad": "SQuAD 2.0",
    "triviaqa": "TriviaQA",
}
MOST_BASES = 10  # of an encoder trained from one that was trained

Trials = Sequence[Mapping[str, Any]]


def findings(workbench: Workbench, trials: Trials, with_encoder: Trials) -> list[str]:
    """What was examined and what it gave, as LaTeX. with_encoder: the trials among them that ask one."""
    asked = {print_: _questions(workbench, print_) for print_ in {trial.get("questions_fingerprint") for trial in trials}}
    return [
        *_halves(trials, asked),
        *_fitted(with_encoder),
        *_trained(workbench, with_encoder, asked),
        *_cards(workbench, with_encoder),
    ]


def record(workbench: Workbench, name: str) -> dict[str, Any] | None:
    """Of an encoder trained here: its corpus, and the encoder that it began as; None where nothing is recorded."""
    if not re.fullmatch(NAME, name):
        return None
    for path in (encoders_home() / name / "training.json", workbench.home / FOLDER / f"{name}.json"):
        try:
            whole = files.read_json(path, of=dict)
            corpus = {key: str(whole["corpus"][key]) for key in ("name", "fingerprint")}
            return {"corpus": corpus, "config": {"base": str(whole["config"]["base"])}}
        except (WorkbenchError, KeyError, TypeError):
            continue
    return None


def records(workbench: Workbench, trials: Trials) -> dict[str, dict[str, Any]]:
    """Name -> record of the trained encoders that the trials use, and of those that these began as."""
    names, told = [_encoder(trial).get("name", "") for trial in trials if _encoder(trial).get("part") == "trained"], {}
    while names and len(told) < MOST_BASES * (len(trials) + 1):
        name = str(names.pop())
        if name not in told and (own := record(workbench, name)):
            told[name] = own
            names.append(own["config"]["base"])
    return told


def _halves(trials: Trials, asked: Mapping[Any, list[Query]]) -> Iterator[str]:
    """Whether test questions are dev questions too."""
    sets: dict[str, dict[Any, str]] = {"dev": {}, "test": {}}
    for trial in trials:
        corpus = trial["config"]["corpus"]
        sets.get(corpus.get("questions", "all"), {})[trial.get("questions_fingerprint")] = str(corpus["dataset"])
    texts = {_same(query.text) for print_ in sets["dev"] for query in asked[print_]}
    for print_, dataset in sets["test"].items():
        if not sets["dev"]:
            yield (
                f"Whether test questions on {escape(dataset)} are among those that choices were made on was not examined: these are "
                "not here."
            )
            continue
        seen = {
            gold.document_id for own, of in sets["dev"].items() if of == dataset for query in asked[own] for gold in query.gold
        }
        number, name = len(asked[print_]), escape(dataset)
        alike = sum(_same(query.text) in texts for query in asked[print_])
        shared = sum(any(gold.document_id in seen for gold in query.gold) for query in asked[print_])
        if alike or shared:
            yield (
                f"Contaminated: of {number:,} test questions on {name}, {alike:,} have the text of a dev question and {shared:,} a "
                "document of evidence of one."
            )
        else:
            yield f"None of the {number:,} test questions on {name} has the text of a dev question, or a document of evidence of one."


def _fitted(trials: Trials) -> Iterator[str]:
    if names := sorted({_encoder(trial)["part"] for trial in trials if _encoder(trial).get("part") in FITTED}):
        many = len(names) > 1
        which = f"encoders {escape(listed(names))} were" if many else f"encoder {escape(names[0])} was"
        yield f"The {which} fitted to the texts of the corpora that {'they search' if many else 'it searches'}, and to no question."


def _trained(workbench: Workbench, trials: Trials, asked: Mapping[Any, list[Query]]) -> Iterator[str]:
    """Encoders trained here learn from the dev half of a corpus; the test half's documents are held out."""
    told, said = records(workbench, trials), {}
    for trial in trials:
        if _encoder(trial).get("part") != "trained":
            continue
        name, corpus, print_ = str(_encoder(trial).get("name", "")), trial["config"]["corpus"], trial.get("questions_fingerprint")
        bases = list(_bases(told, name))
        about = f"The encoder {escape(name)}"
        if not bases:
            said[name] = f"{about} was trained on what is not on record: whether it saw these questions was not examined."
        for own in bases:
            learnt, same = own["corpus"], (trial.get("fingerprints") or {}).get("corpus") == own["corpus"]["fingerprint"]
            key = (name, learnt["fingerprint"], print_)
            if not same:
                said[key] = (
                    f"{about} was trained on {escape(learnt['name'])}, whose questions were not compared with those on "
                    f"{escape(str(corpus['dataset']))}."
                )
                continue
            half, number = corpus.get("questions", "all"), len(asked[print_])
            if half == "test":
                said[key] = (
                    f"{about} was trained on the dev half of {escape(learnt['name'])}; test questions and their documents were held out."
                )
                continue
            seen = number if half == "dev" else len(split(Corpus("", (), tuple(asked[print_])), "dev").queries)
            said[key] = (
                f"Contaminated: {seen:,} of {number:,} questions on {escape(learnt['name'])} are of the half that the encoder "
                f"{escape(name)} was trained on."
            )
    yield from said.values()


def _bases(told: Mapping[str, Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
    """The records of an encoder and of those that it began as."""
    for _ in range(MOST_BASES):
        if name not in told:
            return
        yield told[name]
        name = told[name]["config"]["base"]


def _cards(workbench: Workbench, trials: Trials) -> Iterator[str]:
    """What models from elsewhere saw: by their card where it says so, else not examined."""
    told, said = records(workbench, trials), {}
    for trial in trials:
        encoder, dataset = _encoder(trial), str(trial["config"]["corpus"]["dataset"])
        model = str(encoder.get("model") or encoder.get("part", ""))
        if encoder.get("part") == "trained":
            model = next((own["config"]["base"] for own in reversed(list(_bases(told, str(encoder.get("name", "")))))), "")
        if encoder.get("part") in FITTED or not model:
            continue
        card = next((what for start, what in CARDS.items() if dataset.startswith(start)), "") if "minilm" in model.lower() else ""
        said[model, card and dataset] = (
            f"The model card of {escape(model)} names {card} among its training data, to which {escape(dataset)} belongs: its texts or "
            "questions may be contaminated."
            if card
            else f"Whether {escape(model)} had seen the corpora or questions in its training was not examined: no record of it is here."
        )
    yield from said.values()


def _encoder(trial: Mapping[str, Any]) -> Mapping[str, Any]:
    return trial["config"].get("embedding") or {}


def _questions(workbench: Workbench, print_: Any) -> list[Query]:
    try:
        queries = workbench.store.questions(print_ or "")["queries"]
    except WorkbenchError:
        return []
    return [Query(query["id"], query["text"], tuple(Gold(*gold) for gold in query["gold"])) for query in queries]


def _same(text: str) -> str:
    """Texts that differ in case, spaces or punctuation alone are the same; those of nothing else, where they are the very same."""
    return " ".join(re.findall(r"\w+", text.casefold())) or text
