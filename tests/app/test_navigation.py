"""Where a page stands is said by the page: each in a section, at a place of its own, under a title of its own."""

from app import navigation


def test_every_page_stands_in_one_place():
    entries = navigation.entries()
    assert next(iter(entries)) == "overview", "it is served at the root"
    assert list(dict.fromkeys(entry.section for entry in entries.values())) == list(navigation.SECTIONS)
    assert len({entry[:2] for entry in entries.values()}) == len({entry.title for entry in entries.values()}) == len(entries)


def test_a_page_is_added_by_what_it_says_and_a_script_that_says_nothing_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(navigation, "PAGES", tmp_path)
    said = {"section": "Judge", "order": 5, "title": "New", "icon": "star"}
    (tmp_path / "new.py").write_text(f'"""A page."""\nNAVIGATION = {said}\nraise SystemExit')
    (tmp_path / "old.py").write_text(f"NAVIGATION = {said | {'order': 1, 'title': 'Old'}}")
    (tmp_path / "none.py").write_text("PLACE = {}")
    assert {name: entry._asdict() for name, entry in navigation.entries.__wrapped__().items()} == {
        "old": said | {"order": 1, "title": "Old"},
        "new": said,
    }
    assert list(navigation.entries.__wrapped__()) == ["old", "new"]
