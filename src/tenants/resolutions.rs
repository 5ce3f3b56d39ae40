//! Asks the resolver, once for all requests that wait for one tenant, and acts on its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::asking::AskedNames;
use super::known_cache::{AbsentNames, KnownTenants};
use super::maker::Maker;
use super::name::TenantName;
use super::resolver::{NotResolved, Resolver};
use super::tenant::{Due, Tenant};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::events::{TenantKept, TenantRemoved};
use crate::issuer::{Lane, MAX_WAIT, NoOutcome, SingleFlight};
use crate::refusal::{Reason, Refusal};

/// The most resolutions at once.
const MAX_RESOLUTIONS: usize = 16;

/// The most of them for names without a tenant that is built, since strangers choose names.
const MAX_NEW_RESOLUTIONS: usize = MAX_RESOLUTIONS / 2;

/// How often tenants with open streams are looked at, so that those of a removed one end without a request.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// How often one resolution is repeated because the tenant was forgotten meanwhile.
const MAX_REPEATS: usize = 3;

/// The tenants, and the code that knows all of them.
pub(super) struct Resolutions {
    pub(super) resolver: Resolver,
    pub(super) maker: Maker,
    pub(super) clock: Clock,
    known: KnownTenants,
    absent: AbsentNames,
    under_way: SingleFlight<TenantName, Outcome>,
    asked: AskedNames,
    are_streams_closed: AtomicBool,
    is_swept: AtomicBool,
}

/// A tenant; `None` if no tenant has the name.
pub(super) type Outcome = Result<Option<Arc<Tenant>>, Refusal>;

/// The outcome, as far as it is known without waiting.
pub(super) enum TenantLookup {
    Now(Option<Arc<Tenant>>),
    Later(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

impl Resolutions {
    pub(super) fn new(resolver: Resolver, maker: Maker, clock: Clock, max_idle: usize) -> Self {
        Self {
            resolver,
            maker,
            clock,
            known: KnownTenants::new(max_idle),
            absent: AbsentNames::new(),
            under_way: SingleFlight::of_at_most(MAX_RESOLUTIONS, MAX_NEW_RESOLUTIONS),
            asked: AskedNames::default(),
            are_streams_closed: AtomicBool::default(),
            is_swept: AtomicBool::default(),
        }
    }

    /// Finds a tenant. A known one is served while it is resolved again.
    pub(super) fn find(self: &Arc<Self>, name: TenantName) -> TenantLookup {
        let now = self.clock.now();
        match self.known.get(&name) {
            Some(tenant) => {
                tenant.note_use(now);
                match tenant.due(now) {
                    Due::Nothing => return TenantLookup::Now(Some(tenant)),
                    Due::AskMeanwhile => {
                        self.ask_meanwhile(name, &tenant, now);
                        return TenantLookup::Now(Some(tenant));
                    }
                    Due::Wait => {}
                }
            }
            None if self.absent.has(&name, now) => return TenantLookup::Now(None),
            None => {}
        }
        let resolutions = self.clone();
        TenantLookup::Later(Box::pin(async move { resolutions.wait_for(name).await }))
    }

    /// Has the resolver asked again before this tenant is served again, and now if its streams are to be told.
    pub(super) fn forget(self: &Arc<Self>, name: TenantName) {
        self.asked.outdate(&name);
        self.absent.remove(&name);
        if let Some(tenant) = self.known.get(&name) {
            tenant.forget();
            if let Ok(runtime) = Handle::try_current() {
                self.ask_in_background(&runtime, name);
            }
        }
    }

    /// Ends all streams of all tenants permanently.
    pub(super) fn close_streams(&self) {
        self.are_streams_closed.store(true, Ordering::SeqCst);
        for (_, tenant) in self.known.all() {
            tenant.close_streams();
        }
    }

    async fn wait_for(self: Arc<Self>, name: TenantName) -> Outcome {
        let Ok(runtime) = Handle::try_current() else {
            return Err(unavailable(NotResolved::NoRuntime));
        };
        let is_known = self.known.get(&name).is_some();
        let lane = if is_known {
            Lane::Known
        } else {
            Lane::Strangers
        };
        let outcome = self.share(&runtime, name, lane);
        let outcome = match timeout(MAX_WAIT, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(NoOutcome::Lost)) => Err(unavailable(NotResolved::Lost)),
            Ok(Err(NoOutcome::Full)) | Err(_) => Err(Reason::TenantsBusy.into()),
        };
        outcome.or_else(|refusal| {
            // A tenant that was known is known until the resolver says something else.
            let held = self.known.get(&name).filter(|held| !held.is_forgotten());
            let held = held.ok_or(refusal)?;
            let now = self.clock.now();
            if held.due(now) != Due::Nothing {
                held.retry_later(now);
            }
            Ok(Some(held))
        })
    }

    fn share(
        self: &Arc<Self>,
        runtime: &Handle,
        name: TenantName,
        lane: Lane,
    ) -> impl Future<Output = Result<Outcome, NoOutcome>> {
        let (known, work) = (self.clone(), self.clone());
        let (flights, runtime) = (self.clone(), runtime.clone());
        async move {
            let known = || known.decided(&name);
            let work = || work.resolve(name);
            let shared = flights.under_way.share(&runtime, name, lane, known, work);
            shared.await
        }
    }

    /// The outcome that another request left behind.
    fn decided(&self, name: &TenantName) -> Option<Outcome> {
        let now = self.clock.now();
        match self.known.get(name) {
            Some(tenant) if tenant.due(now) == Due::Nothing => Some(Ok(Some(tenant))),
            Some(_) => None,
            None => self.absent.has(name, now).then_some(Ok(None)),
        }
    }

    fn ask_meanwhile(self: &Arc<Self>, name: TenantName, tenant: &Tenant, now: Timestamp) {
        if let Ok(runtime) = Handle::try_current()
            && tenant.take_turn(now)
        {
            self.ask_in_background(&runtime, name);
        }
    }

    fn ask_in_background(self: &Arc<Self>, runtime: &Handle, name: TenantName) {
        let (resolutions, known) = (self.clone(), runtime.clone());
        runtime.spawn(async move {
            let work = || resolutions.clone().resolve(name);
            let flights = &resolutions.under_way;
            let _ = flights
                .share(&known, name, Lane::Known, || None, work)
                .await;
        });
    }

    /// Asks the resolver, and acts on its answer.
    async fn resolve(self: Arc<Self>, name: TenantName) -> Outcome {
        self.begin_to_sweep();
        let mut repeats = 0;
        loop {
            let asking = self.asked.begin(name);
            let answer = self.resolver.ask(name.as_str()).await;
            // An answer from before the tenant was forgotten may be out of date.
            if asking.is_outdated() && repeats < MAX_REPEATS {
                repeats += 1;
                continue;
            }
            let outcome = self.settle(&name, answer);
            if asking.is_outdated()
                && let Some(tenant) = self.known.get(&name)
            {
                tenant.forget();
            }
            return outcome;
        }
    }

    fn settle(&self, name: &TenantName, answer: Result<Option<Config>, NotResolved>) -> Outcome {
        let now = self.clock.now();
        let held = self.known.get(name);
        let outcome = match answer {
            Ok(None) => {
                if let Some(tenant) = self.known.remove(name, now) {
                    let resource = tenant.resource();
                    TenantRemoved { resource }.write();
                    tenant.close_streams();
                }
                self.absent.insert(*name, now);
                return Ok(None);
            }
            Ok(Some(config)) => self.install(name, held.as_ref(), config, now),
            Err(why) => Err(unavailable(why)),
        };
        if let (Err(refusal), Some(tenant)) = (&outcome, &held) {
            tenant.retry_later(now);
            TenantKept {
                resource: tenant.resource(),
                reason: refusal.code(),
                why: std::error::Error::source(refusal),
            }
            .write();
        }
        outcome
    }

    fn install(
        &self,
        name: &TenantName,
        held: Option<&Arc<Tenant>>,
        config: Config,
        now: Timestamp,
    ) -> Outcome {
        let unusable = |why| Refusal::from(Reason::TenantUnusable).because(why);
        let tenant = match held {
            Some(tenant) => {
                if tenant.is_forgotten() || !tenant.has_config(&config) {
                    self.maker
                        .replace(name, tenant, &config)
                        .map_err(unusable)?;
                    tenant.keep_config(config);
                }
                tenant.confirm(now);
                tenant.clone()
            }
            None => {
                let replays = self.known.used_proofs(name);
                let installed = self.maker.build(name, &config, replays).map_err(unusable)?;
                let tenant = Arc::new(Tenant::new(installed, config, now));
                self.absent.remove(name);
                self.known.insert(*name, tenant, now)
            }
        };
        // After it can be found, so that one that is built while streams are being closed is closed too.
        if self.are_streams_closed.load(Ordering::SeqCst) {
            tenant.close_streams();
        }
        Ok(Some(tenant))
    }

    /// Has the tenants with open streams looked at from now on, without keeping anything alive.
    fn begin_to_sweep(self: &Arc<Self>) {
        if self.is_swept.swap(true, Ordering::AcqRel) {
            return;
        }
        let sweep = Sweep(Arc::downgrade(self));
        tokio::spawn(async move {
            loop {
                sleep(SWEEP_INTERVAL).await;
                let Some(resolutions) = sweep.0.upgrade() else {
                    return;
                };
                resolutions.ask_about_streams();
            }
        });
    }

    fn ask_about_streams(self: &Arc<Self>) {
        let now = self.clock.now();
        for (name, tenant) in self.known.all() {
            if tenant.is_in_use() && tenant.due(now) != Due::Nothing {
                self.ask_meanwhile(name, &tenant, now);
            }
        }
    }
}

/// The task that looks at streams. If its runtime ends, another may begin.
struct Sweep(Weak<Resolutions>);

impl Drop for Sweep {
    fn drop(&mut self) {
        if let Some(resolutions) = self.0.upgrade() {
            resolutions.is_swept.store(false, Ordering::Release);
        }
    }
}

fn unavailable(why: NotResolved) -> Refusal {
    Refusal::from(Reason::TenantUnavailable).because(why)
}

impl fmt::Debug for Resolutions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resolutions").field(&self.maker).finish()
    }
}
