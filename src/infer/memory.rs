//! Settings of the C library's allocator.
//!
//! Loading a network temporarily needs hundreds of megabytes and leaves the weights behind. If both come from
//! one heap, the weights end up between gaps, and later runs spread over all of the gaps. So while a network
//! is loaded, blocks from a moderate size on are mapped individually, and unmapped when they are freed. Runs,
//! in contrast, take their blocks from the heap: mapping and unmapping, or growing and shrinking it, would
//! cost a page fault for every 4 KiB of every run.

#[cfg(target_env = "gnu")]
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the process has asked for these settings.
#[cfg(target_env = "gnu")]
static TUNED: AtomicBool = AtomicBool::new(false);

/// While a network is loaded, blocks from this size on are mapped; in bytes.
#[cfg(target_env = "gnu")]
const LOADING_MMAP_THRESHOLD: libc::c_int = 128 << 10;

/// The same afterwards: the largest threshold that the C library allows.
#[cfg(target_env = "gnu")]
const RUNNING_MMAP_THRESHOLD: libc::c_int = if cfg!(target_pointer_width = "64") {
    32 << 20
} else {
    512 << 10
};

/// Blocks that may be mapped at a time: more than any network has tensors.
#[cfg(target_env = "gnu")]
const MMAP_MAX: libc::c_int = 16_384;

/// Free memory at the end of the heap that is not returned, in bytes: more than any run needs.
#[cfg(target_env = "gnu")]
const TRIM_THRESHOLD: libc::c_int = 256 << 20;

/// Tunes the allocator of the whole process for loading networks and running them: one arena, mapped blocks
/// during a load, and a heap that is kept in between.
///
/// Call it in `main` before the first [`Network::load`](crate::Network::load). Without it, this crate leaves
/// the allocator alone. Has no effect where the C library is not glibc.
pub fn tune_allocator() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: `mallopt` changes settings of the allocator, under the allocator's lock.
        unsafe {
            // Memory that one thread frees must be available to the others.
            libc::mallopt(libc::M_ARENA_MAX, 1);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
            libc::mallopt(libc::M_MMAP_MAX, MMAP_MAX);
            libc::mallopt(libc::M_MMAP_THRESHOLD, RUNNING_MMAP_THRESHOLD);
        }
        TUNED.store(true, Ordering::Relaxed);
    }
}

/// Runs `load` with large blocks mapped, then returns its temporary memory to the system. Without
/// [`tune_allocator`], it just runs `load`.
pub(crate) fn while_loading<T>(load: impl FnOnce() -> T) -> T {
    #[cfg(target_env = "gnu")]
    if TUNED.load(Ordering::Relaxed) {
        // SAFETY: as in `tune_allocator`.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LOADING_MMAP_THRESHOLD) };
        let loaded = load();
        // SAFETY: as in `tune_allocator`; trimming touches only free memory.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, RUNNING_MMAP_THRESHOLD);
            libc::malloc_trim(0);
        }
        return loaded;
    }
    load()
}
