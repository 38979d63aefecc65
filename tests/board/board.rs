//! The board as an installer and its surroundings see it: a machine, a camera, pins, a broker, and who subscribes to it.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    machine::{self, Machine, Parts, SLOWNESS},
    messages::{Message, Messages},
    picture,
};

/// The device's topics begin with it.
const BASE: &str = "affectd/kiosk";

/// What `/etc/affectd/affectd.toml` says. The camera's path is like those in /dev/v4l/by-id: it is there while the camera is.
const CONFIG: &str = r#"
device = "kiosk"
[camera]
device = "/dev/camera"
format = "auto"
[mqtt]
host = "127.0.0.1"
refresh_s = 2
health_s = 2
"#;

/// What the outside does to the pins' chip.
const PINS: &str = "/sys/devices/platform/gpio-sim.*/gpiochip*";

/// Name of a frame without a portrait.
pub const WALL: &str = "wall";

pub struct Board {
    name: &'static str,
    parts: Parts,
    machine: Option<Machine>,
    pub messages: Messages,
    /// The portrait that stands before the camera.
    subject: String,
}

impl Board {
    /// A board with a disk that can be written, as for an installation, and the package in /host.
    pub fn new(name: &'static str, parts: Parts, package: &Path) -> Self {
        let host = parts.host();
        fs::copy(package, host.join("affectd.deb")).unwrap();
        fs::copy(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/target/run.sh"),
            host.join("run.sh"),
        )
        .unwrap();
        fs::write(host.join("affectd.toml"), format!("{CONFIG}{}", machine::CONFIG)).unwrap();
        fs::write(host.join("pauses.conf"), machine::PAUSES).unwrap();
        for portrait in ["astronaut", "grace_hopper"] {
            picture::write(Some(&format!("{portrait}.jpg")), &host.join(portrait));
        }
        picture::write(None, &host.join(WALL));
        Self {
            name,
            machine: Some(Machine::boot(&parts, "rw")),
            messages: Messages::in_file(host.join("messages")),
            parts,
            subject: WALL.into(),
        }
    }

    /// Tells something beside the scenarios' names.
    pub fn say(&self, text: &str) {
        let margin = format!("   {}     ", self.name);
        println!(
            "{margin}{}",
            text.trim_end().replace('\n', &format!("\n{margin}"))
        );
    }

    /// Puts the package after the installed one into /host.
    pub fn release_later(&self) {
        let host = self.parts.host();
        let made = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cross/later-deb.sh"))
            .args([host.join("affectd.deb"), host.join("later.deb")])
            .status();
        assert!(made.unwrap().success(), "the next package");
    }

    /// Cuts the power, and switches on again with a root that cannot be written.
    pub fn power_cut(&mut self) {
        self.machine.take();
        self.machine = Some(Machine::boot(&self.parts, "ro"));
    }

    /// Runs a script on the board that must succeed, and returns what it wrote.
    pub fn run(&mut self, script: &str) -> String {
        self.machine.as_mut().unwrap().shell.run(script)
    }

    /// A property of the daemon's unit.
    pub fn unit(&mut self, property: &str) -> String {
        self.run(&format!("systemctl show --value -p {property} affectd"))
    }

    // --- the camera ---

    /// Binds the camera's driver, connects its input with the output that the subject is played on, and names it.
    pub fn plug_in(&mut self) {
        self.run(
            "test -e /sys/bus/platform/drivers/vivid/vivid.0 || echo vivid.0 > /sys/bus/platform/drivers/vivid/bind
            udevadm settle
            for node in 0 1; do v4l2-ctl -d $node --set-dv-bt-timings cvt,width=640,height=480,fps=36 > /dev/null; done
            v4l2-ctl -d 0 --set-fmt-video width=640,height=480,pixelformat=YUYV
            v4l2-ctl -d 1 --set-fmt-video-out width=640,height=480,pixelformat=YUYV
            v4l2-ctl -d 0 --set-ctrl osd_text_mode=2
            # Linux 6.12, and before it.
            v4l2-ctl -d 0 --set-ctrl hdmi_000_0_is_connected_to=2 2> /dev/null || v4l2-ctl -d 0 --set-ctrl loop_video=1",
        );
        self.show(&self.subject.clone());
        self.run("ln -sfn video0 /dev/camera");
    }

    /// Takes the driver away from the camera, while it streams or not.
    pub fn pull_out(&mut self) {
        self.run(
            "rm /dev/camera; echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind; systemctl stop subject || true",
        );
    }

    /// Places a portrait before the camera.
    pub fn show(&mut self, subject: &str) {
        self.subject = subject.into();
        // v4l2-ctl reads line by line. From a buffer that holds a frame it takes no time; with its own, each frame would be 150 system calls,
        // half of this machine's time.
        let frame = picture::BYTES;
        self.run(&format!(
            "systemctl stop subject 2> /dev/null
            systemd-run --quiet --collect --unit=subject -p StandardError=null -p StandardOutput=null -p Nice=19 \
                -p StandardInput=file:/host/{subject} \
                stdbuf -i {frame} v4l2-ctl -d 1 --stream-out-mmap=3 --stream-from=- --stream-loop"
        ));
    }

    // --- the pins ---

    /// Brings the chip with switch and light into being, where the kernel has one to give; the switch lets the camera look.
    pub fn wire(&mut self) {
        if !machine::HAS_PINS {
            return;
        }
        self.run(
            "cd /sys/kernel/config/gpio-sim
            test -d pins || mkdir pins pins/bank pins/bank/line0 pins/bank/line1
            echo pins > pins/bank/label
            echo 2 > pins/bank/num_lines
            echo privacy > pins/bank/line0/name
            echo light > pins/bank/line1/name
            echo 1 > pins/live
            udevadm settle",
        );
        self.press(false);
    }

    /// Takes the chip away.
    pub fn unwire(&mut self) {
        self.run("echo 0 > /sys/kernel/config/gpio-sim/pins/live");
    }

    /// Sets the privacy switch.
    pub fn press(&mut self, private: bool) {
        let pull = if private { "pull-up" } else { "pull-down" };
        self.run(&format!("echo {pull} > {PINS}/sim_gpio0/pull"));
    }

    /// Waits for the light to be lit, or to be out.
    pub fn see_light(&mut self, lit: bool) {
        let level = u8::from(lit);
        let script = format!("grep -qx {level} {PINS}/sim_gpio1/value");
        self.until(&format!("the light's level is {level}"), &script);
    }

    // --- the subscriber ---

    /// Waits for a message of the device that satisfies the condition.
    pub fn see(&self, mark: usize, topic: &str, what: &str, condition: impl Fn(&Message) -> bool) -> Message {
        let topic = format!("{BASE}/{topic}");
        let told = format!("{topic}: {what}");
        self.messages.wait(mark, &told, |message| {
            message.topic == topic && condition(message)
        })
    }

    pub fn see_availability(&self, mark: usize, word: &str) -> Message {
        self.see(mark, "availability", word, |message| message.text == word)
    }

    pub fn see_camera(&self, mark: usize, status: &str) -> Message {
        self.see(mark, "camera", status, |message| {
            message.field("status") == status
        })
    }

    pub fn see_category(&self, mark: usize, category: &str) -> Message {
        self.see(mark, "state", category, |message| {
            message.field("category") == category
        })
    }

    /// The device's messages on a topic after a mark.
    pub fn seen(&self, mark: usize, topic: &str) -> Vec<Message> {
        let topic = format!("{BASE}/{topic}");
        let mut seen = self.messages.since(mark);
        seen.retain(|message| message.topic == topic);
        seen
    }

    /// What one who subscribes now is told first: the retained message of a topic.
    pub fn retained(&mut self, topic: &str) -> Message {
        let text = self.run(&format!(
            "mosquitto_sub -h 127.0.0.1 -t {BASE}/{topic} --retained-only -C 1 -W 5 -F %p"
        ));
        Message {
            place: 0,
            topic: format!("{BASE}/{topic}"),
            retained: true,
            text,
        }
    }

    /// Lets time pass on the board.
    pub fn wait(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Waits for something on the board that no message tells of.
    pub fn until(&mut self, what: &str, script: &str) {
        self.until_within(Duration::from_secs(30) * SLOWNESS, what, script);
    }

    /// The same with a patience of its own.
    pub fn until_within(&mut self, patience: Duration, what: &str, script: &str) {
        let deadline = Instant::now() + patience;
        let machine = self.machine.as_mut().unwrap();
        while machine.shell.try_run(script).0 != 0 {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// What helps to understand a failure.
    pub fn describe(&mut self) -> String {
        let journal = self.machine.as_mut().map_or(String::new(), |machine| {
            machine
                .shell
                .try_run(
                    "systemctl status --no-pager --full --lines=0 mosquitto board-subscriber affectd
                    journalctl --no-pager -o short-monotonic -n 60",
                )
                .1
        });
        let messages = self.messages.all();
        let last = &messages[messages.len().saturating_sub(20)..];
        let lines: Vec<String> = last
            .iter()
            .map(|message| {
                let text: String = message.text.chars().take(160).collect();
                format!(
                    "{} {}{} {text}",
                    message.place,
                    message.topic,
                    if message.retained { " (retained)" } else { "" }
                )
            })
            .collect();
        let (name, messages) = (self.name, lines.join("\n"));
        format!("--- journal of {name}\n{journal}\n--- last messages of {name}\n{messages}")
    }
}
