//! What capful must know of an image and wasmtime does not record: sixteen bytes behind it.
//!
//! They begin with a magic, so that nothing else is taken for an image; src/engine/image.c reads them.

use wasmparser::{ExternalKind, Operator, Parser, Payload, Result, TypeRef};

const MAGIC: &[u8; 8] = b"capful\x01\n";
const REUSABLE: u64 = 1;

const STACK_POINTER: &str = "__stack_pointer";

/// The trailer for the image of `wasm`.
pub fn of(wasm: &[u8]) -> Result<[u8; 16]> {
    let mut trailer = [0; 16];
    let flags = if is_reusable(wasm)? { REUSABLE } else { 0 };
    trailer[..8].copy_from_slice(MAGIC);
    trailer[8..].copy_from_slice(&flags.to_le_bytes());
    Ok(trailer)
}

/// An instance is as fresh as a new one when its memory and its stack pointer are: the program changes
/// no other global, no table, and no segment, and nothing of its own runs when it is instantiated.
fn is_reusable(wasm: &[u8]) -> Result<bool> {
    let mut mutable = Vec::new();
    let mut globals = 0;
    let mut stack_pointer = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::StartSection { .. } => return Ok(false),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if !matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                        return Ok(false);
                    }
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    if global?.ty.mutable {
                        mutable.push(globals);
                    }
                    globals += 1;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Global && export.name == STACK_POINTER {
                        stack_pointer = Some(export.index);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut operators = body.get_operators_reader()?;
                while !operators.eof() {
                    if leaves_traces(&operators.read()?) {
                        return Ok(false);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(mutable.iter().all(|index| Some(*index) == stack_pointer))
}

fn leaves_traces(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. }
            | Operator::MemoryInit { .. }
            | Operator::DataDrop { .. }
    )
}
