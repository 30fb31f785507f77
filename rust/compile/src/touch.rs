//! Which pages of a stretch of memory are read and written: they are made inaccessible, and a handler
//! of SIGSEGV notes what is touched and lets it pass.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::SeqCst};

pub const PAGE: usize = 4096;

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Touch {
    #[default]
    Nothing,
    Read,
    Written,
}

/// What is noted of a page; `order` counts from 1, by first touch.
#[derive(Clone, Copy, Default)]
pub struct Page {
    pub touch: Touch,
    pub order: u32,
}

// One stretch at a time; a handler can look at nothing but statics.
static BUSY: AtomicBool = AtomicBool::new(false);
static START: AtomicUsize = AtomicUsize::new(0);
static LEN: AtomicUsize = AtomicUsize::new(0);
static PAGES: AtomicPtr<Page> = AtomicPtr::new(std::ptr::null_mut());
static TOUCHED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handler(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo; PAGES holds LEN / PAGE pages while START and LEN are
    // set, and only the thread that waits here touches them.
    unsafe {
        let at = ((*info).si_addr() as usize).wrapping_sub(START.load(SeqCst));
        if at >= LEN.load(SeqCst) {
            // A fault of the compiler's own: it is met again without this handler.
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            return;
        }
        let page = &mut *PAGES.load(SeqCst).add(at / PAGE);
        let allow = if page.touch == Touch::Nothing {
            page.touch = Touch::Read;
            page.order = TOUCHED.fetch_add(1, SeqCst) as u32 + 1;
            libc::PROT_READ
        } else {
            page.touch = Touch::Written;
            libc::PROT_READ | libc::PROT_WRITE
        };
        let page = START.load(SeqCst) + at / PAGE * PAGE;
        if libc::mprotect(page as *mut libc::c_void, PAGE, allow) != 0 {
            libc::abort();
        }
    }
}

/// Runs `work` and tells what it touched of `len` bytes from `start`.
///
/// # Safety
/// They are whole pages that can be read and written, nobody unmaps them meanwhile, and they are
/// touched by this thread only and never by the kernel.
pub unsafe fn watch(start: *mut u8, len: usize, work: impl FnOnce()) -> io::Result<Vec<Page>> {
    assert!(start as usize % PAGE == 0 && len % PAGE == 0);
    assert!(!BUSY.swap(true, SeqCst), "one stretch of memory at a time");
    let mut pages = vec![Page::default(); len / PAGE];
    PAGES.store(pages.as_mut_ptr(), SeqCst);
    TOUCHED.store(0, SeqCst);
    START.store(start as usize, SeqCst);
    LEN.store(len, SeqCst);

    let mut new: libc::sigaction = std::mem::zeroed();
    let mut old: libc::sigaction = std::mem::zeroed();
    new.sa_sigaction = handler as *const () as usize;
    new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    let mut result = Ok(());
    if libc::sigaction(libc::SIGSEGV, &new, &mut old) != 0
        || libc::mprotect(start.cast(), len, libc::PROT_NONE) != 0
    {
        result = Err(io::Error::last_os_error());
    } else {
        work();
    }
    let all = libc::PROT_READ | libc::PROT_WRITE;
    if libc::mprotect(start.cast(), len, all) != 0
        || libc::sigaction(libc::SIGSEGV, &old, std::ptr::null_mut()) != 0
    {
        result = Err(io::Error::last_os_error());
    }
    LEN.store(0, SeqCst);
    PAGES.store(std::ptr::null_mut(), SeqCst);
    BUSY.store(false, SeqCst);
    result.map(|()| pages)
}
