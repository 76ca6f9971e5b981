// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Identifiers as types. Each has one constructor that parses and checks, so that a value is always valid.

use std::fmt;

use super::hostnames::is_within;

/// Why a text was rejected: a sentence that names the field and the expected form.
pub type ParseError = String;

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Returns the checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type! {
    /// Name of a Municipality object: a DNS label (RFC 1123) of at most 40 characters.
    TownName
}
text_type! {
    /// Name of a ServiceModule: a DNS label of at most 22 characters, so that `<town>_<module>` fits the
    /// 63 bytes of a PostgreSQL identifier. It is not `rathaus` and does not start with `rathaus-`, as the
    /// names of the town's own objects do: a module's objects have the module's name.
    ModuleName
}
text_type! {
    /// Amtlicher Regionalschlüssel: land (2 digits), Regierungsbezirk (1), Kreis (2),
    /// Gemeindeverband (4), Gemeinde (3), as the Statistisches Bundesamt assigns it.
    Ars
}
text_type! {
    /// Lower-case DNS name of at least two labels and at most 200 characters.
    Hostname
}
text_type! {
    /// Semantic version (2.0.0) that also fits a Kubernetes label once `+` has become `_`.
    Version
}
text_type! {
    /// Image reference by digest, `NAME@sha256:<64 hex digits>`.
    Image
}

/// Whether the text is a DNS label (RFC 1123) that starts with a letter and has at most `max_length` bytes.
fn is_dns_label(text: &str, max_length: usize) -> bool {
    text.len() <= max_length
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl TownName {
    /// Prefix of every municipality's namespace.
    const NAMESPACE_PREFIX: &str = "mun-";

    /// Parses the name of a Municipality object.
    ///
    /// # Errors
    /// Fails if the text is not a DNS label of at most 40 characters that starts with a letter.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if is_dns_label(text, 40) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "metadata.name {text:?} must be a DNS label of at most 40 characters, such as bad-homburg"
        ))
    }

    /// Returns the town that a namespace belongs to by its name, or `None` if the name is not `mun-<town>`.
    pub fn from_namespace(namespace: &str) -> Option<Self> {
        Self::parse(namespace.strip_prefix(Self::NAMESPACE_PREFIX)?).ok()
    }

    /// Returns the name of the town's namespace, `mun-<town>`.
    pub fn namespace(&self) -> String {
        Self::namespace_of(&self.0)
    }

    /// Returns the namespace that belongs to a Municipality object of this name, which need not be a valid one.
    pub fn namespace_of(name: &str) -> String {
        format!("{}{name}", Self::NAMESPACE_PREFIX)
    }
}

impl ModuleName {
    /// Parses the name of a ServiceModule object.
    ///
    /// # Errors
    /// Fails if the text is not a DNS label of at most 22 characters that starts with a letter, or if it is
    /// reserved for the town's own objects.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if !is_dns_label(text, 22) {
            return Err(format!(
                "metadata.name {text:?} must be a DNS label of at most 22 characters, such as e-payment"
            ));
        }
        if text == "rathaus" || text.starts_with("rathaus-") {
            return Err(format!(
                "metadata.name {text:?} must not be rathaus or start with rathaus-, as the names of the municipality's own objects do; create the module under another name, such as e-payment"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name of the module's database and role, `<town>_<module>`. No two pairs of town and
    /// module have the same, since neither part can contain an underscore.
    pub fn database_name(&self, town: &TownName) -> String {
        format!("{town}_{self}")
    }
}

impl Ars {
    /// Parses an Amtlicher Regionalschlüssel.
    ///
    /// # Errors
    /// Fails if the text is not 12 digits or starts with a land code outside of 01 to 16.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "spec.ars {text:?} must be an Amtlicher Regionalschlüssel: exactly 12 digits, such as 055540004004"
            ));
        }
        if !("01"..="16").contains(&&text[..2]) {
            return Err(format!(
                "spec.ars {text:?} starts with the land code {}, which does not exist: they run from 01 (Schleswig-Holstein) to 16 (Thüringen)",
                &text[..2]
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the Amtlicher Gemeindeschlüssel, 8 digits: the ARS without the Gemeindeverband.
    pub fn ags(&self) -> String {
        format!("{}{}", &self.0[..5], &self.0[9..])
    }
}

impl Hostname {
    /// Parses a host name.
    ///
    /// # Errors
    /// Fails if the text is not a lower-case DNS name of at least two labels and at most 200
    /// characters, or if its last label does not start with a letter, which excludes IP addresses.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let labels: Vec<_> = text.split('.').collect();
        let well_formed = labels.iter().all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        });
        let ends_with_name =
            labels.last().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()));
        if well_formed && ends_with_name && labels.len() >= 2 && text.len() <= 200 {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "spec.hostname {text:?} must be a lower-case DNS name with at least two labels, such as ahaus.rathaus.example"
        ))
    }

    /// Whether this name equals the domain or lies below it.
    pub fn is_within(&self, domain: &str) -> bool {
        is_within(&self.0, domain)
    }

    /// Returns the public host name of a module, `<module>.<hostname>`.
    pub fn module_host(&self, module: &ModuleName) -> String {
        format!("{module}.{self}")
    }
}

impl Version {
    /// Parses a semantic version.
    ///
    /// # Errors
    /// Fails if the text does not start with three numbers separated by dots, contains a character that a
    /// version may not contain, or is longer than 63 characters.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let numbers = core.split('.').filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-+.".contains(c);
        let well_formed = text.chars().all(allowed) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
        if numbers.count() == 3 && core.split('.').count() == 3 && well_formed && text.len() <= 63 {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "spec.version {text:?} must be a semantic version of at most 63 characters, such as 1.0.0"
        ))
    }

    /// Returns the version as the value of a Kubernetes label, with `_` in place of `+`.
    pub fn to_label_value(&self) -> String {
        self.0.replace('+', "_")
    }
}

impl Image {
    /// Parses an image reference.
    ///
    /// # Errors
    /// Fails if the reference has no SHA-256 digest, such as one with a tag only.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let has_digest =
            text.split_once("@sha256:").is_some_and(|(name, hex)| !name.is_empty() && is_sha256(hex));
        if has_digest {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("spec.image {text:?} must name an image by digest, NAME@sha256:<64 hex digits>"))
    }
}

fn is_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ars_of_ahaus_contains_its_ags() {
        assert_eq!(Ars::parse("055540004004").unwrap().ags(), "05554004");
    }

    #[test]
    fn an_invalid_ars_is_explained() {
        assert!(Ars::parse("05554000400").unwrap_err().contains("exactly 12 digits"));
        assert!(Ars::parse("175540004004").unwrap_err().contains("land code 17"));
        assert!(Ars::parse("005540004004").unwrap_err().contains("land code 00"));
    }

    #[test]
    fn a_hostname_is_within_a_domain_only_at_a_label_boundary() {
        let hostname = |text| Hostname::parse(text).unwrap();
        assert!(hostname("a.rathaus.example").is_within("rathaus.example"));
        assert!(hostname("rathaus.example").is_within("rathaus.example"));
        assert!(!hostname("b-rathaus.example").is_within("rathaus.example"));
        assert!(!hostname("rathaus.example").is_within("a.rathaus.example"));
    }

    #[test]
    fn a_module_has_no_name_that_an_object_of_the_town_could_have() {
        for name in ["rathaus", "rathaus-dns", "rathaus-default-deny", "rathaus-e-payment"] {
            assert!(ModuleName::parse(name).unwrap_err().contains("under another name"), "{name}");
        }
        assert!(ModuleName::parse("rathauspost").is_ok());
    }

    const LABEL: &str = "[a-z]([-a-z0-9]{0,50}[a-z0-9])?";

    proptest! {
        #[test]
        fn invariant_4_names_fit_their_limits_and_never_collide(a in LABEL, b in LABEL, c in LABEL, d in LABEL) {
            let parsed = (TownName::parse(&a), ModuleName::parse(&b), TownName::parse(&c), ModuleName::parse(&d));
            if let (Ok(town), Ok(module), Ok(other), Ok(another)) = parsed {
                prop_assert!(town.namespace().len() <= 63);
                prop_assert!(module.database_name(&town).len() <= 63);
                prop_assert_eq!(TownName::from_namespace(&town.namespace()), Some(town.clone()));
                let same = town == other && module == another;
                prop_assert_eq!(module.database_name(&town) == another.database_name(&other), same);
            }
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC*") {
            let _ = Version::parse(&text);
            let _ = (TownName::parse(&text), ModuleName::parse(&text), Ars::parse(&text), Hostname::parse(&text), Image::parse(&text));
        }
    }

    #[test]
    fn invariant_4_towns_with_one_name_inside_the_other_stay_apart() {
        let (bad, homburg) = (TownName::parse("bad").unwrap(), TownName::parse("bad-homburg").unwrap());
        let (module, longer) =
            (ModuleName::parse("form").unwrap(), ModuleName::parse("homburg-form").unwrap());
        assert_ne!(longer.database_name(&bad), module.database_name(&homburg));
    }
}
