"""From what was asked for to a plan: recordings found, models named, files digested, every mistake told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.closet.code_bundle import code_bundle
from harness.config import Fleet, ReplayerConfig, RouteSource, Suite, gather, load_fleet, load_suite
from harness.domain import Check, DeviceKind, NamedBlob, Plan, canonical_json
from harness.errors import ConfigError, ConfigMistakesError, NothingToRunError
from harness.pipeline.intents import Declared, declare
from harness.pipeline.judgement import REPLAY_CHECK
from harness.pipeline.quarantine import Place, check_entries
from harness.pipeline.questions import unknown_events
from harness.pipeline.request import ModelChoice, Request
from harness.pipeline.runtimes import check_choices, known_healths, planned_runtimes
from harness.pipeline.selection import check_same, is_wanted, replayed_by, select
from harness.plan import Case, make_plan
from harness.recording.corpus_query import parse_query
from harness.recording.layout import Recording
from harness.replay import REPLAYERS, inputs_needed
from harness.replay.models import find_model
from harness.shelf import DeviceHealth, refuse_unavailable
from harness.store import Approval, Store


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with what is needed to carry it out: where each blob lies here, the devices, the checks by replayer.

    `declared` is what the change is said to do; the checks are as that leaves them.
    """

    suite: Suite
    fleet: Fleet
    plan: Plan
    blob_paths: dict[str, Path]
    checks: dict[str, tuple[Check, ...]]
    candidate: dict[str, str]
    baseline: dict[str, str]
    declared: Declared = Declared()  # noqa: RUF009 frozen, and nothing declared


@dataclass(frozen=True, slots=True)
class _Models:
    """The files of both sides for one replayer; `baseline` None means what was approved."""

    config: ReplayerConfig
    candidate: tuple[tuple[str, Path], ...]
    baseline: tuple[tuple[str, Path], ...] | None


def prepare(request: Request, store: Store) -> Prepared:
    """Read and check everything a run needs. ConfigMistakesError with all mistakes; nothing is leased or written."""
    suite = load_suite(request.suite)
    fleet = load_fleet(request.devices) if request.devices else Fleet((), 2)
    recordings: dict[str, Recording] = {}
    models: dict[str, _Models] = {}
    declared: list[Declared] = []
    healths = known_healths(store.home, fleet)

    def look_for_recordings(source: RouteSource) -> Callable[[], None]:
        def look() -> None:
            for found in select(source, store.home):
                check_same(recordings.setdefault(str(found.segment), found), found, source, store)

        return look

    def look_for_models(config: ReplayerConfig) -> Callable[[], None]:
        return lambda: models.update({config.name: _choose(config, request)})

    gather(
        [
            *(look_for_recordings(source) for source in suite.routes),
            *(look_for_models(config) for config in suite.replayers),
            lambda: _check_choices(suite, request),
            lambda: declared.append(declare(suite, request.intents)),
            lambda: check_entries(suite.quarantine),
            lambda: check_choices(suite.runtimes, suite.where_devices),
            *(_check_served(suite, fleet, kind, healths) for kind in suite.device_kinds),
        ]
    )
    chosen = [found for name, found in sorted(recordings.items()) if is_wanted(name, request.only)]
    chosen = [found for found in chosen if not request.segments or str(found.segment) in request.segments]
    if not chosen:
        raise NothingToRunError(
            f"none of {len(recordings)} segments is selected",
            where=str(request.suite),
            remedy="mind --only and `select:`; closet routes ls FOLDER lists what is there",
        )
    replayed = {config.name: replayed_by(config, suite, chosen, store.home) for config in suite.replayers}
    blob_paths: dict[str, Path] = {}

    def named(name: str, path: Path) -> NamedBlob:
        blob = store.digest_file(path)
        blob_paths[blob.sha256] = path
        return NamedBlob(name, blob)

    store.baselines.sync()

    def accepted(recording: Recording, config: ReplayerConfig, kind: DeviceKind) -> tuple[Approval, ...]:
        options = canonical_json(dict(config.options))
        found = store.accepted(str(recording.segment), config.name, kind, options, branch=request.branch)
        if suite.signers is not None and models[config.name].baseline is None:
            store.baselines.require_signed(found, suite.signers)
        return found

    # A trace made by other code is never taken for what this code would make, whether or not its version was raised.
    code = code_bundle()[0].sha256[:12]
    cases = [
        Case(
            recording.segment,
            entry.config.name,
            f"{REPLAYERS[entry.config.name]}+{code}",
            tuple(
                named(_file_name(stem, recording.files[stem]), recording.files[stem])
                for stem in inputs_needed(entry.config.name, entry.config.options)
                if stem in recording.files
            ),
            entry.config.options,
            tuple(named(name, path) for name, path in entry.candidate),
            None if entry.baseline is None else tuple(named(name, path) for name, path in entry.baseline),
            {
                kind: tuple(approval.trace_sha256 for approval in accepted(recording, entry.config, kind))
                for kind in suite.device_kinds
            },
        )
        for recording in chosen
        for entry in models.values()
        if str(recording.segment) in replayed[entry.config.name]
    ]
    runtimes = planned_runtimes(suite.device_kinds, fleet, healths, suite.runtimes)
    plan = make_plan(suite.name, cases, runtimes, suite.tags, suite.deadline_s)
    return Prepared(
        suite,
        fleet,
        plan,
        blob_paths,
        {config.name: declared[0].checks(config) for config in suite.replayers},
        {name: _label(entry.candidate) for name, entry in models.items()},
        {name: _label(entry.baseline) if entry.baseline else "approved" for name, entry in models.items()},
        declared[0],
    )


def check_suite(suite: Suite, fleet: Fleet | None) -> tuple[Place, ...]:
    """Check what a suite names without a run: folders, selections, replayers, options, and devices if a fleet is given.

    Returns every place it could judge, whatever its conditions pick. ConfigMistakesError with all mistakes.
    """
    found: list[Recording] = []
    gather(
        [
            *(_check_served(suite, fleet, kind, {}) for kind in suite.device_kinds if fleet is not None),
            *((lambda source=source: found.extend(select(source))) for source in suite.routes),
            *((lambda config=config: _check_replayer(config)) for config in suite.replayers),
            lambda: check_entries(suite.quarantine),
            lambda: check_choices(suite.runtimes, suite.where_devices),
        ]
    )
    return tuple(
        Place(recording.segment, config.name, kind, (REPLAY_CHECK, *(check.name for check in config.checks)))
        for recording in found
        for config in suite.replayers
        for kind in suite.device_kinds
    )


def _check_replayer(config: ReplayerConfig) -> None:
    if config.name not in REPLAYERS:
        known = ", ".join(REPLAYERS)
        raise ConfigError(f"unknown replayer {config.name}", where=config.where, remedy=f"one of {known}")
    if config.condition:
        parse_query(config.condition, where=config.where)
    for check in config.checks:
        if check.events is not None and (errors := unknown_events(check.events, config.where)):
            raise ConfigMistakesError(tuple(errors))
    try:
        inputs_needed(config.name, config.options)
    except ConfigError as error:
        raise ConfigError(error.problem, where=config.where, remedy=error.remedy) from error


def _choose(config: ReplayerConfig, request: Request) -> _Models:
    _check_replayer(config)
    candidate = _find_side(config, request.candidate, config.candidate)
    if candidate is None:
        raise ConfigError(
            f"no candidate for {config.name}",
            where=config.where,
            remedy="--candidate MODEL, or `candidate:` in the suite",
        )
    return _Models(config, candidate, _find_side(config, request.baseline, config.baseline))


def _find_side(
    config: ReplayerConfig, choices: tuple[ModelChoice, ...], own: Path | None
) -> tuple[tuple[str, Path], ...] | None:
    """The files of one side: the last model named for this replayer, else the last named for all, else the suite's own.

    A model named for all is none for every replayer, as a driving model is no rule set: where the suite has one of its
    own, that is taken then. `_check_choices` sees to it that what was named is a model for any of them.
    """
    mine = [choice.path for choice in choices if choice.replayer == config.name]
    anyones = [choice.path for choice in choices if not choice.replayer]
    if mine:
        return find_model(mine[-1], config.name)
    if anyones:
        try:
            return find_model(anyones[-1], config.name)
        except ConfigError:
            if own is None:
                raise
    return None if own is None else find_model(own, config.name)


def _check_choices(suite: Suite, request: Request) -> None:
    names = sorted(config.name for config in suite.replayers)
    sides = (
        (request.candidate, [config.candidate for config in suite.replayers]),
        (request.baseline, [config.baseline for config in suite.replayers]),
    )
    for choices, own in sides:
        for choice in choices:
            if not choice.replayer and all(own):  # else a replayer that has none of its own tells why not
                _check_used(choice, names)
            elif choice.replayer and choice.replayer not in names:
                raise ConfigError(
                    f"suite {suite.name} has no replayer {choice.replayer}",
                    where=f"{choice.replayer}={choice.path}",
                    remedy=f"one of {', '.join(names)}",
                )


def _check_used(choice: ModelChoice, replayers: Sequence[str]) -> None:
    """Raise unless it is a model for any of the replayers; why not, for each."""
    errors: list[ConfigError] = []
    for replayer in replayers:
        try:
            find_model(choice.path, replayer)
        except ConfigError as error:
            errors.append(ConfigError(f"for {replayer}: {error.problem}", where=error.where, remedy=error.remedy))
        else:
            return
    raise ConfigMistakesError(tuple(errors))


def _check_served(
    suite: Suite, fleet: Fleet, kind: DeviceKind, healths: Mapping[str, DeviceHealth]
) -> Callable[[], None]:
    def check() -> None:
        if not fleet.serves(kind, suite.tags):
            tags = f" with tags {', '.join(suite.tags)}" if suite.tags else ""
            raise ConfigError(
                f"no device of kind {kind}{tags}",
                where=suite.where_devices,
                remedy=f"add one to {fleet.path or 'devices.yaml'}, or ask for other kinds",
            )
        if kind is not DeviceKind.EMULATED or not fleet.emulated:  # what the run starts itself is well
            refuse_unavailable(
                kind,
                suite.tags,
                fleet.devices,
                healths,
                where=suite.where_devices,
                recoverable=fleet.recoveries,
            )

    return check


def _file_name(stem: str, path: Path) -> str:
    """The name a replayer knows the file by: the stem and the file's own suffix (`rlog.zst`, `fcamera.hevc`)."""
    return stem + "".join(suffix for suffix in path.suffixes[-1:] if suffix in {".zst", ".bz2", ".hevc", ".ts", ".mp4"})


def _label(files: tuple[tuple[str, Path], ...]) -> str:
    """What to call a model: its folder, or the file when it is a single one."""
    parents = {path.parent for _, path in files}
    path = files[0][1] if len(files) == 1 or len(parents) > 1 else parents.pop()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
