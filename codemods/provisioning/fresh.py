"""A VM fresh from cloud-init: what the commands of the provision list leave on it, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from codemods.errors import ParseError
from codemods.formats.hcl import TEMPLATE
from codemods.formats.quoting import unquoted
from codemods.formats.shell import Word, read_commands
from codemods.formats.shell_lists import Group, Pipeline, read_pipelines
from codemods.provisioning.crontab_steps import InstallCrontab, Unreadable
from codemods.provisioning.elements import Element
from codemods.provisioning.expressions import Content, Expressions
from codemods.provisioning.literals import Unknown
from codemods.provisioning.modes import changed_mode, changed_owner
from codemods.provisioning.steps import (
    AlterFiles,
    ChangeAccess,
    MakeDirectories,
    Run,
    Step,
    WriteFile,
    is_test,
    recognise,
)
from codemods.provisioning.words import crontab_lines, decoded_content, path_of, pattern_of
from codemods.rollout.manifest import FirstBootOnly, ManagedFile, Unmanaged

_HARMLESS = re.compile(r"\d?>&\d|\d?>\s*/dev/null")
_TOUCHING = re.compile(
    r">|(?:\A|[;&|({\n!]|\b(?:then|do|else)\s)\s*(?:sudo\s+)?"
    r"(?:base64|mkdir|crontab|tee|chmod|chown|cp|mv|ln|install|sed|rm)\b"
)


@dataclass(eq=False)
class _File:
    """A file that the list has written; `content` is what is in it, or why that is unknown."""

    content: Content | Unknown
    source: str
    mode: int = 0o644
    owner: str = "root:root"


@dataclass(eq=False)
class FreshVm:
    """Runs elements one after the other; `terraform` is the path of the list's file."""

    terraform: str
    expressions: Expressions
    directories: dict[str, None] = field(default_factory=dict)
    crontab: dict[str, list[str]] = field(default_factory=dict)
    first_boot: list[FirstBootOnly] = field(default_factory=list)
    _files: dict[str, _File] = field(default_factory=dict)
    _refused: list[Unmanaged] = field(default_factory=list)

    @property
    def files(self) -> tuple[ManagedFile, ...]:
        """The files whose content is known, in the order in which they were last written."""
        return tuple(
            ManagedFile(path, one.content.data, one.mode, one.owner, one.source, one.content.secrets)
            for path, one in self._files.items()
            if isinstance(one.content, Content)
        )

    @property
    def unmanaged(self) -> tuple[Unmanaged, ...]:
        """The files whose content is not known, then what could not be read at all."""
        unknown = (
            Unmanaged(path, one.source, one.content.needs, str(one.content))
            for path, one in self._files.items()
            if isinstance(one.content, Unknown)
        )
        return (*unknown, *self._refused)

    def run(self, element: Element) -> None:
        """Let one element of the list do what it does."""
        if element.refused:
            for path in [path for path in self._files if path in element.text]:
                self._files[path].content = Unknown(f"{element.refused} cannot be read, {self._place(element)}")
            self._refuse(element, Unknown(f"{element.refused} cannot be read: {element.text[:80]}"))
            return
        try:
            pipelines = read_pipelines(unquoted(element.text))
        except ParseError as error:
            self._run_unread(element, str(error))
            return
        self._run_list(element, pipelines, "")

    def _run_list(self, element: Element, pipelines: tuple[Pipeline, ...], condition: str) -> None:
        """Run a list; `condition` says when, if it is not always run."""
        now = condition
        for index, pipeline in enumerate(pipelines):
            before = element.shown(pipelines[index - 1].start, pipelines[index - 1].end) if index else ""
            if pipeline.after == "||":
                now = f"only when `{before}` fails"
            elif pipeline.after == "&&":
                now = now or (f"only when `{before}` succeeds" if is_test(pipelines[index - 1]) else "")
            else:
                now = condition
            match pipeline.commands:
                case (Group(steps=steps, redirections=()),):
                    self._run_list(element, steps, now)
                case _:
                    self._run_pipeline(element, pipeline, now, is_all=len(pipelines) == 1 and not condition)

    def _run_pipeline(self, element: Element, pipeline: Pipeline, condition: str, is_all: bool) -> None:
        runs = False
        for step in recognise(pipeline):
            runs = self._take(element, step, condition) or runs
        if runs:
            text = element.shown() if is_all else element.shown(pipeline.start, pipeline.end)
            self.first_boot.append(FirstBootOnly(text, element.line))

    def _take(self, element: Element, step: Step, condition: str) -> bool:
        """Do one step; whether it is something else than files, directories and crontabs."""
        match step:
            case Run():
                return True
            case Unreadable():
                self._refuse(element, Unknown(step.reason))
            case WriteFile() if not condition:
                self._write(element, step)
            case WriteFile():
                self._lose(element, step.target, f"it is written {condition}")
            case MakeDirectories():
                self._make(element, step, condition)
            case InstallCrontab():
                self._install(element, step, condition)
            case ChangeAccess():
                changes = [self._change(element, step, target, condition) for target in step.targets]
                return not all(changes)
            case AlterFiles():
                targets = [self._alter(element, step, target) for target in step.targets]
                return not all(targets)
        return False

    def _write(self, element: Element, step: WriteFile) -> None:
        holes = element.holes_in(step.content.start, step.content.end)
        call = holes[0].call if len(holes) == 1 and step.content.text == TEMPLATE else None
        source = self.expressions.source(call) if call else self._place(element)
        try:
            path = path_of(element, step.target)
        except Unknown as error:
            written = element.shown(step.target.start, step.target.end)
            self._refused.append(Unmanaged(written, source, error.needs, str(error)))
            return
        try:
            content: Content | Unknown = (
                self.expressions.content(call) if call else decoded_content(element, step.content)
            )
        except Unknown as error:
            content = error
        # `>` into a file that is there keeps its mode and its owner.
        old = self._files.pop(path, _File(Unknown(""), ""))
        self._files[path] = _File(content, source, old.mode, old.owner)

    def _make(self, element: Element, step: MakeDirectories, condition: str) -> None:
        for target in step.targets:
            try:
                path = path_of(element, target)
            except Unknown as error:
                self._refuse(element, Unknown(f"a directory: {error}"))
                continue
            if condition:
                self._refuse(element, Unknown(f"the directory {path} is made {condition}"))
            else:
                self.directories[path] = None

    def _install(self, element: Element, step: InstallCrontab, condition: str) -> None:
        try:
            lines = [line for word in step.lines for line in crontab_lines(element, word)]
        except Unknown as error:
            self._refuse(element, error)
            return
        if condition:
            self._refuse(element, Unknown(f"crontab lines are installed {condition}"))
            return
        old = self.crontab.get(step.user, []) if step.keeps else []
        kept = [line for line in old if not any(text in line for text in step.dropped)]
        self.crontab[step.user] = list(dict.fromkeys([*kept, *lines]))

    def _change(self, element: Element, step: ChangeAccess, target: Word, condition: str) -> bool:
        """Whether a change of mode or owner is one of our files'."""
        pattern = re.compile(pattern_of(target) + ("(?:/.*)?" if step.recursive else ""))
        known = [path for path in self._files if pattern.fullmatch(path)]
        for path in known:
            self._change_one(element, step, path, condition or ("" if target.plain else "for a pattern of names"))
        return bool(known)

    def _change_one(self, element: Element, step: ChangeAccess, path: str, condition: str) -> None:
        one = self._files[path]
        try:
            if condition:
                raise ValueError(f"{step.program} runs {condition}")
            if step.program == "chmod":
                one.mode = changed_mode(one.mode, step.change)
            else:
                one.owner = changed_owner(one.owner, step.change)
        except ValueError as error:
            one.content = Unknown(f"{error}, {self._place(element)}")

    def _alter(self, element: Element, step: AlterFiles, target: Word) -> bool:
        """Whether a command that alters files alters one that the list deploys, or makes one."""
        pattern, *copies = pattern_of(target), *(rf"/{pattern_of(word).rpartition('/')[2]}" for word in step.sources)
        paths = re.compile("|".join((pattern, *(pattern + copy for copy in copies))))
        known = [path for path in self._files if paths.fullmatch(path)]
        for path in known:
            self._files[path].content = Unknown(f"{step.how}, {self._place(element)}")
        if not known and step.creates:
            self._lose(element, target, step.how)
        return bool(known) or step.creates

    def _lose(self, element: Element, target: Word, reason: str) -> None:
        """Note that a file is deployed in a way that cannot be followed."""
        written = element.shown(target.start, target.end)
        try:
            path = path_of(element, target)
        except Unknown as error:
            self._refused.append(Unmanaged(written, self._place(element), (), f"{reason}; {error}"))
            return
        old = self._files.pop(path, _File(Unknown(""), ""))
        self._files[path] = _File(Unknown(reason), self._place(element), old.mode, old.owner)

    def _run_unread(self, element: Element, reason: str) -> None:
        """An element whose structure is not read: it may have to do with files."""
        if not _TOUCHING.search(_HARMLESS.sub("", element.text)):
            self.first_boot.append(FirstBootOnly(element.shown(), element.line))
            return
        try:
            commands = read_commands(unquoted(element.text))
        except ParseError:
            commands = []
        targets = [word for one in commands for sign, word in one.redirections if sign in (">", ">>", ">|")]
        targets = [word for word in targets if word.text.startswith("/") and not word.text.startswith("/dev/")]
        for target in targets:
            self._lose(element, target, f"it is written in {reason}")
        if not targets:
            self._refuse(element, Unknown(f"{reason} cannot be read: {element.shown()[:80]}"))

    def _refuse(self, element: Element, error: Unknown) -> None:
        self._refused.append(Unmanaged("", self._place(element), error.needs, str(error)))

    def _place(self, element: Element) -> str:
        return f"{self.terraform}:{element.line}"
