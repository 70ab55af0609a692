"""The runner of pages: what it writes, what it gives, and what it finds wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.running import Printed, allowed_codes, give_to_shell, judge, play, rewritten
from tests.docs.shown import Command

PAGE = "docs/made-up.md"
TEXT = """\
```yaml
# deep/a.yaml
a: 1
```

<!-- before: echo first > said -->
<!-- before: echo second >> said -->
```console
$ cat said
first
third
$ cat deep/a.yaml
…
a: 1
```

```sh
false    # said nowhere
```
"""


def test_a_page_is_played_in_its_order(tmp_path: Path) -> None:
    played = list(play(PAGE, TEXT, tmp_path, give_to_shell))
    assert [(entry.command.text.split("#")[0].strip(), entry.wrong) for entry in played] == [
        ("cat said", "it prints something else"),
        ("cat deep/a.yaml", ""),
        ("false", "exit 1 instead of 0"),
    ]
    assert (tmp_path / "deep" / "a.yaml").read_text() == "# deep/a.yaml\na: 1\n"


def test_what_is_printed_goes_into_the_page(tmp_path: Path) -> None:
    played = list(play(PAGE, TEXT, tmp_path, give_to_shell))
    assert rewritten(TEXT, played, tmp_path) == TEXT.replace("third", "second")
    empty = "```console\n$ echo \\\n    a\n$ echo b\n```\n"
    played = list(play(PAGE, empty, tmp_path, give_to_shell))
    assert rewritten(empty, played, tmp_path) == "```console\n$ echo \\\n    a\na\n$ echo b\nb\n```\n"


def test_what_a_page_needs_first_must_go_well(tmp_path: Path) -> None:
    first, second = play(PAGE, "<!-- before: exit 2 -->\n```sh\ntrue\n```\n", tmp_path, give_to_shell)
    assert (first.command.text, first.wrong) == ("exit 2", "exit 2, before the block")
    assert (second.command.text, second.wrong) == ("true", "")


def test_what_is_not_run_is_not_given(tmp_path: Path) -> None:
    given: list[str] = []

    def give(text: str, _folder: Path) -> Printed:
        given.append(text)
        return Printed(0, "", "")

    assert list(play("docs/devices.md", "```sh\ncloset devices burn-in a\nci/test\n```\n", tmp_path, give)) == []
    assert given == []


@pytest.mark.parametrize(
    ("text", "output", "codes"),
    [
        ("closet run a", None, {0, 1, 3}),
        ("closet diff last", None, {0}),
        ("closet run a", ("gate CLOSED, exit 1: 1 regression",), {1}),
        ("closet check a", ("closet: a: no",), {2}),
        ("ls", (), {0}),
    ],
)
def test_how_a_command_may_end(text: str, output: tuple[str, ...] | None, codes: set[int]) -> None:
    assert allowed_codes(Command(PAGE, 1, text, output)) == codes


def test_mistakes_are_held_against_standard_error() -> None:
    command = Command(PAGE, 1, "closet check a", ("closet: a: no",))
    assert judge(command, Printed(2, "", "closet: a: no\n")) == ""
    assert judge(command, Printed(2, "closet: a: no\n", "closet: a: yes\n")) == "it prints something else"
    assert judge(command, Printed(0, "", "closet: a: no\n")) == "exit 0 instead of 2"
