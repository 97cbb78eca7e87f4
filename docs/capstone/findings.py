"""`docs/findings.md`: a sentence a finding, written from recorded outcomes, each with the command that gives it again."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from core.report.table import MINUS
from core.statistics.corrections import holm
from docs.capstone.items import Finding, Unbeaten

ALPHA = 0.05
HEAD = """# Findings

Written by `python -m docs.capstone --findings` from what `make capstone` has recorded; nothing is typed here by hand. Each winner was
chosen on the dev half of its questions and is compared on the test half; where every recipe that was tried is told, nothing was chosen.
Differences are paired by question, with a 95% bootstrap interval; p is of the paired permutation test, corrected by Holm over all lines
of a section. A section whose studies are not all recorded stays as it was.
"""


def written(sections: Mapping[str, Sequence[Finding | Unbeaten]], before: str = "") -> str:
    """The page. sections: title -> what was found, nothing where the section of the page `before` stays."""
    told = {title: _section(found) if found else _stands(title, before) for title, found in sections.items()}
    return "\n".join([HEAD, *(f"## {title}\n\n{text}" for title, text in told.items() if text)])


def _section(found: Sequence[Finding | Unbeaten]) -> str:
    corrected = dict(with_holm(found))
    lines = []
    for command, some in groupby(found, lambda each: each.command):
        told = [f"- {sentence(each, corrected[each]) if isinstance(each, Finding) else unbeaten(each)}" for each in some]
        lines += [*told, f"  `{command}`", ""]
    return "\n".join(lines)


def _stands(title: str, page: str) -> str:
    return page.partition(f"## {title}\n\n")[2].partition("## ")[0].rstrip("\n") + "\n" * (f"## {title}\n" in page)


def with_holm(found: Sequence[Finding | Unbeaten]) -> list[tuple[Finding, float]]:
    """The differences, each with its p corrected over all of them; a base that nothing beat was tested against nothing."""
    differences = [each for each in found if isinstance(each, Finding)]
    return list(zip(differences, map(float, holm([each.p for each in differences])), strict=True)) if differences else []


def unbeaten(each: Unbeaten) -> str:
    told = f"**nothing better found** among {each.recipes:,} recipes on dev; {each.measure} {each.mean:.3f} on test, n {each.n:,}"
    return f"{each.what}: {told}."


def sentence(finding: Finding, p: float) -> str:
    """p: corrected."""
    if finding.low == finding.high == 0:
        told = f"{finding.measure} the same on every question"
    else:
        between, p_value = f"{signed(finding.low)} to {signed(finding.high)}", "< 0.001" if p < 0.001 else f"{p:.3f}"
        told = f"{finding.measure} {signed(finding.difference)} ({between}), p (Holm) {p_value}"
    return f"{finding.what}: **{verdict(finding, p)}**, {told}, n {finding.n:,}."


def verdict(finding: Finding, p: float) -> str:
    return "no significant difference" if p >= ALPHA else "better" if finding.difference > 0 else "worse"


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", MINUS)
