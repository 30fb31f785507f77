//! Host functions that may block, without the C API's boxed values: a call runs `start` at once, and
//! only if that says "pending" does the guest's fiber suspend.

use crate::guard::guarded;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::fmt;
use std::future::Future;
use std::mem::size_of;
use std::pin::Pin;
use std::ptr::null_mut;
use std::task::{Context, Poll};
use wasmtime::{Caller, Linker};
use wasmtime_c_api::{
    wasmtime_caller_t, wasmtime_error_t, wasmtime_linker_t, WasmtimeCaller, WasmtimeStoreData,
};

const _: () = {
    assert!(size_of::<wasmtime_linker_t>() == size_of::<Linker<WasmtimeStoreData>>());
    assert!(size_of::<wasmtime_caller_t<'static>>() == size_of::<WasmtimeCaller<'static>>());
    assert!(size_of::<wasmtime_error_t>() == size_of::<wasmtime::Error>());
};

const PENDING: c_int = 0;
const DONE: c_int = 1;
const MAX_PARAMS: usize = 10;

/// Why a guest stops where the host told it to: an exit, a kill, a limit.
#[derive(Debug)]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by the host")
    }
}

impl std::error::Error for Stopped {}

pub fn stopped() -> wasmtime::Error {
    Stopped.into()
}

/// # Safety
/// As in runtime.h.
#[no_mangle]
pub unsafe extern "C" fn rt_error_is_stop(error: *const wasmtime_error_t) -> bool {
    let Some(error) = error.cast::<wasmtime::Error>().as_ref() else {
        return false;
    };
    guarded(|| error.is::<Stopped>()).unwrap_or(false)
}

/// `rt_start_fn`
pub type StartFn = unsafe extern "C" fn(
    *mut c_void,
    *mut wasmtime_caller_t<'_>,
    *const u64,
    *mut i32,
    *mut *mut c_void,
) -> c_int;
/// `rt_poll_fn`
pub type PollFn = unsafe extern "C" fn(*mut c_void, *mut i32) -> c_int;

#[derive(Clone, Copy)]
struct Import {
    start: StartFn,
    poll: PollFn,
    env: *mut c_void,
}

// SAFETY: runtime.h demands that the two functions may be called from any thread with this env.
unsafe impl Send for Import {}
unsafe impl Sync for Import {}

/// One call under way: what `start` answered, then what `poll` answers.
struct Call {
    status: c_int,
    result: i32,
    /// The fiber suspends before `poll` is asked for the first time.
    suspended: bool,
    poll: PollFn,
    token: *mut c_void,
}

// SAFETY: a store and its calls are used by one thread at a time.
unsafe impl Send for Call {}

impl Future for Call {
    type Output = wasmtime::Result<i32>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let call = &mut *self;
        if call.status == PENDING && !call.suspended {
            call.suspended = true;
            return Poll::Pending;
        }
        if call.status == PENDING {
            // SAFETY: the token is what `start` gave for this very call.
            call.status = unsafe { (call.poll)(call.token, &mut call.result) };
        }
        match call.status {
            PENDING => Poll::Pending,
            DONE => Poll::Ready(Ok(call.result)),
            _ => Poll::Ready(Err(stopped())),
        }
    }
}

impl Import {
    fn call(&self, mut caller: Caller<'_, WasmtimeStoreData>, args: &[u64]) -> Call {
        let mut call = Call { status: -1, result: 0, suspended: false, poll: self.poll, token: null_mut() };
        let caller = (&raw mut caller).cast::<wasmtime_caller_t<'_>>();
        // SAFETY: wasmtime_caller_t is a struct of this one field; the rest lives on this stack.
        call.status = unsafe {
            (self.start)(self.env, caller, args.as_ptr(), &mut call.result, &mut call.token)
        };
        call
    }
}

/// Turns a wasm argument into the 64 bits that C gets: i32 is zero-extended.
trait Bits {
    fn bits(self) -> u64;
}
impl Bits for i32 {
    fn bits(self) -> u64 {
        u64::from(self.cast_unsigned())
    }
}
impl Bits for i64 {
    fn bits(self) -> u64 {
        self.cast_unsigned()
    }
}

macro_rules! define {
    ($linker:expr, $module:expr, $name:expr, $import:expr, $($arg:ident: $type:ty),*) => {{
        let import: Import = $import;
        $linker.func_wrap_async(
            $module,
            $name,
            move |caller: Caller<'_, WasmtimeStoreData>, ($($arg,)*): ($($type,)*)| {
                let import: &Import = &import;
                let args: [u64; MAX_PARAMS] = {
                    #[allow(unused_mut, reason = "one signature has no parameters")]
                    let mut all = [0u64; MAX_PARAMS];
                    let given: &[u64] = &[$($arg.bits()),*];
                    all[..given.len()].copy_from_slice(given);
                    all
                };
                Box::new(import.call(caller, &args))
            },
        ).map(|_| true)
    }};
}

/// False: no such signature is known.
fn define(
    l: &mut Linker<WasmtimeStoreData>,
    module: &str,
    name: &str,
    params: &str,
    f: Import,
) -> wasmtime::Result<bool> {
    match params {
        "" => define!(l, module, name, f,),
        "i" => define!(l, module, name, f, a: i32),
        "ii" => define!(l, module, name, f, a: i32, b: i32),
        "iii" => define!(l, module, name, f, a: i32, b: i32, c: i32),
        "iiii" => define!(l, module, name, f, a: i32, b: i32, c: i32, d: i32),
        "iiiii" => define!(l, module, name, f, a: i32, b: i32, c: i32, d: i32, e: i32),
        "iiiiii" => define!(l, module, name, f, a: i32, b: i32, c: i32, d: i32, e: i32, g: i32),
        "iiiiiii" => {
            define!(l, module, name, f, a: i32, b: i32, c: i32, d: i32, e: i32, g: i32, h: i32)
        }
        "iiiiiiii" => define!(
            l, module, name, f,
            a: i32, b: i32, c: i32, d: i32, e: i32, g: i32, h: i32, i: i32
        ),
        "iiiiiiiii" => define!(
            l, module, name, f,
            a: i32, b: i32, c: i32, d: i32, e: i32, g: i32, h: i32, i: i32, j: i32
        ),
        "iiiiiiiiii" => define!(
            l, module, name, f,
            a: i32, b: i32, c: i32, d: i32, e: i32, g: i32, h: i32, i: i32, j: i32, k: i32
        ),
        "iI" => define!(l, module, name, f, a: i32, b: i64),
        "iII" => define!(l, module, name, f, a: i32, b: i64, c: i64),
        "iIi" => define!(l, module, name, f, a: i32, b: i64, c: i32),
        "iIii" => define!(l, module, name, f, a: i32, b: i64, c: i32, d: i32),
        "iIIi" => define!(l, module, name, f, a: i32, b: i64, c: i64, d: i32),
        "I" => define!(l, module, name, f, a: i64),
        "Ii" => define!(l, module, name, f, a: i64, b: i32),
        "iiI" => define!(l, module, name, f, a: i32, b: i32, c: i64),
        "iiIi" => define!(l, module, name, f, a: i32, b: i32, c: i64, d: i32),
        "iiiI" => define!(l, module, name, f, a: i32, b: i32, c: i32, d: i64),
        "iiiIi" => define!(l, module, name, f, a: i32, b: i32, c: i32, d: i64, e: i32),
        "iiiiIIi" => define!(
            l, module, name, f,
            a: i32, b: i32, c: i32, d: i32, e: i64, g: i64, h: i32
        ),
        "iiiiiIIii" => define!(
            l, module, name, f,
            a: i32, b: i32, c: i32, d: i32, e: i32, g: i64, h: i64, i: i32, j: i32
        ),
        _ => Ok(false),
    }
}

/// # Safety
/// As in runtime.h.
#[no_mangle]
pub unsafe extern "C" fn rt_linker_define_blocking(
    linker: *mut wasmtime_linker_t,
    module: *const c_char,
    name: *const c_char,
    params: *const c_char,
    start: Option<StartFn>,
    poll: Option<PollFn>,
    env: *mut c_void,
) -> bool {
    let (Some(start), Some(poll)) = (start, poll) else {
        return false;
    };
    if linker.is_null() || module.is_null() || name.is_null() || params.is_null() {
        return false;
    }
    let text = |s| CStr::from_ptr(s).to_str();
    let (Ok(module), Ok(name), Ok(params)) = (text(module), text(name), text(params)) else {
        return false;
    };
    let linker = &mut *linker.cast::<Linker<WasmtimeStoreData>>();
    let import = Import { start, poll, env };
    matches!(guarded(|| define(linker, module, name, params, import)), Some(Ok(true)))
}
