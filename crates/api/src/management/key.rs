//! Who may do what: keys with roles, of which only digests are kept.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What somebody may do; each may do what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads everything but what was asked and answered.
    Viewer,
    /// Starts, cancels and deletes benchmarks too, and reads their prompts and answers.
    Operator,
    /// Changes what may be put under load too.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// The SHA-256 of a key. Keys are random, 256 bits each, so that a fast digest is enough: there is
/// no guessing them from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of `key`.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 || !bytes.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut digest = [0; 32];
        for (place, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

/// A key that is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it is called, in logs and limits.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Its digest.
    pub digest: KeyDigest,
}

/// Every key that is known here. Where there is none, everybody who reaches the server may do what
/// an operator may, or an admin if somebody said so: then it must listen on this machine alone.
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: Vec<Key>,
    /// What everybody may do where there is no key.
    without: Role,
}

impl Default for KeyRing {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl KeyRing {
    /// A ring of `keys`.
    #[must_use]
    pub const fn new(keys: Vec<Key>) -> Self {
        Self { keys, without: Role::Operator }
    }

    /// No key, and everybody has this role.
    #[must_use]
    pub const fn without_keys(role: Role) -> Self {
        Self { keys: Vec::new(), without: role }
    }

    /// The role of everybody, where there is no key.
    #[must_use]
    pub fn role_of_everybody(&self) -> Option<Role> {
        self.keys.is_empty().then_some(self.without)
    }

    /// Whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that was `shown`, if it is known. Takes as long whichever it is.
    #[must_use]
    pub fn find(&self, shown: &str) -> Option<&Key> {
        let digest = KeyDigest::of(shown);
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.digest.0.ct_eq(&digest.0)) {
                found = Some(key);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_digests() {
        let key = |name: &str, role| {
            let digest = KeyDigest::of(&format!("secret of {name}"));
            Key { name: name.to_owned(), role, digest }
        };
        let ring = KeyRing::new(vec![key("a", Role::Viewer), key("b", Role::Admin)]);
        assert_eq!(ring.find("secret of b").map(|key| key.role), Some(Role::Admin));
        assert_eq!(ring.find("secret of a").map(|key| &*key.name), Some("a"));
        assert_eq!(ring.find("secret of c"), None);
        assert_eq!(ring.find(""), None);
        assert!(!format!("{ring:?}").contains(&KeyDigest::of("secret of a").to_string()));
    }

    #[test]
    fn digests_are_written_in_hexadecimal() {
        // From FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyDigest::of("abc").to_string(), abc);
        assert_eq!(KeyDigest::from_hex(abc), Some(KeyDigest::of("abc")));
        let upper = abc.to_ascii_uppercase();
        assert_eq!(KeyDigest::from_hex(&upper), Some(KeyDigest::of("abc")));
        let signed = format!("+{}", &abc[1..]);
        for text in [&abc[1..], "", &signed, &"é".repeat(32)] {
            assert_eq!(KeyDigest::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn roles_are_ordered_and_known_by_their_words() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.as_str()), Some(role));
        }
    }
}
