"""Train, kill, resume, generate and evaluate over and over; fail if anything grew.

Example: python -m benchmarks.soak --minutes 60
A round starts and kills a training in every way there is, lets it run on for a while, then
generates (killed once in the middle) and evaluates. The last quarter of the time is one training
without a stop. The soak fails if memory, file handles, threads, processes or files grow, or if a
training does not go on where it was saved.

Writes report.md, memory.png and logs/ to the output folder. If there was a soak before, its run is
replaced and its data are used again. Linux only: everything is read from /proc.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.soak.processes import refuse_other_systems
from benchmarks.soak.report import format_verdicts, judge, plot, write_report
from benchmarks.soak.soak import Soak
from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.errors import UserError


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    refuse_other_systems()
    soak = Soak(args.out, random.Random(args.seed))
    problem, verdicts, started = "", [], time.monotonic()
    try:
        soak.run(60 * args.minutes, args.kills)
        verdicts = judge(soak.findings)
    except UserError as error:
        problem = str(error)
    minutes = (time.monotonic() - started) / 60
    grew = [verdict.what for verdict in verdicts if verdict.grew]
    outcome = "failed" if problem or grew else "nothing grew"
    headline = f"{minutes:.1f} minutes, seed {args.seed}: {outcome}."
    write_report(args.out / "report.md", headline, soak.findings, verdicts, problem)
    plot(args.out / "memory.png", soak.findings)
    print(f"{format_verdicts(verdicts)}\n{headline}\nwritten to {args.out / 'report.md'}")
    if problem or grew:
        print(f"error: {problem or 'grew: ' + '; '.join(grew)}", file=sys.stderr)
        sys.exit(1)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(__doc__, "python -m benchmarks.soak")
    add = parser.add_argument
    add("--minutes", type=float, default=60.0, help="length, without making data (default 60)")
    add("--kills", type=int, default=4, help="early stops per round (default 4: each kind once)")
    add("--seed", type=int, default=0, help="decides when and how trainings are stopped")
    add("--out", type=Path, default=Path("out/soak"), metavar="FOLDER", help="default out/soak")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
