// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The command line options: which service is tested, and with which credentials.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use url::Url;

/// Address of the service, credentials, and which rules to check.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Base URL of the service: the part before /paymenttransaction and /status
    pub url: Url,
    /// originatorId that the service knows
    #[arg(long, value_name = "ID")]
    pub originator: String,
    /// endPointId that the service knows and that can receive payments
    #[arg(long, value_name = "ID")]
    pub end_point: String,
    /// bookingData that every item needs at this end point, such as hhst=1.1100.1000; repeat it for each key
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub booking_data: Vec<(String, String)>,
    /// The credentials of the runner; without any, it sends none.
    #[command(flatten)]
    pub login: Login,
    /// File with the certificate authority of the service (PEM), which is trusted besides the public ones
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Also pay, cancel and fail: the page of transactionRedirectUrl must be an HTML form with a button for each
    #[arg(long)]
    pub sandbox: bool,
    /// The buttons of the pay page.
    #[command(flatten)]
    pub buttons: Buttons,
    /// Also check the extensions of rathaus to the standard, such as Idempotency-Key
    #[arg(long)]
    pub extensions: bool,
}

/// The buttons of a sandbox's pay page: name and value that each button sends.
#[derive(Clone, Debug, Args)]
pub struct Buttons {
    /// Button of the pay page that pays
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, default_value = "decision=confirm")]
    pub confirm_button: (String, String),
    /// Button of the pay page that cancels
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, default_value = "decision=cancel")]
    pub cancel_button: (String, String),
    /// Button of the pay page that lets the payment fail
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, default_value = "decision=fail")]
    pub fail_button: (String, String),
}

/// The credentials on the command line; at most one kind of them may be given.
#[derive(Clone, Debug, Default, Args)]
pub struct Login {
    /// Bearer token (RFC 6750)
    #[arg(long, env = "XBEZAHLDIENSTE_TOKEN", hide_env_values = true, conflicts_with_all = ["user", "client_id"])]
    pub token: Option<String>,
    /// User of HTTP Basic (RFC 7617)
    #[arg(long, requires = "password", conflicts_with = "client_id")]
    pub user: Option<String>,
    /// Password of HTTP Basic
    #[arg(long, env = "XBEZAHLDIENSTE_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Client of OAuth 2.0 client credentials (RFC 6749, section 4.4)
    #[arg(long, requires = "client_secret", requires = "token_url")]
    pub client_id: Option<String>,
    /// Secret of the OAuth 2.0 client
    #[arg(long, env = "XBEZAHLDIENSTE_CLIENT_SECRET", hide_env_values = true)]
    pub client_secret: Option<String>,
    /// OAuth 2.0 token endpoint
    #[arg(long, value_name = "URL")]
    pub token_url: Option<Url>,
}

/// How the runner authenticates at the service.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all: the service is open, or a proxy in front of it authenticates (mutual TLS).
    None,
    /// A bearer token (RFC 6750).
    Token(String),
    /// HTTP Basic (RFC 7617).
    Basic {
        /// User name.
        user: String,
        /// Password of the user.
        password: String,
    },
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    Client {
        /// Client id.
        id: String,
        /// Client secret.
        secret: String,
        /// Token endpoint, which exchanges them for a bearer token.
        token_url: Url,
    },
}

impl Login {
    /// Returns the kind of credentials that is given.
    ///
    /// # Errors
    /// Fails if a part of the credentials is missing, such as the password of a user.
    pub fn credentials(&self) -> anyhow::Result<Credentials> {
        Ok(
            match (
                &self.token,
                (&self.user, &self.password),
                (&self.client_id, &self.client_secret, &self.token_url),
            ) {
                (Some(token), ..) => Credentials::Token(token.clone()),
                (None, (Some(user), Some(password)), _) => {
                    Credentials::Basic { user: user.clone(), password: password.clone() }
                }
                (None, (None, _), (Some(id), Some(secret), Some(token_url))) => Credentials::Client {
                    id: id.clone(),
                    secret: secret.clone(),
                    token_url: token_url.clone(),
                },
                (None, (None, _), (None, ..)) => Credentials::None,
                _ => bail!("--user needs --password; --client-id needs --client-secret and --token-url"),
            },
        )
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} must be NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        options: Options,
    }

    fn parse_options(more: &[&str]) -> Result<Options, clap::Error> {
        let required = ["x", "https://a.example", "--originator=o", "--end-point=e"];
        CommandLine::try_parse_from(required.iter().chain(more)).map(|command_line| command_line.options)
    }

    #[test]
    fn one_complete_kind_of_credentials_is_accepted() {
        let token_url = "https://a.example/oauth/token";
        let oauth = ["--client-id=c", "--client-secret=s", "--token-url", token_url];
        let client = parse_options(&oauth).unwrap().login.credentials().unwrap();
        let token_url = Url::parse(token_url).unwrap();
        assert!(client == Credentials::Client { id: "c".into(), secret: "s".into(), token_url });
        assert!(parse_options(&[]).unwrap().login.credentials().unwrap() == Credentials::None);
        for wrong in [&["--token=t", "--user=u", "--password=p"][..], &["--user=u"], &["--client-id=c"]] {
            assert!(parse_options(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_pair_is_split_at_its_first_equals_sign() {
        let options = parse_options(&["--booking-data=hhst=1=2"]).unwrap();
        assert_eq!(options.booking_data, [("hhst".to_owned(), "1=2".to_owned())]);
        assert!(parse_options(&["--confirm-button=pay"]).is_err());
    }
}
