use super::*;

fn builder() -> AuthorizationServerBuilder {
    AuthorizationServer::builder().scopes(["mcp:use"])
}

/// A browser, and the client that sends it to the server.
struct Tab {
    walk: Walk,
    clock: Clock,
    cookie: String,
}

impl Tab {
    async fn open(builder: AuthorizationServerBuilder) -> Self {
        let clock = still_clock();
        Self {
            walk: Walk::begin(builder.clock(clock.clone())).await,
            clock,
            cookie: String::new(),
        }
    }

    async fn page(&self, changes: &[(&str, &str)]) -> String {
        let request = http().get(self.walk.request(changes));
        let request = request.header("cookie", &self.cookie);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Sends the form of the page back, with these fields in place of its own.
    async fn answer(&mut self, changes: &[(&str, &str)], own: &[(&str, &str)]) -> Response {
        let mut form = form_of(&self.page(changes).await);
        form.retain(|(name, _)| !own.iter().any(|(own, _)| own == name));
        form.extend(
            own.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        form.push(("decision".to_owned(), "allow".to_owned()));
        let pairs: Vec<_> = form
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let request = http().post(self.walk.server.url(Endpoint::Authorize));
        let request = request.header("cookie", &self.cookie);
        let response = with_form(request, &pairs).send().await.unwrap();
        if let Some(cookie) = response.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = cookie.to_owned();
        }
        response
    }

    /// The claims of the token that the client gets in the end.
    async fn claims(&mut self, changes: &[(&str, &str)], own: &[(&str, &str)]) -> Value {
        let code = Callback::of(&self.answer(changes, own).await).parameter("code");
        let tokens = body_of(self.walk.redeem(&code.expect("a code"), &[]).await).await;
        claims_of(tokens["access_token"].as_str().unwrap())
    }
}

/// The values of `acr` that the page offers, the chosen one first.
fn offered(page: &str) -> Vec<&str> {
    let choices = page.split("name=\"acr\" value=\"").skip(1);
    choices
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

const NOW: i64 = 1_800_000_000;

#[tokio::test]
async fn tokens_say_when_and_how_their_user_logged_in() {
    for opaque in [false, true] {
        let clock = still_clock();
        let builder = builder().clock(clock.clone());
        let walk = Walk::begin(if opaque {
            builder.opaque_tokens()
        } else {
            builder
        })
        .await;
        let code = walk.code(&[("acr_values", "phr")]).await;
        clock.advance(Duration::from_secs(30));
        let mut tokens = body_of(walk.redeem(&code, &[]).await).await;
        let mut sids = Vec::new();
        // A new token is no new login.
        for _ in 0..2 {
            let token = tokens["access_token"].as_str().unwrap();
            let mut told = vec![introspect(&walk.server, token).await];
            if !opaque {
                told.push(claims_of(token));
            }
            for claims in told {
                assert_eq!(claims["auth_time"], NOW, "{claims}");
                assert_eq!(claims["acr"], "phr");
                assert_eq!(claims["amr"], json!(["pwd", "hwk", "mfa"]));
                sids.push(claims["sid"].as_str().unwrap().to_owned());
            }
            clock.advance(Duration::from_secs(600));
            let refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();
            tokens = body_of(walk.refresh(&refresh_token, &[]).await).await;
        }
        sids.dedup();
        assert_eq!(sids.len(), 1);
    }
}

#[tokio::test]
async fn a_client_that_acts_for_itself_has_no_login() {
    let server = builder().start().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "rs"),
        ("client_secret", "rs-secret"),
    ];
    let tokens = body_of(post_form(&server.url(Endpoint::Token), &form).await).await;
    let claims = claims_of(tokens["access_token"].as_str().unwrap());
    for name in ["auth_time", "acr", "amr", "sid"] {
        assert!(claims.get(name).is_none(), "{claims}");
    }
}

#[tokio::test]
async fn a_browser_stays_logged_in_and_another_user_logs_in() {
    let mut tab = Tab::open(builder()).await;
    let first = tab.claims(&[], &[]).await;
    assert_eq!(
        (&first["acr"], &first["amr"]),
        (&json!("pwd"), &json!(["pwd"]))
    );
    tab.clock.advance(Duration::from_secs(100));
    let page = tab.page(&[]).await;
    assert!(page.contains("logged in") && offered(&page).is_empty());
    let second = tab.claims(&[], &[]).await;
    for name in ["auth_time", "acr", "amr", "sid"] {
        assert_eq!(second[name], first[name], "{name}");
    }
    let bobs = tab.claims(&[], &[("user", "bob")]).await;
    assert_eq!(bobs["auth_time"], NOW + 100);
    assert_ne!(bobs["sid"], first["sid"]);
}

#[tokio::test]
async fn a_login_that_is_too_old_is_made_again() {
    let mut tab = Tab::open(builder()).await;
    let first = tab.claims(&[("max_age", "60")], &[]).await;
    assert_eq!(first["auth_time"], NOW);
    tab.clock.advance(Duration::from_secs(60));
    for (max_age, is_again) in [
        ("60", false),
        ("59", true),
        ("0", true),
        ("4294967295", false),
    ] {
        let page = tab.page(&[("max_age", max_age)]).await;
        assert_eq!(page.contains("log in again"), is_again, "{max_age}");
        assert_eq!(page.contains("logged in"), !is_again, "{max_age}");
        assert_eq!(
            offered(&page),
            if is_again { vec!["pwd", "phr"] } else { vec![] }
        );
    }
    let again = tab.claims(&[("max_age", "59")], &[]).await;
    assert_eq!(
        (&again["auth_time"], &again["sid"]),
        (&json!(NOW + 60), &first["sid"])
    );
    assert_eq!(again["acr"], "pwd");
    tab.clock.advance(Duration::from_secs(1));
    assert_eq!(
        tab.claims(&[("max_age", "0")], &[]).await["auth_time"],
        NOW + 61
    );
    // Even if the page was sent before the login was too old.
    tab.clock.advance(Duration::from_secs(60));
    let page = form_of(&tab.page(&[("max_age", "60")]).await);
    assert!(page.contains(&("max_age".to_owned(), "60".to_owned())));
}

#[tokio::test]
async fn a_login_that_is_not_strong_enough_is_made_again_in_another_way() {
    let mut tab = Tab::open(builder().acr_values(["one", "two", "three"])).await;
    assert_eq!(tab.claims(&[], &[]).await["acr"], "one");
    for (asked, offers) in [
        ("one", &[][..]),
        ("two one", &[]),
        ("two", &["two"]),
        ("three two", &["three", "two"]),
        ("unknown two", &["two"]),
        ("unknown", &["three"]),
        ("ONE", &["three"]),
    ] {
        let page = tab.page(&[("acr_values", asked)]).await;
        assert_eq!(offered(&page), offers, "{asked}");
        assert_eq!(page.contains("log in again"), !offers.is_empty(), "{asked}");
    }
    tab.clock.advance(Duration::from_secs(5));
    let stronger = tab
        .claims(&[("acr_values", "three two")], &[("acr", "two")])
        .await;
    assert_eq!(
        (&stronger["acr"], &stronger["auth_time"]),
        (&json!("two"), &json!(NOW + 5))
    );
    assert_eq!(stronger["amr"], json!(["pwd", "hwk", "mfa"]));
    let unknown = tab.claims(&[("acr_values", "unknown")], &[]).await;
    assert_eq!(unknown["acr"], "three", "the best that there is");
}

#[tokio::test]
async fn a_user_can_only_choose_what_the_request_asks_for() {
    let mut tab = Tab::open(builder()).await;
    for chosen in ["pwd", "unknown"] {
        let refused = tab
            .answer(&[("acr_values", "phr")], &[("acr", chosen)])
            .await;
        assert_eq!(refused.status(), 400, "{chosen}");
        assert!(refused.headers().get("set-cookie").is_none());
        assert!(refused.text().await.unwrap().contains("ways to log in"));
    }
}

#[tokio::test]
async fn a_client_can_ask_for_a_new_login_outright() {
    let mut tab = Tab::open(builder()).await;
    tab.claims(&[], &[]).await;
    tab.clock.advance(Duration::from_secs(5));
    let page = tab.page(&[("prompt", "consent login")]).await;
    assert!(page.contains("log in again") && offered(&page) == ["pwd", "phr"]);
    let again = tab.claims(&[("prompt", "login")], &[("acr", "phr")]).await;
    assert_eq!(
        (&again["auth_time"], &again["acr"]),
        (&json!(NOW + 5), &json!("phr"))
    );
    assert!(
        tab.page(&[("prompt", "consent")])
            .await
            .contains("logged in")
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_an_error_of_the_client() {
    let tab = Tab::open(builder()).await;
    for changes in [
        &[("max_age", "-1")][..],
        &[("max_age", "1.5")],
        &[("max_age", "soon")],
        &[("max_age", "4294967296")],
        &[("max_age", "1"), ("max_age", "2")],
        &[("acr_values", "a"), ("acr_values", "b")],
        &[("prompt", "login"), ("prompt", "login")],
    ] {
        let callback = Callback::of(&get(&tab.walk.request(changes)).await);
        assert_eq!(
            callback.parameter("error").as_deref(),
            Some("invalid_request"),
            "{changes:?}"
        );
    }
}

#[tokio::test]
async fn a_careless_server_issues_tokens_of_the_login_that_there_is() {
    for automatic in [false, true] {
        let builder = builder().ignore_login_demands();
        let mut tab = Tab::open(if automatic {
            builder.approve_as("alice")
        } else {
            builder
        })
        .await;
        let mut claims = Vec::new();
        for changes in [
            &[][..],
            &[("acr_values", "phr"), ("max_age", "0"), ("prompt", "login")],
        ] {
            claims.push(if automatic {
                approved(&tab.walk, changes).await
            } else {
                tab.claims(changes, &[]).await
            });
            tab.clock.advance(Duration::from_secs(5));
        }
        assert_eq!(
            (
                &claims[1]["auth_time"],
                &claims[1]["acr"],
                &claims[1]["sid"]
            ),
            (&json!(NOW), &json!("pwd"), &claims[0]["sid"])
        );
    }
}

#[tokio::test]
async fn programs_are_logged_in_as_their_requests_ask() {
    let tab = Tab::open(builder().approve_as("alice")).await;
    let first = approved(&tab.walk, &[]).await;
    assert_eq!(
        (&first["auth_time"], &first["acr"]),
        (&json!(NOW), &json!("pwd"))
    );
    tab.clock.advance(Duration::from_secs(100));
    // One login does for all that it is good enough for.
    let second = approved(&tab.walk, &[("max_age", "100")]).await;
    assert_eq!(
        (&second["auth_time"], &second["sid"]),
        (&json!(NOW), &first["sid"])
    );
    let stronger = approved(&tab.walk, &[("acr_values", "unknown phr")]).await;
    assert_eq!(
        (&stronger["auth_time"], &stronger["acr"]),
        (&json!(NOW + 100), &json!("phr"))
    );
    tab.clock.advance(Duration::from_secs(100));
    let newer = approved(&tab.walk, &[("max_age", "99")]).await;
    assert_eq!(newer["auth_time"], NOW + 200);
    assert_eq!(
        (&newer["acr"], &newer["sid"]),
        (&json!("pwd"), &first["sid"])
    );
}

/// The claims of a token of a server that approves by itself.
async fn approved(walk: &Walk, changes: &[(&str, &str)]) -> Value {
    let code = Callback::of(&get(&walk.request(changes)).await)
        .parameter("code")
        .unwrap();
    let tokens = body_of(walk.redeem(&code, &[]).await).await;
    claims_of(tokens["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn the_metadata_lists_the_acr_values_if_there_are_any() {
    let listed = async |server: &AuthorizationServer| {
        let metadata = body_of(get(&server.url(Endpoint::Rfc8414)).await).await;
        metadata.get("acr_values_supported").cloned()
    };
    let server = builder().start().await;
    assert_eq!(listed(&server).await, Some(json!(["pwd", "phr"])));
    let mut tab = Tab::open(builder().acr_values([""; 0])).await;
    assert_eq!(listed(&tab.walk.server).await, None);
    let claims = tab.claims(&[("acr_values", "phr")], &[]).await;
    assert_eq!((claims.get("acr"), &claims["amr"]), (None, &json!(["pwd"])));
}

#[tokio::test]
async fn a_minted_token_can_have_an_old_login() {
    let clock = still_clock();
    let server = builder().clock(clock).start().await;
    let claims = claims_of(&server.token().logged_in_ago(90).claim("acr", "phr").mint());
    assert_eq!(
        (&claims["auth_time"], &claims["acr"]),
        (&json!(NOW - 90), &json!("phr"))
    );
}
