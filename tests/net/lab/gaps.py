"""What a client notices of a change: a ping that goes on, and what was lost of it, and for how long."""
import re
import signal
import time

from .topology import INNER4


class Stream:
    """Echoes through the tunnel, one each `interval_s`, from start to stop(). Marks divide it."""

    def __init__(self, client, target=INNER4, interval_s=0.01):
        self.client, self.interval_s = client, interval_s
        name = f"stream-{client.node.name}-{time.monotonic_ns()}"
        self.process = client.node.start(name, "ping", "-n", "-D", "-i", str(interval_s), target)
        self.logins = self._logins()

    def _logins(self):
        """How often this client has begun a new IKE SA by IKE_SA_INIT."""
        return self.client.log().count("initiating IKE_SA")

    def stop(self, since_s):
        """What there was to notice after `since_s` (time.time()), of packets sent until now."""
        until_s = time.time()
        self.process.signal(signal.SIGINT)
        self.process.wait()
        return Notice(self.process.log(), since_s, until_s, self.interval_s, self._logins() - self.logins)


class Notice:
    """lost: echoes without answer; gap_ms: the longest time without one, which may last until the end;
    first_ms: from the event to the first answer behind that gap; is_back: answers came in the end; logins:
    new IKE_SA_INITs."""

    def __init__(self, log, since_s, until_s, interval_s, logins):
        answers = [(float(at), int(number))
                   for at, number in re.findall(r"^\[(\d+\.\d+)\].*icmp_seq=(\d+) .*time=", log, re.M)]
        answers.sort()
        self.logins = logins
        sent = int(re.search(r"(\d+) packets transmitted", log).group(1))
        # ping numbers from 1 and says only the low 16 bits
        self.lost = sent - len({number for _, number in answers}) if sent < 65536 else sent - len(answers)
        times = [at for at, _ in answers if at >= since_s - 1] + [until_s]
        gaps = [(later - earlier, later) for earlier, later in zip(times, times[1:]) if later >= since_s]
        longest, end = max(gaps, default=(float("inf"), float("inf")))
        self.gap_ms = 1000 * longest
        self.is_back = len(times) > 1 and until_s - times[-2] < 1
        self.first_ms = 1000 * (end - since_s) if longest > 3 * interval_s else 0
