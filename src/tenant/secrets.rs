// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The Secrets that a town's configuration refers to: the keys that each must have and the values allowed.

use k8s_openapi::api::core::v1::Secret;
use rathaus_contract::{Authentication, ClientCredential, EPayment, Provider};

use super::rejection::Rejection;
use crate::api::conditions::DEPLOYED;

/// Upper limit for a value, in bytes; longer than any password or certificate chain in use.
const MAX_VALUE_BYTES: usize = 64 * 1024;

/// A Secret of the town, and the field that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSecret {
    /// Name of the Secret.
    pub name: String,
    /// Path of the field in the ServiceModule, such as `spec.ePayment.clerks.secret`.
    pub field: String,
    keys: &'static [(&'static str, ValueFormat)],
}

/// The format that the value of a key must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueFormat {
    /// One line of text, such as a user name or password.
    Line,
    /// A token that is sent in an HTTP header.
    Token,
    /// One or more certificates in PEM.
    Certificate,
    /// A private key in PEM.
    PrivateKey,
}

const BASIC_KEYS: &[(&str, ValueFormat)] =
    &[("username", ValueFormat::Line), ("password", ValueFormat::Line)];
const OAUTH2_KEYS: &[(&str, ValueFormat)] =
    &[("client-id", ValueFormat::Line), ("client-secret", ValueFormat::Line)];
const MUTUAL_TLS_KEYS: &[(&str, ValueFormat)] =
    &[("tls.crt", ValueFormat::Certificate), ("tls.key", ValueFormat::PrivateKey)];
const PROJECT_KEYS: &[(&str, ValueFormat)] = &[("project-password", ValueFormat::Line)];
const TOKEN_KEYS: &[(&str, ValueFormat)] = &[("token", ValueFormat::Token)];
const CLERKS_KEYS: &[(&str, ValueFormat)] = &[("client-secret", ValueFormat::Line)];

/// Returns the Secrets that an e-payment block names, in the order of its fields.
pub fn named_secrets(block: &EPayment) -> Vec<NamedSecret> {
    let secret = |name: &String, field: String, keys| NamedSecret {
        name: name.clone(),
        field: format!("spec.ePayment.{field}"),
        keys,
    };
    let provider_secret = match &block.provider {
        Provider::Sandbox => None,
        Provider::XBezahldienste(platform) => {
            let (name, keys) = match &platform.authentication {
                Authentication::Basic { secret } => (secret, BASIC_KEYS),
                Authentication::OAuth2 { secret, .. } => (secret, OAUTH2_KEYS),
                Authentication::MutualTLS { secret } => (secret, MUTUAL_TLS_KEYS),
            };
            Some(secret(name, "provider.xBezahldienste.authentication.secret".to_owned(), keys))
        }
        Provider::GiroCheckout(project) => {
            Some(secret(&project.secret, "provider.giroCheckout.secret".to_owned(), PROJECT_KEYS))
        }
    };
    let client_secrets = block.clients.iter().filter_map(|client| match &client.credential {
        ClientCredential::Secret(name) => {
            Some(secret(name, format!("clients[{}].secret", client.name), TOKEN_KEYS))
        }
        ClientCredential::Module(_) => None,
    });
    let clerks_secret =
        block.clerks.iter().map(|clerks| secret(&clerks.secret, "clerks.secret".to_owned(), CLERKS_KEYS));
    provider_secret.into_iter().chain(client_secrets).chain(clerks_secret).collect()
}

impl NamedSecret {
    /// Returns the keys that the module reads from the Secret.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.keys.iter().map(|(key, _)| *key)
    }

    /// Checks the Secret that the API server returned under this name; `None` means that there is none. No
    /// message contains a value of the Secret.
    ///
    /// # Errors
    /// Fails if the Secret does not exist, or if a key is missing or has a value of the wrong format.
    pub fn check(&self, namespace: &str, found: Option<&Secret>) -> Result<(), Rejection> {
        let (name, field) = (&self.name, &self.field);
        let create_command = self.create_command(namespace);
        let Some(found) = found else {
            let message =
                format!("Secret {name}, which {field} names, does not exist; create it: {create_command}");
            return Err(Rejection::waiting(DEPLOYED, "SecretNotFound", message));
        };
        for (key, format) in self.keys {
            let value = found.data.as_ref().and_then(|data| data.get(*key)).map(|bytes| bytes.0.as_slice());
            if value.is_none_or(|value| !format.matches(value)) {
                let problem = if value.is_none() { "has no" } else { "has an unusable" };
                let message = format!(
                    "Secret {name}, which {field} names, {problem} key {key}; it must be {}; recreate the Secret: kubectl -n {namespace} delete secret {name} && {create_command}",
                    format.description()
                );
                return Err(Rejection::invalid(DEPLOYED, "SecretIncomplete", message));
            }
        }
        Ok(())
    }

    /// Returns the shell command that creates the Secret. It reads the values from files or a pipe, so that
    /// they do not end up in the shell's history.
    fn create_command(&self, namespace: &str) -> String {
        let create = format!("kubectl -n {namespace} create secret generic {}", self.name);
        if self.keys == TOKEN_KEYS {
            return format!("openssl rand -hex 32 | tr -d '\\n' | {create} --from-file=token=/dev/stdin");
        }
        self.keys.iter().fold(create, |command, (key, _)| format!("{command} --from-file={key}=FILE"))
    }
}

impl ValueFormat {
    /// Whether the value has this format.
    fn matches(self, value: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(value) else { return false };
        match self {
            _ if text.is_empty() || text.len() > MAX_VALUE_BYTES => false,
            Self::Line => !text.chars().any(char::is_control),
            Self::Token => (32..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
            Self::Certificate => text.contains("-----BEGIN CERTIFICATE-----"),
            Self::PrivateKey => text.contains("PRIVATE KEY-----"),
        }
    }

    /// Describes the format for an error message, after "it must be".
    fn description(self) -> &'static str {
        match self {
            Self::Line => "one line of text, without a line break at its end",
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
        for valid in ["a".repeat(32), "~".repeat(256)] {
            assert!(ValueFormat::Token.matches(valid.as_bytes()), "{valid}");
        }
        for invalid in
            ["a".repeat(31), "a".repeat(257), format!("{}\n", "a".repeat(40)), "ä".repeat(20), " ".repeat(40)]
        {
            assert!(!ValueFormat::Token.matches(invalid.as_bytes()), "{invalid}");
        }
    }

    #[test]
    fn a_password_is_one_line() {
        for valid in ["x", "p ä ss", "a:b"] {
            assert!(ValueFormat::Line.matches(valid.as_bytes()), "{valid}");
        }
        for invalid in [b"".as_slice(), b"x\n", b"\xff"] {
            assert!(!ValueFormat::Line.matches(invalid), "{invalid:?}");
        }
    }

    #[test]
    fn a_certificate_is_no_key() {
        let (certificate, key) = (b"-----BEGIN CERTIFICATE-----\nMA", b"-----BEGIN PRIVATE KEY-----\nMA");
        assert!(ValueFormat::Certificate.matches(certificate) && ValueFormat::PrivateKey.matches(key));
        assert!(!ValueFormat::Certificate.matches(key) && !ValueFormat::PrivateKey.matches(certificate));
    }
}
