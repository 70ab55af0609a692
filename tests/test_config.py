"""Suites and devices: what is accepted, and that every mistake is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import Fleet, gather, load_fleet, load_suite
from harness.domain import Check, DeviceKind, EventRules, RuntimeChoice, Tolerance
from harness.errors import ConfigError, ConfigMistakesError, ExitCode, NothingToRunError

GOOD_SUITE = """\
suite: pr
routes:
  - ../routes
  - {folder: /data/drives, select: ["0123456789abcdef/2026-01-02--03-04-05/2:4"]}
replayers:
  driving_model:
    baseline: models/release
    options: {frames: 400}
    checks:
      action: {channels: ["action.*"]}
      plan: {channels: ["position.*"], tolerance: {absolute: 0.01, relative: 0.001}, blocks: false}
devices: {kinds: [mici, tizi], tags: [ox03c10]}
deadline_s: 60
"""


def write(folder: Path, text: str, name: str = "suite.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def mistakes(path: Path, load: object = load_suite) -> list[str]:
    assert callable(load)
    with pytest.raises(ConfigMistakesError) as caught:
        load(path)
    assert caught.value.exit_code is ExitCode.USAGE
    return [str(error).removeprefix(f"{path}:") for error in caught.value.errors]


def test_a_suite_becomes_domain_values(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    suite = load_suite(write(tmp_path / "suites", GOOD_SUITE))
    assert suite.name == "pr"
    assert [source.folder for source in suite.routes] == [tmp_path / "routes", Path("/data/drives")]
    assert suite.routes[1].select == ("0123456789abcdef/2026-01-02--03-04-05/2:4",)
    (replayer,) = suite.replayers
    assert replayer.candidate is None
    assert replayer.baseline == tmp_path / "suites/models/release"
    assert replayer.options == {"frames": 400}
    assert replayer.checks == (
        Check("action", ("action.*",), Tolerance(), blocks=True),
        Check("plan", ("position.*",), Tolerance(0.01, 0.001), blocks=False),
    )
    assert suite.device_kinds == (DeviceKind.MICI, DeviceKind.TIZI)
    assert (suite.tags, suite.deadline_s) == (("ox03c10",), 60.0)


def test_a_runtime_is_chosen_by_kind(tmp_path: Path) -> None:
    two = GOOD_SUITE.replace("tags: [ox03c10]", "runtime: {tizi: {threads: 2}, mici: {provider: QNNExecutionProvider}}")
    suite = load_suite(write(tmp_path, two))
    assert suite.runtimes == {
        DeviceKind.TIZI: RuntimeChoice(threads=2),
        DeviceKind.MICI: RuntimeChoice("QNNExecutionProvider"),
    }
    assert load_suite(write(tmp_path, GOOD_SUITE)).runtimes == {}
    (told,) = mistakes(write(tmp_path, two.replace("tizi: {threads: 2}", "emulated: {threads: 2}")))
    assert "runtime: emulated is none of the suite's kinds (mici, tizi)" in told
    (told,) = mistakes(write(tmp_path, two.replace("QNNExecutionProvider", "gpu")))
    assert "provider" in told


def test_conditions_of_ones_own(tmp_path: Path) -> None:
    rain = {"rain": ("0123456789abcdef/2026-01-02--03-04-05", "fedcba")}
    here = f"{GOOD_SUITE}conditions: {{rain: [{', '.join(rain['rain'])}]}}\n"
    assert load_suite(write(tmp_path, here)).conditions == rain
    write(tmp_path, f"rain: [{', '.join(rain['rain'])}]\n", "weather.yaml")
    there = f"{GOOD_SUITE}conditions: weather.yaml\n"
    assert load_suite(write(tmp_path, there)).conditions == rain
    write(tmp_path, "Rain: [x]\nfog: []\n", "weather.yaml")
    told = mistakes(write(tmp_path, there))
    assert len(told) == 2
    assert all("weather.yaml:" in line for line in told)


def test_exact_is_the_default_and_can_be_said(tmp_path: Path) -> None:
    said = GOOD_SUITE.replace("{absolute: 0.01, relative: 0.001}", "exact")
    checks = load_suite(write(tmp_path, said)).replayers[0].checks
    assert all(check.tolerance.is_exact for check in checks)


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """\
suite: "no spaces"
routes: [../x, {foldr: y}]
replayers:
  driving_model:
    checks:
      plan: {channels: ["position.*"], tolerance: {absolute: -1}, blocks: maybe}
    bogus: 1
devices: {kinds: [toaster]}
suite: twice
""",
    )
    told = mistakes(path)
    assert any(line.startswith("9: key suite stands twice") for line in told)
    assert any(line.startswith("2: routes.1.foldr: unknown key") for line in told)
    assert any(line.startswith("2: routes.1.folder: is missing") for line in told)
    assert any(line.startswith("6: replayers.driving_model.checks.plan.tolerance.absolute: should be") for line in told)
    assert any(line.startswith("6: replayers.driving_model.checks.plan.blocks: should be") for line in told)
    assert any(line.startswith("7: replayers.driving_model.bogus: unknown key") for line in told)
    assert any(line.startswith("8: devices.kinds.0: should be") for line in told)
    lines = [int(line.split(":")[0]) for line in told]
    assert lines[1:] == sorted(lines[1:]), "mistakes of the content stand in the order of the file"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("suite: [\n", 2, "not YAML"),
        ("", None, "is empty"),
        ("- 1\n", 1, "mapping"),
        (GOOD_SUITE.replace("deadline_s: 60", "deadline_s: .inf"), 13, "finite"),
        ("suite: pr\nroutes: [{folder: x, select: []}]\n", 2, "at least 1 item"),
        (GOOD_SUITE.replace('["action.*"]}', '["action.*"], blocks: false}'), 6, "no check blocks"),
        ("? [a, b]\n: c\n", 1, "a key must be a word"),
        (GOOD_SUITE.replace('["action.*"]', "[]"), 10, "at least 1 item"),
        (GOOD_SUITE.replace("absolute: 0.01", "absolute: .inf"), 11, "absolute"),
        (GOOD_SUITE.replace("relative: 0.001", "relative: .nan"), 11, "relative"),
        (GOOD_SUITE.replace("relative: 0.001", "relative: 1.0"), 11, "relative"),
        (GOOD_SUITE.replace("relative: 0.001", "relative: -0.1"), 11, "relative"),
        (GOOD_SUITE.replace("absolute: 0.01", "absolute: .nan"), 11, "absolute"),
    ],
)
def test_bad_suites(tmp_path: Path, text: str, line: int | None, word: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=word) as caught:
        load_suite(path)
    assert (f"{path}:{line}" if line else str(path)) in str(caught.value)


def test_a_file_that_is_not_there_and_one_that_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_suite(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_suite(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(ConfigError, match="larger than 4 MB"):
        load_suite(tmp_path / "large.yaml")


EVENTS = GOOD_SUITE.replace('{channels: ["action.*"]}', "{events: EVENTS}")


def test_events_become_rules(tmp_path: Path) -> None:
    said = "{states: [soft*], collar_s: 0.3, tolerance_s: 0.3, severities: {NEW: NOTE, softDisable: {GONE: IGNORE}}}"
    rules = load_suite(write(tmp_path, EVENTS.replace("EVENTS", said))).replayers[0].checks[0].events
    assert rules == EventRules(
        states=("soft*",),
        collar_s=0.3,
        tolerance_s=0.3,
        severities=(("", "NEW", "NOTE"), ("softDisable", "GONE", "IGNORE")),
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{types: []}", "compares nothing"),
        ("{states: [soft*, flying]}", "flying is none of disabled"),
        ("{severities: {LOST: BLOCK}}", "LOST is none of NEW"),
        ("{severities: {preEnable: {NEW: BLOCK}}}", "preEnable is no type"),
        ("{collar_s: 0.1, tolerance_s: 0.2}", "nothing could ever be MOVED"),
        ("{}, tolerance: {absolute: 1}", "tolerance belongs to channels"),
        ("{}, channels: [a]", "either channels or events"),
    ],
)
def test_event_rules_that_could_never_find_anything_are_mistakes(tmp_path: Path, said: str, words: str) -> None:
    (told,) = mistakes(write(tmp_path, EVENTS.replace("EVENTS", said)))
    assert told.startswith("10: replayers.driving_model.checks.action")
    assert words in told


def test_a_check_of_nothing_is_a_mistake(tmp_path: Path) -> None:
    (told,) = mistakes(write(tmp_path, GOOD_SUITE.replace('{channels: ["action.*"]}', "{}")))
    assert "either channels or events" in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("suite: 2001-99-99\n", ":1: cannot be understood"),
        ("suite: pr\nroutes: " + "9" * 5000 + "\n", ":2: cannot be understood"),
        ("suite: !!binary x\n", ":1: cannot be understood"),
        ("[" * 1200, "nested too deeply"),
        ("a: &a [*a]\n", ":1: is nested too deeply"),
        ("a: &a [*a, *a]\n", "says too much"),
    ],
)
def test_yaml_that_means_harm_or_nothing_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_suite(write(tmp_path, text))
    assert words in str(caught.value)


def test_an_alias_is_what_it_stands_for(tmp_path: Path) -> None:
    shared = GOOD_SUITE.replace("tolerance: {absolute: 0.01, relative: 0.001}", "tolerance: &t {absolute: 0.01}")
    more = shared.replace(", blocks: false}\n", "}\n      turn: {channels: [orientation.*], tolerance: *t}\n")
    (plan, turn) = load_suite(write(tmp_path, more)).replayers[0].checks[1:]
    assert plan.tolerance == turn.tolerance == Tolerance(0.01)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("suite") / "suite.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_suite(path)


def test_devices(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    path = write(
        tmp_path,
        """\
devices:
  emulated: 3
  mici-01: {kind: mici, address: 10.0.0.5, key: key, host_key: "ssh-ed25519 AAAA", tags: [os04c10], slots: 2}
""",
    )
    fleet = load_fleet(path)
    assert fleet.emulated == 3
    (device,) = fleet.devices
    assert (device.name, device.kind, device.port, device.user) == ("mici-01", DeviceKind.MICI, 22, "comma")
    assert device.key_path == str(tmp_path / "key")
    assert fleet.serves(DeviceKind.MICI, ("os04c10",))
    assert not fleet.serves(DeviceKind.MICI, ("ar0231",))
    assert fleet.serves(DeviceKind.EMULATED, ())
    assert not fleet.serves(DeviceKind.TIZI, ())


def test_device_mistakes(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """\
devices:
  a: {kind: mici, adress: x, key: nokey, host_key: "ssh-ed25519 AAAA"}
  b: {kind: mici, address: x, key: nokey, host_key: "none"}
""",
    )
    told = mistakes(path, load_fleet)
    assert any(line.startswith("2: devices.a.adress: unknown key") for line in told)
    assert any(line.startswith("2: devices.a.address: is missing") for line in told)
    assert any(line.startswith("3: devices.b.host_key: ") for line in told)
    path.write_text(path.read_text().replace("adress", "address").replace('"none"', '"ssh-ed25519 AAAA"'))
    assert [line.split(":")[0] for line in mistakes(path, load_fleet)] == ["2", "3"], "missing keys, both told"
    path.write_text("devices: {emulated: 0}\n")
    with pytest.raises(ConfigError, match="no device at all"):
        load_fleet(path)


def test_gather_raises_everything_at_once() -> None:
    def one() -> None:
        raise ConfigError("one")

    def two() -> None:
        raise ConfigMistakesError((ConfigError("two"), ConfigError("three")))

    with pytest.raises(ConfigMistakesError, match="one\ntwo\nthree"):
        gather([one, lambda: None, two])
    gather([lambda: None])


def test_nothing_to_run_is_told_only_when_there_is_no_mistake() -> None:
    def nothing() -> None:
        raise NothingToRunError("first")

    def second() -> None:
        raise NothingToRunError("second")

    def mistake() -> None:
        raise ConfigError("mistake")

    with pytest.raises(ConfigMistakesError, match="mistake"):
        gather([nothing, mistake])
    with pytest.raises(NothingToRunError, match="first"):
        gather([nothing, lambda: None, second])


def test_a_shelf_may_be_emulated_alone(tmp_path: Path) -> None:
    fleet = load_fleet(write(tmp_path, "devices: {emulated: 2}\n"))
    assert (fleet.devices, fleet.emulated) == ((), 2)


def test_emulated_workers_have_no_tags(tmp_path: Path) -> None:
    fleet = Fleet((), 2)
    assert fleet.serves(DeviceKind.EMULATED, ())
    assert not fleet.serves(DeviceKind.EMULATED, ("ox03c10",))
    assert not Fleet((), 0).serves(DeviceKind.EMULATED, ())
