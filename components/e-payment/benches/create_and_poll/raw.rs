// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The same statements without the program: `pgbench`, prepared, with values of the same size.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::support::{self, ARS, Server, Service, payment};

/// A pgbench script of what the program asks PostgreSQL for one payment.
pub struct Statements(String);

impl Statements {
    /// Has the program create and poll a payment and asks PostgreSQL for the text of each statement, so
    /// that this cannot say something else than `src/store.rs` does.
    pub async fn of_the_program(service: &Service<'_>) -> Self {
        let last = |kind: &str| {
            let sql = format!(
                "SELECT regexp_replace(query, '\\s+', ' ', 'g') FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND datname = current_database() AND query LIKE '%{kind}%'"
            );
            let (worked, found) = service.sql(&sql);
            assert!(
                worked && !found.is_empty() && !found.contains('\n'),
                "one statement with {kind}: {found}"
            );
            found
        };
        let (_, created) = service.create(&payment("R-1")).await;
        let create = last("INSERT INTO transactions");
        service.poll(created["paymentInformation"]["transactionId"].as_str().unwrap()).await;
        Self::script(&create, &last("FROM transactions t WHERE t.id = $1"))
    }

    /// Ids, originator, end point, requestId, request, client, no Idempotency-Key and the range of receipt
    /// numbers, in the order of the statement's parameters; pgbench has no word for NULL.
    fn script(create: &str, find: &str) -> Self {
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
        assert!(!create.contains('$') && !find.contains('$'), "more parameters than known: {create}; {find}");
        Self(format!("\\set id random(1000000000000000000, 9000000000000000000)\n{create};\n{find};\n"))
    }
}

/// Pairs a second.
pub fn run(server: &Server, database: &str, statements: &Statements, clients: u16, length: Duration) -> f64 {
    let script = std::env::temp_dir().join(format!("{database}.pgbench"));
    fs::write(&script, &statements.0).unwrap();
    let output = Command::new(support::postgres_program("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--host=127.0.0.1", "--username=postgres"])
        .arg(format!("--port={}", server.port()))
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", length.as_secs()))
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
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let rate = printed.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    rate.expect("pgbench tells its rate").parse().unwrap()
}
