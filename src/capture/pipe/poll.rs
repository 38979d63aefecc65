//! Polling and reading file descriptors in blocking mode: the mode of standard input is shared with other
//! processes and must not be changed.

use std::{io, os::fd::BorrowedFd, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read as read_once, retry_on_intr},
};

/// Which descriptors are readable or at their end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ready {
    pub(super) output: bool,
    pub(super) messages: bool,
    pub(super) interrupt: bool,
}

/// Waits at most `timeout` until a descriptor is readable; longer if a signal arrives.
pub(super) fn wait(
    output: BorrowedFd<'_>,
    messages: Option<BorrowedFd<'_>>,
    interrupt: BorrowedFd<'_>,
    timeout: Duration,
) -> io::Result<Ready> {
    let watch = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let mut fds = [
        watch(output),
        watch(interrupt),
        watch(messages.unwrap_or(interrupt)),
    ];
    let timeout = Timespec::try_from(timeout).ok();
    retry_on_intr(|| poll(&mut fds, timeout.as_ref()))?;
    let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
    if fds[0].revents().contains(PollFlags::NVAL) {
        return Err(Errno::BADF.into());
    }
    Ok(Ready {
        output: ready(&fds[0]),
        messages: messages.is_some() && ready(&fds[2]),
        interrupt: ready(&fds[1]),
    })
}

/// Whether there is data to read, or the end.
pub(super) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    !now(fd).is_empty()
}

/// Whether every process has closed the other end of a pipe.
pub(super) fn is_closed(fd: BorrowedFd<'_>) -> bool {
    now(fd).intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

fn now(fd: BorrowedFd<'_>) -> PollFlags {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    match poll(&mut fds, Some(&Timespec::default())) {
        Ok(_) => fds[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

/// Reads available data into `room`, and waits if there is none. Returns 0 at the end.
pub(super) fn read(fd: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| read_once(fd, &mut *room))?)
}
