//! What a policy asks about text.

use crate::guard::guarded;
use icu_normalizer::ComposingNormalizerBorrowed;
use std::ffi::{c_char, c_int};

fn is_nfc(text: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(text).ok()?;
    Some(text.is_ascii() || ComposingNormalizerBorrowed::new_nfc().is_normalized(text))
}

/// # Safety
/// As in unicode.h.
#[no_mangle]
pub unsafe extern "C" fn rt_is_nfc(text: *const c_char, len: usize) -> c_int {
    if text.is_null() {
        return -1;
    }
    let text = std::slice::from_raw_parts(text.cast::<u8>(), len);
    match guarded(|| is_nfc(text)) {
        Some(Some(normal)) => c_int::from(normal),
        _ => -1,
    }
}
