"""What stands between a recipe and its numbers, in words and time: the phases of the job that prepares it."""

from collections.abc import Iterator, Sequence

from core.pipeline.forecast import Phase
from core.pipeline.index_build import speed_name
from core.pipeline.pipeline import Pipeline
from core.pipeline.stages import Resolved, Stage, rankers, unused
from core.pipeline.usual import usual_build, writing_time
from core.progress import Unready
from core.registry import word


def phases(pipeline: Pipeline, run: Resolved, texts: list[str], slow: Sequence[Stage], live: bool) -> Iterator[Phase]:
    """One after the other. texts: that the encoder has still to read; slow: stages that find or rank, and take their time."""
    if texts:
        yield Phase(f"embedding {len(texts):,} texts", pipeline.encoding_time(run.config, texts))
    if live:
        return
    if texts and "index" not in unused(run.config):
        yield from index_phases(pipeline, run)
    later = rankers(run.config)[1:] if texts and run.corpus.queries else ()
    for stage in (*slow, *(stage for stage in later if stage not in slow and pipeline.long_ranking(run, stage))):
        yield Phase(f"{stage.title.lower()} of {len(run.corpus.queries):,} questions", pipeline.ranking_time(run, stage))


def index_phases(pipeline: Pipeline, run: Resolved) -> Iterator[Phase]:
    """Of the recipe's index: none where it is there, or quick."""
    if number := pipeline.to_index(run):
        seconds = pipeline.speeds.time(number, speed_name(run.config.index))
        yield Phase(f"building {word(run.config.index.part)} of {number:,} vectors", seconds or usual_build(number))


def waited_for(pipeline: Pipeline, run: Resolved, unready: Unready, begin: str = "") -> Phase:
    """What a job makes first; where it says nothing of itself, a text of the generator for each question."""
    if unready.seconds:
        seconds = unready.seconds
    elif unready.texts:
        seconds = pipeline.encoding_time(run.config, list(unready.texts))
    else:
        seconds = writing_time(pipeline.speeds, run.config.generation, len(run.corpus.queries))
    return Phase(f"{begin}{unready.what}", seconds)
