//! Operations on the installed package.

use super::{camera::boot, service::is_back};
use crate::board::Board;

/// The broker requires a password, in a file that only root can read. The lines from the unit's comment pass
/// it to the daemon as a credential.
pub fn credential(board: &mut Board) {
    board.run(
        "systemctl stop affectd
        cp /etc/mosquitto/mosquitto.conf /tmp/mosquitto.conf
        cp -r /etc/affectd /tmp/affectd
        touch /etc/mosquitto/passwords
        mosquitto_passwd -b /etc/mosquitto/passwords board 'correct horse'
        chown mosquitto /etc/mosquitto/passwords
        echo 'password_file /etc/mosquitto/passwords' >> /etc/mosquitto/mosquitto.conf
        systemctl restart mosquitto
        sed -i 's/^host = .*/&\\nusername = \"board\"/' /etc/affectd/affectd.toml
        (umask 077; printf 'correct horse' > /etc/affectd/mqtt-password)",
    );
    let mark = board.messages.mark();
    board.run("systemctl start --no-block affectd");
    board.until(
        "the connection is refused without the password",
        "systemctl show -p ExecMainStatus affectd | grep -x ExecMainStatus=69",
    );
    assert!(
        board
            .messages
            .received(mark, "availability")
            .iter()
            .all(|message| message.text != "online")
    );

    let mark = board.messages.mark();
    board.run(
        "systemctl cat affectd | sed -n '/add with .systemctl edit affectd/,/^$/s/^#   //p' > /etc/systemd/system/affectd.service.d/password.conf
        grep -q LoadCredential /etc/systemd/system/affectd.service.d/password.conf
        systemctl daemon-reload
        systemctl restart --no-block affectd",
    );
    let online = board.messages.wait_for_word(mark, "availability", "online");
    board.messages.wait_for_category(online.index, "happiness");

    let mark = board.messages.mark();
    board.run(
        "systemctl stop affectd
        rm -r /etc/systemd/system/affectd.service.d/password.conf /etc/affectd
        cp -r /tmp/affectd /etc/affectd
        cp /tmp/mosquitto.conf /etc/mosquitto/mosquitto.conf
        systemctl daemon-reload
        systemctl restart mosquitto
        systemctl start --no-block affectd",
    );
    let online = board.messages.wait_for_word(mark, "availability", "online");
    board.messages.wait_for_category(online.index, "happiness");
}

/// The package is upgraded while the daemon runs.
pub fn upgraded(board: &mut Board) {
    board.build_upgrade();
    let before = boot(board);
    let mark = board.messages.mark();
    board.run("dpkg -i --force-confdef /host/upgrade.deb > /dev/null");
    is_back(board, "stopped", mark, &before);
    assert!(
        board
            .messages
            .received(mark, "availability")
            .iter()
            .all(|message| message.text != "offline")
    );
    board.run("cmp /host/affectd.toml /etc/affectd/affectd.toml");
}
