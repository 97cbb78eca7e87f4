"""A paper on drawn trials: a table, numbers of each form, names that would be markup."""

from core.labs.papers import paper as papers
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial

HOSTILE = r"[50% of_a] & {x} \input{/etc/passwd} 中文 🎉 ^_^ | <script>alert(1)</script>"


def three_trials(bench: Workbench) -> list[str]:
    """A base, a better and a much worse recipe on the same questions; the last has a hostile name."""
    questions = add_questions(bench.store)
    trials = [
        add_trial(bench.store, questions, settings, quality, seed)
        for seed, (settings, quality) in enumerate([({}, 0.8), ({"fusion.part": "rrf"}, 1.0), ({"fusion.weight": 0.3}, 0.1)])
    ]
    bench.describe(trials[2], name=HOSTILE)
    return trials


def small_paper(bench: Workbench) -> list[str]:
    """The paper `small` on three trials; returns their ids."""
    trials = three_trials(bench)
    base, better, _ = trials
    papers.create(bench, f"A paper on {HOSTILE}", "small")
    wanted = [
        {
            "kind": "table",
            "name": "main",
            "command": ["trials-table", *trials, "--metric", "mrr", "--metric", "recall"],
            "caption": f"All of them: {HOSTILE}",
        },
        {"kind": "number", "name": "gain", "command": ["compare", base, better, "--metric", "mrr"], "value": "difference"},
        {"kind": "number", "name": "gain-p", "command": ["compare", base, better], "value": "p", "form": "p"},
        {"kind": "number", "name": "recall-10", "command": ["show", base], "value": "metrics.recall.mean", "form": "percent"},
    ]
    for item in wanted:
        papers.add(bench, "small", item)
    return trials


# a chart as a page hands it over
CHART = {
    "data": [
        {"type": "scatter", "x": [1, 2], "y": [0.5, 0.75], "name": "rrf", "mode": "lines+markers", "line": {"color": "#0072B2"}},
        {"type": "scatter", "x": [1, 2], "y": [0.4, 0.65], "name": "convex", "mode": "lines", "line": {"color": "#E69F00"}},
    ],
    "layout": {"xaxis": {"title": {"text": "Depth k"}}, "yaxis": {"title": {"text": "Recall@k"}}, "showlegend": True},
}
