"""Run the command line, and lend it the web: the one place that knows both."""

from kept.cli.main import run
from kept.web.server import serve


def main() -> None:
    """Run the command line."""
    run(serve)


if __name__ == "__main__":
    main()
