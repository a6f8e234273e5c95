"""Dask workers as Slurm jobs: jobqueue.py JOBS SCENE --out MAP [options of geoseg classify].

What each job asks for is in jobqueue.yaml: DASK_CONFIG=workflows/dask/jobqueue.yaml. This process
is the scheduler and starts the client, so run it where it may stay: in a small job, or in tmux.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster


def main() -> int:
    """Start the workers, classify, end them; the exit code is that of geoseg."""
    jobs, arguments = int(sys.argv[1]), sys.argv[2:]
    with SLURMCluster() as cluster:
        # scale() would not replace a lost worker; and no --lifetime, after which none comes.
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
        command = ["geoseg", "classify", *arguments, "--scheduler", cluster.scheduler_address]
        return subprocess.call(command)  # noqa: S603 - the user's own arguments


if __name__ == "__main__":
    sys.exit(main())
