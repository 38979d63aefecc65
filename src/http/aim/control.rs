//! The control socket: begins a session for a client that may write to it, and ends it with the connection.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    Aim, Secrets,
    protocol::{MAX_LINE, Message, Request},
    session::{End, LENGTH},
};
use crate::{
    config::Place,
    http::listener::{Connection, Listener},
};

/// Maximum number of connections at a time.
const MAX_CONNECTIONS: usize = 4;

/// How long either side may take for a line.
const LINE: Duration = Duration::from_secs(5);

/// How often a session is checked.
const TICK: Duration = Duration::from_millis(200);

/// Delay after a failed accept: the process has no file descriptor left.
const RETRY: Duration = Duration::from_secs(1);

/// The port to try first, so the address stays the same.
const PORT: u16 = 8642;

/// Listens at `path` and accepts connections. Returns only if it cannot listen there.
pub async fn listen(path: PathBuf, aim: Aim) {
    let listener = match Listener::bind(&Place::Unix(path.clone())) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(socket = %path.display(), %error, "the control socket cannot be opened: `affectd aim` will not work");
            return;
        }
    };
    let aim = Arc::new(aim);
    let mut consoles = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((Connection::Unix(stream), _)) => stream,
            // Unreachable: the listener is a Unix socket.
            Ok((Connection::Tcp(_), _)) => continue,
            Err(error) => {
                warn!(%error, "the control socket accepts no connection");
                sleep(RETRY).await;
                continue;
            }
        };
        while consoles.try_join_next().is_some() {}
        if consoles.len() < MAX_CONNECTIONS && is_permitted(&stream) {
            let aim = aim.clone();
            consoles.spawn(async move {
                let (reader, writer) = stream.into_split();
                let console = Console { reader, writer, aim };
                // A console that has disconnected needs no answer.
                let _ = console.serve().await;
            });
        }
    }
}

/// Permits only root and this user; the runtime directory already keeps everybody else out.
fn is_permitted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own)
}

/// One connection.
struct Console {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    aim: Arc<Aim>,
}

/// The state last sent to the console.
#[derive(Default)]
struct Reported {
    entered: bool,
    sending: bool,
}

impl Console {
    async fn serve(mut self) -> io::Result<()> {
        let request = self.read_request().await?;
        let begun = match self.begin(&request).await {
            Ok(begun) => begun,
            Err(reason) => return self.send(&Message::Ended { reason }).await,
        };
        info!(
            picture = request.preview,
            minutes = LENGTH.as_secs() / 60,
            "aiming began"
        );
        let result = self.follow(begun).await;
        let end = self.aim.end(begun);
        info!(reason = in_words(end), "aiming ended");
        result?;
        let reason = in_words(end).to_owned();
        self.send(&Message::Ended { reason }).await
    }

    async fn read_request(&mut self) -> io::Result<Request> {
        let mut line = String::new();
        let limited = (&mut self.reader).take(MAX_LINE as u64);
        timeout(LINE, BufReader::new(limited).read_line(&mut line)).await??;
        Ok(serde_json::from_str(&line)?)
    }

    /// Opens the page. The error is human-readable.
    async fn begin(&mut self, request: &Request) -> Result<u64, String> {
        let aim = &self.aim;
        if request.preview
            && let Some(reason) = aim.shared.gate.privacy().reason()
        {
            return Err(format!("no picture can be shown: {reason}"));
        }
        let secrets = Secrets::random().map_err(|error| error.to_string())?;
        let opened = match TcpListener::bind(("127.0.0.1", PORT)).await {
            Err(_) => TcpListener::bind(("127.0.0.1", 0)).await,
            listener => listener,
        };
        let listener = opened.map_err(|error| format!("no port of 127.0.0.1 can be opened: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let message = Message::Began {
            address,
            code: secrets.code.to_string(),
            seconds: LENGTH.as_secs(),
        };
        let number = aim.begin(secrets, request.preview, listener, &Place::Tcp(address));
        if let Err(error) = self.send(&message).await {
            self.aim.end(number);
            return Err(error.to_string());
        }
        Ok(number)
    }

    /// Reports progress to the console until the session ends or the console disconnects.
    async fn follow(&mut self, number: u64) -> io::Result<()> {
        let mut reported = Reported::default();
        let mut ignored = [0; 64];
        loop {
            tokio::select! {
                read = self.reader.read(&mut ignored) => {
                    if read? == 0 {
                        return self.report(&mut reported, false, false).await;
                    }
                }
                () = sleep(TICK) => {}
            }
            let now = self.aim.shared.clock.now();
            if self.aim.ended(number).is_some() {
                return self.report(&mut reported, false, false).await;
            }
            let entered = self.aim.is_entered(number);
            let sending = self.aim.preview.is_sending(now);
            self.report(&mut reported, entered, sending).await?;
        }
    }

    /// Sends and logs what has changed.
    async fn report(&mut self, reported: &mut Reported, entered: bool, sending: bool) -> io::Result<()> {
        if entered && !reported.entered {
            reported.entered = true;
            info!("the page for aiming was opened with the code");
            self.send(&Message::Entered).await?;
        }
        if sending != reported.sending {
            reported.sending = sending;
            if sending {
                info!("the camera's picture is being sent");
                self.send(&Message::Sending).await?;
            } else {
                info!("the camera's picture is no longer sent");
                self.send(&Message::NotSending).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, message: &Message) -> io::Result<()> {
        let mut line = serde_json::to_string(message)?;
        line.push('\n');
        timeout(LINE, self.writer.write_all(line.as_bytes())).await?
    }
}

/// Human-readable reason why a session ended.
fn in_words(end: End) -> &'static str {
    match end {
        End::Time => "the ten minutes are over",
        End::Tries => "too many wrong codes were entered",
        End::Replaced => "another console began to aim",
        End::Console => "the command on the console ended",
    }
}
