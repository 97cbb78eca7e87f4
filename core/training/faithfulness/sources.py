"""Answers with their passages and what people marked wrong in them, from the published data sets that training may use.

Each is looked for by its files' names below one folder (`GROUNDWORK_DATASETS`); what is not there is left out and told. What
people only let tests see (QAGS, SICK, RTE, SciFact, TrecQA, WikiQA, XQuAD) is not read here.
"""

import difflib
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from core.corpus.reading import Notes, Source, clean, decode, shape_reported
from core.errors import WorkbenchError
from core.judging.evidence import claims

SUPPORTED, CONTRADICTED, NEITHER, UNKNOWN = 0, 1, 2, -1
VERDICTS = {"entailment": SUPPORTED, "contradiction": CONTRADICTED, "neutral": NEITHER}
CITED = {"SUPPORT": SUPPORTED, "REFUTE": CONTRADICTED, "NEI": NEITHER}
FAULTS = {"Wrong-Grounding": CONTRADICTED, "Unverifiable": NEITHER}  # the others are true: beside the point, or said twice
EXPERTS = "expertqa"  # answers of systems with GPT-4 to experts' questions
EXPERT_CLAIMS = "expertqa_claims"  # each of their claims beside its own evidence
OWN = "mistakes"  # answers of the answerer that ships (core.training.faithfulness.mistakes)
CHECKED = {"SUPPORTS": SUPPORTED, "REFUTES": CONTRADICTED}
TOKENS = {
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "``": '"',
    "''": '"',
    "--": "-",
}  # as the Penn Treebank writes them
BORNE_OUT = {"Complete": SUPPORTED, "Partial": NEITHER, "Incomplete": NEITHER}  # else there was no evidence to judge by
CITATION = re.compile(r"\s*\[\d+\]")
CITATIONS = re.compile(r"\s*[\[(]?(?:<\|\w+\|>[,\s\d–-]*)+[\])]?")


class MarkedSpan(NamedTuple):
    """Characters [start, end) of an answer that are wrong; share: of the people asked who marked them."""

    start: int
    end: int
    verdict: int
    share: float = 1.0


class Marked(NamedTuple):
    """An answer and what people said of it. group: what stands in it is of one split. spans: None where nobody marked words."""

    source: str
    group: str
    question: str
    passages: tuple[str, ...]
    answer: str
    verdict: int
    spans: tuple[MarkedSpan, ...] | None

    def claims(self) -> Iterator["Marked"]:
        """Its sentences, each with its own verdict where that is known."""
        places = claims(self.answer)
        for start, end in places:
            if self.spans is None:
                verdict, spans = self.verdict if len(places) == 1 else UNKNOWN, None
            else:
                inside = [span for span in self.spans if span.start < end and span.end > start]
                spans = tuple(
                    MarkedSpan(max(span.start, start) - start, min(span.end, end) - start, span.verdict, span.share)
                    for span in inside
                )
                most = max((span.share for span in spans), default=0.0)
                sure = [span.verdict for span in spans if span.share >= 0.5]
                verdict = SUPPORTED if not spans else (min(sure) if sure else UNKNOWN if most else SUPPORTED)
            if verdict != UNKNOWN or spans is not None:
                yield self._replace(answer=self.answer[start:end], verdict=verdict, spans=spans)


def read(folder: Path) -> tuple[list[Marked], list[str]]:
    """All that the folder has, and the names of what it lacks."""
    answers, missing = [], []
    for name, (files, reader) in READERS.items():
        place = folder / name
        if not all((place / file).is_file() for file in files):
            missing.append(name)
            continue
        with shape_reported(str(place), name):
            answers += [answer for answer in reader(Source(place, Notes()), *files) if claims(answer.answer)]
    if not answers:
        raise WorkbenchError(
            f"None of the data sets is in {folder}: {', '.join(READERS)}.",
            where=str(folder),
            todo="Name the folder that has them with --data, or in the environment variable GROUNDWORK_DATASETS.",
        )
    return answers, missing


def share(group: str, seed: int) -> float:
    """A number in [0, 1) of the group: the same in every run."""
    return zlib.crc32(f"{seed} {group}".encode()) / 2**32


def _snli(source: Source, file: str) -> Iterator[Marked]:
    for row in source.json_lines(file):
        premise, hypothesis, label = (clean(row.fields[key]) for key in ("premise", "hypothesis", "label"))
        yield _pair("snli", premise, premise, hypothesis, VERDICTS[label])


def _pair(name: str, group: str, premise: str, hypothesis: str, verdict: int, spans=None) -> Marked:
    spans = () if verdict == SUPPORTED else spans
    return Marked(name, f"{name} {group}", "", (premise,), hypothesis, verdict, spans)


def _cad(source: Source, file: str) -> Iterator[Marked]:
    """Rows of three follow each other: a premise with a neutral, a contradicted and a supported hypothesis are one group; of
    two hypotheses of one premise the words that were revised are what makes the one wrong."""
    rows = [line.split("\t") for line in decode(source.read(file), source.notes, file).splitlines()[1:]]
    rows = [row for row in rows if len(row) == 3 and row[2] in VERDICTS]
    by_premise: dict[str, list[tuple[str, int]]] = {}
    original = {}  # the hypothesis of a group's revised premises names the group
    for premise, hypothesis, label in rows:
        by_premise.setdefault(premise, []).append((hypothesis, VERDICTS[label]))
        original.setdefault(hypothesis, premise)
    for premise, some in by_premise.items():
        right = next((text for text, verdict in some if verdict == SUPPORTED), None)
        group = original[some[0][0]]
        for text, verdict in some:
            spans = _revised(right, text, verdict) if right and verdict != SUPPORTED else None
            yield _pair("cad_nli", group, premise, text, verdict, spans)


def _revised(right: str, wrong: str, verdict: int) -> tuple[MarkedSpan, ...] | None:
    """The words that `wrong` has in another place than `right`; None where more than half were revised."""
    words = [[*re.finditer(r"\w+", text.lower())] for text in (right, wrong)]
    match = difflib.SequenceMatcher(None, *([word.group() for word in some] for some in words), autojunk=False)
    places = [(j1, j2) for tag, _, _, j1, j2 in match.get_opcodes() if tag in ("replace", "insert")]
    if not places or sum(stop - start for start, stop in places) > len(words[1]) / 2:
        return None
    return tuple(MarkedSpan(words[1][start].start(), words[1][stop - 1].end(), verdict) for start, stop in places)


def _citations(source: Source, corpus: str, *files: str) -> Iterator[Marked]:
    texts = {str(row.fields["doc_id"]): [clean(text) for text in row.fields["abstract"]] for row in source.json_lines(corpus)}
    for file in files:
        for row in source.json_lines(file):
            cited = [str(number) for number in row.fields["cited_doc_ids"]]
            labels = [entry["label"] for entries in row.fields["evidence"].values() for entry in entries]
            verdict = CITED[labels[0] if labels else "NEI"]
            passages = tuple(" ".join(texts[number]) for number in cited if texts.get(number))
            claim = CITATIONS.sub("", clean(row.fields["claim"])).strip()
            if passages and claim:
                name = "citation_integrity" if "train" in file else "citation_integrity test"
                group = f"{name} {texts[cited[0]][0]}"
                yield Marked(name, group, "", passages, claim, verdict, () if verdict == SUPPORTED else None)


def _xsum(source: Source, file: str) -> Iterator[Marked]:
    kinds = {"intrinsic": CONTRADICTED, "extrinsic": NEITHER}
    for row in source.json_lines(file):
        text, people = clean(row.fields["summary"]), row.fields["annotators"]
        spans = tuple(
            MarkedSpan(max(0, mark["start"]), min(len(text), mark["end"]), kinds.get(mark["type"], NEITHER), 1 / len(people))
            for marks in people.values()
            for mark in marks
        )
        spans = _joined(spans, len(text))
        verdict = min((span.verdict for span in spans if span.share >= 0.5), default=SUPPORTED)
        passages = tuple(clean(row.fields["document"]).split("\n"))
        yield Marked("xsumfaith", f"xsumfaith {row.fields['bbcid']}", "", passages, text, verdict, spans)


def _joined(spans: tuple[MarkedSpan, ...], length: int) -> tuple[MarkedSpan, ...]:
    """Spans of several people as pieces that do not overlap, each with the share of those who marked it."""
    edges = sorted({0, length, *(edge for span in spans for edge in (span.start, span.end))})
    pieces = []
    for start, end in pairwise(edges):
        inside = [span for span in spans if span.start <= start and span.end >= end]
        if inside:
            verdict = max(sorted({span.verdict for span in inside}), key=lambda v: sum(s.share for s in inside if s.verdict == v))
            pieces.append(MarkedSpan(start, end, verdict, min(1.0, sum(span.share for span in inside))))
    return tuple(pieces)


def _qa_feedback(source: Source, file: str) -> Iterator[Marked]:
    for number, entry in enumerate(source.json(file, list)):
        passages = tuple(f"{title}: {clean(' '.join(texts))}" for title, *texts in entry["passages"])
        group, question = f"qa_feedback {number}", clean(entry["question"])
        answer, told = clean(entry["prediction 1"]), entry["feedback"]
        spans = tuple(
            MarkedSpan(max(0, fault["start"]), min(len(answer), fault["end"]), FAULTS[fault["error type"]])
            for fault in told["errors"]
            if fault["error type"] in FAULTS and fault["end"] > fault["start"]
        )
        spans = _joined(spans, len(answer))
        verdict = min((span.verdict for span in spans), default=SUPPORTED)
        yield Marked("qa_feedback", group, question, passages, answer, verdict, spans)
        corrected = clean(told["corrected-prediction"]).strip()
        if corrected and corrected != answer:
            yield Marked("qa_feedback corrected", group, question, passages, corrected, SUPPORTED, ())


def _fever(source: Source, file: str) -> Iterator[Marked]:
    for row in source.json_lines(file):
        passages = tuple(_written_out(clean(text)) for text in row.fields["evidence"])
        if passages:
            yield _checked("fever", passages[0], passages, clean(row.fields["claim"]), CHECKED[row.fields["label"]])


def _fool_me_twice(source: Source, file: str) -> Iterator[Marked]:
    for row in source.json_lines(file):
        passages, page = tuple(clean(each["text"]) for each in row.fields["gold_evidence"]), row.fields["wikipedia_page"]
        if passages:
            yield _checked("fool_me_twice", page, passages, clean(row.fields["text"]), CHECKED[row.fields["label"]])


def _checked(name: str, group: str, passages: tuple[str, ...], claim: str, verdict: int) -> Marked:
    return Marked(name, f"{name} {group}", "", passages, claim, verdict, () if verdict == SUPPORTED else None)


def _written_out(tokens: str) -> str:
    """The text that was cut into tokens."""
    text = " ".join(TOKENS.get(token, token) for token in tokens.split())
    text = re.sub(r" (?=[.,;:!?)\]%]|'s\b|n't\b)", "", re.sub(r"(?<=[(\[$]) ", "", text))
    return re.sub(r'" ([^"]*) "', r'"\1"', text)


def _experts(source: Source, file: str) -> Iterator[Marked]:
    """Of each answer the claims that the expert judged by the text of their evidence; wrong where one is not wholly borne out by it.
    Behind it these claims, each by itself."""
    for row in source.json_lines(file):
        for said in row.fields["answers"].values():
            texts = [
                (each, [text for evidence in each["evidence"] if (text := evidence.partition("\n\n")[2].strip())])
                for each in said["claims"]
            ]
            judged = [(each, some) for each, some in texts if some and each["support"] in BORNE_OUT]
            verdict = max((BORNE_OUT[each["support"]] for each, _ in judged), default=SUPPORTED)
            passages = tuple(dict.fromkeys(clean(text) for _, some in judged for text in some))
            answer = " ".join(clean(each["claim_string"]) for each, _ in judged)
            if not passages:
                continue
            question = clean(row.fields["question"])
            yield Marked(EXPERTS, f"{EXPERTS} {question}", question, passages, answer, verdict, None)
            for each, some in judged:
                own, claim = BORNE_OUT[each["support"]], CITATION.sub("", clean(each["claim_string"])).strip()
                texts = tuple(map(clean, some))
                yield Marked(EXPERT_CLAIMS, f"{EXPERTS} {question}", "", texts, claim, own, () if own == SUPPORTED else None)


READERS: dict[str, tuple[tuple[str, ...], Callable[..., Iterator[Marked]]]] = {
    "snli": (("snli_dev.jsonl.gz",), _snli),
    "cad_nli": (("all_combined_train.tsv.gz",), _cad),
    "citation_integrity": (("corpus.jsonl.gz", "claims_train.jsonl.gz", "claims_dev.jsonl"), _citations),
    "xsumfaith": (("xsumfaith_1240.jsonl.gz",), _xsum),
    "qa_feedback": (("dev_feedback.json.gz",), _qa_feedback),
    EXPERTS: (("expertqa_dev.jsonl.gz",), _experts),
    "fever_evidence": (("fever_dev_half.jsonl.gz",), _fever),
    "fool_me_twice": (("dev.jsonl.gz",), _fool_me_twice),
}
