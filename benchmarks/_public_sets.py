"""Public collections with judgements, by what kind of question they ask of what kind of text, and how they may be used.

CHOOSE: settings may be chosen on their dev half. REPORT: never; what was chosen elsewhere is told of them. Sets in a form that no
loader reads are written as BEIR's files, from their publishers' own below the folder that GROUNDWORK_DATASETS names.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import DATASETS
from core.config import TrialConfig, fingerprint, with_settings
from core.pipeline.stages import Resolved
from core.workbench import Workbench

CHOOSE, REPORT = "choose", "report"


class Collection(NamedTuple):
    """by: what stays together in a fold. own: only each question's candidates are ranked."""

    dataset: str
    kind: str
    use: str = CHOOSE
    metric: str = "ndcg_linear"
    k: int = 10
    depth: int = 100
    by: str = "article"
    own: bool = False
    chunker: str = "whole_document"


FACTS, HOPS = "fact questions, Wikipedia", "questions over several paragraphs, Wikipedia"
CLAIMS, EXPERTS = "claims, abstracts", "expert questions, abstracts"
HEALTH, MANUAL, TALK = "consumer questions, health answers", "questions, documentation", "questions, turns of conversations"
SENTENCES = "questions, sentences"

COLLECTIONS = {
    "XQuAD": Collection("xquad-en", FACTS, by="group"),
    "HotpotQA and MuSiQue, training": Collection("hops-train", HOPS),
    "HotpotQA, dev": Collection("hotpotqa-dev", HOPS, REPORT),
    "SciFact, training claims": Collection("scifact-claims", CLAIMS),
    "Citation Integrity, training claims": Collection("citation-integrity", CLAIMS),
    "BioASQ 6b and 7b": Collection("bioasq-67", EXPERTS, REPORT),
    "BioASQ 8b": Collection("bioasq-8", EXPERTS, REPORT),
    "CACM": Collection("cacm", EXPERTS, REPORT, metric="map", k=1000, depth=1000),
    "MedQuAD": Collection("medquad", HEALTH),
    "Python reference": Collection("python-reference", MANUAL, chunker="recursive"),
    "LoCoMo": Collection("locomo", TALK, REPORT),
    "TrecQA, dev": Collection("trecqa", SENTENCES, metric="map", k=1000, depth=1000, own=True),
    "WikiQA, dev": Collection("wikiqa", SENTENCES, metric="map", k=1000, depth=1000, own=True),
}
# of sets without a publisher's address that a loader reads: loader, files below the folder of data sets
CARDS = {
    "cacm": ("{part: trec, documents: cacm.tar.gz}", ("cacm/cacm.tar.gz", "cacm/topics.cacm.txt", "cacm/qrels.cacm.txt")),
    "citation-integrity": ("{part: claims}", ("citation_integrity/corpus.jsonl.gz", "citation_integrity/claims_train.jsonl.gz")),
    "trecqa": ("{part: answer_sentences}", ("trecqa/DEV.xml.gz", "trecqa/TRAIN.xml.gz")),
    "wikiqa": ("{part: answer_sentences}", ("wikiqa/dev.a.toks", "wikiqa/dev.b.toks", "wikiqa/dev.id.txt", "wikiqa/dev.sim.txt")),
}


def workbench(home: Path) -> Workbench:
    """With a card for the sets that have none."""
    about = "title: x\ndescription: x\nlicence: x\ncitation: x\nhomepage: https://example.org\n"
    for name, (loader, files) in CARDS.items():
        card = home / "datasets" / name / "card.yaml"
        card.parent.mkdir(parents=True, exist_ok=True)
        listed = "".join(f"\n  - {{name: {file}, url: 'https://example.org/{file}'}}" for file in files)
        card.write_text(f"{about}loader: {loader}\nfiles:{listed}\n")
    return Workbench(home)


def asked(bench: Workbench, one: Collection, settings: dict[str, Any], most: int, documents: int = 0) -> Resolved:
    """The recipe over the set, asked its questions with evidence, or so many of them, drawn once. documents: of larger sets no more
    than so many, the evidence of these questions and others drawn; 0: all."""
    if one.dataset in WRITERS:
        written(bench.home / "datasets" / one.dataset, WRITERS[one.dataset])
    base = {"corpus.dataset": one.dataset, "chunking.part": one.chunker, "retrieval.candidates": one.depth}
    run = bench.resolve(with_settings(TrialConfig(), base | settings))
    queries = [query for query in run.corpus.queries if query.relevant]
    if one.own:  # a question whose candidates are all right cannot be ranked wrongly
        queries = [query for query in queries if len({gold.grade for gold in query.gold}) > 1]
    drawn = np.random.default_rng(0).permutation(len(queries))[:most]  # fewer are the first of more
    queries = [queries[place] for place in sorted(drawn)]
    corpus = replace(run.corpus, queries=tuple(queries))
    if documents and documents < len(corpus.documents):
        own = {gold.document_id for query in queries for gold in query.gold}
        order = np.random.default_rng(1).permutation(len(corpus.documents)).tolist()
        kept = sorted(order, key=lambda place: corpus.documents[place].id not in own)[:documents]
        fewer = tuple(corpus.documents[place] for place in sorted(kept))
        corpus = replace(corpus, documents=fewer, fingerprint=fingerprint(corpus.fingerprint, sorted(kept)))
    return run.asking(corpus, fingerprint(queries))


# Sets as BEIR's files ------------------------------------------------------------------------------------------------


class Written(NamedTuple):
    documents: dict[str, tuple[str, str]]  # id -> title, text
    questions: list[tuple[str, list[str]]]  # and the documents that answer each


def written(folder: Path, read: Callable[[], Written]) -> None:
    """The set in that folder, with its card; once."""
    if (folder / "card.yaml").is_file():
        return
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    documents, questions = read()
    lines = (json.dumps({"_id": key, "title": title, "text": text}) for key, (title, text) in documents.items())
    (folder / "corpus.jsonl").write_text("\n".join(lines), "utf-8")
    asked = (json.dumps({"_id": f"q{number}", "text": text}) for number, (text, _) in enumerate(questions))
    (folder / "queries.jsonl").write_text("\n".join(asked), "utf-8")
    judged = (f"q{number}\t{key}\t1" for number, (_, found) in enumerate(questions) for key in dict.fromkeys(found))
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judged), "utf-8")
    about = "title: x\ndescription: x\nlicence: x\ncitation: x\nhomepage: https://example.org\n"
    (folder / "card.yaml").write_text(f"{about}loader: {{part: beir}}\n")


def opened(name: str) -> Any:
    """A file of the data sets as JSON, or its lines."""
    with gzip.open(DATASETS / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file] if ".jsonl" in name else json.load(file)


def hops(sets: list[list[tuple[str, list[tuple[str, str, bool]]]]]) -> Written:
    """Of questions with their paragraphs (title, text, whether it is evidence)."""
    documents, questions = {}, []
    for asked, paragraphs in (pair for pairs in sets for pair in pairs):
        keys = [blake2b(f"{title}\n{text}".encode(), digest_size=8).hexdigest() for title, text, _ in paragraphs]
        documents |= {key: (title, text) for key, (title, text, _) in zip(keys, paragraphs, strict=True)}
        questions.append((asked, [key for key, (*_, right) in zip(keys, paragraphs, strict=True) if right]))
    return Written(documents, questions)


def hops_train() -> Written:
    hotpot = [
        (row["question"], [(title, "".join(text), title in dict(row["supporting_facts"])) for title, text in row["context"]])
        for row in opened("multihop/hotpotqa_train_100.json.gz")
    ]
    musique = [
        (row["question"], [(p["title"], p["paragraph_text"], p["is_supporting"]) for p in row["paragraphs"]])
        for row in opened("multihop/musique_train_100.json.gz")
    ]
    return hops([hotpot, musique])


def hotpotqa_dev() -> Written:
    rows = opened("multihop/hotpotqa_dev_500.jsonl.gz")
    return hops(
        [[(r["question_text"], [(p["title"], p["paragraph_text"], p["is_supporting"]) for p in r["contexts"]]) for r in rows]]
    )


def bioasq(years: str) -> Callable[[], Written]:
    """All abstracts, and the questions of these years."""

    def read() -> Written:
        documents, questions = {}, []
        for year in "678":
            documents |= {key: ("", text) for key, text in opened(f"bioasq/bioasq{year}b_abstracts.json.gz").items() if text}
        for year in years:
            rows = opened(f"bioasq/bioasq{year}b_golden.json.gz")["questions"]
            found = [(row["body"], [key for key in row["documents"] if key in documents]) for row in rows]
            questions += [(body, keys) for body, keys in found if keys]
        return Written(documents, questions)

    return read


def locomo() -> Written:
    documents, questions = {}, []
    for place, row in enumerate(opened("locomo/locomo_dev5.json.gz")):
        talk = {name: turns for name, turns in row["conversation"].items() if isinstance(turns, list)}
        own = {turn["dia_id"]: f"{turn['speaker']}: {turn['text']}" for turns in talk.values() for turn in turns}
        documents |= {f"{place}/{key}": ("", text) for key, text in own.items()}
        found = [
            (q["question"], [f"{place}/{key}" for key in q["evidence"] if key in own]) for q in row["qa"] if q["category"] < 5
        ]
        questions += [(question, keys) for question, keys in found if keys]
    return Written(documents, questions)


WRITERS: dict[str, Callable[[], Written]] = {
    "hops-train": hops_train,
    "hotpotqa-dev": hotpotqa_dev,
    "bioasq-67": bioasq("67"),
    "bioasq-8": bioasq("8"),
    "locomo": locomo,
}
