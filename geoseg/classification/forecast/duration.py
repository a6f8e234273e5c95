"""The time of a run, estimated from a trial of the network on windows of the scene."""

from geoseg.classification.engine_trial import TrialRequest, read_trial_windows
from geoseg.classification.job import Job
from geoseg.model import Model, load_predictor, network_graph, one_torch_thread, try_engine


def seconds_per_window(job: Job, seconds: float) -> float | None:
    """Return the time of one window on one worker of this machine (s), by a trial.

    Nothing is written. It computes the network alone: reading, blending and writing take more.

    Args:
        job: the run, with the engine, the device and the batch that it will have.
        seconds: time to spend, at least two rounds over the sample of windows.

    Returns:
        None if the scene has no window with enough valid pixels.
    """
    request = TrialRequest(
        job.input, job.window_grid, job.map_grid.input_part, job.model, job.model_hash, job.onnx,
        tta=job.settings.tta,
    )  # fmt: skip
    source, graph = job.predictor_source, None
    if job.graph is not None:
        graph = network_graph(Model.load(job.model).with_window(job.window_grid.size))
    with one_torch_thread():
        predictor = load_predictor(source, graph)
        sample = read_trial_windows(request, predictor.spec.scaling)
        if sample is None:
            return None
        with predictor.stream():
            trial, _ = try_engine(source.engine, predictor, sample, None, seconds)
    return trial.seconds
