//! How the C library keeps freed memory.
//!
//! Left to itself, it maps and unmaps large blocks, or shrinks and grows the heap, at every step of loading and of running, which costs
//! a page fault for every four kilobytes; or, once it has learned not to, it never returns the hundreds of megabytes that loading
//! needs for a moment.

/// Only blocks from this size on are mapped; in bytes: the largest size that the C library allows.
#[cfg(target_env = "gnu")]
const MAPPED: libc::c_int = if cfg!(target_pointer_width = "64") {
    32 << 20
} else {
    512 << 10
};

/// Free memory at the heap's end that is kept, in bytes: more than any run needs.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 256 << 20;

/// Does what loads a network, and returns the memory that it needed for a moment, wherever in the heap it lies.
pub(super) fn loading<T>(load: impl FnOnce() -> T) -> T {
    #[cfg(target_env = "gnu")]
    // SAFETY: these calls change nothing but settings of the allocator, under its own lock. One arena, because what a
    // thread frees must serve the others.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
    let loaded = load();
    #[cfg(target_env = "gnu")]
    // SAFETY: touches only memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
    loaded
}
