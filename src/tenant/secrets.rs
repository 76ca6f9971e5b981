// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The Secrets that a town names: which keys each must have, and what may be in them.

use k8s_openapi::api::core::v1::Secret;
use rathaus_contract::{Authentication, ClientCredential, EPayment, Provider};

use super::verdict::Verdict;
use crate::api::conditions::DEPLOYED;

/// Longer than any password or certificate chain in use.
const LONGEST: usize = 64 * 1024;

/// A Secret of the town's own, and the field that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSecret {
    /// Its name.
    pub name: String,
    /// The field of the ServiceModule.
    pub field: String,
    keys: &'static [(&'static str, Form)],
}

/// What the value of a key must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A name or password.
    Text,
    /// A token that is sent in a header.
    Token,
    /// One or more certificates.
    Certificate,
    /// A private key.
    PrivateKey,
}

const BASIC: &[(&str, Form)] = &[("username", Form::Text), ("password", Form::Text)];
const OAUTH2: &[(&str, Form)] = &[("client-id", Form::Text), ("client-secret", Form::Text)];
const MUTUAL_TLS: &[(&str, Form)] = &[("tls.crt", Form::Certificate), ("tls.key", Form::PrivateKey)];
const PROJECT: &[(&str, Form)] = &[("project-password", Form::Text)];
const TOKEN: &[(&str, Form)] = &[("token", Form::Token)];
const CLERKS: &[(&str, Form)] = &[("client-secret", Form::Text)];

/// All that an e-payment block names, in the order of its fields.
pub fn named(block: &EPayment) -> Vec<NamedSecret> {
    let secret = |name: &String, field: String, keys| NamedSecret {
        name: name.clone(),
        field: format!("spec.ePayment.{field}"),
        keys,
    };
    let of_provider = match &block.provider {
        Provider::Sandbox => None,
        Provider::XBezahldienste(platform) => {
            let (name, keys) = match &platform.authentication {
                Authentication::Basic { secret } => (secret, BASIC),
                Authentication::OAuth2 { secret, .. } => (secret, OAUTH2),
                Authentication::MutualTLS { secret } => (secret, MUTUAL_TLS),
            };
            Some(secret(name, "provider.xBezahldienste.authentication.secret".to_owned(), keys))
        }
        Provider::GiroCheckout(project) => {
            Some(secret(&project.secret, "provider.giroCheckout.secret".to_owned(), PROJECT))
        }
    };
    let of_clients = block.clients.iter().filter_map(|client| match &client.credential {
        ClientCredential::Secret(name) => {
            Some(secret(name, format!("clients[{}].secret", client.name), TOKEN))
        }
        ClientCredential::Module(_) => None,
    });
    let of_clerks =
        block.clerks.iter().map(|clerks| secret(&clerks.secret, "clerks.secret".to_owned(), CLERKS));
    of_provider.into_iter().chain(of_clients).chain(of_clerks).collect()
}

impl NamedSecret {
    /// The keys that the module reads.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.keys.iter().map(|(key, _)| *key)
    }

    /// Checks what is there under the name. Its content is in no message.
    pub fn judge(&self, namespace: &str, found: Option<&Secret>) -> Result<(), Verdict> {
        let (name, field) = (&self.name, &self.field);
        let way_out = self.command(namespace);
        let Some(found) = found else {
            let message = format!("Secret {name}, which {field} names, is not there; make it: {way_out}");
            return Err(Verdict::waiting(DEPLOYED, "SecretNotFound", message));
        };
        for (key, form) in self.keys {
            let value = found.data.as_ref().and_then(|data| data.get(*key)).map(|bytes| bytes.0.as_slice());
            if value.is_none_or(|value| !form.fits(value)) {
                let what = if value.is_none() { "has no" } else { "has an unusable" };
                let message = format!(
                    "Secret {name}, which {field} names, {what} key {key}; it must be {}; make the Secret anew: kubectl -n {namespace} delete secret {name} && {way_out}",
                    form.words()
                );
                return Err(Verdict::invalid(DEPLOYED, "SecretIncomplete", message));
            }
        }
        Ok(())
    }

    /// The line that makes it, without its content in the shell's history.
    fn command(&self, namespace: &str) -> String {
        let create = format!("kubectl -n {namespace} create secret generic {}", self.name);
        if self.keys == TOKEN {
            return format!("openssl rand -hex 32 | tr -d '\\n' | {create} --from-file=token=/dev/stdin");
        }
        self.keys.iter().fold(create, |line, (key, _)| format!("{line} --from-file={key}=FILE"))
    }
}

impl Form {
    fn fits(self, value: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(value) else { return false };
        match self {
            _ if text.is_empty() || text.len() > LONGEST => false,
            Self::Text => !text.chars().any(char::is_control),
            Self::Token => (32..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
            Self::Certificate => text.contains("-----BEGIN CERTIFICATE-----"),
            Self::PrivateKey => text.contains("PRIVATE KEY-----"),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text => "a text in one line, without a line break at its end",
            Self::Token => "32 to 256 visible ASCII characters, without a line break at its end",
            Self::Certificate => "certificates in PEM",
            Self::PrivateKey => "a private key in PEM",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_enough_and_fits_a_header() {
        for right in ["a".repeat(32), "~".repeat(256)] {
            assert!(Form::Token.fits(right.as_bytes()), "{right}");
        }
        for wrong in
            ["a".repeat(31), "a".repeat(257), format!("{}\n", "a".repeat(40)), "ä".repeat(20), " ".repeat(40)]
        {
            assert!(!Form::Token.fits(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_one_line() {
        for right in ["x", "p ä ss", "a:b"] {
            assert!(Form::Text.fits(right.as_bytes()), "{right}");
        }
        for wrong in [b"".as_slice(), b"x\n", b"\xff"] {
            assert!(!Form::Text.fits(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_certificate_is_no_key() {
        let (certificate, key) = (b"-----BEGIN CERTIFICATE-----\nMA", b"-----BEGIN PRIVATE KEY-----\nMA");
        assert!(Form::Certificate.fits(certificate) && Form::PrivateKey.fits(key));
        assert!(!Form::Certificate.fits(key) && !Form::PrivateKey.fits(certificate));
    }
}
