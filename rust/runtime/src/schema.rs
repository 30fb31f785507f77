//! JSON Schema: compile once, check arguments many times, say what is wrong in words for people.
//!
//! Nothing is ever fetched: a reference to another document is an error when the schema is compiled.
//! The caller has bounded the depth of schema and instance; here the rest is bounded: the work of a
//! pattern, the number of problems, the length of the text.

use crate::guard::{guarded, ErrorBuffer};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::ffi::{c_char, c_int, c_void};

const VALID: c_int = 0;
const INVALID: c_int = 1;
const FAILED: c_int = -1;

/// How many problems one message names.
const PROBLEMS: usize = 3;
/// All problems of a text are collected before the first can be named, so of a long one only the
/// first is looked for.
const LONG_TEXT: usize = 64 << 10;
/// What one problem may take of the message, and a value within it.
const PROBLEM_CHARS: usize = 200;
const VALUE_CHARS: usize = 60;
/// Patterns that linear-time matching cannot do (look-around, back-references) may try this often.
const BACKTRACKS: usize = 100_000;
const PATTERN_BYTES: usize = 4 << 20;

fn compile(text: &[u8]) -> Result<Validator, String> {
    let schema: Value =
        serde_json::from_slice(text).map_err(|e| format!("the schema is not JSON: {e}"))?;
    if let Some(loop_at) = endless_reference(&schema) {
        return Err(format!("{loop_at}: the reference leads back to itself"));
    }
    jsonschema::options()
        .with_draft(draft(&schema))
        .offline()
        .should_validate_formats(false)
        .with_pattern_options(
            PatternOptions::fancy_regex()
                .backtrack_limit(BACKTRACKS)
                .size_limit(PATTERN_BYTES)
                .dfa_size_limit(PATTERN_BYTES),
        )
        .build(&schema)
        .map_err(|e| format!("{}: {}", place(&e.instance_path().to_string()), clip(&e.to_string(), PROBLEM_CHARS)))
}

/// 2020-12 unless the schema itself names an older draft.
fn draft(schema: &Value) -> Draft {
    Draft::Draft202012.detect(schema)
}

/// A `$ref` that is reached from itself without going into the instance would never end.  Follows
/// references within the document through the keywords that apply to the same place.
fn endless_reference(root: &Value) -> Option<String> {
    let mut anchors = HashMap::new();
    collect_anchors(root, &mut anchors);
    let mut done: HashSet<*const Value> = HashSet::new();
    let mut todo: Vec<&Value> = vec![root];
    while let Some(start) = todo.pop() {
        match start {
            Value::Object(o) => todo.extend(o.values()),
            Value::Array(a) => todo.extend(a),
            _ => continue,
        }
        if let Some(found) = in_place_cycle(root, start, &anchors, &mut done) {
            return Some(found);
        }
    }
    None
}

fn collect_anchors<'a>(root: &'a Value, anchors: &mut HashMap<&'a str, &'a Value>) {
    let mut todo = vec![root];
    while let Some(v) = todo.pop() {
        match v {
            Value::Object(o) => {
                for key in ["$anchor", "$dynamicAnchor", "$id"] {
                    if let Some(Value::String(name)) = o.get(key) {
                        anchors.entry(name.as_str()).or_insert(v);
                    }
                }
                todo.extend(o.values());
            }
            Value::Array(a) => todo.extend(a),
            _ => {}
        }
    }
}

fn resolve<'a>(
    root: &'a Value,
    reference: &str,
    anchors: &HashMap<&'a str, &'a Value>,
) -> Option<&'a Value> {
    match reference.strip_prefix('#') {
        Some("") => Some(root),
        Some(pointer) if pointer.starts_with('/') => root.pointer(&pointer.replace("%25", "%")),
        Some(anchor) => anchors.get(anchor).copied(),
        None => anchors.get(reference.trim_end_matches('#')).copied(),
    }
}

/// Depth-first over the sub-schemas that look at the same instance as `start`, with a stack of its
/// own: a schema on the current path that is met again is a cycle.
fn in_place_cycle<'a>(
    root: &'a Value,
    start: &'a Value,
    anchors: &HashMap<&'a str, &'a Value>,
    done: &mut HashSet<*const Value>,
) -> Option<String> {
    enum Step<'a> {
        Enter(&'a Value, &'a str),
        Leave(*const Value),
    }
    let mut path: HashSet<*const Value> = HashSet::new();
    let mut stack = vec![Step::Enter(start, "")];
    while let Some(step) = stack.pop() {
        let (schema, via) = match step {
            Step::Leave(p) => {
                path.remove(&p);
                done.insert(p);
                continue;
            }
            Step::Enter(schema, via) => (schema, via),
        };
        let p: *const Value = schema;
        if path.contains(&p) {
            return Some(format!("$ref {via}"));
        }
        let Value::Object(o) = schema else { continue };
        if done.contains(&p) {
            continue;
        }
        path.insert(p);
        stack.push(Step::Leave(p));
        for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(Value::String(to)) = o.get(key) {
                if let Some(target) = resolve(root, to, anchors) {
                    stack.push(Step::Enter(target, to));
                }
            }
        }
        for key in ["not", "if", "then", "else"] {
            if let Some(sub) = o.get(key) {
                stack.push(Step::Enter(sub, via));
            }
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            if let Some(Value::Array(subs)) = o.get(key) {
                stack.extend(subs.iter().map(|s| Step::Enter(s, via)));
            }
        }
        if let Some(Value::Object(subs)) = o.get("dependentSchemas") {
            stack.extend(subs.values().map(|s| Step::Enter(s, via)));
        }
    }
    None
}

fn clip(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_string();
    }
    let mut cut: String = text.chars().take(chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() {
        "/"
    } else {
        pointer
    }
}

/// One problem: the JSON pointer of the argument, then what is wrong with it.
fn problem(e: &ValidationError<'_>) -> String {
    let value = || clip(&e.instance().to_string(), VALUE_CHARS);
    let what = match e.kind() {
        ValidationErrorKind::Required { property } => format!("{property} is missing"),
        ValidationErrorKind::FalseSchema => "nothing is allowed here".to_string(),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().map(|n| format!("{n:?}")).collect();
            format!("{} is not a known property", names.join(", "))
        }
        ValidationErrorKind::BacktrackLimitExceeded { .. }
        | ValidationErrorKind::RegexEngineFailure { .. } => {
            format!("{} takes too long to match the pattern", value())
        }
        _ => {
            // The library's own words, with the value shortened where it is long.
            let (whole, short) = (e.instance().to_string(), value());
            let text = e.to_string();
            match text.strip_prefix(whole.as_str()) {
                Some(rest) => format!("{short}{rest}"),
                None => text,
            }
        }
    };
    clip(&format!("{}: {what}", place(&e.instance_path().to_string())), PROBLEM_CHARS)
}

fn check(schema: &Validator, text: &[u8], err: ErrorBuffer) -> c_int {
    let instance: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(e) => {
            err.set(&format!("not JSON: {e}"));
            return INVALID;
        }
    };
    if text.len() > LONG_TEXT {
        return match schema.validate(&instance) {
            Ok(()) => VALID,
            Err(e) => {
                err.set(&problem(&e));
                INVALID
            }
        };
    }
    if schema.is_valid(&instance) {
        return VALID;
    }
    let mut problems: Vec<String> = Vec::new();
    let mut more = 0;
    for e in schema.iter_errors(&instance) {
        if problems.len() < PROBLEMS {
            problems.push(problem(&e));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    err.set(&problems.join("; "));
    INVALID
}

/// # Safety
/// As in schema.h.
#[no_mangle]
pub unsafe extern "C" fn rt_schema_compile(
    text: *const c_char,
    len: usize,
    ret: *mut *mut c_void,
    err: *mut c_char,
    err_size: usize,
) -> c_int {
    let err = ErrorBuffer::new(err, err_size);
    if text.is_null() || ret.is_null() {
        err.set("no schema");
        return FAILED;
    }
    let text = std::slice::from_raw_parts(text.cast::<u8>(), len);
    match guarded(|| compile(text)) {
        Some(Ok(validator)) => {
            *ret = Box::into_raw(Box::new(validator)).cast();
            0
        }
        Some(Err(e)) => {
            err.set(&e);
            FAILED
        }
        None => {
            err.set("the schema checker failed on this schema");
            FAILED
        }
    }
}

/// # Safety
/// As in schema.h.
#[no_mangle]
pub unsafe extern "C" fn rt_schema_check(
    schema: *const c_void,
    json: *const c_char,
    len: usize,
    err: *mut c_char,
    err_size: usize,
) -> c_int {
    let err = ErrorBuffer::new(err, err_size);
    let (Some(schema), false) = (schema.cast::<Validator>().as_ref(), json.is_null()) else {
        err.set("no schema or no arguments");
        return FAILED;
    };
    let text = std::slice::from_raw_parts(json.cast::<u8>(), len);
    guarded(|| check(schema, text, err)).unwrap_or_else(|| {
        err.set("the schema checker failed on these arguments");
        FAILED
    })
}

/// # Safety
/// As in schema.h.
#[no_mangle]
pub unsafe extern "C" fn rt_schema_free(schema: *mut c_void) {
    if !schema.is_null() {
        let schema = schema.cast::<Validator>();
        let _ = guarded(|| drop(Box::from_raw(schema)));
    }
}
