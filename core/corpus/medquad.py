import re
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path, PurePosixPath
from typing import Literal
from xml.etree import ElementTree

from core.corpus.assemble import WHOLE, assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part


@part("loader")
class Medquad(Loader):
    """Consumer-health questions with long answers from nine NIH collections, one XML file a topic.

    A document is an answer, its question is the query, the question's type its group. Identical answers are
    alternatives of one unit, for no retriever can tell them apart; a question that occurs several times in the same
    words has all its answers as evidence, one unit each. Pairs whose answer was removed for copyright are left out.
    Choose it for long documents that answer whole, and for breakdowns by type of question.
    Source: Ben Abacha and Demner-Fushman 2019, A Question-Entailment Approach to Question Answering.
    """

    part: Literal["medquad"] = "medquad"

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        notes = Notes()
        source = Source(path, notes)
        files = source.find("*.xml")
        documents, questions = [], []  # side by side, a pair each
        for done, member in enumerate(files):
            if done % 200 == 0:
                yield Progress(done, len(files), "Reading question-answer pairs")
            try:
                root = ElementTree.fromstring(source.read(member))
            except ElementTree.ParseError as error:
                notes.add("File is not valid XML, skipped", f"{member}:{error.position[0]}")
                continue
            for number, pair in enumerate(root.iter("QAPair"), 1):
                question, answer = pair.find("Question"), pair.find("Answer")
                text = "" if answer is None else tidy("".join(answer.itertext()))
                if question is None or not text:
                    notes.add("Pairs without question or answer left out")
                    continue
                identity = f"{root.get('source', 'unknown')}/{PurePosixPath(member).stem}-{number}"
                documents.append(Document(identity, text, root.findtext("Focus", "").strip(), root.get("url", "")))
                questions.append((tidy(question.text or ""), question.get("qtype", "")))
        return assemble(name, documents, judged(documents, questions), notes)


def tidy(text: str) -> str:
    """The XML's indentation taken out; paragraphs and list items keep their lines."""
    text = re.sub(r"\s{2,}-\s+", "\n- ", text.strip())
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text))


def judged(documents: list[Document], questions: list[tuple[str, str]]) -> list[Query]:
    same_text, same_question = defaultdict(list), defaultdict(dict)
    for document, (question, _) in zip(documents, questions, strict=True):
        same_text[document.text].append(document.id)
        same_question[question][document.text] = None  # a dict as an ordered set
    queries = []
    for document, (question, kind) in zip(documents, questions, strict=True):
        gold = [
            Gold(identity, 0, WHOLE, unit=unit)
            for unit, text in enumerate(same_question[question])
            for identity in same_text[text]
        ]
        queries.append(Query(document.id, question, tuple(gold), group=kind))
    return queries
