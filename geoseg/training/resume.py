"""Where a training run starts: at epoch 1, at a checkpoint, or not at all if it is complete."""

import logging
from contextlib import suppress
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
    """Where a run starts."""

    checkpoint: Checkpoint | None = None
    """The checkpoint to resume from; None to start at epoch 1."""
    complete: bool = False
    """True if the model is complete, so that the run ends at once."""


def checkpoint_path(out: Path) -> Path:
    """Return the path of the checkpoint of a model."""
    return out.with_name(f"{out.name}.checkpoint")


def find_start(out: Path, plan: TrainingPlan, *, resume: bool, overwrite: bool) -> StartPoint:
    """Decide where a run starts, from the model and the checkpoint on disk.

    Without ``resume`` it starts at epoch 1. With ``overwrite`` an existing model is replaced, and a
    complete run starts again.

    Raises:
        OutputError: if the model exists, is of another run, and is not to be replaced.
        RunError: if the checkpoint is damaged, is of another run, or has more epochs than the plan.
    """
    path = checkpoint_path(out)
    model = None
    with suppress(ModelError):  # a file that is no model is not of this run
        model = Model.load(out) if out.exists() else None
    if not resume or not path.exists():
        if resume and not overwrite and model is not None and _is_complete(model, plan):
            _log_complete(out, plan, model.training["epochs"])
            return StartPoint(complete=True)
        check_not_there(out, overwrite=overwrite)
        _log_discarded(path)
        return StartPoint()
    checkpoint = load_checkpoint(path)
    epoch = checkpoint.state.epoch
    written = model is not None and _identity_and_epochs(model) == (checkpoint.identity, epoch)
    if written and overwrite:
        _log_discarded(path)
        return StartPoint()
    differences = "; ".join(plan.differences(checkpoint.determinants))
    if differences and written:
        raise OutputError(
            f"{out} exists and belongs to another training ({differences}), use another output "
            "name, or overwrite (-f)"
        )
    if differences:
        raise RunError(
            f"checkpoint {path} belongs to another training ({differences}), give the same tiles "
            f"and settings, or {START_AGAIN}"
        )
    if model is None or _identity_and_epochs(model)[0] != plan.identity:
        check_not_there(out, overwrite=overwrite)
    _check_end(out, plan, checkpoint, "overwrite (-f)" if written else START_AGAIN)
    if epoch == last_epoch(plan.settings, checkpoint.state.losses):
        if model is not None and written and _same_legend_and_pixel_sizes(model, plan):
            _log_complete(out, plan, epoch)
            return StartPoint(complete=True)
    else:
        _log_resumed(path, plan, checkpoint)
    return StartPoint(checkpoint)


def _identity_and_epochs(model: Model) -> tuple[str | None, int | None]:
    """Return the identity of the training of a model, and its number of epochs."""
    return model.training.get("run"), model.training.get("epochs")


def _is_complete(model: Model, plan: TrainingPlan) -> bool:
    """Whether a model is the result of this run, as far as the model file records it."""
    settings, (identity, epochs) = plan.settings, _identity_and_epochs(model)
    if (
        identity != plan.identity
        or model.training.get("settings") != settings.to_dict()
        or epochs is None
    ):
        return False
    since_best = epochs - model.training.get("best_epoch", epochs)
    ended = epochs == settings.epochs or since_best == settings.patience
    return ended and _same_legend_and_pixel_sizes(model, plan)


def _same_legend_and_pixel_sizes(model: Model, plan: TrainingPlan) -> bool:
    """Whether legend colours and pixel sizes, which need no training, are those of the plan."""
    same_colours = model.legend.classes == plan.tiles.legend.classes
    return same_colours and model.pixel_size_range == plan.pixel_sizes


def _check_end(out: Path, plan: TrainingPlan, checkpoint: Checkpoint, advice: str) -> None:
    """Refuse a run that would end before the last epoch of its checkpoint."""
    done, settings = checkpoint.state.epoch, plan.settings
    end = last_epoch(settings, checkpoint.state.losses)
    if end >= done:
        return
    reason = (
        f"more than the {settings.epochs} requested, give at least {done} epochs"
        if settings.epochs < done
        else f"but a patience of {settings.patience} would have stopped it after epoch {end}, "
        "give more patience"
    )
    raise RunError(f"{out} has {count_of(done, 'epoch')} already, {reason}, or {advice}")


def _log_complete(out: Path, plan: TrainingPlan, epochs: int) -> None:
    early = epochs < plan.settings.epochs
    log.info(
        "%s is already trained (%s%s), give more %s, or overwrite (-f) to train it again",
        out, count_of(epochs, "epoch"),
        f", stopped by a patience of {plan.settings.patience}" if early else "",
        "patience" if early else "epochs",
    )  # fmt: skip


def _log_discarded(path: Path) -> None:
    if path.exists():
        epochs = ""
        with suppress(RunError):
            epochs = f"{count_of(load_checkpoint(path).state.epoch, 'epoch')} of "
        log.info("training starts again at epoch 1 and discards %s%s", epochs, path)


def _log_resumed(path: Path, plan: TrainingPlan, checkpoint: Checkpoint) -> None:
    done, epochs = checkpoint.state.epoch, plan.settings.epochs
    log.info("training resumes after epoch %d of %d from %s", done, epochs, path)
    if plan.settings.schedule == "cosine" and checkpoint.epochs != epochs:
        log.warning(
            "the learning rate of the %s in the checkpoint followed a cosine over %d epochs, and "
            "now follows one over %d, so the weights differ from those of %d epochs in one run",
            count_of(done, "epoch"), checkpoint.epochs, epochs, epochs,
        )  # fmt: skip
    elif plan.settings.pseudo_labels and checkpoint.epochs != epochs:
        log.warning(
            "pseudo-labels begin after half of the epochs, which were %d and are %d, so the "
            "weights may differ from those of %d epochs in one run",
            checkpoint.epochs, epochs, epochs,
        )  # fmt: skip
