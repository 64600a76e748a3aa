//! What a visitor typed, and what is wrong with it. Pure.

use url::form_urlencoded;

/// The longest address and the longest names that Constant Contact takes, in characters.
const LONGEST: usize = 50;

/// The field that people do not see, and programs fill in.
pub(crate) const TRAP: &str = "website";

/// More fields than the form has.
const FIELDS_MAX: usize = 20;

/// The form's fields as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    /// Whether the box for the consent is ticked.
    pub(crate) consents: bool,
    pub(crate) stamp: String,
    pub(crate) trap: String,
}

/// Somebody who is to be added: all is well with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
}

/// What is wrong with each field, in a sentence for whoever filled it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mistakes {
    pub(crate) email: Option<&'static str>,
    pub(crate) first_name: Option<&'static str>,
    pub(crate) last_name: Option<&'static str>,
    pub(crate) consents: Option<&'static str>,
}

/// The API did not take an address that looks like one.
pub(crate) const NOT_TAKEN: Mistakes = Mistakes {
    email: Some("This address was not accepted. Is it spelt correctly?"),
    first_name: None,
    last_name: None,
    consents: None,
};

impl Entry {
    /// Reads `application/x-www-form-urlencoded`. Of a field that comes twice the last one counts.
    pub(crate) fn read(body: &[u8]) -> Self {
        let mut entry = Self::default();
        for (name, value) in form_urlencoded::parse(body).take(FIELDS_MAX) {
            let field = match &*name {
                "email" => &mut entry.email,
                "first_name" => &mut entry.first_name,
                "last_name" => &mut entry.last_name,
                "stamp" => &mut entry.stamp,
                TRAP => &mut entry.trap,
                "consent" => {
                    entry.consents = value == "yes";
                    continue;
                }
                _ => continue,
            };
            value.trim().clone_into(field);
        }
        entry
    }

    pub(crate) fn check(&self) -> Result<Person, Mistakes> {
        let mistakes = Mistakes {
            email: email(&self.email),
            first_name: name(&self.first_name),
            last_name: name(&self.last_name),
            consents: (!self.consents).then_some("Please tick this box, or we may not write to you."),
        };
        if mistakes != Mistakes::default() {
            return Err(mistakes);
        }
        let stated = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Ok(Person {
            email: self.email.clone(),
            first_name: stated(&self.first_name),
            last_name: stated(&self.last_name),
        })
    }
}

/// Whether an address exists only a mail to it can tell: this finds slips of the finger.
fn email(address: &str) -> Option<&'static str> {
    if address.is_empty() {
        return Some("Please enter your e-mail address.");
    }
    if address.chars().count() > LONGEST {
        return Some("This address is too long: at most 50 characters are possible.");
    }
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.contains(|it: char| it.is_whitespace() || it.is_control() || "@,;<>".contains(it))
    };
    let is_host = |host: &str| host.contains('.') && host.split('.').all(is_part);
    match address.rsplit_once('@') {
        Some((name, host)) if is_part(name) && is_host(host) => None,
        _ => Some("This is no whole e-mail address: it looks like name@example.com."),
    }
}

fn name(name: &str) -> Option<&'static str> {
    if name.chars().count() > LONGEST {
        return Some("This is too long: at most 50 characters are possible.");
    }
    // What holds an address is an advertisement.
    let is_odd = name.contains(|it: char| it.is_control() || "<>".contains(it)) || name.contains("://");
    is_odd.then_some("Please enter a name alone.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_found() {
        for good in ["ada@example.com", "a.b+c@mail.example.co.uk", "ünï@exämple.com", "o'hara@example.ie"]
        {
            assert_eq!(email(good), None, "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(39));
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "a b@example.com",
            "a@b@example.com",
            "a@.com",
            "a@example.",
            "a@b..c",
            "a@example.com,b@example.com",
            "a\u{7}@example.com",
            &long,
        ] {
            assert!(email(bad).is_some(), "{bad}");
        }
        assert_eq!((name(""), name("Ada")), (None, None));
        for bad in ["a".repeat(51).as_str(), "see https://example.com", "<b>", "a\nb"] {
            assert!(name(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_form_is_read_field_by_field() {
        let entry =
            Entry::read(b"email=+ada%40example.com&first_name=Ada&consent=yes&stamp=s&website=x&other=1");
        let expected = Entry {
            email: "ada@example.com".into(),
            first_name: "Ada".into(),
            consents: true,
            stamp: "s".into(),
            trap: "x".into(),
            ..Entry::default()
        };
        assert_eq!(entry, expected);
        let person = entry.check().unwrap();
        assert_eq!((person.first_name.as_deref(), person.last_name), (Some("Ada"), None));
        let empty = Entry::read(b"").check().unwrap_err();
        assert!(empty.email.is_some() && empty.consents.is_some());
    }
}
