//! `affectd aim`: opens the live page of the running daemon for aiming the camera.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;

use crate::{
    error::{Exit, Failure},
    http::aim::protocol::{MAX_LINE, Message, Request, sockets},
};

/// Opens the live page of the running daemon for ten minutes, to aim the camera
///
/// Prints the address of the page and a code that opens it once. The page can be reached from this board
/// only, or through an SSH tunnel as printed. It shows outlines and figures, no picture, and is closed when
/// this command ends. Must be run as root, because the daemon accepts the command from root only.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Shows the camera's picture too: twice a second, at most 480 pixels wide
    ///
    /// The LED blinks while the picture is sent, and privacy ends it at once.
    #[arg(long)]
    preview: bool,

    /// The daemon's control socket (default: /run/affectd/control, or the only one of /run/affectd@*/control)
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        self.aim(out)
            .map_err(|error| Failure::new(Exit::Unavailable, error))
    }

    fn aim(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let socket = match &self.socket {
            Some(socket) => socket.clone(),
            None => the_only(&sockets(Path::new("/run")))?,
        };
        let connected = UnixStream::connect(&socket);
        let mut stream = connected.with_context(|| {
            let socket = socket.display();
            format!("{socket}: the daemon cannot be reached; does it run, and is this command run as root?")
        })?;
        let request = serde_json::to_string(&Request {
            preview: self.preview,
        })?;
        writeln!(stream, "{request}")?;
        let mut lines = BufReader::new(stream);
        let mut is_open = false;
        loop {
            let mut line = String::new();
            let limit = MAX_LINE as u64;
            if lines.by_ref().take(limit).read_line(&mut line)? == 0 {
                bail!("the daemon has ended");
            }
            match serde_json::from_str(&line).context("the daemon is of another version")? {
                Message::Began {
                    address,
                    code,
                    seconds,
                } => {
                    is_open = true;
                    write!(out, "{}", instructions(address, &code, seconds, self.preview))?;
                }
                Message::Entered => writeln!(out, "The page was opened with the code.")?,
                Message::Sending => writeln!(out, "The camera's picture is being sent.")?,
                Message::NotSending => writeln!(out, "The camera's picture is no longer sent.")?,
                Message::Ended { reason } if !is_open => bail!("the page was not opened: {reason}"),
                Message::Ended { reason } => {
                    writeln!(out, "Closed: {reason}.")?;
                    return Ok(());
                }
            }
            out.flush()?;
        }
    }
}

/// The only one of `sockets`.
fn the_only(sockets: &[PathBuf]) -> anyhow::Result<PathBuf> {
    match sockets {
        [] => Err(anyhow!(
            "no affectd runs on this board as a service: sudo systemctl start affectd; found no \
             /run/affectd*/control"
        )),
        [socket] => Ok(socket.clone()),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|socket| socket.display().to_string())
                .collect();
            Err(anyhow!(
                "several daemons run on this board; choose one with --socket: {}",
                names.join(", ")
            ))
        }
    }
}

/// Instructions for opening the page.
fn instructions(address: SocketAddr, code: &str, seconds: u64, preview: bool) -> String {
    let port = address.port();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let user = env::var("SUDO_USER").unwrap_or_else(|_| "USER".to_owned());
    let picture = if preview {
        "It shows the camera's picture; the LED blinks while one is sent, and privacy ends it.\n"
    } else {
        "It shows outlines and figures, no picture (--preview shows one).\n"
    };
    format!(
        "The page is open for {} minutes. {picture}\n\
         1. On your own computer, make a tunnel to this board:\n\n   \
         ssh -N -L {port}:127.0.0.1:{port} {user}@{host}\n\n\
         2. Open it there in a browser; the code in it is valid once:\n\n   \
         http://127.0.0.1:{port}/#code={code}\n\n\
         From a phone: open the tunnel in an SSH app, then the same address. \
         Ctrl-C closes the page.\n",
        seconds / 60
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_output_explains_the_tunnel() {
        let text = instructions("127.0.0.1:8642".parse().unwrap(), "7K3M-Q9TD", 600, true);
        for part in [
            "open for 10 minutes",
            "ssh -N -L 8642:127.0.0.1:8642 ",
            "http://127.0.0.1:8642/#code=7K3M-Q9TD",
            "the LED blinks",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
    }

    #[test]
    fn a_daemon_is_chosen_if_it_is_the_only_one() {
        let sockets = ["/run/affectd/control", "/run/affectd@door/control"].map(PathBuf::from);
        assert_eq!(the_only(&sockets[..1]).unwrap(), sockets[0]);
        assert!(
            the_only(&[])
                .unwrap_err()
                .to_string()
                .contains("systemctl start affectd")
        );
        let several = the_only(&sockets).unwrap_err().to_string();
        assert!(several.contains("--socket") && several.contains("/run/affectd@door/control"));
    }
}
