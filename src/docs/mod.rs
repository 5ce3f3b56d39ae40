//! Pages to read: what is longer than the documentation of one item.

#[doc = include_str!("connecting.md")]
pub mod connecting {}
