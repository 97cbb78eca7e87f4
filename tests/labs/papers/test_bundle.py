"""A bundle compiles, is the same bytes for the same paper, and whatever is changed in it is named."""

import gzip
import hashlib
import html
import io
import json
import shutil
import subprocess
import zipfile

import pytest
from pypdf import PdfReader

from core import files
from core.__main__ import main
from core.cli.frame import UNCHECKED
from core.errors import WorkbenchError
from core.labs.papers import bundle as bundles
from core.labs.papers import opening, verification
from core.labs.papers import paper as papers
from core.progress import drain
from core.store.journal import decode, encode
from core.workbench import Workbench
from tests.support.small_paper import CHART, small_paper, three_trials
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def made(bench):
    """The files of a bundle of the small paper, with a chart as a page has it; its figure is not drawn."""
    trials = small_paper(bench)
    chart = {"kind": "figure", "name": "curve", "caption": "A curve & more", "trials": trials[:1], "command": ["curve"]}
    papers.add(bench, "small", chart, {"figure": CHART, "data": [{"k": 1, "recall": 0.5}, {"k": 2, "recall": 0.75}]})
    means = {"kind": "figure", "name": "means", "command": ["trials-table", *trials], "drawing": "means", "panel": "a"}
    papers.add(bench, "small", means)
    papers.add(bench, "small", {**means, "name": "gains", "drawing": "differences", "panel": "b"})
    return whole(bench)


def whole(bench) -> dict[str, bytes]:
    paper = papers.load(bench, "small")
    return bundles.whole(bench, paper, drain(bundles.current(bench, paper)), {}, bundles.records(bench, paper))


def packed(content) -> bytes:
    return papers.packed(papers.Taken(content)).encode()


def zipped(bundle) -> bytes:
    bundles.zipped(bundle, file := io.BytesIO())
    return file.getvalue()


def wrong(bundle) -> dict[str, str]:
    return {row.what: row.told for row in drain(verification.verified(bundle)) if row.holds is False}


def sealed(bundle) -> dict[str, bytes]:
    """With a manifest that fits, as somebody would write who wants to be believed."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in bundle.items() if name != opening.MANIFEST}
    return {**bundle, opening.MANIFEST: json.dumps({"format": 1, "sha256": sums}).encode()}


@pytest.mark.slow
def test_a_bundle_holds_and_says_what_it_cannot_compute(made):
    home = files.home()
    results = {row.what: row for row in drain(verification.verified(made))}
    assert not wrong(made) and files.home() == home
    assert {what for what, row in results.items() if row.holds} >= {
        "table main",
        "number gain",
        "number gain-p",
        "number recall-10",
    }
    assert results["figure curve"].holds is None and "not recomputed" in results["figure curve"].told
    assert len([name for name in made if name.startswith("raw/")]) == 5  # three trials, their questions, a name


def test_a_time_that_another_trial_of_the_same_work_lends_is_in_the_bundle_with_it(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    weights = [{"fusion.part": "convex", "fusion.weight": weight} for weight in (0.5, 0.6)]
    timed = add_trial(bench.store, questions, weights[0])
    untimed = add_trial(bench.store, questions, weights[1], 0.9, 1, costs={"chunks": 100})
    other = add_trial(bench.store, questions, {"chunking.size_tokens": 64}, costs={"chunks": 200})
    papers.create(bench, "Lent", "small")
    papers.add(
        bench,
        "small",
        {
            "kind": "table",
            "name": "main",
            "command": ["trials-table", untimed, other, "--cost", "latency_ms", "--cost", "chunks"],
        },
    )
    paper = papers.load(bench, "small")
    rows = papers.taken(bench, "small", "main").content["rows"]
    assert [row["cells"]["latency_ms"]["mean"] for row in rows] == [2.0, None]
    assert {*paper.trials} == {timed, untimed, other}
    assert not wrong(whole(bench))


@pytest.mark.slow
def test_names_in_figures_are_only_text(made):
    drawn = json.loads(made["figures/means.json"])
    assert "&lt;script&gt;" in str(drawn) and "<script>" not in str(drawn) and b"<script>" in made["figures/means.csv"]


@pytest.mark.slow
def test_the_same_paper_is_the_same_zip(bench, made):
    assert zipped(whole(bench)) == zipped(made)


CHANGES = (  # of a number, its record, a cell, a figure's data and drawing, the methods, the report
    ("numbers.tex", b"97.436", b"97.536"),
    ("numbers.json", b"97.436%", b"98.436%"),
    ("tables/main.tex", rb"\textbf{1.000}", rb"\textbf{1.001}"),
    ("figures/curve.csv", b"0.75", b"0.85"),
    ("figures/curve.json", b"0.75", b"0.85"),
    ("text/methods.tex", b"1000 resamples", b"9000 resamples"),
    ("report.html", b"97.436%", b"98.436%"),
)


@pytest.mark.slow
def test_each_changed_file_is_named_by_the_manifest_and_though_it_was_made_to_fit(made):
    assert all(before in made[file] for file, before, _ in CHANGES)
    changed = {**made, **{file: made[file].replace(before, after, 1) for file, before, after in CHANGES}}
    assert set(wrong(changed)) == set(wrong(sealed(changed))) == {file for file, *_ in CHANGES}


@pytest.mark.slow
def test_a_changed_number_is_named_though_all_files_agree_on_it(bench, made):
    """What the item showed, its checksum, the printed number and the manifest are all made to fit: the records do not."""
    paper = papers.load(bench, "small")
    showed = papers.showed(bench, paper)
    gain = showed["gain"]
    raw = bundles.records(bench, paper)
    changed = bundles.whole(bench, paper, {**showed, "gain": gain._replace(content=gain.content + 0.001)}, {}, raw)
    told = wrong(changed)
    assert set(told) == {"number gain"} and f"{gain.content:.4g} recomputed" in told["number gain"]


@pytest.mark.slow
def test_a_damaged_record_is_named_and_what_rests_on_it(made):
    name = next(name for name in made if ".trial." in name)
    data = bytearray(made[name])
    data[len(data) // 2] ^= 1
    told = wrong({**made, name: bytes(data)})
    assert name in told and "table main" in told
    gone = {key: value for key, value in made.items() if key != name}
    assert {name, "table main"} <= set(wrong(gone))


@pytest.mark.slow
def test_a_record_written_anew_is_named_by_what_no_longer_follows(made):
    name = sorted(name for name in made if ".trial." in name)[1]  # the better one
    record = decode(made[name], name.removeprefix("raw/"))
    for chunks, _ in record.payload["rankings"].values():
        chunks.reverse()
    forged = encode(record.id, record.kind, record.payload)
    told = wrong(sealed({**made, name: forged}))
    assert {"table main", "number gain", "number gain-p", "figure means", "figure gains"} == set(told)
    assert name in wrong({**made, name: forged})


@pytest.mark.slow
def test_words_of_people_may_change_and_the_readers_hear_of_it(made):
    changed = {**made, "main.tex": made["main.tex"].replace(b"Results", b"What we found")}
    results = {row.what: row for row in drain(verification.verified(changed))}
    assert results["main.tex"].holds is None and not wrong(changed)


@pytest.fixture
def no_browser(monkeypatch):
    """Figures take seconds to draw."""
    monkeypatch.setattr(bundles.figures, "find_browser", lambda: None)


@pytest.mark.slow
def test_export_verify_and_again_through_the_command_line(bench, made, tmp_path, capsys, monkeypatch, no_browser):
    files.use_home(bench.home)
    out = tmp_path / "small.zip"
    drain(bundles.export(bench, "small", out))
    assert main(["verify-paper", str(out)]) == UNCHECKED, "a curve of the page is in no bundle"
    assert "DOES NOT" not in capsys.readouterr().out
    assert main(["verify-paper", str(out), "--strict"]) == 1
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "unpacked")
    (tmp_path / "unpacked/main.pdf").write_bytes(b"made by make")
    assert main(["export", str(tmp_path / "unpacked"), "--out", str(tmp_path / "again.zip")]) == 0
    assert (tmp_path / "again.zip").read_bytes() == out.read_bytes()
    monkeypatch.chdir(tmp_path)
    assert main(["export", "small.zip"]) == 1 and "Name another file" in capsys.readouterr().err
    assert (tmp_path / "again.zip").read_bytes() == out.read_bytes(), "what it is made of stays as it is"
    numbers = tmp_path / "unpacked/numbers.tex"
    numbers.write_text(numbers.read_text().replace("97.436", "97.437"))
    assert main(["verify-paper", str(tmp_path / "unpacked")]) == 1
    assert "numbers.tex" in capsys.readouterr().out


@pytest.mark.slow
def test_a_number_that_its_own_records_do_not_give_is_not_exported(bench, made, tmp_path, no_browser):
    trial = papers.load(bench, "small").trials[0]
    words = ("sql", "SELECT count(*) AS n FROM trials")
    papers.add(bench, "small", {"kind": "number", "name": "many", "command": words, "value": "0.n", "trials": [trial]})
    add_trial(bench.store, add_questions(bench.store), {"sparse.k1": 0.5}, seed=8)
    with pytest.raises(WorkbenchError, match="are stale"):
        drain(bundles.export(bench, "small", tmp_path / "a.zip"))
    papers.take_again(bench, "small")
    with pytest.raises(WorkbenchError, match="own records do not give number many: 4 recorded, 3 recomputed"):
        drain(bundles.export(bench, "small", tmp_path / "a.zip"))
    papers.remove(bench, "small", "many")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex on this machine")
def test_the_latex_compiles_hostile_names_and_all(made, tmp_path):
    for name, data in made.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(["make"], cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]
    text = " ".join(page.extract_text() for page in PdfReader(tmp_path / "main.pdf").pages)
    assert (
        "97.436%" in text
        and "Methods" in text
        and "References" in text
        and "[50% of" in text
        and "was not drawn" in text
        and "root:" not in text
    )


@pytest.mark.skipif(not bundles.figures.find_browser(), reason="no Chrome or Chromium on this machine")
@pytest.mark.slow
def test_each_figure_of_a_bundle_is_drawn_again_by_its_command_as_the_same_picture(tmp_path):
    bench = Workbench(tmp_path / "home")
    trials = three_trials(bench)
    papers.create(bench, "Drawn")
    gains = {"kind": "figure", "name": "gains", "command": ["trials-table", *trials], "drawing": "differences", "panel": "a"}
    papers.add(bench, "drawn", gains)
    drain(bundles.export(bench, "drawn", tmp_path / "a.zip"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path)
    [words] = [line.split() for line in (tmp_path / "README.md").read_text().splitlines() if " -m core draw " in line]
    assert main(["draw", str(tmp_path / words[4]), str(tmp_path / "again.pdf"), *words[6:]]) == 0
    drawing, picture = json.loads((tmp_path / words[4]).read_text()), tmp_path / "figures/gains.svg"
    name = html.unescape(drawing["layout"]["yaxis"]["ticktext"][1]).split()[0]
    assert name in picture.read_text()
    picture.write_text(picture.read_text().replace(name, "Ours"))
    results = {row.what: row for row in drain(verification.verify(tmp_path))}
    assert results["2 pictures"].holds and "it says Ours" in str(results)
    assert {what for what, row in results.items() if row.holds is False} == {"figures/gains.svg", "report.html"}
    ours, again = (PdfReader(path).pages[0] for path in (tmp_path / words[5], tmp_path / "again.pdf"))
    assert ours.get_contents().get_data() == again.get_contents().get_data() and ours.mediabox == again.mediabox
    assert main(["draw", str(tmp_path / "README.md"), str(tmp_path / "again.pdf")]) == 1
    assert main(["draw", str(tmp_path / words[4]), str(tmp_path / "again.gif")]) == 1


def archived(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "raw/../../x", "items/..", "a.py", "raw\\x", "raw/x/y.json", "items/A.json"]
)
def test_names_that_no_bundle_has_are_refused(tmp_path, name):
    path = tmp_path / "a.zip"
    path.write_bytes(archived({"paper.yaml": b"id: a", name: b""}))
    with pytest.raises(WorkbenchError, match="which no bundle has"):
        drain(verification.verify(path))
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.slow
def test_bombs_are_refused(tmp_path, monkeypatch, made):
    path = tmp_path / "a.zip"
    monkeypatch.setattr(opening, "MOST_RECORD", 1 << 20)
    path.write_bytes(archived({"paper.yaml": bytes(5 << 20)}))
    with pytest.raises(WorkbenchError, match=r"refused: paper.yaml has 5.2 MB"):
        drain(verification.verify(path))
    name = "raw/" + "0" * 26 + ".trial.jsonl.gz"
    told = wrong({**made, name: gzip.compress(bytes(5 << 20))})
    assert "unpacks to more than" in told.get(name, "")


FOLDERS = ("raw/", "items/", "tables/", "figures/", "text/")


@pytest.mark.parametrize("above", ["", "small/"])
def test_a_bundle_zipped_again_with_its_folders_is_read(tmp_path, made, above):
    """As `zip -r` does it, from within or from above, also where its LaTeX was set."""
    path, names = tmp_path / "a.zip", (above, *(above + name for name in FOLDERS))
    extra = {name: b"" for name in names if name} | {f"{above}main.pdf": b"made by make", f"{above}main.log": b""}
    path.write_bytes(archived(extra | {above + name: data for name, data in made.items()}))
    assert dict(opening.read(path)) == dict(made)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/x.py", "")
    with pytest.raises(WorkbenchError, match="which no bundle has"):
        opening.read(path)


@pytest.mark.slow
def test_what_a_bundle_would_run_is_held_or_said_aloud(made, tmp_path, capsys):
    """A Makefile is ours to the letter; of LaTeX that people wrote in it is said that nobody checked it, in the exit code too."""

    def code(bundle, *words) -> int:
        path = tmp_path / "a.zip"
        path.write_bytes(zipped(sealed(bundle)))
        return main(["verify-paper", str(path), *words])

    assert (
        "make` would run what stands there"
        in wrong(sealed({**made, "Makefile": made["Makefile"] + b"\ttouch owned\n"}))["Makefile"]
    )
    without = {name: data for name, data in made.items() if "curve" not in name}  # of which nothing can be recomputed
    paper = papers.read(made["paper.yaml"].decode())
    paper = paper.model_copy(update={"items": tuple(item for item in paper.items if item.name != "curve")})
    showed = {item.name: read(made, item.name, tmp_path) for item in paper.items}
    with opening.opened(made) as (bench, _, _):
        raw = bundles.records(bench, paper)
        whole = dict(bundles.whole(bench, paper, showed, {}, raw))
    assert without.keys() == whole.keys() and code(whole) == 0
    text = {**whole, "main.tex": whole["main.tex"].replace(b"Methods", rb"\immediate\write18{touch owned} Methods")}
    assert code(text) == 3 and code(text, "--strict") == 1
    assert "`make` has LaTeX run what stands there" in capsys.readouterr().out
    assert code({**whole, "Makefile": b"all:\n\ttouch owned\n"}) == 1 and code(made) == 3


def read(bundle, name: str, folder) -> papers.Taken:
    place = folder / f"{name}.json"
    place.write_bytes(bundle[f"items/{name}.json"])
    return papers.read_taken(place)


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18), b"not a zip", archived({"manifest.json": b"{}"})])
def test_what_is_no_bundle_is_refused_in_words(tmp_path, data):
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(WorkbenchError, match=r"no bundle|cannot be read"):
        drain(verification.verify(path))
    with pytest.raises(WorkbenchError, match=r"cannot be read"):
        drain(verification.verify(tmp_path / "none.zip"))


def test_a_folder_with_links_leads_nowhere(tmp_path, made):
    (tmp_path / "paper.yaml").write_bytes(made["paper.yaml"])
    (tmp_path / "numbers.tex").symlink_to("/etc/passwd")
    assert set(opening.read(tmp_path)) == {"paper.yaml"}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "value"), [
    (("config", "evaluation", "resamples"), 10**12), (("config", "retrieval", "top_k"), 10**12), (("config", "evaluation", "k"), 0),
    (("config",), []), (("rankings",), [1]), (("chunks",), {"a": 1}), (("seed",), -1), (("questions_fingerprint",), None),
])  # fmt: skip
def test_foreign_records_of_any_shape_are_told_and_cost_nothing(made, path, value):
    name = next(name for name in made if ".trial." in name)
    record = decode(made[name], name.removeprefix("raw/"))
    inner = record.payload
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    told = wrong(sealed({**made, name: encode(record.id, record.kind, record.payload)}))
    assert "table main" in told


@pytest.mark.slow
def test_items_of_any_shape_and_commands_of_any_verb_are_told(made):
    for content in ({}, {"columns": 3}, [], "x", {"columns": [], "rows": [{}]}):
        assert "table main" in wrong(sealed({**made, "items/main.json": packed(content)}))
    told = wrong(sealed({**made, "items/main.json": b"[" * 100_000, "items/gain.json": b"\xff"}))
    assert {"table main", "number gain"} <= set(told)
    text = made["paper.yaml"].decode().replace("- compare\n", "- rebuild\n")
    results = {row.what: row for row in drain(verification.verified(sealed({**made, "paper.yaml": text.encode()})))}
    assert results["number gain"].holds is not True


@pytest.mark.slow
def test_what_people_wrote_is_told_and_what_no_item_shows_is_refused(made):
    told = {"main.tex": made["main.tex"] + b"% The gain is 0.99\n", "tables/gain-99.tex": b"0.99", "text/abstract.tex": b"0.99"}
    results = {row.what: row for row in drain(verification.verified(sealed({**made, **told})))}
    assert results["main.tex"].holds is None and "was not checked" in results["main.tex"].told
    assert [results[name].holds for name in ("tables/gain-99.tex", "text/abstract.tex")] == [False, False]


@pytest.mark.slow
def test_a_line_that_latex_reads_as_a_comment_is_no_line(made):
    hidden = made["numbers.tex"].replace(b"\n\\newcommand", b"\x0c\\newcommand")
    assert hidden != made["numbers.tex"] and "numbers.tex" in wrong(sealed({**made, "numbers.tex": hidden}))


@pytest.mark.slow
@pytest.mark.parametrize("content", [b'{"checksum": "x", "content": NaN}', packed(10**400)])
def test_numbers_that_no_item_can_show_do_not_hold(made, content):
    assert "number gain" in wrong(sealed({**made, "items/gain.json": content}))


def test_a_date_that_there_is_not_is_refused(made):
    with pytest.raises(WorkbenchError, match="cannot be read: month must be"):
        wrong({**made, "paper.yaml": b"id: small\ntitle: 2024-13-45\n"})
