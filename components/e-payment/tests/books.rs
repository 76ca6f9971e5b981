// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tests of settlements, confirmations, receipt numbers and the erasure of payer data on a real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use futures::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use support::{ARS, Server, Service, payment};

fn id(transaction: &Value) -> String {
    transaction["paymentInformation"]["transactionId"].as_str().unwrap().to_owned()
}

/// Creates a payment and pays it on the pay page. Returns the polled transaction.
async fn create_paid(service: &Service<'_>, request: &Value) -> Value {
    let (status, created) = service.create(request).await;
    assert_eq!(status, 200, "{created}");
    assert_eq!(service.press(&id(&created), "confirm").await.0, 303);
    service.poll(&id(&created)).await
}

fn receipt_number(transaction: &Value) -> &str {
    transaction["paymentInformation"]["transactionReference"].as_str().unwrap()
}

/// A command of the program with the configuration of a running service.
fn command(service: &Service, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_e-payment"));
    command.arg("--config-dir").arg(&service.config).args(arguments);
    command
}

/// Runs a command to its end. Returns whether it succeeded, its standard output and its standard error.
fn run(mut command: Command) -> (bool, String, String) {
    result(command.stdin(Stdio::null()).output().unwrap())
}

fn result(output: Output) -> (bool, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// The output of the command `settlement`.
fn settlement(service: &Service, day: &str, format: &str) -> String {
    let (ok, stdout, log) = run(command(service, &["settlement", "--day", day, "--format", format]));
    assert!(ok, "{log}");
    stdout
}

/// The day of the first payment in German time.
fn first_day(service: &Service) -> String {
    service.sql("SELECT (min(decided_at) AT TIME ZONE 'Europe/Berlin')::date FROM transactions").1
}

/// Imports a confirmation with these lines. Returns whether the command succeeded, and its report.
fn confirm(service: &Service, lines: &[String]) -> (bool, Value) {
    let file = service.config.join("confirmation.csv");
    fs::write(&file, format!("receiptNumber;amount;bookedOn\n{}\n", lines.join("\n"))).unwrap();
    let (ok, stdout, log) = run(command(service, &["confirm", file.to_str().unwrap()]));
    (ok, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout} {log}")))
}

#[tokio::test]
async fn the_settlement_of_a_day_has_each_payment_and_the_totals() {
    let service = Service::start(Server::shared()).await;
    let mut request = payment("R-1");
    request["requestor"] = json!({"name": "Wolkenstein"});
    request["items"][0]["bookingData"] = json!({"hhst": "1.1100.1000", "kst": "4711"});
    let first = create_paid(&service, &request).await;
    let second = create_paid(&service, &payment("R-2")).await;
    let (_, canceled) = service.create(&payment("R-3")).await;
    service.press(&id(&canceled), "cancel").await;
    service.create(&payment("R-4")).await;

    let day = first_day(&service);
    let csv = settlement(&service, &day, "csv");
    let records: Vec<Vec<&str>> = csv.lines().map(|line| line.split(';').collect()).collect();
    assert_eq!(records.len(), 5, "{csv}");
    assert!(records.iter().all(|fields| fields.len() == records[0].len()), "{csv}");
    for (record, transaction, request) in [(1, &first, "R-1"), (2, &second, "R-2")] {
        let fields = &records[record][..10];
        let at = transaction["paymentInformation"]["transactionTimestamp"].as_str().unwrap();
        let (number, id) = (receipt_number(transaction), &*id(transaction));
        assert_eq!(fields, ["ITEM", ARS, &day, number, id, ARS, "parkausweis", request, at, "OTHER"]);
    }
    assert_eq!(
        &records[1][10..],
        ["", "28,80", "", "1", "99108", "28,80", "0,00", "hhst=1.1100.1000|kst=4711"]
    );
    assert_eq!(
        records[3],
        ["SUBTOTAL", ARS, &day, "", "", ARS, "", "", "", "", "", "57,60", "2", "", "", "", "", ""]
    );
    assert_eq!(
        records[4],
        ["TOTAL", ARS, &day, "", "", "", "", "", "", "", "", "57,60", "2", "", "", "", "", ""]
    );

    let lines = settlement(&service, &day, "jsonl");
    let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = objects.iter().map(|object| object["record"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["PAYMENT", "PAYMENT", "SUBTOTAL", "TOTAL"]);
    assert_eq!(
        (&objects[0]["receiptNumber"], &objects[0]["amount"]),
        (&receipt_number(&first).into(), &"28.80".into())
    );
    assert_eq!(objects[0]["items"][0]["bookingData"], json!({"hhst": "1.1100.1000", "kst": "4711"}));
    assert_eq!((&objects[3]["payments"], &objects[3]["amount"]), (&2.into(), &"57.60".into()));
    assert!(!csv.contains("Wolkenstein") && !lines.contains("Wolkenstein"), "no data of the payer");

    let empty = settlement(&service, "2026-01-01", "jsonl");
    assert_eq!(
        empty,
        format!(
            "{{\"ars\":\"{ARS}\",\"day\":\"2026-01-01\",\"record\":\"TOTAL\",\"payments\":0,\"amount\":\"0.00\"}}\n"
        )
    );
}

#[tokio::test]
async fn settlement_days_are_german_days_even_when_the_clocks_change() {
    let service = Service::start(Server::shared()).await;
    let request = payment("R").to_string();
    for (number, at) in [
        (1, "2026-03-28 22:59:59.999Z"), // 23:59 in winter
        (2, "2026-03-28 23:00:00Z"),
        (3, "2026-03-29 21:59:59.999Z"), // 23:59 in summer, after 23 hours
        (4, "2026-10-24 22:00:00Z"),
        (5, "2026-10-25 22:59:59.999Z"), // after 25 hours
        (6, "2026-10-25 23:00:00Z"),
    ] {
        let sql = format!(
            "INSERT INTO transactions (id, originator_id, end_point_id, request_id, request, status, decided_at, receipt_number) \
             VALUES ('{number}', 'o', '{ARS}', '{number}', '{request}', 'PAYED', '{at}', 'K-{number}'); \
             INSERT INTO events (transaction_id, status, effective, at, amount, receipt_number) \
             VALUES ('{number}', 'PAYED', true, '{at}', 28.80, 'K-{number}')"
        );
        assert!(service.sql(&sql).0);
    }
    for (day, numbers) in [
        ("2026-03-28", &["K-1"][..]),
        ("2026-03-29", &["K-2", "K-3"]),
        ("2026-10-25", &["K-4", "K-5"]),
        ("2026-10-26", &["K-6"]),
    ] {
        let lines = settlement(&service, day, "jsonl");
        let objects = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found: Vec<String> =
            objects.filter_map(|object| Some(object["receiptNumber"].as_str()?.to_owned())).collect();
        assert_eq!(found, numbers, "{day}");
    }
}

#[tokio::test]
async fn a_settlement_is_withheld_if_transactions_were_changed_in_the_database() {
    let service = Service::start(Server::shared()).await;
    let transaction = create_paid(&service, &payment("R-1")).await;
    create_paid(&service, &payment("R-2")).await;
    let (day, id) = (first_day(&service), id(&transaction));
    let untouched = settlement(&service, &day, "csv");
    service.sql("CREATE TABLE untouched AS SELECT * FROM transactions");
    let mismatch = "the log of events has 2 payments with a total of 57.60 EUR, the transactions have";
    for (change, totals) in [
        ("receipt_number = 'AHS-99999999'", "2 payments with a total of 57.60 EUR"),
        ("receipt_number = NULL", "2 payments with a total of 57.60 EUR"),
        ("status = 'FAILED'", "1 payments with a total of 28.80 EUR"),
        ("status = 'INITIAL', decided_at = NULL", "1 payments with a total of 28.80 EUR"),
        ("decided_at = decided_at - interval '1 day'", "1 payments with a total of 28.80 EUR"),
        (
            "request = replace(request, '\"grosAmount\":28.80', '\"grosAmount\":28.79')",
            "2 payments with a total of 57.59 EUR",
        ),
    ] {
        assert!(service.sql(&format!("UPDATE transactions SET {change} WHERE id = '{id}'")).0);
        let (ok, stdout, log) = run(command(&service, &["settlement", "--day", &day]));
        let expected = format!("{mismatch} {totals}, first at transaction {id};");
        assert!(!ok && stdout.is_empty() && log.contains(&expected), "{change}: {stdout} {log}");
        let restore = "UPDATE transactions t SET receipt_number = u.receipt_number, status = u.status, \
                    decided_at = u.decided_at, request = u.request FROM untouched u WHERE t.id = u.id";
        assert!(service.sql(restore).0);
        assert_eq!(settlement(&service, &day, "csv"), untouched);
    }
    let change = "request = replace(request, '\"totalNetAmount\":28.80', '\"totalNetAmount\":1.00')";
    assert!(service.sql(&format!("UPDATE transactions SET {change} WHERE id = '{id}'")).0);
    let (ok, _, log) = run(command(&service, &["settlement", "--day", &day]));
    let number = receipt_number(&transaction);
    let message = format!("{number} has an amount of 28.80 EUR, but items of 1.00 EUR");
    assert!(!ok && log.contains(&message), "{log}");
}

#[tokio::test]
async fn a_confirmation_marks_payments_as_booked_and_may_be_imported_again() {
    let service = Service::start(Server::shared()).await;
    let (first, second) =
        (create_paid(&service, &payment("R-1")).await, create_paid(&service, &payment("R-2")).await);
    let (first, second, day) = (receipt_number(&first), receipt_number(&second), first_day(&service));
    let lines = [
        format!("{first};28,80;{day}"),
        format!("{second};28,81;{day}"),
        format!("AHS-1;28,80;{day}"),
        format!("{second};28,80;1999-12-31"),
        format!("{second};28,80;3000-01-01"),
        format!("{second};28,80"),
        format!("{first};28.80;{day}"),
    ];
    let (ok, report) = confirm(&service, &lines);
    assert_eq!((ok, &report["booked"], &report["repeated"]), (false, &1.into(), &1.into()), "{report}");
    let refused: Vec<(u64, &str)> = report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| (refusal["line"].as_u64().unwrap(), refusal["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(refused.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    for ((_, reason), expected) in
        refused.iter().zip(["is 28.80", "no payment has", "paid later", "today is", "2 fields"])
    {
        assert!(reason.contains(expected), "{reason}");
    }
    let bookings = service.sql("SELECT receipt_number, amount, imported_by FROM bookings").1;
    assert_eq!(bookings, format!("{first}|28.80|command line"));
    let booked = |line: &str| line.contains(&format!(";OTHER;{day};28,80;"));
    assert_eq!(settlement(&service, &day, "csv").lines().filter(|line| booked(line)).count(), 1);

    let corrected = [lines[0].clone(), format!("{second};28,80;{day}")];
    let report = |booked, repeated| (true, json!({"booked": booked, "repeated": repeated, "refused": []}));
    assert_eq!(confirm(&service, &corrected), report(1, 1));
    assert_eq!(confirm(&service, &corrected), report(0, 2));
    let file = fs::File::open(service.config.join("confirmation.csv")).unwrap();
    let (ok, stdout, _) = result(command(&service, &["confirm", "-"]).stdin(file).output().unwrap());
    assert_eq!((ok, serde_json::from_str(&stdout).unwrap()), report(0, 2), "imported from standard input");
    for sql in ["UPDATE bookings SET amount = 1", "DELETE FROM bookings"] {
        assert!(service.sql(sql).1.contains("bookings are append-only"), "{sql}");
    }
}

#[tokio::test]
async fn confirmations_imported_concurrently_book_each_payment_once() {
    let service = Service::start(Server::shared()).await;
    let transaction = create_paid(&service, &payment("R-1")).await;
    let file = service.config.join("confirmation.csv");
    let line = format!("{};28,80;{}", receipt_number(&transaction), first_day(&service));
    fs::write(&file, format!("receiptNumber;amount;bookedOn\n{line}\n")).unwrap();
    let arguments = ["confirm", file.to_str().unwrap()];
    let import = || command(&service, &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let imports: Vec<_> = (0..4).map(|_| import()).collect();
    let booked = imports.into_iter().map(|import| {
        let (ok, stdout, log) = result(import.wait_with_output().unwrap());
        assert!(ok, "{log}");
        serde_json::from_str::<Value>(&stdout).unwrap()["booked"].as_u64().unwrap()
    });
    assert_eq!(booked.sum::<u64>(), 1);
}

#[tokio::test]
async fn old_payer_data_is_erased_and_the_books_stay() {
    let service = Service::start(Server::shared()).await;
    let mut request = payment("R-1");
    request["requestor"] = json!({"name": "Wolkenstein", "address": {"city": "Brixen"}});
    let url = service.url(&format!("/paymenttransaction/parkausweis/{ARS}"));
    let call = service.http.post(&url).header("Idempotency-Key", "wolkenstein-1").json(&request);
    let old = id(&call.send().await.unwrap().json().await.unwrap());
    service.press(&old, "confirm").await;
    request["requestId"] = "R-2".into();
    let (_, open) = service.create(&request).await;
    request["requestId"] = "R-3".into();
    let (_, young) = service.create(&request).await;
    let before = service.poll(&old).await;
    let stored =
        |id: &str| service.sql(&format!("SELECT request, amount FROM transactions WHERE id = '{id}'")).1;
    let (old_before, young_before) = (stored(&old), stored(&id(&young)));
    assert!(old_before.contains("Wolkenstein"));
    let age = format!(
        "UPDATE transactions SET created_at = now() - interval '90 days' - \
         CASE WHEN id = '{}' THEN interval '-1 minute' ELSE interval '1 minute' END",
        id(&young)
    );
    assert!(service.sql(&age).0);
    for erased in [2, 0] {
        let (ok, stdout, log) = run(command(&service, &["erase"]));
        assert!(ok && stdout.is_empty() && log.contains(&format!("\"transactions\":{erased},")), "{log}");
    }

    // Everything else is unchanged, to the character.
    let position = |text: &str| old_before.find(text).unwrap();
    let without = format!(
        "{}{}{}",
        &old_before[..position(",\"redirectUrl\"")],
        &old_before[position(",\"items\"")..position(",\"requestor\"")],
        &old_before[position("}|28.80")..]
    );
    assert_eq!(stored(&old), without);
    assert_eq!(stored(&id(&young)), young_before);
    assert_eq!(service.sql("SELECT count(*) FROM idempotency_keys").1, "0");

    let after = service.poll(&old).await;
    let information = |transaction: &Value, field: &str| transaction["paymentInformation"][field].clone();
    for field in ["status", "transactionReference", "transactionTimestamp", "paymentMethod"] {
        assert_eq!(information(&after, field), information(&before, field));
    }
    assert_eq!(after["paymentRequest"].get("requestor"), None);
    request["requestId"] = "R-1".into();
    let (status, problem) = service.create(&request).await;
    assert_eq!((status, &problem["functionalCode"]), (409, &"PAYMENT_EXISTS".into()));

    // A payment after the erasure is still booked.
    assert_eq!(service.press(&id(&open), "confirm").await, (303, Some(format!("/pay/{}", id(&open)))));
    assert!(settlement(&service, &first_day(&service), "csv").contains(";57,60;2;"));
}

#[tokio::test]
async fn concurrent_erasures_share_the_work_and_the_program_erases_by_itself() {
    let mut service = Service::start(Server::shared()).await;
    let insert_old = |from: u32, to: u32| {
        format!(
            "INSERT INTO transactions (id, originator_id, end_point_id, request_id, request, status, created_at) \
             SELECT n, 'o', '{ARS}', n, '{{\"grosAmount\":28.80,\"requestor\":{{}},\"items\":[]}}', 'INITIAL', \
             now() - interval '1 year' FROM generate_series({from}, {to}) n"
        )
    };
    assert!(service.sql(&insert_old(1, 3_200)).0);
    let erasures: Vec<_> =
        (0..3).map(|_| command(&service, &["erase"]).stderr(Stdio::piped()).spawn().unwrap()).collect();
    let erased = erasures.into_iter().map(|erasure| {
        let (ok, _, log) = result(erasure.wait_with_output().unwrap());
        let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert!(ok, "{log}");
        line["transactions"].as_u64().unwrap()
    });
    assert_eq!(erased.sum::<u64>(), 3_200);
    let left = "SELECT count(*) FROM transactions WHERE erased_at IS NULL OR request <> '{\"grosAmount\":28.80,\"items\":[]}'";
    assert_eq!(service.sql(left).1, "0");

    assert!(service.sql(&insert_old(5_001, 5_002)).0);
    service.stop(Signal::TERM);
    service.serve().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while service.sql(left).1 != "0" {
        assert!(Instant::now() < deadline, "the program does not erase payer data");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn receipt_numbers_of_concurrent_payments_are_unique_and_have_no_gaps() {
    let service = Service::start(Server::shared()).await;
    let payments: Vec<Value> = (0..50).map(|n| payment(&format!("R-{n}"))).collect();
    let transactions = join_all(payments.iter().map(|request| create_paid(&service, request))).await;
    let mut numbers: Vec<&str> = transactions.iter().map(receipt_number).collect();
    numbers.sort_unstable();
    let running: Vec<u32> = numbers.iter().map(|number| number["AHS-".len()..11].parse().unwrap()).collect();
    assert_eq!(running, (1..=50).collect::<Vec<u32>>());

    // The same happens if the prefix or length is changed and changed back: numbers are taken already.
    assert!(service.sql("UPDATE receipt_ranges SET last = 48").0);
    let next = create_paid(&service, &payment("R-next")).await;
    assert_eq!(&receipt_number(&next)[..11], "AHS-0000051");
}

#[tokio::test]
async fn metrics_describe_the_books() {
    let mut service = Service::start(Server::shared()).await;
    create_paid(&service, &payment("R-1")).await;
    service.create(&payment("R-2")).await;
    service.sql("UPDATE transactions SET created_at = now() - interval '1 hour' WHERE status = 'INITIAL'");
    service.stop(Signal::TERM);
    service.serve().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    let metrics = loop {
        let answer = service.http.get(service.admin_url("/metrics")).send().await.unwrap();
        let metrics = answer.text().await.unwrap();
        if metrics.contains("e_payment_transactions{") && !metrics.contains("read_timestamp_seconds 0\n") {
            break metrics;
        }
        assert!(Instant::now() < deadline, "{metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for expected in [
        "e_payment_transactions{status=\"INITIAL\"} 1\n",
        "e_payment_transactions{status=\"PAYED\"} 1\n",
        "e_payment_transactions{status=\"FAILED\"} 0\n",
        "e_payment_oldest_initial_seconds 36",
        "e_payment_unbooked_payments 1\n",
        "e_payment_payer_data_overdue_seconds 0\n",
        "e_payment_receipt_numbers_left{end_point=\"055540004004\"} 9999998\n",
    ] {
        assert!(metrics.contains(expected), "{expected}: {metrics}");
    }
}
