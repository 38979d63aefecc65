//! A cable between the daemon's board and the broker's: two network namespaces, a virtual link, and its
//! faults.

use crate::{lab::shell, runner::Impossible};

/// Address of the broker's end.
pub const BROKER: &str = "10.99.0.1";

pub struct Link {
    name: String,
}

impl Link {
    /// Creates the link. `number` distinguishes the links of this program.
    pub fn new(number: u8) -> Result<Self, Impossible> {
        // Namespaces are visible to the whole machine, so their names must be unique to this process.
        let name = format!("affectd-{}-{number}", std::process::id());
        let script = format!(
            "ip netns add {name}-board && ip netns add {name}-broker
            ip -n {name}-board link add cable type veth peer name cable netns {name}-broker
            ip -n {name}-board address add 10.99.0.2/24 dev cable
            ip -n {name}-broker address add {BROKER}/24 dev cable
            for end in board broker; do
                ip -n {name}-$end link set lo up
                ip -n {name}-$end link set cable up
            done"
        );
        let made = std::process::Command::new("sh")
            .args(["-ec", &script])
            .output()
            .unwrap();
        let link = Self { name };
        if made.status.success() {
            Ok(link)
        } else {
            Err(Impossible("no network namespace can be made"))
        }
    }

    /// Arguments of nsenter(1) for the board's end.
    pub fn board(&self) -> Vec<String> {
        self.enter("board")
    }

    /// Arguments of nsenter(1) for the broker's end.
    pub fn broker(&self) -> Vec<String> {
        self.enter("broker")
    }

    fn enter(&self, end: &str) -> Vec<String> {
        vec![
            "nsenter".into(),
            format!("--net=/run/netns/{}-{end}", self.name),
            "--".into(),
        ]
    }

    /// Drops packets in both directions without notifying either side.
    pub fn cut(&self) {
        // If one end is down, the other end has no carrier but keeps its route.
        shell(&format!("ip -n {}-broker link set cable down", self.name));
    }

    /// Undoes [`Self::cut`].
    pub fn mend(&self) {
        shell(&format!("ip -n {}-broker link set cable up", self.name));
    }

    /// Limits both directions to this many kilobits a second.
    pub fn slow_down(&self, kilobits: u32) -> Result<(), Impossible> {
        for end in ["board", "broker"] {
            let made = std::process::Command::new("tc")
                .args([
                    "-n",
                    &format!("{}-{end}", self.name),
                    "qdisc",
                    "replace",
                    "dev",
                    "cable",
                    "root",
                ])
                .args([
                    "tbf",
                    "rate",
                    &format!("{kilobits}kbit"),
                    "burst",
                    "2kb",
                    "limit",
                    "20kb",
                ])
                .output()
                .unwrap();
            if !made.status.success() {
                return Err(Impossible("this kernel cannot slow a link down (tbf)"));
            }
        }
        Ok(())
    }

    /// Removes the limit.
    pub fn speed_up(&self) {
        for end in ["board", "broker"] {
            shell(&format!("tc -n {}-{end} qdisc delete dev cable root", self.name));
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for end in ["board", "broker"] {
            let _ = std::process::Command::new("ip")
                .args(["netns", "delete", &format!("{}-{end}", self.name)])
                .output();
        }
    }
}
