// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The administrator's access to the database server, and the URLs of modules that follow from it.

use std::io::ErrorKind;
use std::path::Path;

use rathaus_contract::DATABASE_CA_FILE;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use super::error::Error;

/// What a URL must look like; ends each message about one that does not. Messages never repeat the URL,
/// which contains a password.
const FORM: &str = "it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE with one host, and characters such as # ? / @ in the password percent-encoded";

const URL_FILE: &str = "url";
const CA_FILE: &str = "ca.crt";

/// The parameters that the client library gets. It ignores others, but writes them into the log, and one of
/// these is a password, too (`sslpassword`). Host and port are set apart from these.
const CLIENT_PARAMETERS: [&str; 8] =
    ["user", "password", "dbname", "options", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// The content of the files of the administrator's Secret.
#[derive(PartialEq)]
pub(super) struct AdminFiles {
    url: String,
    /// Authority of the server's certificate, in PEM.
    ca: Option<String>,
}

impl AdminFiles {
    /// Reads the files `url` and `ca.crt` in `folder`; only the latter may be missing.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let (url, ca) = (folder.join(URL_FILE), folder.join(CA_FILE));
        Ok(Self {
            url: std::fs::read_to_string(&url).map_err(|error| unusable(&url, error.to_string()))?,
            ca: read_authority(&ca).map_err(|message| unusable(&ca, message))?,
        })
    }

    /// Parses the files, which are those in `folder`.
    pub fn parse(&self, folder: &Path) -> Result<AdminAccess, Error> {
        AdminAccess::parse(&self.url, self.ca.clone())
            .map_err(|message| unusable(&folder.join(URL_FILE), message))
    }
}

fn unusable(path: &Path, message: String) -> Error {
    Error::Settings { path: path.display().to_string(), message }
}

/// The administrator's URL, and the authority of the server's certificate.
pub(super) struct AdminAccess {
    /// How the operator connects.
    pub options: PgConnectOptions,
    /// Authority of the server's certificate, in PEM.
    pub ca: Option<String>,
    /// Scheme, host and port; nothing else of the administrator's URL belongs into a module's.
    address: Url,
    /// `sslmode` of the administrator's URL, if it has one.
    ssl_mode: Option<String>,
}

impl AdminAccess {
    /// Parses a URL as libpq reads it: user, password, host, port and database may also be parameters.
    fn parse(text: &str, ca: Option<String>) -> Result<Self, String> {
        let mut url = Url::parse(text.trim()).map_err(|error| format!("{error}; {FORM}"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") || url.fragment().is_some() {
            return Err(FORM.to_owned());
        }
        // For libpq, a plus sign in a parameter is no space.
        let query = url.query().map(|query| query.replace('+', "%2B"));
        url.set_query(query.as_deref());
        let parameter = |name: &str| {
            let last = url.query_pairs().filter(|(key, _)| key == name).last();
            last.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        if url.username().is_empty() && parameter("user").is_none() {
            return Err(format!("it names no user; {FORM}"));
        }
        let host = parameter("host")
            .or_else(|| parameter("hostaddr"))
            .or_else(|| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        let port = match parameter("port") {
            Some(port) => {
                Some(port.parse().map_err(|_| format!("port {port:?} is not a number from 0 to 65535"))?)
            }
            None => url.port(),
        };
        let address = server_address(url.scheme(), &host, port)?;
        let ssl_mode = read_ssl_mode(parameter)?;

        let mut client_url = url.clone();
        client_url
            .query_pairs_mut()
            .clear()
            .extend_pairs(url.query_pairs().filter(|(key, _)| CLIENT_PARAMETERS.contains(&key.as_ref())));
        let options = PgConnectOptions::from_url(&client_url).map_err(|error| error.to_string())?;
        let mut options = options.host(host.trim_matches(['[', ']']));
        if let Some(port) = port {
            options = options.port(port);
        }
        if let Some(ssl_mode) = &ssl_mode {
            options = options.ssl_mode(ssl_mode.parse::<PgSslMode>().map_err(|error| error.to_string())?);
        }
        Ok(Self { options, ca, address, ssl_mode })
    }

    /// The URL of a module: its role, password and database on the administrator's server.
    pub fn module_url(&self, name: &str, password: &str) -> Url {
        let mut url = self.address.clone();
        // These setters fail only for a URL without a host, which `server_address` rejects.
        let _ = url.set_username(name);
        let _ = url.set_password(Some(password));
        url.set_path(name);
        if self.ca.is_some() {
            url.query_pairs_mut()
                .extend_pairs([("sslmode", "verify-full"), ("sslrootcert", DATABASE_CA_FILE)]);
        } else if let Some(ssl_mode) = &self.ssl_mode {
            url.query_pairs_mut().append_pair("sslmode", ssl_mode);
        }
        url
    }
}

/// Reads the authority of the server's certificate; `None` if there is no such file. A file that is there
/// and cannot be read must not mean that any certificate is accepted.
fn read_authority(path: &Path) -> Result<Option<String>, String> {
    let pem = match std::fs::read_to_string(path) {
        Ok(pem) => pem,
        // A link without its target is a configured file that cannot be read.
        Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(
            "it contains no certificate in PEM; remove it if the authority is a public one".to_owned()
        );
    }
    Ok(Some(pem))
}

/// The part of a URL that names the server. Modules reach it over TCP only, and it is one: neither a socket's
/// folder nor a list of hosts.
fn server_address(scheme: &str, host: &str, port: Option<u16>) -> Result<Url, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if host.is_empty() || !host.chars().all(is_plain) {
        return Err(format!("it must name one host by its DNS name or IP address; {FORM}"));
    }
    let host =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Url::parse(&format!("{scheme}://{host}{port}")).map_err(|error| format!("{error}; {FORM}"))
}

/// Reads `sslmode`, or `ssl=true`, which libpq reads as `sslmode=require`.
fn read_ssl_mode(parameter: impl Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    let required = || parameter("ssl").filter(|value| value == "true").map(|_| "require".to_owned());
    match parameter("sslmode").or_else(required) {
        Some(mode) if !modes.contains(&mode.as_str()) => {
            Err(format!("sslmode {mode:?} must be one of {}", modes.join(", ")))
        }
        mode => Ok(mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

    fn module_url(text: &str) -> String {
        AdminAccess::parse(text, None)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .module_url("a_b", "pw")
            .into()
    }

    fn error_of(text: &str) -> String {
        AdminAccess::parse(text, None).err().unwrap_or_else(|| panic!("{text} is accepted"))
    }

    #[test]
    fn every_form_of_the_administrators_url_leaks_nothing_into_a_modules_url() {
        for (admin, module) in [
            ("postgres://root:geheim@db.example/postgres", "postgres://a_b:pw@db.example/a_b"),
            ("postgresql://root:geheim@db.example:5433", "postgresql://a_b:pw@db.example:5433/a_b"),
            (
                "postgres://root:geheim@db.example:5432/postgres?sslmode=verify-full",
                "postgres://a_b:pw@db.example:5432/a_b?sslmode=verify-full",
            ),
            ("postgres://db.example/postgres?user=root&password=geheim", "postgres://a_b:pw@db.example/a_b"),
            ("postgres://db.example/?user=root&%70assword=geheim", "postgres://a_b:pw@db.example/a_b"),
            (
                "postgres:///?host=db.example&port=5433&dbname=geheim&user=root&password=geheim&ssl=true",
                "postgres://a_b:pw@db.example:5433/a_b?sslmode=require",
            ),
            (
                "postgres://root:geheim%23%2F%40@[2001:db8::1]:5432/x",
                "postgres://a_b:pw@[2001:db8::1]:5432/a_b",
            ),
            (
                "postgres:///x?hostaddr=2001:db8::1&user=root&password=geheim",
                "postgres://a_b:pw@[2001:db8::1]/a_b",
            ),
            (
                "postgres://root:geheim@db.example/x?sslpassword=geheim&passfile=geheim&options=-c%20a%3Dgeheim&sslkey=geheim&sslrootcert=geheim",
                "postgres://a_b:pw@db.example/a_b",
            ),
        ] {
            let url = module_url(admin);
            assert_eq!(url, module, "from {admin}");
            assert!(!url.contains("geheim") && !url.contains("root"), "{url}");
        }
    }

    #[test]
    fn the_operator_connects_as_libpq_would() {
        let read = |text: &str| {
            let options = AdminAccess::parse(text, None).ok().unwrap().options;
            let password = options.to_url_lossy().password().map(str::to_owned);
            (options.get_host().to_owned(), options.get_port(), options.get_username().to_owned(), password)
        };
        let answer = |host: &str, port, password: &str| {
            (host.to_owned(), port, "r@t".to_owned(), Some(password.to_owned()))
        };
        let in_authority = "postgres://r%40t:a%2Bb@db.example:5433/x";
        assert_eq!(read(in_authority), answer("db.example", 5433, "a%2Bb"));
        let in_parameters =
            "postgres://other:b@db.example:1/x?user=r%40t&password=a+b&host=db2.example&port=5433";
        assert_eq!(read(in_parameters), answer("db2.example", 5433, "a%2Bb"));
        // In a URL, the address stands in brackets; the client library wants it without.
        let options = AdminAccess::parse("postgres://root@[::1]/x", None).ok().unwrap().options;
        assert_eq!(options.get_host(), "::1");
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
        for (text, words) in [
            ("host=db.example password=geheim", "postgres://USER"),
            ("mysql://root:geheim@db.example/x", "postgres://USER"),
            ("postgres://root:1#geheim@db.example/x", "percent-encoded"),
            ("postgres://root:geheim@a:1,b:2/x", "one host"),
            ("postgres://root:geheim@a,b/x", "one host"),
            ("postgres://root:geheim@/x", "one host"),
            ("postgres://root:geheim@%2Fvar%2Frun/x", "one host"),
            ("postgres://root:geheim@/x?host=/var/run", "one host"),
            ("postgres://db.example/x?password=geheim", "names no user"),
            ("postgres://root:geheim@db.example/x?port=none", "port \"none\""),
            ("postgres://root:geheim@db.example/x?sslmode=always", "sslmode \"always\""),
        ] {
            let error = error_of(text);
            assert!(error.contains(words) && !error.contains("geheim"), "{text}: {error}");
        }
    }

    #[test]
    fn an_authority_that_is_configured_and_cannot_be_read_is_an_error() {
        let folder = std::env::temp_dir().join(format!("rathaus-access-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (url, ca) = (folder.join("url"), folder.join("ca.crt"));
        let read = || AdminFiles::read(&folder).and_then(|files| files.parse(&folder));
        std::fs::write(&url, "postgres://root:geheim@db.example/postgres?sslmode=require\n").unwrap();
        assert_eq!(read().ok().unwrap().ca, None);

        std::fs::write(&ca, PEM).unwrap();
        let access = read().ok().unwrap();
        let expected = "postgres://a_b:pw@db.example/a_b?sslmode=verify-full&sslrootcert=%2Fetc%2Frathaus%2Fdatabase%2Fca.crt";
        assert_eq!(access.module_url("a_b", "pw").as_str(), expected);

        for content in [b"".as_slice(), b"no certificate", b"\xff\xfe"] {
            std::fs::write(&ca, content).unwrap();
            let error = read().err().unwrap();
            assert!(matches!(&error, Error::Settings { path, .. } if path.ends_with("ca.crt")), "{error}");
        }
        std::fs::remove_file(&ca).unwrap();
        std::os::unix::fs::symlink(folder.join("nowhere"), &ca).unwrap();
        assert!(matches!(read().err().unwrap(), Error::Settings { .. }), "a link without its target");
        std::fs::remove_file(&ca).unwrap();
        std::fs::create_dir(&ca).unwrap();
        assert!(matches!(read().err().unwrap(), Error::Settings { .. }), "a folder");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
