//! The code that a person types and the token that the browser keeps: random, compared in constant time,
//! never logged.

use std::fmt;

use subtle::ConstantTimeEq as _;

/// Crockford's Base32, which has no easily confused letters.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Length of a code: 40 bits are enough for five attempts.
const CODE_LENGTH: usize = 8;

/// No random numbers are available.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoRandom(getrandom::Error);

/// The code that opens the page, as in `7K3M-Q9TD`.
pub struct Code([u8; CODE_LENGTH]);

impl Code {
    /// A new code.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub fn random() -> Result<Self, NoRandom> {
        let mut bytes = [0; CODE_LENGTH];
        getrandom::fill(&mut bytes).map_err(NoRandom)?;
        Ok(Self(bytes.map(|byte| ALPHABET[usize::from(byte % 32)])))
    }

    /// Whether `text` is this code: case, spaces and hyphens are ignored, O is read as 0, and I and L as 1.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let typed = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-'));
        let typed: Vec<u8> = typed
            .take(CODE_LENGTH + 1)
            .map(|byte| match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            })
            .collect();
        is_equal(&typed, &self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index == CODE_LENGTH / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*byte))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(secret)")
    }
}

/// What a browser presents once its code has been accepted.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new token of 128 bits.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub fn random() -> Result<Self, NoRandom> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(NoRandom)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Whether `text` is this token.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        is_equal(text.as_bytes(), self.0.as_bytes())
    }

    /// The token itself, for the browser's cookie.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

/// Compares in constant time, so timing does not reveal how much of a guess is right.
fn is_equal(guess: &[u8], secret: &[u8]) -> bool {
    guess.ct_eq(secret).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_code_may_be_typed_carelessly() {
        let code = Code(*b"7K3M01TD");
        assert_eq!(code.to_string(), "7K3M-01TD");
        for text in ["7K3M-01TD", "7k3m01td", " 7k3m oltd ", "7K3M-OITD"] {
            assert!(code.matches(text), "{text:?}");
        }
        for text in ["", "7K3M-01T", "7K3M-01TDX", "7K3M-01TE"] {
            assert!(!code.matches(text), "{text:?}");
        }
    }

    #[test]
    fn codes_and_tokens_differ_and_are_not_shown() {
        let (first, second) = (Code::random().unwrap(), Code::random().unwrap());
        assert_ne!(first.to_string(), second.to_string());
        assert!(!format!("{first:?}").contains(&first.to_string()));
        let token = Token::random().unwrap();
        assert_eq!(token.expose().len(), 32);
        assert!(token.matches(token.expose()) && !token.matches(""));
        assert!(!format!("{token:?}").contains(token.expose()));
    }
}
