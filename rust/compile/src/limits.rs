//! Ceilings that the compiler sets for itself when its input is hostile.

use std::io;

const CPU_SECONDS: u64 = 60;
const ADDRESS_SPACE: u64 = 4 << 30;
const FILE_SIZE: u64 = 1 << 30;

/// Call it when all files are open: afterwards none can be, no process can be started, no privilege
/// gained, no core is dumped, and time and memory are bounded.
pub fn confine() -> io::Result<()> {
    // SAFETY: plain system calls on this process.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    for (what, limit) in [
        (libc::RLIMIT_CPU, CPU_SECONDS),
        (libc::RLIMIT_AS, ADDRESS_SPACE),
        (libc::RLIMIT_FSIZE, FILE_SIZE),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, 0),
        (libc::RLIMIT_NPROC, 0),
    ] {
        lower(what, limit)?;
    }
    Ok(())
}

fn lower(what: libc::__rlimit_resource_t, limit: u64) -> io::Result<()> {
    let mut r = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `r` is valid for both calls.
    unsafe {
        if libc::getrlimit(what, &mut r) != 0 {
            return Err(io::Error::last_os_error());
        }
        r.rlim_max = r.rlim_max.min(limit);
        r.rlim_cur = r.rlim_cur.min(r.rlim_max);
        if libc::setrlimit(what, &r) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
