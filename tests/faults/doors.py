"""Every door for texts of others with every text made to harm: an error that names its place and a remedy, and soon."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.cli.test_hostile_files_fault import FILE_VERBS, TAKEN, VALUE_VERBS, given
from tests.faults import homes
from tests.faults.harness import Case, Lab, Ran, attack, verb
from tests.support.hostile_texts import FILES, NO_FILES, TEXTS, lay

LIMIT_S = 40.0
MOST_SAID = 6_000  # characters
# what reads the files of a home
READERS = ("datasets", "trials", "jobs list", "chains list", "adapters", "heads", "encoders-trained", "prices list", "paper list",
           "experiment list", "annotate list", "study-status toy", "find tea", "verify")  # fmt: skip


def asked(place: Path) -> None:
    """A corpus, and a study of people that has not begun."""
    homes.towns(place)
    study = place.parent / "hours.yaml"
    study.write_text("id: hours\ntitle: Hours\n")
    verb(place, "annotate", "draft", study).well()


def refused(ran: Ran) -> None:
    assert "Traceback (most" not in ran.err, f"a traceback: {ran.err.strip().splitlines()[-1][:250]}"
    assert ran.code in (1, 2), f"ended with {ran.code}: {ran.said()}"
    assert "Failed: " in ran.err and len(ran.err) < MOST_SAID, f"said in {len(ran.err):,} characters: {ran.err[:200]}"


@attack("doors", "every verb that takes a file, given each of the hostile texts, a pipe, a device, a link")
def files(lab: Lab) -> Iterator[Case]:
    homes.copy(lab, asked, lab.folder / "files")

    def check(name: str, text: str, rng: Random) -> None:
        home = homes.copy(lab, asked, Path.cwd() / "home")
        path = lay(Path.cwd(), text)
        ran = verb(home, *given(FILE_VERBS[name], str(path)), limit_s=LIMIT_S)
        try:
            if (name, text) in TAKEN:
                ran.calm()
            else:
                refused(ran)
                assert "where: " in ran.err and "to do: " in ran.err, f"no place or no remedy: {ran.said()}"
        except AssertionError as error:
            raise AssertionError(f"{name}, given {text}: {error}") from None

    return lab.swept("files", dict.fromkeys(FILE_VERBS, (*FILES, *NO_FILES)), check, LIMIT_S + 20, again=False)


@attack("doors", "every option that takes a value: settings, grids, recipes, models, weights, schemas")
def values(lab: Lab) -> Iterator[Case]:
    homes.copy(lab, asked, lab.folder / "values")

    def check(name: str, text: str, rng: Random) -> None:
        home = homes.copy(lab, asked, Path.cwd() / "home")
        ran = verb(home, *given(VALUE_VERBS[name], TEXTS[text]), limit_s=LIMIT_S)
        try:
            if ran.code:
                refused(ran)
            ran.code or ran.calm()
        except AssertionError as error:
            raise AssertionError(f"{name}, given {text}: {error}") from None

    short = [name for name, text in TEXTS.items() if len(text) < 100_000]  # the system takes no longer argument
    return lab.swept("values", dict.fromkeys(VALUE_VERBS, short), check, LIMIT_S + 20, again=False)


@attack("doors", "every text file of a home, with each hostile text in its place: what reads it lives")
def home_files(lab: Lab) -> Iterator[Case]:
    home = homes.copy(lab, homes.measured, lab.folder / "home_files")
    suffixes = (".yaml", ".json", ".jsonl")
    found = [
        path.relative_to(home) for path in sorted(home.rglob("*")) if path.suffix in suffixes and "journal" not in path.parts
    ]
    kinds = {f"{path.parent.parent}{path.name[-12:]}": str(path) for path in found}  # of many of a kind one

    def check(file: str, text: str, rng: Random) -> None:
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")
        (home / file).unlink()
        lay((home / file).parent, text, (home / file).name)
        try:
            for words in rng.sample(READERS, 3):
                verb(home, *words.split(), limit_s=LIMIT_S).calm()
            ran = verb(home, "run", *homes.DENSE, limit_s=LIMIT_S).calm()
            assert ran.code == 0 or "where: " in ran.err, f"no place is told: {ran.said()}"
        except AssertionError as error:
            raise AssertionError(f"{text} as {file}: {error}") from None
        finally:
            shutil.rmtree(home, ignore_errors=True)

    return lab.swept("home_files", dict.fromkeys(kinds.values(), (*FILES, *NO_FILES)), check, 4 * LIMIT_S)
