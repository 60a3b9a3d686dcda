"""Write the JSON schema of the config files, for completion and checks in editors.

Example: python scripts/export_schema.py configs/schema.json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.build import CHOICES
from im2mesh.command_line import exit_status
from im2mesh.config import json_schema


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.json")
    out = parser.parse_args(arguments).out
    out.write_text(json.dumps(json_schema(CHOICES), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(exit_status(main))
