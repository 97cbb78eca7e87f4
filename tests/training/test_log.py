"""A training's log on a disk that harms it."""

import pytest

from core import files
from core.errors import WorkbenchError
from core.training.log import read_log, work_folder, write_line


@pytest.mark.parametrize("harm", [
    b'{"kind": "step", "time": "2026-01-01T00:0',  # ended in the middle of a line, and gone on with
    b'{"kind": "step", "t\x00\x00\x00', b'{"kind": "st\xff\xfep", "time": "2026-01-01T00:00:00"}', b"[1]", b'{"kind": "step"}',
    b'{"time": "2026-01-01T00:00:00"}', b'{"kind": "step", "time": "0"}', b'{"kind": "step", "time": null}',
])  # fmt: skip
def test_a_damaged_line_is_left_out_and_told_and_the_others_are_read(tmp_path, harm, monkeypatch):
    monkeypatch.setattr(files, "notices", [])
    work = work_folder(tmp_path / "own")
    work.mkdir(parents=True)
    write_line(work, "start")
    with (work / "log.jsonl").open("ab") as file:
        file.write(harm + b"\n")
    write_line(work, "step", step=1, loss=0.5)
    assert [line["kind"] for line in read_log(tmp_path / "own")] == ["start", "step"]
    assert read_log(tmp_path / "own")[1]["loss"] == 0.5
    assert files.notices == [f"A line of a training's log was damaged and is left out: {work / 'log.jsonl'}."]


def test_what_is_no_file_is_refused(tmp_path):
    (work_folder(tmp_path / "own") / "log.jsonl").mkdir(parents=True)
    with pytest.raises(WorkbenchError, match="training's log cannot be read"):
        read_log(tmp_path / "own")
