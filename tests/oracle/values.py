"""Values for the generator: what stands in policies and in arguments, and what lies close to it.

Each kind of parameter has a pool, neighbours of a given value (one more, one digit more, another spelling, another kind,
a look-alike) and tricks that have fooled other checkers.
"""
import decimal
from decimal import Decimal

from jsontext import Number

EXACT = decimal.Context(prec=200, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)

NUMBERS = ["0", "1", "2", "3", "5", "7", "10", "50", "99.99", "100", "0.1", "0.2", "0.3", "1000", "-1", "-0.5", "2.5",
           "9007199254740992", "9007199254740993", "18446744073709551615", "999999999999999999", "0.000000000000000001"]
NUMBER_TRICKS = ["-0", "0.0", "-0.0e5", "1e400", "-1e400", "1e-400", "1e1000000", "1e1000001", "-1e-1000001",
                 "0e1000001",
                 "10e999999", "1e99999999999999999999", "1000000000000000000", "1e18", "1e-19", "0.0000000000000000001",
                 "0.1000000000000000000000", "9223372036854775808", "18446744073709551616",
                 "123456789012345678901234567890",
                 "1e0000001", "1E+2", "4e-1000000"]
STRINGS = ["USD", "EUR", "usd", "A-1", "A-2", "B-1", "admin", "a", "ab", "abb", "b", "", "e\u0301t\u00e9",
           "\u00e9t\u00e9",
           "\u0410-1", "\uff21-1", "10", "true", "null", "\U0001f600", "\uffff", "x y", "a\nb", "USD\n"]
IDS = ["o1", "o2", "o3", Number("7"), Number("7.0"), "7", Number("8"), True, "O1"]
PATHS = ["/data", "/data/", "/data/a", "/data/a/b.txt", "/database", "/", "a/b", "a", "/data/..", "/tmp/x", "a/b/c",
         "/dat"]
PATH_TRICKS = ["/data/../etc/passwd", "/data//a", "//data/a", "/data/./a", "./a/b", "../a", "/data/%2e%2e/etc",
               "/data\\..\\etc",
               "/data/%zz", "/data/%2", "/data/\u2025/etc", "/data/\uff0e\uff0e/etc", "/data\u2215a", "/data/\x00",
               "/data/\x7f", "~/a",
               "~", "/~/a", "/data/~a", "/data/...", "/data/a//", "/data\uff0fa", "", "/data/ ", "a/b/", "/data\n",
               "/Data/a",
               "/data/\u0080", "/data/a.", "/data/.a", "/data/a/..", "/data/\ufe52", "/data\u29f8", "/data/a%2Fb", ".",
               ".."]
URLS = ["https://example.com/", "https://api.example.com/v1/x", "https://example.com", "http://example.com/",
        "https://evil.test/",
        "https://example.com:8443/v1", "https://a.b.example.com/v1/", "wss://example.com/", "https://127.0.0.1/",
        "https://[::1]/v1"]
URL_TRICKS = ["https://example.com@evil.test/", "https://@example.com/", "https://user:pw@example.com/",
              "https://example.com:443/",
              "https://example.com:0443/", "https://EXAMPLE.com/", "HTTPS://example.com/v1", "https://example.com./",
              "https://evil-example.com/",
              "https://example.com.evil.test/", "https:example.com/v1", "https:/example.com/v1",
              "https:////example.com/v1",
              "https://example.com/v1/../v2", "https://example.com/v1/%2e%2E/v2", "https://example.com/v1/.",
              "https://example.com\\@evil.test/",
              "https://exa%6dple.com/", "https://example.com?x=/v1", "https://example.com#@evil.test",
              "https://example.com/v1?y#z", "https://:443/",
              "https://example.com:/v1", "https://example.com:65536/", "https://example.com:65535/",
              "https://example.com:a/", "https://0x7f.1/",
              "https://2130706433/", "https://0177.0.0.1/", "https://127.1/", "https://1.2.3.4.5/",
              "https://256.1.1.1/", "https://127.0.0.1./",
              "https://[0:0:0:0:0:0:0:1]/v1", "https://[::1", "https://[::ffff:127.0.0.1]/",
              "https://[1:2:3:4:5:6:7::]/",
              "https://ex%00ample.com/", "https://exa<mple.com/", "https://%65xample.com/", "https://example.com/ ",
              " https://example.com/",
              "https://ex\u0430mple.com/", "https://\uff45xample.com/", "https://example%EF%BC%8Ecom/",
              "https://.example.com/", "https://x..example.com/",
              "ftp://example.com/v1", "ftp://example.com:21/v1", "file:///v1", "file://example.com/v1", "file:v1",
              "mailto:x@example.com",
              "myapp://example.com/v1", "myapp://example.com:443/v1", "myapp:/v1", "myapp://EXAMPLE.com/v1",
              "javascript:alert(1)", "//example.com/", "https", "https:",
              "https://", "https://?", "https:///example.com/v1", "https://example.com/a\"b",
              "https://example.com/a{b}`c<d>", "https://example.com/%zz",
              "https://example.com//v1", "https://example.com/v1//..", "https://example.com/..//v1",
              "1https://example.com/", "https://ex_ample.com/",
              "https://xn--bcher-kva.example.com/", "ws://example.com:80/", "wss://example.com:80/",
              "http://example.com:443/", "https://09.1/",
              "https://0x/", "https://1.0x100/", "https://example.com:00000443/", "https://example.com/v1/..%2f",
              "https://a.example.com.:443/v1"]
TIMES = ["2026-03-01T12:00:00Z", "2026-03-01", "2026-03-01T12:00:01Z", "2026-03-01T13:00:00+01:00",
         "2026-03-08T12:00:00Z", "2026-02-28T23:59:59Z",
         "2026-03-01T12:30:00Z", "2025-12-31", "2026-03-02", "2026-03-01T12:00:00.000000001Z",
         "2026-03-01T11:59:59.999999999Z"]
TIME_TRICKS = ["2026-02-29", "2024-02-29", "2026-03-01T12:00:00", "2026-03-01t12:00:00Z", "2026-03-01T12:00:00z",
               "2026-03-01 12:00:00Z",
               "2026-03-01T12:00:60Z", "2026-03-01T24:00:00Z", "2026-03-01T12:00:00.Z",
               "2026-03-01T12:00:00.0000000001Z", "2026-03-01T12:00:00.5Z",
               "0000-01-01", "0001-01-01", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00+23:59",
               "9999-12-31T23:59:59-23:59",
               "2026-03-01T12:00:00+24:00", "2026-03-01T12:00:00+23:59", "2026-03-01T12:00:00+0100",
               "2026-03-01T12:00:00-00:00", "2026-13-01",
               "2026-3-1", "2026-03-01T12:00Z", "now", "now+7d", "", "\u0662026-03-01", "2026-03-01Z", "+2026-03-01",
               "2026-03-01T12:00:00Z\n", "2026-00-10",
               "2026-03-00", "2100-02-29", "2000-02-29", "2026-03-01T12:60:00Z", "2026-03-01T12:00:00+01:60",
               "1969-12-31T23:59:59Z"]
LOOKALIKES = {"a": "\u0430", "e": "\u0435", "o": "\u043e", "A": "\u0410", "-": "\u2010", "1": "\uff11", "/": "\u2215",
              ".": "\uff0e", "\u00e9": "e\u0301"}

POOLS = {"number": [Number(n) for n in NUMBERS], "string": STRINGS, "id": IDS, "path": PATHS, "url": URLS,
         "time": TIMES,
         "boolean": [True, False]}
TRICKS = {"number": [Number(n) for n in NUMBER_TRICKS], "string": STRINGS, "id": IDS, "path": PATH_TRICKS,
          "url": URL_TRICKS,
          "time": TIME_TRICKS, "boolean": [Number("1"), Number("0"), "true", None]}


def plain(number):
    """A decimal as JSON writes it."""
    return str(number).replace("E+", "e").replace("E", "e")


def respelt(rng, number):
    """The same number in another spelling."""
    if number.exact is None or not -300 < number.exact.adjusted() < 300:
        return number
    sign, digits, exponent = number.exact.as_tuple()
    text = "".join(map(str, digits))
    way = rng.randrange(5)
    minus = "-" if sign else ""
    if way == 0:
        return Number(f"{minus}{text}{'0' * 2}e{exponent - 2}")
    if way == 1:
        return Number(f"{minus}{text}E{exponent:+d}")
    if way == 2 and -40 < exponent < 40:
        fixed = format(number.exact, "f")
        return Number(fixed + ("0" if "." in fixed else ".0"))
    if way == 3:
        return Number(f"{minus}{text[0]}.{text[1:]}0e{exponent + len(text) - 1}")
    return Number(f"{minus}0.{text}e{exponent + len(text)}")


def near_number(rng, number):
    if number.exact is None or not -300 < number.exact.adjusted() < 300:
        return number
    x = number.exact
    last = Decimal((0, (1,), x.as_tuple().exponent))
    step = rng.choice([Decimal(1), Decimal(-1), last,
                       last.copy_negate()] + [Decimal(s) for s in ("1e-18", "-1e-18", "1e-30", "-1e-30")])
    way = rng.randrange(8)
    if way == 0:
        return Number(plain(x.copy_negate()))
    if way == 1:
        return plain(x)  # a number in a string
    return Number(plain(EXACT.add(x, step)))


def near_string(rng, text):
    way = rng.randrange(9)
    if way == 0 or text == "":
        return text + rng.choice(["a", " ", "\n", "/", ".", "\u200b", "1"])
    if way == 1:
        return rng.choice([" ", "a", "/", "x."]) + text
    if way == 2:
        return text[:-1]
    if way == 3:
        return text.swapcase()
    if way == 4:
        places = [n for n, c in enumerate(text) if c in LOOKALIKES]
        if places:
            n = rng.choice(places)
            return text[:n] + LOOKALIKES[text[n]] + text[n + 1:]
    if way == 5:
        return text[:-1] + chr(max(1, min(ord(text[-1]) + rng.choice([-1, 1]), 0xd7ff)))
    if way == 6:
        return text[1:]
    if way == 7:
        return text + text
    return text


def near(rng, value):
    """Something that is equal, or almost."""
    if isinstance(value, Number):
        return respelt(rng, value) if rng.random() < 0.4 else near_number(rng, value)
    if isinstance(value, str):
        return near_string(rng, value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, list) and value:
        way = rng.randrange(4)
        if way == 0:
            return value[:-1]
        if way == 1:
            return value + [rng.choice(value)]
        if way == 2:
            return value[::-1]
        place = rng.randrange(len(value))
        return value[:place] + [near(rng, value[place])] + value[place + 1:]
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        way = rng.randrange(4)
        if way == 0:
            return {k: v for k, v in value.items() if k != key}
        if way == 1:
            return dict(reversed(value.items()))
        if way == 2:
            return {**value, "extra": None}
        return {**value, key: near(rng, value[key])}
    return value


def other_kind(rng):
    return rng.choice([None, True, False, Number("1"), Number("0"), "1", "", [], {}, [Number("1")], ["USD"],
                       {"a": Number("1")}, [[]], [None],
                       Number("1e1000001"), [Number("-1e1000001")]])
