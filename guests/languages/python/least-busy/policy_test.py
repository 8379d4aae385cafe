"""The policy's logic, natively: python3 -m unittest policy_test"""

import sys
import unittest

sys.path.insert(0, "sdk")

from flume_policy import Ask, Batch, Properties, Setup, Sink, Standing
from policy import LeastBusy


def setup(*sinks):
    made = [Sink(f"k{at}", "null", Properties(own)) for at, own in enumerate(sinks, 1)]
    return Setup(Properties({}), made, 7)


class LeastBusyTest(unittest.TestCase):
    def order(self, policy, *standings):
        return policy.order(Ask(1, 1, list(standings), 0, Batch(0, {})))

    def test_the_least_busy_sink_comes_first(self):
        policy = LeastBusy(setup({"cap": "1"}, {}, {}))
        idle = Standing()
        self.assertEqual(self.order(policy, idle, idle, idle), [0, 1, 2])
        self.assertEqual(self.order(policy, idle, Standing(failures=1), idle), [0, 2, 1])
        busy = [Standing(in_flight=count) for count in (1, 1, 2)]
        self.assertEqual(self.order(policy, *busy), [1, 2, 0])

    def test_a_cap_is_a_number(self):
        wanted = setup({"cap": "many"})
        LeastBusy(wanted)
        self.assertEqual(
            wanted.sinks[0].properties.finish(), [("bad", "cap", "a number from 0 to 1000000")]
        )


if __name__ == "__main__":
    unittest.main()
