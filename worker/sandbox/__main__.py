"""`python -m worker.sandbox`."""

import sys

from worker.sandbox.running.command import main

sys.exit(main(sys.argv[1:]))
