//! What happens to the installed package.

use super::{camera::boot, service::is_back};
use crate::board::Board;

/// The broker asks for a password: the lines that the unit's own comment names hand it over, and nobody but root can read its file.
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
        "refused without the password",
        "systemctl show -p ExecMainStatus affectd | grep -x ExecMainStatus=69",
    );
    assert!(
        board
            .seen(mark, "availability")
            .iter()
            .all(|message| message.text != "online")
    );

    let mark = board.messages.mark();
    board.run(
        "systemctl cat affectd | sed -n '/systemctl edit affectd. adds/,/^$/s/^#   //p' > /etc/systemd/system/affectd.service.d/password.conf
        grep -q LoadCredential /etc/systemd/system/affectd.service.d/password.conf
        systemctl daemon-reload
        systemctl restart --no-block affectd",
    );
    let online = board.see_availability(mark, "online");
    board.see_category(online.place, "happiness");

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
    let online = board.see_availability(mark, "online");
    board.see_category(online.place, "happiness");
}

/// The next version is installed while it runs.
pub fn upgraded(board: &mut Board) {
    board.release_later();
    let before = boot(board);
    let mark = board.messages.mark();
    board.run("dpkg -i --force-confdef /host/later.deb > /dev/null");
    is_back(board, "stopped", mark, &before);
    assert!(
        board
            .seen(mark, "availability")
            .iter()
            .all(|message| message.text != "offline")
    );
    board.run("cmp /host/affectd.toml /etc/affectd/affectd.toml");
}
