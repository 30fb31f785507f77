//! URLs as browsers read them (the WHATWG's standard), taken apart.

use crate::guard::guarded;
use std::cell::Cell;
use std::ffi::{c_char, c_int};
use url::{SyntaxViolation, Url};

const NOT_A_URL: c_int = -1;
const TOO_SMALL: c_int = -2;

const HAS_HOST: u32 = 1;
const HAS_USERINFO: u32 = 2;
const HAS_QUERY: u32 = 4;
const HAS_FRAGMENT: u32 = 8;
const OPAQUE_PATH: u32 = 16;
const IRREGULAR: u32 = 32;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RtUrlPart {
    at: u32,
    len: u32,
}

#[repr(C)]
pub struct RtUrl {
    len: u32,
    scheme: RtUrlPart,
    username: RtUrlPart,
    password: RtUrlPart,
    host: RtUrlPart,
    path: RtUrlPart,
    query: RtUrlPart,
    fragment: RtUrlPart,
    port: i32,
    flags: u32,
}

/// Where `part`, a piece of `whole`, stands in it.
fn part(whole: &str, part: &str) -> RtUrlPart {
    match (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize) {
        Some(at) if !part.is_empty() && at + part.len() <= whole.len() => {
            RtUrlPart { at: at as u32, len: part.len() as u32 }
        }
        _ => RtUrlPart::default(),
    }
}

fn take_apart(url: &Url, irregular: bool, credentials: bool) -> RtUrl {
    let whole = url.as_str();
    let optional = |text: Option<&str>| part(whole, text.unwrap_or_default());
    let mut flags = 0;
    for (flag, given) in [
        (HAS_HOST, url.has_host()),
        (HAS_USERINFO, credentials || !url.username().is_empty() || url.password().is_some()),
        (HAS_QUERY, url.query().is_some()),
        (HAS_FRAGMENT, url.fragment().is_some()),
        (OPAQUE_PATH, url.cannot_be_a_base()),
        (IRREGULAR, irregular),
    ] {
        if given {
            flags |= flag;
        }
    }
    RtUrl {
        len: whole.len() as u32,
        scheme: part(whole, url.scheme()),
        username: part(whole, url.username()),
        password: optional(url.password()),
        host: optional(url.host_str()),
        path: part(whole, url.path()),
        query: optional(url.query()),
        fragment: optional(url.fragment()),
        port: url.port_or_known_default().map_or(-1, i32::from),
        flags,
    }
}

fn parse(text: &[u8]) -> Option<(Url, RtUrl)> {
    let text = std::str::from_utf8(text).ok()?;
    let (irregular, credentials) = (Cell::new(false), Cell::new(false));
    let note = |violation| match violation {
        SyntaxViolation::EmbeddedCredentials => credentials.set(true),
        _ => irregular.set(true),
    };
    let url = Url::options().syntax_violation_callback(Some(&note)).parse(text).ok()?;
    let parts = take_apart(&url, irregular.get(), credentials.get());
    Some((url, parts))
}

/// # Safety
/// As in url.h.
#[no_mangle]
pub unsafe extern "C" fn rt_url_parse(
    text: *const c_char,
    len: usize,
    buf: *mut c_char,
    size: usize,
    ret: *mut RtUrl,
) -> c_int {
    if text.is_null() || ret.is_null() {
        return NOT_A_URL;
    }
    let text = std::slice::from_raw_parts(text.cast::<u8>(), len);
    let Some(Some((url, parts))) = guarded(|| parse(text)) else {
        return NOT_A_URL;
    };
    let whole = url.as_str();
    if buf.is_null() || size <= whole.len() {
        return TOO_SMALL;
    }
    std::ptr::copy_nonoverlapping(whole.as_ptr(), buf.cast::<u8>(), whole.len());
    *buf.add(whole.len()) = 0;
    *ret = parts;
    0
}
