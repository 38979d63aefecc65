//! Secrets that follow their name: `password=…`, `Token: …`, `--password …`, `Authorization: …`.

use std::ops::Range;

use super::{
    names::{self, Kind},
    words::is_quote,
};

/// What the text after a text is, if it continues there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// No secret.
    Nothing,
    /// The value of a secret.
    Value,
    /// A secret to its end.
    Rest,
    /// A user name, or user name and password with a colon in between.
    Login,
    /// A password or a port.
    Password,
}

/// Adds the value of every secret that `text` names, and returns what would follow the text.
pub(super) fn find(text: &str, spans: &mut Vec<Range<usize>>) -> Open {
    let mut open = Open::Nothing;
    let mut before = 0..0;
    let mut at = 0;
    while let Some(length) = text[at..].find(is_part) {
        let start = at + length;
        let length = text[start..].find(|c| !is_part(c));
        let end = length.map_or(text.len(), |length| start + length);
        at = end;
        let is_next = &text[before.end..start] == " ";
        let kind = names::kind(&text[start..end], if is_next { &text[before] } else { "" });
        before = start..end;
        let Some(kind) = kind else {
            continue;
        };
        let name = Name {
            text,
            kind,
            start,
            end,
        };
        match name.secret() {
            Found::Nothing => {}
            Found::Secret(span) => {
                // The last name in it may announce what follows: "secret key: …".
                let trimmed = text[..span.end].trim_end_matches(|c| !is_part(c));
                at = if trimmed.len() > span.start {
                    end.max(trimmed.trim_end_matches(is_part).len())
                } else {
                    end.max(span.end)
                };
                spans.push(span);
            }
            Found::Open(next) => open = next,
        }
    }
    open
}

/// What follows a name.
enum Found {
    /// No secret.
    Nothing,
    /// A secret in these bytes.
    Secret(Range<usize>),
    /// The end of the text.
    Open(Open),
}

/// A name that may announce a secret.
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What lies between a name and its value.
pub(super) struct Gap {
    /// Where the value begins.
    pub(super) value: usize,
    /// There is a separator such as `:` or `=`.
    is_separated: bool,
    /// White space precedes the value.
    pub(super) is_spaced: bool,
    /// The name ended with a quotation mark.
    pub(super) is_quoted: bool,
}

impl Name<'_> {
    fn secret(&self) -> Found {
        let Some(gap) = self.gap() else {
            return Found::Nothing;
        };
        if gap.value == self.text.len() {
            return self.open(&gap).map_or(Found::Nothing, Found::Open);
        }
        let value = &self.text[gap.value..];
        let (separated, spaced) = (gap.is_separated, gap.is_spaced);
        let span = match self.kind {
            Kind::Header if separated => Some(self.header(&gap)),
            Kind::Header if spaced && self.is_option() => self.prose(&gap),
            Kind::Secret | Kind::Ambiguous if separated => self.separated(&gap),
            Kind::Secret if spaced => self.prose(&gap),
            Kind::Ambiguous if spaced && self.is_option() => self.prose(&gap),
            Kind::Scheme if spaced && !separated => self.scheme(&gap),
            Kind::User if spaced || separated => self.login(&gap),
            Kind::Port if spaced && !separated => self.password_or_port(&gap),
            Kind::Parameter if separated && self.text[..self.start].ends_with(['?', '&']) => {
                self.separated(&gap)
            }
            Kind::Quoted if separated && value.starts_with('"') => self.separated(&gap),
            _ => None,
        };
        span.map_or(Found::Nothing, Found::Secret)
    }

    /// What follows the text, if the name is the last in it.
    fn open(&self, gap: &Gap) -> Option<Open> {
        let is_expected = gap.is_separated || self.is_option();
        match self.kind {
            Kind::Header if gap.is_separated => Some(Open::Rest),
            Kind::Header if self.is_option() => Some(Open::Value),
            Kind::Secret | Kind::Scheme => Some(Open::Value),
            Kind::Ambiguous if is_expected => Some(Open::Value),
            Kind::User if is_expected => Some(Open::Login),
            Kind::Port => Some(Open::Password),
            _ => None,
        }
    }

    /// Whether the name of a secret with this kind has a value of several words.
    pub(super) fn is_passphrase(&self) -> bool {
        self.kind == Kind::Secret
    }

    /// Whether this is an option of a command.
    pub(super) fn is_option(&self) -> bool {
        let before = self.text[..self.start].chars().next_back();
        self.text[self.start..].starts_with('-')
            && before.is_none_or(|c| c.is_whitespace() || is_quote(c) || matches!(c, '[' | '(' | ',' | '='))
    }

    fn gap(&self) -> Option<Gap> {
        let (text, is_secret) = (self.text, self.kind == Kind::Secret);
        let rest = &text[self.end..];
        if text[..self.start].ends_with("</") && rest.starts_with('>') {
            return None;
        }
        let closing = |c: char| is_quote(c) || matches!(c, '\\' | ')' | ']');
        let closed = &rest[..rest.len() - rest.trim_start_matches(closing).len()];
        let mut gap = Gap {
            value: self.end + closed.len(),
            is_separated: false,
            is_spaced: false,
            is_quoted: closed.contains(is_quote),
        };
        while let Some(c) = text[gap.value..].chars().next() {
            let after = &text[gap.value + c.len_utf8()..];
            // As in a list: "--password", "x"; or password,x
            let is_comma = (gap.is_quoted && !gap.is_separated)
                || (is_secret && !gap.is_spaced && after.starts_with(char::is_alphanumeric));
            let is_arrow = after.starts_with(|next: char| next.is_whitespace() || is_separator(next));
            if c.is_whitespace() {
                gap.is_spaced = true;
            } else if is_separator(c) || (is_dash(c) && is_arrow) || (c == ',' && is_comma) {
                gap.is_separated = true;
                gap.is_spaced = false;
            } else {
                break;
            }
            gap.value += c.len_utf8();
        }
        // auth::login
        let is_code = !is_secret && rest.starts_with("::");
        let is_group = closed.contains([')', ']']);
        // Of white space, only a separator leads to the next line.
        let is_apart = text[self.end..gap.value].contains(['\n', '\r']);
        let may_follow = gap.is_separated || (!is_group && !is_apart);
        // password("x")
        gap.is_separated |= is_secret && !gap.is_spaced && text[gap.value..].starts_with('(');
        (may_follow && !is_code).then_some(gap)
    }
}

/// Whether this character may be part of a name.
pub(super) fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Whether this character separates a name from its value.
pub(super) fn is_separator(c: char) -> bool {
    matches!(c, ':' | '=' | '>' | '|' | '→' | '：' | '＝')
}

/// Whether this character separates a name from its value if white space or a separator follows.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '–' | '—' | '~')
}
