"""Orders sinks by batches in flight, then by failures. A sink with `cap` batches comes last."""

import flume_policy


class LeastBusy:
    def __init__(self, setup):
        self.caps = [sink.properties.number("cap", 0, 0, 1_000_000) for sink in setup.sinks]
        flume_policy.info(f"least-busy has {len(setup.sinks)} sinks")

    def order(self, ask):
        def rank(number):
            sink, cap = ask.sinks[number], self.caps[number]
            return cap > 0 and sink.in_flight >= cap, sink.in_flight, sink.failures

        return sorted(range(len(ask.sinks)), key=rank)


SinkSelector = flume_policy.selector(LeastBusy)
