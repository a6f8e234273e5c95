"""One module for each command: its options, the call of one function, and the output."""
