"""Prints to both streams, and then fails at its first order."""

import sys

import flume_policy


class Faulty:
    def __init__(self, setup):
        print("said on standard output")
        print("said on standard error", file=sys.stderr)

    def order(self, ask):
        raise ValueError("no order today")


SinkSelector = flume_policy.selector(Faulty)
