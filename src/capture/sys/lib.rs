//! The system calls of affectd's capture that safe Rust cannot make, behind a safe interface: Video4Linux2
//! ([`v4l2`]), and starting a program that ends with the daemon ([`child`]).
//!
//! This crate makes no decisions: choosing a camera and a format, timeouts and messages are up to the
//! callers.
//!
//! # Contract
//! All `unsafe` code of the capture module is in this crate and rests on three facts:
//! 1. An ioctl's request code states the size of its argument (asm-generic/ioctl.h). `ioctl::Request` pairs
//!    each code with a structure of that size at compile time, and only structures for which all zeros is a
//!    valid value are used. None holds a pointer: buffers are of the single-planar capture type and
//!    memory-mapped.
//! 2. A mapped buffer stays mapped as long as its [`v4l2::MmapStream`] lives, and is only read between
//!    VIDIOC_DQBUF and VIDIOC_QBUF, when it is the application's. It is copied out; no reference to memory
//!    shared with a driver exists.
//! 3. Code that runs between fork and exec calls only async-signal-safe functions (signal-safety(7)) and
//!    allocates nothing.
//!
//! open, ioctl and mmap go through the C library, because `libcamerify` replaces its functions (LD_PRELOAD)
//! to present a Raspberry Pi's camera as a V4L2 device.

pub mod child;
pub mod v4l2;
