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
from benchmarks.scenarios import OURS, Scenario, scenarios
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
    done: list[Scenario] = []
    live: list[Live] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        for scenario in scenarios(Path(work), tools, QUICK_SIZES if options.quick else SIZES, options.only or ()):
            done.append(_measured(scenario, options, wrong))
            # A run takes long: what is done is there, whatever becomes of the rest.
            _write(options.output, done, live, tools)
    if not options.quick and not options.only:
        live += (_live(name, tools) for name in LIVE)
    print(_write(options.output, done, live, tools), end="")
    for message in wrong:
        print(f"benchmarks: {message}", file=sys.stderr)
    return int(bool(wrong))


def _write(output: Path, done: list[Scenario], live: list[Live], tools: Tools) -> str:
    """Write all results; returns the tables."""
    machine = _machine(tools)
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(as_json(done, live, machine))
    (output / "time.svg").write_text(plot(done, ("check-0", "apply-100")))
    report = as_markdown(done, live, machine)
    (output / "RESULTS.md").write_text(report)
    return report


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few files, one round")
    parser.add_argument("--only", action="append", metavar="ID", help="this scenario, and no other")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tools", type=Path, default=PROJECT / "build/bench", help="where the programs are, or go")
    parser.add_argument("--installed", action="store_true", help="install nothing: they are there")
    parser.add_argument("--output", type=Path, default=HERE)
    return parser.parse_args()


def _measured(scenario: Scenario, options: argparse.Namespace, wrong: list[str]) -> Scenario:
    """The scenario with its runs; what was wrong with sides that are left out goes to `wrong`."""
    print(f"{scenario.title}: {scenario.files} files", file=sys.stderr, flush=True)
    able = [side for side in scenario.sides if _is_able(side, wrong)]
    # What takes milliseconds needs more runs to tell it from noise.
    rounds = 1 if options.quick else options.rounds * (5 if scenario.files == 1 else 1)
    in_turns(able, rounds, PATIENCE)
    for side in able:
        if side.name == OURS or side.median < PATIENCE:
            side.measure_memory()
    return scenario


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
