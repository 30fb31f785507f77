//! Lays the heap of a pre-initialised program out: blocks that a run touches come to lie together.
//!
//! The program is initialised with every block in pages of its own (guest/libc/heap.c) and then runs a
//! script, over a host of make-believe, while touch.rs notes what it reads and writes.  That gives the
//! place of each block for the initialisation that counts:
//!
//!     what one script wrote … most scripts … the first wrote | what the first read … | all else
//!
//! so that what a script touches is two stretches in the middle, of which one is written.

use crate::touch::{self, Page, Touch, PAGE};
use std::collections::VecDeque;
use wasmtime::error::Context as _;
use wasmtime::{
    bail, AsContext, AsContextMut, Caller, Instance, Linker, Memory, Module, Result, Store, Val,
};

const WASM_PAGE: usize = 65536;
/// What a program has behind its image before it needs to ask for more.
const ROOM: usize = 4 * WASM_PAGE;

/// The symbol of heap.c that holds its struct heap_plan, as words.
const PLAN: &str = "heap_plan";
const PLAN_WORDS: usize = 9;
const MODE_TRAINING: u32 = 1;
const MODE_PLANNED: u32 = 2;

/// What precedes a block in pages of its own: struct head, and the size of the block.
const HEAD: usize = 16;
const FREED: u32 = u32::MAX;

const TOOL: &[u8] = b"lookup";
const TOOLS: &[u8] = br#"[{"name":"lookup","alias":true}]"#;
const ANSWER: &[u8] = br#"{"id":17,"name":"Ada","tags":["a","b"],"total":12.5}"#;
const PROGRAM: &[u8] = b"main.js\0";
const CWD: &[u8] = b"/workspace";

const SUCCESS: i32 = 0;
const AGAIN: i32 = 6;
const NOENT: i32 = 44;
const RANGE: i32 = 68;
const CALL_NONE: u32 = 3;

/// What the script sees around it.
#[derive(Default)]
pub struct Host {
    script: Vec<u8>,
    clock: u64,
    calls: u32,
    open: VecDeque<u32>,
    /// The exit status, once there is one.
    status: Option<i32>,
    error: String,
}

type Words<'a> = &'a [Val];

fn word(params: Words, i: usize) -> usize {
    match params.get(i) {
        Some(Val::I32(x)) => *x as u32 as usize,
        Some(Val::I64(x)) => *x as usize,
        _ => 0,
    }
}

fn bytes<'a>(data: &'a mut [u8], at: usize, len: usize) -> Result<&'a mut [u8]> {
    let end = at.checked_add(len).context("an address outside the memory")?;
    data.get_mut(at..end).context("an address outside the memory")
}

fn get(data: &mut [u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(bytes(data, at, 4)?.try_into().expect("four bytes")))
}

fn put(data: &mut [u8], at: usize, value: u32) -> Result<()> {
    bytes(data, at, 4)?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// Text whose length is told even if the buffer is too small.
fn put_text(data: &mut [u8], text: &[u8], params: Words) -> Result<i32> {
    put(data, word(params, 2), text.len() as u32)?;
    if text.len() > word(params, 1) {
        return Ok(RANGE);
    }
    bytes(data, word(params, 0), text.len())?.copy_from_slice(text);
    Ok(SUCCESS)
}

/// One system call.  Those that are not here do nothing and succeed.
fn answer(name: &str, params: Words, data: &mut [u8], host: &mut Host) -> Result<i32> {
    let w = |i| word(params, i);
    match name {
        "run_source" => return put_text(data, &host.script, params),
        "run_error" => host.error = String::from_utf8_lossy(bytes(data, w(0), w(1))?).into(),
        "proc_getcwd" => return put_text(data, CWD, params),
        "args_sizes_get" => {
            put(data, w(0), 1)?;
            put(data, w(1), PROGRAM.len() as u32)?;
        }
        "args_get" => {
            put(data, w(0), w(1) as u32)?;
            bytes(data, w(1), PROGRAM.len())?.copy_from_slice(PROGRAM);
        }
        "clock_time_get" => {
            host.clock += 1_000_000;
            bytes(data, w(2), 8)?.copy_from_slice(&host.clock.to_le_bytes());
        }
        "random_get" => bytes(data, w(0), w(1))?.fill(0x5a),
        "path_open" => put(data, w(8), 3)?,
        "fd_write" => {
            let mut len = 0;
            for i in 0..w(2) {
                len += get(data, w(1) + 8 * i + 4)?;
            }
            put(data, w(3), len)?;
        }
        "tool_find" => {
            let found = bytes(data, w(0), w(1))? == TOOL;
            return Ok(if found { SUCCESS } else { NOENT });
        }
        "tool_list" => return put_text(data, TOOLS, params),
        "call_start" => {
            host.calls += 1;
            host.open.push_back(host.calls);
            put(data, w(4), host.calls)?;
        }
        "call_next" => {
            let (id, status) = host.open.pop_front().map_or((0, CALL_NONE), |id| (id, 0));
            if id == 0 {
                match params.get(1) {
                    Some(Val::I64(timeout)) if *timeout >= 0 => host.clock += *timeout as u64,
                    _ => bail!("the script waits for ever"),
                }
            }
            for (i, value) in [id, status, ANSWER.len() as u32, 0].into_iter().enumerate() {
                put(data, w(2) + 4 * i, value)?;
            }
            if id != 0 && ANSWER.len() <= w(4) {
                bytes(data, w(3), ANSWER.len())?.copy_from_slice(ANSWER);
            }
        }
        "call_result" if w(2) < ANSWER.len() => return Ok(AGAIN),
        "call_result" => bytes(data, w(1), ANSWER.len())?.copy_from_slice(ANSWER),
        "proc_exit" => {
            host.status = Some(w(0) as i32);
            bail!("the script has ended");
        }
        "park" => bail!("the script waits"),
        _ => {}
    }
    Ok(SUCCESS)
}

pub fn link(linker: &mut Linker<Host>, module: &Module) -> Result<()> {
    for import in module.imports() {
        let Some(ty) = import.ty().func().cloned() else { continue };
        let name = import.name().to_string();
        linker.func_new(
            import.module(),
            import.name(),
            ty,
            move |mut caller: Caller<Host>, params, results| {
                let memory = caller
                    .get_export("memory")
                    .and_then(|e| e.into_memory())
                    .context("no memory")?;
                let (data, host) = memory.data_and_store_mut(&mut caller);
                // The initialiser has no host.
                if host.script.is_empty() {
                    bail!("{name} is called");
                }
                let ret = answer(&name, params, data, host)?;
                if let Some(result) = results.first_mut() {
                    *result = Val::I32(ret);
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}

struct Block {
    number: u32,
    size: u32,
    touch: Touch,
    order: u32,
}

/// One script's run: the blocks of the heap, in order of their numbers.
pub struct Run {
    blocks: Vec<Block>,
    made: u32,
    sum: u32,
}

fn memory(store: impl AsContextMut<Data = Host>, instance: Instance) -> Result<Memory> {
    instance.get_memory(store, "memory").context("no memory")
}

fn plan_address(store: &mut Store<Host>, instance: Instance) -> Result<usize> {
    let global = instance.get_global(&mut *store, PLAN).context("it has no heap_plan to train")?;
    global.get(&mut *store).i32().map(|x| x as u32 as usize).context("heap_plan is no address")
}

fn read_plan(store: &mut Store<Host>, instance: Instance) -> Result<[u32; PLAN_WORDS]> {
    let at = plan_address(store, instance)?;
    let data = memory(&mut *store, instance)?.data_mut(&mut *store);
    let mut plan = [0; PLAN_WORDS];
    for (i, word) in plan.iter_mut().enumerate() {
        *word = get(data, at + 4 * i)?;
    }
    Ok(plan)
}

fn write_plan(store: &mut Store<Host>, instance: Instance, words: &[u32]) -> Result<()> {
    let at = plan_address(store, instance)?;
    let data = memory(&mut *store, instance)?.data_mut(&mut *store);
    for (i, word) in words.iter().enumerate() {
        put(data, at + 4 * i, *word)?;
    }
    Ok(())
}

fn start_heap(store: &mut Store<Host>, instance: Instance) -> Result<()> {
    let start = instance.get_typed_func::<(), ()>(&mut *store, "heap_start")?;
    start.call(store, ())
}

/// Initialises the program by `init`, runs `script`, and tells what it touched.
pub fn run(
    store: &mut Store<Host>,
    instance: Instance,
    script: &[u8],
    init: impl FnOnce(&mut Store<Host>) -> Result<()>,
) -> Result<Run> {
    start_heap(store, instance)?;
    write_plan(store, instance, &[MODE_TRAINING])?;
    init(store)?;
    let [_, _, _, _, _, first, end, made, sum] = read_plan(store, instance)?;
    let (first, end) = (first as usize, end as usize);
    if first % PAGE != 0 || end % PAGE != 0 || first > end || made == 0 {
        bail!("heap_plan makes no sense");
    }
    store.data_mut().script = script.to_vec();
    let entry = instance.get_typed_func::<(i32, i32), ()>(&mut *store, "entry")?;
    let memory = memory(&mut *store, instance)?;
    let start = bytes(memory.data_mut(&mut *store), first, end - first)?.as_mut_ptr();
    let mut result = Ok(());
    // SAFETY: memory of an instance of this engine stays where it is, and only this thread knows it.
    let pages =
        unsafe { touch::watch(start, end - first, || result = entry.call(&mut *store, (0, 0))) }?;
    match store.data().status {
        Some(0) => {}
        _ => result.with_context(|| format!("the training failed {}", store.data().error))?,
    }
    let blocks = blocks(&memory.data(store.as_context())[first..end], &pages)?;
    Ok(Run { blocks, made, sum })
}

fn blocks(heap: &[u8], touched: &[Page]) -> Result<Vec<Block>> {
    let get = |at: usize| u32::from_le_bytes(heap[at..at + 4].try_into().expect("four bytes"));
    let mut blocks = Vec::new();
    let mut page = 0;
    while page < touched.len() {
        let at = page * PAGE;
        let (pages, number, size) = (get(at) as usize, get(at + 4), get(at + HEAD - 4));
        if pages == 0 || pages > touched.len() - page {
            bail!("a block of the training has no size");
        }
        if number != FREED {
            let own = &touched[page..page + pages];
            blocks.push(Block {
                number,
                size,
                touch: own.iter().map(|p| p.touch).max().unwrap_or_default(),
                order: own.iter().map(|p| p.order).filter(|o| *o > 0).min().unwrap_or(0),
            });
        }
        page += pages;
    }
    blocks.sort_by_key(|block| block.number);
    Ok(blocks)
}

/// Where each block goes.
pub struct Plan {
    table: Vec<u32>,
    arena: usize,
    made: u32,
    sum: u32,
}

/// Written blocks before read ones before the rest; in the middle what the first script touches, around it
/// what most of the others do.
fn rank(runs: &[Run], block: usize) -> (isize, u32) {
    let with = |touch| {
        let mut those = runs.iter().filter(|run| run.blocks[block].touch == touch);
        let order = those.next()?.blocks[block].order;
        let first = runs[0].blocks[block].touch == touch;
        let distance = if first { 0 } else { runs.len() - 1 - those.count() };
        Some((distance as isize, order))
    };
    let last = runs.len() as isize;
    match (with(Touch::Written), with(Touch::Read)) {
        (Some((distance, order)), _) => (-distance, order),
        (_, Some((distance, order))) => (1 + distance, order),
        _ => (1 + last, runs[0].blocks[block].number),
    }
}

pub fn plan(runs: &[Run]) -> Result<Option<Plan>> {
    let Some(one) = runs.first() else { return Ok(None) };
    for run in runs {
        let same = run.blocks.iter().map(|b| (b.number, b.size));
        if run.made != one.made
            || run.sum != one.sum
            || !same.eq(one.blocks.iter().map(|b| (b.number, b.size)))
        {
            bail!("the initialiser does not do the same each time");
        }
    }
    let mut order: Vec<usize> = (0..one.blocks.len()).collect();
    order.sort_by_key(|block| rank(runs, *block));

    let mut table = vec![0; one.made as usize];
    let mut at = 0_usize;
    let mut group = isize::MIN;
    for i in order {
        let block = &one.blocks[i];
        let (this, _) = rank(runs, i);
        if this != group {
            at = at.next_multiple_of(PAGE) + 8;
            group = this;
        }
        table[block.number as usize] = at as u32;
        // The size before the next block fills the gap to it.
        at += block.size as usize + 4;
    }
    Ok(Some(Plan { table, arena: at.next_multiple_of(WASM_PAGE), made: one.made, sum: one.sum }))
}

impl Plan {
    /// Gets memory for the arena, and behind it for the table, which is gone afterwards.
    pub fn put(&self, store: &mut Store<Host>, instance: Instance) -> Result<()> {
        start_heap(store, instance)?;
        let memory = memory(&mut *store, instance)?;
        let table = (4 * self.table.len()).next_multiple_of(WASM_PAGE).max(ROOM);
        let start = memory.grow(&mut *store, ((self.arena + table) / WASM_PAGE) as u64)? as usize
            * WASM_PAGE;
        let data = memory.data_mut(&mut *store);
        for (i, place) in self.table.iter().enumerate() {
            put(data, start + self.arena + 4 * i, *place)?;
        }
        let words = [start, self.arena, start + self.arena, self.table.len()].map(|x| x as u32);
        write_plan(store, instance, &[MODE_PLANNED, words[0], words[1], words[2], words[3]])
    }

    /// Compares; tells how much of the memory is kept: behind the arena, some that is untouched.
    pub fn check(&self, store: &mut Store<Host>, instance: Instance) -> Result<usize> {
        let [_, arena, size, _, _, first, _, made, sum] = read_plan(store, instance)?;
        if made != self.made || sum != self.sum {
            bail!("the initialiser does not do the same after the training");
        }
        if first != 0 {
            bail!("the initialiser did not give its pages back");
        }
        let start = arena as usize + size as usize;
        bytes(memory(&mut *store, instance)?.data_mut(&mut *store), start, ROOM)?.fill(0);
        Ok(start + ROOM)
    }
}
