"""All benchmarks: `make bench`, or `python -m benchmarks [--quick] [--only ID] [--rounds N]`.

Writes RESULTS.md, results.json and time.svg. `--quick` is a smoke test of the harness with few files and one round,
without the benchmarks that need a laboratory. Exit 1 when a side's output was wrong.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Side, WrongOutput, in_turns
from benchmarks.plot import plot
from benchmarks.results import Live, as_json, as_markdown
from benchmarks.scenarios import Scenario, scenarios
from benchmarks.tools import HERE, PROJECT, Tools

SIZES = (1, 100, 1_000, 10_000)
QUICK_SIZES = (1, 20)
PATIENCE = 60.0
LIVE = {
    "sync-vm, nothing to do": ("benchmarks.sync_vm", "--ansible"),
    "verify --integrity": ("benchmarks.verify_integrity",),
}


def main() -> int:
    """Measure, print and write."""
    options = _options()
    tools = Tools(options.tools.resolve())
    if not options.installed:
        tools.install()
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        done, wrong = _measure(Path(work), tools, options)
    live = [] if options.quick or options.only else [_live(name, tools) for name in LIVE]
    machine = _machine(tools)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "results.json").write_text(as_json(done, live, machine))
    (options.output / "time.svg").write_text(plot(done, ("check-0", "apply-100")))
    report = as_markdown(done, live, machine)
    (options.output / "RESULTS.md").write_text(report)
    print(report, end="")
    for message in wrong:
        print(f"benchmarks: {message}", file=sys.stderr)
    return int(bool(wrong))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few files, one round")
    parser.add_argument("--only", action="append", metavar="ID", help="this scenario, and no other")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tools", type=Path, default=PROJECT / "build/bench", help="where the programs are, or go")
    parser.add_argument("--installed", action="store_true", help="install nothing: they are there")
    parser.add_argument("--output", type=Path, default=HERE)
    return parser.parse_args()


def _measure(work: Path, tools: Tools, options: argparse.Namespace) -> tuple[list[Scenario], list[str]]:
    """The scenarios with their runs, and what was wrong with sides that were left out."""
    done: list[Scenario] = []
    wrong: list[str] = []
    for scenario in scenarios(work, tools, QUICK_SIZES if options.quick else SIZES, options.only or ()):
        print(f"{scenario.title}: {scenario.files} files", file=sys.stderr, flush=True)
        able = [side for side in scenario.sides if _is_able(side, wrong)]
        # What takes milliseconds needs more runs to tell it from noise.
        rounds = 1 if options.quick else options.rounds * (5 if scenario.files == 1 else 1)
        in_turns(able, rounds, PATIENCE)
        for side in able:
            side.measure_memory()
        done.append(scenario)
    return done, wrong


def _is_able(side: Side, wrong: list[str]) -> bool:
    """Whether a first run, which does not count, does its work."""
    try:
        side.turn()
    except (WrongOutput, OSError) as error:
        wrong.append(f"{side.name}: {error}")
        return False
    if side.runs[0].seconds < PATIENCE:
        side.runs.clear()
    return True


def _live(name: str, tools: Tools) -> Live:
    module, *flags = LIVE[name]
    command = [sys.executable, "-m", module, *flags, *([str(tools.others)] if flags else [])]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return Live(name, done.returncode, (done.stdout or done.stderr[-500:]).splitlines())


def _machine(tools: Tools) -> dict[str, str]:
    """What the figures were measured on, and against."""
    processors = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end"
    others = ", ".join(f"{name} {version}" for name, version in tools.versions().items())
    return {"machine": processors, "Python": platform.python_version(), "others": others}


if __name__ == "__main__":
    sys.exit(main())
