"""Drives a Python SDK of the Segment family through a plan, as an application would.

Usage: python_sdk.py segment|rudderstack PLAN, where PLAN is JSON. Prints what the SDK said went wrong.
"""

import importlib
import json
import sys
from typing import Any


def main() -> None:
    """Do what the plan says, and wait until everything was sent."""
    name, plan = sys.argv[1], json.loads(sys.argv[2])
    errors: list[str] = []

    def note(error: Any, batch: Any) -> None:
        errors.append(str(error))

    client = importlib.import_module(f"{name}.analytics.client").Client(
        plan["key"],
        host=plan["url"],
        gzip=plan["gzip"],
        sync_mode=not plan["batch"],
        on_error=note,
        upload_interval=0.1,
    )
    for step in plan["steps"]:
        match step["type"]:
            case "identify":
                client.identify(step["userId"], step["traits"])
            case "track":
                client.track(step["userId"], step["event"], step["properties"])
            case "alias":
                client.alias(step["previousId"], step["userId"])
    if plan["batch"]:
        client.flush()
        client.join()
    print(json.dumps({"errors": errors}))


if __name__ == "__main__":
    main()
