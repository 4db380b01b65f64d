"""`python -m crawler`."""

import sys

from crawler.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
