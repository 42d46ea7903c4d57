"""The command that serves a brand."""

from collections.abc import Callable
from typing import Literal

import typer

from kept.cli import options
from kept.runtime import Runtime
from kept.settings import Settings, read_staff_settings

StartWeb = Callable[[Runtime], None]
_start_web: list[StartWeb] = []


def use_web(start_web: StartWeb) -> None:
    """Take what serves a runtime over HTTP; the command line itself knows no web."""
    _start_web[:] = [start_web]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command("serve")(serve)


def serve(
    brand: options.Brand,
    data: options.Kept,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8080,
    public_url: options.PublicUrl = "",
    deliver: options.Deliver = "files",
    shadow: options.Shadow = False,
    watch: options.Watch = True,
    allow_private_webhooks: options.AllowPrivateWebhooks = False,
    master_key: options.MasterKey = "",
    master_key_token: options.MasterKeyToken = "",
    backup_days: options.BackupDays = 30,
    history: options.History = "",
    spark_master: options.SparkMaster = "",
    spark_folder: options.SparkFolder = "",
    database: options.Database = "",
    vault_database: options.VaultDatabase = "",
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
            history=history,
            spark_master=spark_master,
            spark_folder=spark_folder,
            database=database,
            vault_database=vault_database,
            staff=read_staff_settings(),
        )
    )


def _deliver(text: str) -> Literal["files", "providers"]:
    return "providers" if text == "providers" else "files"


def run_server(settings: Settings) -> None:
    """Start a runtime and serve it until it is told to stop."""
    runtime = Runtime(settings)
    runtime.start()
    _start_web[0](runtime)
