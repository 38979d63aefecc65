//! The HTTP server of the hardened unit, set up as docs/http.md says.

use rcgen::{CertificateParams, KeyPair};

use crate::board::Board;

/// The name that the certificate is for.
const NAME: &str = "board.example";

/// On a Unix socket, which only root can reach.
pub fn served_on_a_socket(board: &mut Board) {
    configure(board, "listen = \"unix:/run/affectd/http.sock\"");
    let ask = "curl -sf --unix-socket /run/affectd/http.sock http://localhost/readyz";
    board.until("the daemon is ready", ask);
    assert_eq!(
        board.run(&format!("setpriv --reuid=nobody --clear-groups {ask} || echo $?")),
        "7",
        "another user has reached the server"
    );
    board.run("affectd check --running");
    restore(board);
}

/// For other machines, with token, certificate and key as credentials. The unit stays equally hardened.
pub fn served_to_other_machines(board: &mut Board) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    board.write("http.pem", &certificate.pem());
    board.write("http.key", &key.serialize_pem());
    board.run(
        "umask 077
        cp /host/http.pem /host/http.key /etc/affectd/
        head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' > /etc/affectd/http-token
        systemctl cat affectd | sed -n '/HTTP server that other machines/,/^$/s/^#   //p' > /etc/systemd/system/affectd.service.d/http.conf
        test $(grep -c LoadCredential /etc/systemd/system/affectd.service.d/http.conf) = 3
        systemctl daemon-reload",
    );
    configure(
        board,
        "listen = \"[::]:8417\"
token_file = \"/run/credentials/affectd.service/http-token\"
cert_file = \"/run/credentials/affectd.service/http.pem\"
key_file = \"/run/credentials/affectd.service/http.key\"",
    );
    let ask = format!(
        "curl -s -o /dev/null -w '%{{http_code}}' --cacert /host/http.pem --resolve {NAME}:8417:127.0.0.1 https://{NAME}:8417/readyz"
    );
    let token = "-H \"Authorization: Bearer $(cat /etc/affectd/http-token)\"";
    board.until("the daemon is ready", &format!("test $({ask} {token}) = 200"));
    assert_eq!(board.run(&ask), "401", "without the token");
    board.run("affectd check --running");
    let rating = board.run("systemd-analyze security --no-pager --threshold=15 affectd.service | tail -n 1");
    board.report(&rating);

    board.run(
        "rm /etc/systemd/system/affectd.service.d/http.conf /etc/affectd/http.pem /etc/affectd/http.key /etc/affectd/http-token
        systemctl daemon-reload",
    );
    restore(board);
}

/// Restarts the daemon with these settings of the server.
fn configure(board: &mut Board, settings: &str) {
    let mark = board.messages.mark();
    board.run(&format!(
        "cat >> /etc/affectd/affectd.toml << 'end'
[http]
{settings}
end
        systemctl restart affectd"
    ));
    let online = board.messages.wait_for_word(mark, "availability", "online");
    board.messages.wait_for_category(online.index, "happiness");
}

/// Restarts the daemon with the settings of the installation.
fn restore(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("cp /host/affectd.toml /etc/affectd/affectd.toml; systemctl restart affectd");
    let online = board.messages.wait_for_word(mark, "availability", "online");
    board.messages.wait_for_category(online.index, "happiness");
}
