"""`docs/findings.md`: a sentence a finding, written from recorded outcomes, each with the command that gives it again."""

from collections.abc import Sequence

from core.report.table import MINUS
from core.statistics.corrections import holm
from docs.capstone.items import Finding

ALPHA = 0.05
HEAD = """# Findings

Written by `python -m docs.capstone --findings` from what `make capstone` has recorded; nothing is typed here by hand. Each winner was
chosen on the dev half of its questions; differences are on the test half, paired by question, with a 95% bootstrap interval; p is of
the paired permutation test, corrected by Holm over all lines of this page.
"""


def written(findings: Sequence[Finding]) -> str:
    lines = [HEAD]
    for finding, p in zip(findings, holm([each.p for each in findings]) if findings else (), strict=True):
        lines.append(f"- {sentence(finding, float(p))}")
    return "\n".join(lines) + "\n"


def sentence(finding: Finding, p: float) -> str:
    """p: corrected."""
    between = f"{signed(finding.low)} to {signed(finding.high)}"
    told = f"{finding.measure} {signed(finding.difference)} ({between}), p (Holm) {'< 0.001' if p < 0.001 else f'{p:.3f}'}, n {finding.n:,}"
    return f"{finding.what}: **{verdict(finding, p)}**, {told}. `{finding.command}`"


def verdict(finding: Finding, p: float) -> str:
    return "no significant difference" if p >= ALPHA else "better" if finding.difference > 0 else "worse"


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", MINUS)
