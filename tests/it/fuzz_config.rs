//! Loading never panics, whatever a configuration file, the environment or the command line contains, and
//! accepted values are in range.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::Path};

use affectd::config::{DEFAULT_TOML, DeviceId, Loaded, Origin, Override, stack};

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
fn any_file() {
    bolero::check!()
        .with_max_len(512)
        .with_iterations(3_000)
        .for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            match stack(Some((Path::new("fuzz.toml"), &text)), &[], &[]) {
                Ok(loaded) => assert_in_range(&loaded),
                Err(invalid) => assert!(!invalid.diagnostics.is_empty() && !invalid.to_string().is_empty()),
            }
        });
}

/// The default file with some bytes replaced, so that most of it is still parsed.
#[test]
fn a_damaged_default_file() {
    bolero::check!()
        .with_max_len(64)
        .with_iterations(3_000)
        .for_each(|bytes: &[u8]| {
            let mut text = DEFAULT_TOML.as_bytes().to_vec();
            for change in bytes.chunks_exact(3) {
                let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % text.len();
                text[at] = change[2];
            }
            let text = String::from_utf8_lossy(&text);
            match stack(Some((Path::new("fuzz.toml"), &text)), &[], &[]) {
                Ok(loaded) => assert_in_range(&loaded),
                Err(invalid) => {
                    let lines = text.lines().count();
                    for diagnostic in &invalid.diagnostics {
                        if let Origin::File(_, line) = diagnostic.origin {
                            assert!((1..=lines + 1).contains(&line), "{diagnostic}");
                        }
                    }
                }
            }
        });
}

#[test]
fn any_variable_and_any_option() {
    const KEYS: [&str; 6] = [
        "camera.width",
        "camera.command",
        "camera.rate",
        "mqtt.host",
        "mqtt.tls",
        "camera.source",
    ];
    bolero::check!()
        .with_max_len(64)
        .with_iterations(3_000)
        .for_each(|bytes: &[u8]| {
            let Some((first, rest)) = bytes.split_first() else {
                return;
            };
            let key = KEYS[usize::from(*first) % KEYS.len()];
            let value = String::from_utf8_lossy(rest).into_owned();
            let variables = [
                (
                    format!("AFFECTD_{}", key.replace('.', "__").to_uppercase()).into(),
                    OsString::from_vec(rest.to_vec()),
                ),
                (OsString::from_vec([b"AFFECTD_", rest].concat()), "1".into()),
            ];
            let options = [
                Override {
                    option: "--set".to_owned(),
                    key: key.to_owned(),
                    value: value.clone(),
                },
                Override {
                    option: "--set".to_owned(),
                    key: value,
                    value: "1".to_owned(),
                },
            ];
            let _ = stack(None, &variables[..1], &[]);
            let _ = stack(None, &variables[1..], &[]);
            if let Ok(loaded) = stack(None, &[], &options[..1]) {
                assert_in_range(&loaded);
            }
            let _ = stack(None, &[], &options[1..]).map_err(|invalid| invalid.to_string());
        });
}
