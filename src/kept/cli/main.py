"""The command line: one app, and the one place where errors become messages and exit codes."""

import sys
from collections.abc import Callable

import typer

from kept import __version__
from kept.cli import (
    access,
    approvals,
    brand,
    breach,
    campaign,
    consent_log,
    data,
    data_map,
    demo,
    diff,
    everybody,
    move,
    nodes,
    operate,
    privacy,
    read_history,
    replay,
    rights,
    serve,
    sql,
)
from kept.cli.output import error_console
from kept.errors import InvalidBrandError, KeptError, SettingsError
from kept.runtime import Runtime

app = typer.Typer(
    name="kept",
    help="Kept keeps a brand's promises to its customers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
brand.add_to(app)
data_map.add_to(app)
serve.add_to(app)
demo.add_to(app)
operate.add_to(app)
everybody.add_to(app)
campaign.add_to(app)
nodes.add_to(app)
approvals.add_to(app)
breach.add_to(app)
data.add_to(app)
move.add_to(app)
privacy.add_to(app)
read_history.add_to(app)
sql.add_to(app)
replay.add_to(app)
diff.add_to(app)
rights.add_to(app)
consent_log.add_to(app)
access.add_to(app)


@app.command("version")
def version() -> None:
    """Print the version."""
    typer.echo(f"kept {__version__}")


def run(start_web: Callable[[Runtime], None]) -> None:
    """Run the command line; `start_web` serves a runtime over HTTP until it is told to stop.

    Exit codes: 0 done, 1 refused or failed, 2 not understood, 130 interrupted.
    """
    serve.use_web(start_web)
    try:
        app()
    except InvalidBrandError as error:
        for problem in error.problems:
            error_console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
        count = len(error.problems)
        error_console.print(f"{count} problem{'s' if count > 1 else ''}", markup=False)
        sys.exit(1)
    except SettingsError as error:
        error_console.print(f"kept cannot start: {error}", markup=False, soft_wrap=True)
        sys.exit(1)
    except KeptError as error:
        error_console.print(f"{error} [{error.code}]", markup=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
