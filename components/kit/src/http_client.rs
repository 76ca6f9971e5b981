// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::time::Duration;

use anyhow::Context;
use reqwest::{Certificate, Client, ClientBuilder, redirect};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for what a module calls outside: it trusts the public authorities, which an image does not
/// have as files, and `authorities` (PEM). No proxy and no redirect can lead it to an address that was not
/// configured.
///
/// # Errors
/// `authorities` is not PEM.
pub fn http_client(authorities: Option<&str>) -> anyhow::Result<ClientBuilder> {
    let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der));
    let own = Certificate::from_pem_bundle(authorities.unwrap_or_default().as_bytes())
        .context("authorities in module.json are not certificates in PEM")?;
    let trusted = public.collect::<Result<Vec<_>, _>>().context("the public authorities")?;
    Ok(Client::builder()
        .tls_certs_only(trusted.into_iter().chain(own))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT))
}
