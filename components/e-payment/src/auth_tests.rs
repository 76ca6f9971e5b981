// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use axum::http::HeaderValue;
use serde_json::json;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The key with which the platform signs its tokens (ECDSA on P-256).
fn platform_key() -> EncodingKey {
    static PEM: OnceLock<String> = OnceLock::new();
    let pem = PEM.get_or_init(|| rcgen::KeyPair::generate().unwrap().serialize_pem());
    EncodingKey::from_ec_pem(pem.as_bytes()).unwrap()
}

struct ConfigFolder(PathBuf);

impl ConfigFolder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("e-payment-auth-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("secrets/portal")).unwrap();
        Self(path)
    }

    fn write(&self, token: &str) {
        fs::write(self.0.join("secrets/portal/token"), token).unwrap();
    }

    fn clients(&self) -> Clients {
        let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&platform_key(), Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("k1".to_owned());
        let config = json!({
            "municipality": {"name": "ahaus", "displayName": "Stadt Ahaus", "ars": "055540004004"},
            "module": "e-payment", "publicUrl": "https://e-payment.ahaus.example",
            "legal": {"imprintUrl": "https://a.example", "privacyUrl": "https://a.example", "accessibilityUrl": "https://a.example"},
            "callers": {"issuer": "https://platform.example", "audience": "http://e-payment.mun-ahaus.svc",
                "keys": {"keys": [jwk]}, "subjects": {"forms": "sub-of-forms", "other": "sub-of-other"}},
        });
        let clients = json!([
            {"name": "portal", "secret": "portal", "originators": ["parkausweis"]},
            {"name": "forms", "module": "forms", "originators": ["parkausweis"]},
        ]);
        let clients: Vec<Client> = serde_json::from_value(clients).unwrap();
        let config = serde_json::from_value(config).unwrap();
        Clients::new(&config, &clients, Secrets::in_config_dir(&self.0)).unwrap()
    }
}

impl Drop for ConfigFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn headers_with(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
}

fn client_name(clients: &Clients, authorization: &str) -> Option<String> {
    clients.authenticate(&headers_with(authorization)).ok().map(|client| client.0.name.clone())
}

fn sibling_authorization(claims: serde_json::Value, kid: &str) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
    format!("Bearer {}", jsonwebtoken::encode(&header, &claims, &platform_key()).unwrap())
}

#[test]
fn clients_authenticate_by_bearer_token_and_by_http_basic() {
    let folder = ConfigFolder::new("known");
    folder.write(&format!("{TOKEN}\n"));
    let clients = folder.clients();
    let basic = |text: &str| format!("basic {}", BASE64_STANDARD.encode(text));
    assert_eq!(client_name(&clients, &format!("Bearer {TOKEN}")).as_deref(), Some("portal"));
    assert_eq!(client_name(&clients, &basic(&format!("portal:{TOKEN}"))).as_deref(), Some("portal"));
    for authorization in [
        "Bearer 0123456789abcdef0123456789abcdeX".to_owned(),
        "Bearer ".to_owned(),
        "Bearer a.b.c".to_owned(),
        TOKEN.to_owned(),
        format!("Digest {TOKEN}"),
        basic(&format!("other:{TOKEN}")),
        basic("portal:"),
        "Basic %%%".to_owned(),
    ] {
        assert_eq!(client_name(&clients, &authorization), None, "{authorization}");
    }
    assert!(clients.authenticate(&HeaderMap::new()).unwrap_err().contains("no credentials"));
}

#[test]
fn clients_with_a_missing_or_short_token_cannot_authenticate() {
    let folder = ConfigFolder::new("short");
    assert_eq!(client_name(&folder.clients(), &format!("Bearer {TOKEN}")), None);
    folder.write("short");
    assert_eq!(client_name(&folder.clients(), "Bearer short"), None);
    folder.write("");
    assert_eq!(client_name(&folder.clients(), "Bearer "), None);
}

#[test]
fn a_token_that_two_clients_share_is_rejected() {
    let folder = ConfigFolder::new("twice");
    folder.write(TOKEN);
    let client = |name: &str| -> Client {
        serde_json::from_value(json!({"name": name, "secret": "portal", "originators": ["a"]})).unwrap()
    };
    let mut clients = folder.clients();
    clients.registered.push((Arc::new(client("second")), "portal".to_owned()));
    assert!(clients.authenticate(&headers_with(&format!("Bearer {TOKEN}"))).unwrap_err().contains("several"));
    assert!(clients.authenticate_by_name("second", TOKEN).is_ok(), "the name tells them apart");
}

#[test]
fn an_issued_token_is_valid_until_the_clients_own_token_changes() {
    let folder = ConfigFolder::new("issued");
    folder.write(TOKEN);
    let clients = folder.clients();
    let token = clients.issue_token(&clients.authenticate_by_name("portal", TOKEN).unwrap()).unwrap();
    let bearer = format!("Bearer {token}");
    assert_eq!(client_name(&clients, &bearer).as_deref(), Some("portal"));
    folder.write(&TOKEN.replace('0', "x"));
    assert_eq!(client_name(&folder.clients(), &bearer), None);
}

#[test]
fn tokens_that_the_module_did_not_issue_are_rejected() {
    let folder = ConfigFolder::new("forged");
    folder.write(TOKEN);
    let clients = folder.clients();
    let now = jsonwebtoken::get_current_timestamp();
    let forge = |sub: &str, aud: &str, exp: u64, key: &str| {
        let header = Header { kid: Some("portal".to_owned()), ..Header::new(Algorithm::HS256) };
        let claims = Claims { sub: sub.to_owned(), aud: aud.to_owned(), exp };
        let token =
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key.as_bytes())).unwrap();
        client_name(&clients, &format!("Bearer {token}"))
    };
    let audience = "https://e-payment.ahaus.example/";
    assert_eq!(forge("portal", audience, now + 60, TOKEN).as_deref(), Some("portal"));
    assert_eq!(forge("portal", audience, now + 60, "another key"), None);
    assert_eq!(forge("portal", audience, now - 60, TOKEN), None, "expired");
    assert_eq!(
        forge("portal", "https://e-payment.bocholt.example/", now + 60, TOKEN),
        None,
        "for another municipality"
    );
    assert_eq!(forge("forms", audience, now + 60, TOKEN), None, "of another client");
}

#[test]
fn sibling_modules_authenticate_by_the_platforms_token_for_this_module() {
    let folder = ConfigFolder::new("sibling");
    let clients = folder.clients();
    let now = jsonwebtoken::get_current_timestamp();
    let valid = json!({"iss": "https://platform.example", "aud": ["http://e-payment.mun-ahaus.svc"],
        "sub": "sub-of-forms", "exp": now + 600, "nbf": now});
    assert_eq!(client_name(&clients, &sibling_authorization(valid.clone(), "k1")).as_deref(), Some("forms"));
    for (field, value) in [
        ("iss", json!("https://elsewhere.example")),
        ("aud", json!(["http://mailbox.mun-ahaus.svc"])),
        ("sub", json!("sub-of-other")),
        ("exp", json!(now - 600)),
        ("nbf", json!(now + 600)),
    ] {
        let mut altered = valid.clone();
        altered[field] = value;
        assert_eq!(client_name(&clients, &sibling_authorization(altered, "k1")), None, "{field}");
        let mut missing = valid.clone();
        missing.as_object_mut().unwrap().remove(field);
        assert_eq!(
            client_name(&clients, &sibling_authorization(missing, "k1")).is_none(),
            field != "nbf",
            "without {field}"
        );
    }
    assert_eq!(
        client_name(&clients, &sibling_authorization(valid, "k2")),
        None,
        "a key that is not the platform's"
    );
}
