//! The headers that speak of time (RFC 9110 §5.6.7, §6.6.1, §10.2.3).

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// The longest wait that is believed: thirty days.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The provider's own time, when it says.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    parse(text(headers, DATE)?)
}

/// How long the provider asks to wait, from `now`, which is its own time if that is known.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER)?;
    let wait = match text.parse::<f64>() {
        // Some providers write fractions. What is not a number of seconds at all is no wish.
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => {
            Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT)
        }
        Ok(_) => return None,
        Err(_) => Duration::try_from(parse(text)?.duration_since(now)).unwrap_or(Duration::ZERO),
    };
    Some(wait.min(LONGEST_WAIT))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

fn parse(text: &str) -> Option<Timestamp> {
    // A wrong day of the week does not make the rest wrong.
    DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn dates() {
        let then = Some("1994-11-06T08:49:37Z".parse().unwrap());
        for (said, read) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", then),
            ("Mon, 06 Nov 1994 08:49:37 GMT", then),
            ("06 Nov 1994 08:49:37 GMT", then),
            ("Sun, 06 Nov 1994 09:49:37 +0100", then),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(date(&headers(DATE, said)), read, "{said}");
        }
        assert_eq!(date(&HeaderMap::new()), None);
    }

    #[test]
    fn waits() {
        let now = "1994-11-06T08:49:37Z".parse().unwrap();
        let secs = |secs| Some(Duration::from_secs(secs));
        for (said, wait) in [
            ("120", secs(120)),
            (" 0 ", secs(0)),
            ("1.5", Some(Duration::from_millis(1500))),
            ("99999999999999999999999", Some(LONGEST_WAIT)),
            ("1e300", Some(LONGEST_WAIT)),
            ("-5", None),
            ("NaN", None),
            ("inf", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:50:37 GMT", secs(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", secs(0)),
            ("Sun, 06 Nov 2094 08:00:00 GMT", Some(LONGEST_WAIT)),
        ] {
            assert_eq!(retry_after(&headers(RETRY_AFTER, said), now), wait, "{said}");
        }
    }
}
