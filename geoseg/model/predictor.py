"""The scores of windows: the network on a device, in batches of one size."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import ModelError
from geoseg.model.cuda import GraphedFunction
from geoseg.model.device import choose_device, choose_precision, torch_dtype
from geoseg.model.dihedral import SYMMETRIES, apply_symmetry, invert_symmetry
from geoseg.model.engines.choose import choose_batch
from geoseg.model.engines.graph import as_onnx_file, network_graph
from geoseg.model.engines.names import TORCH
from geoseg.model.model_file import Model
from geoseg.model.networks import Network
from geoseg.model.networks.inference import inference_copy
from geoseg.model.networks.rescale import Rescale
from geoseg.model.onnx.file import read_onnx
from geoseg.model.onnx.network import OnnxNetwork
from geoseg.model.onnx.spec import OnnxSpec


class Predictor:
    """A model on one device; safe to share between threads.

    Every batch has ``batch_size`` windows, the last one padded. With one thread of torch
    (`one_torch_thread`), the scores of a window therefore have the same bits in every batch.
    """

    def __init__(
        self,
        model: Model | OnnxNetwork,
        *,
        engine: str = TORCH,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        tta: bool = False,
        graph: bytes | None = None,
    ) -> None:
        """Prepare the network.

        Args:
            model: it is copied, not changed. An ONNX network has its engine, its precision and its
                batch size already.
            engine: "torch", or "onnxruntime", "openvino" or "mnn", which run on the CPU.
            device: "auto", "cpu", "cuda", "cuda:N" or "mps".
            precision: "auto", "fp32", "bf16" or "fp16", of weights and activations.
            batch_size: windows per forward pass; None for the default of `choose_batch`.
            tta: average the scores over the eight symmetries of the square.
            graph: the network as `network_graph` returns it, for the engines other than torch;
                None to make it.

        Raises:
            GeosegError: if there is no such engine or device, or it does not support the precision.
        """
        self.spec, self.temperature = model.spec, model.temperature
        if engine != TORCH or isinstance(model, OnnxNetwork):
            device = "cpu"
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        if isinstance(model, OnnxNetwork):
            self._input_size, self.batch_size = model.spec.input_size, model.batch_size
        else:
            window = self._input_size = model.spec.window
            self.batch_size = choose_batch(batch_size, self.device, window, engine=engine)
        probabilities = self._probabilities(model, engine, graph)
        self.by_batch = self.device.type != "cpu"
        """Whether to cut out and to blend the windows of a batch together: a GPU needs few large
        operations. A CPU takes window by window, while it is in the cache."""
        self._compute: Callable[..., Tensor] = functools.partial(
            _weighted_scores, probabilities, SYMMETRIES if tta else 1
        )
        self._device_lock: AbstractContextManager[Any] = nullcontext()
        if self.device.type == "cuda":
            self._compute = GraphedFunction(self._compute, self.device)
        elif self.device.type == "mps":
            self._device_lock = threading.Lock()  # all threads share its only stream

    def stream(self) -> AbstractContextManager[Any]:
        """Let the calling thread compute on the device, until the end of the context.

        On CUDA it gets one of two streams, so that two chunks are computed at a time; on `mps` it
        has the device alone. Further threads wait here. On a CPU no thread waits.
        """
        compute = self._compute
        return compute.stream() if isinstance(compute, GraphedFunction) else self._device_lock

    def _probabilities(
        self, model: Model | OnnxNetwork, engine: str, graph: bytes | None
    ) -> Callable[[Tensor], Tensor]:
        """Return the network as a function from (n, bands, s, s) scene values to probabilities."""
        if isinstance(model, OnnxNetwork):
            return model.probabilities
        if engine == TORCH:
            return _torch_probabilities(model, self.device, self.precision)
        return OnnxNetwork(
            *as_onnx_file(model, graph or network_graph(model)),
            engine=engine, precision=self.precision, batch_size=self.batch_size,
        ).probabilities  # fmt: skip

    def zeros(self, shape: tuple[int, ...]) -> Tensor:
        """Return a float32 tensor of zeros on the device."""
        return torch.zeros(shape, dtype=torch.float32, device=self.device)

    def to_device(self, array: NDArray[Any]) -> Tensor:
        """Copy an array to the device, through pinned memory for CUDA.

        It becomes float32 unless it is bool, uint8 or int16.
        """
        if array.dtype not in (np.bool_, np.uint8, np.int16, np.float32):
            array = array.astype(np.float32)
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=self.device.type == "cuda")

    def to_host(self, tensor: Tensor) -> NDArray[Any]:
        """Return a tensor of the device as an array; CUDA copies it into pinned memory."""
        if self.device.type != "cuda":
            return tensor.cpu().numpy()
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        host.copy_(tensor, non_blocking=True)
        torch.cuda.current_stream(self.device).synchronize()
        return host.numpy()

    def scores(
        self,
        pixels: NDArray[Any],
        windows: Sequence[tuple[slice, slice]],
        on_windows: Callable[[int], None] | None = None,
    ) -> Iterator[Tensor]:
        """Yield the class probabilities of each window, in order.

        Args:
            pixels: (bands, height, width) in scene values, filled by `Scaling.fill_invalid`.
            windows: rows and columns of the input of each window in ``pixels``.
            on_windows: called with the number of windows done after each batch.

        Yields:
            (classes, window, window) float32 on the device, for each window.
        """
        for batch in self.batches(pixels, windows, on_windows=on_windows):
            yield from batch.clone() if self.device.type == "cuda" else batch

    @torch.inference_mode()
    def batches(
        self,
        pixels: NDArray[Any],
        windows: Sequence[tuple[slice, slice]],
        weights: Tensor | None = None,
        on_windows: Callable[[int], None] | None = None,
    ) -> Iterator[Tensor]:
        """Yield the class probabilities of all windows, in order, as many as a batch has at a time.

        Args:
            pixels: see `scores`.
            windows: see `scores`.
            weights: (window, window) float32 on the device, multiplied into the probabilities.
            on_windows: see `scores`.

        Yields:
            (n, classes, window, window) float32 on the device; on CUDA it is overwritten by the
            next batch.
        """
        if not windows:
            return
        image, number = self.to_device(pixels), self.batch_size
        places = [(rows.start, cols.start) for rows, cols in windows]
        places += [places[-1]] * (-len(places) % number)
        inputs = (weights,) if weights is not None else ()
        gather = index_windows if self.by_batch else copy_windows
        for first in range(0, len(windows), number):
            batch = gather(image, places[first : first + number], self._input_size)
            useful = min(number, len(windows) - first)
            yield self._compute(batch, *inputs)[:useful]
            if on_windows is not None:
                on_windows(useful)

    def apply_temperature(self, scores: Tensor) -> Tensor:
        """Apply the temperature of the model to blended scores; the best class does not change.

        For the scores of a single window this equals softmax(logits / temperature). It is applied
        after blending, because before it would change the best class where windows disagree.

        Args:
            scores: (classes, height, width), of any sum.

        Returns:
            Scores of the same shape, with sum 1 over the classes where any score is positive,
            else 0.
        """
        best = scores.amax(0).clamp(min=torch.finfo(scores.dtype).tiny)
        sharp = (scores / best).pow_(1 / self.temperature)
        return sharp.div_(sharp.sum(0).clamp(min=torch.finfo(scores.dtype).tiny))


def _weighted_scores(
    probabilities: Callable[[Tensor], Tensor],
    symmetries: int,
    batch: Tensor,
    weights: Tensor | None = None,
) -> Tensor:
    """Map (n, bands, s, s) scene values to (n, classes, window, window) probabilities.

    They are averaged over the symmetries, and multiplied by the weights if there are any.
    """
    x = batch.float()
    total: Tensor | None = None
    for symmetry in range(symmetries):
        scores = probabilities(apply_symmetry(x, symmetry))
        scores = invert_symmetry(scores, symmetry)
        total = scores if total is None else total + scores
    assert total is not None  # noqa: S101 - there is always the identity
    if symmetries > 1:
        total = (total / symmetries).contiguous()
    return total if weights is None else total * weights


def copy_windows(image: Tensor, places: Sequence[tuple[int, int]], size: int) -> Tensor:
    """Copy windows of an image into a batch, one after the other.

    Args:
        image: (bands, height, width).
        places: first row and first column of each of the n windows.
        size: side of a window (px).

    Returns:
        (n, bands, size, size), on the device of the image.
    """
    return torch.stack([image[:, row : row + size, col : col + size] for row, col in places])


def index_windows(image: Tensor, places: Sequence[tuple[int, int]], size: int) -> Tensor:
    """Copy windows of an image into a batch, by one index into a view of all windows.

    A GPU is faster so. A CPU is slower, because it reads the index for each pixel.
    """
    windows = image.unfold(1, size, 1).unfold(2, size, 1).permute(1, 2, 0, 3, 4)
    index = torch.tensor(places)
    on_cuda = image.device.type == "cuda"
    index = index.pin_memory() if on_cuda else index
    rows, cols = index.to(image.device, non_blocking=on_cuda).unbind(1)
    return windows[rows, cols]


def _torch_probabilities(
    model: Model, device: torch.device, precision: str
) -> Callable[[Tensor], Tensor]:
    """Return a copy of the network of a model, as a function from scene values to probabilities."""
    folded = inference_copy(model.network).to(device, torch_dtype(precision))
    # Scene values and their scaling need more digits than weights.
    folded.rescale = Rescale(model.spec.scaling).to(device)
    network: Network = folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def probabilities(x: Tensor) -> Tensor:
        logits = network(x.contiguous(memory_format=torch.channels_last))
        return torch.softmax(logits.float(), dim=1)

    return probabilities


def best_class(scores: Tensor, values: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
    """Return the best class of each pixel and its score; among equals the first class.

    A running maximum is several times faster than argmax over a short leading axis.

    Args:
        scores: (classes, height, width).
        values: of the classes, 0 to 255; None for 0, 1, ...

    Returns:
        Value (height, width) uint8 and score (height, width), on the device of the scores.

    Raises:
        ModelError: if a best score is not a finite number.
    """
    values = range(len(scores)) if values is None else values
    best = scores[0]
    label = torch.full(best.shape, values[0], dtype=torch.uint8, device=scores.device)
    for score, value in zip(scores[1:], values[1:], strict=True):
        better = score > best
        label.masked_fill_(better, value)
        best = torch.maximum(best, score)  # NaN if one of the two is
    if not bool(best.isfinite().all()):
        raise ModelError(
            "the network returned values that are not finite numbers, check the values of the "
            "scene, such as a nodata value that is not set (nodata, --nodata), and mean and std of "
            "the input of an ONNX file (--input-mean, --input-std), or use precision fp32"
        )
    return label, best


_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class PredictorSource:
    """All that a predictor is made from, as a small value."""

    path: str
    """Of the model file."""
    hash: str
    """Hash that the file must have, so a replaced file is refused."""
    window: int
    """Side of the windows (px)."""
    engine: str
    device: str
    precision: str
    batch_size: int
    tta: bool
    onnx: OnnxSpec | None = None
    """How an ONNX file is read; None for a model file of geoseg."""
    graph: str | None = None
    """Path of the network of a model file as `network_graph` returns it; None for engine torch."""


def cached_predictor(source: PredictorSource) -> Predictor:
    """Return a predictor, cached for the life of the process; see `load_predictor`.

    Threads that ask for one at the same time get the same.

    Raises:
        ModelError: as `load_predictor`, or if the graph cannot be read.
    """
    with _loading:
        return _cached_predictor(source)


@functools.lru_cache(maxsize=2)
def _cached_predictor(source: PredictorSource) -> Predictor:
    return load_predictor(source, None if source.graph is None else _read(source.graph))


def load_predictor(source: PredictorSource, graph: bytes | None) -> Predictor:
    """Return the predictor of a model file.

    Args:
        source: what it is made from; its ``graph`` is not read.
        graph: see `Predictor`.

    Raises:
        ModelError: if the file has another hash, or the engine cannot compute it.
    """
    model: Model | OnnxNetwork
    if source.onnx is None:
        model = Model.load(source.path).with_window(source.window)
        same = model.hash == source.hash
    else:
        file = read_onnx(source.path)
        same = file.hash == source.hash
        model = OnnxNetwork(
            file, source.onnx, engine=source.engine, precision=source.precision,
            batch_size=source.batch_size,
        )  # fmt: skip
    if not same:
        raise ModelError(f"model {source.path} changed during the run, run the command again")
    return Predictor(
        model, engine=source.engine, device=source.device, precision=source.precision,
        batch_size=source.batch_size, tta=source.tta, graph=graph,
    )  # fmt: skip


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read the network {path}: {error.strerror}, run the command again"
        ) from None
