"""Models that run. The only owner of onnxruntime: sequential, no spinning; one thread a session, CPU, unless chosen."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from harness.domain import RuntimeChoice
from harness.errors import ConfigError, DataError, ProductCrashError
from harness.replay.runtime import chosen

Tensor: TypeAlias = npt.NDArray[Any]

_ELEMENT_TYPES: Mapping[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A model's input or output; a dimension the file leaves open is None."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model file says of itself. `name` is the file's name in the job."""

    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: Mapping[str, str]


class Session:
    """A loaded model. `run` may be called from several threads; times are kept for the measurements."""

    def __init__(self, session: Any, signature: Signature) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._calls_ms: list[float] = []
        self._output_names = [output.name for output in signature.outputs]
        self._dtypes = {tensor.name: tensor.dtype for tensor in signature.inputs}
        self.signature = signature
        self.cpu_s = 0.0

    def run(self, feed: Mapping[str, Tensor]) -> Tensor:
        """The flat output vector (width,) for `feed`, cast to the model's element types."""
        tensors = {name: np.ascontiguousarray(value, self._dtypes[name]) for name, value in feed.items()}
        begin_s, begin_cpu_s = time.perf_counter(), time.thread_time()
        try:
            outputs = self._session.run(self._output_names, tensors)
        except Exception as error:
            raise ProductCrashError(
                f"the model failed while running: {_first_line(error)}",
                where=self.signature.name,
                remedy="run it by hand with the same inputs: the model is at fault unless another device disagrees",
            ) from error
        took_ms = (time.perf_counter() - begin_s) * 1e3
        took_cpu_s = time.thread_time() - begin_cpu_s
        with self._lock:
            self._calls_ms.append(took_ms)
            self.cpu_s += took_cpu_s
        if len(outputs) == 1:
            flat: Tensor = outputs[0].reshape(-1)
            return flat
        return np.concatenate([output.reshape(-1) for output in outputs])

    def execution_ms(self) -> tuple[float, float]:
        """Mean and worst wall time of a call in milliseconds, the first not counted: it fills caches."""
        later = self._calls_ms[1:] or self._calls_ms or [0.0]
        return sum(later) / len(later), max(later)


def refuse_unavailable(choice: RuntimeChoice, where: str) -> None:
    """ConfigError, naming those there are, where this onnxruntime has no such execution provider."""
    there = ort.get_available_providers()
    if choice.provider not in there:
        raise ConfigError(
            f"onnxruntime {ort.__version__} has no {choice.provider} here",
            where=where,
            remedy=f"one of {', '.join(there)}",
        )


def load_session(path: Path, name: str) -> Session:
    """Load an ONNX file for the chosen runtime; DataError when it is not one that this onnxruntime can run."""
    choice = chosen()
    refuse_unavailable(choice, "runtime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = choice.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(path), options, providers=[choice.provider])
    except Exception as error:
        raise DataError(
            f"not a model that onnxruntime {ort.__version__} can load: {_first_line(error)}",
            where=name,
            remedy="check the file, or export it again",
        ) from error
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    inputs = tuple(_info(value, name) for value in session.get_inputs())
    outputs = tuple(_info(value, name) for value in session.get_outputs())
    return Session(session, Signature(name, inputs, outputs, metadata))


def _info(value: Any, where: str) -> TensorInfo:
    dtype = _ELEMENT_TYPES.get(value.type)
    if dtype is None:
        raise DataError(
            f"{value.name} is a {value.type}",
            where=where,
            remedy=f"models take and give {', '.join(sorted(_ELEMENT_TYPES))}",
        )
    return TensorInfo(value.name, tuple(size if isinstance(size, int) else None for size in value.shape), dtype)


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
