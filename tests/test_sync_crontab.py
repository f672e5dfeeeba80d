"""Our crontab lines each once in their places, every other byte as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codemods.rollout.crontab import Merge, merge

CONTAINERS = ("registry-private", "registry-hub", "registry-nginx")
GC = (
    "25 3 * * 0 /usr/bin/docker stop registry-private && { /usr/bin/docker run --rm --volumes-from registry-private "
    "registry:2 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-private; "
    "/usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1"
)
COLLECTOR = (
    "25 3 * * 0 /usr/bin/python3 /opt/registry/collect-garbage.py --container registry-private "
    "--data /opt/registry/data/private --nginx registry-nginx --cache-tag buildcache --max-size 100GiB "
    ">> /var/log/registry-gc.log 2>&1"
)
HUB_GC = "0 3 * * 0 /usr/bin/docker exec registry-hub registry garbage-collect -m /etc/docker/registry/config.yml"
PLAN_GC = HUB_GC.replace("registry-hub", "registry-private").replace("0 3", "25 3", 1)
CLEANUP = "0 2 * * * python3 /opt/registry/cleanup-tags.sh 10 >> /var/log/registry-cleanup.log 2>&1"
OURS = (HUB_GC, GC, CLEANUP)


def merged(text: str, *, last: tuple[str, ...] = (), prune: bool = False) -> Merge:
    """The merge with our three lines."""
    return merge(text, OURS, last, CONTAINERS, prune=prune)


def lines(*found: str) -> str:
    """A crontab of these lines."""
    return "".join(f"{line}\n" for line in found)


def test_an_empty_crontab_gets_our_lines() -> None:
    """In the order of the manifest."""
    assert merged("").text == lines(*OURS)


def test_our_lines_stay_where_they_are() -> None:
    """Wherever they stand, and whatever is around them."""
    text = lines("MAILTO=root", CLEANUP, "# note", GC, HUB_GC, "@reboot /bin/true")
    assert merged(text) == Merge(text)


def test_a_line_that_stands_there_twice_stands_there_once_afterwards() -> None:
    """`( crontab -l; echo … ) | crontab -`, run again, leaves two."""
    assert merged(lines(CLEANUP, HUB_GC, CLEANUP, GC, GC)).text == lines(CLEANUP, HUB_GC, GC)


def test_a_line_of_the_last_manifest_is_replaced_in_its_place() -> None:
    """The same command with another schedule follows it, then what collects the same registry."""
    old = CLEANUP.replace("0 2", "30 1", 1)
    found = merged(lines("# head", old, HUB_GC, "# tail", GC), last=(old, HUB_GC))
    assert found.text == lines("# head", CLEANUP, HUB_GC, "# tail", GC)
    assert found.dropped == ()


def test_a_line_of_the_last_manifest_without_successor_goes() -> None:
    """It was ours, and is no longer."""
    assert merged(
        lines("1 1 * * * /opt/registry/old.sh", *OURS), last=("1 1 * * * /opt/registry/old.sh",)
    ).text == lines(*OURS)


def test_the_same_command_with_two_schedules_is_two_lines() -> None:
    """A command alone identifies nothing."""
    twice = (CLEANUP, CLEANUP.replace("0 2", "0 14", 1))
    assert merge(lines(CLEANUP), twice, (), CONTAINERS).text == lines(*twice)


def test_the_plans_destructive_line_is_replaced_by_ours() -> None:
    """A machine that was migrated by hand collects the private registry with `-m` while it runs."""
    found = merged(lines(HUB_GC, PLAN_GC, CLEANUP))
    assert found.text == lines(HUB_GC, GC, CLEANUP)
    assert (found.dropped, found.strays) == ((PLAN_GC,), ())


def test_the_collector_takes_the_place_of_earlier_forms() -> None:
    """The plan's line, and that of an earlier version, collect the same registry; so does a collector with options."""
    other = COLLECTOR.replace("--max-size 100GiB", "--max-size 5GiB --keep 3")
    for earlier in (PLAN_GC, GC, other):
        found = merge(lines(HUB_GC, earlier, CLEANUP), (HUB_GC, COLLECTOR, CLEANUP), (), CONTAINERS)
        assert found == Merge(lines(HUB_GC, COLLECTOR, CLEANUP), (), (), (earlier,))
    again = merge(lines(COLLECTOR, GC, PLAN_GC), (COLLECTOR,), (), ("registry-private", "registry-nginx"))
    assert again.text == lines(COLLECTOR)


def test_another_registrys_collector_stays() -> None:
    """That both reload the same nginx does not make them one."""
    other = COLLECTOR.replace("registry-private", "registry-hub").replace("data/private", "data/hub")
    assert merge(lines(other), (COLLECTOR,), (), CONTAINERS).text == lines(other, COLLECTOR)


def test_the_plans_destructive_line_goes_when_ours_is_there_already() -> None:
    """It is not replaced by a second copy."""
    assert merged(lines(GC, PLAN_GC, HUB_GC, CLEANUP)).text == lines(GC, HUB_GC, CLEANUP)


def test_a_foreign_collection_without_one_of_ours_is_destructive() -> None:
    """It stays, is named, and is taken out with --prune."""
    foreign = "1 1 * * * docker exec registry-hub registry garbage-collect /etc/docker/registry/config.yml"
    found = merge(lines(foreign), (CLEANUP,), (), CONTAINERS)
    assert found == Merge(lines(foreign, CLEANUP), (foreign,), (foreign,))
    assert merge(lines(foreign), (CLEANUP,), (), CONTAINERS, prune=True).text == lines(CLEANUP)


def test_a_foreign_line_about_our_container_is_a_stray() -> None:
    """Restarting it now and then loses no image."""
    foreign = "0 5 * * * docker restart registry-nginx"
    found = merged(lines(foreign, *OURS))
    assert (found.text, found.strays, found.destructive) == (lines(foreign, *OURS), (foreign,), ())
    assert merged(lines(foreign, *OURS), prune=True).dropped == (foreign,)


def test_look_alikes_are_nobodys_but_theirs() -> None:
    """Comments, settings, other containers of similar names, paths, another command with our file in it."""
    text = lines(
        "# docker exec registry-private registry garbage-collect -m",
        'NOTE="registry-private"',
        "0 0 * * * docker restart registry-private2",
        "0 0 * * * tar cf /backup/registry-hub.tar /srv/other",
        f"# {CLEANUP}",
        "5 5 * * * /opt/registry/cleanup-tags.sh --dry-run",
        r"0 1 * * * date +\%F >>/var/log/x",
    )
    assert merged(text + lines(*OURS), prune=True) == Merge(text + lines(*OURS))


def test_a_missing_final_newline_is_added_before_our_lines() -> None:
    """cron refuses a crontab that ends without one, and ours would join the last line."""
    assert merged("0 0 * * * true").text == lines("0 0 * * * true", *OURS)


FOREIGN = st.one_of(
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=30).map(lambda t: f"# {t}"),
    st.sampled_from(
        ["", "PATH=/bin", "@daily /bin/true", r"1 2 * * * echo \%", "1 2 * * * echo a%b", "*/5 * * * * x", "\t", "%"]
    ),
)
OWN = st.sampled_from([*OURS, PLAN_GC, CLEANUP.replace("0 2", "9 9", 1)])


@given(st.lists(st.one_of(FOREIGN, OWN), max_size=12), st.booleans())
def test_foreign_lines_survive_in_order_and_ours_stand_once(table: list[str], has_newline: bool) -> None:
    """And a second merge changes nothing."""
    text = lines(*table)
    text = text if has_newline else text.removesuffix("\n")
    last = (CLEANUP.replace("0 2", "9 9", 1),)
    found = merged(text, last=last)
    after = found.text.removesuffix("\n").split("\n")
    known = {*OURS, *last, PLAN_GC}
    before = text.removesuffix("\n").split("\n") if text else []
    assert [line for line in after if line not in known] == [line for line in before if line not in known]
    assert sorted(line for line in after if line in known) == sorted(OURS)
    assert found.text == text or found.text.endswith("\n")
    assert merged(found.text, last=OURS).text == found.text


def test_other_line_ends_are_characters_of_a_line() -> None:
    """A comment that goes on behind a form feed is still a comment."""
    text = lines(f"# note\x0c{CLEANUP}", f"# note\r{HUB_GC}")
    assert merged(text).text == text + lines(*OURS)
