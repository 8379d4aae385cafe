"""The policy's logic, natively: python3 -m unittest policy_test"""

import sys
import unittest

sys.path.insert(0, "sdk")

from flume_policy import Batch, Properties, Setup, column
from policy import UpperCase


class UpperCaseTest(unittest.TestCase):
    def test_values_get_capital_letters(self):
        policy = UpperCase(Setup(Properties({"header": "h"}), [], 7))
        batch = Batch(2, {"h": column(["Straße 1".encode(), None])})
        policy.intercept(batch, 1)
        self.assertEqual(batch.header_edits, {"h": {0: "STRAßE 1".encode()}})
        self.assertEqual(batch.verdicts, {})

    def test_the_header_must_be_named(self):
        wanted = Setup(Properties({}), [], 7)
        UpperCase(wanted)
        self.assertEqual(wanted.properties.finish(), [("missing", "header")])


if __name__ == "__main__":
    unittest.main()
