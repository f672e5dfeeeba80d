"""The images of the stack, made from this host's own binaries: nothing is pulled."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.live.lab import PATH, run

NEEDS = ("docker-registry", "nginx", "busybox", "ldd")

APPLETS = ("sh", "cat", "grep", "ls", "sleep", "wget")
"""What shell health checks use."""

PASSWD = """root:x:0:0::/root:/bin/sh
www-data:x:33:33::/:/bin/sh
nginx:x:101:101::/:/bin/sh
nobody:x:65534:65534::/:/bin/sh
"""
GROUP = """root:x:0:
www-data:x:33:
nginx:x:101:
nobody:x:65534:
nogroup:x:65533:
"""


@dataclass(frozen=True)
class Image:
    """An image: its names, programs and files by their path inside, empty directories, changes of `docker import`."""

    names: tuple[str, ...]
    programs: dict[str, str]
    files: dict[str, str]
    directories: tuple[str, ...]
    changes: tuple[str, ...]

    def archive(self, directory: Path) -> Path:
        """Write the root file system as a tar file into `directory`."""
        target = directory / "image.tar"
        with tarfile.open(target, "w") as tar:
            for name in (*self.directories, "tmp"):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                tar.addfile(entry)
            for name, binary in {"bin/busybox": "busybox", **self.programs}.items():
                add_program(tar, name, binary)
            for applet in APPLETS:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
            for name, text in {"etc/passwd": PASSWD, "etc/group": GROUP, **self.files}.items():
                data = text.encode()
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o644
                tar.addfile(entry, io.BytesIO(data))
        return target


def add_program(tar: tarfile.TarFile, name: str, binary: str) -> None:
    """Add a program and the shared libraries it is linked with."""
    program = shutil.which(binary, path=PATH)
    assert program, f"{binary} is not installed"
    tar.add(Path(program).resolve(), name)
    present = set(tar.getnames())
    for library in re.findall(r"(?:=> )?(/\S+) \(0x", run(["ldd", program], check=False).stdout):
        if library.lstrip("/") not in present:
            tar.add(Path(library).resolve(), library.lstrip("/"))


REGISTRY = Image(
    names=("registry:2",),
    programs={"bin/registry": "docker-registry"},
    files={},
    directories=("var/lib/registry",),
    changes=(
        "ENV PATH=/bin",
        'ENTRYPOINT ["registry"]',
        'CMD ["serve", "/etc/docker/registry/config.yml"]',
    ),
)

NGINX = Image(
    # The web page of the stack has no part in these tests; any server of static files stands in for it.
    names=("nginx:alpine", "joxit/docker-registry-ui:latest"),
    programs={"bin/nginx": "nginx"},
    files={
        "etc/nginx/mime.types": "types { text/html html; }\n",
        "etc/nginx/nginx.conf": "events {}\nhttp { server { listen 80; return 200 ok; } }\n",
    },
    directories=("run", "var/log/nginx", "var/cache/nginx", "var/lib/nginx"),
    changes=("ENV PATH=/bin", 'CMD ["nginx", "-g", "daemon off;"]'),
)
