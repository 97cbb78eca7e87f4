"""The PDF of a bundle: made by this machine's TeX, which reads nothing outside; what is wrong is told by the log's first error."""

import pytest
from pypdf import PdfReader

from core.errors import WorkbenchError
from core.labs.papers import bundle as bundles
from core.labs.papers import typesetting
from core.progress import drain
from core.workbench import Workbench
from tests.support.small_paper import small_paper

pytestmark = pytest.mark.slow
with_tex = pytest.mark.skipif(not typesetting.able(), reason="no pdflatex on this machine")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    bench = Workbench(home)
    small_paper(bench)
    drain(bundles.export(bench, "small", home / "small.zip"))
    return home / "small.zip"


@with_tex
def test_a_zip_becomes_a_pdf_beside_it_and_nothing_else_is_left(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(typesetting.tempfile, "tempdir", str(tmp_path))
    made = drain(typesetting.typeset(packed))
    assert made.file == str(packed.with_suffix(".pdf")) and not made.undefined and not list(tmp_path.iterdir())
    text = " ".join(page.extract_text() for page in PdfReader(made.file).pages)
    assert "97.436%" in text and "References" in text and "the difference is" in text


@with_tex
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (r"\\nosuchmacro", r"Undefined control sequence. l.9 .*nosuchmacro"),
        (r"\\input{/etc/passwd}", "File `/etc/passwd' not found|not found"),
        (r"\\immediate\\write18{touch ran}\\input{nothere}", "nothere"),
    ],
)
def test_the_first_error_of_the_log_is_told(packed, tmp_path, line, told):
    import zipfile

    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path)
    main = tmp_path / "main.tex"
    main.write_text(main.read_text().replace("\\input{numbers}\n", f"\\input{{numbers}}\n{line.replace(chr(92) * 2, chr(92))}\n"))
    with pytest.raises(WorkbenchError, match=told):
        drain(typesetting.typeset(tmp_path, tmp_path / "a.pdf"))
    assert not (tmp_path / "a.pdf").exists() and not (tmp_path / "ran").exists()


def test_without_a_tex_it_is_said_how_to_get_one(packed, monkeypatch):
    monkeypatch.setattr(typesetting.shutil, "which", lambda name: None)
    with pytest.raises(WorkbenchError, match=r"no pdflatex on this machine.*texlive"):
        drain(typesetting.typeset(packed))
