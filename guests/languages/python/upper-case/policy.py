"""Writes the value of the header `header` in capital letters (A to Z)."""

import flume_policy

CAPITALS = {ord(small): ord(small.upper()) for small in "abcdefghijklmnopqrstuvwxyz"}


class UpperCase:
    def __init__(self, setup):
        self.header = setup.properties.required("header")
        self.headers = [self.header]
        flume_policy.info(f"upper-case edits the header {self.header}")

    def intercept(self, batch, now):
        for event in batch:
            value = event.header(self.header)
            if value is not None:
                event.set_header(self.header, value.translate(CAPITALS))


Interceptor = flume_policy.interceptor(UpperCase)
