// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the one who runs it says about the service.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use url::Url;

/// Where the service is, and as whom it is asked.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Base URL, below which /paymenttransaction and /status are
    pub url: Url,
    /// originatorId that the service knows
    #[arg(long, value_name = "ID")]
    pub originator: String,
    /// endPointId that the service knows and that can be paid
    #[arg(long, value_name = "ID")]
    pub end_point: String,
    /// bookingData that every item needs here, as in hhst=1.1100.1000; repeat it for each key
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub booking_data: Vec<(String, String)>,
    /// How it is proved who asks; without any, nothing is proved.
    #[command(flatten)]
    pub login: Login,
    /// Authority of the service's certificate (PEM), beside the public ones
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Also pay, cancel and fail: the page of transactionRedirectUrl must be an HTML form with a button for each
    #[arg(long)]
    pub sandbox: bool,
    /// What the buttons of the pay page send.
    #[command(flatten)]
    pub buttons: Buttons,
    /// Also judge what rathaus adds to the standard, such as Idempotency-Key
    #[arg(long)]
    pub extensions: bool,
}

/// The buttons of a sandbox's pay page.
#[derive(Clone, Debug, Args)]
pub struct Buttons {
    /// Button of the pay page that pays
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, default_value = "decision=confirm")]
    pub confirm_button: (String, String),
    /// Button of the pay page that cancels
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, default_value = "decision=cancel")]
    pub cancel_button: (String, String),
    /// Button of the pay page that lets the payment fail
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, default_value = "decision=fail")]
    pub fail_button: (String, String),
}

/// Credentials as they stand on the command line; at most one kind of them.
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
    /// Its secret
    #[arg(long, env = "XBEZAHLDIENSTE_CLIENT_SECRET", hide_env_values = true)]
    pub client_secret: Option<String>,
    /// Where the client gets its token
    #[arg(long, value_name = "URL")]
    pub token_url: Option<Url>,
}

/// How it is proved who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// It is not; the service is open, or a proxy in front proves it.
    None,
    /// A bearer token.
    Token(String),
    /// HTTP Basic.
    Basic {
        /// Who.
        user: String,
        /// What only they know.
        password: String,
    },
    /// OAuth 2.0 client credentials.
    Client {
        /// Who.
        id: String,
        /// What only they know.
        secret: String,
        /// Where that is exchanged for a bearer token.
        token_url: Url,
    },
}

impl Login {
    /// The one kind that is there.
    ///
    /// # Errors
    /// Half of a kind is missing.
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

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} must be NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn read(more: &[&str]) -> Result<Options, clap::Error> {
        let always = ["x", "https://a.example", "--originator=o", "--end-point=e"];
        Line::try_parse_from(always.iter().chain(more)).map(|line| line.options)
    }

    #[test]
    fn one_kind_of_credentials_is_enough_and_two_are_refused() {
        let token_url = "https://a.example/oauth/token";
        let oauth = ["--client-id=c", "--client-secret=s", "--token-url", token_url];
        let client = read(&oauth).unwrap().login.credentials().unwrap();
        let token_url = Url::parse(token_url).unwrap();
        assert!(client == Credentials::Client { id: "c".into(), secret: "s".into(), token_url });
        assert!(read(&[]).unwrap().login.credentials().unwrap() == Credentials::None);
        for wrong in [&["--token=t", "--user=u", "--password=p"][..], &["--user=u"], &["--client-id=c"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn pairs_are_read_at_their_first_equals_sign() {
        let options = read(&["--booking-data=hhst=1=2"]).unwrap();
        assert_eq!(options.booking_data, [("hhst".to_owned(), "1=2".to_owned())]);
        assert!(read(&["--confirm-button=pay"]).is_err());
    }
}
