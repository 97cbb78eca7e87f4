import re
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from core.config import knob
from core.corpus.assemble import assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}", "``": '"', "''": '"'}

PUBLISHED = {"questions": "tgt-test.txt", "sentences": "src-test.txt"}  # in the archive of Du et al.: SQuAD's training articles


@part("loader")
class SentenceLines(Loader):
    """Questions and the sentences that answer them, line by line in two files of tokens (questions.txt, sentences.txt).

    Neighbouring lines are of the same text, so neighbouring sentences are joined to one document while they are short
    enough; a question's gold is its sentence there. Tokens are put together as people write them. Choose it for the
    question and sentence pairs made from SQuAD.
    Source: Du, Shao and Cardie 2017, "Learning to Ask: Neural Question Generation for Reading Comprehension".
    """

    part: Literal["sentence_lines"] = "sentence_lines"
    characters: int = knob(
        600, "Sentences are joined to one document up to so many characters. 1: each sentence is one.", ge=1, le=100_000
    )

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        notes = Notes()
        source = Source(path, notes)
        questions, sentences = ([*_lines(source, kind)] for kind in ("questions", "sentences"))
        if len(questions) != len(sentences):
            raise WorkbenchError(
                f"There are {len(questions):,} questions and {len(sentences):,} sentences.",
                where=str(path),
                todo="Line n of sentences.txt is the sentence that answers line n of questions.txt.",
            )
        yield Progress(0, len(questions), "Joining sentences")
        documents: list[list[str]] = []
        place: dict[str, tuple[int, int]] = {}  # of a sentence: document, first character
        for sentence in sentences:
            if sentence in place:
                continue
            if not documents or sum(map(len, documents[-1])) + len(documents[-1]) + len(sentence) > self.characters:
                documents.append([])
            place[sentence] = len(documents) - 1, sum(map(len, documents[-1])) + len(documents[-1])
            documents[-1].append(sentence)
        queries = []
        for number, (question, sentence) in enumerate(zip(questions, sentences, strict=True), 1):
            document, start = place[sentence]
            gold = (Gold(f"{document + 1:05}", start, start + len(sentence)),) if sentence else ()
            queries.append(Query(f"{number:05}", question, gold))
        return assemble(name, [Document(f"{i:05}", " ".join(some)) for i, some in enumerate(documents, 1)], queries, notes)


def _lines(source: Source, kind: str) -> list[str]:
    [member, *_] = source.needed(f"{kind}.txt", f"{kind}.txt.gz", PUBLISHED[kind], todo="Give the folder of both files.")
    return [written(line) for line in source.text(member).rstrip("\n").split("\n")]


def written(tokens: str) -> str:
    """Tokens of the Penn Treebank's manner as running text: "notre dame 's ( u.s. ) , and" as "notre dame's (u.s.), and"."""
    quoted, out = False, ""
    for token in tokens.split():
        word = BRACKETS.get(token, token)
        if word == '"':
            quoted = not quoted
            glued = not quoted  # a closing mark stands against the word before it
        else:
            glued = bool(re.match(r"[,.;:?!%)\]}]|'(s|re|ve|ll|d|m|t)?$|n't$", word))
        opened = out[-1:] in ("(", "[", "{", "$", "#") or (out[-1:] == '"' and quoted and word != '"')
        out += word if not out or glued or opened else " " + word
    return out
