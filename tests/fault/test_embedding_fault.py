"""Several processes, and killed ones, on one store."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np

from core.embedding.vectors import embed, missing

TEXTS = [f"text {i}" for i in range(3000)]


class Slow:
    dim, max_tokens = 4, 256

    def identity(self):
        return "slow"

    def prefix(self, query):
        return ""

    def load(self):
        return self

    def encode(self, texts, query=False):
        for i in range(0, len(texts), 20):
            time.sleep(0.005)
            yield np.arange(i, min(i + 20, len(texts))), np.array([[len(t)] * 4 for t in texts[i : i + 20]], np.float32)


def work(folder: str, texts: list[str]) -> None:
    for _ in embed(Slow(), texts, Path(folder)):
        pass


def test_processes_share_a_store_and_a_killed_one_leaves_it_whole(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=work, args=(str(tmp_path), texts)) for texts in (TEXTS, TEXTS[::-1], TEXTS[1000:])
    ]
    [process.start() for process in processes]
    deadline = time.monotonic() + 60
    while missing(Slow(), TEXTS, tmp_path) > 1500 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(processes[0].pid, signal.SIGKILL)
    [process.join(60) for process in processes]
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0, 0]
    assert missing(Slow(), TEXTS, tmp_path) == 0
    running = embed(Slow(), TEXTS, tmp_path)
    while True:
        try:
            next(running)
        except StopIteration as end:
            assert (end.value[:, 0] == [len(text) for text in TEXTS]).all()
            return
