//! Runs a program's initialiser at build time and makes its memory and globals part of the program.

use crate::train::{self, Host};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wasmtime::error::Context as _;
use wasmtime::{bail, Engine, Instance, Linker, Module, OptLevel, Result, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

/// QuickJS, compiled, takes about twenty times the stack that it takes in its own memory.
const WASM_STACK: usize = 24 << 20;
const THREAD_STACK: usize = 64 << 20;

/// The program after `export` has run, without that export unless it is among `keep`.  Its heap is
/// laid out for the programs `scripts`, if there are any.
pub fn run(
    wasm: Vec<u8>,
    export: String,
    keep: Vec<String>,
    scripts: Vec<Vec<u8>>,
) -> Result<Vec<u8>> {
    let worker = std::thread::Builder::new().stack_size(THREAD_STACK);
    match worker.spawn(move || initialise(&wasm, &export, &keep, &scripts))?.join() {
        Ok(result) => result,
        Err(_) => bail!("the initialiser could not be run"),
    }
}

fn initialise(wasm: &[u8], export: &str, keep: &[String], scripts: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut wizer = Wizer::new();
    wizer.init_func(export);
    wizer.keep_init_func(keep.iter().any(|name| name == export));
    let (context, instrumented) = wizer.instrument(wasm)?;

    let mut config = capful_config::config(capful_config::Kind::Plain);
    config.max_wasm_stack(WASM_STACK);
    config.async_stack_size(WASM_STACK);
    // Memory that stays where it is, for the sake of train::watch.
    config.memory_reservation(4 << 30);
    config.memory_may_move(false);
    config.cranelift_opt_level(OptLevel::None);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, &instrumented)?;

    let mut runs = Vec::new();
    for script in scripts {
        let (mut store, instance) = instantiate(&module)?;
        runs.push(train::run(&mut store, instance, script, |store| call(store, instance, export))?);
    }
    let (mut store, instance) = instantiate(&module)?;
    let plan = train::plan(&runs)?;
    if let Some(plan) = &plan {
        plan.put(&mut store, instance)?;
    }
    call(&mut store, instance, export)?;
    let size = match &plan {
        Some(plan) => plan.check(&mut store, instance)?,
        None => usize::MAX,
    };
    at_once(wizer.snapshot(&context, &mut State { store: &mut store, instance, size }))?
}

fn instantiate(module: &Module) -> Result<(Store<Host>, Instance)> {
    let mut store = Store::new(module.engine(), Host::default());
    store.set_epoch_deadline(u64::MAX / 2);
    let mut linker = Linker::new(module.engine());
    train::link(&mut linker, module)?;
    linker.define_unknown_imports_as_traps(module)?;
    let instance = linker.instantiate(&mut store, module)?;
    Ok((store, instance))
}

fn call(store: &mut Store<Host>, instance: Instance, export: &str) -> Result<()> {
    for name in ["_initialize", export] {
        if name == "_initialize"
            && (export == name || instance.get_func(&mut *store, name).is_none())
        {
            continue;
        }
        let function = instance
            .get_typed_func::<(), ()>(&mut *store, name)
            .with_context(|| format!("no export {name} without parameters and results"))?;
        function.call(&mut *store, ()).with_context(|| format!("{name} failed"))?;
    }
    Ok(())
}

/// Nothing here waits, so a future is ready when it is first asked.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => bail!("the snapshot did not finish"),
    }
}

struct State<'a> {
    store: &'a mut Store<Host>,
    instance: Instance,
    /// How much of the memory is kept.
    size: usize,
}

impl InstanceState for State<'_> {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global =
            self.instance.get_global(&mut *self.store, name).expect("an export of wizer's");
        match global.get(&mut *self.store) {
            Val::I32(x) => SnapshotVal::I32(x),
            Val::I64(x) => SnapshotVal::I64(x),
            Val::F32(x) => SnapshotVal::F32(x),
            Val::F64(x) => SnapshotVal::F64(x),
            Val::V128(x) => SnapshotVal::V128(x.as_u128()),
            _ => unreachable!("wizer refuses globals that hold references"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory =
            self.instance.get_memory(&mut *self.store, name).expect("an export of wizer's");
        let data = memory.data(&*self.store);
        contents(&data[..self.size.min(data.len())]);
    }
}

/// The names of `keep` that the program does not export.
pub fn missing(wasm: &[u8], keep: &[String]) -> Result<Vec<String>> {
    let mut missing = keep.to_vec();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let wasmparser::Payload::ExportSection(exports) = payload? {
            for export in exports {
                let export = export?;
                missing.retain(|name| name != export.name);
            }
        }
    }
    Ok(missing)
}
