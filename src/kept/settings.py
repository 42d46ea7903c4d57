"""What an operator may set, and the limits of every queue, batch, retry and wait.

Settings come from the command line or from environment variables named `KEPT_` and the setting's
name in capitals. What a brand decides is not here but in its folder.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from kept.errors import SettingsError

QUEUE_MAX: Final = 20_000
"""Jobs that wait for the writer before callers are asked to come back later."""
BODY_BYTES_WAITING_MAX: Final = 32 * 1024 * 1024
"""Bodies of events that wait for the writer, before callers are asked to come back later."""
COMMIT_JOBS_MAX: Final = 2_000
"""Jobs that one commit takes at most."""
SHARED_COMMIT_JOBS_MAX: Final = 200
"""The same where several nodes share the store, and others wait for what a commit has locked."""
SHARED_COMMIT_SECONDS: Final = 0.1
"""How long a commit goes on taking jobs there."""
CONTENDED_PAUSE_SECONDS: Final = 0.05
"""How long work that another node came in the way of is left alone at most at first; it doubles."""
CONTENDED_TRIES: Final = 12
"""How often such work is tried before its caller is asked to come back later."""
COLLECTOR_THRESHOLDS: Final = (50_000, 20, 100)
"""How many new objects, and how many rounds, pass between two looks of the garbage collector."""
TICK_SECONDS: Final = 0.2
"""How often the writer looks at what has fallen due, if nothing else wakes it."""
HOUSEKEEPING_SECONDS: Final = 60.0
"""How often what need not be kept any longer is cleared away."""
SENDERS: Final = 16
"""Threads that call providers."""
SEND_TIMEOUT_SECONDS: Final = 10.0
"""How long a provider may take to answer; after that nobody knows whether it took the message."""
NOTICES_A_POST: Final = 50
"""Changes of what tools outside may do that one call tells at most."""
TOOL_REST_SECONDS: Final = 0.5
"""How long a tool that did not take a call is left alone at first; it doubles each time."""
TOOL_REST_SECONDS_MAX: Final = 30.0
"""How long a tool that does not answer is left alone at most."""
TOOL_ASKED_SECONDS_MAX: Final = 300
"""How long a tool is left alone at most if it asks for that itself."""
TOOL_ALERT_SECONDS: Final = 300.0
"""After how long without a call that a tool took the operator is alerted."""
DRAIN_SECONDS: Final = 20.0
"""How long a stopping server waits for hand-overs that have begun."""
WRITE_BEHIND_PARTS: Final = 50
"""Changed states that one commit writes along, once enough of them wait."""
WRITE_BEHIND_MOST: Final = 2_000
"""Changed states that one commit writes along at most."""
WRITE_BEHIND_BACKLOG: Final = 20_000
"""How many changed states may wait, which bounds what a start must fold again."""

BASE_THREADS: Final = 2
"""Cores that a question about everybody may use."""
BASE_MEMORY: Final = "4GiB"
"""Memory that a base may take; beyond it a question is refused."""
BASE_KEPT_SECONDS: Final = 3600.0
"""How long a base is kept that nobody asks."""

SIGN_INS_PER_SECOND: Final = 0.5
"""Attempts to sign in from one address, for long."""
SIGN_INS_AT_ONCE: Final = 60
"""Attempts to sign in from one address, at once; the same holds for invitations and new passwords."""
STRANGERS_PER_SECOND: Final = 5.0
"""Requests with a wrong token or cookie that one address may make for long."""
STRANGERS_AT_ONCE: Final = 300
"""The same, at once."""
OPERATOR_CALLS_PER_SECOND: Final = 100.0
"""Requests to the admin API that one session or token may make for long."""
OPERATOR_CALLS_AT_ONCE: Final = 500
"""The same, at once."""
UNMASKINGS_PER_SECOND: Final = 0.05
"""How often one person or tool may unmask values, for long: three a minute."""
UNMASKINGS_AT_ONCE: Final = 30
"""The same, at once."""
PASSWORDS_AT_ONCE: Final = 2
"""Passwords that are hashed at once; each takes 19 MiB and a moment of a core."""
SESSIONS_MAX: Final = 20
"""Browsers in which one person is signed in; the one unused for longest is signed out."""
FAILURES_MAX: Final = 10_000
"""Accounts and addresses whose failed sign-ins are remembered; of more, the oldest are forgotten."""
PROVIDER_TIMEOUT_SECONDS: Final = 10.0
"""How long an identity provider may take to answer."""
PROVIDER_KEYS_SECONDS: Final = 3600.0
"""How long what an identity provider says of itself, and its keys, are taken as they were."""
PROVIDER_REST_SECONDS: Final = 30.0
"""How often a key that is not known makes us ask the identity provider for its keys."""
SIGN_IN_SECONDS: Final = 600.0
"""How long somebody may take at the identity provider."""
SIGN_INS_OPEN_MAX: Final = 1_000
"""People who may be at the identity provider at once."""


class StaffSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How people who work with Kept sign in; from environment variables only."""

    session_idle_minutes: int = 30
    """After how many minutes without use a session ends."""
    session_hours: int = 12
    """After how many hours a session ends, however it was used."""
    local_accounts: bool = True
    """Whether accounts with a password of their own may sign in."""
    trusted_proxies: str = ""
    """Networks, with commas between, whose `X-Forwarded-For` is believed."""
    oidc_issuer: str = ""
    """The identity provider, by the address that it names itself by; empty for none."""
    oidc_client_id: str = ""
    """What the identity provider knows Kept by."""
    oidc_client_secret: str = ""
    """The secret shared with it, as `env:NAME` or `file:PATH`; without one, PKCE alone proves us."""
    oidc_scopes: str = "openid email profile"
    """What Kept asks the identity provider for."""
    oidc_role_claim: str = "groups"
    """The claim that says what somebody is."""
    oidc_roles: str = ""
    """What its values mean: `value=role;value=role`. Whoever has none of them has no access."""
    oidc_name: str = "your identity provider"
    """What the sign-in page calls it."""


def read_staff_settings(environment: Mapping[str, str] = os.environ) -> StaffSettings:
    """Return the settings of staff, each from `KEPT_` and its name in capitals.

    Raises:
        SettingsError: a value cannot be used.
    """
    given = {
        field.name: value
        for field in msgspec.structs.fields(StaffSettings)
        if (value := environment.get(f"KEPT_{field.name.upper()}", ""))
    }
    try:
        return msgspec.convert(given, StaffSettings, strict=False)
    except msgspec.ValidationError as error:
        message = f"a setting of staff (KEPT_ and its name in capitals) cannot be used: {error}"
        raise SettingsError(message) from None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One server's settings."""

    brand: Path
    """The brand folder."""
    data: Path
    """Where the store, the outbox and the keys are kept."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8080
    """The port to listen on; 0 takes a free one."""
    public_url: str = ""
    """Where customers reach this server, for links in messages; by default host and port."""
    deliver: Literal["files", "providers"] = "files"
    """Where messages go: `files` under the data folder, whatever the brand says, or to its `providers`."""
    shadow: bool = False
    """Decide and record, and send nothing."""
    watch: bool = True
    """Take up a changed brand folder as soon as it is checked and prepared."""
    allow_private_webhooks: bool = False
    """Let webhooks go to private addresses, as in a trial on one machine."""
    master_key: str = ""
    """Where the master key is: `file:PATH`, `env:NAME` or `transit:URL`; by default a file in the data folder."""
    master_key_token: str = ""
    """What a key service is shown, as `env:NAME` or `file:PATH`."""
    history: str = ""
    """Where closed hours go as Parquet, by default `history` in the data folder; nodes share one."""
    spark_master: str = ""
    """The Spark cluster that may be asked about everybody: `spark://HOST:PORT`; empty for none."""
    spark_folder: str = ""
    """A folder that all machines of that cluster see under the same path, for sealed bases."""
    backup_days: int = 30
    """After so many days nobody can read a backup any more; within two thirds of them it can be."""
    database: str = ""
    """The PostgreSQL that nodes share: `postgresql://...`, `env:NAME` or `file:PATH`; by default the data folder."""
    vault_database: str = ""
    """The database of its keys, apart from it; by default one beside it, named with `_vault` at the end."""
    staff: StaffSettings = StaffSettings()
    """How people who work with Kept sign in."""

    def __repr__(self) -> str:
        """Return what tells servers apart: other settings may hold passwords."""
        return f"<settings of {self.brand} at {self.host}:{self.port}>"

    @property
    def history_folder(self) -> Path:
        """Return where files of history are kept."""
        return Path(self.history) if self.history else self.data / "history"

    @property
    def own_url(self) -> str:
        """Return where customers reach this server."""
        return self.public_url or f"http://{self.host}:{self.port}"


def is_reference(text: str) -> bool:
    """Return whether a setting says where its value stands instead of being one."""
    return text.startswith(("env:", "file:"))


def read_secret(reference: str, *, environment: Mapping[str, str] = os.environ) -> str:
    """Return what a reference such as `env:NAME` or `file:PATH` stands for.

    Raises:
        SettingsError: the reference is not one, or nothing is there. The message never holds the
            secret itself.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = environment.get(name, "")
        if not value:
            message = f"the environment variable {name} is not set"
            raise SettingsError(message)
        return value
    if kind == "file":
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            message = f"the secret file {name} cannot be read: {error.strerror}"
            raise SettingsError(message) from error
    message = "a secret must be given as env:NAME or file:PATH, never as itself"
    raise SettingsError(message)
