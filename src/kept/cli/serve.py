"""The command that serves a brand."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from kept.runtime import Runtime
from kept.settings import Settings

StartWeb = Callable[[Runtime], None]
_start_web: list[StartWeb] = []


def use_web(start_web: StartWeb) -> None:
    """Take what serves a runtime over HTTP; the command line itself knows no web."""
    _start_web[:] = [start_web]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command("serve")(serve)


def serve(
    brand: Annotated[Path, typer.Option(help="The brand folder.", envvar="KEPT_BRAND")],
    data: Annotated[Path, typer.Option(help="Where everything is kept.", envvar="KEPT_DATA")],
    host: Annotated[str, typer.Option(help="The address to listen on.", envvar="KEPT_HOST")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", envvar="KEPT_PORT")] = (
        8080
    ),
    public_url: Annotated[
        str, typer.Option(help="Where customers reach this server.", envvar="KEPT_PUBLIC_URL")
    ] = "",
    deliver: Annotated[
        str,
        typer.Option(
            help="files: write messages into files; providers: really send.", envvar="KEPT_DELIVER"
        ),
    ] = "files",
    shadow: Annotated[
        bool,
        typer.Option("--shadow", help="Decide and record, and send nothing.", envvar="KEPT_SHADOW"),
    ] = False,
    watch: Annotated[
        bool, typer.Option(help="Take up the brand folder when it changes.", envvar="KEPT_WATCH")
    ] = True,
    allow_private_webhooks: Annotated[
        bool,
        typer.Option(
            "--allow-private-webhooks",
            help="Let webhooks go to private addresses.",
            envvar="KEPT_ALLOW_PRIVATE_WEBHOOKS",
        ),
    ] = False,
    master_key: Annotated[
        str,
        typer.Option(
            help="Where the master key is: file:PATH, env:NAME or transit:URL; "
            "by default a file in the data folder.",
            envvar="KEPT_MASTER_KEY",
        ),
    ] = "",
    master_key_token: Annotated[
        str,
        typer.Option(
            help="What a key service is shown: env:NAME or file:PATH.",
            envvar="KEPT_MASTER_KEY_TOKEN",
        ),
    ] = "",
    backup_days: Annotated[
        int,
        typer.Option(
            min=3,
            help="After so many days nobody can read a backup any more.",
            envvar="KEPT_BACKUP_DAYS",
        ),
    ] = 30,
) -> None:
    """Serve a brand: hear its touchpoints, decide, deliver, answer."""
    if deliver not in ("files", "providers"):
        message = f"--deliver is {deliver!r}; it must be files or providers"
        raise typer.BadParameter(message)
    run_server(
        Settings(
            brand=brand,
            data=data,
            host=host,
            port=port,
            public_url=public_url,
            deliver=_deliver(deliver),
            shadow=shadow,
            watch=watch,
            allow_private_webhooks=allow_private_webhooks,
            master_key=master_key,
            master_key_token=master_key_token,
            backup_days=backup_days,
        )
    )


def _deliver(text: str) -> Literal["files", "providers"]:
    return "providers" if text == "providers" else "files"


def run_server(settings: Settings) -> None:
    """Start a runtime and serve it until it is told to stop."""
    runtime = Runtime(settings)
    runtime.start()
    _start_web[0](runtime)
