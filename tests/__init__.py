"""The tests of geoseg."""

import os

# Set before torch is imported. Networks this small are fastest with one thread, and the threads of
# several test processes on few cores would mostly wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
