"""What browser SDKs ask for before they send anything: without an answer they send no event at all.

Both answers say the same: send to this server, load nothing from elsewhere, report no metrics.
"""

from typing import Any
from urllib.parse import urlsplit


def segment_settings(key: str, *, base_url: str) -> dict[str, Any]:
    """Return the body for `GET /v1/projects/KEY/settings`, as analytics-next reads it."""
    parts = urlsplit(base_url)
    host = parts.netloc + parts.path.rstrip("/")
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": f"{host}/v1",
                "protocol": parts.scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": False,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {
            "track": {"__default": {"enabled": True, "integrations": {}}},
            "identify": {"__default": {"enabled": True}},
            "group": {"__default": {"enabled": True}},
        },
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {"routingRules": []},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


def rudder_source_config(source: str, *, key: str) -> dict[str, Any]:
    """Return the body for `GET /sourceConfig/`, as the RudderStack browser SDK reads it."""
    return {
        "source": {
            "id": source,
            "name": source,
            "writeKey": key,
            "enabled": True,
            "workspaceId": "kept",
            "config": {
                "statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}
            },
            "connections": [],
            "destinations": [],
            "dataplanes": {},
        }
    }
