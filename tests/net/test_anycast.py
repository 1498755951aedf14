#!/usr/bin/env python3
"""Three PoPs behind one address, announced by BGP (labs/anycast.yaml): what is lost when a part of them is.
tools/bench fleet measures the same, and more, as often as wanted."""
from lab.anycast import EVENTS, Stage, measure
from lab.suite import Suite

suite = Suite(__doc__, limit_s=100)
stage = None


def happens(name, back_ms=None):
    """Nobody logs in again, no session is lost, and everybody's echoes are back in the end; within `back_ms`
    of the event where that is promised for a machine that has time."""
    lost, notices = measure(stage, EVENTS[name])
    for notice in notices:
        print(f"  {notice.lost} echoes lost, gap {notice.gap_ms:.0f} ms, back after {notice.first_ms:.0f} ms")
    assert lost == 0, f"{lost} sessions lost"
    assert sum(notice.logins for notice in notices) == 0, "a client logged in again"
    assert all(notice.is_back for notice in notices), "no echoes in the end"
    assert back_ms is None or all(notice.gap_ms <= back_ms for notice in notices)


@suite.case("the fleet comes up, clients connect to the anycast address")
def up():
    global stage
    stage = Stage()


@suite.case("a PoP is killed, and comes back: an heir has its sessions")
def pop():
    happens("pop-killed", back_ms=5000)


@suite.case("the same again: clients that were taken over once are so twice")
def again():
    happens("pop-killed", back_ms=5000)


@suite.case("a PoP's uplink is cut: it gives its sessions away")
def cut():
    happens("pop-cut")


@suite.case("a node is drained and returns")
def drain():
    happens("drain", back_ms=3000)


@suite.case("the store's primary is lost to its replica")
def primary():
    happens("primary-lost", back_ms=3000)


suite.main()
