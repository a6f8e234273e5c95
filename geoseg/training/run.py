"""Train a U-Net on tiles and write it as a model file."""

import logging
import math
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geoseg.errors import TrainError, check_type
from geoseg.execute import Progress, ProgressCounter, StopFlag, stop_on_signal
from geoseg.files import check_file_name, check_inputs_stay, output_lock, remove_temporaries
from geoseg.metrics import Confusion
from geoseg.model import Model, PixelSizes, slow_precision
from geoseg.tiles import IGNORE_INDEX, TileSet, open_tiles
from geoseg.training.artifacts import ArtifactWriter, Monitor
from geoseg.training.average import update_average
from geoseg.training.batches import Batch, change_images, draw_epoch, epoch_size, flip
from geoseg.training.calibration import calibrate, collect_logits
from geoseg.training.checkpoint import TrainState, save_checkpoint
from geoseg.training.context import TrainingContext, make_context
from geoseg.training.distributed import process_group
from geoseg.training.epoch_metrics import EpochMetrics, EpochResult
from geoseg.training.losses import compute_loss
from geoseg.training.plan import make_plan
from geoseg.training.pseudo_labels import START_SHARE, make_pseudo_labels, pseudo_loss, unlabelled
from geoseg.training.resume import checkpoint_path, find_start
from geoseg.training.schedule import last_epoch, learning_rate
from geoseg.training.settings import TrainSettings

log = logging.getLogger("geoseg")

_CHECK_INTERVAL = 50
"""Steps between two checks that wait for a GPU: of the loss, and of the flags of all processes."""
_INTERRUPTED = " while training, finished epochs are kept"
"""Continues "interrupted" in the message, see `StopFlag.check`."""


def train(  # noqa: PLR0913 - one call for the whole job, all but two by name
    tiles: str | Path | TileSet,
    out: str | Path,
    *,
    settings: TrainSettings = TrainSettings(),
    start: Model | str | Path | None = None,
    replay: str | Path | TileSet | None = None,
    pixel_size_range: PixelSizes | None = None,
    device: str = "auto",
    resume: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
    monitor: Monitor = Monitor(),
) -> Model:
    """Train a U-Net, and write the weights of its best epoch.

    The best epoch has the lowest validation loss, or the lowest training loss if there are no
    validation tiles.

    The run also writes ``<stem>.history.csv`` and ``.png``, pictures of predictions in
    ``<stem>.samples/``, and after each epoch a checkpoint (``<name>.checkpoint``). The same call
    resumes a stopped run from the checkpoint; on a CPU the weights are the same, bit for bit. With
    more ``epochs`` it trains a finished run further, else it returns the finished model.

    Under torchrun every process trains on its share of each batch, and the first process writes.

    Args:
        tiles: a tile set that `tile` wrote, a folder with images/ and masks/, or a `TileSet`.
        out: model file to write, .safetensors.
        settings: all that determines the run except the tiles and the start model.
        start: model, or its file, whose weights, input scaling, width and depth the run starts
            from; None for a new network. The last layer is kept if the classes are the same. Batch
            normalisation keeps the statistics of the start model: those of a few tiles are poor.
        replay: tiles that the start model was trained on, so that it does not forget them. The
            training also uses windows of their training tiles, a share
            `TrainSettings.replay_share` of all windows. Validation and calibration use ``tiles``
            only. Size, bands and classes must be those of ``tiles``.
        pixel_size_range: smallest and largest ground size of the pixels (m); None for that of all
            tiles.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        resume: resume from a checkpoint of the same tiles and settings. False discards it.
        overwrite: replace an existing model. A finished run starts again, a stopped run of the same
            tiles and settings resumes.
        progress: called after each step, see `geoseg.execute.Progress`.
        monitor: what to record during the run.

    Returns:
        The model as it was saved.

    Raises:
        TileError: if there are no training tiles, or fewer than two classes are labelled.
        ModelError: if the start model does not fit the tiles or the settings.
        TrainError: if the loss is not finite; the best weights so far are written.
        OutputError: if the model exists or cannot be written.
        RunError: if the checkpoint is of other tiles or settings, or has too many epochs.
        InterruptedRun: if SIGINT, SIGTERM or SIGUSR1 stopped the run, or another process trains the
            same model; the same call resumes the run.
    """
    out = Path(out)
    check_type("settings", settings, TrainSettings)
    check_type("monitor", monitor, Monitor)
    check_file_name(out, ".safetensors")
    tiles = tiles if isinstance(tiles, TileSet) else open_tiles(tiles)
    start = start if isinstance(start, Model | None) else Model.load(start)
    check_inputs_stay([out], [start.path if start else None])
    if replay is not None and not isinstance(replay, TileSet):
        replay = open_tiles(replay)
    plan = make_plan(tiles, settings, start, pixel_size_range, replay)
    with process_group(device) as processes, ExitStack() as stack, stop_on_signal() as stop:
        lock = output_lock(out.with_name(f".{out.name}.lock"), out, "training")
        processes.call_on_main(partial(stack.enter_context, lock))  # if taken, all processes fail
        if processes.is_main:
            for start_of_name in (out.name, f"{out.stem}.history."):
                remove_temporaries(out.parent, start=start_of_name)
        find = partial(find_start, out, plan, resume=resume, overwrite=overwrite)
        start_point = processes.call_on_main(find)
        if start_point.complete:
            return processes.call_on_main(partial(Model.load, out))
        context = make_context(plan, processes.device(device), processes)
        state = TrainState()
        if start_point.checkpoint is not None:
            context.network.load_state(start_point.checkpoint.tensors)
            state = start_point.checkpoint.state
        return _train(context, state, out, progress, monitor, stop)


def _train(
    context: TrainingContext, state: TrainState, out: Path, progress: Progress | None,
    monitor: Monitor, stop: StopFlag,
) -> Model:  # fmt: skip
    """Train until the last epoch. After each epoch, write the checkpoint and the history."""
    settings, is_main = context.plan.settings, context.processes.is_main
    warning = slow_precision(context.network.precision, context.network.device.type)
    if warning and is_main:
        log.warning(warning)
    writer = ArtifactWriter(out, context, monitor) if is_main else None
    remaining_steps = (settings.epochs - state.epoch) * _steps_per_epoch(context)
    steps = ProgressCounter(progress if is_main else None, "steps", remaining_steps)
    while state.epoch < last_epoch(settings, state.losses):
        try:
            row, result = _run_epoch(context, state, stop, steps)
        except TrainError as error:
            advice = _save_best_after_failure(out, context, state)
            raise TrainError(f"{error}, {advice}") from None
        _record_epoch(context, state, row, result)
        if writer is not None:
            save_checkpoint(checkpoint_path(out), state, context)
            writer.write_epoch(state)
    model = _best_model(context, state)
    if writer is not None:
        writer.finish(state)
        model.save(out)
    return Model.load(out) if is_main else model


def _record_epoch(
    context: TrainingContext, state: TrainState, row: dict[str, float], result: EpochResult
) -> None:
    """Add an epoch to the state of the run, with its weights if it is the best so far."""
    state.epoch += 1
    state.history.append(row)
    if state.losses[-1] < state.best_loss:
        state.best_loss, state.best_epoch = state.losses[-1], state.epoch
        weights = context.network.averaged.state_dict()
        state.best = {name: value.cpu().clone() for name, value in weights.items()}
        state.best_counts = result.confusion.counts.tolist()


def _run_epoch(
    context: TrainingContext, state: TrainState, stop: StopFlag, steps: ProgressCounter
) -> tuple[dict[str, float], EpochResult]:
    """Train one epoch and validate; return the row of the history and the result.

    The result is that of the training tiles if there are no validation tiles.
    """
    start = time.perf_counter()
    result, rate = _train_epoch(context, state, stop, steps)
    row = {"epoch": state.epoch + 1, "seconds": 0.0, "lr": rate}
    row |= {"loss": result.loss, "accuracy": result.confusion.accuracy}
    # Each process has its own statistics of batch normalisation, until here.
    context.processes.copy_from_main(context.network.averaged)
    if len(context.val):
        result = _validate(context)
        if not math.isfinite(result.loss):
            raise TrainError(f"the validation loss became {result.loss} in epoch {state.epoch + 1}")
        row |= {"val_loss": result.loss, "val_accuracy": result.confusion.accuracy}
        row |= {"val_mean_iou": result.confusion.mean_iou}
        names = context.plan.tiles.legend.names
        for name, iou in zip(names, result.confusion.iou.tolist(), strict=True):
            row[f"val_iou_{name}"] = iou
    row["seconds"] = round(time.perf_counter() - start, 2)
    return row, result


def _steps_per_epoch(context: TrainingContext) -> int:
    plan, train, window = context.plan, context.train, context.network.spec.window
    windows = epoch_size(plan.settings, len(train), train.layout.size, window, plan.replayed)
    return -(-windows // plan.settings.batch_size)


def _train_epoch(
    context: TrainingContext, state: TrainState, stop: StopFlag, steps: ProgressCounter
) -> tuple[EpochResult, float]:
    """Train on the windows of an epoch; return the result over them and the last learning rate.

    Random numbers depend only on the seed, the epoch and the process.
    """
    settings, processes, network = context.plan.settings, context.processes, context.network
    number, window = _steps_per_epoch(context), network.spec.window
    tile_counts = context.plan.train.tile_counts
    layout, replayed = context.train.layout, context.plan.replayed
    draws = draw_epoch(settings, layout, tile_counts, window, state.epoch, replayed)
    sizes = [
        min(settings.batch_size, len(draws) - step * settings.batch_size) for step in range(number)
    ]
    own = [
        draws.take(step * settings.batch_size + processes.local_batch(size))
        for step, size in enumerate(sizes)
    ]
    process_seed = settings.seed * 100_003 + state.epoch + processes.rank * 1_000_000_007
    rng = torch.Generator().manual_seed(process_seed)
    torch.manual_seed(process_seed)
    metrics, losses, rate = EpochMetrics(network.spec.classes, network.device), [], settings.lr
    pseudo_labels = settings.pseudo_labels and state.epoch >= START_SHARE * settings.epochs
    waits = processes.world_size > 1 and network.device.type == "cuda"
    stop_interval = _CHECK_INTERVAL if waits else 1
    network.set_training_mode()
    for step, batch in enumerate(context.train.load(own, window)):
        if step % stop_interval == 0 and processes.any(stop.is_set(), network.device):
            stop.request()  # perhaps only another process has got the signal
            stop.check(_INTERRUPTED)
        total_step = state.epoch * number + step
        rate = learning_rate(settings, total_step, number, state.losses)
        if sizes[step] <= processes.rank:  # no window remains, but all processes must step
            nothing = torch.zeros_like(batch.valid)
            batch = Batch(batch.images, torch.full_like(batch.labels, IGNORE_INDEX), nothing)
        flipped = flip(settings.augment, batch, rng)
        batch = change_images(settings.augment, flipped, context.value_range, rng)
        plain = flipped.images if pseudo_labels else None
        losses.append(_train_step(context, batch, plain, rate, total_step, metrics))
        if len(losses) == _CHECK_INTERVAL or step == number - 1:
            summed = processes.all_reduce_sum(torch.stack(losses))
            _check_finite(summed.tolist(), state.epoch + 1, step + 1, number)
            losses.clear()
        steps.add()
    return metrics.result(processes), rate


def _train_step(
    context: TrainingContext, batch: Batch, plain: Tensor | None, rate: float, step: int,
    metrics: EpochMetrics,
) -> Tensor:  # fmt: skip
    """Update the weights by one batch, and their average; return the loss of this process.

    Args:
        context: of the run.
        batch: the windows of this process.
        plain: their images before colours change, if pixels without label train the network too.
        rate: learning rate.
        step: number of finished steps, over all epochs.
        metrics: gets the loss and the predictions.
    """
    settings, processes, network = context.plan.settings, context.processes, context.network
    optimizer, scaler = network.optimizer, network.scaler
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
    labelled = processes.all_reduce_sum((batch.labels != IGNORE_INDEX).sum()).clamp(min=1)
    logits = network.logits(network.data_parallel, batch.images)
    loss = compute_loss(settings.loss, logits, batch.labels, context.class_weights, labelled)
    total = loss
    if plain is not None:
        pixels = processes.all_reduce_sum(unlabelled(batch).sum())
        with torch.no_grad():
            teacher = network.logits(network.averaged, plain)
        total = loss + pseudo_loss(logits, make_pseudo_labels(teacher, batch), pixels)
    optimizer.zero_grad(set_to_none=True)
    # DDP averages the gradients over the processes, but their losses are to be summed.
    scaler.scale(total * processes.world_size).backward()
    if settings.clip:
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(network.unet.parameters(), settings.clip)
    scaler.step(optimizer)
    scaler.update()
    if settings.average:
        update_average(network.averaged, network.unet, settings.average, step + 1)
    metrics.add(loss.detach() * labelled, logits.detach(), batch.labels)
    return total.detach()


@torch.inference_mode()
def _validate(context: TrainingContext) -> EpochResult:
    """Return loss and confusion matrix of the validation tiles, which the processes share."""
    val, network, processes = context.val, context.network, context.processes
    settings, draws = context.plan.settings, context.val_windows
    network.averaged.eval()
    metrics = EpochMetrics(network.spec.classes, network.device)
    own = draws.take(np.arange(processes.rank, len(draws), processes.world_size))
    for batch in val.load_all(own, settings.batch_size, context.val_window):
        logits = network.logits(network.averaged, batch.images)
        labelled = (batch.labels != IGNORE_INDEX).sum().clamp(min=1)
        loss = compute_loss(settings.loss, logits, batch.labels, context.class_weights, labelled)
        metrics.add(loss * labelled, logits, batch.labels)
    return metrics.result(processes)


def _check_finite(losses: list[float], epoch: int, step: int, steps_per_epoch: int) -> None:
    """Check the losses of the steps up to ``step``, which counts from 1."""
    for number, loss in enumerate(losses, step - len(losses) + 1):
        if not math.isfinite(loss):
            raise TrainError(
                f"the loss became {loss} in epoch {epoch} at step {number} of {steps_per_epoch}"
            )


def _save_best_after_failure(out: Path, context: TrainingContext, state: TrainState) -> str:
    """Write the best weights so far; return what was written and what to do, for the message."""
    lr = context.plan.settings.lr
    advice = f"lower the learning rate (lr, now {lr:g}) or clip the gradient (clip 1)"
    if not state.best:
        return advice
    # The others wait, because torchrun ends all processes soon after one of them fails.
    context.processes.call_on_main(lambda: _best_model(context, state).save(out))
    return f"{out} holds the weights of epoch {state.best_epoch}, {advice}"


def _best_model(context: TrainingContext, state: TrainState) -> Model:
    """Return the model of the best epoch, with its validation scores and its temperature."""
    plan, network = context.plan, context.network.averaged
    network.load_state_dict(state.best)
    validation = calibration = None
    if len(context.val):
        confusion = Confusion(np.array(state.best_counts, np.int64))
        validation = confusion.to_dict(plan.tiles.legend.names)
        calibration = calibrate(*collect_logits(context), verbose=context.processes.is_main)
    return Model(
        network=network,
        legend=plan.tiles.legend,
        band_names=plan.tiles.band_names,
        dtype=plan.tiles.dtype,
        pixel_size=plan.tiles.pixel_size,
        pixel_size_range=plan.pixel_sizes,
        training={
            "settings": plan.settings.to_dict(),
            "run": plan.identity,
            "start": plan.start.hash if plan.start else None,
            "tiles": {
                "train": len(context.train) - plan.replayed,
                "val": len(context.val),
                **({"replayed": plan.replayed} if plan.replayed else {}),
            },
            "best_epoch": state.best_epoch,
            "epochs": state.epoch,
            "validation": validation,
            "calibration": calibration.to_dict() if calibration else None,
        },
        temperature=calibration.temperature if calibration else 1.0,
    )
