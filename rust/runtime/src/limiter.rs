//! A limiter that asks C about every growth: the C API's own is static and does not tell what it
//! refused.

use crate::guard::guarded;
use std::ffi::{c_int, c_void};
use std::mem::size_of;
use wasmtime::{ResourceLimiter, Store};
use wasmtime_c_api::{wasmtime_store_t, WasmtimeStoreData};

const _: () = assert!(size_of::<wasmtime_store_t>() == size_of::<Store<WasmtimeStoreData>>());

const MEMORY: c_int = 0;
const TABLE: c_int = 1;

/// `rt_grow_fn`
pub type GrowFn = unsafe extern "C" fn(*mut c_void, c_int, u64, u64, u64) -> c_int;

struct Limiter {
    grow: GrowFn,
    env: *mut c_void,
}

// SAFETY: a store and all that it owns are used by one thread at a time.
unsafe impl Send for Limiter {}

impl Limiter {
    fn ask(&self, what: c_int, now: usize, wanted: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        let max = max.map_or(u64::MAX, |n| n as u64);
        // SAFETY: runtime.h demands that the function outlives the store.
        match unsafe { (self.grow)(self.env, what, now as u64, wanted as u64, max) } {
            1 => Ok(true),
            0 => Ok(false),
            _ => Err(crate::linker::stopped()),
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.ask(MEMORY, current, desired, maximum)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.ask(TABLE, current, desired, maximum)
    }
}

/// Owns the limiter for the store, which can lend out only what its data holds: hence the pointer.
struct Holder(*mut Limiter);

// SAFETY: a store and all that it owns are used by one thread at a time.
unsafe impl Send for Holder {}
unsafe impl Sync for Holder {}

impl Drop for Holder {
    fn drop(&mut self) {
        // SAFETY: made by Box::into_raw below, freed only here.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// # Safety
/// As in runtime.h.
#[no_mangle]
pub unsafe extern "C" fn rt_store_limiter(
    store: *mut wasmtime_store_t,
    grow: Option<GrowFn>,
    env: *mut c_void,
) -> bool {
    let (false, Some(grow)) = (store.is_null(), grow) else {
        return false;
    };
    let store = &mut *store.cast::<Store<WasmtimeStoreData>>();
    guarded(|| {
        let holder = Holder(Box::into_raw(Box::new(Limiter { grow, env })));
        store.limiter(move |_| {
            let whole = &holder;
            &mut *whole.0
        });
    })
    .is_some()
}
