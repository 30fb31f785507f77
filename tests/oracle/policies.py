"""Random tools and policies for them, as JSON values.

A policy remembers in `hints` what its operands are, by the place that they judge; the arguments of calls are drawn from
there, so that they fall on and beside every bound of the policy.
"""
from evaluator import as_list, covers
from jsontext import Number
from values import POOLS, TRICKS, near, other_kind

# The parameters of tools, with what stands in them.  The same name means the same kind in every tool.
PARAMETERS = {"amount": "number", "total": "number", "a/b": "number", "code": "string", "ti~lde": "string",
              "path": "path",
              "root": "path", "link": "url", "when": "time", "id": "id", "flag": "boolean", "items": "items",
              "tags": "tags",
              "data": "object", "*": "string"}
TYPES = {"number": "number", "string": "string", "path": "string", "url": "string", "time": "string",
         "id": ["string", "number", "boolean"], "boolean": "boolean", "items": "array", "tags": "array",
         "object": "object"}
TOOLS = ["refund", "list_orders", "send_mail", "files/read", "files/write", "files/tmp/list", "github.search",
         "github.issues.get", "github.issues.create", "crm:get_user", "crm:get_order"]
PATTERNS = ["files/*", "files/**", "github.**", "github.issues.*", "crm:get_*", "**", "*", "*_*", "files/*/list",
            "github.*",
            "crm:*", "re*nd", "**.get"]
VARIANTS = {"expr_text": "expr", "eq_any": "eq", "contains_any": "contains", "each_item": "each", "some_item": "some"}
LABELS = ["private", "untrusted", "external", "destructive", "x-1"]
SCOPES = ["run", "sandbox", "account"]
CONTEXT_POINTERS = {"number": "/limit", "string": "/tenant", "path": "/root", "url": "/home", "time": "/deadline",
                    "id": "/order",
                    "boolean": "/nested/flags/0", "list": "/allowed"}
RESULT_POINTERS = ["/orders/*/id", "/orders/*/id", "/id", "/list/*", "/orders/0/id", "/orders/*/*", "/*", "",
                   "/none/*/id"]
RULE_POINTERS = ["/secret", "/orders/*/note", "/orders/*/id", "/list/*", "/nothing", "/id", "/list/0", "/orders/*/*",
                 "/*/secret",
                 "/a~1b", "/m~0n/x"]


class PolicyMaker:
    def __init__(self, rng):
        self.rng = rng
        self.hints = {}
        self.pools = {kind: rng.sample(pool, min(len(pool), rng.randint(3, 7))) for kind, pool in POOLS.items()}
        names = rng.sample(list(PARAMETERS), rng.randint(3, 6))
        self.tools = [self.tool(name, names) for name in rng.sample(TOOLS, rng.choice([1, 1, 2, 2, 3, 4]))]
        # Those whose schema says a type: there a constraint that can never hold would be an error of the policy.
        self.typed = {name for tool in self.tools for name, inner in tool.get("schema", {}).get("properties", {}).items()
                      if "type" in inner}
        self.loose = rng.random() < 0.5  # operators also for kinds that they do not judge

    def chance(self, share):
        return self.rng.random() < share

    # ---- tools -----------------------------------------------------------------------------------

    def tool(self, name, names):
        chosen = self.rng.sample(names, self.rng.randint(2, len(names)))
        tool = {"name": name}
        if self.chance(0.3):
            tool["labels"] = self.rng.sample(LABELS, self.rng.choice([1, 1, 2]))
        if self.chance(0.7):
            tool["schema"] = self.schema(chosen)
        self.hints.setdefault("parameters", {})[name] = chosen
        return tool

    def schema(self, chosen):
        properties = {}
        for name in chosen:
            inner = {}
            if self.chance(0.5):
                inner["type"] = TYPES[PARAMETERS[name]]
                if PARAMETERS[name] == "items" and self.chance(0.5):
                    inner["items"] = {"type": "object"}
                if PARAMETERS[name] == "number" and self.chance(0.15):
                    inner["minimum"] = Number("-1000")
                if PARAMETERS[name] == "object" and self.chance(0.4):
                    inner["properties"] = {"k": {"default": self.scalar("string")}, "n": {}}
            if self.chance(0.15) and PARAMETERS[name] in self.pools:
                inner["default"] = self.scalar(PARAMETERS[name])
            properties[name] = inner
        schema = {"type": "object", "properties": properties}
        if self.chance(0.4):
            schema["required"] = self.rng.sample(chosen, 1)
        if self.chance(0.4):
            schema["additionalProperties"] = self.rng.choice([True, False, {"type": ["string", "number"]}])
        return schema

    # ---- values that stand in the policy -----------------------------------------------------------

    def scalar(self, kind):
        return self.rng.choice(self.pools[kind])

    def value(self, kind):
        """A whole value of a kind, also of the kinds that are lists and objects."""
        if kind == "items":
            return [{"sku": self.scalar("string"), "n": self.scalar("number")}
                    for _ in range(self.rng.choice([0, 1, 1, 2, 3]))]
        if kind == "tags":
            return [self.scalar("string") for _ in range(self.rng.choice([0, 1, 2, 2, 3]))]
        if kind == "object":
            return {key: self.scalar("string")
                    for key in self.rng.sample(["k", "n", "A-1", "a/b", "*", "0"], self.rng.randint(0, 3))}
        return self.scalar(kind)

    def note(self, slot, value):
        self.hints.setdefault(slot, []).append(value)
        return value

    def operand(self, slot, kind):
        """A value, or a reference to one."""
        way = self.rng.random()
        if way < 0.1:
            pointer = CONTEXT_POINTERS.get(kind, "/tenant")
            return {"context": pointer if self.chance(0.8)
                    else self.rng.choice(["/nothing", "/nested/none", "/limit/x", "/nested"])}
        if way < 0.17:
            others = [name for name, of in PARAMETERS.items() if of == kind and name in self.parameters and name != "*"]
            if others:
                return {"param": "/" + self.rng.choice(others).replace("~", "~0").replace("/", "~1")}
        value = self.note(slot, self.value(kind))
        if isinstance(value, dict):
            return {"literal": value}
        return {"literal": value} if way > 0.95 else value

    # ---- constraints -------------------------------------------------------------------------------

    def constraint(self, slot, kind, depth=0):
        """A constraint that can stand anywhere."""
        way = self.rng.random()
        if way < 0.1 and kind in self.pools:
            return self.note(slot, self.scalar(kind))
        if way < 0.2 and kind in self.pools:
            return [self.note(slot, self.scalar(kind)) for _ in range(self.rng.randint(1, 3))]
        operators = {}
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            name = self.rng.choice(self.operators(slot, kind))
            operators[VARIANTS.get(name, name)] = self.operator(name, slot, kind, depth)
        return operators

    def is_typed(self, slot):
        return slot.split(".")[0] in self.typed

    def operators(self, slot, kind):
        names = {"number": ["eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "expr", "type", "same_as", "le", "ge"],
                 "string": ["eq", "ne", "lt", "ge", "in", "not_in", "starts_with", "ends_with", "contains", "matches",
                            "len", "nfc",
                            "expr_text", "same_as", "type", "matches"],
                 "path": ["under", "under", "under", "starts_with", "eq"],
                 "url": ["url", "url", "url", "starts_with"],
                 "time": ["before", "after", "before", "after", "lt"],
                 "id": ["seen_in", "seen_in", "in", "eq", "type"],
                 "boolean": ["eq", "ne", "type", "in"],
                 "items": ["len", "each_item", "some_item", "type", "contains_any"],
                 "tags": ["len", "each", "some", "contains", "eq_any"],
                 "object": ["keys", "len", "eq_any", "type"]}[kind]
        names = names + ["not", "all", "any"]
        if self.loose and not self.is_typed(slot) and self.chance(0.15):
            names = ["lt", "starts_with", "contains", "len", "each", "keys", "under", "url", "before", "seen_in", "nfc",
                     "matches", "expr", "eq",
                     "in", "not_in", "some"]
        return names

    def operator(self, name, slot, kind, depth):
        rng = self.rng
        if name in ("not", "all", "any") and depth >= 2:
            return [self.scalar("string")] if name != "not" else {"type": "null"}
        if name == "not":
            return self.constraint(slot, kind, depth + 1)
        if name in ("all", "any"):
            return [self.constraint(slot, kind, depth + 1) for _ in range(rng.choice([1, 2, 2, 3]))]
        if name in ("eq", "ne", "lt", "le", "gt", "ge", "starts_with", "ends_with", "contains"):
            return self.comparison(name, slot, kind)
        if name in ("in", "not_in"):
            if self.chance(0.15):
                return {"context": rng.choice(["/allowed", "/allowed", "/empty", "/tenant"])}
            values = [self.note(slot, self.scalar(kind if kind in self.pools else "string"))
                      for _ in range(rng.randint(1, 4))]
            return values + ([None] if self.chance(0.05) else [])
        if name in ("each", "some", "keys"):
            return self.constraint(slot + ".*", "string", depth + 1)
        if name == "len":
            return rng.choice([{"le": Number("2")}, {"ge": Number("1")}, Number("2"), {"lt": Number("4")},
                               [Number("0"), Number("3")], {"gt": Number("0")}])
        return getattr(self, "of_" + name)(slot)

    def comparison(self, name, slot, kind):
        if name in ("lt", "le", "gt", "ge"):
            kind = kind if kind in ("number", "string", "time") else "number"
        elif name in ("starts_with", "ends_with"):
            kind = kind if kind in ("string", "path", "url") else "string"
        elif name == "contains" or kind not in self.pools:
            kind = "string"
        operand = self.operand(slot + (".*" if name == "contains" else ""), kind)
        if name in ("starts_with", "ends_with",
                    "contains") and isinstance(operand, str) and len(operand) > 2 and self.chance(0.5):
            return operand[:-2] if name == "starts_with" else operand[1:]
        return operand

    def of_expr(self, slot):
        parts = [self.rng.choice(["<=", ">=", "<", ">", "!=", ">=", "<=",
                                  "=="]) + self.rng.choice(["", " "]) + self.note(slot, self.scalar("number")).text
                 for _ in range(self.rng.choice([1, 1, 2]))]
        return self.rng.choice([",", ", ", " ,"]).join(parts)

    def of_expr_text(self, slot):
        return self.rng.choice(["startswith:", "endswith:",
                                "contains:"]) + self.note(slot, self.rng.choice(["A", "US", "a", "1", "b"]))

    def of_matches(self, slot):
        regex = self.rng.choice(["[A-Z]-[0-9]+", "a+b*", "USD|EUR", ".*", "a.", "(?:a|b)+", "[^a]*", "[A-Za-z]+",
                                 "A-\\d", "(ab?)+", "^a.*$", ".{1,3}", "[A-Z]{3}",
                                 "(?i)usd", "[^ ]*", "", "x\\.y|x y", "a$|USD$",
                                 "\\u0041-1|[\\x{e9}]?t.".replace("\\x{e9}", "\u00e9")])
        return {"regex": regex, "anywhere": self.chance(0.8)} if self.chance(0.3) else regex

    def of_type(self, slot):
        names = ["string", "number", "integer", "boolean", "null", "list", "array", "object"]
        fitting = {"number": "number", "items": "list", "tags": "list", "object": "object", "boolean": "boolean"}.get(
            PARAMETERS.get(slot), "string")
        fitting = "integer" if fitting == "number" and self.chance(0.5) else fitting
        if self.is_typed(slot) or self.chance(0.5):
            return fitting if self.chance(0.6) else [fitting, self.rng.choice(names)]
        return self.rng.sample(names, self.rng.randint(1, 3)) if self.chance(0.6) else self.rng.choice(names)

    def of_under(self, slot):
        if self.chance(0.15):
            return {"context": self.rng.choice(["/root", "/root", "/tenant", "/limit", "/nothing"])}
        return self.note(slot, self.rng.choice(["/data", "/data/", "/data", "/", "a", "/data/a", "/tmp"]))

    def of_url(self, slot):
        self.note(slot, self.scalar("url"))
        url = {"hosts": self.rng.sample(["example.com", "*.example.com", "*", "api.example.com", "127.0.0.1", "[::1]"],
                                        self.rng.randint(1, 3))}
        if self.chance(0.4):
            url["schemes"] = self.rng.sample(["https", "http", "wss", "ftp", "myapp", "file"], self.rng.randint(1, 3))
        if self.chance(0.3):
            url["ports"] = self.rng.sample([Number("443"), Number("80"), Number("8443"), Number("65535")],
                                           self.rng.randint(1, 3))
        if self.chance(0.4):
            url["path"] = self.rng.choice([{"starts_with": "/v1"}, {"under": "/v1"}, "/", {"matches": "/v1.*"},
                                           {"len": {"le": Number("6")}}, {"not": {"contains": "%"}}])
        return url

    def of_before(self, slot):
        way = self.rng.random()
        if way < 0.3:
            return self.rng.choice(["now", "now+1d", "now-1s", "now+30m", "now-2h", "now+0s", "now"])
        return self.operand(slot, "time")

    of_after = of_before

    def of_same_as(self, slot):
        others = [name for name in self.parameters if name != "*"]
        if self.is_typed(slot):
            others = [name for name in others if PARAMETERS[name] == PARAMETERS.get(slot, "string")]
        name = self.rng.choice(others or [slot.split(".")[0].replace("*", "code")])
        return "/" + name.replace("~", "~0").replace("/", "~1")

    def of_seen_in(self, slot):
        for value in self.pools["id"][:2]:
            self.note(slot, value)
        tools = self.rng.sample([tool["name"] for tool in self.tools], self.rng.randint(1, min(2, len(self.tools))))
        return {tool: self.rng.choice(RESULT_POINTERS) for tool in tools}

    def of_nfc(self, slot):
        self.note(slot, "\u00e9t\u00e9")
        return True

    def of_each_item(self, slot):
        return self.rng.choice([{"type": "object"}, {"keys": ["sku", "n"]}, {"len": {"ge": Number("2")}},
                                {"not": {"type": "null"}}])

    of_some_item = of_each_item

    def of_contains_any(self, slot):
        value = self.value("items")
        return {"literal": self.note(slot + ".*", value[0] if value else {"sku": "A-1"})}

    def of_eq_any(self, slot):
        value = self.note(slot, self.value({"tags": "tags", "data": "object"}.get(slot, "tags")))
        return {"literal": value}

    # ---- where ---------------------------------------------------------------------------------------

    def place(self, name):
        """(place, slot, kind): somewhere in a parameter."""
        kind = PARAMETERS[name]
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")
        if kind == "items" and self.chance(0.7):
            return self.rng.choice([(pointer + "/*/sku", "items.sku", "string"),
                                    (pointer + "/*/n", "items.n", "number"),
                                    (pointer + "/0/sku", "items.sku", "string"),
                                    (pointer + "/*/*", "items.sku", "string"),
                                    (pointer + "/01/n", "items.n", "number"), (pointer + "/1/n", "items.n", "number")])
        if kind == "tags" and self.chance(0.5):
            return self.rng.choice([(pointer + "/*", "tags.*", "string"), (pointer + "/0", "tags.*", "string"),
                                    (pointer + "/1", "tags.*", "string")])
        if kind == "object" and self.chance(0.6):
            return self.rng.choice([(pointer + "/*", "data.*", "string"), (pointer + "/k", "data.*", "string"),
                                    (pointer + "/a~1b", "data.*", "string"),
                                    (pointer + "/0", "data.*", "string"), (pointer + "/k/x", "data.*", "string")])
        if name == "*":
            return name, name, kind  # as a part of a pointer it would be a star
        return (pointer if "/" in name or self.chance(0.15) else name), name, kind

    def where(self, names, most=3, approve=False):
        self.parameters = names
        where = {}
        for name in self.rng.sample(names, min(len(names), self.rng.randint(1, most))):
            place, slot, kind = self.place(name)
            where[place] = self.approve_value(slot, kind) if approve else self.place_value(slot, kind)
        return where

    def as_object(self, constraint):
        if isinstance(constraint, dict):
            return constraint
        return {"in": constraint} if isinstance(constraint, list) else {"eq": constraint}

    def approve_value(self, slot, kind):
        if self.chance(0.1):
            return self.rng.choice([{"exists": True}, {"not_exists": True}])
        return self.constraint(slot, kind)

    def place_value(self, slot, kind):
        way = self.rng.random()
        if way < 0.03:
            return self.rng.choice([{"not_exists": True}, {"exists": False}])
        given = self.constraint(slot, kind)
        if way < 0.2:
            given = {"optional": True, **self.as_object(given)}
        elif way < 0.25:
            given = {"exists": True, **(self.as_object(given) if self.chance(0.7) else {})}
        if self.chance(0.3):
            given = self.counting(slot, kind, {} if self.chance(0.6) else self.as_object(given), way < 0.2)
        return given

    def counting(self, slot, kind, given, optional):
        given = {"optional": True, **given} if optional else dict(given)
        way = self.rng.random()
        if kind == "number" and way < 0.7:
            limit = self.note(slot, self.scalar("number"))
            limit = limit if limit.exact is not None and 0 <= limit.exact < 10 ** 18 else Number("100")
            given["sum_le"] = {"max": limit, "per": self.rng.choice(SCOPES)} if self.chance(0.5) else limit
        elif way < 0.85:
            given["one_time"] = self.rng.choice([True, "run", "sandbox", "account"])
        else:
            limit = Number(str(self.rng.randint(1, 3)))
            given["distinct_le"] = {"max": limit, "per": self.rng.choice(SCOPES)} if self.chance(0.5) else limit
        return given

    # ---- grants --------------------------------------------------------------------------------------

    def probe(self):
        """A policy under which the grant that is charged tells the outcome of one constraint: g-yes, g-no or g-open."""
        name = self.tools[0]["name"]
        self.tools = [{"name": name}]
        self.parameters = self.hints["parameters"][name]
        rich = [name for name in self.parameters if PARAMETERS[name] in ("path", "url", "time", "number")]
        place, slot, kind = self.place(self.rng.choice(rich or self.parameters if self.chance(0.6) else self.parameters))
        constraint = self.constraint(slot, kind)
        return {"grants": [{"tool": name, "name": "g-yes", "where": {place: constraint}},
                           {"tool": name, "name": "g-no", "where": {place: {"not": constraint}}},
                           {"tool": name, "name": "g-open"}]}

    def policy(self):
        grants = [self.grant(number) for number in range(1, 1 + self.rng.choice([1, 2, 2, 3, 3, 4, 6]))]
        policy = {"grants": grants}
        if self.chance(0.5):
            policy["labels"] = {self.pattern(): self.rng.sample(LABELS, self.rng.choice([1, 2]))
                                for _ in range(self.rng.choice([1, 2]))}
        carried = sorted({label for tool in self.tools for label in tool.get("labels", [])}
                         | {label for grant in grants if isinstance(grant, dict) for label in grant.get("labels", [])}
                         | {label for labels in policy.get("labels", {}).values() for label in labels})
        if self.chance(0.55):
            policy["flow"] = self.flow(carried)
        return policy

    def pattern(self):
        names = [tool["name"] for tool in self.tools]
        fitting = [pattern for pattern in PATTERNS if any(covers(pattern, name) for name in names)]
        return self.rng.choice(fitting) if self.chance(0.3) else self.rng.choice(names)

    def grant(self, number):
        names = [tool["name"] for tool in self.tools]
        tool = self.pattern() if self.chance(0.85) else self.rng.sample(names, min(len(names), 2))
        if isinstance(tool, str) and self.chance(0.06):
            return tool if tool in names else {"tool": tool, "name": f"g{number}"}
        covered = [name for name in names if any(covers(pattern, name) for pattern in as_list(tool))]
        spec = {"tool": tool}
        if tool not in names or self.chance(0.8):
            spec["name"] = f"g{number}"
        shared = [name for name in PARAMETERS if all(name in self.hints["parameters"][one] for one in covered)]
        if self.chance(0.12) and any(PARAMETERS[name] in self.pools for name in shared):
            name = self.rng.choice([name for name in shared if PARAMETERS[name] in self.pools])
            pointer = CONTEXT_POINTERS[PARAMETERS[name]] if self.chance(0.85) else "/nothing"
            spec["bind"] = {name: {"context": pointer} if self.chance(0.4) else self.scalar(PARAMETERS[name])}
        for key, share in (("additional", 0.25), ("free_failures", 0.3)):
            if self.chance(share):
                spec[key] = True
        spec.update(self.narrowing(shared))
        return spec

    def narrowing(self, shared):
        """What grants and derived grants have in common."""
        spec = {}
        if shared and self.chance(0.7):
            spec["where"] = self.where(shared)
        if self.chance(0.25):
            spec["max_calls"] = self.max_calls()
        if self.chance(0.15):
            spec["rate"] = f"{self.rng.randint(1, 4)}/{self.rng.choice(['s', 'min', 'min', 'h', 'day'])}"
        if self.chance(0.1):
            spec["expires"] = self.rng.choice(["2026-03-01T12:00:10Z", "2026-03-01T12:10:00Z", "2026-03-02",
                                               "2026-03-01T13:00:00.000000001+01:00"])
        if self.chance(0.25):
            spec["labels"] = self.rng.sample(LABELS, self.rng.choice([1, 1, 2]))
        if self.chance(0.15):
            spec["approve"] = "ask" if self.chance(0.4) or not shared else self.where(shared, 2, approve=True)
        if self.chance(0.25):
            spec["result"] = self.result_rule()
        if self.chance(0.25):
            spec["withhold"] = True
        return spec

    def max_calls(self):
        def one():
            number = Number(str(self.rng.randint(1, 4)))
            return {"n": number, "per": self.rng.choice(SCOPES)} if self.chance(0.6) else number
        return [one(), one()] if self.chance(0.15) else one()

    def result_rule(self):
        rule = {}
        if self.chance(0.6):
            rule["drop"] = self.rng.sample(RULE_POINTERS, self.rng.choice([1, 2]))
        if self.chance(0.5):
            rule["mask"] = self.rng.sample(RULE_POINTERS, self.rng.choice([1, 2]))
        if self.chance(0.3):
            rule["max"] = Number(str(self.rng.choice([2, 60, 100, 150, 400])))
        return rule

    # ---- flow ------------------------------------------------------------------------------------------

    def flow(self, carried):
        if self.chance(0.25) or not carried:
            return "trifecta"
        return [self.rule(carried) for _ in range(self.rng.choice([1, 1, 2]))]

    def rule(self, carried):
        def some():
            chosen = self.rng.sample(carried, min(len(carried), self.rng.choice([1, 1, 2])))
            return chosen[0] if len(chosen) == 1 and self.chance(0.7) else chosen
        way = self.rng.random()
        if way < 0.1:
            return "trifecta"
        if way < 0.35 and len(carried) > 1:
            return {"at_most_one_of": self.rng.sample(carried, self.rng.randint(2, min(3, len(carried))))}
        return {self.rng.choice(["deny", "deny", "ask"]): some(),
                self.rng.choice(["after", "after", "unless_after"]): some()}


# ---- policies that are none --------------------------------------------------------------------------


BAD_CONSTRAINTS = [{}, [], {"lte": Number("5")}, {"eq": Number("1"), "equals": Number("1")}, {"in": []}, {"any": []},
                   {"all": []}, {"not": {}},
                   {"not": {"optional": True}}, {"not": {"one_time": True}}, {"len": {"sum_le": Number("5")}},
                   {"each": []}, {"matches": "("}, {"matches": "a{2"+"1,2}"},
                   {"under": "/data/../x"}, {"under": ""}, {"under": "//data"}, {"expr": "<= five"}, {"expr": "=5"},
                   {"expr": ">=0,"}, {"expr": "between:1"},
                   {"not_exists": True, "eq": Number("1")}, {"exists": False, "optional": True},
                   {"url": {"schemes": ["https"]}}, {"url": {"hosts": []}},
                   {"type": "float"}, {"type": []}, {"before": "tomorrow"}, {"after": "now+1w"},
                   {"sum_le": Number("-1")}, {"sum_le": Number("1e18")},
                   {"one_time": "day"}, {"eq": {"context": "tenant"}}, {"same_as": "total"}, {"eq": {"param": "/x/~2"}},
                   {"some": {"exists": True}},
                   {"seen_in": {}}, {"starts_with": Number("1")}, {"lt": True},
                   {"sum_le": {"max": Number("1"), "per": "day"}}]


def broken(rng, tools, policy):
    """The same policy with one mistake that the manual calls an error."""
    policy = {**policy, "grants": list(policy["grants"])}
    tool = tools[0]["name"]
    way = rng.randrange(8)
    if way == 0:
        policy["grants"].append({"tool": rng.choice(["nothing", "nothing.*", "refund/x/**"])})
    elif way == 1:
        policy["grants"] += [{"tool": tool, "name": "twice"}, {"tool": tool, "name": "twice"}]
    elif way == 2:
        policy["flow"] = [{"deny": "nobody", "after": "external"}]
    elif way == 3:
        policy["grants"].append({"tool": tool, "name": "bad",
                                 "labels": [rng.choice(["1x", "", "a b", "x" * 65, "a.b"])]})
    elif way == 4:
        policy["grants"].append({"tool": tool, "name": "bad",
                                 "approve": {"amount": rng.choice([{"optional": True}, {"one_time": True}, {}])}})
    else:
        policy["grants"].append({"tool": tool, "name": "bad", "where": {"amount": rng.choice(BAD_CONSTRAINTS)}})
    return policy


def argument(rng, maker, name):
    """A value for a parameter: from the policy's operands, beside them, from the pools, or of another kind."""
    kind = PARAMETERS.get(name, "string")
    hints = maker.hints.get(name, [])
    tricks = {"path": 0.35, "url": 0.4, "time": 0.3, "number": 0.2}.get(kind, 0.1)
    way = rng.random()
    if way < 0.55 - tricks and hints:
        value = rng.choice(hints)
        return near(rng, value) if rng.random() < 0.5 else value
    if way < 0.55:
        if kind in TRICKS:
            return rng.choice(TRICKS[kind])
        return near(rng, compound(rng, maker, kind))
    if way < 0.6:
        return other_kind(rng)
    if kind in ("items", "tags", "object"):
        return compound(rng, maker, kind)
    value = maker.scalar(kind)
    return near(rng, value) if rng.random() < 0.25 else value


def compound(rng, maker, kind):
    """A list or object whose parts come from what the policy says of them."""
    def part(slot, kind):
        hints = maker.hints.get(slot, [])
        value = rng.choice(hints) if hints and rng.random() < 0.7 else maker.scalar(kind)
        return near(rng, value) if rng.random() < 0.2 else value
    count = rng.choice([0, 1, 1, 2, 2, 3])
    if kind == "items":
        items = [{"sku": part("items.sku", "string"), "n": part("items.n", "number")} for _ in range(count)]
        for item in items:
            if rng.random() < 0.06:
                del item[rng.choice(["sku", "n"])]
        return items
    if kind == "tags":
        return [part("tags.*", "string") for _ in range(count)]
    keys = rng.sample(["k", "n", "A-1", "a/b", "*", "0", "\u00e9t\u00e9"], count)
    return {key: part("data.*", "string") for key in keys}
