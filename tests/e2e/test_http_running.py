"""A running server: alive, ready, measured, in shadow, overloaded, out of room, and stopped."""

import asyncio
import json
import os
import resource
import signal
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.served import SHOP_KEY, Served, bearer, new_id, problem, serve, stop


def test_alive_and_ready(kept_server: Served) -> None:
    """Two plain answers for whoever watches over processes."""
    assert kept_server.ok(kept_server.http.get("/health")) == {"alive": True}
    assert kept_server.ok(kept_server.http.get("/ready")) == {"ready": True}


def test_what_is_measured_names_no_customer(kept_server: Served) -> None:
    """Prometheus' form; labels from the brand and from closed lists only."""
    user = kept_server.introduce(first_name="Hildegard")
    kept_server.ask("till", user)
    answer = kept_server.http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for value in (user, "Hildegard", "mail.example", SHOP_KEY):
        assert value not in answer.text
    for name in (
        'kept_events_total{source="shop"}',
        "kept_signal_to_durable_seconds_count",
        "kept_decision_seconds_count",
        'kept_oldest_due_seconds{channel="email"}',
        'kept_commit_seconds{quantile="0.99"}',
        "kept_ready",
    ):
        assert f"\n{name} " in answer.text


def test_the_status_holds_what_people_watch_and_no_customer(kept_server: Served) -> None:
    """The page and the JSON say the same, without a script and without another host."""
    user = kept_server.introduce(first_name="Hildegard")
    kept_server.track("Account Opened", user)
    page = kept_server.http.get("/")
    told = kept_server.http.get("/status.json")
    for text in (page.text, told.text):
        for value in (user, "Hildegard", "mail.example"):
            assert value not in text
    assert kept_server.ok(told)["brand"] == "Harbour Tea"
    assert "Harbour Tea" in page.text
    assert "http" not in page.text.replace("http-equiv", "")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for file in ("kept.css", "kept.svg", "status.js"):
        assert f"/static/{file}" in page.text
        assert kept_server.http.get(f"/static/{file}").is_success
    problem(kept_server.http.get("/static/../app.py"), 404, "not_found")
    problem(kept_server.http.get("/static/app.py"), 404, "not_found")


def test_a_page_elsewhere_cannot_watch_through_a_name_of_its_own(kept_server: Served) -> None:
    """A name that is pointed at this machine still arrives in the Host header."""
    for path in ("/", "/status.json", "/metrics"):
        answer = kept_server.http.get(path, headers={"host": "evil.example"})
        problem(answer, 401, "unknown_caller")
        assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_server_that_customers_reach_shows_its_status_to_operators_only(tmp_path: Path) -> None:
    """Behind a public address everybody comes from this machine, as far as one can tell."""
    with serve(tmp_path, "--public-url", "https://kept.harbour.example") as served:
        problem(served.http.get("/status.json"), 401, "unknown_caller")
        assert served.http.get("/status.json", headers=bearer(served.token)).is_success
        assert served.http.get("/", auth=(served.token, "")).is_success
        settings = served.http.get("/v1/projects/site-key/settings").json()
        assert settings["integrations"]["Segment.io"]["apiHost"] == "kept.harbour.example/v1"


def test_nothing_there_and_nothing_like_that(kept_server: Served) -> None:
    """Unknown paths and wrong methods are problems like all others."""
    problem(kept_server.http.get("/wp-login.php"), 404, "not_found")
    answer = kept_server.http.get("/v1/track")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    answer = kept_server.http.post("/v1/pixel/track")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
    problem(kept_server.http.delete("/v1/decide"), 405, "method_not_allowed")


def test_logs_are_json_and_hold_no_bodies_keys_or_identifiers(own_server: Served) -> None:
    """One object a line, with the request's id and trace."""
    user = own_server.introduce(first_name="Hildegard")
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"x-request-id": "req-77", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    own_server.http.get("/v1/admin/audit", headers=bearer("guessed-token") | headers)
    log = own_server.wait_for((own_server.data.parent / "log").read_text)
    lines = [json.loads(line) for line in log.splitlines()]
    assert any(each.get("request_id") == "req-77" and each["trace_id"] == trace for each in lines)
    for value in (user, "Hildegard", SHOP_KEY, "guessed-token", own_server.token):
        assert value not in log


def test_in_shadow_everything_is_decided_and_nothing_leaves(tmp_path: Path) -> None:
    """Recorded, and not sent."""
    with serve(tmp_path, "--shadow") as served:
        user = served.introduce()
        served.track("Account Opened", user)
        served.track("Bill Issued", user, bill_id="1", amount=5)
        assert served.ask("till", user)["decision_id"]
        assert served.inbox(user) == []
        assert served.ok(served.http.get("/status.json"))["is_shadow"] is True
        assert served.outbox() == ""


def test_a_server_told_to_stop_answers_what_it_began_and_keeps_it(tmp_path: Path) -> None:
    """Whatever was acknowledged is there when it is started again."""
    with serve(tmp_path) as served:
        users = [served.introduce() for _ in range(20)]
        assert stop(served.process) == 0
    with serve(tmp_path) as served:
        for user in users:
            found = served.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
            assert found.is_success


def test_a_server_that_is_stopped_amid_traffic_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """Requests that have begun are answered or refused; nothing that was answered is lost."""
    acknowledged: list[str] = []

    def keep_sending(url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as http:
            for _ in range(2_000):
                user = new_id("user")
                body = {"userId": user, "event": "Account Opened", "messageId": new_id("m")}
                try:
                    answer = http.post("/v1/track", json=body, auth=(SHOP_KEY, ""))
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    acknowledged.append(user)

    with serve(tmp_path) as served:
        threads = [threading.Thread(target=keep_sending, args=(served.url,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        served.wait_for(lambda: len(acknowledged) > 100)
        assert stop(served.process) == 0
        for thread in threads:
            thread.join()
    with serve(tmp_path) as served:
        for user in acknowledged:
            found = served.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
            assert found.is_success


def test_an_address_in_use_is_said_plainly(kept_server: Served, tmp_path: Path) -> None:
    """The operator learns what to do."""
    port = kept_server.url.rpartition(":")[2]
    with pytest.raises(AssertionError, match="the server ended"), serve(tmp_path, "--port", port):
        pass
    assert "cannot listen on" in (tmp_path / "log").read_text()


# -- too much, and no room


async def flood(url: str, count: int) -> list[httpx.Response]:
    """Send many large batches at the same time."""
    batch = [
        {
            "type": "track",
            "event": "Order Completed",
            "userId": new_id("user"),
            "messageId": new_id("m"),
            "properties": {"note": "x" * 20_000},
        }
        for _ in range(150)
    ]
    body = json.dumps({"batch": batch}).encode()
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        sent = [client.post("/v1/batch", content=body, auth=(SHOP_KEY, "")) for _ in range(count)]
        return list(await asyncio.gather(*sent))


def test_overload_is_refused_with_when_to_come_back_and_nobody_collapses(
    own_server: Served,
) -> None:
    """Taken or 429, nothing else; what was taken is there, and the server answers at once again."""
    answers = asyncio.run(flood(own_server.url, 40))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            told = problem(answer, 429, "overloaded")
            assert int(answer.headers["retry-after"]) == told["retry_after"] >= 1
    assert own_server.ok(own_server.http.get("/health")) == {"alive": True}
    own_server.introduce()


class SmallDisk:
    """A limit to what the server's files may hold, set while it runs."""

    def __init__(self, process_id: int) -> None:
        """Take whose files."""
        self._process_id = process_id

    def fill(self, folder: Path) -> None:
        """Let no file grow beyond what the largest one holds now."""
        largest = max(file.stat().st_size for file in folder.iterdir() if file.is_file())
        self._limit(largest)

    def empty(self) -> None:
        """Take the limit away."""
        self._limit(-1)

    def _limit(self, size: int) -> None:
        hard = resource.RLIM_INFINITY
        resource.prlimit(
            self._process_id,
            resource.RLIMIT_FSIZE,
            (hard if size < 0 else size, hard),
        )


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit to the size of files")
def test_a_full_disk_refuses_clearly_and_heals_by_itself(own_server: Served) -> None:
    """Nothing is acknowledged that is not safe; with room again everything goes on, without help."""
    users = [own_server.introduce() for _ in range(3)]
    disk = SmallDisk(own_server.process.pid)
    disk.fill(own_server.data)
    refused: list[Any] = []
    for _ in range(200):
        body = {"userId": new_id("user"), "traits": {"first_name": "x" * 900, "email": "a" * 900}}
        answer = own_server.http.post("/v1/identify", json=body, auth=(SHOP_KEY, ""))
        if answer.status_code != 200:
            refused.append(answer)
            break
        users.append(str(body["userId"]))
    assert refused, "the disk was never full"
    told = json.loads(refused[0].content)
    assert (refused[0].status_code, told["code"]) in {(503, "store.disk_full"), (503, "store")}
    assert int(refused[0].headers["retry-after"]) >= 1
    assert str(own_server.data) not in refused[0].text
    assert own_server.ok(own_server.http.get("/health")) == {"alive": True}
    disk.empty()
    own_server.wait_for(lambda: own_server.http.get("/ready").is_success)
    users.append(own_server.introduce())
    for user in users:
        found = own_server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
        assert found.is_success
    assert os.getpgid(own_server.process.pid)
