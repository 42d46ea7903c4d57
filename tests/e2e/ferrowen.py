"""The example brand behind a running server, and its touchpoints as tests speak through them."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from kept.cli.living import sign
from kept.clock import SystemClock
from kept.core.values import DAY, HOUR, format_instant
from tests.e2e.served import Served, bearer, new_id, serve
from tests.tree import ROOT

EXAMPLE: Final = ROOT / "examples" / "ferrowen"
_SECRET: Final = "whsec_" + "QUJD" * 8
_CLOCK: Final = SystemClock()


def instant(days: float = 0, *, seconds: float = 0) -> str:
    """Return the instant so many days and seconds from now, as sources write it."""
    return format_instant(_CLOCK.now() + int(days * DAY) + int(seconds * 1_000_000))


def zone_where_it_is(hour: int) -> str:
    """Return a time zone in which it is this hour of the day just now."""
    east = (hour - _CLOCK.now() // HOUR % 24 + 11) % 24 - 11
    # In these names the sign is the other way round.
    return f"Etc/GMT{-east:+d}" if east else "Etc/GMT"


DAYTIME: Final = 12
NIGHT: Final = 0


def environment(**more: str) -> dict[str, str]:
    """Return a value for every secret that the example brand refers to."""
    texts = [(EXAMPLE / name).read_text() for name in ("sources.yaml", "consent.yaml")]
    names = {name for text in texts for name in re.findall(r"env:([A-Z0-9_]+)", text)}
    told = {name: name.lower() if name.endswith("_KEY") else _SECRET for name in names}
    told |= {name: "http://127.0.0.1:9/" for name in names if name.endswith("_URL")}
    told |= {"FERROWEN_SMTP_HOST": "127.0.0.1", "FERROWEN_SMTP_PORT": "9"}
    told |= {"FERROWEN_SMTP_SECURITY": "starttls"}
    return told | more


class Ferrowen:
    """A server of the example brand."""

    def __init__(self, served: Served) -> None:
        """Take the server."""
        self.served = served

    def remember(self, *events: Mapping[str, Any]) -> None:
        """Let history come in, which nothing is ever sent because of."""
        batch = [{"type": "track", "messageId": new_id("h"), **event} for event in events]
        told = self.served.ok(self.served.admin("POST", "/import/history", {"batch": batch}))
        assert not told["rejected"], told

    def know(self, user: str, *, zone: str, allows: tuple[str, ...] = (), **traits: str) -> None:
        """Let somebody be a customer for six years."""
        who = {"userId": user, "timestamp": instant(-6 * 365)}
        told = {
            "called": user.split("-", maxsplit=1)[0].title(),
            "email": f"{user}@mail.example",
            "zone": zone,
        }
        external = [{"id": f"LC-{user}", "type": "loyalty_card"}]
        consent = {"categoryPreferences": dict.fromkeys(allows, True)}
        agreed = who | {
            "event": "Segment Consent Preference Updated",
            "context": {"consent": consent},
        }
        self.remember(
            who
            | {"type": "identify", "traits": told | traits, "context": {"externalIds": external}},
            who | {"event": "Account Opened"},
            *([agreed] if allows else []),
        )

    def say(
        self, source: str, event: str, user: str = "", /, *, card: str = "", **properties: Any
    ) -> Any:
        """Let a source with a key say something; return the answer."""
        body: dict[str, Any] = {"event": event, "messageId": new_id("m"), "properties": properties}
        if user:
            body["userId"] = user
        if card:
            body["context"] = {"externalIds": [{"id": card, "type": "loyalty_card"}]}
        key = f"ferrowen_{source}_key"
        return self.served.ok(self.served.http.post("/v1/track", json=body, auth=(key, "")))

    def identify(self, source: str, user: str, **traits: str) -> Any:
        """Let a source tell of a customer's traits."""
        body = {"userId": user, "traits": traits, "messageId": new_id("m")}
        key = f"ferrowen_{source}_key"
        return self.served.ok(self.served.http.post("/v1/identify", json=body, auth=(key, "")))

    def hook(self, source: str, body: Mapping[str, Any]) -> Any:
        """Let another system deliver a signed webhook; return the answer."""
        content = msgspec.json.encode(body)
        headers = sign(source, content, secret=_SECRET, clock=_CLOCK)
        answer = self.served.http.post(f"/v1/hooks/{source}", content=content, headers=headers)
        return self.served.ok(answer)

    def ask(self, source: str, placement: str, *, actions: tuple[str, ...] = (), **who: str) -> Any:
        """Ask at a placement as a source would."""
        body = {"placement": placement, "identifiers": who, "actions": list(actions)}
        headers = bearer(f"ferrowen_{source}_key")
        return self.served.ok(self.served.http.post("/v1/decide", json=body, headers=headers))

    def customer(self, user: str) -> Any:
        """Return what an operator sees of a customer."""
        wanted = {"identifier": f"user_id:{user}"}
        return self.served.ok(self.served.admin("POST", "/customers/find", wanted))

    def waiting(self, user: str) -> dict[str, str]:
        """Return a customer's open messages: action -> channel."""
        return {one["action"]: one["channel"] for one in self.customer(user)["messages"]}

    def sent_to(self, address: str) -> list[dict[str, str]]:
        """Return what was written for an address, as entries of the outbox's index."""
        index = self.served.data / "outbox" / "index.jsonl"
        lines = index.read_text().splitlines() if index.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["to"] == address]

    def text_of(self, entry: Mapping[str, str]) -> str:
        """Return a message as it was written."""
        return (self.served.data / "outbox" / entry["file"]).read_text()


@contextmanager
def serve_ferrowen(
    folder: Path, *options: str, mail_port: int = 0, hook_url: str = ""
) -> Iterator[Ferrowen]:
    """Serve the example brand, with a mail server and a receiver of webhooks if they are given."""
    brand = folder / "brand"
    shutil.copytree(EXAMPLE, brand, ignore=shutil.ignore_patterns("stories"))
    more: dict[str, str] = {}
    if hook_url:
        more |= {f"FERROWEN_{name}_URL": hook_url for name in ("SMS", "WHATSAPP", "PUSH")}
    if mail_port:
        # As its README says for a trial: without a login, since the connection is open.
        more |= {"FERROWEN_SMTP_PORT": str(mail_port), "FERROWEN_SMTP_SECURITY": "none"}
        consent = brand / "consent.yaml"
        login = re.compile(r"\n      (username|password): env:\w+")
        told, count = login.subn("", consent.read_text())
        assert count == 2
        consent.write_text(told)
    with serve(folder, *options, environment=environment(**more)) as served:
        yield Ferrowen(served)
