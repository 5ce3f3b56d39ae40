//! The settings of tenants, as the operator gives them.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::known_cache::MAX_IDLE_TENANTS;
use super::maker::Maker;
use super::name_header::NameHeader;
use super::resolutions::Resolutions;
use super::resolver::Resolver;
use super::template::{UrlTemplate, begins_with};
use super::tenant_set::TenantSet;
use crate::clock::Clock;
use crate::config::{Config, Family, tenant_header, tenant_path};
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::installed::Installed;
use crate::issuer::{HttpClientBuilder, Reach};
use crate::pipeline::Unrouted;
use crate::policy::{Decide, Decider};
use crate::routing::normal_authority;

/// Tenants: resources that are found at run time. [`Gates::resolving`](crate::Gates::resolving) starts with the URL that all
/// of them have but for their names, and [`not_found_elsewhere`](Self::not_found_elsewhere) or
/// [`ungated_elsewhere`](Self::ungated_elsewhere) ends with their [`Gates`](crate::Gates). See
/// [`docs::several_resources`](crate::docs::several_resources#tenants).
#[must_use = "tenants do nothing until they are put behind a layer"]
pub struct Tenants {
    template: String,
    resolver: Resolver,
    header: Option<(String, Vec<String>)>,
    seen_at: Option<String>,
    allows_private_addresses: bool,
    allows_files: bool,
    http_client: Option<HttpClientBuilder>,
    decider: Option<Arc<dyn Decider>>,
    clock: Clock,
    max_idle: usize,
}

impl Tenants {
    pub(crate) fn new<F>(
        template: String,
        resolve: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Option<Config>, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Self {
            template,
            resolver: Resolver::new(resolve),
            header: None,
            seen_at: None,
            allows_private_addresses: false,
            allows_files: false,
            http_client: None,
            decider: None,
            clock: Clock::default(),
            max_idle: MAX_IDLE_TENANTS,
        }
    }

    /// Takes the name of the tenant from this header, in place of the host, if one of these peers sent it: IP addresses or
    /// networks of your proxies, such as `10.0.0.0/8`. The template still says the URL that clients use.
    ///
    /// The proxy must overwrite the header in every request, or a client could write it. The gate finds the address of a
    /// connection in the extension [`Peer`](crate::Peer). From a peer that is not listed, the header counts as missing. The
    /// layer removes it from every request.
    pub fn named_in_header<S: Into<String>>(
        mut self,
        header: impl Into<String>,
        peers: impl IntoIterator<Item = S>,
    ) -> Self {
        let peers = peers.into_iter().map(Into::into).collect();
        self.header = Some((header.into(), peers));
        self
    }

    /// Sets the path of every tenant in the requests that reach this server, if a proxy in front changes the path. It needs
    /// [`named_in_header`](Self::named_in_header) if the name is in the path of the template.
    pub fn seen_at(mut self, path: impl Into<String>) -> Self {
        self.seen_at = Some(path.into());
        self
    }

    /// Allows issuers at private addresses, and `http` for loopback hosts. By default, a configuration with such a URL is refused,
    /// and no request goes to a host name with such an address: a tenant that chose the URL could reach into your network.
    ///
    /// If requests to issuers go through a proxy, this must be allowed if the proxy has a private address, and the proxy must
    /// check the addresses.
    pub fn allow_private_addresses(mut self) -> Self {
        self.allows_private_addresses = true;
        self
    }

    /// Allows a configuration to refer to files and variables. By default, it is refused: a tenant that chose text of its
    /// configuration could have your secrets sent to its own issuer.
    pub fn allow_files_and_variables(mut self) -> Self {
        self.allows_files = true;
        self
    }

    /// Sets how the client for requests to the issuers of all tenants is built, as
    /// [`Builder::http_client`](crate::Builder::http_client) does for one gate.
    pub fn http_client(mut self, client: HttpClientBuilder) -> Self {
        self.http_client = Some(client);
        self
    }

    /// Sets a decision of your own for all tenants, as [`Builder::decision`](crate::Builder::decision) does for one gate.
    pub fn decision(mut self, decision: impl Decide) -> Self {
        self.decider = Some(Arc::new(decision));
        self
    }

    /// Takes the time from a clock that a test can set.
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: crate::testing::Clock) -> Self {
        self.clock = Clock::Set(clock);
        self
    }

    /// Limits how many idle tenants stay built; by default, 1,000. Beyond that, those that were idle for longest are dropped, and
    /// built again when they are next used. A tenant is idle if it has no request and no stream.
    pub fn max_idle(mut self, tenants: usize) -> Self {
        self.max_idle = tenants;
        self
    }

    /// Checks the settings beside the gates that are configured, and makes the tenants of them.
    pub(crate) fn beside(
        self,
        gates: &[Arc<Installed>],
        problems: &mut Problems,
    ) -> Result<Arc<TenantSet>, Flawed> {
        let template = problems.keep(UrlTemplate::parse(&self.template).map_err(|fix| {
            ConfigProblem::not_allowed("tenants.template", fix).showing(&self.template)
        }));
        let header = self
            .header
            .as_ref()
            .map(|(name, peers)| tenant_header(name, peers, problems))
            .transpose();
        let path = problems.keep(tenant_path(self.seen_at.as_deref()));
        let reach = match self.allows_private_addresses {
            true => Reach::Anywhere,
            false => Reach::Public,
        };
        let family = Family::new(self.http_client, self.clock.clone(), reach, problems);
        let (template, header) = (template?, header?);
        path?;
        let seen_at = self
            .seen_at
            .map(|path| path.trim_end_matches('/').to_owned());
        if seen_at.is_some() && header.is_none() && template.path().is_none() {
            let fix = "take the name from a header too: this path has none";
            return Err(problems.add(ConfigProblem::conflict("tenants.seen_at", fix)));
        }
        let by_header = header.is_some();
        check_apart(&template, by_header, seen_at.as_deref(), gates, problems)?;
        let other_hosts = other_hosts(&template, by_header, gates);
        let maker = Maker {
            template,
            family: family?,
            decider: self.decider,
            seen_at,
            allows_private_addresses: self.allows_private_addresses,
            allows_files: self.allows_files,
            fixed: gates.to_vec(),
        };
        let unrouted = Unrouted::new(self.clock.clone());
        let resolutions = Resolutions::new(self.resolver, maker, self.clock, self.max_idle);
        Ok(Arc::new(TenantSet {
            header: header.map(|(name, peers)| NameHeader { name, peers }),
            other_hosts,
            unrouted,
            resolutions: Arc::new(resolutions),
        }))
    }
}

/// Checks that no gate would get the requests of a tenant.
fn check_apart(
    template: &UrlTemplate,
    by_header: bool,
    seen_at: Option<&str>,
    gates: &[Arc<Installed>],
    problems: &mut Problems,
) -> Result<(), Flawed> {
    let mut apart = Ok(());
    for address in gates.iter().flat_map(|gate| &gate.addresses) {
        let pipeline = address.pipeline.look();
        let resource = &pipeline.resource;
        let host = normal_authority(resource.authority()).unwrap_or_default();
        let seen_path = pipeline.seen_path().trim_end_matches('/');
        let (_, path) = resource.origin_and_path();
        let paths = [seen_path, path.trim_end_matches('/')];
        let mut is_covered = paths.iter().any(|path| template.is_covered_by(&host, path));
        // A proxy may send any host, so the path alone tells them apart.
        if by_header {
            let own_host = template.host().unwrap_or(&host);
            is_covered |= match seen_at.or(template.path()) {
                Some(path) => begins_with(path, seen_path),
                None => template.is_covered_by(own_host, seen_path),
            };
        } else if let Some(seen_at) = seen_at {
            is_covered |= template.label_of(&host).is_some() && begins_with(seen_at, seen_path);
        }
        if is_covered {
            let fix = format!(
                "{} is among the URLs of tenants, or above them: give it another path or host",
                resource.as_str()
            );
            let problem = ConfigProblem::duplicate("tenants.template", fix);
            apart = Err(problems.add(problem.showing(template.as_str())));
        }
    }
    apart
}

/// The hosts of gates, if the host of a request decides between them and the tenants.
fn other_hosts(
    template: &UrlTemplate,
    by_header: bool,
    gates: &[Arc<Installed>],
) -> Option<Vec<String>> {
    let addresses = gates.iter().flat_map(|gate| &gate.addresses);
    let hosts = addresses.map(|address| {
        let pipeline = address.pipeline.look();
        normal_authority(pipeline.resource.authority()).unwrap_or_default()
    });
    let hosts: Vec<_> = hosts.collect();
    let is_own = |host: &String| template.host() == Some(host);
    let decides_nothing = by_header || (template.host().is_some() && hosts.iter().all(is_own));
    (!decides_nothing).then_some(hosts)
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}
