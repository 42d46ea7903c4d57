"""Commands about a brand folder: write one, check it, play its stories, publish its schemas."""

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from sqlglot.expressions import alias_, select

from kept.cli.output import console
from kept.clock import read_monotonic
from kept.core.brand.load import load_brand
from kept.core.brand.schema import SOURCE_FILES, make_schemas
from kept.core.check import check_folder, errors_of
from kept.core.compile import compile_brand
from kept.core.policy.check import check_expression
from kept.core.policy.sql_targets import Dialect
from kept.core.policy.to_sql import to_sql
from kept.core.policy.tree import Expression
from kept.core.policy.where import Where
from kept.core.scopes import policy_scope
from kept.core.story import Story
from kept.core.values import SECOND
from kept.errors import ConflictError, InvalidBrandError
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import play_stories, read_stories

Folder = Annotated[Path, typer.Argument(help="The brand folder.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("init")(init)
    app.command("check")(check)
    app.command("test")(test)
    app.command("schema")(schema)
    app.command("translate")(translate)


def init(folder: Folder) -> None:
    """Write a small brand folder that passes its check, to begin with."""
    if folder.exists() and any(folder.iterdir()):
        message = f"{folder} is not empty; name a folder that is not there yet"
        raise ConflictError(message)
    with resources.as_file(resources.files("kept.cli").joinpath("starter")) as starter:
        shutil.copytree(starter, folder, dirs_exist_ok=True)
    console.print(f"Wrote a brand into {folder}. Next: kept check {folder}", markup=False)


def check(folder: Folder) -> None:
    """Say everything that is wrong with a brand folder, with file, line, column and what to do."""
    texts = read_folder(folder)
    problems = check_folder(texts)
    stories: dict[str, Story] = {}
    try:
        stories = read_stories(folder)
    except InvalidBrandError as error:
        problems += error.problems
    for problem in problems:
        console.print(str(problem), markup=False, highlight=False)
    errors = errors_of(problems)
    if not errors:
        # What was checked must compile too.
        compile_brand(load_brand(texts))
        console.print(
            f"{folder} is in order: {len(problems)} note(s), {len(stories)} story file(s).",
            markup=False,
        )
        return
    console.print(f"{len(errors)} error(s), {len(problems) - len(errors)} note(s).", markup=False)
    raise typer.Exit(1)


def test(
    folder: Folder,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Play stories whose file contains this.")
    ] = None,
) -> None:
    """Play the brand's stories in virtual time and show where what happens differs."""
    bundle = compile_brand(load_checked(read_folder(folder)))
    stories = {
        name: story
        for name, story in read_stories(folder).items()
        if not only or any(part in name for part in only)
    }
    started = read_monotonic()
    failed = 0
    for told in play_stories(bundle, stories):
        if not told.differences:
            console.print(f"ok    {told.file}", markup=False, highlight=False)
            continue
        failed += 1
        title = f"FAIL  {told.file}: {told.story.story}"
        console.print(title, markup=False, highlight=False)
        for difference in told.differences:
            console.print(f"  {difference}", markup=False, highlight=False)
    seconds = (read_monotonic() - started) / SECOND
    console.print(
        f"{len(stories) - failed} passed, {failed} failed, in {seconds:.2f} s", markup=False
    )
    if failed or not stories:
        raise typer.Exit(1)


def schema(
    folder: Annotated[Path, typer.Argument(help="Where the JSON Schemas go.")],
) -> None:
    """Write the JSON Schemas of a brand's files, for editors that complete and underline."""
    folder.mkdir(parents=True, exist_ok=True)
    package = resources.files("kept.core.brand")
    source = "\n".join(package.joinpath(file).read_text(encoding="utf-8") for file in SOURCE_FILES)
    for name, document in make_schemas(source).items():
        (folder / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        console.print(str(folder / name), markup=False, highlight=False)


def translate(
    folder: Folder,
    condition: Annotated[str, typer.Argument(help="A condition or value, as a brand writes it.")],
    dialect: Annotated[str, typer.Option(help="duckdb, postgres or spark.")] = "duckdb",
) -> None:
    """Show a condition as the SQL of an engine, which gives the same answer as Kept does."""
    if dialect not in get_args(Dialect):
        message = f"--dialect is {dialect!r}; it must be {', '.join(get_args(Dialect))}"
        raise typer.BadParameter(message)
    brand = load_checked(read_folder(folder))
    checked = check_expression(
        condition,
        scope=policy_scope(brand.facts, brand.cohorts),
        expects=None,
        where=Where(file="condition"),
    )
    if not isinstance(checked, Expression):
        raise InvalidBrandError(checked)
    written = to_sql(checked, cast("Dialect", dialect))
    query = select(alias_(written.value, "value"), alias_(written.unknown, "is_unknown"))
    console.print(query.sql(dialect), markup=False, highlight=False)
