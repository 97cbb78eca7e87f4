"""Whatever people call a paper, its items, trials, corpora and models: LaTeX compiles, nothing in a name is run or read."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from pypdf import PdfReader

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.papers import bundle as bundles
from core.labs.papers import paper as papers
from core.labs.papers import verification
from core.progress import drain
from core.report.figures import pdf_fonts
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial

TEXTS = {
    "latex": r"\input{/etc/passwd} \write18{touch owned} ^^5cinput{/etc/passwd} \end{document} $ % & # _ ^ ~ { } \\ \catcode`\@=0",
    "html": "</title><script>document.title='owned'</script><img src=x onerror=alert(1)> &amp; \"' -->",
    "markdown": "`</code>` | a | [x](javascript:alert(1)) ![y](http://127.0.0.1/z) **",
    "bibtex": "@string{x = {y}} } , author = {",
    "lines": "a\n\\input{/etc/passwd}\r\n\x0b\x0c\x85\u2028\u2029% b \x00\x1b[31m \x7f",
    "directions": "\u202e\u2066 \u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u4e2d\u6587 \U0001f389 e\u0301 \u200f",
    "long": "w" * 9_000 + " many words" * 90,
}
FAST = ("latex", "html")


def paper_of(bench: Workbench, text: str) -> None:
    """The paper `hostile`, in which everything that people may write is this text."""
    questions = add_questions(bench.store, 12, "q", dataset=text[:300])
    recipes = ({}, {"fusion.part": "rrf"}, {"embedding": {"part": "sentence_transformers", "model": text[:200]}})
    trials = [
        add_trial(bench.store, questions, settings, 0.3 + 0.2 * seed, seed, device=text[:300], packages={text[:50]: text[:50]})
        for seed, settings in enumerate(recipes)
    ]
    for trial in trials[:2]:
        bench.describe(trial, name=text[:120], note=text, tags=[])
    papers.create(bench, text[:500], "hostile")
    papers.change(bench, "hostile", authors=text[:2_000])
    sql = f"SELECT '{text[:2_000].replace(chr(39), chr(39) * 2).replace(chr(0), '')}' AS told"
    items = [
        {"kind": "table", "name": "main", "command": ["trials-table", *trials]},
        {"kind": "number", "name": "gain", "command": ["compare", *trials[:2]], "value": "difference", "unit": text[:40]},
        {"kind": "number", "name": "word", "command": ["sql", sql], "value": "0.told", "trials": trials},
        {"kind": "figure", "name": "means", "command": ["trials-table", *trials], "drawing": "means"},
    ]
    for item in items:
        papers.add(bench, "hostile", {**item, "caption": text[:10_000]})


def made(home, text: str) -> dict[str, bytes]:
    bench = Workbench(home)
    paper_of(bench, text)
    paper = papers.load(bench, "hostile")
    return bundles.whole(bench, paper, drain(bundles.current(bench, paper)), {}, bundles.records(bench, paper))


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen, self.named = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.named |= {name for name, _ in attributes}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[] if kind in FAST else pytest.mark.slow) for kind in TEXTS])
def test_names_are_only_text_in_every_file(tmp_path, kind):
    bundle = made(tmp_path / "home", TEXTS[kind])
    for name in (name for name in bundle if name.endswith(".tex")):
        lines = bundle[name].decode().split("\n")
        code = "\n".join(line for line in lines if not line.startswith("%"))
        assert not re.search(r"\\(input\{/|write18|catcode|end\{document\}.)|\^\^|\x0b|\x0c|\x00|\u202e", code), name
    page = Tags(bundle["report.html"].decode())
    assert not page.seen & {"script", "iframe", "object", "a", "form", "link"} and "onerror" not in page.named
    readme = MarkdownIt("commonmark").enable("table").render(bundle["README.md"].decode())
    assert Tags(readme).seen <= {"h1", "p", "ul", "li", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"}, readme
    assert b"@string" not in bundle["references.bib"]
    assert not [row for row in drain(verification.verified(bundle)) if row.holds is False]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex on this machine (Debian: texlive-latex-recommended)")
@pytest.mark.parametrize("kind", TEXTS)
def test_the_latex_of_hostile_names_compiles_and_reads_no_file_of_the_machine(tmp_path, kind):
    for name, data in made(tmp_path / "home", TEXTS[kind]).items():
        (tmp_path / "paper" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "paper" / name).write_bytes(data)
    latex = "LATEX=pdflatex -recorder -interaction=nonstopmode -halt-on-error main.tex"
    done = subprocess.run(["make", latex], cwd=tmp_path / "paper", capture_output=True, text=True, errors="replace", timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "/etc/passwd" not in (tmp_path / "paper/main.fls").read_text(errors="replace")
    assert not list(tmp_path.rglob("owned*"))
    text = " ".join(page.extract_text() for page in PdfReader(tmp_path / "paper/main.pdf").pages)
    assert "root:" not in text and "References" in text
    if subprocess.run(["kpsewhich", "lmodern.sty"], capture_output=True).stdout:
        assert set(pdf_fonts((tmp_path / "paper/main.pdf").read_bytes()).values()) == {"Type 1"}


def test_the_command_line_takes_hostile_words_or_says_what_is_wrong(tmp_path, capsys):
    bench = Workbench(tmp_path)
    for kind, text in TEXTS.items():
        assert main(["paper", "create", text, "--id", f"p-{kind}"]) == (1 if len(text) > 500 else 0)
    assert "at most 500" in capsys.readouterr().err
    assert {paper.id for paper in papers.papers(bench)} == {f"p-{kind}" for kind in TEXTS if len(TEXTS[kind]) <= 500}
    for bad in ("../x", "a b", "\\input", ""):
        with pytest.raises(WorkbenchError):
            papers.add(bench, "p-html", {"kind": "number", "name": bad, "command": ["show", "x"]})
