//! The border with C: error texts go into the caller's buffer, panics become errors.

use std::cell::Cell;
use std::ffi::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; None if it panicked.  A library prints nothing, so the message is not printed either.
pub fn guarded<T>(f: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.try_with(Cell::get).unwrap_or(false) {
                former(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    GUARDED.set(outer);
    result.ok()
}

/// Where C wants the text of an error: a buffer of its own, always ended with a NUL.
#[derive(Clone, Copy)]
pub struct ErrorBuffer {
    at: *mut c_char,
    size: usize,
}

impl ErrorBuffer {
    pub fn new(at: *mut c_char, size: usize) -> Self {
        ErrorBuffer { at, size }
    }

    /// Stores as much of `text` as fits, cut between characters; control characters become spaces.
    pub fn set(&self, text: &str) {
        if self.at.is_null() || self.size == 0 {
            return;
        }
        let mut end = text.len().min(self.size - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // SAFETY: the caller gave `size` writable bytes.
        unsafe {
            for (i, b) in text.as_bytes()[..end].iter().enumerate() {
                let b = if b.is_ascii_control() { b' ' } else { *b };
                *self.at.add(i) = b as c_char;
            }
            *self.at.add(end) = 0;
        }
    }
}
