"""Runs Debian's Squid as a proxy that requires authentication."""

import glob
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

USER, PASSWORD = "agent", "öpen:sesame/%"
FORBIDDEN = "forbidden.example"

CONFIGURATION = """\
http_port 127.0.0.1:{port}
auth_param basic program {helper} {folder}/passwords
auth_param basic realm tunnels
acl users proxy_auth REQUIRED
acl forbidden dstdomain {forbidden}
http_access deny forbidden
http_access allow users
http_access deny all
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
cache deny all
pid_filename none
netdb_filename none
coredump_dir none
pinger_enable off
shutdown_lifetime 0 seconds
max_filedescriptors 1024
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Proxy:
    """A Squid process in the foreground, in a temporary folder and never as root."""

    def __init__(self, logs):
        self.logs = logs
        self.port = free_port()
        self.seen = 0
        self.process = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="squid-"))

    def start(self):
        password = subprocess.run(
            ["openssl", "passwd", "-apr1", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
        ).stdout
        (self.folder / "passwords").write_text(f"{USER}:{password}")
        [helper] = glob.glob("/usr/lib*/squid/basic_ncsa_auth")
        configuration = self.folder / "squid.conf"
        configuration.write_text(
            CONFIGURATION.format(port=self.port, folder=self.folder, helper=helper, forbidden=FORBIDDEN)
        )
        options = {}
        if os.geteuid() == 0:
            options = {"user": "proxy", "group": "proxy", "extra_groups": []}
            for path in [self.folder, *self.folder.iterdir()]:
                shutil.chown(path, "proxy", "proxy")
        # The service name must be unique for several instances to run.
        command = ["squid", "-N", "-n", f"interop{self.port}", "-f", configuration]
        with open(self.logs / "client-squid.log", "w") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **options)
        self.wait_for(10, self.is_up, "squid did not start")

    def wait_for(self, seconds, condition, message):
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert self.process.poll() is None and time.monotonic() < end, message
            time.sleep(0.01)
        return found

    def is_up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def tunnels(self):
        """Returns status, destination and user of each CONNECT request since the last call."""
        lines = (self.folder / "access.log").read_text().splitlines(keepends=True)
        fields = [line.split() for line in lines if line.endswith("\n")]
        asked = [(line[3].partition("/")[2], line[6], line[7]) for line in fields if line[5] == "CONNECT"]
        new, self.seen = asked[self.seen :], len(asked)
        return new

    def tunnel(self):
        """Returns the only new CONNECT request. Squid logs it when the tunnel has ended."""
        tunnels = self.wait_for(2, self.tunnels, "no line in the proxy's log")
        assert len(tunnels) == 1, f"{len(tunnels)} lines in the proxy's log"
        return tunnels[0]

    def stop(self):
        # Not killed, as Squid removes its shared memory when it ends.
        if self.process:
            self.process.terminate()
            self.process.wait()
        for name in ("access", "cache"):
            log = self.folder / f"{name}.log"
            if log.exists():
                shutil.copyfile(log, self.logs / f"client-squid-{name}.log")
        shutil.rmtree(self.folder, ignore_errors=True)
