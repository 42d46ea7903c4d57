"""Pages: Liquid templates and a few files of our own, and headers that let nothing else in."""

from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from liquid import DictLoader, Environment, StrictUndefined
from starlette.responses import Response

from kept.errors import NotFoundError

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    # Nothing from another host, nothing written into the page itself.
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # A link that unsubscribes must not be told to anybody else.
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Pages:
    """The pages of this package, compiled once; whatever is printed is escaped."""

    def __init__(self) -> None:
        """Read templates and static files out of the package."""
        self._templates = {
            name.removesuffix(".liquid"): text for name, text in _read_folder("templates").items()
        }
        self._environment = Environment(
            autoescape=True, undefined=StrictUndefined, loader=DictLoader(self._templates)
        )
        self._static = _read_folder("static")

    def render(self, name: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
        """Return a page."""
        html = self._environment.get_template(name).render(**values)
        return Response(html, status_code=status, media_type="text/html", headers=SECURITY_HEADERS)

    def static(self, name: str) -> Response:
        """Return one of our own files.

        Raises:
            NotFoundError: there is none of this name.
        """
        text = self._static.get(name)
        if text is None:
            raise NotFoundError(f"there is no file {name[:100]!r}")
        ending = name[name.rindex(".") :]
        return Response(text, media_type=_TYPES[ending], headers=SECURITY_HEADERS)


def _read_folder(name: str) -> dict[str, str]:
    folder = resources.files("kept.web") / name
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
