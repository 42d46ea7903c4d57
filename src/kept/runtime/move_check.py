"""Whether a store that was carried elsewhere is the same there: every row, and every sealed record."""

from collections.abc import Callable, Mapping
from typing import Final

from kept.core.merkle import Growth
from kept.errors import StoreError
from kept.ports import Vault
from kept.stores.moving import KEYS, STORE, Place, Table, Tally, Trial
from kept.stores.postgres.moving import MovingDatabase
from kept.stores.sqlite.moving import MovingFolder

CHUNK: Final = 2_000
"""How many rows are read at once."""

Report = Callable[[str, int], None]
"""Is told, now and then, of which table how many more rows were carried or compared."""


class Compared:
    """What was found to be the same."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.rows = 0
        self.opened = 0
        self.growth = Growth()


class Comparison:
    """Compares both sides, table by table; what differs is gathered, and told at the end."""

    def __init__(
        self,
        folder: MovingFolder,
        targets: Mapping[Place, MovingDatabase],
        vault: Vault,
        report: Report,
    ) -> None:
        """Take both sides, and the vault of the far one, which is not started yet."""
        self._folder = folder
        self._targets = targets
        self._vault = vault
        self._report = report
        self._wrong: list[str] = []
        self.found = Compared()

    def run(self) -> None:
        """Compare everything.

        Raises:
            StoreError: something differs; it says in which tables.
        """
        # Keys before what they open: a wrong key would be told of each record.
        for table in KEYS:
            self._compare(table)
        if not self._wrong:
            ((identity,),) = next(self._targets["keys"].iterate(KEYS[0], limit=1))
            self._vault.start(identity)
            for table in STORE:
                self._compare(table)
        if self._wrong:
            raise StoreError(
                f"what is in {self._targets['store'].place} is not what is in the folder, which "
                "stays as it is. Empty both databases (drop and make them), remove moved.json, and "
                "begin again\n" + "\n".join(self._wrong)
            )

    def _compare(self, table: Table) -> None:
        here, tree = self._look_here(table)
        there = Tally()
        trial: Trial | None = Trial(table, self._vault)
        for rows in self._targets[table.place].iterate(table, limit=CHUNK):
            for row in rows:
                there.add(row)
            try:
                if trial is not None:
                    trial.add(rows)
            except StoreError as error:
                self._wrong.append(f"{table.title}: {error}")
                # One of a table is enough to be told.
                trial = None
            self._report(f"comparing {table.title}", len(rows))
        if here.count != there.count:
            self._wrong.append(f"{table.title}: {here.count} rows here, {there.count} there")
        elif here != there:
            self._wrong.append(f"{table.title}: some of {here.count} rows differ")
        self.found.rows += there.count
        if trial is not None:
            self.found.opened += trial.opened
            self._compare_trees(table, tree, trial.growth)

    def _look_here(self, table: Table) -> tuple[Tally, Growth]:
        tally, tree = Tally(), Growth()
        for rows in self._folder.iterate(table, limit=CHUNK):
            for row in rows:
                tally.add(row)
                if table.name == "consent_log":
                    tree.append(row[2])
        return tally, tree

    def _compare_trees(self, table: Table, here: Growth, there: Growth) -> None:
        if table.name != "consent_log":
            return
        if here.root() != there.root():
            self._wrong.append(f"{table.title}: the root of the tree is another")
        self.found.growth = there
