//! The names of secrets, and the words that follow such a name in an ordinary message.

/// How the text after a name holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `password=x`, `password: x` and `password x`.
    Secret,
    /// `key=x` and `key: x`; the name is also an ordinary word.
    Ambiguous,
    /// `Authorization: x`, to the end of the line.
    Header,
    /// `Bearer x`.
    Scheme,
    /// `-u user:x`, `user=user:x`.
    User,
    /// `-p x`, which may also be a port.
    Port,
    /// `?u=user&p=x`.
    Parameter,
    /// `response="x"`.
    Quoted,
}

/// Ends of the names of secrets. Here and below, names are in lower case, without hyphens and underscores.
const SECRETS: &str = "pass passwd password passwort passcode passphrase loginpas pwd pw psw psk jwt secret token \
    credential accesskey apikey authkey encryptionkey licensekey privatekey secretkey sessionkey sharedkey \
    streamkey creds pswd contraseña contrasena kennwort senha wachtwoord lösenord hasło adgangskode salasana пароль \
    密码 密碼 パスワード 비밀번호";

/// Parts of names whose values are secrets if a separator follows.
const PARTS: &str = "apikey credential passcode passphrase passw pwd secret sessid sessionid token";

/// Ends of names whose values are secrets if a separator follows.
const ENDS: &str = "auth bearer jwt key psk signature";

/// Whole names whose values are secrets if a separator follows.
const WHOLE: &str = "accesscode authcode clave cred csrf heslo hmac mdp otp parola phrase pin pincode securitycode \
    session sid sig totp xsrf";

/// Ends of the names of headers whose values are secrets.
const HEADERS: &str = "authorization cookie cookies xapikey";

/// Parts of names that hold "pas" without being a secret.
const NO_SECRETS: &str = "allpass bandpass bypass compass highpass lowpass multipass onepass passage passed \
    passenger passes passing passion passive passport passth past singlepass sshpass surpass twopass";

/// Words after the name of a secret that begin no secret: "password incorrect".
const ORDINARY: &str = "a access after again allowed an and argument at attempt auth authentication \
    authorization bad before but can cannot changed check combination correct could count credentials \
    denied did do does doesn't empty error exceeded expired fail failed failure field file format found \
    frame frames id if in incorrect insufficient invalid isn't length limit login malformed may mismatch \
    missing must near needed no not on option or parameter permission please prompt protected protection \
    realm refused rejected required requires revoked ring scheme service should signature storage store \
    supported that the then this through token tokens too try type unauthorized unknown unset \
    verification when which while will won't wrong you your";

/// Words between the name of a secret and the secret: "password is".
const LINKS: &str = "are as be been being by called entered equals expected for from given has have is now of \
    phrase provided read received sent set specified string supplied to used user username using value was were \
    with word";

/// The kind of the name in `run`, which holds letters, digits, `-` and `_`; `before` is the name one space
/// before it.
pub(super) fn kind(run: &str, before: &str) -> Option<Kind> {
    match run {
        "-p" | "-P" => return Some(Kind::Port),
        "-u" | "-U" => return Some(Kind::User),
        // curl -su
        _ if is_joined_user(run) => return Some(Kind::User),
        _ => {}
    }
    let name = plain(run);
    if HEADERS.split(' ').any(|end| name.ends_with(end)) {
        return Some(Kind::Header);
    }
    match name.as_str() {
        "basic" | "bearer" | "digest" | "ntlm" if !run.starts_with('-') => Some(Kind::Scheme),
        "p" => Some(Kind::Parameter),
        "response" | "cnonce" => Some(Kind::Quoted),
        "user" | "username" | "usr" | "login" | "proxyuser" => Some(Kind::User),
        // "stream key", "PIN code"
        "key" if has(SECRETS, &(plain(before) + &name)) => Some(Kind::Secret),
        "code" if has(WHOLE, &(plain(before) + &name)) => Some(Kind::Ambiguous),
        name if name.len() > 1 => secret(name),
        _ => None,
    }
}

/// Whether this is curl's `-u` joined to options without a value.
fn is_joined_user(run: &str) -> bool {
    let letters = run.strip_prefix('-').and_then(|run| run.strip_suffix('u'));
    letters.is_some_and(|letters| !letters.is_empty() && letters.chars().all(|c| "SfgikLs".contains(c)))
}

/// Whether `name` is that of a secret, in lower case.
fn secret(name: &str) -> Option<Kind> {
    let mut parts = PARTS.split(' ');
    let has_part = parts.any(|part| name.contains(part));
    let is_pas = name.contains("pas");
    let is_other = is_pas && !has_part && NO_SECRETS.split(' ').any(|part| name.contains(part));
    // "password2", "tokens"; "2pass" is a way to encode.
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let singular = stem.strip_suffix('s').unwrap_or(stem);
    let ends_with = |ends: &str| {
        let mut ends = ends.split(' ');
        ends.any(|end| stem.ends_with(end) || singular.ends_with(end))
    };
    let is_count = stem != "pass" && stem.trim_start_matches(|c: char| c.is_ascii_digit()) == "pass";
    let is_other_pass = stem.ends_with("pass") && (is_other || is_count);
    if ends_with(SECRETS) && !is_other_pass {
        Some(Kind::Secret)
    } else if has_part || (is_pas && !is_other) || ends_with(ENDS) || has(WHOLE, singular) {
        Some(Kind::Ambiguous)
    } else {
        None
    }
}

/// A name in lower case, without hyphens and underscores.
fn plain(name: &str) -> String {
    let characters = name.chars().filter(|c| c.is_alphanumeric());
    characters.flat_map(char::to_lowercase).collect()
}

/// Whether this word, in lower case, follows the name of a secret in an ordinary message: "password
/// incorrect".
pub(super) fn is_ordinary(word: &str) -> bool {
    has(ORDINARY, word)
}

/// Whether this word, in lower case, may stand between the name of a secret and the secret: "password is".
pub(super) fn is_link(word: &str) -> bool {
    has(LINKS, word)
}

fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|listed| listed == word)
}
