#!/usr/bin/env python3
"""A second evaluator of policies: slow, obvious, written from the manual capful-policy.5 alone.

usage: evaluator.py < CASE.jsonl      speaks the protocol of policy_oracle: one JSON object a line, one answer a line

It keeps no index and compiles nothing: every call walks the grants in the order of the policy and reads the constraints
as they stand there.  Where the manual leaves something open, the reading that was chosen is marked "Reading:".
tests/oracle/compare.py holds the program against it.
"""
import copy
import json
import re
import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction

from constraints import Invalid, World, check_pointer, check_where, judge_where, moment, need
from jsontext import MISSING, NO, YES, Number, at, equal, kind, pointer_parts, read, write

# ---- names and patterns --------------------------------------------------------------------------


def is_pattern(name):
    return "*" in name


def covers(pattern, tool):
    """Whether a name or pattern means a tool.

    Reading: each of . / : ends a segment, but a separator in a pattern stands for itself only; ** takes whole segments
    with the separators between them, and if it takes none, the separator beside it goes too.
    """
    if not is_pattern(pattern):
        return pattern == tool
    return segments_match(re.split("([./:])", pattern), re.split("([./:])", tool))


def segments_match(pattern, name):
    """Both are lists: segment, separator, segment, …"""
    if not pattern:
        return not name
    if pattern[0] == "**":
        if len(pattern) == 1:
            return True
        if segments_match(pattern[2:], name):
            return True  # it stands for none
        return any(name[end] == pattern[1] and segments_match(pattern[2:], name[end + 1:])
                   for end in range(1, len(name), 2))
    if len(pattern) == 3 and pattern[2] == "**" and len(name) == 1:
        return segment_matches(pattern[0], name[0])  # a last ** that stands for none
    if not name or not segment_matches(pattern[0], name[0]) or pattern[1:2] != name[1:2]:
        return False
    return segments_match(pattern[2:], name[2:])


def segment_matches(pattern, segment):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), segment) is not None


def as_list(given):
    return given if isinstance(given, list) else [given]


# ---- schemas of tools: the part of JSON Schema that the generator uses ------------------------------


DOUBLES_END = Decimal(2) ** 1024 - Decimal(2) ** 970  # rounded, what is as large as this is infinite


def in_range(value):
    """Whether every number in it is one that JSON Schema can be held against: of the range of a double."""
    if isinstance(value, Number):
        if value.exact is None:  # a zero is one, whatever its exponent, and what is too small counts as one
            return not value.text.lower().partition("e")[0].strip("-0.") or "e-" in value.text.lower()
        return value.exact.copy_abs() < DOUBLES_END
    if isinstance(value, list):
        return all(in_range(element) for element in value)
    if isinstance(value, dict):
        return all(in_range(member) for member in value.values())
    return True


def fits_schema(value, schema):
    if schema is True or schema is False:
        return schema
    if "type" in schema and not any(fits_type(value, name) for name in as_list(schema["type"])):
        return False
    if "enum" in schema and not any(equal(value, one) == YES for one in schema["enum"]):
        return False
    if isinstance(value, Number):
        # What is in range and cannot be told is as good as 0.
        for bound, holds in (("minimum", lambda a, b: a >= b), ("maximum", lambda a, b: a <= b)):
            if bound in schema and not holds(Decimal(0) if value.exact is None else value.exact, schema[bound].exact):
                return False
    if isinstance(value, list) and "items" in schema:
        return all(fits_schema(element, schema["items"]) for element in value)
    if isinstance(value, dict):
        return fits_members(value, schema)
    return True


def fits_type(value, name):
    if name == "integer":
        return isinstance(value, Number) and value.is_integer()
    return kind(value) == {"array": "list"}.get(name, name)


def fits_members(value, schema):
    properties = schema.get("properties", {})
    if any(name not in value for name in schema.get("required", [])):
        return False
    for name, member in value.items():
        if not fits_schema(member, properties.get(name, schema.get("additionalProperties", True))):
            return False
    return True


def put_defaults(value, schema):
    """Defaults for members that are missing, here and in objects that are there.

    Reading: also inside of an object that was itself put in.
    """
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return
    for name, inner in schema.get("properties", {}).items():
        if isinstance(inner, dict) and "default" in inner and name not in value:
            value[name] = copy.deepcopy(inner["default"])
        if name in value:
            put_defaults(value[name], inner)


def is_named(parameter, schema):
    """Whether the schema names a parameter, or allows others expressly; a tool without a schema accepts any."""
    if schema is None:
        return True
    return parameter in schema.get("properties", {}) or schema.get("additionalProperties", False) is not False


# ---- what is counted -----------------------------------------------------------------------------


class Scope:
    """What a run, a sandbox or an account remembers."""

    def __init__(self):
        self.calls = Counter()  # by grant and number of the max_calls
        self.sums = {}
        self.values = {}  # sets
        self.buckets = {}  # by grant: (tokens, time)
        self.touched = set()


class Books:
    """The counters of one grant in the scopes of now."""

    def __init__(self, grant, scopes):
        self.grant = grant
        self.scopes = scopes

    def used(self, scope, key):
        return self.scopes[scope].values.get((self.grant.name, key), set())

    def total(self, scope, key):
        return self.scopes[scope].sums.get((self.grant.name, key), Fraction(0))


class Run(Scope):
    def __init__(self, context):
        super().__init__()
        self.context = context
        self.results = []  # pairs (tool, value) that the program received


# ---- grants --------------------------------------------------------------------------------------


class Grant:
    def __init__(self, name, spec, parent=None):
        self.name = name
        self.spec = spec
        self.parent = parent
        self.was_revoked = False

    def chain(self):
        """From the root down to this one."""
        return (self.parent.chain() if self.parent else []) + [self]

    def is_revoked(self):
        return any(grant.was_revoked for grant in self.chain())

    def covers(self, tool):
        return any(covers(pattern, tool) for pattern in as_list(self.chain()[0].spec["tool"]))

    def max_calls(self):
        """Pairs (number, scope)."""
        given = self.spec.get("max_calls", [])
        return [(one["n"].exact, one.get("per", "account")) if isinstance(one, dict) else (one.exact, "account")
                for one in as_list(given)]

    def rate(self):
        """(calls, nanoseconds in which that many come back) or None."""
        if "rate" not in self.spec:
            return None
        number, unit = self.spec["rate"].split("/")
        return int(number), {"s": 1, "min": 60, "h": 3600, "day": 86400}[unit] * 1_000_000_000


NARROWING = {"where", "max_calls", "rate", "expires", "labels", "approve", "result", "withhold"}
OF_GRANTS = NARROWING | {"tool", "future", "name", "bind", "additional", "free_failures"}


class Decision:
    """What came out, and what has to be written down if the call is made."""

    def __init__(self, verdict, grant=None, arguments=None, why=""):
        self.verdict = verdict
        self.grant = grant
        self.arguments = arguments
        self.why = why
        self.uses = []  # pairs (grant, what its where uses up)
        self.labels = set()


class Misuse(Exception):
    """An operation that makes no sense now: an answer that nobody waits for, a grant that is not there."""


class Call:
    """A call that waits for an answer, or is under way."""

    def __init__(self, tool, text_arguments, run, scopes):
        self.tool = tool
        self.given = text_arguments
        self.run = run
        self.scopes = scopes
        self.decision = None
        self.state = "over"  # asked, running, over
        self.counted = []  # what free_failures gives back: pairs (counter, key, amount)


class Evaluator:
    def __init__(self):
        self.statistics = Counter()
        self.tools, self.grants, self.labels, self.flow = {}, [], {}, []
        self.calls = {}

    # ---- the policy ------------------------------------------------------------------------------

    def load(self, tools, policy):
        """Raises Invalid where the manual says that it is no policy."""
        self.tools = {tool["name"]: tool for tool in tools}
        self.grants = [self.load_grant(given, number) for number, given in enumerate(policy.get("grants", []), 1)]
        names = [grant.name for grant in self.grants]
        need(len(set(names)) == len(names), "two grants have the same name")
        self.labels = policy.get("labels", {})
        for labels in self.labels.values():
            check_labels(labels)
        self.flow = [expand_rule(rule) for rule in as_list(policy.get("flow", []))]
        self.check_flow(as_list(policy.get("flow", [])))
        self.calls = {}
        self.new_account()

    def load_grant(self, given, number):
        spec = given if isinstance(given, dict) else {"tool": given}
        need(set(spec) <= OF_GRANTS, "unknown key in a grant")
        need("tool" in spec and spec["tool"] != [], "a grant needs a tool")
        for pattern in as_list(spec["tool"]):
            need(any(covers(pattern, tool) for tool in self.tools), f"{pattern} covers no tool")
        check_spec(spec)
        name = spec.get("name", f"{as_list(spec['tool'])[0]}#{number}")
        return Grant(name, spec)

    def labels_of_tool(self, tool):
        own = set(self.tools[tool].get("labels", []))
        for pattern, labels in self.labels.items():
            if covers(pattern, tool):
                own |= set(labels)
        return own

    def check_flow(self, rules):
        carried = {label for tool in self.tools for label in self.labels_of_tool(tool)}
        carried |= {label for grant in self.grants for label in grant.spec.get("labels", [])}
        for labels in self.labels.values():
            carried |= set(labels)
        for rule in rules:
            if isinstance(rule, dict):
                named = {label for given in rule.values() for label in as_list(given)}
                need(named <= carried, "a rule names a label that nothing carries")

    # ---- accounts, sandboxes, runs ---------------------------------------------------------------

    def new_account(self):
        self.account = Scope()
        self.new_sandbox()

    def new_sandbox(self):
        self.sandbox = Scope()
        self.new_run({})

    def new_run(self, context):
        self.run = Run(context)

    def touched(self):
        return self.account.touched | self.sandbox.touched

    # ---- calls -----------------------------------------------------------------------------------

    def candidates(self, tool, names):
        """The grants that the process has for a tool: those of the policy, or the named ones in their order."""
        if names is None:
            held = [grant for grant in self.grants if grant.parent is None]
        else:
            held = [self.grant_named(name) for name in names]
        return [grant for grant in held if grant.covers(tool)]

    def grant_named(self, name):
        for grant in self.grants:
            if grant.name == name:
                return grant
        raise Misuse(name)

    def call_in(self, state, number):
        if number not in self.calls or self.calls[number].state != state:
            raise Misuse(f"call {number} is not {state}")
        return self.calls[number]

    def call(self, number, tool, text, now, names=None):
        """Decide, and if the call is allowed, count it.  The arguments are a text of JSON."""
        call = Call(tool, None, self.run, {"run": self.run, "sandbox": self.sandbox, "account": self.account})
        self.calls[number] = call
        decision = self.decide(tool, text, now, names)
        self.settle(call, decision, now)
        return decision

    def decide(self, tool, text, now, names=None):
        """Reading: without any grant for the tool the call is denied before its arguments are read."""
        grants = self.candidates(tool, names)
        if not grants:
            self.statistics["reason", "no grant"] += 1
            return Decision("deny", why="no grant")
        given = read_arguments(text)
        if given is None:
            self.statistics["reason", "not JSON"] += 1
            return Decision("error", why="the arguments are no JSON object")
        first = None
        for grant in grants:
            decision = self.judge(grant, tool, given, now)
            if decision.verdict in ("allow", "ask"):
                return decision
            first = first or decision
        return first

    def judge(self, grant, tool, given, now):
        """One grant, with the arguments that the program (or whoever edits them) gave."""
        root = grant.chain()[0]
        schema = self.tools[tool].get("schema")
        arguments = copy.deepcopy(given)
        if schema is not None:
            put_defaults(arguments, schema)
        for parameter, value in root.spec.get("bind", {}).items():
            if isinstance(value, dict) and list(value) == ["context"]:
                value = at(self.run.context, value["context"])
            if value is MISSING:
                # Reading: what the context does not have cannot be filled in, and the grant does not pass.
                return self.refuse(grant, arguments, "bind")
            arguments[parameter] = value
        if schema is not None and not (in_range(arguments) and fits_schema(arguments, schema)):
            # Reading: this is looked at before anything of the grant; if the first grant fails by it, the call is an error.
            self.statistics["reason", "schema"] += 1
            return Decision("error", grant, arguments, "the arguments do not fit the schema")
        return self.judge_checked(grant, tool, given, arguments, now)

    def refuse(self, grant, arguments, why):
        self.statistics["reason", why] += 1
        return Decision("deny", grant, arguments, why)

    def judge_checked(self, grant, tool, given, arguments, now, asks=True):
        """The grant and its ancestors, from the root down, with arguments that are complete."""
        decision = Decision("allow", grant, arguments)
        decision.labels = self.labels_of_tool(tool)
        for link in grant.chain():
            decision.labels |= set(link.spec.get("labels", []))
        verdict_of_flow = self.judge_flow(decision.labels)
        for link in grant.chain():
            why, uses = self.judge_link(link, tool, given, arguments, now)
            if why is None and verdict_of_flow == "deny":
                why = "flow"
            if why is not None:
                return self.refuse(grant, arguments, why)
            decision.uses.append((link, uses))
        if asks and (verdict_of_flow == "ask" or any(self.asks(link, arguments, now) for link in grant.chain())):
            decision.verdict = "ask"
            self.statistics["reason", "ask by flow" if verdict_of_flow == "ask" else "ask by grant"] += 1
        return decision

    def judge_link(self, link, tool, given, arguments, now):
        """(reason or None, what its where uses up) of one grant in the chain."""
        if link.was_revoked:
            return "revoked", []
        if "expires" in link.spec and now >= moment(link.spec["expires"]):
            return "expired", []
        if link.parent is None:
            # Reading: a parameter is bound whether or not its schema has a default; only what the program gave counts.
            if any(parameter in given for parameter in link.spec.get("bind", {})):
                return "bound", []
            schema = self.tools[tool].get("schema")
            if not link.spec.get("additional", False) and not all(is_named(name, schema) for name in arguments):
                return "not named", []
        outcome, uses = judge_where(link.spec.get("where", {}), self.world(link, arguments, now))
        if outcome != YES:
            return "where", []
        scopes = self.scopes()
        for number, (limit, scope) in enumerate(link.max_calls()):
            if scopes[scope].calls[link.name, number] >= limit:
                return f"max_calls per {scope}", []
        if link.rate() and self.tokens(link, now) < 1:
            return "rate", []
        return None, uses

    def world(self, link, arguments, now):
        return World(arguments, self.run.context, now, self.run.results, Books(link, self.scopes()), self.observe)

    def observe(self, operator, outcome):
        self.statistics["operator", operator, outcome] += 1

    def scopes(self):
        return {"run": self.run, "sandbox": self.sandbox, "account": self.account}

    def tokens(self, link, now):
        """What is in the bucket now.  Reading: when time goes back, nothing is filled in until it has caught up."""
        size, period = link.rate()
        if link.name not in self.account.buckets:
            return Fraction(size)
        tokens, since = self.account.buckets[link.name]
        return min(Fraction(size), tokens + Fraction(max(0, now - since) * size, period))

    def asks(self, link, arguments, now):
        approve = link.spec.get("approve")
        if approve is None:
            return False
        if approve == "ask":
            return True
        return judge_where(approve, self.world(link, arguments, now))[0] != NO

    def judge_flow(self, labels):
        """deny, ask or allow.  Only what was touched before the call counts."""
        touched = self.touched()
        verdicts = {judge_rule(rule, labels, touched) for rule in self.flow}
        return "deny" if "deny" in verdicts else "ask" if "ask" in verdicts else "allow"

    # ---- what a decision changes -----------------------------------------------------------------

    def settle(self, call, decision, now):
        call.decision = decision
        if decision.verdict == "allow":
            call.state = "running"
            self.commit(call, decision, now)
        else:
            call.state = "asked" if decision.verdict == "ask" else "over"
        self.statistics["verdict", decision.verdict] += 1

    def commit(self, call, decision, now):
        """An allowed call is counted by every grant of the chain and touches its labels."""
        gives_back = decision.grant.chain()[0].spec.get("free_failures", False)
        for link, uses in decision.uses:
            for number, (_, scope) in enumerate(link.max_calls()):
                key = (link.name, number)
                call.scopes[scope].calls[key] += 1
                if gives_back:
                    call.counted.append((call.scopes[scope].calls, key, 1))
            if link.rate():
                since = self.account.buckets.get(link.name, (None, now))[1]
                self.account.buckets[link.name] = (self.tokens(link, now) - 1, max(now, since))
            for what, scope, place, parts in uses:
                key = (link.name, place)
                if what == "used":
                    call.scopes[scope].values.setdefault(key, set()).update(parts)
                else:
                    sums = call.scopes[scope].sums
                    sums[key] = sums.get(key, Fraction(0)) + sum(parts)
                    if gives_back:
                        call.counted.append((sums, key, sum(parts)))
        for scope in (self.account, self.sandbox):
            scope.touched |= decision.labels

    def answer(self, number, decision, now, text=None):
        """The host's answer to a question: allow, refuse, or edit with other arguments.

        Reading: what was asked about counts nothing while it waits.  On the answer the same grant is judged once more as a
        whole, at the time of the answer, but nobody is asked again; edited arguments go the whole way from their text.
        """
        call = self.call_in("asked", number)
        grant = call.decision.grant
        if decision == "refuse":
            new = Decision("deny", grant, call.decision.arguments, "refused")
            self.statistics["reason", "refused"] += 1
        elif decision == "edit":
            new = self.judge_edited(call, grant, text, now)
        else:
            new = self.judge_checked(grant, call.tool, {}, call.decision.arguments, now, asks=False)
        self.settle(call, new, now)
        return new

    def judge_edited(self, call, grant, text, now):
        given = read_arguments(text)
        if given is None:
            self.statistics["reason", "not JSON"] += 1
            return Decision("error", why="the arguments are no JSON object")
        new = self.judge(grant, call.tool, given, now)
        new.verdict = "allow" if new.verdict == "ask" else new.verdict
        return new

    def end(self, number, ok, text):
        """The tool has answered; the text that the program gets, or None."""
        call = self.call_in("running", number)
        chain = call.decision.grant.chain()
        call.state = "over"
        if not ok:
            for counter, key, amount in call.counted:
                counter[key] -= amount
            self.statistics["end", "failed, given back" if call.counted else "failed"] += 1
            return None
        # Reading: withhold asks whether the grant that says it is revoked, by itself or with an ancestor.
        if any(link.spec.get("withhold", False) and link.is_revoked() for link in chain):
            self.statistics["end", "withheld"] += 1
            return None
        # Reading: max is the size in bytes of the text as the tool gave it.  A result that is too large is no failed call.
        if any(len(text.encode()) > link.spec.get("result", {}).get("max", Number("1e9")).exact for link in chain):
            self.statistics["end", "too large"] += 1
            return None
        result = read(text)
        for link in chain:
            result = apply_result_rule(result, link.spec.get("result", {}))
        call.run.results.append((call.tool, result))
        self.statistics["end", "delivered"] += 1
        return write(result)

    def derive(self, parent, name, narrowing):
        need(set(narrowing) <= NARROWING, "a key that a derived grant cannot have")
        need(all(grant.name != name for grant in self.grants), "two grants have the same name")
        check_spec(narrowing)
        self.grants.append(Grant(name, narrowing, self.grant_named(parent)))

    def revoke(self, name):
        self.grant_named(name).was_revoked = True


def read_arguments(text):
    try:
        given = read(text)
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


# ---- results -------------------------------------------------------------------------------------


def apply_result_rule(result, rule):
    """Reading: all pointers of one rule go into the result as it was before the rule; what is dropped is not masked."""
    dropped = [place for pointer in rule.get("drop", []) for place in concrete(result, pointer_parts(pointer))]
    masked = [place for pointer in rule.get("mask", []) for place in concrete(result, pointer_parts(pointer))]
    return rebuilt(result, (), set(dropped), set(masked))


def concrete(value, parts):
    """The places, as tuples of keys and indices, that a pointer with * leads to and that are there."""
    if not parts:
        return [()]
    if isinstance(value, dict):
        keys = [key for key in value if parts[0] in ("*", key)]
    elif isinstance(value, list):
        keys = [index for index in range(len(value)) if parts[0] in ("*", str(index))]
    else:
        keys = []
    return [(key,) + rest for key in keys for rest in concrete(value[key], parts[1:])]


def rebuilt(value, here, dropped, masked):
    if here in masked:
        return "***"
    if isinstance(value, dict):
        return {key: rebuilt(member, here + (key,), dropped, masked) for key, member in value.items()
                if here + (key,) not in dropped}
    if isinstance(value, list):
        return [rebuilt(element, here + (index,), dropped, masked) for index, element in enumerate(value)
                if here + (index,) not in dropped]
    return value


# ---- rules of flow -------------------------------------------------------------------------------

TRIFECTA = {"deny": "external", "after": ["private", "untrusted"]}


def expand_rule(rule):
    if rule == "trifecta":
        return TRIFECTA
    need(isinstance(rule, dict), "a rule is trifecta or an object")
    if "at_most_one_of" in rule:
        need(len(rule) == 1, "at_most_one_of stands alone")
    else:
        need(("deny" in rule) != ("ask" in rule), "a rule denies or asks")
        need(not ("after" in rule and "unless_after" in rule), "after or unless_after")
    return rule


def judge_rule(rule, labels, touched):
    if "at_most_one_of" in rule:
        carried = labels & set(rule["at_most_one_of"])
        others = touched & set(rule["at_most_one_of"])
        return "deny" if len(carried) > 1 or any(others - {label} for label in carried) else "allow"
    verdict = "deny" if "deny" in rule else "ask"
    if not labels & set(as_list(rule[verdict])):
        return "allow"
    if "after" in rule:
        return verdict if set(as_list(rule["after"])) <= touched else "allow"
    if "unless_after" in rule:
        return "allow" if set(as_list(rule["unless_after"])) <= touched else verdict
    return verdict  # Reading: a rule that says no time holds always


# ---- what is no policy ---------------------------------------------------------------------------


def check_labels(labels):
    for label in labels:
        need(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", label), f"{label} is no label")


def check_spec(spec):
    check_where(spec.get("where", {}))
    check_labels(spec.get("labels", []))
    for one in as_list(spec.get("max_calls", [])):
        number, scope = (one.get("n"), one.get("per", "account")) if isinstance(one, dict) else (one, "account")
        need(isinstance(number, Number) and number.is_integer(), "max_calls needs a number")
        need(scope in ("run", "sandbox", "account"), "unknown scope")
    need(re.fullmatch(r"[1-9][0-9]*/(s|min|h|day)", spec.get("rate", "1/s")), "not a rate")
    # Reading: now has no meaning in expires, which is read when the policy is loaded.
    need("expires" not in spec or moment(spec["expires"]) is not None, "expires needs a time")
    if "approve" in spec and spec["approve"] != "ask":
        check_where(spec["approve"], approve=True)
    rule = spec.get("result", {})
    need(set(rule) <= {"drop", "mask", "max"}, "unknown key in result")
    for pointer in rule.get("drop", []) + rule.get("mask", []):
        check_pointer(pointer, star=True)


# ---- the protocol --------------------------------------------------------------------------------


def verdict_line(number, decision):
    charged = decision.grant.name if decision.verdict in ("allow", "ask") else None
    arguments = write(decision.arguments) if charged is not None else None
    return {"verdict": decision.verdict, "grant": charged, "arguments": arguments, "why": decision.why, "call": number}


class Session:
    """One process's worth of the protocol.  Calls are numbered from 1 since the last policy."""

    def __init__(self):
        self.evaluator = Evaluator()
        self.last_call = 0
        self.statistics = Counter()

    def do(self, op):
        """The answer to one operation; op is what jsontext.read made of a line."""
        name = op["op"]
        if name == "policy":
            self.evaluator = Evaluator()
            self.evaluator.statistics = self.statistics
            self.last_call = 0
        try:
            return getattr(self, "do_" + name)(op)
        except Invalid as error:
            return {"error": str(error)}

    def do_policy(self, op):
        self.evaluator.load(op.get("tools", []), op["policy"])
        return {"ok": True}

    def do_account(self, op):
        self.evaluator.new_account()
        return {"ok": True}

    def do_sandbox(self, op):
        self.evaluator.new_sandbox()
        return {"ok": True}

    def do_run(self, op):
        self.evaluator.new_run(op.get("context", {}))
        return {"ok": True}

    def do_call(self, op):
        self.last_call += 1
        decision = self.evaluator.call(self.last_call, op["tool"], op["arguments"], int(op["now"].text),
                                       op.get("grants"))
        return verdict_line(self.last_call, decision)

    def do_answer(self, op):
        number = int(op["call"].text)
        decision = self.evaluator.answer(number, op["decision"], int(op["now"].text), op.get("arguments"))
        return verdict_line(number, decision)

    def do_end(self, op):
        return {"delivered": self.evaluator.end(int(op["call"].text), op["ok"], op.get("result"))}

    def do_derive(self, op):
        self.evaluator.derive(op["parent"], op["name"], op["narrowing"])
        return {"ok": True}

    def do_revoke(self, op):
        self.evaluator.revoke(op["grant"])
        return {"ok": True}

    def do_touched(self, op):
        return {"labels": sorted(self.evaluator.touched())}


def main():
    session = Session()
    for line in sys.stdin:
        print(json.dumps(session.do(read(line))), flush=True)


if __name__ == "__main__":
    main()
