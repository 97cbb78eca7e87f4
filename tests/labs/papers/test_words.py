"""Text between a paper's figures: where it stands, what it calls by name, and that nothing in it can run."""

import re
import shutil
import subprocess

import pytest

from core.errors import WorkbenchError
from core.labs.papers import bundle as bundles
from core.labs.papers import paper as papers
from core.labs.papers import verification, words
from core.progress import drain
from core.workbench import Workbench
from tests.support.small_paper import HOSTILE, small_paper

TEXT = """# What came out

The gain is **{gain}** (see {main}), *50% of* `a_b` & more: [the trials](http://example.org/a_b).

- one <script>alert(1)</script> ![x](http://example.invalid/x.png)
- [label] two

> said before

```
\\end{quote} \\input{/etc/passwd}
```
"""


@pytest.fixture
def bench(tmp_path):
    bench = Workbench(tmp_path)
    small_paper(bench)
    return bench


def test_numbers_are_called_by_name_and_nothing_that_is_typed_runs(bench):
    paper = papers.add_text(bench, "small", TEXT, 2)
    tex = words.to_latex(paper, TEXT)
    for part in (
        r"\subsection{What came out}",
        r"is \textbf{\resGain{}} (see Table~\ref{tab:main})",
        r"\emph{50\% of} \texttt{a\_b}",
    ):
        assert part in tex
    assert r"\input{/etc" not in tex and tex.count(r"\end{quote}") == 2 and tex.count(r"\item{}") == 2
    page = words.to_html(paper, TEXT, {"gain": -0.25})
    assert "<b>−0.250</b>" in page and '<a href="#main">Table 1</a>' in page
    assert "<script" not in page and "<img" not in page
    assert "<h3>What came out</h3>" in page and "<h2>What" in words.to_html(paper, TEXT, {"gain": 0.0}, "before")
    assert r"\section{What came out}" in words.to_latex(paper, TEXT, "after")
    assert "href" not in words.to_html(paper, "[x](javascript:alert(1))", {})


def test_a_line_after_a_break_is_no_option_of_it(bench):
    paper = papers.load(bench, "small")
    assert words.to_latex(paper, "one  \n[1] two\\\n\\* three  \nfour") == "one\\\\{}\n[1] two\\\\{}\n* three\\\\\nfour\n"


def test_lists_go_no_deeper_than_latex_goes_and_count_from_where_they_begin(bench):
    paper = papers.load(bench, "small")
    deep = "".join(f"{'   ' * depth}3. x{depth}\n\n" for depth in range(6)) + f"{'> ' * 9}said\n{'> ' * 9}\n{'> ' * 9}    code\n"
    tex = words.to_latex(paper, deep)
    assert tex.count(r"\begin{enumerate}") == 4 and tex.count(r"\item{}") == 6 and all(f"x{depth}" in tex for depth in range(6))
    assert re.findall(r"setcounter\{enum(\w+)\}\{2\}", tex) == ["i", "ii", "iii", "iv"]
    assert tex.count(r"\begin{quote}") == tex.count(r"\end{quote}") == 5 and tex.index("said") < tex.index("code")
    assert words.to_latex(paper, "1. one") == "\\begin{enumerate}\n\\item{}\none\n\n\\end{enumerate}\n"
    assert words.to_latex(paper, "\\\nfoo") == "\\leavevmode\\\\\nfoo\n"
    assert words.to_latex(paper, "&nbsp;  \nfoo") == " \\leavevmode\\\\\nfoo\n"
    assert "\\item{}\n\\textbf{head}\n\n" in words.to_latex(paper, "- # head\n  text") and "section" not in words.to_latex(
        paper, "> # a"
    )


def test_a_name_that_is_not_there_is_refused_and_what_is_named_stays(bench):
    with pytest.raises(WorkbenchError, match="nobody"):
        papers.add_text(bench, "small", "{nobody}")
    papers.add_text(bench, "small", "{gain}")
    with pytest.raises(WorkbenchError, match="gain"):
        papers.remove(bench, "small", "gain")
    papers.change_item(bench, "small", "text", text=f"No number: {HOSTILE.replace('{', '(')}")
    papers.remove(bench, "small", "gain")


@pytest.mark.slow
def test_texts_stand_in_their_places_in_the_bundle_which_holds_and_is_set(bench, tmp_path):
    papers.add_text(bench, "small", TEXT, 1)
    papers.add_text(bench, "small", f"Then: {HOSTILE.replace('{x}', '')}")
    papers.add_text(bench, "small", "# What follows", 1, "after")
    papers.add_text(bench, "small", "# Why", place="before")
    papers.change_item(
        bench, "small", "text-3", text="# What follows\n\n\\\nat once\n\n" + "".join(f"{'  ' * n}- x\n" for n in range(8))
    )
    papers.change(bench, "small", abstract="A gain of {gain}.")
    paper = papers.load(bench, "small")
    bundle = bundles.whole(bench, paper, drain(bundles.current(bench, paper)), {}, bundles.records(bench, paper))
    tex = bundle["main.tex"].decode()
    order = ["abstract", "words-text-4", "methods", "words-text", "words-text-2", "words-text-3", "limitations"]
    assert re.findall(r"\\input\{text/([^}]*)\}", tex) == [*order, "checklist"]
    assert tex.index("words-text}") < tex.index(r"\input{tables/main}") < tex.index("words-text-2}")
    assert r"recall-10: \resRecallOneZero{}." in tex and "Table~" not in tex, (
        "what no text names has a sentence, and nothing else"
    )
    assert [row for row in drain(verification.verified(bundle)) if row.holds is False] == []
    report = (tmp_path / "small.html").read_text() if drain(bundles.report(bench, "small", tmp_path / "small.html")) else ""
    parts = ("Abstract", "Why", "Results", "What came out", "id='main'", "Then: ", "What follows")
    assert [*parts] == sorted(parts, key=report.index) and "<script" not in report
    if shutil.which("pdflatex"):
        for name in bundle:
            (tmp_path / "paper" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "paper" / name).write_bytes(bundle[name])
        done = subprocess.run(["make"], cwd=tmp_path / "paper", capture_output=True, text=True, errors="replace", timeout=600)
        assert done.returncode == 0, done.stdout[-3000:]
