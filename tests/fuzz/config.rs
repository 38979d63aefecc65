//! Settings, and the files that they name.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::Path};

use affectd::{
    config::{DEFAULT_TOML, DeviceId, Loaded, Origin, Override, stack},
    measure::budgets,
    publish::{PublishError, options},
    text,
};

use crate::{memory_file::MemoryFile, target::fuzz};

/// Checks the settings that are used as divisors, allocation sizes or timeouts.
fn assert_in_range(loaded: &Loaded) {
    let settings = &loaded.settings;
    assert!((16..=8192).contains(&settings.camera.width) && (16..=8192).contains(&settings.camera.height));
    for positive in [
        settings.camera.rate,
        settings.camera.timeout.as_secs_f32(),
        settings.expression.rate,
        settings.mqtt.rate.per_second() as f32,
    ] {
        assert!(positive.is_finite() && positive > 0.0, "{positive}");
    }
    assert!(DeviceId::is_valid(&settings.device_id()));
}

#[test]
fn file() {
    fuzz("config__file", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match stack(Some((Path::new("fuzz.toml"), &text)), &[], &[]) {
            Ok(loaded) => {
                assert_in_range(&loaded);
                let printed = loaded.to_toml();
                assert!(!printed.replace('\n', " ").contains(text::is_unsafe), "{printed}");
                // The printed settings can be read back and are the same, unless credentials were removed:
                // what is left of a value may be longer, or may be no host name.
                match stack(Some((Path::new("printed.toml"), &printed)), &[], &[]) {
                    Ok(again) if !printed.contains("***") => assert_eq!(again.settings, loaded.settings),
                    Ok(_) => {}
                    Err(invalid) => assert!(printed.contains("***"), "{invalid}"),
                }
            }
            Err(invalid) => {
                let lines = text.split('\n').count();
                assert!(!invalid.diagnostics.is_empty());
                for diagnostic in &invalid.diagnostics {
                    if let Origin::File(_, line) = diagnostic.origin {
                        assert!((1..=lines + 1).contains(&line), "{diagnostic}");
                    }
                    assert!(!diagnostic.to_string().contains(text::is_unsafe), "{diagnostic}");
                }
            }
        }
    });
}

/// Variables and options: `name=value`, one a line. Both the name and the value are untrusted.
#[test]
fn environment() {
    fuzz("config__environment", |bytes| {
        let pairs = bytes.split(|&byte| byte == b'\n').filter_map(|line| {
            let at = line.iter().position(|&byte| byte == b'=')?;
            Some((&line[..at], &line[at + 1..]))
        });
        let variables: Vec<_> = pairs
            .clone()
            .map(|(name, value)| {
                (
                    OsString::from_vec([b"AFFECTD_", name].concat()),
                    OsString::from_vec(value.to_vec()),
                )
            })
            .collect();
        let options: Vec<_> = pairs
            .map(|(name, value)| Override {
                option: "--set".to_owned(),
                key: String::from_utf8_lossy(name).into_owned(),
                value: String::from_utf8_lossy(value).into_owned(),
            })
            .collect();
        for loaded in [stack(None, &variables, &[]), stack(None, &[], &options)] {
            match loaded {
                Ok(loaded) => assert_in_range(&loaded),
                Err(invalid) => assert!(!invalid.to_string().replace('\n', " ").contains(text::is_unsafe)),
            }
        }
    });
}

/// The files of the password, of the certificates and of the client's key.
#[test]
fn credentials() {
    let loaded = stack(Some((Path::new("default.toml"), DEFAULT_TOML)), &[], &[]).unwrap();
    fuzz("config__credentials", move |bytes| {
        let file = MemoryFile::new(bytes);
        let mut settings = loaded.settings.mqtt.clone();
        settings.host = vec!["broker".to_owned()];
        settings.username = "user".to_owned();
        settings.password_file = file.path().to_owned();
        let assert_legible = |error: Option<PublishError>| {
            let text = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(!text.contains(text::is_unsafe), "{text}");
        };
        assert_legible(options::login(&settings, "affectd-lobby".to_owned()).err());
        settings.tls = true;
        settings.ca_file = file.path().to_owned();
        assert_legible(options::connector(&settings).err());
        settings.client_cert_file = file.path().to_owned();
        settings.client_key_file = file.path().to_owned();
        assert_legible(options::connector(&settings).err());
    });
}

/// models/budgets.toml is built in, but written by hand.
#[test]
fn budgets() {
    fuzz("config__budgets", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Err(diagnostic) = budgets::read(&text) {
            assert!(!diagnostic.to_string().contains(text::is_unsafe));
        }
    });
}
