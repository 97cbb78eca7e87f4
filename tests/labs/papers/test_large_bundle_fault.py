"""Bundles larger than memory, or small ones that unpack to it: verified within a gigabyte, or refused in words."""

import json
import subprocess
import sys
import zipfile

import pytest

from core.labs.papers import bundle as bundles
from core.labs.papers import opening, verification
from core.labs.papers import paper as papers
from core.progress import drain
from core.store.journal import decode, encode
from core.workbench import Workbench
from tests.labs.papers.test_bundle import sealed, wrong
from tests.support.browser import ROOT
from tests.support.small_paper import small_paper

GIGABYTE = 1 << 30
MEASURE = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "core", *sys.argv[1:]], stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    small_paper(bench)
    paper = papers.load(bench, "small")
    return dict(bundles.whole(bench, paper, papers.showed(bench, paper), {}, bundles.records(bench, paper)))


@pytest.mark.slow
def test_two_gigabytes_are_verified_within_one(made, tmp_path):
    """1.9 MB of zip: what it unpacks to is read one file after the other."""
    path, large = tmp_path / "large.zip", opening.MOST_FILE
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in made.items():
            archive.writestr(name, data)
        for number in range(15):
            archive.writestr(f"figures/large-{number}.png", bytes(large))
    assert path.stat().st_size < 4 << 20 and 15 * large > 1.8 * GIGABYTE
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, "verify-paper", str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    code, peak = map(int, done.stdout.split())
    assert code == 1 and peak < GIGABYTE, f"{peak:,} bytes"


@pytest.mark.slow
def test_records_go_into_the_database_a_few_at_a_time(made, monkeypatch):
    monkeypatch.setattr(opening, "FOLDED", 1)
    assert not wrong(made)


def forged(made, change) -> dict[str, bytes]:
    name = next(name for name in made if ".trial." in name)
    record = decode(made[name], name.removeprefix("raw/"))
    change(record.payload)
    return sealed({**made, name: encode(record.id, record.kind, record.payload)})


def long_names(payload):
    """A name that stands in a record once, and in the tables for each place of each ranking."""
    payload["chunks"] = [["d" * 1_000_000, start, end] for _, start, end in payload["chunks"]]


def one_long_ranking(payload):
    """Rankings are judged as a table of the length of the longest."""
    payload["rankings"] |= {f"more-{number}": [[0], [1.0]] for number in range(3_000)}
    payload["rankings"]["more-0"] = [[0] * 3_000, [1.0] * 3_000]


def many_lists(payload):
    payload["more"] = [[]] * 4_100_000


@pytest.mark.slow
@pytest.mark.parametrize("change", [long_names, one_long_ranking, many_lists])
def test_records_that_would_take_far_more_than_their_size_are_left_out(made, change):
    told = [row.told for row in drain(verification.verified(forged(made, change))) if row.what.startswith("raw/")]
    assert len(told) == 1 and ("take more memory" in told[0] or "holds more than" in told[0])


@pytest.mark.slow
def test_what_is_read_as_values_has_a_limit_of_its_own(made):
    sizes = {name: len(data) for name, data in made.items()}
    opening.bounded(sizes, "here")
    for name in ("paper.yaml", "manifest.json", "items/gain.json", "labels/a.json", "trained/a.json"):
        with pytest.raises(opening.WorkbenchError, match=name.replace(".", r"\.") + " has 31.5 MB"):
            opening.bounded({**sizes, name: 31_500_000}, "here")
    drawn = {f"figures/f{number}.svg": 60 << 20 for number in range(2)}
    with pytest.raises(opening.WorkbenchError, match="pictures as SVG"):
        opening.bounded({**sizes, **drawn}, "here")


@pytest.mark.slow
def test_deep_and_odd_manifests_say_nothing(made):
    for text in (b"[" * 100_000, b'{"sha256": [1]}', json.dumps({"sha256": 3}).encode()):
        assert opening.manifest({**made, opening.MANIFEST: text}) == {}
