//! Long copies and fills in pieces.
//!
//! One instruction that moves memory cannot be interrupted, and may move gigabytes; a loop can. So each
//! memory.copy, memory.fill and memory.init becomes a call of a function, appended to the program, that
//! does it in pieces. It traps as the instruction does, before anything is written.

use std::convert::Infallible;
use wasm_encoder::reencode::{utils, Error, Reencode};
use wasm_encoder::{
    BlockType, CodeSection, Function, FunctionSection, Instruction, InstructionSink, Module,
    TypeSection, ValType,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, DataKind, FunctionSectionReader, Operator, Parser,
    Payload, TypeRef, TypeSectionReader,
};

const PIECE: i32 = 256 << 10;
const DESTINATION: u32 = 0;
/// The byte, of a fill.
const SOURCE: u32 = 1;
const LEN: u32 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Move {
    Copy,
    Fill,
    Init(u32),
}

#[derive(Default)]
struct Rewriter {
    /// What the program uses; one function is appended for each.
    moves: Vec<Move>,
    /// Functions of the program itself, imported and defined.
    functions: u32,
    /// Bytes in each data segment.
    segments: Vec<u64>,
    signature: u32,
}

fn move_of(operator: &Operator) -> Option<Move> {
    match operator {
        Operator::MemoryCopy { .. } => Some(Move::Copy),
        Operator::MemoryFill { .. } => Some(Move::Fill),
        Operator::MemoryInit { data_index, .. } => Some(Move::Init(*data_index)),
        _ => None,
    }
}

impl Rewriter {
    fn look_at(&mut self, wasm: &[u8]) -> wasmparser::Result<()> {
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let is_function =
                            matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                        self.functions += u32::from(is_function);
                    }
                }
                Payload::FunctionSection(section) => self.functions += section.count(),
                Payload::CodeSectionEntry(body) => {
                    let mut operators = body.get_operators_reader()?;
                    while !operators.eof() {
                        if let Some(found) = move_of(&operators.read()?) {
                            if !self.moves.contains(&found) {
                                self.moves.push(found);
                            }
                        }
                    }
                }
                Payload::DataSection(section) => {
                    for data in section {
                        let data = data?;
                        let active = matches!(data.kind, DataKind::Active { .. });
                        self.segments.push(if active { 0 } else { data.data.len() as u64 });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn function(&self, wanted: Move) -> Function {
        let mut function = Function::new([]);
        let mut code = function.instructions();
        let whole = |code: &mut InstructionSink| {
            code.local_get(DESTINATION).local_get(SOURCE).local_get(LEN);
            instruction(code, wanted);
        };
        // Short, or out of bounds: by one instruction, which traps where it has to.
        code.local_get(LEN).i32_const(PIECE).i32_le_u();
        let passes = |code: &mut InstructionSink, from: u32| {
            code.local_get(from).i64_extend_i32_u().local_get(LEN).i64_extend_i32_u().i64_add();
        };
        passes(&mut code, DESTINATION);
        memory_bytes(&mut code);
        code.i64_gt_u().i32_or();
        match wanted {
            Move::Copy => {
                passes(&mut code, SOURCE);
                memory_bytes(&mut code);
                code.i64_gt_u().i32_or();
            }
            Move::Init(segment) => {
                let len = self.segments.get(segment as usize).copied().unwrap_or(0);
                passes(&mut code, SOURCE);
                code.i64_const(len as i64).i64_gt_u().i32_or();
            }
            Move::Fill => {}
        }
        code.if_(BlockType::Empty);
        whole(&mut code);
        code.return_().end();
        if wanted == Move::Copy {
            code.local_get(DESTINATION).local_get(SOURCE).i32_gt_u().if_(BlockType::Empty);
            downwards(&mut code);
            whole(&mut code);
            code.return_().end();
        }
        upwards(&mut code, wanted);
        whole(&mut code);
        code.end();
        function
    }
}

fn instruction(code: &mut InstructionSink, wanted: Move) {
    match wanted {
        Move::Copy => code.memory_copy(0, 0),
        Move::Fill => code.memory_fill(0),
        Move::Init(segment) => code.memory_init(0, segment),
    };
}

fn memory_bytes(code: &mut InstructionSink) {
    code.memory_size(0).i64_extend_i32_u().i64_const(16).i64_shl();
}

/// Moves pieces from the start while more than one is left.
fn upwards(code: &mut InstructionSink, wanted: Move) {
    code.loop_(BlockType::Empty);
    code.local_get(DESTINATION).local_get(SOURCE).i32_const(PIECE);
    instruction(code, wanted);
    code.local_get(DESTINATION).i32_const(PIECE).i32_add().local_set(DESTINATION);
    if wanted != Move::Fill {
        code.local_get(SOURCE).i32_const(PIECE).i32_add().local_set(SOURCE);
    }
    code.local_get(LEN).i32_const(PIECE).i32_sub().local_tee(LEN);
    code.i32_const(PIECE).i32_gt_u().br_if(0).end();
}

/// Copies pieces from the end while more than one is left: the source may overlap from below.
fn downwards(code: &mut InstructionSink) {
    code.loop_(BlockType::Empty);
    code.local_get(LEN).i32_const(PIECE).i32_sub().local_set(LEN);
    code.local_get(DESTINATION).local_get(LEN).i32_add();
    code.local_get(SOURCE).local_get(LEN).i32_add();
    code.i32_const(PIECE).memory_copy(0, 0);
    code.local_get(LEN).i32_const(PIECE).i32_gt_u().br_if(0).end();
}

impl Reencode for Rewriter {
    type Error = Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_type_section(self, types, section)?;
        self.signature = types.len();
        types.ty().function([ValType::I32; 3], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_function_section(self, functions, section)?;
        for _ in &self.moves {
            functions.function(self.signature);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_code_section(self, code, section)?;
        for wanted in &self.moves {
            code.function(&self.function(*wanted));
        }
        Ok(())
    }

    fn instruction<'a>(
        &mut self,
        operator: Operator<'a>,
    ) -> Result<Instruction<'a>, Error<Infallible>> {
        let wanted = move_of(&operator);
        match self.moves.iter().position(|m| Some(*m) == wanted) {
            Some(i) => Ok(Instruction::Call(self.functions + i as u32)),
            None => utils::instruction(self, operator),
        }
    }

    /// Nobody reads them, and some are broken.
    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: CustomSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        Ok(())
    }
}

/// The same program, which can be interrupted while it moves memory.
pub fn rewrite(wasm: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut rewriter = Rewriter::default();
    rewriter.look_at(&wasm).map_err(|e| e.to_string())?;
    if rewriter.moves.is_empty() {
        return Ok(wasm);
    }
    let mut module = Module::new();
    rewriter
        .parse_core_module(&mut module, Parser::new(0), &wasm)
        .map_err(|e| format!("it cannot be rewritten: {e}"))?;
    Ok(module.finish())
}
