"""`verify --dns`: the configured server and the cluster, asked for the registry's name."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import dns.rcode
import pytest

from codemods.dns.resolve import lookup, resolve
from codemods.errors import CodemodError
from tests.command import PROGRAM, Run, codemod, example, write
from tests.dns_responder import Responder
from tests.kubectl import Cluster
from tests.live.lab import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME, ADDRESS = "registry.home.lan", "10.0.20.10"
Records = dict[str, list[tuple[str, int, str]]]


@pytest.fixture
def records() -> Records:
    """What the DNS server has, by name."""
    return {NAME: [("A", 300, ADDRESS)]}


@pytest.fixture
def server(records: Records) -> Iterator[Responder]:
    """A DNS server with these records."""
    with Responder(lambda name, record_type: records.get(name)) as responder:
        yield responder


@pytest.fixture
def root(tmp_path: Path, server: Responder) -> Path:
    """A repository whose settings name the server."""
    return repository(tmp_path, server.address)


def repository(parent: Path, server: str) -> Path:
    """A repository with nothing but its settings."""
    root = parent / "infra"
    settings = f'[registry]\nhostname = "{NAME}"\naddress = "{ADDRESS}"\n[dns]\nserver = "{server}"\n'
    write(root, {"codemod.toml": f'{settings}provider = "rfc2136"\n'})
    return root


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster in which the name is known, whose kubectl comes first on PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    cluster = Cluster(directory)
    cluster.install(names={NAME: [ADDRESS]}, contexts=["home", "away"], namespaces=["default", "ci"])
    return cluster


def change(cluster: Cluster, **state: object) -> None:
    """Let something else be true in the cluster."""
    cluster.write({**cluster.read(), **state})


def verify(root: Path, *arguments: str) -> Run:
    return codemod(root, "verify", "--dns", *arguments)


# The server


def test_both_protocols_are_asked(root: Path, server: Responder) -> None:
    """The server is asked over UDP and over TCP, and answers with the address."""
    run = verify(root)
    assert run.code == 0, run
    assert run.out.count("pass") == 2
    assert server.questions == [("UDP", f"{NAME} A"), ("TCP", f"{NAME} A")]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([], "knows no address of this name"),
        (None, "knows no address of this name"),
        ([("A", 300, "10.0.20.11")], "answers 10.0.20.11; expected is 10.0.20.10 alone"),
        ([("A", 300, ADDRESS), ("A", 300, "10.0.20.11")], "answers 10.0.20.10, 10.0.20.11; expected is 10.0.20.10"),
    ],
)
def test_another_answer_fails(
    root: Path, records: Records, answer: list[tuple[str, int, str]] | None, message: str
) -> None:
    """No answer, another address, and one more than the registry's are failures."""
    records.clear()
    if answer is not None:
        records[NAME] = answer
    run = verify(root)
    assert run.code == 1, run
    assert run.out.count(message) == 2


def test_an_ipv6_address_is_asked_for_as_such(root: Path, records: Records, server: Responder) -> None:
    """The type of the record follows from the registry's address."""
    records[NAME] = [("AAAA", 300, "fd00::10")]
    run = verify(root, "--set", "registry.address=fd00:0:0::10")
    assert run.code == 0, run
    assert ("UDP", f"{NAME} AAAA") in server.questions


def test_a_refusing_server_is_an_error(root: Path, server: Responder) -> None:
    """A server that does not answer the question cannot be judged."""
    server.rcode = dns.rcode.REFUSED
    run = verify(root)
    assert run.code == 3
    assert f"{server.address}: the DNS server answers REFUSED for {NAME}" in run.out


def test_a_server_without_tcp_is_an_error(tmp_path: Path) -> None:
    """One that answers over UDP alone fails where answers are long; what UDP says is reported all the same."""
    with Responder(lambda name, record_type: [("A", 1, ADDRESS)], tcp=False) as server:
        run = verify(repository(tmp_path, server.address))
    assert run.code == 3
    assert f"{NAME} over UDP" in run.out and "pass" in run.out
    assert f"{server.address}: no answer over TCP: Connection refused" in run.out


def test_nothing_that_answers_over_udp() -> None:
    """After two tries without an answer the error says for how long it waited."""
    with (
        Responder(lambda name, record_type: [], udp=False) as server,
        pytest.raises(CodemodError, match=rf"^{server.address}: no answer over UDP in 0.2 s: is a DNS server there\?$"),
    ):
        resolve(NAME, server.address, timeout=0.2)


def test_an_unknown_server_is_named() -> None:
    """A server given by a name that cannot be resolved, here because no name is that long, be it in a URL."""
    host = "x" * 64
    with pytest.raises(CodemodError, match=f"^{host}: this machine does not know the DNS server's name: use its addr"):
        resolve(NAME, f"http://{host}:5380/dns")


def test_a_cname_is_followed(records: Records, server: Responder) -> None:
    """Only addresses are returned, and not the name that leads to them."""
    records[NAME] = [("CNAME", 60, "vm.home.lan."), ("A", 60, ADDRESS)]
    assert resolve(NAME, server.address) == [ADDRESS]
    assert lookup(NAME, server.address, "AAAA", tcp=True) == []


def test_a_wrong_name_is_an_error(server: Responder) -> None:
    """A label that is too long never reaches the server."""
    with pytest.raises(CodemodError, match="no answer over UDP: A DNS label is > 63 octets long"):
        resolve("x" * 64, server.address)
    assert server.questions == []


def test_missing_settings(tmp_path: Path) -> None:
    """`--dns` without a server is exit 2; a `verify` of everything leaves the check out."""
    write(tmp_path, {"codemod.toml": f'[registry]\nhostname = "{NAME}"\naddress = "{ADDRESS}"\n'})
    run = verify(tmp_path)
    assert run.code == 2
    assert "dns.server is not set" in run.err


def test_the_address_that_terraform_gives(tmp_path: Path, records: Records, server: Responder) -> None:
    """Without registry.address the VM's own one is expected."""
    records["registry.viktorbarzin.lan"] = [("A", 300, ADDRESS)]
    root = example(tmp_path)
    settings = ["--set", "registry.address=", "--set", f"dns.server={server.address}"]
    run = verify(root, *settings)
    assert run.code == 0, run
    assert f"{server.address} answers {ADDRESS}" in run.out


def test_without_an_address(root: Path) -> None:
    """An address that neither settings nor Terraform tell is exit 2."""
    run = verify(root, "--set", "registry.address=")
    assert run.code == 2
    assert "registry.address is not set, and no Terraform file tells it" in run.err


# The cluster


def test_a_pod_asks_and_is_removed(root: Path, cluster: Cluster) -> None:
    """The pod has a name of its own, and none is left."""
    for _ in range(2):
        run = verify(root, "--in-cluster")
        assert run.code == 0, run
        assert f"{NAME} from a pod" in run.out
        assert "the cluster's DNS answers 10.0.20.10" in run.out
    state = cluster.read()
    started = [call for call in state["log"] if "run" in call]
    assert started[0][1] != started[1][1]
    assert started[0][2:4] == ["--image=alpine", "--restart=Never"]
    assert started[0][-3:] == ["--", "nslookup", NAME]
    assert state["pods"] == {}


def test_context_and_namespace(root: Path, cluster: Cluster) -> None:
    """Every call goes to the context and the namespace that were asked for."""
    run = verify(root, "--in-cluster", "--context", "away", "--namespace", "ci")
    assert run.code == 0, run
    assert all(call[:2] == ["--context=away", "--namespace=ci"] for call in cluster.read()["log"])


@pytest.mark.parametrize(
    ("names", "code", "message"),
    [
        ({}, 1, "the cluster's DNS knows no address of this name; expected is 10.0.20.10"),
        ({NAME: ["10.0.0.9"]}, 1, "the cluster's DNS answers 10.0.0.9; expected is 10.0.20.10"),
        ({NAME: [ADDRESS, "fd00::10"]}, 0, "the cluster's DNS answers 10.0.20.10"),
        ({NAME: [ADDRESS, ADDRESS, "10.0.0.9"]}, 1, "the cluster's DNS answers 10.0.20.10, 10.0.0.9; expected is"),
        ({NAME: None}, 3, "could not ask: ;; connection timed out; no servers could be reached"),
    ],
)
def test_what_the_cluster_answers(
    root: Path, cluster: Cluster, names: dict[str, object], code: int, message: str
) -> None:
    """No name, another address and no DNS at all are told apart; addresses of the other family do not count."""
    change(cluster, names=names)
    run = verify(root, "--in-cluster")
    assert run.code == code, run
    assert message in " ".join(run.out.split())
    assert cluster.read()["pods"] == {}


@pytest.mark.parametrize(
    ("state", "arguments", "message"),
    [
        ({}, ["--context", "nope"], 'the pod could not ask: context "nope" does not exist'),
        ({}, ["--namespace", "nope"], 'could not ask: Error from server (NotFound): namespaces "nope" not found'),
        ({"waiting": "ImagePullBackOff"}, [], "the pod could not ask: ImagePullBackOff (image alpine)"),
        ({"down": True}, [], "could not ask: The connection to the server 127.0.0.1:6443 was refused"),
        ({"keeps": True}, [], "cannot delete resource), remove it: kubectl delete pod codemod-dns-"),
    ],
)
def test_a_cluster_in_trouble(
    root: Path, cluster: Cluster, state: dict[str, object], arguments: list[str], message: str
) -> None:
    """The check cannot be made, and the reason is the one that helps; the other checks are reported."""
    change(cluster, **state)
    run = verify(root, "--in-cluster", *arguments)
    assert run.code == 3, run
    assert message in " ".join(run.out.split())
    assert run.out.count("pass") == 2
    assert bool(cluster.read()["pods"]) is ("keeps" in state)


def test_without_kubectl(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing kubectl is one line."""
    monkeypatch.setenv("PATH", str(root))
    run = verify(root, "--in-cluster")
    assert run.code == 3
    assert "kubectl is not installed: install it, or leave out --in-cluster" in " ".join(run.out.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_pod(root: Path, cluster: Cluster, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM while the pod works: it is removed before the command ends with 130."""
    change(cluster, takes=90)
    with subprocess.Popen(
        [*PROGRAM, "verify", "--dns", "--in-cluster"], cwd=root, stderr=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: cluster.read()["pods"], "a pod", 60)
        process.send_signal(number)
        assert process.wait(60) == 130
    assert cluster.read()["pods"] == {}


def test_an_interrupted_run_that_cannot_remove_its_pod(root: Path, cluster: Cluster) -> None:
    """What is left behind is named, with the command that removes it."""
    change(cluster, takes=90, keeps=True)
    command = [*PROGRAM, "verify", "--dns", "--in-cluster"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: cluster.read()["pods"], "a pod", 60)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert "interrupted; the pod may still be there" in " ".join(out.split())
    assert process.returncode == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--in-cluster"], "--in-cluster goes with --dns"),
        (["--dns", "--context", "x"], "--context and --namespace go with --in-cluster"),
    ],
)
def test_options_that_go_together(root: Path, arguments: list[str], message: str) -> None:
    """An option without the one that it belongs to is exit 2."""
    run = codemod(root, "verify", *arguments)
    assert run.code == 2
    assert message in run.err
