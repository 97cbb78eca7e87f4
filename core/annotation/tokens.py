"""Tokens, so that nobody labels under another's name. Only their hashes are kept."""

import hashlib
import hmac
import json
import secrets
from pathlib import Path

from core.annotation.versions import Frozen, load
from core.errors import WorkbenchError
from core.files import changing, disk_reported, read_json, write_whole
from core.workbench import Workbench


def issue_token(workbench: Workbench, study_id: str, annotator: str) -> str:
    """A new token, shown once: only its hash is kept. An earlier one no longer holds."""
    study = load(workbench, study_id).study
    if annotator not in (people := (*study.annotators, *study.adjudicators)):
        raise WorkbenchError(
            f"'{annotator}' is nobody in the study '{study_id}'.", todo=f"Who is: {', '.join(people) or 'nobody'}."
        )
    path, token = _tokens(workbench), secrets.token_urlsafe(16)
    with disk_reported("The token", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with changing(path):
            tokens = _kept_tokens(path)
            tokens.setdefault(study_id, {})[annotator] = _token_hash(token)
            write_whole(path, json.dumps(tokens), private=True)
    return token


def may_label(workbench: Workbench, frozen: Frozen, annotator: str, token: str = "") -> bool:
    """Whether this person may label under this name in the round."""
    if annotator not in frozen.study.at_work(frozen.round):
        return False
    if not frozen.study.tokens:
        return True
    digest = _kept_tokens(_tokens(workbench)).get(frozen.study.id, {}).get(annotator, "")
    return hmac.compare_digest(digest, _token_hash(token.strip()))


def _tokens(workbench: Workbench) -> Path:
    return workbench.home / "annotation" / "tokens.json"


def _kept_tokens(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    return read_json(path, "The tokens", of=dict, todo="Remove the file and issue new ones.")


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()  # 128 random bits: nothing to guess from a hash
