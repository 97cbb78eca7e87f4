"""The words of the capstone's paper that no section says: title, abstract, introduction, discussion."""

from collections.abc import Sequence

from core.labs.papers.wording import counted
from docs.capstone.findings import verdict, with_holm
from docs.capstone.items import Finding, Item, Unbeaten, section

TITLE = "What retrieval-augmented generation gains on a laptop, measured part by part"
INTRODUCTION = """
Retrieval-augmented generation is assembled from parts: a chunker, an encoder, an index, a fusion of rankings, perhaps a reranker, a
prompt, a model, and more and more often an agent around all of them. Each part is reported to help, mostly on other data, with other
models, and without the others. Who builds such a system has to know which of these gains are still there when the parts stand together,
which of them reach the answer, and what each of them costs.

This paper asks these questions of a system that runs whole on two processor cores: retrievers, rerankers and a small language model
with an adapter that answers from passages and cites them. Each question is a study of recipes that differ in one thing or in a few,
crossed. All recipes of a study are asked the same questions. The questions of every corpus are split by document into two halves.
Where the best of many recipes is looked for, it is chosen on the dev half, and only it and the base are then asked the test half. Where the
question is what each part changes, nothing is chosen: every recipe is reported, and p is corrected over all of them. So no reported
difference is flattered by a choice.

Nothing here is copied by hand. Every number, table and figure is the answer of a command to recorded trials, which the bundle of this
paper holds; one command computes all of them again and says which hold.
""".strip()
QUESTIONS = """
We measure the parts of retrieval-augmented generation one by one and together, on a system that runs whole on two processor cores: what of
retrieval pays, whether the answer follows, and what of it people still have to judge. What was chosen on the dev half of the questions is
reported on the test half; where nothing was chosen, every recipe is reported. All differences are tested paired by question.
""".strip()
DISCUSSION = """
The differences above are between a recipe and the base of its study, on one question set each. They say what these parts are worth in
this system, with its small encoder and its small model, and not that a part helps everywhere: a larger model may need less help from
retrieval, or make more of it. Latencies are those of this machine, with whatever else it did.

What is not distinguishable from the best matters as much as the best: where there are several, the paper names the fastest of them. On few
questions that may still be a worse recipe; the tables hold the means and intervals of all, for a reader with other costs.
""".strip()


def introduction() -> Item:
    return section("introduction", "Introduction", INTRODUCTION, "before")


def abstract(found: Sequence[Finding | Unbeaten]) -> str:
    """What was compared, and what of it holds once all comparisons are corrected together."""
    said: dict[str, list[str]] = {}
    for each, p in (pairs := with_holm(found)):
        said.setdefault(verdict(each, p), []).append(each.what)
    told = [f"{words[:1].upper()}{words[1:]}: {'; '.join(of)}." for words, of in said.items()]
    kept = [
        f"Nothing that was tried beats {each.what[:1].lower()}{each.what[1:]}." for each in found if isinstance(each, Unbeaten)
    ]
    count = f"The p values are corrected over the {counted(len(pairs), 'difference')} reported (Holm)." * bool(pairs)
    return " ".join(
        [QUESTIONS, count, *told, *kept, "Every number can be computed again from the records that come with this paper."]
    )


def discussion(found: Sequence[Finding | Unbeaten]) -> Item:
    text = DISCUSSION
    if found:
        few = min(each.n for each in found)
        text += (
            f"\n\nA difference that is not significant is no proof of equality: the smallest test has {few:,} measured questions."
        )
    return section("discussion", "Discussion", text, "after")
