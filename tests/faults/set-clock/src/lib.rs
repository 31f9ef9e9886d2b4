//! Sets the wall clock of a program that preloads this (`LD_PRELOAD`), and lets go on its monotonic
//! one: Envoy's timers run as ever, and what asks for the date is told another.
//!
//! How far it is set is read, each time, from a file that is mapped into memory: eight octets, a
//! number of nanoseconds. Whoever writes the file sets the clock at once. Nothing here allocates or
//! looks for the function that it hides: an allocator may ask for the time before either works
//! (Envoy's does). So the kernel is asked.

#![cfg(target_os = "linux")]

use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

use libc::{c_int, c_void, clockid_t, time_t, timespec, timeval};

/// The variable that names the file.
const FILE: &std::ffi::CStr = c"SET_CLOCK";

const SECOND: i64 = 1_000_000_000;

/// Where the file is mapped, once it was looked for.
static SET_BY: AtomicPtr<AtomicI64> = AtomicPtr::new(ptr::null_mut());

/// Stands for a file that is not there.
static NOT_SET: AtomicI64 = AtomicI64::new(0);

fn set_by() -> i64 {
    let mut found = SET_BY.load(Ordering::Acquire);
    if found.is_null() {
        // Two threads may do so at once: both find the same.
        found = map();
        SET_BY.store(found, Ordering::Release);
    }
    // SAFETY: it is `NOT_SET`, or eight octets at the beginning of a page that stays mapped.
    unsafe { &*found }.load(Ordering::Relaxed)
}

fn map() -> *mut AtomicI64 {
    // SAFETY: plain calls of C, with a name that ends in NUL, and nothing mapped over.
    let page = unsafe {
        let path = libc::getenv(FILE.as_ptr());
        if path.is_null() {
            return ptr::from_ref(&NOT_SET).cast_mut();
        }
        let file = libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC);
        let read = (libc::PROT_READ, libc::MAP_SHARED);
        let page = libc::mmap(ptr::null_mut(), 8, read.0, read.1, file, 0);
        libc::close(file);
        page
    };
    if page == libc::MAP_FAILED {
        return ptr::from_ref(&NOT_SET).cast_mut();
    }
    page.cast()
}

/// See `clock_gettime(2)`.
///
/// # Safety
///
/// `to` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, to: *mut timespec) -> c_int {
    // SAFETY: the kernel looks at what it is given by itself.
    let failed = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, to) } != 0;
    if failed {
        return -1;
    }
    if matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE) {
        // SAFETY: the kernel has just written it.
        let to = unsafe { &mut *to };
        let set_by = set_by();
        let nanos = to.tv_nsec + set_by % SECOND;
        to.tv_sec += set_by / SECOND + nanos.div_euclid(SECOND);
        to.tv_nsec = nanos.rem_euclid(SECOND);
    }
    0
}

fn now() -> timespec {
    let mut now = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it is written to a place of ours.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now
}

/// See `gettimeofday(2)`. Nobody asks for the zone.
///
/// # Safety
///
/// `to` is null, or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(to: *mut timeval, _zone: *mut c_void) -> c_int {
    let now = now();
    if !to.is_null() {
        let now = timeval {
            tv_sec: now.tv_sec,
            tv_usec: now.tv_nsec / 1000,
        };
        // SAFETY: as the caller says.
        unsafe { *to = now };
    }
    0
}

/// See `time(2)`.
///
/// # Safety
///
/// `to` is null, or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(to: *mut time_t) -> time_t {
    let seconds = now().tv_sec;
    if !to.is_null() {
        // SAFETY: as the caller says.
        unsafe { *to = seconds };
    }
    seconds
}
