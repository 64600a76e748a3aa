//! The redirect URI: one that the provider accepts, or it is said beforehand which ones it does.

use url::Url;
use vestal_core::client::Client;
use vestal_core::provider::{ClientFacts, Provider, Redirect};
use vestal_oauth::endpoint;

use super::unfit;
use crate::failure::{Failure, word};
use crate::terminal;

/// Where `vestal connect` listens unless somebody wants it otherwise: at the first one that the provider accepts.
const OURS: [&str; 2] = ["http://localhost:8724/callback", "http://127.0.0.1:8724/callback"];

/// The redirect URI of a new client: as somebody wants it, or one of ours.
pub(super) fn redirect_uri(wanted: Option<Url>, provider: &Provider) -> Result<Url, Failure> {
    let facts = &provider.client;
    let uri = match wanted {
        Some(uri) => {
            // RFC 6749 §3.1.2; and what is sent in the clear must not leave this machine.
            endpoint::check(&uri).map_err(|error| unfit(&uri, "cannot be a redirect URI", error))?;
            uri
        }
        None => {
            let ours = ours(facts)?;
            // Nobody is refused on hearsay.
            if let Redirect::When { verified: true, .. } | Redirect::Refused { verified: true } =
                facts.redirect(&ours)
            {
                let needs = format!("{} needs a redirect URI of your own", provider.name);
                return Err(Failure::usage(needs).why(takes(facts)).next(instead(facts)?));
            }
            ours
        }
    };
    match facts.redirect(&uri) {
        Redirect::Refused { verified: true } => Err(refused(&uri, provider).next(instead(facts)?)),
        Redirect::Refused { verified: false } | Redirect::When { .. } | Redirect::Accepted => Ok(uri),
    }
}

/// What is to be said of a redirect URI that is taken all the same.
pub(super) fn doubt(uri: &Url, provider: &Provider) -> Option<String> {
    let name = &provider.name;
    let (doubt, verified) = match provider.client.redirect(uri) {
        Redirect::Accepted => return None,
        Redirect::When { when, verified } => (format!("{name} takes {uri} only where {when}"), verified),
        Redirect::Refused { verified } => {
            (format!("{name} may not take {uri}: {}", takes(&provider.client)), verified)
        }
    };
    Some(if verified { doubt } else { format!("{doubt} (nobody has checked that)") })
}

/// The name that stands for the redirect URI in requests, where the provider gives one.
pub(super) fn name(named: Option<String>, provider: &Provider) -> Result<Option<String>, Failure> {
    let named = match named {
        None if !provider.client.names_redirect_uri() => return Ok(None),
        None if terminal::has_person() => {
            Some(terminal::ask(&format!("The name that {} gives for the URL: ", provider.name))?)
        }
        named => named,
    };
    let fits = |name: &String| !name.is_empty() && !name.contains(char::is_control);
    named.filter(fits).map(Some).ok_or_else(|| nameless(provider).next("add --redirect-name NAME"))
}

fn nameless(provider: &Provider) -> Failure {
    Failure::usage(format!("{} gives a name for the redirect URI, which is missing", provider.name))
        .why("its requests say that name in the place of the redirect URI")
}

/// That of a client of which no consent is asked for now: one of ours, accepted if any is.
pub(crate) fn ours(facts: &ClientFacts) -> Result<Url, Failure> {
    let mut ours =
        OURS.map(Url::parse).into_iter().collect::<Result<Vec<_>, _>>().map_err(Failure::failed)?;
    let accepted = ours.iter().position(|uri| facts.redirect(uri) == Redirect::Accepted);
    Ok(ours.swap_remove(accepted.unwrap_or(0)))
}

/// Refuses to ask for a consent that could not come back to the client.
pub(crate) fn check(client: &Client, provider: &Provider) -> Result<(), Failure> {
    let add = format!("vestal client add NAME --provider {} --redirect-uri URI", word(&provider.id));
    let another = format!("connect with another client: {add}");
    match provider.client.redirect(&client.redirect_uri) {
        Redirect::Refused { verified: true } => Err(refused(&client.redirect_uri, provider).next(another)),
        _ if provider.client.names_redirect_uri() && client.endpoints.redirect_name.is_none() => {
            Err(nameless(provider).next(format!("{another} --redirect-name NAME")))
        }
        Redirect::Refused { verified: false } | Redirect::When { .. } | Redirect::Accepted => Ok(()),
    }
}

fn refused(uri: &Url, provider: &Provider) -> Failure {
    let shown = endpoint::bare(uri.as_str());
    Failure::usage(format!("{} does not take {shown} as a redirect URI", provider.name))
        .why(takes(&provider.client))
}

fn takes(facts: &ClientFacts) -> String {
    format!("it takes {}", facts.redirect_words().unwrap_or_else(|| "any".to_owned()))
}

/// What to register where a URI is not accepted.
fn instead(facts: &ClientFacts) -> Result<String, Failure> {
    let ours = ours(facts)?;
    let page = "register a page of your own that begins with https://, name it with --redirect-uri, and paste the URL \
                that the browser ends at";
    Ok(match facts.redirect(&ours) {
        Redirect::Accepted => format!("register {ours}, and leave out --redirect-uri"),
        Redirect::When { when, .. } => format!("{page}; or, where {when}: --redirect-uri {ours}"),
        Redirect::Refused { .. } => page.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use vestal_api::ErrorView;
    use vestal_core::provider::catalogue;

    use super::*;

    fn provider(id: &str) -> Provider {
        catalogue::builtin(id).unwrap().unwrap()
    }

    /// The redirect URI of a new client.
    fn chosen(id: &str, wanted: Option<&str>) -> Result<String, ErrorView> {
        let wanted = wanted.map(|uri| uri.parse().unwrap());
        let chosen = redirect_uri(wanted, &provider(id));
        chosen.map(String::from).map_err(|failure| failure.view().unwrap())
    }

    #[test]
    fn a_redirect_uri_stays_on_this_machine_or_is_https() {
        let fits = |uri: &str| chosen("custom", Some(uri)).is_ok();
        assert!(fits(OURS[0]) && fits("https://shop.example/back"));
        assert!(!fits("http://shop.example/back") && !fits("http://localhost/x#y"));
        let told = chosen("custom", Some("https://me:hunter2@shop.example/back")).unwrap_err();
        assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
    }

    #[test]
    fn without_a_word_it_is_one_of_ours_that_the_provider_accepts() {
        assert_eq!(chosen("custom", None).as_deref(), Ok(OURS[0]));
        assert_eq!(chosen("google", None).as_deref(), Ok(OURS[0]));
        assert_eq!(chosen("spotify", None).as_deref(), Ok(OURS[1]));
        assert_eq!(chosen("instagram", None).as_deref(), Ok(OURS[0]), "on hearsay, nobody is refused");
        let doubt = |id| doubt(&OURS[0].parse().unwrap(), &provider(id));
        assert_eq!(doubt("google"), None);
        assert!(doubt("instagram").unwrap().ends_with("it takes https (nobody has checked that)"));
        assert!(doubt("quickbooks").unwrap().ends_with("only where the keys are for development"));
    }

    #[test]
    fn what_is_refused_says_what_to_register_instead() {
        let localhost = Some(OURS[0]);
        for (id, wanted, why, next) in [
            ("etsy", None, "it takes https", "that begins with https://"),
            ("etsy", localhost, "it takes https", "paste the URL that the browser ends at"),
            (
                "quickbooks",
                None,
                "https; http://localhost where",
                "where the keys are for development: --redirect-uri",
            ),
            ("spotify", localhost, "127.0.0.1", "register http://127.0.0.1:8724/callback, and leave out"),
        ] {
            let told = chosen(id, wanted).unwrap_err();
            let (told_why, told_next) = (told.why.unwrap(), told.next.unwrap());
            assert!(told_why.contains(why) && told_next.contains(next), "{id}: {told_why}; {told_next}");
        }
        let https = Some("https://shop.example/back");
        assert!(chosen("etsy", https).is_ok() && chosen("quickbooks", https).is_ok());
        assert!(chosen("quickbooks", localhost).is_ok(), "somebody has development keys, and says so");
    }
}
