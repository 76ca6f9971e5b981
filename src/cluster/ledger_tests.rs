// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use serde_json::{Value, json};

use super::*;
use crate::tenant::{HOSTNAME, HOSTNAME_SEAL};

fn ledger() -> Ledger {
    Ledger::new(Tolerated::default())
}

/// A ServiceAccount at a resource version, with changes merged into its top-level fields.
fn object(version: u64, changes: Value) -> DynamicObject {
    let mut object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": "e-payment", "namespace": "mun-ahaus", "uid": "1", "resourceVersion": version.to_string(),
        "annotations": {SEAL: "seal"}}});
    object.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

fn key() -> RowKey {
    RowKey { namespace: "mun-ahaus".to_owned(), name: "e-payment".to_owned(), kind: Kind::ServiceAccount }
}

fn take_in(ledger: &Ledger, event: Event<DynamicObject>) -> Vec<RowKey> {
    ledger.take_in(Kind::ServiceAccount, &event).into_iter().map(|change| change.key).collect()
}

/// A ledger after the first listing, which has found these objects.
fn listed(objects: &[DynamicObject]) -> Ledger {
    let ledger = ledger();
    assert!(list(&ledger, objects).is_empty(), "the first listing is no change");
    ledger
}

fn list(ledger: &Ledger, objects: &[DynamicObject]) -> Vec<RowKey> {
    let items = objects.iter().map(|object| Event::InitApply(object.clone()));
    let events: Vec<_> = [Event::Init].into_iter().chain(items).chain([Event::InitDone]).collect();
    events.into_iter().flat_map(|event| take_in(ledger, event)).collect()
}

#[test]
fn a_change_that_matters_wakes_the_owner_and_others_do_not() {
    let ledger = listed(&[object(1, json!({}))]);
    let changed = json!({"automountServiceAccountToken": true});
    assert_eq!(take_in(&ledger, Event::Apply(object(2, json!({})))), [], "only the version");
    assert_eq!(take_in(&ledger, Event::Apply(object(3, changed.clone()))), [key()]);
    assert_eq!(take_in(&ledger, Event::Apply(object(3, changed))), [], "the same event again");
    assert_eq!(take_in(&ledger, Event::Delete(object(4, json!({})))), [key()]);
    assert_eq!(take_in(&ledger, Event::Delete(object(4, json!({})))), []);
}

#[test]
fn an_older_event_does_not_undo_what_the_operator_wrote_since() {
    let ledger = listed(&[object(1, json!({}))]);
    let written = object(5, json!({"automountServiceAccountToken": false}));
    let row = ledger.record(Kind::ServiceAccount, &written).unwrap();
    assert_eq!(take_in(&ledger, Event::Apply(object(4, json!({})))), []);
    assert_eq!(take_in(&ledger, Event::Delete(object(4, json!({})))), []);
    assert_eq!(ledger.get(&key()), Some(row));
    assert_eq!(take_in(&ledger, Event::Apply(written)), [], "the echo of the write");
}

#[test]
fn what_a_later_listing_lacks_has_vanished_unless_it_was_written_meanwhile() {
    let ledger = listed(&[object(1, json!({}))]);
    assert_eq!(list(&ledger, &[]), [key()]);
    assert_eq!(ledger.get(&key()), None);

    take_in(&ledger, Event::Init);
    ledger.record(Kind::ServiceAccount, &object(7, json!({})));
    assert_eq!(take_in(&ledger, Event::InitDone), []);
    assert!(ledger.get(&key()).is_some());
}

#[test]
fn an_object_that_was_made_by_somebody_else_or_lost_its_seal_is_unsealed() {
    let ledger = listed(&[]);
    let unsealed = |version| {
        let mut object = object(version, json!({}));
        object.metadata.annotations = None;
        object
    };
    let is_sealed = |event| ledger.take_in(Kind::ServiceAccount, &event)[0].is_sealed;
    assert!(!is_sealed(Event::Apply(unsealed(1))));
    assert!(!is_sealed(Event::Apply(object(2, json!({})))), "it was unsealed");
    assert!(!is_sealed(Event::Apply(unsealed(3))));
    assert!(!is_sealed(Event::Delete(unsealed(4))));
    assert!(is_sealed(Event::Apply(object(5, json!({})))));
    assert!(is_sealed(Event::Delete(object(6, json!({})))));
}

#[test]
fn objects_outside_the_towns_namespaces_leave_no_row() {
    let ledger = listed(&[]);
    let mut other = object(1, json!({}));
    other.metadata.namespace = Some("kube-system".to_owned());
    assert_eq!(take_in(&ledger, Event::Apply(other)), []);
    assert!(ledger.lock().rows.is_empty());
}

#[test]
fn a_list_of_a_namespace_replaces_older_rows_of_its_kind_only() {
    let ledger = listed(&[object(1, json!({}))]);
    let mut other = object(9, json!({}));
    other.metadata.name = Some("mailbox".to_owned());
    ledger.record(Kind::ServiceAccount, &other);
    ledger.record(Kind::ConfigMap, &object(1, json!({})));
    ledger.replace(Kind::ServiceAccount, "mun-ahaus", &[], 5);
    let left: Vec<_> = ledger.in_namespace("mun-ahaus", |_| true).into_iter().map(|(key, _)| key).collect();
    let kinds: Vec<_> = left.iter().map(|key| (key.name.as_str(), key.kind)).collect();
    assert_eq!(kinds, [("e-payment", Kind::ConfigMap), ("mailbox", Kind::ServiceAccount)]);
}

#[tokio::test]
async fn the_ledger_is_complete_once_every_watched_kind_was_listed() {
    let ledger = ledger();
    for kind in watched_kinds() {
        assert!(!*ledger.is_complete.borrow());
        for event in [Event::Init, Event::InitDone] {
            ledger.take_in(kind, &event);
        }
    }
    ledger.wait_until_complete().await;
}

#[test]
fn the_digest_is_the_same_whether_or_not_the_api_server_names_the_type() {
    let with_type = Row::of(Kind::ServiceAccount, &object(1, json!({})), &Tolerated::default()).unwrap();
    let mut without = object(1, json!({}));
    without.types = None;
    assert_eq!(Row::of(Kind::ServiceAccount, &without, &Tolerated::default()), Some(with_type));
}

#[test]
fn who_holds_a_host_name_follows_the_namespaces() {
    let ledger = ledger();
    let namespace = |version: u64, hostname: &str| -> DynamicObject {
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mun-ahaus",
            "resourceVersion": version.to_string(), "annotations": {HOSTNAME: hostname, HOSTNAME_SEAL: "seal"}}}))
        .unwrap()
    };
    let holders = |hostname: &str| -> Vec<String> {
        ledger
            .holders(hostname)
            .into_iter()
            .map(|(namespace, held)| format!("{namespace} {}", held.name))
            .collect()
    };
    ledger.take_in(Kind::Namespace, &Event::Apply(namespace(1, "ahaus.example")));
    assert_eq!(holders("neu.ahaus.example"), ["mun-ahaus ahaus.example"]);
    ledger.take_in(Kind::Namespace, &Event::Apply(namespace(2, "heek.example")));
    assert_eq!(holders("ahaus.example"), [""; 0]);
    assert_eq!(holders("heek.example"), ["mun-ahaus heek.example"]);
    ledger.take_in(Kind::Namespace, &Event::Delete(namespace(3, "heek.example")));
    assert_eq!(holders("heek.example"), [""; 0]);
}
