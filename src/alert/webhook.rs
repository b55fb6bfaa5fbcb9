//! A POST of the alert to an address. Trying again is for [`super::Courier`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Alert, AlertError, Deliver, Patience, Refusal, Secret};
use crate::net::address::Address;
use crate::net::http::{self, Client, HttpError, Response, Settings};

/// An address that alerts are posted to.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
    url: Address,
    secret: Option<Secret>,
    total: Duration,
}

impl Webhook {
    /// Posts to `url`, signed where there is a `secret`.
    ///
    /// # Errors
    /// When the address or the secret is none.
    pub fn new(url: &str, secret: Option<&str>, settings: Settings) -> Result<Self, AlertError> {
        let url = http::address(url)?;
        let secret = secret.map(Secret::parse).transpose()?;
        let total = settings.total;
        // The code says it all: an alert has arrived whatever the answer's body says, or how slowly.
        let client = Client::new(Settings { max_body: 0, ..settings });
        Ok(Self { client, url, secret, total })
    }

    fn headers(&self, alert: &Alert) -> Result<Vec<(&'static str, String)>, Refusal> {
        let mut headers = vec![
            ("content-type", "application/json".into()),
            ("x-visionpipe-event-id", alert.id.clone()),
        ];
        if let Some(secret) = &self.secret {
            // The time of the attempt, not of the event: receivers refuse old ones as replayed.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let signature = secret.sign(&alert.id, now, &alert.body);
            let signature = signature.map_err(|error| Refusal::never(error.to_string()))?;
            headers.push(("webhook-id", alert.id.clone()));
            headers.push(("webhook-timestamp", now.to_string()));
            headers.push(("webhook-signature", signature));
        }
        Ok(headers)
    }
}

impl Deliver for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn target(&self) -> String {
        self.url.shown()
    }

    fn deliver(&mut self, alert: &Alert, patience: &Patience) -> Result<(), Refusal> {
        let headers = self.headers(alert)?;
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let limit = patience.left().unwrap_or(self.total);
        match self.client.post_within(limit, &self.url, &headers, &alert.body) {
            Ok(answer) => verdict(&answer, SystemTime::now()),
            Err(error @ (HttpError::BadRequest { .. } | HttpError::Tls { .. })) => {
                Err(Refusal::never(error.to_string()))
            }
            Err(error) => Err(Refusal::again(error.to_string())),
        }
    }
}

/// What an answer means.
fn verdict(answer: &Response, now: SystemTime) -> Result<(), Refusal> {
    let status = answer.status;
    match status {
        200..=299 => Ok(()),
        408 | 429 | 500.. => Err(Refusal::Again {
            reason: format!("the receiver has a problem: {status}"),
            after: answer.retry_after(now),
        }),
        300..=399 => Err(Refusal::never(format!(
            "the receiver sends us elsewhere: {status}; give the address that it names"
        ))),
        401 | 403 => Err(Refusal::never(format!(
            "the receiver refused it: {status}; check the name, password or secret"
        ))),
        404 | 410 => Err(Refusal::never(format!(
            "the receiver refused it: {status}; check the path of the address"
        ))),
        _ => Err(Refusal::never(format!("the receiver refused it: {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Response {
        let headers = retry_after.map(|text| ("retry-after".to_owned(), text.to_owned()));
        Response { status, headers: headers.into_iter().collect(), body: Vec::new() }
    }

    #[test]
    fn answers_are_final_or_not() {
        let verdict = |status| verdict(&answer(status, None), UNIX_EPOCH);
        for status in [200, 202, 204] {
            assert_eq!(verdict(status), Ok(()));
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(verdict(status), Err(Refusal::Again { after: None, .. })));
        }
        for status in [301, 307, 400, 401, 404, 410, 413, 422] {
            assert!(matches!(verdict(status), Err(Refusal::Never { .. })));
        }
    }

    #[test]
    fn a_receiver_may_ask_for_time() {
        let after = Some(Duration::from_secs(120));
        let verdict = verdict(&answer(503, Some("120")), UNIX_EPOCH);
        assert!(matches!(verdict, Err(Refusal::Again { after: a, .. }) if a == after));
    }
}
