//! A server that listens like a broker but does not behave like one.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// What it does with a connection after reading the CONNECT packet.
#[derive(Debug, Clone, Copy)]
pub enum Habit {
    /// Sends nothing.
    Silent,
    /// Closes the connection immediately.
    Closing,
    /// Sends these bytes, then waits.
    Saying(&'static [u8]),
    /// Sends these bytes repeatedly, without end.
    Repeating(&'static [u8]),
    /// Accepts the connection and then sends a packet of 4 MiB, one byte every 100 ms.
    Dripping,
}

pub struct FakeBroker {
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

/// Accepts the connection (MQTT 3.1.1, 3.2).
pub const CONNACK: &[u8] = &[0x20, 2, 0, 0];

impl FakeBroker {
    /// Listens until the program ends.
    pub fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, SeqCst);
                thread::spawn(move || behave(stream, habit));
            }
        });
        Self { port, connections }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

/// Ends when the other side closes the connection.
fn behave(mut stream: TcpStream, habit: Habit) -> Option<()> {
    let mut buffer = [0; 4096];
    // As much of CONNECT as has arrived.
    let _length = stream.read(&mut buffer).ok()?;
    match habit {
        Habit::Silent => {}
        Habit::Closing => return None,
        Habit::Saying(bytes) => stream.write_all(bytes).ok()?,
        Habit::Repeating(bytes) => loop {
            stream.write_all(bytes).ok()?;
        },
        Habit::Dripping => {
            stream.write_all(CONNACK).ok()?;
            // A PUBLISH of 4 MiB minus one byte.
            stream.write_all(&[0x30, 0xFF, 0xFF, 0xFF, 0x01]).ok()?;
            loop {
                stream.write_all(&[0]).ok()?;
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
    while stream.read(&mut buffer).ok()? > 0 {}
    Some(())
}
