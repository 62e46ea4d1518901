# SPDX-License-Identifier: Apache-2.0
"""The completion scripts, under the shells that they are for."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest
from conftest import BIN

TYPE_S = 60


@pytest.fixture
def env(server, tmp_path):
    env = server.client_env(tmp_path)
    return dict(env, PATH=f"{BIN}:{os.environ['PATH']}", TERM="dumb", XDG_CONFIG_HOME=str(tmp_path), LC_ALL="C.UTF-8")


@pytest.fixture
def keys(s3, bucket):
    for key in ("dir/a b", "dir/c", "top"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    return bucket


class Terminal:
    """A shell that believes that somebody types."""

    def __init__(self, command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env)
        self.text = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, pattern):
        end = time.monotonic() + TYPE_S
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end, self.text
            if select.select([self.fd], [], [], 0.1)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace").replace("\r", "")
        self.text = self.text[found.end() :]
        return found

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture
def zsh(env):
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    terminal = Terminal(["zsh", "-f", "-i"], dict(env, PS1="READY> "))
    terminal.type("autoload -U compinit; compinit -u -D; bindkey -e; unsetopt beep; PS1='READY> '\n")
    terminal.type('eval "$(tarn completion zsh)"; print -r SET""UP\n')
    terminal.wait_for("\nSETUP")
    yield terminal
    terminal.close()


def completed(terminal, line):
    """What is on the line once Tab was pressed: printed by the shell itself."""
    terminal.type(line + "\t")
    terminal.type("\x01print -r -- LINE:\x05:END\n")
    return terminal.wait_for(r"\nLINE:(.*?):END")[1].rstrip()


def test_zsh(zsh, keys):
    assert completed(zsh, "tarn presi") == "tarn presign"
    assert completed(zsh, "tarn cp --no-clo") == "tarn cp --no-clobber"
    assert completed(zsh, f"tarn cat s3://{keys}/to") == f"tarn cat s3://{keys}/top"
    assert completed(zsh, f"tarn cat s3://{keys}/di") == f"tarn cat s3://{keys}/dir/"


def fish_words(env, line):
    script = 'tarn completion fish | source; complete -C "$argv[1]"'
    done = subprocess.run(["fish", "--no-config", "-c", script, line], env=env, capture_output=True, text=True, timeout=TYPE_S, check=False)
    assert done.returncode == 0, done
    return [word.split("\t")[0] for word in done.stdout.splitlines()]


def test_fish(env, keys):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    assert fish_words(env, "tarn presi") == ["presign"]
    assert "--no-clobber" in fish_words(env, "tarn cp --no-clo")
    assert "--no-clobber" not in fish_words(env, "tarn ls --no-")
    assert fish_words(env, f"tarn cat s3://{keys}/di") == [f"s3://{keys}/dir/"]
    assert set(fish_words(env, f"tarn cat s3://{keys}/dir/")) == {f"s3://{keys}/dir/a b", f"s3://{keys}/dir/c"}
