"""What the tests of the chaos suite share: links, a corpus, and workers that outlive a scenario."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.corpus import Corpus, build_corpus
from tests.chaos.link import Loop
from tests.chaos.nursery import ROOT
from tests.chaos.scenario import Floor
from tests.chaos.watcher import watched_folder


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    with Loop() as found:
        yield found


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return build_corpus(ROOT / ".closet" / "fixtures" / "chaos")


@pytest.fixture(scope="session")
def floor(corpus: Corpus) -> Iterator[Floor]:
    with watched_folder() as folder, Floor(folder, corpus) as found:
        yield found
