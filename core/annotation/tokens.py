"""Tokens, so that nobody labels under another's name. Only their hashes are kept."""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from core.annotation.versions import Frozen, load
from core.errors import WorkbenchError
from core.store.journal import remedy
from core.store.lock import hold
from core.workbench import Workbench


def issue_token(workbench: Workbench, study_id: str, annotator: str) -> str:
    """A new token, shown once: only its hash is kept. An earlier one no longer holds."""
    study = load(workbench, study_id).study
    if annotator not in (people := (*study.annotators, *study.adjudicators)):
        raise WorkbenchError(
            f"'{annotator}' is nobody in the study '{study_id}'.", todo=f"Who is: {', '.join(people) or 'nobody'}."
        )
    path, token = _tokens(workbench), secrets.token_urlsafe(16)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with hold(workbench.home / "locks" / "tokens", purpose="issuing a token", seconds=10):
            kept = _kept_tokens(path)
            kept.setdefault(study_id, {})[annotator] = _token_hash(token)
            fresh = path.with_name(f".tokens.{os.getpid()}.tmp")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(kept, file)
            fresh.replace(path)
    except OSError as error:
        raise WorkbenchError(
            f"The token could not be kept: {error.strerror}.", where=str(path), todo=f"{remedy(error)}."
        ) from None
    return token


def may_label(workbench: Workbench, frozen: Frozen, annotator: str, token: str = "") -> bool:
    """Whether this person may label under this name in the round."""
    if annotator not in frozen.study.at_work(frozen.round):
        return False
    if not frozen.study.tokens:
        return True
    known = _kept_tokens(_tokens(workbench)).get(frozen.study.id, {}).get(annotator, "")
    return hmac.compare_digest(known, _token_hash(token.strip()))


def _tokens(workbench: Workbench) -> Path:
    return workbench.home / "annotation" / "tokens.json"


def _kept_tokens(path: Path) -> dict[str, dict[str, str]]:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise WorkbenchError("The tokens cannot be read.", where=str(path), todo="Remove the file and issue new ones.") from None


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()  # 128 random bits: nothing to guess from a hash
