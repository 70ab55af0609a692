r"""Markdown around text that nobody vouches for: names of segments, messages of devices, tails of logs.

GitHub and GitLab make links, mentions, references and pictures of plain text, and no escape keeps them from all of it
(`\@name` still calls somebody). They leave code alone. So whatever a record says goes into code: a span within a line,
a fence by itself; and nothing gets out of either, whatever it holds.
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote, urlsplit

from harness.errors import ConfigError
from harness.report.budget import clean

_RUNS = re.compile("`+")
_SPACE = re.compile(r"\s+")
# Marks that make text read another way than it is written, and ends of lines that are none to a terminal.
_TURNING = re.compile("[\u0085\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN_URL = "/?#[]!$&'*+,;=:%~"  # beside letters, digits and _.-; what is left may end a link of Markdown
_NOTHING = "–"


def line(text: str, limit: int) -> str:
    """`text` on one line, without what could turn it round, cut to `limit` characters; a dash where nothing is left."""
    return clean(_SPACE.sub(" ", _TURNING.sub("", text)).strip(), limit).strip() or _NOTHING


def code(text: str, limit: int = 300) -> str:
    """`text` as a span of code, which can stand in a line, a heading or a cell of a table."""
    # A bar ends a cell even within code, and what a backslash before it does depends on the reader.
    told = line(text, limit).replace("|", "¦")
    fence = _longer_than(told, 1)
    pad = " " if told.startswith("`") or told.endswith("`") else ""
    return f"{fence}{pad}{told}{pad}{fence}"


def fenced(text: str, limit: int) -> str:
    """`text` as a block of code, cut in its middle to `limit` characters."""
    told = clean(_TURNING.sub("", text), limit).strip("\n")
    fence = _longer_than(told, 3)
    return f"{fence}text\n{told}\n{fence}"


def folded(title: str, block: str) -> str:
    """A block that opens when its title, any text, is clicked."""
    head = html.escape(line(title, 300))
    return f"<details><summary><code>{head}</code></summary>\n\n{block}\n\n</details>"


def link(shown: str, url: str) -> str:
    """A link to an address of ours; `shown` is Markdown."""
    return f"[{shown}]({quote(url, safe=_PLAIN_URL)})"


def page_base(text: str) -> str:
    """The address that a person gave as that of a run's page; empty where they gave none. ConfigError otherwise."""
    text = text.strip()
    if not text:
        return ""
    problem = ""
    try:
        parts = urlsplit(text)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            problem = "should begin with https:// or http:// and a host"
        elif parts.username is not None or parts.password is not None:
            problem = "holds a user name or password, which would be published"
        elif parts.query or parts.fragment or not text.isprintable() or " " in text:
            problem = "should be a plain address without ?, # or spaces: names of pages are put behind it"
    except ValueError as error:
        problem = f"is no address: {error}"
    if problem:
        raise ConfigError(
            f"the address of the page {problem}",
            where="--page-url",
            remedy="as in --page-url https://closet.example.org/runs/2026-11-21-001/page",
        )
    return text.rstrip("/")


def _longer_than(text: str, least: int) -> str:
    """So many backticks that `text` cannot end what they begin."""
    return "`" * max(least, 1 + max(map(len, _RUNS.findall(text)), default=0))
