"""What stands in where: places, operators and their three outcomes, read from the policy's JSON each time anew.

A constraint is judged by judge(constraint, value, world); where as a whole by judge_where, which also says what the call
would use up (one_time, sum_le, distinct_le).  World is what a constraint can see beside the value: the arguments, the
context, the time, the results of this run, and the books that the counting operators read.
"""
import re
import unicodedata
from datetime import date
from decimal import Decimal
from fractions import Fraction

import weburl
from jsontext import (MISSING, NO, UNKNOWN, YES, Number, alike, at, at_place, equal, identity, k_all, k_any, k_not,
                      kind,
                      pointer_parts, spread, told)

DIRECT = ("optional", "exists", "not_exists", "one_time", "sum_le", "distinct_le")  # only directly in a value of where


class World:
    def __init__(self, arguments, context, now, results, books=None, observe=None):
        self.arguments = arguments
        self.context = context
        self.now = now  # nanoseconds since 1970
        self.results = results  # of this run: pairs (tool, value)
        self.books = books  # of the grant: what one_time, sum_le and distinct_le have counted, by scope
        self.observe = observe or (lambda operator, outcome: None)


# ---- operands ------------------------------------------------------------------------------------


def operand_of(given, world):
    """The operand that is meant, or MISSING.

    Reading: an object with one member is a reference only if that member is context, param or literal; any other object
    stands for itself.
    """
    if isinstance(given, dict) and len(given) == 1:
        (key, target), = given.items()
        if key == "context":
            return at(world.context, target)
        if key == "param":
            return at(world.arguments, target)
        if key == "literal":
            return target
    return given


# ---- the operators: each gets the value, what stands in the policy, and the world -----------------


def op_eq(value, given, world):
    x = operand_of(given, world)
    return UNKNOWN if x is MISSING else equal(value, x)


def op_ne(value, given, world):
    return k_not(op_eq(value, given, world))


def member_of(value, elements):
    """in, and contains the other way round.

    Reading: an element of the value's own kind that cannot be compared, because of a number's exponent, leaves the
    outcome open unless another element is equal.
    """
    same_kind = [alike(value, element) for element in elements if kind(element) == kind(value)]
    if YES in same_kind:
        return YES
    if UNKNOWN in same_kind:
        return UNKNOWN
    return NO if value is None or same_kind else UNKNOWN


def op_in(value, given, world):
    elements = operand_of(given, world)
    return member_of(value, elements) if isinstance(elements, list) else UNKNOWN


def op_not_in(value, given, world):
    return k_not(op_in(value, given, world))


def ordered(compare):
    def operator(value, given, world):
        x = operand_of(given, world)
        if isinstance(value, Number) and isinstance(x, Number):
            if value.exact is None or x.exact is None:
                return UNKNOWN
            return told(compare(value.exact, x.exact))
        if isinstance(value, str) and isinstance(x, str):
            return told(compare(value, x))  # Python compares by code points
        return UNKNOWN
    return operator


def on_strings(test):
    def operator(value, given, world):
        x = operand_of(given, world)
        return told(test(value, x)) if isinstance(value, str) and isinstance(x, str) else UNKNOWN
    return operator


def op_contains(value, given, world):
    x = operand_of(given, world)
    if x is MISSING:
        return UNKNOWN
    if isinstance(value, str):
        return told(x in value) if isinstance(x, str) else UNKNOWN
    if isinstance(value, list):
        return NO if value == [] else member_of(x, value)
    return UNKNOWN


def python_regex(text):
    """Rust's $ is the end of the text; Python's $ would also stand before a last newline."""
    return re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", lambda found: r"\Z" if found[0] == "$" else found[0], text,
                  flags=re.DOTALL)


def op_matches(value, given, world):
    if not isinstance(value, str):
        return UNKNOWN
    if isinstance(given, dict) and given.get("anywhere") is True:
        return told(re.search(python_regex(given["regex"]), value))
    text = given["regex"] if isinstance(given, dict) else given
    return told(re.fullmatch(python_regex(text), value))


def op_type(value, given, world):
    """Always told, also of numbers that nothing else is told of."""
    def fits(name):
        if name == "integer":
            return isinstance(value, Number) and value.is_integer()
        return kind(value) == {"array": "list"}.get(name, name)
    return told(any(fits(name) for name in (given if isinstance(given, list) else [given])))


def op_len(value, given, world):
    if not isinstance(value, (str, list, dict)):
        return UNKNOWN
    return judge(given, Number(len(value)), world)


def op_each(value, given, world):
    return k_all(judge(given, element, world) for element in value) if isinstance(value, list) else UNKNOWN


def op_some(value, given, world):
    return k_any(judge(given, element, world) for element in value) if isinstance(value, list) else UNKNOWN


def op_keys(value, given, world):
    return k_all(judge(given, key, world) for key in value) if isinstance(value, dict) else UNKNOWN


def op_not(value, given, world):
    return k_not(judge(given, value, world))


def op_all(value, given, world):
    return k_all(judge(constraint, value, world) for constraint in given)


def op_any(value, given, world):
    return k_any(judge(constraint, value, world) for constraint in given)


# ---- under ---------------------------------------------------------------------------------------

ODD_POINTS = set("\u2024\u2025\u2026\u2044\u2215\u29f8\ufe52\ufe68\uff0e\uff0f\uff3c\\\x7f") | set(map(chr, range(32)))


def plain_path(text):
    """The path without a slash at its end if it has one reading only, else None; the root of all stays '/'."""
    if not isinstance(text, str) or text == "" or text.startswith("~") or ODD_POINTS & set(text):
        return None
    if re.search(r"%[0-9A-Fa-f]{2}", text):
        return None
    if text == "/":
        return text
    kept = text[:-1] if text.endswith("/") else text
    parts = kept.removeprefix("/").split("/")
    return None if {"", ".", ".."} & set(parts) else kept


def op_under(value, given, world):
    root, path = plain_path(operand_of(given, world)), plain_path(value)
    if root is None or path is None:
        return UNKNOWN
    if root == "/":
        return told(path.startswith("/"))
    return told(path == root or path.startswith(root + "/"))


# ---- url -----------------------------------------------------------------------------------------


def host_fits(host, pattern):
    if pattern == "*":
        return host != ""
    if pattern.startswith("*."):
        # Reading: what stands before the point is not empty, so that .example.com is not beneath example.com.
        return host.endswith(pattern[1:]) and host != pattern[1:]
    return host == pattern


def op_url(value, given, world):
    if not isinstance(value, str) or any(not "\x21" <= c <= "\x7e" or c == "\\" for c in value):
        return UNKNOWN
    url = weburl.parse(value)
    if url is None or len(value) > 8192:
        return UNKNOWN
    after_scheme = value[len(url.scheme):]
    if url.scheme in weburl.DEFAULT_PORTS or url.scheme == "file":
        if not after_scheme.startswith("://") or (url.scheme != "file" and after_scheme[3:4] in ("/", "")):
            return UNKNOWN
    port = url.port if url.port is not None else weburl.DEFAULT_PORTS.get(url.scheme)
    if "ports" in given:
        port_fits = port is not None and any(wanted.exact == port for wanted in given["ports"])
    else:
        port_fits = url.port is None and url.scheme in weburl.DEFAULT_PORTS
    return k_all([
        told(any(host_fits(url.host, pattern) for pattern in given["hosts"])),
        told(url.scheme in given.get("schemes", ["https"])),
        told(port_fits),
        judge(given["path"], url.path, world) if "path" in given else YES,
    ])


# ---- times ---------------------------------------------------------------------------------------

SECOND = 1_000_000_000
TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
                  r"(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|([+-])([0-9]{2}):([0-9]{2})))?")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(text):
    """Nanoseconds since 1970 of a date or a date and time, or None."""
    found = TIME.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = found.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    if hour is None:
        return days * 86400 * SECOND
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59 or int(zone_hour or 0) > 23 or int(zone_minute or 0) > 59:
        return None
    offset = int(zone_hour or 0) * 3600 + int(zone_minute or 0) * 60
    seconds = days * 86400 + int(hour) * 3600 + int(minute) * 60 + int(second)
    seconds -= offset if sign == "+" else -offset
    return seconds * SECOND + int((fraction or "").ljust(9, "0"))


def moment_or_now(text, now):
    """An operand that stands in the policy: a time, now, or what is counted from now."""
    if not isinstance(text, str):
        return None
    if text == "now":
        return now
    found = re.fullmatch(r"now([+-])([0-9]+)([smhd])", text)
    if found:
        distance = int(found[2]) * UNITS[found[3]] * SECOND
        return now + distance if found[1] == "+" else now - distance
    return moment(text)


def timed(compare):
    def operator(value, given, world):
        when = moment(value) if isinstance(value, str) else None
        limit = operand_of(given, world)
        if isinstance(limit, str):  # what is referred to is a time, never now
            limit = moment_or_now(limit, world.now) if isinstance(given, str) else moment(limit)
        else:
            limit = None
        return UNKNOWN if when is None or limit is None else told(compare(when, limit))
    return operator


# ---- the rest ------------------------------------------------------------------------------------


def op_same_as(value, given, world):
    return op_eq(value, {"param": given}, world)


def op_seen_in(value, given, world):
    """Reading: a number that cannot be told is not judged; one that stood in a result is equal to nothing."""
    if kind(value) not in ("string", "number", "boolean") or identity(value) is None:
        return UNKNOWN
    stood = [found for tool, result in world.results if tool in given
             for found in spread(result, pointer_parts(given[tool])) if found is not MISSING]
    return told(any(alike(value, found) == YES for found in stood))


def op_nfc(value, given, world):
    return told(unicodedata.is_normalized("NFC", value)) if isinstance(value, str) else UNKNOWN


EXPR_SIGNS = {"<=": "le", ">=": "ge", "<": "lt", ">": "gt", "==": "eq", "!=": "ne"}
EXPR_WORDS = {"startswith": "starts_with", "endswith": "ends_with", "contains": "contains"}


def expr_parts(text):
    """The comparisons that an expr is short for; ValueError where it is none."""
    word, colon, rest = text.partition(":")
    if colon and word.strip() in EXPR_WORDS:
        return [{EXPR_WORDS[word.strip()]: rest}]
    parts = []
    for comparison in text.split(","):
        found = re.fullmatch(r" *(<=|>=|<|>|==|!=) *(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?) *",
                             comparison)
        if not found:
            raise ValueError(f"not a comparison: {comparison}")
        parts.append({EXPR_SIGNS[found[1]]: Number(found[2])})
    return parts


def op_expr(value, given, world):
    return op_all(value, expr_parts(given), world)


OPERATORS = {
    "eq": op_eq, "ne": op_ne, "in": op_in, "not_in": op_not_in,
    "lt": ordered(lambda a, b: a < b), "le": ordered(lambda a, b: a <= b),
    "gt": ordered(lambda a, b: a > b), "ge": ordered(lambda a, b: a >= b),
    "starts_with": on_strings(lambda a, b: a.startswith(b)), "ends_with": on_strings(lambda a, b: a.endswith(b)),
    "contains": op_contains, "matches": op_matches, "type": op_type, "len": op_len, "each": op_each, "some": op_some,
    "keys": op_keys, "not": op_not, "all": op_all, "any": op_any, "under": op_under, "url": op_url,
    "before": timed(lambda a, b: a < b), "after": timed(lambda a, b: a > b), "same_as": op_same_as,
    "seen_in": op_seen_in, "nfc": op_nfc, "expr": op_expr,
}


def judge(constraint, value, world):
    """The outcome of a constraint for one value that is there."""
    if isinstance(constraint, list):
        constraint = {"in": constraint}
    elif not isinstance(constraint, dict):
        constraint = {"eq": constraint}
    outcomes = []
    for name, given in constraint.items():
        outcome = OPERATORS[name](value, given, world)
        world.observe(name, outcome)
        outcomes.append(outcome)
    return k_all(outcomes)


# ---- what counts over several calls --------------------------------------------------------------


def scoped(given, default):
    """(number or None, scope) of sum_le and distinct_le."""
    return (given["max"], given.get("per", default)) if isinstance(given, dict) else (given, default)


def one_time_scope(given):
    return "run" if given is True else given


def summand(number):
    """Its exact value if sums are made of it: at least 0, below 10^18, at most 18 decimals; else None.

    Reading: decimals are those of the value, not of its writing, so 0.10 has one.
    """
    if not isinstance(number, Number) or number.exact is None or not 0 <= number.exact < Decimal(10) ** 18:
        return None
    if number.exact == 0:
        return Fraction(0)
    _, digits, exponent = number.exact.as_tuple()
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return Fraction(number.exact) if exponent + zeros >= -18 else None


def judge_one_time(values, key, given, world):
    scope = one_time_scope(given)
    before = set(world.books.used(scope, key))
    outcomes, added = [], []
    for value in values:
        name = identity(value)
        outcomes.append(UNKNOWN if name is None else told(name not in before))
        before.add(name)
        added.append(name)
    return k_all(outcomes), ("used", scope, key, added)


def judge_sum_le(values, key, given, world):
    limit, scope = scoped(given, "account")
    parts = [summand(value) for value in values]
    total = sum((part for part in parts if part is not None), world.books.total(scope, key))
    enough = told(total <= summand(limit))
    return (UNKNOWN if None in parts else enough), ("total", scope, key, [part for part in parts if part is not None])


def judge_distinct_le(values, key, given, world):
    limit, scope = scoped(given, "account")
    names = [identity(value) for value in values]
    different = set(world.books.used(scope, key)) | set(names)
    return (UNKNOWN if None in names else told(len(different) <= limit.exact)), ("used", scope, key, names)


COUNTING = {"one_time": judge_one_time, "sum_le": judge_sum_le, "distinct_le": judge_distinct_le}


def judge_place(place, constraint, world):
    """(outcome, what the call would use up) of one key of where.  A missing value counts as cannot be told."""
    found = at_place(world.arguments, place)
    values = [value for value in found if value is not MISSING]
    is_missing = len(values) < len(found)
    if not isinstance(constraint, dict):
        constraint = {"in": constraint} if isinstance(constraint, list) else {"eq": constraint}
    constraint = dict(constraint)
    optional = constraint.pop("optional", False)
    exists = constraint.pop("exists", None)
    not_exists = constraint.pop("not_exists", False) or exists is False

    outcomes, uses = [], []

    def add(name, outcome):
        world.observe(name, outcome)
        outcomes.append(outcome)

    if not_exists:
        add("not_exists", told(values == []))
        return outcomes[0], []
    if exists:
        add("exists", told(not is_missing))
    if optional:
        world.observe("optional", UNKNOWN if not values else YES)
    elif is_missing and exists is None:
        add("missing", UNKNOWN)
    elif is_missing and constraint:
        outcomes.append(UNKNOWN)
    for name, given in constraint.items():
        if name in COUNTING:
            outcome, use = COUNTING[name](values, f"{place} {name}", given, world)
            add(name, outcome)
            uses.append(use)
        else:
            outcomes.extend(judge({name: given}, value, world) for value in values)
    return k_all(outcomes), uses


def judge_where(where, world):
    outcomes, uses = [], []
    for place, constraint in where.items():
        outcome, used = judge_place(place, constraint, world)
        outcomes.append(outcome)
        uses.extend(used)
    return k_all(outcomes), uses


# ---- which constraints are no constraints --------------------------------------------------------


class Invalid(Exception):
    """A policy that the manual does not allow."""


def need(condition, message):
    if not condition:
        raise Invalid(message)


def check_pointer(text, star=False):
    need(isinstance(text, str) and (text == "" or text.startswith("/")), "not a pointer")
    need(re.search(r"~(?![01])", text) is None, "a tilde that escapes nothing")
    need(star or "*" not in pointer_parts(text), "no star here")


def reference_in(given):
    """Whether an operand is a reference, which only a call can judge."""
    if not (isinstance(given, dict) and len(given) == 1):
        return False
    (key, target), = given.items()
    if key in ("context", "param"):
        check_pointer(target)
        return True
    return False


def literal_of(given):
    return given["literal"] if isinstance(given, dict) and list(given) == ["literal"] else given


def check_operand(name, given):
    if reference_in(given):
        return
    x = literal_of(given)
    if name in ("in", "not_in"):
        need(isinstance(x, list) and x, f"{name} needs a list that is not empty")
    elif name in ("lt", "le", "gt", "ge"):
        need(kind(x) in ("number", "string"), f"{name} compares numbers or strings")
    elif name in ("starts_with", "ends_with"):
        need(isinstance(x, str), f"{name} needs a string")
    elif name == "under":
        need(plain_path(x) is not None, "under needs a path with one reading")
    elif name in ("before", "after"):
        need(moment_or_now(x, 0) is not None, f"{name} needs a time")


TYPE_NAMES = {"string", "number", "integer", "boolean", "null", "list", "array", "object"}


def check_operator(name, given):
    need(name in OPERATORS, f"unknown operator {name}")
    if name in ("eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "starts_with", "ends_with", "contains", "under",
                "before",
                "after"):
        check_operand(name, given)
    elif name in ("len", "each", "some", "keys", "not"):
        check_constraint(given)
    elif name in ("all", "any"):
        need(isinstance(given, list) and given, f"{name} needs a list that is not empty")
        for constraint in given:
            check_constraint(constraint)
    elif name == "type":
        names = given if isinstance(given, list) else [given]
        need(names and all(isinstance(one, str) and one in TYPE_NAMES for one in names), "unknown type")
    elif name == "matches":
        check_matches(given)
    elif name == "url":
        check_url(given)
    elif name == "same_as":
        check_pointer(given)
    elif name == "seen_in":
        need(isinstance(given, dict) and given, "seen_in needs an object")
        for pointer in given.values():
            check_pointer(pointer, star=True)
    elif name == "nfc":
        need(given is True, "nfc is true")
    elif name == "expr":
        need(isinstance(given, str), "expr is a text")
        try:
            expr_parts(given)
        except ValueError as error:
            raise Invalid(str(error)) from error


def check_matches(given):
    text = given.get("regex") if isinstance(given, dict) else given
    need(isinstance(text, str), "matches needs a regular expression")
    need(not isinstance(given, dict) or set(given) <= {"regex", "anywhere"}, "matches has regex and anywhere")
    try:
        re.compile(python_regex(text))
    except re.error as error:
        raise Invalid(str(error)) from error


def check_url(given):
    need(isinstance(given, dict) and set(given) <= {"hosts", "schemes", "ports", "path"}, "url is an object")
    need(isinstance(given.get("hosts"), list) and given["hosts"], "url needs hosts")
    need("schemes" not in given or given["schemes"], "a list that is empty")
    need("ports" not in given or given["ports"], "a list that is empty")
    if "path" in given:
        check_constraint(given["path"])


def check_constraint(constraint):
    if isinstance(constraint, (list, dict)):
        need(constraint, "an empty object or list is no constraint")
    if isinstance(constraint, dict):
        for name, given in constraint.items():
            need(name not in DIRECT, f"{name} stands only directly in where")
            check_operator(name, given)


SCOPES = ("run", "sandbox", "account")


def check_place_value(constraint, approve):
    if not isinstance(constraint, dict):
        check_constraint(constraint)
        return
    need(constraint, "an empty object is no constraint")
    for name, given in constraint.items():
        if name in ("exists", "not_exists"):
            need(isinstance(given, bool), f"{name} is true or false")
            absent = name == "not_exists" or given is False
            need(not absent or len(constraint) == 1, "not_exists stands alone")
        elif name in DIRECT:
            need(not approve, f"{name} does not stand in approve")
            check_direct(name, given)
        else:
            check_operator(name, given)


def check_direct(name, given):
    if name == "optional":
        need(isinstance(given, bool), "optional is true")
    elif name == "one_time":
        need(given is True or given in SCOPES, "one_time needs a scope")
    else:
        limit, scope = scoped(given, "account") if not isinstance(given, dict) or "max" in given else (None, "")
        need(scope in SCOPES, f"{name} needs a scope")
        need(summand(limit) is not None, f"{name} needs a number")
        need(name == "sum_le" or limit.is_integer(), "distinct_le needs a whole number")


def check_where(where, approve=False):
    need(isinstance(where, dict), "where is an object")
    for place, constraint in where.items():
        if place.startswith("/"):
            check_pointer(place, star=True)
        check_place_value(constraint, approve)
