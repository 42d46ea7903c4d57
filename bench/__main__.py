"""`python -m bench`."""

import sys

from bench.run import run

sys.exit(run(sys.argv[1:]))
