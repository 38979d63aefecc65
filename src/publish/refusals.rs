//! Tells a broker that rejects the credentials from one that is starting up.

/// A broker that accepted these credentials before and now refuses them may be starting up or being
/// reconfigured. After this many refusals in a row, which take a minute or more, the refusal is permanent.
const LIMIT: u32 = 6;

/// Counts refusals of the credentials.
#[derive(Debug, Default)]
pub struct Refusals {
    /// Whether the broker ever accepted the credentials.
    accepted: bool,
    in_a_row: u32,
}

impl Refusals {
    /// The broker accepted the credentials.
    pub fn accepted(&mut self) {
        *self = Self {
            accepted: true,
            in_a_row: 0,
        };
    }

    /// The broker refused the credentials. Returns whether that is permanent: the first time if it never
    /// accepted them.
    pub fn refused(&mut self) -> bool {
        self.in_a_row += 1;
        !self.accepted || self.in_a_row >= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_were_never_accepted_are_refused_permanently() {
        assert!(Refusals::default().refused());
    }

    #[test]
    fn accepted_credentials_are_refused_after_the_limit() {
        let mut refusals = Refusals::default();
        for _ in 0..3 {
            refusals.accepted();
            let answers: Vec<bool> = (0..LIMIT).map(|_| refusals.refused()).collect();
            assert_eq!(answers, [false, false, false, false, false, true]);
        }
    }
}
