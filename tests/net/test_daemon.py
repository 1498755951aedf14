#!/usr/bin/env python3
"""The process itself: what it keeps of root, what clients of its sockets can do to it, what systemd hears."""
import json
import os
import re
import socket
import time

from lab.holdfast import METRICS_PORT, build_dir
from lab.process import run, wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.traffic import ping

suite = Suite(__doc__)
scene = None
client = None


def status_of_process():
    with open(f"/proc/{scene.gateway.process.pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def connect():
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(5)
    stream.connect(scene.gateway.control_path)
    return stream


def ask(request):
    """All lines of the answer to one request; [] when the daemon hangs up."""
    with connect() as stream:
        answer = b""
        try:
            stream.sendall(request)
            while b'"ok"' not in answer.rsplit(b"\n", 2)[-2:][0]:
                part = stream.recv(65536)
                if not part:
                    return []
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            return []
    return [json.loads(line) for line in answer.splitlines()]


def is_well():
    assert ask(b'{"command":"status"}\n')[-1]["ok"] is True
    assert ping(client.node, count=1) == (1, 1)


@suite.case("of root it keeps CAP_NET_ADMIN alone; no new privileges, few system calls, no core, no debugger")
def privileges():
    global scene, client
    scene = Scene()
    client = scene.certificate_client("cl1")
    client.connect()
    status = status_of_process()
    for name in ("CapPrm", "CapEff"):
        assert int(status[name], 16) == 1 << 12, (name, status[name])
    assert int(status["CapInh"], 16) == 0 and int(status["CapBnd"], 16) == 0, status
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2" or "asan" in build_dir()
    with open(f"/proc/{scene.gateway.process.pid}/limits") as file:
        assert re.search(r"Max core file size +0 +0 ", file.read())


@suite.case("nonsense on the control socket is refused or hung up on, and hurts nobody")
def nonsense():
    for request in (b"\n", b"{}\n", b"[]\n", b"\x00\xff\n", b'{"command":"nonsense"}\n',
                    b'{"command":"show"}\n', b'{"command":"status","more":1}\n',
                    b'{"command":"disconnect"}\n', b'"' * 4000 + b"\n"):
        answer = ask(request)
        assert len(answer) == 1 and answer[0]["error"] == "bad_request", (request, answer)
    assert ask(b"x" * 100_000) == []
    for request in (b"", b'{"command":"stat', b'{"command":"sessions"}\n', b'{"command":"metrics"}\n' * 9):
        with connect() as stream:
            stream.sendall(request) # and goes away
    is_well()


@suite.case("several requests on one connection are answered in order")
def pipelined():
    with connect() as stream:
        stream.sendall(b'{"command":"sessions"}\n{"command":"show","select":"nobody"}\n'
                       b'{"command":"status"}\n')
        said = []
        for line in stream.makefile():
            if "ok" in (row := json.loads(line)):
                said.append(row["ok"])
            if len(said) == 3:
                break
    assert said == [True, False, True], said


@suite.case("clients beyond the limit are turned away; those who never read take little memory")
def greedy():
    before = scene.gateway.process.resident_kb()
    silent = [connect() for _ in range(40)]
    for stream in silent:
        stream.close()
    wait_until("there is room again", lambda: ask(b'{"command":"status"}\n') != [])
    deaf = [connect() for _ in range(10)]
    for stream in deaf:
        stream.setblocking(False)
        try:
            while True:
                stream.send(b'{"command":"metrics"}\n' * 50)
        except BlockingIOError:
            pass
    is_well()
    grown = scene.gateway.process.resident_kb() - before
    print(f"  {grown} kB for 10 clients that ask without end and never read")
    assert grown < (100 if "asan" in build_dir() else 10) * 1024, grown
    for stream in deaf:
        stream.close()
    is_well()


@suite.case("the metrics port answers GET /metrics and nothing else")
def http():
    def fetch(*options):
        return scene.lab.gw.run("curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", *options,
                                check=False).stdout.strip()
    base = f"http://127.0.0.1:{METRICS_PORT}"
    assert fetch(f"{base}/metrics") == "200" and fetch(f"{base}/metrics?x=1") == "200"
    assert fetch("-I", f"{base}/metrics") == "200"
    assert fetch(f"{base}/") == "404" and fetch(f"{base}/metricsx") == "404"
    assert fetch("-X", "POST", f"{base}/metrics") == "405"
    assert fetch("-H", "X: " + "y" * 20_000, f"{base}/metrics").endswith("000")
    is_well()


@suite.case("a second daemon on the same socket refuses to start, and the first goes on")
def second():
    other = scene.lab.gw.run(os.path.join(build_dir(), "holdfastd"), "--config", scene.gateway.config_path,
                             check=False)
    assert other.returncode == 1 and "another holdfastd" in other.stdout, other.stdout
    is_well()


@suite.case("exit codes: 2 for arguments, 3 for a config that is refused, 0 for --help and --check")
def exit_codes():
    def code(*arguments):
        return run([os.path.join(build_dir(), "holdfastd"), *arguments], check=False).returncode
    assert code("--help") == 0 and code("--version") == 0
    assert code("--check", "--config", scene.gateway.config_path) == 0
    assert code("--nonsense") == 2 and code("more") == 2
    assert code("--config", "/nonexistent") == 3 and code("--check", "--config", "/nonexistent") == 3


@suite.case("with a user 'holdfast' it becomes that, takes root's store along, and opens its log anew")
def default_user():
    gateway, uid = scene.gateway, 4242
    assert gateway.events("runs_as_root"), "there is such a user here already"
    gateway.stop()
    passwd, log = scene.lab.path("passwd"), scene.lab.path("log/events.log")
    with open("/etc/passwd") as file, open(passwd, "w") as changed:
        changed.write(file.read() + f"holdfast:x:{uid}:{uid}::/:/usr/sbin/nologin\n")
    os.makedirs(os.path.dirname(log))
    os.chmod(scene.lab.path(""), 0o755)
    os.chown(os.path.dirname(log), uid, uid)
    gateway.config["log"] = {"file": log}
    run(["mount", "--bind", passwd, "/etc/passwd"])
    try:
        gateway.start()
        assert status_of_process()["Uid"].split() == [str(uid)] * 4
        assert int(status_of_process()["CapEff"], 16) == 1 << 12
        said = [json.loads(line) for line in open(log)]
        assert [line["uid"] for line in said if line["event"] == "runs_as"] == [uid], said
        assert any(line["event"] == "reload_unreadable" for line in said), said
        assert gateway.identities() == ["cl1@example.net"], "from a store that was root's"
        assert ping(client.node, count=1) == (1, 1)
        os.rename(log, log + ".1")
        assert gateway.cli("reload", check=False).returncode == 1, "what root alone can read"
        wait_until("the log goes on in a new file",
                   lambda: os.path.exists(log) and "reload_refused" in open(log).read())
        gateway.stop()
    finally:
        run(["umount", "/etc/passwd"])
        run(["chown", "-R", "root:root", gateway.config["store"]["path"]])
        del gateway.config["log"]
        gateway.write_config()


@suite.case("systemd hears of readiness, reloads, the watchdog and the end")
def notices():
    if scene.gateway.process.running():
        scene.gateway.stop()
    path = scene.lab.path("notices")
    said = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    said.bind(path)
    said.settimeout(10)
    process = scene.lab.gw.start("holdfastd-2", os.path.join(build_dir(), "holdfastd"), "--config",
                                 scene.gateway.config_path,
                                 env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "4000000"})
    heard = []

    def hear(word, but=None):
        while True:
            text = said.recv(4096).decode()
            heard.append(text)
            assert but is None or but not in text, heard
            if word in text:
                return
    hear("READY=1", but="STOPPING")
    scene.gateway.cli("reload")
    hear("RELOADING=1")
    hear("READY=1")
    start = time.monotonic()
    hear("WATCHDOG=1")
    hear("WATCHDOG=1")
    assert time.monotonic() - start < 5, "fed too late"
    assert process.stop() == 0
    hear("STOPPING=1")


suite.main()
