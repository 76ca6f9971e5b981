// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Cookies that carry data of the module in the browser, signed so that the browser cannot change it. The
//! pods of a module share no memory, so that a login cannot be kept in a pod.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue, header};
use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A cookie whose value is a JWT (RFC 7519) signed with HS256, which expires after a fixed lifetime. The
/// browser sends it to this origin only, over https only, and hides it from scripts. The content is
/// signed, not encrypted: the user can read it.
pub struct SignedCookie {
    name: &'static str,
    lifetime: Duration,
    signing_key: EncodingKey,
    verification_key: DecodingKey,
}

#[derive(Serialize, Deserialize)]
struct CookieClaims<T> {
    exp: u64,
    content: T,
}

impl SignedCookie {
    /// Creates the cookie `name`. Its key is derived from `secret`, `name` and `audience`, the public URL of
    /// the module, so that a cookie of another name or module is not accepted. `name` must begin with
    /// `__Host-`, so that other hosts of the same domain cannot set the cookie (RFC 6265bis).
    ///
    /// # Errors
    /// Fails if `secret` cannot be an HMAC key.
    pub fn new(
        name: &'static str,
        lifetime: Duration,
        secret: &str,
        audience: &str,
    ) -> Result<Self, InvalidLength> {
        // HKDF-Expand (RFC 5869, section 2.3) for a single block of output.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
        mac.update(format!("{audience} {name}\u{1}").as_bytes());
        let key = mac.finalize().into_bytes();
        let (signing_key, verification_key) =
            (EncodingKey::from_secret(&key), DecodingKey::from_secret(&key));
        Ok(Self { name, lifetime, signing_key, verification_key })
    }

    /// Returns the value of the header `Set-Cookie` that stores `content` in the browser.
    ///
    /// # Errors
    /// Fails if `content` cannot be serialized as JSON.
    pub fn set(&self, content: &impl Serialize) -> anyhow::Result<HeaderValue> {
        let exp = (SystemTime::now() + self.lifetime).duration_since(UNIX_EPOCH)?.as_secs();
        let claims = CookieClaims { exp, content };
        let value = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing_key)?;
        Ok(set_cookie_header(self.name, &value, self.lifetime)?)
    }

    /// Returns the content of the cookie in the request's `headers`. Returns `None` if the cookie is missing,
    /// expired, or not signed with this key.
    pub fn read<T: DeserializeOwned>(&self, headers: &HeaderMap) -> Option<T> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        // A token is expired on its `exp` second already (RFC 7519, section 4.1.4).
        validation.reject_tokens_expiring_in_less_than = 1;
        let value = find_cookie(headers, self.name)?;
        jsonwebtoken::decode::<CookieClaims<T>>(value, &self.verification_key, &validation)
            .ok()
            .map(|data| data.claims.content)
    }
}

/// Returns the value of the header `Set-Cookie` that deletes the cookie `name` in the browser.
///
/// # Errors
/// Fails if `name` holds characters that a header must not hold.
pub fn clear(name: &str) -> Result<HeaderValue, header::InvalidHeaderValue> {
    set_cookie_header(name, "", Duration::ZERO)
}

fn set_cookie_header(
    name: &str,
    value: &str,
    lifetime: Duration,
) -> Result<HeaderValue, header::InvalidHeaderValue> {
    let seconds = lifetime.as_secs();
    HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    ))
}

fn find_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).find_map(|pair| {
        pair.trim().split_once('=').filter(|(found, _)| *found == name).map(|(_, value)| value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// The request headers of a browser that stored the cookie of this `Set-Cookie` header.
    fn request_headers(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, format!("other=1; {pair}").parse().unwrap())])
    }

    #[test]
    fn a_cookie_is_read_under_the_same_name_secret_and_audience_only() {
        let cookie = SignedCookie::new("__Host-a", MINUTE, "secret", "https://a.example/").unwrap();
        let headers = request_headers(&cookie.set(&"content").unwrap());
        assert_eq!(cookie.read::<String>(&headers).as_deref(), Some("content"));
        for (name, secret, audience) in [
            ("__Host-b", "secret", "https://a.example/"),
            ("__Host-a", "other", "https://a.example/"),
            ("__Host-a", "secret", "https://b.example/"),
        ] {
            let cookie = SignedCookie::new(name, MINUTE, secret, audience).unwrap();
            assert_eq!(cookie.read::<String>(&headers), None, "{name} {secret} {audience}");
        }
    }

    #[test]
    fn a_changed_or_expired_cookie_is_not_read() {
        let cookie = SignedCookie::new("__Host-a", MINUTE, "secret", "a").unwrap();
        let changed = cookie.set(&"content").unwrap().to_str().unwrap().replacen("=eyJ", "=eyK", 1);
        assert_eq!(cookie.read::<String>(&request_headers(&changed.parse().unwrap())), None);
        let expired = SignedCookie::new("__Host-a", Duration::ZERO, "secret", "a").unwrap();
        assert_eq!(expired.read::<String>(&request_headers(&expired.set(&"content").unwrap())), None);
    }

    #[test]
    fn cookies_are_for_this_origin_alone_and_hidden_from_scripts() {
        let value = clear("__Host-a").unwrap();
        assert_eq!(value, "__Host-a=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    }
}
