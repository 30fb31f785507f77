#!/usr/bin/env python3
"""Approvals at the terminal: `capful run` on a pseudo-terminal that a script of this test reads and
types on. Usage: test_ask.py CAPFUL. Exits with 77 where the host has no pseudo-terminals."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import fcntl

CAPFUL = os.path.abspath(sys.argv[1])
PROMPT = "in this run: "
SECONDS = 30
failures = 0


def check(ok, what, seen):
    global failures
    if not ok:
        failures += 1
        print(f"not true: {what}\n--- seen:\n{seen!r}\n---")


class Session:
    """One run: its controlling terminal is ours, its streams are pipes."""

    def __init__(self, code, policy, typed_ahead="", stdin=b""):
        self.seen = ""
        self.at = 0
        self.master, slave = pty.openpty()
        self.policy = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(policy, self.policy)
        self.policy.flush()
        if typed_ahead:
            os.write(self.master, typed_ahead.encode())
            time.sleep(0.1)

        def control():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        command = [CAPFUL, "run", "--policy", self.policy.name, "-e", code]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=control, pass_fds=(slave,))
        os.close(slave)
        self.process.stdin.write(stdin)
        self.process.stdin.close()
        self.process.stdin = None

    def wait_for(self, text):
        """Reads the terminal until this stands there, behind what was waited for before."""
        end = time.monotonic() + SECONDS
        while text not in self.seen[self.at:]:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                check(False, f"{text!r} comes", self.seen)
                return False
            try:
                data = os.read(self.master, 4096)
            except OSError:
                check(False, f"{text!r} comes before the terminal is closed", self.seen)
                return False
            self.seen += data.decode("utf-8", "surrogateescape")
        self.at = self.seen.index(text, self.at) + len(text)
        return True

    def answer(self, text):
        if self.wait_for(PROMPT):
            os.write(self.master, text.encode())

    def end(self, stdout, status=0):
        try:
            out, err = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            check(False, "it ends", self.seen)
        os.set_blocking(self.master, False)
        try:
            self.seen += os.read(self.master, 1 << 16).decode("utf-8", "surrogateescape")
        except OSError:
            pass
        check(out.decode() == stdout, f"stdout is {stdout!r}", out.decode() + err.decode())
        check(self.process.returncode == status, f"the status is {status}", self.process.returncode)
        check("approval" not in err.decode() or status != 0, "no question on stderr", err)
        os.close(self.master)
        return err.decode()


def policy(**more):
    tool = {"command": ["cat"], "schema": {"properties": {"n": {}}}}
    return {"tools": {"pay": tool},
            "grants": [{"tool": "pay", "name": "payments", "approve": "ask", **more}]}


def each(numbers):
    return (f"for (const n of {numbers}) try {{ console.log(JSON.stringify(await tools.pay({{n}}))) }}"
            " catch (e) { console.log(e.code, e.message) }")


REFUSED = "approval pay denied: it was not approved\n"


def test_answers():
    s = Session(each([1, 2, 3, 4]), policy())
    s.wait_for('1  pay({"n":1})')
    s.wait_for('grant "payments": ')
    s.answer("y\n")
    s.answer("N\n")
    s.answer("no\n")
    s.answer("Yes\n")
    s.end('{"n":1}\n' + 2 * REFUSED + '{"n":4}\n')

    s = Session(each([1, 2, 3]), policy())
    s.answer("a\n")
    s.end('{"n":1}\n{"n":2}\n{"n":3}\n')
    check(s.seen.count(PROMPT) == 1, "all is asked about once", s.seen)


def test_together():
    code = ("(await Promise.allSettled([1, 2, 3].map((n) => tools.pay({n}))))"
            ".map((r) => r.status[0]).join('')")
    s = Session(code, policy())
    s.wait_for("3 calls wait for an approval")
    s.wait_for('3  pay({"n":3})')
    s.wait_for("allow 1, pay?")
    s.answer("y\n")
    s.wait_for("allow 2, pay?")
    s.answer("n\n")
    s.wait_for("allow 3, pay?")
    s.answer("y\n")
    s.end("frf\n")


def test_not_an_answer():
    """Only a whole line that is an answer is one."""
    s = Session(each([1]), policy())
    for text in ("\n", "x\n", "yn\n", " y\n", "\x1b[A\n", "yyy\n", "x" * 300 + "\n", "y" * 63 + "\n",
                 "y" * 64 + "\n", "x" * 63 + "\n", "é\n"):
        s.answer(text)
    s.answer("n\n")
    s.end(REFUSED)
    s = Session(each([1]), policy())
    s.answer("\x04")  # the end of input
    s.end("approval pay denied: it was not approved: nobody has answered\n")


def test_typed_ahead():
    """Neither whole lines nor the beginning of one."""
    for typed in ("y\n", "a\ny\n", "y"):
        s = Session(each([1]), policy(), typed_ahead=typed)
        s.wait_for(PROMPT)
        time.sleep(0.2)
        check(s.process.poll() is None, f"{typed!r} answers nothing", s.seen)
        os.write(s.master, b"\nn\n")
        s.end(REFUSED)


def test_streams():
    """The program's input and output stay its own."""
    s = Session("const fs = require('fs');" + each([1]) + "console.log(fs.readFileSync(0, 'utf8'))",
                policy(), stdin=b"y\nn\na\n")
    s.answer("n\n")
    s.end(REFUSED + "y\nn\na\n\n")


def test_control_characters():
    code = ("try { await tools.pay({n: '\\u001b]0;x\\u0007\\u202e\\u009b2J\\r\\b\\u007f'}) }"
            " catch (e) { console.log(e.code) }")
    s = Session(code, policy())
    s.answer("n\n")
    s.end("approval\n")
    shown = s.seen.replace("\r\n", "\n")
    bad = re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    check(not bad, "nothing acts on the terminal", s.seen)


def test_time_limit():
    s = Session(each([1]), policy() | {"approvals": {"timeout": "300ms"}})
    s.wait_for(PROMPT)
    started = time.monotonic()
    s.process.wait(SECONDS)
    check(time.monotonic() - started < 10, "it is over soon", s.seen)
    os.set_blocking(s.master, True)
    out = s.process.stdout.read().decode()
    check(out.startswith("approval pay denied: "), "it was denied", out)
    s.process.stdout.close()
    s.process.stderr.close()
    os.close(s.master)


def test_interrupted():
    """Ctrl-C at the question ends the run, and the call is not made."""
    s = Session("process.stdout.write(JSON.stringify(await tools.pay({n: 1})))", policy())
    s.wait_for(PROMPT)
    os.write(s.master, b"\x03")
    s.end("", 128 + signal.SIGINT)


def test_no_terminal():
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(policy(), file)
        file.flush()
        done = subprocess.run([CAPFUL, "run", "--policy", file.name, "-e", each([1])], input=b"y\n",
                              capture_output=True, start_new_session=True, timeout=SECONDS)
    check(done.stdout == b"approval pay denied: it was not approved: there is no terminal to ask on\n",
          "without a terminal it is denied", done)


try:
    for fd in pty.openpty():
        os.close(fd)
except OSError as error:
    print(f"skipped: no pseudo-terminals here: {error}")
    sys.exit(77)
for test in [t for name, t in list(globals().items()) if name.startswith("test_")]:
    test()
print(f"{failures} failed")
sys.exit(failures != 0)
