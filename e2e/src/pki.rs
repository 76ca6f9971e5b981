// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The local node's certificates, all signed by one authority that lives as long as the node.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::paths::state;

/// Certificate and key, PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS #8.
    pub key: String,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Common name; Kubernetes reads it as the user.
    pub name: &'a str,
    /// Organisation; Kubernetes reads it as the group.
    pub group: Option<&'a str>,
    /// DNS names and IP addresses it answers to.
    pub hosts: &'a [&'a str],
}

/// The authority that signs everything of the local node.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one and keeps it in the node's state folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create() -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = authority_params()?.self_signed(&key)?.pem();
        write("ca", &Pair { certificate, key: key.serialize_pem() })?;
        Self::open()
    }

    /// Reads the one that [`Self::create`] has kept.
    ///
    /// # Errors
    /// There is none.
    pub fn open() -> Result<Self> {
        let key = KeyPair::from_pem(&fs::read_to_string(key_file("ca"))?)?;

        Ok(Self { issuer: Issuer::new(authority_params()?, key) })
    }

    /// Signs a certificate for client and server use, valid for a year.
    ///
    /// # Errors
    /// A host is neither a DNS name nor an IP address.
    pub fn sign(&self, subject: Subject<'_>) -> Result<Pair> {
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
        Ok(Pair { certificate, key: key.serialize_pem() })
    }

    /// Signs a certificate and keeps it under `name` in the node's state folder.
    ///
    /// # Errors
    /// As [`Self::sign`], or the folder cannot be written.
    pub fn issue(&self, name: &str, subject: Subject<'_>) -> Result<Pair> {
        let pair = self.sign(subject)?;
        write(name, &pair)?;
        Ok(pair)
    }
}

/// The authority's certificate, PEM.
///
/// # Errors
/// No node has been started.
pub fn ca_certificate() -> Result<String> {
    let file = certificate_file("ca");
    fs::read_to_string(&file)
        .with_context(|| format!("{} is missing: start the node with `cargo xtask up`", file.display()))
}

/// Where the certificate `name` is kept.
pub fn certificate_file(name: &str) -> PathBuf {
    state("pki").join(format!("{name}.crt"))
}

/// Where the private key `name` is kept.
pub fn key_file(name: &str) -> PathBuf {
    state("pki").join(format!("{name}.key"))
}

/// Makes the key that signs service account tokens, and its public half, which the API server reads.
///
/// # Errors
/// The state folder cannot be written.
pub fn create_service_account_key() -> Result<()> {
    let key = KeyPair::generate()?;
    let pair = Pair { certificate: key.public_key_pem(), key: key.serialize_pem() };
    write("service-account", &pair)
}

/// The same for every authority, so that one read back from disk signs under the same name.
fn authority_params() -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "rathaus local node");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params)?;
    Ok(params)
}

/// From yesterday, since clocks differ, for a year.
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

fn write(name: &str, pair: &Pair) -> Result<()> {
    fs::create_dir_all(state("pki"))?;
    fs::write(certificate_file(name), &pair.certificate)?;
    let file = key_file(name);
    fs::write(&file, "")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    fs::write(&file, &pair.key)?;
    Ok(())
}
