//! A TCP proxy in front of a broker without TLS: it can refuse MQTT 5, and it can be slow.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How a broker that does not speak MQTT 5 answers it.
#[derive(Clone, Copy)]
pub enum Refusal {
    /// As MQTT 3.1.1 prescribes: return code 1, unacceptable protocol version.
    Answer,
    /// Closes the connection without a response.
    Silence,
}

/// What the proxy does in addition to forwarding.
#[derive(Clone, Copy, Default)]
pub struct Behaviour {
    /// How MQTT 5 is refused, if it is.
    pub without_5: Option<Refusal>,
    /// Bytes a second in each direction.
    pub rate: Option<usize>,
}

/// Logins seen, by version.
#[derive(Default)]
pub struct Logins {
    pub v5: AtomicUsize,
    pub v311: AtomicUsize,
}

/// The proxy; it ends with the test.
pub struct Proxy {
    pub port: u16,
    pub logins: Arc<Logins>,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    /// Forwards to `port` on loopback.
    pub fn start(port: u16, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let (logins, ended) = (Arc::<Logins>::default(), Arc::<AtomicBool>::default());
        let (for_thread, until) = (Arc::clone(&logins), Arc::clone(&ended));
        thread::spawn(move || {
            for client in listener.incoming() {
                if until.load(Ordering::SeqCst) {
                    return;
                }
                let (client, logins) = (client.unwrap(), Arc::clone(&for_thread));
                // When either side closes it, the connection ends.
                thread::spawn(move || drop(serve(client, port, behaviour, &logins)));
            }
        });
        Self {
            port: own,
            logins,
            ended,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn serve(mut client: TcpStream, port: u16, behaviour: Behaviour, logins: &Logins) -> io::Result<()> {
    let mut start = [0; 512];
    let length = client.read(&mut start)?;
    let start = &start[..length];
    // The protocol level follows its name (MQTT 3.1.1, section 3.1.2).
    let name = start.windows(4).position(|bytes| bytes == b"MQTT");
    let is_5 = name.is_some_and(|name| start.get(name + 4) == Some(&5));
    let count = if is_5 { &logins.v5 } else { &logins.v311 };
    count.fetch_add(1, Ordering::SeqCst);
    match behaviour.without_5 {
        Some(Refusal::Answer) if is_5 => return client.write_all(&[0x20, 2, 0, 1]),
        Some(Refusal::Silence) if is_5 => return Ok(()),
        _ => {}
    }
    let mut broker = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    broker.write_all(start)?;
    let (from, to) = (broker.try_clone()?, client.try_clone()?);
    let rate = behaviour.rate;
    let back = thread::spawn(move || forward(from, to, rate));
    let _ = forward(client, broker, rate);
    let _ = back.join();
    Ok(())
}

/// Forwards at most `rate` bytes a second, with a small buffer.
fn forward(mut from: TcpStream, mut to: TcpStream, rate: Option<usize>) -> io::Result<()> {
    let mut bytes = [0; 64];
    loop {
        let length = from.read(&mut bytes)?;
        if length == 0 {
            return to.shutdown(Shutdown::Both);
        }
        to.write_all(&bytes[..length])?;
        if let Some(rate) = rate {
            thread::sleep(Duration::from_secs_f64(length as f64 / rate as f64));
        }
    }
}
