//! What is refused, in words: before anything is compiled, and whatever wasmtime would say.

use wasmparser::{CompositeInnerType, Encoding, Parser, Payload, TypeRef, Validator};

/// A program has one memory of at most 4 GiB that nobody else sees, and no garbage collector.
pub fn program(wasm: &[u8]) -> Result<(), String> {
    if !wasm.starts_with(b"\0asm") {
        return Err("not a WebAssembly program (it does not begin with \"\\0asm\")".into());
    }
    let mut memories = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let broken = |e: wasmparser::BinaryReaderError| format!("broken WebAssembly: {e}");
        match payload.map_err(broken)? {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err("a WebAssembly component; capful runs core modules with WASI preview 1".into());
            }
            Payload::TypeSection(groups) => {
                for group in groups {
                    for ty in group.map_err(broken)?.types() {
                        composite(&ty.composite_type)?;
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Memory(ty) = import.map_err(broken)?.ty {
                        memories += 1;
                        memory(&ty)?;
                    }
                }
            }
            Payload::MemorySection(section) => {
                for ty in section {
                    memories += 1;
                    memory(&ty.map_err(broken)?)?;
                }
            }
            Payload::TagSection(_) => return Err("it uses exceptions, which capful does not run".into()),
            _ => {}
        }
        if memories > 1 {
            return Err("it has more than one memory".into());
        }
    }
    // Atomics, SIMD that is not deterministic, and whatever else a program may not use.
    Validator::new_with_features(capful_features())
        .validate_all(wasm)
        .map(|_| ())
        .map_err(|e| format!("capful does not run this program: {e}"))
}

/// The same set as the engine's, in the types of this crate's own wasmparser.
fn capful_features() -> wasmparser::WasmFeatures {
    use wasmparser::WasmFeatures as F;
    // GC_TYPES stays in: without it the validator would refuse even a table of functions.
    F::from_bits_truncate(capful_config::features().bits())
}

fn composite(ty: &wasmparser::CompositeType) -> Result<(), String> {
    if ty.shared {
        return Err("it has types shared between threads, which capful does not run".into());
    }
    match ty.inner {
        CompositeInnerType::Func(_) => Ok(()),
        CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) => {
            Err("it uses garbage-collected types, which capful does not run".into())
        }
        CompositeInnerType::Cont(_) => Err("it uses stack switching, which capful does not run".into()),
    }
}

fn memory(ty: &wasmparser::MemoryType) -> Result<(), String> {
    if ty.shared {
        return Err("its memory is shared between threads, which capful does not run".into());
    }
    if ty.memory64 {
        return Err("its memory has 64-bit addresses, which capful does not run".into());
    }
    if ty.page_size_log2.is_some() {
        return Err("its memory has pages of an unusual size".into());
    }
    Ok(())
}
