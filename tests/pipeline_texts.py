"""Random Woodpecker pipelines in the styles that people write them in."""

from __future__ import annotations

from hypothesis import strategies as st

IMAGES = (
    "woodpeckerci/plugin-docker-buildx",
    "woodpeckerci/plugin-docker-buildx:5.2.2-insecure",
    "docker.io/woodpeckerci/plugin-docker-buildx:5.1",
    "woodpeckerci/plugin-docker-buildx:3.2.1",
    "woodpeckerci/plugin-docker-buildx:latest",
)
_HEAD = ("when:", "  event: push", "")
_ANCHORS = (
    "variables:",
    "  - &plugin woodpeckerci/plugin-docker-buildx:5.2.2-insecure",
    "  - &name 'alice/shared'",
    "  - &login",
    "    username: bob",
    "    password: {from_secret: hub}",
    "",
)


@st.composite
def pipelines(draw: st.DrawFn) -> str:
    """A pipeline that YAML readers accept, with one to three steps, some of which build."""
    anchors = draw(st.booleans())
    lines = [*(["---"] if draw(st.booleans()) else []), *(_ANCHORS if anchors else ())]
    lines += draw(st.sampled_from([(), _HEAD, ("when:", "  event: [push, pull_request]", "")]))
    if draw(st.booleans()):
        lines += ["matrix:", "  P:", "    - linux/amd64", "    - linux/arm64", ""]
    as_map = draw(st.booleans())
    lines.append(draw(st.sampled_from(["steps:", "pipeline:", "steps:  # all of them"])))
    width = draw(st.sampled_from([2, 4]))
    outer = " " * (width if as_map else draw(st.sampled_from([0, 2])))
    for number in range(draw(st.integers(1, 3))):
        name = f"s{number}"
        lines.append(f"{outer}{name}:" if as_map else f"{outer}- name: {name}")
        lines += _step(draw, outer + " " * (width if as_map else 2), width, name, anchors)
        lines += draw(st.sampled_from([(), ("",), (f"{outer}# between",)]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(lines) + (end if draw(st.booleans()) else "")


def _step(draw: st.DrawFn, indent: str, width: int, name: str, anchors: bool) -> list[str]:
    if draw(st.integers(0, 5)) == 0:
        return [f"{indent}image: alpine", f"{indent}commands:", f"{indent}  - echo woodpeckerci/plugin-docker-buildx"]
    image = "*plugin" if anchors and draw(st.booleans()) else _quoted(draw, draw(st.sampled_from(IMAGES)))
    lines = [f"{indent}image: {image}{draw(st.sampled_from(['', '  # builds', ' ']))}"]
    if draw(st.integers(0, 6)) == 0:
        lines.append(f"{indent}settings: {{ repo: alice/{name}, tags: [a, b] }}")
    else:
        inner = indent + " " * width
        lines.append(f"{indent}settings:")
        for key in draw(st.permutations(_settings(draw, name, anchors))):
            first, *rest = key.split("\n")
            dash = inner + " " * draw(st.sampled_from([0, 2]))
            lines += [inner + first, *(dash + line if line.startswith("-") else inner + "  " + line for line in rest)]
    if draw(st.booleans()):
        lines += [
            f"{indent}when:",
            f"{indent}  {draw(st.sampled_from(['event: push', 'branch: main', '- event: tag']))}",
        ]
    return lines


def _settings(draw: st.DrawFn, name: str, anchors: bool) -> list[str]:
    repos = [
        f"repo: {_quoted(draw, f'alice/{name}')}{draw(st.sampled_from(['', '  # hub', ' ']))}",
        f"repo: {_quoted(draw, f'alice/{name},quay.io/alice/{name}')}",
        f"repo: [alice/{name}]",
        f"repo:\n- alice/{name}\n- quay.io/alice/{name}  # mirror",
        "repo: ${CI_REPO,,}",
        "repo: lib/${P##*/}",
        *(["repo: *name"] if anchors else []),
    ]
    keys = [draw(st.sampled_from(repos))]
    if anchors and draw(st.booleans()):
        keys.append("<<: *login")
    elif draw(st.booleans()):
        secret = draw(st.sampled_from(["password: {from_secret: pw}", "password:\nfrom_secret: pw"]))
        keys += [f"username: {_quoted(draw, 'alice')}", secret]
    optional = (
        "registry: ghcr.io",
        "tags: latest",
        "tags:\n- latest\n- edge",
        "platforms: ${P}",
        "build_args: |\nA=1\nB=2",
        "dry_run: true",
        "cache_from: quay.io/x:cache",
    )
    return keys + draw(st.lists(st.sampled_from(optional), max_size=3, unique_by=lambda key: key.split(":")[0]))


def _quoted(draw: st.DrawFn, value: str) -> str:
    return draw(st.sampled_from([value, f"'{value}'", f'"{value}"']))
