"""Run the command line with `python -m kept`."""

from kept.cli.main import run

if __name__ == "__main__":
    run()
