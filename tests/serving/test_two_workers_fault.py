"""Two services behind haproxy, by the configuration that ships: each request is answered, also while one of them is killed."""

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.browser import free_port
from tests.support.failing import RECIPE
from tests.support.fake_endpoint import events, serving, stream

ROOT = Path(__file__).resolve().parents[2]
CONFIGURED = ROOT / "docs" / "two_workers"
LUND = "When does the market of Lund open?"
START_S = 240.0


@contextmanager
def running(command: list[str], **environment: str):
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(120)


def wait_for(url: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            if httpx2.get(f"{url}/ready", timeout=10).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{url} is not ready")


def counted(url: str) -> float:
    families = text_string_to_metric_families(httpx2.get(f"{url}/metrics", timeout=60).text)
    [requests] = [family for family in families if family.name == "groundwork_requests"]
    return sum(sample.value for sample in requests.samples if sample.labels.get("path") == "/answer")


def test_what_is_scraped_is_what_the_proxy_asks():
    scraped = yaml.safe_load((CONFIGURED / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    [targets] = [each["static_configs"][0]["targets"] for each in scraped]
    lines = map(str.split, (CONFIGURED / "haproxy.cfg").read_text("utf-8").splitlines())
    proxied = [line[2] for line in lines if line[:1] == ["server"]]
    assert targets == proxied


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("haproxy"), reason="needs haproxy")
def test_a_killed_service_loses_no_request(bench, tmp_path):
    text = (CONFIGURED / "haproxy.cfg").read_text("utf-8")
    with ExitStack() as stack:
        proxy, *workers = (stack.enter_context(free_port()) for _ in range(3))
        for written, port in zip(("8600", "8601", "8602"), (proxy, *workers), strict=True):
            text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{port}")
        (config := tmp_path / "haproxy.cfg").write_text(text)
        endpoint = stack.enter_context(serving(stream(events("openai", "At five [1]."), pause_s=0.05)))
        settings = RECIPE | {"generation.part": "openai_compatible", "generation.base_url": endpoint.url}
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        serve = [sys.executable, "-m", "core", "serve", "--rate", "1000", *words]
        home = {"GROUNDWORK_HOME": str(bench.home), "PYTHONPATH": str(ROOT)}
        started = [stack.enter_context(running([*serve, "--port", str(port)], **home)) for port in workers]
        for port in workers:
            wait_for(f"http://127.0.0.1:{port}")
        stack.enter_context(running(["haproxy", "-f", str(config)]))
        wait_for(f"http://127.0.0.1:{proxy}")
        replies: list[httpx2.Response] = []

        def ask(number: int) -> None:
            with httpx2.Client(base_url=f"http://127.0.0.1:{proxy}", timeout=240) as client:
                for turn in range(25):
                    question = {"question": f"{LUND} {number} {turn}", "fresh": True}
                    replies.append(client.post("/answer", json=question))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        while len(replies) < 30 and any(thread.is_alive() for thread in threads):
            time.sleep(0.01)
        before = [counted(f"http://127.0.0.1:{port}") for port in workers]
        started[0].kill()
        answered = len(replies)
        for thread in threads:
            thread.join()
        assert [reply.status_code for reply in replies] == [200] * 100
        assert {reply.json()["way"] for reply in replies} == {"remote"}
        assert {reply.json()["answer"] for reply in replies} == {"At five [1]."}
        assert min(before) > 0, "both had been asked"
        # all but those that the first had answered a moment before it ended
        assert counted(f"http://127.0.0.1:{workers[1]}") - before[1] >= 100 - answered - len(threads)
        started[1].terminate()
        assert started[1].wait(120) == 0, "what the system ends once all is answered has not failed"
