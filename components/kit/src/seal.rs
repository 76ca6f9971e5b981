// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What a module gives to a browser to keep, in a cookie that the browser cannot change: several pods
//! share no memory.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue, header};
use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A cookie of one name, for this origin alone and not for scripts; what is in it is signed (JWT, HS256)
/// and ends.
pub struct Seal {
    name: &'static str,
    lifetime: Duration,
    signing: EncodingKey,
    checking: DecodingKey,
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    exp: u64,
    content: T,
}

impl Seal {
    /// A cookie `name`, signed with a key of its own that comes from `secret`: what was sealed under
    /// another name or for another module (`audience`) does not open. The name begins with `__Host-`, so
    /// that no neighbour below the same domain can set it.
    ///
    /// # Errors
    /// The secret cannot be a key.
    pub fn new(
        name: &'static str,
        lifetime: Duration,
        secret: &str,
        audience: &str,
    ) -> Result<Self, InvalidLength> {
        // HKDF-Expand (RFC 5869) of one block.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
        mac.update(format!("{audience} {name}\u{1}").as_bytes());
        let key = mac.finalize().into_bytes();
        let (signing, checking) = (EncodingKey::from_secret(&key), DecodingKey::from_secret(&key));
        Ok(Self { name, lifetime, signing, checking })
    }

    /// The header `Set-Cookie` that gives `content` to the browser.
    ///
    /// # Errors
    /// `content` cannot be written as JSON.
    pub fn close(&self, content: &impl Serialize) -> anyhow::Result<HeaderValue> {
        let exp = (SystemTime::now() + self.lifetime).duration_since(UNIX_EPOCH)?.as_secs();
        let value =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &Sealed { exp, content }, &self.signing)?;
        Ok(set_cookie(self.name, &value, self.lifetime)?)
    }

    /// What the browser was given, if it brings it unchanged and in time.
    pub fn open<T: DeserializeOwned>(&self, headers: &HeaderMap) -> Option<T> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        let value = cookie(headers, self.name)?;
        jsonwebtoken::decode::<Sealed<T>>(value, &self.checking, &validation)
            .ok()
            .map(|data| data.claims.content)
    }
}

/// The header `Set-Cookie` that takes the cookie `name` away from the browser.
///
/// # Errors
/// The name cannot stand in a header.
pub fn forget(name: &str) -> Result<HeaderValue, header::InvalidHeaderValue> {
    set_cookie(name, "", Duration::ZERO)
}

fn set_cookie(
    name: &str,
    value: &str,
    lifetime: Duration,
) -> Result<HeaderValue, header::InvalidHeaderValue> {
    let seconds = lifetime.as_secs();
    HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    ))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        pair.trim().split_once('=').filter(|(found, _)| *found == name).map(|(_, value)| value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn brought(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, format!("other=1; {pair}").parse().unwrap())])
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_name_secret_and_module_only() {
        let seal = Seal::new("__Host-a", MINUTE, "secret", "https://a.example/").unwrap();
        let brought = brought(&seal.close(&"content").unwrap());
        assert_eq!(seal.open::<String>(&brought).as_deref(), Some("content"));
        for (name, secret, audience) in [
            ("__Host-b", "secret", "https://a.example/"),
            ("__Host-a", "other", "https://a.example/"),
            ("__Host-a", "secret", "https://b.example/"),
        ] {
            let seal = Seal::new(name, MINUTE, secret, audience).unwrap();
            assert_eq!(seal.open::<String>(&brought), None, "{name} {secret} {audience}");
        }
    }

    #[test]
    fn what_was_changed_or_is_over_does_not_open() {
        let seal = Seal::new("__Host-a", MINUTE, "secret", "a").unwrap();
        let value = seal.close(&"content").unwrap().to_str().unwrap().replacen("=eyJ", "=eyK", 1);
        assert_eq!(seal.open::<String>(&brought(&value.parse().unwrap())), None);
        let over = Seal::new("__Host-a", Duration::ZERO, "secret", "a").unwrap();
        assert_eq!(over.open::<String>(&brought(&over.close(&"content").unwrap())), None);
    }

    #[test]
    fn cookies_are_for_this_origin_alone_and_not_for_scripts() {
        let line = forget("__Host-a").unwrap();
        assert_eq!(line, "__Host-a=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    }
}
