#!/usr/bin/env python3
"""Random cases for the evaluators of policies: tools, a policy, and what happens under it, step by step.

usage: generate.py [--seed N] [--count CASES] [--histogram]

A case is a list of operations in the protocol of policy_oracle, one JSON object a line; it is written while the slow
evaluator runs it, so that it knows which calls are under way and which wait for an answer.  Three calls in four try to be
allowed: their arguments are chosen among several draws by what the constraints say.  --histogram shows what the cases
reach: outcomes of operators, reasons, verdicts.
"""
import argparse
import json
import random
import sys
from collections import Counter

from constraints import World, judge_where, moment
from evaluator import Books, Session
from jsontext import NO, YES, Number, place_parts, read, write
from policies import PARAMETERS, PolicyMaker, argument, broken
from values import POOLS

START = moment("2026-03-01T12:00:00Z")
SECOND = 1_000_000_000


def text_of(rng, value):
    """JSON text of a value with the freedom that JSON leaves: blanks, escapes; sometimes what it does not leave."""
    text = spelt(rng, value, rng.random() < 0.3)
    way = rng.random()
    if way < 0.008:
        return rng.choice(["", "[]", "null", "{", "{}x", "\"x\"", "{\"a\":01}", "{\"a\":NaN}", "{a:1}", "{'a':1}",
                           "{\"a\":1,}", "{\"a\":+1}",
                           "{\"a\":.5}", "{\"a\":1.}", "{\"a\":Infinity}", "{\"a\":\"\n\"}", "{\"a\":0x1}",
                           "{\"a\":1}{}", "{\"a\" 1}"])
    if way < 0.012:
        return text[:-1]
    return text


def spelt(rng, value, odd):
    if isinstance(value, list):
        return "[" + gap(rng, odd) + ("," + gap(rng, odd)).join(spelt(rng, element, odd) for element in value) + "]"
    if isinstance(value, dict):
        members = [spelt(rng, key, odd) + gap(rng, odd) + ":" + spelt(rng, member, odd) for key,
                   member in value.items()]
        if members and rng.random() < 0.01:
            key = rng.choice(list(value))
            members.insert(rng.randrange(len(members) + 1), escaped(rng, key) + ":" + spelt(rng, value[key], odd))
        return "{" + ",".join(members) + gap(rng, odd) + "}"
    if isinstance(value, str):
        return escaped(rng, value) if odd else json.dumps(value, ensure_ascii=False)
    return write(value)


def gap(rng, odd):
    return rng.choice(["", " ", "\n\t", "  "]) if odd else ""


def escaped(rng, text):
    """The string with some of its characters as \\u escapes."""
    return '"' + "".join(json.dumps(c)[1:-1] if ord(c) > 0xffff or rng.random() < 0.6 else f"\\u{ord(c):04x}"
                         for c in text) + '"'


class CaseMaker:
    def __init__(self, seed, statistics=None):
        self.rng = random.Random(seed)
        self.maker = PolicyMaker(self.rng)
        self.session = Session()
        if statistics is not None:
            self.session.statistics = statistics
        self.lines = []
        self.answers = []
        self.now = START
        self.running, self.asked = [], []  # numbers of calls
        self.context = {}

    def chance(self, share):
        return self.rng.random() < share

    def do(self, op):
        line = write(op)
        answer = self.session.do(read(line))
        self.lines.append(line)
        self.answers.append(answer)
        return answer

    # ---- the case ------------------------------------------------------------------------------------

    def make(self, steps):
        """Returns (lines, what the slow evaluator answers to each)."""
        self.probes = self.chance(0.3)
        policy = self.maker.probe() if self.probes else self.maker.policy()
        if not self.probes and self.chance(0.05):
            policy = broken(self.rng, self.maker.tools, policy)
        if "error" in self.do({"op": "policy", "tools": self.maker.tools, "policy": policy}):
            return self.lines, self.answers
        self.begin("account")
        while steps > 0:
            steps -= 1
            self.step()
        self.finish_open()
        self.do({"op": "touched"})
        return self.lines, self.answers

    def begin(self, what):
        self.finish_open()
        for op in ("account", "sandbox")[("account", "sandbox", "run").index(what):]:
            self.do({"op": op})
        self.context = self.make_context()
        self.do({"op": "run", "context": self.context})

    def make_context(self):
        pools = self.maker.pools
        context = {"tenant": self.rng.choice(pools["string"]), "limit": self.rng.choice(pools["number"]),
                   "root": self.rng.choice(pools["path"]),
                   "home": self.rng.choice(pools["url"]), "deadline": self.rng.choice(pools["time"]),
                   "order": self.rng.choice(pools["id"]),
                   "allowed": self.rng.sample(pools["string"], 2) + self.rng.sample(pools["number"], 2), "empty": [],
                   "nested": {"flags": [self.chance(0.5)]}}
        return {key: value for key, value in context.items() if self.chance(0.95)}

    def step(self):
        self.pass_time()
        way = self.rng.random()
        if self.probes and way < 0.5:
            self.call()
        elif way < 0.08:
            self.derive()
        elif way < 0.1 and not self.probes:
            self.revoke()
        elif way < 0.12:
            self.begin(self.rng.choice(["run", "run", "run", "sandbox", "sandbox", "account"]))
        elif way < 0.14:
            self.do({"op": "touched"})
        elif way < 0.24 and self.running:
            self.end(self.rng.choice(self.running))
        elif self.asked and way < 0.5:
            self.answer(self.rng.choice(self.asked))
        else:
            self.call()

    def finish_open(self):
        for number in list(self.asked):
            self.answer(number)
        for number in list(self.running):
            self.end(number)

    def grants(self):
        return self.session.evaluator.grants

    def pass_time(self):
        """Mostly a little; sometimes to where a bucket has filled or a grant expires, to the nanosecond; sometimes back."""
        way = self.rng.random()
        step = self.rng.choice([0, 0, 1, SECOND, 7 * SECOND])
        if way < 0.2:
            rates = [grant.rate() for grant in self.grants() if grant.rate()]
            if rates:
                size, period = self.rng.choice(rates)
                step = period * self.rng.choice([1, 1, 1, 2, size]) // size + self.rng.choice([-1, 0, 0, 1])
        elif way < 0.24:
            ends = [moment(grant.spec["expires"]) for grant in self.grants() if "expires" in grant.spec]
            if ends:
                step = self.rng.choice(ends) + self.rng.choice([-1, 0, 1]) - self.now
                step = step if step >= 0 or self.chance(0.2) else 0
        elif way < 0.26:
            step = -self.rng.choice([1, SECOND, 20 * SECOND])
        if abs(step) > 20 * SECOND:  # a question does not wait long enough to time out
            for number in list(self.asked):
                self.answer(number)
        self.now += step

    # ---- calls ---------------------------------------------------------------------------------------

    def call(self):
        tool = self.rng.choice(self.maker.tools)["name"]
        covering = [grant for grant in self.grants() if grant.covers(tool)]
        if not covering and self.chance(0.8):
            target = self.rng.choice(self.grants())
            tool = self.rng.choice([one["name"] for one in self.maker.tools if target.covers(one["name"])])
            covering = [grant for grant in self.grants() if grant.covers(tool)]
        alive = [grant for grant in covering if not grant.is_revoked()]
        target = self.rng.choice(alive if alive and self.chance(0.9) else covering) if covering else None
        names = None
        if target is not None and (target.parent is not None or self.chance(0.3)):
            names = [target.name] + [grant.name
                                     for grant in self.rng.sample(self.grants(),
                                                                  min(len(self.grants()), self.rng.randint(0, 2)))
                                     if grant is not target]
            self.rng.shuffle(names)
        op = {"op": "call", "tool": tool, "arguments": text_of(self.rng, self.arguments(tool, target)), "now": self.now}
        if names is not None:
            op["grants"] = names
        self.note(self.do(op))

    def note(self, answer):
        number = answer["call"]
        if answer["verdict"] == "allow":
            self.running.append(number)
            if self.chance(0.6):
                self.end(number)
        elif answer["verdict"] == "ask":
            self.asked.append(number)

    def arguments(self, tool, target):
        """What the program passes; where it aims at a grant, the best of a few draws for each parameter."""
        aims = target is not None and self.chance(0.78)
        links = target.chain() if target is not None else []
        bound = links[0].spec.get("bind", {}) if links else {}
        parameters = list(self.maker.hints["parameters"][tool])
        self.rng.shuffle(parameters)
        wheres = [(link, place, constraint) for link in links for place,
                  constraint in link.spec.get("where", {}).items()]
        arguments = {}
        for name in parameters:
            about = [(link, {place: constraint}) for link, place, constraint in wheres if place_parts(place)[0] == name]
            if name in bound and not self.chance(0.04):
                continue
            if not about and self.chance(0.1) or about and not aims and self.chance(0.15) or self.chance(0.03):
                continue
            absent = [one for _, one in about if any(isinstance(c, dict)
                                                     and (c.get("not_exists") or c.get("exists") is False)
                                                     for c in one.values())]
            if aims and absent and self.chance(0.8):
                continue
            arguments[name] = self.best(arguments, name, about, 6 if aims else 1)
        if self.chance(0.06):
            arguments[self.rng.choice(["extra", "Amount", "a/b", "__proto__", "constructor",
                                       "amount\u0000"])] = self.rng.choice(["x", Number("1"), None, [], True])
        return arguments

    def best(self, arguments, name, about, draws):
        """The first draw that every constraint about it lets pass, else the last one."""
        value = argument(self.rng, self.maker, name)
        while draws > 1 and about and not all(self.passes(link, one, {**arguments, name: value}) for link,
                                              one in about):
            draws -= 1
            value = argument(self.rng, self.maker, name)
        return value

    def passes(self, link, where, arguments):
        evaluator = self.session.evaluator
        world = World(arguments, evaluator.run.context, self.now, evaluator.run.results,
                      Books(link, evaluator.scopes()))
        return judge_where(where, world)[0] == YES

    def answer(self, number):
        self.asked.remove(number)
        op = {"op": "answer", "call": number,
              "decision": self.rng.choice(["allow", "allow", "allow", "refuse", "edit"]),
              "now": self.now + self.rng.choice([0, 0, 1, SECOND])}
        if op["decision"] == "edit":
            call = self.session.evaluator.calls[number]
            op["arguments"] = text_of(self.rng, self.arguments(call.tool, call.decision.grant))
        self.note(self.do(op))

    # ---- results -------------------------------------------------------------------------------------

    def end(self, number):
        self.running.remove(number)
        op = {"op": "end", "call": number, "ok": self.chance(0.8)}
        if op["ok"]:
            op["result"] = self.result(self.session.evaluator.calls[number])
        self.do(op)

    def result(self, call):
        """A result that has what seen_in and the rules of results point at; sometimes exactly as long as it may be."""
        ids = self.maker.pools["id"] + POOLS["id"][:2]
        orders = [{"id": self.rng.choice(ids), "note": self.rng.choice(["n", "o2", ""])}
                  for _ in range(self.rng.choice([0, 1, 2, 2]))]
        result = {"orders": orders, "id": self.rng.choice(ids), "list": self.rng.sample(ids, 2), "secret": "s",
                  "a/b": None, "m~n": {"x": Number("1")}}
        result = {key: value for key, value in result.items() if self.chance(0.85)}
        self.maker.hints["id"] = self.maker.hints.get("id", [])[-6:] + [order["id"] for order in orders]
        if self.chance(0.1):
            result = self.rng.choice([None, True, self.rng.choice(ids),
                                      [{"id": self.rng.choice(ids), "secret": Number("1.50")}], [], {}, "text"])
        limits = [int(link.spec["result"]["max"].exact) for link in call.decision.grant.chain()
                  if "max" in link.spec.get("result", {})]
        if limits and isinstance(result, dict) and self.chance(0.6):
            room = min(limits) - len(write({**result, "pad": ""}))
            if room >= 0:
                result["pad"] = "x" * (room + self.rng.choice([-1, 0, 1]) if room else self.rng.choice([0, 1]))
        return write(result)

    # ---- grants --------------------------------------------------------------------------------------

    def derive(self):
        parents = [grant for grant in self.grants() if not grant.is_revoked() and len(grant.chain()) < 5]
        if not parents or len(self.grants()) > 14:
            return
        parent = self.rng.choice(parents)
        tools = [tool["name"] for tool in self.maker.tools if parent.covers(tool["name"])]
        shared = [name for name in PARAMETERS if all(name in self.maker.hints["parameters"][tool] for tool in tools)]
        self.do({"op": "derive", "parent": parent.name, "name": f"d{len(self.grants())}",
                 "narrowing": self.maker.narrowing(shared)})

    def revoke(self):
        """Any grant, or one in the chain of a call that is under way."""
        grants = self.grants()
        if self.running and self.chance(0.6):
            grants = self.session.evaluator.calls[self.rng.choice(self.running)].decision.grant.chain()
        self.do({"op": "revoke", "grant": self.rng.choice(grants).name})


def make_case(seed, number, statistics=None):
    """Case number `number` of a seed: (lines, answers).  Each can be made alone."""
    maker = CaseMaker(f"{seed}/{number}", statistics)
    return maker.make(maker.rng.choice([12, 25, 40]))


def print_histogram(statistics):
    operators = sorted({key[1] for key in statistics if key[0] == "operator"})
    print(f"{'operator':14}{'yes':>10}{'no':>10}{'unknown':>10}")
    for name in operators:
        print(f"{name:14}" + "".join(f"{statistics['operator', name, outcome]:10}" for outcome in (YES, NO, "unknown")))
    for what in ("verdict", "reason", "end"):
        total = sum(count for key, count in statistics.items() if key[0] == what)
        for key, count in sorted(statistics.items(), key=lambda item: -item[1]):
            if key[0] == what:
                print(f"{what:8} {key[1]:24}{count:10} {count / total:7.1%}")


def main():
    parser = argparse.ArgumentParser(description="Random cases for the evaluators of policies.")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--count", type=int, default=10, help="cases")
    parser.add_argument("--histogram", action="store_true")
    given = parser.parse_args()
    statistics = Counter()
    for number in range(given.count):
        lines, _ = make_case(given.seed, number, statistics)
        if not given.histogram:
            sys.stdout.write("".join(line + "\n" for line in lines))
    if given.histogram:
        print_histogram(statistics)


if __name__ == "__main__":
    main()
