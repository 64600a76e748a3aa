//! The pages, without a script. A visitor who hears them gets the same as one who sees them: what is wrong is said first, each
//! mistake belongs to its field, and the first field that is wrong has the focus.

use std::fmt::Write as _;

use crate::entry::{Entry, Mistakes, TRAP};

pub(crate) const STYLE: &str = include_str!("style.css");

/// What is said above the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Nothing: it is shown for the first time.
    None,
    /// Some fields are wrong.
    Mistakes,
    /// It came back sooner than anybody types, or after a day.
    OnceMore,
    /// It is not the visitor's fault.
    NotNow,
    /// Nor is this, and whether it worked is not known.
    Unclear,
}

impl Notice {
    fn text(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Mistakes => Some("Something is still missing or wrong; see below."),
            Self::OnceMore => {
                Some("Your form has not been sent yet. Please look it over, and press the button once more.")
            }
            Self::NotNow => Some(
                "We could not add you just now: you are not on the list. What you typed is still here; please press \
                 the button again in a few minutes, or come back tomorrow.",
            ),
            Self::Unclear => Some(
                "This took too long, and we do not know whether you are on the list now. What you typed is still here; please \
                 press the button again in a minute: nobody is added twice.",
            ),
        }
    }

    /// What the window's title begins with.
    fn outcome(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Mistakes | Self::OnceMore | Self::NotNow => Some("Not sent yet"),
            Self::Unclear => Some("Not certain yet"),
        }
    }
}

pub(crate) fn form(title: &str, stamp: &str, entry: &Entry, mistakes: Mistakes, notice: Notice) -> String {
    let mut body = format!("<h1>{}</h1>\n", escape(title));
    if let Some(text) = notice.text() {
        let _ = writeln!(body, r#"<p class="alert" role="alert">{text}</p>"#);
    }
    body.push_str("<form method=\"post\" action=\"/\" novalidate>\n");
    let fields = [
        Field {
            name: "email",
            label: "E-mail address",
            kind: "email",
            autocomplete: "email",
            required: true,
            value: &entry.email,
            mistake: mistakes.email,
        },
        Field {
            name: "first_name",
            label: "First name (optional)",
            kind: "text",
            autocomplete: "given-name",
            required: false,
            value: &entry.first_name,
            mistake: mistakes.first_name,
        },
        Field {
            name: "last_name",
            label: "Last name (optional)",
            kind: "text",
            autocomplete: "family-name",
            required: false,
            value: &entry.last_name,
            mistake: mistakes.last_name,
        },
    ];
    let first_wrong = fields.iter().position(|field| field.mistake.is_some());
    for (index, field) in fields.iter().enumerate() {
        field.write(&mut body, first_wrong == Some(index));
    }
    consent(&mut body, entry.consents, mistakes.consents, first_wrong.is_none());
    // People do not see or reach this one; programs fill in whatever there is.
    let _ = writeln!(
        body,
        "<div class=\"trap\" aria-hidden=\"true\"><label>Leave this empty \
         <input type=\"text\" name=\"{TRAP}\" tabindex=\"-1\" autocomplete=\"off\"></label></div>\n\
         <input type=\"hidden\" name=\"stamp\" value=\"{}\">\n\
         <button type=\"submit\">Sign up</button>\n</form>",
        escape(stamp)
    );
    let shown = notice.outcome().map_or_else(|| title.to_owned(), |outcome| format!("{outcome} – {title}"));
    whole(&shown, &body)
}

pub(crate) fn thanks(title: &str) -> String {
    let body =
        format!("<h1>Thank you</h1>\n<p role=\"status\">You are on the list: {}.</p>\n", escape(title));
    whole(&format!("Thank you – {title}"), &body)
}

/// A sentence for whoever asked for something that there is not.
pub(crate) fn other(text: &str) -> String {
    whole(text, &format!("<h1>{}</h1>\n<p><a href=\"/\">To the form</a></p>\n", escape(text)))
}

struct Field<'a> {
    name: &'a str,
    label: &'a str,
    kind: &'a str,
    autocomplete: &'a str,
    required: bool,
    value: &'a str,
    mistake: Option<&'a str>,
}

impl Field<'_> {
    fn write(&self, body: &mut String, has_focus: bool) {
        let Self { name, label, kind, autocomplete, required, value, mistake } = self;
        let required = if *required { " required" } else { "" };
        // No `maxlength`: an address that a browser cuts off is another one, and nobody is told.
        let value = escape(value);
        let _ = writeln!(body, "<label for=\"{name}\">{label}</label>");
        let invalid = told(body, name, *mistake, has_focus);
        let _ = writeln!(
            body,
            "<input id=\"{name}\" name=\"{name}\" type=\"{kind}\" autocomplete=\"{autocomplete}\" \
             value=\"{value}\"{required}{invalid}>"
        );
    }
}

fn consent(body: &mut String, ticked: bool, mistake: Option<&str>, has_focus: bool) {
    let invalid = told(body, "consent", mistake, has_focus);
    let ticked = if ticked { " checked" } else { "" };
    let _ = writeln!(
        body,
        "<label class=\"consent\"><input id=\"consent\" name=\"consent\" type=\"checkbox\" value=\"yes\" required{ticked}{invalid}>\n\
         Yes, write to me. I can unsubscribe at any time.</label>"
    );
}

/// Says what is wrong with a field, and gives the attributes that tie it to that.
fn told(body: &mut String, name: &str, mistake: Option<&str>, has_focus: bool) -> String {
    let Some(mistake) = mistake else { return String::new() };
    let _ = writeln!(body, "<p class=\"mistake\" id=\"{name}-mistake\">{mistake}</p>");
    let focus = if has_focus { " autofocus" } else { "" };
    format!(" aria-invalid=\"true\" aria-describedby=\"{name}-mistake\"{focus}")
}

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_visitor_typed_is_text() {
        let entry = Entry { email: r#""><script>alert('x')</script>&"#.into(), ..Entry::default() };
        let page = form("News & more", "s", &entry, Mistakes::default(), Notice::Mistakes);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains(r#"value="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;""#));
        assert!(page.contains("<h1>News &amp; more</h1>"));
    }

    #[test]
    fn each_mistake_belongs_to_its_field_and_the_first_has_the_focus() {
        let entry = Entry::read(b"email=ada&first_name=%3Cb%3E");
        let page = form("News", "s", &entry, entry.check().unwrap_err(), Notice::Mistakes);
        for name in ["email", "first_name", "consent"] {
            let described = format!("aria-invalid=\"true\" aria-describedby=\"{name}-mistake\"");
            assert!(page.contains(&described) && page.contains(&format!("id=\"{name}-mistake\"")), "{page}");
        }
        assert!(!page.contains("last_name-mistake"));
        assert_eq!(page.matches("autofocus").count(), 1);
        assert!(page.contains("role=\"alert\"") && page.contains("<title>Not sent yet"));
        // Every field that can be seen has its label.
        for name in ["email", "first_name", "last_name"] {
            assert!(
                page.contains(&format!("<label for=\"{name}\">")) && page.contains(&format!("id=\"{name}\""))
            );
        }
    }
}
