"""The command line: rank 10, the only place that talks to people. Heavy imports happen where they are needed."""
