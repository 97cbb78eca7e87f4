"""Sections that are studies. Recipes are compared on dev, and the winner is measured on test beside the base; or each recipe, which
differs from the base in one thing, is asked the same questions, and nothing is chosen."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from core.labs.trials.leaderboard import AT_TOP
from core.report.tables import markdown_text
from docs.capstone.items import Finding, Told, Unbeaten, equal, figure, number, table
from docs.capstone.running import Outcomes, Step

HERE = Path(__file__).parent
ROWS = 6  # of a table
ALPHA = 0.05
ENDS = "difference_low", "difference_high"
LABELS = {"ndcg_linear": "nDCG@10", "f1": "token F1"}
Ways = tuple[tuple[str, str], ...]


class StudyPlan(NamedTuple):
    """A file of a study here. metric: by which its winner is chosen. ways: where none is chosen and every recipe is told, the settings that
    each other than the base varies, and what that is in words, in their order."""

    file: str
    minutes: float
    on: str  # the corpus in words
    base: str = "dense retrieval alone"  # the recipe that the winner is compared with, in words
    metric: str = "ndcg_linear"
    more: tuple[str, ...] = ("recall",)  # metrics of its table
    costs: tuple[str, ...] = ("latency_ms", "context_at_k")
    needs: tuple[str, ...] = ()
    ways: Ways = ()

    @property
    def each(self) -> bool:
        return bool(self.ways)

    @property
    def id(self) -> str:
        return Path(self.file).stem

    @property
    def path(self) -> str:
        """From the project's folder, as commands name it."""
        return f"docs/capstone/{self.file}"

    @property
    def command(self) -> str:
        return f"python -m core experiment run {self.path}"


def steps(plans: Sequence[StudyPlan]) -> list[Step]:
    """Of each study its run, its test, and its table with costs."""
    made = []
    for plan in plans:
        made.append(Step(plan.id, plan.minutes, partial(_run, plan.path), partial(is_whole, plan), plan.needs))
        made.append(Step(f"{plan.id}-test", 0.1, partial(_compare, plan), needs=(plan.id,)))
        made.append(Step(f"{plan.id}-table", 0.1, partial(_table, plan), needs=(plan.id,)))
    return made


def is_whole(plan: StudyPlan, outcome: Any) -> bool:
    """Whether all was measured, where there is a winner it too on the questions to report on."""
    return not outcome["missing"] and not outcome["failed"] and bool(behind(plan, outcome))


def behind(plan: StudyPlan, study: Any) -> list[str]:
    """The trials that are reported: of the winner and the base on test, or of each recipe, the base's first."""
    return study["trials"] if plan.each else study["reported"]


def _run(file: str, outcomes: Outcomes) -> list[str]:
    return ["experiment", "run", file]


def _compare(plan: StudyPlan, outcomes: Outcomes) -> list[str]:
    return compare_words(plan, behind(plan, outcomes[plan.id])).split()


def compare_words(plan: StudyPlan, reported: Sequence[str]) -> str:
    """The winner minus the base, of a base that is the winner minus itself; or each recipe minus the base."""
    if plan.each:
        return f"trials compare-with {' '.join(reported)} --metric {plan.metric}"
    return f"trials compare {reported[-1]} {reported[0]} --metric {plan.metric}"


def _table(plan: StudyPlan, outcomes: Outcomes) -> list[str]:
    study = outcomes[plan.id]
    best = behind(plan, study) if plan.each else [row["trial"] for row in study["leaderboard"][:ROWS]]
    options = [*(f"--metric {name}" for name in (plan.metric, *plan.more)), *(f"--cost {name}" for name in plan.costs)]
    return f"trials table {' '.join(best)} {' '.join(options)}".split()


def told(plan: StudyPlan, outcomes: Outcomes, drawn: bool) -> Told | None:
    """The section of a study; None where it is not whole. drawn: with a figure of the differences."""
    if not all(name in outcomes for name in (plan.id, f"{plan.id}-test", f"{plan.id}-table")):
        return None
    study, tested, costs = (outcomes[name] for name in (plan.id, f"{plan.id}-test", f"{plan.id}-table"))
    if plan.each:
        return _each(plan, behind(plan, study), tested["tests"], " ".join(_table(plan, outcomes)))
    compared, board = compare_words(plan, study["reported"]), f"trials leaderboard {plan.id} --metric {plan.metric}"
    label, best, winner = (
        LABELS[plan.metric],
        markdown_text(study["leaderboard"][0]["name"]),
        f"trials show {study['reported'][0]}",
    )
    at_top, top = "best and not distinguishable from it", f"Recipes at the top of {plan.id}"
    shown = " ".join(_table(plan, outcomes))
    items = [
        number(f"{plan.id}-recipes", board, "recipes", f"Recipes compared on dev in {plan.id}"),
        *[number(f"{plan.id}-equal", board, at_top, top)] * (len(_at_top(study)) > 1),
        number(f"{plan.id}-best", winner, f"metrics.{plan.metric}.mean", f"{label} of the winner of {plan.id}, test"),
        table(
            plan.id,
            shown,
            f"{_said(plan, 'title')}: the recipes with the highest means on the dev questions, with what they cost.",
        ),
    ]
    if beaten(study):
        items += [
            number(f"{plan.id}-gain", compared, "difference", f"Gain of the winner of {plan.id} over its base on test", "signed"),
            number(f"{plan.id}-p", compared, "p", f"Paired p of the gain of {plan.id}", "p"),
            number(f"{plan.id}-n", compared, "n", f"Questions of the test of {plan.id}"),
        ]
        ends = {"low": "Lower", "high": "Upper"} if tested["low"] is not None else {}
        items += [
            number(f"{plan.id}-{end}", compared, end, f"{words} end of the interval of the gain of {plan.id}", "signed")
            for end, words in ends.items()
        ]
    if drawn:
        caption = f"{_said(plan, 'title')}: how far the recipes with the highest means on dev lie from the first."
        items.append(figure(f"{plan.id}-distances", shown, "differences", caption))
    text = _first(plan, study, best) + _gain(plan, study, tested, best) + _cheapest(plan, study, costs, items)
    text += f" The distances are drawn in {{{plan.id}-distances}}." * drawn
    if beaten(study):
        gain = (tested[key] for key in ("difference", "low", "high", "p", "n"))
        finding = Finding(f"{best} against {plan.base} on {plan.on}", label, *gain, plan.command)
    else:
        what = f"{plan.base[:1].upper()}{plan.base[1:]} on {plan.on}"
        finding = Unbeaten(what, label, tested["mean_a"], len(study["leaderboard"]), tested["n"], plan.command)
    return Told(_said(plan, "title"), text, items, [finding])


def _each(plan: StudyPlan, trials: Sequence[str], tests: Sequence[dict[str, Any]], shown: str) -> Told:
    """The section of a study that chooses nothing. trials: the base's first. tests: of each other minus the base.
    shown: the command of the table."""
    label, title = LABELS[plan.metric], _said(plan, "title")
    compared, base = f"trials table {' '.join(trials)} --metric {plan.metric}", f"rows.{trials[0]}.cells.{plan.metric}"
    items = [
        number(f"{plan.id}-base", compared, f"{base}.mean", f"{label} of the base of {plan.id}"),
        number(f"{plan.id}-n", compared, f"{base}.n", f"Questions of {plan.id}"),
        table(plan.id, shown, f"{title}: means, each recipe against the first."),
        figure(f"{plan.id}-distances", shown, "differences", f"{title}: differences from the first recipe."),
    ]
    lines, found = [], []
    for place, (trial, row, (_, who)) in enumerate(zip(trials[1:], tests, plan.ways, strict=True), 1):
        name = f"{plan.id}-{place}"
        fields = {"difference": "signed", "p": "p"} | ({} if row["Low"] is None else dict.fromkeys(ENDS, "signed"))
        items += [
            number(
                f"{name}-{field.removeprefix('difference_')}",
                compared,
                f"rows.{trial}.cells.{plan.metric}.{field}",
                f"{who} minus the base of {plan.id}: {field.replace('_', ', ')}",
                form,
            )
            for field, form in fields.items()
        ]
        between = "too few for an interval" if row["Low"] is None else f"{{{name}-low}} to {{{name}-high}}"
        lines.append(f"{who} {{{name}-difference}} ({between}, {equal(row['p (Holm)'], f'{name}-p')})")
        gain = (row[key] for key in ("Difference", "Low", "High", "p", "n"))
        found.append(Finding(f"{who[:1].upper()}{who[1:]} against {plan.base} on {plan.on}", label, *gain, plan.command))
    tested_with = "Differences from it, with 95% intervals, p corrected over these recipes (Holm)"
    text = (
        f"{_said(plan, 'question')} All recipes were asked the same {{{plan.id}-n}} questions on {plan.on}; nothing is chosen on them "
        f"({{{plan.id}}}, {{{plan.id}-distances}}). The base, {plan.base}, reaches {label} {{{plan.id}-base}}. {tested_with}: "
        f"{'; '.join(lines)}."
    )
    return Told(title, text, items, found)


def beaten(study: dict[str, Any]) -> bool:
    """Whether another recipe than the base was chosen on dev."""
    return study["reported"][0] != study["reported"][-1]


def _said(plan: StudyPlan, field: str) -> str:
    """Its title or question."""
    lines = (HERE / plan.file).read_text("utf-8").splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith(f"{field}: "))


def _at_top(study: dict[str, Any]) -> set[str]:
    """The trials that are not distinguishable from the best of its leaderboard, that one among them."""
    return {row["trial"] for row in study["leaderboard"] if row["group"] == AT_TOP}


def _first(plan: StudyPlan, study: dict[str, Any], name: str) -> str:
    others = f"; {{{plan.id}-equal}} recipes, this one among them, are not distinguishable at the top" * (len(_at_top(study)) > 1)
    return (
        f"{_said(plan, 'question')} {{{plan.id}-recipes}} recipes were compared on the dev half of the questions on {plan.on} "
        f"({{{plan.id}}}). "
        f"The best of them by {LABELS[plan.metric]} is {name}{others}."
    )


def _gain(plan: StudyPlan, study: dict[str, Any], tested: dict[str, Any], name: str) -> str:
    if not beaten(study):
        return f" This is the base itself, {plan.base}, and reaches {{{plan.id}-best}} on the test half: nothing that was tried is better."
    interval = f"95% interval {{{plan.id}-low}} to {{{plan.id}-high}}" if tested["low"] is not None else "too few for an interval"
    between = f"{interval}, {equal(tested['p'], f'{plan.id}-p')}, {{{plan.id}-n}} questions"
    significant = "significant" if tested["p"] < ALPHA else "not significant"
    return (
        f" On the test half, where nothing was chosen, it reaches {{{plan.id}-best}}, a difference of {{{plan.id}-gain}} to "
        f"{plan.base} ({between}), which is {significant}."
    )


def _cheapest(plan: StudyPlan, study: dict[str, Any], costs: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """Which of the recipes at the top answers fastest, with both latencies as numbers; "" where nothing was timed."""
    equals = _at_top(study)
    timed = [
        row for row in costs["rows"] if row["trial"] in equals and row["cells"].get("latency_ms", {}).get("mean") is not None
    ]
    if not timed or not any(row["trial"] == costs["rows"][0]["trial"] for row in timed):
        return ""
    fastest = min(timed, key=lambda row: row["cells"]["latency_ms"]["mean"])
    shown = "trials table " + " ".join(row["trial"] for row in costs["rows"]) + " --cost latency_ms"
    told = {"best": costs["rows"][0], "fastest": fastest}
    for name, row in told.items() if fastest is not costs["rows"][0] else [("best", fastest)]:
        place, about = f"rows.{row['trial']}.cells.latency_ms.mean", f"Median latency of the {name} recipe of {plan.id}, ms"
        items.append(number(f"{plan.id}-{name}-ms", shown, place, about, digits=1))
    if fastest is costs["rows"][0]:
        return f" None of those is faster among the recipes in the table: it searches in {{{plan.id}-best-ms}} ms."
    return (
        f" Of those that are not distinguishable from it, {markdown_text(fastest['name'])} searches fastest: in "
        f"{{{plan.id}-fastest-ms}} ms, and the best in {{{plan.id}-best-ms}} ms."
    )
