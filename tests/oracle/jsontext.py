"""JSON as the manual of policies means it: exact numbers, no key twice, kinds, equality in three values.

A JSON value is here None, bool, str, list, dict or Number.  Python's json module does the syntax; what it does more
loosely than JSON (NaN, keys that stand twice, floats) is taken away from it.
"""
import json
from decimal import Decimal

YES, NO, UNKNOWN = "yes", "no", "unknown"  # it holds, it does not hold, it cannot be told

MAX_EXPONENT = 1_000_000


class Number:
    """A number as it was written, and its exact value; exact is None where its exponent is beyond what is told."""

    __slots__ = ("text", "exact")

    def __init__(self, text):
        self.text = str(text)
        self.exact = Decimal(self.text) if exponent_is_told(self.text) else None

    def __repr__(self):
        return f"Number({self.text})"

    def __deepcopy__(self, memo):
        return self  # it never changes

    def is_integer(self):
        """No fraction, judged from the text, so that it can be said of any exponent."""
        mantissa, _, exponent = self.text.lower().partition("e")
        whole, _, fraction = mantissa.lstrip("-").partition(".")
        digits = whole + fraction
        significant = digits.rstrip("0")
        if significant == "":
            return True
        negative = exponent.startswith("-")
        size = exponent.lstrip("+-").lstrip("0")
        if len(size) > 9:  # larger than any number of digits that can stand in a text
            return not negative
        power = int(size or "0") * (-1 if negative else 1)
        return power - len(fraction) + (len(digits) - len(significant)) >= 0


def exponent_is_told(text):
    """Reading: the exponent is the one that is written after e, whatever the digits before it; so 0e1000001 is not told."""
    exponent = text.lower().partition("e")[2]
    size = exponent.lstrip("+-").lstrip("0")
    return len(size) <= 7 and int(size or "0") <= MAX_EXPONENT


# ---- text to value and back ----------------------------------------------------------------------


def object_of(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice")
    return members


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(object_pairs_hook=object_of, parse_int=Number, parse_float=Number,
                           parse_constant=refuse_constant)


def read(text):
    """The value of a JSON text; ValueError where it is none."""
    try:
        return DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


quoted = json.encoder.encode_basestring_ascii


def write(value):
    """A value as JSON text, numbers as they were written."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, list):
        return "[" + ",".join(write(element) for element in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(quoted(key) + ":" + write(member) for key, member in value.items()) + "}"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value)


# ---- kinds and equality --------------------------------------------------------------------------


def kind(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Number):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict):
        return "object"
    raise TypeError(value)


def k_not(outcome):
    return {YES: NO, NO: YES, UNKNOWN: UNKNOWN}[outcome]


def k_all(outcomes):
    outcomes = list(outcomes)
    if NO in outcomes:
        return NO
    return UNKNOWN if UNKNOWN in outcomes else YES


def k_any(outcomes):
    outcomes = list(outcomes)
    if YES in outcomes:
        return YES
    return UNKNOWN if UNKNOWN in outcomes else NO


def told(condition):
    return YES if condition else NO


def alike(a, b):
    """Equality as it holds inside of lists and objects: values of different kinds are unequal.

    Reading: a number that cannot be told makes a list or object unknown, unless something else in it is unequal.
    """
    if kind(a) != kind(b):
        return NO
    if isinstance(a, Number):
        return UNKNOWN if a.exact is None or b.exact is None else told(a.exact == b.exact)
    if isinstance(a, list):
        return NO if len(a) != len(b) else k_all(alike(x, y) for x, y in zip(a, b))
    if isinstance(a, dict):
        return NO if a.keys() != b.keys() else k_all(alike(a[key], b[key]) for key in a)
    return told(a == b)


def equal(a, b):
    """The operator eq: null is unequal to every other value; other values of different kinds cannot be told."""
    if kind(a) != kind(b) and a is not None and b is not None:
        return UNKNOWN
    return alike(a, b)


def identity(value):
    """Something that two values have in common exactly when they are alike; None where that cannot be told.

    Reading: for one_time and distinct_le a value that has a number beyond the exponents in it cannot be told.
    """
    if isinstance(value, Number):
        return None if value.exact is None else ("number", value.exact)
    if isinstance(value, list):
        parts = [identity(element) for element in value]
        return None if None in parts else ("list", tuple(parts))
    if isinstance(value, dict):
        parts = {key: identity(member) for key, member in value.items()}
        return None if None in parts.values() else ("object", frozenset(parts.items()))
    return (kind(value), value)


# ---- pointers ------------------------------------------------------------------------------------


MISSING = object()


def pointer_parts(pointer):
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise ValueError("a pointer begins with a slash")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def step(value, part):
    """What stands at one part of a pointer, or MISSING.  An index is written as RFC 6901 has it: no zeros before it."""
    if isinstance(value, dict):
        return value.get(part, MISSING)
    if isinstance(value, list):
        is_index = part.isascii() and part.isdigit() and (part == "0" or part[0] != "0")
        return value[int(part)] if is_index and len(part) < 10 and int(part) < len(value) else MISSING
    return MISSING


def at(value, pointer):
    """What stands at a pointer without *, or MISSING."""
    for part in pointer_parts(pointer):
        if value is MISSING:
            return MISSING
        value = step(value, part)
    return value


def spread(value, parts):
    """Every value that the parts lead to, MISSING among them; a part * stands for every element and every member.

    Reading: the part * is the star itself as written; no escape makes it a key.
    """
    if value is MISSING or not parts:
        return [value]
    if parts[0] != "*":
        return spread(step(value, parts[0]), parts[1:])
    if isinstance(value, list):
        inner = value
    elif isinstance(value, dict):
        inner = list(value.values())
    else:
        return [MISSING]
    return [found for element in inner for found in spread(element, parts[1:])]


def place_parts(place):
    """The parts of a key of where: a pointer, or the name of a parameter as it is."""
    return pointer_parts(place) if place.startswith("/") else [place]


def at_place(value, place):
    if place.startswith("/"):
        return spread(value, pointer_parts(place))
    return [step(value, place)]  # a parameter that is called * is no star
