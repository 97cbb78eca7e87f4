"""The page Write a paper in a browser: a bundle is built whose LaTeX compiles, and what is sent back verifies."""

import io
import shutil
import subprocess
import zipfile

import pytest

from core.labs.papers import paper as papers
from core.workbench import Workbench
from tests.support.small_paper import small_paper
from tests.support.steps import expect, no_error, open_page, settled


@pytest.mark.slow
def test_a_bundle_is_built_compiles_and_verifies(app, home, tab, tmp_path):
    bench = Workbench(home)
    trials = small_paper(bench)
    gains = {
        "kind": "figure",
        "name": "gains",
        "command": ["trials-table", *trials],
        "drawing": "differences",
        "caption": "Gains",
    }
    papers.add(bench, "small", gains)
    open_page(tab, f"{app}/write_paper?paper=small")
    tab.get_by_text("\\resGain ").first.wait_for()
    tab.get_by_role("button", name="Check every item").click()
    tab.get_by_text("All items hold.").wait_for()
    tab.get_by_role("tab", name="Bundle", exact=True).click()
    tab.get_by_role("button", name="Make the bundle").click()
    download = tab.get_by_role("button", name="Download the last one")
    download.wait_for(timeout=900_000)  # figures are drawn by a browser of their own
    settled(tab)
    with tab.expect_download() as received:
        download.click()
    packed = tmp_path / "small.zip"
    received.value.save_as(packed)
    with zipfile.ZipFile(io.BytesIO(packed.read_bytes())) as archive:
        archive.extractall(tmp_path / "paper")
    if shutil.which("pdflatex"):  # else the test of the bundle says that it is not compiled
        done = subprocess.run(["make"], cwd=tmp_path / "paper", capture_output=True, text=True, errors="replace", timeout=600)
        assert done.returncode == 0 and (tmp_path / "paper/main.pdf").is_file(), done.stdout[-2000:]
    tab.get_by_role("tab", name="Verify a bundle").click()
    tab.locator("input[type=file]").set_input_files(packed)
    tab.get_by_role("button", name="Verify", exact=True).click()
    expect(tab.get_by_text("All items hold.").last).to_be_visible(timeout=600_000)
    no_error(tab)
