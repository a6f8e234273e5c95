"""The tests of geoseg."""

import os
import signal

# Set before torch is imported. Networks this small are fastest with one thread, and the threads of
# several test processes on few cores would mostly wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

# Tests that a shell starts in the background ignore Ctrl-C, and so would the commands that they
# start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
