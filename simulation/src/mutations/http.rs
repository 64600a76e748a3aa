//! Mistakes of an HTTP client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use vestal_oauth::http::{Answer, BodyEnd, Exchange, Http};

use super::Mutation;
use crate::process::Process;
use crate::time::MINUTE;

/// How often a client tries that does not know better.
const TRIES: usize = 3;

/// A mistaken way to providers.
pub(crate) struct Mistaken {
    pub(crate) inner: Arc<dyn Http>,
    pub(crate) process: Arc<Process>,
    pub(crate) mutation: Mutation,
}

#[async_trait]
impl Http for Mistaken {
    async fn send(&self, request: Request<Bytes>, deadline: Duration) -> Exchange {
        match self.mutation {
            Mutation::RetryInsideTheHttpClient => {
                for _ in 1..TRIES {
                    match self.inner.send(request.clone(), deadline).await {
                        Exchange::Answered(answer) if answer.status < 500 => {
                            return Exchange::Answered(answer);
                        }
                        _ => {}
                    }
                }
                self.inner.send(request, deadline).await
            }
            Mutation::SendLongAfterTheLease if request.body().starts_with(b"grant_type=refresh_token") => {
                let (mut head, body) = request.into_parts();
                head.extensions.clear();
                self.process.sleep(MINUTE).await;
                self.inner.send(Request::from_parts(head, body), deadline).await
            }
            Mutation::ClassifyByStatus => match self.inner.send(request, deadline).await {
                Exchange::Answered(answer) if !is_success(&answer) => Exchange::Answered(Answer {
                    status: 400,
                    headers: answer.headers,
                    body: Bytes::from_static(b"{\"error\":\"invalid_grant\"}"),
                    end: BodyEnd::Complete,
                }),
                exchange => exchange,
            },
            _ => self.inner.send(request, deadline).await,
        }
    }
}

fn is_success(answer: &Answer) -> bool {
    answer.status == 200 && answer.body.starts_with(b"{") && answer.end == BodyEnd::Complete
}
