"""`python -m affectd_models`, the same as the command `affectd-models`."""

import sys

from affectd_models.cli import main

if __name__ == "__main__":
    sys.exit(main())
