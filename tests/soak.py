"""How many random inputs a property is tried on: few in CI, many in `make soak`."""

import os

EXAMPLES = int(os.environ.get("CODEMOD_EXAMPLES", "200"))
