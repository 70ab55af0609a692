from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.recording.corpus import Corpus
from harness.recording.corpus_columns import COLUMN_BY_NAME, ColumnType
from harness.recording.corpus_query import known_names, parse_query

ROWS = [
    {"segment": "a/1", "soft_disables": 2, "brand": "toyota", "car": "TOYOTA_RAV4", "night": 1, "max_speed_mps": 30.5},
    {"segment": "b/2", "soft_disables": 0, "brand": "toyota", "car": "TOYOTA_PRIUS", "night": 0, "max_speed_mps": 12.0},
    {
        "segment": "c/3",
        "soft_disables": 1,
        "brand": "honda",
        "car": "HONDA_CIVIC",
        "night": None,
        "max_speed_mps": None,
    },
    {"segment": "d/4", "soft_disables": 0, "brand": "o\"brien's", "car": "X", "night": 0, "max_speed_mps": -1.0},
]
EVENTS = {"a/1": ["commIssue", "doorOpen"], "c/3": ["doorOpen"]}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    with Corpus(tmp_path_factory.mktemp("corpus") / "corpus.db") as corpus:
        corpus.add(
            (
                {**row, "place": "/x", "error": ""},
                [("softDisable", name, 1.0, 2.0, True, "recovered") for name in EVENTS.get(str(row["segment"]), [])],
            )
            for row in ROWS
        )
        yield corpus


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('soft_disables > 0 and brand = "toyota"', "a"),
        ("soft_disables>0 or max_speed_mps<0", "acd"),
        ("not soft_disables > 0", "bd"),
        ("soft_disables > 0 and not (brand = 'toyota')", "c"),
        ('brand = "toyota" or brand = "honda" and soft_disables = 1', "abc"),
        ('(brand = "toyota" or brand = "honda") and soft_disables >= 1', "ac"),
        ("brand in ('toyota', 'honda')", "abc"),
        ("brand not in ('toyota', 'honda')", "d"),
        ("soft_disables IN (1, 2.0, -3e1)", "ac"),
        ('car like "toyota_%"', "ab"),
        ('car not like "%I_"', "abd"),
        ("night", "a"),
        ("not night", "bd"),
        ("night = false", "bd"),
        ("night is unknown", "c"),
        ("max_speed_mps is not unknown and max_speed_mps <= 12", "bd"),
        ('event = "doorOpen"', "ac"),
        ('event != "doorOpen"', "bd"),
        ('event in ("commIssue", "x")', "a"),
        ('event like "comm%" or event not like "%"', "abd"),
        ("brand = 'o\"brien''s'", "d"),
        ('brand = "o""brien\'s"', "d"),
        ('brand = "toyota"; DROP TABLE segments --"', None),
        ('brand = "toyota\'; DROP TABLE segments --"', ""),
        ("soft_disables <> 0 and soft_disables != 2", "c"),
        ("soft_disables == 2", "a"),
    ],
)
def test_what_expressions_find(corpus: Corpus, text: str, found: str | None):
    if found is None:
        with pytest.raises(ConfigError):
            parse_query(text)
        return
    rows = corpus.find(parse_query(text), ["segment"])
    assert "".join(str(row["segment"])[0] for row in rows) == found


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 1, "empty"),
        ("   ", 1, "empty"),
        ("soft_disables", 14, "a comparison must follow"),
        ("soft_disable > 0", 1, "there is no soft_disable"),
        ("soft_disables > 'x'", 17, "soft_disables is a number, not 'x'"),
        ("brand = toyota", 9, "brand is text"),
        ("brand = 3", 9, "brand is text"),
        ("night = 'x'", 9, "true or false"),
        ("brand = 'x", 9, "quote is not closed"),
        ("soft_disables > 0 brand = 'x'", 19, "is too much"),
        ("(soft_disables > 0", 1, "bracket is not closed"),
        ("soft_disables > 0)", 18, "is too much"),
        ("soft_disables > 0 and", 22, "a name must stand here, not the end"),
        ("soft_disables > 0 & night", 19, "means nothing"),
        ("brand in 'x'", 10, "a list in brackets"),
        ("brand in ('x'", 14, "a comma or the end of the list"),
        ("soft_disables like '1%'", 1, "not text"),
        ("brand not = 'x'", 11, "must follow `not`"),
        ("brand is 'x'", 10, "`unknown` must follow"),
        ("event > 'x'", 7, "event can be"),
        ("event is unknown", 17, "never unknown"),
        ("and", 1, "a name must stand here, not and"),
        ("1 = 1", 1, "a name must stand here, not 1"),
        ("rowid = 1", 1, "there is no rowid"),
        ("sqlite_version() = '3'", 1, "there is no sqlite_version"),
    ],
)
def test_mistakes_are_told_with_their_column(text: str, column: int, problem: str):
    with pytest.raises(ConfigError) as caught:
        parse_query(text)
    assert caught.value.where == f"column {column}"
    assert problem in caught.value.problem


def test_an_unknown_name_lists_the_names_there_are_and_the_nearest():
    with pytest.raises(ConfigError) as caught:
        parse_query("brnd = 'x'", where="suites/safety.yaml:4")
    assert caught.value.where == "suites/safety.yaml:4, column 1 of the expression"
    assert "did you mean brand?" in caught.value.remedy
    assert all(name in caught.value.remedy for name in known_names())


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "not " * 2000 + "night",
        " or ".join(["night"] * 1200),
        "night " * 3000,
        "x" * 20_000,
        "brand = '\udcff'",
    ],
)
def test_what_is_too_much_is_refused_and_not_a_crash(text: str):
    with pytest.raises(ConfigError):
        parse_query(text)


def test_the_longest_chain_that_is_allowed_runs(corpus: Corpus):
    assert len(corpus.find(parse_query(" or ".join(["night"] * 500)), ["segment"])) == 1
    deepest = "night"
    for depth in range(14):
        deepest = f"not {deepest}" if depth % 2 else f"(night and night or number = 3 and {deepest})"
    corpus.find(parse_query(deepest), ["segment"])
    assert len(corpus.find(parse_query("not " * 14 + "night"), ["segment"])) == 1


VALUES = {
    ColumnType.TEXT: st.text(st.characters(codec="utf-8"), max_size=8).map(
        lambda text: '"' + text.replace('"', '""') + '"'
    ),
    ColumnType.NUMBER: st.floats(allow_nan=False, allow_infinity=False).map(repr),
    ColumnType.COUNT: st.integers(-(2**40), 2**40).map(str),
    ColumnType.FLAG: st.sampled_from(["true", "false", "1"]),
}
comparisons = st.sampled_from(list(COLUMN_BY_NAME.values())).flatmap(
    lambda column: st.builds(
        "{} {} {}".format,
        st.just(column.name),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        VALUES[column.type],
    )
)
expressions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(expressions)
def test_every_expression_of_the_grammar_runs(corpus: Corpus, text: str):
    query = parse_query(text)
    assert len(corpus.find(query, ["segment"])) <= len(ROWS)


@settings(max_examples=300)
@given(st.text(max_size=40) | st.text(alphabet="andornti()'\"=<>,; brfu_0123", max_size=40))
def test_any_text_is_an_expression_or_a_clear_refusal(corpus: Corpus, text: str):
    try:
        query = parse_query(text)
    except ConfigError as error:
        if not error.where.startswith("column "):
            pytest.fail(f"{text!r}: {error}")
        return
    try:
        corpus.find(query, ["segment"])
    except sqlite3.Error as error:
        pytest.fail(f"{text!r} became {query.sql!r}: {error}")


def test_what_is_written_is_bound_never_pasted(tmp_path: Path):
    query = parse_query("brand = 'x' and soft_disables in (1, 2) and event like 'y'")
    assert query.values == ("x", 1.0, 2.0, "y")
    assert "x" not in query.sql.replace("EXISTS", "")
    assert query.names == {"brand", "soft_disables", "event"}
