//! An issuer that rotates its keys and watches how it is asked for them.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use toolgate::Issuer;
use toolgate::testing::{Algorithm, SigningKey, TokenBuilder};

use crate::world::World;

/// In round `n` it publishes keys `n` and `n + 1`.
pub struct RotatingIssuer {
    url: String,
    keys: Vec<(SigningKey, OnceLock<String>)>,
    /// The round that everyone may rely on.
    round: AtomicUsize,
    /// Ahead of `round` while a rotation is under way.
    coming: AtomicUsize,
    /// Of the sets that the gate has shown to have, the newest was at least of this round.
    seen: AtomicUsize,
    endpoint: Arc<KeyEndpoint>,
}

#[derive(Default)]
struct KeyEndpoint {
    published: Mutex<Vec<Value>>,
    traffic: Mutex<Traffic>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub fetches: usize,
    pub most_at_once: usize,
    now: usize,
}

impl RotatingIssuer {
    pub async fn start(rounds: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys: Vec<_> = (0..rounds + 2)
            .map(|number| SigningKey::generate(Algorithm::Es256).with_kid(number.to_string()))
            .map(|key| (key, OnceLock::new()))
            .collect();
        let endpoint = Arc::new(KeyEndpoint::default());
        tokio::spawn(Arc::clone(&endpoint).serve(listener));
        let [round, coming, seen] = [(); 3].map(|()| AtomicUsize::new(0));
        let issuer = Self {
            url,
            keys,
            round,
            coming,
            seen,
            endpoint,
        };
        issuer.publish(0);
        issuer
    }

    pub fn configured(&self) -> Issuer {
        Issuer::new(&*self.url).jwks_uri(format!("{}/jwks", self.url))
    }

    /// Time passes before the new key is used: requests at the very instant of a fetch count as earlier than it.
    pub fn rotate(&self, time_passes: impl FnOnce()) {
        let round = self.coming.fetch_add(1, SeqCst) + 1;
        self.publish(round);
        time_passes();
        self.round.store(round, SeqCst);
    }

    /// The older of its two keys.
    pub fn current(&self) -> usize {
        self.round.load(SeqCst)
    }

    pub fn may_be_withdrawn(&self, key: usize) -> bool {
        key < self.coming.load(SeqCst)
    }

    /// A token under this key was served.
    pub fn saw(&self, key: usize) {
        self.seen.fetch_max(key.saturating_sub(1), SeqCst);
    }

    /// Keys before this one are known to be gone.
    pub fn newest_seen(&self) -> usize {
        self.seen.load(SeqCst)
    }

    /// The same one each time, so that the gate remembers it.
    pub fn token(&self, world: &World, key: usize) -> String {
        self.keys[key]
            .1
            .get_or_init(|| self.fresh_token(world, key))
            .clone()
    }

    pub fn fresh_token(&self, world: &World, key: usize) -> String {
        self.good(world).signed_with(&self.keys[key].0).mint()
    }

    pub fn forged_token(&self, world: &World) -> String {
        self.good(world)
            .header("kid", "unknown")
            .mint_with_signature([7; 64])
    }

    pub fn traffic(&self) -> Traffic {
        *self.endpoint.traffic.lock().unwrap()
    }

    fn good(&self, world: &World) -> TokenBuilder {
        world.token().claim("iss", &*self.url).expires_in(100_000)
    }

    fn publish(&self, round: usize) {
        let keys = self.keys[round..=round + 1]
            .iter()
            .map(|(key, _)| key.jwk())
            .collect();
        *self.endpoint.published.lock().unwrap() = keys;
    }
}

impl KeyEndpoint {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&self).answer(stream));
        }
    }

    /// Not at once, so that fetches which could overlap do.
    async fn answer(self: Arc<Self>, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        self.traffic.lock().unwrap().begin();
        let keys = json!({ "keys": *self.published.lock().unwrap() }).to_string();
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.traffic.lock().unwrap().now -= 1;
        let length = keys.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{keys}"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

impl Traffic {
    fn begin(&mut self) {
        self.fetches += 1;
        self.now += 1;
        self.most_at_once = self.most_at_once.max(self.now);
    }
}
