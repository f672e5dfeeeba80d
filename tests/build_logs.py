"""Logs of real builds, as BuildKit writes them with `--progress=plain`.

EMPTY and FULL are dockerd 20.10's, of the same build before and after its inline cache was pushed; the lines with
the digests of the vertices are left out. Those of `buildx` have the lines of BuildKit 0.12 and later.
"""

from __future__ import annotations

CACHE = "registry.home.lan:5050/app:buildcache"

_BEGIN = """\
#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 138B done
#1 DONE 0.0s

#2 [internal] load .dockerignore
#2 transferring context: 2B done
#2 DONE 0.0s

#3 [internal] load metadata for docker.io/library/nginx:alpine
#3 DONE 0.0s
"""

_END = """\
#10 exporting to image
#10 exporting layers done
#10 writing image sha256:cf1ef86b18811c0ff9a775c0a389a95dc585b7bb4147a404df0210cafc7e46d2 done
#10 naming to registry.home.lan:5050/app:buildcache done
#10 DONE 0.0s

#11 exporting cache
#11 preparing build cache for export done
#11 DONE 0.0s
"""

EMPTY = f"""\
{_BEGIN}
#9 importing cache manifest from {CACHE}
#9 ERROR: {CACHE}: not found

#4 [1/4] FROM docker.io/library/nginx:alpine
#4 DONE 0.0s

#5 [internal] load build context
#5 transferring context: 29B done
#5 DONE 0.0s

#6 [2/4] COPY a /a
#6 DONE 0.0s

#7 [3/4] RUN sleep 1; echo hello from the build; echo two > /b
#7 1.272 hello from the build
#7 DONE 1.3s

#8 [4/4] RUN cat /a /b > /c
#8 DONE 0.3s

{_END}------
 > importing cache manifest from {CACHE}:
------
"""

FULL = f"""\
{_BEGIN}
#9 [1/4] FROM docker.io/library/nginx:alpine
#9 DONE 0.0s

#4 importing cache manifest from {CACHE}
#4 DONE 0.0s

#8 [internal] load build context
#8 transferring context: 29B done
#8 DONE 0.0s

#5 [2/4] COPY a /a
#5 CACHED

#6 [3/4] RUN sleep 1; echo hello from the build; echo two > /b
#6 CACHED

#7 [4/4] RUN cat /a /b > /c
#7 pulling sha256:469b7d45e19ce9ec41c8de84024e6f255217cf86cbdc1c3d705a1e476642ff8a 0.0s done
#7 CACHED

{_END}"""

BUILDX_FULL = f"""\
#0 building with "builder" instance using docker-container driver

#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 138B done
#1 DONE 0.0s

#2 [internal] load metadata for docker.io/library/golang:1.22
#2 DONE 0.9s

#3 importing cache manifest from {CACHE}
#3 inferred cache manifest type: application/vnd.oci.image.manifest.v1+json done
#3 DONE 0.1s

#4 [build 1/3] FROM docker.io/library/golang:1.22@sha256:aa
#4 resolve docker.io/library/golang:1.22@sha256:aa 0.0s done
#4 DONE 0.0s

#5 [build 2/3] COPY go.mod .
#5 sha256:469b7d45e19ce9ec41c8de84024e6f255217cf86cbdc1c3d705a1e476642ff8a 32B / 32B 0.1s done
#5 extracting sha256:469b7d45e19ce9ec41c8de84024e6f255217cf86cbdc1c3d705a1e476642ff8a 0.0s done
#5 DONE 0.2s

#6 [build 3/3] RUN go build
#6 0.412 go: downloading example.org/module v1.0.0
#6 ...

#7 [linux/amd64 stage-1 1/1] COPY --from=build /app /app
#7 CACHED

#6 [build 3/3] RUN go build
#6 1234. 100 % of it
#6 DONE 1240.5s

#8 exporting to image
#8 pushing layers 0.1s done
#8 DONE 1.1s

#9 exporting cache to registry
#9 preparing build cache for export 1.0s done
#9 writing layer sha256:469b7d45e19ce9ec41c8de84024e6f255217cf86cbdc1c3d705a1e476642ff8a 0.1s done
#9 writing cache image manifest sha256:aa 0.0s done
#9 DONE 1.3s
"""

EXPORT_FAILED = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s

#2 [1/1] COPY a /a
#2 DONE 0.1s

#3 exporting cache to registry
#3 ERROR: error writing layer blob: failed to do request: Put "http://registry.home.lan/v2/": connection refused
"""


def lines(text: str) -> list[bytes]:
    """A log as an agent sends it: one entry for each line, with its end."""
    return [line.encode() for line in text.splitlines(keepends=True)]
