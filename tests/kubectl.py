"""A stand-in for kubectl and its cluster: pods that come and go, DNS inside, and the errors of the real one.

Started as `kubectl` from a directory on PATH; the cluster is `cluster.json` beside it, which `Cluster` writes and
reads. Arguments that kubectl would not take are refused, in its words.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GLOBAL = {"context", "namespace", "request-timeout"}
FLAGS = {
    "run": {"image", "restart", "attach", "quiet", "pod-running-timeout"},
    "get": {"ignore-not-found", "output"},
    "delete": {"ignore-not-found", "wait"},
}
SWITCHES = {"attach", "quiet", "ignore-not-found"}
DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+")


class Cluster:
    """The cluster of the `kubectl` that is installed into `directory`."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "cluster.json"

    def install(self, **state: Any) -> None:
        """Put `kubectl` there, and begin with this state."""
        self.write({"contexts": ["home"], "namespaces": ["default"], "names": {}, "pods": {}, "log": [], **state})
        program = self.file.with_name("kubectl")
        start = "from pathlib import Path; from tests.kubectl import main; main(Path(__file__).parent)"
        program.write_text(f"#!{sys.executable}\nimport sys; sys.path.insert(0, {str(ROOT)!r})\n{start}\n")
        program.chmod(0o755)

    def read(self) -> dict[str, Any]:
        """Its state: the pods by namespace and name, and `log`, the command lines."""
        state: dict[str, Any] = json.loads(self.file.read_text())
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Give it another state, as a whole: two processes look at it."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(self.file)


class Refused(Exception):
    """What kubectl says when it does not do it."""


class Kubectl:
    """One call."""

    def __init__(self, cluster: Cluster, arguments: list[str]) -> None:
        self.cluster = cluster
        self.state = cluster.read()
        self.state["log"].append(arguments)
        cluster.write(self.state)
        self.flags: dict[str, str] = {}
        self.words: list[str] = []
        split = arguments.index("--") if "--" in arguments else len(arguments)
        self.command = arguments[split + 1 :]
        for argument in arguments[:split]:
            self.take(argument)
        verb = self.words.pop(0) if self.words else ""
        if verb not in FLAGS:
            raise Refused(f'error: unknown command "{verb}" for "kubectl"')
        for flag in set(self.flags) - FLAGS[verb] - GLOBAL:
            raise Refused(f"error: unknown flag: --{flag}\nSee 'kubectl {verb} --help' for usage.")
        self.verb = verb

    def take(self, argument: str) -> None:
        if not argument.startswith("-"):
            self.words.append(argument)
            return
        name, equals, value = argument.removeprefix("--").partition("=")
        if not equals and name not in SWITCHES:
            raise Refused(f"error: flag needs an argument: --{name}")
        self.flags[name] = value if equals else "true"

    def run(self) -> int:
        for flag in ("request-timeout", "pod-running-timeout"):
            if flag in self.flags and not DURATION.fullmatch(self.flags[flag]):
                raise Refused(f'error: invalid argument "{self.flags[flag]}" for "--{flag}" flag')
        context = self.flags.get("context", self.state["contexts"][0])
        if context not in self.state["contexts"]:
            raise Refused(f'error: context "{context}" does not exist')
        if self.state.get("down"):
            raise Refused("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host?")
        if self.verb == "run":
            return self.run_pod()
        kind, name = self.words
        assert kind == "pod", kind
        return self.get_pod(name) if self.verb == "get" else self.delete_pod(name)

    @property
    def namespace(self) -> str:
        return self.flags.get("namespace", "default")

    def run_pod(self) -> int:
        (name,) = self.words
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise Refused(f'The Pod "{name}" is invalid: metadata.name: Invalid value: "{name}"')
        if not self.flags.get("image"):
            raise Refused('error: required flag(s) "image" not set')
        if self.flags.get("restart") != "Never":
            raise Refused("the stand-in knows pods without restart only")
        if self.namespace not in self.state["namespaces"]:
            raise Refused(f'Error from server (NotFound): namespaces "{self.namespace}" not found')
        if f"{self.namespace}/{name}" in self.state["pods"]:
            raise Refused(f'Error from server (AlreadyExists): pods "{name}" already exists')
        self.state["pods"][f"{self.namespace}/{name}"] = self.state.get("waiting", "")
        self.cluster.write(self.state)
        if self.state.get("waiting"):
            raise Refused("error: timed out waiting for the condition")
        time.sleep(self.state.get("takes", 0))
        assert self.flags.get("attach") == "true", "nobody would see the output"
        code = nslookup(self.command, self.state["names"])
        if code:
            print(f"pod {self.namespace}/{name} terminated (Error)", file=sys.stderr)
        return code

    def get_pod(self, name: str) -> int:
        waiting = self.state["pods"].get(f"{self.namespace}/{name}")
        if waiting is None and self.flags.get("ignore-not-found") != "true":
            raise Refused(f'Error from server (NotFound): pods "{name}" not found')
        assert self.flags["output"] == "jsonpath={.status.containerStatuses[*].state.waiting.reason}"
        print(waiting or "", end="")
        return 0

    def delete_pod(self, name: str) -> int:
        if self.state.get("keeps"):
            raise Refused(f'Error from server (Forbidden): pods "{name}" is forbidden: User "u" cannot delete resource')
        if self.state["pods"].pop(f"{self.namespace}/{name}", None) is not None:
            self.cluster.write(self.state)
            print(f'pod "{name}" deleted')
        elif self.flags.get("ignore-not-found") != "true":
            raise Refused(f'Error from server (NotFound): pods "{name}" not found')
        return 0


def nslookup(command: list[str], names: dict[str, list[str]]) -> int:
    """BusyBox's nslookup in the pod; a name with None is one that no server answers for."""
    program, name = command
    assert program == "nslookup"
    if names.get(name, []) is None:
        print(";; connection timed out; no servers could be reached\n")
        return 1
    print("Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n")
    if name not in names:
        print(f"** server can't find {name}: NXDOMAIN\n")
        return 1
    if len(names[name]) > 2:  # as in old images, with one name for all
        print(f"Name:      {name}")
        for number, address in enumerate(names[name], 1):
            print(f"Address {number}: {address} {name}")
        return 0
    for address in names[name]:
        print(f"Name:\t{name}\nAddress: {address}\n")
    return 0


def main(directory: Path) -> None:
    """Do what the command line says, and end."""
    try:
        sys.exit(Kubectl(Cluster(directory), sys.argv[1:]).run())
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.exit(1)
