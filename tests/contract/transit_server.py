"""A key service on loopback that speaks the API of the "transit" secrets engine, keys and all."""

import json
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kept.clock import random_bytes

TOKEN: Final = "transit-token"
_PATH: Final = re.compile(r"/v1/transit/(keys|encrypt|decrypt)/brand(?:/(rotate|config|trim))?")


class Transit:
    """The versions of one key."""

    def __init__(self) -> None:
        """Begin with version 1."""
        self.keys: dict[int, bytes] = {1: random_bytes(32)}
        self.least = 1
        self.is_down = False
        self.is_garbled = False
        self.url = ""

    def answer(self, method: str, what: str, then: str | None, body: dict[str, Any]) -> Any:
        """Return the data of an answer, None for a bad request."""
        if what == "keys" and method == "GET":
            return {"keys": {str(n): 0 for n in self.keys}, "min_decryption_version": self.least}
        if then == "rotate":
            self.keys[max(self.keys) + 1] = random_bytes(32)
            return {}
        if then == "config":
            self.least = body["min_decryption_version"]
            return {}
        if then == "trim":
            least = body["min_available_version"]
            if least > self.least:
                return None
            self.keys = {n: key for n, key in self.keys.items() if n >= least}
            return {}
        return self._encrypt(body) if what == "encrypt" else self._decrypt(body)

    def _encrypt(self, body: dict[str, Any]) -> Any:
        version = body["key_version"]
        if version not in self.keys:
            return None
        nonce = random_bytes(12)
        sealed = nonce + AESGCM(self.keys[version]).encrypt(
            nonce, b64decode(body["plaintext"]), b""
        )
        return {"ciphertext": f"vault:v{version}:{b64encode(sealed).decode()}"}

    def _decrypt(self, body: dict[str, Any]) -> Any:
        _, version, packed = body["ciphertext"].split(":")
        key = self.keys.get(int(version[1:]))
        sealed = b64decode(packed)
        if key is None or int(version[1:]) < self.least:
            return None
        try:
            plaintext = AESGCM(key).decrypt(sealed[:12], sealed[12:], b"")
        except InvalidTag:
            return None
        return {"plaintext": b64encode(plaintext).decode()}


@contextmanager
def serve_transit() -> Iterator[Transit]:
    """Serve a key service on a free port."""
    transit = Transit()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            match = _PATH.fullmatch(self.path)
            status, data = 200, None
            if transit.is_down:
                status = 503
            elif self.headers.get("x-vault-token") != TOKEN:
                status = 403
            elif match is None:
                status = 404
            else:
                data = transit.answer(self.command, match[1], match[2], body)
                status = 200 if data is not None else 400
            content = b"<html>" if transit.is_garbled else json.dumps({"data": data}).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _handle  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    transit.url = f"http://127.0.0.1:{server.server_address[1]}/v1/transit/keys/brand"
    try:
        yield transit
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
