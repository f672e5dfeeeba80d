"""A name as a pod of the Kubernetes cluster sees it: `kubectl run … nslookup`, and the pod is always removed."""

from __future__ import annotations

import re
import secrets
import subprocess
from ipaddress import ip_address

from codemods.errors import CodemodError
from codemods.termination import terminated_as_interrupted

IMAGE = "alpine"
START = 60
"""Seconds for the pod to start; an image may have to be pulled."""

TIMEOUT = START + 30
"""Seconds for a call of kubectl."""

_SOON = "--request-timeout=10s"
_WAITING = "jsonpath={.status.containerStatuses[*].state.waiting.reason}"
_ADDRESS = re.compile(r"Address(?: \d+)?:\s*([0-9A-Fa-f.:]+)")


def ask_from_pod(name: str, *, context: str = "", namespace: str = "") -> list[str]:
    """The addresses that `nslookup` finds in a pod of its own; empty when the cluster's DNS does not know the name.

    `context` and `namespace` are kubectl's, empty for its current ones. Raises CodemodError for a pod that does not
    start, and for one that could not be removed.
    """
    cluster = _Cluster(
        [f"--{flag}={value}" for flag, value in (("context", context), ("namespace", namespace)) if value]
    )
    pod = f"codemod-dns-{secrets.token_hex(4)}"
    with terminated_as_interrupted():
        try:
            done = cluster.run_pod(pod, "nslookup", name)
            waiting = cluster.waiting(pod) if done.returncode else ""
        except BaseException as error:
            if left := cluster.remove_pod(pod):
                raise CodemodError(f"{str(error) or 'interrupted'}; {left}") from None
            raise
        left = cluster.remove_pod(pod)
    found = _addresses(done.stdout)
    if not found and not _answered(done.stdout):
        raise CodemodError(f"the pod could not ask: {waiting or _last_line(done.stdout or done.stderr)}")
    if left:
        raise CodemodError(left)
    return found


class _Cluster:
    """The cluster that kubectl talks to."""

    def __init__(self, flags: list[str]) -> None:
        self._kubectl = ["kubectl", *flags]

    def run_pod(self, pod: str, *command: str) -> subprocess.CompletedProcess[str]:
        # Attached without input, it prints what the command prints, and waits for its end.
        wait = f"--pod-running-timeout={START}s"
        return self._run("run", pod, f"--image={IMAGE}", "--restart=Never", "--attach", "--quiet", wait, "--", *command)

    def waiting(self, pod: str) -> str:
        """What keeps a pod from running, as in `ImagePullBackOff`; empty when the cluster does not say."""
        reasons = f"--output={_WAITING}"
        done = self._run("get", "pod", pod, "--ignore-not-found", reasons, _SOON)
        return f"{done.stdout.strip()} (image {IMAGE})" if done.stdout.strip() else ""

    def remove_pod(self, pod: str) -> str:
        """Remove it, if it is there. Returns what there is to do by hand; empty when nothing is left."""
        try:
            done = self._run("delete", "pod", pod, "--ignore-not-found", "--wait=false", _SOON)
            trouble = _last_line(done.stderr) if done.returncode else ""
        except CodemodError as error:
            trouble = str(error)
        by_hand = " ".join([*self._kubectl, "delete", "pod", pod])
        return f"the pod may still be there ({trouble}), remove it: {by_hand}" if trouble else ""

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self._kubectl, *arguments]
        try:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except FileNotFoundError:
            raise CodemodError("kubectl is not installed: install it, or leave out --in-cluster") from None
        except subprocess.TimeoutExpired:
            raise CodemodError(f"`kubectl {arguments[0]}` does not end in {TIMEOUT} s: is the cluster up?") from None


def _addresses(output: str) -> list[str]:
    """The addresses below a name; those above are the DNS server's own."""
    _, _, below = output.partition("Name:")
    found = [address for line in below.splitlines() if (address := _address(line))]
    return list(dict.fromkeys(found))


def _address(line: str) -> str:
    match = _ADDRESS.match(line)
    try:
        return str(ip_address(match[1])) if match else ""
    except ValueError:
        return ""


def _answered(output: str) -> bool:
    """Whether nslookup was told that there is no such name, or no address of it."""
    return "can't find" in output.lower() or "can't resolve" in output


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["kubectl says nothing"])[-1].removeprefix("error: ")
