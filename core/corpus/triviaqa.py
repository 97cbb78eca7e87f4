import re
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from core.config import knob
from core.corpus.assemble import assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, decode, text_of
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

PER_DOCUMENT = 20  # occurrences of an answer kept in one document; a long article may name its subject 500 times


@part("loader")
class TriviaQA(Loader):
    """Trivia questions with evidence documents that were gathered afterwards.

    Evidence is distant: every occurrence of the answer or one of its aliases in the question's own documents counts,
    as alternatives of one unit (the data set's own rule; the verified files were checked by people). Choose it for
    long documents and answers with many names. Reads the published archive or its unpacked folder.
    Source: Joshi et al. 2017, TriviaQA: A Large Scale Distantly Supervised Challenge Dataset.
    """

    part: Literal["triviaqa"] = "triviaqa"
    questions: str = knob("verified-wikipedia-dev", "Which file of questions in qa/, without its ending.")

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        source = Source(path, Notes())
        have = ", ".join(PurePosixPath(file).stem for file in source.find("qa/*.json")) or "none here"
        [file, *_] = source.needed(f"qa/{self.questions}.json", todo=f"Choose questions: {have}.")
        entries = source.json(file).get("Data") or []
        wanted = {place for entry in entries for place in _evidence(entry)}
        # in the archive's order: a compressed tar cannot be read backwards
        members = [member for member in source.sizes if _short(member) in wanted]
        documents: dict[str, Document] = {}
        for done, member in enumerate(members):
            if done % 50 == 0:
                yield Progress(done, len(members), "Reading evidence")
            text = decode(source.read(member), source.notes, member)
            title = PurePosixPath(member).stem.replace("_", " ")
            documents[_short(member)] = Document(_short(member), text, title, member)
        queries = [_question(entry, documents, source.notes) for entry in entries]
        return assemble(name, documents.values(), queries, source.notes)


def _short(member: str) -> str:
    """evidence/wikipedia/Ant.txt of any wrapping folder -> wikipedia/Ant.txt"""
    return member.rpartition("evidence/")[2]


def _evidence(entry: dict) -> Iterator[str]:
    for kind, folder in (("EntityPages", "wikipedia"), ("SearchResults", "web")):
        for page in entry.get(kind) or ():
            if text_of(page, "Filename"):
                yield f"{folder}/{text_of(page, 'Filename')}"


def _question(entry: dict, documents: dict[str, Document], notes: Notes) -> Query:
    identity, answer = text_of(entry, "QuestionId"), entry.get("Answer") or {}
    names = [text_of(answer, "Value"), *map(str, answer.get("Aliases") or ())]
    names = sorted({name.strip() for name in names if name.strip()}, key=lambda name: (-len(name), name))
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)
    gold = []
    for place in dict.fromkeys(_evidence(entry) if names else ()):
        if place not in documents:
            notes.add("Evidence file is missing", place)
            continue
        spans = [match.span() for match in pattern.finditer(documents[place].text)]
        gold += (Gold(place, *span) for span in spans[:PER_DOCUMENT])
    if not gold:
        notes.add("Question whose answer is in none of its documents, not measured", identity)
    group = text_of(entry, "QuestionSource")
    return Query(identity, text_of(entry, "Question"), tuple(gold), tuple(names), group=group)
