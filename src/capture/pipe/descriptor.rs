//! Waiting on and reading from descriptors that stay in blocking mode: the mode of standard input is shared
//! with other processes.

use std::{io, os::fd::RawFd, time::Duration};

/// Which of the descriptors can be read (or are at their end).
pub(super) struct Ready {
    pub(super) output: bool,
    pub(super) messages: bool,
}

/// Waits until one of them can be read, at most for `patience`.
pub(super) fn poll(output: RawFd, messages: Option<RawFd>, patience: Duration) -> io::Result<Ready> {
    let watch = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // poll(2) ignores a negative descriptor.
    let mut fds = [watch(output), watch(messages.unwrap_or(-1))];
    // Rounded up: a wait that is cut short would spin through its last millisecond.
    let millis = i32::try_from(patience.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    // SAFETY: the array lives through the call and its length is given.
    let count = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis) };
    if count < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        fds.iter_mut().for_each(|fd| fd.revents = 0);
    }
    if fds[0].revents & libc::POLLNVAL != 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    Ok(Ready {
        output: fds[0].revents != 0,
        messages: fds[1].revents != 0,
    })
}

/// Reads what is there; 0 at the end.
pub(super) fn read(fd: RawFd, room: &mut [u8]) -> io::Result<usize> {
    loop {
        // SAFETY: the buffer lives through the call and its length is given.
        let count = unsafe { libc::read(fd, room.as_mut_ptr().cast(), room.len()) };
        if let Ok(count) = usize::try_from(count) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
