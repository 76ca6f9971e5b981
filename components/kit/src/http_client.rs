// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::time::Duration;

use anyhow::Context;
use reqwest::{Certificate, Client, ClientBuilder, redirect};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6);
/// Shorter than the keep-alive time of common servers and proxies, so that the client does not send a
/// request on a connection that the server is closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Returns a builder for the HTTP client of a module; the caller may set more options. The client trusts
/// the public certificate authorities, which are compiled in because the image has no files of them, and
/// those in `authorities` (PEM, may hold several). It uses no proxy and follows no redirect: a redirect
/// could carry credentials to a server that the town did not name.
///
/// # Errors
/// Fails if `authorities` is not PEM.
pub fn http_client_builder(authorities: Option<&str>) -> anyhow::Result<ClientBuilder> {
    let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der));
    let additional = Certificate::from_pem_bundle(authorities.unwrap_or_default().as_bytes())
        .context("authorities of module.json must be certificates in PEM")?;
    let public =
        public.collect::<Result<Vec<_>, _>>().context("cannot load the public certificate authorities")?;
    Ok(Client::builder()
        .tls_certs_only(public.into_iter().chain(additional))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT))
}
