"""Whose fault a FAIL is: every combination of what two repeats can show, and the laws over all of them."""

from __future__ import annotations

import itertools

import pytest

from harness.errors import ErrorDescription
from harness.pipeline.confirmation import Conclusion, by_device, conclude
from harness.verdict import Blame, Confirmation, Verdict

GONE = ErrorDescription("UnreachableError", "no answer")


def repeat(device: str, shown: str) -> Confirmation:
    """`shown`: names of the checks that blocked again, `lost` when nothing could be told."""
    if shown == "lost":
        return Confirmation(device, Verdict.ERROR, error=GONE)
    return Confirmation(device, Verdict.FAIL if shown else Verdict.PASS, tuple(shown.split()))


def concluded(*shown: str, first: tuple[str, ...] = ("one",), alone: bool = False, blocked: str = "a") -> Conclusion:
    repeats = [repeat(device, said) for device, said in zip(("one", "two"), shown, strict=False)]
    return conclude(blocked.split(), first, repeats, kind="mici", alone=alone)


@pytest.mark.parametrize(
    ("same", "second", "verdict", "blame", "words", "suspects"),
    [
        ("a", "a", Verdict.FAIL, Blame.PRODUCT, "again on one and two", ()),
        ("a", "", Verdict.ERROR, Blame.DEVICE, "only one shows it: again there, not on two", ("one",)),
        ("a", "lost", Verdict.FAIL, Blame.PRODUCT, "again on one, no second device could tell: two: no answer", ()),
        ("", "a", Verdict.ERROR, Blame.CHANCE, "differs from itself on one: not reproducible, again on two", ("one",)),
        ("", "", Verdict.ERROR, Blame.CHANCE, "differs from itself on one: not reproducible, not on two", ("one",)),
        ("", "lost", Verdict.ERROR, Blame.CHANCE, "differs from itself on one: not reproducible", ("one",)),
        ("lost", "a", Verdict.FAIL, Blame.PRODUCT, "again on two, not repeated on one: no answer", ()),
        ("lost", "", Verdict.FAIL, Blame.UNKNOWN, "could not be confirmed: one: no answer; two does not show it", ()),
        ("lost", "lost", Verdict.FAIL, Blame.UNKNOWN, "could not be confirmed: one: no answer; two: no answer", ()),
        ("b", "b", Verdict.ERROR, Blame.CHANCE, "differs from itself on one: not reproducible, not on two", ("one",)),
        ("a b", "a", Verdict.FAIL, Blame.PRODUCT, "again on one and two", ()),
    ],
)
def test_two_repeats(same: str, second: str, verdict: Verdict, blame: Blame, words: str, suspects: object) -> None:
    conclusion = concluded(same, second)
    assert (conclusion.verdict, conclusion.blame, conclusion.suspects) == (verdict, blame, suspects)
    assert conclusion.words == words
    if verdict is Verdict.ERROR:
        assert conclusion.error is not None
        assert conclusion.error.problem == words
    else:
        assert conclusion.error is None


def test_a_repeat_that_was_cut_off_with_its_run_is_made_up_for_by_the_next_one() -> None:
    for lost, settled in ((repeat("one", "lost"), True), (repeat("", "lost"), False)):
        conclusion = conclude(["a"], ("one",), [lost, repeat("two", "a")], kind="mici", alone=False)
        assert (conclusion.verdict, conclusion.blame, conclusion.settled) == (Verdict.FAIL, Blame.PRODUCT, settled)


@pytest.mark.parametrize(
    ("shown", "verdict", "words", "suspects"),
    [
        (("a", "a"), Verdict.FAIL, "again on one and two", ()),
        (("a", ""), Verdict.ERROR, "only one shows it: there, not on two", ("one",)),
        (("", "a"), Verdict.ERROR, "only two shows it: there, not on one", ("two",)),
        (("", ""), Verdict.ERROR, "differs from what one and two make of it now: not reproducible", ()),
        (("", "lost"), Verdict.FAIL, "could not be confirmed: two: no answer; one does not show it", ()),
    ],
)
def test_a_stored_trace_of_which_nobody_knows_the_maker(
    shown: tuple[str, ...], verdict: Verdict, words: str, suspects: object
) -> None:
    conclusion = concluded(*shown, first=())
    assert (conclusion.verdict, conclusion.words, conclusion.suspects) == (verdict, words, suspects)


@pytest.mark.parametrize(
    ("shown", "blame", "words", "suspects"),
    [
        (("a", "a"), Blame.PRODUCT, "again on one and two", ()),
        (("a", ""), Blame.DEVICE, "only one shows it: again there, not on two", ("one",)),
        (("", "a"), Blame.DEVICE, "only two shows it: again there, not on one", ("two",)),
        (("", ""), Blame.CHANCE, "differs from itself on one and two: not reproducible", ("one", "two")),
        (("", "lost"), Blame.CHANCE, "differs from itself on one: not reproducible", ("one", "two")),
    ],
)
def test_the_sides_were_made_on_two_devices(shown: tuple[str, ...], blame: Blame, words: str, suspects: object) -> None:
    conclusion = concluded(*shown, first=("one", "two"))
    assert (conclusion.blame, conclusion.words, conclusion.suspects) == (blame, words, suspects)


@pytest.mark.parametrize("came", list(itertools.permutations(("one", "two", "three"))))
@pytest.mark.parametrize(
    ("first", "order"),
    [(("two",), "two"), (("two", "one"), "two one three"), (("one", "three"), "one three two"), ((), "")],
)
def test_repeats_are_told_by_device_whichever_ended_first(
    came: tuple[str, ...], first: tuple[str, ...], order: str
) -> None:
    told = [each.device for each in by_device(first, [repeat(name, "a") for name in came])]
    wanted = order.split()
    assert told == wanted + [name for name in came if name not in wanted]


@pytest.mark.parametrize(
    ("shown", "verdict", "words", "settled"),
    [
        ("a", Verdict.FAIL, "again on one, the only mici: no second device could tell", True),
        ("", Verdict.ERROR, "differs from itself on one: not reproducible", False),
        ("lost", Verdict.FAIL, "could not be confirmed: one: no answer", False),
    ],
)
def test_the_only_device_of_its_kind(shown: str, verdict: Verdict, words: str, settled: bool) -> None:
    conclusion = concluded(shown, alone=True)
    assert (conclusion.verdict, conclusion.words, conclusion.settled) == (verdict, words, settled)


def test_a_check_that_is_confirmed_is_not_excused_by_one_that_is_not() -> None:
    conclusion = concluded("a b", "a", blocked="a b")
    assert (conclusion.verdict, conclusion.blame) == (Verdict.FAIL, Blame.PRODUCT)
    assert conclusion.words == "again on one and two; b only sometimes"


SHOWN = ("", "a", "b", "a b", "lost")
FIRST: tuple[tuple[str, ...], ...] = ((), ("one",), ("one", "two"), ("three",))


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("blocked", ["a", "a b"])
@pytest.mark.parametrize("shown", [said for count in range(3) for said in itertools.product(SHOWN, repeat=count)])
def test_laws(shown: tuple[str, ...], blocked: str, first: tuple[str, ...]) -> None:
    conclusion = concluded(*shown, first=first, alone=len(shown) == 1, blocked=blocked)
    assert conclusion.verdict in {Verdict.FAIL, Verdict.ERROR}, "a difference is never retried into green"
    assert (conclusion.error is not None) is (conclusion.verdict is Verdict.ERROR)
    told = [said.split() for said in shown if said != "lost"]
    if not told:
        assert conclusion.blame is Blame.UNKNOWN, "a regression never hides behind a lab error"
    elif any(all(check in said for said in told) for check in blocked.split()):
        assert conclusion.blame is Blame.PRODUCT
    elif "lost" not in shown:
        assert conclusion.verdict is Verdict.ERROR
    assert (conclusion.verdict is Verdict.FAIL) is (conclusion.blame in {Blame.PRODUCT, Blame.UNKNOWN})
    assert not conclusion.settled or conclusion.blame is Blame.PRODUCT
    assert set(conclusion.suspects) <= {"one", "two", *first}
