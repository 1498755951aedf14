"""A machine with the image's kernel, Debian's, under qemu: it runs one script and powers off."""
import glob
import lzma
import os
import re
import shutil

from .process import Process, run

KERNELS = "/opt/linux"  # where the build root unpacks the package
INIT = """#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LD_LIBRARY_PATH=/lib64 HOME=/root LANG=C.UTF-8
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm
ip link set lo up
for module in /modules/*.ko; do insmod $module; done
sh /script
echo "guest: exit code $?"
poweroff -f
"""


class Guest:
    """usage:  guest = Guest(folder, programs=["/usr/bin/jq"], modules=["veth"], files={"/etc/x": "text"})
               process = guest.start("echo hello")        # a shell script; its output is the process' log"""

    def __init__(self, folder, programs=(), modules=(), files=None):
        self.modules = []
        self.folder, self.tree = folder, os.path.join(folder, "tree")
        self.kernel, = glob.glob(f"{KERNELS}/boot/vmlinuz-*")
        self.version = os.path.basename(self.kernel).split("-", 1)[1]
        for place in ("bin", "dev", "proc", "sys", "tmp", "run", "root", "modules", "var/lib", "etc"):
            os.makedirs(os.path.join(self.tree, place))
        shutil.copy("/bin/busybox", os.path.join(self.tree, "bin/busybox"))
        for program in programs:
            self._program(program)
        for name in modules:
            self._module(name)
        for path, text in {"/init": INIT, **(files or {})}.items():
            self._file(path, text)

    def _file(self, path, text):
        place = self.tree + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w") as file:
            file.write(text)
        os.chmod(place, 0o755)

    def _copy(self, path, place):
        if not os.path.exists(self.tree + place):
            os.makedirs(os.path.dirname(self.tree + place), exist_ok=True)
            shutil.copy(path, self.tree + place)

    def _program(self, path):
        self._copy(path, "/usr/bin/" + os.path.basename(path))
        for library in re.findall(r"(/\S+) \(0x", run(["ldd", path], check=False).stdout):
            self._copy(library, "/lib64/" + os.path.basename(library))

    def _module(self, name):
        """With those that it needs, which come first."""
        pattern = name.replace("_", "[_-]")
        packed, = glob.glob(f"{KERNELS}/usr/lib/modules/*/kernel/**/{pattern}.ko.xz", recursive=True)
        if packed in self.modules:
            return
        for needed in run(["modinfo", "-F", "depends", packed]).stdout.strip().split(","):
            if needed:
                self._module(needed)
        self.modules.append(packed)
        place = f"{self.tree}/modules/{len(self.modules):02}-{name}.ko"
        with lzma.open(packed) as module, open(place, "wb") as out:
            shutil.copyfileobj(module, out)

    def start(self, script, cpus=1, memory_mb=768):
        self._file("/script", script)
        names = "\n".join(os.path.relpath(os.path.join(top, name), self.tree)
                          for top, folders, files in os.walk(self.tree) for name in folders + files)
        initrd = os.path.join(self.folder, "initrd")
        with open(initrd, "w") as out:
            out.flush()
        run(["sh", "-c", f"cd {self.tree} && cpio -o -H newc --quiet -F {initrd}"], text_in=names + "\n")
        return Process("guest", [
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", str(cpus), "-m", str(memory_mb),
            "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", self.kernel,
            "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init"],
            os.path.join(self.folder, "guest.log"))
