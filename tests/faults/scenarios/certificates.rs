//! Certificates that a broker presents, with one fault each.

use crate::{
    certificates::{Authority, expired, not_yet_valid},
    lab::Lab,
    runner::{Impossible, Outcome, Scenario},
};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "expired",
        fault: "the certificate has expired",
        promise: "`check` and the log say so, and ask for the clock",
        run: |lab| refused(lab, &["localhost"], expired, &["expired", "clock"]),
    },
    Scenario {
        name: "not-yet-valid",
        fault: "the certificate is not valid yet",
        promise: "`check` and the log say so, and ask for the clock",
        run: |lab| refused(lab, &["localhost"], not_yet_valid, &["not valid yet", "clock"]),
    },
    Scenario {
        name: "other-name",
        fault: "the certificate is for another name",
        promise: "the name that it is for, and the setting, are named",
        run: |lab| refused(lab, &["broker.example"], |_| (), &["broker.example", "mqtt.host"]),
    },
    Scenario {
        name: "no-name",
        fault: "the certificate has a common name but no subjectAltName",
        promise: "it says what is missing",
        run: |lab| refused(lab, &[], |_| (), &["subjectAltName"]),
    },
    Scenario {
        name: "unknown-authority",
        fault: "another authority has signed the certificate",
        promise: "the file of the trusted authorities is named",
        run: unknown_authority,
    },
    Scenario {
        name: "version-1",
        fault: "the certificate is of X.509 version 1, as openssl(1) makes it by default",
        promise: "it says that version 3 and a subjectAltName are needed",
        run: version_1,
    },
    Scenario {
        name: "client-certificate",
        fault: "the broker wants a client certificate",
        promise: "the log says so",
        run: client_certificate,
    },
];

/// Asserts that the output of `check` against the broker, and the first log line of `run` about it, contain
/// the words.
fn says(lab: &Lab, port: u16, ca: &std::path::Path, words: &[&str]) -> Outcome {
    let setup = || {
        lab.daemon()
            .set("mqtt.host=localhost")
            .set(format!("mqtt.port={port}"))
            .set("mqtt.tls=true")
            .set(format!("mqtt.ca_file={}", ca.display()))
    };
    let mut check = setup().called("check").subcommand("check").start();
    let status = check.wait();
    let output = check.output() + &check.log();
    assert_eq!(status.code(), Some(69), "{output}");
    let mut daemon = setup().start();
    daemon.wait_for_log("trying again");
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("trying again")).unwrap();
    for text in [output.as_str(), line] {
        for word in words {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
    }
    daemon.stop("TERM");
    let (_, reason) = line.split_once("trying again: ").unwrap_or(("", line));
    Ok(format!("“{reason}”"))
}

fn refused(lab: &Lab, names: &[&str], fault: fn(&mut rcgen::CertificateParams), words: &[&str]) -> Outcome {
    let authority = Authority::new(lab);
    authority.issue(names, fault);
    let broker = authority.broker("");
    says(lab, broker.port, &authority.file(), words)
}

fn unknown_authority(lab: &Lab) -> Outcome {
    let other = Lab::new("unknown-authority");
    let authority = Authority::new(lab);
    authority.issue(&["localhost"], |_| ());
    let broker = authority.broker("");
    let ca = Authority::new(&other).file();
    says(
        lab,
        broker.port,
        &ca,
        &[
            "must be signed by one of the authorities in",
            &ca.display().to_string(),
        ],
    )
}

fn version_1(lab: &Lab) -> Outcome {
    if !crate::lab::has_program("openssl") {
        return Err(Impossible("openssl is not installed"));
    }
    let authority = Authority::new(lab);
    authority.issue_by_openssl();
    let broker = authority.broker("");
    says(
        lab,
        broker.port,
        &authority.file(),
        &["version 1", "subjectAltName"],
    )
}

fn client_certificate(lab: &Lab) -> Outcome {
    let authority = Authority::new(lab);
    authority.issue(&["localhost"], |_| ());
    let config = format!(
        "cafile {}\nrequire_certificate true\n",
        authority.file().display()
    );
    let broker = authority.broker(&config);
    says(lab, broker.port, &authority.file(), &["client certificate"])
}
