"""A test program: cases run one after the other, a line for each, a closing count, an exit code."""
import signal
import sys
import time
import traceback

from .process import Process


class Skip(Exception):
    """This case cannot run here; its text says why."""


class OutOfTime(Exception):
    pass


class Suite:
    """usage:  suite = Suite("...", limit_s=60)
               @suite.case("what is promised")
               def name(): ...
               suite.main()
    Names of cases on the command line run these only, and the first, which sets the stage; when that fails,
    the others are failures too and are not run."""

    def __init__(self, purpose, limit_s=60):
        self.purpose, self.limit_s = purpose, limit_s
        self.cases = []
        self.shown = {}

    def case(self, text):
        def add(function):
            self.cases.append((function.__name__, text, function))
            return function
        return add

    def main(self):
        wanted = sys.argv[1:]
        if wanted and wanted[0] in ("-h", "--help"):
            print(f"{self.purpose}\nusage: {sys.argv[0]} [CASE...]\ncases:")
            print("".join(f"  {name:<24} {text}\n" for name, text, _ in self.cases), end="")
            sys.exit(0)
        unknown = [name for name in wanted if name not in [case[0] for case in self.cases]]
        if unknown:
            sys.exit(f"no such case: {', '.join(unknown)}")
        signal.signal(signal.SIGALRM, out_of_time)
        results = self._run_all([case for at, case in enumerate(self.cases)
                                 if at == 0 or not wanted or case[0] in wanted])
        Process.end_all()
        passed, failed, skipped = (results.count(kind) for kind in ("ok", "FAIL", "skip"))
        print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
        sys.exit(1 if failed else 0)

    def _run_all(self, cases):
        results = []
        for _, text, function in cases:
            if results[:1] == ["FAIL"]:
                print(f"FAIL {text} (not run)")
                results.append("FAIL")
            else:
                results.append(self._run(text, function))
        return results

    def _run(self, text, function):
        start, before = time.monotonic(), list(Process.everyone)
        kind, why = "ok", ""
        signal.alarm(self.limit_s)
        try:
            function()
        except Skip as reason:
            kind, why = "skip", f": {reason}"
        except Exception:
            kind, why = "FAIL", "\n" + indent(traceback.format_exc(limit=-4)) + self._logs()
            self._clear_up(before)
        finally:
            signal.alarm(0)
        print(f"{kind} {text} ({time.monotonic() - start:.1f} s){why}", flush=True)
        return kind

    @staticmethod
    def _clear_up(before):
        """Ends the clients that a failed case left running, so that the next one finds the stage it wants."""
        for process in Process.everyone:
            if process not in before and process.running() and not process.name.startswith("holdfastd"):
                process.kill()

    def _logs(self):
        """The ends of the logs that have grown since they were shown last."""
        text = ""
        for process in Process.everyone:
            log = process.log()
            old = len(log) <= self.shown.get(process, 0) or process.name.startswith(("ping", "tcpdump"))
            if not old and (process.running() or process.popen.returncode not in (0, -15)):
                text += f"\n  ---- {process.name}, last lines\n{indent(process.log_tail(12))}"
            self.shown[process] = len(log)
        return text


def indent(text):
    return "".join(f"  {line}\n" for line in text.splitlines())


def out_of_time(*_):
    raise OutOfTime("the case took too long")
