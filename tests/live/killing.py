"""Roll-outs that are cut off, and what must hold after each: something serves, nothing is torn, the next run converges.

A point says what is cut off and when: at a step that the controller tells on stderr, and some time after. Points are
drawn from a seed, so that a failure can be had again.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tests.live.lab import LabError, wait_until
from tests.live.poller import Poller
from tests.live.site import Site, strangers, wanted_crontab, wanted_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.controller import Command

STEPS = ("staging", "validating", "backing up", "swapping", "crontab", "up", "restarting", "health")
LONGEST = 1.5
"""Seconds; most steps take less."""
AWAY = 2.0
"""Seconds that a killed sshd is away."""
GAP = 20.0
"""Seconds that a port may give no right answer: it is restarted by the run that is cut off and by the one after it."""


class Kind(Enum):
    """What is cut off."""

    CONTROLLER = "SIGKILL of the controller"
    CONNECTION = "connections dropped"
    SSHD = "sshd and its sessions killed"


@dataclass(frozen=True)
class Point:
    """When: `delay` seconds after the line of a step."""

    kind: Kind
    step: str
    delay: float

    def __str__(self) -> str:
        return f"{self.kind.value} {self.delay:.2f} s after {self.step!r}"


def points(seed: int, number: int) -> list[Point]:
    """That many points; each step has its turn, in time with every kind."""
    chance = random.Random(seed)
    kinds = list(Kind)
    return [
        Point(kinds[index % len(kinds)], STEPS[index % len(STEPS)], chance.uniform(0, LONGEST))
        for index in range(number)
    ]


@dataclass
class Result:
    """What came of one point: `problems` is empty when all held; `hit` whether the run was still going."""

    point: Point
    hit: bool
    problems: list[str]
    gap: float

    def __str__(self) -> str:
        how = "; ".join(self.problems) or f"survived, longest gap {self.gap:.2f} s"
        return f"{self.point}{'' if self.hit else ' (it had ended)'}: {how}"


class Killing:
    """Roll-outs from one commit of a site's repository to another and back, each cut off at a point."""

    def __init__(self, site: Site, old: Path, new: Path) -> None:
        self.site = site
        self.trees = [old, new]

    def survive(self, point: Point) -> Result:
        """Cut one roll-out off, look at what is left, and roll out again."""
        old, new = self.trees
        self.site.tree = new
        with Poller(self.site.vm, self.site.vm.ports()) as poller:
            command = self.site.start()
            hit = self.cut_off(command, point)
            problems = [*self.ending(point, command), *self.left(old, new), *self.next_run(new)]
            time.sleep(0.2)  # the poller shall see the end of it, too
        if poller.wrong:
            problems.append(f"wrong answers: {dict(poller.wrong)}")
        if poller.longest_gap > GAP:
            problems.append(poller.tell())
        self.trees = [new, old]
        return Result(point, hit, problems, poller.longest_gap)

    def cut_off(self, command: Command, point: Point) -> bool:
        """Wait for the point, and cut off; returns whether there still was something to cut off."""
        vm = self.site.vm
        command.wait_for(f": {point.step}")
        time.sleep(point.delay)
        running = command.child.poll() is None
        if point.kind is Kind.CONTROLLER:
            command.child.kill()
        elif point.kind is Kind.CONNECTION:
            assert vm.door
            vm.door.drop()
        else:
            vm.kill_sshd()
            time.sleep(AWAY)
            vm.start_sshd()
        return running

    def ending(self, point: Point, command: Command) -> list[str]:
        """What is wrong with how the controller ended."""
        run = command.result()
        allowed = (0, -9) if point.kind is Kind.CONTROLLER else (0, 3, 4)
        return [] if run.code in allowed else [f"exit {run.code}: {run.err[-2000:]}"]

    def left(self, old: Path, new: Path) -> list[str]:
        """What is wrong with what is there, before anybody does anything about it."""
        vm = self.site.vm
        problems = []
        try:
            vm.wait_until_serving()
        except LabError as error:
            problems.append(f"nothing serves: {error}")
        contents = [wanted_files(tree) for tree in (old, new)]
        deployed = self.site.deployed()
        problems += [
            f"{path} is neither the old one nor the new one"
            for path in contents[0].keys() | contents[1].keys()
            if deployed.get(path) not in [content.get(path) for content in contents]
        ]
        if vm.crontab().splitlines() not in [wanted_crontab(tree) for tree in (old, new)]:
            problems.append(f"the crontab is neither the old one nor the new one:\n{vm.crontab()}")
        return problems

    def next_run(self, new: Path) -> list[str]:
        """What is wrong after one more run, which has to bring the new state."""
        vm = self.site.vm
        run = self.site.apply()
        problems = [] if run.code == 0 else [f"the next run: {run.told[-3000:]}"]
        plan = self.site.plan()
        if plan.code or plan.states != ["clean"]:
            problems.append(f"a plan after it: {plan.told[-3000:]}")
        try:
            wait_until(lambda: all(map(vm.serves, vm.ports())), "an answer at every port")
        except LabError as error:
            problems.append(str(error))
        if self.site.deployed() != wanted_files(new) or vm.crontab().splitlines() != wanted_crontab(new):
            problems.append("the files or the crontab are not the new ones")
        if odd := strangers(vm, new) | {name for name in vm.containers() if not name.startswith("registry-")}:
            problems.append(f"left behind: {odd}")
        return problems
