// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The certificates of the local node, all signed by one certificate authority that lasts as long as the
//! node.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::paths::state;

/// A certificate and its private key, both PEM.
#[derive(Debug, Clone)]
pub struct PemPair {
    /// The certificate, or the public key where there is no certificate.
    pub certificate: String,
    /// The private key, PKCS #8 (RFC 5208).
    pub key: String,
}

/// The holder of a certificate.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Common name; Kubernetes takes it as the name of the user.
    pub name: &'a str,
    /// Organisation; Kubernetes takes it as the group of the user.
    pub group: Option<&'a str>,
    /// DNS names and IP addresses of the server, as subject alternative names.
    pub hosts: &'a [&'a str],
}

/// The certificate authority of the local node.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Creates an authority and stores it in the node's state folder.
    ///
    /// # Errors
    /// Fails if the folder cannot be written.
    pub fn create() -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = authority_params()?.self_signed(&key)?.pem();
        write_pair("ca", &PemPair { certificate, key: key.serialize_pem() })?;
        Self::open()
    }

    /// Opens the authority that [`Self::create`] has stored.
    ///
    /// # Errors
    /// Fails if there is none, which means that no node was started.
    pub fn open() -> Result<Self> {
        let key = KeyPair::from_pem(&fs::read_to_string(key_file("ca"))?)?;
        Ok(Self { issuer: Issuer::new(authority_params()?, key) })
    }

    /// Signs a certificate for use as client and as server, valid for a year.
    ///
    /// # Errors
    /// Fails if a host is neither a DNS name nor an IP address.
    pub fn sign(&self, subject: Subject<'_>) -> Result<PemPair> {
        let hosts: Vec<String> = subject.hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject.name);
        if let Some(group) = subject.group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(PemPair { certificate, key: key.serialize_pem() })
    }

    /// Signs a certificate and stores it under `name` in the node's state folder.
    ///
    /// # Errors
    /// Fails as [`Self::sign`] does, or if the folder cannot be written.
    pub fn issue(&self, name: &str, subject: Subject<'_>) -> Result<PemPair> {
        let pair = self.sign(subject)?;
        write_pair(name, &pair)?;
        Ok(pair)
    }
}

/// Reads the certificate of the authority, PEM.
///
/// # Errors
/// Fails if no node was started.
pub fn ca_certificate() -> Result<String> {
    let file = certificate_file("ca");
    fs::read_to_string(&file)
        .with_context(|| format!("{} is missing: start the node with `cargo xtask up`", file.display()))
}

/// Returns the path of the certificate `name`.
pub fn certificate_file(name: &str) -> PathBuf {
    state("pki").join(format!("{name}.crt"))
}

/// Returns the path of the private key `name`.
pub fn key_file(name: &str) -> PathBuf {
    state("pki").join(format!("{name}.key"))
}

/// Creates the private key that signs service account tokens, and the public key by which the API server
/// checks them.
///
/// # Errors
/// Fails if the state folder cannot be written.
pub fn create_service_account_key() -> Result<()> {
    let key = KeyPair::generate()?;
    let pair = PemPair { certificate: key.public_key_pem(), key: key.serialize_pem() };
    write_pair("service-account", &pair)
}

/// These are the same for every authority, so that one that is read from disk signs under the same name.
fn authority_params() -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "rathaus local node");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params)?;
    Ok(params)
}

/// Valid for a year. It starts yesterday, since clocks differ.
fn set_validity(params: &mut CertificateParams) -> Result<()> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let from = today.checked_sub(1.day())?;
    let until = today.checked_add(365.days())?;
    let day = |date: jiff::civil::Date| -> Result<_> {
        Ok(date_time_ymd(date.year().into(), date.month().try_into()?, date.day().try_into()?))
    };
    params.not_before = day(from)?;
    params.not_after = day(until)?;
    Ok(())
}

fn write_pair(name: &str, pair: &PemPair) -> Result<()> {
    fs::create_dir_all(state("pki"))?;
    fs::write(certificate_file(name), &pair.certificate)?;
    let file = key_file(name);
    fs::write(&file, "")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    fs::write(&file, &pair.key)?;
    Ok(())
}
