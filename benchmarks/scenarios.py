"""What is measured: one piece of work, done by us and by others on the same files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.correct import Check, exits, names, same_data, same_text
from benchmarks.generate import write_pipelines, write_terraform
from benchmarks.measure import Side
from benchmarks.tools import HERE, Tools

OURS = "codemod"
TERRAFORM_FILES = 300
LINTED = 1_000
"""Files up to which those that take minutes for ten thousand run, too; their time grows with the files."""
STACK, PLAIN = "stacks/infra/main.tf", "stacks/site-000/main.tf"


@dataclass
class Scenario:
    """Sides to compare on `files` files; `id` is the same for all sizes."""

    id: str
    title: str
    files: int
    sides: list[Side]

    def side(self, name: str) -> Side | None:
        """The side of that name."""
        return next((side for side in self.sides if side.name == name), None)


def scenarios(work: Path, tools: Tools, sizes: Sequence[int], only: Sequence[str] = ()) -> Iterator[Scenario]:
    """All of them, or those named, one after the other; the files of each are in `work` as long as it is measured."""
    makers: list[tuple[str, Callable[[Path], Scenario]]] = [
        ("hook-pipeline", partial(_pipeline_hook, tools=tools)),
        ("hook-terraform", partial(_terraform_hook, tools=tools, path=STACK)),
        ("hook-terraform-plain", partial(_terraform_hook, tools=tools, path=PLAIN)),
        *(("check-0", partial(_check, tools=tools, size=size, percent=0)) for size in sizes),
        ("check-1", partial(_check, tools=tools, size=sizes[-1], percent=1)),
        *(("apply-100", partial(_apply, tools=tools, size=size, percent=100)) for size in sizes),
        ("apply-1", partial(_apply, tools=tools, size=sizes[-1], percent=1)),
        ("terraform", partial(_terraform, tools=tools)),
    ]
    for name, make in makers:
        if not only or name in only:
            root = work / name
            root.mkdir()
            yield make(root)
            shutil.rmtree(root)


def _pipeline_hook(root: Path, tools: Tools) -> Scenario:
    """A commit of one pipeline."""
    [pipeline] = [pipeline.path for pipeline in write_pipelines(root, 1, 0)]
    side = partial(Side, cwd=root, check=exits(0))
    sides = [
        side(OURS, tools.our("codemod-woodpecker-pipelines", pipeline)),
        side("check-yaml", tools.other("check-yaml", pipeline)),
        side("yamllint", tools.other("yamllint", "-d", "relaxed", pipeline)),
        side("check-jsonschema", _schema(tools, pipeline)),
        side("python -c pass", tools.our("python", "-c", "pass")),
    ]
    return Scenario("hook-pipeline", "hook, one pipeline, cold", 1, sides)


def _terraform_hook(root: Path, tools: Tools, path: str) -> Scenario:
    """A commit of one Terraform file: one that provisions a machine, with findings, or one without."""
    write_terraform(root, 1)
    [pipeline] = [pipeline.path for pipeline in write_pipelines(root, 1, 0)]
    provisions = path == STACK
    expected = names([STACK], (1,)) if provisions else names([], (0,))
    sides = [
        Side(OURS, tools.our("codemod-terraform-provisioning", path), root, expected),
        Side("check-yaml", tools.other("check-yaml", pipeline), root, exits(0)),
    ]
    name = "hook-terraform" if provisions else "hook-terraform-plain"
    kind = "with" if provisions else "without"
    return Scenario(name, f"hook, one .tf file {kind} provisioning, cold (check-yaml: a pipeline)", 1, sides)


def _schema(tools: Tools, *paths: str) -> list[str]:
    return tools.other("check-jsonschema", "--builtin-schema", "vendor.woodpecker-ci", *paths)


def _check(root: Path, tools: Tools, size: int, percent: int) -> Scenario:
    """A look at all pipelines; those that are to change have to be named, and no other."""
    pipelines = write_pipelines(root, size, percent)
    paths = [pipeline.path for pipeline in pipelines]
    changed = [p.path for p in pipelines if (root / p.path).read_text() != p.after]
    expected = names(changed)
    sides = [
        Side(OURS, tools.our("codemod", "check"), root, expected, partial(forget, root)),
        Side(f"{OURS}, again", tools.our("codemod", "check"), root, expected),
        Side("ast-grep scan", tools.ast_grep("pipelines"), root, expected),
    ]
    if not percent and size <= LINTED:
        sides += [
            Side("check-yaml", tools.other("check-yaml", *paths), root, exits(0)),
            Side("yamllint", tools.other("yamllint", "-d", "relaxed", ".woodpecker"), root, exits(0)),
            Side("check-jsonschema", _schema(tools, *paths), root, exits(0)),
        ]
    return Scenario(f"check-{percent}", f"check, {percent} % of the pipelines to change", size, sides)


def forget(root: Path) -> None:
    """Take away what an earlier check remembers."""
    shutil.rmtree(root / ".git/codemod", ignore_errors=True)


def _apply(root: Path, tools: Tools, size: int, percent: int) -> Scenario:
    """Change all pipelines that are to change, in place."""
    pipelines = write_pipelines(root, size, percent)

    def side(name: str, command: list[str], check: Callable[..., Check]) -> Side:
        return Side(name, command, root, check(root, pipelines), partial(restore, root))

    script = [*tools.other("python"), str(HERE / "ruamel_roundtrip.py"), ".woodpecker"]
    sides = [
        side(OURS, tools.our("codemod", "apply-caching"), same_text),
        side("ast-grep scan --update-all", tools.ast_grep("pipelines", "--update-all"), same_data),
        side("ruamel.yaml script", script, same_data),
    ]
    return Scenario(f"apply-{percent}", f"apply-caching, {percent} % of the pipelines to change", size, sides)


def restore(root: Path) -> None:
    """Bring all files back to the commit."""
    for arguments in (("checkout", "--quiet", "--", "."), ("update-index", "-q", "--refresh")):
        subprocess.run(["git", *arguments], cwd=root, check=True)


def _terraform(root: Path, tools: Tools) -> Scenario:
    """The example's stack among many Terraform files, which has findings in its one provisioning list."""
    write_terraform(root, TERRAFORM_FILES)
    sides = [
        Side(OURS, tools.our("codemod", "check", "--select", "terraform-no-live-gc"), root, names([STACK], (1,))),
        Side(f"{OURS}, all rules", tools.our("codemod", "check"), root, exits(1)),
        Side("ast-grep scan", tools.ast_grep("terraform"), root, names([STACK], (1,))),
    ]
    return Scenario("terraform", "check, the example's stack among Terraform files", TERRAFORM_FILES, sides)
