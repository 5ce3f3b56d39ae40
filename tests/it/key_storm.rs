//! Everything at once: several issuers rotate their keys while clients come with good, forged and
//! withdrawn tokens and hang up at random, and the clock moves under all of them.
//!
//! The schedule is the runtime's; the verdicts hold under any.

mod issuer;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use http::StatusCode;
use toolgate::{Limits, ScopeMap};

use self::issuer::RotatingIssuer;
use crate::world::{Answer, World, until};

const ISSUERS: usize = 3;
const CLIENTS: usize = 8;
const REQUESTS: usize = 2400;
/// So often the clock moves, and every other time an issuer rotates.
const STEPS: usize = 60;
const STEP: Duration = Duration::from_secs(5);
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const COOLDOWN: Duration = Duration::from_secs(30);

struct Storm {
    world: World,
    issuers: Vec<RotatingIssuer>,
    /// Requests answered or given up.
    done: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn through_a_storm_good_tokens_are_never_refused_withdrawn_ones_never_served_and_issuers_spared()
 {
    let storm = Arc::new(Storm::new().await);
    let began = storm.world.clock.now();
    let mut clients = tokio::task::JoinSet::new();
    for number in 1..=CLIENTS {
        let storm = Arc::clone(&storm);
        clients.spawn(async move { storm.client(Dice(SEED ^ number as u64)).await });
    }
    storm.weather().await;
    clients.join_all().await;

    let elapsed = storm
        .world
        .clock
        .now()
        .duration_since(began)
        .expect("forward");
    let allowed = 1 + elapsed.as_secs() / COOLDOWN.as_secs();
    for issuer in &storm.issuers {
        let traffic = issuer.traffic();
        assert_eq!(traffic.most_at_once, 1, "one fetch at a time");
        assert!(
            traffic.fetches as u64 <= allowed,
            "{} fetches in {elapsed:?}",
            traffic.fetches
        );
        assert!(issuer.newest_seen() > 0, "the storm saw a rotation");
    }
    // And a little more: the last attempt may be of this very moment, and times are floating-point numbers.
    storm
        .world
        .clock
        .advance(COOLDOWN + Duration::from_millis(1));
    for issuer in &storm.issuers {
        let (newest, withdrawn) = (issuer.current() + 1, issuer.current() - 1);
        storm
            .send(&issuer.fresh_token(&storm.world, newest))
            .await
            .assert_served();
        storm
            .send(&issuer.token(&storm.world, withdrawn))
            .await
            .assert_invalid_token("kid_unknown");
    }
}

impl Storm {
    async fn new() -> Self {
        let mut issuers = Vec::new();
        for _ in 0..ISSUERS {
            issuers.push(RotatingIssuer::start(STEPS / 2 / ISSUERS).await);
        }
        let world = World::with(|builder, _| {
            // Short enough for refreshes ahead of time to mix with those for the sake of unknown keys.
            let limits = Limits::default()
                .jwks_default_seconds(60)
                .verified_seconds(100_000);
            let builder = builder.scopes(ScopeMap::allow_unlisted()).limits(limits);
            issuers.iter().fold(builder, |builder, issuer| {
                builder.issuer(issuer.configured())
            })
        })
        .await;
        Self {
            world,
            issuers,
            done: AtomicUsize::new(0),
        }
    }

    /// Keeps step with the clients, so that every rotation meets requests.
    async fn weather(&self) {
        for step in 0..STEPS {
            until(|| self.done.load(Ordering::Relaxed) >= step * REQUESTS / STEPS).await;
            let advance = || self.world.clock.advance(STEP);
            if step % 2 == 0 {
                advance()
            } else {
                self.issuers[step / 2 % ISSUERS].rotate(advance)
            }
        }
    }

    async fn client(&self, mut dice: Dice) {
        while self.done.fetch_add(1, Ordering::Relaxed) < REQUESTS {
            let issuer = &self.issuers[dice.below(ISSUERS)];
            let patience = if dice.below(4) == 0 {
                dice.below(6)
            } else {
                usize::MAX
            };
            match dice.below(4) {
                0 => self.with_forged_token(issuer, patience).await,
                1 => self.with_withdrawn_token(issuer, patience).await,
                _ => self.with_good_token(issuer, &mut dice, patience).await,
            }
        }
    }

    async fn with_good_token(&self, issuer: &RotatingIssuer, dice: &mut Dice, patience: usize) {
        let key = issuer.current() + dice.below(2);
        let token = match dice.below(2) {
            0 => issuer.token(&self.world, key),
            _ => issuer.fresh_token(&self.world, key),
        };
        let Some(answer) = hasty(patience, self.send(&token)).await else {
            return;
        };
        match answer.status {
            StatusCode::OK => issuer.saw(key),
            // It left while we asked.
            StatusCode::UNAUTHORIZED if issuer.may_be_withdrawn(key) => {
                answer.assert_invalid_token("kid_unknown");
            }
            _ => answer.assert_unavailable("kid_undecided"),
        }
    }

    /// Sends a token of the newest key that some response has shown to be withdrawn.
    async fn with_withdrawn_token(&self, issuer: &RotatingIssuer, patience: usize) {
        let Some(key) = issuer.newest_seen().checked_sub(1) else {
            return;
        };
        if let Some(answer) = hasty(patience, self.send(&issuer.token(&self.world, key))).await {
            assert_not_served(&answer);
        }
    }

    async fn with_forged_token(&self, issuer: &RotatingIssuer, patience: usize) {
        if let Some(answer) = hasty(patience, self.send(&issuer.forged_token(&self.world))).await {
            assert_not_served(&answer);
        }
    }

    async fn send(&self, token: &str) -> Answer {
        self.world.list_with(token).await
    }
}

#[track_caller]
fn assert_not_served(answer: &Answer) {
    match answer.status {
        StatusCode::UNAUTHORIZED => answer.assert_invalid_token("kid_unknown"),
        _ => answer.assert_unavailable("kid_undecided"),
    }
}

/// Polls this often at most, and hangs up.
async fn hasty<T>(polls: usize, answer: impl Future<Output = T>) -> Option<T> {
    if polls == usize::MAX {
        return Some(answer.await);
    }
    let mut answer = pin!(answer);
    for _ in 0..polls {
        if let Poll::Ready(answer) = poll!(&mut answer) {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Marsaglia's xorshift: the same rolls in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }
}
