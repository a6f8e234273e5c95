"""Whether a training starts, goes on from a checkpoint, or has nothing left to do."""

import logging
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import ModelError, OutputError, RunError, count_of
from geoseg.files import check_not_there
from geoseg.model import Model
from geoseg.training.checkpoint import START_AGAIN, Checkpoint, load_checkpoint
from geoseg.training.plan import TrainingPlan
from geoseg.training.schedule import last_epoch

log = logging.getLogger("geoseg")


@dataclass(frozen=True, slots=True)
class StartPoint:
    """The epoch and the checkpoint from which a training starts."""

    checkpoint: Checkpoint | None = None
    """What to go on from; None to start with epoch 1."""
    trained: bool = False
    """The model is complete, nothing is left to do."""


def checkpoint_of(out: Path) -> Path:
    """Where the checkpoint of a model is."""
    return out.with_name(f"{out.name}.checkpoint")


def find_start(out: Path, plan: TrainingPlan, *, resume: bool, overwrite: bool) -> StartPoint:
    """Decide where a training begins, from the model and the checkpoint that are on disk.

    Args:
        out: model file to write.
        plan: the training.
        resume: go on from the checkpoint; otherwise start with epoch 1.
        overwrite: replace a model. A run whose model is complete starts again.

    Raises:
        OutputError: if the model exists, is not of this run, and is not to be replaced.
        RunError: if the checkpoint cannot be used, or has more epochs than wanted.
    """
    path = checkpoint_of(out)
    model = _read_model(out)
    if not resume or not path.exists():
        if resume and not overwrite and model is not None and _is_complete(model, plan):
            _log_trained(out, plan, model.training["epochs"])
            return StartPoint(trained=True)
        check_not_there(out, overwrite=overwrite)
        _log_discarded(path)
        return StartPoint()
    checkpoint = load_checkpoint(path)
    epoch = checkpoint.state.epoch
    written = model is not None and _run_of(model) == (checkpoint.run, epoch)
    if written and overwrite:
        _log_discarded(path)
        return StartPoint()
    differences = "; ".join(plan.differences(checkpoint.identity))
    if differences and written:
        raise OutputError(
            f"{out} exists and is of another training ({differences}), use another output name, "
            "or overwrite (-f)"
        )
    if differences:
        raise RunError(
            f"checkpoint {path} is of another training ({differences}), give the same tiles and "
            f"settings, or {START_AGAIN}"
        )
    if model is None or _run_of(model)[0] != plan.run:
        check_not_there(out, overwrite=overwrite)
    _check_end(out, plan, checkpoint, "overwrite (-f)" if written else START_AGAIN)
    if epoch == last_epoch(plan.settings, checkpoint.state.losses):
        if model is not None and written and _same_appearance(model, plan):
            _log_trained(out, plan, epoch)
            return StartPoint(trained=True)
    else:
        _log_resumed(path, plan, checkpoint)
    return StartPoint(checkpoint)


def _read_model(out: Path) -> Model | None:
    """The model that is at the output already; None if there is none, or no model."""
    try:
        return Model.load(out) if out.exists() else None
    except ModelError:
        return None


def _run_of(model: Model) -> tuple[str | None, int | None]:
    """The run that wrote a model, and after how many epochs."""
    return model.training.get("run"), model.training.get("epochs")


def _is_complete(model: Model, plan: TrainingPlan) -> bool:
    """Whether a model is what this very run would write, as its file says without a checkpoint."""
    settings, (run, epochs) = plan.settings, _run_of(model)
    if run != plan.run or model.training.get("settings") != settings.to_dict() or epochs is None:
        return False
    since_best = epochs - model.training.get("best_epoch", epochs)
    ended = epochs == settings.epochs or since_best == settings.patience
    return ended and _same_appearance(model, plan)


def _same_appearance(model: Model, plan: TrainingPlan) -> bool:
    """Whether what can change without training is the same: colours and pixel sizes."""
    same_colours = model.legend.classes == plan.tiles.legend.classes
    return same_colours and model.pixel_size_range == plan.pixel_sizes


def _check_end(out: Path, plan: TrainingPlan, checkpoint: Checkpoint, cure: str) -> None:
    """Refuse to end a run before an epoch that it has done; ``cure`` is what else to do."""
    done, settings = checkpoint.state.epoch, plan.settings
    end = last_epoch(settings, checkpoint.state.losses)
    if end >= done:
        return
    if settings.epochs < done:
        less = f"more than the {settings.epochs} that are wanted, give at least {done} epochs"
    else:
        less = (
            f"but a patience of {settings.patience} would have stopped it after epoch {end}, "
            "give more patience"
        )
    raise RunError(f"{out} has {count_of(done, 'epoch')} already, {less}, or {cure}")


def _log_trained(out: Path, plan: TrainingPlan, epochs: int) -> None:
    early = epochs < plan.settings.epochs
    log.info(
        "%s is trained already (%s%s), give more %s, or overwrite (-f) to train it again",
        out, count_of(epochs, "epoch"),
        f", stopped by a patience of {plan.settings.patience}" if early else "",
        "patience" if early else "epochs",
    )  # fmt: skip


def _log_discarded(path: Path) -> None:
    if not path.exists():
        return
    try:
        epochs = count_of(load_checkpoint(path).state.epoch, "epoch")
        log.info("starts again with epoch 1 and discards %s of %s", epochs, path)
    except RunError:
        log.info("starts again with epoch 1 and discards %s", path)


def _log_resumed(path: Path, plan: TrainingPlan, checkpoint: Checkpoint) -> None:
    done, epochs = checkpoint.state.epoch, plan.settings.epochs
    log.info("goes on after epoch %d of %d, from %s", done, epochs, path)
    if plan.settings.schedule == "cosine" and checkpoint.epochs != epochs:
        log.warning(
            "the learning rate of the %s done fell as if the run had %d epochs, from now on it "
            "falls as if it had %d: the weights are not those of %d epochs in one go",
            count_of(done, "epoch"), checkpoint.epochs, epochs, epochs,
        )  # fmt: skip
