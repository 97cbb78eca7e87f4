"""One request to a Label Studio server through label-studio-sdk, in a child process: the SDK brings OpenCV and NLTK, which
the app's memory need not hold, and a server that hangs can be left.

LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY say where and as whom; LABEL_STUDIO_PYTHON names another interpreter than ours
that has the SDK.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.files import read_json

DEADLINE_S = 300.0
MOST_TOLD = 300  # characters of what went wrong
LOGIN = re.compile(r"//[^/]*@")


def call(do: str, url: str, **request: Any) -> dict[str, Any]:
    """do: push (title, config, tasks) or pull (project)."""
    url = (url or os.environ.get("LABEL_STUDIO_URL", "")).strip().rstrip("/")
    key = os.environ.get("LABEL_STUDIO_API_KEY", "").strip()
    shown = LOGIN.sub("//", url)
    if shown != url:
        raise WorkbenchError(
            "The address of the Label Studio server holds a password.",
            where=shown,
            todo="Give the address alone; the key in LABEL_STUDIO_API_KEY says who you are.",
        )
    if not url or not key:
        raise WorkbenchError(
            "No Label Studio server is named." if not url else "There is no key for the Label Studio server.",
            where="LABEL_STUDIO_URL" if not url else "LABEL_STUDIO_API_KEY",
            todo="Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY (its Account & Settings page has one).",
        )
    python = os.environ.get("LABEL_STUDIO_PYTHON") or sys.executable
    try:
        child = subprocess.run(
            [python, str(Path(__file__).with_name("label_studio_client.py"))],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            input=json.dumps({"do": do, "url": url, **request}),
            env={**os.environ, "LABEL_STUDIO_API_KEY": key},
        )
    except FileNotFoundError:
        raise WorkbenchError("There is no such interpreter.", where=f"LABEL_STUDIO_PYTHON={python}") from None
    except OSError as error:
        raise WorkbenchError(f"The interpreter cannot be run: {error.strerror}.", where=f"LABEL_STUDIO_PYTHON={python}") from None
    except subprocess.TimeoutExpired:
        raise WorkbenchError(f"Label Studio did not answer in {DEADLINE_S:g} s.", where=url, todo="Try again.") from None
    try:
        answer = read_json(child.stdout.strip().splitlines()[-1], most=len(child.stdout))
        told = answer.get("error", "")
    except (IndexError, WorkbenchError, AttributeError):
        answer, told = None, (child.stderr.strip().splitlines() or ["no reason given"])[-1]
    if child.returncode or answer is None or told:
        told = told.replace(key, "…")[:MOST_TOLD].rstrip(".")
        if "No module named 'label_studio_sdk'" in child.stderr:
            raise WorkbenchError(
                "label-studio-sdk is not installed for this interpreter.",
                where=python,
                todo="Install it with `pip install -r requirements.txt`, or name a python that has it in LABEL_STUDIO_PYTHON.",
            )
        if "refused" in told.lower() or "ConnectError" in told or "timed out" in told.lower():
            raise WorkbenchError(f"Label Studio does not answer: {told}.", where=url, todo="Is it running, at this address?")
        raise WorkbenchError(f"Label Studio refused: {told}.", where=url, todo="Check the address and the key.")
    return answer
