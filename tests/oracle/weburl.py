"""A small reader of URLs after the WHATWG standard, for what the operator url judges: printable ASCII, no backslash.

Without a base URL.  Non-ASCII hosts can come in only percent-encoded; of Unicode's mapping of host names it knows
compatibility forms, case and the removed code points, and gives up (None) where Punycode would be needed.
"""
import ipaddress
import re
import unicodedata
from collections import namedtuple
from urllib.parse import unquote_to_bytes

Url = namedtuple("Url", "scheme host port path")

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
SPECIAL = set(DEFAULT_PORTS) | {"file"}
FORBIDDEN_IN_HOST = set("\0\t\n\r #/:<>?@[\\]^|")
FORBIDDEN_IN_DOMAIN = FORBIDDEN_IN_HOST | {chr(c) for c in range(0x20)} | {"%", "\x7f"}
ENCODED_IN_PATH = set(' "#<>?`{}')


def parse(text):
    """The parts of a URL, or None: it is no URL, it has a user name or password (an @ in its authority), or it writes its
    host otherwise than the standard does, letters' case apart, in a scheme whose hosts the standard reads.

    The host of a URL without one is ''; the port is None where the URL names none or the default.
    """
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text)
    if not found:
        return None
    scheme = found.group()[:-1].lower()
    rest = re.split(r"[?#]", text[found.end():], maxsplit=1)[0]
    if scheme == "file":
        return parse_file(rest)
    if scheme in SPECIAL:
        authority, path = split_authority(rest.lstrip("/"))
    elif rest.startswith("//"):
        authority, path = split_authority(rest[2:])
    elif rest.startswith("/"):
        return Url(scheme, "", None, normal_path(rest, special=False))
    else:
        return Url(scheme, "", None, rest)  # an opaque path
    server = parse_authority(authority, scheme)
    if server is None:
        return None
    return Url(scheme, *server, normal_path(path, scheme in SPECIAL))


def split_authority(rest):
    slash = rest.find("/")
    return (rest, "") if slash < 0 else (rest[:slash], rest[slash:])


def parse_authority(authority, scheme):
    """(host, port) or None."""
    if "@" in authority:
        return None
    bracket = authority.rfind("]") if authority.startswith("[") else -1
    colon = authority.find(":", bracket + 1)
    name, digits = (authority, "") if colon < 0 else (authority[:colon], authority[colon + 1:])
    if name == "":
        # A special URL needs a host; another may go without, but not with a port.
        return ("", None) if scheme not in SPECIAL and colon < 0 else None
    host = parse_host(name, scheme in SPECIAL)
    if scheme in SPECIAL and host != name.lower():
        return None
    if host is None or not re.fullmatch(r"[0-9]*", digits):
        return None
    port = None
    if digits:
        if len(digits.lstrip("0")) > 5 or int(digits) > 65535:
            return None
        port = int(digits)
    return host, None if port == DEFAULT_PORTS.get(scheme) else port


def parse_file(rest):
    """file: has a host only after two slashes, and never a port."""
    if not rest.startswith("//"):
        return Url("file", "", None, normal_path(rest, special=True))
    name, path = split_authority(rest[2:])
    if re.fullmatch(r"[A-Za-z][:|]", name):
        return None
    host = "" if name == "" else parse_host(name, special=True)
    if host != name.lower() or host == "localhost":
        return None
    return Url("file", host, None, normal_path(path, special=True))


# ---- hosts ---------------------------------------------------------------------------------------


def parse_host(name, special):
    """The host as the standard writes it, or None."""
    if name.startswith("["):
        return parse_ipv6(name)
    if not special:
        return None if FORBIDDEN_IN_HOST & set(name) else name
    try:
        domain = unquote_to_bytes(name).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not domain.isascii():
        domain = mapped(domain)
        if not domain.isascii():
            return None
    domain = domain.lower()
    if domain == "" or FORBIDDEN_IN_DOMAIN & set(domain):
        return None
    return parse_ipv4(domain) if ends_in_number(domain) else domain


def mapped(domain):
    kept = "".join(c for c in domain if c not in "\u00ad\u200b\u2060\ufeff")
    return unicodedata.normalize("NFKC", kept).lower().replace("\u3002", ".")


def parse_ipv6(name):
    if not name.endswith("]") or "%" in name:
        return None
    try:
        return "[" + ipaddress.IPv6Address(name[1:-1]).compressed + "]"
    except ValueError:
        return None


def ipv4_number(part):
    """A number in decimal, 0x hexadecimal or 0 octal; None where it is none."""
    if part == "":
        return None
    if part[:2] in ("0x", "0X"):
        digits, base, allowed = part[2:], 16, "0123456789abcdefABCDEF"
    elif len(part) > 1 and part[0] == "0":
        digits, base, allowed = part[1:], 8, "01234567"
    else:
        digits, base, allowed = part, 10, "0123456789"
    if any(c not in allowed for c in digits):
        return None
    return int(digits, base) if digits else 0


def ends_in_number(domain):
    parts = domain.split(".")
    if parts[-1] == "":
        if len(parts) == 1:
            return False
        parts.pop()
    return re.fullmatch(r"[0-9]+", parts[-1]) is not None or ipv4_number(parts[-1]) is not None


def parse_ipv4(domain):
    parts = domain.split(".")
    if parts[-1] == "" and len(parts) > 1:
        parts.pop()
    if len(parts) > 4:
        return None
    numbers = [ipv4_number(part) for part in parts]
    if None in numbers or any(number > 255 for number in numbers[:-1]):
        return None
    if numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    address = numbers[-1]
    for place, number in enumerate(numbers[:-1]):
        address += number * 256 ** (3 - place)
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


# ---- paths ---------------------------------------------------------------------------------------


def normal_path(path, special):
    """The path as the standard writes it: dot parts resolved, what does not belong into a path percent-encoded."""
    if path == "" and not special:
        return ""
    parts = (path[1:] if path.startswith("/") else path).split("/")
    kept = []
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        dots = part.lower().replace("%2e", ".")
        if dots == "..":
            if kept:
                kept.pop()
        if dots in (".", ".."):
            if is_last:
                kept.append("")
            continue
        kept.append("".join(f"%{ord(c):02X}" if c in ENCODED_IN_PATH else c for c in part))
    return "/" + "/".join(kept)
