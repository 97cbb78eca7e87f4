"""Trains the faithfulness model: an adapter of the bundled encoder with two heads, on answers that people judged and on claims
made from texts by rule.

Splits are by question, article or cited passage (`split_of`): from most is learnt, on the second part the best weights are chosen
and the combination is fitted (`core.judging.combined`), the third is measured once, at the end. Citation Integrity's dev file is
its third part. Files: the work stands in `<faithfulness>/.training/<name>/` (log.jsonl, checkpoint.pt), the finished model in
`<faithfulness>/<name>/`, where it appears whole by renaming. Closing the generator keeps the checkpoint of the last evaluation: the
same settings continue there, other settings start anew.
"""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.config import code_version, fingerprint
from core.files import read_json
from core.judging.combined import COMBINATION, from_record
from core.judging.judgement_models import SETTINGS, OwnModel, identity
from core.models.hub import bundled_folder
from core.records import Corpus, Progress
from core.reranking.bert_pairs import ADAPTER
from core.training.adapters.near_copies import near_copies
from core.training.faithfulness.answered import made_answers
from core.training.faithfulness.combination import SETS, SeenAnswer, accuracy, best_shift, fitted, measured, seen, trusted
from core.training.faithfulness.corrupted import Corruption, stories_of, stories_of_corpus
from core.training.faithfulness.loop import FaithfulLoop
from core.training.faithfulness.mistakes import OwnAnswers
from core.training.faithfulness.settings import FaithfulnessTraining
from core.training.faithfulness.sources import EXPERT_CLAIMS, EXPERTS, OWN, Marked, read, share
from core.training.log import at_work, finish, write_line
from core.training.low_rank import write_low_rank
from core.training.record import PhaseSeconds, TrainingResult

LEARNT = {
    "xsumfaith": 0.6,
    "qa_feedback": 0.6,
    "citation_integrity": 0.85,
    "snli": 0.96,
    "cad_nli": 0.96,
    "fever": 0.96,
    "fool_me_twice": 0.9,
    EXPERTS: 0.25,
    EXPERT_CLAIMS: 0.25,
}  # of groups
FITTED = {
    "xsumfaith": 0.8,
    "qa_feedback": 0.8,
    EXPERTS: 0.5,
    EXPERT_CLAIMS: 0.5,
}  # up to here the second part; the others have no third in their files
JUDGED = (*SETS, "made", OWN)
ALIKE = 0.7  # of a claim and one that is judged at the end, from which it is left out
SHIPPED_SEED = 0  # of the training of the model that is shipped
ASKED = "squad-sentences"  # the corpus whose questions are paraphrases of its sentences
TEXTS = (ASKED, "medquad")  # whose texts claims are made from, where they are on this machine
READS = 256  # tokens that the finished model reads, of which training saw fewer: that is faster
OF_EACH = 4  # claims made of each text for the combination, and for its test
NONE = OwnAnswers([], {})
MADE_SEED = 2**31 - 2  # of the claims that an evaluation judges


@dataclass(frozen=True)
class TrainedFaithfulness(TrainingResult):
    """What it is worth stands in its record alone."""

    sizes: dict[str, int]
    missing: list[str]  # data sets that were not there
    left_out: dict[str, int]  # by reason


def split_of(answer: Marked, seed: int) -> str:
    """ "learnt", "fitted" or "test"."""
    name, _, rest = answer.source.partition(" ")
    if rest in ("fitted", "test"):
        return rest
    if name == OWN:
        return "learnt"
    place = share(answer.group, seed)
    return "learnt" if place < LEARNT[name] else "fitted" if place < FITTED.get(name, 1.0) else "test"


def train(
    config: FaithfulnessTraining, data: Path, corpora: Sequence[Corpus], folder: Path, own: OwnAnswers = NONE
) -> Generator[Progress, None, TrainedFaithfulness]:
    """Trains on the data sets of the folder, on texts of the corpora and on the answerer's own answers, and writes the model to
    `folder`, whose name is its own."""
    with at_work(folder, "a faithfulness model") as work:
        return (yield from _train(config, data, corpora, folder, own, work))


def _train(config, data, corpora, folder, own, work):
    seconds, base = PhaseSeconds(), bundled_folder()
    yield Progress(0, 0, "Reading what people judged")
    answers, missing = read(data)
    if config.texts and config.made:
        missing += sorted({*TEXTS} - {corpus.name for corpus in corpora})
    parts: dict[str, list[Marked]] = {"learnt": [], "fitted": [], "test": []}
    for answer in [*answers, *own.claims]:
        parts[split_of(answer, config.seed)].append(answer)
    learnt = [claim for answer in parts["learnt"] if answer.source != EXPERTS for claim in answer.claims()]
    judged = [claim.answer for answer in parts["test"] for claim in answer.claims()]
    copies = near_copies([claim.answer for claim in learnt], judged, ALIKE)
    learnt = [claim for place, claim in enumerate(learnt) if place not in copies]
    stories = [*stories_of(parts["learnt"])]
    for corpus in corpora:
        stories += stories_of_corpus(corpus, config.texts, config.seed, corpus.name == ASKED)
    made = Corruption(stories, base)
    validation = _validation(config, parts["fitted"], made, len(stories))
    told, begun = [str(each) for each in [*answers, *own.claims]], identity(config.begin_with) if config.begin_with else ""
    mark = fingerprint(config, begun, [c.fingerprint for c in corpora], told, code_version(FaithfulLoop))
    loop = FaithfulLoop(config, base, learnt, validation, made, len(stories), work, mark)
    if config.begin_with:
        loop.begin_with(config.begin_with)
    seconds.end("preparing")
    yield from loop.run()
    seconds.end("training")

    yield Progress(0, 0, "Combining the signals, and the test")
    sizes = {name: len(some) for name, some in parts.items()}
    sizes |= {"claims": len(learnt), "validation_claims": len(validation), "texts": len(stories)}
    left_out = own.left_out | {"near copy of a claim of the test": len(copies)}
    result = TrainedFaithfulness.by(loop, folder, seconds, sizes=sizes, missing=missing, left_out=left_out)
    write_line(work, "end", best_step=loop.best_step, stopped=loop.stopped)
    made_here = work / "model"
    write_low_rank(made_here, (ADAPTER, SETTINGS), loop.model.trained, max(READS, config.max_tokens), base)
    made_of = {name: made_claims(parts[name], base) for name in ("fitted", "test")}
    second, third = ([each for some in (parts, made_of) for each in some[name]] for name in ("fitted", "test"))
    _, measures = yield from combine(made_here, second, third, base)
    finish(work, made_here, folder, result.record(config, measures=measures))
    return result


def _validation(config: FaithfulnessTraining, answers: list[Marked], made: Corruption, stories: int) -> list[Marked]:
    """Claims of the second part, so many of each data set that is learnt from, and as many that are made from texts (texts that are
    learnt from)."""
    draw, claims = np.random.default_rng([config.seed, 2 << 20]), [claim for answer in answers for claim in answer.claims()]
    chosen = []
    for name in sorted({name for claim in claims if (name := claim.source.split()[0]) != EXPERTS}):
        some = [claim for claim in claims if claim.source.split()[0] == name]
        chosen += [some[i] for i in draw.permutation(len(some))[: config.validation_claims]]
    every = range(0, stories, max(1, stories // config.validation_claims))
    return chosen + [claim for i in every if (claim := made.claim(i, MADE_SEED))]


def made_claims(answers: list[Marked], base: Path) -> list[Marked]:
    """Claims made from the texts of a part that is not learnt from."""
    stories = [story for story in stories_of(answers) if story.passages]
    made = Corruption(stories, base)
    drawn = (made.claim(i, MADE_SEED - 1 - again) for again in range(OF_EACH) for i in range(len(stories)))
    return [claim for claim in drawn if claim]


def combine(
    folder: Path, fitted_on: list[Marked], test: list[Marked], base: Path
) -> Generator[Progress, None, tuple[dict[str, Any], dict[str, Any]]]:
    """Fits the words' shift and the combination of the folder's model, and what allows for the number of claims, writes them there, and
    measures the model by data set on the third part."""
    model = OwnModel(folder)
    fitting = yield from seen(model, [answer for answer in fitted_on if answer.source.split()[0] in JUDGED])
    shift = best_shift(fitting)
    settings = read_json(folder / SETTINGS, of=dict) | {"word_shift": shift}
    (folder / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
    fitting = [SeenAnswer(each.answer, each.judged, shift) for each in fitting]
    record = fitted(fitting, (yield from seen(OwnModel(folder), made_answers(fitted_on, base))))
    record["trusted"] = trusted(fitting, from_record(record))
    (folder / COMBINATION).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    judged = yield from seen(OwnModel(folder), [answer for answer in test if answer.source.split()[0] in JUDGED])
    return record, measured(judged, fitting, from_record(record)) | {
        name: accuracy(model, [answer for answer in fitted_on if answer.source == name]) for name in ("snli", "cad_nli")
    }
