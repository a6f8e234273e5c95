"""The network in the run folder, for the engines that read an ONNX graph."""

from geoseg.classification.job import Job
from geoseg.files import atomic_file
from geoseg.model import AnyModel, Model, network_graph


def save_graph(job: Job, model: AnyModel) -> None:
    """Save the network of a model of geoseg, if the engine reads a graph and none is saved.

    Raises:
        OutputError: if it cannot be written.
        ModelError: if onnx is not installed.
    """
    path = job.graph
    if path is None or path.exists() or not isinstance(model, Model):
        return
    data = network_graph(model)
    with atomic_file(path, durable=True) as temporary:
        temporary.write_bytes(data)
