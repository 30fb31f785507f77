//! What capful's C code calls in Rust: wasmtime's C API, which this library carries, and the few
//! functions here that it lacks; schemas, patterns, URLs, Unicode and signatures.  `src/engine/runtime.h`
//! and the headers of the same names in `src/base` are their contract.
//!
//! Every function catches a panic and returns an error: nothing unwinds into C.

mod engine;
mod guard;
mod image_file;
mod linker;
mod limiter;
mod regex;
mod schema;
mod sign;
mod unicode;
mod url;

pub use engine::*;
pub use image_file::*;
pub use limiter::*;
pub use linker::*;
pub use self::regex::*;
pub use schema::*;
pub use sign::*;
pub use unicode::*;
pub use self::url::*;
pub use wasmtime_c_api;
