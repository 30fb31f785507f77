//! Patterns of policies: linear time, of bounded size, put in place as trees and not as text.
//!
//! `\d`, `\w`, `\s` and `\b` mean ASCII, as in the patterns of JSON Schema: a policy that asks for
//! four digits does not mean those of every script.

use crate::guard::{guarded, ErrorBuffer};
use regex_automata::meta::Regex;
use regex_syntax::ast::{self, Ast, ClassSet, ClassSetItem};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Hir, Look};
use std::ffi::{c_char, c_int, c_void};

/// The recursions below go no deeper.
const NESTING: u32 = 50;
const PATTERN_BYTES: usize = 4096;
const PROGRAM_BYTES: usize = 256 << 10;
const CACHE_BYTES: usize = 512 << 10;
/// Bytes of the pattern's program times bytes of the text.  In the worst case each part of the
/// program is looked at for each byte.
const WORK: usize = 1 << 33;

pub struct Pattern {
    regex: Regex,
    longest_text: usize,
}

fn compile(pattern: &[u8], anchored: bool) -> Result<Pattern, String> {
    if pattern.len() > PATTERN_BYTES {
        return Err(format!("the pattern is longer than {PATTERN_BYTES} bytes"));
    }
    let pattern = std::str::from_utf8(pattern).map_err(|_| "the pattern is not UTF-8")?;
    let mut tree = ast::parse::ParserBuilder::new()
        .nest_limit(NESTING)
        .build()
        .parse(pattern)
        .map_err(|e| at(pattern, e.span(), &e.kind()))?;
    ascii(&mut tree);
    let mut hir = TranslatorBuilder::new()
        .build()
        .translate(pattern, &tree)
        .map_err(|e| at(pattern, e.span(), &e.kind()))?;
    if anchored {
        hir = Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]);
    }
    let regex = Regex::builder()
        .configure(
            Regex::config()
                .nfa_size_limit(Some(PROGRAM_BYTES))
                .onepass_size_limit(Some(PROGRAM_BYTES))
                .hybrid_cache_capacity(CACHE_BYTES),
        )
        .build_from_hir(&hir)
        .map_err(|_| format!("the pattern would take more than {} KiB", PROGRAM_BYTES >> 10))?;
    let longest_text = WORK / regex.memory_usage().max(1);
    Ok(Pattern { regex, longest_text })
}

fn at(pattern: &str, span: &ast::Span, what: &dyn std::fmt::Display) -> String {
    let chars = pattern.get(..span.start.offset).map_or(0, |before| before.chars().count());
    format!("at character {}: {what}", chars + 1)
}

/// Puts the ASCII classes and boundaries where the Unicode ones would be.
fn ascii(tree: &mut Ast) {
    match tree {
        Ast::ClassPerl(class) => {
            let kind = ClassSet::Item(ClassSetItem::Ascii(ascii_class(class)));
            *tree = Ast::class_bracketed(ast::ClassBracketed {
                span: class.span,
                negated: false,
                kind,
            });
        }
        Ast::ClassBracketed(class) => ascii_set(&mut class.kind),
        Ast::Assertion(assertion) => {
            let span = assertion.span;
            let item = |kind| ast::FlagsItem { span, kind };
            let no_unicode = ast::Flags {
                span,
                items: vec![
                    item(ast::FlagsItemKind::Negation),
                    item(ast::FlagsItemKind::Flag(ast::Flag::Unicode)),
                ],
            };
            let inner = std::mem::replace(tree, Ast::empty(span));
            *tree = Ast::group(ast::Group {
                span,
                kind: ast::GroupKind::NonCapturing(no_unicode),
                ast: Box::new(inner),
            });
        }
        Ast::Repetition(repetition) => ascii(&mut repetition.ast),
        Ast::Group(group) => ascii(&mut group.ast),
        Ast::Alternation(alternation) => alternation.asts.iter_mut().for_each(ascii),
        Ast::Concat(concat) => concat.asts.iter_mut().for_each(ascii),
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Dot(_) | Ast::ClassUnicode(_) => {}
    }
}

fn ascii_class(class: &ast::ClassPerl) -> ast::ClassAscii {
    let kind = match class.kind {
        ast::ClassPerlKind::Digit => ast::ClassAsciiKind::Digit,
        ast::ClassPerlKind::Space => ast::ClassAsciiKind::Space,
        ast::ClassPerlKind::Word => ast::ClassAsciiKind::Word,
    };
    ast::ClassAscii { span: class.span, kind, negated: class.negated }
}

fn ascii_set(set: &mut ClassSet) {
    match set {
        ClassSet::Item(item) => ascii_item(item),
        ClassSet::BinaryOp(op) => {
            ascii_set(&mut op.lhs);
            ascii_set(&mut op.rhs);
        }
    }
}

fn ascii_item(item: &mut ClassSetItem) {
    match item {
        ClassSetItem::Perl(class) => *item = ClassSetItem::Ascii(ascii_class(class)),
        ClassSetItem::Bracketed(class) => ascii_set(&mut class.kind),
        ClassSetItem::Union(union) => union.items.iter_mut().for_each(ascii_item),
        ClassSetItem::Empty(_)
        | ClassSetItem::Literal(_)
        | ClassSetItem::Range(_)
        | ClassSetItem::Ascii(_)
        | ClassSetItem::Unicode(_) => {}
    }
}

fn matches(pattern: &Pattern, text: &[u8]) -> Option<bool> {
    if text.len() > pattern.longest_text {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    Some(pattern.regex.is_match(text))
}

/// # Safety
/// As in regex.h.
#[no_mangle]
pub unsafe extern "C" fn rt_regex_new(
    pattern: *const c_char,
    len: usize,
    anchored: c_int,
    ret: *mut *mut c_void,
    err: *mut c_char,
    err_size: usize,
) -> c_int {
    let err = ErrorBuffer::new(err, err_size);
    if pattern.is_null() || ret.is_null() {
        err.set("no pattern");
        return -1;
    }
    let pattern = std::slice::from_raw_parts(pattern.cast::<u8>(), len);
    match guarded(|| compile(pattern, anchored != 0)) {
        Some(Ok(compiled)) => {
            *ret = Box::into_raw(Box::new(compiled)).cast();
            0
        }
        Some(Err(e)) => {
            err.set(&e);
            -1
        }
        None => {
            err.set("the pattern cannot be compiled");
            -1
        }
    }
}

/// # Safety
/// As in regex.h.
#[no_mangle]
pub unsafe extern "C" fn rt_regex_matches(
    regex: *const c_void,
    text: *const c_char,
    len: usize,
) -> c_int {
    let (Some(pattern), false) = (regex.cast::<Pattern>().as_ref(), text.is_null()) else {
        return -1;
    };
    let text = std::slice::from_raw_parts(text.cast::<u8>(), len);
    match guarded(|| matches(pattern, text)) {
        Some(Some(found)) => c_int::from(found),
        _ => -1,
    }
}

/// # Safety
/// As in regex.h.
#[no_mangle]
pub unsafe extern "C" fn rt_regex_free(regex: *mut c_void) {
    if !regex.is_null() {
        let pattern = regex.cast::<Pattern>();
        let _ = guarded(|| drop(Box::from_raw(pattern)));
    }
}
