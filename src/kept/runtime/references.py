"""The keys and secrets that the sources name: all that are missing are told at one start."""

from kept.core.brand.model import SourcesFile
from kept.errors import SettingsError
from kept.settings import read_secret


def find_missing(sources: SourcesFile) -> list[str]:
    """Return a line for each key or secret of a source that is named and not there."""
    missing: list[str] = []
    for name, source in sources.sources.items():
        named = {"key": source.key, "secret": source.signature.secret if source.signature else ""}
        for what, reference in named.items():
            if not reference:
                continue
            try:
                read_secret(reference)
            except SettingsError as error:
                missing.append(f"source {name}: `{what}`: {error}")
    return missing
