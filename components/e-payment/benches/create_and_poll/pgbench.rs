// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Executes the program's statements with `pgbench`, as prepared statements with values of the same size.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::support::{self, ARS, Server, Service, payment};

/// A `pgbench` script with the statements that the program executes to create and poll one payment.
pub struct Statements(String);

impl Statements {
    /// Creates and polls a payment with the program and gets the text of each statement from PostgreSQL, so
    /// that the script cannot deviate from `src/store.rs`.
    pub async fn capture(service: &Service<'_>) -> Self {
        let last_statement = |part: &str| {
            let sql = format!(
                "SELECT regexp_replace(query, '\\s+', ' ', 'g') FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND datname = current_database() AND query LIKE '%{part}%'"
            );
            let (succeeded, statement) = service.sql(&sql);
            assert!(
                succeeded && !statement.is_empty() && !statement.contains('\n'),
                "expected one statement with {part}: {statement}"
            );
            statement
        };
        let (_, created) = service.create(&payment("R-1")).await;
        let create = last_statement("INSERT INTO transactions");
        service.poll(created["paymentInformation"]["transactionId"].as_str().unwrap()).await;
        Self::from_sql(&create, &last_statement("FROM transactions t WHERE t.id = $1"))
    }

    /// Replaces the parameters of the statements by `pgbench` variables: id, originator, end point,
    /// requestId, request, client, Idempotency-Key, and the prefix and last number of the receipt numbers.
    /// The key is a literal `NULL` because a variable of `pgbench` cannot be `NULL`.
    fn from_sql(create: &str, find: &str) -> Self {
        let values = [
            ":id",
            ":originator",
            ":endpoint",
            ":id",
            ":request",
            ":client",
            "NULL::text",
            ":prefix",
            ":last",
        ];
        let with_values = |statement: &str| {
            (1..=values.len()).rev().fold(statement.to_owned(), |text, number| {
                text.replace(&format!("${number}"), values[number - 1])
            })
        };
        let (create, find) = (with_values(create), with_values(find));
        assert!(
            !create.contains('$') && !find.contains('$'),
            "the statements have more parameters than expected: {create}; {find}"
        );
        Self(format!("\\set id random(1000000000000000000, 9000000000000000000)\n{create};\n{find};\n"))
    }
}

/// Runs `pgbench` for this duration and returns the number of pairs (creating and polling one payment) per
/// second.
pub fn run(
    server: &Server,
    database: &str,
    statements: &Statements,
    clients: u16,
    duration: Duration,
) -> f64 {
    let script = std::env::temp_dir().join(format!("{database}.pgbench"));
    fs::write(&script, &statements.0).unwrap();
    let output = Command::new(support::postgres_program("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--host=127.0.0.1", "--username=postgres"])
        .arg(format!("--port={}", server.port()))
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", duration.as_secs()))
        .arg("--define=originator=parkausweis")
        .arg(format!("--define=endpoint={ARS}"))
        .arg("--define=client=portal")
        .args(["--define=prefix=AHS-", "--define=last=9989999"])
        .arg(format!("--define=request={}", payment("00000000000000000000000000000000")))
        .arg(format!("--file={}", script.display()))
        .arg(database)
        .output()
        .unwrap();
    fs::remove_file(&script).unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let rate = stdout.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    rate.expect("pgbench prints its rate").parse().unwrap()
}
