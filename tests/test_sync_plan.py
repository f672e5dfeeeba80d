"""The plan for a machine: what is done, in which order, what is refused, and that nothing else happens."""

from __future__ import annotations

from dataclasses import replace

from codemods.rollout.manifest import Unmanaged
from codemods.rollout.snapshot import LiveFile
from tests.rollout_scenes import COMPOSE, DIRECTORY, container, live, machine, managed, plan, steps, wish, written

NGINX = f"{DIRECTORY}/nginx.conf"
HUB = f"{DIRECTORY}/hub.yml"


def test_a_machine_as_the_repository_wants_it_needs_nothing() -> None:
    """No file, no container, no crontab line: no action and no refusal."""
    found = plan(wish(), machine(wish()))
    assert (steps(found), found.refusals, found.warnings) == ([], (), ())


def test_a_changed_nginx_conf_restarts_nginx_only() -> None:
    """The file is copied, and nginx sees it after a restart."""
    wanted = wish({"nginx.conf": "events { }\n"})
    found = plan(wanted, machine(wanted, files={NGINX: written("events {}\n", managed("nginx.conf", ""))}))
    assert steps(found) == [f"copy {NGINX}", "restart registry-nginx"]
    assert "-events {}\n+events { }" in found.actions[0].diff


def test_a_changed_registry_config_restarts_the_registry_and_then_nginx() -> None:
    """nginx would otherwise keep the registry's former address; a relative mount counts, too."""
    wanted = wish({"hub.yml": "a: 2\n"})
    found = plan(wanted, machine(wanted, files={HUB: written("a: 1\n", managed("hub.yml", ""))}))
    assert steps(found) == [f"copy {HUB}", "restart registry-hub", "restart registry-nginx"]


def test_a_changed_script_restarts_nothing() -> None:
    """Nothing mounts it."""
    script = managed("cleanup.sh", "new\n", mode=0o755)
    wanted = wish(extra=(script,))
    found = plan(wanted, machine(wanted, files={script.path: written("old\n", script)}))
    assert steps(found) == [f"copy {script.path}"]


def test_a_unit_file_makes_systemd_read_its_units() -> None:
    """The unit is not restarted: that would take the stack down."""
    unit = managed("/etc/systemd/system/docker-registry.service", "[Unit]\n")
    wanted = wish(extra=(unit,))
    assert steps(plan(wanted, machine(wanted, files={unit.path: LiveFile()}))) == [
        f"copy {unit.path}",
        "daemon-reload systemd",
    ]


def test_a_new_service_is_created_and_nginx_recreated_after_it() -> None:
    """What nginx depends on comes first, whatever the order in the file."""
    wanted = wish()
    before = machine(wanted, containers=(container("nginx"), container("registry-hub")), ports=frozenset({22, 5000}))
    assert steps(plan(wanted, before, "nginx")) == ["create registry-private", "recreate registry-nginx"]


def test_a_registry_that_is_recreated_lets_nginx_restart() -> None:
    """nginx resolves its upstreams once."""
    assert steps(plan(wish(), machine(wish()), "registry-hub")) == ["recreate registry-hub", "restart registry-nginx"]


def test_nginx_is_not_restarted_when_it_is_recreated_after_its_registries() -> None:
    """`up` starts it after those that it depends on."""
    assert steps(plan(wish(), machine(wish()), "registry-hub", "nginx")) == [
        "recreate registry-hub",
        "recreate registry-nginx",
    ]


def test_nginx_is_restarted_last_when_a_registry_is_restarted_after_up() -> None:
    """Restarts come after `up`, so the nginx that `up` recreated is old by then."""
    wanted = wish({"hub.yml": "a: 2\n"})
    before = machine(wanted, files={HUB: written("a: 1\n", managed("hub.yml", ""))})
    assert steps(plan(wanted, before, "nginx"))[1:] == [
        "recreate registry-nginx",
        "restart registry-hub",
        "restart registry-nginx",
    ]


def test_a_container_with_the_former_file_is_restarted_by_the_next_run() -> None:
    """A run that was killed between the swap and the restart leaves this state."""
    before = machine(wish(), mounted={("nginx", "/etc/nginx/nginx.conf"): 4711})
    assert steps(plan(wish(), before)) == ["restart registry-nginx"]


def test_a_file_written_in_place_after_the_start_restarts_its_container() -> None:
    """The inode is the same, but nginx has not read it."""
    late = replace(live(managed("nginx.conf", "events {}\n")), modified=2_000_000)
    assert steps(plan(wish(), machine(wish(), files={NGINX: late}))) == ["restart registry-nginx"]


def test_a_stopped_container_is_started_and_one_that_is_done_is_not() -> None:
    """A service that runs once and ends is as it should be."""
    done = container("registry-hub", status="exited", exit_code=0)
    stopped = machine(wish(), containers=(container("nginx"), done, container("registry-private")))
    assert steps(plan(wish(), stopped)) == ["start registry-hub", "restart registry-nginx"]
    once = replace(stopped, containers=(container("nginx"), replace(done, policy="no"), container("registry-private")))
    assert steps(plan(wish(), once)) == []


def test_services_of_a_profile_are_not_missed() -> None:
    """`up` does not start them."""
    wanted = wish(compose=COMPOSE.replace("services:\n", "services:\n  debug: {image: busybox, profiles: [debug]}\n"))
    assert steps(plan(wanted, machine(wanted))) == []


def test_a_mode_alone_is_set_without_a_copy() -> None:
    """A rename would make the mount stale, and a restart needed."""
    open_file = replace(live(managed("nginx.conf", "events {}\n")), mode=0o666)
    found = plan(wish(), machine(wish(), files={NGINX: open_file}))
    assert [(one.kind, one.target) for one in found.actions] == [("chmod", f"{NGINX} (mode 0666 -> 0644)")]


def test_a_file_changed_by_hand_is_refused_and_shown() -> None:
    """The last run left another content; --overwrite takes the machine's away."""
    wanted = wish({"nginx.conf": "repository\n"})
    last = {"files": {NGINX: {"digest": "what the last run left"}}}
    before = machine(wanted, files={NGINX: written("hand\n", managed("nginx.conf", ""))}, state=last)
    found = plan(wanted, before)
    assert len(found.refusals) == 1 and "was changed on the machine" in found.refusals[0]
    assert "-hand\n+repository" in found.actions[0].diff
    assert plan(replace(wanted, overwrite=True), before).refusals == ()


def test_a_file_as_the_last_run_left_it_is_no_change_by_hand() -> None:
    """Neither is one that an interrupted run put there."""
    wanted = wish({"nginx.conf": "newer\n"})
    old = written("old\n", managed("nginx.conf", ""))
    left = {"files": {NGINX: {"digest": old.digest}}}
    assert plan(wanted, machine(wanted, files={NGINX: old}, state=left)).refusals == ()
    other = {"files": {NGINX: {"digest": "older"}}}
    tried = {"run": "1", "files": {NGINX: {"digest": old.digest}}}
    assert plan(wanted, machine(wanted, files={NGINX: old}, state=other, interrupted=tried)).refusals == ()


def test_a_run_that_did_not_come_to_its_end_is_finished() -> None:
    """Also when nothing else is left to do: its health was never checked, and its state not written down."""
    found = plan(wish(), machine(wish(), interrupted={"run": "42"}))
    assert [(one.kind, one.target) for one in found.actions] == [("finish", "run 42, which did not come to its end")]
    assert not found.is_empty


def test_a_crontab_line_of_an_interrupted_run_is_ours() -> None:
    """A run that was cut off after it had put the line there, and found done by the next one, left no state."""
    wanted = wish(crontab=("30 2 * * * new",))
    tried = {"run": "1", "crontab": {"root": ["0 2 * * * tried"]}}
    cut_off = machine(wanted, crontabs={"root": "0 2 * * * tried\n# foreign\n"}, interrupted=tried)
    [table] = plan(wanted, cut_off).tables
    assert table.merge.text == "# foreign\n30 2 * * * new\n"
    [table] = plan(wanted, replace(cut_off, interrupted=None)).tables
    assert table.merge.text == "0 2 * * * tried\n# foreign\n30 2 * * * new\n"


def test_a_file_of_the_last_run_that_was_deleted_by_hand_is_put_back() -> None:
    """There is no hand's work that could be lost."""
    left = {"files": {NGINX: {"digest": "x"}}}
    found = plan(wish(), machine(wish(), files={NGINX: LiveFile()}, state=left))
    assert found.refusals == () and f"copy {NGINX}" in steps(found)


def test_what_lies_in_the_way_is_refused() -> None:
    """A rename over a symlink would cut it off from its target, and a directory cannot be replaced."""
    for kind, words in (("symlink", "is a symlink"), ("directory", "docker makes one"), ("other", "is no plain file")):
        found = plan(wish(), machine(wish(), files={NGINX: LiveFile(kind)}))
        assert any(words in refusal for refusal in found.refusals), found.refusals


def test_a_mount_that_nothing_deploys_is_refused() -> None:
    """docker would make a directory of that name and start the container with it."""
    wanted = wish(
        compose=COMPOSE.replace("volumes:\n      - /opt", "volumes:\n      - /etc/tls.pem:/tls.pem:ro\n      - /opt", 1)
    )
    assert "nginx mounts /etc/tls.pem, which is not there" in plan(wanted, machine(wanted)).refusals[0]
    there = machine(wanted, files={"/etc/tls.pem": LiveFile("file")})
    assert plan(wanted, there).refusals == ()


def test_a_missing_value_is_named_when_its_file_is_missing_too() -> None:
    """With the file on the machine it is left as it is."""
    secret = f"{DIRECTORY}/hub.yml"
    unmanaged = Unmanaged(secret, "hub.yml.tpl", ("hub_password",), "needs value hub_password")
    wanted = wish(unmanaged=(unmanaged,))
    files = tuple(file for file in wanted.manifest.files if file.path != secret)
    wanted = replace(wanted, manifest=replace(wanted.manifest, files=files))
    assert "needs value hub_password" in plan(wanted, machine(wanted)).refusals[0]
    assert plan(wanted, machine(wanted, files={secret: LiveFile("file", inode=12)})).refusals == ()


def test_a_port_of_another_program_is_refused() -> None:
    """Only a port that the stack does not publish yet can be another's."""
    wanted = wish()
    old = COMPOSE.replace(', "5050:5050"', "")
    before = machine(wanted, files={f"{DIRECTORY}/docker-compose.yml": written(old, wanted.manifest.compose)})
    assert "port 5050 of nginx is taken" in plan(wanted, before, "nginx").refusals[0]
    assert plan(wanted, replace(before, ports=frozenset({5000})), "nginx").refusals == ()


def test_a_container_that_compose_did_not_make_is_not_touched() -> None:
    """`up` would fail over its name."""
    foreign = replace(container("registry-private"), directory="", service="")
    found = plan(wish(), machine(wish(), containers=(container("nginx"), container("registry-hub"), foreign)))
    assert "there is a container registry-private made by hand" in found.refusals[0]


def test_a_service_that_left_the_repository_stays_until_pruned() -> None:
    """It is named, and removed on demand; so is a file that an earlier run put there."""
    old = container("registry-old")
    state = {"files": {f"{DIRECTORY}/old.yml": {"digest": "x"}}}
    before = machine(wish(), containers=(*machine(wish()).containers, old), state=state)
    kept = plan(wish(), before)
    assert steps(kept) == []
    assert any("container registry-old is no longer" in note for note in kept.notes)
    assert any("old.yml is no longer" in note for note in kept.notes)
    assert steps(plan(wish(prune=True), before)) == [f"delete {DIRECTORY}/old.yml", "remove registry-old"]


def test_a_disk_without_room_is_refused_before_anything_is_copied() -> None:
    """Room for the new files, their backups and the records."""
    wanted = wish({"nginx.conf": "new\n"})
    before = machine(wanted, files={NGINX: written("old\n", managed("nginx.conf", ""))})
    assert "too little room" in plan(wanted, replace(before, free=(500, 1000))).refusals[0]
    assert "too little room" in plan(wanted, replace(before, free=(100_000, 3))).refusals[0]


def test_a_machine_without_docker_or_without_root_is_refused() -> None:
    """Both are said in one line each."""
    assert "docker does not answer" in plan(wish(), replace(machine(wish()), has_docker=False)).refusals[0]
    assert "not root" in plan(wish(), replace(machine(wish()), is_root=False)).refusals[0]


def test_no_secret_is_in_a_diff_neither_the_new_nor_the_former() -> None:
    """What the former was nobody tells: whatever stood in its place is hidden."""
    file = managed("auth.yml", "user: me\nkey: new-secret\nport: 2\n", secrets=("new-secret",))
    wanted = wish(extra=(file,))
    before = machine(wanted, files={file.path: written("user: me\nkey: old-secret\nport: 1\n", file)})
    diff = plan(wanted, before).actions[0].diff
    assert "secret" not in diff
    assert "-port: 1\n+port: 2" in diff


def test_a_secret_that_alone_changes_is_said() -> None:
    """The diff would be empty."""
    file = managed("auth.yml", "key: new-secret\n", secrets=("new-secret",))
    wanted = wish(extra=(file,))
    before = machine(wanted, files={file.path: written("key: old-secret\n", file)})
    assert plan(wanted, before).actions[0].diff == "(only a secret changes)\n"
