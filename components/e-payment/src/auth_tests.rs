// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use axum::http::HeaderValue;
use serde_json::json;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The platform's key (EC, P-256).
fn platform_key() -> EncodingKey {
    static PEM: OnceLock<String> = OnceLock::new();
    let pem = PEM.get_or_init(|| rcgen::KeyPair::generate().unwrap().serialize_pem());
    EncodingKey::from_ec_pem(pem.as_bytes()).unwrap()
}

struct ModuleFiles(PathBuf);

impl ModuleFiles {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("e-payment-auth-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("secrets/portal")).unwrap();
        Self(folder)
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

impl Drop for ModuleFiles {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn sent(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
}

fn who(clients: &Clients, authorization: &str) -> Option<String> {
    clients.authenticate(&sent(authorization)).ok().map(|caller| caller.0.name.clone())
}

fn sibling_token(claims: serde_json::Value, kid: &str) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
    format!("Bearer {}", jsonwebtoken::encode(&header, &claims, &platform_key()).unwrap())
}

#[test]
fn a_client_is_known_by_bearer_token_and_by_http_basic() {
    let place = ModuleFiles::new("known");
    place.write(&format!("{TOKEN}\n"));
    let clients = place.clients();
    let basic = |text: &str| format!("basic {}", BASE64_STANDARD.encode(text));
    assert_eq!(who(&clients, &format!("Bearer {TOKEN}")).as_deref(), Some("portal"));
    assert_eq!(who(&clients, &basic(&format!("portal:{TOKEN}"))).as_deref(), Some("portal"));
    for wrong in [
        "Bearer 0123456789abcdef0123456789abcdeX".to_owned(),
        "Bearer ".to_owned(),
        "Bearer a.b.c".to_owned(),
        TOKEN.to_owned(),
        format!("Digest {TOKEN}"),
        basic(&format!("other:{TOKEN}")),
        basic("portal:"),
        "Basic %%%".to_owned(),
    ] {
        assert_eq!(who(&clients, &wrong), None, "{wrong}");
    }
    assert!(clients.authenticate(&HeaderMap::new()).unwrap_err().contains("no credentials"));
}

#[test]
fn a_client_whose_secret_is_missing_or_easily_guessed_cannot_call() {
    let place = ModuleFiles::new("short");
    assert_eq!(who(&place.clients(), &format!("Bearer {TOKEN}")), None);
    place.write("short");
    assert_eq!(who(&place.clients(), "Bearer short"), None);
    place.write("");
    assert_eq!(who(&place.clients(), "Bearer "), None);
}

#[test]
fn a_token_of_two_clients_is_nobodys() {
    let place = ModuleFiles::new("twice");
    place.write(TOKEN);
    let client = |name: &str| -> Client {
        serde_json::from_value(json!({"name": name, "secret": "portal", "originators": ["a"]})).unwrap()
    };
    let mut clients = place.clients();
    clients.registered.push((Arc::new(client("second")), "portal".to_owned()));
    assert!(clients.authenticate(&sent(&format!("Bearer {TOKEN}"))).unwrap_err().contains("several"));
    assert!(clients.by_name("second", TOKEN).is_ok(), "by name it is clear");
}

#[test]
fn an_issued_token_holds_until_the_clients_own_changes() {
    let place = ModuleFiles::new("issued");
    place.write(TOKEN);
    let clients = place.clients();
    let token = clients.issue(&clients.by_name("portal", TOKEN).unwrap()).unwrap();
    let bearer = format!("Bearer {token}");
    assert_eq!(who(&clients, &bearer).as_deref(), Some("portal"));
    place.write(&TOKEN.replace('0', "x"));
    assert_eq!(who(&place.clients(), &bearer), None);
}

#[test]
fn a_token_that_nobody_issued_is_refused() {
    let place = ModuleFiles::new("forged");
    place.write(TOKEN);
    let clients = place.clients();
    let now = jsonwebtoken::get_current_timestamp();
    let forge = |sub: &str, aud: &str, exp: u64, key: &str| {
        let header = Header { kid: Some("portal".to_owned()), ..Header::new(Algorithm::HS256) };
        let claims = Claims { sub: sub.to_owned(), aud: aud.to_owned(), exp };
        let token =
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key.as_bytes())).unwrap();
        who(&clients, &format!("Bearer {token}"))
    };
    let here = "https://e-payment.ahaus.example/";
    assert_eq!(forge("portal", here, now + 60, TOKEN).as_deref(), Some("portal"));
    assert_eq!(forge("portal", here, now + 60, "another key"), None);
    assert_eq!(forge("portal", here, now - 60, TOKEN), None, "expired");
    assert_eq!(
        forge("portal", "https://e-payment.bocholt.example/", now + 60, TOKEN),
        None,
        "of another town"
    );
    assert_eq!(forge("forms", here, now + 60, TOKEN), None, "of another client");
}

#[test]
fn a_sibling_is_known_by_the_platforms_token_for_this_module() {
    let place = ModuleFiles::new("sibling");
    let clients = place.clients();
    let now = jsonwebtoken::get_current_timestamp();
    let right = json!({"iss": "https://platform.example", "aud": ["http://e-payment.mun-ahaus.svc"],
        "sub": "sub-of-forms", "exp": now + 600, "nbf": now});
    assert_eq!(who(&clients, &sibling_token(right.clone(), "k1")).as_deref(), Some("forms"));
    for (field, value) in [
        ("iss", json!("https://elsewhere.example")),
        ("aud", json!(["http://mailbox.mun-ahaus.svc"])),
        ("sub", json!("sub-of-other")),
        ("exp", json!(now - 600)),
        ("nbf", json!(now + 600)),
    ] {
        let mut wrong = right.clone();
        wrong[field] = value;
        assert_eq!(who(&clients, &sibling_token(wrong, "k1")), None, "{field}");
        let mut missing = right.clone();
        missing.as_object_mut().unwrap().remove(field);
        assert_eq!(who(&clients, &sibling_token(missing, "k1")).is_none(), field != "nbf", "without {field}");
    }
    assert_eq!(who(&clients, &sibling_token(right, "k2")), None, "a key that is not the platform's");
}
