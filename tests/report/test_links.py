"""Addresses within a run's page: stable to the letter, and safe whatever a record names."""

import pytest

from harness.report.links import overview_link, segment_link, segment_slug, trial_key

SEGMENT = "5beb9b58bd12b691/0000010a--a51155e496/3"


def test_the_addresses_that_people_have_in_their_pull_requests() -> None:
    base = "https://ci.example/runs/12/page/"
    assert overview_link(base) == "https://ci.example/runs/12/page/index.html"
    assert overview_link() == "index.html"
    assert overview_link(base, verdict="FAIL", search="5beb") == (
        "https://ci.example/runs/12/page/index.html#verdict=FAIL&q=5beb"
    )
    assert segment_link("", SEGMENT) == "segments/5beb9b58bd12b691_0000010a--a51155e496--3.html"
    assert segment_link(base, SEGMENT, 412) == (
        "https://ci.example/runs/12/page/segments/5beb9b58bd12b691_0000010a--a51155e496--3.html#frame=412"
    )
    assert segment_link("", SEGMENT, 0, trial=trial_key("driving_model", "mici")) == (
        "segments/5beb9b58bd12b691_0000010a--a51155e496--3.html#frame=0&trial=driving_model+%C2%B7+mici"
    )


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b/c/d", '"><script>', "ü" * 500, ""])
def test_a_strange_name_stays_one_harmless_file_name(name: str) -> None:
    slug = segment_slug(name)
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert 0 < len(slug) < 100


def test_two_names_never_share_a_page() -> None:
    assert len({segment_slug(name) for name in ("a b", "a_b", "a/b", "a//b", "../a/b")}) == 5
