"""Expressions that pick segments: `soft_disables > 0 and brand = "toyota"`, compiled to SQL with bound values.

    expression  := conjunction ("or" conjunction)*
    conjunction := negation ("and" negation)*
    negation    := "not" negation | "(" expression ")" | comparison
    comparison  := name ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value
                 | name ["not"] "in" "(" value ("," value)* ")"
                 | name ["not"] "like" text          with % and _ as in SQL, capitals or not
                 | name "is" ["not"] "unknown"
                 | name                              a flag

Names are those of the index and `event`, which stands for the names of all disabling events of a segment. Values are
numbers, text in either quotes, true and false. Only names from our own list and our own words reach the SQL text; what
a person writes is bound.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn, TypeAlias

from harness.errors import ConfigError
from harness.recording.corpus_columns import COLUMN_BY_NAME, ColumnType

EVENT = "event"

_MAX_LENGTH = 10_000
_MAX_DEPTH = 16  # SQLite's parser has a stack of a hundred places
_MAX_COMPARISONS = 500  # SQLite nests a chain of them, and has a limit of 1000
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
        |(?P<text>"(?:[^"]|"")*"|'(?:[^']|'')*')
        |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
        |(?P<sign><=|>=|<>|!=|==|[=<>(),]))""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_OPERATORS = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORDS = frozenset({"and", "or", "not", "in", "like", "is", "unknown", "true", "false"})
_EVENT_SQL = "id IN (SELECT segment_id FROM disablings WHERE name {test})"

_Bound: TypeAlias = "str | int | float"


@dataclass(frozen=True, slots=True)
class Query:
    """A condition as SQL over the table `segments`, the values bound to it, and the names it uses."""

    sql: str
    values: tuple[_Bound, ...]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number, text, word, sign, end
    text: str
    column: int

    @property
    def word(self) -> str:
        """The word in small letters; empty when it is none."""
        return self.text.lower() if self.kind == "word" else ""


def parse_query(text: str, *, where: str = "") -> Query:
    """Compile an expression; ConfigError with the column of the first mistake, and the names there are."""
    return _Parser(text, where).parse()


def known_names() -> tuple[str, ...]:
    """Every name an expression may use."""
    return (*COLUMN_BY_NAME, EVENT)


class _Parser:
    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        if len(text) > _MAX_LENGTH:
            self._refuse(1, f"the expression is longer than {_MAX_LENGTH} characters")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            self._refuse(1, "the expression is not UTF-8")
        self._tokens = list(self._split())
        self._place = 0
        self._depth = self._comparisons = 0
        self._values: list[_Bound] = []
        self._names: set[str] = set()

    def parse(self) -> Query:
        if self._now.kind == "end":
            self._refuse(1, "the expression is empty", 'write one, as soft_disables > 0 and brand = "toyota"')
        sql = self._expression()
        if self._now.kind != "end":
            self._refuse(self._now.column, f"{self._now.text} is too much: `and` or `or` may follow here")
        return Query(sql, tuple(self._values), frozenset(self._names))

    def _split(self) -> list[_Token]:
        tokens, place = [], 0
        while (place := self._spaces_end(place)) < len(self._text):
            match = _TOKEN.match(self._text, place)
            if match is None:
                unclosed = self._text[place] in "\"'"
                self._refuse(place + 1, "a quote is not closed" if unclosed else f"{self._text[place]!r} means nothing")
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind], place + 1))
            place = match.end()
        return [*tokens, _Token("end", "the end", len(self._text) + 1)]

    def _spaces_end(self, place: int) -> int:
        match = _SPACE.match(self._text, place)
        return match.end() if match else place

    @property
    def _now(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._now
        self._place += token.kind != "end"
        return token

    def _takes(self, word: str) -> bool:
        """Go past `word` if it is the next."""
        here = self._now.word == word or (self._now.kind == "sign" and self._now.text == word)
        self._place += here
        return here

    def _expression(self) -> str:
        return self._joined("or", lambda: self._joined("and", self._negation))

    def _joined(self, word: str, part: Callable[[], str]) -> str:
        parts = [part()]
        while self._takes(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else "(" + f" {word.upper()} ".join(parts) + ")"

    def _negation(self) -> str:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._refuse(self._now.column, f"nested more than {_MAX_DEPTH} deep")
        start = self._now
        if self._takes("not"):
            sql = f"(NOT {self._negation()})"
        elif self._takes("("):
            sql = self._expression()
            if not self._takes(")"):
                self._refuse(start.column, "a bracket is not closed")
        else:
            sql = self._comparison()
        self._depth -= 1
        return sql

    def _comparison(self) -> str:
        token = self._take()
        if token.kind != "word" or token.word in _WORDS:
            self._refuse(token.column, f"a name must stand here, not {token.text}", _names_words())
        name = token.text
        if name not in known_names():
            near = get_close_matches(name, known_names(), n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            self._refuse(token.column, f"there is no {name}", f"{hint}{_names_words()}")
        self._names.add(name)
        self._comparisons += 1
        if self._comparisons > _MAX_COMPARISONS:
            self._refuse(token.column, f"more than {_MAX_COMPARISONS} comparisons")
        kind = ColumnType.TEXT if name == EVENT else COLUMN_BY_NAME[name].type
        negated = self._takes("not")
        if self._takes("in"):
            return self._tested(name, f"IN ({self._list(name, kind)})", negated=negated)
        if self._takes("like"):
            if kind is not ColumnType.TEXT:
                self._refuse(token.column, f"{name} is not text, `like` says nothing of it")
            return self._tested(name, f"LIKE {self._value(name, kind)}", negated=negated)
        if negated:
            self._refuse(self._now.column, "`in` or `like` must follow `not` here")
        return self._unknown(name) if self._takes("is") else self._compared(name, kind)

    def _unknown(self, name: str) -> str:
        negated = self._takes("not")
        if not self._takes("unknown"):
            self._refuse(self._now.column, f"`unknown` must follow here, not {self._now.text}")
        if name == EVENT:
            self._refuse(self._now.column, "event is never unknown")
        return f"{name} IS {'NOT ' if negated else ''}NULL"

    def _compared(self, name: str, kind: ColumnType) -> str:
        token = self._now
        operator = _OPERATORS.get(token.text) if token.kind == "sign" else None
        if operator is None:
            if kind is ColumnType.FLAG:
                return f"{name} = 1"
            self._refuse(token.column, f"a comparison must follow {name}, as =, <, in or like")
        self._place += 1
        if name != EVENT:
            return f"{name} {operator} {self._value(name, kind)}"
        if operator not in ("=", "<>"):
            self._refuse(token.column, "event can be =, !=, in or like")
        return self._tested(name, f"= {self._value(name, kind)}", negated=operator == "<>")

    def _tested(self, name: str, test: str, *, negated: bool) -> str:
        sql = _EVENT_SQL.format(test=test) if name == EVENT else f"{name} {test}"
        return f"(NOT {sql})" if negated else sql

    def _list(self, name: str, kind: ColumnType) -> str:
        if not self._takes("("):
            self._refuse(self._now.column, f"a list in brackets must follow `in`, not {self._now.text}")
        bound = [self._value(name, kind)]
        while self._takes(","):
            bound.append(self._value(name, kind))
        if not self._takes(")"):
            self._refuse(self._now.column, f"a comma or the end of the list must stand here, not {self._now.text}")
        return ", ".join(bound)

    def _value(self, name: str, kind: ColumnType) -> str:
        """Bind the next value, which must be of the column's kind."""
        token = self._take()
        if kind is ColumnType.TEXT:
            if token.kind != "text":
                self._refuse(token.column, f"{name} is text: write its value in quotes, not {token.text}")
            quote = token.text[0]
            self._values.append(token.text[1:-1].replace(quote * 2, quote))
        elif token.word in ("true", "false") and kind is ColumnType.FLAG:
            self._values.append(int(token.word == "true"))
        elif token.kind == "number":
            self._values.append(float(token.text))
        else:
            wanted = "true or false" if kind is ColumnType.FLAG else "a number"
            self._refuse(token.column, f"{name} is {wanted}, not {token.text}")
        return "?"

    def _refuse(self, column: int, problem: str, remedy: str = "") -> NoReturn:
        place = f"{self._where}, column {column} of the expression" if self._where else f"column {column}"
        raise ConfigError(problem, where=place, remedy=remedy or "closet routes find --help shows how they are written")


def _names_words() -> str:
    return f"names: {', '.join(known_names())}"
