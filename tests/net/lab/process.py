"""Commands and daemons, their logs, and waiting that ends."""
import os
import signal as signals
import subprocess
import time


class CommandFailed(Exception):
    pass


class Late(Exception):
    """What was waited for did not happen in time."""


def wait_until(what, condition, timeout_s=15.0, every_s=0.02):
    """The first true value of condition(), polled; Late after timeout_s."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Late(f"after {timeout_s:g} s still not: {what}")
        time.sleep(every_s)


def run(command, check=True, text_in=None, timeout_s=60, env=None):
    """Runs a command to its end; its standard output and error are in the result, together. A Ctrl-C is for
    us, not for the command."""
    done = subprocess.run(command, input=text_in, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout_s, env=environment(env),
                          start_new_session=True)
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-3000:]}")
    return done


def environment(more):
    return {**os.environ, **(more or {})}


class Process:
    """A command in the background whose output goes to a log file."""
    everyone = []  # started in this run, for the end and for failure reports

    def __init__(self, name, command, log, env=None, pass_fds=()):
        self.name = name
        self.log_path = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=environment(env), pass_fds=pass_fds, start_new_session=True)
        self.pid = self.popen.pid
        Process.everyone.append(self)

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, timeout_s=15.0):
        """The exit code (negative: the signal that ended it)."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise Late(f"{self.name} still runs after {timeout_s:g} s") from None

    def stop(self, number=signals.SIGTERM, timeout_s=10.0):
        self.signal(number)
        try:
            return self.wait(timeout_s)
        except Late:
            self.kill()
            raise

    def kill(self):
        self.signal(signals.SIGKILL)
        return self.popen.wait()

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def resident_kb(self):
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise CommandFailed(f"{self.name} has no VmRSS")

    @classmethod
    def end_all(cls):
        for process in cls.everyone:
            if process.running():
                process.kill()
        cls.everyone.clear()
