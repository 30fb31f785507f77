//! capful-compile: WebAssembly in, an image that capful loads out.
//!
//! The build runs it on the guests, with --preinit; `capful exec` runs it on what users bring, with
//! --untrusted.  It is a program of its own so that a process that runs untrusted code never holds a
//! compiler.

mod check;
mod limits;
mod pieces;
mod preinit;
mod touch;
mod trailer;
mod train;

use capful_config::{config, Kind, WASMTIME_VERSION};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasmtime::{Engine, OptLevel};

const USAGE: &str = "\
usage: capful-compile [OPTION]... IN.wasm -o OUT.cwasm

Compile a WebAssembly program into an image that capful loads.  '-' is standard
input, or standard output.

  --kind fast|plain   which engine the image is for (default: fast)
  --kind wasm         write the program itself, after --preinit has run
  --preinit EXPORT    run this exported function now and keep what it leaves
  --train FILE        lay the heap out for this program; may be repeated, the
                      most important first
  --keep NAME         fail unless the result exports NAME; may be repeated
  --untrusted         bound time, memory and files first: the input is hostile
  -o FILE             where the image goes
  --version           print the version of the compiler
  --help              print this
";

/// What the compiler reads at most.
const INPUT_LIMIT: u64 = 256 << 20;

#[derive(Default)]
struct Options {
    input: String,
    output: String,
    kind: Target,
    preinit: Option<String>,
    train: Vec<String>,
    keep: Vec<String>,
    untrusted: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Target {
    #[default]
    Fast,
    Plain,
    Wasm,
}

enum Command {
    Compile(Options),
    Print(String),
}

fn parse(args: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut o = Options::default();
    let mut args = args;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(Command::Print(USAGE.into())),
            "--version" => {
                let own = env!("CARGO_PKG_VERSION");
                return Ok(Command::Print(format!(
                    "capful-compile {own} (wasmtime {WASMTIME_VERSION})\n"
                )));
            }
            "--kind" => {
                o.kind = match value()?.as_str() {
                    "fast" => Target::Fast,
                    "plain" => Target::Plain,
                    "wasm" => Target::Wasm,
                    other => return Err(format!("no such kind: {other}")),
                }
            }
            "--preinit" => o.preinit = Some(value()?),
            "--train" => o.train.push(value()?),
            "--keep" => o.keep.push(value()?),
            "--untrusted" => o.untrusted = true,
            "-o" => o.output = value()?,
            "-" => o.input = arg,
            _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
            _ if !o.input.is_empty() => return Err("more than one input".into()),
            _ => o.input = arg,
        }
    }
    if o.input.is_empty() || o.output.is_empty() {
        return Err("an input and -o are needed".into());
    }
    if o.untrusted && o.preinit.is_some() {
        return Err("--preinit runs the program, so it does not go with --untrusted".into());
    }
    if !o.train.is_empty() && o.preinit.is_none() {
        return Err("--train goes with --preinit".into());
    }
    Ok(Command::Compile(o))
}

/// The output, opened before anything is read; a file gets its name when it is whole.
struct Output {
    file: File,
    named: Option<(PathBuf, PathBuf)>,
}

/// What is written first; it gets the name `path` when it is whole.
fn part_of(path: &str) -> PathBuf {
    let mut part = Path::new(path).as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    part.into()
}

impl Output {
    fn open(path: &str) -> io::Result<Output> {
        if path == "-" {
            // SAFETY: standard output is nobody else's here.
            return Ok(Output { file: unsafe { File::from_raw_fd(1) }, named: None });
        }
        let part = part_of(path);
        let file = OpenOptions::new().write(true).create_new(true).open(&part)?;
        Ok(Output { file, named: Some((part, path.into())) })
    }

    fn finish(mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        if let Some((part, name)) = self.named.take() {
            fs::rename(&part, &name).inspect_err(|_| drop(fs::remove_file(&part)))?;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.named {
            let _ = fs::remove_file(part);
        }
    }
}

fn read(input: &mut dyn Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    input.take(INPUT_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > INPUT_LIMIT {
        return Err(format!("larger than {} MiB", INPUT_LIMIT >> 20));
    }
    Ok(bytes)
}

fn compile(wasm: &[u8], kind: Kind) -> wasmtime::Result<Vec<u8>> {
    let mut c = config(kind);
    if cfg!(target_arch = "x86_64") {
        // A named processor, not that of the machine that builds.
        c.target("x86_64-unknown-linux-gnu")?;
        for flag in ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"] {
            // SAFETY: the runtime refuses the image on a processor without these.
            unsafe { c.cranelift_flag_enable(flag) };
        }
    }
    c.cranelift_opt_level(OptLevel::Speed);
    Engine::new(&c)?.precompile_module(wasm)
}

fn run(o: Options) -> Result<(), String> {
    let output = Output::open(&o.output).map_err(|e| format!("cannot write {}: {e}", o.output))?;
    let mut input: Box<dyn Read> = if o.input == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&o.input).map_err(|e| e.to_string())?)
    };
    if o.untrusted {
        limits::confine().map_err(|e| format!("cannot bound this process: {e}"))?;
    }
    let mut wasm = read(&mut *input)?;
    drop(input);

    check::program(&wasm)?;
    if let Some(export) = o.preinit {
        let read = |path| fs::read(path).map_err(|e| format!("cannot read {path}: {e}"));
        let scripts = o.train.iter().map(read).collect::<Result<_, _>>()?;
        wasm = preinit::run(wasm, export, o.keep.clone(), scripts).map_err(|e| format!("{e:#}"))?;
    }
    wasm = pieces::rewrite(wasm)?;
    let missing = preinit::missing(&wasm, &o.keep).map_err(|e| e.to_string())?;
    if let Some(name) = missing.first() {
        return Err(format!("it does not export {name}"));
    }
    let kind = match o.kind {
        Target::Wasm => None,
        Target::Fast => Some(Kind::Fast),
        Target::Plain => Some(Kind::Plain),
    };
    let image = match kind {
        None => wasm,
        Some(kind) => {
            let mut image = compile(&wasm, kind).map_err(|e| format!("{e:#}"))?;
            image.extend(trailer::of(&wasm).map_err(|e| e.to_string())?);
            image
        }
    };
    output.finish(&image).map_err(|e| format!("cannot write {}: {e}", o.output))
}

fn main() -> ExitCode {
    let o = match parse(std::env::args().skip(1)) {
        Ok(Command::Print(text)) => {
            return match io::stdout().write_all(text.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        Ok(Command::Compile(o)) => o,
        Err(e) => {
            eprintln!("capful-compile: {e}\nTry 'capful-compile --help'.");
            return ExitCode::from(2);
        }
    };
    let name = if o.input == "-" { "standard input".to_string() } else { o.input.clone() };
    // A panic is the compiler's own failure; it is told in one line like the others.  Nothing unwinds
    // (scripts/build-rust), so what Output would have removed is removed here.
    let (failed, part) = (name.clone(), part_of(&o.output));
    std::panic::set_hook(Box::new(move |_| {
        let _ = fs::remove_file(&part);
        let _ = writeln!(io::stderr(), "capful-compile: {failed}: the compiler failed on this program");
        std::process::exit(1);
    }));
    match run(o) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("capful-compile: {name}: {}", e.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}
