"""The labs, each run by ``python -m labs.NAME``."""

import sys

from mi204 import backend
from mi204.errors import UserError

# Before any lab imports Keras, which would stop with a traceback where the backend is missing.
try:
    backend.prepare()
except UserError as error:
    sys.exit(f"Error: {error}")
