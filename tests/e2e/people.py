"""People who work with a served Kept: invited by the admin token, signed in through the pages."""

import re
import weakref
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from tests.e2e.served import TIMEOUT_SECONDS, Served, new_id

PASSWORD: Final = "tea leaves on a windy quay"
_TOKEN: Final = re.compile(r'name="form_token" value="(\w+)"')


class Browser:
    """A browser as far as forms and cookies go; every request says which page makes it."""

    def __init__(self, server: Served) -> None:
        """Open it on a server."""
        self.server = server
        self.http = httpx.Client(base_url=server.url, timeout=TIMEOUT_SECONDS)
        weakref.finalize(self, self.http.close)
        self.name = ""
        self.staff_id = 0

    def show(self, path: str) -> httpx.Response:
        """Open a page as a person does."""
        return self.http.get(path, headers={"accept": "text/html", "sec-fetch-site": "none"})

    def form_token(self, path: str) -> str:
        """Return what the form of a page proves itself by."""
        found = _TOKEN.search(self.show(path).text)
        assert found, f"{path} has no form"
        return found[1]

    def post(
        self, path: str, fields: dict[str, str], *, page: str = "", origin: str = ""
    ) -> httpx.Response:
        """Fill in the form of a page and send it."""
        fields = {"form_token": self.form_token(page or path)} | fields
        return self.http.post(path, data=fields, headers={"origin": origin or self.server.url})

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        """Sign in by the form."""
        return self.post("/sign-in", {"name": name, "password": password})

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call the API as a script of our own pages would."""
        token = self.http.get("/v1/me").json().get("form_token", "")
        headers = {"origin": self.server.url, "x-kept-form-token": token}
        return self.http.request(method, path, json=body, headers=headers)


def invite(server: Served, *roles: str, name: str = "") -> tuple[str, str]:
    """Invite somebody; return their name and the path of the invitation."""
    name = name or f"{new_id('staff')}@harbour.example"
    made = server.ok(server.admin("POST", "/staff", {"name": name, "roles": roles}))
    return name, urlsplit(made["invitation_url"]).path


def signed_in(server: Served, *roles: str) -> Browser:
    """Return the browser of somebody who was invited, chose a password and is signed in."""
    browser = Browser(server)
    browser.name, path = invite(server, *roles)
    answer = browser.post(path, {"new": PASSWORD, "again": PASSWORD})
    assert answer.status_code == 303, answer.text
    staff = server.ok(server.admin("GET", "/staff"))["staff"]
    browser.staff_id = next(each["staff_id"] for each in staff if each["name"] == browser.name)
    return browser
