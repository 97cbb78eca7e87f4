"""Measurements behind the numbers in the docs: each module prints one JSON document, `python -m benchmarks` runs all."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATASETS = Path(os.environ.get("GROUNDWORK_DATASETS") or ROOT.parent / "shared" / "datasets").resolve()
