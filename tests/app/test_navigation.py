"""Where a page stands is said by the page: each in a section, at a place of its own, under a title of its own."""

from app import navigation
from core.labs.path import steps


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
    there = navigation.entries.__wrapped__()
    assert list(there) == ["old", "new"] and (there["new"].title, there["new"].link, there["new"].step) == ("New", "New", "")


def test_pages_that_say_the_same_entry_share_a_link_and_each_step_of_the_path_has_a_page():
    assert list(navigation.beside("tune_index")) == ["tune_chunks", "compare_encoders", "tune_index"]
    assert list(navigation.beside("serve_recipe")) == ["serve_recipe"] and navigation.beside("none") == {}
    assert len({(entry.section, entry.link) for entry in navigation.entries().values()}) <= 16
    assert {entry.step for entry in navigation.entries().values()} - {""} == steps.TITLES.keys()
