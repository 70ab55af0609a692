"""Moves files to and from a device: blobs checked by digest where they arrive, in both directions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from harness.closet.answers import device_error, parse_message, result_name
from harness.closet.deadline import Deadline
from harness.closet.interpreter import interpreter
from harness.closet.remote_process import WRITE_BYTES, RemoteProcess
from harness.closet.transport import Connection
from harness.domain import Blob
from harness.errors import DataError, StagingFailedError, UnreachableError
from harness.files import atomic_writer, file_sha256

_REPORT_BYTES = 4 * 1024 * 1024


class FileMover:
    """A command on the device that takes blobs and gives results, kept open for the next one."""

    def __init__(self, connection: Connection, agent_path: str, root: str, deadline: Deadline) -> None:
        self._where = connection.where
        command = [*interpreter(connection.device), agent_path, "files", "--root", root]
        self._process: RemoteProcess = connection.run(command, deadline)

    def put(self, blob: Blob, path: Path, deadline: Deadline, on_bytes: Callable[[int], None]) -> None:
        """Send one blob. `on_bytes` hears how many bytes went since it was last called."""
        try:
            stream = path.open("rb", buffering=0)
        except OSError as error:
            raise DataError(
                f"a file of the job cannot be read: {error}", where=str(path), remedy="import or build it again"
            ) from error
        with stream:
            self._process.write(json.dumps({"put": blob.sha256, "size": blob.size_bytes}).encode() + b"\n", deadline)
            buffer = memoryview(bytearray(WRITE_BYTES))
            left, unreported = blob.size_bytes, 0
            while left:
                count = stream.readinto(buffer[: min(left, WRITE_BYTES)])
                if not count:
                    raise DataError(
                        f"shorter than the {blob.size_bytes} bytes planned", where=str(path), remedy="plan again"
                    )
                self._process.write(buffer[:count], deadline)
                left -= count
                unreported += count
                if unreported >= _REPORT_BYTES:
                    on_bytes(unreported)
                    unreported = 0
        try:
            self._answer(deadline)
        except StagingFailedError:
            # The device is not to blame for a file that somebody writes to while a run is on.
            if file_sha256(path) != blob.sha256:
                raise DataError(
                    "changed since the run was planned", where=str(path), remedy="leave it alone, and run again"
                ) from None
            raise
        on_bytes(unreported)

    def get(self, job: str, name: str, blob: Blob, target: Path, deadline: Deadline) -> None:
        """Fetch one result to `target`: whole and with the digest the agent gave, or not at all."""
        self._process.write(json.dumps({"get": job, "name": name}).encode() + b"\n", deadline)
        if self._answer(deadline).get("size") != blob.size_bytes:
            raise StagingFailedError(f"result {name} changed its size", where=self._where, remedy="run it again")
        hashed, left = hashlib.sha256(), blob.size_bytes
        with atomic_writer(target) as stream:
            while left:
                piece = self._process.read(min(left, WRITE_BYTES), deadline)
                if not piece:
                    raise UnreachableError(
                        f"result {name} ended early", where=self._where, remedy="see whether the device is up"
                    )
                hashed.update(piece)
                stream.write(piece)
                left -= len(piece)
            if hashed.hexdigest() != blob.sha256:
                raise StagingFailedError(
                    f"result {name} arrived with another digest", where=self._where, remedy="run it again"
                )

    def close(self) -> None:
        """End the command."""
        self._process.close()

    def _answer(self, deadline: Deadline) -> dict[str, object]:
        answer = parse_message(self._process.read_line(deadline))
        if answer is None:
            raise UnreachableError(
                "an answer that is none", where=self._where, remedy="see that the login shell prints nothing"
            )
        if "error" in answer:
            raise device_error(answer["error"], self._where)
        return answer


def result_path(folder: Path, name: str, where: str) -> Path:
    """Where a result of that name goes below `folder`; a name that leads elsewhere is refused."""
    return folder.joinpath(*result_name(name, where).split("/"))
