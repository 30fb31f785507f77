"""Makes a case smaller for as long as it shows what it is kept for: drops steps, then members and elements of everything.

A case is a list of operations as JSON values.  While it shrinks, each call has a label of its own (`_id`), which its answer
and its end name; on the way out calls are counted anew from 1.
"""
import json

from jsontext import Number, read, write


def labelled(lines):
    """Operations of the lines of a case, with labels in place of numbers."""
    ops, calls = [], 0
    for line in lines:
        op = read(line)
        if op["op"] == "call":
            calls += 1
            op["_id"] = calls
        elif "call" in op:
            op["call"] = int(op["call"].text)
        ops.append(op)
    return ops


def numbered(ops):
    """The lines of operations with labels; None where one names a call that is not there."""
    numbers, lines = {}, []
    for op in ops:
        op = dict(op)
        if op["op"] == "call":
            numbers[op.pop("_id")] = len(numbers) + 1
        elif "call" in op:
            if op["call"] not in numbers:
                return None
            op["call"] = Number(numbers[op["call"]])
        lines.append(write(op))
    return lines


def shrink(lines, shows, attempts=4000):
    """The smallest case that was found; shows(lines) says whether one still shows it."""
    best = labelled(lines)
    left = [attempts]

    def keeps(ops):
        left[0] -= 1
        text = numbered(ops)
        return text is not None and shows(text)

    while left[0] > 0:
        smaller = smaller_case(best, keeps, left)
        if smaller is None:
            break
        best = smaller
    return numbered(best)


def smaller_case(ops, keeps, left):
    """A smaller case of the same kind, or None where nothing can be left out."""
    found = None
    size = max(1, len(ops) // 2)
    while size >= 1 and left[0] > 0:
        start = 1
        while start < len(ops) and left[0] > 0:
            fewer = without_calls_of(ops, ops[start:start + size])
            if keeps(fewer):
                ops = found = fewer
            else:
                start += size
        size //= 2
    for number in range(len(ops)):
        for smaller in smaller_operation(ops[number], left):
            candidate = ops[:number] + [smaller] + ops[number + 1:]
            if keeps(candidate):
                return candidate
    return found


def without_calls_of(ops, dropped):
    labels = {op["_id"] for op in dropped if op["op"] == "call"}
    return [op for op in ops if not any(op is one for one in dropped) and not ("call" in op and op["call"] in labels)]


def smaller_operation(op, left):
    """The operation with one thing less."""
    for key in ("tools", "policy", "narrowing", "context", "grants"):
        if key in op:
            for smaller in smaller_values(op[key], left):
                yield {**op, key: smaller}
    for key in ("arguments", "result"):
        if key in op:
            try:
                value = read(op[key])
            except ValueError:
                continue
            for smaller in smaller_values(value, left):
                yield {**op, key: write(smaller)}
    if "grants" in op and op["op"] == "call":
        yield {key: value for key, value in op.items() if key != "grants"}


def smaller_values(value, left):
    """Every value that is this one without one member or element somewhere; the outermost first."""
    if left[0] <= 0:
        return
    if isinstance(value, dict):
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
        for key in value:
            for smaller in smaller_values(value[key], left):
                yield {**value, key: smaller}
    elif isinstance(value, list):
        for place in range(len(value)):
            yield value[:place] + value[place + 1:]
        for place, element in enumerate(value):
            for smaller in smaller_values(element, left):
                yield value[:place] + [smaller] + value[place + 1:]
    elif isinstance(value, str) and len(value) > 40:
        yield value[:20]


def pretty(lines):
    """For people: the policy over several lines, the steps one a line."""
    policy = json.loads(lines[0])
    return "\n".join([json.dumps(policy.get("tools")), json.dumps(policy.get("policy"), indent=1)] + lines[1:])
