//! The engine settings that must be the same where an image is made and where it is loaded.
//!
//! wasmtime refuses an image whose settings differ from the engine's.  Both programs take them from
//! this one function, and both come from one lock file, so that they cannot drift apart.

use wasmtime::{Config, WasmBacktraceDetails, WasmFeatures};

/// The version that all three crates pin; `capful-compile --version` prints it.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// The two sets of images that exist for every guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reserved address space, guard pages, signals, copy-on-write images.
    Fast,
    /// For hosts without memfd, with little address space, or whose signal handlers are not ours to
    /// touch: explicit bounds checks, nothing reserved, memory that moves when it grows.
    Plain,
}

const RESERVATION: u64 = 4 << 30;
const GUARD: u64 = 32 << 20;
/// What a growing memory of a plain engine takes ahead, so that it is not copied at every page.
const PLAIN_GROWTH: u64 = 1 << 20;

/// What a program may use: WebAssembly 2.0 with tail calls and constant arithmetic.  All else is
/// off, above all garbage collection, threads and a second memory.
pub fn features() -> WasmFeatures {
    WasmFeatures::WASM2 | WasmFeatures::EXTENDED_CONST | WasmFeatures::TAIL_CALL
}

/// A configuration with every shared setting made.  The caller adds only what images do not record.
pub fn config(kind: Kind) -> Config {
    let mut c = Config::new();
    let on = features() & !WasmFeatures::GC_TYPES;
    c.wasm_features(!on, false);
    c.wasm_features(on, true);
    c.concurrency_support(false);
    c.shared_memory(false);

    c.epoch_interruption(true);
    c.consume_fuel(false);
    c.generate_address_map(false);
    c.native_unwind_info(false);
    c.debug_info(false);
    c.debug_symbols(false);
    // "Environment" is the default, and would let a variable make images unloadable.
    c.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    c.wasm_backtrace_max_frames(None);
    c.guard_before_linear_memory(true);
    c.table_lazy_init(true);
    match kind {
        Kind::Fast => {
            c.signals_based_traps(true);
            c.memory_reservation(RESERVATION);
            c.memory_guard_size(GUARD);
            c.memory_may_move(false);
            c.memory_init_cow(true);
        }
        Kind::Plain => {
            c.signals_based_traps(false);
            c.memory_reservation(0);
            c.memory_reservation_for_growth(PLAIN_GROWTH);
            c.memory_guard_size(0);
            c.memory_may_move(true);
            c.memory_init_cow(false);
        }
    }
    c
}
