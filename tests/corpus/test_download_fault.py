"""Downloads against a server that resumes, lies, hangs, trickles or is not there."""

import errno
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.corpus import download
from core.corpus.cards import DataFile
from core.corpus.download import fetch
from core.corpus.library import Library
from core.errors import WorkbenchError
from core.progress import drain

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    seen: list[dict] = []

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        Server.seen.append(dict(self.headers))
        name = self.path.strip("/")
        if name == "missing":
            return self.send_error(404)
        if int((self.headers.get("Range") or "=0-").partition("=")[2][:-1]) >= len(CONTENT):
            return self.send_error(416)
        if name == "squad":
            body = json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "Ann came.", "qas": []}]}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None
        if name == "mute":
            return time.sleep(60)
        start, ranged = 0, self.headers.get("Range")
        if ranged and name != "plain" and self.headers.get("If-Range") == '"one"':
            start = int(ranged.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if name != "nolength":
            self.send_header("Content-Length", str(10**13 if name == "huge" else len(CONTENT) - start))
        self.send_header("ETag", '"two"' if name == "changed" else '"one"')
        self.end_headers()
        try:
            if name == "cut" and not start:
                self.wfile.write(CONTENT[: len(CONTENT) // 2])
            elif name == "trickle":
                for byte in CONTENT[:400]:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.1)
            elif name == "hang":
                self.wfile.write(CONTENT[:1000])
                self.wfile.flush()
                time.sleep(60)
            else:
                self.wfile.write(CONTENT[start:])
        except OSError:
            pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def get(address, tmp_path):
    """Fetches a path of the server into one file; returns the progress seen."""
    Server.seen.clear()

    def run(path: str, **checks) -> list:
        file = DataFile(name="set/data.bin", url=f"{address}/{path}", **checks)
        return list(fetch(file, tmp_path / "data.bin"))

    return run


def test_a_download_is_checked_renamed_and_shows_progress(get, tmp_path):
    steps = get("whole", sha256=SHA256, md5=hashlib.md5(CONTENT).hexdigest())
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert steps[-1].message.startswith("Checking")
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["checksums.json", "data.bin"]  # hidden: the lock


@pytest.mark.parametrize("path", ["nolength", "plain"])
def test_servers_without_length_or_ranges_work(get, tmp_path, path):
    get(path, sha256=SHA256)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_cut_connection_says_so_and_the_next_attempt_goes_on_from_there(get, tmp_path):
    with pytest.raises(WorkbenchError, match="connection broke") as caught:
        get("cut", sha256=SHA256)
    assert "goes on" in caught.value.todo and not (tmp_path / "data.bin").exists()
    get("cut", sha256=SHA256)
    assert Server.seen[-1]["Range"] == f"bytes={len(CONTENT) // 2}-"
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_starts_from_the_beginning(get, tmp_path):
    with pytest.raises(WorkbenchError):
        get("cut")
    (tmp_path / "data.bin.part.etag").write_text('"old"')
    get("whole", sha256=SHA256)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_whole_part_that_was_never_checked_is_fetched_anew(get, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(b"x" * len(CONTENT))
    (tmp_path / "data.bin.part.etag").write_text('"one"')
    get("whole", sha256=SHA256)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("checks", [{"sha256": "0" * 64}, {"md5": "0" * 32}])
def test_a_wrong_checksum_leaves_nothing_behind(get, tmp_path, checks):
    with pytest.raises(WorkbenchError, match="checksum"):
        get("whole", **checks)
    assert list(tmp_path.iterdir()) == []


def test_without_a_published_checksum_the_first_ones_is_remembered(get, tmp_path):
    get("whole")
    (tmp_path / "data.bin").unlink()
    get("whole")
    (tmp_path / "data.bin").unlink()
    (tmp_path / "checksums.json").write_text('{"data.bin": "%s"}' % ("1" * 64))
    with pytest.raises(WorkbenchError, match="checksum"):
        get("whole")


def test_missing_huge_and_foreign_addresses(get, tmp_path):
    with pytest.raises(WorkbenchError, match="not there any more"):
        get("missing")
    with pytest.raises(WorkbenchError, match=r"larger|full"):
        get("huge")
    with pytest.raises(WorkbenchError, match="http"):
        list(fetch(DataFile(name="a", url="file:///etc/passwd"), tmp_path / "a"))


def test_no_network_says_how_to_do_it_by_hand(tmp_path):
    with pytest.raises(WorkbenchError, match="cannot be reached") as caught:
        list(fetch(DataFile(name="a", url="http://127.0.0.1:9/a.zip"), tmp_path / "a.zip"))
    assert "a.zip" in caught.value.todo


@pytest.mark.parametrize("path", ["mute", "hang"])
def test_a_server_that_stops_sending_is_left_after_the_deadline(get, monkeypatch, path):
    monkeypatch.setattr(download, "STALLED_S", 0.5)
    started = time.monotonic()
    with pytest.raises(WorkbenchError, match="sent nothing"):
        get(path)
    assert time.monotonic() - started < 30


def test_a_trickle_is_no_progress(get, monkeypatch):
    monkeypatch.setattr(download, "SLOW_S", 0.8)
    started = time.monotonic()
    with pytest.raises(WorkbenchError, match="less than"):
        get("trickle")
    assert time.monotonic() - started < 30


def test_a_full_disk_is_said_as_such(get, monkeypatch):
    def full(needed, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_room", full)
    with pytest.raises(WorkbenchError, match="disk is full"):
        get("whole")


def test_cancelling_keeps_the_part_and_frees_it_for_the_next_attempt(address, tmp_path, get):
    steps = fetch(DataFile(name="set/data.bin", url=f"{address}/hang"), tmp_path / "data.bin")
    next(steps)
    second = fetch(DataFile(name="set/data.bin", url=f"{address}/whole"), tmp_path / "data.bin")
    with pytest.raises(WorkbenchError, match="already"):
        next(second)
    steps.close()
    assert not (tmp_path / "data.bin").exists()
    get("whole", sha256=SHA256)


def test_a_data_set_is_downloaded_found_and_opened_by_name(address, tmp_path, monkeypatch):
    monkeypatch.delenv("GROUNDWORK_DATASETS", raising=False)
    folder = tmp_path / "home" / "datasets" / "tiny"
    folder.mkdir(parents=True)
    (folder / "card.yaml").write_text(
        "title: Tiny\ndescription: d\nloader: {part: squad}\nlicence: l\ncitation: c\nhomepage: h\n"
        f"files: [{{name: sets/tiny.json, url: '{address}/squad'}}]\n"
    )
    library = Library(tmp_path / "home")
    with pytest.raises(WorkbenchError, match="not on this machine"):
        list(library.open("tiny"))
    assert list(library.download("tiny"))
    assert list(library.download("tiny")) == [], "it is here already"
    assert drain(library.open("tiny")).documents[0].text == "Ann came."
