#!/usr/bin/env python3
"""What the Valkey store does in a second, beside valkey-benchmark on the same server in the same run.

Needs bench_store of a release build: ninja -C build/release bench_store, then
    tools/root lab tests/bench/store.py [build folder]"""
import os
import subprocess
import sys
import tempfile
import time

PORT = "7399"


def benchmark(depth):
    command = ["valkey-benchmark", "-p", PORT, "-c", "1", "-P", str(depth), "-n", str(20000 * min(depth, 10)),
               "-r", "10000", "-q", "HSET", "floor", "__rand_int__", "x" * 1200]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = out.replace("\r", "\n").strip().split("\n")[-1]
    print(f"valkey-benchmark HSET, {depth:3} at a time: {line.split(': ')[-1]}", flush=True)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build/release"
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(["valkey-server", "--port", PORT, "--bind", "127.0.0.1", "--save", "",
                                   "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors", flush=True)
            for depth in (1, 16, 256):
                benchmark(depth)
            subprocess.run([f"{build}/bench_store", PORT], check=True)
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
