"""The reference is what the code says now, and nothing is missing from it."""

from __future__ import annotations

import re
from enum import Enum

import pytest
from pydantic import BaseModel

from ci.reference import FOLDER, METRICS, PAGES, keys
from ci.reference.commands import all_commands
from ci.reference.environment import GIVEN, INNER, READ, TESTS
from ci.reference.faults import error_classes
from ci.reference.metrics import with_tables
from ci.reference.replayers import OPTIONS
from ci.reference.run_folder import RUN
from ci.reference.text import enum_rows, member_docs
from ci.reference.verdicts import SECTIONS
from harness import verdict
from harness.config import forms, intent, quarantine, upkeep
from harness.errors import ExitCode
from harness.pipeline import runs
from harness.recording.corpus_columns import COLUMNS
from harness.replay import REPLAYERS
from harness.replay.selfdrive.thresholds import THRESHOLDS
from tests.docs.shown import ROOT

FORMS = {
    form.__name__: form
    for module in (forms, intent, quarantine, upkeep)
    for form in vars(module).values()
    if isinstance(form, type) and issubclass(form, BaseModel) and form.model_fields.keys() - {"root"}
}


def text_of(name: str) -> str:
    return (FOLDER / name).read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert text_of(name) == PAGES[name](), "ci/docs --write writes it anew"


def test_the_tables_of_metrics_are_put_between_their_marks() -> None:
    page = METRICS.read_text()
    assert with_tables(page) == page, "ci/docs --write writes it anew"
    emptied = re.sub(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", r"\1old\n\3", page, flags=re.DOTALL)
    assert emptied != page
    assert with_tables(emptied) == page


def test_no_page_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*PAGES, "index.md"}


def test_every_command_and_option_is_there() -> None:
    page = text_of("commands.md")
    sections = dict(re.findall(r"^## (closet.*)\n((?:(?!## ).*\n)*)", page, re.MULTILINE))
    for path, command in all_commands():
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("-"):
                    assert f"`{option}`" in sections[path], f"{path} {option}"
        if command.epilog and "closet" in command.epilog:
            assert "```sh" in sections[path], path


@pytest.mark.parametrize("name", FORMS)
def test_every_key_is_there_and_says_what_it_means(name: str) -> None:
    form, docs = FORMS[name], member_docs(FORMS[name])
    pages = "".join(text_of(page) for page in ("suite.md", "devices.md", "intent.md", "quarantine.md"))
    _, _, section = pages.partition(f"\n## {keys.TITLES[name]}\n")
    section, _, _ = section.partition("\n## ")
    for key in form.model_fields:
        assert docs.get(key), f"{name}.{key} has no words beneath it"
        assert f"| `{key}` |" in section, f"{name}.{key}"


@pytest.mark.parametrize("members", [*SECTIONS.values(), ExitCode], ids=lambda members: members.__name__)
def test_every_value_says_what_it_means(members: type[Enum]) -> None:
    rows = enum_rows(members)
    assert len(rows) == len(members)
    assert all(words for _, words in rows), rows


def test_every_word_of_a_record_is_there() -> None:
    enums = {each for each in vars(verdict).values() if isinstance(each, type) and issubclass(each, Enum)}
    assert enums <= set(SECTIONS.values())


def test_every_error_is_there() -> None:
    page = text_of("exit-codes.md")
    assert all(f"| `{kind.__name__}` |" in page for kind in error_classes())
    assert all(f"\n| {code.value} | `{code.name}` |" in page for code in ExitCode)
    assert "the first of 4, 2, 1, 3, 5 counts" in page


def test_every_replayer_and_option_says_what_it_means() -> None:
    assert OPTIONS.keys() == REPLAYERS.keys()
    for name, (options, _) in OPTIONS.items():
        assert f"\n## {name}\n" in text_of("replayers.md")
        assert options.__dataclass_fields__.keys() == member_docs(options).keys(), name  # type: ignore[attr-defined]


def test_every_variable_of_the_code_is_there() -> None:
    code = "".join(path.read_text() for path in (ROOT / "harness").rglob("*.py"))
    assert set(re.findall(r"\bCLOSET_[A-Z_]+\b", code)) == {*READ, *GIVEN, *INNER} - {"CC"}
    ours = [*(ROOT / "ci").iterdir(), *(ROOT / "tests").rglob("*.py")]
    tests = "".join(path.read_text() for path in ours if path.is_file() and path.parent.name != "docs")
    assert all(f"{name}" in tests for name in TESTS)


def test_every_name_of_an_expression_and_every_threshold_is_there() -> None:
    assert all(f"| `{column.name}` |" in text_of("expressions.md") for column in COLUMNS)
    assert all(f"| `{name}` |" in text_of("thresholds.md") for name in THRESHOLDS)


def test_every_file_of_a_run_is_there() -> None:
    named = {value for name, value in vars(runs).items() if name.isupper() and isinstance(value, str)}
    assert named <= RUN.keys()
