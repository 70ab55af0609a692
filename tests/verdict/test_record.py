"""Records of every format that was ever written: read, brought up, held to their schema.

The stored ones were written by the code of their time: `v1-first` before repeats and quarantine were known,
`v1-repeats` and `v1-claims` as each was added, `v1-last` by the last program of format 1.
"""

from __future__ import annotations

import copy
import hashlib
import json
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from harness.errors import DataError
from harness.intent import PR_POLICY, RELEASE_POLICY, Answer
from harness.verdict import RECORD_FORMAT, RunRecord, Verdict, gate, parse_record, record_schema, render_record
from harness.verdict.upgrade import upgrade

RECORDS = Path(__file__).with_name("records")
STORED = sorted(path.stem for path in RECORDS.glob("*.json"))
DECIDED = {  # by the code that wrote them
    "v1-first": (1, "1 regression, 1 job without a verdict"),
    "v1-repeats": (1, "1 regression, 1 job without a verdict"),
    "v1-claims": (1, "1 regression, 1 job without a verdict, 1 claim inconclusive"),
    "v1-last": (1, "1 regression, 1 job without a verdict, 1 claim inconclusive"),
    "v2": (1, "1 regression, 1 job without a verdict, 1 claim inconclusive"),
}
FROZEN = {"record-v1.json": "b438722db1e887e8418c5ae995d66e37fc71c8f7f3723965b08b7d1e29d296d2"}


def schema_of(number: int) -> dict[str, object]:
    return json.loads(files("harness.verdict").joinpath("schema", f"record-v{number}.json").read_text())


def stored(name: str) -> dict[str, object]:
    return json.loads((RECORDS / f"{name}.json").read_text())


def read(name: str) -> RunRecord:
    return parse_record((RECORDS / f"{name}.json").read_bytes(), where=name)


def unworded(schema: object) -> object:
    """A schema without what it says to people: that may be put better in a format that was released."""
    if isinstance(schema, dict):
        return {key: unworded(each) for key, each in schema.items() if key != "description" or isinstance(each, dict)}
    return [unworded(each) for each in schema] if isinstance(schema, list) else schema


def test_the_schema_that_is_shipped_is_todays() -> None:
    assert unworded(schema_of(RECORD_FORMAT)) == unworded(record_schema()), "ci/record-schema writes it again"
    Draft202012Validator.check_schema(record_schema())


def test_the_schema_asks_for_all_that_is_written_and_nothing_else() -> None:
    schema = record_schema()
    for place in (schema, *schema["$defs"].values()):
        if "properties" in place:
            assert (place["required"], place["additionalProperties"]) == (list(place["properties"]), False)


def test_schemas_of_older_formats_stay_as_they_were_released() -> None:
    folder = files("harness.verdict").joinpath("schema")
    older = {f"record-v{number}.json" for number in range(1, RECORD_FORMAT)}
    assert set(FROZEN) == older
    for name, digest in FROZEN.items():
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == digest


def test_there_is_a_stored_record_of_every_format() -> None:
    assert set(STORED) == set(DECIDED)
    assert {stored(name)["format"] for name in STORED} == set(range(1, RECORD_FORMAT + 1))


@pytest.mark.parametrize("name", STORED)
def test_a_stored_record_is_read_and_decided_as_it_was(name: str) -> None:
    record = read(name)
    decided = gate(record)
    assert (int(decided.exit_code), decided.reason) == DECIDED[name]
    assert record.format == RECORD_FORMAT
    Draft202012Validator(record_schema()).validate(json.loads(render_record(record)))
    assert parse_record(render_record(record), where="again") == record


@pytest.mark.parametrize("name", [name for name in STORED if not name.startswith(f"v{RECORD_FORMAT}")])
def test_an_older_record_was_valid_then_and_what_it_is_brought_up_to_is_now(name: str) -> None:
    old = stored(name)
    before = copy.deepcopy(old)
    Draft202012Validator(schema_of(old["format"])).validate(old)
    risen = upgrade(old, old["format"], RECORD_FORMAT)
    assert old == before, "the one given is left alone"
    Draft202012Validator(record_schema()).validate(risen)
    assert {
        key: value for key, value in risen.items() if key in old and key not in {"format", "results", "claims"}
    } == {key: value for key, value in old.items() if key not in {"format", "results", "claims"}}, "what was said stays"
    with pytest.raises(ValidationError):
        Draft202012Validator(record_schema()).validate(old)


def test_what_an_older_record_did_not_say_is_what_it_meant_then() -> None:
    first, repeats, claims = read("v1-first"), read("v1-repeats"), read("v1-claims")
    assert [result.verdict for result in first.results] == [Verdict.PASS, Verdict.FAIL, Verdict.ERROR]
    assert [result.confirmations for result in first.results] == [(), (), ()]
    assert (first.results[1].blame, first.results[1].quarantine, first.claims) == (None, None, ())
    assert first.gate_policy == repeats.gate_policy == PR_POLICY
    assert claims.gate_policy == RELEASE_POLICY
    assert repeats.results[1].confirmations[0].blocked == ("action",)
    assert repeats.results[3].quarantine is not None
    assert repeats.results[3].quarantine.entries[0].owner == "lab@example.org"
    assert (claims.claims[0].answer, claims.claims[0].interval, claims.declared) == (
        Answer.INCONCLUSIVE,
        (-0.017, 0.003),
        "",
    )
    assert read("v1-last") == read("v2"), "the last of format 1 says what the first of format 2 says"


def test_a_record_of_format_1_with_as_little_as_its_schema_asked_for_is_read() -> None:
    """Every field that had a default may be missing, at every depth."""
    schema = schema_of(1)

    def bare(value: object, place: dict) -> object:
        place = schema["$defs"][place["$ref"].rpartition("/")[2]] if "$ref" in place else place
        if "anyOf" in place and isinstance(value, dict):
            (place,) = [each for each in place["anyOf"] if "$ref" in each]
            return bare(value, place)
        if isinstance(value, list) and isinstance(place.get("items"), dict):
            return [bare(entry, place["items"]) for entry in value]
        if isinstance(value, dict) and "properties" in place:
            kept = {"format", "results", "checks", "findings", "attempts", "error", "confirmations", "quarantine"}
            kept |= {"claims", "gate_policy", "entries", *place.get("required", ())}
            return {key: bare(entry, place["properties"][key]) for key, entry in value.items() if key in kept}
        return value

    least = bare(stored("v1-last"), schema)
    Draft202012Validator(schema).validate(least)
    record = parse_record(json.dumps(least), where="x")
    Draft202012Validator(record_schema()).validate(upgrade(least, 1, RECORD_FORMAT))
    assert [result.verdict for result in record.results] == [result.verdict for result in read("v1-last").results]
    assert record.results[1].checks[0].findings[0].first_frame is None
    assert record.gate_policy == PR_POLICY


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (lambda record: record, "unknown field surprise"),
        (lambda record: record["results"][1], "unknown field results.1.surprise"),
        (lambda record: record["results"][1]["checks"][0]["findings"][0], "results.1.checks.0.findings.0.surprise"),
        (lambda record: record["results"][2]["error"], "results.2.error.surprise"),
        (lambda record: record["results"][0]["attempts"][0], "results.0.attempts.0.surprise"),
        (lambda record: record["results"][1]["confirmations"][0], "results.1.confirmations.0.surprise"),
        (lambda record: record["results"][3]["quarantine"]["entries"][0], "quarantine.entries.0.surprise"),
        (lambda record: record["claims"][0], "claims.0.surprise"),
        (lambda record: record["gate_policy"], "gate_policy.surprise"),
    ],
)
@pytest.mark.parametrize("name", ["v1-last", "v2"])
def test_a_field_that_nobody_knows_is_refused_at_every_depth(name, place, words) -> None:
    record = stored(name)
    place(record)["surprise"] = 1
    with pytest.raises(DataError, match=words) as caught:
        parse_record(json.dumps(record), where="runs/1/record.json")
    assert "install" in str(caught.value)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(RECORD_FORMAT + 1, "a newer testing-closet wrote it"), (99, "a newer"), (0, "run the suite")],
)
def test_a_format_that_nobody_knows_is_refused(number: int, remedy: str) -> None:
    # Whatever else a newer record says: which program to take is what there is to say of it.
    with pytest.raises(DataError, match=f"record format {number}, this program reads 1 to {RECORD_FORMAT}") as caught:
        parse_record(json.dumps({"format": number, "runs": []}), where="x")
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("number", [None, "1", 1.5, True, [1]])
def test_a_format_is_a_whole_number(number: object) -> None:
    with pytest.raises(DataError, match="not a run record: format"):
        parse_record(json.dumps(stored("v2") | {"format": number}), where="x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["error", "checks", "x"]), inner),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["results", "claims", "gate_policy", "devices"])
    | st.sampled_from(["error", "checks", "attempts", "confirmations", "quarantine", "provenance"]),
    JSON,
)
def test_a_damaged_record_is_refused_with_words_or_read_and_never_a_bug(field: str, value: object) -> None:
    record = stored("v1-last")
    (record if field in record else record["results"][1])[field] = value
    refusal = ""
    try:
        parsed = parse_record(json.dumps(record), where="x")
    except DataError as error:
        refusal = str(error)
    if refusal:
        assert "not a run record" in refusal
    else:
        Draft202012Validator(record_schema()).validate(json.loads(render_record(parsed)))
