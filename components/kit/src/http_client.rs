// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::time::Duration;

use anyhow::Context;
use reqwest::{Certificate, Client, ClientBuilder, redirect};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6);
/// Less than servers and what stands before them commonly keep a connection without requests.
const IDLE: Duration = Duration::from_secs(30);

/// A client for what a module calls outside, to be completed and built: it trusts the public
/// authorities, which an image does not have as files, and `authorities` (PEM). It uses no proxy and
/// follows no redirect, which could carry credentials to somebody whom the town did not name.
///
/// # Errors
/// `authorities` is not PEM.
pub fn http_client(authorities: Option<&str>) -> anyhow::Result<ClientBuilder> {
    let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der));
    let own = Certificate::from_pem_bundle(authorities.unwrap_or_default().as_bytes())
        .context("authorities of module.json must be certificates in PEM")?;
    let trusted = public.collect::<Result<Vec<_>, _>>().context("the public authorities")?;
    Ok(Client::builder()
        .tls_certs_only(trusted.into_iter().chain(own))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .pool_idle_timeout(IDLE))
}
