#!/usr/bin/env python3
"""Run the preview-1 programs of the public wasi-testsuite (branch prod/testsuite-base) with `capful exec`.

usage: wasi.py CAPFUL DIR [FILTER]     DIR is a checkout of the suite; nothing of it is kept here

Each program gets a fresh copy of its root as its working directory, mounted rw, once over a host directory and once
in memory (an overlay), so that both file systems are tested. Exit status 1 if any program fails.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile


def specification(wasm):
    spec = {"args": [], "root": None, "env": {}, "exit_code": 0, "stdout": None, "stderr": None}
    path = wasm[:-5] + ".json"
    if os.path.exists(path):
        with open(path) as f:
            given = json.load(f)
        spec.update(given)
        for operation in given.get("operations", []):
            if operation.get("type") == "run":
                spec["args"] = operation.get("args", spec["args"])
                spec["env"] = operation.get("env", spec["env"])
                spec["root"] = operation.get("root", spec["root"])
            elif operation.get("type") == "wait":
                spec["exit_code"] = operation.get("exit_code", 0)
            elif operation.get("type") == "read":
                spec[operation.get("id", "stdout")] = operation.get("payload")
    return spec


def run(capful, wasm, spec, mode):
    with tempfile.TemporaryDirectory() as top:
        root = os.path.join(top, "root")
        if spec["root"]:
            shutil.copytree(os.path.join(os.path.dirname(wasm), spec["root"]), root, symlinks=True)
        else:
            os.mkdir(root)
        command = [capful, "exec", "--mount", f"{root}:/workspace:{mode}", "--dir", "/workspace::/" if spec["root"] else "none"]
        for key, value in spec["env"].items():
            command += ["--env", f"{key}={value}"]
        command += [wasm] + spec["args"]
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    if done.returncode != spec["exit_code"]:
        return f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}"
    if spec["stdout"] is not None and done.stdout.decode(errors="replace") != spec["stdout"]:
        return f"stdout {done.stdout!r} instead of {spec['stdout']!r}"
    return None


def main():
    capful, top = os.path.abspath(sys.argv[1]), sys.argv[2]
    only = sys.argv[3] if len(sys.argv) > 3 else ""
    passed = failed = 0
    for folder, _, names in sorted(os.walk(top)):
        if not folder.endswith("wasm32-wasip1"):
            continue
        for name in sorted(n for n in names if n.endswith(".wasm") and only in n):
            wasm = os.path.join(folder, name)
            for mode in ("rw", "overlay"):
                why = run(capful, wasm, specification(wasm), mode)
                if why is None:
                    passed += 1
                else:
                    failed += 1
                    print(f"not ok {os.path.relpath(wasm, top)} ({mode}): {why}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
