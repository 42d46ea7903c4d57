"""The keys and secrets that the sources name: all that are missing are told at one start."""

from kept.core.brand.model import SourcesFile
from kept.errors import SettingsError
from kept.settings import is_reference, read_secret


def find_missing(sources: SourcesFile, *, is_live: bool) -> list[str]:
    """Return a line for each reference of a source to which nothing is there.

    Where nothing leaves this machine, tools are not called, and their addresses are not needed.
    """
    missing: list[str] = []
    for name, source in sources.sources.items():
        named = {"key": source.key, "secret": source.signature.secret if source.signature else ""}
        tool = source.suppressions
        if tool is not None and is_live:
            named |= {"suppressions.url": tool.url, "suppressions.secret": tool.secret}
        for what, reference in named.items():
            if not is_reference(reference):
                continue
            try:
                read_secret(reference)
            except SettingsError as error:
                missing.append(f"source {name}: `{what}`: {error}")
    return missing
