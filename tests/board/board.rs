//! The device under test: a machine with a camera, GPIO lines, a broker and an MQTT subscriber.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    machine::{self, Machine, Parts, TIMEOUT_FACTOR},
    messages::{Message, Messages},
    picture,
};

/// Prefix of the device's topics.
const BASE: &str = "affectd/kiosk";

/// Contents of `/etc/affectd/affectd.toml`. Like the links in /dev/v4l/by-id, the camera's path exists only
/// while the camera is connected.
const CONFIG: &str = r#"
device = "kiosk"
[camera]
device = "/dev/camera"
format = "auto"
[mqtt]
host = "127.0.0.1"
refresh_s = 20
health_s = 2
"#;

/// Control files of the simulated GPIO chip.
const GPIO_CHIP: &str = "/sys/devices/platform/gpio-sim.*/gpiochip*";

/// Name of the frame without a portrait.
pub const NO_FACE: &str = "wall";

pub struct Board {
    name: &'static str,
    parts: Parts,
    machine: Option<Machine>,
    pub messages: Messages,
    /// Name of the frame that the camera shows.
    subject: String,
}

impl Board {
    /// Boots a board with a writable root, as needed for an installation, and the package in /host.
    pub fn new(name: &'static str, parts: Parts, package: &Path) -> Self {
        let host = parts.host();
        fs::copy(package, host.join("affectd.deb")).unwrap();
        fs::copy(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/target/run.sh"),
            host.join("run.sh"),
        )
        .unwrap();
        fs::write(host.join("affectd.toml"), format!("{CONFIG}{}", machine::CONFIG)).unwrap();
        fs::write(host.join("test.conf"), machine::UNIT_DROP_IN).unwrap();
        for portrait in ["astronaut", "grace_hopper"] {
            picture::write(Some(&format!("{portrait}.jpg")), &host.join(portrait));
        }
        picture::write(None, &host.join(NO_FACE));
        Self {
            name,
            machine: Some(Machine::boot(&parts, "rw")),
            messages: Messages::in_file(host.join("messages"), BASE),
            parts,
            subject: NO_FACE.into(),
        }
    }

    /// Prints a line of the report, indented below the scenario names.
    pub fn report(&self, text: &str) {
        let margin = format!("   {}     ", self.name);
        println!(
            "{margin}{}",
            text.trim_end().replace('\n', &format!("\n{margin}"))
        );
    }

    /// Writes a file into /host.
    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.parts.host().join(name), content).unwrap();
    }

    /// Builds an upgrade of the installed package in /host.
    pub fn build_upgrade(&self) {
        let host = self.parts.host();
        let status = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cross/later-deb.sh"))
            .args([host.join("affectd.deb"), host.join("upgrade.deb")])
            .status();
        assert!(status.unwrap().success(), "cannot build the upgrade");
    }

    /// Cuts the power, then boots with a read-only root.
    pub fn power_cut(&mut self) {
        self.machine.take();
        self.machine = Some(Machine::boot(&self.parts, "ro"));
    }

    /// Runs a script on the board, which must succeed, and returns its output.
    pub fn run(&mut self, script: &str) -> String {
        self.machine.as_mut().unwrap().shell.run(script)
    }

    /// Returns a property of the daemon's unit.
    pub fn unit(&mut self, property: &str) -> String {
        self.run(&format!("systemctl show --value -p {property} affectd"))
    }

    // --- the camera ---

    /// Binds the camera's driver, connects its input to the output that plays the subject, and links its
    /// path.
    pub fn plug_in(&mut self) {
        self.bind(picture::SIZE.0, picture::SIZE.1);
        self.show(&self.subject.clone());
        self.run("ln -sfn video0 /dev/camera");
    }

    /// Like [`Self::plug_in`], with a frame size other than the subject's, so the subject is not shown.
    pub fn plug_in_with_size(&mut self, width: u32, height: u32) {
        self.bind(width, height);
        // Without a scaler, the driver delivers this size regardless of the size requested.
        self.run(
            "for part in cropping composing scaler; do v4l2-ctl -d 0 --set-ctrl enable_capture_$part=0; done
            ln -sfn video0 /dev/camera",
        );
    }

    /// Binds the driver and sets the size of its frames.
    fn bind(&mut self, width: u32, height: u32) {
        self.run(&format!(
            "test -e /sys/bus/platform/drivers/vivid/vivid.0 || echo vivid.0 > /sys/bus/platform/drivers/vivid/bind
            udevadm settle
            for node in 0 1; do v4l2-ctl -d $node --set-dv-bt-timings cvt,width={width},height={height},fps=36 > /dev/null; done
            v4l2-ctl -d 0 --set-fmt-video width={width},height={height},pixelformat=YUYV
            v4l2-ctl -d 1 --set-fmt-video-out width={width},height={height},pixelformat=YUYV
            v4l2-ctl -d 0 --set-ctrl osd_text_mode=2
            # Linux 6.12 and later, and earlier versions.
            v4l2-ctl -d 0 --set-ctrl hdmi_000_0_is_connected_to=2 2> /dev/null || v4l2-ctl -d 0 --set-ctrl loop_video=1",
        ));
    }

    /// Unbinds the camera's driver, even while the camera is streaming.
    pub fn pull_out(&mut self) {
        self.run(
            "rm /dev/camera; echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind; systemctl stop subject || true",
        );
    }

    /// Shows the camera a frame.
    pub fn show(&mut self, subject: &str) {
        self.subject = subject.into();
        // v4l2-ctl reads its input through stdio. With the default buffer each frame takes 150 system calls,
        // half of this machine's time, so the buffer holds a whole frame.
        let frame = picture::BYTES;
        self.run(&format!(
            "systemctl stop subject 2> /dev/null
            systemd-run --quiet --collect --unit=subject -p StandardError=null -p StandardOutput=null -p Nice=19 \
                -p StandardInput=file:/host/{subject} \
                stdbuf -i {frame} v4l2-ctl -d 1 --stream-out-mmap=3 --stream-from=- --stream-loop"
        ));
    }

    // --- GPIO ---

    /// Creates the GPIO chip with the switch and the LED, if the kernel has gpio-sim. The switch is off.
    pub fn add_gpio(&mut self) {
        if !machine::HAS_GPIO {
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
        self.set_privacy_switch(false);
    }

    /// Removes the GPIO chip.
    pub fn remove_gpio(&mut self) {
        self.run("echo 0 > /sys/kernel/config/gpio-sim/pins/live");
    }

    /// Sets the privacy switch.
    pub fn set_privacy_switch(&mut self, private: bool) {
        let pull = if private { "pull-up" } else { "pull-down" };
        self.run(&format!("echo {pull} > {GPIO_CHIP}/sim_gpio0/pull"));
    }

    /// Waits until the LED is on or off.
    pub fn wait_for_led(&mut self, lit: bool) {
        let level = u8::from(lit);
        let script = format!("grep -qx {level} {GPIO_CHIP}/sim_gpio1/value");
        self.until(&format!("the LED's level is {level}"), &script);
    }

    /// Reads the LED's level for two seconds, and returns how often it changed.
    pub fn led_changes(&mut self) -> usize {
        let levels = self.run(&format!(
            "for reading in $(seq 40); do cat {GPIO_CHIP}/sim_gpio1/value; sleep 0.05; done"
        ));
        let levels: Vec<&str> = levels.lines().collect();
        levels.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    // --- the subscriber ---

    /// Returns the retained message of a topic, which a new subscriber receives first.
    pub fn retained(&mut self, topic: &str) -> Message {
        let text = self.run(&format!(
            "mosquitto_sub -h 127.0.0.1 -t {BASE}/{topic} --retained-only -C 1 -W 5 -F %p"
        ));
        Message {
            index: 0,
            topic: format!("{BASE}/{topic}"),
            retained: true,
            text,
            received: None,
        }
    }

    /// Sleeps while the board keeps running.
    pub fn wait(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Waits until a script succeeds, for a condition that is not published.
    pub fn until(&mut self, what: &str, script: &str) {
        self.until_within(Duration::from_secs(30) * TIMEOUT_FACTOR, what, script);
    }

    /// Like [`Self::until`], with its own time limit.
    pub fn until_within(&mut self, timeout: Duration, what: &str, script: &str) {
        let deadline = Instant::now() + timeout;
        let machine = self.machine.as_mut().unwrap();
        while machine.shell.try_run(script).0 != 0 {
            assert!(Instant::now() < deadline, "timed out waiting: {what}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Collects the journal and the last messages, to diagnose a failure.
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
                    message.index,
                    message.topic,
                    if message.retained { " (retained)" } else { "" }
                )
            })
            .collect();
        let (name, messages) = (self.name, lines.join("\n"));
        format!("--- journal of {name}\n{journal}\n--- last messages of {name}\n{messages}")
    }
}
