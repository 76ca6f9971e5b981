// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reads HTML forms and the fields that a browser without JavaScript would send with them.

use std::collections::BTreeMap;

use html5gum::{HtmlString, StartTag, Token, Tokenizer};

/// An HTML form with the method POST, submitted with one of its buttons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// URL to send the form to, relative to its page; empty for the page itself.
    pub action: String,
    /// Names and values of the form's fields and of the button that is pressed.
    pub fields: BTreeMap<String, String>,
}

impl Form {
    /// Returns the page's first form with the method POST, submitted with its first button. Returns `None` if
    /// the page has no such form, or the form no submit button.
    pub fn with_first_button(html: &str) -> Option<Self> {
        Self::parse(html, |_| true)
    }

    /// Returns the page's first form with the method POST, submitted with the button of this name and value.
    /// Returns `None` if the page has no such form, or the form no such button.
    pub fn with_button(html: &str, (name, value): (&str, &str)) -> Option<Self> {
        Self::parse(html, |button| {
            attribute(button, "name").as_deref() == Some(name)
                && attribute(button, "value").as_deref() == Some(value)
        })
    }

    /// Collects the fields of the first form and the first submit button that `is_pressed` accepts. The other
    /// buttons are left out, as a browser does.
    fn parse(html: &str, is_pressed: impl Fn(&StartTag<()>) -> bool) -> Option<Self> {
        let mut form: Option<Self> = None;
        let mut pressed = false;
        for Ok(token) in Tokenizer::new(html) {
            match (token, &mut form) {
                (Token::StartTag(tag), None) if has_name(&tag.name, "form") && is_posted(&tag) => {
                    let action = attribute(&tag, "action").unwrap_or_default();
                    form = Some(Self { action, fields: BTreeMap::new() });
                }
                (Token::StartTag(tag), Some(form)) if has_name(&tag.name, "input") => form.add_field(&tag),
                (Token::StartTag(tag), Some(form))
                    if has_name(&tag.name, "button")
                        && is_submit_button(&tag)
                        && !pressed
                        && is_pressed(&tag) =>
                {
                    form.add_field(&tag);
                    pressed = true;
                }
                (Token::EndTag(tag), Some(_)) if has_name(&tag.name, "form") => break,
                _ => {}
            }
        }
        form.filter(|_| pressed)
    }

    fn add_field(&mut self, tag: &StartTag<()>) {
        if let Some(name) = attribute(tag, "name") {
            self.fields.insert(name, attribute(tag, "value").unwrap_or_default());
        }
    }
}

fn has_name(name: &HtmlString, expected: &str) -> bool {
    name.as_slice() == expected.as_bytes()
}

/// Forms with another method than POST, such as search forms, are skipped.
fn is_posted(form: &StartTag<()>) -> bool {
    attribute(form, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"))
}

fn is_submit_button(button: &StartTag<()>) -> bool {
    attribute(button, "type").is_none_or(|kind| kind == "submit")
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = &tag.attributes.get(name.as_bytes())?.value;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<form method="get" action="/search"><button>go</button></form>
        <form method="POST" action="confirm"><input type="hidden" name="token" value="t1">
        <button type="button" name="help">?</button>
        <button name="decision" value="pay">Pay</button><button name="decision" value="cancel">No</button></form>"#;

    fn expected_form(decision: &str) -> Option<Form> {
        let fields = [("decision", decision), ("token", "t1")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Some(Form { action: "confirm".to_owned(), fields })
    }

    #[test]
    fn a_form_has_its_fields_and_the_pressed_button_only() {
        assert_eq!(Form::with_first_button(PAGE), expected_form("pay"));
        assert_eq!(Form::with_button(PAGE, ("decision", "cancel")), expected_form("cancel"));
    }

    #[test]
    fn a_page_without_the_button_has_no_form() {
        assert_eq!(Form::with_first_button("<p>Gone</p>"), None);
        assert_eq!(Form::with_button(PAGE, ("decision", "steal")), None);
    }
}
