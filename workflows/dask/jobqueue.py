"""Dask workers as Slurm jobs: jobqueue.py JOBS SCENE --out MAP [options of geoseg classify].

The options of the jobs are in jobqueue.yaml: set DASK_CONFIG=workflows/dask/jobqueue.yaml. This
process runs the scheduler and the client, so start it where it can run until the end: in a small
job, or in tmux.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster


def main() -> int:
    """Start the workers, classify, stop the workers; return the exit code of geoseg."""
    jobs, arguments = int(sys.argv[1]), sys.argv[2:]
    with SLURMCluster() as cluster:
        # scale() does not replace a lost worker. Nor does adapt() one that ended by --lifetime.
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
        command = ["geoseg", "classify", *arguments, "--scheduler", cluster.scheduler_address]
        return subprocess.call(command)  # noqa: S603 - arguments of the user


if __name__ == "__main__":
    sys.exit(main())
