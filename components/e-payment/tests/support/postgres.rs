// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Starts a real PostgreSQL server for tests: those of e-payment, and those of the operator.

#![allow(dead_code, reason = "each test program uses a part of this module")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A PostgreSQL server from Debian's package, private to this test program. A shell stops it when the test
/// program ends, even if that is killed: the shell waits for the end of its standard input.
pub struct Server {
    folder: PathBuf,
    port: u16,
    _shell: Child,
}

impl Server {
    /// The server that the tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a server for a single test.
    pub fn start() -> Self {
        Self::start_with("-c fsync=off -c max_connections=200")
    }

    /// Starts a server with these options on its command line.
    pub fn start_with(options: &str) -> Self {
        let folder = create_temp_dir();
        if let Some((user, group)) = postgres_user() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let port = free_port();
        let data = folder.join("data");
        let initdb = format!(
            "{} --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync --pgdata={}",
            postgres_program("initdb"),
            data.display()
        );
        let status = as_postgres(&initdb).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "initdb failed");
        let serve = format!(
            "{} -D {} -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} {options} \
             & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid; rm -rf {}",
            postgres_program("postgres"),
            data.display(),
            folder.display(),
            folder.display()
        );
        let log = fs::File::create(folder.join("log")).unwrap();
        let shell = as_postgres(&serve).stdin(Stdio::piped()).stderr(log).spawn().unwrap();
        let server = Self { folder, port, _shell: shell };
        server.wait_until_ready();
        server
    }

    /// The port on 127.0.0.1 at which the server listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.psql("postgres", "SELECT 1").0 {
            assert!(Instant::now() < deadline, "PostgreSQL does not start: see {}", self.folder.display());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs SQL with `psql`. Returns whether it succeeded, and its output.
    pub fn psql(&self, database: &str, sql: &str) -> (bool, String) {
        let port = self.port.to_string();
        let output = Command::new("psql")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database, "-qtAX", "-c", sql])
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    }
}

/// A new folder for temporary files.
pub fn create_temp_dir() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("rathaus-test-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The path of a program of the newest PostgreSQL version that is installed.
pub fn postgres_program(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("install the Debian package postgresql");
    let newest = versions.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok()).max();
    format!("/usr/lib/postgresql/{}/bin/{name}", newest.expect("a version of PostgreSQL"))
}

/// User id and group id of the user `postgres` if the tests run as root, because PostgreSQL refuses to run
/// as root.
fn postgres_user() -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    rustix::process::geteuid().is_root().then(|| (fields.next().unwrap(), fields.next().unwrap()))
}

/// A command that runs a shell script as the user of PostgreSQL.
fn as_postgres(script: &str) -> Command {
    let mut command = match postgres_user() {
        Some(_) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", "sh"]);
            command
        }
        None => Command::new("sh"),
    };
    command.args(["-c", script]).current_dir("/");
    command
}

/// A free port below the range of ephemeral ports, so that the system does not assign it to another process
/// before the program under test binds it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut candidates = std::iter::repeat_with(|| {
        let step = std::process::id() * 37 + NEXT.fetch_add(1, Ordering::Relaxed);
        15_000 + u16::try_from(step % 15_000).unwrap()
    });
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}
