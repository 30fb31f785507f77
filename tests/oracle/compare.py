#!/usr/bin/env python3
"""Compare the program's decisions with those of the slow evaluator, over random policies and calls.

usage: compare.py --oracle PROGRAM [--seed N|random] [--count CALLS] [--jobs N] [--histogram] [--save FILE]
       compare.py --oracle PROGRAM --case FILE

PROGRAM speaks the protocol of policy_oracle: a line of JSON in, a line of JSON out (see tests/oracle/README.md).
Of every eighth case two more things are held against the program itself: without the calls that were refused
everything else comes out the same; and a call that a derived grant let pass, its parent would have let pass too.
On the first difference the case is made as small as it goes, printed, and written to FILE.  Exit status 1 if there is
a difference.
"""
import argparse
import json
import multiprocessing
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter

from constraints import Invalid
from evaluator import Misuse, Session
from generate import make_case, print_histogram
from jsontext import Number, read, write
from shrink import pretty, shrink

CASE_SECONDS = 60
MAX_REFUSED_POLICIES = 0.05  # of the valid policies, those that the program does not load
# What the manual has it refuse and the evaluator does not look for: constraints that nothing can meet, labels and
# sources of a derived grant that the policy does not know.
EXPECTED = re.compile("can ever meet|can never hold|has no such label|of a derived grant")


class Oracle:
    """The program.  After the end of one (it crashed, or was too slow) the next question starts another."""

    def __init__(self, command):
        self.command = shlex.split(command)
        self.process = None

    def ask(self, line):
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                            encoding="utf-8")
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            return json.loads(answer)
        except (OSError, ValueError) as error:
            status = self.stop()
            return {"error": f"no answer: {error}; exit status {status}", "died": True}

    def stop(self):
        if self.process is None:
            return None
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process = None
        return status


# ---- one case ------------------------------------------------------------------------------------


def their_answers(oracle, lines):
    """What the program says to each line; calls get the numbers that it gave them."""
    numbers = {}
    calls = 0
    for line in lines:
        op = json.loads(line)["op"]
        if op in ("answer", "end"):
            whole = read(line)
            whole["call"] = Number(numbers.get(whole["call"].text, whole["call"].text))
            line = write(whole)
        answer = oracle.ask(line)
        if op == "call":
            calls += 1
            numbers[str(calls)] = answer.get("call", calls)
        yield op, answer


def our_answers(lines):
    session = Session()
    return [session.do(read(line)) for line in lines]


def compare_case(oracle, lines, ours):
    """(what, index) of the first difference, or None; what is a tuple that says of which kind it is.

    A policy or derived grant that only the program refuses ends the case: the manual does not list every error.
    """
    theirs = []
    for index, (op, answer) in enumerate(their_answers(oracle, lines)):
        theirs.append(answer)
        what = difference(op, ours[index], answer)
        if what == ("refused",):
            return what, index, theirs
        if what is not None:
            return (op,) + what, index, theirs
        if "error" in ours[index] and op == "policy":
            break
    return None, len(lines), theirs


def difference(op, ours, theirs):
    if theirs.get("died"):
        return ("died",)
    if op in ("policy", "derive"):
        if "error" in ours:
            return None if "error" in theirs else ("accepted",)
        return ("refused",) if "error" in theirs else None
    if op in ("call", "answer"):
        if ours["verdict"] != theirs.get("verdict"):
            return (ours["verdict"], theirs.get("verdict"))
        if ours["verdict"] in ("allow", "ask") and ours["grant"] != theirs.get("grant"):
            return (ours["verdict"], "another grant")
        if ours["verdict"] == "allow" and not same_text(ours["arguments"], theirs.get("arguments")):
            return ("other arguments",)
        return None
    if op == "end":
        return None if same_text(ours["delivered"], theirs.get("delivered")) else ("another result",)
    if op == "touched":
        return None if ours["labels"] == theirs.get("labels") else ("other labels",)
    return ("error",) if "error" in theirs else None


def same_text(ours, theirs):
    """Two texts of JSON, the same in value; a key that stands twice makes none."""
    if ours is None or theirs is None:
        return ours is theirs
    try:
        return same_value(read(ours), read(theirs))
    except ValueError:
        return False


def same_value(a, b):
    if isinstance(a, Number) and isinstance(b, Number):
        return a.exact == b.exact if a.exact is not None and b.exact is not None else a.text == b.text
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(same_value(x, y) for x, y in zip(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_value(a[key], b[key]) for key in a)
    return a == b


# ---- what must hold for the program alone ----------------------------------------------------------


def refused_steps(lines, answers):
    """Indices of what left nothing behind: calls that were refused, and questions that ended in a refusal."""
    refused, asked, calls = set(), {}, 0
    for index, (line, answer) in enumerate(zip(lines, answers)):
        op = json.loads(line)
        if op["op"] == "call":
            calls += 1
            if answer["verdict"] in ("deny", "error"):
                refused.add(index)
            elif answer["verdict"] == "ask":
                asked[calls] = index
        elif op["op"] == "answer" and answer["verdict"] in ("deny", "error"):
            refused |= {index, asked[op["call"]]}
    return refused


def check_nothing_left(oracle, lines, answers):
    """Without the refused calls the program says the same to everything else.  None, or (kind, lines of the case)."""
    refused = refused_steps(lines, answers)
    kept = [index for index in range(len(lines)) if index not in refused]
    numbers, calls, shorter = {}, 0, []
    for index, line in enumerate(lines):
        op = read(line)
        if op["op"] == "call":
            calls += 1
        if index in refused:
            continue
        if op["op"] == "call":
            numbers[str(calls)] = len(numbers) + 1
        elif "call" in op:
            op["call"] = Number(numbers[op["call"].text])
        shorter.append(write(op))
    what, index, _ = compare_case(oracle, shorter, [answers[index] for index in kept])
    return None if what is None else (("a refused call left something behind",) + what, shorter[:index + 1])


def check_parent(oracle, rng, lines, answers, parents):
    """A call that a derived grant let pass is made through its parent alone.  None, or (kind, lines of the case)."""
    derived = [index for index, answer in enumerate(answers)
               if answer.get("verdict") in ("allow", "ask") and answer["grant"] in parents
               and json.loads(lines[index])["op"] == "call"]
    if not derived:
        return None
    index = rng.choice(derived)
    op = read(lines[index])
    op["grants"] = [parents[answers[index]["grant"]]]
    shorter = lines[:index] + [write(op)]
    *_, (_, answer) = their_answers(oracle, shorter)
    wanted = ("allow",) if answers[index]["verdict"] == "allow" else ("allow", "ask")
    return None if answer.get("verdict") in wanted else (("the parent alone does not allow what its child did",),
                                                         shorter)


def parents_of(lines):
    ops = [json.loads(line) for line in lines if line.startswith('{"op":"derive"')]
    return {op["name"]: op["parent"] for op in ops}


# ---- many cases ----------------------------------------------------------------------------------


class Outcome:
    def __init__(self):
        self.calls = self.cases = self.valid = self.checks = 0
        self.refused = Counter()
        self.example = {}  # of each refusal
        self.statistics = Counter()
        self.found = None  # (kind, lines)

    def add(self, other):
        for name in ("calls", "cases", "valid", "checks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refused.update(other.refused)
        self.example.update(other.example)
        self.statistics.update(other.statistics)
        self.found = self.found or other.found


def run_cases(command, seed, first, every, count):
    """Cases first, first + every, … until that many calls were compared, or a difference was found."""
    oracle = command if hasattr(command, "ask") else Oracle(command)
    outcome = Outcome()
    number = first
    while outcome.calls < count and outcome.found is None:
        run_case(oracle, seed, number, outcome)
        number += every
    if hasattr(oracle, "stop"):
        oracle.stop()
    return outcome


def too_slow(_signal, _frame):
    raise OSError(f"a case took more than {CASE_SECONDS} s")


def run_case(oracle, seed, number, outcome):
    signal.signal(signal.SIGALRM, too_slow)
    lines, ours = make_case(seed, number, outcome.statistics)
    signal.alarm(CASE_SECONDS)
    what, index, theirs = compare_case(oracle, lines, ours)
    outcome.cases += 1
    outcome.valid += "error" not in ours[0]
    outcome.calls += sum(1 for answer in theirs if "verdict" in answer)
    if what == ("refused",):
        outcome.refused[theirs[-1]["error"]] += 1
        outcome.example[theirs[-1]["error"]] = f"{seed}/{number}: {lines[index]}"
    elif what is not None:
        outcome.found = (what, lines[:index + 1], f"{seed}/{number}")
    elif number % 8 == 0 and len(lines) > 1:
        outcome.checks += 1
        bad = check_nothing_left(oracle, lines,
                                 theirs) or check_parent(oracle, random.Random(number), lines, theirs,
                                                         parents_of(lines))
        if bad is not None:
            outcome.found = bad + (f"{seed}/{number}",)
    signal.alarm(0)


def smallest(oracle, what, lines):
    """The case made small, as long as both evaluators differ in the same way; what was a policy stays one."""
    valid = "error" not in our_answers(lines[:1])[0]

    def shows(candidate):
        try:
            ours = our_answers(candidate)
        except (Misuse, Invalid, KeyError, TypeError, ValueError, AttributeError):
            return False
        if valid and any("error" in answer for answer in ours):
            return False
        return compare_case(oracle, candidate, ours)[0] == what
    return shrink(lines, shows) if shows(lines) else lines


def report(oracle, outcome, save):
    what, lines, name = outcome.found
    print(f"DIFFERENCE in case {name}: {', '.join(map(str, what))}")
    lines = smallest(oracle, what, lines)
    print(pretty(lines))
    print("evaluator:", json.dumps(our_answers(lines)[-1]))
    print("program:  ", json.dumps(list(their_answers(oracle, lines))[-1][1]))
    if save:
        with open(save, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
        print(f"written to {save}; again with --case {save}")


def replay(oracle, path):
    """Show both answers to each line of a file."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    differs = False
    for line, ours, (op, theirs) in zip(lines, our_answers(lines), their_answers(oracle, lines)):
        mark = difference(op, ours, theirs)
        differs = differs or mark is not None
        print(line, "\n  evaluator:", json.dumps(ours), "\n  program:  ", json.dumps(theirs), "" if mark is None
              else f"\n  {mark}")
    return 1 if differs else 0


def options():
    parser = argparse.ArgumentParser(description="Compare the program's decisions with those of the slow evaluator.")
    parser.add_argument("--oracle", required=True, help="the program, with its arguments")
    parser.add_argument("--seed", default="1", help="a number or word; random takes a new one")
    parser.add_argument("--count", type=int, default=20000, help="calls")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--histogram", action="store_true")
    parser.add_argument("--save", help="file for a case that differs")
    parser.add_argument("--case", help="file with a case to look at")
    return parser.parse_args()


def main():
    given = options()
    if given.case:
        return replay(Oracle(given.oracle), given.case)
    seed = str(random.SystemRandom().randrange(10 ** 9)) if given.seed == "random" else given.seed
    began = time.monotonic()
    share = -(-given.count // given.jobs)
    tasks = [(given.oracle, seed, job, given.jobs, share) for job in range(given.jobs)]
    outcome = Outcome()
    if given.jobs == 1:
        outcome = run_cases(*tasks[0])
    else:
        with multiprocessing.Pool(given.jobs) as pool:
            for part in pool.starmap(run_cases, tasks):
                outcome.add(part)
    if given.histogram:
        print_histogram(outcome.statistics)
    print(f"seed {seed}: {outcome.calls} verdicts in {outcome.cases} cases, {outcome.checks} of them checked for refused "
          f"calls and parents, "
          f"{time.monotonic() - began:.1f} s")
    for error, times in outcome.refused.most_common():
        if EXPECTED.search(error):
            continue
        print(f"not loaded by the program, {times} times: {error}\n    {outcome.example[error][:400]}")
    if outcome.found:
        report(Oracle(given.oracle), outcome, given.save)
        return 1
    refused = sum(times for error, times in outcome.refused.items() if not EXPECTED.search(error))
    if refused > MAX_REFUSED_POLICIES * outcome.valid:
        print("too many policies that the manual allows are not loaded by the program")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
