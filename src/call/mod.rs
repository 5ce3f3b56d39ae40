//! stub
use crate::refusal::*;
use bytes::Bytes;
use http::request::Parts;
use std::borrow::Cow;
pub(crate) struct Calls<'a>(Vec<Call<'a>>);
impl<'a> Calls<'a> {
    pub(crate) fn read(_: &Parts, _: &'a [u8]) -> Result<Self, Refusal> {
        Ok(Self(vec![]))
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Call<'a>> {
        self.0.iter()
    }
}
#[derive(PartialEq)]
pub(crate) enum MessageKind {
    Request,
    Notification,
    Response,
}
pub(crate) struct Call<'a> {
    pub(crate) kind: MessageKind,
    pub(crate) method: Cow<'a, str>,
    pub(crate) target: Target<'a>,
}
pub(crate) enum Target<'a> {
    None,
    Tool(Cow<'a, str>),
    Prompt(Cow<'a, str>),
    Resources(Vec<ResourceName<'a>>),
}
pub(crate) struct ResourceName<'a> {
    pub(crate) written: Cow<'a, str>,
    pub(crate) normalised: Option<String>,
}
impl<'a> ResourceName<'a> {
    pub(crate) fn new(written: Cow<'a, str>) -> Self {
        Self {
            written,
            normalised: None,
        }
    }
    pub(crate) fn readings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.written).chain(self.normalised.as_deref())
    }
}
/// b
#[derive(Debug)]
pub struct RequestBody<B>(Option<B>);
impl<B> RequestBody<B> {
    pub(crate) fn unread(b: Option<B>) -> Self {
        Self(b)
    }
    pub(crate) fn judged(_: Bytes) -> Self {
        Self(None)
    }
}
pub(crate) fn is_judged(_: &Parts, _: bool) -> Result<bool, Refusal> {
    Ok(true)
}
pub(crate) async fn collect<B>(_: Option<B>, _: usize, _: std::time::Duration) -> Result<Bytes, Refusal> {
    Ok(Bytes::new())
}
pub(crate) async fn discard<B>(_: B) {}
