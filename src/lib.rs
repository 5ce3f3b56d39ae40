//! An embeddable OAuth 2.1 resource server for MCP servers.

mod answer;
mod call;
mod clock;
mod config;
mod config_error;
mod decision;
mod gate;
mod layer;
mod policy;
mod refusal;
mod resource_name;
mod resource_uri;
mod scope;
mod token;

pub use answer::{Metadata, MetadataService, ResponseBody};
pub use call::RequestBody;
pub use config::{Builder, Config, Issuer, Limits};
pub use config_error::ConfigError;
pub use gate::Toolgate;
pub use layer::{ToolgateFuture, ToolgateLayer, ToolgateService};
pub use policy::{Rule, ScopeMap, all_of, any_of, base_only, deny};
pub use refusal::{Refusal, RefusalKind};
pub use scope::Scopes;
pub use token::{ClaimsError, Identity, Principal};

#[cfg(feature = "testing")]
pub mod testing;
