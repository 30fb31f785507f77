//! The file that the program's images lie in, so that their memory is mapped from there.

use crate::guard::guarded;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::os::fd::FromRawFd;

/// # Safety
/// As in runtime.h: `fd` is owned and given away.
#[no_mangle]
pub unsafe extern "C" fn rt_image_file(start: *const c_void, len: usize, fd: c_int, offset: u64) {
    let file = File::from_raw_fd(fd);
    let start = start as usize;
    guarded(|| wasmtime::image_file::register(start..start.saturating_add(len), file, offset));
}
