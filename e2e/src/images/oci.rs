// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Packs one binary as an OCI image layout (image-spec 1.1) in a tar archive. The same input gives the same
//! bytes.

use std::{collections::BTreeMap, io::Write};

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The unprivileged user that distroless images run as.
const USER: &str = "65532";

/// A packed image.
pub struct PackedImage {
    /// The digest of the manifest, with `sha256:`.
    pub digest: String,
    /// The content of the archive.
    pub archive: Vec<u8>,
}

/// Packs `binary` as `/name`, which is also the entry point.
pub fn pack(name: &str, tag: &str, binary: &[u8], labels: &BTreeMap<&str, &str>) -> Result<PackedImage> {
    let file_system = tar_archive(&[(name.to_owned(), binary, 0o755)])?;
    let layer = gzip(&file_system)?;
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [format!("/{name}")], "User": USER, "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [digest(&file_system)]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, config.as_bytes()),
        "layers": [descriptor(LAYER_TYPE, &layer)],
        "annotations": labels,
    })
    .to_string();
    let mut entry = descriptor(MANIFEST_TYPE, manifest.as_bytes());
    entry["annotations"] = json!({"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag});
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    })
    .to_string();
    let archive = tar_archive(&[
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644),
        ("index.json".to_owned(), index.as_bytes(), 0o644),
        (blob_path(manifest.as_bytes()), manifest.as_bytes(), 0o644),
        (blob_path(config.as_bytes()), config.as_bytes(), 0o644),
        (blob_path(&layer), &layer, 0o644),
    ])?;
    Ok(PackedImage { digest: digest(manifest.as_bytes()), archive })
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

fn blob_path(content: &[u8]) -> String {
    format!("blobs/sha256/{}", sha256_hex(content))
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(content))
}

fn sha256_hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Times and owners are zero, so that the archive does not depend on when and where it is made.
fn tar_archive(files: &[(String, &[u8], u32)]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content, mode) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len().try_into()?);
        header.set_mode(*mode);
        header.set_mtime(0);
        tar.append_data(&mut header, path, *content)?;
    }
    Ok(tar.into_inner()?)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    gzip.write_all(content)?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn packed() -> PackedImage {
        let labels = BTreeMap::from([("org.opencontainers.image.version", "1.2.3")]);
        pack("tool", "registry.example/tool:1", b"binary", &labels).unwrap()
    }

    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().to_string_lossy().into_owned(), content)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        assert_eq!(packed().archive, packed().archive);
    }

    #[test]
    fn every_blob_has_the_digest_and_size_of_its_descriptor() {
        let packed = packed();
        let files = files(&packed.archive);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(index["manifests"][0]["digest"], packed.digest.as_str());
        let manifest = &files[&packed.digest.replace("sha256:", "blobs/sha256/")];
        assert_eq!(digest(manifest), packed.digest);
        let manifest: Value = serde_json::from_slice(manifest).unwrap();
        for part in [&manifest["config"], &manifest["layers"][0]] {
            let name = part["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
            assert_eq!(digest(&files[&name]), part["digest"].as_str().unwrap());
            assert_eq!(part["size"], files[&name].len());
        }
    }

    #[test]
    fn the_layer_holds_the_binary_and_the_config_its_digest_and_labels() {
        let files = files(&packed().archive);
        let manifest: Value = files
            .values()
            .find_map(|file| {
                let json = serde_json::from_slice::<Value>(file).ok()?;
                json.get("layers").is_some().then_some(json)
            })
            .unwrap();
        let named = |part: &Value| {
            files[&part["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/")].clone()
        };
        let mut layer = Vec::new();
        let zipped = named(&manifest["layers"][0]);
        flate2::read::GzDecoder::new(zipped.as_slice()).read_to_end(&mut layer).unwrap();
        let config: Value = serde_json::from_slice(&named(&manifest["config"])).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer).as_str());
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.version"], "1.2.3");
        assert_eq!(super::tests::files(&layer)["tool"], b"binary");
    }
}
