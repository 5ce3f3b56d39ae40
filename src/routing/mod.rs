//! Which resource is it for? Several of them can stand behind one layer.
//!
//! `directory` has the configured URLs, and picks the one that a request is for, by its host and its path. `paths` has
//! the paths of one host. `authority` reads the host of a request, and `request_path` its path. A request that could be
//! for two resources is refused, because the layer and the service behind it must not read it in different ways.

mod authority;
mod directory;
mod paths;
mod request_path;

pub(crate) use authority::{normal as normal_authority, of as authority_of};
pub(crate) use directory::{Directory, Documents, Elsewhere, Entry, Overlap, Picked};
pub(crate) use request_path::{
    ambiguous as ambiguous_path, configured as configured_path, decoded as decoded_path,
    of as path_of,
};
