//! Requests to workers that leave before anybody waits for their answers.

use std::{
    future::{Future, ready},
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// A request and what becomes of it.
pub(crate) type Asking<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Sends a request. It leaves when it is first polled, and doing so here keeps requests in the order in which they were
/// decided on. Whoever waits for the answer polls it again with a real waker.
pub(crate) fn begin<T: Send + 'static>(mut asking: Asking<T>) -> Asking<T> {
    match asking
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => Box::pin(ready(answer)),
        Poll::Pending => asking,
    }
}
