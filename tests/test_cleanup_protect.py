"""The cleanup script ages tags by their last push and never removes the cache tag."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods.caching.cleanup_protect import check
from codemods.engine.context import Context
from codemods.engine.model import Finding, Refusal
from codemods.engine.run import ChangeSet, Selection, plan_changes
from codemods.repository import Document
from codemods.settings import RegistrySettings, Settings
from codemods.stack import Stack
from tests.cleanup_texts import SHAPES, Style, styles
from tests.soak import EXAMPLES

SCRIPT = "cleanup-tags.sh"


def plan(text: str, profile: str = "verified", cache_tag: str = "buildcache") -> ChangeSet:
    """The rule on one script, through the engine: edits are applied, proved and found to be at rest."""
    chosen = Settings(profile=profile, registry=RegistrySettings(cache_tag=cache_tag))
    document = Document(SCRIPT, text)
    return plan_changes([check], Context(chosen, Stack(cleanup=SCRIPT), lambda path: document), Selection())


@cache
def protected(text: str) -> str:
    """The script with the edits; an error when there are none."""
    [change] = plan(text).changes
    return change.new_text


def outcomes(result: ChangeSet) -> list[object]:
    """Everything that a run has to say."""
    return [located.outcome for located in [*result.findings, *result.refusals, *result.notes]]


def refusals(text: str) -> list[str]:
    """Reasons and advice; an error when something changes or is found beside them."""
    result = plan(text)
    assert not result.changes
    return [f"{found.reason}; {found.advice}" for found in outcomes(result) if isinstance(found, Refusal)]


# What the edit is


def test_the_edit() -> None:
    """Two small functions behind the imports, one changed call, one guard; nothing else."""
    old, new = SHAPES["walk"].splitlines(), protected(SHAPES["walk"]).splitlines()
    added = [line for line in new if line not in old]
    assert [line for line in old if line not in new] == ["            tags.append((os.path.getmtime(tag_dir), tag))"]
    assert added == [
        "def last_pushed(tag_dir):",
        '    """When the tag was last pushed; a push of the same tag leaves the time of its directory alone."""',
        "    try:",
        '        return os.path.getmtime(os.path.join(tag_dir, "current", "link"))',
        "    except OSError:  # no link yet: the first push is under way",
        "        return os.path.getmtime(tag_dir)",
        "def is_cache_tag(tag):",
        '    """Whether the tag, given by name or directory, is build cache, which is never removed."""',
        "    tag = os.path.basename(os.path.normpath(tag))",
        '    return tag == "buildcache" or tag.startswith("buildcache-")',
        "            tags.append((last_pushed(tag_dir), tag))",
        "            if is_cache_tag(tag):",
        "                continue",
    ]


@pytest.mark.parametrize(
    ("shape", "age", "guard"),
    [
        ("walk", "append((last_pushed(tag_dir), tag))", "if is_cache_tag(tag):"),
        ("sorted", "last_pushed(os.path.join(tags_dir, tag))", "if is_cache_tag(tag):"),
        ("pathlib", "key=lambda p: last_pushed(p)", "if is_cache_tag(old):"),
        ("scandir", "lambda entry: last_pushed(entry)", "if is_cache_tag(entry.path):"),
        ("pairs", '"age": last_pushed(os.path.join(tags_dir, name))}', 'if is_cache_tag(item["name"]):'),
        ("glob", "key=last_pushed,", "if is_cache_tag(tags[i]):"),
        ("ages", "ages[tag] = last_pushed(join(tags_dir, tag))", "if is_cache_tag(tag):"),
    ],
)
def test_every_shape_is_recognised(shape: str, age: str, guard: str) -> None:
    """The age is read through the helper, and the guard names the tag as the loop does."""
    new = protected(SHAPES[shape])
    assert new.count(age) == new.count(guard) == 1


def test_the_finding_says_both_and_has_no_impact() -> None:
    """One finding, at the place where the age is read."""
    result = plan(SHAPES["walk"])
    [located] = result.findings
    assert isinstance(located.outcome, Finding)
    assert SHAPES["walk"][located.outcome.start : located.outcome.end] == "os.path.getmtime(tag_dir)"
    assert located.outcome.message == (
        "tags are aged by their directories, whose time a new push does not touch; "
        "nothing keeps the tag buildcache from being removed"
    )
    assert str(located.impact) == "none"


def test_other_cache_tag() -> None:
    """The tag is the one of the settings."""
    [change] = plan(SHAPES["walk"], cache_tag="layers").changes
    assert 'return tag == "layers" or tag.startswith("layers-")' in change.new_text
    assert "buildcache" not in change.new_text


def test_only_what_is_missing() -> None:
    """A script that has one half already gets the other one only."""
    aged = SHAPES["walk"].replace("getmtime(tag_dir)", 'getmtime(os.path.join(tag_dir, "current", "link"))')
    kept = SHAPES["walk"].replace("names:\n", 'names:\n            if tag == "buildcache":\n                continue\n')
    assert "def is_cache_tag" in protected(aged)
    assert "def last_pushed" not in protected(aged)
    assert "def is_cache_tag" not in protected(kept)
    assert "def last_pushed" in protected(kept)


def test_names_that_are_taken() -> None:
    """The helpers take other names where the script uses theirs."""
    text = SHAPES["walk"].replace("tag_dir", "last_pushed").replace("removed", "is_cache_tag")
    assert "tags.append((last_pushed_2(last_pushed), tag))" in protected(text)
    assert "if is_cache_tag_2(tag):" in protected(text)


def test_an_age_limit() -> None:
    """A script that removes what is older than a limit is recognised, its limit as condition or as guard."""
    loop = "        for tag in names:\n            path = os.path.join(directory, tag)\n"
    text = SHAPES["walk"][: SHAPES["walk"].index("        tags = []")] + loop
    limit = f"{text}            if os.path.getmtime(path) < KEEP:\n                shutil.rmtree(path)\n"
    guard = f"{text}            if os.path.getmtime(path) > KEEP: continue\n            shutil.rmtree(path)\n"
    assert "            if last_pushed(path) < KEEP:\n                if is_cache_tag(tag):\n" in protected(limit)
    assert "            if last_pushed(path) > KEEP: continue\n" in protected(guard)
    assert "        for tag in names:\n            if is_cache_tag(tag):\n" in protected(guard)


def test_mentions_that_protect_nothing() -> None:
    """The cache tag in a comment, a docstring or a message keeps nothing from being removed."""
    for mention in (
        "# not buildcache",
        '"""Keeps buildcache."""',
        'print("never removes buildcache")',
        'x = "my-buildcaches"',
    ):
        assert "def is_cache_tag" in protected(SHAPES["walk"].replace("removed = 0\n", f"removed = 0\n{mention}\n"))


def test_reading_the_digest_is_not_reading_the_age() -> None:
    """A script that opens current/link for the digest still ages tags by their directories."""
    text = SHAPES["walk"].replace("names.clear()", 'open(os.path.join(tag_dir, "current", "link")).read()')
    assert "last_pushed(tag_dir)" in protected(text)


def test_a_repository_that_is_removed_too() -> None:
    """Removing something that is no tag, uploads or an empty repository, is no second candidate."""
    text = SHAPES["walk"].replace(
        "        tags.sort", '        shutil.rmtree(os.path.join(BASE, registry, "_uploads"))\n        tags.sort'
    )
    assert "        if is_cache_tag(tag):" in protected(text)


def test_parts_of_a_tag() -> None:
    """Removing what lies below a tag, or reading its age, is no second candidate either."""
    text = SHAPES["walk"].replace(
        "        tags.sort",
        '        shutil.rmtree(os.path.join(directory, "old", "index"))\n'
        '        print(os.path.getmtime(os.path.join(directory, "old", "index")))\n'
        "        tags.sort",
    )
    assert protected(text).count("is_cache_tag") == protected(text).count("last_pushed") == 2


def test_the_guard_stands_where_a_tag_is_chosen() -> None:
    """Behind the comparison that decides, so that what counts tags goes on counting; before a flag for dry runs."""
    assert (
        "            if number >= KEEP:\n                if is_cache_tag(entry.path):\n                    continue\n"
        "                if DRY_RUN:\n"
    ) in protected(SHAPES["scandir"])


def test_as_written_leaves_every_script_alone() -> None:
    """The plan's own profile changes nothing, in a script that is edited already neither."""
    for text in SHAPES.values():
        for script in (text, protected(text), "#!/bin/sh\n"):
            result = plan(script, profile="as-written")
            assert outcomes(result) == []


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(st.sampled_from(sorted(SHAPES)), styles(renames=False))
def test_edits_follow_the_style(shape: str, style: Style) -> None:
    """Editing a script in another style gives the edited script in that style."""
    assert protected(style.apply(SHAPES[shape])) == style.apply(protected(SHAPES[shape]))


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_edited_scripts_are_at_rest(shape: str) -> None:
    """A second run finds nothing."""
    assert outcomes(plan(protected(SHAPES[shape]))) == []


# Scripts that are right already

OWN_WAY = {
    "conditional": """
def age(path):
    link = os.path.join(path, "current", "link")
    return os.path.getmtime(link) if os.path.exists(link) else os.path.getmtime(path)

for tags_dir in sys.argv[1:]:
    for tag in sorted(os.listdir(tags_dir), key=lambda t: age(os.path.join("tags", t)))[10:]:
        if tag in {"latest", "buildcache"}:
            continue
        shutil.rmtree(os.path.join("_manifests/tags", tag))
""",
    "newer of both": """
for tags_dir in sys.argv[1:]:
    ages = []
    for tag in os.listdir("_manifests/tags"):
        path = os.path.join("_manifests/tags", tag)
        ages.append((max(os.path.getmtime(path), os.path.getmtime(path + "/current/link")), path))
    for _, path in sorted(ages)[:-10]:
        if not path.endswith("/buildcache"):
            shutil.rmtree(path)
""",
    "pathlib": """
from pathlib import Path
tags = Path("_manifests/tags")
for tag in sorted(tags.iterdir(), key=lambda p: (p / "current" / "link").stat().st_mtime)[:-10]:
    if tag.name.startswith("buildcache"):
        continue
    shutil.rmtree(tag)
""",
    "regular expression": """
import re
KEEP = re.compile(r"^(latest|buildcache)(-.*)?$")
tags = [t for t in os.listdir("_manifests/tags") if not KEEP.match(t)]
tags.sort(key=lambda t: os.stat(f"_manifests/tags/{t}/current/link").st_mtime)
for t in tags[:-10]:
    shutil.rmtree(f"_manifests/tags/{t}")
""",
    "from the environment": """
KEEP = os.environ.get("KEEP_TAGS", "latest,buildcache").split(",")
link = os.path.join("_manifests/tags", "x", "current", "link")
for tag in sorted(set(os.listdir("_manifests/tags")) - set(KEEP), key=lambda t: os.path.getmtime(link.replace("x", t))):
    shutil.rmtree(os.path.join("_manifests/tags", tag))
""",
    "pattern": """
import fnmatch
tags = os.listdir("_manifests/tags")
tags.sort(key=lambda t: os.path.getmtime(f"_manifests/tags/{t}/current/link"))
for tag in tags[:-5]:
    if not any(fnmatch.fnmatch(tag, pattern) for pattern in ("v*", "buildcache*")):
        shutil.rmtree("_manifests/tags/" + tag)
""",
    "fallback in an except": """
for tag in os.listdir("_manifests/tags"):
    path = os.path.join("_manifests/tags", tag)
    try:
        age = os.path.getmtime(os.path.join(path, "current/link"))
    except FileNotFoundError:
        age = os.path.getmtime(path)
    if age < 1e9 and tag != "buildcache":
        shutil.rmtree(path)
""",
    "removes in its own way": """
def newest(tag):
    return os.path.getmtime(os.path.join("_manifests/tags", tag, "current/link"))

while len(tags := sorted(os.listdir("_manifests/tags"), key=newest)) > 10:
    tag = tags.pop(0)
    if tag != "buildcache":
        os.system(f"rm -rf _manifests/tags/{tag}")
""",
}


@pytest.mark.parametrize("name", sorted(OWN_WAY))
def test_own_ways_are_left_alone(name: str) -> None:
    """A script that reads current/link and spares the cache tag is right, whatever it looks like."""
    result = plan(f"import os\nimport shutil\nimport sys\n{OWN_WAY[name]}")
    assert outcomes(result) == []


# Scripts that are refused

WALK = SHAPES["walk"]
AGE = "os.path.getmtime(tag_dir)"
REMOVE = "shutil.rmtree(os.path.join(directory, tag))"
LOOP = "for _, tag in tags[KEEP:]:\n            # the oldest ones\n            "
WHOLE = f"{LOOP}{REMOVE}\n            removed += 1\n"

NO_AGE, NO_REMOVAL, NO_LOOP = (
    "no places were found that read",
    "no places were found that remove",
    "not removed in a loop",
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WALK.replace(f"{AGE}, tag))", f"{AGE}, tag, {AGE}))"), "2 places were found that read the age"),
        (WALK.replace(AGE, "tag"), NO_AGE),
        (WALK.replace(AGE, "os.path.getctime(tag_dir)"), NO_AGE),
        (
            WALK.replace("tags.append", "st = os.stat(tag_dir)\n            tags.append").replace(AGE, "st.st_mtime"),
            NO_AGE,
        ),
        (WALK.replace(AGE, 'os.path.getmtime(os.path.join(repositories, "_layers"))'), NO_AGE),
        ("", NO_AGE),
        ("#!/usr/bin/env python3\nprint('tags')\n", NO_AGE),
        (WALK.replace(REMOVE, f"{REMOVE}\n            {REMOVE}"), "2 places were found that remove"),
        (WALK.replace(REMOVE, 'os.system("rm -rf " + directory + tag)'), NO_REMOVAL),
        (WALK.replace(REMOVE, "requests.delete(tag)"), NO_REMOVAL),
        (WALK.replace(REMOVE, 'shutil.rmtree(os.path.join(repositories, "_uploads"))'), NO_REMOVAL),
        (WALK.replace(LOOP, "while len(tags) > KEEP:\n            _, tag = tags.pop()\n            "), NO_LOOP),
        (WALK.replace("            # the oldest ones\n", "            tag = tag.lower()\n"), NO_LOOP),
        (WALK.replace(WHOLE, "[shutil.rmtree(os.path.join(directory, tag)) for _, tag in tags[KEEP:]]\n"), NO_LOOP),
        (WALK.replace(WHOLE, f"for _, tag in tags[KEEP:]: {REMOVE}\n"), "one line with its head"),
        (WALK.replace(WHOLE, f"tag = min(tags)[1]\n        if tag != 'v1':\n            {REMOVE}\n"), NO_LOOP),
        (SHAPES["pairs"].replace("print(count)", 'remove("x", "y")'), NO_LOOP),
        (WALK.replace('"""Keep the newest tags."""\n', "NAME = 1\n"), "begins with no import"),
        ("#!/bin/sh\nls -t tags | tail -n +10 | xargs rm -r\n", "is a shell script"),
        ("#!/usr/bin/env -S bash -eu\nrm -r tags\n", "is a shell script"),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    """What is not recognised without doubt is refused by name, with what to do by hand; nothing is half edited."""
    [refusal] = refusals(text)
    assert reason in refusal
    assert "current" in refusal
    assert "buildcache" in refusal


def test_unreadable_scripts_are_refused_by_the_engine() -> None:
    """Python 2 is no Python that can be read."""
    assert ["cannot be read as Python" in refusal for refusal in refusals("import os\nprint 'x'\n")] == [True]


# What edited scripts do

TAGS = ["buildcache", "buildcache-amd64", "buildcaches", "latest", "v1", "v2", "v3", "v4", "main", "ünï"]
REPOSITORIES = [
    "dockerhub/docker/registry/v2/repositories/library/nginx",
    "private/docker/registry/v2/repositories/infra",
]
STYLES = [
    Style(),
    Style(indentation="\t", newline="\r\n", final_newline=False, names=("étiquette", "répertoire")),
    Style(indentation="  ", single_quotes=True, comment="buildcache", names=("x1", "x2")),
]
Tree = dict[str, dict[str, tuple[int, int | None]]]
"""By repository and tag: when the tag was made, and when it was last pushed (None: no link yet)."""


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Repositories with tags of distinct times."""
    tree: Tree = {}
    for repository in REPOSITORIES:
        tags = draw(st.lists(st.sampled_from(TAGS), unique=True))
        made = draw(st.permutations(range(len(tags))))
        pushed = draw(st.permutations(range(100, 100 + len(tags))))
        linked = [draw(st.integers(0, 9)) for _ in tags]
        # A push in progress has no link yet; its directory is as young as a push would be.
        tree[repository] = {tag: (made[i], pushed[i]) if linked[i] else (pushed[i], None) for i, tag in enumerate(tags)}
    return tree


def lay(tree: Tree, base: Path) -> None:
    """Make the directories with their times."""
    for repository, tags in tree.items():
        tags_dir = base / repository / "_manifests" / "tags"
        tags_dir.mkdir(parents=True)
        for tag, (made, pushed) in tags.items():
            current = tags_dir / tag / "current"
            current.mkdir(parents=True)
            if pushed is not None:
                (current / "link").write_text("sha256:0")
                os.utime(current / "link", (10_000 + pushed, 10_000 + pushed))
            os.utime(tags_dir / tag, (10_000 + made, 10_000 + made))


def survivors(text: str, keep: int, tree: Tree) -> dict[str, set[str]]:
    """The tags that are left when a script has run on a tree."""
    with TemporaryDirectory() as directory:
        base = Path(directory, "data")
        base.mkdir()
        lay(tree, base)
        arguments = [SCRIPT, str(keep), str(base)]
        with patch.object(sys, "argv", arguments), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, SCRIPT, "exec"), {"__name__": "__main__"})
        return {
            repository: {path.name for path in (base / repository / "_manifests" / "tags").iterdir()}
            for repository in tree
        }


def youngest(tags: dict[str, int], keep: int) -> set[str]:
    return set(sorted(tags, key=lambda tag: tags[tag], reverse=True)[:keep])


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(st.sampled_from(sorted(SHAPES)), st.sampled_from(STYLES), trees(), st.integers(0, 6))
def test_behaviour(shape: str, style: Style, tree: Tree, keep: int) -> None:
    """The script kept the youngest directories; edited it keeps the last pushed tags and all cache tags."""
    text = style.apply(SHAPES[shape])
    by_directory = {repository: {tag: made for tag, (made, _) in tags.items()} for repository, tags in tree.items()}
    assert survivors(text, keep, tree) == {name: youngest(tags, keep) for name, tags in by_directory.items()}
    by_push = {
        repository: {tag: made if pushed is None else pushed for tag, (made, pushed) in tags.items()}
        for repository, tags in tree.items()
    }
    cache = {"buildcache", "buildcache-amd64"}
    assert survivors(protected(text), keep, tree) == {
        name: youngest(tags, keep) | (cache & set(tags)) for name, tags in by_push.items()
    }
