//! Engines and modules: what `wasm_engine_new_with_config` cannot set, or would abort on.

use crate::guard::{guarded, ErrorBuffer};
use capful_config::{config, Kind};
use std::ffi::{c_char, c_int, c_void};
use std::mem::{align_of, size_of};
use std::ptr::{null_mut, NonNull};
use std::sync::Arc;
use wasmtime::{
    CustomCodeMemory, Enabled, Engine, InstanceAllocationStrategy, Module,
    PoolingAllocationConfig, Store,
};
use wasmtime_c_api::{wasm_engine_t, wasmtime_module_t, wasmtime_store_t, WasmtimeStoreData};

// The C API's types are structs of one private field; that they are no more is checked here.
const _: () = {
    assert!(size_of::<wasm_engine_t>() == size_of::<Engine>());
    assert!(align_of::<wasm_engine_t>() == align_of::<Engine>());
    assert!(size_of::<wasmtime_module_t>() == size_of::<Module>());
    assert!(align_of::<wasmtime_module_t>() == align_of::<Module>());
};

const PAGE: usize = 4096;
/// How many tables one program may have; a pool gives each program as many of its slots.
const TABLES_PER_MODULE: u32 = 4;

/// `struct rt_engine_options`
#[repr(C)]
pub struct EngineOptions {
    kind: c_int,
    total_instances: u32,
    total_memories: u32,
    total_tables: u32,
    total_stacks: u32,
    max_unused_warm_slots: u32,
    max_memory_bytes: u64,
    table_elements: u64,
    linear_memory_keep_resident: u64,
    table_keep_resident: u64,
    async_stack_keep_resident: u64,
    async_stack_size: u64,
    max_wasm_stack: u64,
    decommit_batch_size: u64,
    async_stack_zeroing: bool,
    pagemap_scan: bool,
}

/// Makes code executable where it lies: in the image inside the program, or in wasmtime's own copy.
struct InPlace;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, at: *const u8, len: usize) -> wasmtime::Result<()> {
        let len = (len + PAGE - 1) & !(PAGE - 1);
        // SAFETY: wasmtime passes a text section aligned to pages, which only it uses.
        let status =
            unsafe { libc::mprotect(at as *mut c_void, len, libc::PROT_READ | libc::PROT_EXEC) };
        if status != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(())
    }

    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn engine_new(o: &EngineOptions) -> wasmtime::Result<Engine> {
    let kind = match o.kind {
        0 => Kind::Fast,
        1 => Kind::Plain,
        n => wasmtime::bail!("no such kind of engine: {n}"),
    };
    let mut c = config(kind);
    if o.async_stack_size != 0 {
        c.async_stack_size(usize::try_from(o.async_stack_size)?);
    }
    if o.max_wasm_stack != 0 {
        c.max_wasm_stack(usize::try_from(o.max_wasm_stack)?);
    }
    c.async_stack_zeroing(o.async_stack_zeroing);
    c.with_custom_code_memory(Some(Arc::new(InPlace)));

    if o.total_instances != 0 {
        let mut p = PoolingAllocationConfig::new();
        p.total_core_instances(o.total_instances);
        p.total_memories(o.total_memories);
        p.total_tables(o.total_tables);
        p.total_stacks(o.total_stacks);
        p.max_tables_per_module(TABLES_PER_MODULE);
        p.max_unused_warm_slots(o.max_unused_warm_slots);
        p.max_memory_size(usize::try_from(o.max_memory_bytes)?);
        p.table_elements(usize::try_from(o.table_elements)?);
        p.linear_memory_keep_resident(usize::try_from(o.linear_memory_keep_resident)?);
        p.table_keep_resident(usize::try_from(o.table_keep_resident)?);
        p.async_stack_keep_resident(usize::try_from(o.async_stack_keep_resident)?);
        p.decommit_batch_size(usize::try_from(o.decommit_batch_size.max(1))?);
        p.pagemap_scan(if o.pagemap_scan { Enabled::Auto } else { Enabled::No });
        c.allocation_strategy(InstanceAllocationStrategy::Pooling(p));
    }
    Engine::new(&c)
}

/// # Safety
/// As in runtime.h.
#[no_mangle]
pub unsafe extern "C" fn rt_engine_new(
    options: *const EngineOptions,
    err: *mut c_char,
    err_size: usize,
) -> *mut wasm_engine_t {
    let err = ErrorBuffer::new(err, err_size);
    let Some(options) = options.as_ref() else {
        err.set("no options");
        return null_mut();
    };
    match guarded(|| engine_new(options).map_err(|e| err.set(&format!("{e:#}")))) {
        Some(Ok(engine)) => Box::into_raw(Box::new(engine)).cast(),
        Some(Err(())) => null_mut(),
        None => {
            err.set("the engine failed while it was set up");
            null_mut()
        }
    }
}

#[no_mangle]
pub extern "C" fn rt_pagemap_scan_available() -> bool {
    guarded(PoolingAllocationConfig::is_pagemap_scan_available).unwrap_or(false)
}

unsafe fn module(
    err: ErrorBuffer,
    load: impl FnOnce() -> wasmtime::Result<Module>,
) -> *mut wasmtime_module_t {
    match guarded(|| load().map_err(|e| err.set(&format!("{e:#}")))) {
        Some(Ok(module)) => Box::into_raw(Box::new(module)).cast(),
        Some(Err(())) => null_mut(),
        None => {
            err.set("the image could not be loaded: it is misaligned, or in use already");
            null_mut()
        }
    }
}

/// # Safety
/// As in runtime.h: the bytes are an image that `capful-compile` made.
#[no_mangle]
pub unsafe extern "C" fn rt_module_in_place(
    engine: *const wasm_engine_t,
    image: *const c_void,
    len: usize,
    err: *mut c_char,
    err_size: usize,
) -> *mut wasmtime_module_t {
    let err = ErrorBuffer::new(err, err_size);
    let (false, Some(start)) = (engine.is_null() || len == 0, NonNull::new(image as *mut u8))
    else {
        err.set("no image");
        return null_mut();
    };
    let engine = &*engine.cast::<Engine>();
    module(err, || Module::deserialize_raw(engine, NonNull::slice_from_raw_parts(start, len)))
}

/// # Safety
/// As in runtime.h: the bytes are an image that `capful-compile` made.
#[no_mangle]
pub unsafe extern "C" fn rt_module_from_bytes(
    engine: *const wasm_engine_t,
    image: *const c_void,
    len: usize,
    err: *mut c_char,
    err_size: usize,
) -> *mut wasmtime_module_t {
    let err = ErrorBuffer::new(err, err_size);
    if engine.is_null() || image.is_null() || len == 0 {
        err.set("no image");
        return null_mut();
    }
    let engine = &*engine.cast::<Engine>();
    let bytes = std::slice::from_raw_parts(image.cast::<u8>(), len);
    module(err, || Module::deserialize(engine, bytes))
}

/// # Safety
/// As in runtime.h.
#[no_mangle]
pub unsafe extern "C" fn rt_module_memory(
    module: *const wasmtime_module_t,
    ret_bytes: *mut *const u8,
    ret_len: *mut usize,
    ret_offset: *mut u64,
) -> bool {
    let Some(module) = module.cast::<Module>().as_ref() else {
        return false;
    };
    let Some(Some((offset, bytes))) = guarded(|| module.initial_memory()) else {
        return false;
    };
    *ret_bytes = bytes.as_ptr();
    *ret_len = bytes.len();
    *ret_offset = offset;
    true
}

/// `rt_import_fn`
pub type ImportFn =
    unsafe extern "C" fn(*mut c_void, *const c_char, usize, *const c_char, usize) -> bool;

/// # Safety
/// As in runtime.h.
#[no_mangle]
pub unsafe extern "C" fn rt_module_imports(
    module: *const wasmtime_module_t,
    each: Option<ImportFn>,
    env: *mut c_void,
) -> bool {
    let (Some(module), Some(each)) = (module.cast::<Module>().as_ref(), each) else {
        return false;
    };
    guarded(|| {
        module.imports().all(|import| {
            let (from, name) = (import.module(), import.name());
            each(env, from.as_ptr().cast(), from.len(), name.as_ptr().cast(), name.len())
        })
    })
    .unwrap_or(false)
}

/// # Safety
/// As in runtime.h.
#[no_mangle]
pub unsafe extern "C" fn rt_store_stack(
    store: *mut wasmtime_store_t,
    ret_start: *mut usize,
    ret_end: *mut usize,
) -> bool {
    let Some(store) = store.cast::<Store<WasmtimeStoreData>>().as_mut() else {
        return false;
    };
    let Some(Some(range)) = guarded(|| store.idle_fiber_stack()) else {
        return false;
    };
    *ret_start = range.start;
    *ret_end = range.end;
    true
}
