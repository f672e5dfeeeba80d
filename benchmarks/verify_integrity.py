"""`codemod verify --integrity` beside the least that any such walk must do: one HEAD for every manifest and blob.

    .venv/bin/python benchmarks/verify_integrity.py [--manifests 2000] [--blobs 10000] [--rounds 3]

A healthy registry is written straight into a storage directory and served by the real docker-registry. Both sides
keep eight connections. The bare loop runs twice, with httpx, which the walk uses, and with http.client, which costs
less; its start-up is not counted, that of the command is. The walk's answer is checked before its time counts: all is
whole and counted, and one blob that is taken away is found. Exits 1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

PROJECT = Path(__file__).parents[1]
CONNECTIONS = 8
REPOSITORIES = 40
LIMIT_TIMES, LIMIT_MEMORY = 3.0, 200
OCI = "application/vnd.oci.image"
CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {storage}}}}}
http: {{addr: 127.0.0.1:{port}}}
"""


class Writer:
    """Writes images into a storage directory as docker-registry keeps them; `paths` are their URLs' paths."""

    def __init__(self, storage: Path) -> None:
        self.root = storage / "docker/registry/v2"
        self.paths: list[str] = []

    def blob(self, data: bytes) -> str:
        """Store content; returns its digest in hexadecimal."""
        encoded = hashlib.sha256(data).hexdigest()
        self.put(self.data(encoded), data)
        return encoded

    def data(self, encoded: str) -> Path:
        """Where content lies."""
        return self.root / "blobs/sha256" / encoded[:2] / encoded / "data"

    def image(self, number: int, blobs: int) -> None:
        """Store an image of a configuration and layers, all of them its own, with a tag."""
        name = f"team{number % 4}/app{number % REPOSITORIES}"
        repository = self.root / "repositories" / name
        entries = []
        for part in range(blobs):
            data = f"image {number}, blob {part}".encode()
            encoded = self.blob(data)
            self.link(repository / "_layers/sha256" / encoded, encoded)
            entries.append({"mediaType": f"{OCI}.layer.v1.tar", "digest": f"sha256:{encoded}", "size": len(data)})
            self.paths.append(f"/v2/{name}/blobs/sha256:{encoded}")
        content = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "layers": entries[1:]}
        encoded = self.blob(json.dumps({**content, "config": entries[0]}).encode())
        self.link(repository / "_manifests/revisions/sha256" / encoded, encoded)
        self.link(repository / f"_manifests/tags/v{number}/current", encoded)
        self.paths.append(f"/v2/{name}/manifests/sha256:{encoded}")

    def link(self, directory: Path, encoded: str) -> None:
        """Store a link to content."""
        self.put(directory / "link", f"sha256:{encoded}".encode())

    def put(self, path: Path, data: bytes) -> None:
        """Write a file, with its directories."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@contextmanager
def serving(storage: Path, port: int) -> Iterator[None]:
    """docker-registry on a loopback port."""
    config = storage.parent / "config.yml"
    config.write_text(CONFIG.format(storage=storage, port=port))
    # It says on stderr what is asked for and not there, as `check` makes it do.
    quiet = subprocess.DEVNULL
    registry = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=quiet, stderr=quiet)
    try:
        while not listens(port):
            time.sleep(0.05)
        yield
    finally:
        registry.terminate()
        registry.wait()


def listens(port: int) -> bool:
    """Whether something takes connections on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def in_threads(work: Callable[[list[str]], None], paths: list[str]) -> float:
    """Seconds that it takes to do the work on all paths, shared among as many threads as there are connections."""
    threads = [Thread(target=work, args=(paths[number::CONNECTIONS],)) for number in range(CONNECTIONS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


def bare_http_client(port: int, paths: list[str]) -> float:
    """The bare loop with http.client, a connection for each thread."""

    def work(share: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for path in share:
            connection.request("HEAD", path, headers={"Accept": f"{OCI}.manifest.v1+json"})
            with connection.getresponse() as answer:
                assert answer.status == 200, path
        connection.close()

    return in_threads(work, paths)


def bare_httpx(port: int, paths: list[str]) -> float:
    """The bare loop with httpx, one pool for all threads."""
    import httpx

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    with httpx.Client(limits=limits, trust_env=False, headers={"Accept": f"{OCI}.manifest.v1+json"}) as client:

        def work(share: list[str]) -> None:
            for path in share:
                assert client.head(f"http://127.0.0.1:{port}{path}").status_code == 200, path

        return in_threads(work, paths)


def walk(root: Path) -> tuple[float, int, list[dict[str, str]]]:
    """Seconds and MB that the command takes, as a process of its own, and its checks."""
    command = [sys.executable, "-m", "codemods", "-C", str(root), "verify", "--integrity", "--format", "json"]
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, env={**os.environ, "PYTHONPATH": str(PROJECT)})
        _, _, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = 0
        out.seek(0)
        return seconds, usage.ru_maxrss // 1024, json.load(out)["checks"]


def check(root: Path, writer: Writer, manifests: int, blobs: int) -> None:
    """The walk must tell what is there, and what is not, or its time is worth nothing."""
    [whole] = walk(root)[2]
    expected = f"{REPOSITORIES} repositories, {manifests} tags, {manifests} manifests, {blobs} blobs of "
    assert whole["state"] == "pass" and expected in whole["message"], whole
    victim = writer.data(writer.paths[0].rpartition(":")[2])
    content = victim.read_bytes()
    victim.unlink()
    failed = [check for check in walk(root)[2] if check["state"] == "fail"]
    writer.put(victim, content)
    assert [check["target"] for check in failed] == ["team0/app0:v0"], failed


def main() -> int:
    """Measure, print a table, and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manifests", type=int, default=2000)
    parser.add_argument("--blobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root, storage = Path(directory) / "infra", Path(directory) / "storage"
        writer = Writer(storage)
        for number in range(options.manifests):
            more = number < options.blobs % options.manifests
            writer.image(number, options.blobs // options.manifests + more)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        root.mkdir()
        (root / "codemod.toml").write_text(f'[registry]\nhostname = "127.0.0.1"\nport = {port}\n')
        with serving(storage, port):
            check(root, writer, options.manifests, options.blobs)
            return measure(root, port, writer.paths, options.rounds)


def measure(root: Path, port: int, paths: list[str], rounds: int) -> int:
    """The best of several rounds, in which all take turns."""
    plain, pooled, walks, memory = [], [], [], 0
    for _ in range(rounds):
        plain.append(bare_http_client(port, paths))
        pooled.append(bare_httpx(port, paths))
        seconds, used, _checks = walk(root)
        walks.append(seconds)
        memory = max(memory, used)
    best, times = min(walks), min(walks) / min(*plain, *pooled)
    print(f"{len(paths)} URLs, {CONNECTIONS} connections, best of {rounds}\n")
    print(f"{'bare HEAD loop, http.client':<32}{min(plain):>8.2f} s")
    print(f"{'bare HEAD loop, httpx':<32}{min(pooled):>8.2f} s")
    print(f"{'codemod verify --integrity':<32}{best:>8.2f} s{times:>8.2f} x the faster loop (limit {LIMIT_TIMES:g})")
    print(f"{'its memory':<32}{memory:>8} MB       (limit {LIMIT_MEMORY})")
    return int(times > LIMIT_TIMES or memory > LIMIT_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
