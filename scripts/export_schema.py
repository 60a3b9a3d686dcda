"""Write the JSON schema of the config files, for completion and checks in editors.

Example: python scripts/export_schema.py configs/schema.json
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.build import COMPONENTS
from im2mesh.config import json_schema


def main(arguments: Sequence[str]) -> None:
    if len(arguments) != 1:
        sys.exit(__doc__)
    Path(arguments[0]).write_text(json.dumps(json_schema(COMPONENTS), indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
