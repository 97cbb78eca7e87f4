"""More questions answered, for people to judge."""

import json
import time
from collections.abc import Generator

from core.annotation.stored_answers import QuestionsAsked, asked, read_candidates
from core.annotation.system_names import recipe_of
from core.config import TrialConfig
from core.labs.answers import answering
from core.progress import Running
from core.records import Progress
from core.workbench import Workbench


def answer_questions(workbench: Workbench, config: TrialConfig, count: int) -> Generator[Progress, None, QuestionsAsked]:
    """Has the first `count` questions drawn, those that every page draws, answered by the recipe and stores the answers; those stored
    already are not asked again. What is answered counts on the other pages too. Returns what came of these questions."""
    run = yield from workbench.pipeline.resolve(config)
    evaluation = yield from workbench.evaluating(run)
    corpus = run.corpus
    recipe = recipe_of(config.model_dump(mode="json"))
    whole = "SELECT question, config FROM answers WHERE text IS NOT NULL AND finish_reason IS DISTINCT FROM 'deadline' AND dataset = ?"
    rows = workbench.store.query(whole, [corpus.name])
    answers = [(row["question"], json.loads(row["config"])) for row in rows]
    done = {
        question for question, settings in answers if recipe_of(settings) == recipe and settings.get("seed", 0) == config.seed
    }
    rows = answering.drawn(corpus.queries, config.seed, count)
    queries, contexts = [corpus.queries[row] for row in rows], answering.askings(workbench, evaluation, rows)
    for number, (query, context) in enumerate(zip(queries, contexts, strict=True)):
        step = Progress(number, len(queries), query.text)
        yield step
        if query.text not in done:
            started = time.perf_counter()
            for inner in (running := Running(workbench.ask(config, query.text))):
                yield inner if isinstance(inner, Progress) else step
            if not running.result.finish_reason.startswith(("failed", "deadline")):
                answering.keep_alone(workbench, evaluation.run, context, running.result, time.perf_counter() - started)
    return asked(workbench, read_candidates(workbench, corpus.name), recipe, [query.text for query in queries])
