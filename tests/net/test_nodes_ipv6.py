#!/usr/bin/env python3
"""test_nodes with nodes that reach each other by IPv6: clients' packets of both kinds inside."""
import os

os.environ["HOLDFAST_NODES_LAB"] = "two-nodes-ipv6"
os.environ.setdefault("HOLDFAST_FLAP_SECONDS", "8")

import test_nodes  # noqa: E402, F401
