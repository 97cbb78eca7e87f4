"""What teaches a small model to write for retrieval: a follow-up as a question of its own, the sentence that would answer a question,
simpler questions. Each in the prompt that the query transform of that job uses, so that the examples there are read once.

People wrote all of it: CANARD's rewrites (Elgohary et al. 2019), the sentences of SQuAD's paragraphs, the decompositions of StrategyQA
(Geva et al. 2021) and MuSiQue (Trivedi et al. 2022), of which a question that needs another's answer is left out. CANARD is divided by
conversation: what `part_of` calls test is never learnt.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from core.corpus.canard import turns
from core.corpus.reading import Notes, Source, shape_reported
from core.queries.by_model import ByModel
from core.queries.decompose import Decompose
from core.queries.follow_up import FollowUp
from core.queries.hyde import Hyde
from core.records import Query
from core.training.adapters.examples import TrainingExample, part_of

FOLLOW_UPS, STEPS = (
    "canard/dev.json.gz",
    {"strategyqa/train.json.gz": "strategyqa", "multihop/musique_train_100.json.gz": "musique"},
)
SIMPLER = 3  # questions
TOGETHER = 12  # examples of one prompt that are drawn together


def examples(folder: Path, sentences: Sequence[tuple[str, str]], most: int, seed: int) -> list[TrainingExample]:
    """At most so many of each job. sentences: question, the sentence that answers it."""
    jobs: dict[str, tuple[ByModel, list[tuple[Query, str]]]] = {
        "follow-up": (FollowUp(), list(follow_ups(folder, seed))),
        "passage": (Hyde(), [(Query("", question), sentence) for question, sentence in sentences]),
        "simpler": (Decompose(), list(_simpler(folder))),
    }
    made = []
    for job, (part, rows) in jobs.items():
        draw = random.Random(f"{seed} {job}")
        for number, (query, text) in enumerate(draw.sample(rows, min(most, len(rows)))):
            messages = tuple(part.messages(part.told(query)))
            made.append(
                TrainingExample(
                    f"{job}-{number}", messages, text, (text,), query.text, (query.text,), beside=f"{job}-{number // TOGETHER}"
                )
            )
    return made


def follow_ups(folder: Path, seed: int, part: str = "train") -> Iterator[tuple[Query, str]]:
    """Questions of conversations of that part, with people's rewrite."""
    path = folder / FOLLOW_UPS
    for turn in turns(path, Notes()) if path.is_file() else ():
        if len(turn.history) > 2 and part_of(seed, turn.dialog) == part:
            yield Query(f"{turn.dialog}#{turn.number}", turn.question, history=turn.history), turn.rewrite


def _simpler(folder: Path) -> Iterator[tuple[Query, str]]:
    for file, form in STEPS.items():
        if not (folder / file).is_file():
            continue
        with shape_reported(str(folder / file), form):
            for row in Source(folder / file, Notes()).json(Path(file).name, of=list):
                steps = (
                    row["decomposition"] if form == "strategyqa" else [step["question"] for step in row["question_decomposition"]]
                )
                alone = [" ".join(step.split()) for step in steps if "#" not in step and step.strip().endswith("?")]
                if alone and row["question"].strip() not in alone:
                    yield Query("", row["question"]), "\n".join(dict.fromkeys(chain(alone[:SIMPLER])))
