"""Several threads of which one at a time goes on, from one call of the store to the next, as chance says."""

import random  # noqa: TID251 - every order is made of a given seed
import threading
from collections.abc import Callable, Sequence


class Baton:
    """Passes the right to go on between pieces of work; the same seed passes it alike."""

    def __init__(self, seed: int) -> None:
        """Take the seed of all that chance decides here."""
        self._random = random.Random(seed)
        self._turns: dict[int, threading.Semaphore] = {}
        self._returned = threading.Semaphore(0)
        self.passed_count = 0

    def run(self, works: Sequence[Callable[[], None]]) -> None:
        """Do pieces of work, their steps in any order; raises what one of them raised."""
        failures: list[BaseException] = []
        threads = [threading.Thread(target=self._do, args=(work, failures)) for work in works]
        alive = []
        for thread in threads:
            thread.start()
            self._returned.acquire()
            alive.append(thread)
        while alive:
            thread = self._random.choice(alive)
            self.passed_count += 1
            assert thread.ident is not None
            self._turns[thread.ident].release()
            self._returned.acquire()
            if thread.ident not in self._turns:
                thread.join()
                alive.remove(thread)
        if failures:
            raise failures[0]

    def _do(self, work: Callable[[], None], failures: list[BaseException]) -> None:
        me = threading.get_ident()
        self._turns[me] = threading.Semaphore(0)
        self._wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised by `run`
            failures.append(error)
        finally:
            del self._turns[me]
            self._returned.release()

    def _wait(self) -> None:
        self._returned.release()
        self._turns[threading.get_ident()].acquire()

    def pause(self) -> None:
        """Let others go on; whoever is not part of a run does so at once."""
        if threading.get_ident() in self._turns:
            self._wait()
