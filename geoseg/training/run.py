"""Tiles in, a model file out: one visible loop."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geoseg.errors import InterruptedRun, TrainError, check_type
from geoseg.execute import ProgressCounter, StopFlag, stop_on_signal
from geoseg.files import check_file_name, output_lock
from geoseg.metrics import Confusion
from geoseg.model import Model, PixelSizes, slow_precision
from geoseg.tiles import IGNORE_INDEX, TileSet, open_tiles
from geoseg.training.artifacts import ArtifactWriter, Monitor
from geoseg.training.augment import augment
from geoseg.training.calibration import calibrate
from geoseg.training.checkpoint import TrainState, save_checkpoint
from geoseg.training.context import TrainingContext
from geoseg.training.distributed import ProcessGroup, process_group
from geoseg.training.epoch_metrics import EpochMetrics, EpochResult
from geoseg.training.losses import compute_loss
from geoseg.training.plan import make_plan
from geoseg.training.resume import checkpoint_of, find_start
from geoseg.training.schedule import last_epoch, learning_rate
from geoseg.training.settings import TrainSettings

log = logging.getLogger("geoseg")

_CHECK_INTERVAL = 50
"""Steps between two looks at the loss: each look waits for the device."""


def train(  # noqa: PLR0913 - one call for the whole job, all but two by name
    tiles: str | Path | TileSet,
    out: str | Path,
    *,
    settings: TrainSettings = TrainSettings(),
    start: Model | str | Path | None = None,
    pixel_size_range: PixelSizes | None = None,
    device: str = "auto",
    resume: bool = True,
    overwrite: bool = False,
    watch: Monitor = Monitor(),
) -> Model:
    """Train a U-Net and write the weights of its best epoch.

    The best epoch has the lowest validation loss, or training loss if no tiles are for validation.

    Beside the model go ``<stem>.history.csv`` and ``.png``, pictures of what the network makes of
    some validation tiles in ``<stem>.samples/``, and a checkpoint after each epoch
    (``<name>.checkpoint``). The same call goes on from the checkpoint, to the same weights, bit for
    bit on a CPU. The checkpoint stays when the run is complete: with more ``epochs`` the same call
    trains the model further. Delete it if you do not need that. If the run is complete and has all
    epochs, the model is returned as it is.

    Under torchrun each process takes its share of every batch, and the first one writes.

    Args:
        tiles: a set that `tile` wrote, a folder with images/ and masks/, or a `TileSet`.
        out: model file to write, .safetensors.
        settings: everything that determines the run besides the tiles and the start.
        start: model, or its file, whose weights and scaling to start from instead of random ones;
            width and depth are then the model's, and its last layer is kept if the classes are the
            same.
        pixel_size_range: smallest and largest ground size of the pixels (m), for tiles that do not
            know it, or that come from scenes of several pixel sizes; None for that of the tiles.
        device: "auto", "cpu", "cuda" or "cuda:N".
        resume: go on from the checkpoint of the same tiles and settings, if there is one. False
            starts again, and discards the epochs of the checkpoint.
        overwrite: replace an existing model. A complete run starts again, a stopped run of the same
            tiles and settings goes on.
        watch: how to follow the run.

    Returns:
        The model as saved.

    Raises:
        TileError: if there are no tiles to train on, or fewer than two classes are labelled.
        ModelError: if the model to start from does not fit the tiles or the settings.
        TrainError: if the loss is not finite; the best weights so far are written.
        OutputError: if the model exists or cannot be written.
        RunError: if the checkpoint is of other tiles or settings, or has more epochs than wanted.
        InterruptedRun: if stopped by SIGINT, SIGTERM or SIGUSR1, or if another training writes the
            same model; the same call goes on.
    """
    out = Path(out)
    check_type("settings", settings, TrainSettings)
    check_type("watch", watch, Monitor)
    check_file_name(out, ".safetensors")
    tiles = tiles if isinstance(tiles, TileSet) else open_tiles(tiles)
    first = start if isinstance(start, Model | None) else Model.load(start)
    plan = make_plan(tiles, settings, first, pixel_size_range)
    with process_group(device) as processes, _locked(out, processes), stop_on_signal() as stop:
        decide = partial(find_start, out, plan, resume=resume, overwrite=overwrite)
        beginning = processes.from_first(decide)
        if beginning.trained:
            return processes.from_first(partial(Model.load, out))
        run = TrainingContext(plan, processes.device(device), processes)
        state = beginning.checkpoint.restore(run) if beginning.checkpoint else TrainState()
        return _train(run, state, out, watch, stop)


def _train(
    run: TrainingContext, state: TrainState, out: Path, watch: Monitor, stop: StopFlag
) -> Model:
    """Train up to the last epoch, and write checkpoint and figures after each epoch."""
    settings, first = run.settings, run.processes.first
    slow = slow_precision(run.precision, run.device.type)
    if slow and first:
        log.warning(slow)
    record = ArtifactWriter(out, run, watch) if first else None
    progress = watch.progress if first else None
    steps = ProgressCounter(progress, "steps", (settings.epochs - state.epoch) * run.steps)
    while state.epoch < last_epoch(settings, state.losses):
        try:
            row, scores = _epoch(run, state, stop, steps)
        except TrainError as error:
            raise TrainError(f"{error}, {_save_best_after_failure(out, run, state)}") from None
        _update_best(run, state, row, scores)
        if record is not None:
            save_checkpoint(checkpoint_of(out), state, run)
            record.epoch(state)
    model = _best(run, state)
    if record is not None:
        record.finish(state)
        model.save(out)
    return Model.load(out) if first else model


@contextmanager
def _locked(out: Path, processes: ProcessGroup) -> Iterator[None]:
    """Hold the lock of the output, in the first process; all processes fail if it is taken."""
    with ExitStack() as stack:
        lock = output_lock(out.with_name(f".{out.name}.lock"), out, "training")
        processes.from_first(partial(stack.enter_context, lock))
        yield


def _update_best(
    run: TrainingContext, state: TrainState, row: dict[str, float], scores: EpochResult
) -> None:
    """Add an epoch to what the run has come to; its weights too if it is the best so far."""
    state.epoch += 1
    state.history.append(row)
    if state.losses[-1] < state.best_loss:
        state.best_loss, state.best_epoch = state.losses[-1], state.epoch
        state.best = {k: v.cpu().clone() for k, v in run.network.state_dict().items()}
        state.best_counts = scores.confusion.counts.tolist()


def _epoch(
    run: TrainingContext, state: TrainState, stop: StopFlag, steps: ProgressCounter
) -> tuple[dict[str, float], EpochResult]:
    """Train once over all tiles and validate: a row of the history, and the scores that count."""
    start = time.perf_counter()
    done, rate = _train_once(run, state, stop, steps)
    row = {"epoch": state.epoch + 1, "seconds": 0.0, "lr": rate}
    row |= {"loss": done.loss, "accuracy": done.confusion.accuracy}
    held = _validate(run) if len(run.val) else None
    if held is not None:
        if not np.isfinite(held.loss):
            raise TrainError(f"the validation loss became {held.loss} in epoch {state.epoch + 1}")
        row |= {"val_loss": held.loss, "val_accuracy": held.confusion.accuracy}
        row |= {"val_mean_iou": held.confusion.mean_iou}
        for name, iou in zip(run.tiles.legend.names, held.confusion.iou.tolist(), strict=True):
            row[f"val_iou_{name}"] = iou
    row["seconds"] = round(time.perf_counter() - start, 2)
    return row, held or done


def _train_once(
    run: TrainingContext, state: TrainState, stop: StopFlag, steps: ProgressCounter
) -> tuple[EpochResult, float]:
    """One pass over the tiles; all chance comes from seed, epoch and process.

    Returns:
        The scores under way, with dropout and changing weights, and the last learning rate.
    """
    settings, processes = run.settings, run.processes
    seed = settings.seed * 100_003 + state.epoch
    order = torch.randperm(len(run.train), generator=torch.Generator().manual_seed(seed)).numpy()
    own_seed = seed + processes.rank * 1_000_000_007
    rng = torch.Generator().manual_seed(own_seed)
    torch.manual_seed(own_seed)
    tally, losses, rate = EpochMetrics(run.spec.classes, run.device), list[Tensor](), settings.lr
    batches = run.batches(order)
    feed = run.train.batches([processes.share(some) for some in batches])
    run.network.train()
    for step, (images, labels) in enumerate(feed):
        if stop.is_set():
            raise InterruptedRun(
                "interrupted, whole epochs are kept, run the same command again to go on"
            )
        rate = learning_rate(settings, state.epoch * run.steps + step, run.steps, state.losses)
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        if len(batches[step]) <= processes.rank:  # nothing left for this one, yet all must step
            labels = torch.full_like(labels, IGNORE_INDEX)
        images, labels = augment(settings.augment, images, labels, run.spread, rng)
        known = processes.total((labels != IGNORE_INDEX).sum()).clamp(min=1)
        logits = run.logits(run.wrapped, images)
        loss = compute_loss(settings.loss, logits, labels, run.weights, known)
        run.optimizer.zero_grad(set_to_none=True)
        run.scaler.scale(loss * processes.count).backward()
        if settings.clip is not None:
            run.scaler.unscale_(run.optimizer)
            torch.nn.utils.clip_grad_norm_(run.network.parameters(), settings.clip)
        run.scaler.step(run.optimizer)
        run.scaler.update()
        tally.add(loss.detach() * known, logits.detach(), labels)
        losses.append(loss.detach())
        if len(losses) == _CHECK_INTERVAL or step == run.steps - 1:
            _check_finite(losses, run, state, first=step + 1 - len(losses))
            losses.clear()
        steps.add()
    return tally.scores(processes), rate


@torch.inference_mode()
def _validate(run: TrainingContext) -> EpochResult:
    """Loss and confusion over the validation tiles, each process with its share."""
    run.network.eval()
    tally, settings = EpochMetrics(run.spec.classes, run.device), run.settings
    mine = np.arange(run.processes.rank, len(run.val), run.processes.count)
    for images, labels in run.val.batches(run.batches(mine)):
        logits, known = run.logits(run.network, images), (labels != IGNORE_INDEX).sum().clamp(min=1)
        loss = compute_loss(settings.loss, logits, labels, run.weights, known)
        tally.add(loss * known, logits, labels)
    return tally.scores(run.processes)


def _check_finite(
    losses: list[Tensor], run: TrainingContext, state: TrainState, first: int
) -> None:
    values = torch.stack(losses).cpu()
    bad = (~torch.isfinite(values)).nonzero()
    if len(bad):
        step = int(bad[0])
        raise TrainError(
            f"the loss became {float(values[step])} in epoch {state.epoch + 1} at step "
            f"{first + step + 1} of {run.steps}"
        )


def _save_best_after_failure(out: Path, run: TrainingContext, state: TrainState) -> str:
    """Write the best weights so far, and say what there is and what to do."""
    cure = f"lower the learning rate (lr, now {run.settings.lr:g}) or clip the gradient (clip 1)"
    if not state.best:
        return cure
    if run.processes.first:
        _best(run, state).save(out)
    return f"{out} holds the weights of epoch {state.best_epoch}, {cure}"


def _best(run: TrainingContext, state: TrainState) -> Model:
    """The network of the best epoch as a model, with its scores and its temperature."""
    run.network.load_state_dict(state.best)
    tiles, calibration = run.tiles, calibrate(run) if len(run.val) else None
    scores = Confusion(np.array(state.best_counts, np.int64)) if len(run.val) else None
    return Model(
        network=run.network,
        legend=tiles.legend,
        band_names=tiles.band_names,
        dtype=tiles.dtype,
        pixel_size=tiles.pixel_size,
        pixel_size_range=run.plan.pixel_sizes,
        training={
            "settings": run.settings.to_dict(),
            "run": run.plan.run,
            "start": run.plan.start.hash if run.plan.start else None,
            "tiles": {"train": len(run.train), "val": len(run.val)},
            "best_epoch": state.best_epoch,
            "epochs": state.epoch,
            "validation": scores.to_dict(tiles.legend.names) if scores else None,
            "calibration": calibration.to_dict() if calibration else None,
        },
        temperature=calibration.temperature if calibration else 1.0,
    )
