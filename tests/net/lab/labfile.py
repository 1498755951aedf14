"""Lab files: which machines there are, how they are linked, what runs on them. docs/LAB.md says what may be
in one; examples are in tests/net/labs."""
import copy
import ipaddress
import os
import re

import yaml

from . import TOP

FOLDER = os.path.join(TOP, "tests/net/labs")
NAME = re.compile(r"[a-z][a-z0-9-]{0,13}")  # an interface name must hold it
COMMON = {"kind": str, "loopback": (str, list), "routes": dict, "sysctl": dict}
KINDS = {
    "router": {"bgp": dict},
    "nat": {},
    "node": {"pool": (str, list), "config": dict, "bgp": dict},
    "server": {},
    "store": {"replica_of": str},
    "client": {"at": str, "auth": str, "outer": str, "connect": bool, "via": str, "ikeload": str},
}
BGP_KEYS = {"asn": int, "role": str}
TOP_KEYS = {"about": str, "networks": dict, "config": dict, "machines": dict, "links": list, "try": list}
LINK_KEYS = {"ends": list, "nets": list, "mtu": int, "tx_checksum": bool}


class LabError(Exception):
    """A lab file that cannot be used; the text says where and why."""


def names():
    return sorted(name[:-5] for name in os.listdir(FOLDER) if name.endswith(".yaml"))


def load(name):
    """The checked content of one of the examples."""
    with open(os.path.join(FOLDER, name + ".yaml")) as file:
        return parse(file.read())


def parse(text):
    try:
        spec = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LabError(f"not YAML: {error}") from None
    check_keys("the file", spec, TOP_KEYS)
    spec = {**{key: kind() for key, kind in TOP_KEYS.items()}, **spec}
    for name, nets in spec["networks"].items():
        check_nets(f"networks.{name}", nets)
    for name, machine in spec["machines"].items():
        check_machine(spec, name, machine)
    spec["links"] = [check_link(spec, link) for link in spec["links"]]
    for kind in ("router", "node", "server"):
        if not of_kind(spec, kind):
            refuse("machines", f"there must be a {kind}")
    return spec


def refuse(where, why):
    raise LabError(f"{where}: {why}")


def check_keys(where, value, known):
    if not isinstance(value, dict):
        refuse(where, "must be a mapping")
    for key, part in value.items():
        if key not in known:
            refuse(where, f"unknown key {key!r}; there are: {', '.join(known)}")
        if not isinstance(part, known[key]):
            refuse(f"{where}: {key}", f"{part!r} is not of the right type")


def check_machine(spec, name, machine):
    where = f"machines.{name}"
    if not isinstance(name, str) or not NAME.fullmatch(name):
        refuse(where, "a name has at most 14 of a-z, 0-9 and -, and begins with a letter")
    kind = machine.get("kind") if isinstance(machine, dict) else None
    if kind not in KINDS:
        refuse(where, f"kind must be one of {', '.join(KINDS)}")
    check_keys(where, machine, {**COMMON, **KINDS[kind]})
    for key, choices in (("auth", ("certificate", "psk")), ("outer", ("ipv4", "ipv6"))):
        if machine.get(key, choices[0]) not in choices:
            refuse(f"{where}.{key}", f"must be one of {', '.join(choices)}")
    if "bgp" in machine:
        check_keys(f"{where}.bgp", machine["bgp"], BGP_KEYS)
    for hop in [machine.get("at"), machine.get("via"), machine.get("replica_of"), *hops_of(machine)]:
        if hop is not None and not (isinstance(hop, str) and hop in spec["machines"]):
            refuse(where, f"there is no machine {hop!r}")
    if kind == "nat" and not isinstance(machine.get("routes", {}).get("default"), str):
        refuse(where, "a NAT must have a default route, as in routes: {default: router}")
    for nets in (machine.get("loopback", []), machine.get("pool", [])):
        networks(spec, nets, where)


def hops_of(machine):
    for hops in machine.get("routes", {}).values():
        yield from hops if isinstance(hops, list) else [hops]


def check_link(spec, link):
    """The link with all its keys; `ends` are (machine, interface)."""
    link = {"ends": link} if isinstance(link, list) else link
    where = f"link {link['ends']}" if isinstance(link, dict) and "ends" in link else f"link {link}"
    check_keys(where, link, LINK_KEYS)
    ends = [str(end).partition(":") for end in link.get("ends", [])]
    if len(ends) != 2:
        refuse(where, "ends must be two machines, as in [router, gw:outer]")
    for machine, _, _ in ends:
        if machine not in spec["machines"]:
            refuse(where, f"there is no machine {machine!r}")
    check_nets(where, link.get("nets", []))
    named = [(end[0], end[2] or other[0]) for end, other in zip(ends, reversed(ends))]
    return {"nets": None, "mtu": None, "tx_checksum": True, **link, "ends": named}


def check_nets(where, nets):
    for net in nets if isinstance(nets, list) else [nets]:
        try:
            ipaddress.ip_network(net)
        except ValueError as error:
            refuse(where, error)


def networks(spec, value, where="the file"):
    """Networks as a list; a name stands for what the file's `networks` say."""
    if isinstance(value, list):
        check_nets(where, value)
        return value
    if value in spec["networks"]:
        return spec["networks"][value]
    check_nets(where, value)
    return [value]


def of_kind(spec, kind):
    return [name for name, machine in spec["machines"].items() if machine["kind"] == kind]


def merged(base, more):
    """A configuration with another one laid over it: mappings are merged, all else is replaced."""
    result = copy.deepcopy(base)
    for key, value in copy.deepcopy(more).items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
