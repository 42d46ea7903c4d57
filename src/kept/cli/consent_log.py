"""Commands about the consent log: receipts, verifying one, the audit, keys."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import httpx
import msgspec
import typer

from kept import verify_receipt as verifier
from kept.cli.client import LONG_SECONDS, TIMEOUT_SECONDS, call
from kept.cli.options import Database, MasterKey, MasterKeyToken, VaultDatabase
from kept.cli.output import console
from kept.core.checkpoint import LogKey, parse_key
from kept.errors import InputError, SettingsError
from kept.flows.audit_log import Audited, Kept
from kept.runtime.audits import audit_public, audit_store
from kept.runtime.stores import Where

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
KEY_FILE: Final = "log.key"
VERIFIER: Final = "verify_receipt.py"

log_app = typer.Typer(no_args_is_help=True, help="The consent log's keys.")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("receipt")(receipt)
    app.command("verify-receipt")(verify_receipt)
    app.command("audit")(audit)
    log_app.command("key")(show_key)
    log_app.command("rotate")(rotate)
    app.add_typer(log_app, name="log")


def receipt(
    who: Annotated[str, typer.Argument(help="An identifier, such as user_id:ana.")],
    data: Data,
    into: Annotated[Path, typer.Option(help="The folder to write into; it is made if need be.")],
) -> None:
    """Write a customer's receipts, with the key and the program that verifies them.

    Each record of consent becomes a file. Whoever has the folder needs nothing else, and no network.
    """
    told = call(data, "POST", "/v1/admin/customers/receipts", {"identifier": who})
    try:
        into.mkdir(parents=True, exist_ok=True)
        for one in told["receipts"]:
            text = msgspec.json.format(msgspec.json.encode(one), indent=2)
            (into / f"receipt-{one['record']['record_id']}.json").write_bytes(text + b"\n")
        (into / KEY_FILE).write_text(f"{told['key']}\n", encoding="utf-8")
        (into / VERIFIER).write_text(_verifier_text(), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{into} cannot be written: {error.strerror}") from error
    left_out = f"; {told['left_out']} left out" if told["left_out"] else ""
    console.print(f"{len(told['receipts'])} receipt(s) in {into}{left_out}.", markup=False)


def verify_receipt(
    file: Annotated[Path, typer.Argument(help="A receipt.")],
    key: Annotated[str, typer.Option(help="The log's key, or the file that it stands in.")],
) -> None:
    """Check a receipt without a server; it is the program that customers are given."""
    path = Path(key)
    key_text = _read(path) if "+" not in key or path.exists() else key
    try:
        sentences = verifier.verify(_read(file), key_text)
    except verifier.Refused as refused:
        raise InputError(f"{file}: {refused}") from None
    console.print("The receipt holds.", markup=False)
    for sentence in sentences:
        console.print(sentence, markup=False, highlight=False)


def audit(
    where: Annotated[str, typer.Argument(help="A data folder, or the address of a server.")],
    against: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint or receipt that was kept elsewhere; may be repeated."),
    ] = None,
    key: Annotated[
        str, typer.Option(help="For an address: the log's key; by default, what the server says.")
    ] = "",
    database: Database = "",
    vault_database: VaultDatabase = "",
    master_key: MasterKey = "",
    master_key_token: MasterKeyToken = "",
) -> None:
    """Prove that the consent log was not rewritten, or name the place where it was.

    A data folder is audited whole: hashes, signatures, records, events, the audit; with --database
    the store there, while nodes work, by the master key of the folder. Of a server that
    is named by its address, everybody may compare what it shows to everybody: hashes and signatures.
    """
    kept = [Kept(name=str(path), text=_read(path)) for path in against or ()]
    if where.startswith(("http://", "https://")):
        found = _audit_server(where.rstrip("/"), key, kept)
    else:
        store = Where(Path(where), database, vault_database, master_key, master_key_token)
        found = _audit_store(store, kept)
    for finding in found.findings:
        console.print(f"{finding.place}: {finding.what}", markup=False, highlight=False)
    looked = f"{found.size} leaves, {found.checkpoints} signed checkpoint(s)"
    if found.events:
        looked += f", {found.events} events"
    if found.forgotten:
        looked += f"; {found.forgotten} record(s) were forgotten, and their leaves stand"
    console.print(f"{looked}.", markup=False)
    if found.findings:
        raise InputError(f"the consent log is not whole: {len(found.findings)} finding(s)")
    console.print("Nothing was rewritten, removed, moved or planted.", markup=False)


def show_key(data: Data) -> None:
    """Print the log's public keys, oldest first; the last one signs now."""
    for period in call(data, "GET", "/v1/log/key")["keys"]:
        console.print(period["key"], markup=False, highlight=False)


def rotate(data: Data) -> None:
    """Sign with a new key from now on; old receipts stay valid under the old one."""
    made = call(data, "POST", "/v1/admin/log/key")
    console.print(made["key"], markup=False, highlight=False)


def _audit_store(where: Where, kept: list[Kept]) -> Audited:
    found = audit_store(where, against=kept)
    if found is not None:
        return found
    body = {"against": [msgspec.to_builtins(one) for one in kept]}
    told = call(where.data, "POST", "/v1/admin/log/audit", body, seconds=LONG_SECONDS)
    return msgspec.convert(told, Audited)


def _audit_server(address: str, key: str, kept: list[Kept]) -> Audited:
    with httpx.Client(base_url=f"{address}/v1/log/", timeout=TIMEOUT_SECONDS) as client:

        def read(path: str) -> bytes:
            try:
                return client.get(path).raise_for_status().content
            except httpx.HTTPError as error:
                message = (
                    f"the server at {address} does not answer ({type(error).__name__}: {path})"
                )
                raise SettingsError(message) from error

        keys: list[LogKey]
        if key:
            keys = [parse_key(_read(Path(key)) if "+" not in key else key)]
        else:
            told = msgspec.json.decode(read("key"))
            keys = [parse_key(period["key"]) for period in told["keys"]]
        return audit_public(read, keys, against=kept)


def _verifier_text() -> str:
    return files("kept").joinpath(VERIFIER).read_text(encoding="utf-8")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
