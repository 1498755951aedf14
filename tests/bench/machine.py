"""What a benchmark ran on, what processes took, and tables of it."""
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/net"))

GATEWAY_CORE, CLIENT_CORE = "0", "1"


def cpu_model():
    with open("/proc/cpuinfo") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown CPU"


def describe():
    kernel = os.uname()
    return (f"machine    {cpu_model()}, {os.cpu_count()} cores seen, {kernel.sysname} {kernel.release}\n"
            f"load       {' '.join(str(round(value, 2)) for value in os.getloadavg())} before\n"
            f"revision   {os.environ.get('HOLDFAST_REVISION') or 'not known'}")


def cpu_s(pid):
    """CPU seconds of all threads that still run, user and system, from the scheduler's own nanoseconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as schedstat:
            total += int(schedstat.read().split()[0])
    return total / 1e9


def memory_kb(pid):
    """(own, of files) resident KiB. A store's file is one of a disk, also where /tmp is not on one."""
    own = of_files = 0
    is_file = False
    with open(f"/proc/{pid}/smaps") as smaps:
        for line in smaps:
            words = line.split()
            if not words[0].endswith(":"):
                name = words[5] if len(words) > 5 else ""
                is_file = name.startswith("/") and not name.startswith(("/dev/zero", "/memfd", "/SYSV"))
            elif words[0] == "Rss:":
                of_files += int(words[1]) if is_file else 0
                own += 0 if is_file else int(words[1])
            elif words[0] == "Anonymous:" and is_file:  # written to a private mapping
                own += int(words[1])
                of_files -= int(words[1])
    return own, of_files


class Pinned:
    """A node whose processes all run on one core."""

    def __init__(self, node, core):
        self.node, self.core = node, core

    def __getattr__(self, name):
        return getattr(self.node, name)

    def start(self, name, *command, **options):
        return self.node.start(name, "taskset", "-c", self.core, *command, **options)


def table(head, rows):
    """Columns as wide as they must be, numbers to the right."""
    rows = [head, *rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    for row in rows:
        print("  ".join(cell.ljust(width) if at < 2 else cell.rjust(width)
                        for at, (cell, width) in enumerate(zip(row, widths))).rstrip())
