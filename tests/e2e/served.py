"""A real `kept serve` in a process of its own, and the ways in which tests speak with it."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

BRAND: Final = Path(__file__).parent / "brand"
TIMEOUT_SECONDS: Final = 30.0

SITE_KEY: Final = "site-key"
SHOP_KEY: Final = "shop-key"
COUNTER_KEY: Final = "counter-key"
DESK_SECRET: Final = "desk-secret"
PAYMENTS_SECRET: Final = "whsec_" + base64.b64encode(b"payments" * 4).decode()
NEWSLETTER_KEY: Final = "newsletter-key"
NEWSLETTER_SECRET: Final = "whsec_" + base64.b64encode(b"the news" * 4).decode()
DIALLER_KEY: Final = "dialler-key"
MAIL_SECRET: Final = "whsec_" + base64.b64encode(b"the mail" * 4).decode()
ENVIRONMENT: Final = {
    "HARBOUR_SITE_KEY": SITE_KEY,
    "HARBOUR_SHOP_KEY": SHOP_KEY,
    "HARBOUR_COUNTER_KEY": COUNTER_KEY,
    "HARBOUR_DESK_SECRET": DESK_SECRET,
    "HARBOUR_PAYMENTS_SECRET": PAYMENTS_SECRET,
    "HARBOUR_MAIL_SECRET": MAIL_SECRET,
    "HARBOUR_NEWSLETTER_KEY": NEWSLETTER_KEY,
    "HARBOUR_NEWSLETTER_SECRET": NEWSLETTER_SECRET,
    "HARBOUR_NEWSLETTER_URL": "http://127.0.0.1:9/",
    "HARBOUR_DIALLER_KEY": DIALLER_KEY,
}
_numbers = count(1)


class Served:
    """One server, its folders, and its addresses."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, data: Path, brand: Path) -> None:
        """Take a server that said where it listens."""
        self.process = process
        self.url = url
        self.data = data
        self.brand = brand
        self.token = (data / "admin-token").read_text().strip()
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)

    # -- as a source

    def track(self, event: str, user: str, /, key: str = SHOP_KEY, **properties: Any) -> Any:
        """Send one event about a customer and return the answer."""
        body = {"userId": user, "event": event, "properties": properties, "messageId": new_id("m")}
        return self.ok(self.http.post("/v1/track", json=body, auth=(key, "")))

    def introduce(self, **traits: Any) -> str:
        """Let the shop tell of a new customer with some traits; return their user id."""
        user = new_id("user")
        told = {"first_name": "Ana", "email": f"{user}@mail.example", "zone": "Europe/Lisbon"}
        body = {"userId": user, "traits": told | traits, "messageId": new_id("m")}
        self.ok(self.http.post("/v1/identify", json=body, auth=(SHOP_KEY, "")))
        return user

    def make_regular(self, user: str) -> None:
        """Let a customer buy often enough to be offered something."""
        for _ in range(3):
            self.track("Order Completed", user, total=300)

    def ask(self, placement: str, user: str, /, key: str = SHOP_KEY, **rest: Any) -> Any:
        """Ask at a placement and return the answer."""
        body = {"placement": placement, "identifiers": {"user_id": user}, **rest}
        return self.ok(self.http.post("/v1/decide", json=body, headers=bearer(key)))

    def inbox(self, user: str) -> list[Any]:
        """Look into a customer's inbox as the shop's server."""
        answer = self.http.get(
            "/v1/inbox", params={"identifier": f"user_id:{user}"}, headers=bearer(SHOP_KEY)
        )
        return list(self.ok(answer)["items"])

    # -- as an operator

    def admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call the admin API with the token."""
        headers = bearer(self.token) | {"x-kept-actor": "test"}
        return self.http.request(method, f"/v1/admin{path}", json=body, headers=headers)

    def ok(self, answer: httpx.Response) -> Any:
        """Return the JSON of an answer that is exactly 200."""
        assert answer.status_code == 200, answer.text
        return answer.json()

    # -- what left

    def outbox(self) -> str:
        """Return everything that was handed over to the file channel, as text."""
        folder = self.data / "outbox"
        files = sorted(folder.rglob("*")) if folder.exists() else []
        return "\n".join(
            file.read_text() for file in files if file.is_file() and file.name[0] != "."
        )

    def wait_for(self, seen: Callable[[], Any]) -> Any:
        """Return what `seen` gives as soon as it gives something; the server's own pace decides."""
        waiting = threading.Event()
        for _ in range(300):
            found = seen()
            if found:
                return found
            waiting.wait(0.05)
        raise AssertionError("it did not happen within fifteen seconds")

    def metric(self, name: str) -> float:
        """Return one figure of /metrics, 0 if it is not there yet."""
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith((f"{name} ", f"{name}{{")) and line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return 0.0


def new_id(kind: str) -> str:
    """Return an id that no other test uses."""
    return f"{kind}-{os.getpid()}-{next(_numbers)}"


def bearer(key: str) -> dict[str, str]:
    """Return a key or token as a header."""
    return {"authorization": f"Bearer {key}"}


def sign_standard(secret: str, body: bytes, *, at: int, webhook_id: str = "") -> dict[str, str]:
    """Return the headers of Standard Webhooks for a body; `at` is in seconds."""
    webhook_id = webhook_id or new_id("msg")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{at}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{signature}",
    }


def sign_plain(secret: str, body: bytes) -> dict[str, str]:
    """Return the header that the help desk signs with."""
    return {"x-signature": hmac.digest(secret.encode(), body, hashlib.sha256).hex()}


@contextmanager
def serve(
    folder: Path, *options: str, brand: Path = BRAND, environment: Mapping[str, str] = {}
) -> Iterator[Served]:
    """Start `kept serve` on a copy of a brand; stop it in the end."""
    own_brand, data = folder / "brand", folder / "data"
    if not own_brand.exists():
        shutil.copytree(brand, own_brand)
    command = [sys.executable, "-m", "kept", "serve", "--brand", str(own_brand)]
    command += ["--data", str(data), "--port", "0", *options]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **ENVIRONMENT, **environment},
        )
        try:
            served = Served(process, _read_address(process, folder / "log"), data, own_brand)
            try:
                yield served
            finally:
                served.http.close()
        finally:
            stop(process)


def stop(process: "subprocess.Popen[str]") -> int:
    """Ask a server to stop and return its exit code."""
    if process.poll() is None:
        process.terminate()
    code = process.wait(TIMEOUT_SECONDS)
    if process.stdout is not None:
        process.stdout.close()
    return code


def _read_address(process: "subprocess.Popen[str]", log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if "http://" in line:
            return "http://" + line.strip().rpartition("http://")[2]
    raise AssertionError(f"the server ended: {log.read_text()[-2000:]}")


def problem(answer: httpx.Response, status: int, code: str) -> Any:
    """Return the problem in an answer, after checking that it is one (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = json.loads(answer.content)
    assert told["status"] == status
    assert told["code"] == code
    assert told["type"] == f"urn:kept:error:{code}"
    assert told["title"]
    assert told["detail"]
    assert told["request_id"] == answer.headers["x-request-id"]
    return told
