//! Runs commands on a machine over a serial line.

use std::{
    io::{Read, Write},
    process::{ChildStdin, ChildStdout},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use crate::machine::TIMEOUT_FACTOR;

/// Longest time that a single command may take.
const TIMEOUT: Duration = Duration::from_secs(180 * TIMEOUT_FACTOR as u64);

/// Encloses the exit code at the end of each answer (ASCII record separator); programs do not print it.
const MARK: u8 = 0x1e;

/// A shell on the machine.
pub struct Shell {
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
}

impl Shell {
    pub fn new(input: ChildStdin, mut output: ChildStdout) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            input,
            output: receiver,
        }
    }

    /// Waits for the empty answer that the shell sends when it has started.
    pub fn wait_until_ready(&mut self, timeout: Duration) {
        self.answer("the shell's start", timeout);
    }

    /// Runs a script and returns its exit code and output.
    pub fn try_run(&mut self, script: &str) -> (i32, String) {
        let script = format!("(\n{script}\n) < /dev/null 2>&1; printf '\\036%d\\036' $?\n");
        self.input.write_all(script.as_bytes()).unwrap();
        self.answer(&script, TIMEOUT)
    }

    /// Runs a script, which must succeed, and returns its output.
    pub fn run(&mut self, script: &str) -> String {
        let (code, output) = self.try_run(script);
        assert_eq!(code, 0, "{script}\noutput: {output}");
        output
    }

    fn answer(&mut self, what: &str, timeout: Duration) -> (i32, String) {
        let deadline = Instant::now() + timeout;
        let mut answer = Vec::new();
        loop {
            let marks: Vec<usize> = (0..answer.len()).filter(|&at| answer[at] == MARK).collect();
            if let [from, to] = marks[..] {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let code = text(&answer[from + 1..to]).parse().unwrap();
                return (code, text(&answer[..from]).trim_end().to_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(more) = self.output.recv_timeout(left) else {
                panic!("no answer: {what}\nso far: {}", String::from_utf8_lossy(&answer));
            };
            answer.extend(more);
        }
    }
}
