"""Pings, a web server and downloads."""
import os
import re
import signal
import time

from .process import wait_until
from .topology import INNER4, INNER6

FILE_MB = 100


class Ping:
    """A ping in the background that sends `count` and then waits for what is still under way."""

    def __init__(self, node, target=INNER4, count=100, interval_s=0.01, size=56, patience_s=3):
        self.process = node.start(f"ping-{node.name}", "ping", "-n", "-q", "-c", str(count), "-s", str(size),
                                  "-i", str(interval_s), "-W", str(patience_s), target)
        self.count, self.seconds = count, count * interval_s + patience_s

    def wait(self):
        """(sent, received)"""
        self.process.wait(self.seconds * 3 + 10)
        return self._numbers()

    def stop(self):
        """Ends it now; the last ping may be counted as lost."""
        self.process.signal(signal.SIGINT)
        self.process.wait()
        return self._numbers()

    def _numbers(self):
        found = re.findall(r"(\d+) packets transmitted, (\d+) received", self.process.log())
        assert found, f"ping says nothing of packets:\n{self.process.log_tail()}"
        return tuple(int(number) for number in found[-1])


def ping(node, target=INNER4, count=5, interval_s=0.02, size=56, patience_s=3):
    """(sent, received)"""
    return Ping(node, target, count, interval_s, size, patience_s).wait()


class Trace:
    """A ping whose replies are looked at one by one, until stop()."""
    count = 0

    def __init__(self, node, target=INNER4, interval_s=0.01):
        self.interval_s = interval_s
        Trace.count += 1
        self.process = node.start(f"trace-{node.name}-{Trace.count}", "ping", "-n", "-D", "-i",
                                  str(interval_s), "-W", "1", target)

    def stop(self, settle_s=1.0):
        """{"sent", "lost", "gap_ms": the longest time without a reply, less the interval}; the last replies
        are waited for."""
        ended = time.time()
        time.sleep(settle_s)
        self.process.signal(signal.SIGINT)
        self.process.wait()
        found = re.findall(r"\[(\d+\.\d+)\] \d+ bytes .*icmp_seq=(\d+)", self.process.log())
        replies = {int(number): float(when) for when, number in found}
        sent = int(re.findall(r"(\d+) packets transmitted", self.process.log())[-1])
        times = sorted(replies.values())
        gap = max((after - before for before, after in zip(times, [*times[1:], ended])), default=0)
        return {"sent": sent, "lost": sent - len(replies), "gap_ms": round(1000 * (gap - self.interval_s))}


def reaches(node, target=INNER4):
    return ping(node, target, count=1, patience_s=1)[1] == 1


class WebServer:
    """lighttpd on the inner host, with a file of 100 MB that takes no room."""

    def __init__(self, lab):
        root = lab.path("www")
        os.makedirs(root)
        with open(os.path.join(root, "file"), "wb") as file:
            file.truncate(FILE_MB * 1000 * 1000)
        with open(os.path.join(root, "small"), "w") as file:
            file.write("it works\n")
        with open(lab.path("lighttpd.conf"), "w") as conf:
            conf.write(f'server.document-root = "{root}"\nserver.bind = "0.0.0.0"\nserver.port = 80\n'
                       f'server.errorlog = "/dev/stderr"\n'
                       f'$SERVER["socket"] == "[::]:80" {{ server.set-v6only = "enable" }}\n')
        self.process = lab.inner.start("lighttpd", "lighttpd", "-D", "-f", lab.path("lighttpd.conf"))
        wait_until("the web server listens", lambda: self._listens(lab.inner))

    @staticmethod
    def _listens(node):
        return node.out("ss", "-Hltn", "sport", "=", ":80").count("LISTEN") == 2


def url(target=INNER4, path="file"):
    return f"http://[{target}]/{path}" if ":" in target else f"http://{target}/{path}"


class Download:
    """A download in the background, at a limited rate when `rate` is given ("2M": bytes a second)."""

    def __init__(self, node, target=INNER4, path="file", rate=None, patience_s=120):
        limit = ["--limit-rate", rate] if rate else []
        self.process = node.start(f"curl-{node.name}", "curl", "-sS", "-o", "/dev/null", *limit, "-m",
                                  str(patience_s), "-w", "%{http_code} %{size_download} %{speed_download}\n",
                                  url(target, path))
        self.patience_s = patience_s

    def wait(self):
        """(bytes, bytes a second); an error unless the whole file came."""
        code = self.process.wait(self.patience_s + 5)
        assert code == 0, f"curl ended with {code}: {self.process.log_tail(3)}"
        status, size, rate = self.process.log_tail(1).split()
        assert status == "200", f"HTTP status {status}"
        return int(size), float(rate)


def download(node, target=INNER4, path="file", patience_s=120):
    return Download(node, target, path, patience_s=patience_s).wait()
