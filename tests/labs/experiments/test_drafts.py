"""A change that is not recorded yet: there for its version, and gone or damaged it is none."""

from types import SimpleNamespace

from core.labs.experiments.drafts import drop_draft, keep_draft, read_draft


def test_a_draft_is_of_the_version_that_it_changes_and_a_damaged_one_is_none(tmp_path):
    bench = SimpleNamespace(home=tmp_path)
    assert read_draft(bench, "s", "r1") is None
    drop_draft(bench, "s")
    keep_draft(bench, "s", "r1", {"title": "½ \ud800", "factors": []})
    assert read_draft(bench, "s", "r1") == {"title": "½ \ud800", "factors": []}
    assert read_draft(bench, "s", "r2") is None and read_draft(bench, "t", "r1") is None
    [file] = (tmp_path / "drafts").iterdir()
    for damaged in (b"", b"{", b"[]", b'{"record": "r1"}', b'{"record": "r1", "draft": 3}', b"[" * 9999, b"\xff"):
        file.write_bytes(damaged)
        assert read_draft(bench, "s", "r1") is None
    drop_draft(bench, "s")
    assert not list((tmp_path / "drafts").iterdir())
