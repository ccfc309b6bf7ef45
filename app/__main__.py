"""`python -m app`: the `steward` command."""

import sys

try:
    from app.cli import main

    main()
except KeyboardInterrupt:  # while it was still being imported
    sys.exit(130)
