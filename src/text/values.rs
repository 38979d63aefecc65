//! Where the value that follows the name of a secret begins and ends.

use std::ops::Range;

use super::{
    fields::{Gap, Name, is_part, is_separator},
    names::{self, Kind},
    urls,
    words::{Quote, group_end, is_quote, line_end, skip_blanks, skip_space, word_end},
};

/// How many words may lie between the name of a secret and the secret: "password for user admin is …".
const MAX_LINKS: usize = 6;

impl Name<'_> {
    /// The value after a separator.
    pub(super) fn separated(&self, gap: &Gap) -> Option<Range<usize>> {
        let (text, at) = (self.text, gap.value);
        if let Some(quoted) = self.quoted(at) {
            return Some(quoted);
        }
        let end = word_end(text, at);
        // <password>my hunter2</password>
        if text[..self.start].ends_with('<') && text[..at].ends_with('>') {
            return Some(at..text[at..].find('<').map_or(text.len(), |length| at + length));
        }
        // "password=my hunter2"
        if let Some(quote) = Quote::before(text, self.start).filter(|_| !gap.is_quoted) {
            return Some(match quote.close(text, at) {
                Some((content, close)) if content > at => at..word_rest(text, content, close),
                _ => at..line_end(text, at).max(end),
            });
        }
        if let Some(group) = group_end(text, at) {
            // GStreamer: password=(string)hunter2
            let is_type = text[group..].starts_with(|c: char| c.is_alphanumeric() || is_quote(c));
            return match self.quoted(group).filter(|_| is_type) {
                Some(quoted) => Some(quoted),
                None if is_type => Some(at..word_end(text, group)),
                None => Some(at..group),
            };
        }
        if !gap.is_spaced {
            return Some(at..end);
        }
        // sh: CAM_TOKEN: unbound variable
        if text[at..].starts_with("unbound variable") {
            return None;
        }
        // /etc/password: No such file
        if text[..self.start].ends_with('/') && names::is_ordinary(&bare(&text[at..end])) {
            return None;
        }
        // What was hidden before is one word.
        let is_passphrase = self.is_passphrase() && &text[at..end] != "***";
        Some(at..if is_passphrase { words_end(text, end) } else { end })
    }

    /// The value without a separator: "password hunter2", "password is hunter2", but not "password is wrong".
    pub(super) fn prose(&self, gap: &Gap) -> Option<Range<usize>> {
        let text = self.text;
        let mut at = gap.value;
        let mut hidden: Option<Range<usize>> = None;
        let mut names_user = false;
        for _ in 0..MAX_LINKS {
            let start = hidden.as_ref().map(|hidden| hidden.start);
            if let Some(quoted) = self.quoted(at) {
                let after = &text[quoted.end..];
                let closed = text.len() - after.trim_start_matches(|c| is_quote(c) || c == '\\').len();
                let end = continuation(text, closed).unwrap_or(quoted.end);
                return Some(start.unwrap_or(quoted.start)..end);
            }
            let end = word_end(text, at);
            let word = bare(&text[at..end]);
            let continued = continuation(text, end);
            let is_ordinary = names::is_ordinary(&word) || self.is_count(&word);
            let is_mark = word.is_empty() && (hidden.is_some() || end - at <= 2);
            if is_mark || (is_ordinary && continued.is_none()) {
                return hidden;
            }
            if !is_ordinary && !names::is_link(&word) {
                hidden = Some(start.unwrap_or(at)..continued.unwrap_or(end));
                let next = skip_blanks(text, end);
                let leads_on = names::is_link(&text[next..word_end(text, next)]);
                if continued.is_some() || !(names_user && leads_on) {
                    return hidden;
                }
            }
            names_user = matches!(word.as_str(), "for" | "from" | "of" | "user");
            at = skip_separators(text, end);
        }
        hidden
    }

    /// Whether `word` counts the passes of an encoder: "pass 1 of 2".
    fn is_count(&self, word: &str) -> bool {
        let name = self.text[self.start..self.end].trim_start_matches('-');
        let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        is_number && word.len() <= 2 && name.eq_ignore_ascii_case("pass")
    }

    /// What follows `Authorization:`.
    pub(super) fn header(&self, gap: &Gap) -> Range<usize> {
        let (text, at) = (self.text, gap.value);
        if let Some(quoted) = self.quoted(at).filter(|_| gap.is_quoted) {
            return quoted;
        }
        let end = line_end(text, at);
        // The credentials are on the next line.
        if names::kind(text[at..end].trim(), "") == Some(Kind::Scheme) {
            return at..word_end(text, skip_space(text, end));
        }
        at..end
    }

    /// What follows `Basic`.
    pub(super) fn scheme(&self, gap: &Gap) -> Option<Range<usize>> {
        let (text, at) = (self.text, gap.value);
        let end = word_end(text, at);
        let word = &text[at..end];
        let is_name = text[self.start..].starts_with(char::is_uppercase);
        let is_encoded = word.contains(|c: char| c.is_ascii_digit() || c.is_uppercase() || c == '=');
        if names::is_ordinary(&bare(word)) || !(is_name || is_encoded) {
            return None;
        }
        // Digest username="…", …, response="…"
        let is_list = word.contains("=\"") || word.ends_with(',');
        Some(at..if is_list { line_end(text, at) } else { end })
    }

    /// User name and password after `-u`, in one word.
    pub(super) fn login(&self, gap: &Gap) -> Option<Range<usize>> {
        let (text, at) = (self.text, gap.value);
        let span = self.quoted(at).unwrap_or(at..word_end(text, at));
        let (user, password) = text[span.clone()].split_once([':', '%'])?;
        let is_time = !self.is_option() && user.bytes().all(|byte| byte.is_ascii_digit());
        (!is_time && !password.is_empty() && !password.starts_with("//")).then_some(span)
    }

    /// The value after `-p`.
    pub(super) fn password_or_port(&self, gap: &Gap) -> Option<Range<usize>> {
        let word = gap.value..word_end(self.text, gap.value);
        if !self.is_option() || urls::is_port(&self.text[word.clone()]) {
            return None;
        }
        Some(self.quoted(gap.value).unwrap_or(word))
    }

    /// The content of the quotation at `at`, and what a shell would join to it.
    fn quoted(&self, at: usize) -> Option<Range<usize>> {
        let text = self.text;
        let end = |quote: Quote, from| {
            let (content, close) = quote.close(text, from)?;
            Some(word_rest(text, content, close))
        };
        if let Some((quote, from)) = Quote::opening(text, at) {
            return Some(from..end(quote, from).unwrap_or(text.len()));
        }
        // b'…', $'…'
        let rest = text[at..].trim_start_matches(|c: char| c.is_ascii_alphabetic() || matches!(c, '$' | '@'));
        let mark = text.len() - rest.len();
        let (quote, from) = Quote::opening(text, mark).filter(|_| mark - at <= 2)?;
        Some(at..end(quote, from)?)
    }
}

/// The end of a value of several words, the first of which ends at `end`. The value ends before an ordinary
/// word, an option, a group and another name.
fn words_end(text: &str, mut end: usize) -> usize {
    loop {
        let at = skip_blanks(text, end);
        let next = word_end(text, at);
        let word = &text[at..next];
        let is_pair = word.split_once('=').is_some_and(|(name, value)| {
            // As opposed to the end of a value in Base64.
            name.chars().all(is_part) && value.contains(|c| c != '=')
        });
        let is_name = is_pair
            || word.ends_with(':')
            || word.contains("://")
            || text[skip_blanks(text, next)..].starts_with(is_separator);
        let is_known = names::is_ordinary(&bare(word)) || names::is_link(&bare(word));
        if word.is_empty() || is_name || is_known || word.starts_with(['-', '(', '[']) {
            return end;
        }
        end = next;
    }
}

/// If the word that ends at `end` is followed by a separator, as in "password hunter2: rejected", the end of
/// the word after that.
fn continuation(text: &str, end: usize) -> Option<usize> {
    let is_followed =
        text[..end].ends_with([':', '=']) || text[skip_blanks(text, end)..].starts_with(is_separator);
    is_followed.then(|| word_end(text, skip_separators(text, end)))
}

/// The first byte at or after `at`, in this line, that is neither white space nor a separator.
fn skip_separators(text: &str, at: usize) -> usize {
    let is_skipped = |c: char| is_separator(c) || (c.is_whitespace() && !matches!(c, '\n' | '\r'));
    text.len() - text[at..].trim_start_matches(is_skipped).len()
}

/// The end of a value whose quotation ends from `content` to `close`: the end of the word, unless that is the
/// end of the value.
fn word_rest(text: &str, content: usize, close: usize) -> usize {
    let is_over =
        |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '.' | ':' | ')' | ']' | '}' | '>' | '&' | '|');
    match text[close..].chars().next() {
        Some(c) if !is_over(c) => word_end(text, close),
        _ => content,
    }
}

/// A word in lower case without the punctuation around it.
fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}
