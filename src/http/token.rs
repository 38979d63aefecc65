//! The token that other machines must present, and the rate limit on guessing it.

use std::{
    net::{IpAddr, Ipv6Addr},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use subtle::ConstantTimeEq;

use super::error::HttpError;
use crate::{file, text};

/// The largest file.
const MAX_FILE: u64 = 4 << 10;

/// A shorter token could be guessed.
const MIN_LENGTH: usize = 16;

/// The user name that goes with the token in a browser's login dialog.
pub const USER: &str = "affectd";

/// How long an address must wait after a wrong token.
const PAUSE: Duration = Duration::from_secs(1);

/// Number of addresses whose last failed attempt is remembered.
const ADDRESSES: usize = 32;

/// The accepted token, compared in constant time so that timing does not reveal how much of a guess is right.
pub struct Token {
    /// The accepted values of the `Authorization` header.
    accepted: [String; 2],
    failures: Mutex<heapless::Vec<Failure, ADDRESSES>>,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    address: IpAddr,
    at: Duration,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The token is right.
    Granted,
    /// It is missing or wrong.
    Denied,
    /// This one was not checked: less than a second ago the same address sent a wrong one, or too many
    /// addresses did.
    TooSoon,
}

impl Token {
    /// Reads the token: one line of at least 16 printable characters.
    ///
    /// # Errors
    /// [`HttpError`] if the file cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<Self, HttpError> {
        const KEY: &str = "http.token_file";
        let bytes = file::read(path, MAX_FILE).map_err(|source| HttpError::File {
            key: KEY,
            path: text::path(path),
            source,
        })?;
        let unusable = |reason: &str| HttpError::Content {
            key: KEY,
            path: text::path(path),
            reason: reason.to_owned(),
        };
        let token = std::str::from_utf8(bytes.trim_ascii_end()).unwrap_or_default();
        if token.len() < MIN_LENGTH || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unusable(
                "one line of at least 16 printable ASCII characters is needed",
            ));
        }
        Ok(Self::new(token))
    }

    fn new(token: &str) -> Self {
        let basic = BASE64_STANDARD.encode(format!("{USER}:{token}"));
        Self {
            accepted: [format!("Bearer {token}"), format!("Basic {basic}")],
            failures: Mutex::default(),
        }
    }

    /// The header's value for this program's own requests.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.accepted[0]
    }

    /// Checks the header `Authorization` of a request from `address` at the monotonic time `now`. A request
    /// without the header is denied but does not count as an attempt.
    pub fn check(&self, address: IpAddr, header: Option<&[u8]>, now: Duration) -> Access {
        let Some(header) = header else {
            return Access::Denied;
        };
        let address = network(address);
        // Plain values: a panic elsewhere leaves them consistent.
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|failure| now.saturating_sub(failure.at) < PAUSE);
        // When too many addresses have just failed, no other address may try.
        if failures.is_full() || failures.iter().any(|failure| failure.address == address) {
            return Access::TooSoon;
        }
        let matches = |accepted: &String| accepted.as_bytes().ct_eq(header);
        if (matches(&self.accepted[0]) | matches(&self.accepted[1])).into() {
            return Access::Granted;
        }
        // There is room: a full list is `TooSoon` above.
        let _ = failures.push(Failure { address, at: now });
        Access::Denied
    }
}

/// An IPv6 network counts as one address, because its owner has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use super::*;

    const SECRET: &str = "correct-horse-battery";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_token_and_a_browsers_password_are_accepted() {
        let token = Token::new(SECRET);
        let check = |header: &str| {
            token.check(
                address("10.0.0.1"),
                Some(header.as_bytes()),
                Duration::from_secs(9),
            )
        };
        assert_eq!(check("Bearer correct-horse-battery"), Access::Granted);
        // affectd:correct-horse-battery
        assert_eq!(
            check("Basic YWZmZWN0ZDpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="),
            Access::Granted
        );
        assert_eq!(check("Bearer correct-horse-batter"), Access::Denied);
        assert_eq!(check("Bearer correct-horse-battery"), Access::TooSoon);
    }

    #[test]
    fn wrong_tokens_are_limited_per_address() {
        let token = Token::new(SECRET);
        let ms = Duration::from_millis;
        let wrong = |from: &str, at| token.check(address(from), Some(b"Bearer x"), at);
        assert_eq!(wrong("10.0.0.1", ms(5000)), Access::Denied);
        assert_eq!(wrong("10.0.0.1", ms(5999)), Access::TooSoon);
        assert_eq!(wrong("10.0.0.2", ms(5999)), Access::Denied);
        assert_eq!(wrong("10.0.0.1", ms(6000)), Access::Denied);
        assert_eq!(wrong("2001:db8::1", ms(6000)), Access::Denied);
        assert_eq!(
            wrong("2001:db8::2", ms(6000)),
            Access::TooSoon,
            "the same network"
        );
        assert_eq!(token.check(address("10.0.0.9"), None, ms(6000)), Access::Denied);
        assert_eq!(
            wrong("10.0.0.9", ms(6000)),
            Access::Denied,
            "no header was no try"
        );
    }

    #[test]
    fn more_addresses_than_are_remembered_must_wait() {
        let token = Token::new(SECRET);
        let second = Duration::from_secs(1);
        let wrong = |last: usize, at| token.check(address(&format!("10.0.0.{last}")), Some(b"Bearer x"), at);
        for last in 0..ADDRESSES {
            assert_eq!(wrong(last, second), Access::Denied);
        }
        assert_eq!(wrong(200, second), Access::TooSoon);
        assert_eq!(wrong(200, 2 * second), Access::Denied);
    }

    #[test]
    fn a_file_without_a_token_is_refused_and_not_shown() {
        for content in [
            "",
            "short\n",
            "two lines of\nmore than sixteen",
            "sixteen characters",
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            let error = Token::read(file.path()).err().unwrap().to_string();
            assert!(error.contains("at least 16"), "{error}");
            assert!(content.is_empty() || !error.contains(content.trim()), "{error}");
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{SECRET}").unwrap();
        assert_eq!(
            Token::read(file.path()).unwrap().header(),
            format!("Bearer {SECRET}")
        );
    }
}
