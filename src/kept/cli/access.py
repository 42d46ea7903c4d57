"""Commands about who may do what: staff, API tokens, write keys of sources."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import quote

import typer
from rich.table import Table

from kept.cli.client import call
from kept.cli.options import Database, MasterKey, MasterKeyToken, VaultDatabase
from kept.cli.output import console
from kept.cli.person import Ask, Password, Person, asking
from kept.errors import NotFoundError
from kept.runtime.backups import renew_admin_token
from kept.runtime.server import ADMIN_TOKEN_FILE
from kept.runtime.stores import Where

DAY_SECONDS = 86_400
Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
Name = Annotated[str, typer.Argument(help="What they sign in with, or their number.")]
Roles = Annotated[
    list[str],
    typer.Argument(
        help="One or several of viewer, agent, supervisor, policy_owner, privacy_officer, admin."
    ),
]
Source = Annotated[str, typer.Argument(help="A source of sources.yaml.")]
KeyId = Annotated[str, typer.Argument(help="As `kept key list` shows it.")]
Networks = Annotated[
    list[str] | None,
    typer.Option("--network", help="Where it may be used from, such as 10.0.0.0/8; repeatable."),
]

staff_app = typer.Typer(no_args_is_help=True, help="People who work with Kept.")
token_app = typer.Typer(no_args_is_help=True, help="API tokens of tools.")
key_app = typer.Typer(no_args_is_help=True, help="Write keys of sources.")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    for name, group, commands in (
        ("staff", staff_app, _STAFF),
        ("token", token_app, _TOKEN),
        ("key", key_app, _KEY),
    ):
        for command, function in commands.items():
            group.command(command)(function)
        app.add_typer(group, name=name)


# -- staff


def add_staff(
    name: Annotated[str, typer.Argument(help="What they sign in with, such as ana@example.com.")],
    roles: Roles,
    data: Data,
    person: Person = "",
    password: Password = "",
) -> None:
    """Invite somebody: they set their password by the link that is printed. It is shown once."""
    with asking(data, person, password) as ask:
        made = ask("POST", "/v1/admin/staff", {"name": name, "roles": roles})
    _tell_invited(made)


def list_staff(data: Data, person: Person = "", password: Password = "") -> None:
    """List staff, what they are, and when they last signed in."""
    with asking(data, person, password) as ask:
        told = ask("GET", "/v1/admin/staff")
    table = _table("number", "name", "roles", "signs in by", "last signed in", "")
    for each in told["staff"]:
        state = "" if each["is_enabled"] else "disabled"
        table.add_row(
            str(each["staff_id"]),
            each["name"],
            ", ".join(each["roles"]),
            each["way"],
            each["signed_in_at"] or "never",
            state or ("invited" if each["is_invited"] else ""),
        )
    console.print(table)


def change_roles(
    who: Name, roles: Roles, data: Data, person: Person = "", password: Password = ""
) -> None:
    """Give somebody other roles; they sign in anew."""
    with asking(data, person, password) as ask:
        changed = _on_staff(ask, who, "roles", {"roles": roles})
    console.print(f"{changed['name']} is {', '.join(changed['roles'])} now.", markup=False)


def disable_staff(who: Name, data: Data, person: Person = "", password: Password = "") -> None:
    """Shut somebody out, at once."""
    with asking(data, person, password) as ask:
        changed = _on_staff(ask, who, "disable")
    console.print(f"{changed['name']} is shut out.", markup=False)


def enable_staff(who: Name, data: Data, person: Person = "", password: Password = "") -> None:
    """Let somebody in again."""
    with asking(data, person, password) as ask:
        changed = _on_staff(ask, who, "enable")
    console.print(f"{changed['name']} may sign in again.", markup=False)


def reset_staff(who: Name, data: Data, person: Person = "", password: Password = "") -> None:
    """Take a password away and invite to set a new one; lifts a lock-out. The link is shown once."""
    with asking(data, person, password) as ask:
        made = _on_staff(ask, who, "reset")
    _tell_invited(made)


def _on_staff(ask: Ask, who: str, verb: str, body: Any = None) -> Any:
    for each in ask("GET", "/v1/admin/staff")["staff"]:
        if who.lower() in (str(each["staff_id"]), each["name"]):
            return ask("POST", f"/v1/admin/staff/{each['staff_id']}/{verb}", body)
    raise NotFoundError(f"there is no member of staff {who!r}; `kept staff list` shows them")


def _tell_invited(made: Any) -> None:
    console.print(
        f"{made['staff']['name']} sets a password here, once, until {made['good_until']}:",
        markup=False,
    )
    console.print(made["invitation_url"], markup=False, highlight=False, soft_wrap=True)


# -- tokens


def add_token(
    name: Annotated[str, typer.Argument(help="What the audit calls the tool.")],
    data: Data,
    scope: Annotated[list[str], typer.Option(help="What it may do; repeatable.")],
    network: Networks = None,
    days: Annotated[int, typer.Option(help="After how many days it dies; 0 for never.")] = 0,
    person: Person = "",
    password: Password = "",
) -> None:
    """Make an API token for a tool. It is shown once."""
    wanted = {
        "name": name,
        "scopes": scope,
        "networks": network or [],
        "life_seconds": days * DAY_SECONDS,
    }
    with asking(data, person, password) as ask:
        made = ask("POST", "/v1/admin/tokens", wanted)
    console.print(made["token"], markup=False, highlight=False, soft_wrap=True)


def list_tokens(data: Data, person: Person = "", password: Password = "") -> None:
    """List API tokens, what they may do, and when they were last used; never the tokens."""
    with asking(data, person, password) as ask:
        told = ask("GET", "/v1/admin/tokens")
    table = _table("name", "scopes", "from", "made", "by", "last used", "ends")
    for each in told["tokens"]:
        table.add_row(
            each["name"],
            ", ".join(each["scopes"]),
            ", ".join(each["networks"]) or "anywhere",
            each["made_at"],
            each["made_by"],
            each["used_at"] or "never",
            _ending(each),
        )
    console.print(table)
    if told["has_admin_token"]:
        console.print("The admin token of the first start is good as well.", markup=False)


def revoke_token(
    name: Annotated[str, typer.Argument(help="As `kept token list` shows it.")],
    data: Data,
    person: Person = "",
    password: Password = "",
) -> None:
    """Take an API token away, at once."""
    with asking(data, person, password) as ask:
        ask("DELETE", f"/v1/admin/tokens/{quote(name, safe='')}")
    console.print(f"{name} opens nothing any more.", markup=False)


def revoke_admin_token(data: Data, person: Person = "", password: Password = "") -> None:
    """Take the admin token of the first start away, once somebody else can administer.

    From then on commands that ask a server need an API token, in the variable KEPT_TOKEN; `kept staff`
    and `kept token` need somebody who signs in, with --as.
    """
    with asking(data, person, password) as ask:
        ask("POST", "/v1/admin/admin-token/revoke")
    (data / ADMIN_TOKEN_FILE).unlink(missing_ok=True)
    console.print("The admin token opens nothing any more.", markup=False)


def renew_admin(
    data: Data,
    database: Database = "",
    vault_database: VaultDatabase = "",
    master_key: MasterKey = "",
    master_key_token: MasterKeyToken = "",
) -> None:
    """Let the next start write a new admin token: for when nobody can sign in any more.

    No server may run on the folder; nodes on a database may. A token that was there before opens
    nothing any more.
    """
    renew_admin_token(Where(data, database, vault_database, master_key, master_key_token))
    console.print(
        f"The next `kept serve` writes a new token into {data / ADMIN_TOKEN_FILE}.", markup=False
    )


# -- keys


def add_key(
    source: Source,
    data: Data,
    origin: Annotated[
        list[str] | None, typer.Option(help="A page that may use it; repeatable.")
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(help="The name or type of an event that it may send; repeatable."),
    ] = None,
    network: Networks = None,
    asks: Annotated[
        bool, typer.Option(help="Whether it may do more than send events: ask, fetch.")
    ] = True,
) -> None:
    """Make a write key for a source. It is shown once."""
    wanted = {
        "source": source,
        "origins": origin or [],
        "events": event or [],
        "networks": network or [],
        "asks": asks,
    }
    made = call(data, "POST", "/v1/admin/keys", wanted)
    console.print(made["key"], markup=False, highlight=False, soft_wrap=True)


def list_keys(data: Data) -> None:
    """List write keys, what they may do, and when they were last used; never the keys."""
    told = call(data, "GET", "/v1/admin/keys")
    table = _table("key", "source", "made", "by", "last used", "ends", "only")
    for each in told["keys"]:
        only = [*each["origins"], *each["events"], *each["networks"]]
        table.add_row(
            each["key_id"],
            each["source"],
            each["made_at"],
            each["made_by"],
            each["used_at"] or "never",
            _ending(each),
            ", ".join([*only, *([] if each["asks"] else ["events, no questions"])]),
        )
    console.print(table)
    declared = [each["source"] for each in told["sources"] if each["is_declared"]]
    if declared:
        console.print(f"sources.yaml names a key for {', '.join(declared)}.", markup=False)


def rotate_key(
    key: KeyId,
    data: Data,
    grace_days: Annotated[
        float, typer.Option(help="For how many days the old key stays good.")
    ] = 7.0,
) -> None:
    """Make a key in the place of an old one, which stays good for a while and then dies by itself.

    The new key has the restrictions of the old one. It is shown once.
    """
    body = {"grace_seconds": int(grace_days * DAY_SECONDS)}
    made = call(data, "POST", f"/v1/admin/keys/{quote(key, safe='')}/rotate", body)
    console.print(made["key"], markup=False, highlight=False, soft_wrap=True)


def revoke_key(
    source: Annotated[str, typer.Argument(help="A source of sources.yaml: all keys made for it.")],
    data: Data,
    key: Annotated[str, typer.Option(help="Only this key, as `kept key list` shows it.")] = "",
) -> None:
    """Take the write keys that were made for a source away, or one of them, at once."""
    gone = (
        call(data, "POST", f"/v1/admin/keys/{quote(key, safe='')}/revoke")
        if key
        else call(data, "DELETE", f"/v1/admin/keys/{quote(source, safe='')}")
    )
    console.print(f"{gone['source']} lost {gone['count']} key(s).", markup=False)


def _ending(each: Any) -> str:
    return f"dead since {each['ends_at']}" if each["is_dead"] else each["ends_at"] or "never"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


_Commands: TypeAlias = dict[str, Callable[..., None]]
_STAFF: Final[_Commands] = {
    "add": add_staff,
    "list": list_staff,
    "role": change_roles,
    "disable": disable_staff,
    "enable": enable_staff,
    "reset": reset_staff,
}
_TOKEN: Final[_Commands] = {
    "add": add_token,
    "list": list_tokens,
    "revoke": revoke_token,
    "revoke-admin": revoke_admin_token,
    "renew-admin": renew_admin,
}
_KEY: Final[_Commands] = {
    "add": add_key,
    "list": list_keys,
    "rotate": rotate_key,
    "revoke": revoke_key,
}
