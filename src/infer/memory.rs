//! How the C library keeps memory.
//!
//! Loading a network needs hundreds of megabytes for a moment, and leaves the weights behind. Where both come from one heap, the weights
//! come to lie among the gaps, and later runs spread over all of them. So while a network is loaded large blocks are mapped
//! one by one, and unmapped when they are no longer needed; what stays lies beside the heap. Runs, then, take their blocks from the heap:
//! mapping and unmapping, or shrinking and growing it, would cost a page fault for every four kilobytes of every run.

/// Blocks from this size on are mapped while a network is loaded; in bytes.
#[cfg(target_env = "gnu")]
const MAPPED_LOADING: libc::c_int = 128 << 10;

/// The same afterwards: the largest size that the C library allows.
#[cfg(target_env = "gnu")]
const MAPPED_RUNNING: libc::c_int = if cfg!(target_pointer_width = "64") {
    32 << 20
} else {
    512 << 10
};

/// Blocks that may be mapped at a time, more than any network has.
#[cfg(target_env = "gnu")]
const MAPS: libc::c_int = 16_384;

/// Free memory at the heap's end that is kept, in bytes: more than any run needs.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 256 << 20;

/// Does what loads a network, and returns the memory that it needed for a moment.
pub(crate) fn loading<T>(load: impl FnOnce() -> T) -> T {
    #[cfg(target_env = "gnu")]
    // SAFETY: these calls change nothing but settings of the allocator, under its own lock. One arena, because what a
    // thread frees must serve the others.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_MMAP_MAX, MAPS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_LOADING);
    }
    let loaded = load();
    #[cfg(target_env = "gnu")]
    // SAFETY: as above; the last call touches only memory that is free.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_RUNNING);
        libc::malloc_trim(0);
    }
    loaded
}
