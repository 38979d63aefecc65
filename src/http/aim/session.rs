//! Access control for the aiming page: one session at a time, entered with a one-time code.

use std::time::Duration;

use super::secret::{Code, Token};

/// How long a session lasts.
pub const LENGTH: Duration = Duration::from_secs(600);

/// Number of wrong codes after which the session ends.
const MAX_TRIES: u32 = 5;

/// Minimum time between two attempts.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Why a code is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is wrong, was used before, or there is no session.
    Invalid,
    /// The last attempt was less than a second ago.
    TooSoon,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its time is over.
    Time,
    /// Too many wrong codes were sent.
    Tries,
    /// Another console began one.
    Replaced,
    /// The console that began it is gone.
    Console,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    number: u64,
    ends: Duration,
    /// `None` once it has been used.
    code: Option<Code>,
    /// What the browser presents once the code has been used.
    token: Token,
    tries: u32,
    last_try: Option<Duration>,
}

/// At most one session.
#[derive(Debug, Default)]
pub struct Sessions {
    current: Option<Session>,
    /// Number of sessions begun so far.
    begun: u64,
}

impl Sessions {
    /// Begins a session at `now`, replacing the current one. Returns its number.
    pub fn begin(&mut self, now: Duration, code: Code, token: Token) -> u64 {
        self.begun += 1;
        self.current = Some(Session {
            number: self.begun,
            ends: now + LENGTH,
            code: Some(code),
            token,
            tries: 0,
            last_try: None,
        });
        self.begun
    }

    /// Why the session with this number has ended; `None` while it is active.
    #[must_use]
    pub fn ended(&self, number: u64, now: Duration) -> Option<End> {
        match &self.current {
            Some(session) if session.number == number => session.end(now),
            None if number == self.begun => Some(End::Console),
            _ => Some(End::Replaced),
        }
    }

    /// Ends the session with this number, if it is the current one.
    pub fn end(&mut self, number: u64) {
        self.current.take_if(|session| session.number == number);
    }

    /// Exchanges the code for the token.
    ///
    /// # Errors
    /// [`Refusal`]; each wrong code counts.
    pub fn redeem(&mut self, now: Duration, code: &str) -> Result<Token, Refusal> {
        let session = self
            .current
            .as_mut()
            .filter(|session| session.end(now).is_none())
            .ok_or(Refusal::Invalid)?;
        let last_try = session.last_try.replace(now);
        if last_try.is_some_and(|last| now.saturating_sub(last) < BETWEEN_TRIES) {
            return Err(Refusal::TooSoon);
        }
        if session.code.take_if(|valid| valid.matches(code)).is_none() {
            session.tries += 1;
            return Err(Refusal::Invalid);
        }
        Ok(session.token.clone())
    }

    /// How much longer the holder of `token` may look; `None` if not at all.
    #[must_use]
    pub fn time_left(&self, now: Duration, token: &str) -> Option<Duration> {
        let session = self.current.as_ref()?;
        let may = session.end(now).is_none() && session.code.is_none() && session.token.matches(token);
        may.then(|| session.ends.saturating_sub(now))
    }

    /// Whether the code of the session with this number was used.
    #[must_use]
    pub fn is_entered(&self, number: u64) -> bool {
        self.current
            .as_ref()
            .is_some_and(|session| session.number == number && session.code.is_none())
    }
}

impl Session {
    fn end(&self, now: Duration) -> Option<End> {
        if now >= self.ends {
            Some(End::Time)
        } else if self.tries >= MAX_TRIES {
            Some(End::Tries)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn begun() -> (Sessions, u64, String) {
        let mut sessions = Sessions::default();
        let code = Code::random().unwrap();
        let text = code.to_string();
        let number = sessions.begin(SECOND, code, Token::random().unwrap());
        (sessions, number, text)
    }

    #[test]
    fn a_code_is_valid_once() {
        let (mut sessions, number, code) = begun();
        assert!(!sessions.is_entered(number));
        let token = sessions.redeem(2 * SECOND, &code).unwrap();
        assert!(sessions.is_entered(number));
        assert_eq!(sessions.redeem(4 * SECOND, &code).unwrap_err(), Refusal::Invalid);
        let left = sessions.time_left(4 * SECOND, token.expose()).unwrap();
        assert_eq!(left, LENGTH - 3 * SECOND);
        assert_eq!(sessions.time_left(4 * SECOND, &code), None);
        assert_eq!(sessions.time_left(4 * SECOND, ""), None);
    }

    #[test]
    fn nothing_outlives_ten_minutes() {
        let (mut sessions, number, code) = begun();
        let token = sessions.redeem(2 * SECOND, &code).unwrap();
        let last = SECOND + LENGTH;
        assert!(sessions.time_left(last - SECOND, token.expose()).is_some());
        assert_eq!(sessions.time_left(last, token.expose()), None);
        assert_eq!(sessions.ended(number, last), Some(End::Time));

        let (mut sessions, _, code) = begun();
        assert_eq!(sessions.redeem(last, &code).unwrap_err(), Refusal::Invalid);
    }

    #[test]
    fn guessing_is_slow_and_ends_the_session() {
        let (mut sessions, number, code) = begun();
        for attempt in 0..MAX_TRIES {
            let now = SECOND * (2 * attempt + 2);
            assert_eq!(sessions.ended(number, now), None);
            assert_eq!(sessions.redeem(now, "0000-0000").unwrap_err(), Refusal::Invalid);
            if attempt + 1 < MAX_TRIES {
                let refusal = sessions.redeem(now + SECOND / 2, &code).unwrap_err();
                assert_eq!(refusal, Refusal::TooSoon, "even with the right code");
            }
        }
        assert_eq!(sessions.ended(number, 60 * SECOND), Some(End::Tries));
        assert_eq!(sessions.redeem(60 * SECOND, &code).unwrap_err(), Refusal::Invalid);
    }

    #[test]
    fn a_new_session_ends_the_old() {
        let (mut sessions, first, code) = begun();
        let token = sessions.redeem(2 * SECOND, &code).unwrap();
        let second = sessions.begin(5 * SECOND, Code::random().unwrap(), Token::random().unwrap());
        assert_eq!(sessions.ended(first, 6 * SECOND), Some(End::Replaced));
        assert_eq!(sessions.time_left(6 * SECOND, token.expose()), None);
        sessions.end(first);
        assert_eq!(
            sessions.ended(second, 6 * SECOND),
            None,
            "it is not the first one's to end"
        );
        sessions.end(second);
        assert_eq!(sessions.ended(second, 6 * SECOND), Some(End::Console));
    }
}
