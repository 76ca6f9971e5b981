// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! HTML forms as a browser without JavaScript sends them.

use std::collections::BTreeMap;

use html5gum::{HtmlString, StartTag, Token, Tokenizer};

/// A form that is sent by POST, and one of its buttons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where it is sent, relative to its page; empty: to the page itself.
    pub action: String,
    /// Names and values of its fields, and of the button that is pressed.
    pub fields: BTreeMap<String, String>,
}

impl Form {
    /// The first form of the page that is sent by POST, as its first button sends it. None where there is
    /// no such form or it has no button.
    pub fn first(html: &str) -> Option<Self> {
        Self::sent_by(html, |_| true)
    }

    /// The same, as the button of this name and value sends it.
    pub fn pressed(html: &str, (name, value): (&str, &str)) -> Option<Self> {
        Self::sent_by(html, |button| {
            attribute(button, "name").as_deref() == Some(name)
                && attribute(button, "value").as_deref() == Some(value)
        })
    }

    /// Buttons that are not pressed take no part.
    fn sent_by(html: &str, button: impl Fn(&StartTag<()>) -> bool) -> Option<Self> {
        let mut form: Option<Self> = None;
        let mut pressed = false;
        for Ok(token) in Tokenizer::new(html) {
            match (token, &mut form) {
                (Token::StartTag(tag), None) if is(&tag.name, "form") && is_posted(&tag) => {
                    let action = attribute(&tag, "action").unwrap_or_default();
                    form = Some(Self { action, fields: BTreeMap::new() });
                }
                (Token::StartTag(tag), Some(form)) if is(&tag.name, "input") => form.take(&tag),
                (Token::StartTag(tag), Some(form))
                    if is(&tag.name, "button") && submits(&tag) && !pressed && button(&tag) =>
                {
                    form.take(&tag);
                    pressed = true;
                }
                (Token::EndTag(tag), Some(_)) if is(&tag.name, "form") => break,
                _ => {}
            }
        }
        form.filter(|_| pressed)
    }

    fn take(&mut self, tag: &StartTag<()>) {
        if let Some(name) = attribute(tag, "name") {
            self.fields.insert(name, attribute(tag, "value").unwrap_or_default());
        }
    }
}

fn is(name: &HtmlString, wanted: &str) -> bool {
    name.as_slice() == wanted.as_bytes()
}

/// Forms that are not sent by POST only search or filter.
fn is_posted(form: &StartTag<()>) -> bool {
    attribute(form, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"))
}

fn submits(button: &StartTag<()>) -> bool {
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

    fn form(decision: &str) -> Option<Form> {
        let fields = [("decision", decision), ("token", "t1")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Some(Form { action: "confirm".to_owned(), fields })
    }

    #[test]
    fn a_form_is_sent_as_the_pressed_button_sends_it() {
        assert_eq!(Form::first(PAGE), form("pay"));
        assert_eq!(Form::pressed(PAGE, ("decision", "cancel")), form("cancel"));
    }

    #[test]
    fn a_page_without_the_button_has_no_form() {
        assert_eq!(Form::first("<p>Gone</p>"), None);
        assert_eq!(Form::pressed(PAGE, ("decision", "steal")), None);
    }
}
