//! How the C library keeps freed memory.
//!
//! Left to itself, it maps and unmaps the large intermediate results of every run, which costs a page fault for every
//! four kilobytes, or, once it has learned not to, never returns the hundreds of megabytes that loading needs for a
//! moment.

/// Blocks up to this size come from the heap, in bytes: the largest that the C library allows.
#[cfg(target_env = "gnu")]
const MAPPED_FROM: libc::c_int = if cfg!(target_pointer_width = "64") {
    32 << 20
} else {
    512 << 10
};

/// Free memory at the heap's end that is kept, in bytes: more than any run needs.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 256 << 20;

/// Makes what running frees be used again, by all threads. To be called before any network is loaded.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the calls change nothing but settings of the allocator, under its own lock.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Gives freed memory back to the system.
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call touches only memory that is free, under the allocator's own lock.
    unsafe {
        libc::malloc_trim(0);
    }
}
