// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Names as types: one parser each, and no way to hold a wrong one.

use std::fmt;

/// Why a text is not a name; the sentence says what is expected.
pub type Wrong = String;

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
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
    /// Name of a ServiceModule: a DNS label of at most 22 characters, so that town and module
    /// together fit the 63 bytes of a PostgreSQL identifier.
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

fn is_label(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl TownName {
    /// What every municipality's namespace starts with.
    pub const NAMESPACE_PREFIX: &str = "mun-";

    /// Parses the name of a Municipality object.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        if is_label(text, 40) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "metadata.name {text:?} must be a DNS label of at most 40 characters, such as bad-homburg"
        ))
    }

    /// The town whose namespace this is, if it is one's.
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        Self::parse(namespace.strip_prefix(Self::NAMESPACE_PREFIX)?).ok()
    }

    /// The town's namespace.
    pub fn namespace(&self) -> String {
        format!("{}{}", Self::NAMESPACE_PREFIX, self.0)
    }
}

impl ModuleName {
    /// Parses the name of a ServiceModule object.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        if is_label(text, 22) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("metadata.name {text:?} must be a DNS label of at most 22 characters, such as e-payment"))
    }

    /// Name of the module's database and role, unique for (town, module) since neither part can
    /// hold the underscore between them.
    pub fn database(&self, town: &TownName) -> String {
        format!("{town}_{self}")
    }
}

impl Ars {
    /// Parses an ARS.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
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

    /// Amtlicher Gemeindeschlüssel, 8 digits: the ARS without the Gemeindeverband.
    pub fn ags(&self) -> String {
        format!("{}{}", &self.0[..5], &self.0[9..])
    }
}

impl Hostname {
    /// Parses a host name.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let labels: Vec<_> = text.split('.').collect();
        let well_formed = labels.iter().all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        });
        let named = labels.last().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()));
        if well_formed && named && labels.len() >= 2 && text.len() <= 200 {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "spec.hostname {text:?} must be a lower-case DNS name with at least two labels, such as ahaus.rathaus.example"
        ))
    }

    /// Whether this name is the other, or lies below it.
    pub fn is_within(&self, other: &str) -> bool {
        self.0.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The host of one of the town's modules.
    pub fn of_module(&self, module: &ModuleName) -> String {
        format!("{module}.{self}")
    }
}

impl Version {
    /// Parses a version.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
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

    /// The version as a label's value.
    pub fn as_label(&self) -> String {
        self.0.replace('+', "_")
    }
}

impl Image {
    /// Parses an image reference.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let digest = text.split_once("@sha256:").map(|(name, hex)| !name.is_empty() && is_sha256(hex));
        if digest == Some(true) {
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
    fn ars_says_what_is_wrong_with_it() {
        assert!(Ars::parse("05554000400").unwrap_err().contains("exactly 12 digits"));
        assert!(Ars::parse("175540004004").unwrap_err().contains("land code 17"));
        assert!(Ars::parse("005540004004").unwrap_err().contains("land code 00"));
    }

    #[test]
    fn hostnames_lie_below_each_other_only_at_a_dot() {
        let name = |text| Hostname::parse(text).unwrap();
        assert!(name("a.rathaus.example").is_within("rathaus.example"));
        assert!(name("rathaus.example").is_within("rathaus.example"));
        assert!(!name("b-rathaus.example").is_within("rathaus.example"));
        assert!(!name("rathaus.example").is_within("a.rathaus.example"));
    }

    const LABEL: &str = "[a-z]([-a-z0-9]{0,50}[a-z0-9])?";

    proptest! {
        #[test]
        fn invariant_4_names_fit_their_limits_and_never_collide(a in LABEL, b in LABEL, c in LABEL, d in LABEL) {
            let parsed = (TownName::parse(&a), ModuleName::parse(&b), TownName::parse(&c), ModuleName::parse(&d));
            if let (Ok(town), Ok(module), Ok(other), Ok(another)) = parsed {
                prop_assert!(town.namespace().len() <= 63);
                prop_assert!(module.database(&town).len() <= 63);
                prop_assert_eq!(TownName::of_namespace(&town.namespace()), Some(town.clone()));
                let same = town == other && module == another;
                prop_assert_eq!(module.database(&town) == another.database(&other), same);
            }
        }

        #[test]
        fn no_text_panics_a_parser(text in "\\PC*") {
            let _ = Version::parse(&text);
            let _ = (TownName::parse(&text), ModuleName::parse(&text), Ars::parse(&text), Hostname::parse(&text), Image::parse(&text));
        }
    }

    #[test]
    fn invariant_4_towns_with_one_name_inside_the_other_stay_apart() {
        let (bad, homburg) = (TownName::parse("bad").unwrap(), TownName::parse("bad-homburg").unwrap());
        let (module, longer) =
            (ModuleName::parse("form").unwrap(), ModuleName::parse("homburg-form").unwrap());
        assert_ne!(longer.database(&bad), module.database(&homburg));
    }
}
