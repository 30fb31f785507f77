//! What capful's C code calls in Rust: wasmtime's C API, which this library carries, and the few
//! functions here that it lacks.  `src/engine/runtime.h` and `src/base/schema.h` are their contract.
//!
//! Every function catches a panic and returns an error: nothing unwinds into C.

mod engine;
mod guard;
mod image_file;
mod linker;
mod limiter;
mod schema;

pub use engine::*;
pub use image_file::*;
pub use limiter::*;
pub use linker::*;
pub use schema::*;
pub use wasmtime_c_api;
