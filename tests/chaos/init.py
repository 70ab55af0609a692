"""The first process of a worker's namespaces: network, SSH server, orphans. Ends with its input, and all with it.

    python -S -E init.py ADDRESS/PREFIX SSHD_CONFIG [MOUNT SIZE_BYTES]

Run by `unshare --net --pid --mount --mount-proc --fork --kill-child`. Says "ready" once its end of the cable is
there and the server answers.
"""

# Run by a Python that starts quickly: no pathlib.
# ruff: noqa: PTH103

import os
import select
import signal
import socket
import subprocess
import sys
import time


def main() -> None:
    address, config, *disk = sys.argv[1:]
    if disk:
        os.makedirs(disk[0], exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk[1]}", "tmpfs", disk[0]], check=True)
    # sshd wants /run/sshd at every connection: this one is nobody else's to take away. See tests/openssh.py.
    if not config.startswith("/run/"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    os.makedirs("/run/sshd", 0o755, exist_ok=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    sys.stdout.write("born\n")
    sys.stdout.flush()
    if not sys.stdin.readline():  # the cable has been laid
        return
    subprocess.run(["ip", "address", "add", address, "dev", "eth0"], check=True)
    subprocess.run(["ip", "link", "set", "eth0", "up"], check=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config], stdin=subprocess.DEVNULL)
    until, said = time.monotonic() + 30.0, b""
    while said != b"SSH-" and time.monotonic() < until and server.poll() is None:
        try:
            with socket.create_connection((address.partition("/")[0], 22), timeout=1.0) as stream:
                said = stream.recv(4)
        except OSError:
            time.sleep(0.01)
    if said != b"SSH-":
        return  # the end of the output says so
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waker, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([0, waker], [], [])
        if 0 in ready and not os.read(0, 1):
            return
        if waker in ready:
            os.read(waker, 4096)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            pass


main()
