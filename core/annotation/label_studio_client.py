"""Run as a program: one request to a Label Studio server through its SDK, JSON in, JSON out. Imports nothing of ours.

The key comes from the environment, so that it stands in no command line.
"""

import json
import os
import sys


def main() -> None:
    request = json.load(sys.stdin)
    from label_studio_sdk import LabelStudio

    client = LabelStudio(base_url=request["url"], api_key=os.environ["LABEL_STUDIO_API_KEY"], timeout=60)
    if request["do"] == "push":
        project = client.projects.create(title=request["title"], label_config=request["config"])
        if request["tasks"]:
            client.projects.import_tasks(id=project.id, request=request["tasks"])
        answer = {
            "project": project.id,
            "url": f"{request['url']}/projects/{project.id}/data",
            "tasks": len(request["tasks"]),
        }
    else:
        answer = {"tasks": client.projects.exports.as_json(request["project"])}
    sys.stdout.write(
        "\n" + json.dumps(answer, default=str) + "\n"
    )  # the last line is ours, whatever was printed before


if __name__ == "__main__":
    main()
