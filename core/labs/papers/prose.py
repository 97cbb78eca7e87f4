"""Sentences of a paper that nobody wrote: what each item shows, the differences that it tests, and an abstract made of the same.

A sentence says {part} where a number or a name stands: in LaTeX a macro of its item, so that none is typed twice.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from core.evaluation.metric import MAIN
from core.jobs.verbs import as_recorded, words_and_options
from core.labs.papers import numbers
from core.labs.papers.differing import SAME
from core.labs.papers.paper import Item, Paper, Taken, named
from core.labs.papers.wording import listed
from core.labs.papers.words import called
from core.labs.trials import comparison
from core.labs.trials.comparison import Trial
from core.progress import counted
from core.registry import lower
from core.report import tables
from core.report.caption import escape
from core.report.table import P_VALUE, written
from core.workbench import Workbench

MOST = 3  # differences told one by one
TEST = "test"  # the half of the questions that has no say in a choice
OF_HALF = {"all": "question", "dev": "dev question", "test": "test question"}
DIFFERS = "the {measure} of {arm} is {relation} that of {base} ({interval}, {p}): the difference is {verdict}."


class Telling(NamedTuple):
    """What is told of an item."""

    item: Item
    half: str  # of its questions
    opening: str
    best: str = ""  # where it says which recipe is the best: "has", or of several alike "share"
    differences: tuple[str, ...] = ()  # each with a small letter first: it may stand behind "On the {questions}, "
    parts: Mapping[str, str] = {}

    @property
    def sentences(self) -> list[str]:
        return [self.opening, *map(_begun, self.differences)]

    def latex(self, sentence: str) -> str:
        return sentence.format_map({part: f"{macro}{{}}" for part, macro in self._macros.items()} | {"item": called(self.item)})

    def plain(self, sentence: str) -> str:
        return html.escape(sentence.format_map(self.parts))

    def defined(self) -> list[str]:
        """A line of LaTeX a macro."""
        return [numbers.defined(macro, self.parts[part]) for part, macro in self._macros.items()]

    @property
    def _macros(self) -> dict[str, str]:
        return {part: numbers.macro(f"{self.item.name}-{part}", self.item.kind[:3]) for part in self.parts}


Tellings = Mapping[str, Telling]  # by item


def unmentioned(paper: Paper) -> list[Item]:
    """The items that no text names, nor the abstract."""
    texts = [paper.abstract, *(item.text for item in paper.items if item.kind == "text")]
    mentions = {name for text in texts for name in named(text)}
    return [item for item in paper.items if item.kind != "text" and item.name not in mentions]


def sentences(items: Sequence[Item], told: Tellings) -> Iterator[str]:
    """Those of each item, as LaTeX; what was tested by one command is told once."""
    commands = []
    for item in items:
        if item.kind == "number":
            yield f"{escape(item.caption or item.name)}: {called(item)}."
            continue
        own = told[item.name]
        yield from (own.latex(each) for each in (own.sentences if item.command not in commands else [own.opening]))
        commands += [item.command] * bool(own.differences)


def abstract(paper: Paper, told: Tellings) -> list[tuple[Telling, str]]:
    """The sentences of one, where the authors wrote none and the test questions say something: what was the best of the questions of
    the choice, and the differences on the test questions."""
    tested = next((each for each in told.values() if each.half == TEST and each.differences), None)
    if paper.abstract or tested is None:
        return []
    chosen = next((each for each in told.values() if each.best and each.half != TEST), None)
    first, *others = tested.differences
    words = "Of {recipes} compared on {questions}, {best} %s the best {measure} ({mean})."
    return [
        *([(chosen, words % chosen.best)] if chosen else []),
        (tested, f"On the {{questions}}, {first}"),
        *((tested, _begun(each)) for each in others),
    ]


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def tellings(workbench: Workbench, paper: Paper, showed: Mapping[str, Taken]) -> dict[str, Telling]:
    """Of every figure and table."""
    trials = {trial.id: trial for trial in comparison.some(workbench, paper.trials)}
    shown = [item for item in paper.items if item.kind in ("figure", "table")]
    return {item.name: telling(item, showed[item.name].content, trials) for item in shown}


def telling(item: Item, content: Any, trials: Mapping[str, Trial]) -> Telling:
    """trials: by id, as far as they are stored."""
    half, questions = _asked([trials[name] for name in item.trials if name in trials])
    verb, compared = (as_recorded(item.command) or [""])[0], _named(item.command, trials)
    parts = {"questions": questions} if questions else {}
    if item.kind == "table" and not tables.of_page(content):
        return _of_results(item, content, half, parts)
    if verb == "trials-compare" and compared and content["data"]:
        return _of_comparison(item, content["data"], half, parts, compared)
    on = " on the {questions}" * bool(questions)
    if item.kind == "figure" and item.drawing:
        parts["base"] = comparison.labels(compared)[0] if verb == "trials-table" and compared else "the best"
        shows = {"means": "the means", "differences": "the paired differences from {base}"}[item.drawing]
        return Telling(item, half, f"{{item}} shows {shows}{on}, with their intervals.", parts=parts)
    parts["about"] = lower(re.split(r"[.:;]", item.caption)[0].strip()) or "what its caption says"
    return Telling(item, half, f"{{item}} shows {{about}}{' ({questions})' * bool(questions)}.", parts=parts)


def _asked(trials: Sequence[Trial]) -> tuple[str, str]:
    """(the half, the questions in words) that all of them were asked, as many as each of them measured; "" where they are several."""
    sets = {(trial.settings.get("corpus.questions", "all"), trial.total, trial.dataset) for trial in trials}
    if len(sets) != 1:
        return "", ""
    [(half, _, dataset)] = sets
    measured = min(trial.n for trial in trials)
    return half, f"{counted(measured, OF_HALF.get(half, 'question'))} of {dataset}"


def _named(command: Sequence[str], trials: Mapping[str, Trial]) -> list[Trial]:
    """The trials that a comparison names, what the others are compared with first."""
    words, options = words_and_options(as_recorded(command)[1:])
    ids = [*options.get("reference", ()), *words]
    return [trials[name] for name in dict.fromkeys(ids) if name in trials]


def _of_results(item: Item, content: Any, half: str, parts: dict[str, str]) -> Telling:
    column, rows = content["columns"][0], content["rows"]
    cells = {row["name"]: row["cells"][column["name"]] for row in rows}
    rated = [name for name, cell in cells.items() if cell.get("mean") is not None]
    parts["questions"] = parts.get("questions") or counted(content["questions"], "question")
    parts |= {"recipes": counted(len(rows), "recipe"), "measure": column["label"]}
    if not rated:
        return Telling(item, half, "{item} compares {recipes} on the {questions}.", parts=parts)
    top = max((cells[name]["mean"] for name in rated), key=lambda mean: mean * (column["direction"] or 1))
    best = [name for name in rated if abs(cells[name]["mean"] - top) < SAME]
    many = f"{len(best)} of them" if len(best) > MOST else listed(best)
    parts |= {"best": many, "mean": tables.number(top, item.digits)}
    gaps = [
        _Gap(name, cell["difference"], cell.get("difference_low"), cell.get("difference_high"), cell["p"])
        for name, cell in cells.items()
        if cell.get("difference") is not None and cell.get("p") is not None
    ]
    parts["base"] = content["reference"]
    told = _differences(gaps, content["tests"] > 1, content["confidence"], item.digits, parts)
    verb = "share" if len(best) > 1 else "has"
    opening = f"{{item}} compares {{recipes}} on the {{questions}}: {{best}} {verb} the best {{measure}} ({{mean}})."
    if len(rows) == 1:
        opening, verb = "{item} shows {best} on the {questions}: its {measure} is {mean}.", ""
    return Telling(item, half, opening, verb, told, parts)


def _of_comparison(item: Item, rows: Sequence[Any], half: str, parts: dict[str, str], compared: Sequence[Trial]) -> Telling:
    """Of a page's table or chart of the differences from one trial."""
    base = compared[0]
    _, options = words_and_options(as_recorded(item.command)[1:])
    metric = (options.get("metric") or [MAIN])[0]
    parts |= {"base": comparison.labels(compared)[0], "measure": comparison.label(metric, base.k)}
    parts["recipes"] = counted(len(rows), "recipe")
    columns = ("Trial", "Difference", "Low", "High", "p (Holm)")
    gaps = [_Gap(*(row.get(name) for name in columns)) for row in rows if row.get("p (Holm)") is not None]
    told = _differences(gaps, len(gaps) > 1, base.settings.get("evaluation.confidence", 0.95), 3, parts)
    on = " on the {questions}" * ("questions" in parts)
    shows = "compares {recipes} with {base}" if item.kind == "table" else "shows the paired differences of {recipes} from {base}"
    return Telling(item, half, f"{{item}} {shows}{on}.", "", told, parts)


class _Gap(NamedTuple):
    """A tested difference: an arm minus the base."""

    arm: str
    difference: float
    low: float | None
    high: float | None
    p: float


def _differences(gaps: Sequence[_Gap], corrected: bool, level: float, digits: int, parts: dict[str, str]) -> tuple[str, ...]:
    """A sentence each, or where they are many how many of them are significant; their parts go among the others."""
    if len(gaps) > MOST:
        significant = sum(gap.p < 1 - level for gap in gaps)
        parts["others"] = (
            f"{len(gaps):,} differences from {parts['base']}, {significant or 'none'} {'are' if significant > 1 else 'is'}"
        )
        return ("of the {others} significant.",)
    told = []
    for place, gap in enumerate(gaps, 1):
        said: dict[str, str] = {
            "arm": gap.arm,
            "relation": _relation(gap.difference, digits),
            "interval": _interval(gap, level, digits),
            "p": "Holm-corrected " * corrected + _p(gap.p),
            "verdict": "significant" if gap.p < 1 - level else "not significant",
        }
        parts |= {f"{part}-{place}": words for part, words in said.items()}
        told.append(re.sub(r"\{(arm|relation|interval|p|verdict)\}", rf"{{\1-{place}}}", DIFFERS))
    return tuple(told)


def _relation(difference: float, digits: int) -> str:
    """ "0.015 lower than", before "that of"."""
    if not difference:
        return "the same as"
    size = tables.number(abs(difference), digits)
    if not float(size.replace(",", "")):
        size = f"less than {10**-digits:.{digits}f}"
    return f"{size} {'lower' if difference < 0 else 'higher'} than"


def _interval(gap: _Gap, level: float, digits: int) -> str:
    if gap.low is None or gap.high is None:
        return "no interval"
    low, high = (written(value, f"%.{digits}f") for value in (gap.low, gap.high))
    return f"{100 * level:g}% interval {low} to {high}"


def _p(value: float) -> str:
    words = written(value, P_VALUE)
    return f"p {words}" if words.startswith("<") else f"p = {words}"
