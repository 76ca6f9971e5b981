// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The seal: an annotation by which the operator recognises its own objects. Labels, owner references and
//! names of field managers can be written by anyone who may create an object; a seal takes the key.
//!
//! From the same key follow the passwords of the modules' databases and the id of the installation, so that a
//! cluster that is built anew with this key finds its databases, and its modules can log in there.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::{Hkdf, InvalidLength};
use hmac::{Hmac, KeyInit, Mac};
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use sha2::Sha256;

/// Annotation with the seal.
pub const SEAL: &str = "rathaus.dev/seal";

/// Stands for the kind in the seal of a host name; no kind has this name.
const HOSTNAME_SEALED: &str = "held hostname";

/// Length of the key in bytes.
pub const SEAL_KEY_BYTES: usize = 32;

/// Counts the passwords that one module can have.
const PASSWORD_EPOCH: u8 = 1;
const PASSWORD_BYTES: usize = 32;
const INSTALLATION_BYTES: usize = 8;

/// The key that seals are made and checked with. It does not print itself.
#[derive(Clone)]
pub struct SealKey {
    mac: Hmac<Sha256>,
    derivation: Hkdf<Sha256>,
    created: Timestamp,
}

/// The bytes are no key.
#[derive(Debug, thiserror::Error)]
#[error("the key has {0} bytes, and must have {SEAL_KEY_BYTES}")]
pub struct InvalidSealKey(usize);

impl SealKey {
    /// A key of [`SEAL_KEY_BYTES`] bytes, and when it was created.
    ///
    /// # Errors
    /// Fails if the key has another length.
    pub fn new(bytes: &[u8], created: Timestamp) -> Result<Self, InvalidSealKey> {
        let invalid = || InvalidSealKey(bytes.len());
        if bytes.len() != SEAL_KEY_BYTES {
            return Err(invalid());
        }
        let mac = Hmac::new_from_slice(bytes).map_err(|_| invalid())?;
        Ok(Self { mac, derivation: Hkdf::new(None, bytes), created })
    }

    /// When the key was created. The operator creates it before it makes the first sealed object.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Returns the seal of an object that is made for the municipality with this ARS: HMAC-SHA256 (RFC 2104)
    /// over kind, namespace, name and ARS, in base64url (RFC 4648). The namespace of an object that lies in
    /// none is empty.
    ///
    /// The UID is not part of it, so that a cluster that was restored from a backup verifies.
    pub fn seal(&self, kind: &str, namespace: &str, name: &str, ars: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.compute(kind, namespace, name, ars).finalize().into_bytes())
    }

    /// Whether the object carries the seal of its kind, namespace and name for this ARS. The comparison takes
    /// the same time wherever two seals differ.
    pub fn verify(&self, kind: &str, meta: &ObjectMeta, ars: &str) -> bool {
        let seal = meta.annotations.as_ref().and_then(|annotations| annotations.get(SEAL));
        let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
        seal.is_some_and(|seal| {
            self.verify_seal(kind, namespace.unwrap_or_default(), name.unwrap_or_default(), ars, seal)
        })
    }

    /// Whether this is the seal of the object of that kind, namespace and name for this ARS.
    pub fn verify_seal(&self, kind: &str, namespace: &str, name: &str, ars: &str, seal: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(seal)
            .is_ok_and(|seal| self.compute(kind, namespace, name, ars).verify_slice(&seal).is_ok())
    }

    /// Returns the password of a new module's database role: HKDF-SHA256 (RFC 5869) of the key for the
    /// municipality with this ARS and the module of this name, in base64url.
    ///
    /// # Errors
    /// Never, since the password is far shorter than what HKDF can derive.
    pub fn database_password(&self, ars: &str, module: &str) -> Result<String, InvalidLength> {
        // Neither an ARS nor a name has a line break, so that no two modules have the same text.
        let info = format!("rathaus database password\n{ars}\n{module}\n{PASSWORD_EPOCH}");
        let mut bytes = [0; PASSWORD_BYTES];
        self.derivation.expand(info.as_bytes(), &mut bytes)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Returns the id of this installation, 16 hexadecimal digits. It says nothing about the key.
    pub fn installation_id(&self) -> String {
        // The input of a seal starts with a length, and thus with a zero byte: none of them is this text.
        let digest = self.mac.clone().chain_update("rathaus installation").finalize().into_bytes();
        digest.iter().take(INSTALLATION_BYTES).fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}"); // a string takes every write
            id
        })
    }

    /// Returns the seal of the host name that the municipality with this ARS holds; it stands in its namespace.
    pub fn seal_hostname(&self, namespace: &str, hostname: &str, ars: &str) -> String {
        self.seal(HOSTNAME_SEALED, namespace, hostname, ars)
    }

    /// Whether this is the seal of [`Self::seal_hostname`].
    pub fn verify_hostname(&self, namespace: &str, hostname: &str, ars: &str, seal: &str) -> bool {
        self.verify_seal(HOSTNAME_SEALED, namespace, hostname, ars, seal)
    }

    fn compute(&self, kind: &str, namespace: &str, name: &str, ars: &str) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        for text in [kind, namespace, name, ars] {
            // With its length, no text can be continued by the next one.
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        mac
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("created", &self.created).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARS: &str = "055540004004";

    fn key(byte: u8) -> SealKey {
        SealKey::new(&[byte; SEAL_KEY_BYTES], Timestamp::UNIX_EPOCH).unwrap()
    }

    fn meta(namespace: &str, name: &str, seal: &str) -> ObjectMeta {
        ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            annotations: Some([(SEAL.to_owned(), seal.to_owned())].into()),
            ..Default::default()
        }
    }

    #[test]
    fn a_seal_is_valid_for_one_object_of_one_municipality_only() {
        let seal = key(1).seal("Service", "mun-ahaus", "e-payment", ARS);
        let object = meta("mun-ahaus", "e-payment", &seal);
        assert!(key(1).verify("Service", &object, ARS));
        assert!(!key(2).verify("Service", &object, ARS), "another key");
        assert!(!key(1).verify("Secret", &object, ARS), "another kind");
        assert!(!key(1).verify("Service", &object, "055540004005"), "another municipality");
        assert!(!key(1).verify("Service", &meta("mun-heek", "e-payment", &seal), ARS), "another namespace");
        assert!(!key(1).verify("Service", &meta("mun-ahaus", "mailbox", &seal), ARS), "another name");
    }

    #[test]
    fn a_seal_does_not_depend_on_the_uid_nor_on_labels() {
        let seal = key(1).seal("Service", "mun-ahaus", "e-payment", ARS);
        let mut restored = meta("mun-ahaus", "e-payment", &seal);
        restored.uid = Some("another".to_owned());
        assert!(key(1).verify("Service", &restored, ARS));
    }

    #[test]
    fn what_carries_no_seal_or_a_broken_one_is_not_sealed() {
        assert!(!key(1).verify("Service", &ObjectMeta::default(), ARS));
        let seal = key(1).seal("Service", "mun-ahaus", "e-payment", ARS);
        for broken in ["", "x", "=", &seal[1..], &format!("{seal}A"), &seal.to_uppercase()] {
            assert!(!key(1).verify("Service", &meta("mun-ahaus", "e-payment", broken), ARS), "{broken}");
        }
    }

    #[test]
    fn no_part_of_a_name_can_be_moved_to_another_part() {
        assert_ne!(key(1).seal("Service", "mun-a", "b", ARS), key(1).seal("Service", "mun-", "ab", ARS));
    }

    /// Expected values from Python's `hmac`: `prk = HMAC(32 zero bytes, key)`, `HMAC(prk, info + 0x01)`.
    #[test]
    fn a_password_follows_from_the_key_and_the_module_alone() {
        let password = |byte, ars, module| key(byte).database_password(ars, module).unwrap();
        let expected = "qAYA_XpqGRTdTofONBmJVmaoqJdbOtEGOKMx5McD-6Q";
        assert_eq!(password(1, ARS, "e-payment"), expected);
        assert_ne!(password(2, ARS, "e-payment"), expected, "another key");
        assert_ne!(password(1, "055540004005", "e-payment"), expected, "another municipality");
        assert_ne!(password(1, ARS, "mailbox"), expected, "another module");
    }

    /// Expected value from Python: `hmac.new(key, b"rathaus installation", "sha256").hexdigest()[:16]`.
    #[test]
    fn an_installation_has_an_id_that_follows_from_its_key() {
        assert_eq!(key(1).installation_id(), "565a2175bbffeeeb");
        assert_ne!(key(2).installation_id(), key(1).installation_id());
    }

    #[test]
    fn a_key_has_one_length_and_does_not_print_itself() {
        for length in [0, 31, 33] {
            let error = SealKey::new(&vec![1; length], Timestamp::UNIX_EPOCH).unwrap_err();
            assert!(error.to_string().contains(&length.to_string()));
        }
        assert_eq!(format!("{:?}", key(7)), "SealKey { created: 1970-01-01T00:00:00Z, .. }");
    }
}
