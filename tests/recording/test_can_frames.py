"""CAN columns are what plain pycapnp says, frame by frame."""

from __future__ import annotations

import random

import numpy as np
import pytest

from harness.errors import ConfigError, DataError
from harness.recording.can_frames import read_can
from harness.recording.log import parse_log
from harness.recording.log_writer import encode_event

LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)


def random_log(seed: int, messages: int = 60) -> bytes:
    dice = random.Random(seed)
    events = []
    for _ in range(messages):
        frames = [
            {
                "address": dice.choice((0, 0x2E4, 0x7FF, 0x18DA10F1, dice.getrandbits(29))),
                "dat": dice.randbytes(dice.choice(LENGTHS)),
                "src": dice.randrange(256),
            }
            for _ in range(dice.choice((0, 1, 2, 30)))
        ]
        events.append(encode_event(dice.choice(("can", "sendcan")), dice.randrange(10**12), frames))
        if dice.random() < 0.3:
            events.append(encode_event("carState", dice.randrange(10**12), {"vEgo": 1.0}))
    return b"".join(events)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("service", ["can", "sendcan"])
def test_columns_are_what_pycapnp_says(seed: int, service: str) -> None:
    log = parse_log(random_log(seed), where="test")
    table = read_can(log, service)
    messages = list(log.messages(service))
    plain = [(frame.address, frame.src, bytes(frame.dat)) for message in messages for frame in message.payload]
    assert [(int(table.address[i]), int(table.source[i]), table.data(i)) for i in range(len(table))] == plain
    assert table.t_ns.tolist() == [message.t_ns for message in messages]
    assert table.counts.tolist() == [len(message.payload) for message in messages]
    assert table.messages.tolist() == [i for i, message in enumerate(messages) for _ in message.payload]
    padded = table.padded()
    assert padded.shape == (len(plain), 64)
    for octets, (_, _, data) in zip(padded, plain, strict=True):
        assert octets.tobytes() == data.ljust(64, b"\0")
    assert [row.tobytes() for row in table.padded(4)] == [data.ljust(4, b"\0")[:4] for _, _, data in plain]


def test_a_log_without_frames() -> None:
    log = parse_log(encode_event("carState", 5, {}), where="test")
    table = read_can(log, "can")
    assert len(table) == len(table.rows) == 0
    assert table.padded().shape == (0, 64)


def test_other_services_hold_no_frames() -> None:
    log = parse_log(encode_event("carState", 5, {}), where="test")
    with pytest.raises(ConfigError, match="holds no CAN frames"):
        read_can(log, "carState")


def test_data_that_leads_out_of_its_message() -> None:
    event = bytearray(encode_event("can", 5, [{"address": 1, "dat": b"12345678", "src": 0}]))
    words = np.frombuffer(event, "<u8").copy()
    pointers = np.flatnonzero((words & 3 == 1) & (words >> 32 & 7 == 2))  # the list of bytes
    words[pointers[-1]] += np.uint64(0x1000 << 35)
    with pytest.raises(DataError, match="leads nowhere"):
        read_can(parse_log(words.tobytes(), where="test"), "can")
