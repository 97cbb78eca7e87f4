"""Run as a program: one request to a Label Studio server through its SDK, JSON in, JSON out. Imports nothing of ours.

The key comes from the environment, so that it stands in no command line.
"""

import json
import os
import sys
from typing import Any


def main() -> None:
    request = json.load(sys.stdin)
    from label_studio_sdk import LabelStudio
    from label_studio_sdk.core.api_error import ApiError

    client = LabelStudio(base_url=request["url"], api_key=os.environ["LABEL_STUDIO_API_KEY"], timeout=60)
    try:
        answer = done(client, request)
    except ApiError as error:  # its text has the headers in it, with cookies
        body = error.body.get("detail", "") if isinstance(error.body, dict) else ""
        answer = {"error": f"status {error.status_code} {body}".strip()}
        if (error.status_code or 0) < 400:
            answer = {"error": "what answers there is no Label Studio server"}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    # the last line is ours, whatever was printed before
    sys.stdout.write("\n" + json.dumps(answer, default=str) + "\n")


def done(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "pull":
        return {"tasks": client.projects.exports.as_json(request["project"])}
    project = client.projects.create(title=request["title"], label_config=request["config"])
    if request["tasks"]:
        client.projects.import_tasks(id=project.id, request=request["tasks"])
    url = f"{request['url']}/projects/{project.id}/data"
    return {"project": project.id, "url": url, "tasks": len(request["tasks"])}


if __name__ == "__main__":
    main()
