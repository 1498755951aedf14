#!/usr/bin/env python3
"""A short soak (tools/soak makes long ones): sessions rekey, move, ping, come and go; nothing stays."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench"))

from lab.suite import Suite
import soak

suite = Suite(__doc__, limit_s=150)


@suite.case("300 sessions live fast for 40 s: nothing grows, none is lost, all tables are empty in the end")
def short():
    short_soak = soak.Soak(sessions=300, seconds=40, pace=20, every_s=1, little_kb=4096)
    short_soak.run()
    short_soak.report()
    assert not short_soak.findings, short_soak.findings


suite.main()
