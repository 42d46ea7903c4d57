"""Where the command line writes: answers to standard output, everything else to standard error."""

from typing import Final

from rich.console import Console

console: Final = Console(soft_wrap=True)
error_console: Final = Console(stderr=True, soft_wrap=True)
