"""Which verdicts a run that is gone on with may keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import ConfigMistakesError
from harness.pipeline.resume import check_same_run
from harness.verdict import QuarantineNote, Verdict
from tests.pipeline.test_run import Stage, stage

__all__ = ["stage"]


def test_what_was_quarantined_without_a_verdict_may_have_been_mended(stage: Stage) -> None:
    record = stage.run(stopped=True)
    stage = stage.approve(0.0)  # a baseline that there was not before
    lost = tuple(
        replace(result, verdict=Verdict.QUARANTINED, quarantine=QuarantineNote(Verdict.ERROR))
        for result in record.results
    )
    check_same_run(replace(record, results=lost), stage.prepared)
    judged = tuple(replace(result, quarantine=QuarantineNote(Verdict.FAIL)) for result in lost)
    with pytest.raises(ConfigMistakesError, match="approved baseline"):
        check_same_run(replace(record, results=judged), stage.prepared)
