#!/bin/bash
# What happens on the emulated board, step by step as a technician would do it. It only acts, and waits until the broker's subscriber has
# seen what must follow; check.py judges the messages afterwards.
# Beside it in /host: affectd.deb, later.deb, frame.yuyv, affectd.toml; it writes messages.
set -euo pipefail
messages=/host/messages
broker=(-h 127.0.0.1 -u watcher -P watching)

# Starts a scenario: its name stands among the messages, so that each of them belongs to one.
scenario() {
	mosquitto_pub "${broker[@]}" -t scenario -m "$1"
	until tail -n 20 "$messages" | grep -q "\"payload\":\"$1\""; do sleep 0.1; done
	first=$(wc -l < "$messages")
	echo "== $1 after $(cut -d ' ' -f 1 /proc/uptime) s"
}

# Waits until the scenario has brought a message, given as topic and part of its payload.
wait_for() {
	local deadline=$((SECONDS + 240))
	until tail -n "+$((first + 1))" "$messages" | grep "\"topic\":\"affectd/board/$1\"" | grep -qF "$2"; do
		if [ $SECONDS -gt $deadline ]; then
			echo "FAILED: no $2 on $1" >&2
			systemctl status --no-pager --lines=30 affectd >&2 || true
			exit 1
		fi
		sleep 0.2
	done
}

a_face() {
	wait_for camera 'ok'
	wait_for state '\"faces\":2'
}

# The broker wants a password, as brokers do.
touch /etc/mosquitto/passwd
mosquitto_passwd -b /etc/mosquitto/passwd affectd 'correct horse'
mosquitto_passwd -b /etc/mosquitto/passwd watcher watching
printf '%s\n' 'listener 1883 127.0.0.1' 'password_file /etc/mosquitto/passwd' > /etc/mosquitto/conf.d/board.conf
systemctl restart mosquitto
mosquitto_sub "${broker[@]}" -t '#' -F '%j' > "$messages" &

# A camera that shows what it is fed.
modprobe vivid n_devs=1 node_types=0x101 num_inputs=1 input_types=0x3 num_outputs=1 output_types=0x1
udevadm settle
for node in 0 1; do
	v4l2-ctl -d /dev/video$node --set-dv-bt-timings index=0
done
v4l2-ctl -d /dev/video0 -c osd_text_mode=2,loop_video=1
v4l2-ctl -d /dev/video1 --set-fmt-video-out width=640,height=480,pixelformat=YUYV
v4l2-ctl -d /dev/video1 --stream-out-mmap=3 --stream-loop --stream-from=/host/frame.yuyv > /dev/null 2>&1 &

scenario 80-installed
dpkg -i /host/affectd.deb
affectd probe
sleep 3

scenario 81-a-face-through-the-hardened-unit
cp /host/affectd.toml /etc/affectd/affectd.toml
# As the unit's own comment says: nobody but root may read the password, and systemd hands it to the daemon.
(umask 077 && printf 'correct horse' > /etc/affectd/mqtt-password)
mkdir -p /etc/systemd/system/affectd.service.d
systemctl cat affectd | sed -n '/^# .*systemctl edit/,/^$/s/^#   //p' > /etc/systemd/system/affectd.service.d/override.conf
systemctl daemon-reload
systemctl enable --now affectd
a_face

scenario 82-read-only-root
mount -o remount,ro /
systemctl restart affectd
a_face
mount -o remount,rw /

scenario 83-upgraded-while-running
dpkg -i --force-confdef /host/later.deb
wait_for availability online
a_face

scenario 84-purged
dpkg -P affectd
wait_for availability stopped
sleep 1
scenario the-end
