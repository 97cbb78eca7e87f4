import re
from collections.abc import Generator, Iterator
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from core.config import knob
from core.corpus.assemble import WHOLE, assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, clean
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

PAIRS = re.compile(r"<QApairs id='([^']*)'>(.*?)</QApairs>", re.S)
TEXTS = re.compile(r"<(question|positive|negative)>\s*\n([^\n]*)\n.*?</\1>", re.S)


class CandidateSentence(NamedTuple):
    question_id: str
    question: str
    sentence: str
    right: bool


@part("loader")
class AnswerSentences(Loader):
    """Questions with candidate sentences, right and wrong ones: TrecQA's XML (DEV.xml), or WikiQA's parallel lines (dev.a.toks,
    dev.b.toks, dev.id.txt, dev.sim.txt); also as .gz.

    A document is a distinct sentence, named by its words and put in the order of these names: the files list right sentences first,
    and their order alone would have a MAP of up to 1. Wrong candidates are judged with grade 0, so that a ranking of a question's own
    candidates can be told apart from a search among all. Choose it for answer sentence selection.
    Source: Wang, Smith and Mitamura 2007 (TrecQA); Yang, Yih and Meek 2015 (WikiQA).
    """

    part: Literal["answer_sentences"] = "answer_sentences"
    split: str = knob("dev", "Which questions: how the names of the files begin, in any case.")

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        source = Source(path, Notes())
        files = {
            PurePosixPath(member).name.lower().removesuffix(".gz"): member
            for member in source.sizes
            if PurePosixPath(member).name.lower().startswith(self.split.lower() + ".")
        }
        yield Progress(0, 0, "Reading the sentences")
        if f"{self.split.lower()}.xml" in files:
            candidates = list(_trecqa(source.text(files[f"{self.split.lower()}.xml"])))
        else:
            candidates = list(_wikiqa(source, files, self.split.lower()))
        documents = {identity(each.sentence): each.sentence for each in candidates if each.sentence}
        asked: dict[str, tuple[str, dict[str, int]]] = {}
        for each in candidates:
            grades = asked.setdefault(each.question_id, (each.question, {}))[1]
            if each.sentence:  # some questions have no candidate
                sentence = identity(each.sentence)
                grades[sentence] = max(int(each.right), grades.get(sentence, 0))  # named twice: right once is right
        queries = (
            Query(question_id, text, tuple(Gold(each, 0, WHOLE, grades[each], unit) for unit, each in enumerate(sorted(grades))))
            for question_id, (text, grades) in asked.items()
        )
        return assemble(name, [Document(each, documents[each]) for each in sorted(documents)], queries, source.notes)


def identity(sentence: str) -> str:
    return blake2b(sentence.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _trecqa(text: str) -> Iterator[CandidateSentence]:
    for question_id, block in PAIRS.findall(text):
        asked = ""
        for kind, tokens in TEXTS.findall(block):
            words = " ".join(tokens.split())
            if kind == "question":
                asked = words
                yield CandidateSentence(question_id, asked, "", False)
            elif words:
                yield CandidateSentence(question_id, asked, words, kind == "positive")


def _wikiqa(source: Source, files: dict[str, str], split: str) -> Iterator[CandidateSentence]:
    names = [f"{split}.{end}" for end in ("id.txt", "a.toks", "b.toks", "sim.txt")]
    if missing := [name for name in names if name not in files]:
        raise WorkbenchError(
            f"There is no {split}.xml, and of WikiQA's files no {', '.join(missing)}.",
            where=str(source.path),
            todo="Choose the split that is there: train, dev or test.",
        )
    columns = [source.text(files[name]).splitlines() for name in names]
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(f"{name} {len(column):,}" for name, column in zip(names, columns, strict=True))
        raise WorkbenchError(
            f"The files do not belong together: lines of {counts}.", where=str(source.path), todo="Copy them again."
        )
    for number, (question_id, question, sentence, right) in enumerate(zip(*columns, strict=True), 1):
        if right.strip() not in ("0", "1"):
            source.notes.add("Line without a judgement of 0 or 1, skipped", f"{names[3]}:{number}")
        elif sentence.strip():
            yield CandidateSentence(question_id.strip(), clean(question).strip(), clean(sentence).strip(), right.strip() == "1")
