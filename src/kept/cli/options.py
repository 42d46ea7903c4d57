"""Options that commands share, or that would make a command's signature longer than its work."""

from pathlib import Path
from typing import Annotated

import typer

Brand = Annotated[Path, typer.Option(help="The brand folder.", envvar="KEPT_BRAND")]
Kept = Annotated[Path, typer.Option(help="Where everything is kept.", envvar="KEPT_DATA")]
Host = Annotated[str, typer.Option(help="The address to listen on.", envvar="KEPT_HOST")]
Port = Annotated[int, typer.Option(help="The port; 0 takes a free one.", envvar="KEPT_PORT")]
PublicUrl = Annotated[
    str, typer.Option(help="Where customers reach this server.", envvar="KEPT_PUBLIC_URL")
]
Deliver = Annotated[
    str,
    typer.Option(
        help="files: write messages into files; providers: really send.", envvar="KEPT_DELIVER"
    ),
]
Shadow = Annotated[
    bool,
    typer.Option("--shadow", help="Decide and record, and send nothing.", envvar="KEPT_SHADOW"),
]
Watch = Annotated[
    bool, typer.Option(help="Take up the brand folder when it changes.", envvar="KEPT_WATCH")
]
AllowPrivateWebhooks = Annotated[
    bool,
    typer.Option(
        "--allow-private-webhooks",
        help="Let webhooks go to private addresses.",
        envvar="KEPT_ALLOW_PRIVATE_WEBHOOKS",
    ),
]
MasterKey = Annotated[
    str,
    typer.Option(
        help="Where the master key is: file:PATH, env:NAME or transit:URL; "
        "by default a file in the data folder.",
        envvar="KEPT_MASTER_KEY",
    ),
]
MasterKeyToken = Annotated[
    str,
    typer.Option(
        help="What a key service is shown: env:NAME or file:PATH.", envvar="KEPT_MASTER_KEY_TOKEN"
    ),
]
SparkMaster = Annotated[
    str,
    typer.Option(
        help="The Spark cluster that may be asked about everybody: spark://HOST:PORT; empty for none.",
        envvar="KEPT_SPARK_MASTER",
    ),
]
SparkFolder = Annotated[
    str,
    typer.Option(
        help="A folder that all machines of that cluster see under the same path, for sealed bases.",
        envvar="KEPT_SPARK_FOLDER",
    ),
]
History = Annotated[
    str,
    typer.Option(
        help="Where closed hours go as Parquet, by default `history` in the data folder; "
        "nodes share one.",
        envvar="KEPT_HISTORY",
    ),
]
Database = Annotated[
    str,
    typer.Option(
        help="The PostgreSQL that several nodes share: postgresql://USER@HOST/NAME, or env:NAME or "
        "file:PATH where that stands; by default everything is in the data folder.",
        envvar="KEPT_DATABASE",
    ),
]
VaultDatabase = Annotated[
    str,
    typer.Option(
        help="The database of its keys; by default one beside it, named with _vault at the end.",
        envvar="KEPT_VAULT_DATABASE",
    ),
]
BackupDays = Annotated[
    int,
    typer.Option(
        min=3,
        help="After so many days nobody can read a backup any more.",
        envvar="KEPT_BACKUP_DAYS",
    ),
]
